"""The starting score, metrics, the scikit-learn forms, pickling, and errors."""

import copy
import pickle
import subprocess
import sys

import lightgbm
import numpy as np
import pytest
import rare
import xgboost
from catboost import CatBoostClassifier
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from focalloss.catboost import FocalObjective as CatBoost
from focalloss.lightgbm import FocalObjective as LightGBM
from focalloss.xgboost import FocalObjective as XGBoost

KINDS = [XGBoost, LightGBM, CatBoost]
BINARY = [dict(), dict(alpha=0.25), dict(alpha=0.9, gamma=0.5), dict(gamma=5.0), dict(gamma=0.0),
          dict(class_weight=(1, 7), gamma=1.0), dict(alpha=0.25, class_weight=(0.5, 3))]
MULTI = [dict(num_class=3), dict(num_class=3, alpha=[0.2, 0.6, 1.0]), dict(num_class=3, gamma=0.0),
         dict(num_class=3, gamma=5.0, class_weight=[1, 2, 9])]


# ---- Starting score -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", BINARY + MULTI)
def test_start_minimises_the_focal_loss(options):
    """No constant has a smaller loss, and the posterior of the start is the prior."""
    objective = XGBoost(**options)
    y = (rare.binary(4000) if objective.num_class is None else rare.multiclass(4000))[1]
    start = objective.start_score(y)
    classes = objective.num_class or 1

    def loss(z):
        rows = np.broadcast_to(np.asarray(z, float), (len(y), classes))
        return objective.focal_loss(y, np.ascontiguousarray(rows if classes > 1 else rows[:, 0]))

    found = minimize(loss, np.zeros(classes), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-14})
    assert loss(start) <= found.fun * (1 + 1e-10)
    difference = found.x - start
    np.testing.assert_allclose(difference, difference.mean() if classes > 1 else 0, atol=1e-3)
    prior = np.bincount(y.astype(int)) / len(y)
    recovered = objective.predict_proba(np.atleast_1d(start) if classes == 1 else start[None])[0]
    np.testing.assert_allclose(recovered, prior, rtol=1e-8)


def test_start_of_weights_and_priors_agree():
    y, weight = rare.binary(4000)[1], np.random.default_rng(0).uniform(0.5, 2, 4000)
    objective = LightGBM(alpha=0.25)
    assert objective.start_score(y, weight) == objective.start_score(prior=np.average(y, weights=weight))
    labels = rare.multiclass(4000)[1]
    objective = LightGBM(num_class=3)
    shares = np.bincount(labels.astype(int), weight) / weight.sum()
    np.testing.assert_allclose(objective.start_score(labels, weight), objective.start_score(prior=shares), rtol=1e-10)


def test_two_classes_of_softmax_start_like_binary():
    for gamma in (0.5, 2.0):
        first, second = XGBoost(num_class=2, gamma=gamma).start_score(prior=[0.99, 0.01])
        assert second - first == pytest.approx(XGBoost(gamma=gamma).start_score(prior=0.01), rel=1e-9)


def test_start_is_not_the_logit():
    """Figures of the guide: alpha .25, gamma 2 at one positive in a hundred."""
    assert XGBoost(alpha=0.25).start_score(prior=0.01) == pytest.approx(-2.107, abs=5e-4)
    assert XGBoost().start_score(prior=0.01) == pytest.approx(-1.706, abs=5e-4)
    assert XGBoost(gamma=0.0).start_score(prior=0.01) == pytest.approx(np.log(0.01 / 0.99), rel=1e-9)


def test_a_class_without_rows_has_a_finite_start():
    assert np.isfinite(XGBoost().start_score(np.zeros(50)))
    assert np.isfinite(XGBoost(num_class=4).start_score(np.array([0, 1, 1, 2]))).all()


# ---- Metrics ------------------------------------------------------------------------------------------------------


def expected_loss(margins, y, weight, gamma=2.0):
    u = (2 * y - 1) * margins
    return np.average(rare.sigmoid(-u) ** gamma * np.logaddexp(0, -u), weights=weight)


def test_metric_is_the_weighted_mean_focal_loss():
    X, y = rare.binary(1000)
    rng = np.random.default_rng(0)
    margins, weight = rng.normal(size=1000), rng.uniform(0.5, 2, 1000)
    expected = pytest.approx(expected_loss(margins, y, weight), rel=1e-6)
    data = xgboost.DMatrix(X, y, weight=weight)
    assert XGBoost().metric(margins.astype(np.float32), data) == ("focal_loss", expected)
    data = lightgbm.Dataset(X, y, weight=weight).construct()
    assert LightGBM().metric(margins, data) == ("focal_loss", expected, False)
    metric = CatBoost().metric
    error, total = metric.evaluate((margins,), y, weight.astype(np.float32))
    assert metric.get_final_error(error, total) == expected and not metric.is_max_optimal()


def test_multiclass_metric_agrees_over_layouts():
    y = rare.multiclass(500)[1]
    margins = np.random.default_rng(0).normal(size=(500, 3))
    rows = XGBoost(num_class=3).focal_loss(y, margins)
    assert LightGBM(num_class=3).focal_loss(y, np.asfortranarray(margins))[1] == pytest.approx(rows, rel=1e-12)
    error, total = CatBoost(num_class=3).metric.evaluate(tuple(margins.T.copy()), y, None)
    assert error / total == pytest.approx(rows, rel=1e-12)


def test_metric_falls_during_training_and_early_stopping_uses_it():
    (X, y), (X_new, y_new) = rare.binary(), rare.binary(seed=1)
    history = {}
    objective = XGBoost(alpha=0.25)
    booster = objective.train({"eta": 0.5, "nthread": 1}, xgboost.DMatrix(X, y), 200, verbose_eval=False,
                              evals=[(xgboost.DMatrix(X_new, y_new), "new")], evals_result=history,
                              early_stopping_rounds=5)
    losses = history["new"]["focal_loss"]
    assert set(history["new"]) == {"focal_loss"} and losses[3] < losses[0] and booster.best_iteration < 199
    history = {}
    train, new = lightgbm.Dataset(X, y), lightgbm.Dataset(X_new, y_new)
    callbacks = [lightgbm.record_evaluation(history), lightgbm.early_stopping(5, verbose=False)]
    booster = LightGBM(alpha=0.25).train({"learning_rate": 0.5, "verbose": -1, "num_threads": 1}, train, 200,
                                         valid_sets=[new], callbacks=callbacks)
    losses = history["valid_0"]["focal_loss"]
    assert set(history["valid_0"]) == {"focal_loss"} and losses[3] < losses[0] and booster.best_iteration < 199
    best = LightGBM(alpha=0.25).focal_loss(y_new, booster.predict(X_new, raw_score=True))[1]
    assert best == pytest.approx(min(losses), rel=1e-6)


# ---- scikit-learn -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_scikit_learn_and_native_agree(weighted):
    X, y = rare.binary(4000)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y)) if weighted else None
    objective = XGBoost(alpha=0.25)
    params = {"max_depth": 3, "learning_rate": 0.1, "tree_method": "hist"}
    model = objective.fit(xgboost.XGBClassifier(n_estimators=10, n_jobs=1, **params), X, y, sample_weight=weight)
    native = objective.train({**params, "nthread": 1}, xgboost.DMatrix(X, y, weight=weight), 10)
    np.testing.assert_allclose(model.predict(X, output_margin=True),
                               native.predict(xgboost.DMatrix(X), output_margin=True), rtol=1e-5, atol=1e-6)
    objective = LightGBM(alpha=0.25)
    params = {"num_leaves": 7, "verbose": -1}
    model = objective.fit(lightgbm.LGBMClassifier(n_estimators=10, n_jobs=1, **params), X, y, sample_weight=weight)
    native = objective.train({**params, "num_threads": 1}, lightgbm.Dataset(X, y, weight=weight), 10)
    np.testing.assert_allclose(model.predict(X, raw_score=True), native.predict(X, raw_score=True), rtol=1e-9)


def test_scikit_learn_multiclass_with_named_classes():
    X, y = rare.multiclass(4000)
    names = np.array(["none", "small", "large"])[y.astype(int)]
    objective = LightGBM(num_class=3)
    model = objective.fit(lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1), X, names)
    probabilities = objective.predict_proba(model.predict(X, raw_score=True))
    assert roc_auc_score(names, probabilities, multi_class="ovr", labels=model.classes_) > 0.75
    objective = XGBoost(num_class=3)
    model = objective.fit(xgboost.XGBClassifier(n_estimators=10, n_jobs=1), X, y, eval_set=[(X, y)], verbose=False)
    probabilities = objective.predict_proba(model.predict(X, output_margin=True))
    assert roc_auc_score(y, probabilities, multi_class="ovr") > 0.75
    assert list(model.evals_result()["validation_0"]) == ["focal_loss"]


@pytest.mark.filterwarnings("ignore:The argument 'eval_set'")
@pytest.mark.parametrize("one_by_one", [False, True])
def test_lightgbm_evaluates_from_the_start(one_by_one):
    (X, y), (X_new, y_new) = rare.multiclass(4000), rare.multiclass(1000, seed=1)
    given = dict(eval_X=X_new, eval_y=y_new) if one_by_one else dict(eval_set=[(X_new, y_new)])
    objective = LightGBM(num_class=3)
    model = objective.fit(lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1), X, y, **given)
    (losses,) = model.evals_result_["valid_0"].values()
    expected = objective.focal_loss(y_new, model.predict(X_new, raw_score=True))[1]
    assert losses[-1] == pytest.approx(expected, rel=1e-6)


def test_lightgbm_class_weight_of_the_estimator_counts():
    X, y = rare.binary(4000)
    objective = LightGBM()
    model = objective.fit(lightgbm.LGBMClassifier(n_estimators=1, verbose=-1, class_weight="balanced"), X, y)
    assert np.abs(model.predict(X, raw_score=True)).mean() < 0.5  # balanced: the start is 0


def test_estimators_with_an_objective_can_be_cloned():
    objective = XGBoost(alpha=0.25)
    assert clone(xgboost.XGBClassifier(objective=objective.sklearn)).objective.__self__.alpha == 0.25
    objective = LightGBM(alpha=0.25)
    assert clone(lightgbm.LGBMClassifier(objective=objective.sklearn)).objective.__self__.alpha == 0.25
    # scikit-learn's clone refuses every CatBoost model with an object as a parameter; CatBoost has its own.
    model = CatBoostClassifier(loss_function=CatBoost(alpha=0.25)).copy()
    assert model.get_param("loss_function").alpha == 0.25


# ---- Objects ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [dict(alpha=0.25, hessian="exact"), dict(num_class=3, alpha=[1, 2, 3])])
def test_objects_can_be_pickled_and_copied(kind, options):
    objective = kind(**options)
    for other in (pickle.loads(pickle.dumps(objective)), copy.deepcopy(objective)):
        assert repr(other) == repr(objective)
        prior = 0.1 if objective.num_class is None else [0.2, 0.3, 0.5]
        np.testing.assert_array_equal(other.start_score(prior=prior), objective.start_score(prior=prior))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [
    dict(gamma=-1), dict(gamma=float("nan")), dict(alpha=1.5), dict(hessian="newton"), dict(num_class=1),
    dict(num_class=3, alpha=[1, 2]), dict(class_weight=[1, 2, 3]), dict(soft_rule="other"),
    dict(num_class=3, alpha=[1, 2, -1]),
])
def test_wrong_parameters_are_refused_at_once(kind, options):
    with pytest.raises((ValueError, TypeError)):
        kind(**options)


def test_wrong_data_is_refused():
    with pytest.raises(ValueError, match="num_class"):
        XGBoost().sklearn(np.zeros(4), np.zeros((4, 3), np.float32))
    with pytest.raises(ValueError, match="num_class 3"):
        XGBoost(num_class=3).sklearn(np.zeros(4), np.zeros(4, np.float32))
    with pytest.raises(ValueError, match="whole numbers"):
        XGBoost(num_class=3).sklearn(np.full(4, 0.5), np.zeros((4, 3), np.float32))
    with pytest.raises(ValueError):
        XGBoost(num_class=3).sklearn(np.full(4, 3.0), np.zeros((4, 3), np.float32))
    with pytest.raises(ValueError):
        XGBoost().sklearn(np.full(4, 1.5), np.zeros(4, np.float32))
    with pytest.raises(ValueError, match="one a row"):
        XGBoost().sklearn(np.zeros(4), np.zeros(4, np.float32), np.ones(3))


def test_no_rows_are_no_rows():
    grad, hess = LightGBM(num_class=3).sklearn(np.zeros(0), np.zeros((0, 3)))
    assert grad.shape == hess.shape == (0, 3)
    assert XGBoost().focal_loss(np.zeros(0), np.zeros(0)) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_help_names_the_parameters_and_the_signature(kind):
    assert "class_weight: [None]" in kind.__doc__ and "Native signature: " in kind.__doc__


def test_without_docstrings():
    modules = "focalloss.xgboost, focalloss.lightgbm, focalloss.catboost"
    assert subprocess.run([sys.executable, "-OO", "-c", f"import {modules}"]).returncode == 0
