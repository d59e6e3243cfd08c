/* binary_libmvec.c - the peer that leaves everything to the compiler: plain C for gcc -O3 -ffast-math, whose vectoriser calls
 * the C library's vector mathematics (libmvec).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include "peers.h"

#define INLINE static inline __attribute__((always_inline))

INLINE double binary_range(const float *restrict z, const float *restrict y, float *restrict g, size_t n, float alpha,
                           float gamma, int half_steps) {
    const float alpha_pos = alpha < 0 ? 1.0f : alpha, alpha_neg = alpha < 0 ? 1.0f : 1.0f - alpha;
    double total = 0;
    for (size_t start = 0; start < n; start += 4096) {
        const size_t stop = n - start > 4096 ? start + 4096 : n;
        float sum = 0;
#pragma GCC ivdep
        for (size_t i = start; i < stop; i++) {
            const float s = 2.0f * y[i] - 1.0f, u = s * z[i], a = y[i] > 0.5f ? alpha_pos : alpha_neg;
            const float e = expf(-fabsf(u)), r = 1.0f / (1.0f + e);
            const float p = u < 0 ? e * r : r, q = u < 0 ? r : e * r;
            const float loss = log1pf(e) - fminf(u, 0.0f);
            float m = half_steps < 0 ? a * powf(q, gamma) : half_steps & 1 ? a * sqrtf(q) : a;
            for (int k = 0; k < half_steps / 2; k++) m *= q;
            sum += m * loss;
            g[i] = -s * m * (q + gamma * p * loss);
        }
        total += sum;
    }
    return total;
}

double PEER(const float *z, const float *y, float *g, size_t n, float alpha, float gamma) {
    if (gamma == 2.0f) return binary_range(z, y, g, n, alpha, 2.0f, 4);
    if (gamma == 1.5f) return binary_range(z, y, g, n, alpha, 1.5f, 3);
    return binary_range(z, y, g, n, alpha, gamma, -1);
}
