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

/* ---- 16-bit scores with outputs of their type ---- */

enum { SHORTS = 65536, OUTPUTS = 3 };

/* What an output should be, and what its error may be beside its rounding: the sizes of a Hessian's terms count. */
struct short_wanted {
    double value, beside;
};

static void short_truth(double z, int target, double g, struct short_wanted wanted[OUTPUTS])
{
    double u = target ? z : -z, e = exp(-fabs(u)), p = u > 0 ? 1 / (1 + e) : e / (1 + e), q = u > 0 ? e / (1 + e) : 1 / (1 + e);
    double loss = log1p(e) + (u < 0 ? -u : 0), power = exp(-g * (log1p(e) + (u > 0 ? u : 0))), least = 2 * FLT_MIN;
    double pl = isinf(loss) ? 0 : p * loss;
    if (g == 0 || isinf(u))
        power = g == 0 || u < 0;
    wanted[0] = (struct short_wanted){isinf(u) && u > 0 ? 0 : power * loss, least};
    wanted[1] = (struct short_wanted){(target ? -1 : 1) * power * (q + g * pl), least};
    wanted[2] = (struct short_wanted){power * (p * q * (1 + 2 * g) + g * pl * (g * p - q)),
                                      least * (1 + 2 * g + (isinf(loss) ? 0 : g * loss)) +
                                          2e-6 * power * (p * q * (1 + 2 * g) + g * pl * (g * p + q))};
}

/* Within .51 units of the type's last place: rounded to nearest, but for the neighbourhood of a tie. */
static int short_near(int32_t dtype, double got, struct short_wanted wanted)
{
    int digits = dtype == FOCAL_DTYPE_F16 ? 11 : 8, least = dtype == FOCAL_DTYPE_F16 ? -13 : -125, exponent;
    if (isinf(wanted.value))
        return got == wanted.value;
    frexp(wanted.value, &exponent);
    return fabs(got - wanted.value) <= .51 * ldexp(1, (exponent > least ? exponent : least) - digits) + wanted.beside;
}

static void short_calls(int32_t dtype, double gamma, int target)
{
    static uint16_t z[SHORTS], got[OUTPUTS][SHORTS], tail[OUTPUTS][SHORTS];
    static uint8_t y[SHORTS];
    static struct short_wanted wanted[SHORTS][OUTPUTS];
    static const char *outputs[OUTPUTS] = {"loss", "gradient", "Hessian"};
    const char *isas[SUITE_ISAS];
    int quiet = dtype == FOCAL_DTYPE_F16 ? 0x7E00 : 0x7FC0;
    for (int i = 0; i < SHORTS; i++) {
        z[i] = (uint16_t)i;
        y[i] = (uint8_t)target;
        short_truth(call_load(z, dtype, i), target, gamma, wanted[i]);
    }
    for (int isa = 0, count = suite_isas(isas); isa < count; isa++) {
        focal_args a;
        double reduced, sum = 0;
        focal_set_isa(isas[isa]);
        focal_args_init(&a, sizeof a);
        a.outer = SHORTS;
        a.scores = z;
        a.score_dtype = dtype;
        a.targets = y;
        a.target_dtype = FOCAL_DTYPE_U8;
        a.gamma = gamma;
        a.loss = got[0], a.grad = got[1], a.hess = got[2];
        CHECK_OK(focal_sigmoid(&a));
        for (int i = 0; i < SHORTS; i++)
            for (int o = 0; o < OUTPUTS; o++) {
                double x = call_load(got[o], dtype, i);
                if (isnan(call_load(z, dtype, i)))
                    CHECK((got[o][i] & quiet) == quiet, "%s type %d: %04x of a NaN", isas[isa], dtype, got[o][i]);
                else
                    CHECK(short_near(dtype, x, wanted[i][o]), "%s type %d gamma %g target %d: the %s at %g is %.9g, not %.9g",
                          isas[isa], dtype, gamma, target, outputs[o], call_load(z, dtype, i), x, wanted[i][o].value);
            }
        /* A last block that is no whole number of vectors has its outputs rounded by another stage. */
        a.outer = SHORTS - 3;
        a.loss = tail[0], a.grad = tail[1], a.hess = tail[2];
        CHECK_OK(focal_sigmoid(&a));
        for (int o = 0; o < OUTPUTS; o++)
            CHECK(!memcmp(got[o], tail[o], (SHORTS - 3) * sizeof(uint16_t)), "%s: the %s differs", isas[isa], outputs[o]);
        /* The sum is of losses that were not rounded; those of 0 to 4, for larger ones would hide the rest. */
        int first = dtype == FOCAL_DTYPE_F16 ? 0 : 0x3000, last = dtype == FOCAL_DTYPE_F16 ? 0x4400 : 0x4080;
        for (int i = first; i < last; i++)
            sum += wanted[i][0].value;
        a.outer = last - first;
        a.scores = z + first;
        a.reduction = FOCAL_REDUCTION_SUM;
        a.reduced_loss = &reduced;
        CHECK_OK(focal_sigmoid(&a));
        CHECK(fabs(reduced - sum) <= 5e-7 * sum, "%s type %d gamma %g: the sum %.12g is not %.12g", isas[isa], dtype, gamma,
              reduced, sum);
    }
    focal_set_isa(NULL);
}

/* Ties go to even: a loss is the size of a score far on the wrong side, times a weight that moves it by a half, or by 1 1/2. */
static void short_ties(int32_t dtype)
{
    enum { N = 16 };
    int digits = dtype == FOCAL_DTYPE_F16 ? 11 : 8;
    const uint16_t score = dtype == FOCAL_DTYPE_F16 ? 0xE400 : 0xC300; /* -2^(digits - 1), where neighbours differ by 1 */
    const double size = ldexp(1, digits - 1);
    const char *isas[SUITE_ISAS];
    for (int isa = 0, count = suite_isas(isas); isa < count; isa++)
        for (int halves = 1; halves < 4; halves += 2) {
            uint16_t z[N], loss[N];
            uint8_t y[N];
            focal_args a;
            for (int i = 0; i < N; i++)
                z[i] = score, y[i] = 1;
            focal_set_isa(isas[isa]);
            focal_args_init(&a, sizeof a);
            a.outer = N;
            a.scores = z;
            a.score_dtype = dtype;
            a.targets = y;
            a.target_dtype = FOCAL_DTYPE_U8;
            a.pos_weight = 1 + halves * ldexp(1, -digits);
            a.loss = loss;
            CHECK_OK(focal_sigmoid(&a));
            for (int i = 0; i < N; i++)
                CHECK(call_load(loss, dtype, i) == size + (halves - 1), "%s type %d: %g and %d halves become %g", isas[isa], dtype,
                      size, halves, call_load(loss, dtype, i));
        }
    focal_set_isa(NULL);
}

/* Every number of both types: what is computed in float is right to the last digit that the type keeps. */
static void short_types(void)
{
    static const double gammas[] = {0, .5, 1, 1.5, 2, 2.5, 3, 4, 5, .3, 1.7, 10};
    for (size_t g = 0; g < sizeof gammas / sizeof gammas[0]; g++)
        for (int target = 0; target < 2; target++) {
            short_calls(FOCAL_DTYPE_BF16, gammas[g], target);
            short_calls(FOCAL_DTYPE_F16, gammas[g], target);
        }
    short_ties(FOCAL_DTYPE_BF16);
    short_ties(FOCAL_DTYPE_F16);
}

SUITE({"definitions", definitions}, {"short_types", short_types}, {"special_values", special_values},
      {"weighted_infinities", weighted_infinities}, {"accumulate", accumulate}, {"short_functions", short_functions},
      {"empty", empty})
