/* How far the sigmoid family lies from the true value, in ULP, and where.
 *
 * f32: every ISA, both targets, loss, gradient and Hessian, over every finite logit (--long, in chunks) or a stratified
 * sample.  The reference is double (scalar.h), itself checked against MPFR (truth.h), and every maximum
 * that is printed was measured again against MPFR.  f64: random and directed points against __float128, maxima again against MPFR.
 *
 * Loss and gradient: |error| in ULP of the true value, where the error exceeds FLT_MIN (DBL_MIN).
 * Hessian: |error| in units of 2^-24 (2^-53) of the sum of the sizes of its terms, where it exceeds FLT_MIN (1 + 2g + gL).
 */
#include <float.h>
#include <quadmath.h>

#include "suite.h"
#include "truth.h"

/* Let gcc use what the CPU has, glibc's vector functions (libmvec, which comes with -lm) among it: the reference would take
 * several times longer than the library.  Named by feature, for `arch=haswell` is taken on Intel's Haswell alone. */
#if defined(__x86_64__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
__attribute__((simd("notinbranch"))) double exp(double);
#if __GLIBC_PREREQ(2, 35)
__attribute__((simd("notinbranch"))) double log1p(double);
#endif
#else
#define WIDE
#endif

/* e^-700 is far beneath FLT_MIN; what is smaller, and half of all floats give, would take libmvec's slow way. */
static inline double exp32(double x)
{
    return exp(x > -700 ? x : -700);
}

#define REAL double
#define EXP exp32
#define LOG1P log1p
#define NAME(x) f64_##x
#include "scalar.h"
#define REAL __float128
#define EXP expq
#define LOG1P log1pq
#define NAME(x) f128_##x
#include "scalar.h"

static const struct config {
    double gamma, alpha;
    int promised; /* 4 ULP by the header; the others 4 + 2 gamma */
} configs[] = {
    {0, -1, 1},    {.5, -1, 1},   {1, -1, 1},    {1.5, -1, 1},  {2, -1, 1},   {3, -1, 1},  {5, -1, 1},   {2, .25, 1},
    {1.5, .3, 1},  {.1, -1, 0},   {.25, -1, 0},  {.75, -1, 0},  {1.25, -1, 0}, {1.75, -1, 0}, {2.2, -1, 0}, {2.5, -1, 0},
    {3.5, -1, 0},  {4, -1, 0},    {4.5, -1, 0},  {6, -1, 0},    {7.5, -1, 0}, {10, -1, 0},
};
enum { CONFIGS = sizeof configs / sizeof configs[0], BATCH = 1024, OUTPUTS = 3 };
static const char *const output_names[OUTPUTS] = {"loss", "grad", "hess"};

/* The header's: 8 FLT_EPSILON are 16 units of 2^-24; the baseline has no FMA; a weight (alpha) adds one. */
static double limit_of(const struct config *c, int output, const char *isa)
{
    double promised = c->promised ? 4 : 4 + 2 * c->gamma, weight = c->alpha < 0 ? 0 : 1;
    return output == 2 ? 16 : promised + weight + (strcmp(isa, "x86-64") == 0 ? 2 : 0);
}

/* The absolute error that is always allowed: the smallest normal number, for a Hessian times 1 + 2g + gL. */
static double least_of(const struct config *c, int output, double smallest, double loss)
{
    return output < 2 ? smallest : smallest * (1 + 2 * c->gamma + c->gamma * loss);
}

/* The worst seen of one ISA, configuration and output. */
struct worst {
    double error, margin, unit, got, wanted;
    int target;
};
static struct worst worst32[SUITE_ISAS][CONFIGS][OUTPUTS], worst64[SUITE_ISAS][CONFIGS][OUTPUTS];
static long long points, wrong_class; /* wrong_class: NaN or an infinity where the truth is finite */

static double weight_of(const struct config *c, int target)
{
    return c->alpha < 0 ? 1 : target ? c->alpha : 1 - c->alpha;
}

/* The unit in the last place of the true value x, subnormals included. */
static double ulp32(double x)
{
    union {
        double value;
        uint64_t bits;
    } power = {fabs(x) < FLT_MIN ? FLT_MIN : x};
    power.bits &= UINT64_C(0x7ff0000000000000);
    return power.value * 0x1p-23;
}

static double ulp64(double x)
{
    int e;
    frexp(x, &e);
    return ldexp(1, (e < -1021 ? -1021 : e) - 53);
}

/* The error of that point against MPFR instead of the reference. */
static double true_error(const struct worst *w, const struct config *c, int output)
{
    static mpfr_t out;
    static int started;
    if (!started++) {
        truth_start();
        mpfr_init2(out, TRUTH_BITS);
    }
    truth_derivative(out, w->margin, c->gamma, output);
    mpfr_mul_d(out, out, weight_of(c, w->target), MPFR_RNDN);
    if (output == 1 && !w->target)
        mpfr_neg(out, out, MPFR_RNDN);
    mpfr_sub_d(out, out, w->got, MPFR_RNDN);
    return fabs(mpfr_get_d(out, MPFR_RNDN)) / w->unit;
}

static void note(struct worst *w, double u, int target, double got, double wanted, double error, double unit)
{
    if (error > w->error)
        *w = (struct worst){error, u, unit, got, wanted, target};
}

static void set_args(focal_args *a, const struct config *c, int64_t n, const void *scores, const void *targets, int dtype,
                     void *const outputs[OUTPUTS])
{
    focal_args_init(a, sizeof *a);
    a->outer = n;
    a->scores = scores;
    a->targets = targets;
    a->score_dtype = a->target_dtype = dtype;
    a->target_check = FOCAL_TARGETS_TRUSTED;
    a->gamma = c->gamma;
    a->alpha = c->alpha;
    a->threads = 1;
    a->loss = outputs[0];
    a->grad = outputs[1];
    a->hess = outputs[2];
}

static const char *isas[SUITE_ISAS];
static int isa_count;

/* The reference over a batch: what does not depend on gamma; what a configuration must give with target 1; 1 over the unit
 * of each error.  An array for each, all of a batch: loops of known length over them vectorise. */
static double p32[BATCH], q32[BATCH], loss32[BATCH], log_q32[BATCH];
static double wanted32[OUTPUTS][BATCH], per_unit32[OUTPUTS][BATCH];

WIDE static void share32(const float *u)
{
    for (int i = 0; i < BATCH; i++) {
        struct f64_shared s = f64_shared_of(u[i]);
        p32[i] = s.p;
        q32[i] = s.q;
        loss32[i] = s.loss;
        log_q32[i] = s.log_q;
    }
}

WIDE static void want32(double gamma, double weight)
{
    for (int i = 0; i < BATCH; i++) {
        struct f64_shared s = {p32[i], q32[i], loss32[i], log_q32[i]};
        struct f64_term t = f64_term_of(&s, gamma);
        wanted32[0][i] = weight * t.value;
        wanted32[1][i] = weight * t.first;
        wanted32[2][i] = weight * t.second;
        per_unit32[0][i] = 1 / ulp32(wanted32[0][i]);
        per_unit32[1][i] = 1 / ulp32(wanted32[1][i]);
        per_unit32[2][i] = 1 / (weight * t.terms * 0x1p-24);
    }
}

/* An error of one output in its unit; 0 where it is always allowed, NaN or infinity where a result is. */
static inline double error32(const struct config *c, int output, const float *got, int i)
{
    double error = fabs(got[i] - wanted32[output][i]);
    return error <= least_of(c, output, FLT_MIN, loss32[i]) ? 0 : error * per_unit32[output][i];
}

/* The largest over a batch; infinity for NaN.  As bits, which order as the sizes do, NaN above all: of these gcc
 * vectorises the maximum. */
WIDE static double most32(const struct config *c, int output, const float *got)
{
    int64_t most = 0;
    for (int i = 0; i < BATCH; i++) {
        union {
            double value;
            int64_t bits;
        } error = {error32(c, output, got, i)};
        most = error.bits > most ? error.bits : most;
    }
    double value;
    memcpy(&value, &most, sizeof value);
    return value <= DBL_MAX ? value : INFINITY;
}

static struct worst find32(const struct config *c, int output, const float *got, double most, const float *u, int target)
{
    int i = 0;
    while (i < BATCH - 1 && error32(c, output, got, i) < most) /* NaN too ends it */
        i++;
    double sign = output == 1 && !target ? -1 : 1;
    return (struct worst){most, u[i], 1 / per_unit32[output][i], sign * got[i], sign * wanted32[output][i], target};
}

/* Every configuration, target and ISA over these margins u: scores are u with target 1 and -u with target 0, whose gradient
 * is compared with its sign changed.  What has the bits of the other target or of the ISA before need not be compared. */
static void batch32(const float *u)
{
    static float scores[2][BATCH], targets[2][BATCH], got[2][SUITE_ISAS][OUTPUTS][BATCH];
    double most[SUITE_ISAS][OUTPUTS];
    share32(u);
    for (int i = 0; i < BATCH; i++) {
        scores[1][i] = u[i];
        scores[0][i] = -u[i];
        targets[1][i] = 1;
    }
    for (int c = 0; c < CONFIGS; c++)
        for (int target = 1; target >= 0; target--) {
            int same_truth = target == 0 && configs[c].alpha < 0;
            if (!same_truth)
                want32(configs[c].gamma, weight_of(&configs[c], target));
            for (int isa = 0; isa < isa_count; isa++) {
                float (*out)[BATCH] = got[target][isa];
                focal_args a;
                set_args(&a, &configs[c], BATCH, scores[target], targets[target], FOCAL_DTYPE_F32,
                         (void *[]){out[0], out[1], out[2]});
                focal_set_isa(isas[isa]);
                CHECK_OK(focal_sigmoid(&a));
                for (int i = 0; i < BATCH && !target; i++)
                    out[1][i] = -out[1][i];
                if (same_truth && !memcmp(out, got[1][isa], sizeof got[1][isa]))
                    continue;
                if (isa > 0 && !memcmp(out, got[target][isa - 1], sizeof got[target][isa]))
                    memcpy(most[isa], most[isa - 1], sizeof most[isa]);
                else
                    for (int o = 0; o < OUTPUTS; o++)
                        most[isa][o] = most32(&configs[c], o, out[o]);
                for (int o = 0; o < OUTPUTS; o++)
                    if (most[isa][o] > worst32[isa][c][o].error)
                        worst32[isa][c][o] = find32(&configs[c], o, out[o], most[isa][o], u, target);
            }
        }
    points += BATCH;
}

static void report(const char *dtype, struct worst table[SUITE_ISAS][CONFIGS][OUTPUTS])
{
    for (int isa = 0; isa < isa_count; isa++)
        for (int c = 0; c < CONFIGS; c++)
            for (int o = 0; o < OUTPUTS; o++) {
                const struct worst *w = &table[isa][c][o];
                char key[96], where[160], summary[64];
                double error = w->error;
                if (error > 0 && error < INFINITY)
                    error = true_error(w, &configs[c], o);
                snprintf(key, sizeof key, "%s.%s.%s.gamma=%g%s", dtype, isas[isa], output_names[o], configs[c].gamma,
                         configs[c].alpha < 0 ? "" : ",alpha");
                snprintf(where, sizeof where, "z=%.17g y=%d got=%.9g true=%.9g", w->target ? w->margin : -w->margin,
                         w->target, w->got, w->wanted);
                figure_max(key, error, where);
                snprintf(summary, sizeof summary, "%s.%s.%s", dtype, configs[c].promised ? "promised" : "others",
                         output_names[o]);
                figure_max(summary, configs[c].promised || o == 2 ? error : error / limit_of(&configs[c], o, isas[isa]), key);
                CHECK(error <= limit_of(&configs[c], o, isas[isa]), "%s: %.4g exceeds %g at %s", key, error,
                      limit_of(&configs[c], o, isas[isa]), where);
            }
    figure_sum("points", (double)points);
    CHECK(wrong_class == 0, "%lld results are NaN or infinite where the truth is finite", wrong_class);
}

static void start(void)
{
    isa_count = suite_isas(isas);
    points = wrong_class = 0;
    memset(worst32, 0, sizeof worst32);
    memset(worst64, 0, sizeof worst64);
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* A batch is always whole. */
static void fill32(float *u, int n)
{
    memset(u + n, 0, (size_t)(BATCH - n) * sizeof *u);
}

/* Feeds the finite floats whose bits are first, first + step, ... below end. */
static void sweep(uint64_t first, uint64_t end, uint64_t step)
{
    static float u[BATCH];
    int n = 0;
    uint64_t reported = first;
    for (uint64_t bits = first; bits < end; bits += step) {
        float x = float_of((uint32_t)bits);
        if (!isfinite(x))
            continue;
        u[n++] = x;
        if (n == BATCH) {
            batch32(u);
            n = 0;
        }
        if (suite_chunks == 1 && bits - reported > (end - first) / 20) {
            reported = bits;
            fprintf(stderr, "progress %.0f%%\n", 100.0 * (double)(bits - first) / (double)(end - first));
        }
    }
    if (n) {
        fill32(u, n);
        batch32(u);
    }
}

/* Of 2^32 logits: this chunk's (--long), or a stride over all of them and a finer one where the work is:
 * |z| in [2^-12, 128), both signs.  TRUST_STRIDE sets the finer one (17; --long: 1, every logit). */
static void f32(void)
{
    const char *setting = getenv("TRUST_STRIDE");
    uint64_t stride = setting ? strtoull(setting, NULL, 10) : suite_long ? 1 : 17;
    REQUIRE(stride > 0, "TRUST_STRIDE is %s, not a positive number", setting);
    start();
    if (suite_long) {
        uint64_t all = UINT64_C(1) << 32;
        sweep(all * (uint64_t)suite_chunk / (uint64_t)suite_chunks, all * (uint64_t)(suite_chunk + 1) / (uint64_t)suite_chunks,
              stride);
    } else {
        sweep(0, UINT64_C(1) << 32, 65521); /* a prime, so that the low bits vary */
        sweep(0x39800000, 0x43000000, stride);
        sweep(0xb9800000, 0xc3000000, stride);
    }
    report("f32", worst32);
}

static void point64(double u)
{
    static double scores[2][1], targets[2][1] = {{0}, {1}}, got[OUTPUTS][1];
    void *outputs[OUTPUTS] = {got[0], got[1], got[2]};
    struct f128_shared shared = f128_shared_of(u);
    scores[1][0] = u;
    scores[0][0] = -u;
    points++;
    for (int c = 0; c < CONFIGS; c++) {
        struct f128_term t = f128_term_of(&shared, configs[c].gamma);
        for (int target = 0; target < 2; target++)
            for (int isa = 0; isa < isa_count; isa++) {
                focal_args a;
                __float128 weight = weight_of(&configs[c], target), sign = target ? 1 : -1;
                __float128 wanted[OUTPUTS] = {weight * t.value, sign * weight * t.first, weight * t.second};
                set_args(&a, &configs[c], 1, scores[target], targets[target], FOCAL_DTYPE_F64, outputs);
                focal_set_isa(isas[isa]);
                CHECK_OK(focal_sigmoid(&a));
                for (int o = 0; o < OUTPUTS; o++) {
                    double error = (double)fabsq(got[o][0] - wanted[o]);
                    if (error <= least_of(&configs[c], o, DBL_MIN, (double)shared.loss))
                        continue;
                    double unit = o == 2 ? (double)(weight * t.terms) * 0x1p-53 : ulp64((double)wanted[o]);
                    wrong_class += !(error < INFINITY);
                    note(&worst64[isa][c][o], u, target, got[o][0], (double)wanted[o], error / unit, unit);
                }
            }
    }
}

/* Random points where something happens, their mirror images, and the places where implementations change branch. */
static void f64(void)
{
    static const double directed[] = {0, DBL_MIN, DBL_TRUE_MIN, 1e-300, 0x1p-54, 0x1p-53, 0x1p-27, 1, 0x1.62e42fefa39efp-1,
                                      18.4, 36.7, 37, 44, 88, 104, 300, 354, 708, 709.78, 710, 744, 745.2, 746, 1e4, 1e100, DBL_MAX};
    uint64_t state = 41 + (uint64_t)suite_chunk;
    int count = suite_long ? 400000 : 4000;
    start();
    for (size_t i = 0; i < sizeof directed / sizeof directed[0]; i++)
        for (int sign = -1; sign < 2; sign += 2) {
            point64(sign * directed[i]);
            point64(sign * nextafter(directed[i], 0));
        }
    for (int i = 0; i < count; i++) {
        static const double widths[] = {1, 5, 40, 750};
        point64((2 * random_unit(&state) - 1) * widths[i % 4]);
        if (i % 4 == 0)
            point64(ldexp(2 * random_unit(&state) - 1, -(int)(random_u64(&state) % 64)));
    }
    report("f64", worst64);
}

/* The double reference against the definition in MPFR, in ULP of f32: what the f32 figures can be wrong by. */
static void reference(void)
{
    static float u[BATCH];
    uint64_t state = 7;
    double most = 0;
    char where[64] = "";
    mpfr_t out;
    enum { POINTS = 150 };
    truth_start();
    mpfr_init2(out, TRUTH_BITS);
    for (int i = 0; i < POINTS; i++)
        u[i] = (float)(i % 3 ? (2 * random_unit(&state) - 1) * 100 : ldexp(random_normal(&state), -(i % 30)));
    fill32(u, POINTS);
    share32(u);
    for (int c = 0; c < CONFIGS; c++) {
        want32(configs[c].gamma, 1);
        for (int i = 0; i < POINTS; i++)
            for (int o = 0; o < OUTPUTS; o++) {
                truth_derivative(out, u[i], configs[c].gamma, o);
                double wanted = mpfr_get_d(out, MPFR_RNDN), error = fabs(wanted32[o][i] - wanted) * per_unit32[o][i];
                if (fabs(wanted) >= FLT_MIN && !(error <= most)) {
                    most = error;
                    snprintf(where, sizeof where, "u=%.17g gamma=%g %s", u[i], configs[c].gamma, output_names[o]);
                }
            }
    }
    figure_max("reference.ulp32", most, where);
    CHECK(most < 1e-5, "the reference is %.3g ULP from the definition at %s", most, where);
}

SUITE({"reference", reference}, {"f32", f32}, {"f64", f64})
