"""256,000 classes, the vocabulary of a language model, against the header's formulas in numpy's long double: arbitrary
precision would take minutes."""

from functools import cache

import numpy as np
import pytest
from bounds import assert_close
from held import bounds_of
from library import call
from reference import header
from reference.calls import Exact

CLASSES = 256_000
GAMMA = 2
OUTPUTS = "loss", "grad", "log_sum_exp"
LONG = np.longdouble


def exact(values, sizes=None):
    high = values.astype(np.float64)
    sizes = np.abs(high) if sizes is None else np.asarray(sizes, np.float64)
    return Exact(high, (values - high).astype(np.float64), sizes)


class Row:
    """One row's probabilities, their complements and logarithms."""

    def __init__(self, scores):
        z = scores.astype(LONG)
        top = int(z.argmax())
        e = np.exp(z - z[top])
        rest = np.delete(e, top).sum()
        self.p, self.loss = e / (1 + rest), z[top] - z + np.log1p(rest)
        self.q = 1 - self.p
        self.q[top], self.loss[top] = rest / (1 + rest), np.log1p(rest)
        self.log_sum_exp = z[top] + np.log1p(rest)

    def of_label(self, t):
        """Loss and gradient: q^g L, and -q^g (q + g p L) for the label's, shared among the others by p_k / q."""
        p, q, loss = self.p[t], self.q[t], self.loss[t]
        slope = q**GAMMA * (q + GAMMA * p * loss)
        grad = slope * self.p / q
        grad[t] = -slope
        return q**GAMMA * loss, grad, np.abs(grad)

    def of_targets(self, y):
        """INTERPOLATE: m^g sum y L with m = sum (1 - y) p; the gradient's size is that of its terms."""
        y = y.astype(LONG)
        m, entropy, weight = ((1 - y) * self.p).sum(), (y * self.loss).sum(), y.sum()
        turned, power = GAMMA * m ** (GAMMA - 1) * entropy, m**GAMMA
        grad = turned * self.p * ((1 - y) - m) + power * (self.p * weight - y)
        size = turned * self.p * ((1 - y) * self.q + m) + power * (self.p * weight + y * self.q)
        return power * entropy, grad, size


@cache
def problem(kind):
    """Two rows: a label among many, and one that dominates."""
    rng = np.random.default_rng(CLASSES)
    scores = rng.normal(0, 4, (2, CLASSES)).astype(np.float32)
    labels = np.array([CLASSES // 3, CLASSES - 1])
    scores[1, labels[1]] = 40
    targets = labels
    if kind == header.TARGETS_DENSE:
        targets = (rng.exponential(1, (2, CLASSES)) / CLASSES / 2).astype(np.float32)
        targets[np.arange(2), labels] = 0.5
    given = dict(
        outer=2, classes=CLASSES, scores=scores, targets=targets, target_kind=kind, gamma=float(GAMMA)
    )  # fmt: skip
    rows = [Row(row) for row in scores]
    answers = [
        row.of_label(target) if kind == header.TARGETS_LABELS else row.of_targets(target)
        for row, target in zip(rows, targets)
    ]
    loss, grad, size = (np.array([answer[i] for answer in answers]) for i in range(3))
    sums = np.array([row.log_sum_exp for row in rows])
    true = dict(
        loss=exact(loss[:, None]), grad=exact(grad[..., None], size[..., None]), log_sum_exp=exact(sums[:, None])
    )
    return given, true


@pytest.mark.parametrize("kind", (header.TARGETS_LABELS, header.TARGETS_DENSE), ids=("labels", "dense"))
def test_a_vocabulary(kind, isa):
    given, true = problem(kind)
    got = call("focal_softmax", OUTPUTS, threads=1, **given)
    bounds = bounds_of("focal_softmax", given)
    for name in OUTPUTS:
        values = got[name].reshape(true[name].high.shape)
        assert_close(f"softmax of {CLASSES} classes, {name}", values, true[name], bounds[name], np.float32)
    for threads in (2, 5):
        again = call("focal_softmax", OUTPUTS, threads=threads, **given)
        assert all(again[name].tobytes() == got[name].tobytes() for name in OUTPUTS), threads
