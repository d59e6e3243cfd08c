/* focal_objective.h - what both boosting examples ask of libfocalloss; nothing in here knows which booster it serves.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FOCAL_OBJECTIVE_H
#define FOCAL_OBJECTIVE_H

#include <focalloss.h>

#include "rare_events.h"

static void focal(int32_t status, const char *what)
{
    check(status == FOCAL_OK, what, focal_last_error());
}

/* Where training starts: the constant that is best for the focal loss, which is not the logit of the mean. */
static double focal_start(const float *labels)
{
    double start;
    focal(focal_optimal_score(mean_of_labels(labels), ALPHA, GAMMA, &start), "focal_optimal_score");
    return start;
}

/* One round's gradient and Hessian; the scores are the booster's. */
static void focal_objective(focal_args *args, const float *labels, float *grad, float *hess)
{
    focal(focal_args_init(args, sizeof *args), "focal_args_init");
    args->outer = ROWS;
    args->targets = labels;
    args->alpha = ALPHA;
    args->gamma = GAMMA;
    args->hessian = FOCAL_HESSIAN_GAUSS_NEWTON;
    args->hessian_scale = 1 + GAMMA; /* makes it an upper bound of the exact one */
    args->hessian_floor = 1e-16;
    args->out_dtype = FOCAL_DTYPE_F32;
    args->grad = grad;
    args->hess = hess;
}

/* Raw scores of held-out rows become probabilities, in place. */
static void focal_report(const char *booster, double *scores, const float *labels)
{
    focal(focal_posterior(scores, ROWS, ALPHA, GAMMA, scores), "focal_posterior");
    report(booster, scores, labels);
}

#endif /* FOCAL_OBJECTIVE_H */
