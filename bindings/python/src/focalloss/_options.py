"""The options of the loss functions: their names, types and meanings, once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Union

if TYPE_CHECKING:
    import numpy
    import numpy.typing

# What stands for an array: ndarray, anything with __dlpack__ or the buffer protocol, a list of numbers.
Array = Any
Vector = Union["numpy.typing.ArrayLike", Sequence[float]]
Reduction = Literal["none", "sum", "mean"]
Hessian = Literal["exact", "absolute", "gauss_newton"]
# A float with "mean" or "sum", an array with "none".
Loss = Union[float, "numpy.ndarray"]


class Options(TypedDict, total=False):
    """Options of every loss function (keyword only; defaults in brackets).

    K is the number of classes, `sample` the shape of the logits without the class axis.

    Targets and what is left out

    check_targets: [True] dense targets are checked to lie in [0, 1] before anything is written (one more read of
        them). False trusts the caller; labels are always checked.
    soft_rule: ["interpolate"] what a target between 0 and 1 means: "interpolate" (torchvision, optax), "mixture"
        (kornia) or "quality" (|y - p|^gamma CE; sigmoid only). All agree on hard targets.
    label_smoothing: [0.0] in [0, 1], towards the uniform distribution.
    smoothing_rule: ["targets"] "targets" smooths the target itself, "ce" only the cross-entropy factor (apex).
    ignore_mask: [None] bool or uint8; True ignores: it writes 0 to loss, gradient and Hessian and leaves the divisor.
        Shape of the logits (dense sigmoid) or `sample`.
    background_label: [None] sigmoid labels: a label of this value makes all K classes negative. Softmax: a class that
        divisor="positives" does not count.

    Weights: they multiply the loss and never enter p_t

    weights: [None] float32 or float64, finite, >= 0; shape `sample`, or that of the logits (sigmoid).
    class_weights: [None] K values, by column (sigmoid) or target class (softmax).

    Reduction and upstream gradient

    divisor: ["valid"] what reduction="mean" divides by: "valid" elements (scores for sigmoid, samples for softmax),
        "elements" (ignored ones too), "weights" (their sum; torch's weighted mean), "positives" (at least 1), or a
        number > 0 of the caller's own.
    grad_scale: [1.0] multiplies gradient and Hessian: a scalar upstream gradient.
    upstream: [None] multiplies the gradient, element by element; the outputs' dtype, shape of the logits (sigmoid) or
        `sample` (softmax).

    Second derivatives (grad_hess functions)

    hessian_scale: [1.0] multiplies the Hessian: 2 for XGBoost's softmax, K/(K-1) for LightGBM's.
    hessian_floor: [None] the Hessian is raised to this at last, ignored elements excepted.

    Outputs

    out: [None] where to write the loss: the unreduced loss, or a float64 array of shape () for a reduced one.
    grad_out, hess_out: [None] where to write these; shape of the logits. grad_out may be the logits (in place).
    out_dtype: [that of the logits] float32 or float64 for unreduced loss, gradient and Hessian.
    accumulate: [False] grad_out += the gradient.

    The call

    labels: [None] True: targets are labels; False: dense; None: by their shape and dtype.
    threads: [None] threads for this call; None: see set_num_threads.
    copy: [False] True converts inputs that are not contiguous, not native or of another dtype, instead of refusing
        them. Outputs are never converted.
    """

    check_targets: bool
    soft_rule: Literal["interpolate", "mixture", "quality"]
    label_smoothing: float
    smoothing_rule: Literal["targets", "ce"]
    ignore_mask: Array | None
    background_label: int | None
    weights: Array | None
    class_weights: Vector | None
    divisor: Literal["valid", "elements", "weights", "positives"] | float
    grad_scale: float
    upstream: Array | None
    hessian_scale: float
    hessian_floor: float | None
    out: Array | None
    grad_out: Array | None
    hess_out: Array | None
    out_dtype: numpy.typing.DTypeLike | None
    accumulate: bool
    labels: bool | None
    threads: int | None
    copy: bool


class BinaryOptions(Options, total=False):
    """Options of the binary cross-entropies: those of Options, and

    axis: [-1] the class axis of the logits, where something is said class by class: labels, alpha, a class weight.
    ignore_index: [None] a label, or a dense target, of this value is ignored, as by ignore_mask.
    input: ["logits"] "probabilities": the first argument holds p in [0, 1]; derivatives are with respect to p, and p of
        exactly 0 or 1 behaves as the limit.
    clip: [0.0] with probabilities: they are clipped to [clip, 1 - clip], in [0, 0.5); the gradient is 0 outside.
    """

    axis: int
    ignore_index: int | None
    input: Literal["logits", "probabilities"]
    clip: float


class SigmoidOptions(BinaryOptions, total=False):
    """Options of the sigmoid focal loss: those of BinaryOptions, and

    pos_weight: [1.0] multiplies the loss of positives: a number, or K of them along `axis`.
    neg_weight: [1.0] multiplies the loss of negatives.
    """

    pos_weight: float | Vector
    neg_weight: float


class SoftmaxOptions(Options, total=False):
    """Options of the softmax family: those of Options, and

    probabilities_out: [None] where to write the softmax; shape of the logits, the outputs' dtype.
    log_sum_exp_out: [None] where to write log(sum(exp(logits))) of each sample; shape `sample`, the outputs' dtype.
    shard: [None] merged statistics, where these logits are one part of the classes: see softmax_shard_stats.
    """

    probabilities_out: Array | None
    log_sum_exp_out: Array | None
    shard: Any
