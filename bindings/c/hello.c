/* The smallest call: the mean focal loss of three scores, and its gradient.
 *
 *     cc hello.c $(pkg-config --cflags --libs focalloss) -o hello
 */
#include <focalloss.h>
#include <stdio.h>

int main(void)
{
    const float logits[3] = {2.0f, -1.0f, 0.5f}; /* scores before the sigmoid */
    const float targets[3] = {1.0f, 0.0f, 1.0f};
    float loss, grad[3];

    if (focal_sigmoid_loss_f32(logits, targets, 3, 0.25, 2.0, FOCAL_REDUCTION_MEAN, &loss, grad) != FOCAL_OK) {
        fprintf(stderr, "%s\n", focal_last_error());
        return 1;
    }
    printf("libfocalloss %s on %s\n", focal_version(), focal_isa());
    printf("loss  %.6f\ngrad  %.6f %.6f %.6f\n", loss, grad[0], grad[1], grad[2]);
    return 0;
}
