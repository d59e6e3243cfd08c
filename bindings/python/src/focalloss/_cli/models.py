"""The losses that `compare` sets side by side, and the two small models that it trains with them.

The library has no model of its own: these are logistic regression and a network of one hidden layer, trained by
L-BFGS on the loss and gradient that the library gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from scipy.optimize import minimize

from .. import optimal_score, posterior, prior_bias, sigmoid_focal_loss_and_grad

ITERATIONS = 200


@dataclass(frozen=True)
class Loss:
    """One loss: focal with alpha and gamma; cross-entropy is gamma 0, weighted by pos_weight where that is not 1."""

    kind: str
    alpha: float | None = None
    gamma: float = 0.0
    pos_weight: float = 1.0

    @property
    def name(self) -> str:
        weight = "off" if self.alpha is None else f"{self.alpha:g}"
        return f"{self.kind}, gamma {self.gamma:g}, alpha {weight}" if self.kind == "focal" else self.kind

    def loss_and_grad(self, scores, targets):
        return sigmoid_focal_loss_and_grad(scores, targets, self.alpha, self.gamma, pos_weight=self.pos_weight)

    def start(self, prior: float) -> float:
        """The best constant score."""
        if self.gamma == 0 and self.alpha is None:
            return prior_bias(prior) + numpy.log(self.pos_weight)
        return optimal_score(prior, self.alpha, self.gamma)

    def probability(self, scores):
        """P(positive) from scores that were trained with this loss; sigmoid(score) is not, for most of them."""
        return posterior(scores - numpy.log(self.pos_weight), self.alpha, self.gamma)


def losses(targets, alphas, gammas) -> list[Loss]:
    """Cross-entropy, cross-entropy whose two classes weigh the same in all, and the grid of focal losses."""
    prior = targets.mean()
    plain = [Loss("cross-entropy"), Loss("weighted CE", pos_weight=(1 - prior) / prior)]
    return plain + [Loss("focal", alpha, gamma) for gamma in gammas for alpha in alphas]


@dataclass
class Model:
    """scores = features @ weights + bias, or with hidden > 0 the same over tanh(features @ first + offset)."""

    hidden: int
    seed: int

    def fit(self, features, targets, loss: Loss, penalty: float) -> Model:
        """Minimises the mean loss + penalty / 2 |weights|^2 (biases are free). Returns self."""
        self.inputs = features.shape[1]
        first = self._start(loss.start(targets.mean()))
        free = self._unpack(numpy.arange(first.size))
        decay = numpy.full(first.size, penalty)
        decay[free[1]] = 0.0
        decay[free[3]] = 0.0

        def objective(theta):
            value, grad = self._loss_and_grad(theta, features, targets, loss)
            return value + 0.5 * decay @ theta**2, grad + decay * theta

        self.theta = minimize(objective, first, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS}).x
        return self

    def scores(self, features):
        return self._forward(self.theta, features)[1]

    def _start(self, bias: float):
        """Small random hidden weights, zero output weights, and the loss's best constant as the output bias."""
        random = numpy.random.default_rng(self.seed)
        first = random.normal(0, 1 / numpy.sqrt(max(self.inputs, 1)), (self.inputs, self.hidden))
        output = random.normal(0, 0.01, self.hidden) if self.hidden else numpy.zeros(self.inputs)
        return numpy.concatenate([first.ravel(), numpy.zeros(self.hidden), output, [bias]])

    def _unpack(self, theta):
        """(hidden weights, hidden biases, output weights, output bias)."""
        ends = numpy.cumsum([self.inputs * self.hidden, self.hidden, self.hidden or self.inputs])
        first, offset, output, bias = numpy.split(theta, ends)
        return first.reshape(self.inputs, self.hidden), offset, output, bias

    def _forward(self, theta, features):
        first, offset, output, bias = self._unpack(theta)
        layer = numpy.tanh(features @ first + offset) if self.hidden else features
        return layer, layer @ output + bias

    def _loss_and_grad(self, theta, features, targets, loss):
        layer, scores = self._forward(theta, features)
        value, slope = loss.loss_and_grad(scores, targets)
        parts = [layer.T @ slope, [slope.sum()]]
        if self.hidden:
            back = numpy.outer(slope, self._unpack(theta)[2]) * (1 - layer**2)
            parts = [(features.T @ back).ravel(), back.sum(axis=0), *parts]
        return value, numpy.concatenate(parts)
