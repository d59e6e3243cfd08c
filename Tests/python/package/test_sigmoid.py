"""The binary functions against the textbook formula, and what they promise about reduction, labels and options."""

import focalloss
import formula
import numpy as np
import pytest

RANDOM = np.random.default_rng(7)
LOGITS = RANDOM.normal(0, 3, (40, 6))
LABELS = RANDOM.integers(0, 6, 40)
DENSE = np.eye(6)[LABELS]


@pytest.mark.parametrize("alpha", [None, 0.0, 0.25, 0.9, np.linspace(0.1, 0.9, 6)])
@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2.0, 3.7])
def test_values(alpha, gamma):
    loss, grad, hess = formula.sigmoid_focal(LOGITS, DENSE, alpha, gamma)
    np.testing.assert_allclose(focalloss.sigmoid_focal_loss(LOGITS, DENSE, alpha, gamma, "none"), loss, rtol=1e-9)
    found = focalloss.sigmoid_focal_grad_hess(LOGITS, DENSE, alpha, gamma)
    np.testing.assert_allclose(found, (grad, hess), rtol=1e-7, atol=1e-12)


def test_default_arguments():
    loss = formula.sigmoid_focal(LOGITS, DENSE, 0.25, 2.0)[0]
    assert focalloss.sigmoid_focal_loss(LOGITS, DENSE) == pytest.approx(loss.mean(), rel=1e-12)


@pytest.mark.parametrize("reduction, scale", [("sum", 1.0), ("mean", 1 / 240)])
def test_the_gradient_is_that_of_the_reduced_loss(reduction, scale):
    loss, grad, hess = formula.sigmoid_focal(LOGITS, DENSE)
    value, slope = focalloss.sigmoid_focal_loss_and_grad(LOGITS, DENSE, reduction=reduction)
    assert isinstance(value, float) and value == pytest.approx(loss.sum() * scale, rel=1e-12)
    np.testing.assert_allclose(slope, grad * scale, rtol=1e-9, atol=1e-15)
    curvature = focalloss.sigmoid_focal_grad_hess(LOGITS, DENSE, reduction=reduction)[1]
    np.testing.assert_allclose(curvature, hess * scale, rtol=1e-7, atol=1e-15)


@pytest.mark.parametrize("kind", ["uint8", "int32", "int64"])
def test_labels_are_one_against_the_rest(kind):
    dense = focalloss.sigmoid_focal_loss_and_grad(LOGITS, DENSE, reduction="none")
    labels = focalloss.sigmoid_focal_loss_and_grad(LOGITS, LABELS.astype(kind), reduction="none")
    np.testing.assert_array_equal(labels, dense)


def test_labels_along_any_axis():
    images, where = RANDOM.normal(size=(2, 5, 3, 4)), RANDOM.integers(0, 5, (2, 3, 4))
    found = focalloss.sigmoid_focal_loss(images, where, reduction="none", axis=1)
    rows = focalloss.sigmoid_focal_loss(np.ascontiguousarray(np.moveaxis(images, 1, -1)), where, reduction="none")
    np.testing.assert_array_equal(np.moveaxis(found, 1, -1), rows)


def test_background_and_ignored_labels():
    labels = LABELS.copy()
    labels[:3], labels[3:5] = 6, -1
    loss = focalloss.sigmoid_focal_loss(LOGITS, labels, reduction="none", background_label=6, ignore_index=-1)
    expected = formula.sigmoid_focal(LOGITS, np.vstack([np.zeros((3, 6)), DENSE[3:]]))[0]
    expected[3:5] = 0
    np.testing.assert_allclose(loss, expected, rtol=1e-9)
    mean = focalloss.sigmoid_focal_loss(LOGITS, labels, background_label=6, ignore_index=-1)
    assert mean == pytest.approx(expected.sum() / (38 * 6))


def test_an_ignore_mask_leaves_the_mean():
    mask = RANDOM.random(LOGITS.shape) < 0.3
    loss, grad = focalloss.sigmoid_focal_loss_and_grad(LOGITS, DENSE, ignore_mask=mask)
    expected = formula.sigmoid_focal(LOGITS, DENSE)
    assert loss == pytest.approx(expected[0][~mask].mean())
    assert (grad[mask] == 0).all() and (grad[~mask] != 0).all()


def test_divisors_and_weights():
    weights = RANDOM.random(LOGITS.shape)
    loss = formula.sigmoid_focal(LOGITS, DENSE)[0]
    call = focalloss.sigmoid_focal_loss
    total = (weights * loss).sum()
    assert call(LOGITS, DENSE, weights=weights, divisor="weights") == pytest.approx(total / weights.sum())
    assert call(LOGITS, DENSE, weights=weights, divisor="elements") == pytest.approx(total / 240)
    assert call(LOGITS, DENSE, divisor="positives") == pytest.approx(loss.sum() / 40)
    assert call(LOGITS, DENSE, divisor=8) == pytest.approx(loss.sum() / 8)
    by_row = focalloss.sigmoid_focal_loss(LOGITS, DENSE, reduction="sum", weights=weights[:, 0].copy())
    assert by_row == pytest.approx((weights[:, :1] * loss).sum())
    by_column = focalloss.sigmoid_focal_loss(LOGITS, DENSE, reduction="sum", class_weights=np.arange(6))
    assert by_column == pytest.approx((np.arange(6) * loss).sum())


def test_scale_and_upstream():
    grad = formula.sigmoid_focal(LOGITS, DENSE)[1]
    upstream = RANDOM.normal(size=LOGITS.shape)
    found = focalloss.sigmoid_focal_loss_and_grad(LOGITS, DENSE, reduction="none", upstream=upstream, grad_scale=3)[1]
    np.testing.assert_allclose(found, 3 * upstream * grad, rtol=1e-9)


def test_hessians_and_their_floor():
    exact = focalloss.sigmoid_focal_grad_hess(LOGITS, DENSE)[1]
    assert (exact < 0).any()
    np.testing.assert_array_equal(focalloss.sigmoid_focal_grad_hess(LOGITS, DENSE, hessian="absolute")[1], abs(exact))
    assert (focalloss.sigmoid_focal_grad_hess(LOGITS, DENSE, hessian="gauss_newton")[1] >= 0).all()
    floored = focalloss.sigmoid_focal_grad_hess(LOGITS, DENSE, hessian_floor=0.01, hessian_scale=2)[1]
    np.testing.assert_array_equal(floored, np.maximum(2 * exact, 0.01))


def test_probabilities():
    p = 1 / (1 + np.exp(-LOGITS))
    loss, grad = focalloss.sigmoid_focal_loss_and_grad(p, DENSE, reduction="none", input="probabilities")
    expected = formula.sigmoid_focal(LOGITS, DENSE)
    np.testing.assert_allclose(loss, expected[0], rtol=1e-7)
    np.testing.assert_allclose(grad, expected[1] / (p * (1 - p)), rtol=1e-6)


def test_cross_entropies():
    expected = np.where(DENSE > 0, np.log1p(np.exp(-LOGITS)), np.log1p(np.exp(LOGITS)))
    loss, grad = focalloss.binary_cross_entropy_and_grad(LOGITS, DENSE)
    assert loss == focalloss.binary_cross_entropy(LOGITS, DENSE) == pytest.approx(expected.mean())
    np.testing.assert_allclose(grad, (1 / (1 + np.exp(-LOGITS)) - DENSE) / 240, atol=1e-12)
    weighted = np.where(DENSE > 0, 5 * expected, 0.5 * expected)
    loss, grad = focalloss.weighted_binary_cross_entropy_and_grad(LOGITS, DENSE, 5, 0.5, "none")
    np.testing.assert_allclose(loss, weighted)
    np.testing.assert_array_equal(loss, focalloss.weighted_binary_cross_entropy(LOGITS, DENSE, 5, 0.5, "none"))
    np.testing.assert_allclose(grad, np.where(DENSE > 0, 5, 0.5) * (1 / (1 + np.exp(-LOGITS)) - DENSE), atol=1e-12)


def test_soft_targets_and_smoothing():
    soft = RANDOM.random(LOGITS.shape)
    one, zero = (formula.sigmoid_focal(LOGITS, np.full(LOGITS.shape, y))[0] for y in (1.0, 0.0))
    mixture = focalloss.sigmoid_focal_loss(LOGITS, soft, reduction="none", soft_rule="mixture")
    np.testing.assert_allclose(mixture, soft * one + (1 - soft) * zero, rtol=1e-9)
    smooth = focalloss.sigmoid_focal_loss(LOGITS, DENSE, reduction="none", soft_rule="mixture", label_smoothing=0.2)
    y = DENSE * 0.8 + 0.1
    np.testing.assert_allclose(smooth, y * one + (1 - y) * zero, rtol=1e-9)


@pytest.mark.parametrize(
    "options, name",
    [
        ({"gamma": -1.0}, "FOCAL_ERROR_VALUE"),
        ({"gamma": float("nan")}, "FOCAL_ERROR_VALUE"),
        ({"alpha": 1.5}, "FOCAL_ERROR_VALUE"),
        ({"alpha": np.full(6, 2.0)}, "FOCAL_ERROR_VALUE"),
        ({"divisor": 0}, "FOCAL_ERROR_VALUE"),
        ({"label_smoothing": 2}, "FOCAL_ERROR_VALUE"),
        ({"pos_weight": -1}, "FOCAL_ERROR_VALUE"),
        ({"threads": -1}, "FOCAL_ERROR_VALUE"),
    ],
)
def test_what_the_library_refuses(options, name):
    with pytest.raises(focalloss.FocalLossError) as caught:
        focalloss.sigmoid_focal_loss(LOGITS, DENSE, **options)
    assert caught.value.name == name and name in str(caught.value)
    assert next(iter(options)) in str(caught.value)
