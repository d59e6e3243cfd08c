"""Gradients and Hessians against the exact reference, in every library's own layout, dtype and sign."""

import catboost_like
import lightgbm
import numpy as np
import pytest
import xgboost
from bounds import assert_close, hessian, terms, ulps
from mpmath import mpf
from reference import header
from reference.calls import Exact
from reference.sigmoid_call import sigmoid
from reference.softmax import Loss, Sample
from reference.softmax_call import softmax
from reference.definition import Rule

from focalloss.catboost import FocalObjective as CatBoost
from focalloss.lightgbm import FocalObjective as LightGBM
from focalloss.xgboost import FocalObjective as XGBoost

MODES = {"exact": header.HESSIAN_EXACT, "absolute": header.HESSIAN_ABSOLUTE,
         "gauss_newton": header.HESSIAN_GAUSS_NEWTON}
RULES = {"interpolate": header.SOFT_INTERPOLATE, "mixture": header.SOFT_MIXTURE, "quality": header.SOFT_QUALITY}
ROWS, CLASSES = 48, 4
RNG = np.random.default_rng(7)
MARGINS = np.concatenate([RNG.normal(scale=3, size=ROWS - 8), [-60, 60, -25, 25, -2.79, 0, 1e-3, -700.0]])
MATRIX = RNG.normal(scale=3, size=(ROWS, CLASSES))
LABELS = (RNG.random(ROWS) < 0.4).astype(np.float32)
SOFT = RNG.random(ROWS).astype(np.float32)
CLASS_LABELS = RNG.integers(0, CLASSES, ROWS).astype(np.float32)
WEIGHTS = RNG.uniform(0.1, 5, ROWS).astype(np.float32)
FEATURES = RNG.normal(size=(ROWS, 2))

BINARY = [
    pytest.param(dict(hessian=mode, **options), id=f"{mode}-{name}")
    for mode in MODES
    for name, options in {
        "plain": {}, "alpha": dict(alpha=0.25, gamma=0.5), "log-loss": dict(gamma=0.0),
        "weighted": dict(gamma=1.5, class_weight=(0.3, 4.0)), "floor": dict(hessian_floor=0.01, hessian_scale=0.7),
    }.items()
]
MULTICLASS = [
    pytest.param(dict(hessian=mode, num_class=CLASSES, **options), id=f"{mode}-{name}")
    for mode in MODES
    for name, options in {
        "plain": {}, "alpha": dict(alpha=[0.1, 0.9, 2.0, 1.0], gamma=1.0), "log-loss": dict(gamma=0.0),
        "weighted": dict(gamma=3.0, class_weight=[1, 2, 0.5, 7], alpha=0.5),
    }.items()
]


# ---- What each library hands over, and what it takes --------------------------------------------------------------


def ask_xgboost(objective, margins, labels):
    data = xgboost.DMatrix(FEATURES, labels, weight=WEIGHTS)
    grad, hess = objective(margins.astype(np.float32), data)
    for array in grad, hess:
        assert array.dtype == np.float32 and array.flags.c_contiguous and array.shape == margins.shape
    return grad, hess, np.float32, margins.astype(np.float32)


def ask_lightgbm(objective, margins, labels):
    data = lightgbm.Dataset(FEATURES, labels, weight=WEIGHTS, params={"verbose": -1}).construct()
    margins = np.asfortranarray(margins)
    grad, hess = objective(margins, data)
    for array in grad, hess:
        assert array.dtype == np.float32 and array.shape == margins.shape
        assert np.shares_memory(array.ravel(order="F"), array), "LightGBM would copy this"
    return grad, hess, np.float64, margins


def ask_catboost(objective, margins, labels):
    pairs = objective.calc_ders_range(margins, labels, WEIGHTS)
    assert type(pairs) is np.ndarray and pairs.dtype == np.float64 and pairs.shape == (ROWS, 2)
    return -pairs[:, 0], -pairs[:, 1], np.float64, margins


LIBRARIES = {
    "xgboost": (XGBoost, ask_xgboost),
    "lightgbm": (LightGBM, ask_lightgbm),
    "catboost": (CatBoost, ask_catboost),
}


def scale_of(objective, softmax_factor):
    """The documented default of hessian_scale."""
    if objective.hessian_scale is not None:
        return objective.hessian_scale
    return softmax_factor * (1 + objective.gamma if objective.hessian == "gauss_newton" else 1)


def floor_of(objective):
    if objective.hessian_floor == "auto":
        return header.FLOOR_OFF if objective.hessian == "exact" else 1e-16
    return objective.hessian_floor


def fields(objective, factor=1.0):
    return dict(gamma=objective.gamma, hessian=MODES[objective.hessian], hessian_scale=scale_of(objective, factor),
                hessian_floor=floor_of(objective), weights=WEIGHTS, outer=ROWS)


def compare(name, grad, hess, truth, gradient_bound, arithmetic):
    shape = grad.shape
    for what, got, bound in (("grad", grad, gradient_bound), ("hess", hess, hessian(5))):
        true = truth[what]
        true = Exact(*(part.reshape(shape) for part in (true.high, true.low, true.size)))
        assert_close(f"{name} {what}", np.ascontiguousarray(got), true, bound, arithmetic)


# ---- Binary -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("options", BINARY)
def test_binary(library, options):
    kind, ask = LIBRARIES[library]
    objective = kind(**options)
    grad, hess, arithmetic, scores = ask(objective, MARGINS, LABELS)
    negative, positive = objective.class_weight or (1.0, 1.0)
    alpha = header.ALPHA_OFF if objective.alpha is None else objective.alpha
    truth = sigmoid(scores=scores, targets=LABELS, alpha=alpha, pos_weight=positive, neg_weight=negative,
                    **fields(objective))
    compare(f"{library} binary", grad, hess, truth, ulps(objective.gamma), arithmetic)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("rule", RULES)
def test_soft_labels(library, rule):
    kind, ask = LIBRARIES[library]
    objective = kind(alpha=0.25, soft_rule=rule, hessian="exact")
    grad, hess, arithmetic, scores = ask(objective, MARGINS, SOFT)
    truth = sigmoid(scores=scores, targets=SOFT, alpha=0.25, soft_rule=RULES[rule], **fields(objective))
    compare(f"{library} soft", grad, hess, truth, terms(objective.gamma), arithmetic)


def test_labels_of_several_outputs():
    """XGBoost's multi-output trees: (n, K) labels are K binary problems with one weight a row."""
    objective = XGBoost(alpha=0.3)
    labels = (MATRIX > 0).astype(np.float32)[:, ::-1]
    scores = MATRIX.astype(np.float32)
    grad, hess = objective(scores, xgboost.DMatrix(FEATURES, labels, weight=WEIGHTS))
    truth = sigmoid(scores=scores, targets=labels, alpha=0.3, classes=CLASSES, **fields(objective))
    compare("xgboost outputs", grad, hess, truth, ulps(2.0), np.float32)


# ---- Multiclass ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library,factor", [("xgboost", 2.0), ("lightgbm", CLASSES / (CLASSES - 1))])
@pytest.mark.parametrize("options", MULTICLASS)
def test_multiclass(library, factor, options):
    kind, ask = LIBRARIES[library]
    objective = kind(**options)
    grad, hess, arithmetic, scores = ask(objective, MATRIX, CLASS_LABELS)
    truth = softmax(scores=np.ascontiguousarray(scores), targets=CLASS_LABELS.astype(np.int32),
                    target_kind=header.TARGETS_LABELS, classes=CLASSES, class_weights=objective.class_weight,
                    alphas=None if objective.alpha is None else np.broadcast_to(objective.alpha, CLASSES),
                    **fields(objective, factor))
    compare(f"{library} multiclass", grad, hess, truth, ulps(objective.gamma, softmax=True), arithmetic)


@pytest.mark.parametrize("options", MULTICLASS)
def test_catboost_multiclass(options):
    """CatBoost asks row by row, and for the full matrix; of it only the upper triangle is read."""
    objective = CatBoost(**options)
    alphas = np.ones(CLASSES) if objective.alpha is None else np.broadcast_to(objective.alpha, CLASSES)
    by_class = objective.class_weight or np.ones(CLASSES)
    for row in range(0, ROWS, 6):
        label = int(CLASS_LABELS[row])
        grad, hess = objective.calc_ders_multi(MATRIX[row], CLASS_LABELS[row], WEIGHTS[row])
        weight = float(WEIGHTS[row]) * by_class[label]
        loss = Loss(Sample(MATRIX[row]), np.eye(CLASSES)[label], alphas, Rule(gamma=objective.gamma))
        true_grad = [loss.derivatives(k)[1] * weight for k in range(CLASSES)]
        np.testing.assert_allclose(-grad, np.array(true_grad, float), rtol=1e-14, atol=1e-300)
        true_hess = catboost_like.matrix(loss, objective.hessian, weight * scale_of(objective, 1.0))
        size = np.abs(true_hess).max()
        np.testing.assert_allclose(-np.triu(hess), np.triu(true_hess), rtol=1e-12, atol=1e-14 * size)


def test_gauss_newton_bounds_the_exact_hessian():
    """The default factor 1 + gamma is what makes it an upper bound; without it, it is none."""
    margins = np.linspace(-40, 40, 1601)
    for gamma in (0.25, 0.5, 1.0, 2.0, 5.0):
        for labels in (np.zeros_like(margins), np.ones_like(margins)):
            exact = LightGBM(gamma=gamma, hessian="exact").sklearn(labels, margins)[1].astype(float)
            bound = LightGBM(gamma=gamma).sklearn(labels, margins)[1].astype(float)
            assert (bound >= exact * (1 - 1e-6)).all()
            assert (bound / (1 + gamma) < exact).any()


def test_multiclass_gauss_newton_bounds_the_exact_diagonal():
    for gamma in (0.5, 2.0, 5.0):
        exact = CatBoost(gamma=gamma, hessian="exact", num_class=CLASSES)
        bound = CatBoost(gamma=gamma, num_class=CLASSES)
        for row in MATRIX:
            h, b = (-np.diag(objective.calc_ders_multi(row, 2, 1.0)[1]) for objective in (exact, bound))
            assert (b >= h - 1e-14).all()


def test_multiclass_gradients_sum_to_zero():
    grad, _ = XGBoost(num_class=CLASSES, alpha=[1, 2, 3, 4]).sklearn(CLASS_LABELS, MATRIX.astype(np.float32))
    np.testing.assert_allclose(grad.sum(axis=1), 0, atol=1e-6)


def test_published_value():
    """One row by hand: gamma 2, margin 0, a positive (the value of f' and f'' at u = 0)."""
    grad, hess = XGBoost(hessian="exact").sklearn(np.ones(1, np.float32), np.zeros(1, np.float32))
    assert grad[0] == pytest.approx(float(mpf("-0.29828679513998633")), rel=1e-6)
    assert hess[0] == pytest.approx(float(mpf("0.39914339756999316")), rel=1e-6)
