/* libFuzzer: the same call on every ISA, which must agree, and against the definitions in double (reference.h).
 *
 * ISAs with FMA agree bit for bit.  The plain one and the reference lie within a tolerance that covers the promised error
 * of both sides: this target looks for wrong answers, the accuracy tests look for inexact ones. */
#include <float.h>

#include "harness.h"
#include "reference.h"

static size_t output_bytes(const struct call *c)
{
    size_t total = 0;
    for (int b = 0; b < c->buffer_count; b++)
        total += c->buffers[b].use == CALL_OUTPUT ? c->buffers[b].bytes : 0;
    return total;
}

static double relative_error_of(int32_t dtype)
{
    return dtype == FOCAL_DTYPE_F64 ? 1e-11 : dtype == FOCAL_DTYPE_F32 ? 1e-4 : 2e-2;
}

static double largest_of(int32_t dtype)
{
    return dtype == FOCAL_DTYPE_F64 ? DBL_MAX : dtype == FOCAL_DTYPE_F16 ? 65504 : dtype == FOCAL_DTYPE_BF16 ? 0x1.fep127 : FLT_MAX;
}

/* What lies between two neighbours below the normal range, which roundings to either side are apart. */
static double least_of(int32_t dtype)
{
    return dtype == FOCAL_DTYPE_F16 ? 0x1p-24 : 1e-30;
}

/* Sizes of a whole sample matter where terms cancel: errors are measured against the largest number of the output. */
static int near(double a, double b, double size, double tolerance, double most, double least)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    if (isinf(a) || isinf(b)) /* the other may just not have overflowed */
        return signbit(a) == signbit(b) && fmin(fabs(a), fabs(b)) >= (1 - tolerance) * most;
    return fabs(a - b) <= tolerance * (fabs(a) + fabs(b)) + tolerance * size + least;
}

static double largest(const void *data, int32_t dtype, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = fabs(call_load(data, dtype, i));
        most = x > most && isfinite(x) ? x : most;
    }
    return most;
}

/* Two runs of the same call, output by output. */
static void compare_runs(const struct call *a, const struct call *b)
{
    for (int k = 0; k < a->buffer_count; k++) {
        int32_t dtype = a->buffers[k].dtype;
        if (a->buffers[k].use != CALL_OUTPUT)
            continue;
        int64_t n = (int64_t)(a->buffers[k].bytes / call_dtype_size(dtype));
        int32_t accuracy = a->args.score_dtype == FOCAL_DTYPE_F64 ? dtype : FOCAL_DTYPE_F32;
        double tolerance = fmax(relative_error_of(dtype), relative_error_of(accuracy));
        double most = fmin(largest_of(dtype), largest_of(accuracy)); /* f16 and bf16 are computed in f32 */
        double size = largest(b->buffers[k].data, dtype, n);
        /* Nearly uniform targets: every p_k ((1 - y_k) - m) cancels to 1 - e of its terms. */
        size /= fmax(1 - a->args.label_smoothing, 0x1p-20);
        if (a->buffers[k].data == a->args.loss || a->buffers[k].data == a->args.probabilities)
            size = 0; /* a sum of terms of one sign, in each place of its own */
        if (a->entry == CALL_OPTIMAL_SCORE)
            size = fmax(size, 1); /* a root, also one near 0, is as exact as the terms whose sum it makes 0 */
        for (int64_t i = 0; i < n; i++) {
            double x = call_load(a->buffers[k].data, dtype, i), y = call_load(b->buffers[k].data, dtype, i);
            demand(near(x, y, size, tolerance, most, least_of(dtype)), a->entry, "instruction sets disagree");
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *isas[SUITE_ISAS];
    struct call calls[SUITE_ISAS];
    struct heap heaps[SUITE_ISAS];
    int32_t statuses[SUITE_ISAS];
    int count = suite_isas(isas), fma = -1;
    struct source choices = {data, size, 0};
    enum call_entry entry = source_pick(&choices, CALL_INFORMATION);
    for (int i = 0; i < count; i++) {
        struct source s = choices;
        heaps[i].used = 0;
        focal_set_isa(isas[i]);
        call_make(&calls[i], entry, &s, &fuzz_limits, heap_take, &heaps[i]);
        statuses[i] = call_run(&calls[i]);
        demand(statuses[i] == statuses[0], entry, "instruction sets give different statuses");
        if (strcmp(isas[i], "x86-64")) {
            demand(fma < 0 || call_hash(&calls[i], 1) == call_hash(&calls[fma], 1), entry, "the bits depend on the ISA");
            fma = i;
        }
        if (i > 0 && statuses[i] == FOCAL_OK && output_bytes(&calls[i]))
            compare_runs(&calls[i], &calls[0]);
        char message[200];
        if (statuses[i] == FOCAL_OK && reference_covers(&calls[i]))
            demand(reference_check(&calls[i], message), entry, message);
    }
    for (int i = 0; i < count; i++)
        heap_free(&heaps[i]);
    return 0;
}
