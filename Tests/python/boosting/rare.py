"""Rare-event data whose true probabilities are known, and what the tests ask of a model on it."""

from functools import lru_cache

import numpy as np

COLUMNS = 8


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@lru_cache
def binary(rows=20000, seed=0):
    """(features, labels): about 3.5% positives; read-only, shared by the tests."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, COLUMNS))
    z = -4.9 + 1.2 * X[:, 0] + 0.8 * X[:, 1] * X[:, 2] + 0.7 * np.abs(X[:, 3])
    return frozen(X, (rng.random(rows) < sigmoid(z)).astype(np.float32))


@lru_cache
def multiclass(rows=20000, seed=0):
    """(features, labels in 0 .. 2): about 82%, 13% and 5%."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, COLUMNS))
    z = np.stack([np.full(rows, 2.4), X[:, 0] + X[:, 1] * X[:, 2], 1.3 * X[:, 3] - 1.2], axis=1)
    return frozen(X, np.argmax(z + rng.gumbel(size=z.shape), axis=1).astype(np.float32))


def frozen(*arrays):
    for array in arrays:
        array.flags.writeable = False
    return arrays


def calibration_error(probabilities, outcomes, bins=10):
    """The largest |mean probability - share of positives| over bins of equal size, in standard errors of the share."""
    order = np.argsort(probabilities, kind="stable")
    worst = 0.0
    for part in np.array_split(order, bins):
        p = probabilities[part]
        error = abs(p.mean() - outcomes[part].mean())
        worst = max(worst, error / np.sqrt((p * (1 - p)).mean() / len(part)))
    return worst
