/* The framework of every C test program: checks, figures, and a main that runs a table of cases.
 *
 * A program defines its cases and ends with SUITE(...).  Options: --long (the long tier), --chunk I --chunks N (this
 * share of a case that can be cut into pieces), NAME... (only these cases), --list.  What it prints is read by
 * Tests/trust/run.py:
 *     ok CASE | FAIL CASE | SKIP CASE: why
 *     FIGURE MERGE KEY VALUE [where]      MERGE says how figures of several chunks combine: max, min, sum or last
 */
#ifndef SUITE_H
#define SUITE_H

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "focalloss.h"

struct suite_case {
    const char *name;
    void (*run)(void);
};

static int suite_failures, suite_long;
static long suite_chunk, suite_chunks = 1;
static const char *suite_skip_reason;

__attribute__((format(printf, 3, 4))) static inline void suite_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    if (++suite_failures > 20)
        return; /* enough to see what is wrong */
    printf("%s:%d: ", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

#define CHECK(condition, ...)                          \
    do {                                               \
        if (!(condition))                              \
            suite_fail(__FILE__, __LINE__, __VA_ARGS__); \
    } while (0)

/* Without this the rest of the program is meaningless. */
#define REQUIRE(condition, ...)                          \
    do {                                                 \
        if (!(condition)) {                              \
            suite_fail(__FILE__, __LINE__, __VA_ARGS__); \
            exit(1);                                     \
        }                                                \
    } while (0)

#define CHECK_OK(status)                                                                                    \
    do {                                                                                                    \
        int32_t suite_status = (status);                                                                    \
        CHECK(suite_status == FOCAL_OK, "%s: %s", focal_status_string(suite_status), focal_last_error());   \
    } while (0)

#define CHECK_STATUS(call, wanted)                                                                                   \
    do {                                                                                                             \
        int32_t suite_status = (call);                                                                               \
        CHECK(suite_status == (wanted), "%s gives %s, not %s", #call, focal_status_string(suite_status),             \
              focal_status_string(wanted));                                                                          \
    } while (0)

#define SKIP(reason)                  \
    do {                              \
        suite_skip_reason = (reason); \
        return;                       \
    } while (0)

static inline void figure_max(const char *key, double value, const char *where)
{
    printf("FIGURE max %s %.9g %s\n", key, value, where);
}

static inline void figure_sum(const char *key, double value)
{
    printf("FIGURE sum %s %.15g\n", key, value);
}

/* A 64-bit generator (splitmix64): the same numbers everywhere, from one word of state. */
static inline uint64_t random_u64(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static inline double random_unit(uint64_t *state) /* in [0, 1) */
{
    return (double)(random_u64(state) >> 11) * 0x1p-53;
}

static inline double random_normal(uint64_t *state)
{
    double radius = sqrt(-2 * log(1 - random_unit(state)));
    return radius * cos(6.283185307179586 * random_unit(state));
}

/* The ISAs that can run here, lowest first, into names; returns how many.  TRUST_ISA in the environment leaves one. */
#define SUITE_ISAS 8
static inline int suite_isas(const char *names[SUITE_ISAS])
{
    static char copy[256];
    int count = 0;
    snprintf(copy, sizeof copy, "%s", getenv("TRUST_ISA") ? getenv("TRUST_ISA") : focal_available_isas());
    for (char *name = strtok(copy, ", "); name && count < SUITE_ISAS; name = strtok(NULL, ", "))
        names[count++] = name;
    return count;
}

static inline int suite_main(int argc, char **argv, const struct suite_case *cases, int count)
{
    int failed = 0, chosen = 0, all;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--long"))
            suite_long = 1;
        else if (!strcmp(argv[i], "--chunk") && i + 1 < argc)
            suite_chunk = atol(argv[++i]);
        else if (!strcmp(argv[i], "--chunks") && i + 1 < argc)
            suite_chunks = atol(argv[++i]);
        else if (!strcmp(argv[i], "--list")) {
            for (int c = 0; c < count; c++)
                printf("%s\n", cases[c].name);
            return 0;
        } else
            chosen++;
    }
    all = !chosen;
    for (int c = 0; c < count; c++) {
        int wanted = all;
        for (int i = 1; i < argc && !wanted; i++)
            wanted = !strcmp(argv[i], cases[c].name);
        if (!wanted)
            continue;
        chosen -= chosen > 0;
        suite_failures = 0;
        suite_skip_reason = NULL;
        cases[c].run();
        if (suite_failures)
            printf("FAIL %s (%d)\n", cases[c].name, suite_failures);
        else if (suite_skip_reason)
            printf("SKIP %s: %s\n", cases[c].name, suite_skip_reason);
        else
            printf("ok %s\n", cases[c].name);
        failed += suite_failures > 0;
    }
    if (chosen) {
        printf("FAIL no such case\n");
        return 2;
    }
    return failed > 0;
}

#define SUITE(...)                                                                      \
    int main(int argc, char **argv)                                                     \
    {                                                                                   \
        static const struct suite_case cases[] = {__VA_ARGS__};                         \
        return suite_main(argc, argv, cases, (int)(sizeof cases / sizeof cases[0]));    \
    }

#endif
