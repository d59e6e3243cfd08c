"""Every option of focal_sigmoid against the reference: each alone with every kind of target, then many at once."""

import numpy as np
import points
import pytest
from held import held
from options import (
    CLASSES,
    COMMON,
    GROUPS,
    PLACES,
    SHAPE,
    Family,
    arrays_of_output,
    background,
    everything_ignored,
    fixed,
    ignored_mask,
    ignored_value,
    per_class,
    weights,
)  # fmt: skip
from reference import header


def dense(dtype, soft=False):
    def targets(rng):
        values = rng.integers(0, 2, SHAPE) if not soft else rng.choice([0.0, 1.0, 0.25, 0.3, 0.9], SHAPE)
        return dict(targets=values.astype(dtype))

    return targets


def labels(dtype):
    def targets(rng):
        return dict(targets=rng.integers(0, CLASSES, PLACES).astype(dtype), target_kind=header.TARGETS_LABELS)

    return targets


TARGETS = {
    **{f"dense {np.dtype(t)}": dense(t) for t in (np.float32, np.float64, np.uint8, np.bool_, np.int32, np.int64)},
    **{f"soft {np.dtype(t)}": dense(t, soft=True) for t in (np.float32, np.float64)},
    **{f"labels {np.dtype(t)}": labels(t) for t in (np.uint8, np.int32, np.int64)},
}


def shape_of_targets(given):
    return given["targets"].shape


OPTIONS = COMMON | {
    "quality": fixed(soft_rule=header.SOFT_QUALITY),
    "pos_weight": fixed(pos_weight=3.5, neg_weight=0.25),
    "pos_weights": per_class("pos_weights", high=4),
    "element weights": weights(header.WEIGHTS_ELEMENT, np.float32),
    "element weights f64": weights(header.WEIGHTS_ELEMENT, np.float64),
    "ignored value": ignored_value,
    "ignored mask": ignored_mask(shape_of_targets),
    "everything ignored": everything_ignored(shape_of_targets),
    "background": background(CLASSES),
    "background a class": background(0),
    "background below": background(-7),
    "upstream": arrays_of_output("upstream"),
}
MORE = (
    ("background", "background a class"),
    ("ignored value",),
    ("quality",),
    ("pos_weight", "pos_weights"),
    ("element weights f64",),
)


def allowed(kind, name):
    """Labels have a background; unsigned ones none below 0."""
    return (
        not name.startswith("background")
        or kind.startswith("labels")
        and (kind, name) != ("labels uint8", "background below")
    )


FAMILY = Family("focal_sigmoid", TARGETS, OPTIONS, MORE + GROUPS, allowed)


@pytest.mark.parametrize("dtype", (points.FLOAT32, points.FLOAT64), ids=str)
@pytest.mark.parametrize("kind, option", FAMILY.single())
def test_option(kind, option, dtype, isa):
    FAMILY.run(kind, dtype, (option,))


@pytest.mark.parametrize("dtype", (points.BFLOAT16, points.FLOAT16), ids=str)
@pytest.mark.parametrize("option", OPTIONS)
def test_option_of_short_types(option, dtype, isa):
    FAMILY.run("labels int32" if option.startswith("background") else "dense float32", dtype, (option,))


@pytest.mark.parametrize("seed", range(96 * points.MORE))
def test_combination(seed, isa):
    dtype = (points.FLOAT32, points.FLOAT64, points.FLOAT32, points.BFLOAT16)[seed % 4]
    kind, names = FAMILY.choose(np.random.default_rng(seed))
    FAMILY.run(kind, dtype, names, seed)


PROBABILITIES = np.array([0, 1, 0.5, 1e-3, 1 - 1e-3, 0.25, 0.9, 1e-9, 2e-2, 0.98, 0.03, 0.97])


@pytest.mark.parametrize("clip", (0.0, 1e-7, 0.02 * 1.001, 0.3))
@pytest.mark.parametrize("gamma", (0.0, 0.5, 1.0, 2.0, 1.7))
@pytest.mark.parametrize("dtype", (points.FLOAT32, points.FLOAT64), ids=str)
def test_clip(dtype, gamma, clip, isa):
    """Probabilities outside [clip, 1 - clip] have the loss of its edge, and no gradient."""
    scores = np.tile(PROBABILITIES, 3).astype(dtype)
    targets = np.repeat([0.0, 1.0, 0.3], len(PROBABILITIES)).astype(np.float32)
    held(
        "focal_sigmoid",
        dict(
            outer=len(scores), scores=scores, targets=targets, gamma=gamma, clip=clip, input=header.INPUT_PROBABILITIES
        ),
        what="sigmoid clip",
    )


@pytest.mark.parametrize("gamma", (0.25, 0.5, 1.0, 1.7, 2.0))
@pytest.mark.parametrize("rule", (header.SOFT_INTERPOLATE, header.SOFT_MIXTURE, header.SOFT_QUALITY))
def test_saturated_and_smoothed(rule, gamma, isa):
    """Far-out scores on the right side, where 1 - p is below 1e-150 and the smoothed cross-entropy is not."""
    scores = np.repeat([345.0, 400.0, 600.0, -345.0, -400.0, -600.0], 4)
    targets = np.tile([0.0, 1.0, 0.3, 1e-9], 6)
    for hessian in (header.HESSIAN_EXACT, header.HESSIAN_GAUSS_NEWTON):
        given = dict(
            outer=len(scores), scores=scores, targets=targets, gamma=gamma, soft_rule=rule, hessian=hessian,
            smoothing_rule=header.SMOOTHING_CE, label_smoothing=0.001,
        )  # fmt: skip
        held("focal_sigmoid", given, what="sigmoid saturated and smoothed")
