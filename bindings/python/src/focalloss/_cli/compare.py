"""Does a focal loss help on this table, and with which alpha and gamma? Cross-validation answers.

Every loss sees the same folds, the same model and the same choice of weight decay: alpha and gamma change the scale of
a loss, so one fixed decay would favour some of them. In each fold it is chosen by average precision on a part of the
training rows.
"""

from __future__ import annotations

import time

import numpy
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sklearn.metrics import average_precision_score, log_loss, precision_recall_curve, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold, train_test_split
from threadpoolctl import threadpool_limits

from . import plot, tables
from .models import Loss, Model, losses

PENALTIES = (1e-1, 1e-2, 1e-3, 1e-4)


def run(options) -> None:
    plot.check_name(options.output)
    console = Console()
    features, targets, positive = tables.read(options.file, options.target, options.positive)
    share = targets.mean()
    rarest = int(min(targets.sum(), (1 - targets).sum()))
    if rarest < 2 * options.folds:
        raise ValueError(
            f"{rarest} rows of the rarer class are too few for {options.folds} folds; need {2 * options.folds}"
        )
    console.print(f"{options.file}: {len(targets)} rows, {features.shape[1]} columns, {options.target} = {positive} "
                  f"in {100 * share:.2f}% of them")  # fmt: skip
    with threadpool_limits(1, "blas"):  # L-BFGS is five times slower when its small products go to threads
        results = cross_validate(features, targets, options, console)
    console.print(table_of(results))
    console.print(verdict(results))
    console.print("Precision and recall:", draw(options.output, results, share), soft_wrap=True)


# ---- Training ------------------------------------------------------------------------------------------------------


class Result:
    """What one loss reached: one value a fold, and every row's score from the folds that did not train on it."""

    def __init__(self, loss: Loss):
        self.loss = loss
        self.precision: list[float] = []
        self.auc: list[float] = []
        self.log_loss: list[float] = []
        self.seconds: list[float] = []
        self.probabilities: list = []
        self.targets: list = []

    def add(self, targets, scores, seconds: float) -> None:
        probability = self.loss.probability(scores)
        self.precision.append(average_precision_score(targets, scores))
        self.auc.append(roc_auc_score(targets, scores))
        self.log_loss.append(log_loss(targets, probability))
        self.seconds.append(seconds)
        self.probabilities.append(probability)
        self.targets.append(targets)


def cross_validate(features, targets, options, console) -> list[Result]:
    folds = RepeatedStratifiedKFold(n_splits=options.folds, n_repeats=options.repeats, random_state=options.seed)
    results = [Result(loss) for loss in losses(targets, options.alphas, options.gammas)]
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("training", total=folds.get_n_splits() * len(results))
        for train, test in folds.split(features, targets):
            encoder = tables.encoder(features).fit(features[train])
            parts = [encoder.transform(features[rows]).astype(numpy.float64) for rows in (train, test)]
            for result in results:
                progress.update(task, description=f"{result.loss.name:25}")
                began = time.perf_counter()
                model = best_model(parts[0], targets[train], result.loss, options)
                result.add(targets[test], model.scores(parts[1]), time.perf_counter() - began)
                progress.advance(task)
    return results


def best_model(features, targets, loss: Loss, options) -> Model:
    """Trained on all rows, with the weight decay that ranks a quarter of them best."""
    split = train_test_split(features, targets, test_size=0.25, stratify=targets, random_state=options.seed)
    fit_x, check_x, fit_y, check_y = split

    def quality(penalty: float) -> float:
        model = Model(options.hidden, options.seed).fit(fit_x, fit_y, loss, penalty)
        return average_precision_score(check_y, model.scores(check_x))

    return Model(options.hidden, options.seed).fit(features, targets, loss, max(PENALTIES, key=quality))


# ---- Reporting -----------------------------------------------------------------------------------------------------


def table_of(results: list[Result]) -> Table:
    title = "Mean and standard deviation over the folds; best average precision in bold"
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=0)
    table.add_column("loss", no_wrap=True)
    for name in ("gamma", "alpha", "avg. precision", "ROC AUC", "log loss", "sec."):
        table.add_column(name, justify="right", no_wrap=True)
    best = best_of(results)
    for result in results:
        loss = result.loss
        cells = [_spread(values) for values in (result.precision, result.auc, result.log_loss)]
        cells = [f"{loss.gamma:g}", "off" if loss.alpha is None else f"{loss.alpha:g}", *cells]
        table.add_row(loss.kind, *cells, f"{numpy.mean(result.seconds):.2f}", style="bold" if result is best else "")
    return table


def _spread(values: list[float]) -> str:
    return f"{numpy.mean(values):.3f} ± {numpy.std(values, ddof=1):.3f}"


def best_of(results: list[Result]) -> Result:
    return max(results, key=lambda result: numpy.mean(result.precision))


def verdict(results: list[Result]) -> str:
    """One sentence: the best loss against cross-entropy, by the differences in the same folds."""
    best, plain = best_of(results), results[0]
    if best is plain:
        return "Plain cross-entropy has the best average precision: a focal loss does not help here."
    gains = numpy.subtract(best.precision, plain.precision)
    better = (
        f"{best.loss.name}: average precision {gains.mean():+.4f} against cross-entropy, in {(gains > 0).sum()} of "
    )
    better += f"{len(gains)} folds (standard deviation of the difference {gains.std(ddof=1):.4f}). "
    if gains.mean() < gains.std(ddof=1):
        return better + "That is within its spread: take it for a tie."
    return better + "It is the best of many, so expect a little less on new data."


def draw(path: str, results: list[Result], share: float) -> str:
    """Curves of cross-entropy, weighted cross-entropy and the best focal loss, over all folds together."""
    lines = {}
    for result in (*results[:2], best_of(results[2:])):
        targets, scores = numpy.concatenate(result.targets), numpy.concatenate(result.probabilities)
        precision, recall, _ = precision_recall_curve(targets, scores)
        lines[f"{result.loss.name}: {numpy.mean(result.precision):.3f}"] = recall[::-1], precision[::-1]
    return plot.precision_recall(path, lines, share)
