/* How far the softmax family lies from the true value: random rows of 1 to 1025 classes, scores N(0, {1, 10, 100}), ties
 * and one-hot rows, f32 and f64, every ISA, against __float128.  Units as in accuracy.c; a Hessian's error is measured in
 * the sum of the sizes of its terms, those of f'' included. */
#include <float.h>
#include <quadmath.h>

#include "suite.h"

#define REAL __float128
#define EXP expq
#define LOG1P log1pq
#define NAME(x) f128_##x
#include "scalar.h"

typedef __float128 real;

enum { MOST_CLASSES = 1025, OUTPUTS = 3 };
static const double gammas[] = {0, .5, 1, 1.5, 2, 3, 5, .75, 2.2, 4};
enum { GAMMAS = sizeof gammas / sizeof gammas[0], PROMISED = 7 };
static const char *const output_names[OUTPUTS] = {"loss", "grad", "hess"};

struct worst {
    double error;
    char where[120];
};
static struct worst worst[2][SUITE_ISAS][GAMMAS][OUTPUTS]; /* f32, f64 */
static const char *isas[SUITE_ISAS];
static int isa_count;
static double rows;

struct row {
    int k, label;
    double z[MOST_CLASSES]; /* exact in f32 where f32 is tested */
    real r[MOST_CLASSES];   /* softmax over the classes that are not the label */
    real rest[MOST_CLASSES]; /* 1 - r, as a sum: even 113 bits are too few for the difference where one class dominates */
    real margin;
};

static real sum_beside(const struct row *row, int j)
{
    real sum = 0;
    for (int i = 0; i < row->k; i++)
        sum += i == j ? 0 : row->r[i];
    return sum;
}

static void make_row(struct row *row, uint64_t *state, int single)
{
    static const int classes[] = {1, 2, 2, 3, 4, 5, 8, 10, 16, 17, 21, 33, 80, 100, 129, 1000, 1025};
    static const double widths[] = {1, 10, 100};
    double width = widths[random_u64(state) % 3];
    int kind = (int)(random_u64(state) % 8);
    row->k = classes[random_u64(state) % (rows > 200 && random_u64(state) % 8 ? 14 : 17)];
    row->label = (int)(random_u64(state) % (uint64_t)row->k);
    for (int i = 0; i < row->k; i++) {
        double z = kind == 0 ? width : kind == 1 ? (double)(i == row->label) * width : random_normal(state) * width;
        row->z[i] = single ? (double)(float)z : z;
    }
    real most = -INFINITY, sum = 0;
    for (int i = 0; i < row->k; i++)
        most = i != row->label && row->z[i] > most ? (real)row->z[i] : most;
    for (int i = 0; i < row->k; i++)
        sum += row->r[i] = i == row->label ? 0 : expq(row->z[i] - most);
    for (int i = 0; i < row->k; i++)
        row->r[i] /= sum;
    for (int i = 0; i < row->k; i++)
        row->rest[i] = row->r[i] > .5Q ? sum_beside(row, i) : 1 - row->r[i];
    row->margin = row->z[row->label] - most - logq(sum);
}

static double ulp(double x, int single)
{
    int e, least = single ? -125 : -1021;
    frexp(x, &e);
    return ldexp(1, (e < least ? least : e) - (single ? 24 : 53));
}

static void note(struct worst *w, const struct row *row, int j, double got, real wanted, double unit, double least)
{
    double error = (double)fabsq(got - wanted);
    if (error <= least)
        return;
    error = error < INFINITY ? error / unit : INFINITY;
    if (error > w->error) {
        w->error = error;
        snprintf(w->where, sizeof w->where, "K=%d label=%d j=%d z_t=%.9g u=%.9g got=%.9g true=%.9g", row->k, row->label, j,
                 row->z[row->label], (double)row->margin, got, (double)wanted);
    }
}

static void compare(const struct row *row, int single, int isa, int g, const double *loss, const double *grad,
                    const double *hess)
{
    struct f128_shared shared = f128_shared_of(row->margin);
    struct f128_term t = f128_term_of(&shared, gammas[g]);
    struct worst *w = worst[!single][isa][g];
    double least = single ? FLT_MIN : DBL_MIN, eps = single ? 0x1p-24 : 0x1p-53;
    note(&w[0], row, row->label, *loss, t.value, ulp((double)t.value, single), least);
    for (int j = 0; j < row->k; j++) {
        real r = row->r[j], first = j == row->label ? t.first : -t.first * r;
        real second = j == row->label ? t.second : t.second * r * r - t.first * r * row->rest[j];
        real terms = j == row->label ? t.terms : t.terms * r * r - t.first * r * row->rest[j];
        note(&w[1], row, j, grad[j], first, ulp((double)first, single), least);
        note(&w[2], row, j, hess[j], second, (double)terms * eps,
             least * (1 + 2 * gammas[g] + gammas[g] * (double)shared.loss));
    }
}

static void run_row(const struct row *row, int single)
{
    static float z32[MOST_CLASSES], out32[OUTPUTS][MOST_CLASSES];
    static double out[OUTPUTS][MOST_CLASSES];
    int32_t label = row->label;
    for (int i = 0; i < row->k; i++)
        z32[i] = (float)row->z[i];
    for (int isa = 0; isa < isa_count; isa++)
        for (int g = 0; g < GAMMAS; g++) {
            focal_args a;
            focal_set_isa(isas[isa]);
            focal_args_init(&a, sizeof a);
            a.outer = 1;
            a.classes = row->k;
            a.score_dtype = single ? FOCAL_DTYPE_F32 : FOCAL_DTYPE_F64;
            a.scores = single ? (const void *)z32 : row->z;
            a.targets = &label;
            a.target_kind = FOCAL_TARGETS_LABELS;
            a.target_dtype = FOCAL_DTYPE_I32;
            a.gamma = gammas[g];
            a.loss = single ? (void *)out32[0] : out[0];
            a.grad = single ? (void *)out32[1] : out[1];
            a.hess = single ? (void *)out32[2] : out[2];
            CHECK_OK(focal_softmax(&a));
            for (int o = 0; o < OUTPUTS && single; o++)
                for (int i = 0; i < row->k; i++)
                    out[o][i] = out32[o][i];
            compare(row, single, isa, g, out[0], out[1], out[2]);
        }
    rows++;
}

static void report(int single)
{
    for (int isa = 0; isa < isa_count; isa++)
        for (int g = 0; g < GAMMAS; g++)
            for (int o = 0; o < OUTPUTS; o++) {
                const struct worst *w = &worst[!single][isa][g][o];
                double baseline = strcmp(isas[isa], "x86-64") == 0 ? 2 : 0; /* no FMA */
                double limit = o == 2 ? 16 : baseline + 4 + gammas[g] + (g < PROMISED ? 4 : 4 + 2 * gammas[g]);
                char key[96], summary[64];
                snprintf(summary, sizeof summary, "%s.%s.%s", single ? "f32" : "f64", g < PROMISED ? "promised" : "others",
                         output_names[o]);
                snprintf(key, sizeof key, "%s.%s.%s.gamma=%g", single ? "f32" : "f64", isas[isa], output_names[o], gammas[g]);
                figure_max(key, w->error, w->where);
                figure_max(summary, g < PROMISED || o == 2 ? w->error : w->error / limit, key);
                CHECK(w->error <= limit, "%s: %.4g exceeds %g at %s", key, w->error, limit, w->where);
            }
}

static void random_rows(int single)
{
    static struct row row;
    uint64_t state = 1000 + (uint64_t)suite_chunk * 2 + (uint64_t)single;
    int count = suite_long ? 50000 : 2000;
    isa_count = suite_isas(isas);
    memset(worst, 0, sizeof worst);
    rows = 0;
    for (int i = 0; i < count; i++) {
        make_row(&row, &state, single);
        run_row(&row, single);
    }
    report(single);
    figure_sum("rows", rows);
}

static void f32(void)
{
    random_rows(1);
}

static void f64(void)
{
    random_rows(0);
}

SUITE({"f32", f32}, {"f64", f64})
