/* binary_intrinsics.c - the hand-written peer: intrinsics and polynomials, WIDTH lanes, VECTORS vectors interleaved.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "simd.h"
#include "peers.h"

/* STEP elements from `z` and `y`; the gradient goes to `g`, the summed losses are added to `sum`. */
INLINE void binary_step(const float *z, const float *y, float *g, lane_f alpha_pos, lane_f alpha_neg, float gamma,
                        int half_steps, pack *sum) {
    pack u, sign, a, m, c;
    EACH {
        const lane_f positive = LOAD(y + k * WIDTH);
        const lane_mask is_positive = LESS(SET1(0.5f), positive);
        /* -0.0 where negative: flips the score into the margin, and the gradient back */
        sign.v[k] = SELECT(is_positive, SET1(0.0f), SET1(-0.0f));
        a.v[k] = SELECT(is_positive, alpha_pos, alpha_neg);
        u.v[k] = XOR(LOAD(z + k * WIDTH), sign.v[k]);
    }
    const sigmoid_parts s = sigmoid_of_margin(u);
    m = modulator(s, u, gamma, half_steps);
    EACH m.v[k] = MUL(m.v[k], a.v[k]);
    EACH sum->v[k] = FMA(m.v[k], s.loss.v[k], sum->v[k]);
    /* f' = -m (q + gamma p L); the minus goes into the sign */
    EACH c.v[k] = FMA(MUL(s.p.v[k], SET1(gamma)), s.loss.v[k], s.q.v[k]);
    EACH c.v[k] = MUL(c.v[k], XOR(m.v[k], XOR(sign.v[k], SET1(-0.0f))));
    EACH STORE(g + k * WIDTH, c.v[k]);
}

#define BLOCK 4096 /* float partial sums are added up in double this often */

INLINE double binary_range(const float *z, const float *y, float *g, size_t n, float alpha, float gamma, int half_steps) {
    const lane_f alpha_pos = SET1(alpha < 0 ? 1.0f : alpha), alpha_neg = SET1(alpha < 0 ? 1.0f : 1.0f - alpha);
    double total = 0;
    size_t i = 0;
    while (i + STEP <= n) {
        const size_t stop = n - i > BLOCK ? i + BLOCK : n;
        pack sum = pack_set(0.0f);
        for (; i + STEP <= stop; i += STEP) binary_step(z + i, y + i, g + i, alpha_pos, alpha_neg, gamma, half_steps, &sum);
        total += pack_sum(sum);
    }
    if (i < n) { /* the rest, padded with easy negatives whose loss is 0 */
        float zt[STEP], yt[STEP], gt[STEP];
        pack sum = pack_set(0.0f);
        for (size_t j = 0; j < STEP; j++) zt[j] = i + j < n ? z[i + j] : -1000.0f, yt[j] = i + j < n ? y[i + j] : 0.0f;
        binary_step(zt, yt, gt, alpha_pos, alpha_neg, gamma, half_steps, &sum);
        for (size_t j = 0; i + j < n; j++) g[i + j] = gt[j];
        total += pack_sum(sum);
    }
    return total;
}

double PEER(const float *z, const float *y, float *g, size_t n, float alpha, float gamma) {
#define BODY(gamma, half_steps) binary_range(z, y, g, n, alpha, gamma, half_steps)
    return BY_GAMMA(gamma, BODY);
}
