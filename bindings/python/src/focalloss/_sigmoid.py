"""The sigmoid family: every score is a binary problem of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._evaluate import GRAD, HESS, LOSS, SIGMOID_FAMILY, evaluate

if TYPE_CHECKING:
    import numpy
    from typing_extensions import Unpack

    from ._options import Array, BinaryOptions, Hessian, Loss, Reduction, SigmoidOptions, Vector


def sigmoid_focal_loss(
    logits: Array,
    targets: Array,
    alpha: float | Vector | None = 0.25,
    gamma: float = 2.0,
    reduction: Reduction = "mean",
    **options: Unpack[SigmoidOptions],
) -> Loss:
    """Binary focal loss of independent scores: -alpha_t (1 - p_t)^gamma log(p_t).

    logits: float32, float64, float16 or bfloat16, any shape.
    targets: dense, of the logits' shape, in [0, 1]: float32, float64, bool, uint8, int32 or int64; or labels, integers
        of the logits' shape without the class axis (then every class is a binary problem: one against the rest).
    alpha: weight of positives, in [0, 1]; negatives have 1 - alpha. K values: one a class. None: off.
    gamma: focusing parameter, >= 0. 0 is the (alpha-weighted) cross-entropy.
    reduction: "mean" (over the elements that are not ignored, see `divisor`), "sum" or "none".
    options: see focalloss.SigmoidOptions.

    Returns the reduced loss, a float (summed in float64), or for "none" an array of the logits' shape and dtype.

    Raises TypeError (dtype, unknown option), ValueError (shape, contiguity, read-only output; the message names the
    argument) or FocalLossError (a ValueError: what the library refused, such as a target outside [0, 1]). Nothing has
    then been written to any output.

    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, arXiv:1708.02002.
    """
    return evaluate(SIGMOID_FAMILY, LOSS, logits, targets, alpha, gamma, reduction, options)


def sigmoid_focal_loss_and_grad(
    logits: Array,
    targets: Array,
    alpha: float | Vector | None = 0.25,
    gamma: float = 2.0,
    reduction: Reduction = "mean",
    **options: Unpack[SigmoidOptions],
) -> tuple[Loss, numpy.ndarray]:
    """Binary focal loss and its gradient with respect to the logits, in one pass.

    Arguments and errors: see sigmoid_focal_loss. Returns (loss, grad); grad has the logits' shape and dtype. With
    "mean" or "sum" it is the gradient of the reduced loss, with "none" that of each element.
    """
    return evaluate(SIGMOID_FAMILY, LOSS | GRAD, logits, targets, alpha, gamma, reduction, options)


def sigmoid_focal_grad_hess(
    logits: Array,
    targets: Array,
    alpha: float | Vector | None = 0.25,
    gamma: float = 2.0,
    reduction: Reduction = "none",
    *,
    hessian: Hessian = "exact",
    **options: Unpack[SigmoidOptions],
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Gradient and (diagonal) Hessian of the binary focal loss, as a boosting library asks for every round.

    hessian: "exact" (negative where p_t is small: below .058 at gamma 2), "absolute" (its size) or "gauss_newton"
        (never negative; what boosting learns best with).

    Other arguments and errors: see sigmoid_focal_loss. Returns (grad, hess), both of the logits' shape and dtype,
    element by element unless a reduction is asked for.
    """
    return evaluate(SIGMOID_FAMILY, GRAD | HESS, logits, targets, alpha, gamma, reduction, options, hessian)


def binary_cross_entropy(
    logits: Array, targets: Array, reduction: Reduction = "mean", **options: Unpack[BinaryOptions]
) -> Loss:
    """Binary cross-entropy: the focal loss with gamma 0 and alpha off. See sigmoid_focal_loss."""
    return evaluate(SIGMOID_FAMILY, LOSS, logits, targets, None, 0.0, reduction, options)


def binary_cross_entropy_and_grad(
    logits: Array, targets: Array, reduction: Reduction = "mean", **options: Unpack[BinaryOptions]
) -> tuple[Loss, numpy.ndarray]:
    """Binary cross-entropy and its gradient: (loss, grad). See sigmoid_focal_loss_and_grad."""
    return evaluate(SIGMOID_FAMILY, LOSS | GRAD, logits, targets, None, 0.0, reduction, options)


def weighted_binary_cross_entropy(
    logits: Array,
    targets: Array,
    pos_weight: float | Vector,
    neg_weight: float = 1.0,
    reduction: Reduction = "mean",
    **options: Unpack[BinaryOptions],
) -> Loss:
    """Binary cross-entropy whose positives weigh pos_weight and whose negatives weigh neg_weight, each >= 0.

    pos_weight may hold one value a class. Other arguments, result and errors: see sigmoid_focal_loss.
    """
    weighted = {**options, "pos_weight": pos_weight, "neg_weight": neg_weight}
    return evaluate(SIGMOID_FAMILY, LOSS, logits, targets, None, 0.0, reduction, weighted)


def weighted_binary_cross_entropy_and_grad(
    logits: Array,
    targets: Array,
    pos_weight: float | Vector,
    neg_weight: float = 1.0,
    reduction: Reduction = "mean",
    **options: Unpack[BinaryOptions],
) -> tuple[Loss, numpy.ndarray]:
    """Weighted binary cross-entropy and its gradient: (loss, grad). See weighted_binary_cross_entropy."""
    weighted = {**options, "pos_weight": pos_weight, "neg_weight": neg_weight}
    return evaluate(SIGMOID_FAMILY, LOSS | GRAD, logits, targets, None, 0.0, reduction, weighted)
