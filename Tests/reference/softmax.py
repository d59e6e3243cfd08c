"""One sample of the softmax: loss, gradient, Hessian (diagonal, full), probabilities and log-sum-exp.

Derivatives are taken one direction at a time.  Along class j only exp(z_j) moves, so that every class sees a constant
and one jet; the mixed second derivatives come from the direction of two classes at once (polarisation).
"""

from dataclasses import replace
from functools import cached_property, lru_cache

from mpmath import mp, mpf

from reference.definition import class_outcome, softmax_curvature, softmax_loss
from reference.jets import Jet
from reference.limits import BEYOND, FAR, precision, settle
from reference.sigmoid import exact_rule, values
from reference.sizes import softmax_sizes


class Sample:
    """The scores of one sample.  Infinite scores are limits; a sample with a NaN is `unknown`."""

    def __init__(self, scores):
        self.known_outcomes = {}
        self.unknown = any(score != score for score in scores)
        self.limit = mp.inf in map(abs, scores)
        if self.unknown:
            return
        self.scores = [mp.sign(score) * FAR if abs(score) == mp.inf else mpf(score) for score in scores]
        self.all_masked = set(scores) == {-mp.inf}
        self.precision = precision(max(self.scores) - min(self.scores))
        with mp.workprec(self.precision):
            self.exponentials = [mp.exp(score) for score in self.scores]
            self.others = sums_of_others(self.exponentials)

    def outcomes(self, direction=()):
        """Every class as jets along these classes' scores, all at once."""
        if direction not in self.known_outcomes:
            with mp.workprec(self.precision):
                self.known_outcomes[direction] = self.differentiate(direction)
        return self.known_outcomes[direction]

    def differentiate(self, direction):
        moving = {k: Jet.exponential(self.exponentials[k]) for k in direction}
        change = sum((Jet(0, jet.first, jet.second) for jet in moving.values()), Jet(mpf(0)))
        result = []
        for k, (own, others) in enumerate(zip(self.exponentials, self.others)):
            jet = moving.get(k, Jet(own))
            result.append(class_outcome(jet, Jet(others) + change - Jet(0, jet.first, jet.second)))
        return result

    def probabilities(self):
        return [own / (own + others) for own, others in zip(self.exponentials, self.others)]

    def log_sum_exp(self):
        """The largest score and what the others add to it."""
        if self.all_masked:
            return -mp.inf
        top = self.scores.index(max(self.scores))
        result = self.scores[top] + mp.log1p(self.others[top] / self.exponentials[top])
        return settle(result) if self.limit else result


@lru_cache(maxsize=4096)
def sample(scores):
    """The sample of a tuple of floats, with what is known of it already: options change the loss, not the softmax."""
    return Sample(scores)


def sums_of_others(numbers):
    """For each number the sum of all the others, without subtracting it from the total."""
    before, after = [mpf(0)], [mpf(0)]
    for number in numbers[:-1]:
        before.append(before[-1] + number)
    for number in numbers[:0:-1]:
        after.append(after[-1] + number)
    return [left + right for left, right in zip(before, reversed(after))]


class Loss:
    """The loss of one sample as a function of its scores.

    y: targets, one per class; alphas: weights, one per class; rule.gamma is the sample's own.

    Where a class with p = 0 has a part in the loss it is infinite, whatever its modulator.  That class's L then counts in
    the derivatives by its own derivative alone: in the product with the modulator's it counts as 0.
    """

    def __init__(self, sample, y, alphas, rule):
        self.sample, self.rule = sample, exact_rule(rule)
        self.y, self.alphas = [mpf(float(target)) for target in y], [mpf(float(alpha)) for alpha in alphas]
        self.one_class = len(self.y) == 1
        hot = [k for k, target in enumerate(self.y) if target]
        self.hard = hot[0] if len(hot) == 1 and self.y[hot[0]] == 1 and not rule.label_smoothing else None
        self.along_others = None

    def settle(self, number):
        return settle(number) if self.sample.limit else number

    def along(self, *direction):
        """The loss as a jet along these classes."""
        if self.one_class:
            return Jet(mpf(0), mpf(0), mpf(0))
        with mp.workprec(self.sample.precision):
            if self.hard is not None and self.hard not in direction:
                return self.along_the_others(direction)
            return softmax_loss(self.finite(self.sample.outcomes(direction)), self.y, self.alphas, self.rule)

    def finite(self, outcomes):
        """The classes, with 0 for what is infinite of their losses."""
        if not self.sample.limit:
            return outcomes
        return [
            replace(outcome, loss=outcome.loss - outcome.loss.value if outcome.loss.value > BEYOND else outcome.loss)
            for outcome in outcomes
        ]

    @cached_property
    def infinite(self):
        """Whether a class with p = 0 has a part in the loss."""
        if not self.sample.limit or self.one_class:
            return False
        with mp.workprec(self.sample.precision):
            entropy = softmax_loss(self.sample.outcomes(), self.y, self.alphas, replace(self.rule, gamma=mpf(0)))
        return entropy.value > BEYOND

    def along_the_others(self, direction):
        """The same where one class is the target and does not move: a function of the sum of the others alone."""
        if self.along_others is None:
            own = Jet(self.sample.exponentials[self.hard])
            outcome = class_outcome(own, Jet(self.sample.others[self.hard], mpf(1)))
            self.along_others = outcome.q.power(self.rule.gamma) * outcome.loss * self.alphas[self.hard]
        step = sum(self.sample.exponentials[k] for k in direction)
        jet = self.along_others
        return jet if not direction else Jet(step, step, step / 2).compose(jet.value, jet.first, jet.second)

    def derivatives(self, k, gauss_newton=False):
        """(loss, gradient, Hessian) along class k."""
        jet = self.along(k)
        value = mp.inf if self.infinite else jet.value
        hess = self.gauss_newton(k) if gauss_newton else 2 * jet.second
        return tuple(map(self.settle, (value, jet.first, hess)))

    def sizes(self):
        """The sizes of loss, gradient and Hessian: `sizes.softmax_sizes`."""
        with mp.workprec(self.sample.precision):
            outcomes = [values(outcome) for outcome in self.finite(self.sample.outcomes())]
        parts = ([float(getattr(outcome, name)) for outcome in outcomes] for name in ("p", "q", "loss"))
        y, alphas = ([float(number) for number in numbers] for numbers in (self.y, self.alphas))
        rule = replace(self.rule, **{name: float(getattr(self.rule, name)) for name in ("gamma", "label_smoothing")})
        return softmax_sizes(*parts, y, alphas, rule)

    def mixed(self, j, k):
        """d2 loss / dz_j dz_k."""
        with mp.workprec(self.sample.precision):
            first, second = self.along(j), self.along(k)
            mixed = 2 * first.second if j == k else self.along(j, k).second - first.second - second.second
        return self.settle(mixed)

    def gauss_newton(self, k):
        if self.one_class:
            return mpf(0)
        with mp.workprec(self.sample.precision):
            outcome = values(self.sample.outcomes()[k])
            return self.curvature * outcome.p * outcome.q

    @cached_property
    def curvature(self):
        """A, alpha included."""
        outcomes = [values(outcome) for outcome in self.finite(self.sample.outcomes())]
        return softmax_curvature(outcomes, self.y, self.alphas, self.rule)
