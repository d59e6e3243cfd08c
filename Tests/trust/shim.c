/* Preloaded before libc: counts allocations and thread creations, and makes the k-th of them fail. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

struct shim focal_shim;

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

/* True if this one, the next of its kind, must fail. */
static int counted(long *count, long fail)
{
    if (!__atomic_load_n(&focal_shim.armed, __ATOMIC_ACQUIRE))
        return 0;
    long number = __atomic_add_fetch(count, 1, __ATOMIC_ACQ_REL);
    return fail == -1 || number == fail;
}

static int allocation_fails(void)
{
    int fails = counted(&focal_shim.allocations, focal_shim.fail_allocation);
    if (fails)
        errno = ENOMEM;
    return fails;
}

void *malloc(size_t n) { return allocation_fails() ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t m) { return allocation_fails() ? NULL : __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { return allocation_fails() ? NULL : __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { return allocation_fails() ? NULL : __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { return allocation_fails() ? NULL : __libc_memalign(a, n); }

int posix_memalign(void **p, size_t a, size_t n)
{
    if (allocation_fails())
        return ENOMEM;
    *p = __libc_memalign(a, n);
    return *p ? 0 : ENOMEM;
}

void *mmap(void *at, size_t n, int protection, int flags, int file, off_t offset)
{
    if (allocation_fails())
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, n, protection, flags, file, offset);
}

/* What pthread_atfork calls; it may need memory. */
int __register_atfork(void (*before)(void), void (*parent)(void), void (*child)(void), void *library)
{
    static int (*next)(void (*)(void), void (*)(void), void (*)(void), void *);
    if (allocation_fails())
        return ENOMEM;
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "__register_atfork");
    return next(before, parent, child, library);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (counted(&focal_shim.threads, focal_shim.fail_thread))
        return EAGAIN;
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
    return next(thread, attributes, start, argument);
}
