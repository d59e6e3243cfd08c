"""Every option of focal_softmax against the reference: each alone with every kind of target, then many at once."""

import numpy as np
import points
import pytest
from options import (
    CLASSES,
    COMMON,
    GROUPS,
    INNER,
    OUTER,
    PLACES,
    Family,
    arrays_of_output,
    everything_ignored,
    fixed,
    ignored_mask,
    ignored_value,
    marked,
)  # fmt: skip
from reference import header

ONLY_LABELS = "gammas", "ignored value"


def labels(dtype):
    def targets(rng):
        return dict(targets=rng.integers(0, CLASSES, PLACES).astype(dtype), target_kind=header.TARGETS_LABELS)

    return targets


def one_hot(dtype):
    def targets(rng):
        hot = np.eye(CLASSES)[rng.integers(0, CLASSES, PLACES)]
        return dict(targets=np.ascontiguousarray(np.moveaxis(hot, 2, 1)).astype(dtype))

    return targets


def soft(dtype):
    def targets(rng):
        values = np.moveaxis(rng.dirichlet(np.ones(CLASSES), (OUTER, INNER)), 2, 1)
        return dict(targets=np.ascontiguousarray(values).astype(dtype))

    return targets


TARGETS = {
    **{f"labels {np.dtype(t)}": labels(t) for t in (np.uint8, np.int32, np.int64)},
    **{f"one-hot {np.dtype(t)}": one_hot(t) for t in (np.uint8, np.int32, np.int64, np.float32)},
    **{f"soft {np.dtype(t)}": soft(t) for t in (np.float32, np.float64)},
}


def background(rng, given):
    """An ordinary class, but no positive."""
    targets = given["targets"]
    return dict(targets=marked(rng, targets, 0) if targets.ndim == 2 else targets, background_label=0)


def per_place(given):
    return PLACES


OPTIONS = COMMON | {
    "alpha above 1": fixed(alpha=3.5),
    "gammas": lambda rng, given: dict(gammas=rng.choice([0.0, 0.5, 1.0, 2.0, 3.0], CLASSES)),
    "ignored value": ignored_value,
    "ignored mask": ignored_mask(per_place),
    "everything ignored": everything_ignored(per_place),
    "background": background,
    "upstream": arrays_of_output("upstream", PLACES),
}
MORE = ("background",), ("ignored value",), ("gammas",)


def allowed(kind, name):
    return name not in ONLY_LABELS or kind.startswith("labels")


FAMILY = Family("focal_softmax", TARGETS, OPTIONS, MORE + GROUPS, allowed)


@pytest.mark.parametrize("dtype", (points.FLOAT32, points.FLOAT64), ids=str)
@pytest.mark.parametrize("kind, option", FAMILY.single())
def test_option(kind, option, dtype, isa):
    FAMILY.run(kind, dtype, (option,))


@pytest.mark.parametrize("dtype", (points.BFLOAT16, points.FLOAT16), ids=str)
@pytest.mark.parametrize("option", OPTIONS)
def test_option_of_short_types(option, dtype, isa):
    FAMILY.run("labels int32" if option in ONLY_LABELS else "soft float32", dtype, (option,))


@pytest.mark.parametrize("seed", range(96 * points.MORE))
def test_combination(seed, isa):
    dtype = (points.FLOAT32, points.FLOAT64, points.FLOAT32, points.BFLOAT16)[seed % 4]
    kind, names = FAMILY.choose(np.random.default_rng(seed))
    FAMILY.run(kind, dtype, names, seed)
