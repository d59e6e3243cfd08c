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

typedef FOCAL_VECTOR(float, 8) focal_f32x8;
typedef FOCAL_VECTOR(float, 16) focal_f32x16;
typedef FOCAL_VECTOR(double, 8) focal_f64x8;
typedef FOCAL_VECTOR(double, 16) focal_f64x16;
typedef FOCAL_VECTOR(int32_t, 16) focal_i32x16;
typedef FOCAL_VECTOR(int64_t, 8) focal_i64x8;
typedef FOCAL_VECTOR(uint32_t, 16) focal_u32x16;
typedef FOCAL_VECTOR(uint16_t, 16) focal_u16x16;

FOCAL_INLINE focal_f32x16 focal_sqrt_f32(focal_f32x16 x) { return __builtin_elementwise_sqrt(x); }
FOCAL_INLINE focal_f64x8 focal_sqrt_f64(focal_f64x8 x) { return __builtin_elementwise_sqrt(x); }

FOCAL_INLINE int32_t focal_any_i32(focal_i32x16 mask) { return __builtin_reduce_or(mask) < 0; }
FOCAL_INLINE int32_t focal_any_i64(focal_i64x8 mask) { return __builtin_reduce_or(mask) < 0; }

FOCAL_INLINE focal_f64x8 focal_widen_f32x8(focal_f32x8 x) { return __builtin_convertvector(x, focal_f64x8); }
FOCAL_INLINE focal_f32x8 focal_narrow_f64x8(focal_f64x8 x) { return __builtin_convertvector(x, focal_f32x8); }
FOCAL_INLINE focal_f64x16 focal_widen_f32x16(focal_f32x16 x) { return __builtin_convertvector(x, focal_f64x16); }
FOCAL_INLINE focal_f32x16 focal_narrow_f64x16(focal_f64x16 x) { return __builtin_convertvector(x, focal_f32x16); }
FOCAL_INLINE focal_f64x8 focal_widen_low(focal_f32x16 x) { return __builtin_convertvector(x.lo, focal_f64x8); }
FOCAL_INLINE focal_f64x8 focal_widen_high(focal_f32x16 x) { return __builtin_convertvector(x.hi, focal_f64x8); }

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
