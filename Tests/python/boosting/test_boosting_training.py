"""Training with the real packages: what learns, which trees come out, and whether the probabilities are calibrated."""

import warnings

import lightgbm
import numpy as np
import pytest
import rare
import xgboost
from catboost import CatBoostClassifier, CatBoostRegressor, Pool
from sklearn.metrics import average_precision_score, roc_auc_score

from focalloss.catboost import FocalObjective as CatBoost
from focalloss.lightgbm import FocalObjective as LightGBM
from focalloss.xgboost import FocalObjective as XGBoost

XGB = {"max_depth": 4, "learning_rate": 0.1, "nthread": 1, "tree_method": "hist"}
LGB = {"num_leaves": 15, "learning_rate": 0.1, "num_threads": 1, "verbose": -1, "deterministic": True, "seed": 1}
CAT = dict(depth=4, learning_rate=0.15, thread_count=1, verbose=0, random_seed=1, allow_writing_files=False)
ROUNDS = 60


# ---- One way to train each: (objective, features, labels, weights) -> margins of other features -------------------


def train_xgboost(objective, X, y, X_new, weight=None, rounds=ROUNDS, **params):
    booster = objective.train({**XGB, **params}, xgboost.DMatrix(X, y, weight=weight), rounds)
    return booster.predict(xgboost.DMatrix(X_new), output_margin=True)


def train_lightgbm(objective, X, y, X_new, weight=None, rounds=ROUNDS, **params):
    booster = objective.train({**LGB, **params}, lightgbm.Dataset(X, y, weight=weight), rounds)
    return booster.predict(X_new, raw_score=True)


def train_catboost(objective, X, y, X_new, weight=None, rounds=ROUNDS, **params):
    model = objective.fit(CatBoostClassifier(iterations=rounds, **CAT, **params), X, y, sample_weight=weight)
    return model.predict(X_new, prediction_type="RawFormulaVal")


TRAINERS = {"xgboost": (XGBoost, train_xgboost), "lightgbm": (LightGBM, train_lightgbm),
            "catboost": (CatBoost, train_catboost)}
FAST = ["xgboost", "lightgbm"]


# ---- The start ----------------------------------------------------------------------------------------------------


def auc_from(library, start, **options):
    """Held-out ROC AUC of 40 rounds from a given constant margin."""
    (X, y), (X_new, y_new) = rare.binary(), rare.binary(seed=1)
    if library == "xgboost":
        margins = train_xgboost(XGBoost(**options), X, y, X_new, rounds=40, base_score=start)
    else:
        data = lightgbm.Dataset(X, y, init_score=np.full(len(y), start))
        booster = LightGBM(**options).train(LGB, data, 40)
        margins = booster.predict(X_new, raw_score=True)
    return roc_auc_score(y_new, margins)


@pytest.mark.parametrize("library", FAST)
def test_gauss_newton_learns_from_a_prior_start_where_exact_does_not(library):
    prior = rare.binary()[1].mean()
    logit = float(np.log(prior / (1 - prior)))
    assert auc_from(library, logit, alpha=0.25, hessian="exact") < 0.6
    assert auc_from(library, logit, alpha=0.25) > 0.8


@pytest.mark.parametrize("library", FAST)
@pytest.mark.parametrize("hessian", ["exact", "absolute", "gauss_newton"])
def test_every_hessian_learns_from_the_focal_optimal_start(library, hessian):
    objective = XGBoost(alpha=0.25)
    assert auc_from(library, objective.start_score(rare.binary()[1]), alpha=0.25, hessian=hessian) > 0.8


# ---- The same trees as what is known to be right ------------------------------------------------------------------


def own_focal(z, y, gamma):
    """A person's own focal objective in numpy, with a right Hessian."""
    s = 2.0 * y - 1
    u = s * np.asarray(z, float)
    p, q, loss = rare.sigmoid(u), rare.sigmoid(-u), np.logaddexp(0, -u)
    grad = -s * q**gamma * (q + gamma * p * loss)
    hess = q**gamma * p * (q * (1 + 2 * gamma) + gamma * loss * (gamma * p - q))
    return grad.astype(np.float32), hess.astype(np.float32)


def xgboost_trees(X, y, custom=None, rounds=8, **params):
    booster = xgboost.train({**XGB, "base_score": 0.0, **params}, xgboost.DMatrix(X, y), rounds, obj=custom)
    frame = booster.trees_to_dataframe()
    leaves = frame["Feature"] == "Leaf"  # whose value stands in the column of the gains
    return frame[["Tree", "ID", "Feature", "Split"]], frame.loc[leaves, "Gain"].to_numpy()


def lightgbm_trees(X, y, objective, rounds=8, **params):
    params = {**LGB, "boost_from_average": False, "objective": objective, **params}
    frame = lightgbm.train(params, lightgbm.Dataset(X, y), rounds).trees_to_dataframe()
    leaves = frame["split_feature"].isna()
    return frame[["tree_index", "node_index", "split_feature", "threshold"]], frame.loc[leaves, "value"].to_numpy()


def assert_same_trees(first, second):
    """Every split is the same; the leaves differ by no more than float32 sums do."""
    assert first[0].equals(second[0])
    np.testing.assert_allclose(first[1], second[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_own_numpy_objective_gives_the_same_xgboost_trees(gamma):
    X, y = rare.binary()
    ours = xgboost_trees(X, y, XGBoost(gamma=gamma, hessian="exact"))
    own = xgboost_trees(X, y, lambda z, data: own_focal(z, data.get_label(), gamma))
    assert_same_trees(ours, own)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_own_numpy_objective_gives_the_same_lightgbm_trees(gamma):
    X, y = rare.binary()
    ours = lightgbm_trees(X, y, LightGBM(gamma=gamma, hessian="exact"))
    own = lightgbm_trees(X, y, lambda z, data: own_focal(z, data.get_label(), gamma))
    assert_same_trees(ours, own)


def test_gamma_zero_is_the_built_in_logistic_objective():
    X, y = rare.binary()
    built_in = xgboost_trees(X, y, objective="binary:logistic", base_score=0.5)
    assert_same_trees(xgboost_trees(X, y, XGBoost(gamma=0.0)), built_in)
    assert_same_trees(lightgbm_trees(X, y, LightGBM(gamma=0.0)), lightgbm_trees(X, y, "binary"))


def test_gamma_zero_is_the_built_in_softmax_objective():
    """Which proves each library's factor on the multiclass Hessian."""
    X, y = rare.multiclass()
    built_in = xgboost_trees(X, y, objective="multi:softprob", num_class=3)
    assert_same_trees(xgboost_trees(X, y, XGBoost(gamma=0.0, num_class=3), num_class=3), built_in)
    ours = lightgbm_trees(X, y, LightGBM(gamma=0.0, num_class=3), num_class=3)
    assert_same_trees(ours, lightgbm_trees(X, y, "multiclass", num_class=3))


def test_gamma_zero_is_the_built_in_catboost_objective():
    X, y = rare.binary(5000)
    settings = dict(CAT, iterations=20, boost_from_average=False, leaf_estimation_iterations=1)
    built_in = CatBoostClassifier(loss_function="Logloss", **settings).fit(X, y)
    ours = CatBoostClassifier(loss_function=CatBoost(gamma=0.0), eval_metric="Logloss", **settings).fit(X, y)
    margins = (model.predict(X, prediction_type="RawFormulaVal") for model in (built_in, ours))
    np.testing.assert_allclose(*margins, rtol=1e-5, atol=1e-6)


# ---- Probabilities ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", TRAINERS)
@pytest.mark.parametrize("alpha", [None, 0.25, 0.75])
def test_probabilities_are_calibrated(library, alpha):
    """Held-out: within 6 standard errors in every tenth, as models of the log loss are (5.5 at 100 rounds of LightGBM's
    own); the sigmoid of the margin is 15 to 27 away."""
    (X, y), (X_new, y_new) = rare.binary(), rare.binary(seed=1)
    kind, train = TRAINERS[library]
    objective = kind(alpha=alpha, gamma=2.0)
    margins = train(objective, X, y, X_new, rounds=120 if library == "catboost" else ROUNDS)
    probabilities = objective.predict_proba(margins)
    assert probabilities.shape == (len(y_new), 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert rare.calibration_error(probabilities[:, 1], y_new) < 6
    assert probabilities[:, 1].mean() == pytest.approx(y_new.mean(), rel=0.2)
    assert rare.calibration_error(rare.sigmoid(margins), y_new) > 15


@pytest.mark.parametrize("library", FAST)
@pytest.mark.parametrize("alpha", [None, [0.2, 0.6, 1.0]])
def test_multiclass_probabilities_are_calibrated(library, alpha):
    (X, y), (X_new, y_new) = rare.multiclass(), rare.multiclass(seed=1)
    kind, train = TRAINERS[library]
    objective = kind(alpha=alpha, gamma=2.0, num_class=3)
    margins = train(objective, X, y, X_new, rounds=60, learning_rate=0.2)
    probabilities = objective.predict_proba(margins)
    exponentials = np.exp(margins)
    softmax = exponentials / exponentials.sum(axis=1, keepdims=True)
    for k in range(3):
        assert rare.calibration_error(probabilities[:, k], y_new == k) < 6
    assert rare.calibration_error(softmax[:, 0], y_new == 0) > 10


def test_catboost_multiclass_trains():
    (X, y), (X_new, y_new) = rare.multiclass(3000), rare.multiclass(3000, seed=1)
    objective = CatBoost(num_class=3, alpha=[0.2, 0.6, 1.0])
    probabilities = objective.predict_proba(train_catboost(objective, X, y, X_new, rounds=15))
    assert roc_auc_score(y_new, probabilities, multi_class="ovr") > 0.7
    np.testing.assert_allclose(probabilities.mean(axis=0), np.bincount(y_new.astype(int)) / len(y_new), rtol=0.15)


# ---- Weights and soft labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", FAST)
def test_a_weight_of_three_is_three_rows(library):
    """The native interfaces do not multiply a custom gradient by the weights; the objective does."""
    X, y = rare.binary(4000)
    X = np.round(X)  # few distinct values: repeated rows then have the same bins
    counts = np.random.default_rng(0).integers(1, 4, len(y))
    kind, train = TRAINERS[library]
    options = dict(rounds=10, min_data_in_leaf=0, min_data_in_bin=1) if library == "lightgbm" else dict(rounds=10)
    weighted = train(kind(), X, y, X, weight=counts.astype(float), **options)
    repeated = train(kind(), np.repeat(X, counts, axis=0), np.repeat(y, counts), X, **options)
    unweighted = train(kind(), X, y, X, **options)
    np.testing.assert_allclose(weighted, repeated, atol=1e-3)
    assert np.abs(weighted - unweighted).mean() > 0.01


@pytest.mark.parametrize("library", TRAINERS)
def test_soft_labels_train(library):
    """Labels that are the true probabilities teach at least what 0 and 1 drawn from them do."""
    (X, y), (X_new, y_new) = rare.binary(6000), rare.binary(seed=1)
    z = -4.9 + 1.2 * X[:, 0] + 0.8 * X[:, 1] * X[:, 2] + 0.7 * np.abs(X[:, 3])
    kind, train = TRAINERS[library]
    if library == "catboost":
        def train(objective, X, y, X_new):
            model = objective.fit(CatBoostRegressor(iterations=ROUNDS, **CAT), X, y)
            return model.predict(X_new)
    scores = [average_precision_score(y_new, train(kind(soft_rule="mixture"), X, labels, X_new))
              for labels in (y, rare.sigmoid(z).astype(np.float32))]
    assert scores[1] > scores[0]


# ---- The libraries' other doors -----------------------------------------------------------------------------------


def test_catboost_says_nothing():
    """No warning about numba, with or without it."""
    X, y = rare.binary(2000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CatBoost().fit(CatBoostClassifier(iterations=3, **CAT), X, y, eval_set=(X, y))


def test_catboost_pool_keeps_no_baseline():
    X, y = rare.binary(2000)
    pool = Pool(X, y)
    first = CatBoost().fit(CatBoostClassifier(iterations=5, **CAT), pool)
    margins = first.predict(X, prediction_type="RawFormulaVal")
    np.testing.assert_allclose(first.predict(pool, prediction_type="RawFormulaVal"), margins, rtol=1e-12)
    again = CatBoost().fit(CatBoostClassifier(iterations=5, **CAT), pool)
    np.testing.assert_allclose(again.predict(X, prediction_type="RawFormulaVal"), margins, rtol=1e-12)


def test_lightgbm_dataset_keeps_no_start():
    X, y = rare.binary(4000)
    data = lightgbm.Dataset(X, y)
    first = LightGBM(gamma=1.0).train(LGB, data, 5)
    assert data.get_init_score() is None
    again = LightGBM(gamma=1.0).train(LGB, data, 5)
    np.testing.assert_array_equal(first.predict(X), again.predict(X))


def test_lightgbm_start_is_in_the_saved_model():
    X, y = rare.multiclass(4000)
    objective = LightGBM(num_class=3)
    booster = objective.train(LGB, lightgbm.Dataset(X, y), 1, )
    margins = booster.predict(X, raw_score=True)
    assert np.abs(margins - objective.start_score(y)).max() < 1
    loaded = lightgbm.Booster(model_str=booster.model_to_string())
    np.testing.assert_array_equal(loaded.predict(X, raw_score=True), margins)


def test_lightgbm_respects_the_users_start():
    X, y = rare.binary(4000)
    data = lightgbm.Dataset(X, y, init_score=np.full(len(y), -1.0))
    booster = LightGBM().train(LGB, data, 1)
    assert np.abs(booster.predict(X, raw_score=True)).max() < 0.9  # init_score is not in it
    np.testing.assert_array_equal(data.get_init_score(), -1.0)


def test_continued_training_keeps_the_first_start():
    X, y = rare.binary(4000)
    objective, whole = XGBoost(), XGBoost()
    half = objective.train(XGB, xgboost.DMatrix(X, y), 5)
    rest = objective.train(XGB, xgboost.DMatrix(X, y), 5, xgb_model=half)
    np.testing.assert_allclose(rest.predict(xgboost.DMatrix(X)), whole.train(XGB, xgboost.DMatrix(X, y), 10).predict(
        xgboost.DMatrix(X)), rtol=1e-5, atol=1e-6)
    objective = LightGBM()
    half = objective.train(LGB, lightgbm.Dataset(X, y, free_raw_data=False), 5)
    rest = objective.train(LGB, lightgbm.Dataset(X, y, free_raw_data=False), 5, init_model=half)
    whole = objective.train(LGB, lightgbm.Dataset(X, y), 10)
    np.testing.assert_allclose(rest.predict(X), whole.predict(X), rtol=1e-5, atol=1e-6)
