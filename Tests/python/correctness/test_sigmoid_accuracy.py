"""focal_sigmoid against the reference: one table of function, range and largest error.

Every row runs for every instruction set, every type of score and every gamma; loss, gradient and all three Hessians are
compared point by point.  The reference is evaluated once for each.
"""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import points
import pytest
from bounds import Bound, assert_close, computed_in, differences, hessian, terms, ulps
from library import call
from reference import header
from reference.sigmoid_call import sigmoid

HESSIANS = {
    "exact": header.HESSIAN_EXACT,
    "absolute": header.HESSIAN_ABSOLUTE,
    "gauss_newton": header.HESSIAN_GAUSS_NEWTON,
}
HARD = 0.0, 1.0
SOFT = 0.0, 1.0, 0.5, 0.3, 0.875, 1e-3, 0.999
SOFT_GAMMAS = 0.0, 0.5, 1.0, 2.0, 5.0, 1.7


@dataclass(frozen=True)
class Row:
    """One function of the table: what is called, over which targets and scores, and how large an error may be."""

    name: str
    targets: tuple = HARD
    scores: object = points.logits
    options: dict = field(default_factory=dict, hash=False)
    bound: object = ulps  # of loss and gradient, by gamma
    second: object = hessian
    gammas: tuple = points.GAMMAS


ROWS = (
    Row("hard"),
    Row("hard, alpha", options=dict(alpha=0.25), gammas=(0.0, 2.0, 1.7)),
    Row(
        "interpolate",
        SOFT,
        options=dict(soft_rule=header.SOFT_INTERPOLATE),
        bound=terms,
        second=terms,
        gammas=SOFT_GAMMAS,
    ),
    Row("mixture", SOFT, options=dict(soft_rule=header.SOFT_MIXTURE), bound=terms, second=terms, gammas=SOFT_GAMMAS),
    Row("quality", SOFT, options=dict(soft_rule=header.SOFT_QUALITY), bound=terms, second=terms, gammas=SOFT_GAMMAS),
    Row("probabilities", HARD, points.probabilities, dict(input=header.INPUT_PROBABILITIES), terms, terms),
    Row(
        "probabilities, soft",
        SOFT,
        points.probabilities,
        dict(input=header.INPUT_PROBABILITIES),
        terms,
        terms,
        gammas=(0.0, 1.0, 2.0, 1.7),
    ),
)
SHORT_TYPES_GAMMAS = 0.0, 0.5, 2.0, 1.7


def cases():
    """(row, score type, gamma) of every test."""
    for row in ROWS:
        for dtype in points.DTYPES:
            for gamma in row.gammas:
                if dtype.itemsize > 2 or gamma in SHORT_TYPES_GAMMAS:
                    yield pytest.param(row, dtype, gamma, id=f"{row.name}-{dtype}-{gamma:g}")


@cache
def problem(row, dtype, gamma):
    """Every score with every target."""
    scores = row.scores(dtype, 64 if row.targets is HARD else 16)
    targets = np.repeat(np.array(row.targets, np.float32), len(scores))
    scores = np.tile(scores, len(row.targets))
    if row.options.get("soft_rule") == header.SOFT_QUALITY and gamma < 2:  # |y - p|^g has no second derivative at p = y
        with np.errstate(over="ignore"):
            smooth = ~(np.abs(targets - 1 / (1 + np.exp(-scores.astype(np.float64)))) < 1e-3) | (targets % 1 == 0)
        scores, targets = scores[smooth], targets[smooth]
    return dict(outer=len(scores), scores=scores, targets=targets, gamma=gamma, **row.options)


@cache
def truth(row, dtype, gamma, hessian):
    return sigmoid(**problem(row, dtype, gamma), hessian=hessian)


@pytest.mark.parametrize("row, dtype, gamma", list(cases()))
def test_accuracy(row, dtype, gamma, isa):
    given = problem(row, dtype, gamma)
    scores, targets = given["scores"], given["targets"]

    def describe(index):
        return f"gamma {gamma:g}, score {scores[index[0]]!s}, target {targets[index[0]]:g}, {isa}"

    lines = []

    def compare(output, bound, name, hessian):
        expected = truth(row, dtype, gamma, hessian)[output]
        what = f"sigmoid {row.name}, {dtype}, {name}"
        lines.extend(differences(what, got[output].ravel(), flat(expected), bound, computed_in(dtype), describe))

    for name, mode in HESSIANS.items():
        got = call("focal_sigmoid", **given, hessian=mode)
        compare("hess", row.second(gamma, isa), f"hess {name}", mode)
    compare("loss", row.bound(gamma, isa), "loss", mode)
    compare("grad", row.bound(gamma, isa), "grad", mode)
    assert not lines, "\n".join(lines)


def flat(exact):
    return type(exact)(exact.high.ravel(), exact.low.ravel(), exact.size.ravel())


def test_bounds_can_fail():
    """The comparison is one that fails: a value five units off is not within four."""
    exact = flat(sigmoid(outer=1, scores=np.array([0.5]), targets=np.array([1.0]))["loss"])
    off = exact.high.astype(np.float32) * np.float32(1 + 5 * 2.0**-23)
    with pytest.raises(AssertionError):
        assert_close("off", off, exact, Bound("ulp", 4), np.float32)
