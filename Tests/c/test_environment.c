/* The caller's floating-point environment: whatever it is, the same results; and it is left as found. */
#include <setjmp.h>

#include "arena.h"
#include "environment.h"

static sigjmp_buf after_trap;

static void on_trap(int number)
{
    siglongjmp(after_trap, number);
}

/* Runs the call in that environment; 0 if it trapped. */
static int run_in(const struct call *c, uint64_t control, struct environment *before, struct environment *after)
{
    if (sigsetjmp(after_trap, 1)) {
        environment_set(ENVIRONMENT_DEFAULT);
        return 0;
    }
    environment_set(control);
    *before = environment_get();
    call_run(c);
    *after = environment_get();
    environment_set(ENVIRONMENT_DEFAULT);
    return 1;
}

/* The call of that entry and seed in every environment: untouched bits, and the results of the first. */
static void every_environment(enum call_entry entry, uint64_t seed)
{
    uint64_t first = 0;
    for (int e = 0; e < ENVIRONMENT_CASES; e++) {
        const struct environment_case *setting = &environment_cases[e];
        struct environment before = {0, 0}, after = {0, 0};
        struct source s = {NULL, 0, seed};
        struct call_limits limits = {.elements = seed ? 2000 : 200000, .exact = seed ? -1 : 20000, .threads = seed ? 1 : 4};
        struct heap heap = {.used = 0};
        struct call c;
        char where[160];
        snprintf(where, sizeof where, "%s seed %llu, %s", call_name(entry), (unsigned long long)seed, setting->name);
        call_make(&c, entry, &s, &limits, heap_take, &heap);
        int ran = run_in(&c, (ENVIRONMENT_DEFAULT | setting->add) & ~setting->remove, &before, &after);
        CHECK(ran, "%s: SIGFPE", where);
        CHECK(before.control == after.control && before.status == after.status, "%s: %llx %llx became %llx %llx", where,
              (unsigned long long)before.control, (unsigned long long)before.status, (unsigned long long)after.control,
              (unsigned long long)after.status);
        uint64_t hash = call_hash(&c, 0);
        first = e == 0 ? hash : first;
        CHECK(!ran || hash == first, "%s: other results", where);
        heap_free(&heap);
    }
}

static void every_entry(void)
{
    const char *isas[SUITE_ISAS];
    double calls = 0;
    signal(SIGFPE, on_trap);
    for (int isa = 0, count = suite_isas(isas); isa < count; isa++) {
        CHECK_OK(focal_set_isa(isas[isa]));
        for (int entry = 0; entry < CALL_ENTRIES; entry++)
            for (uint64_t seed = 0; seed < (suite_long ? 2000u : 60u); seed++, calls += ENVIRONMENT_CASES)
                every_environment(entry, seed);
    }
    focal_set_isa(NULL);
    figure_sum("environment.calls", calls);
}

SUITE({"every_entry", every_entry})
