"""Pictures: the loss and its gradient against p_t, and precision-recall curves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the choice of backend)

from .. import sigmoid_focal_loss_and_grad  # noqa: E402

STYLE: dict[Any, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.dpi": 150,
}


def run(options) -> None:
    print(curves(options.output, options.gammas))


def curves(path: str, gammas: Sequence[float] = (0, 0.5, 1, 2, 5)) -> str:
    """Draws loss and gradient of a positive example against p_t, one line a gamma. Returns the file's absolute path."""
    check_name(path)
    p = numpy.linspace(0.0015, 0.9985, 1200)
    logits, targets = numpy.log(p / (1 - p)), numpy.ones_like(p)
    with pyplot.rc_context(STYLE):
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
        for color, gamma in zip(_colors(len(gammas)), gammas):
            loss, grad = sigmoid_focal_loss_and_grad(logits, targets, None, gamma, reduction="none")
            label = f"γ = {gamma:g}" + (" (cross-entropy)" if gamma == 0 else "")
            left.plot(p, loss, color=color, label=label)
            right.plot(p, -grad, color=color)
        left.set(xlabel="$p_t$, probability of the true class", ylabel="loss", ylim=(0, 5), xlim=(0, 1))
        right.set(xlabel="$p_t$, probability of the true class", ylabel="size of the gradient, |∂loss/∂logit|",
                  ylim=(0, None), xlim=(0, 1))  # fmt: skip
        left.legend()
        figure.suptitle("Focal loss: $-(1-p_t)^γ \\log p_t$")
        return _save(figure, path)


def precision_recall(path: str, lines: dict, prior: float) -> str:
    """Draws precision-recall curves. lines: label -> (recall, precision). prior: the positives' share."""
    check_name(path)
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(6.4, 5), layout="constrained")
        for (label, (recall, precision)), color in zip(lines.items(), _colors(len(lines))):
            axes.step(recall, precision, where="post", color=color, label=label)
        axes.axhline(prior, color="0.5", linestyle=":", linewidth=1, label=f"guessing, {prior:.3g}")
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        axes.legend(loc="upper right", fontsize="small", title="average precision", title_fontsize="small")
        return _save(figure, path)


def _colors(count: int):
    return pyplot.colormaps["viridis"](numpy.linspace(0, 0.88, count))


def check_name(path: str) -> None:
    """Before the work is done, not after it."""
    if os.path.splitext(path)[1].lower() not in (".png", ".svg"):
        raise ValueError(f"{path}: the picture's name must end in .png or .svg")


def _save(figure, path: str) -> str:
    figure.savefig(path)
    pyplot.close(figure)
    return os.path.abspath(path)
