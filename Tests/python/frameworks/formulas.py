"""The losses as a framework's user would write them, from its own operations in float64: what the adapters must equal.

They hold where 1 - p does not cancel, so they are given moderate scores.
"""


def sigmoid_torch(z, y, alpha=None, gamma=2.0):
    """Elementwise. y in [0, 1] of z's shape; alpha a number or a tensor that broadcasts."""
    import torch.nn.functional as F

    p = z.sigmoid()
    p_t = y * p + (1 - y) * (1 - p)
    loss = F.binary_cross_entropy_with_logits(z, y, reduction="none") * (1 - p_t) ** gamma
    return loss if alpha is None else loss * (alpha * y + (1 - alpha) * (1 - y))


def softmax_torch(z, t, alpha=None, gamma=2.0, axis=1):
    """One value a sample; t: class indices."""
    log_p = z.log_softmax(axis).gather(axis, t.unsqueeze(axis)).squeeze(axis)
    loss = -((1 - log_p.exp()) ** gamma) * log_p
    return loss if alpha is None else loss * alpha[t]


def sigmoid_jax(z, y, alpha=None, gamma=2.0):
    import jax

    p = jax.nn.sigmoid(z)
    p_t = y * p + (1 - y) * (1 - p)
    entropy = -y * jax.nn.log_sigmoid(z) - (1 - y) * jax.nn.log_sigmoid(-z)
    loss = entropy * (1 - p_t) ** gamma
    return loss if alpha is None else loss * (alpha * y + (1 - alpha) * (1 - y))


def softmax_jax(z, t, alpha=None, gamma=2.0, axis=-1):
    import jax
    import jax.numpy as jnp

    log_p = jnp.take_along_axis(jax.nn.log_softmax(z, axis), jnp.expand_dims(t, axis), axis).squeeze(axis)
    loss = -((1 - jnp.exp(log_p)) ** gamma) * log_p
    return loss if alpha is None else loss * jnp.asarray(alpha)[t]


def sigmoid_tensorflow(z, y, alpha=None, gamma=2.0):
    import tensorflow as tf

    p = tf.sigmoid(z)
    p_t = y * p + (1 - y) * (1 - p)
    loss = tf.nn.sigmoid_cross_entropy_with_logits(y, z) * (1 - p_t) ** gamma
    return loss if alpha is None else loss * (alpha * y + (1 - alpha) * (1 - y))


def softmax_tensorflow(z, t, alpha=None, gamma=2.0):
    import tensorflow as tf

    log_p = tf.gather(tf.nn.log_softmax(z), t, batch_dims=1)
    loss = -((1 - tf.exp(log_p)) ** gamma) * log_p
    return loss if alpha is None else loss * tf.gather(tf.constant(alpha, z.dtype), t)


def torchvision_focal_loss():
    """torchvision.ops.sigmoid_focal_loss.

    torchvision's wheels are built for torch with CUDA; beside a CPU-only torch its compiled operators are missing, and
    the import stops at the first that it describes. Its focal loss is Python, so their names are enough.
    """
    import torch

    try:
        from torchvision.ops import sigmoid_focal_loss
    except RuntimeError:
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor boxes, Tensor scores, float threshold) -> Tensor")
        from torchvision.ops import sigmoid_focal_loss
    return sigmoid_focal_loss
