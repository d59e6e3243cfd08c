/* What both fuzz targets share. */
#ifndef HARNESS_H
#define HARNESS_H

#include "arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct call_limits fuzz_limits = {.elements = 3000, .exact = -1, .threads = 1};

/* Ends the process, which is how a fuzzer learns. */
static inline void demand(int holds, enum call_entry entry, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s on %s: %s (last error: %s)\n", call_name(entry), focal_isa(), what, focal_last_error());
    abort();
}

static inline void fuzz_choose_isa(struct source *s)
{
    static const char *isas[SUITE_ISAS];
    static int count;
    if (!count)
        count = suite_isas(isas);
    focal_set_isa(isas[source_pick(s, (uint32_t)count)]);
}

#endif
