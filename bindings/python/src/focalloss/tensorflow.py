"""Focal losses for TensorFlow on the CPU, with gradients and second derivatives by tf.custom_gradient.

    from focalloss.tensorflow import sigmoid_focal_loss, softmax_focal_loss
    with tf.GradientTape() as tape:
        loss = sigmoid_focal_loss(model(x), y)
    gradients = tape.gradient(loss, model.trainable_variables)

Eager or in a tf.function. The gradient is computed when the tape asks for it, with the upstream gradient folded into
the same pass. The library is entered through tf.numpy_function, so jit_compile=True (XLA) is not possible around these
losses, and they are no part of a SavedModel (which holds the model's own outputs). What the library refuses is a
focalloss.FocalLossError in eager code and a tf.errors.InvalidArgumentError in a tf.function. For second derivatives in
a tf.function, open both tapes inside it.
"""

from __future__ import annotations

import functools

import numpy
import tensorflow as tf

from ._evaluate import GRAD, HESS, HESS_FULL, LOSS, SIGMOID_FAMILY, SOFTMAX_FAMILY, evaluate
from ._softmax import IGNORE_INDEX

__all__ = ["sigmoid_focal_loss", "softmax_focal_loss"]

_TARGETS = {tf.float32, tf.float64, tf.bool, tf.uint8, tf.int32, tf.int64}


def sigmoid_focal_loss(logits, targets, alpha=0.25, gamma=2.0, reduction="mean", *, weights=None, **options):
    """Binary focal loss of independent logits. Arguments: those of focalloss.sigmoid_focal_loss, as tensors.

    Returns a tensor of the logits' dtype: a scalar, or of the logits' shape for reduction "none". Differentiable twice
    with respect to the logits; other arguments give no gradient (None).
    """
    options = {**options, "alpha": alpha, "gamma": gamma, "reduction": reduction}
    return _loss(SIGMOID_FAMILY, logits, targets, weights, options)


def softmax_focal_loss(
    logits,
    targets,
    alpha=None,
    gamma=2.0,
    reduction="mean",
    *,
    axis: int = -1,
    ignore_index: int | None = IGNORE_INDEX,
    weights=None,
    **options,
):
    """Multiclass focal loss over the softmax. Arguments: those of focalloss.softmax_focal_loss, as tensors.

    Returns a tensor of the logits' dtype: a scalar, or one value a sample for reduction "none". Differentiable with
    respect to the logits; twice where targets are labels (a K x K matrix is made for each sample).
    """
    options = {**options, "alpha": alpha, "gamma": gamma, "reduction": reduction, "axis": axis}
    return _loss(SOFTMAX_FAMILY, logits, targets, weights, {**options, "ignore_index": ignore_index})


def _loss(family, logits, targets, weights, options: dict):
    logits, targets = tf.convert_to_tensor(logits), tf.convert_to_tensor(targets)
    if targets.dtype not in _TARGETS:
        targets = tf.cast(targets, tf.float32 if targets.dtype.is_floating else tf.int64)
    if weights is not None:
        weights = tf.cast(weights, tf.float64 if logits.dtype == tf.float64 else tf.float32)
    return _Nodes(family, targets, weights, options).loss(logits)


class _Nodes:
    """The nodes of one loss: loss, gradient and Hessian product, each the derivative of the one before it.

    Each is a tf.numpy_function around `evaluate`, the call that focalloss's NumPy functions make.
    """

    def __init__(self, family, targets, weights, options: dict):
        self.family, self.options = family, options
        self.inputs = [targets] if weights is None else [targets, weights]
        self.alpha, self.gamma, self.reduction = (options.pop(name) for name in ("alpha", "gamma", "reduction"))
        self.reduced = self.reduction != "none"
        self.axis = options.get("axis", -1)

    def node(self, function, logits, *arrays, shape):
        """function(self.call of these logits, *arrays) as a node of the logits' dtype."""

        def run(scores, targets, *rest):
            call = functools.partial(self.call, scores, targets, *rest[: len(self.inputs) - 1])
            return numpy.asarray(function(call, *rest[len(self.inputs) - 1 :]), scores.dtype)

        return tf.ensure_shape(tf.numpy_function(run, [logits, *self.inputs, *arrays], logits.dtype), shape)

    def call(self, scores, targets, weights=None, want=LOSS, **more):
        """One call of the library for the results in `want`."""
        options = {**self.options, **more, "weights": weights}
        return evaluate(self.family, want, scores, targets, self.alpha, self.gamma, self.reduction, options)

    # ---- Loss

    def loss(self, logits):
        @tf.custom_gradient
        def differentiable(logits):
            value = self.node(lambda call: call(want=LOSS), logits, shape=self.loss_shape(logits.shape))
            return value, lambda upstream: self.gradient(logits, upstream)

        return differentiable(logits)

    def loss_shape(self, shape):
        if self.reduced:
            return tf.TensorShape([])
        if not self.family.softmax or shape.rank is None:
            return shape
        axis = range(shape.rank)[self.axis]
        return shape[:axis].concatenate(shape[axis + 1 :])

    # ---- Gradient

    def gradient(self, logits, upstream):
        @tf.custom_gradient
        def differentiable(logits, upstream):
            scale = tf.cast(upstream, tf.float64) if self.reduced else upstream  # NumPy has no scalar of bfloat16
            value = self.node(self.scaled_gradient, logits, scale, shape=logits.shape)
            return value, lambda vector: self.second(logits, upstream, vector)

        return differentiable(logits, upstream)

    def scaled_gradient(self, call, upstream):
        return call(want=GRAD, **({"grad_scale": float(upstream)} if self.reduced else {"upstream": upstream}))

    # ---- Second derivatives

    def second(self, logits, upstream, vector):
        """What a change along `vector` does to upstream x gradient: with respect to logits and to upstream."""
        product = self.node(self.hessian_product, logits, vector, shape=logits.shape)
        slope = vector * self.node(lambda call: call(want=GRAD), logits, shape=logits.shape)
        if self.reduced:
            return product * upstream, tf.reduce_sum(slope)
        if self.family.softmax:
            return product * tf.expand_dims(upstream, self.axis), tf.reduce_sum(slope, self.axis)
        return product * upstream, slope

    def hessian_product(self, call, vector):
        if not self.family.softmax:
            return call(want=HESS) * vector
        rows = numpy.moveaxis(vector, self.axis, -1)[..., None]
        return numpy.moveaxis((call(want=HESS_FULL) @ rows)[..., 0], -1, self.axis)
