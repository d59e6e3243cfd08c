"""Published values of other libraries, and agreement with those that are installed, where they are right.

Where a peer is wrong the test says so: it asserts that the peer is far from the reference and that we are not.  Peers
that are not installed are skipped (Tests/requirements/frameworks.txt names them).
"""

import math
from functools import cache

import numpy as np
import pytest
from library import call
from reference import header
from reference.definition import Rule
from reference.sigmoid import element
from reference.softmax import Loss, Sample

MEAN, SUM, NONE = header.REDUCTION_MEAN, header.REDUCTION_SUM, header.REDUCTION_NONE
LABELS = header.TARGETS_LABELS
GRID = np.linspace(-8, 8, 321)
REDUCTIONS = {"none": NONE, "mean": MEAN, "sum": SUM}


def sigmoid(scores, targets, **options):
    """Loss and gradient of independent scores; the reduced loss where a reduction is asked for."""
    scores, targets = np.asarray(scores), np.asarray(targets)
    name = "reduced_loss" if options.get("reduction", NONE) != NONE else "loss"
    result = call("focal_sigmoid", (name, "grad"), outer=scores.size, scores=scores, targets=targets, **options)
    return result[name].reshape(-1) if name == "loss" else result[name], result["grad"].reshape(scores.shape)


def softmax(scores, labels, **options):
    """Loss and gradient of (n, classes) scores with one label a row."""
    scores = np.asarray(scores)
    name = "reduced_loss" if options.get("reduction", NONE) != NONE else "loss"
    dense = np.asarray(labels).ndim == 2
    kind = header.TARGETS_DENSE if dense else LABELS
    result = call(
        "focal_softmax", (name, "grad"), outer=len(scores), classes=scores.shape[1], scores=scores,
        targets=np.asarray(labels, np.float32 if dense else np.int64), target_kind=kind, **options,
    )  # fmt: skip
    return result[name].reshape(-1) if name == "loss" else result[name], result["grad"].reshape(scores.shape)


def grid(dtype=np.float32):
    return np.tile(GRID, 2).astype(dtype), np.repeat([0, 1], len(GRID)).astype(dtype)


def true_loss(z, y, **rule):
    return float(element(float(z), float(y), Rule(**rule))[0])


# ---- The formula that this project started from


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("alpha_t", (False, True))
def test_seed_formula(alpha_t, reduction):
    """focal_loss(logits, targets, alpha, gamma, reduction) of PyTorch, alpha a constant or alpha_t."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional

    def focal_loss(logits, targets, alpha=0.25, gamma=2.0, reduction="mean"):
        bce = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        pt = torch.exp(-bce)
        weight = alpha * targets + (1 - alpha) * (1 - targets) if alpha_t else alpha
        loss = weight * (1 - pt) ** gamma * bce
        return {"none": loss, "mean": loss.mean(), "sum": loss.sum()}[reduction]

    scores, targets = grid()
    ours = dict(alpha=0.25) if alpha_t else dict(class_weights=[0.25])
    loss, grad = sigmoid(scores, targets, reduction=REDUCTIONS[reduction], **ours)
    logits = torch.tensor(scores, requires_grad=True)
    theirs = focal_loss(logits, torch.tensor(targets), reduction=reduction)
    theirs.sum().backward()
    np.testing.assert_allclose(loss, theirs.detach().numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(grad, logits.grad.numpy(), rtol=1e-5, atol=1e-5)


# ---- Published values


def test_mmcv():
    """mmcv's fixtures: alpha .25, gamma 2, mean over the rows; -2 shows that label 2 is background there."""
    scores = np.array([[1, 0], [0, 1]], np.float32)
    options = dict(outer=2, classes=2, scores=scores, targets=np.array([0, 1]), target_kind=LABELS, alpha=0.25)
    mean = dict(reduction=MEAN, divisor=header.DIVISOR_VALUE, divisor_value=2.0)
    got = call("focal_sigmoid", ("reduced_loss", "grad"), **options, **mean, background_label=2)
    np.testing.assert_allclose(got["reduced_loss"], 0.13562961, atol=1e-7)
    grad = [-0.00657264, 0.11185755, 0.11185755, -0.00657264]
    np.testing.assert_allclose(got["grad"].ravel(), grad, atol=1e-7)


def test_mmcv_softmax():
    loss, _ = softmax(np.array([[1, 0], [0, 1]], np.float32), [0, 1], alpha=0.25, reduction=MEAN)
    np.testing.assert_allclose(loss, 0.00566451, atol=1e-8)
    loss, _ = softmax(np.array([[1, 0, -1], [0, 1, 2]], np.float32), [2, 1], alpha=0.25, reduction=MEAN)
    np.testing.assert_allclose(loss, 0.34956908, atol=1e-7)


def test_flux():
    """Flux.binary_focal_loss over probabilities, and Flux.focal_loss over a softmax, as its docstrings have them."""
    probabilities = np.array([0.268941, 0.5, 0.268941, 0.731059, 0.5, 0.731059])
    loss, _ = sigmoid(probabilities, np.array([0.0, 1, 0, 1, 0, 1]), input=header.INPUT_PROBABILITIES, reduction=MEAN)
    np.testing.assert_allclose(loss, 0.0728675615927385, rtol=1e-6)
    rows = np.arange(-7, 8, dtype=np.float32).reshape(5, 3)
    loss, _ = softmax(rows, [0, 1, 2, 1, 0], reduction=MEAN)
    np.testing.assert_allclose(loss, 1.1277571935622628, rtol=1e-6)


def test_keras_documentation():
    """BinaryFocalCrossentropy averages the last axis; CategoricalFocalCrossentropy of one-hot rows."""
    options = dict(input=header.INPUT_PROBABILITIES, gamma=2.0)
    loss, _ = sigmoid(np.array([0.6, 0.4, 0.4, 0.6]), np.array([0.0, 1, 0, 0]), **options)
    np.testing.assert_allclose(loss.reshape(2, 2).mean(1), [0.330, 0.206], atol=5e-4)
    with np.errstate(divide="ignore"):
        scores = np.log(np.array([[0.05, 0.95, 0.0], [0.1, 0.8, 0.1]], np.float32))
    loss, _ = softmax(scores, [1, 2], alpha=0.25, reduction=MEAN)
    np.testing.assert_allclose(loss, 0.23315276, atol=1e-7)


def test_tfa_and_artemmavrin():
    options = dict(input=header.INPUT_PROBABILITIES)
    loss, _ = sigmoid(np.array([0.97, 0.91, 0.03], np.float32), np.array([1, 1, 0]), alpha=0.25, **options)
    np.testing.assert_allclose(loss, [6.8532745e-06, 1.9097870e-04, 2.0559824e-05], rtol=1e-5)
    scores, targets = np.array([0.1, 0.7, 0.9]), np.array([0, 1, 1])
    np.testing.assert_allclose(sigmoid(scores, targets, **options)[0], [0.001, 0.032, 0.001], atol=5e-4)
    np.testing.assert_allclose(sigmoid(scores, targets, reduction=MEAN, **options)[0], 0.011, atol=5e-4)


# ---- Identities


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_gamma_0_is_cross_entropy(dtype):
    scores, targets = grid(dtype)
    loss, grad = sigmoid(scores, targets, gamma=0.0)
    wide = scores.astype(np.float64)
    expected = np.logaddexp(0, np.where(targets == 1, -wide, wide))
    tolerance = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(loss, expected, rtol=tolerance)
    np.testing.assert_allclose(grad, 1 / (1 + np.exp(-wide)) - targets, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("alpha", (0.5, 0.75, 0.9375))
def test_alpha_is_weighted_cross_entropy(alpha):
    """At gamma 0 alpha is the cross-entropy with positives weighted alpha / (1 - alpha), up to the scale 1 - alpha."""
    scores, targets = grid(np.float64)
    loss, grad = sigmoid(scores, targets, gamma=0.0, alpha=alpha)
    weighted, weighted_grad = sigmoid(scores, targets, gamma=0.0, pos_weight=alpha / (1 - alpha))
    np.testing.assert_allclose(loss, (1 - alpha) * weighted, rtol=1e-15)
    np.testing.assert_allclose(grad, (1 - alpha) * weighted_grad, rtol=1e-15)


# ---- Installed peers


@cache
def torchvision_ops():
    """torchvision.ops.  Beside a CPU-only torch its compiled part may not load; only two names of it are missed."""
    torch = pytest.importorskip("torch")
    try:
        return pytest.importorskip("torchvision.ops")
    except RuntimeError:
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor boxes, Tensor scores, float threshold) -> Tensor")
        return pytest.importorskip("torchvision.ops")


@pytest.mark.parametrize("gamma", (0.0, 0.5, 1.0, 2.0, 5.0))
@pytest.mark.parametrize("alpha", (-1.0, 0.25))
def test_torchvision(alpha, gamma):
    """Hard and soft targets: torchvision's soft rule is INTERPOLATE."""
    torch = pytest.importorskip("torch")
    ops = torchvision_ops()
    scores = np.tile(GRID, 3)
    targets = np.repeat([0.0, 1.0, 0.3], len(GRID))
    logits = torch.tensor(scores, requires_grad=True)
    theirs = ops.sigmoid_focal_loss(logits, torch.tensor(targets), alpha=alpha, gamma=gamma)
    theirs.sum().backward()
    loss, grad = sigmoid(scores, targets, alpha=alpha, gamma=gamma)
    np.testing.assert_allclose(loss, theirs.detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(grad, logits.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_torchvision_is_wrong_where_it_saturates():
    """Its 1 - p_t loses the easy examples, and its gradient is NaN at gamma .5."""
    torch = pytest.importorskip("torch")
    ops = torchvision_ops()
    logits = torch.tensor([17.0, 30.0], requires_grad=True)
    theirs = ops.sigmoid_focal_loss(logits, torch.ones(2), alpha=-1, gamma=0.5)
    theirs.sum().backward()
    truth = [true_loss(z, 1, gamma=0.5) for z in (17, 30)]
    assert torch.isnan(logits.grad).any(), "torchvision has mended its gradient at gamma .5"
    assert abs(theirs[0].item() - truth[0]) > 0.1 * truth[0], "torchvision has mended 1 - p_t"
    loss, grad = sigmoid(np.array([17, 30], np.float32), np.ones(2, np.float32), gamma=0.5)
    np.testing.assert_allclose(loss, truth, rtol=5e-7)
    assert np.isfinite(grad).all() and (grad < 0).all()


def test_torch_cross_entropy_loses_easy_negatives():
    """binary_cross_entropy_with_logits gives 0 for a logit of -15 and target 0 in float32; the truth is 3.06e-7."""
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor([-18.0]), torch.zeros(1)).item()
    loss, _ = sigmoid(np.array([-18], np.float32), np.zeros(1, np.float32), gamma=0.0)
    truth = true_loss(-18, 0, gamma=0.0)
    np.testing.assert_allclose(loss, truth, rtol=5e-7)
    assert abs(theirs - truth) > 0.5 * truth, "torch has mended binary_cross_entropy_with_logits"


@pytest.mark.parametrize("gamma", (0.5, 1.0, 2.0))
def test_optax(gamma):
    optax, jax = pytest.importorskip("optax"), pytest.importorskip("jax")
    scores, targets = np.tile(GRID, 3).astype(np.float32), np.repeat([0.0, 1.0, 0.3], len(GRID)).astype(np.float32)
    function = lambda z: optax.sigmoid_focal_loss(z, targets, alpha=0.25, gamma=gamma)  # noqa: E731
    loss, grad = sigmoid(scores, targets, alpha=0.25, gamma=gamma)
    np.testing.assert_allclose(loss, function(scores), rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(grad, jax.grad(lambda z: function(z).sum())(scores), rtol=2e-5, atol=1e-6)


def test_scikit_learn():
    """log_loss over probabilities; scikit-learn clips p = 0, where the truth is infinite."""
    metrics = pytest.importorskip("sklearn.metrics")
    scores, targets = grid(np.float64)
    probabilities = 1 / (1 + np.exp(-scores))
    for given, options in ((scores, {}), (probabilities, dict(input=header.INPUT_PROBABILITIES))):
        loss, _ = sigmoid(given, targets, gamma=0.0, reduction=MEAN, **options)
        np.testing.assert_allclose(loss, metrics.log_loss(targets, probabilities), rtol=1e-12)
    loss, _ = sigmoid(np.array([0.0]), np.array([1.0]), gamma=0.0, input=header.INPUT_PROBABILITIES)
    assert math.isinf(loss[0]) and metrics.log_loss([1], [0.0], labels=[0, 1]) < 40


def keras_module():
    import os

    pytest.importorskip("torch")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def test_keras():
    """Keras applies alpha only where asked to; beyond its clipping it has no gradient."""
    keras = keras_module()
    scores, targets = grid(np.float32)
    theirs = keras.losses.BinaryFocalCrossentropy(
        from_logits=True, gamma=2.0, alpha=0.25, apply_class_balancing=True, reduction=None
    )(targets[:, None], scores[:, None])
    loss, _ = sigmoid(scores, targets, alpha=0.25)
    np.testing.assert_allclose(loss, keras.ops.convert_to_numpy(theirs), rtol=1e-4, atol=1e-6)
    theirs = keras.losses.BinaryFocalCrossentropy(from_logits=True, gamma=2.0, reduction=None)(
        np.ones((1, 1), np.float32), np.full((1, 1), -20, np.float32)
    )
    loss, grad = sigmoid(np.array([-20], np.float32), np.ones(1, np.float32))
    truth = true_loss(-20, 1, gamma=2.0)
    assert abs(float(theirs[0]) - truth) > 1, "Keras has mended its clipping"
    np.testing.assert_allclose(loss, truth, rtol=5e-7)
    np.testing.assert_allclose(grad, -1, rtol=1e-6)


# ---- Softmax


ROWS = np.random.default_rng(11).normal(0, 3, (40, 7))
ROW_LABELS = np.random.default_rng(12).integers(0, 7, 40)
CLASS_WEIGHTS = np.random.default_rng(13).uniform(0.5, 2, 7)


@pytest.mark.parametrize("smoothing", (0.0, 0.1))
@pytest.mark.parametrize("weighted", (False, True))
@pytest.mark.parametrize("ignored", (False, True))
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_torch_cross_entropy(reduction, ignored, weighted, smoothing):
    """gamma 0 is torch's cross_entropy, with its weights, ignore_index, smoothing and weighted mean."""
    torch = pytest.importorskip("torch")
    labels = ROW_LABELS.copy()
    if ignored:
        labels[::3] = -100
    logits = torch.tensor(ROWS, requires_grad=True)
    theirs = torch.nn.functional.cross_entropy(
        logits, torch.tensor(labels), weight=torch.tensor(CLASS_WEIGHTS) if weighted else None,
        reduction=reduction, label_smoothing=smoothing,
    )  # fmt: skip
    theirs.sum().backward()
    loss, grad = softmax(
        ROWS, labels, gamma=0.0, reduction=REDUCTIONS[reduction], divisor=header.DIVISOR_WEIGHTS, ignore_index=-100,
        label_smoothing=smoothing, **(dict(alphas=CLASS_WEIGHTS) if weighted else {}),
    )  # fmt: skip
    np.testing.assert_allclose(loss, theirs.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(grad, logits.grad.numpy(), rtol=1e-11, atol=1e-15)


def test_torch_cross_entropy_of_probabilities():
    """gamma 0 with class-probability targets."""
    torch = pytest.importorskip("torch")
    targets = np.random.default_rng(14).dirichlet(np.ones(7), 40).astype(np.float32)
    logits = torch.tensor(ROWS, requires_grad=True)
    theirs = torch.nn.functional.cross_entropy(logits, torch.tensor(targets, dtype=torch.float64), reduction="none")
    theirs.sum().backward()
    loss, grad = softmax(ROWS, targets, gamma=0.0)
    np.testing.assert_allclose(loss, theirs.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(grad, logits.grad.numpy(), rtol=1e-6, atol=1e-6)  # float32 rows sum to 1 +- eps


@pytest.mark.parametrize("gamma", (1.0, 2.0, 3.0))
def test_kornia(gamma):
    """kornia's alpha is [1 - alpha, alpha, alpha, ...]: class 0 is background there."""
    torch, kornia = pytest.importorskip("torch"), pytest.importorskip("kornia.losses")
    theirs = kornia.focal_loss(torch.tensor(ROWS), torch.tensor(ROW_LABELS), alpha=0.25, gamma=gamma, reduction="none")
    loss, _ = softmax(ROWS, ROW_LABELS, alphas=[0.75] + [0.25] * 6, gamma=gamma)
    np.testing.assert_allclose(loss, theirs.sum(1).numpy(), rtol=1e-9, atol=1e-14)


def test_kornia_loses_easy_samples():
    """Its 1 - p_t is 0 in float32 from a margin of 17 on, and so is the gradient (NaN in older versions)."""
    torch, kornia = pytest.importorskip("torch"), pytest.importorskip("kornia.losses")
    logits = torch.tensor([[40.0, 0.0, 0.0]], requires_grad=True)
    kornia.focal_loss(logits, torch.tensor([0]), alpha=None, gamma=0.5, reduction="sum").backward()
    truth = float(Loss(Sample([40.0, 0.0, 0.0]), [1, 0, 0], [1, 1, 1], Rule(0.5)).derivatives(0)[1])
    assert not abs(logits.grad[0, 0].item() - truth) < 0.5 * abs(truth), "kornia has mended 1 - p_t"
    _, grad = softmax(np.array([[40, 0, 0]], np.float32), [0], gamma=0.5)
    np.testing.assert_allclose(grad, [[truth, -truth / 2, -truth / 2]], rtol=5e-7)


def test_monai():
    torch, losses = pytest.importorskip("torch"), pytest.importorskip("monai.losses")
    function = losses.FocalLoss(to_onehot_y=True, use_softmax=True, gamma=2.0, reduction="none")
    theirs = function(torch.tensor(ROWS), torch.tensor(ROW_LABELS)[:, None]).sum(1)
    loss, _ = softmax(ROWS.astype(np.float32), ROW_LABELS, gamma=2.0)
    np.testing.assert_allclose(loss, theirs.numpy(), rtol=2e-5, atol=1e-7)


def test_adeelh():
    """AdeelH's formula; its mean divides by the count of samples, torch's by the sum of their weights."""
    torch = pytest.importorskip("torch")
    logits = torch.tensor(ROWS, requires_grad=True)
    log_p = torch.nn.functional.log_softmax(logits, 1)[torch.arange(40), torch.tensor(ROW_LABELS)]
    theirs = (-torch.tensor(CLASS_WEIGHTS)[ROW_LABELS] * (1 - log_p.exp()) ** 2 * log_p).mean()
    theirs.backward()
    loss, grad = softmax(ROWS, ROW_LABELS, alphas=CLASS_WEIGHTS, reduction=MEAN)
    np.testing.assert_allclose(loss, theirs.item(), rtol=1e-12)
    np.testing.assert_allclose(grad, logits.grad.numpy(), rtol=1e-8, atol=1e-14)


def test_keras_categorical():
    """One-hot rows; at [-30, 0, 0] Keras clips and gives no gradient, where the truth is about -alpha."""
    keras = keras_module()
    one_hot = np.eye(7)[ROW_LABELS]
    function = keras.losses.CategoricalFocalCrossentropy(from_logits=True, alpha=0.25, gamma=2.0, reduction=None)
    theirs = keras.ops.convert_to_numpy(function(one_hot.astype(np.float32), ROWS.astype(np.float32)))
    loss, _ = softmax(ROWS.astype(np.float32), ROW_LABELS, alpha=0.25)
    near = loss < 3  # within the clipping
    np.testing.assert_allclose(loss[near], theirs[near], rtol=1e-4, atol=1e-6)
    clipped = function(np.eye(3, dtype=np.float32)[:1], np.array([[-30, 0, 0]], np.float32))
    loss, grad = softmax(np.array([[-30, 0, 0]], np.float32), [0], alpha=0.25)
    assert abs(float(clipped[0]) - loss[0]) > 1, "Keras has mended its clipping"
    np.testing.assert_allclose(loss, 0.25 * (30 + np.log(2)), rtol=1e-6)
    np.testing.assert_allclose(grad, [[-0.25, 0.125, 0.125]], rtol=1e-5)
