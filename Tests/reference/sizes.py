"""The sizes of the terms that a result is the sum of, in float64 arrays: what error bounds are stated in.

A derivative can be a small difference of large terms; its error is then measured against the sum of the terms' sizes.
For hard targets the terms are those of the header's DERIVATIVES; for soft ones they are those of the product and chain
rules applied to the definition, which `Sized` follows.  Sizes set tolerances: they need two digits, not fifty.
"""

import numpy as np

from reference.definition import Outcome, binary_loss, softmax_loss


class Sized:
    """A second-order jet (as `jets.Jet`) whose coefficients carry the sum of their terms' sizes beside the value."""

    __array_ufunc__ = None  # array * Sized is Sized.__rmul__

    def __init__(self, values, sizes=None):
        self.values = tuple(values)
        self.sizes = tuple(sizes) if sizes else tuple(np.abs(value) for value in self.values)

    def __add__(self, other):
        return Sized(
            (a + b for a, b in zip(self.values, other.values)), tuple(a + b for a, b in zip(self.sizes, other.sizes))
        )

    def __sub__(self, other):
        return self + -1 * other

    def __mul__(self, other):
        if not isinstance(other, Sized):
            return Sized((v * other for v in self.values), tuple(s * np.abs(other) for s in self.sizes))
        return Sized(product(self.values, other.values), product(self.sizes, other.sizes))

    __rmul__ = __mul__

    def __abs__(self):
        return Sized((v * np.sign(self.values[0]) for v in self.values), self.sizes)

    def power(self, exponent):
        base = np.maximum(np.abs(self.values[0]), 2.0**-53 * self.sizes[0])  # a difference may have rounded to 0 here
        magnification = self.sizes[0] / base - 1
        coefficients = (1, exponent, exponent * (exponent - 1) / 2)
        outer = [c * base ** (exponent - order) if c else 0 * base for order, c in enumerate(coefficients)]
        sizes = [np.abs(c) * (1 + abs(exponent - i) * magnification) for i, c in enumerate(outer)]
        return Sized(composition(outer, self.values), composition(sizes, self.sizes))


def product(a, b):
    return a[0] * b[0], a[0] * b[1] + a[1] * b[0], a[0] * b[2] + a[1] * b[1] + a[2] * b[0]


def composition(outer, inner):
    return outer[0], outer[1] * inner[1], outer[1] * inner[2] + outer[2] * inner[1] ** 2


def hard_sizes(p, q, loss, g):
    """Sizes of f, f' and f'' at p_t = p, in the header's terms."""
    power, rest = q**g, np.where(p > 0, p * loss, 0)
    return power * loss, power * (q + g * rest), power * (p * q * (1 + 2 * g) + g * rest * (g * p + q))


def binary_sizes(z, y, rule, probability):
    """Sizes of (loss, gradient, Hessian) for arrays of scores and targets of one rule."""
    z, y = np.broadcast_arrays(np.asarray(z, np.float64), np.asarray(y, np.float64))
    with np.errstate(all="ignore"):
        if probability:
            one, zero = np.ones_like(z), np.zeros_like(z)
            p, q = Sized((z, one, zero)), Sized((1 - z, -one, zero))
            loss1 = Sized((-np.log(z), -1 / z, 1 / (2 * z**2)))
            loss0 = Sized((-np.log1p(-z), 1 / (1 - z), 1 / (2 * (1 - z) ** 2)))
        else:
            p, q, loss1, loss0 = sized_logit(z)
        sizes = binary_loss(Outcome(p, q, loss1), Outcome(q, p, loss0), y, rule).sizes
        sizes = sizes[0], sizes[1], 2 * sizes[2]
        if probability or rule.label_smoothing:
            return sizes
        hard = (y == 0) | (y == 1)
        return [np.where(hard, tight, size) for tight, size in zip(hard_binary_sizes(z, y, rule), sizes)]


def sized_logit(z):
    p, q = np.exp(-np.logaddexp(0, -z)), np.exp(-np.logaddexp(0, z))
    slope, bend = p * q, p * q * (q - p) / 2
    sizes = slope, slope / 2
    return (
        Sized((p, slope, bend), (p, *sizes)),
        Sized((q, -slope, -bend), (q, *sizes)),
        Sized((np.logaddexp(0, -z), -q, slope / 2)),
        Sized((np.logaddexp(0, z), p, slope / 2)),
    )


def hard_binary_sizes(z, y, rule):
    u = np.where(y == 1, z, -z)
    weight = np.where(y == 1, rule.alpha1 * rule.pos_weight, rule.alpha0 * rule.neg_weight)
    p, q, loss = np.exp(-np.logaddexp(0, -u)), np.exp(-np.logaddexp(0, u)), np.logaddexp(0, -u)
    return [weight * size for size in hard_sizes(p, q, loss, rule.gamma)]


def softmax_sizes(p, q, losses, y, alphas, rule):
    """Sizes of (loss, gradient per class, diagonal Hessian per class) of one sample; p, q, losses: one per class."""
    p, q, losses = (np.array([float(x) for x in numbers]) for numbers in (p, q, losses))
    classes = len(p)
    if classes == 1:
        return 0.0, np.zeros(1), np.zeros(1)
    with np.errstate(all="ignore"):
        if not rule.label_smoothing and sum(map(bool, y)) == 1 and max(y) == 1:
            return hard_softmax_sizes(p, q, losses, list(y).index(1), alphas, rule)
        outcomes = []
        for k in range(classes):
            own = np.arange(classes) == k
            away = np.where(own, q[k], p)  # |[k == j] - p_j|
            slope, bend = p[k] * np.where(own, q[k], -p), p[k] * (away**2 - p * q) / 2
            sizes = p[k] * away, p[k] * (away**2 + p * q * ~own) / 2
            outcomes.append(
                Outcome(
                    Sized((p[k], slope, bend), (p[k], *sizes)),
                    Sized((q[k], -slope, -bend), (q[k], *sizes)),
                    Sized((losses[k], np.where(own, -q[k], p), p * q / 2)),
                )
            )
        sizes = softmax_loss(outcomes, list(y), alphas, rule).sizes
    return np.nan_to_num(sizes[0]), np.nan_to_num(sizes[1] + 0 * p), np.nan_to_num(2 * sizes[2] + 0 * p)


def hard_softmax_sizes(p, q, losses, target, alphas, rule):
    value, slope, bend = (
        alphas[target] * size for size in hard_sizes(p[target], q[target], losses[target], rule.gamma)
    )
    share = np.where(np.arange(len(p)) == target, 1, np.nan_to_num(p / q[target]))
    return np.nan_to_num(value), slope * share, bend * share**2 + slope * share * np.clip(1 - share, 0, 1)
