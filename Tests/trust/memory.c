/* What a call touches: nothing but its buffers, and no buffer where the arguments are wrong. */
#define _GNU_SOURCE
#include "arena.h"

static struct arena arena;
static double calls_ok, calls_unsupported;

static void open_arena(void)
{
    if (!arena.slots[0])
        arena_open(&arena);
    arena_catch_faults();
    calls_ok = calls_unsupported = 0;
}

/* One call with buffers at_end or at the start of their slots, `offset` bytes from the guard page. */
static void guarded_call(const char *isa, enum call_entry entry, uint64_t seed, int64_t n, int at_end, size_t offset)
{
    struct source s = {NULL, 0, seed};
    struct call_limits limits = {.elements = 4096, .exact = n, .threads = 1};
    struct call c;
    arena_reset(&arena, at_end, offset);
    call_make(&c, entry, &s, &limits, arena_take, &arena);
    snprintf(arena_case, sizeof arena_case, "%s %s n=%lld seed=%llu %s offset=%zu", isa, call_name(entry), (long long)n,
             (unsigned long long)seed, at_end ? "end" : "start", offset);
    arena_protect_inputs(&arena, 1);
    int32_t status = call_run(&c);
    arena_protect_inputs(&arena, 0);
    CHECK(status == FOCAL_OK || status == FOCAL_ERROR_UNSUPPORTED, "%s: %s", arena_case, focal_last_error());
    CHECK(arena_intact(&arena), "%s: wrote beside a buffer", arena_case);
    calls_ok += status == FOCAL_OK;
    calls_unsupported += status == FOCAL_ERROR_UNSUPPORTED;
}

/* Every entry point, ISA, tail 0..129 against both pages, and offsets 0..63. */
static void guard(void)
{
    const char *isas[SUITE_ISAS];
    int count = suite_isas(isas), seeds = suite_long ? 40 : 4;
    open_arena();
    for (int isa = 0; isa < count; isa++) {
        CHECK_OK(focal_set_isa(isas[isa]));
        for (int entry = 0; entry < CALL_ENTRIES; entry++) {
            for (int64_t n = 0; n < 130; n++)
                for (int seed = 0; seed < seeds; seed++)
                    for (int at_end = 0; at_end < 2; at_end++)
                        guarded_call(isas[isa], entry, (uint64_t)(n * seeds + seed), n, at_end, 0);
            for (size_t offset = 1; offset < 64; offset++)
                for (int64_t n = 1; n < 130; n += 1 + n / 4)
                    for (int at_end = 0; at_end < 2; at_end++)
                        guarded_call(isas[isa], entry, (uint64_t)n * 64 + offset, n, at_end, offset);
        }
    }
    focal_set_isa(NULL);
    figure_sum("guard.calls", calls_ok);
    CHECK(calls_ok > 2 * calls_unsupported, "only %g calls of %g computed", calls_ok, calls_ok + calls_unsupported);
}

/* One wrong argument: the status that the header names, no output written, nothing outside touched. */
static void arguments(void)
{
    double refused = 0, by_status[16] = {0};
    open_arena();
    for (uint64_t seed = 0; seed < (suite_long ? 2000000u : 100000u); seed++) {
        struct source s = {NULL, 0, seed};
        struct call_limits limits = {.elements = 600, .exact = -1, .threads = 1, .simple = 1};
        struct call c;
        enum call_entry entry = seed % 2 ? CALL_SIGMOID : CALL_SOFTMAX;
        arena_reset(&arena, 1, 0);
        call_make(&c, entry, &s, &limits, arena_take, &arena);
        if (call_run(&c) != FOCAL_OK)
            continue;
        arena_reset(&arena, 1, 0);
        s = (struct source){NULL, 0, seed};
        call_make(&c, entry, &s, &limits, arena_take, &arena);
        int32_t wanted = call_break(&c, &s);
        if (wanted == FOCAL_OK)
            continue;
        uint64_t before = call_hash(&c, 0);
        snprintf(arena_case, sizeof arena_case, "broken %s seed=%llu", call_name(entry), (unsigned long long)seed);
        int32_t status = call_run(&c);
        CHECK(status == wanted, "%s: %s (%s), not %s", arena_case, focal_status_string(status), focal_last_error(),
              focal_status_string(wanted));
        CHECK(focal_last_error()[0], "%s: no message", arena_case);
        CHECK(call_hash(&c, 0) == before && arena_intact(&arena), "%s: wrote on an error", arena_case);
        by_status[wanted]++;
        refused++;
    }
    figure_sum("arguments.refused", refused);
    for (int32_t status = FOCAL_ERROR_NULL; status <= FOCAL_ERROR_OVERLAP; status++)
        CHECK(by_status[status] > 0, "%s never came", focal_status_string(status));
}

/* One target out of range among many, wherever it stands: of so many the look takes some of each of eight pages in turn. */
static void targets(void)
{
    enum { BYTES = 2 * 8 * 4096 + 100 };
    static const int32_t dtypes[] = {FOCAL_DTYPE_F32, FOCAL_DTYPE_F64, FOCAL_DTYPE_U8, FOCAL_DTYPE_I32, FOCAL_DTYPE_I64};
    static const float single = 2;
    static const double number = 2;
    static const int64_t integer = 2; /* its first bytes are those of shorter ones */
    static const void *const two[] = {&single, &number, &integer, &integer, &integer};
    static float scores[BYTES];
    static char values[BYTES + 64];
    const char *isas[SUITE_ISAS];
    double refused = 0;
    for (int isa = 0, count = suite_isas(isas); isa < count; isa++)
        for (int d = 0; d < 5; d++) {
            size_t size = call_dtype_size(dtypes[d]), n = BYTES / size;
            char *stored = values + 4 * (size_t)(isa % 2); /* off a cache line too */
            focal_args a;
            CHECK_OK(focal_set_isa(isas[isa]));
            focal_args_init(&a, sizeof a);
            a.outer = (int64_t)n;
            a.scores = scores;
            a.targets = stored;
            a.target_dtype = dtypes[d];
            a.threads = 1;
            memset(values, 0, sizeof values);
            CHECK_OK(focal_sigmoid(&a));
            for (size_t i = 0; i < n; i++, refused++) {
                char place[32];
                memcpy(stored + i * size, two[d], size);
                snprintf(place, sizeof place, "targets[%zu] ", i);
                CHECK(focal_sigmoid(&a) == FOCAL_ERROR_TARGET && strstr(focal_last_error(), place), "%s, type %d, %zu: %s",
                      isas[isa], dtypes[d], i, focal_last_error());
                memset(stored + i * size, 0, size);
            }
        }
    focal_set_isa(NULL);
    figure_sum("targets.refused", refused);
}

/* Every distance of an output from every other buffer: exactly the scores is in place, all else that touches is refused. */
static void overlap(void)
{
    enum { N = 130, ROOM = 4 * N };
    static float memory[ROOM * 2], targets[N], other[N];
    double checked = 0;
    for (int i = 0; i < N; i++)
        targets[i] = (float)(i % 2);
    for (int output = 0; output < 3; output++)     /* loss, grad, hess */
        for (int against = 0; against < 3; against++) /* scores, targets, another output */
            for (int distance = -4 * N - 9; distance <= 4 * N + 9; distance++) {
                focal_args a;
                char *fixed = (char *)(memory + ROOM / 2), *moved = fixed + distance;
                focal_args_init(&a, sizeof a);
                a.outer = N;
                a.threads = 1;
                a.target_check = FOCAL_TARGETS_TRUSTED;
                a.scores = against == 0 ? fixed : (char *)other;
                a.targets = against == 1 ? fixed : (char *)targets;
                void **outputs[] = {&a.loss, &a.grad, &a.hess};
                *outputs[output] = moved;
                if (against == 2)
                    *outputs[(output + 1) % 3] = fixed;
                memset(memory, 0, sizeof memory);
                int apart = abs(distance) >= 4 * N, in_place = distance == 0 && against == 0 && output < 2;
                int32_t status = focal_sigmoid(&a);
                CHECK(status == (apart || in_place ? FOCAL_OK : FOCAL_ERROR_OVERLAP), "output %d against %d at %d: %s", output,
                      against, distance, focal_status_string(status));
                checked++;
            }
    figure_sum("overlap.distances", checked);
}

enum { PERIOD = 1 << 24 };

static size_t mapped_bytes(size_t bytes)
{
    return (bytes / PERIOD + 1) * PERIOD;
}

/* At least that many bytes of address space, all showing the same PERIOD bytes of memory. */
static void *repeated(size_t bytes)
{
    int file = memfd_create("repeated", 0);
    REQUIRE(file >= 0 && ftruncate(file, PERIOD) == 0, "memfd");
    char *base = mmap(NULL, mapped_bytes(bytes), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(base != MAP_FAILED, "address space");
    for (size_t at = 0; at < mapped_bytes(bytes); at += PERIOD)
        REQUIRE(mmap(base + at, PERIOD, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) != MAP_FAILED, "map");
    close(file);
    return base;
}

/* More than 2^31 elements (2^32 too in the long tier): the sum, and the gradient at the far end. */
static void huge(void)
{
    const int64_t sizes[] = {(INT64_C(1) << 31) + 7, (INT64_C(1) << 32) + 7};
    for (int i = 0; i < 1 + suite_long; i++) {
        int64_t n = sizes[i], per_period = PERIOD / 4;
        size_t bytes = (size_t)n * 4;
        float *scores = repeated(bytes), *grad = repeated(bytes);
        uint8_t *targets = repeated((size_t)n);
        double whole, period, tail;
        focal_args a;
        for (int64_t j = 0; j < per_period; j++)
            scores[j] = (float)(j % 1013 - 500) * .01f;
        for (int64_t j = 0; j < PERIOD; j++)
            targets[j] = j % 4 == 0;
        focal_args_init(&a, sizeof a);
        a.outer = n;
        a.scores = scores;
        a.targets = targets;
        a.target_dtype = FOCAL_DTYPE_U8;
        a.target_check = FOCAL_TARGETS_TRUSTED;
        a.reduction = FOCAL_REDUCTION_SUM;
        a.grad = grad;
        a.reduced_loss = &whole;
        CHECK_OK(focal_sigmoid(&a));
        float last = grad[n - 1], other;
        a.grad = NULL;
        a.outer = per_period; /* both patterns repeat after this many */
        a.reduced_loss = &period;
        CHECK_OK(focal_sigmoid(&a));
        a.outer = n % per_period;
        a.reduced_loss = &tail;
        CHECK_OK(focal_sigmoid(&a));
        double wanted = period * (double)(n / per_period) + tail;
        CHECK(fabs(whole - wanted) <= 1e-9 * wanted, "n = %lld: %.17g, not %.17g", (long long)n, whole, wanted);
        a.outer = 1;
        a.scores = &scores[n - 1];
        a.targets = &targets[n - 1];
        a.grad = &other;
        CHECK_OK(focal_sigmoid(&a));
        CHECK(last == other, "the last gradient is %g, not %g", last, other);
        figure_max("huge.elements", (double)n, "");
        munmap(scores, mapped_bytes(bytes));
        munmap(grad, mapped_bytes(bytes));
        munmap(targets, mapped_bytes((size_t)n));
    }
}

SUITE({"guard", guard}, {"arguments", arguments}, {"targets", targets}, {"overlap", overlap}, {"huge", huge})
