/* xgboost_focal.c - trains XGBoost with the focal loss through its C API.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each round: XGBoost's margins (float) go into focal_sigmoid as they lie, and XGBoosterTrainOneIter reads gradient and
 * Hessian where focal_sigmoid wrote them.  base_score is the focal-optimal constant, and the margins of held-out rows
 * become probabilities with focal_posterior.
 *
 * Build: make -C bindings/c/boosting (see the Makefile there).
 */
#include "focal_objective.h"

/* The part of xgboost/c_api.h (2.1 and newer) that is used; the wheel ships the library without its headers. */
typedef uint64_t bst_ulong;
typedef void *DMatrixHandle;
typedef void *BoosterHandle;
int XGDMatrixCreateFromMat(const float *data, bst_ulong rows, bst_ulong columns, float missing, DMatrixHandle *out);
int XGDMatrixSetFloatInfo(DMatrixHandle matrix, const char *field, const float *values, bst_ulong count);
int XGDMatrixFree(DMatrixHandle matrix);
int XGBoosterCreate(const DMatrixHandle matrices[], bst_ulong count, BoosterHandle *out);
int XGBoosterSetParam(BoosterHandle booster, const char *name, const char *value);
int XGBoosterPredictFromDMatrix(BoosterHandle booster, DMatrixHandle matrix, const char *config,
                                const bst_ulong **out_shape, bst_ulong *out_dimensions, const float **out);
int XGBoosterTrainOneIter(BoosterHandle booster, DMatrixHandle matrix, int iteration, const char *grad,
                          const char *hess);
int XGBoosterFree(BoosterHandle booster);
const char *XGBGetLastError(void);

static float train_x[ROWS * COLUMNS], train_y[ROWS], test_x[ROWS * COLUMNS], test_y[ROWS];
static float grad[ROWS], hess[ROWS];
static double scores[ROWS];

static void xgboost(int status, const char *what)
{
    check(status == 0, what, XGBGetLastError());
}

static DMatrixHandle make_matrix(const float *features, const float *labels)
{
    DMatrixHandle matrix;
    xgboost(XGDMatrixCreateFromMat(features, ROWS, COLUMNS, NAN, &matrix), "matrix");
    xgboost(XGDMatrixSetFloatInfo(matrix, "label", labels, ROWS), "label");
    return matrix;
}

static BoosterHandle make_booster(DMatrixHandle train, double start)
{
    BoosterHandle booster;
    char base_score[32];
    snprintf(base_score, sizeof base_score, "%.9g", start);
    xgboost(XGBoosterCreate(&train, 1, &booster), "booster");
    xgboost(XGBoosterSetParam(booster, "base_score", base_score), "base_score"); /* a margin: the identity link */
    xgboost(XGBoosterSetParam(booster, "eta", "0.1"), "eta");
    xgboost(XGBoosterSetParam(booster, "max_depth", "4"), "max_depth");
    xgboost(XGBoosterSetParam(booster, "nthread", "2"), "nthread");
    return booster;
}

/* Raw margins; they belong to the booster until its next prediction. */
static const float *margins(BoosterHandle booster, DMatrixHandle matrix, const char *config)
{
    const bst_ulong *shape;
    const float *out;
    bst_ulong dimensions;
    xgboost(XGBoosterPredictFromDMatrix(booster, matrix, config, &shape, &dimensions, &out), "predict");
    return out;
}

/* numpy's array interface, which XGBoost takes as JSON. */
static void describe(const float *values, char *json, size_t size)
{
    snprintf(json, size, "{\"data\": [%llu, true], \"shape\": [%d], \"typestr\": \"<f4\", \"version\": 3}",
             (unsigned long long)(uintptr_t)values, ROWS);
}

int main(void)
{
    static const char training[] = "{\"type\": 1, \"training\": true, \"iteration_begin\": 0, \"iteration_end\": 0, "
                                   "\"strict_shape\": false}";
    static const char predicting[] = "{\"type\": 1, \"training\": false, \"iteration_begin\": 0, \"iteration_end\": 0, "
                                     "\"strict_shape\": false}";
    char grad_json[128], hess_json[128];
    focal_args args;
    DMatrixHandle train, test;
    BoosterHandle booster;
    const float *raw;
    double start;
    int row, round;

    make_rare_events(1, train_x, train_y);
    make_rare_events(2, test_x, test_y);
    train = make_matrix(train_x, train_y);
    test = make_matrix(test_x, test_y);

    start = focal_start(train_y);
    booster = make_booster(train, start);

    focal_objective(&args, train_y, grad, hess);
    describe(grad, grad_json, sizeof grad_json);
    describe(hess, hess_json, sizeof hess_json);
    for (round = 0; round < ROUNDS; round++) {
        args.scores = margins(booster, train, training);
        focal(focal_sigmoid(&args), "focal_sigmoid");
        xgboost(XGBoosterTrainOneIter(booster, train, round, grad_json, hess_json), "update");
    }

    raw = margins(booster, test, predicting);
    for (row = 0; row < ROWS; row++)
        scores[row] = raw[row];
    focal_report("xgboost", scores, test_y);

    XGBoosterFree(booster);
    XGDMatrixFree(train);
    XGDMatrixFree(test);
    return 0;
}
