"""Compares results with true values under the error bounds of `include/focalloss.h`.

    ulp(c)   |error| <= c units in the last place of the true value
    terms(c) |error| <= c u x the sum of the sizes of the terms, u the unit roundoff: half of the type's epsilon

either of them, or the smallest normal number absolutely (for a Hessian, times 1 + 2g + gL).  An infinite or NaN truth
must be met exactly.  float16 and bfloat16 are computed in float32 and rounded once: .51 of a unit of the short type on
top of the float32 bound.  `describe` names the point of an index in messages.
"""

from dataclasses import dataclass, replace

import ml_dtypes
import numpy as np

EXACT_GAMMAS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0)

WORST = {}  # what -> (share of the bound, bound, where), for the summary of a run


@dataclass(frozen=True)
class Bound:
    kind: str  # "ulp" or "terms"
    count: float
    least: float = 1  # in smallest normal numbers

    def __str__(self):
        return f"{self.count:g} ulp" if self.kind == "ulp" else f"{self.count:g} eps x terms"

    def after(self, factors):
        """With one unit more for every weight, scale or upstream gradient that multiplies the result."""
        return replace(self, count=self.count + factors)

    def tolerance(self, truth, dtype):
        if self.kind == "ulp":
            return self.count * ulp(truth.high, dtype)
        return self.count * float(np.finfo(dtype).epsneg) * truth.size


def ulps(gamma, isa="", softmax=False):
    """The header's bound on loss and gradient."""
    promised = 4 if gamma in EXACT_GAMMAS else 4 + 2 * gamma
    return Bound("ulp", promised + (2 if isa == "x86-64" else 0) + (4 + gamma if softmax else 0))


def terms(gamma, isa="", softmax=False, *, count=8):
    """The same where terms may cancel (soft targets, probabilities): two eps of the terms for each unit.

    The base of the power is itself computed there (1 - p_t, |y - p|), and its error counts gamma times.
    """
    return Bound("terms", count + 4 * gamma, least=1 + 2 * gamma + 746 * gamma)


def hessian(gamma, isa="", softmax=False):
    """The header's bound: 8 epsilon, or the smallest normal number times 1 + 2g + gL; L is below 746 where p_t > 0."""
    return Bound("terms", 16, least=1 + 2 * gamma + 746 * gamma)


def ulp(values, dtype):
    """The unit in the last place of |values| in dtype, as float64; of the smallest normal number below that."""
    info = np.finfo(dtype) if np.dtype(dtype).kind == "f" else ml_dtypes.finfo(dtype)
    with np.errstate(all="ignore"):
        exponent = np.frexp(np.maximum(np.abs(values), float(info.tiny)))[1] - 1
    return np.ldexp(1.0, np.minimum(exponent, int(info.maxexp) - 1) - int(info.nmant))


def computed_in(dtype):
    return np.dtype(np.float64 if np.dtype(dtype) == np.float64 else np.float32)


def tolerance(truth, bound, arithmetic, dtype):
    """How far a result of this dtype may lie from the truth, computed in `arithmetic`."""
    allowed = np.maximum(bound.tolerance(truth, arithmetic), bound.least * float(np.finfo(arithmetic).tiny))
    if np.dtype(dtype).itemsize < arithmetic.itemsize:
        allowed = allowed + 0.51 * ulp(truth.high, dtype)
    return allowed


def largest(dtype):
    return float(np.finfo(dtype).max) if np.dtype(dtype).kind == "f" else float(ml_dtypes.finfo(dtype).max)


def differences(what, got, truth, bound, arithmetic, describe=str):
    """Where `got` is outside the bound, the five worst points with a line each; [] if nowhere."""
    dtype = got.dtype
    assert got.shape == truth.high.shape, f"{what}: shape {got.shape}, not {truth.high.shape}"
    values = got.astype(np.float64)
    with np.errstate(all="ignore"):
        allowed = tolerance(truth, bound, np.dtype(arithmetic), dtype)
        error = np.abs((values - truth.high) - truth.low)
        share = error / allowed
        overflow = np.abs(truth.high) + allowed >= largest(dtype)
        excess = np.where(np.isfinite(error), error, np.inf) / allowed
    met = (share <= 1) | (values == truth.high) | (np.isnan(values) & np.isnan(truth.high))
    met |= overflow & np.isinf(values) & (np.sign(values) == np.sign(truth.high))
    share = np.where(met & np.isfinite(share), share, np.where(met, 0.0, np.inf))
    if share.size:
        worst = tuple(map(int, np.unravel_index(np.argmax(share), share.shape)))
        note(what, float(share[worst]), bound, describe(worst))
    wrong = sorted((tuple(map(int, index)) for index in np.argwhere(~met)), key=lambda index: -excess[index])
    lines = [
        f"{what} at {describe(index)}: got {values[index]:.9g}, true {truth.high[index]:.9g}, "
        f"error {error[index]:.3g} > {allowed[index]:.3g}"
        for index in wrong[:5]
    ]
    return [f"{what}: {len(wrong)} of {got.size} outside {bound}", *lines] if wrong else []


def assert_close(*comparison):
    """Every value lies within the bound: the arguments are those of `differences`."""
    lines = differences(*comparison)
    assert not lines, "\n".join(lines)


def note(what, share, bound, point):
    if share >= WORST.get(what, (-1.0,))[0]:
        WORST[what] = share, str(bound), point
