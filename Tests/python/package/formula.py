"""The losses in their textbook form, float64: for moderate logits, to tell that arguments reach the library.

Accuracy is the correctness suite's matter; this is not its reference.
"""

import numpy as np


def sigmoid_focal(logits, targets, alpha=0.25, gamma=2.0):
    """Elementwise loss, gradient and Hessian for hard targets, float64."""
    z, y = np.asarray(logits, np.float64), np.asarray(targets, np.float64)
    sign = np.where(y > 0.5, 1.0, -1.0)
    p = 1 / (1 + np.exp(-sign * z))
    q, nll = 1 - p, -np.log(p)
    weight = 1.0 if alpha is None else np.where(y > 0.5, alpha, 1 - np.asarray(alpha))
    loss = weight * q**gamma * nll
    grad = -sign * weight * q**gamma * (q + gamma * p * nll)
    hess = weight * q**gamma * p * (q * (1 + 2 * gamma) + gamma * nll * (gamma * p - q))
    return loss, grad, hess


def softmax(logits, axis=-1):
    z = np.asarray(logits, np.float64)
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def softmax_focal(logits, labels, alpha=None, gamma=2.0):
    """Loss (n,) and gradient (n, K) of (n, K) logits, float64."""
    p = softmax(logits)
    rows, classes = p.shape
    pick = np.arange(rows), labels
    pt = p[pick]
    weight = np.ones(rows) if alpha is None else np.broadcast_to(alpha, classes)[labels]
    gamma = np.broadcast_to(gamma, classes)[labels]
    loss = weight * (1 - pt) ** gamma * -np.log(pt)
    factor = weight * ((1 - pt) ** gamma - gamma * (1 - pt) ** (gamma - 1) * pt * np.log(pt))
    onehot = np.eye(classes)[labels]
    return loss, factor[:, None] * (p - onehot)
