/* What loading and calling the library does to the process: nothing.  The library is loaded with dlopen here, from the
 * path in FOCALLOSS_LIBRARY, so that before and after can be compared. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <locale.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "environment.h"
#include "arena.h"

extern char **environ;

struct state {
    struct sigaction actions[64];
    stack_t stack;
    sigset_t mask;
    struct environment fp;
    char locale[64], directory[256];
    int threads, descriptors;
    mode_t umask;
    uint64_t variables;
    struct rlimit limits[RLIMIT_NLIMITS];
};

static int entries_in(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void state_get(struct state *s)
{
    memset(s, 0, sizeof *s);
    s->fp = environment_get();
    for (int i = 1; i < 65; i++)
        sigaction(i, NULL, &s->actions[i - 1]);
    sigaltstack(NULL, &s->stack);
    pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
    snprintf(s->locale, sizeof s->locale, "%s", setlocale(LC_ALL, NULL));
    (void)!getcwd(s->directory, sizeof s->directory);
    s->threads = entries_in("/proc/self/task");
    s->descriptors = entries_in("/proc/self/fd");
    s->umask = umask(0);
    umask(s->umask);
    for (char **v = environ; *v; v++)
        for (char *p = *v; *p; p++)
            s->variables = s->variables * 31 + (unsigned char)*p;
    for (int i = 0; i < RLIMIT_NLIMITS; i++)
        getrlimit((__rlimit_resource_t)i, &s->limits[i]);
}

/* Field by field: the C library leaves rubbish in the rest of the struct. */
static int same_action(const struct sigaction *a, const struct sigaction *b)
{
    for (int i = 1; i < 65; i++)
        if (sigismember(&a->sa_mask, i) != sigismember(&b->sa_mask, i))
            return 0;
    return a->sa_handler == b->sa_handler && a->sa_flags == b->sa_flags;
}

/* Compares all but the threads. */
static void state_same(const struct state *a, const struct state *b, const char *when)
{
    for (int i = 0; i < 64; i++)
        CHECK(same_action(&a->actions[i], &b->actions[i]), "%s: signal %d has another action", when, i + 1);
    CHECK(!memcmp(&a->stack, &b->stack, sizeof a->stack), "%s: another signal stack", when);
    CHECK(!memcmp(&a->mask, &b->mask, sizeof a->mask), "%s: another signal mask", when);
    CHECK(!memcmp(&a->fp, &b->fp, sizeof a->fp), "%s: another floating-point environment", when);
    CHECK(!strcmp(a->locale, b->locale), "%s: locale", when);
    CHECK(!strcmp(a->directory, b->directory), "%s: working directory", when);
    CHECK(a->descriptors == b->descriptors, "%s: %d descriptors, not %d", when, b->descriptors, a->descriptors);
    CHECK(a->umask == b->umask, "%s: umask", when);
    CHECK(a->variables == b->variables, "%s: environment variables", when);
    CHECK(!memcmp(a->limits, b->limits, sizeof a->limits), "%s: resource limits", when);
}

static void *library(void)
{
    const char *path = getenv("FOCALLOSS_LIBRARY");
    REQUIRE(path, "FOCALLOSS_LIBRARY is not set");
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    REQUIRE(handle, "%s", dlerror());
    return handle;
}

typedef int32_t (*sigmoid_f32)(const float *, const float *, size_t, double, double, int32_t, float *, float *);

static void compute(void *handle, size_t n)
{
    float *z = calloc(n, 4), *y = calloc(n, 4), *loss = malloc(n * 4), *grad = malloc(n * 4);
    sigmoid_f32 function;
    *(void **)&function = dlsym(handle, "focal_sigmoid_loss_f32");
    REQUIRE(function, "%s", dlerror());
    CHECK(function(z, y, n, .25, 2, FOCAL_REDUCTION_NONE, loss, grad) == FOCAL_OK, "does not compute");
    free(z);
    free(y);
    free(loss);
    free(grad);
}

static void loading(void)
{
    struct state before, loaded, small, large;
    state_get(&before);
    void *handle = library();
    state_get(&loaded);
    state_same(&before, &loaded, "after loading");
    CHECK(loaded.threads == before.threads, "loading started a thread");
    compute(handle, 100);
    state_get(&small);
    state_same(&before, &small, "after a small call");
    CHECK(small.threads == before.threads, "a small call started a thread");
    compute(handle, 4000000);
    state_get(&large);
    state_same(&before, &large, "after a large call");
    figure_max("loading.pool_threads", large.threads - before.threads, "");
}

/* The signals that a worker must block: all but those that the thread itself raises and those that nobody can block. */
static unsigned long long blockable(void)
{
    static const int others[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGKILL, SIGSTOP};
    unsigned long long mask = 0x7fffffff; /* 1..31 */
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        mask &= ~(1ull << (others[i] - 1));
    return mask;
}

static unsigned long long blocked_by(const char *task)
{
    char path[300], line[256];
    unsigned long long blocked = 0;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", task);
    FILE *file = fopen(path, "r");
    REQUIRE(file, "%s", path);
    while (fgets(line, sizeof line, file) && sscanf(line, "SigBlk: %llx", &blocked) != 1)
        ;
    fclose(file);
    return blocked;
}

/* No worker takes a signal that was meant for the program. */
static void workers_block_signals(void)
{
    int workers = 0;
    compute(library(), 4000000);
    DIR *directory = opendir("/proc/self/task");
    for (struct dirent *task; (task = readdir(directory));) {
        if (task->d_name[0] == '.' || atoi(task->d_name) == getpid())
            continue;
        unsigned long long missing = blockable() & ~blocked_by(task->d_name);
        CHECK(!missing, "worker %s does not block the signals %llx", task->d_name, missing);
        workers++;
    }
    closedir(directory);
    figure_max("workers", workers, "");
    if (!workers)
        SKIP("one CPU: no worker");
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void idle(void)
{
    compute(library(), 4000000);
    usleep(200000); /* whatever a worker does before it sleeps */
    double before = cpu_seconds();
    usleep(2000000);
    double used = (cpu_seconds() - before) / 2;
    figure_max("idle.cpu_share", used, "");
    CHECK(used < .01, "idle workers use %.1f%% of a CPU", 100 * used);
}

/* Counted page by page; /proc/self/statm is only kept up to date in steps. */
static long resident_kib(void)
{
    char line[256];
    long kib = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    REQUIRE(file, "no /proc/self/smaps_rollup");
    while (fgets(line, sizeof line, file) && sscanf(line, "Rss: %ld kB", &kib) != 1)
        ;
    fclose(file);
    return kib;
}

static void load_and_unload(long loops)
{
    for (long i = 0; i < loops; i++) {
        void *handle = library();
        if (i % 100 == 0)
            compute(handle, 1000);
        dlclose(handle);
    }
}

static void load_unload(void)
{
    enum { LOOPS = 10000 };
    resident_kib();
    load_and_unload(1000); /* pages that are touched once: the C library's, the loader's */
    long before = resident_kib();
    load_and_unload(LOOPS);
    long grown = resident_kib() - before;
    figure_sum("load_unload.loops", LOOPS);
    figure_max("load_unload.grown_kib", (double)grown, "");
    CHECK(grown < 64, "%d loops of dlopen and dlclose grew the process by %ld KiB", LOOPS, grown);
}

SUITE({"loading", loading}, {"workers_block_signals", workers_block_signals}, {"idle", idle}, {"load_unload", load_unload})
