/* system.h - what the entry points need of the operating system and the CPU, for Swift without Glibc's module. */
#ifndef FOCAL_SYSTEM_H
#define FOCAL_SYSTEM_H

/* Compiled with -D_GNU_SOURCE (Package.swift): sched_getaffinity, pthread_atfork. */
#include "../../include/focalloss.h"
#include "../CKernels/kernels.h"
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOCAL_INLINE static inline __attribute__((always_inline))

/* FOCAL_VERSION_STRING as a pointer: Swift imports it as a String, which would need memory. */
static inline const char *focal_version_text(void) { return FOCAL_VERSION_STRING; }

/* ---- The thread's last error ------------------------------------------------------------------------------------- */

#define FOCAL_MESSAGE_SIZE 256

/* initial-exec: in the thread's static block, so that reading it never allocates, even from a library opened late. */
static inline char *focal_message(void) {
    static __thread char message[FOCAL_MESSAGE_SIZE] __attribute__((tls_model("initial-exec")));
    return message;
}

/* Append a number to the message and return the new length. */
static inline int32_t focal_appended(int32_t length, int32_t used) {
    const int32_t room = FOCAL_MESSAGE_SIZE - length;
    return length + (used < room ? used : room - 1);
}
static inline int32_t focal_print_integer(char *message, int32_t length, int64_t value) {
    return focal_appended(length, snprintf(message + length, (size_t)(FOCAL_MESSAGE_SIZE - length), "%lld", (long long)value));
}
static inline int32_t focal_print_double(char *message, int32_t length, double value) {
    return focal_appended(length, snprintf(message + length, (size_t)(FOCAL_MESSAGE_SIZE - length), "%.9g", value));
}

/* ---- Memory on the stack ---------------------------------------------------------------------------------------- */

/* A kernel's scratch and a call's partial sums: a caller with a 64-KiB stack has room for it. */
#define FOCAL_FRAME (FOCAL_SCRATCH + 4096)

/* Not inlined: the frame exists only while body runs in it. */
static __attribute__((noinline)) void focal_with_frame(void (*body)(void *context, void *frame), void *context) {
    _Alignas(64) unsigned char frame[FOCAL_FRAME];
    body(context, frame);
}

/* ---- The kernels of each instruction set ---------------------------------------------------------------------------- */

/* One table a level, lowest first; written by focal_fill_once and only read from then on. */
#define FOCAL_LEVELS 3
static inline focal_kernels *focal_tables(void) {
    static focal_kernels tables[FOCAL_LEVELS];
    return tables;
}

/* Runs fill once in this process.  A child of a fork in its midst runs it again, so libc promises. */
static inline void focal_fill_once(void (*fill)(void)) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill);
}

/* ---- The pool's state --------------------------------------------------------------------------------------------- */

/* One call's work, on its caller's stack.  next is claimed atomically; the rest is guarded by the pool's mutex. */
typedef struct focal_job {
    void (*task)(void *context, int64_t index, void *frame);
    void *context;
    int64_t count, next;
    int32_t wanted;  /* workers that may still join */
    int32_t working; /* workers that have joined and not left */
    struct focal_job *following;
} focal_job;

typedef struct focal_pool {
    pthread_mutex_t mutex;
    pthread_cond_t work; /* a job has come */
    pthread_cond_t left; /* a worker has left a job */
    focal_job *jobs;
    int32_t workers;
    int32_t guarded; /* the fork handlers are registered */
} focal_pool;

static inline focal_pool *focal_pool_state(void) {
    static focal_pool pool = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0};
    return &pool;
}

/* A fork waits for the pool's mutex, so the child finds the state whole; its workers did not come along. */
static inline void focal_before_fork(void) { pthread_mutex_lock(&focal_pool_state()->mutex); }
static inline void focal_after_fork_in_parent(void) { pthread_mutex_unlock(&focal_pool_state()->mutex); }
static inline void focal_after_fork_in_child(void) {
    focal_pool *pool = focal_pool_state();
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->left, NULL);
    pool->jobs = NULL;
    pool->workers = 0;
}

/* Registers the fork handlers; 0 on success. */
static inline int focal_guard_fork(void) {
    return pthread_atfork(focal_before_fork, focal_after_fork_in_parent, focal_after_fork_in_child);
}

/* Starts a detached thread with all signals blocked; 0 on success. */
static inline int focal_start_thread(void *(*body)(void *)) {
    sigset_t all, saved;
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0) return -1;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 1 << 18);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved);
    int status = pthread_create(&thread, &attributes, body, NULL);
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
    pthread_attr_destroy(&attributes);
    return status;
}

/* The next index of a job; and whether there is one and a place for a worker, asked under the mutex. */
FOCAL_INLINE int64_t focal_claim(focal_job *job) { return __atomic_fetch_add(&job->next, 1, __ATOMIC_RELAXED); }
FOCAL_INLINE int focal_wants(const focal_job *job) {
    return job->wanted > 0 && __atomic_load_n(&job->next, __ATOMIC_RELAXED) < job->count;
}

/* A worker joins or leaves, under the mutex.  In C, because Swift takes a change of one field for one of the whole job. */
FOCAL_INLINE void focal_join(focal_job *job) { job->wanted--, job->working++; }
FOCAL_INLINE int focal_leave(focal_job *job) { return --job->working == 0; }
FOCAL_INLINE int focal_is_busy(const focal_job *job) { return job->working > 0; }

/* ---- Floating-point environment ---------------------------------------------------------------------------------- */

#if defined(__x86_64__)

/* Round to nearest, all exceptions masked, no FTZ, no DAZ. */
FOCAL_INLINE uint64_t focal_fp_enter(void) {
    uint32_t saved = __builtin_ia32_stmxcsr();
    if ((saved & ~0x3Fu) != 0x1F80) __builtin_ia32_ldmxcsr(0x1F80);
    return saved;
}
FOCAL_INLINE void focal_fp_leave(uint64_t saved) {
    if (__builtin_ia32_stmxcsr() != (uint32_t)saved) __builtin_ia32_ldmxcsr((uint32_t)saved);
}

#elif defined(__aarch64__)

FOCAL_INLINE uint64_t focal_fp_enter(void) {
    uint64_t control, status;
    __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(control), "=r"(status));
    __asm__ volatile("msr fpcr, %0" ::"r"((uint64_t)0));
    return control << 32 | (status & 0xFFFFFFFF);
}
FOCAL_INLINE void focal_fp_leave(uint64_t saved) {
    __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" ::"r"(saved >> 32), "r"(saved & 0xFFFFFFFF));
}

#endif

/* A number that the compiler cannot have computed with before: LLVM does not know that arithmetic depends on the environment. */
FOCAL_INLINE double focal_settle(double x) {
#if defined(__x86_64__)
    __asm__ volatile("" : "+x"(x));
#elif defined(__aarch64__)
    __asm__ volatile("" : "+w"(x));
#endif
    return x;
}

/* ---- CPU ---------------------------------------------------------------------------------------------------------- */

/* The x86-64 microarchitecture level (1 to 4) that both the CPU and the operating system offer; 0 on other CPUs. */
#if defined(__x86_64__)

typedef struct focal_cpuid {
    uint32_t a, b, c, d;
} focal_cpuid;

FOCAL_INLINE focal_cpuid focal_read_cpuid(uint32_t leaf) {
    focal_cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(0));
    return r;
}

FOCAL_INLINE uint64_t focal_read_xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static inline int32_t focal_x86_level(void) {
    /* The x86-64 psABI's lists, v2 included: a compiler for v3 may use all of it.
     * Leaf 1 ecx: SSE3 0, SSSE3 9, FMA 12, CMPXCHG16B 13, SSE4.1 19, SSE4.2 20, MOVBE 22, POPCNT 23, OSXSAVE 27, AVX 28,
     * F16C 29.  Leaf 0x80000001 ecx: LAHF 0, LZCNT 5.  Leaf 7 ebx, v3: BMI1 3, AVX2 5, BMI2 8; v4: AVX512 F 16, DQ 17,
     * CD 28, BW 30, VL 31.  XCR0: 0x6 saves xmm and ymm, 0xE0 the masks and zmm. */
    const uint32_t v2 = 1u << 0 | 1u << 9 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 23;
    const uint32_t leaf1 = v2 | 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29;
    const uint32_t extended = 1u << 0 | 1u << 5;
    const uint32_t v3 = 1u << 3 | 1u << 5 | 1u << 8;
    const uint32_t v4 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
    if (focal_read_cpuid(0).a < 7 || focal_read_cpuid(0x80000000u).a < 0x80000001u) return 1;
    if ((focal_read_cpuid(1).c & leaf1) != leaf1 || (focal_read_xcr0() & 0x6) != 0x6) return 1;
    uint32_t leaf7 = focal_read_cpuid(7).b;
    if ((leaf7 & v3) != v3 || (focal_read_cpuid(0x80000001u).c & extended) != extended) return 1;
    return (leaf7 & v4) == v4 && (focal_read_xcr0() & 0xE6) == 0xE6 ? 4 : 3;
}
#else
static inline int32_t focal_x86_level(void) { return 0; }
#endif

/* ---- CPUs this process may use ---------------------------------------------------------------------------------- */

static inline int32_t focal_affinity_count(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/* Reads a small file into text; 0 where it cannot. */
static inline int focal_read_file(const char *path, char *text, size_t size) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t length = read(file, text, size - 1);
    close(file);
    if (length <= 0) return 0;
    text[length] = 0;
    return 1;
}

/* The CPUs that the process's cgroup grants, rounded up; INT32_MAX where nothing limits them. */
static inline int32_t focal_cgroup_count(void) {
    char text[512], path[600];
    double quota = 0, period = 0;
    char *own = focal_read_file("/proc/self/cgroup", text, sizeof text) ? strstr(text, "0::") : NULL;
    if (own) { /* version 2: "quota period" or "max period" */
        own[strcspn(own, "\n")] = 0;
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", own + 3);
        if (!focal_read_file(path, text, sizeof text) && !focal_read_file("/sys/fs/cgroup/cpu.max", text, sizeof text))
            return INT32_MAX;
        if (sscanf(text, "%lf %lf", &quota, &period) != 2) return INT32_MAX;
    } else { /* version 1: -1 is no limit */
        if (!focal_read_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", text, sizeof text)) return INT32_MAX;
        quota = strtod(text, NULL);
        if (!focal_read_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", text, sizeof text)) return INT32_MAX;
        period = strtod(text, NULL);
    }
    if (quota <= 0 || period <= 0) return INT32_MAX;
    return quota < period ? 1 : (int32_t)((quota + period - 1) / period);
}

#endif
