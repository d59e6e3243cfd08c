/* What the other programs do not reach: wrong arguments of the helpers and of the functions that compute nothing, and
 * outputs so large that they are written past the caches. */
#include "arena.h"

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
    CHECK_STATUS(focal_prior_bias(0, &x), FOCAL_ERROR_VALUE);
    CHECK_STATUS(focal_prior_bias(1, &x), FOCAL_ERROR_VALUE);
    CHECK_STATUS(focal_prior_bias(.5, NULL), FOCAL_ERROR_NULL);
    CHECK_STATUS(focal_optimal_score(.5, 2, 2, &x), FOCAL_ERROR_VALUE);
    CHECK_STATUS(focal_optimal_score(.5, .5, -1, &x), FOCAL_ERROR_VALUE);
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

/* The same bits whether an output is large or computed piece by piece. */
static void large(void)
{
    enum { N = 24 << 20, PIECE = 4096 * 5 + 3 };
    static const int32_t dtypes[] = {FOCAL_DTYPE_F32, FOCAL_DTYPE_F64, FOCAL_DTYPE_BF16, FOCAL_DTYPE_F16};
    uint8_t *targets = malloc(N);
    char *scores = malloc((size_t)N * 8), *whole = aligned_alloc(64, (size_t)N * 8), *part = malloc(PIECE * 8);
    REQUIRE(targets && scores && whole && part, "no memory");
    for (int i = 0; i < N; i++)
        targets[i] = i % 7 == 0;
    for (int d = 0; d < 4; d++) {
        size_t size = call_dtype_size(dtypes[d]);
        focal_args a;
        memset(scores, 0x3c, (size_t)N * size);
        for (int i = 0; i < N; i += 64)
            scores[(size_t)i * size] = (char)(i / 64);
        focal_args_init(&a, sizeof a);
        a.score_dtype = dtypes[d];
        a.target_dtype = FOCAL_DTYPE_U8;
        a.outer = N;
        a.scores = scores;
        a.targets = targets;
        a.grad = whole;
        CHECK_OK(focal_sigmoid(&a));
        for (size_t at = 0; at + PIECE <= N; at += PIECE * 37) {
            a.outer = PIECE;
            a.scores = scores + at * size;
            a.targets = targets + at;
            a.grad = part;
            CHECK_OK(focal_sigmoid(&a));
            CHECK(!memcmp(part, whole + at * size, PIECE * size), "dtype %d: elements from %zu on differ", dtypes[d], at);
        }
    }
    free(targets);
    free(scores);
    free(whole);
    free(part);
}

SUITE({"helpers_refuse", helpers_refuse}, {"settings_refuse", settings_refuse}, {"large", large})
