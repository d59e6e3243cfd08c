/* bench.c - times libfocalloss, the C peers and the memory floor on one problem, interleaved, and prints JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *     bench family=sigmoid outer=16777216 gamma=2 threads=2 contenders=ours,ours:x86-64-v3,avx2_4,floor rounds=15
 *
 * Every round times each contender once, in turn, so that whatever else the machine does falls on all of them; a sample is
 * as many calls as fill `sample_us`.  Buffers are touched before.  Threads are not pinned, so that a pool and OpenMP are
 * placed by the same kernel.  The library is opened at run time, so that peers can be timed without it. */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "focalloss.h"
#include "peers/peers.h"

#define MAX_CONTENDERS 16
#define MAX_ROUNDS 1000

typedef struct {
    const char *family, *dtype, *target, *outputs, *contenders, *library;
    int64_t outer, classes, inner, alias_mb, rounds, threads;
    double gamma, alpha, sample_us, seconds;
} options;

static options opt = {"sigmoid", "f32", "f32", "rg", "ours,floor", "build/lib/libfocalloss.so", 4096, 1, 1, 0, 15, 1, 2.0, 0.25, 300.0, 20.0};

static struct {
    void *scores, *targets, *loss, *grad, *hess;
    size_t n, samples, scores_bytes, targets_bytes, loss_bytes, grad_bytes, hess_bytes;
} buf;

static struct {
    int32_t (*init)(focal_args *, size_t);
    int32_t (*sigmoid)(const focal_args *);
    int32_t (*softmax)(const focal_args *);
    int32_t (*short_f32)(const float *, const float *, size_t, double, double, int32_t, float *, float *);
    int32_t (*set_isa)(const char *);
    const char *(*isa)(void);
    const char *(*last_error)(void);
} lib;

static double last_loss;

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* ---- Options ---- */

static void read_option(const char *key, const char *value) {
#define TEXT(name) if (!strcmp(key, #name)) { opt.name = value; return; }
#define WHOLE(name) if (!strcmp(key, #name)) { opt.name = atoll(value); return; }
#define REAL(name) if (!strcmp(key, #name)) { opt.name = atof(value); return; }
    TEXT(family) TEXT(dtype) TEXT(target) TEXT(outputs) TEXT(contenders) TEXT(library)
    WHOLE(outer) WHOLE(classes) WHOLE(inner) WHOLE(alias_mb) WHOLE(rounds) WHOLE(threads)
    REAL(gamma) REAL(alpha) REAL(sample_us) REAL(seconds)
    fprintf(stderr, "bench: no option %s\n", key);
    exit(2);
}

static int is_softmax(void) { return !strcmp(opt.family, "softmax"); }
static int has_labels(void) { return is_softmax() || !strncmp(opt.target, "label", 5); }
static int wants(char output) { return strchr(opt.outputs, output) != 0; }

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
static double random_score(void) {
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
    const size_t piece = (size_t)opt.alias_mb << 20;
    if (base == MAP_FAILED) { perror("mmap"); exit(1); }
    if (piece && bytes > piece) {
        const int fd = memfd_create("bench", 0);
        if (fd < 0 || ftruncate(fd, (off_t)piece)) { perror("memfd"); exit(1); }
        for (size_t at = 0; at < size; at += piece)
            if (mmap(base + at, size - at < piece ? size - at : piece, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) == MAP_FAILED) { perror("mmap"); exit(1); }
        close(fd);
    } else {
        touch(base, bytes, (int)opt.threads);
    }
    return base;
}

static void *values(size_t count, int32_t dtype, double (*draw)(void), size_t *bytes) {
    const size_t width = size_of(dtype), piece = ((size_t)opt.alias_mb << 20) / width;
    *bytes = count * width;
    void *base = buffer(*bytes);
    const size_t fill = piece && count > piece ? piece : count, period = fill < 1000003 ? fill : 1000003;
    for (size_t i = 0; i < period; i++) store(base, i, dtype, draw());
    for (size_t i = period; i < fill; i += period) /* repeated: drawing 10^8 numbers would take longer than the timing */
        memcpy((char *)base + i * width, base, (fill - i < period ? fill - i : period) * width);
    return base;
}

static double draw_target(void) { return random32() % 20 == 0; }
static double draw_label(void) { return random32() % (uint32_t)opt.classes; }
/* RetinaNet: one anchor in a hundred has an object, the rest are background (the label `classes`). */
static double draw_anchor(void) { return random32() % 100 ? (double)opt.classes : draw_label(); }

static void make_buffers(void) {
    const int32_t score = dtype_of(opt.dtype), target = dtype_of(opt.target);
    buf.samples = (size_t)(opt.outer * opt.inner);
    buf.n = buf.samples * (size_t)opt.classes;
    const size_t out = buf.n * size_of(score);
    buf.scores = values(buf.n, score, random_score, &buf.scores_bytes);
    buf.targets = values(has_labels() ? buf.samples : buf.n, target,
                         is_softmax() ? draw_label : has_labels() ? draw_anchor : draw_target, &buf.targets_bytes);
    if (wants('l')) buf.loss = buffer(buf.loss_bytes = is_softmax() ? buf.samples * size_of(score) : out);
    if (wants('g')) buf.grad = buffer(buf.grad_bytes = out);
    if (wants('h')) buf.hess = buffer(buf.hess_bytes = out);
}

/* ---- Contenders ---- */

static void open_library(void) {
    void *handle = dlopen(opt.library, RTLD_NOW);
    if (!handle) return;
#define FIND(field, symbol) *(void **)&lib.field = dlsym(handle, symbol)
    FIND(init, "focal_args_init");
    FIND(sigmoid, "focal_sigmoid");
    FIND(softmax, "focal_softmax");
    FIND(short_f32, "focal_sigmoid_loss_f32");
    FIND(set_isa, "focal_set_isa");
    FIND(isa, "focal_isa");
    FIND(last_error, "focal_last_error");
}

static int call_ours(int trusted) {
    focal_args a;
    double reduced = 0;
    lib.init(&a, sizeof a);
    a.threads = (int32_t)opt.threads;
    a.outer = opt.outer, a.classes = opt.classes, a.inner = opt.inner;
    a.scores = buf.scores, a.score_dtype = dtype_of(opt.dtype);
    a.targets = buf.targets, a.target_dtype = dtype_of(opt.target);
    a.target_kind = has_labels() ? FOCAL_TARGETS_LABELS : FOCAL_TARGETS_DENSE;
    a.target_check = trusted ? FOCAL_TARGETS_TRUSTED : FOCAL_TARGETS_CHECKED;
    if (has_labels() && !is_softmax()) a.background_label = opt.classes;
    a.gamma = opt.gamma, a.alpha = opt.alpha;
    a.loss = buf.loss, a.grad = buf.grad, a.hess = buf.hess;
    a.hessian = FOCAL_HESSIAN_GAUSS_NEWTON;
    if (wants('r')) a.reduction = FOCAL_REDUCTION_SUM, a.reduced_loss = &reduced;
    const int32_t status = is_softmax() ? lib.softmax(&a) : lib.sigmoid(&a);
    last_loss = reduced;
    return status == FOCAL_OK;
}

static int call_short(void) {
    float loss = 0;
    const int32_t status = lib.short_f32(buf.scores, buf.targets, buf.n, opt.alpha, opt.gamma, FOCAL_REDUCTION_SUM, &loss, buf.grad);
    last_loss = loss;
    return status == FOCAL_OK;
}

static int call_floor(int streaming) {
    /* Outputs are all as wide as the scores, so two of them stand for three when the Hessian is asked for, too. */
    const int both = wants('g') && wants('h');
    floor_streams s = {buf.scores, buf.targets, buf.grad, both ? buf.hess : 0, buf.scores_bytes, buf.targets_bytes, buf.grad_bytes, both ? buf.hess_bytes : 0};
    if (wants('l') && !both) s.d = buf.loss, s.d_bytes = buf.loss_bytes;
    run_floor(streaming, &s, (int)opt.threads);
    last_loss = 0;
    return 1;
}

static int call_peer(const char *name) {
    const int threads = (int)opt.threads;
    const float alpha = (float)opt.alpha, gamma = (float)opt.gamma;
    if (strcmp(opt.dtype, "f32") || strcmp(opt.outputs, "rg")) return 0;
    if (is_softmax() ? strcmp(opt.target, "i32") != 0 : strcmp(opt.target, "f32") != 0) return 0;
    last_loss = is_softmax() ? run_softmax(name, buf.scores, buf.targets, buf.grad, (size_t)opt.outer, (size_t)opt.classes,
                                           (size_t)opt.inner, alpha, gamma, threads)
                             : run_binary(name, buf.scores, buf.targets, buf.grad, buf.n, alpha, gamma, threads);
    return !isnan(last_loss);
}

/* "ours", "ours:ISA", "trusted" (targets not checked), "short" (the short function), "floor", "floor:streaming", or a C
 * peer.  0: this contender cannot run this problem here. */
static int call(const char *name) {
    if (!strncmp(name, "floor", 5)) return call_floor(!strcmp(name, "floor:streaming"));
    if (!strcmp(name, "short")) return lib.short_f32 && call_short();
    if (!strncmp(name, "ours", 4) || !strncmp(name, "trusted", 7)) {
        if (!lib.init || !(is_softmax() ? lib.softmax : lib.sigmoid)) return 0;
        return call_ours(name[0] == 't');
    }
    return call_peer(name);
}

static int select_isa(const char *name) {
    const char *colon = strchr(name, ':');
    const int ours = !strncmp(name, "ours", 4) || !strncmp(name, "trusted", 7);
    return !ours || !lib.set_isa || lib.set_isa(colon ? colon + 1 : 0) == FOCAL_OK;
}

/* ---- Timing ---- */

static double time_calls(const char *name, int64_t calls) {
    const double start = now_ns();
    for (int64_t i = 0; i < calls; i++) call(name);
    return (now_ns() - start) / (double)calls;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (!getenv("GOMP_SPINCOUNT")) { /* OpenMP's workers would spin for milliseconds into the next contender's time */
        setenv("GOMP_SPINCOUNT", "20000", 1);
        execv("/proc/self/exe", argv);
    }
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value) { fprintf(stderr, "bench: KEY=VALUE expected, not %s\n", argv[i]); return 2; }
        *value = 0;
        read_option(argv[i], value + 1);
    }
    open_library();
    make_buffers();

    static double samples[MAX_CONTENDERS][MAX_ROUNDS];
    char *names[MAX_CONTENDERS], *list = strdup(opt.contenders);
    int64_t calls[MAX_CONTENDERS];
    double losses[MAX_CONTENDERS];
    int count = 0;
    for (char *name = strtok(list, ","); name && count < MAX_CONTENDERS; name = strtok(0, ",")) {
        if (!select_isa(name) || !call(name)) {
            fprintf(stderr, "bench: %s cannot run this: %s\n", name, lib.last_error ? lib.last_error() : "no library");
            continue;
        }
        losses[count] = last_loss;
        const double once = time_calls(name, 1);
        calls[count] = once * 2 > opt.sample_us * 1000 ? 1 : (int64_t)(opt.sample_us * 1000 / once) + 1;
        names[count++] = name;
    }
    const double deadline = now_ns() + 1e9 * opt.seconds;
    int rounds = 0;
    while (rounds < opt.rounds && rounds < MAX_ROUNDS && (rounds < 3 || now_ns() < deadline)) {
        for (int i = 0; i < count; i++) {
            const int c = (i + rounds) % count; /* nobody always follows the same contender */
            select_isa(names[c]);
            if (calls[c] > 1) call(names[c]); /* wakes workers, warms caches */
            samples[c][rounds] = time_calls(names[c], calls[c]) / (double)buf.n;
        }
        rounds++;
    }
    printf("{\"n\": %zu, \"threads\": %d, \"bytes_per_element\": %.4f, \"rounds\": %d, \"contenders\": {", buf.n, (int)opt.threads,
           (double)(buf.scores_bytes + buf.targets_bytes + buf.loss_bytes + buf.grad_bytes + buf.hess_bytes) / (double)buf.n, rounds);
    for (int c = 0; c < count; c++) {
        double *s = samples[c];
        qsort(s, (size_t)rounds, sizeof *s, compare);
        printf("%s\n  \"%s\": {\"min\": %.5f, \"q1\": %.5f, \"median\": %.5f, \"q3\": %.5f, \"max\": %.5f, \"calls\": %lld, \"loss\": %.9g}",
               c ? "," : "", names[c], s[0], s[rounds / 4], s[rounds / 2], s[rounds * 3 / 4], s[rounds - 1], (long long)calls[c], losses[c]);
    }
    printf("}}\n");
    return 0;
}
