"""focal_softmax against the reference, and what must hold between its own answers."""

from functools import cache

import numpy as np
import points
import pytest
from bounds import EXACT_GAMMAS, assert_close, computed_in
from held import bounds_of, held, truth
from library import call
from reference import header
from reference.softmax_call import softmax

INF = np.inf
LABELS, DENSE = header.TARGETS_LABELS, header.TARGETS_DENSE
OUTPUTS = "loss", "grad", "hess"
EVERYTHING = "loss", "grad", "hess", "probabilities", "log_sum_exp"
HESSIANS = header.HESSIAN_EXACT, header.HESSIAN_ABSOLUTE, header.HESSIAN_GAUSS_NEWTON


# ---- Accuracy


def rows(dtype, classes, count):
    """Random rows from nearly equal scores to far apart ones, and a label each."""
    rng = np.random.default_rng(classes)
    spread = rng.choice([0.1, 1, 5, 30, 150, 1000], (count, 1))
    return (rng.normal(0, 1, (count, classes)) * spread).astype(dtype), rng.integers(0, classes, count)


@cache
def random_problem(dtype, classes, gamma, hessian):
    count = {1: 4, 2: 48, 3: 24, 10: 12, 21: 6, 80: 3}[classes] * points.MORE
    scores, labels = rows(dtype, classes, count)
    given = dict(
        outer=count, classes=classes, scores=scores, targets=labels, target_kind=LABELS, gamma=gamma, hessian=hessian
    )
    return given, truth("focal_softmax", given, EVERYTHING)


@pytest.mark.parametrize("gamma", (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 1.7, 4.0))
@pytest.mark.parametrize("classes", (1, 2, 3, 10, 21, 80))
@pytest.mark.parametrize("dtype", points.DTYPES, ids=str)
def test_accuracy(dtype, classes, gamma, isa):
    if dtype.itemsize == 2 and gamma not in (0.0, 2.0, 1.7):
        pytest.skip("short types: three gammas")
    for hessian in HESSIANS:
        given, expected = random_problem(dtype, classes, gamma, hessian)
        held("focal_softmax", given, EVERYTHING, expected, f"softmax hard, hessian {hessian}")


SPECIAL = (
    (1e4, -1e4, 0, 1), (-1e4, -1e4, 1e4, 1e4), (3e38, -3e38, 0, 1), (5, 5, 5, 5), (-1e4, -1e4, -1e4, -1e4),
    (0, -0.0, 1e-45, -1e-45), (88, -88, 104, -104), (103.97, 0, 0, 0), (0, 103.97, 17, 17), (1e-8, 0, -1e-8, 1),
    (0, INF, 1, 2), (-INF, 0, 0.5, 1), (0, -INF, -INF, 1), (0, -INF, -INF, -INF), (-INF, -INF, -INF, -INF),
    (-INF, 3, -INF, -INF), (np.nan, 1, 2, 3), (1, np.nan, INF, -INF), (1e38, 1e38, 1e38, -1e38), (700, -700, 710, 745),
)  # fmt: skip


@cache
def special_problem(dtype, gamma, kind, rule, hessian):
    scores = np.repeat(np.array(SPECIAL).astype(dtype), 4, axis=0)
    labels = np.tile(np.arange(4), len(SPECIAL))
    targets = labels if kind == LABELS else np.eye(4, dtype=np.float32)[labels]
    given = dict(
        outer=len(scores),
        classes=4,
        scores=scores,
        targets=targets,
        target_kind=kind,
        gamma=gamma,
        soft_rule=rule,
        hessian=hessian,
    )
    return given, truth("focal_softmax", given, EVERYTHING)


@pytest.mark.parametrize("kind, rule", ((LABELS, 0), (DENSE, 0), (DENSE, 1)), ids=("labels", "interpolate", "mixture"))
@pytest.mark.parametrize("gamma", (0.0, 0.5, 2.0, 1.7))
@pytest.mark.parametrize("dtype", (points.FLOAT32, points.FLOAT64), ids=str)
def test_special_rows(dtype, gamma, kind, rule, isa):
    """Far apart, ties, one infinite entry, masked classes, all masked, NaN: limits, and NaN in its own row only."""
    for hessian in (header.HESSIAN_EXACT, header.HESSIAN_GAUSS_NEWTON):
        given, expected = special_problem(dtype, gamma, kind, rule, hessian)
        got = held("focal_softmax", given, EVERYTHING, expected, f"softmax special rows, rule {rule}")
    finite = np.isfinite(given["scores"].astype(float)).all(1)
    assert np.isfinite(got["grad"].reshape(len(finite), 4)[finite]).all()


@cache
def large_problem(dtype, classes):
    rng = np.random.default_rng(classes)
    scores = rng.normal(0, 4, (2, classes)).astype(dtype)
    labels = np.array([classes // 3, classes - 1])
    coordinates = sorted({0, 1, classes // 3, classes // 2, classes - 2, classes - 1})
    given = dict(outer=2, classes=classes, scores=scores, targets=labels, target_kind=LABELS)
    return given, softmax(coordinates=coordinates, **given), coordinates


@pytest.mark.parametrize("classes", (1000, 4099) if points.MORE == 1 else (1000, 4099, 32003))
@pytest.mark.parametrize("dtype", (points.FLOAT32, points.FLOAT64), ids=str)
def test_many_classes(dtype, classes, isa):
    given, expected, coordinates = large_problem(dtype, classes)
    got = call("focal_softmax", EVERYTHING, **given)
    bounds = bounds_of("focal_softmax", given)
    for name in EVERYTHING:
        values, true = got[name], expected[name]
        if name in ("grad", "hess"):
            values = values[:, coordinates]
            true = type(true)(*(part[:, coordinates] for part in (true.high, true.low, true.size)))
        assert_close(f"softmax {classes} classes, {dtype}, {name}", values, true, bounds[name], computed_in(dtype))


# ---- Soft targets


@cache
def soft_problem(dtype, rule, smoothing_rule, smoothing, gamma, hessian):
    rng = np.random.default_rng(5)
    shape = 4, 5, 6
    targets = rng.dirichlet(np.ones(5), (4, 6)).astype(np.float32)
    targets[0] = np.eye(5)[rng.integers(0, 5, 6)]
    targets[1] *= 0.5  # they need not sum to one
    given = dict(
        outer=4, classes=5, inner=6, scores=rng.normal(0, 4, shape).astype(dtype),
        targets=np.moveaxis(targets, 2, 1).copy(), soft_rule=rule, smoothing_rule=smoothing_rule,
        label_smoothing=smoothing, gamma=gamma, hessian=hessian,
    )  # fmt: skip
    return given, truth("focal_softmax", given, OUTPUTS)


@pytest.mark.parametrize("gamma", (0.0, 0.5, 1.0, 2.0, 1.7))
@pytest.mark.parametrize("smoothing_rule, smoothing", ((0, 0.0), (0, 0.1), (1, 0.1)))
@pytest.mark.parametrize("rule", (header.SOFT_INTERPOLATE, header.SOFT_MIXTURE), ids=("interpolate", "mixture"))
@pytest.mark.parametrize("dtype", (points.FLOAT32, points.FLOAT64), ids=str)
def test_class_probabilities(dtype, rule, smoothing_rule, smoothing, gamma, isa):
    for hessian in HESSIANS:
        given, expected = soft_problem(dtype, rule, smoothing_rule, smoothing, gamma, hessian)
        held("focal_softmax", given, OUTPUTS, expected, f"softmax soft, rule {rule}, hessian {hessian}")


# ---- The full Hessian


@pytest.mark.parametrize("gamma", (0.0, 0.5, 2.0, 1.7))
@pytest.mark.parametrize("dtype", (points.FLOAT32, points.FLOAT64), ids=str)
def test_full_hessian(dtype, gamma, isa):
    given = full_problem(dtype, gamma)
    got = held("focal_softmax", given[0], ("hess", "hess_full"), given[1])
    full = got["hess_full"]
    np.testing.assert_array_equal(full, np.swapaxes(full, 2, 3))


@cache
def full_problem(dtype, gamma):
    rng = np.random.default_rng(3)
    given = dict(
        outer=3, classes=6, inner=2, scores=rng.normal(0, 5, (3, 6, 2)).astype(dtype), gamma=gamma,
        targets=rng.integers(0, 6, (3, 2)), target_kind=LABELS, alphas=rng.uniform(0.5, 2, 6), hessian_scale=1.2,
    )  # fmt: skip
    return given, truth("focal_softmax", given, ("hess", "hess_full"))


# ---- Layouts: the same bits as the transposed dense answer


@pytest.mark.parametrize("inner", (1, 2, 7, 16, 33, 300))
@pytest.mark.parametrize("classes", (1, 2, 3, 10, 17, 21, 80, 1000))
@pytest.mark.parametrize("dtype", points.DTYPES, ids=str)
def test_layout(dtype, classes, inner, isa):
    """[outer, classes, inner] gives bit for bit what (outer * inner) rows give."""
    if classes == 1000 and inner > 33:
        pytest.skip("the same path as 33")
    rng = np.random.default_rng(classes * 1000 + inner)
    outer = 3
    scores = rng.normal(0, 5, (outer, classes, inner)).astype(dtype)
    labels = rng.integers(0, classes, (outer, inner))
    labels[rng.random(labels.shape) < 0.1] = -100
    weights = rng.uniform(0, 2, (outer, inner)).astype(np.float32)
    common = dict(
        target_kind=LABELS,
        ignore_index=-100,
        gamma=float(rng.choice([0, 0.5, 2, 1.7])),
        classes=classes,
        alphas=rng.uniform(0, 2, classes),
    )
    image = call(
        "focal_softmax", EVERYTHING, outer=outer, inner=inner, scores=scores, targets=labels, weights=weights, **common
    )
    flat = call(
        "focal_softmax",
        EVERYTHING,
        outer=outer * inner,
        scores=np.moveaxis(scores, 1, 2).copy(),
        targets=labels.ravel(),
        weights=weights.ravel(),
        **common,
    )
    for name in EVERYTHING:
        shape = (outer, inner, classes) if image[name].ndim == 3 and image[name].shape[1] == classes else (outer, inner)
        dense = flat[name].reshape(shape)
        dense = np.moveaxis(dense, 2, 1) if len(shape) == 3 else dense.reshape(image[name].shape)
        assert image[name].tobytes() == np.ascontiguousarray(dense).tobytes(), name


# ---- What must hold between outputs


@pytest.mark.parametrize("classes", (1, 2, 10, 80, 1000))
@pytest.mark.parametrize("dtype", (points.FLOAT32, points.FLOAT64), ids=str)
def test_gradient_rows_sum_to_zero(dtype, classes, isa):
    scores, labels = rows(dtype, classes, 200)
    for gamma in (0.0, 0.5, 2.0, 1.7):
        grad = (
            call(
                "focal_softmax",
                ("grad",),
                outer=200,
                classes=classes,
                scores=scores,
                targets=labels,
                target_kind=LABELS,
                gamma=gamma,
            )["grad"]
            .reshape(200, classes)
            .astype(np.longdouble)
        )
        room = (4 if gamma in EXACT_GAMMAS else 8) * np.finfo(dtype).eps * np.abs(grad).sum(1) + np.finfo(dtype).tiny
        assert (np.abs(grad.sum(1)) <= room).all(), gamma


@pytest.mark.parametrize("kind", (LABELS, DENSE))
@pytest.mark.parametrize("dtype", points.DTYPES, ids=str)
def test_one_class(dtype, kind, isa):
    """The softmax of one score is 1: loss, gradient and Hessian are 0 wherever it stands."""
    scores = np.array([0, 1, -1e4, 1e4, np.inf, -np.inf, 88], dtype)
    targets = np.zeros(7, np.int32) if kind == LABELS else np.full(7, 0.5, np.float32)
    for options in (dict(gamma=0.5), dict(gamma=2.0, label_smoothing=0.1), dict(gamma=0.0, soft_rule=1)):
        got = call("focal_softmax", EVERYTHING, outer=7, scores=scores, targets=targets, target_kind=kind, **options)
        for name in OUTPUTS:
            assert (got[name].astype(float) == 0).all(), name
        assert (got["probabilities"].astype(float) == 1).all()
        np.testing.assert_array_equal(got["log_sum_exp"].ravel().astype(float), scores.astype(float))
