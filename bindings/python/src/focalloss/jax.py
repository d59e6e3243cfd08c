"""Focal losses for JAX on the CPU, through XLA's foreign function interface: optax's signatures, one fused call.

    from focalloss.jax import sigmoid_focal_loss, softmax_focal_loss
    loss, grad = jax.value_and_grad(lambda z: sigmoid_focal_loss(z, labels, alpha=0.25).mean())(logits)

They work under jit, vmap, grad, jvp and their compositions, up to second derivatives (Hessian-vector products in any
order of modes); third ones are an error of JAX. alpha, gamma and the other options are plain numbers, known when
tracing; logits, labels and weights are arrays. Loss and gradient have the logits' dtype: float32, float64 (where JAX
has it), bfloat16 or float16.

Over several devices use jax.shard_map (or pmap), which calls the library on every device's part; under automatic
partitioning XLA gathers the operands first. What the library refuses, such as a label outside its range, is raised when
the call runs: a ValueError or jax.errors.JaxRuntimeError with the library's message.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy

from . import _xla
from ._abi import WEIGHTS
from ._arrays import code_of, split, without
from ._call import SIGMOID, SOFTMAX
from ._settings import Settings, new_args

__all__ = ["sigmoid_focal_loss", "softmax_focal_loss"]

_TARGETS = {"f": jnp.float32, "i": jnp.int32, "u": jnp.int32, "b": jnp.bool_}
_HANDLERS = {False: _xla.handler(SIGMOID), True: _xla.handler(SOFTMAX)}
_NAMES = {False: "focalloss_sigmoid", True: "focalloss_softmax"}
for _softmax, _handler in _HANDLERS.items():
    jax.ffi.register_ffi_target(_NAMES[_softmax], jax.ffi.pycapsule(_handler), platform="cpu")


# ---- Functions ----------------------------------------------------------------------------------------------------


def sigmoid_focal_loss(
    logits,
    labels,
    alpha=None,
    gamma: float = 2.0,
    *,
    reduction: str = "none",
    weights=None,
    pos_weight=1.0,
    label_smoothing: float = 0.0,
    smoothing_rule: str = "targets",
    soft_rule: str = "interpolate",
    ignore_index: int | None = None,
    divisor="valid",
    axis: int = -1,
    input: str = "logits",
    clip: float = 0.0,
):
    """Binary focal loss of independent logits; the first four arguments are `optax.sigmoid_focal_loss`'s.

    logits: any shape. labels: of the same shape, in [0, 1]; or class indices, integers of that shape without `axis`,
        where each class is a problem of its own and the index K (the number of classes) is background.
    alpha: weight of positives in [0, 1], negatives have 1 - alpha; K numbers: one a class along `axis`; None: off.
    gamma: focusing parameter, >= 0.
    reduction: "none" (the shape of the logits), "mean" or "sum" (summed in float64).
    weights: multiply the loss: of the logits' shape, or of that without `axis`.
    pos_weight: multiplies the loss of positives: a number, or K of them.
    Other options: see focalloss.SigmoidOptions; `input` and `clip` let the first argument be probabilities.

    Derivatives are with respect to the logits; one with respect to labels or weights is an error.
    """
    return _loss(
        False,
        logits,
        labels,
        alpha,
        pos_weight,
        weights,
        axis,
        divisor,
        gamma=gamma,
        reduction=reduction,
        label_smoothing=label_smoothing,
        smoothing_rule=smoothing_rule,
        soft_rule=soft_rule,
        ignore_index=ignore_index,
        input=input,
        clip=clip,
    )


def softmax_focal_loss(
    logits,
    labels,
    alpha=None,
    gamma: float = 2.0,
    *,
    axis: int = -1,
    reduction: str = "none",
    weights=None,
    label_smoothing: float = 0.0,
    smoothing_rule: str = "targets",
    soft_rule: str = "interpolate",
    ignore_index: int | None = -100,
    divisor="valid",
):
    """Multiclass focal loss over the softmax of the logits along `axis`.

    labels: class indices, integers of the logits' shape without `axis`; or class probabilities, of the logits' shape.
    alpha: a number for every class, or K of them; None: off. With divisor="weights" the mean divides by those of the
        labels.
    gamma: focusing parameter, >= 0; 0 is the cross-entropy.
    reduction: "none" (the logits' shape without `axis`), "mean" or "sum" (summed in float64).
    weights: multiply each sample's loss: the logits' shape without `axis`.
    ignore_index: samples of this class index give 0 and leave the divisor.
    Other options: see focalloss.SoftmaxOptions.

    Second derivatives need class indices and make a K x K matrix for each sample.
    """
    return _loss(
        True,
        logits,
        labels,
        alpha,
        None,
        weights,
        axis,
        divisor,
        gamma=gamma,
        reduction=reduction,
        label_smoothing=label_smoothing,
        smoothing_rule=smoothing_rule,
        soft_rule=soft_rule,
        ignore_index=ignore_index,
    )


def _loss(softmax: bool, logits, labels, alpha, pos_weight, weights, axis, divisor, *, ignore_index, **options):
    """options: fields of Settings."""
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    indices = labels.shape != logits.shape
    alpha, alphas = _number_or_vector(alpha)
    positive, positives = _number_or_vector(pos_weight)
    word, number = (divisor, None) if isinstance(divisor, str) else ("valid", float(divisor))
    settings = Settings(
        softmax,
        indices,
        alpha,
        divisor=word,
        divisor_value=number,
        ignore_index=ignore_index if indices or not softmax else None,
        background_label=logits.shape[axis] if indices and logits.ndim and not softmax else None,
        pos_weight=1.0 if positive is None else positive,
        **options,
    )
    return _apply(logits, labels, weights, axis, alphas, positives, settings)


def _number_or_vector(value) -> tuple:
    if value is None or isinstance(value, (int, float)):
        return value, None
    vector = numpy.asarray(value, numpy.float64)  # a traced value is an error of JAX here
    return (float(vector), None) if vector.ndim == 0 else (None, tuple(vector.tolist()))


# ---- From arrays to a call ----------------------------------------------------------------------------------------


class _Problem(NamedTuple):
    """All that is known when tracing: one of these, one differentiable function."""

    settings: Settings
    axis: int
    shape: tuple
    score_dtype: str
    target_dtype: str
    weight_shape: tuple | None
    weight_dtype: str | None
    alphas: tuple | None
    positives: tuple | None


def _apply(logits, labels, weights, axis, alphas, positives, settings: Settings):
    if not jnp.issubdtype(logits.dtype, jnp.floating):
        raise TypeError(f"logits must be floating point; got {logits.dtype}")
    if code_of(numpy.dtype(labels.dtype)) is None or labels.dtype.itemsize == 2:
        labels = labels.astype(_TARGETS["f" if jnp.issubdtype(labels.dtype, jnp.floating) else labels.dtype.kind])
    operands = [logits, labels]
    if weights is not None:
        weights = jnp.asarray(weights)
        operands.append(weights if weights.dtype == jnp.float64 else weights.astype(jnp.float32))
    operands = [_gathered(operand) for operand in operands]
    problem = _Problem(
        settings,
        axis,
        logits.shape,
        str(logits.dtype),
        str(labels.dtype),
        None if weights is None else weights.shape,
        None if weights is None else str(operands[2].dtype),
        alphas,
        positives,
    )
    _check(problem, labels.shape)
    loss = _function(problem)(*operands)
    return loss if loss.dtype == logits.dtype else loss.astype(logits.dtype)


def _gathered(x):
    """x whole on every device, where a mesh with explicit axes has it in parts: what XLA does by itself otherwise."""
    sharding = jax.typeof(x).sharding
    if not any(sharding.spec):
        return x
    return jax.sharding.reshard(x, jax.sharding.NamedSharding(sharding.mesh, jax.sharding.PartitionSpec()))


def _sample(problem: _Problem) -> tuple:
    return without(problem.shape, problem.axis)


def _check(problem: _Problem, labels: tuple) -> None:
    shape, settings = problem.shape, problem.settings
    if not shape and (settings.softmax or settings.labels or problem.alphas or problem.positives):
        raise ValueError("logits have no axis of classes")
    if settings.labels and labels != _sample(problem):
        raise ValueError(f"labels has shape {labels}; it must be {shape}, or {_sample(problem)} (class indices)")
    if settings.labels and not problem.target_dtype.startswith(("int", "uint")):
        raise TypeError(f"labels has shape {labels}, so it holds class indices; got {problem.target_dtype}")
    allowed = [] if not shape else [_sample(problem)]
    if not settings.softmax:
        allowed.append(shape)
    if problem.weight_shape is not None and problem.weight_shape not in allowed:
        raise ValueError(f"weights has shape {problem.weight_shape}; it must be {' or '.join(map(str, allowed))}")
    for name, vector in (("alpha", problem.alphas), ("pos_weight", problem.positives)):
        if vector is not None and len(vector) != shape[problem.axis]:
            raise ValueError(f"{name} has {len(vector)} values; it must have {shape[problem.axis]}, one a class")


def _call(problem: _Problem, results: tuple, operands):
    """One call of the library for these results: fields of focal_args."""
    settings = problem.settings
    args = new_args(settings)
    if settings.softmax or settings.labels or not (problem.weight_shape is problem.alphas is problem.positives is None):
        args.outer, args.classes, args.inner = split(problem.shape, problem.axis)
    else:
        args.outer = math.prod(problem.shape)  # independent scores, whatever their shape
    args.score_dtype = code_of(numpy.dtype(problem.score_dtype))
    args.target_dtype = code_of(numpy.dtype(problem.target_dtype))
    if problem.weight_dtype:
        args.weight_dtype = code_of(numpy.dtype(problem.weight_dtype))
        element = not settings.softmax and problem.weight_shape == problem.shape
        args.weight_layout = WEIGHTS["element" if element else "sample"]
    vectors = {"alphas": problem.alphas, "pos_weights": problem.positives}
    vectors = {field: values for field, values in vectors.items() if values is not None}
    attribute = _xla.descriptor(args, vectors, _xla.OPERANDS[: len(operands)], results)
    wide = "float64" if problem.score_dtype == "float64" else "float32"
    shapes = {
        "loss": _sample(problem) if settings.softmax else problem.shape,
        "reduced_loss": (),
        "grad": problem.shape,
        "hess": problem.shape,
        "hess_full": (args.outer, args.inner, args.classes, args.classes),
    }
    outputs = [
        _like(operands, shapes[field], wide if field == "reduced_loss" else problem.score_dtype) for field in results
    ]
    call = jax.ffi.ffi_call(_NAMES[settings.softmax], outputs, vmap_method="broadcast_all")
    return call(*operands, descriptor=numpy.frombuffer(attribute, numpy.uint8))


def _like(operands, shape: tuple, dtype):
    """What a result is to JAX: it varies over the axes of a shard_map that any operand varies over."""

    def touch_all(*operands):
        return sum(operand.sum().astype(dtype) for operand in operands)

    return jax.eval_shape(touch_all, *operands).update(shape=shape, dtype=dtype)


# ---- Derivatives --------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=256)
def _function(problem: _Problem):
    """The loss as a differentiable function of its operands (logits, labels and perhaps weights)."""
    settings = problem.settings
    reduced = settings.reduction != "none"
    first = ("reduced_loss" if reduced else "loss", "grad")
    second = "hess_full" if settings.softmax else "hess"

    def slope(gradient, tangent):
        """What a change of the logits does to the loss."""
        product = gradient * tangent
        if reduced:
            return product.sum(dtype=jnp.promote_types(product.dtype, jnp.float32))
        return product.sum(problem.axis) if settings.softmax else product

    def curve(hessian, tangent):
        """What it does to the gradient: H t."""
        if not settings.softmax:
            return hessian * tangent
        outer, inner, classes, _ = hessian.shape
        rows = tangent.reshape(outer, classes, inner)
        return jnp.einsum("oijk,oki->oji", hessian, rows).reshape(problem.shape)

    @jax.custom_jvp
    def loss(*operands):
        return _call(problem, first[:1], operands)[0]

    @functools.partial(loss.defjvp, symbolic_zeros=True)
    def _(operands, tangents):
        value, gradient = both(*operands)
        return value, slope(gradient, _tangent(tangents))

    @jax.custom_jvp
    def both(*operands):
        return tuple(_call(problem, first, operands))

    @functools.partial(both.defjvp, symbolic_zeros=True)
    def _(operands, tangents):
        if settings.softmax and not settings.labels:
            raise NotImplementedError("second derivatives of softmax_focal_loss are offered for class indices only")
        value, gradient, hessian = _call(problem, (*first, second), operands)
        tangent = _tangent(tangents)
        return (value, gradient), (slope(gradient, tangent), curve(hessian, tangent))

    return jax.jit(loss)  # also outside a jit of the caller's: tracing costs more than the call


def _tangent(tangents):
    """The logits' tangent; the others must be none."""
    zero = jax.custom_derivatives.SymbolicZero
    for name, tangent in zip(("labels", "weights"), tangents[1:]):
        if not isinstance(tangent, zero):
            raise NotImplementedError(f"no derivative with respect to {name}: use jax.lax.stop_gradient({name})")
    return jnp.zeros(tangents[0].shape, tangents[0].dtype) if isinstance(tangents[0], zero) else tangents[0]
