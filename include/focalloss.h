/* focalloss.h - focal losses, their gradients and Hessians, over buffers that the caller owns.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The focal loss (Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, arXiv:1708.02002) is the
 * cross-entropy with its easy examples turned down:
 *
 *     loss = -alpha_t (1 - p_t)^gamma log(p_t)
 *
 * Two families, never to be confused:
 *
 *     focal_sigmoid   every score is a binary problem of its own; p_t = sigma(z) or 1 - sigma(z).  Integer labels over
 *                     K columns make it K one-vs-rest problems (RetinaNet's classification loss).
 *     focal_softmax   the K scores of a sample are one distribution; p_t is the softmax at the target class.
 *
 * FIVE MINUTES
 *
 *     float z[3] = {2.0f, -1.0f, 0.5f}, y[3] = {1, 0, 1}, grad[3], loss;
 *     if (focal_sigmoid_loss_f32(z, y, 3, 0.25, 2.0, FOCAL_REDUCTION_MEAN, &loss, grad) != FOCAL_OK)
 *         fprintf(stderr, "%s\n", focal_last_error());
 *
 * Everything else is one descriptor away:
 *
 *     focal_args a;
 *     focal_args_init(&a, sizeof a);
 *     a.outer = n;  a.scores = z;  a.targets = y;  a.grad = g;  a.hess = h;
 *     a.gamma = 2.0;  a.hessian = FOCAL_HESSIAN_GAUSS_NEWTON;
 *     status = focal_sigmoid(&a);
 *
 * PROMISES
 *
 *   Status    Every computing call returns FOCAL_OK or an error code; focal_last_error() then says what and where.  On
 *             an error nothing has been written to any output.  No call prints, aborts, throws or allocates.
 *   Numbers   float32 loss and gradient lie within 4 ULP of the true value for gamma in {0, .5, 1, 1.5, 2, 3, 5} and
 *             4 + 2 gamma otherwise, over every finite logit (or within FLT_MIN absolutely); 4 + gamma more for the softmax
 *             (the other classes' exponentials are rounded before q^gamma multiplies their error), 2 more on the x86-64
 *             baseline, which has no FMA; float64 likewise in its own ULP.  A Hessian lies within 8 eps (FLT_EPSILON,
 *             DBL_EPSILON) of the sum of its terms' sizes, or within FLT_MIN (1 + 2g + gL).  Weights, alpha, scales and
 *             upstream gradients add one ULP each: a product keeps the relative error and rounds once more.  bfloat16 and
 *             float16 scores are computed in float32 and rounded once, to nearest even: within .51 ULP of the short type
 *             where that alone is the error.  See DERIVATIVES below for the formulas.
 *   Bits      Results do not depend on the number of threads, on alignment, on where in a buffer an element stands or on
 *             the vector width: CPUs with FMA agree bit for bit (of a NaN neither sign nor payload is promised).
 *   Memory    Only the stated buffers are touched.  Any alignment will do.  `grad` may be exactly `scores` (in place),
 *             and so may `loss` where it has the scores' shape; every other overlap of an output is an error.
 *   Threads   Every function may be called from any threads at once.  The first call that is large enough starts a pool;
 *             loading starts nothing.  fork() is safe before, during and after any call, in parent and child.
 *   FP state  Calls compute in round-to-nearest with exceptions masked and without FTZ/DAZ whatever the caller has set,
 *             and leave the caller's control and status bits as they were.
 *   ABI       Within a major version, fields are only appended to focal_args (struct_size tells), and constants keep
 *             their values.
 *
 * DERIVATIVES
 *
 * With s = +1 for a positive and -1 for a negative, u = s z, p = sigma(u) = p_t, q = sigma(-u) = 1 - p_t and
 * L = softplus(-u) = -log p_t:
 *
 *     f   =  q^g L                                       loss  = a f(u)
 *     f'  = -q^g (q + g p L)                             grad  = s a f'(u)
 *     f'' =  q^g p (q (1 + 2 g) + g L (g p - q))         hess  = a f''(u)
 *
 * Softmax is the same function of the margin u = z_t - logsumexp_{k != t}(z_k); with r_k the softmax over k != t:
 *
 *     grad_t = a f'(u)       grad_k = -a f'(u) r_k
 *     H_tt   = a f''(u)      H_kk   =  a (f''(u) r_k^2 - f'(u) r_k (1 - r_k))
 *
 * f'' is negative where p_t is small (below .0578 at gamma 2), so boosters want another matrix: see FOCAL_HESSIAN_*.
 */
#ifndef FOCALLOSS_H
#define FOCALLOSS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef FOCALLOSS_API
#if defined(__GNUC__) || defined(__clang__)
#define FOCALLOSS_API __attribute__((visibility("default")))
#else
#define FOCALLOSS_API
#endif
#endif

/* ---- Version ---------------------------------------------------------------------------------------------------- */

#define FOCAL_VERSION_MAJOR 0
#define FOCAL_VERSION_MINOR 1
#define FOCAL_VERSION_PATCH 0
#define FOCAL_VERSION_STRING "0.1.0"
#define FOCAL_ABI_VERSION 0 /* the number in libfocalloss.so.0 */

/* ---- Status codes ----------------------------------------------------------------------------------------------- */

#define FOCAL_OK 0
#define FOCAL_ERROR_NULL 1        /* a pointer that is needed is NULL */
#define FOCAL_ERROR_SIZE 2        /* a size is negative or overflows, or struct_size is not one this library knows */
#define FOCAL_ERROR_VALUE 3       /* a number is outside its range: gamma, alpha, a weight, a divisor, ... */
#define FOCAL_ERROR_OPTION 4      /* a constant that this header does not name */
#define FOCAL_ERROR_TARGET 5      /* a target or label is outside its range */
#define FOCAL_ERROR_OVERLAP 6     /* an output overlaps another buffer */
#define FOCAL_ERROR_UNSUPPORTED 7 /* options that are each valid and have no meaning together */
#define FOCAL_ERROR_ISA 8         /* an instruction set that this CPU or this build lacks */

/* ---- Options ---------------------------------------------------------------------------------------------------- */

/* Element types.  U8 serves bool arrays too. */
#define FOCAL_DTYPE_F32 1
#define FOCAL_DTYPE_F64 2
#define FOCAL_DTYPE_BF16 3
#define FOCAL_DTYPE_F16 4
#define FOCAL_DTYPE_U8 5
#define FOCAL_DTYPE_I32 6
#define FOCAL_DTYPE_I64 7

/* What the scores are.  Derivatives are with respect to what was given.  [focal_sigmoid] */
#define FOCAL_INPUT_LOGITS 0
#define FOCAL_INPUT_PROBABILITIES 1 /* in [0, 1]; exactly 0 and 1 behave as the limit unless `clip` says otherwise */

/* How targets are laid out. */
#define FOCAL_TARGETS_DENSE 0  /* [outer, classes, inner], each in [0, 1]; integer types: 0 or 1 */
#define FOCAL_TARGETS_LABELS 1 /* [outer, inner], an integer in [0, classes), `background_label` or `ignore_index` */

/* What a target strictly between 0 and 1 means: seven libraries give seven losses, so the rule has a name.
 *
 *              focal_sigmoid, p = sigma(z)                            focal_softmax, targets y_k of a sample
 * INTERPOLATE  alpha_t (1 - p_t)^g CE(p, y),                          (1 - sum y_k p_k)^g sum y_k a_k (-log p_k)
 *              p_t = y p + (1-y)(1-p), alpha_t likewise
 * MIXTURE      y F_1 + (1 - y) F_0, the two hard losses               sum y_k a_k (1 - p_k)^g (-log p_k)
 * QUALITY      alpha_t |y - p|^g CE(p, y)  (QFL, arXiv:2006.04388)    not defined: FOCAL_ERROR_UNSUPPORTED
 *
 * pos_weight and neg_weight stand inside CE: y pos_weight (-log p) + (1 - y) neg_weight (-log(1 - p)).
 * All rules agree on hard targets, and at gamma = 0 with alpha off all are the (weighted) cross-entropy. */
#define FOCAL_SOFT_INTERPOLATE 0
#define FOCAL_SOFT_MIXTURE 1
#define FOCAL_SOFT_QUALITY 2

/* Which of the two known rules `label_smoothing` e follows; both smooth towards the uniform distribution.
 * TARGETS  the target itself: y (1 - e) + e/2 (sigmoid), y_k (1 - e) + e/K (softmax), then the soft rule.
 * CE       only the cross-entropy factor; modulator and alpha keep the hard target (apex, efficientdet). */
#define FOCAL_SMOOTHING_TARGETS 0
#define FOCAL_SMOOTHING_CE 1

/* Shape of `weights`. */
#define FOCAL_WEIGHTS_SAMPLE 0  /* [outer, inner] */
#define FOCAL_WEIGHTS_ELEMENT 1 /* [outer, classes, inner]  [focal_sigmoid] */

/* Reduction.  `loss` keeps its full length and stays unreduced whatever this says; `reduced_loss`, `grad` and `hess`
 * are those of the reduced loss. */
#define FOCAL_REDUCTION_NONE 0
#define FOCAL_REDUCTION_SUM 1
#define FOCAL_REDUCTION_MEAN 2 /* the sum over the divisor; 0 where the divisor is 0 */

/* What MEAN divides by.  An element is a score (sigmoid) or a sample (softmax). */
#define FOCAL_DIVISOR_VALID 0     /* elements that are not ignored */
#define FOCAL_DIVISOR_ELEMENTS 1  /* all elements, ignored ones included */
#define FOCAL_DIVISOR_WEIGHTS 2   /* sum of weights over valid elements: weights x class_weights (sigmoid), and x alpha
                                     of the target (softmax: torch's weighted mean) */
#define FOCAL_DIVISOR_POSITIVES 3 /* sum of valid targets, at least 1: the number of positives.  Softmax: the number of
                                     valid samples whose label is not `background_label`, at least 1 */
#define FOCAL_DIVISOR_VALUE 4     /* `divisor_value`: the caller's own (all-reduced over machines, say) */

/* Second derivatives. */
#define FOCAL_HESSIAN_EXACT 0        /* may be negative */
#define FOCAL_HESSIAN_ABSOLUTE 1     /* |exact| */
#define FOCAL_HESSIAN_GAUSS_NEWTON 2 /* never negative: a A p_j (1 - p_j) with A = q^g + g q^(g-1) p_t L.  Over
                                        probabilities the loss is convex and this is the exact one. */

/* Whether dense targets are checked before the first write (one more read of them). */
#define FOCAL_TARGETS_CHECKED 0
#define FOCAL_TARGETS_TRUSTED 1 /* the caller knows that they are in [0, 1]; others give unspecified numbers */

/* Values that switch an option off. */
#define FOCAL_ALPHA_OFF (-1.0)
#define FOCAL_LABEL_NONE INT64_MIN
#define FOCAL_FLOOR_OFF (-1.7976931348623157e308)

/* ---- The descriptor --------------------------------------------------------------------------------------------- */

/* Runs task(task_context, 0 .. count-1), each exactly once, in any order on any threads, and returns when all are done:
 * a caller's own parallel-for, used instead of the library's pool. */
typedef void (*focal_task)(void *task_context, int64_t index);
typedef void (*focal_parallel_for)(void *context, int64_t count, focal_task task, void *task_context);

/* One call's arguments.  focal_args_init gives every field its default (in brackets); set what differs.
 *
 * Scores are [outer, classes, inner] in C order, so that every common layout is a matter of three numbers:
 *     n independent scores     outer n,  classes 1,  inner 1        (N, K) rows           outer N,  classes K,  inner 1
 *     (N, C, H, W) images      outer N,  classes C,  inner H*W      class-major (K, N)    outer 1,  classes K,  inner N
 * A size of 0 in outer or inner is valid: nothing is computed, a reduced loss is 0.
 */
typedef struct focal_args {
    uint32_t struct_size; /* sizeof(focal_args) of the caller's header; set by focal_args_init */
    int32_t threads;      /* [0] threads for this call; 0: the library's setting, see focal_set_num_threads */

    /* Shape and scores */
    int64_t outer;       /* [0] */
    int64_t classes;     /* [1] K >= 1 */
    int64_t inner;       /* [1] */
    const void *scores;  /* [NULL] [outer, classes, inner] of score_dtype */
    int32_t score_dtype; /* [FOCAL_DTYPE_F32] F32, F64, BF16 or F16 */
    int32_t input;       /* [FOCAL_INPUT_LOGITS] */
    double clip;         /* [0] probabilities are clipped to [clip, 1 - clip]; in [0, .5); the gradient is 0 outside */

    /* Targets */
    const void *targets;      /* [NULL] shape and meaning by target_kind */
    int32_t target_dtype;     /* [FOCAL_DTYPE_F32] F32, F64, U8, I32 or I64; labels: U8, I32 or I64 */
    int32_t target_kind;      /* [FOCAL_TARGETS_DENSE] */
    int32_t target_check;     /* [FOCAL_TARGETS_CHECKED] labels are always checked */
    int32_t soft_rule;        /* [FOCAL_SOFT_INTERPOLATE] */
    int32_t smoothing_rule;   /* [FOCAL_SMOOTHING_TARGETS] */
    int32_t weight_layout;    /* [FOCAL_WEIGHTS_SAMPLE] */
    int64_t ignore_index;     /* [FOCAL_LABEL_NONE] a label, or a dense sigmoid target, of this value is ignored: it
                                 writes 0 to loss, grad and hess and leaves the divisor */
    int64_t background_label; /* [FOCAL_LABEL_NONE] sigmoid: a label of this value makes all K classes negative.
                                 Softmax: it is an ordinary class, but no positive (FOCAL_DIVISOR_POSITIVES) */
    const uint8_t *ignore_mask; /* [NULL] non-zero ignores: [outer, classes, inner] (sigmoid), [outer, inner]
                                   (softmax, and sigmoid with labels) */
    double label_smoothing;     /* [0] in [0, 1] */

    /* The loss */
    double gamma;         /* [2] focusing parameter, in [0, 1e6]; 0 is the cross-entropy */
    const double *gammas; /* [NULL] classes values, by target class, instead of gamma  [focal_softmax with labels] */
    double alpha;         /* [FOCAL_ALPHA_OFF] sigmoid: weight of positives, in [0, 1]; negatives have 1 - alpha.
                             Softmax: weight of every class, >= 0 */
    const double *alphas; /* [NULL] classes values, one per class, instead of alpha */

    /* Weights: they multiply the loss and never enter p_t */
    const void *weights;         /* [NULL] of weight_dtype, shape by weight_layout; finite and >= 0 (not checked) */
    int32_t weight_dtype;        /* [FOCAL_DTYPE_F32] F32 or F64 */
    int32_t reduction;           /* [FOCAL_REDUCTION_NONE] */
    const double *class_weights; /* [NULL] classes values, by column (sigmoid) or target class (softmax) */
    const double *pos_weights;   /* [NULL] classes values instead of pos_weight  [focal_sigmoid] */
    double pos_weight;           /* [1] multiplies the loss of positives  [focal_sigmoid] */
    double neg_weight;           /* [1] multiplies the loss of negatives  [focal_sigmoid] */

    /* Reduction and upstream gradient */
    double divisor_value;   /* [0] with FOCAL_DIVISOR_VALUE: > 0 */
    int32_t divisor;        /* [FOCAL_DIVISOR_VALID] */
    int32_t accumulate;     /* [0] 1: grad += instead of grad = */
    double grad_scale;      /* [1] multiplies grad and hess: a scalar upstream gradient */
    const void *upstream;   /* [NULL] multiplies grad element by element, of out_dtype, [outer, classes, inner] (sigmoid),
                               [outer, inner] (softmax) */

    /* Second derivatives */
    double hessian_scale; /* [1] multiplies hess: 2 for XGBoost's softmax, K/(K-1) for LightGBM's */
    double hessian_floor; /* [FOCAL_FLOOR_OFF] hess is raised to this at last, ignored elements excepted */
    int32_t hessian;      /* [FOCAL_HESSIAN_EXACT] */

    /* Outputs; each may be NULL and then costs nothing */
    int32_t out_dtype;     /* [0] of loss, grad, hess and the arrays below; 0: score_dtype, else F32 or F64 */
    void *loss;            /* [NULL] unreduced: [outer, classes, inner] (sigmoid), [outer, inner] (softmax) */
    double *reduced_loss;  /* [NULL] one value; needs reduction SUM or MEAN */
    void *grad;            /* [NULL] [outer, classes, inner] */
    void *hess;            /* [NULL] [outer, classes, inner]: the diagonal */
    void *hess_full;       /* [NULL] [outer, inner, classes, classes]: exact only, no floor  [focal_softmax with labels] */
    void *probabilities;   /* [NULL] [outer, classes, inner]: the softmax  [focal_softmax] */
    void *log_sum_exp;     /* [NULL] [outer, inner]  [focal_softmax] */

    /* Class-sharded softmax: see focal_softmax_shard_stats */
    double *shard_max;    /* [NULL] [outer, inner] */
    double *shard_sum;    /* [NULL] [outer, inner] */
    double *shard_target; /* [NULL] [outer, inner] */
    int64_t shard_offset; /* [0] the first class that this shard holds */
    int64_t shard_total;  /* [0] classes over all shards; 0: not sharded.  alphas, gammas and class_weights then have this
                             many values, labels lie in [0, shard_total) */

    /* A caller's own parallel-for, instead of the pool */
    focal_parallel_for parallel_for; /* [NULL] */
    void *parallel_context;          /* [NULL] its first argument */
} focal_args;

/* Gives every field its default.  size is sizeof(focal_args).
 * Errors: FOCAL_ERROR_NULL; FOCAL_ERROR_SIZE where this library is older than the caller's header. */
FOCALLOSS_API int32_t focal_args_init(focal_args *args, size_t size);

/* Binary losses over independent scores.  Reads scores and targets once (targets twice where they are checked), writes
 * what is not NULL.  An infinite logit behaves as the limit: on the target's side loss, gradient and Hessian are 0; on the
 * other the loss is +inf, the gradient that of cross-entropy (-a or +a) and the Hessian 0.  A NaN stays in its own element.
 * Errors: every FOCAL_ERROR_*. */
FOCALLOSS_API int32_t focal_sigmoid(const focal_args *args);

/* Multiclass losses over the softmax of `classes` scores.  targets are labels, or class probabilities (dense).  A sample
 * whose scores are all -inf has the uniform softmax.  K = 1 gives loss 0 and gradient 0.
 * Infinite scores: where a class with p = 0 has a part in the loss (as the target, or by label smoothing) the loss is +inf.
 * Its -log p then counts in the derivatives by its own derivative, and as 0 where the modulator's multiplies it: gradient
 * and Hessian are finite.  Errors: every FOCAL_ERROR_*. */
FOCALLOSS_API int32_t focal_softmax(const focal_args *args);

/* Softmax whose classes are spread over machines (tensor-parallel heads), in two steps.
 *
 * Step one, focal_softmax_shard_stats, needs scores, targets (labels), shard_offset and shard_total, and writes per sample
 *     shard_max     the largest of this shard's scores that are not the target's (-inf: none)
 *     shard_sum     the sum of exp(score - shard_max) over the same scores
 *     shard_target  the target's score, or -inf where another shard holds it
 * The caller merges these over the shards: M = MAX(shard_max); SUM(shard_sum * exp(shard_max - M)); MAX(shard_target).
 * focal_softmax_shard_merge does that for two shards, into the first.
 *
 * Step two, focal_softmax with the merged arrays in shard_max, shard_sum and shard_target, gives the loss (the same on
 * every shard) and this shard's part of grad, hess and probabilities.  Of the other classes only the sum is known here: the
 * 1 - r_k of a Hessian is a difference, exact to 8 eps |grad_k| only.  Arrays that contradict the scores (a maximum below
 * them, say) give unspecified numbers. */
FOCALLOSS_API int32_t focal_softmax_shard_stats(const focal_args *args);
FOCALLOSS_API int32_t focal_softmax_shard_merge(int64_t samples, double *max, double *sum, double *target,
                                                const double *other_max, const double *other_sum,
                                                const double *other_target);

/* ---- Short functions -------------------------------------------------------------------------------------------- */

/* Each is the descriptor call with the fields its arguments name; the rest is default.  n: number of scores (sigmoid) or
 * rows (softmax).  alpha: in [0, 1] or FOCAL_ALPHA_OFF.  loss: n values for FOCAL_REDUCTION_NONE, else one; may be NULL.
 * grad, hess: as many values as scores; may be NULL. */

/* Binary focal loss of logits.  targets: n values in [0, 1]. */
FOCALLOSS_API int32_t focal_sigmoid_loss_f32(const float *logits, const float *targets, size_t n, double alpha,
                                             double gamma, int32_t reduction, float *loss, float *grad);
FOCALLOSS_API int32_t focal_sigmoid_loss_f64(const double *logits, const double *targets, size_t n, double alpha,
                                             double gamma, int32_t reduction, double *loss, double *grad);

/* Elementwise gradient and Hessian, as a booster asks for every round.  hessian: FOCAL_HESSIAN_*. */
FOCALLOSS_API int32_t focal_sigmoid_grad_hess_f32(const float *logits, const float *targets, size_t n, double alpha,
                                                  double gamma, int32_t hessian, float *grad, float *hess);
FOCALLOSS_API int32_t focal_sigmoid_grad_hess_f64(const double *logits, const double *targets, size_t n, double alpha,
                                                  double gamma, int32_t hessian, double *grad, double *hess);

/* One-vs-rest over (n, classes) logits with one label a row in [0, classes]; the label `classes` is background: all
 * negative.  This is RetinaNet's form, a binary loss in every column, not the softmax.  loss: n * classes values. */
FOCALLOSS_API int32_t focal_sigmoid_label_loss_f32(const float *logits, const int32_t *labels, size_t n, size_t classes,
                                                   double alpha, double gamma, int32_t reduction, float *loss,
                                                   float *grad);
FOCALLOSS_API int32_t focal_sigmoid_label_loss_f64(const double *logits, const int32_t *labels, size_t n,
                                                   size_t classes, double alpha, double gamma, int32_t reduction,
                                                   double *loss, double *grad);

/* Binary cross-entropy of logits, and the same with a weight for positives and one for negatives (each >= 0). */
FOCALLOSS_API int32_t focal_bce_f32(const float *logits, const float *targets, size_t n, int32_t reduction, float *loss,
                                    float *grad);
FOCALLOSS_API int32_t focal_bce_f64(const double *logits, const double *targets, size_t n, int32_t reduction,
                                    double *loss, double *grad);
FOCALLOSS_API int32_t focal_weighted_bce_f32(const float *logits, const float *targets, size_t n, double pos_weight,
                                             double neg_weight, int32_t reduction, float *loss, float *grad);
FOCALLOSS_API int32_t focal_weighted_bce_f64(const double *logits, const double *targets, size_t n, double pos_weight,
                                             double neg_weight, int32_t reduction, double *loss, double *grad);

/* Softmax focal loss of (n, classes) logits.  labels: n values in [0, classes).  alphas: classes values, or NULL (off).
 * gamma 0 is the cross-entropy.  loss: n values for FOCAL_REDUCTION_NONE. */
FOCALLOSS_API int32_t focal_softmax_loss_f32(const float *logits, const int32_t *labels, size_t n, size_t classes,
                                             const double *alphas, double gamma, int32_t reduction, float *loss,
                                             float *grad);
FOCALLOSS_API int32_t focal_softmax_loss_f64(const double *logits, const int32_t *labels, size_t n, size_t classes,
                                             const double *alphas, double gamma, int32_t reduction, double *loss,
                                             double *grad);
FOCALLOSS_API int32_t focal_softmax_grad_hess_f32(const float *logits, const int32_t *labels, size_t n, size_t classes,
                                                  const double *alphas, double gamma, int32_t hessian, float *grad,
                                                  float *hess);
FOCALLOSS_API int32_t focal_softmax_grad_hess_f64(const double *logits, const int32_t *labels, size_t n, size_t classes,
                                                  const double *alphas, double gamma, int32_t hessian, double *grad,
                                                  double *hess);

/* ---- Helpers for the numbers that users get wrong ---------------------------------------------------------------- */

/* alpha from class counts by inverse frequency: negatives / (positives + negatives).  Positives rare: alpha > .5;
 * negatives rare: alpha < .5.  The documented exception is RetinaNet: with gamma 2 the best alpha fell to .25, because
 * the modulator alone already turns the easy negatives down (Lin et al., table 1b).
 * Errors: FOCAL_ERROR_VALUE unless both counts are finite, >= 0 and not both 0. */
FOCALLOSS_API int32_t focal_suggest_alpha(double positives, double negatives, double *alpha);

/* Class-balanced weights by effective number (Cui et al., CVPR 2019): w_c = (1 - beta) / (1 - beta^counts_c), scaled to
 * sum to `classes`.  A class of count 0 gets 0.  beta in [0, 1). */
FOCALLOSS_API int32_t focal_class_balanced_weights(const double *counts, size_t classes, double beta, double *weights);

/* The score whose sigmoid is prior: -log((1 - prior) / prior), RetinaNet's initial bias.  prior in (0, 1). */
FOCALLOSS_API int32_t focal_prior_bias(double prior, double *bias);

/* The constant score that minimises the expected focal loss where a fraction `prior` is positive.  At gamma > 0 this is
 * not the prior's logit; a booster should start here.  alpha in (0, 1) or FOCAL_ALPHA_OFF. */
FOCALLOSS_API int32_t focal_optimal_score(double prior, double alpha, double gamma, double *score);

/* P(y = 1) from scores that were trained with this alpha and gamma: the focal loss is not proper, so sigma(score) is not a
 * probability (Charoenphakdee et al., CVPR 2021).  probabilities may be scores. */
FOCALLOSS_API int32_t focal_posterior(const double *scores, size_t n, double alpha, double gamma, double *probabilities);

/* The same for (n, classes) softmax scores; alphas: classes values > 0, or NULL. */
FOCALLOSS_API int32_t focal_softmax_posterior(const double *scores, size_t n, size_t classes, const double *alphas,
                                              double gamma, double *probabilities);

/* ---- What is running -------------------------------------------------------------------------------------------- */

FOCALLOSS_API const char *focal_version(void);     /* FOCAL_VERSION_STRING of the library that was loaded */
FOCALLOSS_API int32_t focal_abi_version(void);     /* FOCAL_ABI_VERSION of the same */
FOCALLOSS_API const char *focal_status_string(int32_t status); /* "FOCAL_ERROR_TARGET"; never NULL */

/* What was wrong with this thread's last failing call, and where: "targets[17] is 23, outside [0, 21)".  Never NULL; ""
 * before any error; valid until this thread's next failing call. */
FOCALLOSS_API const char *focal_last_error(void);

/* The instruction set in use: "x86-64", "x86-64-v3", "x86-64-v4" or "neon"; and all that this build has and this CPU can
 * run, lowest first, separated by commas.  The highest is taken unless the environment's FOCALLOSS_ISA names one (one that
 * is absent makes every computing call return FOCAL_ERROR_ISA); where none is named and that is x86-64-v4, calls on fewer
 * than 2,048 scores take x86-64-v3, for a CPU that has just used its 512-bit units runs slower for a while.  The results'
 * bits are the same. */
FOCALLOSS_API const char *focal_isa(void);
FOCALLOSS_API const char *focal_available_isas(void);
FOCALLOSS_API int32_t focal_set_isa(const char *isa); /* for tests; NULL: none is named.  Errors: FOCAL_ERROR_ISA */

/* Threads a call may use where its own `threads` is 0.  Set to 0 (the default) it is FOCALLOSS_NUM_THREADS, then
 * OMP_NUM_THREADS, then the CPUs that affinity and cgroup allow this process.  Errors: FOCAL_ERROR_VALUE if negative. */
FOCALLOSS_API int32_t focal_set_num_threads(int32_t threads);
FOCALLOSS_API int32_t focal_get_num_threads(void);

#ifdef __cplusplus
}
#endif

#endif /* FOCALLOSS_H */
