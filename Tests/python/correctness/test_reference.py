"""The reference against the plain definition, differentiated numerically, and against published values.

Here p is 1 / (1 + exp(-z)), its complement is literally 1 - p, and derivatives are mpmath's finite differences at
several hundred digits.  Nothing of the library is used.
"""

from dataclasses import replace

import numpy as np
import pytest
from mpmath import exp, log, mp, mpf, nstr
from reference import header
from reference.definition import Rule
from reference.sigmoid import element
from reference.sigmoid_call import sigmoid
from reference.softmax import Loss, Sample
from reference.softmax_call import softmax

DIGITS = 50
SOFT_RULES = (header.SOFT_INTERPOLATE, header.SOFT_MIXTURE, header.SOFT_QUALITY)
SMOOTHINGS = ((0.0, 0), (0.125, header.SMOOTHING_TARGETS), (0.125, header.SMOOTHING_CE))


def same(got, expected, digits=DIGITS):
    assert abs(got - expected) <= abs(expected) * mpf(10) ** -digits, f"{nstr(got, 60)} is not {nstr(expected, 60)}"


def literal_binary(p, y, rule):
    """The header's words, with 1 - p."""
    p, y, g, e = mpf(p), mpf(y), mpf(rule.gamma), mpf(rule.label_smoothing)
    a1, a0, w1, w0 = (mpf(n) for n in (rule.alpha1, rule.alpha0, rule.pos_weight, rule.neg_weight))

    def ce(target):
        return -target * w1 * log(p) - (1 - target) * w0 * log(1 - p)

    smoothed = y * (1 - e) + e / 2
    if rule.soft_rule == header.SOFT_MIXTURE:
        if rule.smoothing_rule == header.SMOOTHING_TARGETS:
            return smoothed * a1 * (1 - p) ** g * ce(1) + (1 - smoothed) * a0 * p**g * ce(0)
        return y * a1 * (1 - p) ** g * ce(1 - e / 2) + (1 - y) * a0 * p**g * ce(e / 2)
    hard = smoothed if rule.smoothing_rule == header.SMOOTHING_TARGETS else y
    alpha_t = hard * a1 + (1 - hard) * a0
    p_t = hard * p + (1 - hard) * (1 - p)
    modulator = abs(hard - p) if rule.soft_rule == header.SOFT_QUALITY else 1 - p_t
    return alpha_t * modulator**g * ce(smoothed)


@pytest.mark.parametrize("probability", (False, True))
@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("soft_rule", SOFT_RULES)
def test_binary_definition(soft_rule, smoothing, probability):
    rule = Rule(1.75, soft_rule, *smoothing, alpha1=0.25, alpha0=0.75, pos_weight=3.0, neg_weight=0.5)
    scores = (0.03125, 0.5, 0.90625) if probability else (-40.5, -1.25, 0.0, 3.5, 90.25)
    for score in scores:
        for y in (0.0, 0.3125, 1.0):
            got = element(score, y, rule, probability)
            with mp.workdps(DIGITS * 6):
                at = mpf(score)
                function = lambda x: literal_binary(x if probability else 1 / (1 + exp(-x)), y, rule)  # noqa: E731
                expected = [mp.diff(function, at, order) for order in range(3)]
            for value, truth in zip(got, expected):
                same(value, truth)


def literal_softmax(scores, y, alphas, rule):
    """The header's words, with 1 - p."""
    y, alphas, g, e = [mpf(t) for t in y], [mpf(a) for a in alphas], mpf(rule.gamma), mpf(rule.label_smoothing)
    exponentials = [exp(z) for z in scores]
    p = [x / sum(exponentials) for x in exponentials]
    ce = [-log(x) for x in p]
    if rule.smoothing_rule == header.SMOOTHING_TARGETS:
        y = [t * (1 - e) + e / len(y) for t in y]
    else:
        ce = [(1 - e) * x + e * sum(ce) / len(ce) for x in ce]
    if rule.soft_rule == header.SOFT_MIXTURE:
        return sum(t * a * (1 - q) ** g * x for t, a, q, x in zip(y, alphas, p, ce))
    p_t = sum(t * q for t, q in zip(y, p))
    return (1 - p_t) ** g * sum(t * a * x for t, a, x in zip(y, alphas, ce))


SOFTMAX_RULES = [(header.SOFT_INTERPOLATE, s) for s in SMOOTHINGS] + [(header.SOFT_MIXTURE, s) for s in SMOOTHINGS]


@pytest.mark.parametrize("y", ((0, 1, 0), (0.25, 0.625, 0.125), (0.5, 0, 0.25)))
@pytest.mark.parametrize("soft_rule, smoothing", SOFTMAX_RULES)
def test_softmax_definition(y, soft_rule, smoothing):
    rule = Rule(1.75, soft_rule, *smoothing)
    alphas = 0.5, 2.0, 1.25
    for scores in ((1.5, -0.25, 2.0), (-30.5, 12.0, 0.125)):
        loss = Loss(Sample(scores), y, alphas, rule)
        with mp.workdps(DIGITS * 5):
            function = lambda *z: literal_softmax(z, y, alphas, rule)  # noqa: E731
            at = tuple(map(mpf, scores))
            for k in range(3):
                orders = [tuple(order * (i == k) for i in range(3)) for order in range(3)]
                for value, order in zip(loss.derivatives(k), orders):
                    same(value, mp.diff(function, at, order) if sum(order) else function(*at))
            same(loss.mixed(0, 2), mp.diff(function, at, (1, 0, 1)))


def test_one_target_shortcut():
    """A target that does not move is a function of the other classes' sum: as the general path has it."""
    loss = Loss(Sample([1.5, -0.25, 2.0, 0.0]), [0, 1, 0, 0], [1, 2, 3, 4], Rule(0.5))
    general = Loss(loss.sample, [0, 1, 0, 0], [1, 2, 3, 4], Rule(0.5))
    general.hard = None
    for k in range(4):
        for value, truth in zip(loss.derivatives(k), general.derivatives(k)):
            same(value, truth)


def test_published_derivatives():
    """f, f' and f'' at gamma 2 (and .5), computed with sympy."""
    published = {
        (-30.0, 0.5): (29.99999999999869, -1.0000000000012633, -1.2164909859488768e-12),
        (-30.0, 2.0): (29.999999999994479, -1.0000000000053338, -5.1466926328591363e-12),
        (0.0, 2.0): (0.17328679513998633, -0.29828679513998633, 0.39914339756999316),
        (1.0, 2.0): (0.022658057508467332, -0.052581129977560621, 0.11063260478177856),
        (20.0, 2.0): (8.7565107175752358e-27, -2.6269532107604423e-26, 7.8808596142328132e-26),
        (50.0, 0.5): (2.6786369618080779e-33, -4.0179554427121169e-33, 6.0269331640681754e-33),
    }
    for (u, gamma), expected in published.items():
        got = [float(number) for number in element(u, 1.0, Rule(gamma))]
        np.testing.assert_allclose(got, expected, rtol=4e-16)
        mirrored = [float(number) for number in element(-u, 0.0, Rule(gamma))]
        np.testing.assert_allclose(mirrored, (expected[0], -expected[1], expected[2]), rtol=4e-16)


def test_published_softmax():
    result = softmax(outer=1, classes=3, scores=[1, 0, -1], targets=[0], target_kind=header.TARGETS_LABELS)
    np.testing.assert_allclose(result["loss"].high, 0.045677798967884889, rtol=4e-16)
    grad = [-0.098287794836677703, 0.071854135589979134, 0.026433659246698569]
    np.testing.assert_allclose(result["grad"].high.ravel(), grad, rtol=4e-16)
    hess = [0.18529382472950351, 0.11835421639477344, 0.032726760852940784]
    np.testing.assert_allclose(result["hess"].high.ravel(), hess, rtol=4e-16)


def test_mmcv_fixture():
    """mmcv's own test: mean over rows, class 2 is background."""
    result = sigmoid(
        outer=2,
        classes=2,
        scores=[1, 0, 0, 1],
        targets=[0, 1],
        target_kind=header.TARGETS_LABELS,
        alpha=0.25,
        reduction=header.REDUCTION_MEAN,
        divisor=header.DIVISOR_VALUE,
        divisor_value=2.0,
    )
    np.testing.assert_allclose(result["reduced_loss"].high, 0.13562961, atol=1e-8)
    grad = [-0.00657264, 0.11185755, 0.11185755, -0.00657264]
    np.testing.assert_allclose(result["grad"].high.ravel(), grad, atol=1e-8)


def test_gauss_newton_over_hard_targets():
    """a A p (1 - p) is a p |f'| at hard targets, binary and softmax, whichever soft rule is named."""
    for soft_rule in SOFT_RULES:
        rule = Rule(1.5, soft_rule, alpha1=0.25, alpha0=0.75)
        _, grad, hess = element(0.75, 1.0, rule, gauss_newton=True)
        with mp.workdps(DIGITS + 20):
            same(hess, -grad / (1 + exp(mpf(-0.75))))
    for soft_rule in SOFT_RULES[:2]:
        loss = Loss(Sample([1.5, -0.25, 2.0]), [0, 1, 0], [1, 1, 1], replace(rule, soft_rule=soft_rule))
        _, grad, hess = loss.derivatives(1, gauss_newton=True)
        same(hess, -grad * loss.sample.probabilities()[1])


def test_limits():
    """Infinite logits and probabilities of 0 and 1 are limits, never NaN."""
    inf = float("inf")
    assert element(inf, 1.0, Rule(0.5)) == (0, 0, 0)
    assert element(-inf, 1.0, Rule(0.5)) == (inf, -1, 0)
    assert element(1.0, 1.0, Rule(2.0), probability=True) == (0, 0, 0)
    assert element(0.0, 1.0, Rule(2.0), probability=True) == (inf, -inf, inf)
    assert all(mp.isnan(number) for number in element(float("nan"), 1.0, Rule()))
    loss, grad, hess = Loss(Sample([-inf] * 3), [1, 0, 0], [1, 1, 1], Rule(0.0)).derivatives(0)
    same(loss, mp.log(3))
    same(grad, mpf(-2) / 3)


def test_header_defaults():
    """Every field of the descriptor documents its default."""
    undocumented = [field.name for field in header.FIELDS if field.default is None and "*" not in field.type]
    assert undocumented == ["struct_size", "parallel_for"]
