"""Focal losses for Keras 3, on its torch, jax and tensorflow backends.

    model.compile(optimizer, loss=focalloss.keras.BinaryFocal(alpha=0.25, gamma=2.0, from_logits=True))

The arguments have the names, order and defaults of Keras' own focal crossentropies. Saved with a model, the losses load
again where this module has been imported.

Take `from_logits=True` and a last layer without activation where you can: probabilities in float32 cannot tell the
hardest examples apart, and Keras' epsilon clips them.

On the tensorflow backend the step that holds the loss cannot be compiled by XLA. Keras does not try on a machine
without a GPU; elsewhere pass `jit_compile=False` to `model.compile`.
"""

from __future__ import annotations

import importlib

import keras
from keras import ops
from keras.src.backend import set_keras_mask  # how Keras' own losses say which values count

__all__ = ["BinaryFocal", "CategoricalFocal", "SparseCategoricalFocal"]


def _adapter():
    """The focalloss module of the backend in use."""
    return importlib.import_module(f"focalloss.{keras.config.backend()}")


class _Focal(keras.losses.Loss):
    """A loss whose parameters are its attributes and, saved with a model, its configuration."""

    def __init__(self, reduction, name, dtype, **parameters):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.parameters = tuple(parameters)
        self.__dict__.update(parameters)

    def get_config(self) -> dict:
        return {**super().get_config(), **{name: getattr(self, name) for name in self.parameters}}

    def softmax_loss(self, y_true, y_pred, **options):
        """One value a sample. Probabilities p go in as log(p), whose softmax they are (summing to 1, as in Keras)."""
        if not self.from_logits:
            y_pred = ops.log(ops.clip(y_pred, keras.config.epsilon(), 1.0))
        return _adapter().softmax_focal_loss(
            y_pred, y_true, alpha=self.alpha, gamma=self.gamma, reduction="none", axis=self.axis, **options
        )


@keras.saving.register_keras_serializable(package="focalloss")
class BinaryFocal(_Focal):
    """Binary focal loss: -alpha_t (1 - p_t)^gamma log(p_t) of every score.

    alpha: weight of positives in [0, 1], negatives have 1 - alpha; None: off. (Keras' BinaryFocalCrossentropy ignores
        its alpha unless apply_class_balancing is set; this one does not.)
    gamma: focusing parameter, >= 0.
    from_logits: whether y_pred holds logits rather than probabilities.
    label_smoothing: in [0, 1], towards 1/2.
    axis: the loss of a sample is the mean over this axis, as in Keras; None: every score keeps its own.

    y_true: of y_pred's shape, in [0, 1].
    """

    def __init__(
        self,
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="binary_focal",
        dtype=None,
    ):
        parameters = {"alpha": alpha, "gamma": gamma, "from_logits": from_logits, "axis": axis}
        super().__init__(reduction, name, dtype, label_smoothing=label_smoothing, **parameters)

    def call(self, y_true, y_pred):
        options = {} if self.from_logits else {"input": "probabilities", "clip": keras.config.epsilon()}
        loss = _adapter().sigmoid_focal_loss(
            y_pred,
            y_true,
            alpha=self.alpha,
            gamma=self.gamma,
            reduction="none",
            label_smoothing=self.label_smoothing,
            **options,
        )
        return loss if self.axis is None else ops.mean(loss, axis=self.axis)


@keras.saving.register_keras_serializable(package="focalloss")
class CategoricalFocal(_Focal):
    """Multiclass focal loss over one-hot targets, or class probabilities.

    alpha: a number for every class, or one a class; None: off.
    gamma: focusing parameter, >= 0.
    from_logits: whether y_pred holds logits rather than probabilities.
    label_smoothing: in [0, 1], towards the uniform distribution.
    axis: the class axis.

    y_true: of y_pred's shape. Soft targets mix the losses of the classes as Keras does:
        sum_k y_k a_k (1 - p_k)^gamma (-log p_k).
    """

    def __init__(
        self,
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="categorical_focal",
        dtype=None,
    ):
        parameters = {"alpha": alpha, "gamma": gamma, "from_logits": from_logits, "axis": axis}
        super().__init__(reduction, name, dtype, label_smoothing=label_smoothing, **parameters)

    def call(self, y_true, y_pred):
        return self.softmax_loss(y_true, y_pred, label_smoothing=self.label_smoothing, soft_rule="mixture")


@keras.saving.register_keras_serializable(package="focalloss")
class SparseCategoricalFocal(_Focal):
    """Multiclass focal loss over class indices. Keras has none of its own; no one-hot tensor is made.

    alpha, gamma, from_logits, axis: as in CategoricalFocal.
    ignore_class: targets of this class count nowhere (255 for the void of a segmentation map, say); None: all count.

    y_true: class indices of y_pred's shape without `axis`; a trailing 1 is dropped.
    """

    def __init__(
        self,
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        ignore_class=None,
        axis=-1,
        reduction="sum_over_batch_size",
        name="sparse_categorical_focal",
        dtype=None,
    ):
        parameters = {"alpha": alpha, "gamma": gamma, "from_logits": from_logits, "axis": axis}
        super().__init__(reduction, name, dtype, ignore_class=ignore_class, **parameters)

    def call(self, y_true, y_pred):
        y_true = ops.cast(y_true, "int32")
        if len(y_true.shape) == len(y_pred.shape):
            y_true = ops.squeeze(y_true, -1)
        loss = self.softmax_loss(y_true, y_pred, ignore_index=self.ignore_class)
        if self.ignore_class is not None:
            set_keras_mask(loss, ops.not_equal(y_true, self.ignore_class))
        return loss
