"""focal_softmax against the reference, and what must hold between its own answers."""

import ctypes
from functools import cache

import numpy as np
import points
import pytest
from bounds import EXACT_GAMMAS, assert_close, computed_in
from held import bounds_of, held, truth
from library import DTYPES, arguments, call, check, lib
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


@pytest.mark.parametrize("classes", (60, 300))
@pytest.mark.parametrize("gamma", (0.0, 2.0))
@pytest.mark.parametrize("dtype", (points.FLOAT32, points.FLOAT64), ids=str)
def test_many_classes_near_the_least_number(dtype, gamma, classes, isa):
    """What each of them loses where exponentials end adds up to less than the smallest normal number."""
    edge = np.log(float(np.finfo(dtype).tiny))
    below = np.linspace(edge - 4, edge + 4, 24)
    scores = np.repeat(below[:, None], classes, axis=1) + np.linspace(-0.4, 0.4, classes)
    scores[:, 7] = 0
    scores = (scores + np.linspace(-1, 1, len(below))[:, None]).astype(dtype)
    labels = np.where(np.arange(len(below)) % 2, 7, 20)
    given = dict(
        outer=len(below), classes=classes, scores=scores, targets=labels, target_kind=LABELS, gamma=gamma
    )
    outputs = (*OUTPUTS, "probabilities")
    held("focal_softmax", given, outputs, truth("focal_softmax", given, outputs), "softmax, many near the least")


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


@pytest.mark.parametrize("kind", (LABELS, DENSE), ids=("labels", "dense"))
@pytest.mark.parametrize("classes", (70, 300))
@pytest.mark.parametrize("dtype", (points.FLOAT32, points.FLOAT64), ids=str)
def test_special_rows_among_masked_classes(dtype, classes, kind, isa):
    """The same four scores far apart in a long row of -inf, whole chunks of it: the answer of the four alone."""
    given, expected = special_problem(dtype, 2.0, kind, 0, header.HESSIAN_EXACT)
    places = np.array([0, 5, classes // 2, classes - 1])
    scores = np.full((len(given["scores"]), classes), -INF, dtype)
    scores[:, places] = given["scores"]
    labels = places[np.tile(np.arange(4), len(SPECIAL))]
    targets = labels if kind == LABELS else np.eye(classes, dtype=np.float32)[labels]
    got = call("focal_softmax", EVERYTHING, **given | dict(classes=classes, scores=scores, targets=targets))
    all_masked = (given["scores"] == -INF).all(1)
    bounds = bounds_of("focal_softmax", given)
    for name in EVERYTHING:
        values, true = got[name], expected[name]
        if values.size == scores.size:
            values = values.reshape(scores.shape)
            assert not np.delete(values, places, 1)[~all_masked & ~np.isnan(given["scores"]).any(1)].any(), name
            values = values[:, places]
        values = values.reshape(true.high.shape)[~all_masked]
        true = type(true)(*(part[~all_masked] for part in (true.high, true.low, true.size)))
        what = f"softmax special rows among masked classes, {name}"
        assert_close(what, values, true, bounds[name], computed_in(dtype))
    uniform = got["probabilities"].reshape(scores.shape)[all_masked]
    np.testing.assert_allclose(uniform, 1 / classes, rtol=2 * np.finfo(dtype).eps)
    loss = (1 - 1 / classes) ** 2 * np.log(classes)
    np.testing.assert_allclose(got["loss"].ravel()[all_masked], loss, rtol=8 * np.finfo(dtype).eps)


@cache
def large_problem(dtype, classes):
    rng = np.random.default_rng(classes)
    # Two rows so far from 0 that each chunk of theirs has its own maximum as its reference.
    scores = (rng.normal(0, 4, (4, classes)) + [[0], [0], [5000], [-5000]]).astype(dtype)
    labels = np.array([classes // 3, classes - 1] * 2)
    coordinates = sorted({0, 1, classes // 3, *range(classes // 2, classes // 2 + 12), classes - 2, classes - 1})
    given = dict(outer=4, classes=classes, scores=scores, targets=labels, target_kind=LABELS)
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


@cache
def infinite_problem(dtype, rule, smoothing_rule, smoothing, gamma, hessian):
    scores = np.array([row for row in SPECIAL if INF in np.abs(row)]).astype(dtype)
    targets = np.array([(1, 1, 0, 0), (0.25, 0.5, 0.125, 0.125), (0, 0, 1, 0)], np.float32)
    given = dict(
        outer=3 * len(scores), classes=4, scores=np.repeat(scores, 3, axis=0), targets=np.tile(targets, (len(scores), 1)),
        soft_rule=rule, smoothing_rule=smoothing_rule, label_smoothing=smoothing, gamma=gamma, hessian=hessian,
    )  # fmt: skip
    return given, truth("focal_softmax", given, OUTPUTS)


@pytest.mark.parametrize("gamma", (0.0, 1.0, 1.7, 2.0))
@pytest.mark.parametrize("smoothing_rule, smoothing", ((0, 0.0), (0, 0.1), (1, 0.1)))
@pytest.mark.parametrize("rule", (header.SOFT_INTERPOLATE, header.SOFT_MIXTURE), ids=("interpolate", "mixture"))
@pytest.mark.parametrize("dtype", points.DTYPES, ids=str)
def test_infinite_loss_of_class_probabilities(dtype, rule, smoothing_rule, smoothing, gamma, isa):
    """The loss is infinite where a class with p = 0 has a part in it; gradient and Hessian stay finite."""
    for hessian in HESSIANS:
        given, expected = infinite_problem(dtype, rule, smoothing_rule, smoothing, gamma, hessian)
        got = held("focal_softmax", given, OUTPUTS, expected, f"softmax infinite, rule {rule}, hessian {hessian}")
    known = ~np.isnan(given["scores"].astype(float)).any(1)
    loss, grad, hess = (got[name].astype(float).reshape(len(known), -1)[known] for name in OUTPUTS)
    assert np.isinf(loss).any() and np.isfinite(grad).all() and np.isfinite(hess).all()


SATURATED = (
    (0.0, -345.0, -400.0),
    (300.0, -50.0, -60.0),
    (-700.0, -1.0, -340.5),
    (0.5, -360.0, -360.0),
    (0.0, -20.0, -700.0),
)


@cache
def saturated_problem(rule, smoothing_rule, gamma, hessian):
    scores = np.repeat(np.array(SATURATED), 4, axis=0)
    targets = np.tile([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.25, 0.5, 0.25], [1.0, 0.0, 1e-7]], (len(SATURATED), 1))
    given = dict(
        outer=len(scores), classes=3, scores=scores, targets=targets, soft_rule=rule, smoothing_rule=smoothing_rule,
        label_smoothing=0.001 * smoothing_rule, gamma=gamma, hessian=hessian,
    )  # fmt: skip
    return given, truth("focal_softmax", given, OUTPUTS)


@pytest.mark.parametrize("gamma", (0.25, 0.5, 1.0, 1.7, 2.0, 3.0))
@pytest.mark.parametrize("smoothing_rule", (header.SMOOTHING_TARGETS, header.SMOOTHING_CE))
@pytest.mark.parametrize("rule", (header.SOFT_INTERPOLATE, header.SOFT_MIXTURE), ids=("interpolate", "mixture"))
def test_saturated_class_probabilities(rule, smoothing_rule, gamma, isa):
    """One class is all but certain: 1 - p is below 1e-150, and its powers are still numbers."""
    for hessian in HESSIANS:
        given, expected = saturated_problem(rule, smoothing_rule, gamma, hessian)
        held("focal_softmax", given, OUTPUTS, expected, f"softmax saturated, rule {rule}, hessian {hessian}")


@pytest.mark.parametrize("gamma", (0.5, 2.0, 7.5))
@pytest.mark.parametrize("rule", (header.SOFT_INTERPOLATE, header.SOFT_MIXTURE), ids=("interpolate", "mixture"))
@pytest.mark.parametrize("smoothing", (0.0, 0.3), ids=("before", "here"))
def test_smoothed_labels_and_scores_beyond_exp(smoothing, rule, gamma, isa):
    """The entropy is as large as the scores: what smoothing gives every class alike must leave nothing for it to multiply."""
    labels = np.eye(5)[[3, 3, 0]]
    scores = [[0.0, -20, -37, -200, -1e30], [3.0, 1, 2, -240, -1e33], [2.0, -40, -38, -1e30, -45]]
    for hessian in HESSIANS:
        given = dict(
            outer=3, classes=5, scores=np.array(scores), targets=labels if smoothing else 0.7 * labels + 0.3 / 5,
            label_smoothing=smoothing, soft_rule=rule, gamma=gamma, hessian=hessian,
        )  # fmt: skip
        expected = truth("focal_softmax", given, OUTPUTS)
        got = call("focal_softmax", OUTPUTS, **given)
        for name in OUTPUTS:
            np.testing.assert_allclose(got[name], expected[name].high, rtol=1e-13, atol=1e-14, err_msg=name)


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
        assert image[name].tobytes() == as_planes(flat[name], image[name].shape).tobytes(), name


@pytest.mark.parametrize("classes", (63, 65, 127, 129, 1023, 1025, 2048, 2049, 4500))
@pytest.mark.parametrize("dtype", points.DTYPES, ids=str)
def test_every_way_through_long_rows(dtype, classes, isa):
    """The same bits whichever outputs are asked for, in rows or planes, added or not, on the scores or not."""
    rng = np.random.default_rng(classes)
    scores = rng.normal(0, 5, (11, classes))
    scores[2:5] *= [[50], [300], [2000]]  # beyond what is taken as it is
    scores[5, ::2], scores[6, 7], scores[7, 9], scores[8] = -INF, INF, np.nan, -INF
    scores = scores.astype(dtype)
    labels = rng.integers(0, classes, len(scores))
    labels[[0, 1, 10]] = 0, classes - 1, -100
    given = dict(target_kind=LABELS, targets=labels, ignore_index=-100, gamma=2.0, classes=classes)
    rows = dict(outer=len(scores), scores=scores, **given)
    together = call("focal_softmax", EVERYTHING, **rows)
    planes = call("focal_softmax", EVERYTHING, outer=1, inner=len(scores), scores=scores.T.copy(), **given)
    for name in EVERYTHING:
        alone = call("focal_softmax", (name,), **rows)[name]
        assert bits(alone) == bits(together[name]), name
        assert bits(as_planes(together[name], planes[name].shape)) == bits(planes[name]), name
    held = rng.normal(0, 1, scores.shape).astype(dtype)
    added = call("focal_softmax", ("grad",), grad=held, accumulate=1, **rows)["grad"].reshape(scores.shape)
    lanes = np.float64 if dtype == np.float64 or isa == "x86-64" else np.float32
    grad = call("focal_softmax", ("grad",), **rows | dict(out_dtype=DTYPES[np.dtype(lanes)]))["grad"].reshape(scores.shape)
    sums = (grad + held.astype(lanes)).astype(np.float64 if dtype == np.float64 else np.float32).astype(dtype)
    np.testing.assert_array_equal(added.astype(np.float64), sums.astype(np.float64))
    args = arguments([], **rows)
    args.grad = args.scores
    check(lib.focal_softmax(ctypes.addressof(args)))
    assert bits(scores) == bits(together["grad"])


def bits(values):
    """Every NaN as one: of its sign and payload, where a row or a column of it is computed, nothing is promised."""
    return np.where(np.isnan(values.astype(np.float64)), values.dtype.type(np.nan), values).tobytes()


def as_planes(rows, shape):
    """What (outer * inner) rows gave, as [outer, classes, inner] or [outer, inner] has it."""
    if len(shape) != 3:
        return rows.reshape(shape)
    outer, classes, inner = shape
    return np.ascontiguousarray(np.moveaxis(rows.reshape(outer, inner, classes), 2, 1))


@pytest.mark.parametrize("outer, inner", ((1, 37), (3, 1), (2, 16), (2, 33)))
@pytest.mark.parametrize("classes", (1, 2, 7, 10, 80, 300))
@pytest.mark.parametrize("dtype", points.DTYPES, ids=str)
def test_layout_of_class_probabilities(dtype, classes, outer, inner, isa):
    """The same of dense targets, class-major scores (one plane) among them."""
    rng = np.random.default_rng(classes * 100 + inner)
    scores = rng.normal(0, 5, (outer, classes, inner)).astype(dtype)
    targets = rng.random(scores.shape).astype(np.float32) / classes
    mask = (rng.random((outer, inner)) < 0.1).astype(np.uint8)
    common = dict(
        classes=classes, gamma=float(rng.choice([0, 0.5, 2, 1.7])), alphas=rng.uniform(0, 2, classes),
        soft_rule=int(rng.integers(2)), smoothing_rule=int(rng.integers(2)), label_smoothing=0.1,
    )  # fmt: skip
    rows = {name: np.moveaxis(array, 1, 2).copy() for name, array in (("scores", scores), ("targets", targets))}
    planes = dict(outer=outer, inner=inner, scores=scores, targets=targets, ignore_mask=mask)
    image = call("focal_softmax", EVERYTHING, **planes, **common)
    flat = call("focal_softmax", EVERYTHING, outer=outer * inner, ignore_mask=mask.ravel(), **rows, **common)
    for name in EVERYTHING:
        assert image[name].tobytes() == as_planes(flat[name], image[name].shape).tobytes(), name


@pytest.mark.parametrize("dtype", points.DTYPES, ids=str)
def test_layout_of_the_full_hessian(dtype, isa):
    rng = np.random.default_rng(8)
    scores, labels = rng.normal(0, 5, (2, 5, 7)).astype(dtype), rng.integers(0, 5, (2, 7))
    common = dict(classes=5, target_kind=LABELS, targets=labels)
    image = call("focal_softmax", ("hess_full",), outer=2, inner=7, scores=scores, **common)
    flat = call("focal_softmax", ("hess_full",), outer=14, scores=np.moveaxis(scores, 1, 2).copy(), **common)
    assert image["hess_full"].tobytes() == flat["hess_full"].tobytes()


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


@pytest.mark.parametrize("rule", (header.SOFT_INTERPOLATE, header.SOFT_MIXTURE), ids=("interpolate", "mixture"))
@pytest.mark.parametrize("smoothing", (0.0, 0.1))
@pytest.mark.parametrize("dtype", (points.FLOAT32, points.FLOAT64), ids=str)
def test_gradient_rows_of_class_probabilities_sum_to_zero(dtype, smoothing, rule, isa):
    scores, labels = rows(dtype, 10, 200)
    targets = np.random.default_rng(1).dirichlet(np.full(10, 0.3), 200)
    targets[::4] = np.eye(10)[labels[::4]]
    for gamma in (0.0, 0.5, 2.0, 1.7):
        for smoothing_rule in (header.SMOOTHING_TARGETS, header.SMOOTHING_CE):
            grad = call(
                "focal_softmax", ("grad",), outer=200, classes=10, scores=scores, targets=targets, gamma=gamma,
                soft_rule=rule, smoothing_rule=smoothing_rule, label_smoothing=smoothing,
            )["grad"].reshape(200, 10).astype(np.longdouble)  # fmt: skip
            room = 8 * np.finfo(dtype).eps * np.abs(grad).sum(1) + np.finfo(dtype).tiny
            assert (np.abs(grad.sum(1)) <= room).all(), (gamma, smoothing_rule)


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
