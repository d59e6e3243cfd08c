/* Trains a linear classifier on a table with several classes, some of them rare, with softmax losses.
 *
 *     cc train_softmax.c $(pkg-config --cflags --libs focalloss) -lm -o train_softmax
 *     ./train_softmax yeast.csv
 *
 * The file has a header line, then one sample a line: numbers separated by commas, the last one its class, 0, 1, ...
 * Every third sample is kept for testing.  Full-batch gradient descent with momentum; the library gives loss and gradient
 * with respect to the scores in one call.  What is printed: accuracy, and recall of each class: what a loss that looks at
 * rare classes pays and what it buys.
 */
#include <focalloss.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_ROWS = 20000, MAX_COLUMNS = 64, MAX_CLASSES = 16, STEPS = 2000 };

typedef struct {
    int rows;
    float features[MAX_ROWS][MAX_COLUMNS]; /* the last used column is 1: the bias */
    int32_t labels[MAX_ROWS];
    double counts[MAX_CLASSES];
} samples;

static samples training, testing;
static int columns, classes;

static void fail(const char *path, const char *what)
{
    fprintf(stderr, "%s: %s\n", path, what);
    exit(1);
}

static void read_samples(const char *path)
{
    static char line[1 << 16];
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file)) fail(path, "cannot be read");
    for (int row = 0; fgets(line, sizeof line, file); row++) {
        samples *into = row % 3 == 2 ? &testing : &training;
        float values[MAX_COLUMNS];
        char *cell = line, *end;
        int n = 0;
        do {
            if (n == MAX_COLUMNS) fail(path, "too many columns");
            values[n] = strtof(cell, &end);
            if (end == cell) fail(path, "a cell is not a number");
            n++;
            cell = end + 1;
        } while (*end == ',');
        if (into->rows == MAX_ROWS) fail(path, "too many rows");
        if (n < 2 || (row > 0 && n != columns)) fail(path, "rows differ in length");
        if (values[n - 1] < 0 || values[n - 1] >= MAX_CLASSES) fail(path, "a class is out of range");

        columns = n;
        for (int j = 0; j < n - 1; j++) into->features[into->rows][j] = values[j];
        into->features[into->rows][n - 1] = 1.0f;
        into->labels[into->rows] = (int32_t)values[n - 1];
        into->counts[into->labels[into->rows]]++;
        if (into->labels[into->rows] >= classes) classes = into->labels[into->rows] + 1;
        into->rows++;
    }
    fclose(file);
}

/* Every column but the bias to mean 0 and deviation 1 over the training rows. */
static void standardise(void)
{
    for (int j = 0; j < columns - 1; j++) {
        double mean = 0, squares = 0;
        for (int i = 0; i < training.rows; i++) mean += training.features[i][j] / training.rows;
        for (int i = 0; i < training.rows; i++) squares += pow(training.features[i][j] - mean, 2) / training.rows;
        double deviation = squares > 0 ? sqrt(squares) : 1;
        for (int i = 0; i < training.rows; i++)
            training.features[i][j] = (float)((training.features[i][j] - mean) / deviation);
        for (int i = 0; i < testing.rows; i++)
            testing.features[i][j] = (float)((testing.features[i][j] - mean) / deviation);
    }
}

static float scores[MAX_ROWS * MAX_CLASSES], score_grad[MAX_ROWS * MAX_CLASSES];
static float weights[MAX_CLASSES][MAX_COLUMNS], velocity[MAX_CLASSES][MAX_COLUMNS];

static void compute_scores(const samples *data)
{
    for (int i = 0; i < data->rows; i++)
        for (int k = 0; k < classes; k++) {
            float sum = 0;
            for (int j = 0; j < columns; j++) sum += weights[k][j] * data->features[i][j];
            scores[i * classes + k] = sum;
        }
}

/* alphas: a weight for each class, or NULL.  Returns the last loss. */
static float train(const double *alphas, double gamma)
{
    const float rate = 0.5f, momentum = 0.9f;
    float loss = 0;
    for (int k = 0; k < classes; k++)
        for (int j = 0; j < columns; j++) weights[k][j] = velocity[k][j] = 0;

    for (int step = 0; step < STEPS; step++) {
        compute_scores(&training);
        if (focal_softmax_loss_f32(scores, training.labels, (size_t)training.rows, (size_t)classes, alphas, gamma,
                                   FOCAL_REDUCTION_MEAN, &loss, score_grad) != FOCAL_OK) {
            fprintf(stderr, "train_softmax: %s\n", focal_last_error());
            exit(1);
        }
        for (int k = 0; k < classes; k++)
            for (int j = 0; j < columns; j++) {
                float slope = 0;
                for (int i = 0; i < training.rows; i++)
                    slope += score_grad[i * classes + k] * training.features[i][j];
                velocity[k][j] = momentum * velocity[k][j] - rate * slope;
                weights[k][j] += velocity[k][j];
            }
    }
    return loss;
}

static void report(const char *name, float loss)
{
    double hits[MAX_CLASSES] = {0}, correct = 0, balanced = 0;
    compute_scores(&testing);
    for (int i = 0; i < testing.rows; i++) {
        int best = 0;
        for (int k = 1; k < classes; k++)
            if (scores[i * classes + k] > scores[i * classes + best]) best = k;
        if (best == testing.labels[i]) {
            hits[best]++;
            correct++;
        }
    }
    for (int k = 0; k < classes; k++) balanced += hits[k] / testing.counts[k] / classes;
    printf("%-32s %7.4f  %8.3f  %11.3f ", name, loss, correct / testing.rows, balanced);
    for (int k = 0; k < classes; k++) printf("  %.2f", hits[k] / testing.counts[k]);
    printf("\n");
}

int main(int argc, char **argv)
{
    double balanced[MAX_CLASSES];
    if (argc != 2) {
        fprintf(stderr, "usage: train_softmax TABLE.csv\n");
        return 2;
    }
    read_samples(argv[1]);
    for (int k = 0; k < classes; k++)
        if (training.counts[k] == 0 || testing.counts[k] == 0) fail(argv[1], "a class has too few samples");
    standardise();
    /* Weights by effective number of samples: rare classes weigh more. */
    focal_class_balanced_weights(training.counts, (size_t)classes, 0.999, balanced);

    printf("%s: %d samples to train, %d to test, %d classes with", argv[1], training.rows, testing.rows, classes);
    for (int k = 0; k < classes; k++) printf(" %.0f", training.counts[k] + testing.counts[k]);
    printf("\n%-32s %7s  %8s  %11s   %s\n", "loss", "value", "accuracy", "mean recall", "recall of each class");
    report("cross-entropy", train(NULL, 0));
    report("focal gamma 2", train(NULL, 2));
    report("class-balanced cross-entropy", train(balanced, 0));
    report("class-balanced focal gamma 1", train(balanced, 1));
    report("class-balanced focal gamma 2", train(balanced, 2));
    return 0;
}
