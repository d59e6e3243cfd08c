"""focalloss.torch in eager mode: signatures, values, gradients, dtypes, layouts, errors."""

import inspect

import pytest

torch = pytest.importorskip("torch")

import focalloss  # noqa: E402
import focalloss.torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from focalloss.torch import SigmoidFocalLoss, SoftmaxFocalLoss, sigmoid_focal_loss, softmax_focal_loss  # noqa: E402
from formulas import sigmoid_torch, softmax_torch, torchvision_focal_loss  # noqa: E402
from torch.autograd import gradcheck, gradgradcheck  # noqa: E402

N, K = 6, 5
REDUCTIONS = {"none": lambda x: x, "mean": torch.Tensor.mean, "sum": torch.Tensor.sum}
ALPHAS = torch.tensor([0.1, 0.9, 0.5, 0.25, 0.6], dtype=torch.float64)
SHORT = {torch.float32: 2e-6, torch.bfloat16: 8e-3, torch.float16: 1e-3}  # largest relative error, rounding included


def logits(*shape, dtype=torch.float64, seed=0):
    z = 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return z.to(dtype).requires_grad_()


def hard(*shape):
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(1)) < 0.3).double()


def soft(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def indices(*shape, classes=K):
    return torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(3))


def assert_same(ours, theirs, z, rtol=1e-10, atol=1e-12):
    """Values, and gradients under an upstream gradient that differs from element to element."""
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=atol)
    upstream = torch.linspace(-1, 2, ours.numel(), dtype=ours.dtype).reshape(ours.shape)
    (mine,) = torch.autograd.grad(ours, z, upstream, retain_graph=True)
    (wanted,) = torch.autograd.grad(theirs, z, upstream, retain_graph=True)
    torch.testing.assert_close(mine, wanted, rtol=rtol, atol=atol)


# ---- Signatures ---------------------------------------------------------------------------------------------------


def parameters(function):
    return {name: p.default for name, p in inspect.signature(function).parameters.items()}


def test_signature_is_torchvisions():
    theirs = parameters(torchvision_focal_loss())
    assert list(parameters(sigmoid_focal_loss).items())[: len(theirs)] == list(theirs.items())


def test_signature_is_cross_entropys():
    theirs = {name: d for name, d in parameters(F.cross_entropy).items() if name not in ("size_average", "reduce")}
    assert list(parameters(softmax_focal_loss).items())[: len(theirs)] == list(theirs.items())


# ---- Values and first derivatives ---------------------------------------------------------------------------------


@pytest.mark.parametrize("targets", (hard, soft))
@pytest.mark.parametrize("gamma", (0.0, 0.5, 1.0, 2, 3.5))
@pytest.mark.parametrize("alpha", (-1, 0.25, 0.75))
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_sigmoid_is_torchvisions(reduction, alpha, gamma, targets):
    z, y = logits(N, K), targets(N, K)
    assert_same(
        sigmoid_focal_loss(z, y, alpha, gamma, reduction), torchvision_focal_loss()(z, y, alpha, gamma, reduction), z
    )


@pytest.mark.parametrize(
    "options",
    (dict(), dict(weight=ALPHAS), dict(label_smoothing=0.1), dict(weight=ALPHAS, label_smoothing=0.2, ignore_index=2)),
    ids=str,
)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", ((N, K), (N, K, 3), (2, K, 3, 4), (K,)), ids=str)
def test_softmax_at_gamma_0_is_cross_entropy(shape, reduction, options):
    z = logits(*shape)
    t = indices(*(shape[:1] + shape[2:] if len(shape) > 1 else ()))
    if t.dim():
        t.view(-1)[0] = options.get("ignore_index", -100)
    assert_same(
        softmax_focal_loss(z, t, reduction=reduction, gamma=0.0, **options),
        F.cross_entropy(z, t, reduction=reduction, **options),
        z,
    )


@pytest.mark.parametrize("reduction", ("none", "sum"))
def test_softmax_of_probabilities_at_gamma_0_is_cross_entropy(reduction):
    z, y = logits(N, K), soft(N, K).softmax(1)
    assert_same(
        softmax_focal_loss(z, y, ALPHAS, reduction=reduction, label_smoothing=0.1, gamma=0.0),
        F.cross_entropy(z, y, ALPHAS, reduction=reduction, label_smoothing=0.1),
        z,
    )


@pytest.mark.parametrize("gamma", (0.5, 1.0, 2.0, 3.5))
@pytest.mark.parametrize("shape", ((N, K), (2, K, 3, 4)), ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_softmax_is_the_formula(reduction, shape, gamma):
    z, t = logits(*shape), indices(*shape[:1], *shape[2:])
    ours = softmax_focal_loss(z, t, reduction=reduction, gamma=gamma, alpha=ALPHAS)
    assert_same(ours, REDUCTIONS[reduction](softmax_torch(z, t, ALPHAS, gamma)), z)


def test_softmax_axis():
    z, t = logits(N, 3, K), indices(N, 3)
    assert_same(softmax_focal_loss(z, t, reduction="none", axis=-1), softmax_torch(z, t, axis=2), z)


def test_weight_divides_the_mean_and_alpha_does_not():
    z, t = logits(N, K), indices(N)
    total = softmax_focal_loss(z, t, alpha=ALPHAS, reduction="sum")
    assert_same(softmax_focal_loss(z, t, alpha=ALPHAS), total / N, z)
    assert_same(softmax_focal_loss(z, t, weight=ALPHAS), total / ALPHAS[t].sum(), z)
    assert_same(softmax_focal_loss(z, t, weight=ALPHAS, alpha=3.0, reduction="sum"), 3 * total, z)


def test_class_indices_are_one_hot_targets():
    """RetinaNet's layout: K is background, no class."""
    z, t = logits(N, 4, K, dtype=torch.float32), indices(N, 4, classes=K + 1)
    dense = F.one_hot(t, K + 1)[..., :K]
    assert torch.equal(sigmoid_focal_loss(z, t), sigmoid_focal_loss(z, dense))
    z, t = logits(N, K, 4, dtype=torch.float32), indices(N, 4, classes=K + 1)
    dense = F.one_hot(t, K + 1)[..., :K].transpose(1, 2)
    assert torch.equal(sigmoid_focal_loss(z, t, axis=1), sigmoid_focal_loss(z, dense))


def test_weights_of_the_sigmoid_loss():
    z, y, w = logits(N, K), soft(N, K), 1 + soft(N, K)
    for weight in (w, w[:, :1], w[:1], w[0]):
        assert_same(sigmoid_focal_loss(z, y, weight=weight), sigmoid_torch(z, y, 0.25) * weight, z)
    wanted = F.binary_cross_entropy_with_logits(z, y, w, reduction="none", pos_weight=ALPHAS)
    assert_same(sigmoid_focal_loss(z, y, -1, 0, weight=w, pos_weight=ALPHAS), wanted, z)
    assert_same(sigmoid_focal_loss(z, y, alpha=ALPHAS), sigmoid_torch(z, y, ALPHAS), z)
    sample = 1 + soft(N)
    t = indices(N)
    assert_same(softmax_focal_loss(z, t, reduction="none", sample_weight=sample), softmax_torch(z, t) * sample, z)


def test_divisors():
    z, y = logits(N, K), hard(N, K)
    total = sigmoid_focal_loss(z, y, reduction="sum")
    for divisor, number in (("positives", y.sum()), (7.5, 7.5), (torch.tensor(3.0), 3), ("elements", N * K)):
        assert_same(sigmoid_focal_loss(z, y, reduction="mean", divisor=divisor), total / number, z)
    left = y.clone()
    left[0] = -1
    mean = sigmoid_focal_loss(z, left, reduction="mean", ignore_index=-1)
    assert_same(mean, sigmoid_focal_loss(z, y, reduction="none")[1:].mean(), z)


def test_all_ignored_is_zero():
    z = logits(N, K)
    loss = softmax_focal_loss(z, torch.full((N,), -100))
    loss.backward()
    assert loss.item() == 0 and not z.grad.any()


def test_probabilities_as_input():
    z, y = logits(N, K), hard(N, K)
    p = z.detach().sigmoid().requires_grad_()
    loss = sigmoid_focal_loss(p, y, input="probabilities")
    torch.testing.assert_close(loss, sigmoid_focal_loss(z, y))
    assert gradcheck(lambda p: sigmoid_focal_loss(p, y, input="probabilities"), p)


# ---- Torch's own checkers -----------------------------------------------------------------------------------------

SIGMOID = {
    "hard": lambda z, r: sigmoid_focal_loss(z, hard(N, K), reduction=r),
    "soft": lambda z, r: sigmoid_focal_loss(z, soft(N, K), gamma=1.5, reduction=r),
    "mixture": lambda z, r: sigmoid_focal_loss(z, soft(N, K), 0.7, soft_rule="mixture", reduction=r),
    "smoothed": lambda z, r: sigmoid_focal_loss(z, hard(N, K), label_smoothing=0.1, reduction=r),
    "labels": lambda z, r: sigmoid_focal_loss(z, indices(N), gamma=0.5, reduction=r),
    "weighted": lambda z, r: sigmoid_focal_loss(
        z, hard(N, K), ALPHAS, 3.0, r, weight=soft(N, K), pos_weight=2 * ALPHAS, divisor="weights"
    ),
}
TWICE = SIGMOID | {
    "softmax": lambda z, r: softmax_focal_loss(z, indices(N), reduction=r),
    "softmax, weighted": lambda z, r: softmax_focal_loss(z, indices(N), ALPHAS, 2, r, gamma=1.5, sample_weight=soft(N)),
    "softmax, columns": lambda z, r: softmax_focal_loss(z.T, indices(N), axis=0, alpha=ALPHAS, gamma=0.5, reduction=r),
}
ONCE = TWICE | {
    "softmax, probabilities": lambda z, r: softmax_focal_loss(z, soft(N, K).softmax(1), reduction=r),
    "softmax, smoothed": lambda z, r: softmax_focal_loss(z, indices(N), label_smoothing=0.1, reduction=r),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", ONCE.values(), ids=ONCE)
def test_gradcheck(case, reduction):
    assert gradcheck(lambda z: case(z, reduction), logits(N, K))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", TWICE.values(), ids=TWICE)
def test_gradgradcheck(case, reduction):
    assert gradgradcheck(lambda z: case(z, reduction), logits(N, K))


# ---- Second derivatives -------------------------------------------------------------------------------------------


def test_hessians_are_the_formulas():
    z, y, t = logits(2, 3).detach(), soft(2, 3), indices(2, classes=3)
    pairs = (
        (lambda z: sigmoid_focal_loss(z, y, reduction="mean"), lambda z: sigmoid_torch(z, y, 0.25).mean()),
        (lambda z: softmax_focal_loss(z, t), lambda z: softmax_torch(z, t).mean()),
    )
    for ours, theirs in pairs:
        wanted = torch.autograd.functional.hessian(theirs, z)
        torch.testing.assert_close(torch.autograd.functional.hessian(ours, z), wanted, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(torch.func.jacrev(torch.func.jacrev(ours))(z), wanted, rtol=1e-10, atol=1e-12)


def test_what_is_not_offered_says_so():
    z, y = logits(N, K), soft(N, K)
    (first,) = torch.autograd.grad(sigmoid_focal_loss(z, y).sum(), z, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), z, create_graph=True)
    with pytest.raises(NotImplementedError, match="third derivatives"):
        torch.autograd.grad(second.sum(), z)
    (first,) = torch.autograd.grad(softmax_focal_loss(z, y.softmax(1)), z, create_graph=True)
    with pytest.raises(NotImplementedError, match="class indices only"):
        torch.autograd.grad(first.sum(), z)
    for name, call in (
        ("targets", lambda g: sigmoid_focal_loss(z, g)),
        ("weight", lambda g: sigmoid_focal_loss(z, y, weight=g)),
    ):
        with pytest.raises(NotImplementedError, match=f"{name} requires a gradient.*detach"):
            call(soft(N, K).requires_grad_())
        with torch.no_grad():
            call(soft(N, K).requires_grad_())


# ---- Dtypes and layouts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", SHORT)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_short_types(dtype, reduction):
    """Loss and gradient of the rounded logits, against the formula in float64."""
    z, y, t = logits(40, K, dtype=dtype), hard(40, K).to(dtype), indices(40)
    exact = z.detach().double().requires_grad_()
    for ours, theirs in (
        (sigmoid_focal_loss(z, y, reduction=reduction), REDUCTIONS[reduction](sigmoid_torch(exact, y.double(), 0.25))),
        (softmax_focal_loss(z, t, reduction=reduction), REDUCTIONS[reduction](softmax_torch(exact, t))),
    ):
        assert ours.dtype == dtype
        (mine,) = torch.autograd.grad(ours, z, torch.ones_like(ours))
        (wanted,) = torch.autograd.grad(theirs, exact, torch.ones_like(theirs))
        assert mine.dtype == dtype
        torch.testing.assert_close(ours.double(), theirs, rtol=SHORT[dtype], atol=1e-7)
        torch.testing.assert_close(mine.double(), wanted, rtol=SHORT[dtype], atol=1e-6)


@pytest.mark.parametrize(
    "dtype",
    (
        torch.bool,
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.int64,
        torch.float16,
        torch.bfloat16,
        torch.float32,
    ),
)
def test_target_dtypes(dtype):
    z, y, t = logits(N, K, dtype=torch.float32), hard(N, K), indices(N)
    assert torch.equal(sigmoid_focal_loss(z, y.to(dtype)), sigmoid_focal_loss(z, y))
    if not dtype.is_floating_point and dtype != torch.bool:
        assert torch.equal(softmax_focal_loss(z, t.to(dtype)), softmax_focal_loss(z, t))


@pytest.mark.parametrize(
    "make",
    (
        lambda x: x.t().contiguous().t(),
        lambda x: x.repeat_interleave(2, 1)[:, ::2],
        lambda x: x[:1].expand(N, K),
        lambda x: x[:, :0],
    ),
    ids=("transposed", "strided", "expanded", "empty"),
)
def test_strides_change_nothing(make):
    z, y = make(logits(N, K, dtype=torch.float32).detach()), make(soft(N, K))
    views = z.requires_grad_(), y
    plain = z.detach().contiguous().requires_grad_(), y.contiguous()
    (mine, wanted) = (sigmoid_focal_loss(*pair) for pair in (views, plain))
    assert torch.equal(mine, wanted)
    grads = (torch.autograd.grad(loss.sum(), pair[0])[0] for loss, pair in ((mine, views), (wanted, plain)))
    assert torch.equal(*grads)


def test_channels_last_images():
    z, t = logits(2, K, 3, 4, dtype=torch.float32), indices(2, 3, 4)
    last = z.detach().to(memory_format=torch.channels_last).requires_grad_()
    for a, b in ((z, last),):
        la, lb = softmax_focal_loss(a, t), softmax_focal_loss(b, t)
        assert torch.equal(la, lb)
        assert torch.equal(torch.autograd.grad(la, a)[0], torch.autograd.grad(lb, b)[0])


def test_empty_and_zero_dimensional():
    z = torch.zeros(0, K, requires_grad=True)
    loss = sigmoid_focal_loss(z, torch.zeros(0, K), reduction="mean")
    loss.backward()
    assert loss.item() == 0 and z.grad.shape == (0, K)
    z, y = logits(()), torch.tensor(1.0)
    torch.testing.assert_close(sigmoid_focal_loss(z, y), sigmoid_torch(z, y.double(), 0.25))


# ---- What is computed, and when -----------------------------------------------------------------------------------


@pytest.fixture
def gradients_asked(monkeypatch):
    """For every call of the library, whether it was given a place for the gradient."""
    asked = []
    for name in ("run", "run_reduced"):
        original = getattr(focalloss.torch, name)

        def spy(function, args, original=original):
            asked.append(args.grad is not None)
            return original(function, args)

        monkeypatch.setattr(focalloss.torch, name, spy)
    return asked


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_no_gradient_is_computed_that_nobody_wants(gradients_asked, reduction):
    z, y = logits(N, K), hard(N, K)
    sigmoid_focal_loss(z.detach(), y, reduction=reduction)
    with torch.no_grad():
        sigmoid_focal_loss(z, y, reduction=reduction)
    assert gradients_asked == [False, False]
    sigmoid_focal_loss(z, y, reduction=reduction).sum().backward()
    assert gradients_asked == [False, False, True], "one fused call"


def test_backward_twice_adds_up():
    """The kept gradient is handed out without a copy: nothing may be written into it."""
    z = logits(N, K)
    loss = sigmoid_focal_loss(z, hard(N, K), reduction="mean")
    loss.backward(retain_graph=True)
    once = z.grad.clone()
    loss.backward(retain_graph=True)
    loss.backward()
    torch.testing.assert_close(z.grad, 3 * once)


def test_per_sample_gradients_by_vmap():
    z, t = logits(N, K).detach(), indices(N)
    each = torch.func.vmap(torch.func.grad(softmax_focal_loss))(z, t)
    z.requires_grad_()
    assert torch.equal(each, torch.autograd.grad(softmax_focal_loss(z, t, reduction="sum"), z)[0])
    values = torch.func.vmap(sigmoid_focal_loss)(z.detach(), hard(N, K))
    assert torch.equal(values, sigmoid_focal_loss(z.detach(), hard(N, K)))


def test_training_reaches_what_the_formula_reaches():
    x, y = torch.randn(200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64), hard(200, 1)
    ends = []
    for loss_of in (lambda z: sigmoid_focal_loss(z, y, reduction="mean"), lambda z: sigmoid_torch(z, y, 0.25).mean()):
        w = torch.zeros(3, 1, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([w], 5.0, momentum=0.9)
        for _ in range(50):
            optimizer.zero_grad()
            loss_of(x @ w).backward()
            optimizer.step()
        ends.append(w.detach())
    torch.testing.assert_close(*ends)


# ---- Errors -------------------------------------------------------------------------------------------------------


def test_other_devices_are_refused():
    from torch._subclasses.fake_tensor import FakeTensorMode

    z, y = logits(N, K), hard(N, K)
    with pytest.raises(TypeError, match=r"inputs is on meta.*pass inputs\.cpu\(\)"):
        sigmoid_focal_loss(z.detach().to("meta"), y)
    with pytest.raises(TypeError, match="targets is on meta"):
        softmax_focal_loss(z, indices(N).to("meta"))
    with FakeTensorMode():
        with pytest.raises(TypeError, match="inputs is on cuda:0"):
            sigmoid_focal_loss(torch.empty(N, K, device="cuda"), torch.empty(N, K, device="cuda"))


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    (
        (lambda z: sigmoid_focal_loss(z, hard(N, K + 1)), ValueError, r"targets has shape \(6, 6\)"),
        (lambda z: sigmoid_focal_loss(z, hard(N)), TypeError, "class indices; got torch.float64"),
        (lambda z: sigmoid_focal_loss(z.detach().long(), hard(N, K)), TypeError, "inputs must be float32"),
        (lambda z: sigmoid_focal_loss(z, 3 * hard(N, K)), focalloss.FocalLossError, r"targets\[\d+\] is 3"),
        (lambda z: sigmoid_focal_loss(z, hard(N, K), 1.5), focalloss.FocalLossError, "alpha is 1.5"),
        (lambda z: sigmoid_focal_loss(z, hard(N, K), reduction="average"), ValueError, "reduction must be one of"),
        (lambda z: sigmoid_focal_loss(z, hard(N, K), ALPHAS[:2]), ValueError, r"has shape \(2,\); it must be \(5,\)"),
        (lambda z: softmax_focal_loss(z, indices(N) + K), focalloss.FocalLossError, r"targets\[0\] is \d, outside"),
        (lambda z: softmax_focal_loss(z, indices(N), sample_weight=hard(N, K)), ValueError, "weight has shape"),
        (lambda z: softmax_focal_loss(z, indices(N), gamma=-1.0), focalloss.FocalLossError, "gamma is -1"),
    ),
    ids=range(10),
)
def test_errors(call, kind, message):
    with pytest.raises(kind, match=message):
        call(logits(N, K))


# ---- Modules ------------------------------------------------------------------------------------------------------


def test_modules_are_the_functions():
    z, y, t = logits(N, K), hard(N, K), indices(N)
    assert torch.equal(SigmoidFocalLoss(alpha=0.6, gamma=1.0)(z, y), sigmoid_focal_loss(z, y, 0.6, 1.0, "mean"))
    module = SoftmaxFocalLoss(ALPHAS, gamma=1.5, sample_weight=None)
    assert torch.equal(module(z, t), softmax_focal_loss(z, t, ALPHAS, gamma=1.5))
    assert list(module.state_dict()) == ["weight"] and "gamma=1.5" in repr(module)
    other = SoftmaxFocalLoss(torch.ones(K))
    other.load_state_dict(module.state_dict())
    assert torch.equal(other.weight, ALPHAS.to(other.weight.dtype))
    with pytest.raises(TypeError, match="gama"):
        SigmoidFocalLoss(gama=2.0)
