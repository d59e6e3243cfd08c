/* What the entry points compute, against the definitions (reference.h) on every ISA; special values; the edges of shapes. */
#include <float.h>

#include "arena.h"
#include "reference.h"

/* Random calls of the two families with every option. */
static void definitions(void)
{
    const char *isas[SUITE_ISAS];
    int count = suite_isas(isas);
    double checked = 0, unsupported = 0;
    for (int isa = 0; isa < count; isa++)
        for (int entry = CALL_SIGMOID; entry <= CALL_SOFTMAX; entry++)
            for (uint64_t seed = 0; seed < (suite_long ? 200000u : 1500u); seed++) {
                struct source s = {NULL, 0, seed};
                struct call_limits limits = {.elements = 400, .exact = -1, .threads = 1, .simple = 1};
                struct heap heap = {.used = 0};
                struct call c;
                char message[200];
                focal_set_isa(isas[isa]);
                call_make(&c, entry, &s, &limits, heap_take, &heap);
                int32_t status = call_run(&c);
                CHECK(status == FOCAL_OK || status == FOCAL_ERROR_UNSUPPORTED, "%s seed %llu: %s", call_name(entry),
                      (unsigned long long)seed, focal_last_error());
                if (status == FOCAL_OK && reference_covers(&c)) {
                    CHECK(reference_check(&c, message), "%s seed %llu on %s", message, (unsigned long long)seed, isas[isa]);
                    checked++;
                }
                unsupported += status == FOCAL_ERROR_UNSUPPORTED;
                heap_free(&heap);
            }
    focal_set_isa(NULL);
    figure_sum("definitions.calls", checked);
    CHECK(checked > unsupported, "only %g calls were compared", checked);
}

/* The limits: +-inf on the right side, on the wrong side, NaN; no NaN from any number. */
static void special_values(void)
{
    static const float z[] = {0,      -0.f,      1e-45f, -1e-45f, FLT_MIN,  -FLT_MIN, 88,       -88,      104,     -104,
                              17,     -17,       1e4f,   -1e4f,   FLT_MAX,  -FLT_MAX, INFINITY, -INFINITY, NAN};
    enum { N = sizeof z / sizeof z[0] };
    static const double gammas[] = {0, .1, .5, .99, 1, 1.5, 2, 3, 5, 50};
    const char *isas[SUITE_ISAS];
    int count = suite_isas(isas);
    for (int isa = 0; isa < count; isa++)
        for (size_t g = 0; g < sizeof gammas / sizeof gammas[0]; g++)
            for (int target = 0; target < 2; target++)
                for (int hessian = 0; hessian < 3; hessian++) {
                    float y[N], loss[N], grad[N], hess[N];
                    focal_args a;
                    focal_set_isa(isas[isa]);
                    focal_args_init(&a, sizeof a);
                    for (int i = 0; i < N; i++)
                        y[i] = (float)target;
                    a.outer = N;
                    a.scores = z;
                    a.targets = y;
                    a.gamma = gammas[g];
                    a.hessian = hessian;
                    a.loss = loss;
                    a.grad = grad;
                    a.hess = hess;
                    CHECK_OK(focal_sigmoid(&a));
                    for (int i = 0; i < N; i++) {
                        int right = (z[i] > 0) == target;
                        double sign = target ? -1 : 1;
                        const char *where = isas[isa];
                        if (isnan(z[i])) {
                            CHECK(isnan(loss[i]) && isnan(grad[i]) && isnan(hess[i]), "%s: NaN became a number", where);
                        } else if (isinf(z[i]) && right) {
                            CHECK(loss[i] == 0 && grad[i] == 0 && hess[i] == 0, "%s gamma %g: %g %g %g at the right infinity",
                                  where, gammas[g], loss[i], grad[i], hess[i]);
                        } else if (isinf(z[i])) {
                            CHECK(loss[i] == INFINITY && grad[i] == sign && hess[i] == 0,
                                  "%s gamma %g: %g %g %g at the wrong infinity", where, gammas[g], loss[i], grad[i], hess[i]);
                        } else {
                            CHECK(isfinite(loss[i]) && isfinite(grad[i]) && isfinite(hess[i]) && loss[i] >= 0,
                                  "%s gamma %g: %g %g %g at %g", where, gammas[g], loss[i], grad[i], hess[i], z[i]);
                        }
                    }
                }
    focal_set_isa(NULL);
}

/* The limits with weights: infinity at weight 0 counts for nothing, at weight 2 for twice its limit. */
static void weighted_infinities(void)
{
    static const float z[4] = {INFINITY, -INFINITY, INFINITY, -INFINITY}, y[4] = {0, 0, 0, 0}, weights[4] = {0, 0, 2, 2};
    static const float losses[4] = {0, 0, INFINITY, 0}, grads[4] = {0, 0, 2, 0};
    const char *isas[SUITE_ISAS];
    int count = suite_isas(isas);
    for (int isa = 0; isa < count; isa++) {
        float loss[4], grad[4], hess[4];
        focal_args a;
        focal_set_isa(isas[isa]);
        focal_args_init(&a, sizeof a);
        a.outer = 4;
        a.scores = z;
        a.targets = y;
        a.weights = weights;
        a.loss = loss;
        a.grad = grad;
        a.hess = hess;
        CHECK_OK(focal_sigmoid(&a));
        for (int i = 0; i < 4; i++)
            CHECK(loss[i] == losses[i] && grad[i] == grads[i] && hess[i] == 0, "%s: %g %g %g at %g with weight %g", isas[isa],
                  loss[i], grad[i], hess[i], z[i], weights[i]);
    }
    focal_set_isa(NULL);
}

/* A gradient added to what stands there, over many blocks: the sum of the two, and the other outputs as without it. */
static void accumulate(void)
{
    enum { N = 10000 };
    static float z[N], y[N], loss[2][N], grad[2][N], hess[2][N];
    const char *isas[SUITE_ISAS];
    int count = suite_isas(isas);
    uint64_t state = 3;
    for (int i = 0; i < N; i++) {
        z[i] = (float)random_normal(&state);
        y[i] = i % 3 == 0;
    }
    for (int isa = 0; isa < count; isa++) {
        focal_set_isa(isas[isa]);
        for (int added = 0; added < 2; added++) {
            focal_args a;
            focal_args_init(&a, sizeof a);
            a.outer = N;
            a.scores = z;
            a.targets = y;
            a.loss = loss[added];
            a.grad = grad[added];
            a.hess = hess[added];
            a.accumulate = added;
            for (int i = 0; i < N; i++)
                grad[added][i] = .25f * (float)(i % 5);
            CHECK_OK(focal_sigmoid(&a));
        }
        for (int i = 0; i < N; i++)
            CHECK(grad[1][i] == grad[0][i] + .25f * (float)(i % 5), "%s: the gradient at %d is %.9g", isas[isa], i, grad[1][i]);
        CHECK(!memcmp(loss[0], loss[1], sizeof loss[0]), "%s: the loss differs", isas[isa]);
        CHECK(!memcmp(hess[0], hess[1], sizeof hess[0]), "%s: the Hessian differs", isas[isa]);
    }
    focal_set_isa(NULL);
}

/* A short function is the descriptor call with the fields that its arguments name. */
static void short_functions(void)
{
    double compared = 0;
    for (int entry = CALL_SIGMOID_LOSS_F32; entry <= CALL_SOFTMAX_GRAD_HESS_F64; entry++)
        for (uint64_t seed = 0; seed < 300; seed++) {
            struct source s = {NULL, 0, seed};
            struct call_limits limits = {.elements = 500, .exact = -1, .threads = 1, .simple = 1};
            struct heap heap = {.used = 0};
            struct call c;
            double reduced;
            call_make(&c, entry, &s, &limits, heap_take, &heap);
            CHECK_OK(call_run(&c));
            uint64_t hash = call_hash(&c, 0);
            focal_args a = c.args;
            void *loss = a.loss;
            int bce = entry >= CALL_BCE_F32 && entry <= CALL_BCE_F64;
            int weighted = entry >= CALL_WEIGHTED_BCE_F32 && entry <= CALL_WEIGHTED_BCE_F64;
            a.threads = 0;
            if (bce || weighted) {
                a.gamma = 0;
                a.alpha = FOCAL_ALPHA_OFF;
            }
            if (!weighted)
                a.pos_weight = a.neg_weight = 1;
            if (entry >= CALL_SOFTMAX_LOSS_F32)
                a.alpha = FOCAL_ALPHA_OFF;
            if (entry == CALL_SIGMOID_LABEL_LOSS_F32 || entry == CALL_SIGMOID_LABEL_LOSS_F64)
                a.background_label = a.classes;
            if (a.reduction) {
                a.loss = NULL;
                a.reduced_loss = &reduced;
            }
            for (int b = 0; b < c.buffer_count; b++)
                if (c.buffers[b].use == CALL_OUTPUT && c.buffers[b].data != a.scores)
                    memset(c.buffers[b].data, 0, c.buffers[b].bytes);
            CHECK_OK(entry >= CALL_SOFTMAX_LOSS_F32 ? focal_softmax(&a) : focal_sigmoid(&a));
            if (a.reduction && a.score_dtype == FOCAL_DTYPE_F32)
                *(float *)loss = (float)reduced;
            else if (a.reduction)
                *(double *)loss = reduced;
            CHECK(call_hash(&c, 0) == hash, "%s seed %llu differs from its descriptor", call_name(entry),
                  (unsigned long long)seed);
            heap_free(&heap);
            compared++;
        }
    figure_sum("short_functions.calls", compared);
}

/* No element, one class, a mean of nothing. */
static void empty(void)
{
    double reduced = 7;
    focal_args a;
    float z = 3, grad = 9, loss = 9;
    int32_t label = 0;
    focal_args_init(&a, sizeof a);
    a.reduction = FOCAL_REDUCTION_MEAN;
    a.reduced_loss = &reduced;
    CHECK_OK(focal_sigmoid(&a));
    CHECK(reduced == 0, "the mean of nothing is %g", reduced);
    reduced = 7;
    a.target_kind = FOCAL_TARGETS_LABELS;
    a.target_dtype = FOCAL_DTYPE_I32;
    a.classes = 3;
    CHECK_OK(focal_softmax(&a));
    CHECK(reduced == 0, "the mean of nothing is %g", reduced);
    CHECK_OK(focal_sigmoid_loss_f32(NULL, NULL, 0, .25, 2, FOCAL_REDUCTION_NONE, NULL, NULL));
    CHECK_OK(focal_softmax_loss_f32(&z, &label, 1, 1, NULL, 2, FOCAL_REDUCTION_NONE, &loss, &grad));
    CHECK(loss == 0 && grad == 0, "one class: loss %g, gradient %g", loss, grad);
}

SUITE({"definitions", definitions}, {"special_values", special_values}, {"weighted_infinities", weighted_infinities},
      {"accumulate", accumulate}, {"short_functions", short_functions}, {"empty", empty})
