"""The losses as `include/focalloss.h` words them, once for every kind of number (jets, sizes).

Notation: p is a class's probability, q = 1 - p, L = -log p; y targets, a alpha, e label_smoothing, g gamma.  q comes in
beside p and is never computed as 1 - p, which is what keeps a fixed precision enough at any logit.

Where the header leaves room, the reading taken is:

    SMOOTHING_TARGETS  replaces y everywhere, in alpha_t too (softmax: the sum of y_k a_k L_k, as in torch).
    SMOOTHING_CE       the cross-entropy of each hard label is smoothed; sigmoid MIXTURE smooths both of its losses;
                       softmax gives sum_k y_k a_k M_k [(1 - e) L_k + e/K sum_j L_j], so that alpha and the modulator M
                       are those of the label, and e = 0 is the unsmoothed loss.
    Gauss-Newton       A is linear in the targets as the cross-entropy is: see `binary_curvature`, `softmax_curvature`.
"""

from dataclasses import dataclass

from mpmath import mp

from reference import header


@dataclass(frozen=True)
class Rule:
    """What turns probabilities and targets into a loss; the names of `focal_args`."""

    gamma: object = 2.0
    soft_rule: int = header.SOFT_INTERPOLATE
    label_smoothing: float = 0.0
    smoothing_rule: int = header.SMOOTHING_TARGETS
    alpha1: object = 1  # of positives (sigmoid)
    alpha0: object = 1  # of negatives
    pos_weight: object = 1
    neg_weight: object = 1

    @property
    def smooths_targets(self):
        return self.smoothing_rule == header.SMOOTHING_TARGETS


@dataclass(frozen=True)
class Outcome:
    """A binary score seen from one class: its probability, one less it, and -log of it."""

    p: object
    q: object
    loss: object


def class_outcome(own, others):
    """A class by its exponential and the sum of the others'."""
    both = own + others
    return Outcome(own / both, others / both, (others / own).log1p())


def smooth(y, e, classes=2):
    return y * (1 - e) + e / classes


def binary_loss(outcome1, outcome0, y, rule):
    """Loss of one score.  outcome1, outcome0: the positive and the negative class; y: P(positive) of the target."""
    g, smoothed = rule.gamma, smooth(y, rule.label_smoothing)
    if rule.soft_rule == header.SOFT_MIXTURE:
        y, target1, target0 = mixture_targets(y, rule)
        loss1 = outcome1.q.power(g) * cross_entropy(outcome1, outcome0, target1, rule)
        loss0 = outcome0.q.power(g) * cross_entropy(outcome1, outcome0, target0, rule)
        return y * rule.alpha1 * loss1 + (1 - y) * rule.alpha0 * loss0
    if rule.smooths_targets:
        y = smoothed
    alpha = y * rule.alpha1 + (1 - y) * rule.alpha0
    modulator = binary_modulator(outcome1, outcome0, y, rule)
    return alpha * modulator.power(g) * cross_entropy(outcome1, outcome0, smoothed, rule)


def cross_entropy(outcome1, outcome0, y, rule):
    return y * rule.pos_weight * outcome1.loss + (1 - y) * rule.neg_weight * outcome0.loss


def mixture_targets(y, rule):
    """How much of the positive's loss there is, and what the cross-entropies of the two hard losses aim at."""
    e = rule.label_smoothing
    return (smooth(y, e), 1, 0) if rule.smooths_targets else (y, smooth(1, e), smooth(0, e))


def binary_modulator(outcome1, outcome0, y, rule):
    """1 - p_t, or |y - p| in QUALITY."""
    if rule.soft_rule == header.SOFT_QUALITY:
        return abs(y * outcome1.q - (1 - y) * outcome1.p)
    return y * outcome1.q + (1 - y) * outcome0.q


def binary_curvature(outcome1, outcome0, y, rule):
    """A (alpha included) of the Gauss-Newton Hessian A p (1 - p); outcomes hold plain numbers here."""

    def term(modulator, other, target):
        weight = target * rule.pos_weight + (1 - target) * rule.neg_weight
        return curvature(modulator, other, rule.gamma, weight, cross_entropy(outcome1, outcome0, target, rule))

    smoothed = smooth(y, rule.label_smoothing)
    if rule.soft_rule == header.SOFT_MIXTURE:
        y, target1, target0 = mixture_targets(y, rule)
        positive, negative = term(outcome1.q, outcome1.p, target1), term(outcome0.q, outcome0.p, target0)
        return y * rule.alpha1 * positive + (1 - y) * rule.alpha0 * negative
    if rule.smooths_targets:
        y = smoothed
    alpha = y * rule.alpha1 + (1 - y) * rule.alpha0
    modulator = binary_modulator(outcome1, outcome0, y, rule)
    if rule.soft_rule == header.SOFT_QUALITY:
        return alpha * term(modulator, 1 - modulator, smoothed)
    return alpha * term(modulator, y * outcome1.p + (1 - y) * outcome0.p, smoothed)


def curvature(modulator, other, g, weight, cross_entropy):
    """m^g weight + g m^(g-1) (1 - m) CE, where `other` is 1 - m; at m = 0 as the limit."""
    if not g:
        return weight
    if not modulator:
        return other * cross_entropy * (0 if g > 1 else 1 if g == 1 else mp.inf)
    power = modulator**g
    return power * weight + g * (power / modulator) * other * cross_entropy


def softmax_loss(outcomes, y, alphas, rule):
    """Loss of one sample.  outcomes: one per class; y: targets, one per class; alphas: weight of each class."""
    classes, e, g = len(y), rule.label_smoothing, rule.gamma
    if rule.smooths_targets:
        y = [smooth(target, e, classes) for target in y]
    losses = smoothed_losses(outcomes, rule)
    terms = [
        (target * alpha, outcome, loss) for target, alpha, outcome, loss in zip(y, alphas, outcomes, losses) if target
    ]
    if rule.soft_rule == header.SOFT_MIXTURE:
        return total(weight * (outcome.q.power(g) * loss) for weight, outcome, loss in terms)
    return softmax_modulator(outcomes, y).power(g) * total(weight * loss for weight, _, loss in terms)


def smoothed_losses(outcomes, rule):
    """The cross-entropy of each hard label: smoothed here where SMOOTHING_CE says so."""
    losses = [outcome.loss for outcome in outcomes]
    e = rule.label_smoothing
    if rule.smooths_targets or not e:
        return losses
    uniform = total(losses) * (e / len(losses))
    return [loss * (1 - e) + uniform for loss in losses]


def softmax_modulator(outcomes, y):
    """1 - sum y_k p_k, as the sum of (1 - y_k) p_k: the p_k sum to one."""
    if list(y).count(1) == 1 and list(y).count(0) == len(y) - 1:
        return outcomes[list(y).index(1)].q
    return total((1 - target) * outcome.p for target, outcome in zip(y, outcomes) if target != 1)


def softmax_curvature(outcomes, y, alphas, rule):
    """A (alpha included) of the Gauss-Newton Hessian A p_j (1 - p_j); outcomes hold plain numbers here."""
    classes, e, g = len(y), rule.label_smoothing, rule.gamma
    if rule.smooths_targets:
        y = [smooth(target, e, classes) for target in y]
    losses = smoothed_losses(outcomes, rule)
    terms = [
        (target * alpha, outcome, loss) for target, alpha, outcome, loss in zip(y, alphas, outcomes, losses) if target
    ]
    if rule.soft_rule == header.SOFT_MIXTURE:
        return sum(weight * curvature(outcome.q, outcome.p, g, 1, loss) for weight, outcome, loss in terms)
    other = sum(target * outcome.p for target, outcome in zip(y, outcomes))
    weight = sum(weight for weight, _, _ in terms)
    return curvature(softmax_modulator(outcomes, y), other, g, weight, sum(w * loss for w, _, loss in terms))


def total(numbers):
    """Their sum; numbers of one kind, at least one."""
    numbers = iter(numbers)
    result = next(numbers)
    for number in numbers:
        result = result + number
    return result
