/* Many callers at once, while others change the thread count; small stacks; a storm of signals. */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "arena.h"

enum { CALLERS = 64, SEEDS = 40 };

static uint64_t truth[CALL_ENTRIES][SEEDS];
static _Atomic int stop;
static double calls[CALLERS];

static uint64_t hash_of(enum call_entry entry, uint64_t seed, int32_t threads)
{
    struct source s = {NULL, 0, seed};
    struct call_limits limits = {.elements = 60000, .exact = seed == 0 ? 12000 : -1, .threads = threads, .simple = 1};
    struct heap heap = {.used = 0};
    struct call c;
    call_make(&c, entry, &s, &limits, heap_take, &heap);
    call_run(&c);
    uint64_t hash = call_hash(&c, 0);
    heap_free(&heap);
    return hash;
}

static void find_truth(void)
{
    for (int entry = 0; entry < CALL_ENTRIES; entry++)
        for (uint64_t seed = 0; seed < SEEDS; seed++)
            truth[entry][seed] = hash_of(entry, seed, 1);
}

static void *caller(void *argument)
{
    uint64_t state = (uint64_t)(intptr_t)argument;
    while (!stop) {
        enum call_entry entry = random_u64(&state) % CALL_ENTRIES;
        uint64_t seed = random_u64(&state) % SEEDS;
        if (hash_of(entry, seed, (int32_t)(random_u64(&state) % 5)) != truth[entry][seed])
            suite_fail(__FILE__, __LINE__, "%s seed %d: another result among other callers", call_name(entry), (int)seed);
        calls[(intptr_t)argument]++;
    }
    return NULL;
}

static void *changer(void *unused)
{
    for (int i = 0; !stop; i++) {
        focal_set_num_threads(i % 9);
        focal_get_num_threads();
        usleep(500);
    }
    return unused;
}

static void callers(void)
{
    pthread_t threads[CALLERS + 1];
    double total = 0;
    const char *seconds = getenv("TRUST_SECONDS");
    find_truth();
    stop = 0;
    for (int i = 0; i < CALLERS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, caller, (void *)(intptr_t)i) == 0, "thread");
    REQUIRE(pthread_create(&threads[CALLERS], NULL, changer, NULL) == 0, "thread");
    sleep(suite_long ? 600 : seconds ? (unsigned)atoi(seconds) : 8);
    stop = 1;
    for (int i = 0; i <= CALLERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < CALLERS; i++)
        total += calls[i];
    focal_set_num_threads(0);
    figure_sum("callers.calls", total);
    figure_max("callers.threads", CALLERS, "");
}

/* ---- Small stacks ----------------------------------------------------------------------------------------------- */

enum { STACK = 65536, BELOW = 1 << 20 };
static struct call stack_call;

static void *on_small_stack(void *unused)
{
    static char room[16384]; /* where the fault is reported: not on the stack that has run out */
    stack_t other = {.ss_sp = room, .ss_size = sizeof room};
    sigaltstack(&other, NULL);
    call_run(&stack_call);
    return unused;
}

/* Every entry point on a stack of 64 KiB, on every ISA.  Below it lies more forbidden memory than a frame could jump over. */
static void small_stacks(void)
{
    const char *isas[SUITE_ISAS];
    int count = suite_isas(isas);
    pthread_attr_t attributes;
    double done = 0;
    arena_catch_faults();
    pthread_attr_init(&attributes);
    char *memory = mmap(NULL, BELOW + STACK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED && mprotect(memory + BELOW, STACK, PROT_READ | PROT_WRITE) == 0, "stack");
    REQUIRE(pthread_attr_setstack(&attributes, memory + BELOW, STACK) == 0, "stack size");
    for (int isa = 0; isa < count; isa++)
        for (int entry = 0; entry < CALL_ENTRIES; entry++)
            for (uint64_t seed = 0; seed < 40; seed++) {
                struct source s = {NULL, 0, seed};
                struct call_limits limits = {.elements = 60000, .exact = seed < 4 ? 6000 : -1, .threads = -1};
                struct heap heap = {.used = 0};
                pthread_t thread;
                focal_set_isa(isas[isa]);
                call_make(&stack_call, entry, &s, &limits, heap_take, &heap);
                snprintf(arena_case, sizeof arena_case, "64-KiB stack: %s %s seed %llu", isas[isa], call_name(entry),
                         (unsigned long long)seed);
                REQUIRE(pthread_create(&thread, &attributes, on_small_stack, NULL) == 0, "thread");
                pthread_join(thread, NULL);
                heap_free(&heap);
                done++;
            }
    focal_set_isa(NULL);
    munmap(memory, BELOW + STACK);
    figure_sum("small_stacks.calls", done);
}

/* ---- Signals ---------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t signals_taken, signals_elsewhere;
static pid_t signal_thread;

static void on_signal(int number)
{
    (void)number;
    signals_taken++;
    signals_elsewhere += syscall(SYS_gettid) != signal_thread;
}

/* A timer signal every 100 us while everything computes: the same results, and no worker runs the handler. */
static void signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct itimerval fast = {{0, 100}, {0, 100}}, off = {{0, 0}, {0, 0}};
    int rounds = suite_long ? 40 : 1;
    find_truth();
    signal_thread = (pid_t)syscall(SYS_gettid);
    signals_taken = signals_elsewhere = 0;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &fast, NULL);
    for (int round = 0; round < rounds; round++)
        for (int entry = 0; entry < CALL_ENTRIES; entry++)
            for (uint64_t seed = 0; seed < SEEDS; seed++)
                CHECK(hash_of(entry, seed, 4) == truth[entry][seed], "%s seed %d: another result under signals",
                      call_name(entry), (int)seed);
    setitimer(ITIMER_REAL, &off, NULL);
    figure_sum("signals.taken", signals_taken);
    CHECK(signals_taken > 100, "only %d signals came", (int)signals_taken);
    CHECK(signals_elsewhere == 0, "%d signals ran on a worker", (int)signals_elsewhere);
}

SUITE({"callers", callers}, {"small_stacks", small_stacks}, {"signals", signals})
