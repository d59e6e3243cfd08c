/* lightgbm_focal.c - trains LightGBM with the focal loss through its C API.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each round: LightGBM's raw scores (double) go into focal_sigmoid, which writes gradient and Hessian as the floats
 * that LGBM_BoosterUpdateOneIterCustom wants.  Training starts at the focal-optimal constant, and the raw scores of
 * held-out rows become probabilities with focal_posterior.
 *
 * Build: make -C bindings/c/boosting (see the Makefile there).
 */
#include "focal_objective.h"

/* The part of LightGBM/c_api.h (4.x) that is used; the wheel ships the library without its headers. */
typedef void *DatasetHandle;
typedef void *BoosterHandle;
enum { LGBM_FLOAT32 = 0, LGBM_FLOAT64 = 1, LGBM_RAW_SCORE = 1 };
int LGBM_DatasetCreateFromMat(const void *data, int data_type, int32_t rows, int32_t columns, int is_row_major,
                              const char *parameters, DatasetHandle reference, DatasetHandle *out);
int LGBM_DatasetSetField(DatasetHandle dataset, const char *field, const void *data, int count, int type);
int LGBM_DatasetFree(DatasetHandle dataset);
int LGBM_BoosterCreate(DatasetHandle train_data, const char *parameters, BoosterHandle *out);
int LGBM_BoosterGetPredict(BoosterHandle booster, int data_index, int64_t *out_length, double *out);
int LGBM_BoosterUpdateOneIterCustom(BoosterHandle booster, const float *grad, const float *hess, int *is_finished);
int LGBM_BoosterPredictForMat(BoosterHandle booster, const void *data, int data_type, int32_t rows, int32_t columns,
                              int is_row_major, int predict_type, int start_iteration, int num_iteration,
                              const char *parameters, int64_t *out_length, double *out);
int LGBM_BoosterFree(BoosterHandle booster);
const char *LGBM_GetLastError(void);

static const char parameters[] = "objective=none learning_rate=0.1 num_leaves=15 min_data_in_leaf=40 verbose=-1 "
                                 "num_threads=2";
static float train_x[ROWS * COLUMNS], train_y[ROWS], test_x[ROWS * COLUMNS], test_y[ROWS];
static float grad[ROWS], hess[ROWS];
static double scores[ROWS];

static void lightgbm(int status, const char *what)
{
    check(status == 0, what, LGBM_GetLastError());
}

static DatasetHandle make_dataset(double start)
{
    DatasetHandle dataset;
    int row;
    for (row = 0; row < ROWS; row++)
        scores[row] = start;
    lightgbm(LGBM_DatasetCreateFromMat(train_x, LGBM_FLOAT32, ROWS, COLUMNS, 1, parameters, NULL, &dataset), "dataset");
    lightgbm(LGBM_DatasetSetField(dataset, "label", train_y, ROWS, LGBM_FLOAT32), "label");
    lightgbm(LGBM_DatasetSetField(dataset, "init_score", scores, ROWS, LGBM_FLOAT64), "init_score");
    return dataset;
}

int main(void)
{
    focal_args args;
    DatasetHandle dataset;
    BoosterHandle booster;
    double start;
    int64_t length;
    int row, round, finished = 0;

    make_rare_events(1, train_x, train_y);
    make_rare_events(2, test_x, test_y);

    start = focal_start(train_y);
    dataset = make_dataset(start);
    lightgbm(LGBM_BoosterCreate(dataset, parameters, &booster), "booster");

    focal_objective(&args, train_y, grad, hess);
    args.scores = scores;
    args.score_dtype = FOCAL_DTYPE_F64;
    for (round = 0; round < ROUNDS && !finished; round++) {
        lightgbm(LGBM_BoosterGetPredict(booster, 0, &length, scores), "scores");
        focal(focal_sigmoid(&args), "focal_sigmoid");
        lightgbm(LGBM_BoosterUpdateOneIterCustom(booster, grad, hess, &finished), "update");
    }

    /* The model does not hold init_score: predictions lack it. */
    lightgbm(LGBM_BoosterPredictForMat(booster, test_x, LGBM_FLOAT32, ROWS, COLUMNS, 1, LGBM_RAW_SCORE, 0, -1, "",
                                       &length, scores), "predict");
    for (row = 0; row < ROWS; row++)
        scores[row] += start;
    focal_report("lightgbm", scores, test_y);

    LGBM_BoosterFree(booster);
    LGBM_DatasetFree(dataset);
    return 0;
}
