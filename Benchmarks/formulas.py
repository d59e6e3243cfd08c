"""The losses and their gradients as one would write them by hand, over any array namespace (numpy, torch, jax.numpy).

Each returns (sum of the losses, gradient).  They are the honest best of a framework: one exp, one log1p, no autograd, stable.
"""


def power(q, gamma):
    return q * q if gamma == 2 else q**gamma


def binary(xp, z, y, alpha, gamma):
    """Binary focal loss of logits z and hard targets y of the same shape."""
    s = 2 * y - 1
    u = s * z
    e = xp.exp(-xp.abs(u))
    r = 1 / (1 + e)
    wrong = u < 0
    p, q = xp.where(wrong, e * r, r), xp.where(wrong, r, e * r)
    loss = xp.log1p(e) - xp.where(wrong, u, 0 * u)
    m = (alpha * y + (1 - alpha) * (1 - y)) * power(q, gamma)
    return (m * loss).sum(), -s * m * (q + gamma * p * loss)


def softmax(xp, z, labels, alpha, gamma, axis, classes):
    """Softmax focal loss of logits z with `classes` along `axis`; labels keep that axis with length 1.

    classes: 0 .. K - 1, shaped to broadcast along `axis`.
    """
    top = xp.amax(z, axis)
    shifted = z - xp.expand_dims(top, axis)
    e = xp.exp(shifted)
    total = xp.expand_dims(e.sum(axis), axis)
    p = e / total
    is_target = labels == classes
    log_p = xp.expand_dims(xp.where(is_target, shifted, 0 * shifted).sum(axis), axis) - xp.log(total)
    p_t, loss = xp.exp(log_p), -log_p
    q = 1 - p_t
    a = alpha * (power(q, gamma) + gamma * (q if gamma == 2 else q ** (gamma - 1)) * p_t * loss)
    return (alpha * power(q, gamma) * loss).sum(), xp.where(is_target, p - 1, p) * a
