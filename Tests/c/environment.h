/* The floating-point environment of this thread: control bits and status bits, on x86-64 (MXCSR and x87) and aarch64. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include <stdint.h>

struct environment {
    uint64_t control, status; /* aarch64: FPCR, FPSR.  x86-64: MXCSR, x87 control << 32 | x87 status */
};

static inline struct environment environment_get(void)
{
    struct environment e = {0, 0};
#if defined(__x86_64__)
    uint32_t mxcsr;
    uint16_t control, status;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(control));
    __asm__ volatile("fnstsw %0" : "=m"(status));
    e.control = mxcsr;
    e.status = (uint64_t)control << 32 | status;
#elif defined(__aarch64__)
    __asm__ volatile("mrs %0, fpcr" : "=r"(e.control));
    __asm__ volatile("mrs %0, fpsr" : "=r"(e.status));
#endif
    return e;
}

/* The SSE (or Advanced SIMD) control and status word as the caller may have set it. */
static inline void environment_set(uint64_t control)
{
#if defined(__x86_64__)
    uint32_t mxcsr = (uint32_t)control;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(control));
#endif
}

/* Control words that a caller might have set: name, bits added to the default, bits removed from it. */
struct environment_case {
    const char *name;
    uint64_t add, remove;
};

#if defined(__x86_64__)
enum { ENVIRONMENT_DEFAULT = 0x1f80 };
static const struct environment_case environment_cases[] = {
    {"default", 0, 0},
    {"round down", 0x2000, 0},
    {"round up", 0x4000, 0},
    {"round to zero", 0x6000, 0},
    {"flush to zero", 0x8000, 0},
    {"denormals are zero", 0x0040, 0},
    {"flush to zero and denormals are zero, round up", 0xc040, 0},
    {"status bits set", 0x003f, 0},
    {"invalid, divide by zero and overflow unmasked", 0, 0x0680},
    {"all exceptions unmasked", 0, 0x1f80},
    {"all exceptions unmasked, round down", 0x2000, 0x1f80},
};
#else
enum { ENVIRONMENT_DEFAULT = 0 };
static const struct environment_case environment_cases[] = {
    {"default", 0, 0},
    {"round up", 1u << 22, 0},
    {"round down", 2u << 22, 0},
    {"round to zero", 3u << 22, 0},
    {"flush to zero", 1u << 24, 0},
    {"default NaN", 1u << 25, 0},
};
#endif
enum { ENVIRONMENT_CASES = sizeof environment_cases / sizeof environment_cases[0] };

#endif
