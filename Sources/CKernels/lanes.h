/* lanes.h - the vector operations that Swift's SIMD types lack or spell as library calls.
 *
 * clang's vector types arrive in Swift as SIMD16<Float> and its kin; always_inline leaves no call behind.
 */
#ifndef FOCAL_LANES_H
#define FOCAL_LANES_H

#include <stddef.h>
#include <stdint.h>

#define FOCAL_INLINE static inline __attribute__((always_inline))
#define FOCAL_VECTOR(type, count) type __attribute__((ext_vector_type(count)))

/* Swift's own operators on SIMD types are loops over lanes until LLVM's last passes; these are vector code from the start. */
#define FOCAL_LANES(name, scalar, integer, bits, count, fraction, bias)                                                       \
    typedef FOCAL_VECTOR(scalar, count) focal_##name;                                                                         \
    typedef FOCAL_VECTOR(integer, count) focal_mask_##name; /* all bits set, or none */                                       \
    FOCAL_INLINE focal_##name focal_load_##name(const scalar *p) {                                                            \
        focal_##name x;                                                                                                       \
        __builtin_memcpy(&x, p, sizeof x);                                                                                    \
        return x;                                                                                                             \
    }                                                                                                                         \
    FOCAL_INLINE void focal_store_##name(scalar *p, focal_##name x) { __builtin_memcpy(p, &x, sizeof x); }                    \
    FOCAL_INLINE focal_##name focal_splat_##name(scalar x) { return (focal_##name)(x); }                                      \
    FOCAL_INLINE focal_##name focal_add_##name(focal_##name a, focal_##name b) { return a + b; }                              \
    FOCAL_INLINE focal_##name focal_subtract_##name(focal_##name a, focal_##name b) { return a - b; }                         \
    FOCAL_INLINE focal_##name focal_multiply_##name(focal_##name a, focal_##name b) { return a * b; }                         \
    FOCAL_INLINE focal_##name focal_divide_##name(focal_##name a, focal_##name b) { return a / b; }                           \
    FOCAL_INLINE focal_##name focal_negate_##name(focal_##name a) { return -a; }                                              \
    FOCAL_INLINE focal_##name focal_fma_##name(focal_##name a, focal_##name b, focal_##name c) {                              \
        return __builtin_elementwise_fma(a, b, c);                                                                            \
    }                                                                                                                         \
    FOCAL_INLINE focal_##name focal_magnitude_##name(focal_##name a) { return __builtin_elementwise_abs(a); }                 \
    FOCAL_INLINE focal_##name focal_union_##name(focal_##name a, focal_##name b) {                                            \
        return (focal_##name)((focal_mask_##name)a | (focal_mask_##name)b);                                                   \
    }                                                                                                                         \
    FOCAL_INLINE focal_##name focal_root_##name(focal_##name a) { return __builtin_elementwise_sqrt(a); }                     \
    FOCAL_INLINE focal_mask_##name focal_less_##name(focal_##name a, focal_##name b) { return a < b; }                        \
    FOCAL_INLINE focal_mask_##name focal_equal_##name(focal_##name a, focal_##name b) { return a == b; }                      \
    FOCAL_INLINE focal_mask_##name focal_negative_##name(focal_##name a) { return (focal_mask_##name)a < 0; }                 \
    FOCAL_INLINE focal_##name focal_select_##name(focal_mask_##name m, focal_##name a, focal_##name b) { return m ? a : b; }  \
    FOCAL_INLINE focal_mask_##name focal_and_##name(focal_mask_##name a, focal_mask_##name b) { return a & b; }               \
    FOCAL_INLINE focal_mask_##name focal_not_##name(focal_mask_##name a) { return ~a; }                                       \
    FOCAL_INLINE int32_t focal_any_##name(focal_mask_##name a) { return __builtin_reduce_or(a) < 0; }                         \
    /* a with its sign changed where b's sign bit is set */                                                                   \
    FOCAL_INLINE focal_##name focal_flip_##name(focal_##name a, focal_##name b) {                                             \
        const focal_mask_##name sign = (focal_mask_##name)((bits)1 << (sizeof(scalar) * 8 - 1));                              \
        return (focal_##name)((focal_mask_##name)a ^ ((focal_mask_##name)b & sign));                                          \
    }                                                                                                                         \
    /* a with its low half of bits cleared: products of two such are exact */                                                 \
    FOCAL_INLINE focal_##name focal_upper_##name(focal_##name a) {                                                            \
        return (focal_##name)((focal_mask_##name)a & -(focal_mask_##name)((bits)1 << ((fraction + 2) / 2)));                  \
    }
FOCAL_LANES(f32x16, float, int32_t, uint32_t, 16, 23, 127)
FOCAL_LANES(f64x8, double, int64_t, uint64_t, 8, 52, 1023)

/* The parts of a positive normal double, for logarithms: the unbiased exponent, and the significand in [1, 2). */
FOCAL_INLINE focal_f64x8 focal_exponent(focal_f64x8 a) {
    return (focal_f64x8)((((focal_mask_f64x8)a >> 52)) | 0x4330000000000000) - (0x1p52 + 1023);
}
FOCAL_INLINE focal_f64x8 focal_significand(focal_f64x8 a) {
    return (focal_f64x8)(((focal_mask_f64x8)a & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000);
}

/* The number whose exponent field stands in a's low bits. */
FOCAL_INLINE focal_f64x8 focal_power_f64x8(focal_f64x8 a) { return (focal_f64x8)((FOCAL_VECTOR(uint64_t, 8))a << 52); }

typedef FOCAL_VECTOR(float, 8) focal_f32x8;
typedef FOCAL_VECTOR(double, 16) focal_f64x16;
typedef FOCAL_VECTOR(uint32_t, 16) focal_u32x16;
typedef FOCAL_VECTOR(uint16_t, 16) focal_u16x16;

/* One of four numbers for each lane, by the two lowest bits of `index`. */
FOCAL_INLINE focal_f32x16 focal_pick_f32x16(focal_f32x16 index, float a, float b, float c, float d) {
#if defined(__AVX512F__)
    return __builtin_ia32_vpermilvarps512((focal_f32x16){a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d}, (focal_mask_f32x16)index);
#elif defined(__AVX__)
    focal_f32x8 table = {a, b, c, d, a, b, c, d};
    FOCAL_VECTOR(int32_t, 16) i = (focal_mask_f32x16)index;
    focal_f32x8 lo = __builtin_ia32_vpermilvarps256(table, i.lo), hi = __builtin_ia32_vpermilvarps256(table, i.hi);
    return __builtin_shufflevector(lo, hi, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#else
    focal_mask_f32x16 odd = (focal_mask_f32x16)index << 31 < 0, upper = (focal_mask_f32x16)index << 30 < 0;
    return upper ? (odd ? (focal_f32x16)d : (focal_f32x16)c) : (odd ? (focal_f32x16)b : (focal_f32x16)a);
#endif
}
/* 2^(n / 4) for the integer n in the low bits: shifting it by 21 adds n / 4 to the exponent and j = n mod 4 to the two upper bits
 * of the fraction, where the table of 2^(j / 4) expects it. */
FOCAL_INLINE focal_f32x16 focal_quarters_f32x16(focal_f32x16 n) {
    focal_f32x16 table = focal_pick_f32x16(n, 0x1p0f, 0x1.f06fep-1f, 0x1.ea09e6p-1f, 0x1.ee89fap-1f);
    return (focal_f32x16)((focal_u32x16)table + ((focal_u32x16)n << 21));
}

/* Between the types. */
FOCAL_INLINE focal_f64x8 focal_widen_f32x8(const float *p) {
    focal_f32x8 x;
    __builtin_memcpy(&x, p, sizeof x);
    return __builtin_convertvector(x, focal_f64x8);
}
FOCAL_INLINE void focal_narrow_f64x8(float *p, focal_f64x8 x) {
    focal_f32x8 y = __builtin_convertvector(x, focal_f32x8);
    __builtin_memcpy(p, &y, sizeof y);
}
FOCAL_INLINE void focal_widen_f32x16(double *p, focal_f32x16 x) {
    focal_f64x16 y = __builtin_convertvector(x, focal_f64x16);
    __builtin_memcpy(p, &y, sizeof y);
}
FOCAL_INLINE focal_f32x16 focal_narrow_f64x16(const double *p) {
    focal_f64x16 x;
    __builtin_memcpy(&x, p, sizeof x);
    return __builtin_convertvector(x, focal_f32x16);
}

/* sums + the lower eight lanes + the upper eight.  A zmm register in one piece first: LLVM would compute what is split here
 * in two halves from the start. */
FOCAL_INLINE focal_f64x8 focal_accumulate(focal_f64x8 sums, focal_f32x16 x) {
#if defined(__AVX512F__)
    __asm__("" : "+v"(x));
#endif
    sums += __builtin_convertvector(x.lo, focal_f64x8);
    return sums + __builtin_convertvector(x.hi, focal_f64x8);
}

/* The sum and the maximum of the lanes: the upper half onto the lower, and again. */
FOCAL_INLINE float focal_sum_f32x16(focal_f32x16 x) {
    focal_f32x8 a = x.lo + x.hi;
    FOCAL_VECTOR(float, 4) b = a.lo + a.hi;
    return (b.x + b.z) + (b.y + b.w);
}
FOCAL_INLINE double focal_sum_f64x8(focal_f64x8 x) {
    FOCAL_VECTOR(double, 4) a = x.lo + x.hi;
    return (a.x + a.z) + (a.y + a.w);
}
/* The same tree over pairs: tops keep the larger, rests take the sum of all else.  Returns (rest, top). */
typedef FOCAL_VECTOR(float, 2) focal_f32x2;
typedef FOCAL_VECTOR(double, 2) focal_f64x2;
#define FOCAL_FOLD(rest, top, r, t)                                                                                           \
    __auto_type t = __builtin_elementwise_max(top.lo, top.hi);                                                                \
    __auto_type r = rest.lo + (rest.hi + __builtin_elementwise_min(top.lo, top.hi));
FOCAL_INLINE focal_f32x2 focal_fold_f32x16(focal_f32x16 rest, focal_f32x16 top) {
    FOCAL_FOLD(rest, top, r8, t8)
    FOCAL_FOLD(r8, t8, r4, t4)
    FOCAL_FOLD(r4, t4, r2, t2)
    float least = t2.x < t2.y ? t2.x : t2.y, most = t2.x < t2.y ? t2.y : t2.x;
    return (focal_f32x2){r2.x + (r2.y + least), most};
}
FOCAL_INLINE focal_f64x2 focal_fold_f64x8(focal_f64x8 rest, focal_f64x8 top) {
    FOCAL_FOLD(rest, top, r4, t4)
    FOCAL_FOLD(r4, t4, r2, t2)
    double least = t2.x < t2.y ? t2.x : t2.y, most = t2.x < t2.y ? t2.y : t2.x;
    return (focal_f64x2){r2.x + (r2.y + least), most};
}
FOCAL_INLINE float focal_largest_f32x16(focal_f32x16 x) { return __builtin_reduce_max(x); }
FOCAL_INLINE double focal_largest_f64x8(focal_f64x8 x) { return __builtin_reduce_max(x); }

/* Stores that pass the caches by; p is aligned to the vector. */
FOCAL_INLINE void focal_stream_f32x16(void *p, focal_f32x16 x) { __builtin_nontemporal_store(x, (focal_f32x16 *)p); }
FOCAL_INLINE void focal_stream_f64x8(void *p, focal_f64x8 x) { __builtin_nontemporal_store(x, (focal_f64x8 *)p); }

/* Streaming stores are weakly ordered: the fence comes before anyone may be told that the data is there. */
FOCAL_INLINE void focal_stream_fence(void) {
#if defined(__x86_64__)
    __builtin_ia32_sfence();
#endif
}

FOCAL_INLINE void focal_copy(void *target, const void *source, ptrdiff_t bytes) {
    __builtin_memcpy(target, source, (size_t)bytes);
}

FOCAL_INLINE focal_u16x16 focal_load_u16(const void *p) {
    focal_u16x16 h;
    __builtin_memcpy(&h, p, sizeof h);
    return h;
}

/* bfloat16: a float's upper half; narrowed to nearest even, a NaN kept quiet. */
FOCAL_INLINE focal_f32x16 focal_load_bf16(const void *p) {
    return (focal_f32x16)(__builtin_convertvector(focal_load_u16(p), focal_u32x16) << 16);
}
FOCAL_INLINE void focal_store_bf16(void *p, focal_f32x16 x) {
    focal_u32x16 b = (focal_u32x16)x;
    focal_u32x16 rounded = (b + 0x7FFF + ((b >> 16) & 1)) >> 16;
    focal_u32x16 nan = (focal_u32x16)(x != x);
    focal_u16x16 h = __builtin_convertvector((rounded & ~nan) | (((b >> 16) | 0x40) & nan), focal_u16x16);
    __builtin_memcpy(p, &h, sizeof h);
}

/* binary16 */
#if defined(__F16C__) || defined(__aarch64__)
typedef FOCAL_VECTOR(_Float16, 16) focal_f16x16;
FOCAL_INLINE focal_f32x16 focal_load_f16(const void *p) {
    focal_f16x16 h;
    __builtin_memcpy(&h, p, sizeof h);
    return __builtin_convertvector(h, focal_f32x16);
}
FOCAL_INLINE void focal_store_f16(void *p, focal_f32x16 x) {
    focal_f16x16 h = __builtin_convertvector(x, focal_f16x16);
    __builtin_memcpy(p, &h, sizeof h);
}
#else
/* Without the hardware: the exponent is rebased by a product with a power of two, which also makes subnormals right. */
FOCAL_INLINE focal_f32x16 focal_load_f16(const void *p) {
    focal_u32x16 h = __builtin_convertvector(focal_load_u16(p), focal_u32x16);
    focal_u32x16 sign = (h & 0x8000) << 16;
    focal_u32x16 special = (focal_u32x16)((h & 0x7C00) == 0x7C00) & 0x7F800000;
    focal_f32x16 size = (focal_f32x16)((h & 0x7FFF) << 13) * 0x1p112f;
    return (focal_f32x16)((focal_u32x16)size | sign | special);
}
FOCAL_INLINE void focal_store_f16(void *p, focal_f32x16 x) {
    focal_u32x16 b = (focal_u32x16)x, size = b & 0x7FFFFFFF;
    /* Normal results: round the fraction to 10 bits.  Subnormal ones: adding 0.5 leaves the rounded bits at the bottom. */
    focal_u32x16 normal = (size - 0x38000000 + 0xFFF + ((size >> 13) & 1)) >> 13;
    focal_u32x16 small = (focal_u32x16)((focal_f32x16)size + 0.5f) - 0x3F000000;
    focal_u32x16 isSmall = (focal_u32x16)(size < 0x38800000), isLarge = (focal_u32x16)(size >= 0x477FF000);
    focal_u32x16 nan = (focal_u32x16)(size > 0x7F800000);
    focal_u32x16 h = (small & isSmall) | (normal & ~isSmall);
    h = (h & ~isLarge) | (0x7C00 & isLarge);
    h = (h & ~nan) | ((0x7E00 | ((size >> 13) & 0x3FF)) & nan);
    focal_u16x16 out = __builtin_convertvector(h | ((b & 0x80000000) >> 16), focal_u16x16);
    __builtin_memcpy(p, &out, sizeof out);
}
#endif

#endif
