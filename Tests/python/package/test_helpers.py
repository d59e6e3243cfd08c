"""suggest_alpha, class_balanced_weights, prior_bias, optimal_score and the posteriors."""

import focalloss
import formula
import numpy as np
import pytest


def test_suggest_alpha():
    assert focalloss.suggest_alpha(10, 990) == pytest.approx(0.99)
    assert focalloss.suggest_alpha(990, 10) == pytest.approx(0.01)
    for wrong in ((0, 0), (-1, 5), (float("nan"), 1)):
        with pytest.raises(focalloss.FocalLossError):
            focalloss.suggest_alpha(*wrong)


def test_class_balanced_weights():
    counts, beta = np.array([10, 100, 0, 5000]), 0.99
    weights = focalloss.class_balanced_weights(counts, beta)
    effective = np.divide(1 - beta, 1 - beta ** counts.astype(float), where=counts > 0, out=np.zeros(4))
    np.testing.assert_allclose(weights, 4 * effective / effective.sum(), rtol=1e-12)
    with pytest.raises(focalloss.FocalLossError):
        focalloss.class_balanced_weights(counts, 1.0)


def test_prior_bias():
    assert focalloss.prior_bias() == pytest.approx(-4.59511985013459)
    with pytest.raises(focalloss.FocalLossError):
        focalloss.prior_bias(0)


@pytest.mark.parametrize("prior", [0.001, 0.01, 0.3, 0.9])
@pytest.mark.parametrize("alpha", [None, 0.25, 0.75])
@pytest.mark.parametrize("gamma", [0, 0.5, 2, 5])
def test_the_optimal_score_is_stationary_and_posterior_gives_the_prior_back(prior, alpha, gamma):
    score = focalloss.optimal_score(prior, alpha, gamma)
    grad = formula.sigmoid_focal([score, score], [1, 0], alpha, gamma)[1]
    assert prior * grad[0] + (1 - prior) * grad[1] == pytest.approx(0, abs=1e-12)
    assert focalloss.posterior(score, alpha, gamma) == pytest.approx(prior, rel=1e-9)


def test_posterior_keeps_shapes_and_takes_any_layout():
    scores = np.linspace(-5, 5, 12, dtype=np.float32).reshape(3, 4)
    found = focalloss.posterior(scores.T)
    assert found.shape == (4, 3) and found.dtype == np.float64
    np.testing.assert_array_equal(found.T, focalloss.posterior(scores))
    np.testing.assert_allclose(focalloss.posterior(scores, None, 0), 1 / (1 + np.exp(-scores.astype(float))))
    assert focalloss.posterior(0.0, 0.25).shape == ()


def test_softmax_posterior_is_where_the_expected_gradient_vanishes():
    scores = np.random.default_rng(3).normal(size=(5, 4))
    alpha = np.array([0.2, 0.4, 0.6, 0.8])
    found = focalloss.softmax_posterior(scores, alpha, 2.0)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    expected = sum(found[:, [k]] * formula.softmax_focal(scores, np.full(5, k), alpha, 2.0)[1] for k in range(4))
    np.testing.assert_allclose(expected, 0, atol=1e-12)
    np.testing.assert_allclose(focalloss.softmax_posterior(scores.T, alpha, 2.0, axis=0), found.T)
    np.testing.assert_allclose(focalloss.softmax_posterior(scores, gamma=0), formula.softmax(scores), rtol=1e-12)


def test_helpers_name_what_is_wrong():
    with pytest.raises(TypeError, match="^prior must be a number; got 'x'"):
        focalloss.prior_bias("x")
    with pytest.raises(ValueError, match=r"^alpha has shape \(3,\); it must be \(4,\)"):
        focalloss.softmax_posterior(np.zeros((2, 4)), [1, 2, 3])
