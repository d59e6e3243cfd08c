/* binary_sleef.c - the peer built on SLEEF's vector mathematics (1.0 ULP versions), AVX2.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>
#include <sleef.h>
#include "peers.h"

static inline __m256 step(__m256 z, __m256 y, __m256 alpha_pos, __m256 alpha_neg, float gamma, __m256 *sum) {
    const __m256 one = _mm256_set1_ps(1.0f), zero = _mm256_setzero_ps(), minus = _mm256_set1_ps(-0.0f);
    const __m256 positive = _mm256_cmp_ps(y, _mm256_set1_ps(0.5f), _CMP_GT_OQ);
    const __m256 sign = _mm256_andnot_ps(positive, minus), u = _mm256_xor_ps(z, sign);
    const __m256 wrong = _mm256_cmp_ps(u, zero, _CMP_LT_OQ);
    const __m256 e = Sleef_expf8_u10avx2(_mm256_or_ps(u, minus));
    const __m256 r = _mm256_div_ps(one, _mm256_add_ps(one, e)), er = _mm256_mul_ps(e, r);
    const __m256 p = _mm256_blendv_ps(r, er, wrong), q = _mm256_blendv_ps(er, r, wrong);
    const __m256 loss = _mm256_sub_ps(Sleef_log1pf8_u10avx2(e), _mm256_min_ps(u, zero));
    const __m256 power = gamma == 2.0f   ? _mm256_mul_ps(q, q)
                         : gamma == 1.5f ? _mm256_mul_ps(q, _mm256_sqrt_ps(q))
                                         : Sleef_powf8_u10avx2(q, _mm256_set1_ps(gamma));
    const __m256 m = _mm256_mul_ps(power, _mm256_blendv_ps(alpha_neg, alpha_pos, positive));
    *sum = _mm256_fmadd_ps(m, loss, *sum);
    const __m256 c = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_set1_ps(gamma), p), loss, q);
    return _mm256_mul_ps(c, _mm256_xor_ps(m, _mm256_xor_ps(sign, minus)));
}

static double sum_of(__m256 v) {
    float a[8];
    double s = 0;
    _mm256_storeu_ps(a, v);
    for (int i = 0; i < 8; i++) s += a[i];
    return s;
}

double binary_sleef_avx2(const float *z, const float *y, float *g, size_t n, float alpha, float gamma) {
    const __m256 alpha_pos = _mm256_set1_ps(alpha < 0 ? 1.0f : alpha);
    const __m256 alpha_neg = _mm256_set1_ps(alpha < 0 ? 1.0f : 1.0f - alpha);
    double total = 0;
    size_t i = 0;
    while (i + 8 <= n) {
        const size_t stop = n - i > 4096 ? i + 4096 : n;
        __m256 sum = _mm256_setzero_ps();
        for (; i + 8 <= stop; i += 8)
            _mm256_storeu_ps(g + i, step(_mm256_loadu_ps(z + i), _mm256_loadu_ps(y + i), alpha_pos, alpha_neg, gamma, &sum));
        total += sum_of(sum);
    }
    if (i < n) { /* the rest, padded with easy negatives whose loss is 0 */
        float zt[8], yt[8], gt[8];
        __m256 sum = _mm256_setzero_ps();
        for (size_t j = 0; j < 8; j++) zt[j] = i + j < n ? z[i + j] : -1000.0f, yt[j] = i + j < n ? y[i + j] : 0.0f;
        _mm256_storeu_ps(gt, step(_mm256_loadu_ps(zt), _mm256_loadu_ps(yt), alpha_pos, alpha_neg, gamma, &sum));
        for (size_t j = 0; i + j < n; j++) g[i + j] = gt[j];
        total += sum_of(sum);
    }
    return total;
}
