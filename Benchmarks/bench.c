/* bench.c - times libfocalloss, the C peers and the memory floor, interleaved, and prints JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *     bench outer=16777216 gamma=2 threads=2 rounds=15 ours ours:x86-64-v3 avx2_4 floor ours/gamma=1.5 ours/threads=1
 *
 * KEY=VALUE sets what holds for all contenders; a contender may override it after a slash.  Every round times each
 * contender once, in turn, so that whatever else the machine does falls on all of them; a sample is as many calls as fill
 * `sample_us`, and is repeated if the kernel took the CPU away during it.  Buffers are touched before, and shared by
 * contenders that have the same.  Threads are not pinned, so that a pool and OpenMP are placed by the same kernel.  The
 * library is opened at run time, so that peers can be timed without it. */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "focalloss.h"
#include "peers/peers.h"

#define MAX_CONTENDERS 48
#define MAX_ROUNDS 1000

typedef struct {
    char dtype[8], target[16], outputs[8]; /* outputs: l loss, r reduced loss, g gradient, h Hessian */
    int64_t outer, classes, inner, softmax;
} shape;

typedef struct {
    void *scores, *targets, *loss, *grad, *hess;
    size_t n, samples, scores_bytes, targets_bytes, loss_bytes, grad_bytes, hess_bytes;
} buffers;

typedef struct {
    shape shape;
    buffers buf;
    double gamma, alpha;
    int64_t threads;
    const char *label;
    char name[32];
    const char *isa; /* NULL: the highest */
    int64_t calls;   /* in one sample */
    int disturbed;   /* samples during which the kernel took the CPU away, whatever was tried */
    double loss, samples[MAX_ROUNDS];
} contender;

static struct {
    const char *library;
    int64_t alias_mb, rounds, tries;
    double sample_us, seconds;
} run = {"build/lib/libfocalloss.so", 0, 15, 3, 300.0, 20.0};

static contender all[MAX_CONTENDERS];
static double last_loss;

static struct {
    int32_t (*init)(focal_args *, size_t);
    int32_t (*sigmoid)(const focal_args *);
    int32_t (*softmax)(const focal_args *);
    int32_t (*short_f32)(const float *, const float *, size_t, double, double, int32_t, float *, float *);
    int32_t (*set_isa)(const char *);
    const char *(*isa)(void);
    const char *(*last_error)(void);
} lib;

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* ---- Options ---- */

static void read_option(contender *c, const char *key, const char *value) {
#define TEXT(name) if (!strcmp(key, #name)) { snprintf(c->shape.name, sizeof c->shape.name, "%s", value); return; }
#define SIZE(name) if (!strcmp(key, #name)) { c->shape.name = atoll(value); return; }
#define OF(where, name, read) if (!strcmp(key, #name)) { where.name = read(value); return; }
    TEXT(dtype) TEXT(target) TEXT(outputs)
    SIZE(outer) SIZE(classes) SIZE(inner) SIZE(softmax)
    OF((*c), gamma, atof) OF((*c), alpha, atof) OF((*c), threads, atoll)
    OF(run, library,) OF(run, alias_mb, atoll) OF(run, rounds, atoll) OF(run, tries, atoll) OF(run, sample_us, atof) OF(run, seconds, atof)
    fprintf(stderr, "bench: no option %s\n", key);
    exit(2);
}

/* "ours:x86-64-v3/gamma=1.5/target=u8" */
static void read_contender(contender *c, const contender *defaults, char *text) {
    *c = *defaults;
    c->label = strdup(text);
    char *part = strtok(text, "/");
    char *colon = strchr(part, ':');
    if (colon && strncmp(part, "floor", 5)) *colon = 0, c->isa = strdup(colon + 1);
    snprintf(c->name, sizeof c->name, "%s", part);
    while ((part = strtok(0, "/"))) {
        char *value = strchr(part, '=');
        if (!value) { fprintf(stderr, "bench: KEY=VALUE expected, not %s\n", part); exit(2); }
        *value = 0;
        read_option(c, part, value + 1);
    }
}

static int has_labels(const shape *s) { return s->softmax || !strncmp(s->target, "label", 5); }
static int wants(const shape *s, char output) { return strchr(s->outputs, output) != 0; }

static int32_t dtype_of(const char *name) {
    static const struct { const char *name; int32_t dtype; } table[] = {
        {"f32", FOCAL_DTYPE_F32}, {"f64", FOCAL_DTYPE_F64}, {"bf16", FOCAL_DTYPE_BF16}, {"f16", FOCAL_DTYPE_F16},
        {"u8", FOCAL_DTYPE_U8},   {"i32", FOCAL_DTYPE_I32}, {"i64", FOCAL_DTYPE_I64}};
    if (!strncmp(name, "label_", 6)) name += 6;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(name, table[i].name)) return table[i].dtype;
    fprintf(stderr, "bench: no dtype %s\n", name);
    exit(2);
}

static size_t size_of(int32_t dtype) {
    static const size_t sizes[] = {0, 4, 8, 2, 2, 1, 4, 8};
    return sizes[dtype];
}

/* ---- Data ---- */

static uint64_t state = 88172645463325252u;
static uint32_t random32(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

/* Roughly normal, standard deviation 2.5. */
static double draw_score(int64_t classes) {
    (void)classes;
    double s = 0;
    for (int i = 0; i < 4; i++) s += random32() / 4294967296.0 - 0.5;
    return s * 4.33;
}

static void store(void *base, size_t i, int32_t dtype, double x) {
    const float f = (float)x;
    uint32_t bits;
    switch (dtype) {
    case FOCAL_DTYPE_F32: ((float *)base)[i] = f; break;
    case FOCAL_DTYPE_F64: ((double *)base)[i] = x; break;
    case FOCAL_DTYPE_BF16: memcpy(&bits, &f, 4); ((uint16_t *)base)[i] = (uint16_t)(bits >> 16); break;
    case FOCAL_DTYPE_F16: ((_Float16 *)base)[i] = (_Float16)f; break;
    case FOCAL_DTYPE_U8: ((uint8_t *)base)[i] = (uint8_t)x; break;
    case FOCAL_DTYPE_I32: ((int32_t *)base)[i] = (int32_t)x; break;
    case FOCAL_DTYPE_I64: ((int64_t *)base)[i] = (int64_t)x; break;
    }
}

/* alias_mb > 0: one piece of memory that large, mapped again and again until the buffer is full.  So 10^9 elements fit
 * a small machine; the piece is larger than the last cache, so every access still goes to memory. */
static void *buffer(size_t bytes) {
    const size_t page = 1 << 21, size = (bytes + page - 1) / page * page + page;
    char *base = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const size_t piece = (size_t)run.alias_mb << 20;
    if (base == MAP_FAILED) { perror("mmap"); exit(1); }
    if (piece && bytes > piece) {
        const int fd = memfd_create("bench", 0);
        if (fd < 0 || ftruncate(fd, (off_t)piece)) { perror("memfd"); exit(1); }
        for (size_t at = 0; at < size; at += piece)
            if (mmap(base + at, size - at < piece ? size - at : piece, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) == MAP_FAILED) { perror("mmap"); exit(1); }
        close(fd);
    } else {
        touch(base, bytes, 1);
    }
    return base;
}

static void *values(size_t count, int32_t dtype, double (*draw)(int64_t), int64_t classes, size_t *bytes) {
    const size_t width = size_of(dtype), piece = ((size_t)run.alias_mb << 20) / width;
    *bytes = count * width;
    void *base = buffer(*bytes);
    const size_t fill = piece && count > piece ? piece : count, period = fill < 1000003 ? fill : 1000003;
    for (size_t i = 0; i < period; i++) store(base, i, dtype, draw(classes));
    for (size_t i = period; i < fill; i += period) /* repeated: drawing 10^8 numbers would take longer than the timing */
        memcpy((char *)base + i * width, base, (fill - i < period ? fill - i : period) * width);
    return base;
}

static double draw_target(int64_t classes) { (void)classes; return random32() % 20 == 0; }
static double draw_label(int64_t classes) { return random32() % (uint32_t)classes; }
/* RetinaNet: one anchor in a hundred has an object, the rest are background (the label `classes`). */
static double draw_anchor(int64_t classes) { return random32() % 100 ? (double)classes : draw_label(classes); }

static void make_buffers(contender *c, const contender *others, int count) {
    const shape *s = &c->shape;
    for (int i = 0; i < count; i++)
        if (!memcmp(s, &others[i].shape, sizeof *s)) { c->buf = others[i].buf; return; }
    const int32_t score = dtype_of(s->dtype), target = dtype_of(s->target);
    buffers *b = &c->buf;
    b->samples = (size_t)(s->outer * s->inner);
    b->n = b->samples * (size_t)s->classes;
    const size_t out = b->n * size_of(score);
    b->scores = values(b->n, score, draw_score, 0, &b->scores_bytes);
    b->targets = values(has_labels(s) ? b->samples : b->n, target,
                        s->softmax ? draw_label : has_labels(s) ? draw_anchor : draw_target, s->classes, &b->targets_bytes);
    if (wants(s, 'l')) b->loss = buffer(b->loss_bytes = s->softmax ? b->samples * size_of(score) : out);
    if (wants(s, 'g')) b->grad = buffer(b->grad_bytes = out);
    if (wants(s, 'h')) b->hess = buffer(b->hess_bytes = out);
}

/* ---- Contenders ---- */

static void open_library(void) {
    void *handle = dlopen(run.library, RTLD_NOW);
    if (!handle) return;
#define FIND(field, symbol) *(void **)&lib.field = dlsym(handle, symbol)
    FIND(init, "focal_args_init");
    FIND(sigmoid, "focal_sigmoid");
    FIND(softmax, "focal_softmax");
    FIND(short_f32, "focal_sigmoid_loss_f32");
    FIND(set_isa, "focal_set_isa");
    FIND(last_error, "focal_last_error");
}

static int call_ours(const contender *c, int trusted) {
    const shape *s = &c->shape;
    const buffers *b = &c->buf;
    focal_args a;
    double reduced = 0;
    lib.init(&a, sizeof a);
    a.threads = (int32_t)c->threads;
    a.outer = s->outer, a.classes = s->classes, a.inner = s->inner;
    a.scores = b->scores, a.score_dtype = dtype_of(s->dtype);
    a.targets = b->targets, a.target_dtype = dtype_of(s->target);
    a.target_kind = has_labels(s) ? FOCAL_TARGETS_LABELS : FOCAL_TARGETS_DENSE;
    a.target_check = trusted ? FOCAL_TARGETS_TRUSTED : FOCAL_TARGETS_CHECKED;
    if (has_labels(s) && !s->softmax) a.background_label = s->classes;
    a.gamma = c->gamma, a.alpha = c->alpha;
    a.loss = b->loss, a.grad = b->grad, a.hess = b->hess;
    a.hessian = FOCAL_HESSIAN_GAUSS_NEWTON;
    if (wants(s, 'r')) a.reduction = FOCAL_REDUCTION_SUM, a.reduced_loss = &reduced;
    const int32_t status = s->softmax ? lib.softmax(&a) : lib.sigmoid(&a);
    last_loss = reduced;
    return status == FOCAL_OK;
}

static int call_short(const contender *c) {
    const buffers *b = &c->buf;
    float loss = 0;
    const int32_t status = lib.short_f32(b->scores, b->targets, b->n, c->alpha, c->gamma, FOCAL_REDUCTION_SUM, &loss, b->grad);
    last_loss = loss;
    return status == FOCAL_OK;
}

static int call_floor(const contender *c, int streaming) {
    const buffers *b = &c->buf;
    floor_streams s = {b->scores, b->targets, b->grad, b->hess, b->scores_bytes, b->targets_bytes, b->grad_bytes, b->hess_bytes};
    if (b->loss && !b->grad) s.c = b->loss, s.c_bytes = b->loss_bytes;
    else if (b->loss && !b->hess) s.d = b->loss, s.d_bytes = b->loss_bytes;
    else if (b->loss) return 0; /* two output streams at most */
    run_floor(streaming, &s, (int)c->threads);
    last_loss = 0;
    return 1;
}

static int call_peer(const contender *c) {
    const shape *s = &c->shape;
    const buffers *b = &c->buf;
    const float alpha = (float)c->alpha, gamma = (float)c->gamma;
    if (strcmp(s->dtype, "f32") || strcmp(s->outputs, "rg") || strcmp(s->target, s->softmax ? "i32" : "f32")) return 0;
    last_loss = s->softmax ? run_softmax(c->name, b->scores, b->targets, b->grad, (size_t)s->outer, (size_t)s->classes,
                                         (size_t)s->inner, alpha, gamma, (int)c->threads)
                           : run_binary(c->name, b->scores, b->targets, b->grad, b->n, alpha, gamma, (int)c->threads);
    return !isnan(last_loss);
}

/* "ours", "trusted" (targets not checked), "short" (the short function), "floor", "floor:streaming", or a C peer.
 * 0: this contender cannot run this problem here. */
static int call(const contender *c) {
    if (!strncmp(c->name, "floor", 5)) return call_floor(c, !strcmp(c->name, "floor:streaming"));
    if (!strcmp(c->name, "short")) return lib.short_f32 && call_short(c);
    if (strcmp(c->name, "ours") && strcmp(c->name, "trusted")) return call_peer(c);
    return lib.init && (c->shape.softmax ? lib.softmax : lib.sigmoid) && call_ours(c, c->name[0] == 't');
}

static int select_isa(const contender *c) { return lib.set_isa ? lib.set_isa(c->isa) == FOCAL_OK : !c->isa; }

/* ---- Timing ---- */

static double time_calls(const contender *c, int64_t calls) {
    const double start = now_ns();
    for (int64_t i = 0; i < calls; i++) call(c);
    return (now_ns() - start) / (double)calls;
}

/* How often the kernel has taken a CPU away from one of our threads. */
static long preemptions(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nivcsw;
}

/* Leaves subnormal numbers on the stack, as a process that has been about might: a kernel that computes with what it has not
 * written is slow on them, and on the zeros of a fresh stack it would not show. */
static __attribute__((noinline)) void litter(void) {
    volatile uint32_t words[15000];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) words[i] = 0x00012345;
}

/* A sample, repeated a few times if somebody else's work fell into it. */
static double undisturbed(contender *c) {
    for (int tries = 1;; tries++) {
        if (c->calls > 1) call(c); /* wakes workers, warms caches */
        litter();
        const long before = preemptions();
        const double sample = time_calls(c, c->calls);
        if (preemptions() == before) return sample;
        if (tries >= run.tries) {
            c->disturbed++;
            return sample;
        }
    }
}

/* The first call shows whether a contender can run this here, the second how many calls fill a sample. */
static int prepare(contender *c) {
    if (!select_isa(c) || !call(c)) {
        fprintf(stderr, "bench: %s cannot run this%s%s\n", c->label, lib.last_error ? ": " : "", lib.last_error ? lib.last_error() : "");
        return 0;
    }
    c->loss = last_loss;
    const double once = time_calls(c, 1), sample = run.sample_us * 1000;
    c->calls = once * 2 > sample ? 1 : (int64_t)(sample / once) + 1;
    return 1;
}

static int time_all(int count) {
    const double deadline = now_ns() + 1e9 * run.seconds;
    int rounds = 0;
    for (; rounds < run.rounds && rounds < MAX_ROUNDS && (rounds < 3 || now_ns() < deadline); rounds++)
        for (int i = 0; i < count; i++) {
            contender *c = &all[(i + rounds) % count]; /* nobody always follows the same contender */
            select_isa(c);
            c->samples[rounds] = undisturbed(c) / (double)c->buf.n;
        }
    return rounds;
}

/* Nanoseconds an element, in the order of the rounds. */
static void report(int count, int rounds) {
    printf("{");
    for (int i = 0; i < count; i++) {
        const contender *c = &all[i];
        const buffers *b = &c->buf;
        const double bytes = (double)(b->scores_bytes + b->targets_bytes + b->loss_bytes + b->grad_bytes + b->hess_bytes);
        printf("%s\n  \"%s\": {\"n\": %zu, \"threads\": %d, \"bytes\": %.4f, \"calls\": %lld, \"disturbed\": %d, "
               "\"loss\": %.9g, \"samples\": [",
               i ? "," : "", c->label, b->n, (int)c->threads, bytes / (double)b->n, (long long)c->calls, c->disturbed, c->loss);
        for (int r = 0; r < rounds; r++) printf("%s%.5g", r ? ", " : "", c->samples[r]);
        printf("]}");
    }
    printf("}\n");
}

int main(int argc, char **argv) {
    if (!getenv("GOMP_SPINCOUNT")) { /* OpenMP's workers would spin for milliseconds into the next contender's time */
        setenv("GOMP_SPINCOUNT", "20000", 1);
        execv("/proc/self/exe", argv);
    }
    static contender defaults = {.shape = {"f32", "f32", "rg", 4096, 1, 1, 0}, .gamma = 2.0, .alpha = 0.25, .threads = 1};
    static char *names[MAX_CONTENDERS];
    int named = 0, count = 0;
    for (int i = 1; i < argc; i++) {
        char *equals = strchr(argv[i], '='), *slash = strchr(argv[i], '/');
        if (equals && (!slash || slash > equals)) {
            *equals = 0;
            read_option(&defaults, argv[i], equals + 1);
        } else if (named < MAX_CONTENDERS) {
            names[named++] = argv[i];
        }
    }
    open_library();
    for (int i = 0; i < named; i++) {
        read_contender(&all[count], &defaults, names[i]);
        make_buffers(&all[count], all, count);
        count += prepare(&all[count]);
    }
    report(count, time_all(count));
    return 0;
}
