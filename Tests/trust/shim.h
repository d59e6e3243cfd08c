/* What the preloaded shim (shim.c) shares with the test that runs under it. */
#ifndef SHIM_H
#define SHIM_H

struct shim {
    int armed;           /* count, and fail where asked; 0: pass everything through */
    long allocations;    /* malloc, calloc, realloc, memalign and their kin, mmap, since it was armed */
    long fail_allocation; /* the k-th of them fails; 0: none; -1: all */
    long threads;        /* pthread_create */
    long fail_thread;    /* likewise */
};

#endif
