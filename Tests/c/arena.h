/* Memory for calls.h.  Two kinds: guarded slots, each between two inaccessible pages, with every byte beside the buffer a
 * canary; and plain heap blocks. */
#ifndef ARENA_H
#define ARENA_H

#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calls.h"
#include "suite.h"

enum { ARENA_SLOT_BYTES = 1 << 18, ARENA_CANARY = 0x5C };

struct arena {
    char *slots[CALL_BUFFERS]; /* [guard page | ARENA_SLOT_BYTES | guard page] each */
    char *begin[CALL_BUFFERS];
    size_t bytes[CALL_BUFFERS];
    enum call_use uses[CALL_BUFFERS];
    int used;
    int at_end;    /* buffers end at the upper guard page, else they begin at the lower one */
    size_t offset; /* bytes between the buffer and that page */
};

enum { ARENA_MARGIN = 256 }; /* canary bytes looked at on the side away from the guard page */

static inline void arena_open(struct arena *a)
{
    long page = sysconf(_SC_PAGESIZE);
    memset(a, 0, sizeof *a);
    for (int i = 0; i < CALL_BUFFERS; i++) {
        char *slot = mmap(NULL, ARENA_SLOT_BYTES + 2 * (size_t)page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(slot != MAP_FAILED, "no memory for the arena");
        a->slots[i] = slot + page;
        mprotect(a->slots[i], ARENA_SLOT_BYTES, PROT_READ | PROT_WRITE);
    }
}

static inline void *arena_take(void *context, size_t bytes, enum call_use use)
{
    struct arena *a = context;
    int i = a->used++;
    REQUIRE(i < CALL_BUFFERS && bytes + a->offset + ARENA_MARGIN <= ARENA_SLOT_BYTES, "the arena is too small");
    char *slot = a->slots[i], *p = a->at_end ? slot + ARENA_SLOT_BYTES - bytes - a->offset : slot + a->offset;
    a->begin[i] = p;
    a->bytes[i] = bytes;
    a->uses[i] = use;
    if (a->at_end) {
        memset(p - ARENA_MARGIN, ARENA_CANARY, ARENA_MARGIN);
        memset(p + bytes, ARENA_CANARY, a->offset);
    } else {
        memset(slot, ARENA_CANARY, a->offset);
        memset(p + bytes, ARENA_CANARY, ARENA_MARGIN);
    }
    return p;
}

static inline void arena_reset(struct arena *a, int at_end, size_t offset)
{
    a->used = 0;
    a->at_end = at_end;
    a->offset = offset;
}

/* Takes the right to write from every input (or gives it back). */
static inline void arena_protect_inputs(struct arena *a, int on)
{
    for (int i = 0; i < a->used; i++)
        if (a->uses[i] == CALL_INPUT)
            mprotect(a->slots[i], ARENA_SLOT_BYTES, on ? PROT_READ : PROT_READ | PROT_WRITE);
}

static inline int arena_intact(const struct arena *a)
{
    for (int i = 0; i < a->used; i++) {
        const char *below = a->begin[i] - (a->at_end ? ARENA_MARGIN : a->offset), *above = a->begin[i] + a->bytes[i];
        for (const char *p = below; p < a->begin[i]; p++)
            if (*p != ARENA_CANARY)
                return 0;
        for (const char *p = above; p < above + (a->at_end ? a->offset : ARENA_MARGIN); p++)
            if (*p != ARENA_CANARY)
                return 0;
    }
    return 1;
}

/* A fault names the case it happened in and ends the program. */
static char arena_case[256];
static void arena_fault(int signal)
{
    static const char text[] = "FAIL fault in: ";
    (void)!write(1, text, sizeof text - 1);
    (void)!write(1, arena_case, strlen(arena_case));
    (void)!write(1, "\n", 1);
    _exit(signal == SIGSEGV ? 139 : 135);
}

static inline void arena_catch_faults(void)
{
    struct sigaction action = {.sa_handler = arena_fault, .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

/* Heap blocks, all freed at once. */
struct heap {
    void *blocks[CALL_BUFFERS];
    int used;
};

static inline void *heap_take(void *context, size_t bytes, enum call_use use)
{
    struct heap *h = context;
    (void)use;
    void *p = malloc(bytes + !bytes);
    REQUIRE(p && h->used < CALL_BUFFERS, "no memory");
    return h->blocks[h->used++] = p;
}

static inline void heap_free(struct heap *h)
{
    while (h->used)
        free(h->blocks[--h->used]);
}

#endif
