"""Reading a person's own table: a CSV file into features and a binary target."""

from __future__ import annotations

import collections
import csv

import numpy
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

MISSING = {"", "?", "na", "nan", "null", "none"}
CATEGORIES = 20  # of a column of words; rarer ones are taken together


def read(path: str, target: str, positive: str | None):
    """(features, targets, the positive value): an object array (n, d) of floats and words, and n values 0.0 or 1.0."""
    header, rows = _rows(path)
    if target not in header:
        raise ValueError(f"{path} has no column {target!r}; it has {', '.join(header)}")
    column = header.index(target)
    rows = [row for row in rows if row[column].lower() not in MISSING]
    names = [row[column] for row in rows]
    positive = _positive(names, target, positive)
    features = [_column([row[k] for row in rows]) for k in range(len(header)) if k != column]
    if not features:
        raise ValueError(f"{path} has no column beside {target!r}")
    return numpy.stack(features, axis=1), numpy.array([float(name == positive) for name in names]), positive


def _rows(path: str):
    with open(path, newline="", encoding="utf-8-sig") as file:
        sample = file.read(65536)
        file.seek(0)
        try:
            dialect = csv.Sniffer().sniff(sample, delimiters=",;\t|")
        except csv.Error:
            dialect = csv.excel
        rows = [[cell.strip() for cell in row] for row in csv.reader(file, dialect, skipinitialspace=True) if row]
    if len(rows) < 2:
        raise ValueError(f"{path} has no rows below its header")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise ValueError(f"{path}: row {number} has {len(row)} cells; the header has {len(rows[0])}")
    return rows[0], rows[1:]


def _positive(names: list[str], target: str, positive: str | None) -> str:
    counts = collections.Counter(names)
    if len(counts) < 2:
        raise ValueError(f"column {target!r} has one value only, {names[0] if names else 'none'!r}")
    if positive is None:
        if len(counts) > 2:
            values = ", ".join(name for name, _ in counts.most_common(10)) + (", ..." if len(counts) > 10 else "")
            raise ValueError(f"column {target!r} has {len(counts)} values ({values}): say which with --positive")
        positive = counts.most_common()[-1][0]
    if positive not in counts:
        raise ValueError(f"column {target!r} has no value {positive!r}")
    return positive


def _column(cells: list[str]):
    """Floats with NaN for gaps where every other cell is a number, else the words."""
    numbers = numpy.full(len(cells), numpy.nan, dtype=object)
    for k, cell in enumerate(cells):
        if cell.lower() not in MISSING:
            try:
                numbers[k] = float(cell)
            except ValueError:
                return numpy.array(cells, dtype=object)
    return numbers


def encoder(features):
    """What turns such an object array into numbers: fitted on the training part alone."""
    words = [k for k in range(features.shape[1]) if isinstance(features[0, k], str)]
    numbers = [k for k in range(features.shape[1]) if k not in words]
    return make_column_transformer(
        (make_pipeline(_floats(), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=CATEGORIES, sparse_output=False), words),
    )


def _floats() -> SimpleImputer:
    return SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
