"""The multiclass functions: values, layouts, ignored labels, weights, Hessians, shards."""

import focalloss
import formula
import numpy as np
import pytest
from focalloss import softmax_focal_grad_hess, softmax_focal_loss, softmax_focal_loss_and_grad

RANDOM = np.random.default_rng(11)
LOGITS = RANDOM.normal(0, 2, (30, 7))
LABELS = RANDOM.integers(0, 7, 30)
ALPHA = RANDOM.random(7)


@pytest.mark.parametrize("alpha", [None, 0.25, ALPHA])
@pytest.mark.parametrize("gamma", [0, 0.5, 2.0, np.linspace(0, 3, 7)])
def test_values(alpha, gamma):
    loss, grad = formula.softmax_focal(LOGITS, LABELS, alpha, gamma)
    np.testing.assert_allclose(softmax_focal_loss(LOGITS, LABELS, alpha, gamma, "none"), loss, rtol=1e-9)
    found = softmax_focal_loss_and_grad(LOGITS, LABELS, alpha, gamma)
    assert found[0] == pytest.approx(loss.mean())
    np.testing.assert_allclose(found[1], grad / 30, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("scores", ["float32", "float16"])
@pytest.mark.parametrize("labels", ["uint8", "int32", "int64"])
def test_dtypes(scores, labels):
    loss, grad = softmax_focal_loss_and_grad(LOGITS.astype(scores), LABELS.astype(labels), reduction="none")
    assert loss.dtype == grad.dtype == scores and loss.shape == (30,) and grad.shape == (30, 7)
    np.testing.assert_allclose(loss, formula.softmax_focal(LOGITS.astype(scores), LABELS)[0], rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -2])
def test_every_layout_gives_the_bits_of_rows(axis):
    logits, labels = RANDOM.normal(size=(2, 3, 4, 5)), RANDOM.integers(0, 5, (2, 3, 4))
    expected = softmax_focal_loss_and_grad(logits, labels, reduction="none")
    moved = np.ascontiguousarray(np.moveaxis(logits, -1, axis))
    loss, grad = softmax_focal_loss_and_grad(moved, labels, reduction="none", axis=axis)
    np.testing.assert_array_equal(loss, expected[0])
    np.testing.assert_array_equal(np.moveaxis(grad, axis, -1), expected[1])


def test_ignored_labels():
    labels = LABELS.copy()
    labels[:4] = -100
    loss, grad = softmax_focal_loss_and_grad(LOGITS, labels)
    assert loss == pytest.approx(formula.softmax_focal(LOGITS[4:], LABELS[4:])[0].mean())
    assert (grad[:4] == 0).all()
    assert softmax_focal_loss(LOGITS, np.full(30, -100)) == 0.0
    with pytest.raises(focalloss.FocalLossError, match=r"targets\[0\] is -100, outside \[0, 7\)"):
        softmax_focal_loss(LOGITS, labels, ignore_index=None)


def test_class_probabilities():
    onehot = np.eye(7)[LABELS]
    dense = softmax_focal_loss_and_grad(LOGITS, onehot, reduction="none")
    hard = softmax_focal_loss_and_grad(LOGITS, LABELS, reduction="none")
    for one, other in zip(dense, hard):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-15)
    soft = formula.softmax(RANDOM.normal(size=LOGITS.shape))
    expected = -(soft * np.log(formula.softmax(LOGITS))).sum(axis=1)
    np.testing.assert_allclose(focalloss.cross_entropy(LOGITS, soft, "none"), expected, rtol=1e-9)


def test_cross_entropy_with_torchs_weighted_mean():
    nll, weight = -np.log(formula.softmax(LOGITS))[np.arange(30), LABELS], ALPHA[LABELS]
    loss = focalloss.cross_entropy(LOGITS, LABELS, class_weights=ALPHA, divisor="weights")
    assert loss == pytest.approx((weight * nll).sum() / weight.sum())
    loss, grad = focalloss.cross_entropy_and_grad(LOGITS, LABELS)
    assert loss == pytest.approx(nll.mean())
    np.testing.assert_allclose(grad, (formula.softmax(LOGITS) - np.eye(7)[LABELS]) / 30, atol=1e-12)


def test_probabilities_and_log_sum_exp():
    probabilities, total = np.zeros_like(LOGITS), np.zeros(30)
    softmax_focal_loss(LOGITS, LABELS, probabilities_out=probabilities, log_sum_exp_out=total)
    np.testing.assert_allclose(probabilities, formula.softmax(LOGITS), rtol=1e-12)
    np.testing.assert_allclose(total, np.log(np.exp(LOGITS).sum(axis=1)), rtol=1e-12)


def test_hessians():
    step = 1e-5
    exact = softmax_focal_grad_hess(LOGITS, LABELS)[1]
    full = softmax_focal_grad_hess(LOGITS, LABELS, full=True)[1]
    assert full.shape == (30, 7, 7)
    for k in range(7):
        up, down = (softmax_focal_grad_hess(LOGITS + s * np.eye(7)[k], LABELS)[0] for s in (step, -step))
        np.testing.assert_allclose(full[:, k], (up - down) / (2 * step), atol=1e-8)
    np.testing.assert_allclose(np.einsum("nkk->nk", full), exact, rtol=1e-9)
    assert (softmax_focal_grad_hess(LOGITS, LABELS, hessian="gauss_newton", hessian_scale=2)[1] >= 0).all()
    with pytest.raises(ValueError, match="^full=True gives the exact Hessian; hessian is 'absolute'"):
        softmax_focal_grad_hess(LOGITS, LABELS, hessian="absolute", full=True)
    with pytest.raises(TypeError, match="^'hessian_floor' is no option here"):
        softmax_focal_grad_hess(LOGITS, LABELS, hessian_floor=0.0, full=True)


def test_a_full_hessian_in_the_callers_array():
    images, labels = RANDOM.normal(size=(2, 3, 4)), RANDOM.integers(0, 3, (2, 4))
    out = np.zeros((2, 4, 3, 3))
    assert softmax_focal_grad_hess(images, labels, full=True, axis=1, hess_out=out)[1] is out
    np.testing.assert_allclose(out, out.swapaxes(-1, -2), atol=1e-15)
    assert out.any()


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
@pytest.mark.parametrize("axis", [1, 0])
def test_shards_make_the_whole(shards, axis):
    logits = np.ascontiguousarray(np.moveaxis(LOGITS, 1, axis))
    parts = np.array_split(logits, shards, axis=axis)
    parts = [np.ascontiguousarray(part) for part in parts]
    offsets = np.cumsum([0, *(part.shape[axis] for part in parts)])[:-1]
    labels = LABELS.copy()
    labels[0] = -100
    stats = [
        focalloss.softmax_shard_stats(part, labels, offset=int(offset), total=7, axis=axis)
        for part, offset in zip(parts, offsets)
    ]
    merged = stats[0]
    for other in stats[1:]:
        assert focalloss.softmax_shard_merge(merged, other) is merged
    whole = softmax_focal_loss_and_grad(logits, labels, ALPHA, 1.5, axis=axis)
    for part, offset, piece in zip(parts, offsets, np.array_split(whole[1], shards, axis=axis)):
        shard = merged._replace(offset=int(offset))
        loss, grad = softmax_focal_loss_and_grad(part, labels, ALPHA, 1.5, axis=axis, shard=shard)
        assert loss == pytest.approx(whole[0], rel=1e-12)
        np.testing.assert_allclose(grad, piece, rtol=1e-9, atol=1e-15)


def test_shards_are_checked():
    with pytest.raises(ValueError, match=r"^labels has shape \(29,\); it must be \(30,\)"):
        focalloss.softmax_shard_stats(LOGITS, LABELS[1:], offset=0, total=7)
    stats = focalloss.softmax_shard_stats(LOGITS, LABELS, offset=0, total=7)
    with pytest.raises(ValueError, match=r"^other.max has shape \(3,\); it must be \(30,\)"):
        focalloss.softmax_shard_merge(stats, stats._replace(max=np.zeros(3)))
    with pytest.raises(TypeError, match="^shard.sum has dtype float32"):
        softmax_focal_loss(LOGITS, LABELS, shard=stats._replace(sum=np.zeros(30, np.float32)))
    with pytest.raises(focalloss.FocalLossError):
        focalloss.softmax_shard_stats(LOGITS, LABELS, offset=5, total=7)
