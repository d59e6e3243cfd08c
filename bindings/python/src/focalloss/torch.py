"""Focal losses for PyTorch on the CPU: the signatures of torchvision and `cross_entropy`, in one fused call.

    from focalloss.torch import sigmoid_focal_loss            # instead of torchvision.ops
    loss = sigmoid_focal_loss(logits, targets, reduction="mean")

Loss and gradient are computed together where a gradient will be needed; without one, only the loss is. Second
derivatives work (double backward through the library's Hessian); third ones are an error. Under torch.compile, and in
torch.export, the same kernels run as one registered operator without a graph break; `vmap` and `torch.func` work too.

Scores are float32, float64, bfloat16 or float16 tensors of any strides (what is not contiguous is copied); losses and
gradients have their dtype. The short types are computed in float32 and rounded once. Other targets than float32,
float64, bool, uint8, int32 and int64 are converted. Tensors on another device than the CPU are an error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ._abi import ALPHA_OFF, DTYPE, WEIGHTS
from ._arrays import split, without
from ._call import run, run_reduced
from ._settings import Settings, new_args

__all__ = ["SigmoidFocalLoss", "SoftmaxFocalLoss", "sigmoid_focal_loss", "softmax_focal_loss"]

_SCORES = {
    torch.float32: DTYPE["f32"],
    torch.float64: DTYPE["f64"],
    torch.bfloat16: DTYPE["bf16"],
    torch.float16: DTYPE["f16"],
}

_TARGETS = {
    torch.float32: DTYPE["f32"],
    torch.float64: DTYPE["f64"],
    torch.bool: DTYPE["u8"],
    torch.uint8: DTYPE["u8"],
    torch.int32: DTYPE["i32"],
    torch.int64: DTYPE["i64"],
}


# ---- Functions ----------------------------------------------------------------------------------------------------


def sigmoid_focal_loss(
    inputs: Tensor,
    targets: Tensor,
    alpha: float | Tensor | Sequence[float] | None = 0.25,
    gamma: float = 2,
    reduction: str = "none",
    *,
    weight: Tensor | None = None,
    pos_weight: float | Tensor | None = None,
    label_smoothing: float = 0.0,
    smoothing_rule: str = "targets",
    soft_rule: str = "interpolate",
    ignore_index: int | None = None,
    divisor: str | float | Tensor = "valid",
    axis: int = -1,
    input: str = "logits",
    clip: float = 0.0,
) -> Tensor:
    """Binary focal loss of independent logits; the first five arguments are `torchvision.ops.sigmoid_focal_loss`'s.

    inputs: logits, any shape.
    targets: of the same shape, in [0, 1]; or class indices, integers of that shape without `axis`, where each class is
        a problem of its own and the index K (the number of classes) is background: no one-hot tensor is ever made.
    alpha: weight of positives in [0, 1], negatives have 1 - alpha; K values: one a class along `axis`; -1 or None:
        off.
    gamma: focusing parameter, >= 0.
    reduction: "none", "mean" or "sum".
    weight: multiplies the loss; broadcast to the inputs' shape.
    pos_weight: multiplies the loss of positives: a number, or a tensor of K, as in BCEWithLogitsLoss.
    label_smoothing, smoothing_rule, soft_rule, ignore_index: see focalloss.SigmoidOptions; and so input and clip, with
        which `inputs` may be probabilities.
    divisor: what "mean" divides by: "valid", "elements", "weights", "positives", or a number (the number of positives
        all-reduced over processes, say), which may be a tensor of one element.

    Gradients flow to `inputs` alone; other arguments that require one are an error.
    """
    labels = targets.shape != inputs.shape
    word, number = _divisor(divisor)
    one_alpha, alphas = _number_or_vector(alpha)
    positive, positives = _number_or_vector(pos_weight)
    return _apply(
        inputs,
        targets,
        _sigmoid_weight(weight, inputs, axis),
        alphas,
        positives,
        axis,
        Settings(
            softmax=False,
            labels=labels,
            alpha=None if one_alpha == ALPHA_OFF else one_alpha,
            gamma=gamma,
            reduction=reduction,
            divisor=word,
            divisor_value=number,
            label_smoothing=label_smoothing,
            smoothing_rule=smoothing_rule,
            soft_rule=soft_rule,
            ignore_index=ignore_index,
            background_label=inputs.shape[axis] if labels and inputs.dim() else None,
            pos_weight=1.0 if positive is None else positive,
            input=input,
            clip=clip,
        ),
    )


def softmax_focal_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    gamma: float = 2.0,
    alpha: float | Tensor | Sequence[float] | None = None,
    *,
    sample_weight: Tensor | None = None,
    smoothing_rule: str = "targets",
    soft_rule: str = "interpolate",
    divisor: str | float | Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    """Multiclass focal loss over the softmax of the logits; the first six arguments are `cross_entropy`'s.

    input: logits (N, K), (N, K, d1, ...) or (K).
    target: class indices, integers of shape (N), (N, d1, ...) or (); or class probabilities of the input's shape.
    weight: K values, one a class. With class indices and reduction "mean" the sum of the targets' weights divides, as
        in cross_entropy.
    ignore_index: samples of this class index are left out.
    label_smoothing: in [0, 1]; smoothing_rule, soft_rule: see focalloss.SoftmaxOptions.
    gamma: focusing parameter, >= 0; with 0 this is cross_entropy.
    alpha: a number for every class or K values; unlike `weight` they do not enter the divisor (unless `weight` is given
        too: then their product is the weight).
    sample_weight: multiplies each sample's loss; the shape of the class indices.
    divisor: what "mean" divides by: None (as above), or as in sigmoid_focal_loss.
    axis: the class axis where it is not cross_entropy's (1, or 0 for a single sample).

    Gradients flow to `input` alone. Its double backward needs class indices and makes a K x K matrix for each sample.
    """
    labels = target.shape != input.shape
    if divisor is None:
        divisor = "valid" if weight is None or not labels else "weights"
    word, number = _divisor(divisor)
    one_alpha, alphas = _number_or_vector(alpha)
    if weight is not None:
        factor = one_alpha if alphas is None else alphas
        one_alpha, alphas = None, weight if factor is None else weight * factor
    return _apply(
        input,
        target,
        sample_weight,
        alphas,
        None,
        axis if axis is not None else min(1, input.dim() - 1),
        Settings(
            softmax=True,
            labels=labels,
            alpha=one_alpha,
            gamma=gamma,
            reduction=reduction,
            divisor=word,
            divisor_value=number,
            label_smoothing=label_smoothing,
            smoothing_rule=smoothing_rule,
            soft_rule=soft_rule,
            ignore_index=ignore_index if labels else None,
            background_label=None,
        ),
    )


def _number_or_vector(value) -> tuple[Any, Tensor | None]:
    if isinstance(value, (list, tuple)):
        value = torch.tensor(value, dtype=torch.float64)
    return (None, value) if isinstance(value, Tensor) and value.dim() else (value, None)


def _divisor(value) -> tuple[str, float | None]:
    return (value, None) if isinstance(value, str) else ("valid", float(value))


def _sigmoid_weight(weight: Tensor | None, inputs: Tensor, axis: int) -> Tensor | None:
    """One weight a sample where that is what was given, else one a score."""
    if weight is None or weight.shape == inputs.shape:
        return weight
    if weight.dim() == inputs.dim() and weight.shape[axis] == 1:
        return weight.expand(*(1 if i == axis % inputs.dim() else n for i, n in enumerate(inputs.shape))).squeeze(axis)
    return weight.expand(inputs.shape)


# ---- Modules ------------------------------------------------------------------------------------------------------


class _FocalLoss(torch.nn.Module):
    """A loss function with its options: tensors are kept as buffers, so that they move and are saved with the model."""

    function: Callable[..., Tensor]

    def __init__(self, options: dict):
        super().__init__()
        inspect.signature(self.function).bind(None, None, **options)  # TypeError names an unknown option
        self._names = tuple(options)
        for name, value in options.items():
            if isinstance(value, Tensor):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.function(input, target, **{name: getattr(self, name) for name in self._names})

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self._names)


class SigmoidFocalLoss(_FocalLoss):
    """sigmoid_focal_loss as a module, with reduction "mean" unless told. options: its keyword arguments.

    forward(input, target): logits and targets, as `inputs` and `targets` of the function.
    """

    function = staticmethod(sigmoid_focal_loss)

    def __init__(self, alpha: float | Tensor | None = 0.25, gamma: float = 2.0, reduction: str = "mean", **options):
        super().__init__({"alpha": alpha, "gamma": gamma, "reduction": reduction, **options})


class SoftmaxFocalLoss(_FocalLoss):
    """softmax_focal_loss as a module; the first four arguments are `torch.nn.CrossEntropyLoss`'s. options: its others.

    forward(input, target): as in the function.
    """

    function = staticmethod(softmax_focal_loss)

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        gamma: float = 2.0,
        alpha: float | Tensor | None = None,
        **options,
    ):
        named = {"weight": weight, "ignore_index": ignore_index, "reduction": reduction, "gamma": gamma, "alpha": alpha}
        super().__init__({**named, "label_smoothing": label_smoothing, **options})


# ---- One call of the library --------------------------------------------------------------------------------------

# The functions below share their first arguments: scores, targets, weights, alphas, positives, axis, settings.
_TENSORS = ("inputs", "targets", "weight", "alpha", "pos_weight")


def _check(scores, targets, weights, alphas, positives, axis, settings: Settings) -> None:
    """Shapes and dtypes: what the library cannot see for itself."""
    if scores.dtype not in _SCORES:
        raise TypeError(f"inputs must be float32, float64, bfloat16 or float16; got {scores.dtype}")
    sample = without(scores.shape, axis) if settings.labels or settings.softmax or weights is not None else ()
    if targets.shape != (sample if settings.labels else scores.shape):
        raise ValueError(
            f"targets has shape {tuple(targets.shape)}; for inputs of shape {tuple(scores.shape)} it must be the same, "
            f"or {tuple(without(scores.shape, axis))} (class indices)"
        )
    if settings.labels and (targets.is_floating_point() or targets.dtype == torch.bool):
        raise TypeError(f"targets has shape {tuple(targets.shape)}, so it holds class indices; got {targets.dtype}")
    if weights is not None and weights.shape != sample and (settings.softmax or weights.shape != scores.shape):
        raise ValueError(f"weight has shape {tuple(weights.shape)}; it must be {tuple(sample)}")
    for name, vector in (("alpha or weight", alphas), ("pos_weight", positives)):
        if vector is not None and vector.shape != scores.shape[axis : axis + 1 or None]:
            raise ValueError(f"{name} has shape {tuple(vector.shape)}; it must be ({scores.shape[axis]},)")


def _prepare(scores, targets, weights, alphas, positives, axis, settings: Settings) -> tuple:
    """A focal_args with all inputs in place, and the tensors that it points into."""
    _check(scores, targets, weights, alphas, positives, axis, settings)
    args = new_args(settings)
    if settings.softmax or settings.labels or not (weights is alphas is positives is None):
        args.outer, args.classes, args.inner = split(scores.shape, axis)
    else:
        args.outer = scores.numel()  # independent scores, whatever their shape
    scores = scores.contiguous()
    args.scores, args.score_dtype = scores.data_ptr(), _SCORES[scores.dtype]
    if targets.dtype not in _TARGETS:
        targets = targets.to(torch.float32 if targets.is_floating_point() else torch.int64)
    targets = targets.contiguous()
    args.targets, args.target_dtype = targets.data_ptr(), _TARGETS[targets.dtype]
    kept = [scores, targets]
    if weights is not None:
        weights = weights.contiguous() if weights.dtype == torch.float64 else weights.to(torch.float32).contiguous()
        args.weights, args.weight_dtype = weights.data_ptr(), _SCORES[weights.dtype]
        args.weight_layout = WEIGHTS["sample" if settings.softmax or weights.shape != scores.shape else "element"]
        kept.append(weights)
    for field, vector in (("alphas", alphas), ("pos_weights", positives)):
        if vector is not None:
            vector = vector.to(torch.float64).contiguous()
            setattr(args, field, vector.data_ptr())
            kept.append(vector)
    return args, kept


def _loss_shape(scores, axis, settings: Settings):
    if settings.reduction != "none":
        return ()
    return without(scores.shape, axis) if settings.softmax else scores.shape


def _loss_and_gradient(scores, targets, weights, alphas, positives, axis, settings: Settings, wanted: bool) -> tuple:
    """The loss, and its gradient: an empty tensor where that is not wanted."""
    args, kept = _prepare(scores, targets, weights, alphas, positives, axis, settings)
    gradient = torch.empty_like(scores, memory_format=torch.contiguous_format) if wanted else scores.new_empty(0)
    if wanted:
        args.grad = gradient.data_ptr()
    if settings.reduction == "none":
        loss = scores.new_empty(_loss_shape(scores, axis, settings))
        args.loss = loss.data_ptr()
        run(settings.function, args)
    else:
        loss = scores.new_full((), run_reduced(settings.function, args))
    return loss, gradient


def _hessian_product(scores, targets, weights, alphas, positives, axis, settings: Settings, vector):
    """H v, of the reduced loss or of every sample's own."""
    args, kept = _prepare(scores, targets, weights, alphas, positives, axis, settings)
    if not settings.softmax:
        hessian = torch.empty_like(scores, memory_format=torch.contiguous_format)
        args.hess = hessian.data_ptr()
        run(settings.function, args)
        return hessian * vector
    if not settings.labels:
        raise NotImplementedError("the second derivative of softmax_focal_loss is offered for class indices only")
    hessian = scores.new_empty(args.outer, args.inner, args.classes, args.classes)
    args.hess_full = hessian.data_ptr()
    run(settings.function, args)
    rows = vector.reshape(args.outer, args.classes, args.inner).transpose(1, 2).unsqueeze(-1)
    return torch.matmul(hessian, rows).squeeze(-1).transpose(1, 2).reshape(scores.shape)


# ---- Autograd -----------------------------------------------------------------------------------------------------


def _scaled(gradient, upstream, axis):
    """gradient x upstream: one number, one a score, or one a sample."""
    return gradient * (upstream.unsqueeze(axis) if 0 < upstream.dim() < gradient.dim() else upstream)


def _looped(function):
    """A vmap rule that goes through the batch one by one."""

    def rule(info, in_dims, *args):
        def of(i):
            return (a.select(d, i) if isinstance(a, Tensor) and d is not None else a for a, d in zip(args, in_dims))

        results = [function(*of(i)) for i in range(info.batch_size)]
        if isinstance(results[0], Tensor):
            return torch.stack(results), 0
        return tuple(map(torch.stack, zip(*results))), (0,) * len(results[0])

    return rule


class _Loss(torch.autograd.Function):
    """(loss, gradient): the gradient is an output, not to be differentiated, because only so may backward keep it."""

    @staticmethod
    def forward(scores, targets, weights, alphas, positives, axis, settings, wanted):
        return _loss_and_gradient(scores, targets, weights, alphas, positives, axis, settings, wanted)

    @staticmethod
    def setup_context(ctx, inputs, output):
        loss, gradient = output
        ctx.mark_non_differentiable(gradient)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[:5], gradient)
        ctx.axis, ctx.settings = inputs[5:7]

    @staticmethod
    def backward(ctx, upstream, _):
        none = (None,) * 7
        if upstream is None:
            return None, *none
        if torch.is_grad_enabled() or type(upstream) is not Tensor:
            return _Gradient.apply(upstream, *ctx.saved_tensors, ctx.axis, ctx.settings), *none
        gradient = ctx.saved_tensors[5]
        if upstream.dim() == 0 and upstream.item() == 1:  # loss.backward(): one pass over memory less
            return gradient, *none
        return _scaled(gradient, upstream, ctx.axis), *none


class _Gradient(torch.autograd.Function):
    """upstream x gradient, and its derivatives with respect to upstream and (through the Hessian) to the scores."""

    @staticmethod
    def forward(upstream, scores, targets, weights, alphas, positives, gradient, axis, settings):
        return _scaled(gradient, upstream, axis)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs[:7])
        ctx.axis, ctx.settings = inputs[7:]

    @staticmethod
    def backward(ctx, vector):
        upstream, *inputs, gradient = ctx.saved_tensors
        product = _HessianProduct.apply(*inputs, ctx.axis, ctx.settings, vector)
        slope = vector * gradient
        if upstream.dim() < slope.dim():
            slope = slope.sum(ctx.axis) if upstream.dim() else slope.sum()
        return slope, _scaled(product, upstream, ctx.axis), *(None,) * 7


class _HessianProduct(torch.autograd.Function):
    """The Hessian times a vector; the end of the road."""

    @staticmethod
    def forward(scores, targets, weights, alphas, positives, axis, settings, vector):
        return _hessian_product(scores, targets, weights, alphas, positives, axis, settings, vector)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, _):
        raise NotImplementedError("third derivatives of the focal losses are not offered")


_function: Any
for _function in (_Loss, _Gradient, _HessianProduct):
    # Function.apply asks for the signature at every call: 12 of its 33 microseconds. Answer once.
    _function.forward.__signature__ = inspect.signature(_function.forward)
    _function.vmap = staticmethod(_looped(_function.apply))


# ---- The operator: the same under torch.compile, torch.export and vmap ----------------------------------------------

_OP = "focalloss::loss_and_gradient"
torch.library.define(
    _OP,
    "(Tensor scores, Tensor targets, Tensor? weights, Tensor? alphas, Tensor? positives, int axis,"
    # Settings, in its order
    " bool softmax, bool labels, float? alpha, float gamma, str reduction, str divisor, float? divisor_value,"
    " float label_smoothing, str smoothing_rule, str soft_rule, int? ignore_index, int? background_label,"
    " float pos_weight, str input, float clip, bool wanted) -> (Tensor, Tensor)",
    tags=(torch.Tag.pt2_compliant_tag,),
)


def _grouped(flat: tuple) -> tuple:
    """The operator's arguments as the functions above take them."""
    return *flat[:6], Settings(*flat[6:-1]), flat[-1]


def _fake(scores, targets, weights, alphas, positives, axis, settings, wanted):
    _check(scores, targets, weights, alphas, positives, axis, settings)
    gradient = torch.empty_like(scores, memory_format=torch.contiguous_format) if wanted else scores.new_empty(0)
    return scores.new_empty(_loss_shape(scores, axis, settings)), gradient


def _setup_context(ctx, inputs, output):
    _Loss.setup_context(ctx, _grouped(inputs), output)


def _backward(ctx, upstream, _):
    return _Loss.backward(ctx, upstream, _)[0], *(None,) * (6 + len(Settings._fields))


_operator = torch.ops.focalloss.loss_and_gradient.default
torch.library.impl(_OP, "CPU", lambda *flat: _loss_and_gradient(*_grouped(flat)))
torch.library.register_fake(_OP, lambda *flat: _fake(*_grouped(flat)))
torch.library.register_autograd(_OP, _backward, setup_context=_setup_context)
torch.library.register_vmap(_OP, _looped(_operator))


def _apply(scores, targets, weights, alphas, positives, axis, settings: Settings) -> Tensor:
    """The loss, through autograd where a gradient will be wanted, through the operator otherwise."""
    recording = torch.is_grad_enabled()
    for name, tensor in zip(_TENSORS, (scores, targets, weights, alphas, positives)):
        if tensor is None:
            continue
        if not tensor.is_cpu:
            raise TypeError(f"{name} is on {tensor.device}; focalloss computes on the CPU: pass {name}.cpu()")
        if recording and tensor.requires_grad and tensor is not scores:
            raise NotImplementedError(f"{name} requires a gradient, which is not offered: pass {name}.detach()")
    wanted = recording and scores.requires_grad
    if wanted and not torch.compiler.is_compiling():
        return _Loss.apply(scores, targets, weights, alphas, positives, axis, settings, wanted)[0]
    return _operator(scores, targets, weights, alphas, positives, axis, *settings, wanted)[0]
