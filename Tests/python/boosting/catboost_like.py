"""The Hessian matrix of one softmax sample from the reference, as CatBoost is to get it."""

import numpy as np


def matrix(loss, mode, factor):
    """(K, K) float64 of a reference `Loss`: exact; the diagonal of |exact|; or Gauss-Newton, B (diag(p) - p p^T)."""
    classes = range(len(loss.y))
    if mode == "gauss_newton":
        p = loss.sample.probabilities()
        k = classes[0]
        common = loss.derivatives(k, gauss_newton=True)[2] / (p[k] * (1 - p[k]))
        entries = [[common * ((p[j] if j == k else 0) - p[j] * p[k]) for k in classes] for j in classes]
    elif mode == "exact":
        entries = [[loss.mixed(j, k) for k in classes] for j in classes]
    else:
        entries = [[abs(loss.mixed(j, k)) if j == k else 0 for k in classes] for j in classes]
    return np.array([[float(entry * factor) for entry in row] for row in entries])
