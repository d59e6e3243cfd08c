"""Trains on tables with a rare class, with cross-entropy, weighted cross-entropy and focal losses, and compares them.

    python train.py [TABLE ...]          abalone19, yeast6, ...: see tables.py

The same as bindings/c/train.c: each loss trains logistic regression and a network with one hidden layer, by Adam over
mini-batches, in NumPy; focalloss gives the loss and its gradient with respect to the scores.  What is printed, the mean
over a few random splits of samples that were not trained on: average precision (AP), area under the ROC curve (AUC) and
milliseconds an epoch.
"""

import sys
import time
from dataclasses import dataclass

import focalloss
import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split

import tables

HIDDEN, BATCH, EPOCHS, SPLITS, RATE = 16, 256, 60, 5, 0.01


@dataclass(frozen=True)
class Objective:
    name: str
    gamma: float = 0.0
    alpha: float | None = None
    weighted: bool = False  #: positives weigh as much as negatives altogether

    def score_grad(self, scores, targets, balance):
        """Gradient of the mean loss, one value a score.  balance: negatives over positives."""
        weight = balance if self.weighted else 1.0
        return focalloss.sigmoid_focal_loss_and_grad(scores, targets, self.alpha, self.gamma, pos_weight=weight)[1]


OBJECTIVES = [
    Objective("cross-entropy"),
    Objective("weighted cross-entropy", weighted=True),
    Objective("focal gamma 1", gamma=1),
    Objective("focal gamma 2", gamma=2),
    Objective("focal alpha .25 gamma 2", gamma=2, alpha=0.25),
    Objective("focal alpha .75 gamma 2", gamma=2, alpha=0.75),
    Objective("focal alpha .95 gamma 2", gamma=2, alpha=0.95),
    Objective("focal alpha .75 gamma 5", gamma=5, alpha=0.75),
]


class Model:
    """Inputs -> [hidden, ReLU ->] one score.  hidden 0 is logistic regression."""

    def __init__(self, inputs, hidden, prior, random):
        widths = [inputs, *([hidden] if hidden else []), 1]
        spread = np.sqrt(3 / np.array(widths[:-1])) if hidden else [0]
        self.weights = [random.uniform(-s, s, (a, b)).astype(np.float32) for s, a, b in zip(spread, widths, widths[1:])]
        self.biases = [np.zeros(b, np.float32) for b in widths[1:]]
        self.biases[-1][:] = focalloss.prior_bias(prior)  # start where every sample has the prior probability
        self.parameters = [*self.weights, *self.biases]
        self.moments = [(np.zeros_like(p), np.zeros_like(p)) for p in self.parameters]
        self.steps = 0

    def scores(self, x):
        self.layers = [x]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1]):
            self.layers.append(np.maximum(self.layers[-1] @ weight + bias, 0))
        return (self.layers[-1] @ self.weights[-1] + self.biases[-1])[:, 0]

    def step(self, score_grad):
        """From the gradient of the last scores to that of the parameters, and one step of Adam."""
        upstream, weight_grads, bias_grads = score_grad[:, None], [], []
        for layer, weight in zip(reversed(self.layers), reversed(self.weights)):
            weight_grads.insert(0, layer.T @ upstream)
            bias_grads.insert(0, upstream.sum(axis=0))
            upstream = (upstream @ weight.T) * (layer > 0)
        self.steps += 1
        rate = RATE * np.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps)
        for parameter, grad, (mean, square) in zip(self.parameters, weight_grads + bias_grads, self.moments):
            mean += 0.1 * (grad - mean)
            square += 0.001 * (grad * grad - square)
            parameter -= np.float32(rate) * mean / (np.sqrt(square) + np.float32(1e-8))


@dataclass
class Result:
    """Means over the splits, AP's standard deviation between them, and each split's test targets and scores."""

    ap: float
    auc: float
    milliseconds: float
    ap_deviation: float
    tests: list


def split(features, classes, seed):
    """Seven tenths for training, columns at mean 0 and deviation 1 there: x, y, test x, test y."""
    x, test_x, y, test_y = train_test_split(features, classes, train_size=0.7, stratify=classes, random_state=seed)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation[deviation == 0] = 1
    x, test_x = (((part - mean) / deviation).astype(np.float32) for part in (x, test_x))
    return x, y.astype(np.float32), test_x, test_y


def train(x, y, objective, hidden, prior, random):
    """A trained model, and milliseconds an epoch."""
    model = Model(x.shape[1], hidden, prior, random)
    start = time.perf_counter()
    for _ in range(EPOCHS):
        order = random.permutation(len(x))
        for first in range(0, len(x), BATCH):
            rows = order[first : first + BATCH]
            scores = model.scores(x[rows])
            model.step(objective.score_grad(scores, y[rows], (1 - prior) / prior))
    return model, 1e3 * (time.perf_counter() - start) / EPOCHS


def evaluate(features, classes, objective, hidden):
    """Result of one loss and model over the splits, which are the same for all of them."""
    tests, times = [], []
    for seed in range(SPLITS):
        x, y, test_x, test_y = split(features, classes, seed)
        model, milliseconds = train(x, y, objective, hidden, classes.mean(), np.random.default_rng(seed))
        tests.append((test_y, model.scores(test_x)))
        times.append(milliseconds)
    aps = [average_precision_score(*test) for test in tests]
    aucs = [roc_auc_score(*test) for test in tests]
    return Result(*map(float, (np.mean(aps), np.mean(aucs), np.mean(times), np.std(aps, ddof=1))), tests)


def main(names):
    for name in names:
        features, classes = tables.load(name)
        print(f"{name}: {len(classes)} samples, {features.shape[1]} features, {classes.sum()} positives; "
              f"test figures, mean of {SPLITS} splits")
        print(f"{'':24}  {'logistic regression':23}  hidden layer of {HIDDEN}")
        print(f"{'loss':24}" + f"  {'AP':>6} {'AUC':>6} {'ms/epoch':>8}" * 2)
        for objective in OBJECTIVES:
            results = [evaluate(features, classes, objective, hidden) for hidden in (0, HIDDEN)]
            print(f"{objective.name:24}" + "".join(f"  {r.ap:6.4f} {r.auc:6.4f} {r.milliseconds:8.3f}" for r in results))


if __name__ == "__main__":
    main(sys.argv[1:] or tables.BINARY)
