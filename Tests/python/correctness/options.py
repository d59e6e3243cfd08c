"""Options of a call, as functions that add to it: what the tests of both families choose from.

An option takes a random generator and the call so far, and returns the fields that it sets.
"""

from functools import lru_cache

import numpy as np
from held import held, truth
from reference import header

SHAPE = OUTER, CLASSES, INNER = 3, 5, 4
PLACES = OUTER, INNER
NONE, SUM, MEAN = header.REDUCTION_NONE, header.REDUCTION_SUM, header.REDUCTION_MEAN


def scores(rng, dtype):
    """Mostly where the loss bends, a few far out."""
    values = rng.normal(0, 3, SHAPE)
    values.flat[::13] *= 30
    return values.astype(dtype)


def fixed(**options):
    return lambda rng, given: options


def per_class(name, low=0.0, high=1.0):
    return lambda rng, given: {name: rng.uniform(low, high, CLASSES)}


def weights(layout, dtype):
    """Weights of samples or of elements."""
    shape = SHAPE if layout == header.WEIGHTS_ELEMENT else PLACES
    return lambda rng, given: dict(weights=rng.uniform(0, 3, shape).astype(dtype), weight_layout=layout)


def marked(rng, targets, value):
    """Some of the targets replaced by a value."""
    targets = targets.copy()
    targets[rng.random(targets.shape) < 0.25] = value
    return targets


def ignored_value(rng, given):
    value = {"u": 255, "b": 1}.get(given["targets"].dtype.kind, -1)
    return dict(targets=marked(rng, given["targets"], value), ignore_index=value)


def ignored_mask(shape_of):
    return lambda rng, given: dict(ignore_mask=(rng.random(shape_of(given)) < 0.25).astype(np.uint8) * 7)


def everything_ignored(shape_of):
    return lambda rng, given: dict(ignore_mask=np.ones(shape_of(given), np.uint8), reduction=MEAN)


def background(value):
    """Some labels are background: a value beside the classes or one of them."""
    return lambda rng, given: dict(targets=marked(rng, given["targets"], value), background_label=value)


def mean(divisor, **options):
    def option(rng, given):
        return dict(reduction=MEAN, divisor=divisor, **options)

    return option


def arrays_of_output(name, shape=SHAPE):
    """upstream, or gradients to accumulate into, in the output's type."""

    def option(rng, given):
        code = given.get("out_dtype", 0)
        wide = code == header.DTYPE_F64 or (not code and given["scores"].dtype == np.float64)
        dtype = np.float64 if wide else np.float32 if code else given["scores"].dtype
        return {name: rng.normal(0, 1, shape).astype(dtype)}

    return option


def accumulate(rng, given):
    return dict(accumulate=1, **arrays_of_output("grad")(rng, given))


# The options that both families have, in the same words.
COMMON = {
    "plain": fixed(),
    "gamma 0": fixed(gamma=0.0),
    "gamma .5": fixed(gamma=0.5),
    "gamma 1.7": fixed(gamma=1.7),
    "alpha": fixed(alpha=0.25),
    "alpha 0": fixed(alpha=0.0),
    "alpha 1": fixed(alpha=1.0),
    "alphas": per_class("alphas"),
    "mixture": fixed(soft_rule=header.SOFT_MIXTURE),
    "smoothed targets": fixed(label_smoothing=0.1),
    "smoothed cross-entropy": fixed(label_smoothing=0.1, smoothing_rule=header.SMOOTHING_CE),
    "class_weights": per_class("class_weights", high=4),
    "sample weights": weights(header.WEIGHTS_SAMPLE, np.float32),
    "sample weights f64": weights(header.WEIGHTS_SAMPLE, np.float64),
    "sum": fixed(reduction=SUM),
    "mean": mean(header.DIVISOR_VALID),
    "mean of all": mean(header.DIVISOR_ELEMENTS),
    "weighted mean": mean(header.DIVISOR_WEIGHTS),
    "mean over positives": mean(header.DIVISOR_POSITIVES),
    "mean over a value": mean(header.DIVISOR_VALUE, divisor_value=7.5),
    "grad_scale": fixed(grad_scale=-1.75),
    "accumulate": accumulate,
    "absolute": fixed(hessian=header.HESSIAN_ABSOLUTE),
    "gauss_newton": fixed(hessian=header.HESSIAN_GAUSS_NEWTON),
    "floor": fixed(hessian_floor=0.0625),
    "hessian_scale": fixed(hessian_scale=2.0, hessian=header.HESSIAN_ABSOLUTE),
    "out f32": fixed(out_dtype=header.DTYPE_F32),
    "out f64": fixed(out_dtype=header.DTYPE_F64),
    "trusted": fixed(target_check=header.TARGETS_TRUSTED),
    "one thread": fixed(threads=1),
}
GROUPS = (  # of each at most one in a combination; in this order, because some depend on those before
    ("gamma 0", "gamma .5", "gamma 1.7"),
    ("alpha", "alphas"),
    ("mixture",),
    ("smoothed targets", "smoothed cross-entropy"),
    ("class_weights",),
    ("sample weights", "sample weights f64"),
    ("ignored mask",),
    ("sum", "mean", "mean of all", "weighted mean", "mean over positives", "mean over a value"),
    ("grad_scale",),
    ("out f32", "out f64"),
    ("upstream",),
    ("absolute", "gauss_newton"),
    ("floor", "hessian_scale"),
)


class Family:
    """The calls of one function: kinds of targets, options, and which options a kind of target has."""

    def __init__(self, function, targets, options, groups, allowed):
        self.function, self.targets, self.options, self.groups = function, targets, options, groups
        self.allowed = allowed
        self.problem = lru_cache(maxsize=None)(self.problem)

    def single(self):
        return [(kind, name) for kind in self.targets for name in self.options if self.allowed(kind, name)]

    def choose(self, rng):
        """A kind of target and some options for it."""
        kind = str(rng.choice(list(self.targets)))
        names = [str(rng.choice(group)) for group in self.groups if rng.random() < 0.5]
        return kind, tuple(name for name in names if self.allowed(kind, name))

    def given(self, kind, dtype, names, seed):
        """A call of these options."""
        rng = np.random.default_rng(seed)
        given = dict(outer=OUTER, classes=CLASSES, inner=INNER, scores=scores(rng, dtype), **self.targets[kind](rng))
        for name in names:
            given.update(self.options[name](rng, given))
        return given

    def problem(self, kind, dtype, names, seed):
        """The same, and the reference's answer."""
        given = self.given(kind, dtype, names, seed)
        return given, truth(self.function, given, outputs_of(given))

    def run(self, kind, dtype, names, seed=7):
        given, expected = self.problem(kind, dtype, names, seed)
        held(self.function, given, outputs_of(given), expected)


def outputs_of(given):
    return (
        ("loss", "grad", "hess", "reduced_loss") if given.get("reduction", NONE) != NONE else ("loss", "grad", "hess")
    )
