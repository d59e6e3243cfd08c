/* The same bits whatever the thread count, the alignment, the position, the repetition and, with FMA, the vector width;
 * and the hashes by which a change of bits between versions shows (lines HASH KEY SHA256, compared by run.py). */
#include <pthread.h>

#include "arena.h"
#include "sha256.h"

static int is_multithreaded(enum call_entry entry)
{
    return entry <= CALL_SHARD_SOFTMAX;
}

/* Runs the call of that entry and seed in fresh memory; returns the hash of its outputs. */
static uint64_t hash_of(enum call_entry entry, uint64_t seed, const struct call_limits *limits, int canonical)
{
    struct source s = {NULL, 0, seed};
    struct heap heap = {.used = 0};
    struct call c;
    call_make(&c, entry, &s, limits, heap_take, &heap);
    int32_t status = call_run(&c);
    CHECK(status == FOCAL_OK || status == FOCAL_ERROR_UNSUPPORTED, "%s seed %llu: %s", call_name(entry),
          (unsigned long long)seed, focal_last_error());
    uint64_t hash = call_hash(&c, canonical);
    heap_free(&heap);
    return hash;
}

static volatile int loaded;

static void *spin(void *unused)
{
    while (loaded)
        ;
    return unused;
}

/* 1 against 2..64 threads, over sizes on both sides of every block; in the long tier up to a million samples, with the CPUs
 * busy, in 100 repetitions, of which a chunk has its share.  Each takes all thread counts up to 4,097 samples, every
 * 21st at 100,003 and one at a million, other ones each time: all of them would take more than a day. */
static void threads(void)
{
    pthread_t load[4];
    static const int64_t sizes[] = {1, 63, 4097, 100003, 1000000 - 17, 1000000 + 17};
    static const int steps[] = {1, 1, 1, 21, 63, 63};
    long repeats = suite_long ? 100 : 1, first = repeats * suite_chunk / suite_chunks;
    long end = repeats * (suite_chunk + 1) / suite_chunks;
    double compared = 0;
    loaded = suite_long;
    for (int i = 0; i < 4 && loaded; i++)
        REQUIRE(pthread_create(&load[i], NULL, spin, NULL) == 0, "thread");
    for (int entry = 0; entry < CALL_ENTRIES; entry++)
        for (int size = 0; size < (suite_long ? 6 : 4); size++)
            for (uint64_t seed = 0; seed < (size > 3 ? 1 : 3); seed++) {
                struct call_limits limits = {.elements = sizes[size] * 8, .exact = sizes[size], .threads = 1, .simple = 1};
                struct source s = {NULL, 0, seed};
                struct heap heap = {.used = 0};
                struct call c;
                if (!is_multithreaded(entry))
                    continue;
                call_make(&c, entry, &s, &limits, heap_take, &heap);
                call_run(&c);
                uint64_t alone = call_hash(&c, 0);
                for (long i = first; i < end; i++)
                    for (int t = suite_long ? 2 + (int)(i % steps[size]) : 2; t <= 64;
                         t += suite_long ? steps[size] : t < 8 || size < 3 ? 1 : 1 + t / 2) {
                        c.args.threads = t;
                        call_run(&c);
                        CHECK(call_hash(&c, 0) == alone, "%s seed %llu n=%lld: %d threads differ from one", call_name(entry),
                              (unsigned long long)seed, (long long)sizes[size], t);
                        compared++;
                    }
                heap_free(&heap);
            }
    for (int i = 0; i < 4 && loaded; i++)
        pthread_detach(load[i]);
    loaded = 0;
    figure_sum("threads.comparisons", compared);
}

/* Buffers at every offset 0..63 from a page, every tail 0..129: the bits of the aligned call. */
static void alignment(void)
{
    static struct arena arena;
    double compared = 0;
    arena_open(&arena);
    arena_catch_faults();
    for (int entry = 0; entry < CALL_ENTRIES; entry++)
        for (int64_t n = 0; n < 130; n++) {
            struct call_limits limits = {.elements = 4096, .exact = n, .threads = 1};
            uint64_t first = 0;
            for (size_t offset = 0; offset < 64; offset += suite_long || n % 16 == 1 ? 1 : 13) {
                struct source s = {NULL, 0, (uint64_t)n};
                struct call c;
                arena_reset(&arena, 0, offset);
                call_make(&c, entry, &s, &limits, arena_take, &arena);
                call_run(&c);
                uint64_t hash = call_hash(&c, 0);
                if (offset == 0)
                    first = hash;
                CHECK(hash == first, "%s n=%lld: offset %zu differs", call_name(entry), (long long)n, offset);
                compared++;
            }
        }
    figure_sum("alignment.comparisons", compared);
}

/* Elements of a slice against the same elements of the whole, for every start and length: position, tail and neighbours;
 * and the same slice without its Hessian, for what is not asked for must not change the rest, nor their sum.
 * Softmax's outputs as double too: its samples are computed in double, of which float's rounding hides the last bits. */
enum { SLICED = 700, SLICED_CLASSES = 5, SLICES = 130 };

struct sliced {
    float scores[SLICED * SLICED_CLASSES], targets[SLICED * SLICED_CLASSES];
    int32_t labels[SLICED];
    double whole[3][SLICED * SLICED_CLASSES], part[3][SLICED * SLICED_CLASSES];
};

/* Returns the sum of the losses. */
static double slice(const struct sliced *all, focal_args *args, int at, int n, double to[3][SLICED * SLICED_CLASSES], int outputs)
{
    double sum = 0;
    int softmax = args->target_kind == FOCAL_TARGETS_LABELS;
    args->outer = n;
    args->scores = all->scores + at * args->classes;
    args->targets = softmax ? (const void *)(all->labels + at) : all->targets + at;
    args->loss = to[0];
    args->grad = to[1];
    args->hess = outputs < 3 ? NULL : to[2];
    args->reduction = FOCAL_REDUCTION_SUM;
    args->reduced_loss = &sum;
    CHECK_OK(softmax ? focal_softmax(args) : focal_sigmoid(args));
    return sum;
}

static double compare_slices(struct sliced *all, focal_args *args, size_t size)
{
    double compared = 0;
    slice(all, args, 0, SLICED, all->whole, 3);
    for (int start = 0; start < SLICES; start++)
        for (int n = 0; n < SLICES; n++) {
            double sums[4];
            for (int outputs = 3; outputs > 1; outputs--) {
                sums[outputs] = slice(all, args, start, n, all->part, outputs);
                for (int o = 0; o < outputs; o++, compared++) {
                    size_t width = o == 0 ? size : size * (size_t)args->classes;
                    CHECK(!memcmp(all->part[o], (char *)all->whole[o] + (size_t)start * width, (size_t)n * width),
                          "%s, %lld classes, gamma %g, %zu bytes: output %d of %d of [%d, %d) differs from the whole", focal_isa(),
                          (long long)args->classes, args->gamma, size, o, outputs, start, start + n);
                }
            }
            CHECK(sums[2] == sums[3], "%s, %lld classes, gamma %g: the sum of [%d, %d) differs without a Hessian", focal_isa(),
                  (long long)args->classes, args->gamma, start, start + n);
        }
    return compared;
}

static void slices(void)
{
    static struct sliced all;
    static const double gammas[] = {2, 1.5, .7};
    const char *isas[SUITE_ISAS];
    uint64_t state = 3;
    double compared = 0;
    for (int i = 0; i < SLICED * SLICED_CLASSES; i++) {
        int is_wide = i / SLICED_CLASSES % 17 == 3; /* some beyond the range of exp */
        all.scores[i] = (float)(8 * random_unit(&state) - 4) * (is_wide ? 300 : 1);
        all.targets[i] = (float)(i % 3 == 0);
        all.labels[i / SLICED_CLASSES] = i * 7 / SLICED_CLASSES % SLICED_CLASSES;
    }
    for (int isa = 0, count = suite_isas(isas); isa < count; isa++)
        for (int kind = 0; kind < 3; kind++)
            for (int g = 0; g < 3; g++) {
                focal_args args;
                focal_args_init(&args, sizeof args);
                CHECK_OK(focal_set_isa(isas[isa]));
                args.classes = kind ? SLICED_CLASSES : 1;
                args.threads = 1;
                args.gamma = gammas[g];
                args.target_kind = kind ? FOCAL_TARGETS_LABELS : FOCAL_TARGETS_DENSE;
                args.target_dtype = kind ? FOCAL_DTYPE_I32 : FOCAL_DTYPE_F32;
                args.out_dtype = kind == 2 ? FOCAL_DTYPE_F64 : FOCAL_DTYPE_F32;
                compared += compare_slices(&all, &args, kind == 2 ? sizeof(double) : sizeof(float));
            }
    focal_set_isa(NULL);
    figure_sum("slices.comparisons", compared);
}

/* Each ISA against the others: all with FMA (every one but plain x86-64) give the same bits. */
static void isas(void)
{
    const char *names[SUITE_ISAS];
    int count = suite_isas(names), with_fma = 0;
    double compared = 0, baseline_equal = 0, baseline = 0;
    for (int i = 0; i < count; i++)
        with_fma += strcmp(names[i], "x86-64") != 0;
    for (int entry = 0; entry < CALL_ENTRIES; entry++)
        for (uint64_t seed = 0; seed < (suite_long ? 20000u : 1000u); seed++) {
            struct call_limits limits = {.elements = 3000, .exact = -1, .threads = 1};
            uint64_t first = 0, plain = 0;
            int known = 0;
            for (int i = 0; i < count; i++) {
                CHECK_OK(focal_set_isa(names[i]));
                uint64_t hash = hash_of(entry, seed, &limits, 1);
                if (!strcmp(names[i], "x86-64")) {
                    plain = hash;
                    continue;
                }
                if (known++) {
                    CHECK(hash == first, "%s seed %llu: %s differs", call_name(entry), (unsigned long long)seed, names[i]);
                    compared++;
                }
                first = known == 1 ? hash : first;
            }
            baseline++;
            baseline_equal += plain == first;
        }
    focal_set_isa(NULL);
    figure_sum("isas.comparisons", compared);
    figure_max("isas.with_fma", with_fma, focal_available_isas());
    if (with_fma < 2)
        SKIP("one ISA with FMA on this machine");
}

/* The kept hashes: per entry point and ISA kind, SHA-256 over the outputs of a thousand calls. */
static void hashes(void)
{
    const char *names[SUITE_ISAS];
    int count = suite_isas(names);
    for (int i = 0; i < count; i++)
        for (int entry = 0; entry < CALL_INFORMATION; entry++) {
            struct sha256 sum;
            char text[65];
            sha256_start(&sum);
            CHECK_OK(focal_set_isa(names[i]));
            for (uint64_t seed = 0; seed < 300; seed++) {
                struct call_limits limits = {.elements = 2000, .exact = -1, .threads = 1};
                uint64_t hash = hash_of(entry, seed, &limits, 1);
                sha256_add(&sum, &hash, sizeof hash);
            }
            sha256_text(&sum, text);
            printf("HASH %s/%s %s\n", strcmp(names[i], "x86-64") ? "fma" : "no-fma", call_name(entry), text);
        }
    focal_set_isa(NULL);
}

SUITE({"threads", threads}, {"alignment", alignment}, {"slices", slices}, {"isas", isas}, {"hashes", hashes})
