"""What `make demo` runs: the C training loop and the Python one on real tables, one table of results, and pictures.

    python demo.py PROGRAM DATA OUTPUT

PROGRAM: bindings/c/train.c, built.  DATA: the folder where tables.py wrote its CSV files.  OUTPUT: a folder for
pictures: curves.png (loss and gradient against p_t) and precision-recall.png (of this run).
"""

import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sklearn.metrics import precision_recall_curve

import tables
import train

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the choice of backend)

MODELS = {"logit": 0, "net": train.HIDDEN}  #: hidden units

#: drawn in precision-recall.png
DRAWN = {
    "cross-entropy": "0.25",
    "weighted cross-entropy": "tab:orange",
    "focal gamma 2": "tab:blue",
    "focal alpha .75 gamma 2": "tab:green",
}


def run_c(program, csv):
    """The C program's figures for one table: loss name -> [AP, AUC, ms, AP, AUC, ms]."""
    printed = subprocess.run([program, csv], check=True, capture_output=True, text=True).stdout.splitlines()
    return {line[:24].strip(): [float(word) for word in line[24:].split()] for line in printed[3:]}


def run_python(name, advance):
    """The same from Python: loss name -> [Result, Result]."""
    features, classes = tables.load(name)
    results = {}
    for objective in train.OBJECTIVES:
        results[objective.name] = [train.evaluate(features, classes, objective, hidden) for hidden in MODELS.values()]
        advance()
    return results


def figures(results):
    return [figure for r in results for figure in (r.ap, r.auc, r.milliseconds)]


def add_section(report, name, c, python):
    """One table's rows, under its name."""
    classes = tables.load(name)[1]
    report.add_row(f"[bold]{name}[/] {classes.sum()}/{len(classes)}")
    rows = [c[loss] + figures(python[loss]) for loss in python]
    best = np.max(rows, axis=0)
    for loss, row in zip(python, rows):
        cells = [f"{value:.3f}" if k % 3 < 2 else f"{value:.2f}" for k, value in enumerate(row)]
        bold = [f"[bold]{cell}[/]" if k % 3 < 2 and row[k] == best[k] else cell for k, cell in enumerate(cells)]
        report.add_row("  " + loss, *bold)
    report.add_section()


def new_report():
    report = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1), title_justify="left", title=(
        f"Test figures, mean of {train.SPLITS} splits.  Beside each table's name: positives/samples.\n"
        f"C, Py: trained in C, in Python.  logit: logistic regression; net: one hidden layer of {train.HIDDEN}.\n"
        "AP: average precision; AUC: area under the ROC curve; ms: milliseconds an epoch.  Bold: the column's best."))
    report.add_column("\n\nloss", no_wrap=True)
    for language in ("C", "Py"):
        for model in MODELS:
            for figure in ("AP", "AUC", "ms"):
                report.add_column(f"{language}\n{model}\n{figure}", justify="right", no_wrap=True)
    return report


def mean_curve(tests, grid):
    """Precision over a grid of recalls, averaged over the splits: the best precision at that recall or a higher one."""
    curves = []
    for targets, scores in tests:
        precision, recall, _ = precision_recall_curve(targets, scores)
        envelope = np.maximum.accumulate(precision)  # recall falls from 1 to 0
        curves.append(np.interp(grid, recall[::-1], envelope[::-1]))
    return np.mean(curves, axis=0)


def draw_precision_recall(path, results):
    """One panel a table: the network's curves."""
    grid = np.linspace(0, 1, 201)
    figure, panels = pyplot.subplots(2, (len(results) + 1) // 2, figsize=(11, 8.4), layout="constrained", squeeze=False)
    for panel in panels.flat[len(results) :]:
        panel.remove()
    for panel, (name, python) in zip(panels.flat, results.items()):
        classes = tables.load(name)[1]
        for loss, color in DRAWN.items():
            result = python[loss][1]
            panel.plot(grid, mean_curve(result.tests, grid), color=color, linewidth=1.8, label=f"{loss}  AP {result.ap:.3f}")
        panel.axhline(classes.mean(), color="0.6", linestyle=":", linewidth=1.2, label="guessing")
        panel.set(title=f"{name}: {classes.sum()} of {len(classes)} positive", xlim=(0, 1), xlabel="recall",
                  ylim=(0, None), ylabel="precision")
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False, fontsize="small")
    figure.suptitle(f"Precision and recall of a network with one hidden layer (test samples, mean of {train.SPLITS} splits)")
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def main(program, data, output):
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    console = Console(width=max(Console().width, 120))
    report, results = new_report(), {}
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("training", total=len(tables.BINARY) * (1 + len(train.OBJECTIVES)))
        for name in tables.BINARY:
            progress.update(task, description=f"{name}, in C")
            c = run_c(program, Path(data) / f"{name}.csv")
            progress.update(task, advance=1, description=f"{name}, in Python")
            results[name] = run_python(name, lambda: progress.advance(task))
            add_section(report, name, c, results[name])
    console.print(report)
    spread = [f"{name} {np.mean([r.ap_deviation for row in python.values() for r in row]):.3f}"
              for name, python in results.items()]
    console.print(f"Between splits, AP varies by (standard deviation) {', '.join(spread)}: less than that is chance.")
    draw_precision_recall(output / "precision-recall.png", results)
    console.print(f"Pictures: {output / 'precision-recall.png'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
