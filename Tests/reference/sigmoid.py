"""One binary score: loss, gradient and Hessian with respect to what was given."""

from functools import lru_cache

from mpmath import mp, mpf

from reference.definition import Outcome, Rule, binary_curvature, binary_loss, class_outcome
from reference.jets import Jet
from reference.limits import FAR, LOG2_NEAR, precision, settle

UNKNOWN = (mp.nan,) * 3


def exact_rule(rule):
    """The rule with its numbers as mpf: sums such as 1 - e are to be exact."""
    numbers = ("gamma", "label_smoothing", "alpha1", "alpha0", "pos_weight", "neg_weight")
    return Rule(
        soft_rule=rule.soft_rule,
        smoothing_rule=rule.smoothing_rule,
        **{name: mpf(getattr(rule, name)) for name in numbers},
    )


@lru_cache(maxsize=1 << 16)
def outcomes_of_logit(z):
    """Positive and negative class of a logit, as jets along it: weights of exp(z) and 1."""
    z = mp.sign(z) * FAR if abs(z) == mp.inf else mpf(z)
    positive, negative = Jet.exponential(mp.exp(z)), Jet(mpf(1))
    return class_outcome(positive, negative), class_outcome(negative, positive)


def outcomes_of_probability(p, q):
    """The same of a probability p and q = 1 - p, as jets along p."""
    p, q = Jet(p, mpf(1)), Jet(q, mpf(-1))
    return Outcome(p, q, minus_log(p, q)), Outcome(q, p, minus_log(q, p))


def minus_log(p, q):
    return -(p.log() if p.value < q.value else (-q).log1p())


def probability_and_rest(p, clip):
    """p clipped, 1 - p, and whether p lies strictly outside [clip, 1 - clip], which are two float64 numbers."""
    p, low, high = mpf(p), mpf(clip), mpf(1.0 - clip)
    near = mp.ldexp(1, LOG2_NEAR)
    if p < low:
        return low, 1 - low, True
    if p > high:
        return high, 1 - high, True
    if p == 0:
        return near, mpf(1), False
    if p == 1:
        return mpf(1), near, False
    return p, 1 - p, False


@lru_cache(maxsize=1 << 18)
def element(score, y, rule, probability=False, clip=0.0, gauss_newton=False):
    """(loss, gradient, Hessian) of a score with the target y, mpf each; infinities are limits, NaN gives NaN."""
    with mp.workprec(precision(0 if probability else score)):
        return evaluate(score, y, rule, probability, clip, gauss_newton)


def evaluate(score, y, rule, probability, clip, gauss_newton):
    if score != score or y != y or (probability and not 0 <= score <= 1):
        return UNKNOWN
    rule = exact_rule(rule)
    outside = False
    if probability:
        p, q, outside = probability_and_rest(score, clip)
        outcomes = outcomes_of_probability(p, q)
        limit = score in (0, 1) and not outside
    else:
        limit = abs(score) == mp.inf
        outcomes = outcomes_of_logit(score)
    loss = binary_loss(*outcomes, mpf(y), rule)
    hess = 2 * loss.second
    if gauss_newton and not probability:
        hess = binary_curvature(*map(values, outcomes), mpf(y), rule) * outcomes[0].p.value * outcomes[0].q.value
    if outside:
        return loss.value, mpf(0), mpf(0)
    result = loss.value, loss.first, hess
    return tuple(map(settle, result)) if limit else result


def values(outcome):
    return Outcome(outcome.p.value, outcome.q.value, outcome.loss.value)
