/* libFuzzer: any bytes are a call of some entry point with some options, over heap blocks of exactly the right size, so
 * that AddressSanitizer sees every byte read or written beside them.  Valid calls must compute; a call with one wrong
 * argument must return the status that the header names and write nothing. */
#include "harness.h"

static void valid_call(enum call_entry entry, struct source s, struct heap *heap)
{
    struct call c;
    call_make(&c, entry, &s, &fuzz_limits, heap_take, heap);
    int32_t status = call_run(&c);
    demand(status == FOCAL_OK || status == FOCAL_ERROR_UNSUPPORTED, entry, "a valid call fails");
}

static void broken_call(enum call_entry entry, struct source s, struct heap *heap)
{
    struct call c;
    struct source again = s;
    call_make(&c, entry, &again, &fuzz_limits, heap_take, heap);
    int32_t status = call_run(&c);
    heap_free(heap);
    if (status != FOCAL_OK)
        return;
    call_make(&c, entry, &s, &fuzz_limits, heap_take, heap);
    int32_t wanted = call_break(&c, &s);
    uint64_t before = call_hash(&c, 0);
    status = call_run(&c);
    if (wanted == FOCAL_OK)
        return;
    demand(status == wanted, entry, focal_status_string(wanted));
    demand(call_hash(&c, 0) == before, entry, "wrote on an error");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source s = {data, size, 0};
    struct heap heap = {.used = 0};
    enum call_entry entry = source_pick(&s, CALL_ENTRIES);
    fuzz_choose_isa(&s);
    if (source_pick(&s, 3) == 2)
        broken_call(entry, s, &heap);
    else
        valid_call(entry, s, &heap);
    heap_free(&heap);
    return 0;
}
