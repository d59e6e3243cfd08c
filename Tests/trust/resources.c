/* No allocation in a computing call; when memory or threads run out on the first call, a status or a serial run.
 * Runs under the preloaded shim. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/wait.h>

#include "arena.h"
#include "shim.h"

enum { LARGE = 300000 };

static struct shim *shim;

static void find_shim(void)
{
    shim = dlsym(RTLD_DEFAULT, "focal_shim");
    REQUIRE(shim, "run this with LD_PRELOAD=shim.so");
}

struct prepared {
    struct call call;
    struct heap heap;
};

static void prepare(struct prepared *p, enum call_entry entry, uint64_t seed, int64_t n, int32_t threads)
{
    struct source s = {NULL, 0, seed};
    struct call_limits limits = {.elements = n > 0 ? n * 8 : 3000, .exact = n, .threads = threads};
    p->heap.used = 0;
    call_make(&p->call, entry, &s, &limits, heap_take, &p->heap);
}

/* After one large call has started the pool, nothing allocates: small or large, on any ISA, right or refused. */
static void no_allocation(void)
{
    const char *isas[SUITE_ISAS];
    int count = suite_isas(isas);
    double calls = 0;
    struct prepared p;
    find_shim();
    prepare(&p, CALL_SIGMOID, 1, LARGE, 4);
    CHECK_OK(call_run(&p.call));
    heap_free(&p.heap);
    for (int isa = 0; isa < count; isa++)
        for (int entry = 0; entry < CALL_ENTRIES; entry++)
            for (uint64_t seed = 0; seed < 60; seed++) {
                focal_set_isa(isas[isa]);
                prepare(&p, entry, seed, seed == 0 ? LARGE / 8 : -1, seed % 5);
                if (seed % 4 == 3) {
                    struct source s = {NULL, 0, seed};
                    call_break(&p.call, &s);
                }
                shim->allocations = 0;
                __atomic_store_n(&shim->armed, 1, __ATOMIC_RELEASE);
                call_run(&p.call);
                __atomic_store_n(&shim->armed, 0, __ATOMIC_RELEASE);
                CHECK(shim->allocations == 0, "%s seed %llu: %ld allocations", call_name(entry), (unsigned long long)seed,
                      shim->allocations);
                heap_free(&p.heap);
                calls++;
            }
    figure_sum("no_allocation.calls", calls);
}

/* In a fresh process, the first large call with the k-th allocation or thread failing.  Returns how many there were. */
static long first_call_failing(long *which, long k, const long *count, uint64_t wanted)
{
    int pipes[2];
    long seen = -1;
    REQUIRE(pipe(pipes) == 0, "pipe");
    pid_t child = fork();
    if (child == 0) {
        struct prepared p;
        prepare(&p, CALL_SIGMOID, 1, LARGE, 4);
        alarm(30);
        *which = k;
        __atomic_store_n(&shim->armed, 1, __ATOMIC_RELEASE);
        int32_t status = call_run(&p.call);
        __atomic_store_n(&shim->armed, 0, __ATOMIC_RELEASE);
        (void)!write(pipes[1], count, sizeof *count);
        int right = status == FOCAL_OK && call_hash(&p.call, 0) == wanted;
        /* And the next call, with everything there again, computes too. */
        heap_free(&p.heap);
        prepare(&p, CALL_SIGMOID, 1, LARGE, 4);
        _exit(!(right && call_run(&p.call) == FOCAL_OK && call_hash(&p.call, 0) == wanted));
    }
    int result;
    close(pipes[1]);
    (void)!read(pipes[0], &seen, sizeof seen);
    close(pipes[0]);
    waitpid(child, &result, 0);
    CHECK(WIFEXITED(result) && WEXITSTATUS(result) == 0, "failure %ld: %s %d", k,
          WIFEXITED(result) ? "wrong result, exit" : "killed by signal",
          WIFEXITED(result) ? WEXITSTATUS(result) : WTERMSIG(result));
    return seen;
}

static uint64_t serial_result(void)
{
    struct prepared p;
    prepare(&p, CALL_SIGMOID, 1, LARGE, 1);
    CHECK_OK(call_run(&p.call));
    uint64_t hash = call_hash(&p.call, 0);
    heap_free(&p.heap);
    return hash;
}

static void failing(long *which, const long *count, const char *key)
{
    uint64_t wanted = serial_result();
    long k = 0, seen;
    first_call_failing(which, -1, count, wanted);
    do
        seen = first_call_failing(which, ++k, count, wanted);
    while (seen >= k && k < 200);
    figure_sum(key, (double)k);
}

static void failing_allocations(void)
{
    find_shim();
    failing(&shim->fail_allocation, &shim->allocations, "failing_allocations.tried");
}

static void failing_threads(void)
{
    find_shim();
    failing(&shim->fail_thread, &shim->threads, "failing_threads.tried");
}

SUITE({"no_allocation", no_allocation}, {"failing_allocations", failing_allocations}, {"failing_threads", failing_threads})
