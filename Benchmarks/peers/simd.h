/* simd.h - the few vector operations that the hand-written peers are made of, as intrinsics, at two widths.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * WIDTH is 8 (AVX2 and FMA) or 16 (AVX-512).  VECTORS is how many vectors each operation handles: a peer that "interleaves
 * four" says VECTORS 4, so that every step of the mathematics is issued for four independent vectors. */
#ifndef PEERS_SIMD_H
#define PEERS_SIMD_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#ifndef VECTORS
#define VECTORS 1
#endif

#if WIDTH == 8
typedef __m256 lane_f;
typedef __m256i lane_i;
typedef __m256 lane_mask;
#define LOAD _mm256_loadu_ps
#define STORE _mm256_storeu_ps
#define SET1 _mm256_set1_ps
#define SET1_I _mm256_set1_epi32
#define ADD _mm256_add_ps
#define SUB _mm256_sub_ps
#define MUL _mm256_mul_ps
#define DIV _mm256_div_ps
#define MIN _mm256_min_ps
#define MAX _mm256_max_ps
#define SQRT _mm256_sqrt_ps
#define FMA _mm256_fmadd_ps
#define FNMA _mm256_fnmadd_ps
#define AND _mm256_and_ps
#define OR _mm256_or_ps
#define XOR _mm256_xor_ps
#define ANDNOT _mm256_andnot_ps
#define AS_I _mm256_castps_si256
#define AS_F _mm256_castsi256_ps
#define ADD_I _mm256_add_epi32
#define SUB_I _mm256_sub_epi32
#define AND_I _mm256_and_si256
#define SHL_I _mm256_slli_epi32
#define SHR_I _mm256_srai_epi32
#define TO_FLOAT _mm256_cvtepi32_ps
#define LESS(a, b) _mm256_cmp_ps(a, b, _CMP_LT_OQ)
#define SELECT(mask, yes, no) _mm256_blendv_ps(no, yes, mask)
#else
typedef __m512 lane_f;
typedef __m512i lane_i;
typedef __mmask16 lane_mask;
#define LOAD _mm512_loadu_ps
#define STORE _mm512_storeu_ps
#define SET1 _mm512_set1_ps
#define SET1_I _mm512_set1_epi32
#define ADD _mm512_add_ps
#define SUB _mm512_sub_ps
#define MUL _mm512_mul_ps
#define DIV _mm512_div_ps
#define MIN _mm512_min_ps
#define MAX _mm512_max_ps
#define SQRT _mm512_sqrt_ps
#define FMA _mm512_fmadd_ps
#define FNMA _mm512_fnmadd_ps
#define AND _mm512_and_ps
#define OR _mm512_or_ps
#define XOR _mm512_xor_ps
#define ANDNOT _mm512_andnot_ps
#define AS_I _mm512_castps_si512
#define AS_F _mm512_castsi512_ps
#define ADD_I _mm512_add_epi32
#define SUB_I _mm512_sub_epi32
#define AND_I _mm512_and_si512
#define SHL_I _mm512_slli_epi32
#define SHR_I _mm512_srai_epi32
#define TO_FLOAT _mm512_cvtepi32_ps
#define LESS(a, b) _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ)
#define SELECT(mask, yes, no) _mm512_mask_blend_ps(mask, no, yes)
#endif

#define EACH for (int k = 0; k < VECTORS; k++)
#define STEP (WIDTH * VECTORS) /* elements an iteration */

typedef struct { lane_f v[VECTORS]; } pack;

#define INLINE static inline __attribute__((always_inline))

/* exp(x) for x <= 0; below -87 it stays at about 1e-38.  Degree 5 minimax on [-ln2/2, ln2/2]: 1e-7 relative. */
INLINE pack pack_exp_nonpositive(pack x) {
    const lane_f magic = SET1(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer in the low bits */
    pack n, r, p;
    EACH x.v[k] = MAX(x.v[k], SET1(-87.0f));
    EACH n.v[k] = FMA(x.v[k], SET1(1.44269504f), magic);
    EACH r.v[k] = SUB(n.v[k], magic);
    EACH x.v[k] = FNMA(r.v[k], SET1(0.693145752f), x.v[k]);
    EACH x.v[k] = FNMA(r.v[k], SET1(1.42860677e-6f), x.v[k]);
    EACH p.v[k] = FMA(SET1(0.008312525f), x.v[k], SET1(0.041890115f));
    EACH p.v[k] = FMA(p.v[k], x.v[k], SET1(0.16667114f));
    EACH p.v[k] = FMA(p.v[k], x.v[k], SET1(0.4999923f));
    EACH p.v[k] = FMA(p.v[k], x.v[k], SET1(1.0f));
    EACH p.v[k] = FMA(p.v[k], x.v[k], SET1(1.0f));
    EACH p.v[k] = AS_F(ADD_I(AS_I(p.v[k]), SHL_I(AS_I(n.v[k]), 23)));
    return p;
}

/* log1p(t) + c for t in [sqrt(1/2) - 1, sqrt(2) - 1]: t + t^2 P(t) + c, P minimax of degree 7: 3e-8 relative. */
INLINE pack pack_log1p_core(pack t, pack c) {
    pack p;
    EACH p.v[k] = FMA(SET1(0.08734843f), t.v[k], SET1(-0.14307521f));
    EACH p.v[k] = FMA(p.v[k], t.v[k], SET1(0.14917974f));
    EACH p.v[k] = FMA(p.v[k], t.v[k], SET1(-0.16570508f));
    EACH p.v[k] = FMA(p.v[k], t.v[k], SET1(0.19962072f));
    EACH p.v[k] = FMA(p.v[k], t.v[k], SET1(-0.25001755f));
    EACH p.v[k] = FMA(p.v[k], t.v[k], SET1(0.3333395f));
    EACH p.v[k] = FMA(p.v[k], t.v[k], SET1(-0.4999999f));
    EACH p.v[k] = FMA(MUL(p.v[k], t.v[k]), t.v[k], ADD(t.v[k], c.v[k]));
    return p;
}

/* log1p(e) for e in [0, 1]: t = e below sqrt(2) - 1, and t = (e - 1) / 2, c = ln 2 above. */
INLINE pack pack_log1p_unit(pack e) {
    pack t, c;
    EACH {
        const lane_mask low = LESS(e.v[k], SET1(0.414213562f));
        t.v[k] = SELECT(low, e.v[k], FMA(e.v[k], SET1(0.5f), SET1(-0.5f)));
        c.v[k] = SELECT(low, SET1(0.0f), SET1(0.693147181f));
    }
    return pack_log1p_core(t, c);
}

/* log(x) for normal positive x. */
INLINE pack pack_log(pack x) {
    pack t, c;
    EACH {
        const lane_i scaled = SUB_I(AS_I(x.v[k]), SET1_I(0x3f3504f3)); /* sqrt(1/2) */
        const lane_i mantissa = ADD_I(AND_I(scaled, SET1_I(0x007fffff)), SET1_I(0x3f3504f3));
        c.v[k] = MUL(TO_FLOAT(SHR_I(scaled, 23)), SET1(0.693147181f));
        t.v[k] = SUB(AS_F(mantissa), SET1(1.0f));
    }
    return pack_log1p_core(t, c);
}

/* What the loss needs of the margin u: q = sigma(-u), p = sigma(u), L = -log p.  One exp, one log1p, one division. */
typedef struct { pack p, q, loss; } sigmoid_parts;

INLINE sigmoid_parts sigmoid_of_margin(pack u) {
    sigmoid_parts s;
    pack e, r, er;
    EACH e.v[k] = OR(u.v[k], SET1(-0.0f));
    e = pack_exp_nonpositive(e);
    s.loss = pack_log1p_unit(e);
    EACH r.v[k] = DIV(SET1(1.0f), ADD(e.v[k], SET1(1.0f)));
    EACH er.v[k] = MUL(e.v[k], r.v[k]);
    EACH {
        const lane_mask wrong = LESS(u.v[k], SET1(0.0f));
        s.p.v[k] = SELECT(wrong, er.v[k], r.v[k]);
        s.q.v[k] = SELECT(wrong, r.v[k], er.v[k]);
        s.loss.v[k] = SUB(s.loss.v[k], MIN(u.v[k], SET1(0.0f)));
    }
    return s;
}

/* q^gamma.  The constants are known to the compiler after inlining: half-integers by multiplication and a square root,
 * the rest as exp(-gamma softplus(u)), softplus(u) = L + u. */
INLINE pack modulator(sigmoid_parts s, pack u, float gamma, int half_steps) {
    pack m;
    if (half_steps < 0) {
        EACH m.v[k] = MUL(ADD(s.loss.v[k], u.v[k]), SET1(-gamma));
        return pack_exp_nonpositive(m);
    }
    EACH m.v[k] = half_steps & 1 ? SQRT(s.q.v[k]) : SET1(1.0f);
    for (int i = 0; i < half_steps / 2; i++) EACH m.v[k] = MUL(m.v[k], s.q.v[k]);
    return m;
}

/* Calls body(gamma, half_steps) with half_steps a constant where gamma is one of the usual numbers. */
#define BY_GAMMA(gamma, body)                                                                                          \
    (gamma) == 2.0f ? body(2.0f, 4) : (gamma) == 0.0f ? body(0.0f, 0) : (gamma) == 0.5f ? body(0.5f, 1)                 \
    : (gamma) == 1.0f ? body(1.0f, 2) : (gamma) == 1.5f ? body(1.5f, 3) : (gamma) == 3.0f ? body(3.0f, 6)               \
    : (gamma) == 5.0f ? body(5.0f, 10) : body(gamma, -1)

INLINE pack pack_set(float x) {
    pack p;
    EACH p.v[k] = SET1(x);
    return p;
}
INLINE pack pack_load(const float *from) {
    pack p;
    EACH p.v[k] = LOAD(from + k * WIDTH);
    return p;
}
INLINE void pack_store(float *to, pack p) { EACH STORE(to + k * WIDTH, p.v[k]); }

INLINE float lane_sum(lane_f x) {
#if WIDTH == 8
    const __m128 h = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 q = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
#else
    return _mm512_reduce_add_ps(x);
#endif
}
INLINE float lane_max(lane_f x) {
#if WIDTH == 8
    const __m128 h = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 q = _mm_max_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
#else
    return _mm512_reduce_max_ps(x);
#endif
}
INLINE float pack_sum(pack p) {
    for (int k = 1; k < VECTORS; k++) p.v[0] = ADD(p.v[0], p.v[k]);
    return lane_sum(p.v[0]);
}
INLINE float pack_max(pack p) {
    for (int k = 1; k < VECTORS; k++) p.v[0] = MAX(p.v[0], p.v[k]);
    return lane_max(p.v[0]);
}

#endif
