/* fork before, during and after any call: parent, child and grandchild compute, and compute the same. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#include "arena.h"

enum { WATCHDOG_SECONDS = 60, SIZE = 40000 };

struct prepared {
    struct call call;
    struct heap heap, before; /* before: the outputs as they were, for calls that also read them */
    uint64_t hash;
};

static void prepare(struct prepared *p, enum call_entry entry, int32_t threads)
{
    struct source s = {NULL, 0, 11};
    struct call_limits limits = {.elements = SIZE * 8, .exact = SIZE, .threads = threads, .simple = 1};
    p->heap.used = p->before.used = 0;
    call_make(&p->call, entry, &s, &limits, heap_take, &p->heap);
    for (int b = 0; b < p->call.buffer_count; b++)
        memcpy(heap_take(&p->before, p->call.buffers[b].bytes, CALL_OUTPUT), p->call.buffers[b].data, p->call.buffers[b].bytes);
}

static void forget(struct prepared *p)
{
    heap_free(&p->heap);
    heap_free(&p->before);
}

static int computes_right(struct prepared *p)
{
    for (int b = 0; b < p->call.buffer_count; b++)
        if (p->call.buffers[b].use == CALL_OUTPUT)
            memcpy(p->call.buffers[b].data, p->before.blocks[b], p->call.buffers[b].bytes);
    int32_t status = call_run(&p->call);
    return (status == FOCAL_OK || status == FOCAL_ERROR_UNSUPPORTED) && call_hash(&p->call, 0) == p->hash;
}

/* Waits for the child; 0 if it found everything right. */
static int outcome(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

/* One fork with a grandchild, every party computing. */
static void family(struct prepared *p)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(WATCHDOG_SECONDS);
        if (!computes_right(p))
            _exit(1);
        pid_t grandchild = fork();
        if (grandchild == 0) {
            alarm(WATCHDOG_SECONDS);
            _exit(!computes_right(p));
        }
        _exit(outcome(grandchild) ? 2 : !computes_right(p));
    }
    CHECK(computes_right(p), "%s: the parent differs after fork", call_name(p->call.entry));
    int result = outcome(child);
    CHECK(result == 0, "%s: %s (%d)", call_name(p->call.entry),
          result > 100 ? "child killed: hung or crashed" : result == 2 ? "grandchild wrong" : "child wrong", result);
}

static void every_entry(void)
{
    int repeats = suite_long ? 50 : 2;
    double forks = 0;
    alarm(540); /* of this whole case */
    for (int r = 0; r < repeats; r++)
        for (int entry = 0; entry < CALL_ENTRIES; entry++) {
            struct prepared p;
            prepare(&p, entry, 1); /* the truth: one thread, this process */
            call_run(&p.call);
            uint64_t truth = call_hash(&p.call, 0);
            forget(&p);
            prepare(&p, entry, 4);
            p.hash = truth;
            family(&p);
            CHECK(computes_right(&p), "%s: the parent differs at last", call_name(entry));
            forget(&p);
            forks += 2;
        }
    alarm(0);
    figure_sum("fork.forks", forks);
}

static volatile int stop;
static struct prepared busy[2][CALL_ENTRIES];
static double busy_calls[2];

static void *compute_on(void *which)
{
    int t = (int)(intptr_t)which;
    while (!stop)
        for (int entry = 0; entry < CALL_ENTRIES && !stop; entry++, busy_calls[t]++)
            if (!computes_right(&busy[t][entry]))
                suite_fail(__FILE__, __LINE__, "%s: a thread of the parent computes another result", call_name(entry));
    return NULL;
}

/* fork while two other threads are inside calls. */
static void during(void)
{
    int forks = suite_long ? 2000 : 150;
    pthread_t threads[2];
    struct prepared mine;
    stop = 0;
    alarm(540);
    for (int t = 0; t < 2; t++)
        for (int entry = 0; entry < CALL_ENTRIES; entry++) {
            prepare(&busy[t][entry], entry, 1);
            call_run(&busy[t][entry].call);
            busy[t][entry].hash = call_hash(&busy[t][entry].call, 0);
            forget(&busy[t][entry]);
            prepare(&busy[t][entry], entry, 4);
        }
    for (int t = 0; t < 2; t++)
        REQUIRE(pthread_create(&threads[t], NULL, compute_on, (void *)(intptr_t)t) == 0, "thread");
    for (int i = 0; i < forks; i++) {
        enum call_entry entry = i % CALL_ENTRIES;
        prepare(&mine, entry, 4);
        mine.hash = busy[0][entry].hash;
        pid_t child = fork();
        if (child == 0) {
            alarm(WATCHDOG_SECONDS);
            _exit(!computes_right(&mine));
        }
        int result = outcome(child);
        CHECK(result == 0, "%s: a child forked during calls %s (%d)", call_name(entry),
              result > 100 ? "hung or crashed" : "computes another result", result);
        forget(&mine);
    }
    stop = 1;
    for (int t = 0; t < 2; t++)
        pthread_join(threads[t], NULL);
    alarm(0);
    for (int t = 0; t < 2; t++)
        for (int entry = 0; entry < CALL_ENTRIES; entry++)
            forget(&busy[t][entry]);
    figure_sum("fork.during", forks);
    figure_sum("fork.calls_meanwhile", busy_calls[0] + busy_calls[1]);
}

SUITE({"every_entry", every_entry}, {"during", during})
