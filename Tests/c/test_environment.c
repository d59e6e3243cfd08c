/* The caller's floating-point environment: whatever it is, the same results; and it is left as found. */
#define _GNU_SOURCE
#include "arena.h"
#include "environment.h"

static void every_entry(void)
{
    double calls = 0;
    for (int entry = 0; entry < CALL_ENTRIES; entry++)
        for (uint64_t seed = 0; seed < (suite_long ? 2000u : 60u); seed++) {
            uint64_t first = 0;
            for (int e = 0; e < ENVIRONMENT_CASES; e++) {
                const struct environment_case *setting = &environment_cases[e];
                struct source s = {NULL, 0, seed};
                struct call_limits limits = {.elements = 2000, .exact = seed ? -1 : 20000, .threads = seed ? 1 : 4};
                struct heap heap = {.used = 0};
                struct call c;
                if (seed == 0)
                    limits.elements = 200000;
                call_make(&c, entry, &s, &limits, heap_take, &heap);
                environment_set((ENVIRONMENT_DEFAULT | setting->add) & ~setting->remove);
                struct environment before = environment_get();
                call_run(&c);
                struct environment after = environment_get();
                environment_set(ENVIRONMENT_DEFAULT);
                CHECK(before.control == after.control && before.status == after.status,
                      "%s seed %llu, %s: %llx %llx became %llx %llx", call_name(entry), (unsigned long long)seed,
                      setting->name, (unsigned long long)before.control, (unsigned long long)before.status,
                      (unsigned long long)after.control, (unsigned long long)after.status);
                uint64_t hash = call_hash(&c, 0);
                if (e == 0)
                    first = hash;
                CHECK(hash == first, "%s seed %llu: other results with %s", call_name(entry), (unsigned long long)seed,
                      setting->name);
                heap_free(&heap);
                calls++;
            }
        }
    figure_sum("environment.calls", calls);
}

SUITE({"every_entry", every_entry})
