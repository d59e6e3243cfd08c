/* The losses of focalloss.h for one element (sigmoid) or sample (softmax), from their definitions, in double, with first
 * and second derivatives by jets (value, d, dd through every operation): no derivative formula of the library is here.
 *
 * Covers the calls that reference_covers names; the arbitrary-precision reference in Tests/reference covers the rest.
 * It looks for wrong answers, not for inexact ones: that is accuracy.c's work.
 */
#ifndef REFERENCE_H
#define REFERENCE_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "calls.h"

struct jet {
    double v, d, dd;
};

static inline struct jet jet_number(double v)
{
    return (struct jet){v, 0, 0};
}

static inline struct jet jet_add(struct jet a, struct jet b)
{
    return (struct jet){a.v + b.v, a.d + b.d, a.dd + b.dd};
}

static inline struct jet jet_scale(double k, struct jet a)
{
    return (struct jet){k * a.v, k * a.d, k * a.dd};
}

static inline struct jet jet_multiply(struct jet a, struct jet b)
{
    return (struct jet){a.v * b.v, a.d * b.v + a.v * b.d, a.dd * b.v + 2 * a.d * b.d + a.v * b.dd};
}

static inline struct jet jet_exp(struct jet a)
{
    double e = exp(a.v);
    return (struct jet){e, e * a.d, e * (a.dd + a.d * a.d)};
}

static inline struct jet jet_log(struct jet a)
{
    return (struct jet){log(a.v), a.d / a.v, a.dd / a.v - a.d * a.d / (a.v * a.v)};
}

/* log(1 + e^x) */
static inline struct jet jet_softplus(struct jet x)
{
    double tail = exp(-fabs(x.v)), p = x.v < 0 ? tail / (1 + tail) : 1 / (1 + tail), q = x.v < 0 ? 1 / (1 + tail) : tail / (1 + tail);
    return (struct jet){(x.v > 0 ? x.v : 0) + log1p(tail), p * x.d, p * x.dd + p * q * x.d * x.d};
}

/* m^gamma from log m */
static inline struct jet jet_power(struct jet log_m, double gamma)
{
    return gamma == 0 ? jet_number(1) : jet_exp(jet_scale(gamma, log_m));
}

/* One element's loss, as jets in its logit.  y: the target after smoothing; at: weight of the pair (positive, negative). */
static inline struct jet reference_sigmoid(double z, double y, double gamma, double alpha, double pos, double neg, int32_t rule)
{
    struct jet x = {z, 1, 0}, minus = {-z, -1, 0};
    struct jet positive = jet_softplus(minus), negative = jet_softplus(x); /* -log p, -log q */
    struct jet log_p = jet_scale(-1, positive), log_q = jet_scale(-1, negative);
    double a1 = alpha == FOCAL_ALPHA_OFF ? 1 : alpha, a0 = alpha == FOCAL_ALPHA_OFF ? 1 : 1 - alpha;
    struct jet ce = jet_add(jet_scale(y * pos, positive), jet_scale((1 - y) * neg, negative)), log_m;
    if (y == 0 || y == 1 || rule == FOCAL_SOFT_MIXTURE) {
        struct jet one = jet_multiply(jet_power(log_q, gamma), positive), zero = jet_multiply(jet_power(log_p, gamma), negative);
        if (y == 1)
            return jet_scale(a1 * pos, one);
        if (y == 0)
            return jet_scale(a0 * neg, zero);
        return jet_add(jet_scale(y * a1 * pos, one), jet_scale((1 - y) * a0 * neg, zero));
    }
    struct jet p = jet_exp(log_p), q = jet_exp(log_q);
    if (rule == FOCAL_SOFT_QUALITY) {
        double sign = y > p.v ? 1 : -1;
        log_m = jet_log(jet_scale(sign, jet_add(jet_number(y), jet_scale(-1, p))));
    } else
        log_m = jet_log(jet_add(jet_scale(y, q), jet_scale(1 - y, p)));
    return jet_scale(y * a1 + (1 - y) * a0, jet_multiply(jet_power(log_m, gamma), ce));
}

/* The focal term of the margin u = z_t - logsumexp of the others, as jets in one score of which u has derivatives d, dd. */
static inline struct jet reference_term(struct jet u, double gamma)
{
    struct jet loss = jet_softplus(jet_scale(-1, u)), log_q = jet_scale(-1, jet_softplus(u));
    return jet_multiply(jet_power(log_q, gamma), loss);
}

enum { REFERENCE_CLASSES = 21 }; /* the work grows with the third power */

/* The margin of class t as a jet in score j: u = z_t - logsumexp_{k != t}(z_k). */
static inline struct jet reference_margin(const double *z, int k, int t, int j)
{
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < k; i++)
        most = i != t && z[i] > most ? z[i] : most;
    for (int i = 0; i < k; i++)
        sum += i != t ? exp(z[i] - most) : 0;
    double r = j != t ? exp(z[j] - most) / sum : 0;
    struct jet u = {z[t] - most - log(sum), j == t ? 1 : -r, j == t ? 0 : -r * (1 - r)};
    return u;
}

/* A sample's loss under targets y (one-hot for a label), as a jet in score j. */
static inline struct jet reference_softmax(const double *z, const double *y, int k, int j, double gamma, const double *alphas,
                                           double alpha, int32_t rule)
{
    struct jet total = {0, 0, 0}, rest = {0, 0, 0};
    if (k == 1)
        return total;
    for (int t = 0; t < k; t++) {
        struct jet u = reference_margin(z, k, t, j), loss = jet_softplus(jet_scale(-1, u)), p = jet_exp(jet_scale(-1, loss));
        double a = alphas ? alphas[t] : alpha == FOCAL_ALPHA_OFF ? 1 : alpha;
        rest = jet_add(rest, jet_scale(1 - y[t], p)); /* 1 - sum y p, as the sum of p is 1 */
        if (y[t] != 0)
            total = jet_add(total, jet_scale(y[t] * a, rule == FOCAL_SOFT_MIXTURE ? reference_term(u, gamma) : loss));
    }
    if (rule == FOCAL_SOFT_MIXTURE)
        return total;
    if (rest.v <= 0 && gamma > 0)
        return jet_number(0); /* every class is a target */
    return jet_multiply(jet_power(jet_log(rest), gamma), total);
}

/* ---- A whole call ------------------------------------------------------------------------------------------------ */

static inline int reference_covers(const struct call *c)
{
    const focal_args *a = &c->args;
    int labels = a->target_kind == FOCAL_TARGETS_LABELS;
    int ignores = a->ignore_mask || a->ignore_index != FOCAL_LABEL_NONE || a->background_label != FOCAL_LABEL_NONE;
    int smooths_entropy = a->label_smoothing != 0 && a->smoothing_rule == FOCAL_SMOOTHING_CE;
    if (a->grad == a->scores || a->accumulate || a->upstream || a->reduction == FOCAL_REDUCTION_MEAN || ignores || smooths_entropy)
        return 0;
    if (c->entry == CALL_SIGMOID)
        return a->input == FOCAL_INPUT_LOGITS;
    return c->entry == CALL_SOFTMAX && (labels || !a->class_weights) && a->classes <= REFERENCE_CLASSES;
}

/* A target of one of so many classes, smoothed. */
static inline double reference_target(const focal_args *a, double y, int64_t classes)
{
    return (1 - a->label_smoothing) * y + a->label_smoothing / (double)classes;
}

/* The dtype of the outputs, and how far an answer may lie from the reference, relative to its size. */
static inline int32_t reference_out_dtype(const focal_args *a)
{
    return a->out_dtype ? a->out_dtype : a->score_dtype;
}

static inline double reference_tolerance(const focal_args *a)
{
    static const double by_dtype[] = {0, 2e-5, 1e-11, 1e-2, 2e-3};
    double computed = a->score_dtype == FOCAL_DTYPE_F64 ? 1e-11 : 2e-5, stored = by_dtype[reference_out_dtype(a)];
    return computed > stored ? computed : stored;
}

/* size: of the terms that were added up; least: what the format cannot tell from 0. */
static inline int reference_near(const focal_args *a, double got, double wanted, double size)
{
    double least = reference_out_dtype(a) == FOCAL_DTYPE_F16 ? 1e-6 : 1e-36, most = 6.5e4;
    if (reference_out_dtype(a) == FOCAL_DTYPE_F16 && fabs(wanted) > most)
        return fabs(got) >= most;
    return fabs(got - wanted) <= reference_tolerance(a) * (size + fabs(wanted)) + least;
}

struct reference_wanted {
    double loss, grad, hess, size;
};

static inline struct reference_wanted reference_finish(const focal_args *a, struct jet f, double weight)
{
    double scale = weight * a->grad_scale, h = scale * a->hessian_scale * (a->hessian == FOCAL_HESSIAN_ABSOLUTE ? fabs(f.dd) : f.dd);
    if (a->hessian_floor > h)
        h = a->hessian_floor;
    double most = fabs(weight) * (fabs(a->grad_scale) * (1 + fabs(a->hessian_scale)) + 1);
    struct reference_wanted w = {weight * f.v, scale * f.d, h, most * (fabs(f.v) + fabs(f.d) + fabs(f.dd)) * (1 + a->gamma)};
    return w;
}

/* Compares element i's gradient and Hessian, and the loss at loss_at; 0 and a message if one differs. */
static inline int reference_element(const struct call *c, int64_t i, int64_t loss_at, struct reference_wanted w, char *message)
{
    const focal_args *a = &c->args;
    int32_t dtype = reference_out_dtype(a);
    const struct {
        const char *name;
        const void *data;
        int64_t at;
        double wanted;
    } outputs[] = {{"loss", a->loss, loss_at, w.loss},
                   {"grad", a->grad, i, w.grad},
                   {"hess", a->hessian == FOCAL_HESSIAN_GAUSS_NEWTON ? NULL : a->hess, i, w.hess}};
    for (int o = 0; o < 3; o++) {
        if (!outputs[o].data)
            continue;
        double got = call_load(outputs[o].data, dtype, outputs[o].at);
        if (!reference_near(a, got, outputs[o].wanted, w.size)) {
            snprintf(message, 200, "%s %s[%lld] is %.15g, the definition gives %.15g", call_name(c->entry), outputs[o].name,
                     (long long)outputs[o].at, got, outputs[o].wanted);
            return 0;
        }
    }
    return 1;
}

/* Numbers for which the definition in double is exact enough: no infinity, no overflow on the way. */
static inline int reference_tame(double z)
{
    return fabs(z) < 80;
}

static inline int reference_check_sigmoid(const struct call *c, char *message)
{
    const focal_args *a = &c->args;
    int64_t k = a->classes, inner = a->inner, n = a->outer * k * inner;
    for (int64_t i = 0; i < n; i++) {
        int64_t column = i / inner % k, sample = i / (inner * k) * inner + i % inner;
        double z = call_load(a->scores, a->score_dtype, i), pos = a->pos_weights ? a->pos_weights[column] : a->pos_weight;
        double y = a->target_kind == FOCAL_TARGETS_DENSE ? call_load(a->targets, a->target_dtype, i)
                                                         : call_load(a->targets, a->target_dtype, sample) == (double)column;
        y = reference_target(a, y, 2);
        double weight = a->class_weights ? a->class_weights[column] : 1;
        if (a->weights)
            weight *= call_load(a->weights, a->weight_dtype, a->weight_layout == FOCAL_WEIGHTS_ELEMENT ? i : sample);
        if (!reference_tame(z))
            continue;
        if (a->soft_rule == FOCAL_SOFT_QUALITY && y > 0 && y < 1 && fabs(y - 1 / (1 + exp(-z))) < .01)
            continue; /* |y - p| near its kink: the derivatives jump or grow without bound */
        struct jet f = reference_sigmoid(z, y, a->gamma, a->alphas ? a->alphas[column] : a->alpha, pos, a->neg_weight,
                                         a->soft_rule);
        if (!reference_element(c, i, i, reference_finish(a, f, weight), message))
            return 0;
    }
    return 1;
}

static inline int reference_check_softmax(const struct call *c, char *message)
{
    const focal_args *a = &c->args;
    int64_t k = a->classes, inner = a->inner;
    for (int64_t sample = 0; sample < a->outer * inner; sample++) {
        double z[REFERENCE_CLASSES], y[REFERENCE_CLASSES], weight = 1, gamma = a->gamma;
        int64_t first = sample / inner * inner * k + sample % inner;
        int tame = 1;
        for (int64_t j = 0; j < k; j++) {
            z[j] = call_load(a->scores, a->score_dtype, first + j * inner);
            y[j] = a->target_kind == FOCAL_TARGETS_DENSE ? call_load(a->targets, a->target_dtype, first + j * inner)
                                                         : call_load(a->targets, a->target_dtype, sample) == (double)j;
            y[j] = reference_target(a, y[j], k);
            tame &= reference_tame(z[j]);
        }
        if (a->target_kind == FOCAL_TARGETS_LABELS) {
            int64_t label = (int64_t)call_load(a->targets, a->target_dtype, sample);
            weight = a->class_weights ? a->class_weights[label] : 1;
            gamma = a->gammas ? a->gammas[label] : gamma;
        }
        if (a->weights)
            weight *= call_load(a->weights, a->weight_dtype, sample);
        for (int64_t j = 0; j < k && tame; j++) {
            struct jet f = reference_softmax(z, y, (int)k, (int)j, gamma, a->alphas, a->alpha, a->soft_rule);
            if (!reference_element(c, first + j * inner, sample, reference_finish(a, f, weight), message))
                return 0;
        }
    }
    return 1;
}

/* 0 and a message if an output is not what the definition gives. */
static inline int reference_check(const struct call *c, char *message)
{
    return c->entry == CALL_SIGMOID ? reference_check_sigmoid(c, message) : reference_check_softmax(c, message);
}

#endif
