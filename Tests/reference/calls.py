"""What whole calls of both families share: factors, divisors, and results as exact arrays.

`sigmoid_call.sigmoid` and `softmax_call.softmax` take the fields of `focal_args` by name and return every output as
`Exact` arrays by its name.  Arrays are numpy's, of any dtype, in the shapes of the header.

Where the header leaves room, the reading taken is:

    weights           a weight of 0 makes 0 also of an infinite loss.
    accumulate        an ignored element leaves `grad` as it was.
    class_weights     softmax: with labels a factor on the sample, by its label; with dense targets a_k cw_k in the sum.
    DIVISOR_WEIGHTS   softmax: sum of weight * class weight * alpha of the label; dense: * sum_k y_k a_k cw_k.
    DIVISOR_POSITIVES targets as given, before smoothing; softmax with dense targets: sum of 1 - y_background.
    GAUSS_NEWTON      over probabilities it is EXACT for every soft rule.
    floor, hess       come after weights, reduction, grad_scale and hessian_scale; `upstream` is grad's alone.
"""

from dataclasses import dataclass, replace
from functools import reduce
from operator import mul

import numpy as np
from mpmath import mp, mpf

from reference import header
from reference.definition import Rule


@dataclass
class Exact:
    """True values as unevaluated sums high + low of float64, and the sum of the sizes of each one's terms."""

    high: np.ndarray
    low: np.ndarray
    size: np.ndarray

    @classmethod
    def of(cls, numbers, sizes):
        numbers = np.asarray(numbers, object)
        high = np.array([as_double(x) for x in numbers.flat]).reshape(numbers.shape)
        low = [float(x - mpf(h)) if np.isfinite(h) else 0.0 for x, h in zip(numbers.flat, high.flat)]
        size = np.asarray(sizes, np.float64)
        return cls(high, np.array(low).reshape(numbers.shape), np.maximum(size, np.abs(high)))


def as_double(number):
    try:
        return float(number)
    except OverflowError:
        return float(np.copysign(np.inf, float(mp.sign(number))))


def times(number, *factors):
    """Their product, which is 0 where a factor is 0 unless the number is NaN."""
    if number != number:
        return mp.nan
    return mpf(0) if 0 in factors else reduce(mul, map(exactly, factors), number)


def exactly(number):
    return number if isinstance(number, mpf) else mpf(float(number))


def array(values, shape, fill):
    """An optional array in its shape; `fill` everywhere where it is not given."""
    if values is None:
        return np.full(shape, fill, np.float64)
    return np.asarray(values).astype(np.float64).reshape(shape)


class Plan:
    """What both families share: shapes, factors, the divisor and the outputs' scales."""

    def __init__(self, options):
        self.options = options
        self.shape = options.outer, options.classes, options.inner
        self.scores = array(options.scores, self.shape, 0)
        self.class_weights = array(options.class_weights, options.classes, 1)

    def alphas(self, other):
        """alphas, or alpha for every class; `other` where it is off."""
        options = self.options
        if options.alphas is not None:
            return [float(alpha) for alpha in options.alphas]
        return [other if options.alpha == header.ALPHA_OFF else options.alpha] * options.classes

    def rule(self, **changes):
        options = self.options
        rule = Rule(
            gamma=options.gamma,
            soft_rule=options.soft_rule,
            label_smoothing=options.label_smoothing,
            smoothing_rule=options.smoothing_rule,
        )
        return replace(rule, **changes)

    def scale(self, valid, weight_sum, positives):
        """What the reduction multiplies every element's derivatives by: 1 or 1 / divisor."""
        options = self.options
        if options.reduction != header.REDUCTION_MEAN:
            return mpf(1)
        divisor = {
            header.DIVISOR_VALID: lambda: mpf(int(valid.sum())),
            header.DIVISOR_ELEMENTS: lambda: mpf(valid.size),
            header.DIVISOR_WEIGHTS: weight_sum,
            header.DIVISOR_POSITIVES: lambda: max(positives(), mpf(1)),
            header.DIVISOR_VALUE: lambda: mpf(options.divisor_value),
        }[options.divisor]()
        return 1 / divisor if divisor else mpf(0)

    def put(self, outputs, places, derivatives, sizes, factor, scale, upstream, old):
        """Writes (loss, gradient, Hessian) of one element, and their sizes, with all that multiplies them.

        places: where the loss stands, and where its derivatives; factor: the weights; scale: the reduction's.
        """
        (loss, grad, hess), place = derivatives, places[1]
        outputs.put("loss", places[0], times(loss, factor), sizes[0] * factor)
        factor = factor * scale * exactly(self.options.grad_scale)
        grad = times(grad, factor, upstream)
        outputs.put(
            "grad",
            place,
            grad + exactly(old) if self.options.accumulate else grad,
            sizes[1] * factor * exactly(upstream),
        )
        factor *= exactly(self.options.hessian_scale)
        outputs.put("hess", place, self.floored(times(self.mode(hess), factor)), sizes[2] * factor)

    def mode(self, hess):
        return abs(hess) if self.options.hessian == header.HESSIAN_ABSOLUTE else hess

    def floored(self, hess):
        floor = self.options.hessian_floor
        return hess if floor == header.FLOOR_OFF or hess != hess else max(hess, mpf(floor))


class Outputs:
    """Arrays of true values and sizes that are filled element by element."""

    def __init__(self, **shapes):
        self.numbers = {name: np.full(shape, mpf(0), object) for name, shape in shapes.items()}
        self.sizes = {name: np.zeros(shape) for name, shape in shapes.items()}

    def fill(self, name, values):
        for index in np.ndindex(values.shape):
            self.put(name, index, exactly(values[index]), 0)

    def put(self, name, index, number, size):
        self.numbers[name][index] = number
        self.sizes[name][index] = abs(float(size))

    def exact(self):
        return {name: Exact.of(self.numbers[name], self.sizes[name]) for name in self.numbers}


def reduced(outputs, scale):
    """The reduced loss: the sum of the losses over the divisor."""
    losses = outputs.numbers["loss"]
    with np.errstate(over="ignore"):
        size = outputs.sizes["loss"].sum() * float(scale)
    return times(sum(losses.flat, mpf(0)), scale), size


def ignored_by_mask(options, shape):
    return np.zeros(shape, bool) if options.ignore_mask is None else np.asarray(options.ignore_mask).reshape(shape) != 0
