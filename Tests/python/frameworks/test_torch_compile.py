"""focalloss.torch under torch.compile and torch.export, and the registered operator by itself."""

import pytest

torch = pytest.importorskip("torch")

import focalloss.torch  # noqa: E402
from focalloss._settings import Settings  # noqa: E402
from focalloss.torch import SigmoidFocalLoss, SoftmaxFocalLoss, sigmoid_focal_loss, softmax_focal_loss  # noqa: E402

OPERATOR = torch.ops.focalloss.loss_and_gradient.default
Z = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
Y = (torch.rand(6, 5, generator=torch.Generator().manual_seed(1)) < 0.3).float()
T = torch.tensor([0, 4, -100, 2, 2, 1])
W = torch.tensor([0.1, 0.9, 0.5, 0.25, 0.6])

CASES = {
    "sigmoid": lambda z: sigmoid_focal_loss(z, Y).square().sum(),
    "sigmoid mean": lambda z: sigmoid_focal_loss(z, Y, 0.75, 1.5, "mean", pos_weight=W, label_smoothing=0.1),
    "sigmoid labels": lambda z: sigmoid_focal_loss(z, T.clamp(0), reduction="sum"),
    "softmax": lambda z: softmax_focal_loss(z, T, W, gamma=1.0),
    "softmax none": lambda z: softmax_focal_loss(z * 2, T, reduction="none").square().sum(),
    "sigmoid module": lambda z, module=SigmoidFocalLoss(alpha=None): module(z, Y),
    "softmax module": lambda z, module=SoftmaxFocalLoss(weight=W): module(z, T),
}


def value_and_gradient(function):
    z = Z.clone().requires_grad_()
    loss = function(z)
    loss.backward()
    return loss.detach(), z.grad


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_without_a_graph_break_and_the_same(case):
    torch._dynamo.reset()
    compiled = torch.compile(case, fullgraph=True, backend="aot_eager")
    for mine, wanted in zip(value_and_gradient(compiled), value_and_gradient(case)):
        assert torch.equal(mine, wanted)


def test_inductor():
    """The default backend, with the loss between operations that it fuses."""

    def step(z):
        return sigmoid_focal_loss(z * 2 + 1, Y, reduction="mean") + softmax_focal_loss(z, T)

    torch._dynamo.reset()
    for mine, wanted in zip(value_and_gradient(torch.compile(step, fullgraph=True)), value_and_gradient(step)):
        torch.testing.assert_close(mine, wanted)


def test_gamma_and_batch_may_vary():
    torch._dynamo.reset()
    compiled = torch.compile(
        lambda z, y, gamma: sigmoid_focal_loss(z, y, gamma=gamma, reduction="sum"), fullgraph=True, backend="aot_eager"
    )
    for rows, gamma in ((6, 0.0), (5, 1.0), (4, 2.5), (3, 3.5)):
        assert torch.equal(
            compiled(Z[:rows], Y[:rows], gamma), sigmoid_focal_loss(Z[:rows], Y[:rows], gamma=gamma, reduction="sum")
        )


def test_no_gradient_is_computed_that_nobody_wants(monkeypatch):
    asked = []
    original = focalloss.torch.run_reduced
    monkeypatch.setattr(
        focalloss.torch, "run_reduced", lambda f, args: asked.append(args.grad is not None) or original(f, args)
    )
    torch._dynamo.reset()
    compiled = torch.compile(lambda z: sigmoid_focal_loss(z, Y, reduction="mean"), fullgraph=True, backend="aot_eager")
    compiled(Z)
    value_and_gradient(compiled)
    assert asked == [False, True]


def test_other_devices_and_wrong_shapes_are_refused():
    torch._dynamo.reset()
    compiled = torch.compile(lambda z, y: sigmoid_focal_loss(z, y), backend="aot_eager")
    with pytest.raises(Exception, match="inputs is on meta"):
        compiled(Z.to("meta"), Y.to("meta"))
    with pytest.raises(Exception, match="targets has shape"):
        compiled(Z, Y[:, :3])


def test_export():
    program = torch.export.export(SigmoidFocalLoss(), (Z, Y))
    assert torch.equal(program.module()(Z, Y), SigmoidFocalLoss()(Z, Y))
    assert any(node.target is OPERATOR for node in program.graph.nodes)


# ---- The operator -------------------------------------------------------------------------------------------------


def settings(**changes):
    given = dict(
        softmax=False,
        labels=False,
        alpha=0.25,
        gamma=2.0,
        reduction="mean",
        divisor="valid",
        divisor_value=None,
        label_smoothing=0.0,
        smoothing_rule="targets",
        soft_rule="interpolate",
        ignore_index=None,
        background_label=None,
    )
    return Settings(**{**given, **changes})


def test_its_schema_is_that_of_the_settings():
    names = [argument.name for argument in OPERATOR._schema.arguments]
    assert tuple(names[6:-1]) == Settings._fields


@pytest.mark.parametrize("wanted", (True, False))
@pytest.mark.parametrize(
    ("targets", "vectors", "changes"),
    (
        (Y, (None, None, None), {}),
        (Y, (Y + 1, W.double(), W.double()), {"reduction": "none", "gamma": 0.5}),
        (T, (None, None, None), {"softmax": True, "labels": True, "ignore_index": -100, "alpha": None}),
        (T, (None, W.double(), None), {"softmax": True, "labels": True, "ignore_index": -100, "reduction": "none"}),
    ),
    ids=("sigmoid", "sigmoid, weighted", "softmax", "softmax, weighted"),
)
def test_opcheck(targets, vectors, changes, wanted):
    z = Z.clone().requires_grad_(wanted)
    torch.library.opcheck(OPERATOR, (z, targets, *vectors, -1, *settings(**changes), wanted))


def test_its_gradients():
    z = Z.double().requires_grad_()
    for reduction in ("none", "mean"):
        rest = (None, None, None, -1, *settings(reduction=reduction), True)
        assert torch.autograd.gradcheck(lambda z: OPERATOR(z, Y.double(), *rest)[0], z)
        assert torch.autograd.gradgradcheck(lambda z: OPERATOR(z, Y.double(), *rest)[0], z)
