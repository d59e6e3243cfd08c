/* kernels.h - the seam between the entry points and the kernels.
 *
 * Each instruction set's module exports one function that fills a table; nothing else crosses.  Going through C keeps
 * the kernels' bodies out of the entry points' module, which is compiled for the baseline.  The levels of one
 * architecture fill the table in turn, lowest first: each puts in what it does better and leaves the rest.
 */
#ifndef FOCAL_KERNELS_H
#define FOCAL_KERNELS_H

#include "../../include/focalloss.h"

/* FOCAL_LABEL_NONE where Swift can see it: it does not import macros made of other macros. */
static const int64_t focal_label_none = FOCAL_LABEL_NONE;

/* Bytes of scratch a kernel needs, on the stack of whoever runs it. */
#define FOCAL_SCRATCH 39104

/* What one range of targets holds.  bad_index is the first flat index that is out of range, or -1. */
typedef struct focal_survey {
    double valid;
    double weights;
    double positives;
    int64_t bad_index;
    int32_t soft;
} focal_survey;

typedef struct focal_plan focal_plan;

typedef void focal_term(const focal_plan *plan, int64_t count, const void *scores, void *scratch, void *loss, void *grad,
                        void *hess);

/* Long rows of a softmax: SoftmaxBlocks.swift says what each field is. */
typedef struct focal_rows {
    void *scratch;
    const void *scores;
    void *exponentials;
    int64_t stride, classes, start, first, count;
    int32_t is_last;
} focal_rows;

typedef struct focal_kernels {
    const char *isa;
    /* Check and count the targets of units [begin, end): elements (sigmoid, dense) or samples. */
    void (*survey)(const focal_plan *plan, int64_t begin, int64_t end, focal_survey *survey);
    /* Whether any of `count` dense targets is neither 0 nor 1: the quick look before a close one. */
    int32_t (*is_any_soft)(const focal_plan *plan, int64_t begin, int64_t count);
    /* Compute elements (sigmoid) or samples (softmax) [begin, end), with FOCAL_SCRATCH bytes aligned to 64; returns the sum
     * of their losses. */
    double (*sigmoid)(const focal_plan *plan, int64_t begin, int64_t end, void *scratch);
    double (*softmax)(const focal_plan *plan, int64_t begin, int64_t end, void *scratch);
    /* Step one of a class-sharded softmax. */
    double (*shard_stats)(const focal_plan *plan, int64_t begin, int64_t end, void *scratch);
    /* The inner loop of the sigmoid family, for kernels to call: `count` scores of a block, whole vectors, whose signed
     * weights stand in the scratch, become losses, gradients and Hessians (each may be NULL). */
    focal_term *float_term;
    focal_term *double_term;
    /* The same for 16-bit scores with outputs of their type, and losses to be summed as floats into the scratch; NULL where
     * float_term serves them. */
    focal_term *short_term;
    /* The inner loop of a softmax over long rows of float, likewise; NULL where there is none. */
    int64_t (*float_rows)(const focal_rows *rows);
} focal_kernels;

/* A checked call: every field of args is valid, and what follows is derived from it once. */
struct focal_plan {
    focal_args args;
    const focal_kernels *table; /* of the instruction set in use */
    double divisor;         /* of the mean; 0 where nothing counts */
    double scale;           /* of grad and hess: grad_scale over the divisor */
    double pos;             /* sigmoid: weight of a positive element, where uniform */
    double neg;             /* sigmoid: weight of a negative one */
    int32_t softmax;        /* the family: 0 sigmoid, 1 softmax */
    int32_t uniform;        /* no class differs from another in its weights */
    int32_t weightless;     /* some weight may be 0 */
    int32_t soft;           /* sigmoid: some target may be soft */
    int32_t careful;        /* sigmoid: every element takes the path in double */
    int32_t direct;         /* sigmoid: the term's results are the outputs, nothing is left to do to them */
};

/* What a positive and a negative element of a class weigh: alpha, the weights of both sides and that of the class. */
typedef struct focal_sides {
    double positive;
    double negative;
} focal_sides;

static inline focal_sides focal_weigh(double alpha, double pos_weight, double neg_weight, double class_weight)
{
    int isOff = alpha == FOCAL_ALPHA_OFF;
    focal_sides sides = {(isOff ? 1 : alpha) * pos_weight * class_weight, (isOff ? 1 : 1 - alpha) * neg_weight * class_weight};
    return sides;
}

static inline focal_sides focal_element_weights(const focal_plan *plan, int64_t klass)
{
    const focal_args *args = &plan->args;
    return focal_weigh(args->alphas ? args->alphas[klass] : args->alpha,
                       args->pos_weights ? args->pos_weights[klass] : args->pos_weight, args->neg_weight,
                       args->class_weights ? args->class_weights[klass] : 1);
}

/* Each fills the table with its own functions. */
void focal_kernels_x86_64(focal_kernels *table);
void focal_kernels_x86_64_v3(focal_kernels *table);
void focal_kernels_x86_64_v4(focal_kernels *table);
void focal_kernels_neon(focal_kernels *table);

#endif
