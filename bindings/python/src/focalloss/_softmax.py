"""The softmax family: the K scores of a sample are one distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy

from . import _abi, _arrays
from ._arrays import address
from ._call import check, fill, run
from ._evaluate import GRAD, HESS, HESS_FULL, LOSS, SOFTMAX_FAMILY, evaluate

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._options import Array, Hessian, Loss, Reduction, SoftmaxOptions, Vector

IGNORE_INDEX = -100  # torch's


def softmax_focal_loss(
    logits: Array,
    targets: Array,
    alpha: float | Vector | None = None,
    gamma: float | Vector = 2.0,
    reduction: Reduction = "mean",
    *,
    axis: int = -1,
    ignore_index: int | None = IGNORE_INDEX,
    **options: Unpack[SoftmaxOptions],
) -> Loss:
    """Multiclass focal loss over a softmax: -alpha_c (1 - p_c)^gamma log(p_c), c being the sample's class.

    logits: float32, float64, float16 or bfloat16; classes along `axis`: (N, K) with -1, (N, C, H, W) with 1,
        class-major (K, N) with 0. None of these is transposed or copied.
    targets: labels, integers (uint8, int32, int64) in [0, K) of the logits' shape without `axis`; or class
        probabilities, of the logits' shape.
    alpha: weight of every class, >= 0, or K values, one a class. None: off.
    gamma: focusing parameter, >= 0, or K values by target class (labels only). 0 is the cross-entropy.
    reduction: "mean" (over the samples that are not ignored, see `divisor`), "sum" or "none".
    ignore_index: a label of this value leaves its sample out. None: no such label.
    options: see focalloss.SoftmaxOptions.

    Returns the reduced loss, a float (summed in float64), or for "none" one value a sample in the logits' dtype.

    Raises TypeError, ValueError and FocalLossError as sigmoid_focal_loss does; a label outside [0, K) is an error that
    says where it stands.

    This is not the one-against-rest loss of detectors, which is sigmoid_focal_loss with labels.
    """
    every = {**options, "axis": axis, "ignore_index": ignore_index}
    return evaluate(SOFTMAX_FAMILY, LOSS, logits, targets, alpha, gamma, reduction, every)


def softmax_focal_loss_and_grad(
    logits: Array,
    targets: Array,
    alpha: float | Vector | None = None,
    gamma: float | Vector = 2.0,
    reduction: Reduction = "mean",
    *,
    axis: int = -1,
    ignore_index: int | None = IGNORE_INDEX,
    **options: Unpack[SoftmaxOptions],
) -> tuple[Loss, numpy.ndarray]:
    """Multiclass focal loss and its gradient with respect to the logits, in one call: (loss, grad).

    Arguments and errors: see softmax_focal_loss. grad has the logits' shape and dtype. With "mean" or "sum" it is the
    gradient of the reduced loss, with "none" that of each sample's own loss.
    """
    every = {**options, "axis": axis, "ignore_index": ignore_index}
    return evaluate(SOFTMAX_FAMILY, LOSS | GRAD, logits, targets, alpha, gamma, reduction, every)


def softmax_focal_grad_hess(
    logits: Array,
    targets: Array,
    alpha: float | Vector | None = None,
    gamma: float | Vector = 2.0,
    reduction: Reduction = "none",
    *,
    hessian: Hessian = "exact",
    full: bool = False,
    axis: int = -1,
    ignore_index: int | None = IGNORE_INDEX,
    **options: Unpack[SoftmaxOptions],
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Gradient and Hessian of the multiclass focal loss: (grad, hess), by sample unless a reduction is asked for.

    hessian: "exact" (may be negative), "absolute" or "gauss_newton" (never negative).
    full: False gives the diagonal, of the logits' shape; True (labels, "exact", no floor) the K x K matrix of every
        sample, of shape (*sample, K, K).
    hessian_scale is 2 in XGBoost's own softmax and K/(K-1) in LightGBM's.

    Other arguments and errors: see softmax_focal_loss.
    """
    every = {**options, "axis": axis, "ignore_index": ignore_index}
    if full and hessian != "exact":
        raise ValueError(f"full=True gives the exact Hessian; hessian is {hessian!r}")
    want = GRAD | (HESS_FULL if full else HESS)
    return evaluate(SOFTMAX_FAMILY, want, logits, targets, alpha, gamma, reduction, every, hessian)


def cross_entropy(
    logits: Array,
    targets: Array,
    reduction: Reduction = "mean",
    *,
    axis: int = -1,
    ignore_index: int | None = IGNORE_INDEX,
    **options: Unpack[SoftmaxOptions],
) -> Loss:
    """Softmax cross-entropy: the focal loss with gamma 0 and alpha off. See softmax_focal_loss.

    torch's `weight=w` with its weighted mean is `class_weights=w, divisor="weights"`.
    """
    return softmax_focal_loss(logits, targets, None, 0.0, reduction, axis=axis, ignore_index=ignore_index, **options)


def cross_entropy_and_grad(
    logits: Array,
    targets: Array,
    reduction: Reduction = "mean",
    *,
    axis: int = -1,
    ignore_index: int | None = IGNORE_INDEX,
    **options: Unpack[SoftmaxOptions],
) -> tuple[Loss, numpy.ndarray]:
    """Softmax cross-entropy and its gradient: (loss, grad). See cross_entropy."""
    return softmax_focal_loss_and_grad(
        logits, targets, None, 0.0, reduction, axis=axis, ignore_index=ignore_index, **options
    )


# ---- Classes spread over machines ---------------------------------------------------------------------------------


class ShardStats(NamedTuple):
    """What one shard of the classes knows of every sample; three small arrays to be merged over the shards.

    max: largest score of this shard that is not the target's (-inf: none), float64, one a sample.
    sum: sum of exp(score - max) over the same scores.
    target: the target's score, or -inf where another shard holds it.
    offset: the first class that this shard holds.
    total: classes over all shards.
    """

    max: numpy.ndarray
    sum: numpy.ndarray
    target: numpy.ndarray
    offset: int
    total: int


def softmax_shard_stats(
    logits: Array,
    labels: Array,
    *,
    offset: int,
    total: int,
    axis: int = -1,
    ignore_index: int | None = IGNORE_INDEX,
    threads: int | None = None,
) -> ShardStats:
    """Step one of a softmax whose classes are spread over machines (tensor-parallel heads).

    logits: this shard's scores, classes [offset, offset + K) of `total`. labels: integers in [0, total), the same on
    every shard.

    Merge the result over the shards, with softmax_shard_merge or by all-reduces: M = MAX(max),
    SUM(sum * exp(max - M)), MAX(target). Step two is any softmax function with `shard=merged` (this shard's own
    `offset` in it): the loss of the whole, and this shard's part of gradient, Hessian and probabilities.
    """
    scores = _arrays.as_input(logits, "logits", _arrays.SCORES)
    labels = _arrays.as_input(labels, "labels", _arrays.LABELS)
    args = _abi.new_args()
    args.outer, args.classes, args.inner = _arrays.split(scores.shape, axis)
    sample = _arrays.without(scores.shape, axis)
    _arrays.expect_shape(labels, "labels", sample)
    stats = ShardStats(numpy.empty(sample), numpy.empty(sample), numpy.empty(sample), offset, total)
    args.scores, args.score_dtype = address(scores), _arrays.dtype_code(scores)
    args.targets, args.target_dtype = address(labels), _arrays.dtype_code(labels)
    args.target_kind = _abi.TARGETS["labels"]
    args.shard_max, args.shard_sum, args.shard_target = map(address, stats[:3])
    fill(args, shard_offset=offset, shard_total=total, ignore_index=ignore_index, threads=threads)
    run(_abi.FUNCTIONS["softmax_shard_stats"], args)
    return stats


def softmax_shard_merge(stats: ShardStats, other: ShardStats) -> ShardStats:
    """Merges another shard's statistics into these, in place; returns `stats`, whose offset and total stay."""
    samples = stats.max.shape
    names = ShardStats._fields[:3]
    ours = [_arrays.as_output(a, f"stats.{n}", samples, numpy.dtype("float64")) for n, a in zip(names, stats)]
    theirs = [_arrays.as_input(a, f"other.{n}", frozenset([_abi.DTYPE["f64"]])) for n, a in zip(names, other)]
    for name, array in zip(names, theirs):
        _arrays.expect_shape(array, f"other.{name}", samples)
    check(_abi.FUNCTIONS["softmax_shard_merge"](stats.max.size, *map(address, ours), *map(address, theirs)))
    return stats
