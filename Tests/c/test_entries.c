/* What the other programs do not reach: settings from the environment, wrong arguments of the helpers, of shards and of the
 * functions that compute nothing, and outputs so large that they are written past the caches. */
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"

/* Whether body holds in a child with that variable: the environment is read once a process.  Before any other call. */
static int holds_with(const char *name, const char *value, int (*body)(void))
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        setenv(name, value, 1);
        exit(!body());
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int refuses_isa(void)
{
    focal_args a;
    focal_args_init(&a, sizeof a);
    int named = focal_sigmoid(&a) == FOCAL_ERROR_ISA && strstr(focal_last_error(), "FOCALLOSS_ISA is no");
    unsetenv("FOCALLOSS_ISA"); /* too late: the choice was made */
    return named && focal_sigmoid(&a) == FOCAL_ERROR_ISA && strlen(focal_last_error()) < 256;
}

static int three_threads(void)
{
    return focal_get_num_threads() == 3;
}

static int some_threads(void)
{
    return focal_get_num_threads() > 0;
}

static void environment(void)
{
    char endless[1000] = "no";
    memset(endless + 2, 'x', sizeof endless - 3);
    CHECK(holds_with("FOCALLOSS_ISA", "nonsense", refuses_isa), "an instruction set that is none is not refused");
    CHECK(holds_with("FOCALLOSS_ISA", endless, refuses_isa), "a name of a thousand letters is not refused");
    CHECK(holds_with("FOCALLOSS_NUM_THREADS", "3", three_threads), "FOCALLOSS_NUM_THREADS=3 is not 3 threads");
    CHECK(holds_with("OMP_NUM_THREADS", "3,2", three_threads), "OMP_NUM_THREADS=3,2 is not 3 threads");
    CHECK(holds_with("FOCALLOSS_NUM_THREADS", "none", some_threads), "FOCALLOSS_NUM_THREADS=none is no threads");
}

static void helpers_refuse(void)
{
    double x = 0, y[3] = {1, 2, 3}, bad[2] = {1, -1}, out[3];
    CHECK_STATUS(focal_suggest_alpha(-1, 2, &x), FOCAL_ERROR_VALUE);
    CHECK_STATUS(focal_suggest_alpha(0, 0, &x), FOCAL_ERROR_VALUE);
    CHECK_STATUS(focal_suggest_alpha(1, 2, NULL), FOCAL_ERROR_NULL);
    CHECK_STATUS(focal_class_balanced_weights(NULL, 2, .9, out), FOCAL_ERROR_NULL);
    CHECK_STATUS(focal_class_balanced_weights(bad, 2, .9, out), FOCAL_ERROR_VALUE);
    CHECK_STATUS(focal_class_balanced_weights(y, 3, 1, out), FOCAL_ERROR_VALUE);
    CHECK_OK(focal_class_balanced_weights(NULL, 0, .9, NULL));
    CHECK_STATUS(focal_class_balanced_weights(y, SIZE_MAX, .9, out), FOCAL_ERROR_SIZE);
    CHECK_STATUS(focal_prior_bias(0, &x), FOCAL_ERROR_VALUE);
    CHECK_STATUS(focal_prior_bias(1, &x), FOCAL_ERROR_VALUE);
    CHECK_STATUS(focal_prior_bias(.5, NULL), FOCAL_ERROR_NULL);
    CHECK_STATUS(focal_optimal_score(.5, 2, 2, &x), FOCAL_ERROR_VALUE);
    CHECK_STATUS(focal_optimal_score(.5, .5, -1, &x), FOCAL_ERROR_VALUE);
    CHECK_STATUS(focal_optimal_score(.5, .5, 2, NULL), FOCAL_ERROR_NULL);
    CHECK_STATUS(focal_posterior(y, SIZE_MAX, .5, 2, out), FOCAL_ERROR_SIZE);
    CHECK_STATUS(focal_posterior(y, 3, 0, 2, out), FOCAL_ERROR_VALUE);
    CHECK_STATUS(focal_posterior(y, 3, .5, -1, out), FOCAL_ERROR_VALUE);
    CHECK_STATUS(focal_softmax_posterior(y, 1, 3, NULL, -1, out), FOCAL_ERROR_VALUE);
    CHECK_STATUS(focal_posterior(NULL, 3, .5, 2, out), FOCAL_ERROR_NULL);
    CHECK_OK(focal_posterior(NULL, 0, .5, 2, NULL));
    CHECK_STATUS(focal_softmax_posterior(NULL, 1, 3, NULL, 2, out), FOCAL_ERROR_NULL);
    CHECK_STATUS(focal_softmax_posterior(y, 1, 0, NULL, 2, out), FOCAL_ERROR_SIZE);
    CHECK_STATUS(focal_softmax_posterior(y, SIZE_MAX / 2, 1000, NULL, 2, out), FOCAL_ERROR_SIZE);
    CHECK_OK(focal_softmax_posterior(NULL, 0, 3, NULL, 2, NULL));
    CHECK_STATUS(focal_softmax_shard_merge(-1, y, y, y, y, y, y), FOCAL_ERROR_SIZE);
    CHECK_STATUS(focal_softmax_shard_merge(1, NULL, out, out, y, y, y), FOCAL_ERROR_NULL);
    CHECK_OK(focal_softmax_shard_merge(0, NULL, NULL, NULL, NULL, NULL, NULL));
}

static void settings_refuse(void)
{
    focal_args a;
    CHECK_STATUS(focal_args_init(NULL, sizeof a), FOCAL_ERROR_NULL);
    CHECK_STATUS(focal_args_init(&a, sizeof a + 8), FOCAL_ERROR_SIZE);
    CHECK_STATUS(focal_set_isa("x86-64-v9"), FOCAL_ERROR_ISA);
    CHECK_STATUS(focal_set_isa(""), FOCAL_ERROR_ISA);
    CHECK_STATUS(focal_set_num_threads(-1), FOCAL_ERROR_VALUE);
    CHECK_OK(focal_set_isa(NULL));
    CHECK_STATUS(focal_sigmoid(NULL), FOCAL_ERROR_NULL);
    CHECK(focal_last_error()[0], "no message");
}

static void shards_refuse(void)
{
    double max = 0, sum = 0, target = 0;
    float z[2] = {1, 2};
    int32_t label = 9;
    focal_args good, a;
    focal_args_init(&good, sizeof good);
    good.outer = 1;
    good.classes = 2;
    good.scores = z;
    good.targets = &label;
    good.target_kind = FOCAL_TARGETS_LABELS;
    good.target_dtype = FOCAL_DTYPE_I32;
    good.shard_total = 4;
    good.shard_max = &max;
    good.shard_sum = &sum;
    good.shard_target = &target;
    CHECK_STATUS(focal_softmax_shard_stats(&good), FOCAL_ERROR_TARGET);
    CHECK(strstr(focal_last_error(), "targets[0] is 9, outside [0, 4)"), "%s", focal_last_error());
    label = 1;
    CHECK_OK(focal_softmax_shard_stats(&good));
    a = good, a.shard_offset = 3;
    CHECK_STATUS(focal_softmax_shard_stats(&a), FOCAL_ERROR_SIZE);
    a = good, a.shard_max = NULL;
    CHECK_STATUS(focal_softmax_shard_stats(&a), FOCAL_ERROR_NULL);
    a = good, a.shard_sum = NULL;
    CHECK_STATUS(focal_softmax_shard_stats(&a), FOCAL_ERROR_NULL);
    a = good, a.shard_target = NULL;
    CHECK_STATUS(focal_softmax(&a), FOCAL_ERROR_NULL);
}

/* A wrong target is found too where some are ignored. */
static void ignoring_refuses(void)
{
    float z[3] = {1, 2, 3}, y[3] = {-1, 1, 2}, grad[3] = {7, 7, 7};
    int32_t labels[3] = {-1, 0, 1};
    focal_args a;
    focal_args_init(&a, sizeof a);
    a.outer = 3;
    a.scores = z;
    a.targets = y;
    a.grad = grad;
    a.ignore_index = -1;
    CHECK_STATUS(focal_sigmoid(&a), FOCAL_ERROR_TARGET);
    CHECK(strstr(focal_last_error(), "targets[2] is 2,"), "%s", focal_last_error());
    a.targets = labels;
    a.target_kind = FOCAL_TARGETS_LABELS;
    a.target_dtype = FOCAL_DTYPE_I32;
    CHECK_STATUS(focal_softmax(&a), FOCAL_ERROR_TARGET);
    CHECK(strstr(focal_last_error(), "targets[2] is 1, outside [0, 1)"), "%s", focal_last_error());
    CHECK(grad[0] == 7 && grad[2] == 7, "wrote on an error");
}

static void gradient_of(focal_args *a, const void *labels, int32_t dtype, float *grad)
{
    a->targets = labels;
    a->target_dtype = dtype;
    a->grad = grad;
    CHECK_OK(focal_sigmoid(a));
}

/* Labels in bytes over more classes than a byte can name: the columns beyond have no positive. */
static void more_classes_than_labels(void)
{
    enum { CLASSES = 300, N = 5 };
    static float z[N * CLASSES], grad[2][N * CLASSES];
    uint8_t bytes[N] = {0, 255, 17, 128, 3};
    int32_t words[N] = {0, 255, 17, 128, 3};
    focal_args a;
    for (int i = 0; i < N * CLASSES; i++)
        z[i] = (float)(i % 13) - 6;
    focal_args_init(&a, sizeof a);
    a.outer = N;
    a.classes = CLASSES;
    a.scores = z;
    a.target_kind = FOCAL_TARGETS_LABELS;
    gradient_of(&a, words, FOCAL_DTYPE_I32, grad[0]);
    gradient_of(&a, bytes, FOCAL_DTYPE_U8, grad[1]);
    CHECK(!memcmp(grad[0], grad[1], sizeof grad[0]), "labels in bytes give another gradient");
    /* Class by class, so that whole runs of targets are compared with one class. */
    a.outer = 1;
    a.inner = N;
    gradient_of(&a, words, FOCAL_DTYPE_I32, grad[0]);
    gradient_of(&a, bytes, FOCAL_DTYPE_U8, grad[1]);
    CHECK(!memcmp(grad[0], grad[1], sizeof grad[0]), "labels in bytes give another gradient, class by class");
}

/* alpha may be off for one class and not for another. */
static void alpha_of_some(void)
{
    static const double alphas[2] = {FOCAL_ALPHA_OFF, .25};
    float z[2] = {1, 1}, y[2] = {1, 1}, both[2], plain;
    focal_args a;
    focal_args_init(&a, sizeof a);
    a.outer = 1;
    a.classes = 2;
    a.scores = z;
    a.targets = y;
    a.alphas = alphas;
    a.loss = both;
    CHECK_OK(focal_sigmoid(&a));
    CHECK_OK(focal_sigmoid_loss_f32(z, y, 1, FOCAL_ALPHA_OFF, 2, FOCAL_REDUCTION_NONE, &plain, NULL));
    CHECK(both[0] == plain && both[1] == plain * .25f, "%g and %g, not %g and a quarter", both[0], both[1], plain);
}

/* One large call of n samples of k classes: its gradient must be that of its pieces, bit for bit. */
static void large_is_its_pieces(const focal_args *whole, int32_t (*entry)(const focal_args *), int64_t piece)
{
    size_t in = call_dtype_size(whole->score_dtype) * (size_t)(whole->classes * whole->inner);
    size_t out = call_dtype_size(whole->out_dtype) * (size_t)(whole->classes * whole->inner);
    size_t target = call_dtype_size(whole->target_dtype) * (size_t)whole->inner;
    char *part = malloc((size_t)piece * out);
    REQUIRE(part, "no memory");
    CHECK_OK(entry(whole));
    for (int64_t at = 0; at + piece <= whole->outer; at += piece * 37) {
        focal_args a = *whole;
        a.outer = piece;
        a.scores = (const char *)whole->scores + (size_t)at * in;
        a.targets = (const char *)whole->targets + (size_t)at * target;
        a.grad = part;
        CHECK_OK(entry(&a));
        CHECK(!memcmp(part, (char *)whole->grad + (size_t)at * out, (size_t)piece * out),
              "dtypes %d to %d, %lld classes, inner %lld: samples from %lld on differ", whole->score_dtype, whole->out_dtype,
              (long long)whole->classes, (long long)whole->inner, (long long)at);
    }
    free(part);
}

static void large(void)
{
    enum { N = 24 << 20, PIECE = 4096 * 5 + 3 };
    static const int32_t dtypes[][2] = {
        {FOCAL_DTYPE_F32, FOCAL_DTYPE_F32}, {FOCAL_DTYPE_F64, FOCAL_DTYPE_F64}, {FOCAL_DTYPE_BF16, FOCAL_DTYPE_BF16},
        {FOCAL_DTYPE_F16, FOCAL_DTYPE_F16}, {FOCAL_DTYPE_F32, FOCAL_DTYPE_F64}, {FOCAL_DTYPE_F64, FOCAL_DTYPE_F32},
        {FOCAL_DTYPE_BF16, FOCAL_DTYPE_F64}};
    uint8_t *targets = malloc(N);
    char *scores = malloc((size_t)N * 8), *grad = aligned_alloc(4096, (size_t)N * 8);
    REQUIRE(targets && scores && grad, "no memory");
    for (int i = 0; i < N; i++)
        targets[i] = i % 7 == 0;
    for (int d = 0; d < 7; d++) {
        size_t size = call_dtype_size(dtypes[d][0]);
        focal_args a;
        memset(scores, 0x3c, (size_t)N * size);
        for (int i = 0; i < N; i += 64)
            scores[(size_t)i * size] = (char)(i / 64);
        focal_args_init(&a, sizeof a);
        a.score_dtype = dtypes[d][0];
        a.out_dtype = dtypes[d][1];
        a.target_dtype = FOCAL_DTYPE_U8;
        a.outer = N;
        a.scores = scores;
        a.targets = targets;
        a.grad = grad;
        large_is_its_pieces(&a, focal_sigmoid, PIECE);
        a.target_kind = FOCAL_TARGETS_LABELS;
        for (int64_t classes = 8; classes < 1000; classes *= 16)
            for (int64_t inner = 1; inner < 8; inner += 3) {
                a.classes = classes;
                a.inner = inner;
                a.outer = N / (classes * inner);
                large_is_its_pieces(&a, focal_softmax, PIECE / (classes * inner));
            }
    }
    free(targets);
    free(scores);
    free(grad);
}

SUITE({"environment", environment}, {"helpers_refuse", helpers_refuse}, {"settings_refuse", settings_refuse},
      {"shards_refuse", shards_refuse}, {"ignoring_refuses", ignoring_refuses},
      {"more_classes_than_labels", more_classes_than_labels}, {"alpha_of_some", alpha_of_some}, {"large", large})
