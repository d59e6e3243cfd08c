/* softmax_intrinsics.c - the hand-written softmax peer: intrinsics and polynomials, WIDTH lanes, VECTORS vectors interleaved.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two forms.  Long rows: vectors run along the classes.  Images and short rows: a vector holds samples, class by class
 * (short rows are transposed into a scratch).  Both take the margin u = z_t - logsumexp of the others, as one does who knows
 * that 1 - p_t must not be computed by subtraction. */
#include <math.h>
#include "simd.h"
#include "peers.h"

#define LONG_ROW 16 /* classes from which a row is worth its own vectors */
#define SHARED_ROW 512 /* classes up to which a step of rows stays in the cache until its margins are known */

INLINE pack exp_below(pack z, pack top) {
    EACH z.v[k] = SUB(z.v[k], top.v[k]);
    return pack_exp_nonpositive(z);
}

/* Loss and -a f'(u) of the margin: what every gradient of the sample is a multiple of. */
INLINE pack slope(pack u, float alpha, float gamma, int half_steps, pack *loss) {
    const sigmoid_parts s = sigmoid_of_margin(u);
    pack c = modulator(s, u, gamma, half_steps);
    EACH {
        const lane_f a = MUL(c.v[k], SET1(alpha));
        loss->v[k] = MUL(a, s.loss.v[k]);
        c.v[k] = MUL(a, FMA(MUL(s.p.v[k], SET1(gamma)), s.loss.v[k], s.q.v[k]));
    }
    return c;
}

/* The last WIDTH classes of a row, which overlap the vector before: `fresh` marks those not yet seen. */
INLINE lane_f last_of(const float *row, size_t classes) { return LOAD(row + classes - WIDTH); }
INLINE lane_f only_fresh(lane_f e, size_t classes) {
    static const float order[2 * WIDTH] = {[WIDTH ... 2 * WIDTH - 1] = 1.0f};
    return MUL(e, LOAD(order + classes % WIDTH));
}

INLINE lane_f exp_of_one(lane_f z, lane_f top) {
    pack x = pack_set(0.0f);
    x.v[0] = SUB(z, top);
    return pack_exp_nonpositive(x).v[0];
}

/* exp(z - top) of the row into g; returns the sum over the classes but the target's. */
INLINE float exponentials(const float *z, int32_t label, float *g, size_t classes, float *highest) {
    pack top = pack_set(-INFINITY), sum = pack_set(0.0f);
    size_t j = 0;
    for (; j + STEP <= classes; j += STEP) EACH top.v[k] = MAX(top.v[k], LOAD(z + j + k * WIDTH));
    for (; j + WIDTH <= classes; j += WIDTH) top.v[0] = MAX(top.v[0], LOAD(z + j));
    top.v[0] = MAX(top.v[0], last_of(z, classes));
    *highest = pack_max(top);
    top = pack_set(*highest);
    for (j = 0; j + STEP <= classes; j += STEP) {
        const pack e = exp_below(pack_load(z + j), top);
        pack_store(g + j, e);
        EACH sum.v[k] = ADD(sum.v[k], e.v[k]);
    }
    for (; j + WIDTH <= classes; j += WIDTH) {
        const lane_f e = exp_of_one(LOAD(z + j), top.v[0]);
        STORE(g + j, e);
        sum.v[0] = ADD(sum.v[0], e);
    }
    if (classes % WIDTH) {
        const lane_f e = exp_of_one(last_of(z, classes), top.v[0]);
        STORE(g + classes - WIDTH, e);
        sum.v[0] = ADD(sum.v[0], only_fresh(e, classes));
    }
    const float all = pack_sum(sum);
    float others = all - g[label];
    if (others < 0.25f * all) { /* the target dominates: add the others up without it */
        others = 0;
        for (size_t i = 0; i < classes; i++) others += i == (size_t)label ? 0.0f : g[i];
    }
    return fmaxf(others, 1e-37f);
}

INLINE void scale(float *g, size_t classes, float by) {
    const lane_f last = MUL(last_of(g, classes), SET1(by));
    size_t j = 0;
    for (; j + WIDTH <= classes; j += WIDTH) STORE(g + j, MUL(LOAD(g + j), SET1(by)));
    if (classes % WIDTH) STORE(g + classes - WIDTH, last);
}

/* `count` rows, at most STEP: their margins share a vector. */
INLINE double long_rows(const float *z, const int32_t *labels, float *g, size_t classes, size_t count, float alpha,
                        float gamma, int half_steps) {
    float target[STEP] = {0}, top[STEP] = {0}, others[STEP], loss_of[STEP], slope_of[STEP];
    for (size_t i = 0; i < STEP; i++) others[i] = 1.0f;
    for (size_t i = 0; i < count; i++) {
        target[i] = z[i * classes + (size_t)labels[i]];
        others[i] = exponentials(z + i * classes, labels[i], g + i * classes, classes, top + i);
    }
    pack u = pack_load(target), loss;
    const pack t = pack_load(top), l = pack_log(pack_load(others));
    EACH u.v[k] = SUB(SUB(u.v[k], t.v[k]), l.v[k]);
    pack_store(slope_of, slope(u, alpha, gamma, half_steps, &loss));
    pack_store(loss_of, loss);
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        scale(g + i * classes, classes, slope_of[i] / others[i]);
        g[i * classes + (size_t)labels[i]] = -slope_of[i];
        sum += loss_of[i];
    }
    return sum;
}

#define MAX_SCRATCH 512 /* classes that the scratch holds; more in images, or in rows under LONG_ROW, are not handled */

/* STEP samples whose scores stand class by class in `x`, which the gradients replace; only `count` of them are real. */
INLINE double samples(float *x, const int32_t *labels, size_t classes, size_t count, pack top, float alpha, float gamma,
                      int half_steps) {
    float target[STEP], lanes[STEP];
    for (size_t i = 0; i < STEP; i++) target[i] = x[(i < count ? (size_t)labels[i] : 0) * STEP + i];
    for (size_t i = 0; i < count; i++) x[(size_t)labels[i] * STEP + i] = -INFINITY; /* exp of it is as good as nothing */
    pack others = pack_set(1e-37f), loss;
    for (size_t j = 0; j < classes; j++) {
        const pack e = exp_below(pack_load(x + j * STEP), top);
        EACH others.v[k] = ADD(others.v[k], e.v[k]);
        pack_store(x + j * STEP, e);
    }
    pack u = pack_load(target);
    const pack log_others = pack_log(others);
    EACH u.v[k] = SUB(SUB(u.v[k], top.v[k]), log_others.v[k]);
    const pack c = slope(u, alpha, gamma, half_steps, &loss);
    pack each;
    EACH each.v[k] = DIV(c.v[k], others.v[k]);
    for (size_t j = 0; j < classes; j++) EACH STORE(x + j * STEP + k * WIDTH, MUL(LOAD(x + j * STEP + k * WIDTH), each.v[k]));
    pack_store(lanes, c);
    for (size_t i = 0; i < count; i++) x[(size_t)labels[i] * STEP + i] = -lanes[i];
    pack_store(lanes, loss);
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += lanes[i];
    return sum;
}

/* STEP samples side by side, their classes `stride` apart: an image's pixels. */
INLINE double pixels(const float *z, size_t stride, const int32_t *labels, float *g, size_t classes, float alpha,
                     float gamma, int half_steps) {
    float x[MAX_SCRATCH * STEP];
    pack top = pack_set(-INFINITY);
    for (size_t j = 0; j < classes; j++) {
        const pack p = pack_load(z + j * stride);
        EACH top.v[k] = MAX(top.v[k], p.v[k]);
        pack_store(x + j * STEP, p);
    }
    const double sum = samples(x, labels, classes, STEP, top, alpha, gamma, half_steps);
    for (size_t j = 0; j < classes; j++) pack_store(g + j * stride, pack_load(x + j * STEP));
    return sum;
}

/* `count` samples that stand `step` apart with classes `stride` apart, transposed one by one. */
INLINE double gathered(const float *z, size_t step, size_t stride, const int32_t *labels, float *g, size_t classes,
                       size_t count, float alpha, float gamma, int half_steps) {
    float x[MAX_SCRATCH * STEP];
    pack top = pack_set(-INFINITY);
    for (size_t i = 0; i < STEP; i++)
        for (size_t j = 0; j < classes; j++) x[j * STEP + i] = i < count ? z[i * step + j * stride] : 0.0f;
    for (size_t j = 0; j < classes; j++) EACH top.v[k] = MAX(top.v[k], LOAD(x + j * STEP + k * WIDTH));
    const double sum = samples(x, labels, classes, count, top, alpha, gamma, half_steps);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < classes; j++) g[i * step + j * stride] = x[j * STEP + i];
    return sum;
}

INLINE double range(const float *z, const int32_t *labels, float *g, size_t classes, size_t inner, size_t first,
                    size_t count, float alpha, float gamma, int half_steps) {
    double total = 0;
    for (size_t s = first, stop = first + count; s < stop;) {
        const size_t pixel = s % inner, at = s / inner * classes * inner + pixel;
        const size_t left = inner == 1 || inner - pixel > stop - s ? stop - s : inner - pixel;
        const size_t step = inner == 1 ? classes : 1, rows = classes <= SHARED_ROW ? STEP : 1;
        size_t width = left < STEP ? left : STEP;
        if (inner == 1 && classes >= LONG_ROW)
            total += long_rows(z + at, labels + s, g + at, classes, width = left < rows ? left : rows, alpha, gamma, half_steps);
        else if (classes > MAX_SCRATCH)
            return NAN;
        else if (inner > 1 && width == STEP)
            total += pixels(z + at, inner, labels + s, g + at, classes, alpha, gamma, half_steps);
        else
            total += gathered(z + at, step, inner, labels + s, g + at, classes, width, alpha, gamma, half_steps);
        s += width;
    }
    return total;
}

double PEER(const float *z, const int32_t *labels, float *g, size_t classes, size_t inner, size_t first, size_t count,
            float alpha, float gamma) {
#define BODY(gamma, half_steps) range(z, labels, g, classes, inner, first, count, alpha, gamma, half_steps)
    return BY_GAMMA(gamma, BODY);
}
