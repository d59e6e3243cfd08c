/* lanes.h - the vector operations that Swift's SIMD types lack or spell as library calls.
 *
 * clang's vector types arrive in Swift as SIMD16<Float> and its kin; always_inline leaves no call behind.
 */
#ifndef FOCAL_LANES_H
#define FOCAL_LANES_H

#include <stddef.h>
#include <stdint.h>

#include "../../include/focalloss.h"

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
    FOCAL_INLINE focal_##name focal_intersection_##name(focal_##name a, focal_##name b) {                                     \
        return (focal_##name)((focal_mask_##name)a & (focal_mask_##name)b);                                                   \
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
/* Sixteen where there is FMA, so that their bits agree; the x86-64 baseline takes a register at a time. */
#if defined(__FMA__) || defined(__aarch64__)
#define FOCAL_FLOATS 16
#define FOCAL_DOUBLES 8
#else
#define FOCAL_FLOATS 4
#define FOCAL_DOUBLES 2
#endif

FOCAL_LANES(floats, float, int32_t, uint32_t, FOCAL_FLOATS, 23, 127)
FOCAL_LANES(octets, float, int32_t, uint32_t, 8, 23, 127) /* a register of AVX2: see Octets.swift */
FOCAL_LANES(doubles, double, int64_t, uint64_t, FOCAL_DOUBLES, 52, 1023)

/* The larger (smaller) of a and a bound, a where either is NaN.  x86's own instructions do just that; from a comparison and a
 * choice LLVM makes them only until it has moved a sign or a sum into the choice. */
#if defined(__AVX512F__)
#define FOCAL_BOUND(name, suffix, operation, wider)                                                                           \
    FOCAL_INLINE focal_##name focal_##operation##_##name(focal_##name a, focal_##name bound) {                                \
        return __builtin_ia32_##operation##suffix##512(bound, a, 4 /* the current rounding */);                               \
    }
#elif defined(__AVX__)
#define FOCAL_BOUND(name, suffix, operation, wider)                                                                           \
    FOCAL_INLINE focal_##name focal_##operation##_##name(focal_##name a, focal_##name bound) {                                \
        focal_##name x;                                                                                                       \
        x.lo = __builtin_ia32_##operation##suffix##256(bound.lo, a.lo);                                                       \
        x.hi = __builtin_ia32_##operation##suffix##256(bound.hi, a.hi);                                                       \
        return x;                                                                                                             \
    }
FOCAL_INLINE focal_octets focal_max_octets(focal_octets a, focal_octets bound) { return __builtin_ia32_maxps256(bound, a); }
FOCAL_INLINE focal_octets focal_min_octets(focal_octets a, focal_octets bound) { return __builtin_ia32_minps256(bound, a); }
#elif defined(__SSE2__)
#define FOCAL_BOUND(name, suffix, operation, wider)                                                                           \
    FOCAL_INLINE focal_##name focal_##operation##_##name(focal_##name a, focal_##name bound) {                                \
        return __builtin_ia32_##operation##suffix(bound, a);                                                                  \
    }
#else
#define FOCAL_BOUND(name, suffix, operation, wider)                                                                           \
    FOCAL_INLINE focal_##name focal_##operation##_##name(focal_##name a, focal_##name bound) {                                \
        return bound wider a ? bound : a;                                                                                     \
    }
#endif
FOCAL_BOUND(floats, ps, max, >)
FOCAL_BOUND(floats, ps, min, <)
FOCAL_BOUND(doubles, pd, max, >)
FOCAL_BOUND(doubles, pd, min, <)

/* The larger of a and the size of z, a where z is NaN. */
FOCAL_INLINE focal_floats focal_farther_floats(focal_floats a, focal_floats z) {
#if defined(__AVX512DQ__)
    return __builtin_ia32_rangeps512_mask(a, z, 0x0B /* the larger size, positive */, a, 0xFFFF, 4);
#else
    return focal_max_floats(a, focal_magnitude_floats(z));
#endif
}

/* The first n lanes (all, if n is larger, and none if negative), for the end of an array: not a byte behind it is touched.  Loaded
 * ones stand before zeros. */
#if defined(__AVX__)
typedef FOCAL_VECTOR(float, 16) focal_vector_words;
/* The first n words.  AVX's masked stores take longer than pieces, of which an array's last vectors always need the same. */
FOCAL_INLINE void focal_store_first_words(float *p, focal_vector_words x, ptrdiff_t n) {
#if defined(__AVX512F__)
    __builtin_ia32_storeups512_mask(p, x, n < 0 ? 0 : n < 16 ? (uint16_t)((1 << n) - 1) : 0xFFFF);
#else
    if (n >= 16) __builtin_memcpy(p, &x, sizeof x);
    if (n <= 0 || n >= 16) return;
    FOCAL_VECTOR(float, 8) eight = x.lo;
    if (n & 8) __builtin_memcpy(p, &eight, sizeof eight), eight = x.hi, p += 8;
    FOCAL_VECTOR(float, 4) four = eight.lo;
    if (n & 4) __builtin_memcpy(p, &four, sizeof four), four = eight.hi, p += 4;
    FOCAL_VECTOR(float, 2) two = four.lo;
    if (n & 2) __builtin_memcpy(p, &two, sizeof two), two = four.hi, p += 2;
    if (n & 1) *p = two.x;
#endif
}
#if defined(__AVX512F__)
typedef uint16_t focal_bits_ps;
typedef uint8_t focal_bits_pd;
#define FOCAL_LOAD_FIRST(name, p, n, half, suffix)                                                                            \
    __builtin_ia32_loadu##suffix##512_mask(                                                                                   \
        p, (focal_##name)0, (focal_bits_##suffix)(n < 0 ? 0 : n < 16 ? (1 << n) - 1 : 0xFFFF))
#else
#define FOCAL_LOAD_FIRST(name, p, n, half, suffix)                                                                            \
    __extension__({                                                                                                           \
        focal_mask_##name mask = focal_first_##name(n);                                                                       \
        focal_##name x;                                                                                                       \
        x.lo = __builtin_ia32_maskload##suffix##256((const half *)p, mask.lo);                                                \
        x.hi = __builtin_ia32_maskload##suffix##256((const half *)p + 1, mask.hi);                                            \
        x;                                                                                                                    \
    })
#endif
#define FOCAL_FIRST_MOVES(name, scalar, half, suffix)                                                                         \
    FOCAL_INLINE focal_##name focal_load_first_##name(const scalar *p, ptrdiff_t n) {                                         \
        return FOCAL_LOAD_FIRST(name, p, n, half, suffix);                                                                    \
    }                                                                                                                         \
    FOCAL_INLINE void focal_store_first_##name(scalar *p, focal_##name x, ptrdiff_t n) {                                      \
        focal_store_first_words((float *)p, (focal_vector_words)x, n * (ptrdiff_t)(sizeof *p / 4));                           \
    }
#else
#define FOCAL_FIRST_MOVES(name, scalar, half, suffix)                                                                         \
    FOCAL_INLINE focal_##name focal_load_first_##name(const scalar *p, ptrdiff_t n) {                                         \
        focal_##name x = 0;                                                                                                   \
        for (int i = 0; i < n && i < (int)(sizeof x / sizeof *p); i++) x[i] = p[i];                                           \
        return x;                                                                                                             \
    }                                                                                                                         \
    FOCAL_INLINE void focal_store_first_##name(scalar *p, focal_##name x, ptrdiff_t n) {                                      \
        for (int i = 0; i < n && i < (int)(sizeof x / sizeof *p); i++) p[i] = x[i];                                           \
    }
#endif
#define FOCAL_FIRST(name, scalar, integer, half, suffix)                                                                      \
    FOCAL_INLINE focal_mask_##name focal_first_##name(ptrdiff_t n) {                                                          \
        static const integer order[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};                              \
        focal_mask_##name index;                                                                                              \
        __builtin_memcpy(&index, order, sizeof index);                                                                        \
        return index < (focal_mask_##name)(integer)n;                                                                         \
    }                                                                                                                         \
    FOCAL_FIRST_MOVES(name, scalar, half, suffix)
typedef FOCAL_VECTOR(float, 8) focal_half_floats;
typedef FOCAL_VECTOR(double, 4) focal_half_doubles;
FOCAL_FIRST(floats, float, int32_t, focal_half_floats, ps)
FOCAL_FIRST(doubles, double, int64_t, focal_half_doubles, pd)

/* The parts of a positive normal double, 2^n m with m between the roots of 1/2 and 2, for logarithms: the bits of a number above
 * the upper root, to which FOCAL_UP is added, carry into the exponent's. */
#define FOCAL_UP 0x00095F619980C432
typedef FOCAL_VECTOR(uint64_t, FOCAL_DOUBLES) focal_long_words;
FOCAL_INLINE focal_doubles focal_binades(focal_doubles a) {
    return (focal_doubles)((((focal_long_words)a + FOCAL_UP) >> 52) | 0x4330000000000000) - (0x1p52 + 1023);
}
FOCAL_INLINE focal_doubles focal_near_one(focal_doubles a) {
    return (focal_doubles)((((focal_long_words)a + FOCAL_UP) & 0x000FFFFFFFFFFFFF) + (0x3FF0000000000000 - FOCAL_UP));
}

/* The number whose exponent field stands in a's low bits. */
FOCAL_INLINE focal_doubles focal_power_doubles(focal_doubles a) { return (focal_doubles)((focal_long_words)a << 52); }

typedef FOCAL_VECTOR(float, FOCAL_DOUBLES) focal_short_doubles;
typedef FOCAL_VECTOR(double, FOCAL_FLOATS) focal_long_floats;
typedef FOCAL_VECTOR(uint32_t, FOCAL_FLOATS) focal_words;
typedef FOCAL_VECTOR(uint16_t, FOCAL_FLOATS) focal_halves;

/* Which of the stored targets at p are `value`.  dtype is a constant, of which one case is left.  `truth` is signed, so that it
 * widens with its sign: a comparison of bytes is of `char`, which has none on ARM. */
#define FOCAL_MATCH_AS(name, type, truth)                                                                                     \
    {                                                                                                                         \
        enum { count = sizeof(focal_##name) / sizeof(focal_##name){0}.x };                                                    \
        FOCAL_VECTOR(type, count) x;                                                                                          \
        typedef FOCAL_VECTOR(truth, count) truths;                                                                            \
        __builtin_memcpy(&x, p, sizeof x);                                                                                    \
        return __builtin_convertvector((truths)(x == (type)value), focal_mask_##name);                                        \
    }
#define FOCAL_MATCH(name)                                                                                                     \
    FOCAL_INLINE focal_mask_##name focal_match_##name(int32_t dtype, const void *p, int64_t value) {                          \
        switch (dtype) {                                                                                                      \
        case FOCAL_DTYPE_F64: FOCAL_MATCH_AS(name, double, int64_t)                                                           \
        case FOCAL_DTYPE_U8: FOCAL_MATCH_AS(name, uint8_t, int8_t)                                                            \
        case FOCAL_DTYPE_I32: FOCAL_MATCH_AS(name, int32_t, int32_t)                                                          \
        case FOCAL_DTYPE_I64: FOCAL_MATCH_AS(name, int64_t, int64_t)                                                          \
        default: FOCAL_MATCH_AS(name, float, int32_t)                                                                         \
        }                                                                                                                     \
    }
FOCAL_MATCH(floats)
FOCAL_MATCH(doubles)

/* 1 / (2 sqrt x) to 3.5 percent: halving and negating the bits of a number does that to its logarithm, nearly (Lomont, "Fast
 * inverse square root", 2003); the constant has the minus one of the half in its exponent. */
FOCAL_INLINE focal_floats focal_rough_floats(focal_floats x) { return (focal_floats)(0x5EB759DF - ((focal_words)x >> 1)); }
FOCAL_INLINE focal_octets focal_rough_octets(focal_octets x) {
    return (focal_octets)(0x5EB759DF - ((FOCAL_VECTOR(uint32_t, 8))x >> 1));
}
FOCAL_INLINE focal_doubles focal_rough_doubles(focal_doubles x) {
    return (focal_doubles)(0x5FD6EB50C7B537A9 - ((FOCAL_VECTOR(uint64_t, FOCAL_DOUBLES))x >> 1));
}

/* One of four numbers for each lane, by the two lowest bits of `index`. */
#if defined(__AVX__)
FOCAL_INLINE focal_octets focal_pick_octets(focal_octets index, float a, float b, float c, float d) {
    return __builtin_ia32_vpermilvarps256((focal_octets){a, b, c, d, a, b, c, d}, (focal_mask_octets)index);
}
#endif
FOCAL_INLINE focal_floats focal_pick_floats(focal_floats index, float a, float b, float c, float d) {
#if defined(__AVX512F__)
    return __builtin_ia32_vpermilvarps512((focal_floats){a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d}, (focal_mask_floats)index);
#elif defined(__AVX__)
    focal_floats x;
    x.lo = focal_pick_octets(index.lo, a, b, c, d);
    x.hi = focal_pick_octets(index.hi, a, b, c, d);
    return x;
#else
    focal_mask_floats odd = (focal_mask_floats)index << 31 < 0, upper = (focal_mask_floats)index << 30 < 0;
    return upper ? (odd ? (focal_floats)d : (focal_floats)c) : (odd ? (focal_floats)b : (focal_floats)a);
#endif
}
/* 2^(n / 4) for the integer n in the low bits: shifting it by 21 adds n / 4 to the exponent and j = n mod 4 to the two upper bits
 * of the fraction, where the table of 2^(j / 4) expects it. */
#define FOCAL_QUARTERS(name, words)                                                                                           \
    FOCAL_INLINE focal_##name focal_quarters_##name(focal_##name n) {                                                         \
        focal_##name table = focal_pick_##name(n, 0x1p0f, 0x1.f06fep-1f, 0x1.ea09e6p-1f, 0x1.ee89fap-1f);                     \
        return (focal_##name)((words)table + ((words)n << 21));                                                               \
    }
FOCAL_QUARTERS(floats, focal_words)
#if defined(__AVX__)
typedef FOCAL_VECTOR(uint32_t, 8) focal_octet_words;
FOCAL_QUARTERS(octets, focal_octet_words)
#endif

/* Between the types. */
FOCAL_INLINE focal_doubles focal_widen_doubles(const float *p) {
    focal_short_doubles x;
    __builtin_memcpy(&x, p, sizeof x);
    return __builtin_convertvector(x, focal_doubles);
}
FOCAL_INLINE void focal_narrow_doubles(float *p, focal_doubles x) {
    focal_short_doubles y = __builtin_convertvector(x, focal_short_doubles);
    __builtin_memcpy(p, &y, sizeof y);
}
FOCAL_INLINE void focal_widen_floats(double *p, focal_floats x) {
    focal_long_floats y = __builtin_convertvector(x, focal_long_floats);
    __builtin_memcpy(p, &y, sizeof y);
}
FOCAL_INLINE focal_floats focal_narrow_floats(const double *p) {
    focal_long_floats x;
    __builtin_memcpy(&x, p, sizeof x);
    return __builtin_convertvector(x, focal_floats);
}

/* Eight running sums, and lanes added to them in a fixed order. */
typedef FOCAL_VECTOR(double, 8) focal_sums;
FOCAL_INLINE focal_sums focal_accumulate_floats(focal_sums sums, focal_floats x) {
#if FOCAL_FLOATS == 16
#if defined(__AVX512F__)
    /* A zmm register in one piece first: LLVM would compute what is split here in two halves from the start. */
    __asm__("" : "+v"(x));
#endif
    sums += __builtin_convertvector(x.lo, focal_sums);
    return sums + __builtin_convertvector(x.hi, focal_sums);
#else
    sums.lo += __builtin_convertvector(x, focal_long_floats);
    return sums;
#endif
}
/* Eight lanes as the sums that they are alone. */
FOCAL_INLINE focal_sums focal_widen_octets(focal_octets x) { return __builtin_convertvector(x, focal_sums); }
FOCAL_INLINE focal_sums focal_accumulate_doubles(focal_sums sums, focal_doubles x) {
#if FOCAL_DOUBLES == 8
    return sums + x;
#else
    sums.lo.lo += x;
    return sums;
#endif
}

/* The sum of the lanes: the upper half onto the lower, and again. */
FOCAL_INLINE float focal_sum_floats(focal_floats x) {
#if FOCAL_FLOATS == 16
    FOCAL_VECTOR(float, 8) y = x.lo + x.hi;
    FOCAL_VECTOR(float, 4) z = y.lo + y.hi;
#else
    focal_floats z = x;
#endif
    return (z.x + z.z) + (z.y + z.w);
}
FOCAL_INLINE double focal_sum_doubles(focal_doubles x) {
#if FOCAL_DOUBLES == 8
    FOCAL_VECTOR(double, 4) y = x.lo + x.hi;
    return (y.x + y.z) + (y.y + y.w);
#else
    return x.x + x.y;
#endif
}
/* The same tree over pairs: tops keep the larger, rests take the sum of all else.  Returns (rest, top).  No lane is NaN, which
 * fmax would ask the C library about. */
#define FOCAL_MAX(a, b) ((a) < (b) ? (b) : (a))
#define FOCAL_MIN(a, b) ((a) < (b) ? (a) : (b))
#define FOCAL_FOLD(rest, top, r, t)                                                                                           \
    __auto_type t = FOCAL_MAX(top.lo, top.hi);                                                                                \
    __auto_type r = rest.lo + (rest.hi + FOCAL_MIN(top.lo, top.hi));
FOCAL_INLINE FOCAL_VECTOR(float, 2) focal_fold_quartets(FOCAL_VECTOR(float, 4) rest, FOCAL_VECTOR(float, 4) top) {
    FOCAL_FOLD(rest, top, r2, t2)
    FOCAL_FOLD(r2, t2, r, t)
    return (FOCAL_VECTOR(float, 2)){r, t};
}
FOCAL_INLINE FOCAL_VECTOR(float, 2) focal_fold_octets(focal_octets rest, focal_octets top) {
    FOCAL_FOLD(rest, top, r4, t4)
    return focal_fold_quartets(r4, t4);
}
FOCAL_INLINE FOCAL_VECTOR(float, 2) focal_fold_floats(focal_floats rest, focal_floats top) {
#if FOCAL_FLOATS == 16
    FOCAL_FOLD(rest, top, r8, t8)
    return focal_fold_octets(r8, t8);
#else
    return focal_fold_quartets(rest, top);
#endif
}
FOCAL_INLINE FOCAL_VECTOR(double, 2) focal_fold_doubles(focal_doubles rest, focal_doubles top) {
#if FOCAL_DOUBLES == 8
    FOCAL_FOLD(rest, top, r4, t4)
    FOCAL_FOLD(r4, t4, r2, t2)
#else
    focal_doubles r2 = rest, t2 = top;
#endif
    FOCAL_FOLD(r2, t2, r, t)
    return (FOCAL_VECTOR(double, 2)){r, t};
}
FOCAL_INLINE float focal_largest_floats(focal_floats x) { return focal_fold_floats(x, x).y; }
FOCAL_INLINE double focal_largest_doubles(focal_doubles x) { return focal_fold_doubles(x, x).y; }

/* The four columns of four rows, in each 128 bits of a vector. */
#define FOCAL_TURN(x, low, high, front, back)                                                                                 \
    {                                                                                                                         \
        __auto_type a = low(x[0], x[1]);                                                                                      \
        __auto_type b = low(x[2], x[3]);                                                                                      \
        __auto_type c = high(x[0], x[1]);                                                                                     \
        __auto_type d = high(x[2], x[3]);                                                                                     \
        x[0] = front(a, b), x[1] = back(a, b), x[2] = front(c, d), x[3] = back(c, d);                                         \
    }
#define FOCAL_LOW4(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define FOCAL_HIGH4(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define FOCAL_FRONT4(a, b) __builtin_shufflevector(a, b, 0, 1, 4, 5)
#define FOCAL_BACK4(a, b) __builtin_shufflevector(a, b, 2, 3, 6, 7)

/* Transposes a matrix, `block` rows and columns at a time; the last block overlaps its neighbour. */
#define FOCAL_TRANSPOSE(name, scalar, block)                                                                                  \
    static inline void focal_transpose_##name(const scalar *from, ptrdiff_t stride_from, ptrdiff_t rows, ptrdiff_t columns,   \
                                              scalar *to, ptrdiff_t stride_to) {                                              \
        if (rows < 4 || columns < 4) {                                                                                        \
            for (ptrdiff_t r = 0; r < rows; r++)                                                                              \
                for (ptrdiff_t c = 0; c < columns; c++) to[c * stride_to + r] = from[r * stride_from + c];                    \
            return;                                                                                                           \
        }                                                                                                                     \
        block(scalar)                                                                                                         \
    }
/* Where each block of `size` in `whole` begins. */
#define FOCAL_EACH(at, size, whole) for (ptrdiff_t next = 0, at; at = FOCAL_MIN(next, whole - size), next < whole; next += size)
#define FOCAL_FOUR _Pragma("unroll") for (int i = 0; i < 4; i++)
#define FOCAL_SQUARES(scalar)                                                                                                 \
    FOCAL_EACH(c, 4, columns) FOCAL_EACH(r, 4, rows) {                                                                        \
        FOCAL_VECTOR(scalar, 4) x[4];                                                                                         \
        FOCAL_FOUR __builtin_memcpy(&x[i], from + (r + i) * stride_from + c, sizeof x[i]);                                    \
        FOCAL_TURN(x, FOCAL_LOW4, FOCAL_HIGH4, FOCAL_FRONT4, FOCAL_BACK4)                                                     \
        FOCAL_FOUR __builtin_memcpy(to + (c + i) * stride_to + r, &x[i], sizeof x[i]);                                        \
    }
#if defined(__AVX__)
/* Two squares of four at a time, along that side of the matrix which is whole vectors of samples. */
#define FOCAL_LOW8(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define FOCAL_HIGH8(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define FOCAL_FRONT8(a, b) __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define FOCAL_BACK8(a, b) __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define FOCAL_TWO_SQUARES(scalar)                                                                                             \
    FOCAL_VECTOR(scalar, 8) x[4];                                                                                             \
    FOCAL_VECTOR(scalar, 4) half;                                                                                             \
    if (rows % 8 == 0) {                                                                                                      \
        FOCAL_EACH(c, 4, columns) {                                                                                           \
            const scalar *upper = from + c, *lower = upper + 4 * stride_from;                                                 \
            scalar *target = to + c * stride_to;                                                                              \
            for (ptrdiff_t r = 0; r < rows; r += 8, upper += 8 * stride_from, lower += 8 * stride_from, target += 8) {        \
                FOCAL_FOUR {                                                                                                  \
                    __builtin_memcpy(&half, upper + i * stride_from, sizeof half), x[i].lo = half;                            \
                    __builtin_memcpy(&half, lower + i * stride_from, sizeof half), x[i].hi = half;                            \
                }                                                                                                             \
                FOCAL_TURN(x, FOCAL_LOW8, FOCAL_HIGH8, FOCAL_FRONT8, FOCAL_BACK8)                                             \
                FOCAL_FOUR __builtin_memcpy(target + i * stride_to, &x[i], sizeof x[i]);                                      \
            }                                                                                                                 \
        }                                                                                                                     \
    } else {                                                                                                                  \
        FOCAL_EACH(r, 4, rows) {                                                                                              \
            const scalar *source = from + r * stride_from;                                                                    \
            scalar *left = to + r, *right = left + 4 * stride_to;                                                             \
            for (ptrdiff_t c = 0; c < columns; c += 8, source += 8, left += 8 * stride_to, right += 8 * stride_to) {          \
                FOCAL_FOUR __builtin_memcpy(&x[i], source + i * stride_from, sizeof x[i]);                                    \
                FOCAL_TURN(x, FOCAL_LOW8, FOCAL_HIGH8, FOCAL_FRONT8, FOCAL_BACK8)                                             \
                FOCAL_FOUR {                                                                                                  \
                    half = x[i].lo, __builtin_memcpy(left + i * stride_to, &half, sizeof half);                               \
                    half = x[i].hi, __builtin_memcpy(right + i * stride_to, &half, sizeof half);                              \
                }                                                                                                             \
            }                                                                                                                 \
        }                                                                                                                     \
    }
FOCAL_TRANSPOSE(floats, float, FOCAL_TWO_SQUARES)
#else
FOCAL_TRANSPOSE(floats, float, FOCAL_SQUARES)
#endif
FOCAL_TRANSPOSE(doubles, double, FOCAL_SQUARES)

/* A hint, of any address. */
FOCAL_INLINE void focal_prefetch(const void *p) { __builtin_prefetch(p); }

FOCAL_INLINE void focal_copy(void *target, const void *source, ptrdiff_t bytes) {
    __builtin_memcpy(target, source, (size_t)bytes);
}

FOCAL_INLINE focal_halves focal_load_u16(const void *p) {
    focal_halves h;
    __builtin_memcpy(&h, p, sizeof h);
    return h;
}

/* bfloat16: a float's upper half; narrowed to nearest even, a NaN kept quiet. */
FOCAL_INLINE focal_floats focal_load_bf16(const void *p) {
    return (focal_floats)(__builtin_convertvector(focal_load_u16(p), focal_words) << 16);
}
FOCAL_INLINE void focal_store_bf16(void *p, focal_floats x) {
    focal_words b = (focal_words)x;
    focal_words rounded = (b + 0x7FFF + ((b >> 16) & 1)) >> 16;
    focal_words nan = (focal_words)(x != x);
    focal_halves h = __builtin_convertvector((rounded & ~nan) | (((b >> 16) | 0x40) & nan), focal_halves);
    __builtin_memcpy(p, &h, sizeof h);
}
/* binary16 */
#if defined(__F16C__) || defined(__aarch64__)
typedef FOCAL_VECTOR(_Float16, FOCAL_FLOATS) focal_binary16;
FOCAL_INLINE focal_floats focal_load_f16(const void *p) {
    focal_binary16 h;
    __builtin_memcpy(&h, p, sizeof h);
    return __builtin_convertvector(h, focal_floats);
}
FOCAL_INLINE void focal_store_f16(void *p, focal_floats x) {
    focal_binary16 h = __builtin_convertvector(x, focal_binary16);
    __builtin_memcpy(p, &h, sizeof h);
}
#else
/* Without the hardware: the exponent is rebased by a product with a power of two, which also makes subnormals right. */
FOCAL_INLINE focal_floats focal_load_f16(const void *p) {
    focal_words h = __builtin_convertvector(focal_load_u16(p), focal_words);
    focal_words sign = (h & 0x8000) << 16;
    focal_words special = (focal_words)((h & 0x7C00) == 0x7C00) & 0x7F800000;
    focal_floats size = (focal_floats)((h & 0x7FFF) << 13) * 0x1p112f;
    return (focal_floats)((focal_words)size | sign | special);
}
FOCAL_INLINE void focal_store_f16(void *p, focal_floats x) {
    focal_words b = (focal_words)x, size = b & 0x7FFFFFFF;
    /* Normal results: round the fraction to 10 bits.  Subnormal ones: adding 0.5 leaves the rounded bits at the bottom. */
    focal_words normal = (size - 0x38000000 + 0xFFF + ((size >> 13) & 1)) >> 13;
    focal_words small = (focal_words)((focal_floats)size + 0.5f) - 0x3F000000;
    focal_words isSmall = (focal_words)(size < 0x38800000), isLarge = (focal_words)(size >= 0x477FF000);
    focal_words nan = (focal_words)(size > 0x7F800000);
    focal_words h = (small & isSmall) | (normal & ~isSmall);
    h = (h & ~isLarge) | (0x7C00 & isLarge);
    h = (h & ~nan) | ((0x7E00 | ((size >> 13) & 0x3FF)) & nan);
    focal_halves out = __builtin_convertvector(h | ((b & 0x80000000) >> 16), focal_halves);
    __builtin_memcpy(p, &out, sizeof out);
}
#endif

/* Of ShortTerm.swift: scores of a 16-bit type, and what was computed from them.  bfloat16's NaNs are quiet then and have an
 * empty lower half, which rounds as a number's. */
#define FOCAL_SHORT(name, count)                                                                                              \
    FOCAL_INLINE focal_##name focal_load_bf16_##name(const void *p) {                                                         \
        FOCAL_VECTOR(uint16_t, count) h;                                                                                      \
        __builtin_memcpy(&h, p, sizeof h);                                                                                    \
        return (focal_##name)(__builtin_convertvector(h, FOCAL_VECTOR(uint32_t, count)) << 16);                               \
    }                                                                                                                         \
    FOCAL_INLINE void focal_store_bf16_##name(void *p, focal_##name x) {                                                      \
        FOCAL_VECTOR(uint32_t, count) b = (FOCAL_VECTOR(uint32_t, count))x;                                                   \
        FOCAL_VECTOR(uint16_t, count) h;                                                                                      \
        h = __builtin_convertvector((b + 0x7FFF + ((b >> 16) & 1)) >> 16, FOCAL_VECTOR(uint16_t, count));                     \
        __builtin_memcpy(p, &h, sizeof h);                                                                                    \
    }                                                                                                                         \
    FOCAL_INLINE focal_##name focal_load_f16_##name(const void *p) {                                                          \
        FOCAL_VECTOR(_Float16, count) h;                                                                                      \
        __builtin_memcpy(&h, p, sizeof h);                                                                                    \
        return __builtin_convertvector(h, focal_##name);                                                                      \
    }                                                                                                                         \
    FOCAL_INLINE void focal_store_f16_##name(void *p, focal_##name x) {                                                       \
        FOCAL_VECTOR(_Float16, count) h = __builtin_convertvector(x, FOCAL_VECTOR(_Float16, count));                          \
        __builtin_memcpy(p, &h, sizeof h);                                                                                    \
    }
FOCAL_SHORT(floats, FOCAL_FLOATS)
FOCAL_SHORT(octets, 8)

#endif
