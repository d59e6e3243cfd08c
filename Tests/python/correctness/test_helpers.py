"""The helpers for numbers that users get wrong: against their definitions, by the reference's derivatives."""

import ctypes

import numpy as np
import pytest
from library import check, lib
from mpmath import mp, mpf
from reference import header
from reference.definition import Rule
from reference.sigmoid import element
from reference.softmax import Loss, Sample

OFF = header.ALPHA_OFF
NAN, INF = float("nan"), float("inf")
PRIORS = 1e-12, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.999
ALPHA_GAMMAS = [(alpha, gamma) for alpha in (OFF, 0.25, 0.75) for gamma in (0.0, 0.5, 1.0, 2.0, 5.0, 1.7)]


def number(function, *parameters):
    result = ctypes.c_double(NAN)
    check(function(*parameters, ctypes.addressof(result)))
    return result.value


def refuses(function, *parameters):
    result = ctypes.c_double(123.0)
    assert function(*parameters, ctypes.addressof(result)) == header.ERROR_VALUE, parameters
    assert result.value == 123.0


def slopes(score, alpha, gamma):
    """Derivatives of the loss of a positive and of a negative, and the second ones."""
    weights = dict(alpha1=1.0, alpha0=1.0) if alpha == OFF else dict(alpha1=alpha, alpha0=1 - alpha)
    (_, grad1, hess1), (_, grad0, hess0) = (element(score, y, Rule(gamma, **weights)) for y in (1.0, 0.0))
    return grad1, grad0, hess1, hess0


def test_suggest_alpha():
    """Positives rare: above one half; negatives rare: below."""
    assert number(lib.focal_suggest_alpha, 1.0, 99.0) == 0.99
    assert number(lib.focal_suggest_alpha, 99.0, 1.0) == 0.01
    assert number(lib.focal_suggest_alpha, 0.0, 5.0) == 1.0
    assert number(lib.focal_suggest_alpha, 1e308, 1e308) == 0.5
    for counts in ((0.0, 0.0), (-1.0, 2.0), (NAN, 1.0), (1.0, INF)):
        refuses(lib.focal_suggest_alpha, *counts)


@pytest.mark.parametrize("prior", PRIORS)
def test_prior_bias(prior):
    truth = float(mp.log(mpf(prior) / (1 - mpf(prior))))
    np.testing.assert_allclose(number(lib.focal_prior_bias, prior), truth, rtol=4e-16, atol=1e-300)
    for bad in (0.0, 1.0, -0.5, NAN):
        refuses(lib.focal_prior_bias, bad)


def test_prior_bias_of_retinanet():
    np.testing.assert_allclose(number(lib.focal_prior_bias, 0.01), -4.59511985013459, rtol=1e-15)


@pytest.mark.parametrize("alpha, gamma", ALPHA_GAMMAS)
@pytest.mark.parametrize("prior", PRIORS)
def test_optimal_score(prior, alpha, gamma):
    """There the expected gradient is zero: the last Newton step is below the rounding of the score."""
    score = number(lib.focal_optimal_score, prior, alpha, gamma)
    grad1, grad0, hess1, hess0 = slopes(score, alpha, gamma)
    prior = mpf(prior)
    step = (prior * grad1 + (1 - prior) * grad0) / (prior * hess1 + (1 - prior) * hess0)
    assert abs(step) <= 8 * np.finfo(float).eps * max(1.0, abs(score))


def test_published_optimal_scores():
    for alpha, score in ((0.25, -2.107), (0.5, -1.706), (0.75, -1.302)):
        assert abs(number(lib.focal_optimal_score, 0.01, alpha, 2.0) - score) < 5e-4
    for bad in ((0.0, OFF, 2.0), (1.0, OFF, 2.0), (0.5, 0.0, 2.0), (0.5, 1.0, 2.0), (0.5, OFF, -1.0), (NAN, OFF, 2.0)):
        refuses(lib.focal_optimal_score, *bad)


@pytest.mark.parametrize("alpha, gamma", ALPHA_GAMMAS)
def test_posterior(alpha, gamma):
    """P(y = 1) under which the score is the best: eta grad1 + (1 - eta) grad0 = 0."""
    scores = np.array([-800, -40.0, -3, -0.5, 0, 0.5, 3, 40, 800])
    got = np.full(len(scores), NAN)
    check(lib.focal_posterior(scores.ctypes.data, len(scores), alpha, gamma, got.ctypes.data))
    for score, eta in zip(scores, got):
        grad1, grad0, _, _ = slopes(score, alpha, gamma)
        np.testing.assert_allclose(eta, float(grad0 / (grad0 - grad1)), rtol=1e-13, atol=1e-300)
    check(lib.focal_posterior(scores.ctypes.data, len(scores), alpha, gamma, scores.ctypes.data))
    assert scores.tobytes() == got.tobytes()


@pytest.mark.parametrize("gamma", (0.0, 0.5, 2.0, 1.7))
@pytest.mark.parametrize("weighted", (False, True))
def test_softmax_posterior(weighted, gamma):
    """The class probabilities under which every score's expected gradient is zero."""
    scores = np.array([[0.0, 1.0, -2.0], [3.0, 3.0, 3.0], [30.0, -5.0, 0.0]])
    alphas = np.array([0.5, 1.0, 3.0]) if weighted else None
    got = np.full(scores.shape, NAN)
    address = alphas.ctypes.data if weighted else None
    check(lib.focal_softmax_posterior(scores.ctypes.data, 3, 3, address, gamma, got.ctypes.data))
    np.testing.assert_allclose(got.sum(1), 1, rtol=1e-14)
    for row, eta in zip(scores, got):
        losses = [Loss(Sample(row), np.eye(3)[t], alphas if weighted else np.ones(3), Rule(gamma)) for t in range(3)]
        slope = [[loss.derivatives(k)[1] for loss in losses] for k in range(3)]
        for along in slope:
            terms = [mpf(weight) * grad for weight, grad in zip(eta, along)]
            assert abs(sum(terms)) <= mpf(10) ** -13 * sum(map(abs, terms))


@pytest.mark.parametrize("beta", (0.0, 0.9, 0.999, 0.9999))
def test_class_balanced_weights(beta):
    """Effective numbers, scaled to sum to the number of classes; a class without samples gets 0."""
    counts, got = np.array([1.0, 10.0, 5000.0, 0.0, 1e6]), np.full(5, NAN)
    check(lib.focal_class_balanced_weights(counts.ctypes.data, 5, beta, got.ctypes.data))
    raw = [(1 - mpf(beta)) / (1 - mpf(beta) ** count) if count else mpf(0) for count in counts]
    np.testing.assert_allclose(got, [float(5 * weight / sum(raw)) for weight in raw], rtol=1e-12)
    for bad in (-0.1, 1.0, NAN):
        assert lib.focal_class_balanced_weights(counts.ctypes.data, 5, bad, got.ctypes.data) == header.ERROR_VALUE
