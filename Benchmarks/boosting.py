"""What the focal objective costs a booster at a million rows: alone, and within training.

    python Benchmarks/boosting.py                 # prints every record as JSON; run.py takes them from measure()
    python Benchmarks/boosting.py --rows 100000 --rounds 10

Alone: gradient and Hessian of one round against the numpy objective of Imbalance-XGBoost and against the floor, copies
of as many bytes.  Training: gamma 2, and gamma 0, whose trees are those of the library's own logistic or softmax
objective, against that objective as the floor; other trees cost other times.  All contenders of a record take turns in
one process, on the same data.
"""

import argparse
import json
import os
import time

import lightgbm
import numpy
import xgboost

import stats
from focalloss.lightgbm import FocalObjective as LightGBM
from focalloss.xgboost import FocalObjective as XGBoost

ROWS, FEATURES, CLASSES, ROUNDS, MULTICLASS_ROUNDS, REPEATS = 1_000_000, 20, 4, 50, 10, 5
SAMPLE_SECONDS = 0.2
THREADS = len(os.sched_getaffinity(0))
# Limits in units of the Hessian are off: all objectives then grow trees of the same size.
LGB = {"num_leaves": 31, "learning_rate": 0.1, "num_threads": THREADS, "verbose": -1, "metric": "None",
       "min_sum_hessian_in_leaf": 0.0}
XGB = {"max_depth": 0, "max_leaves": 32, "grow_policy": "lossguide", "learning_rate": 0.1, "nthread": THREADS,
       "tree_method": "hist", "disable_default_eval_metric": 1, "min_child_weight": 0.0}


def rare_events(rows, classes):
    """(features, labels): one row in about 30 is not of class 0."""
    rng = numpy.random.default_rng(0)
    X = rng.normal(size=(rows, FEATURES)).astype(numpy.float32)
    z = numpy.stack([k * 0.4 + X[:, k] + X[:, k + 1] * X[:, k + 2] for k in range(1, classes)], axis=1)
    z = numpy.concatenate([numpy.full((rows, 1), 6.5), z], axis=1)
    return X, numpy.argmax(z + rng.gumbel(size=z.shape), axis=1).astype(numpy.float32)


# ---- Timing -------------------------------------------------------------------------------------------------------


def interleaved(contenders, elements, repeats, threads=THREADS, calls=None, **about):
    """Nanoseconds an element of every contender, in turns: {name: statistics}."""
    calls = calls or {name: calls_of(call) for name, call in contenders.items()}
    samples = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, call in contenders.items():
            start = time.perf_counter_ns()
            for _ in range(calls[name]):
                call()
            samples[name].append((time.perf_counter_ns() - start) / calls[name] / elements)
    about = {"n": elements, "threads": threads, **about}
    return {name: stats.summary(values, **about) for name, values in samples.items()}


def calls_of(call):
    """As many calls as fill a sample."""
    call()
    start = time.perf_counter()
    call()
    return max(1, int(SAMPLE_SECONDS / (time.perf_counter() - start)))


def record(title, threads, contenders, left_out=()):
    first = next(iter(contenders.values()))
    return {"suite": "boosting", "title": title, "threads": threads, "n": first["n"], "contenders": contenders,
            "left_out": dict(left_out)}


# ---- The objective alone ------------------------------------------------------------------------------------------


def imbalance_xgboost(gamma=2.0):
    """The numpy objective of Imbalance-XGBoost (its focal loss has no alpha), or None where it is not installed."""
    try:
        from imxgboost.focal_loss import Focal_Binary_Loss
    except ImportError:
        return None
    return Focal_Binary_Loss(gamma).focal_binary_object


def objective_alone(X, y, repeats, threads):
    """One round's gradient and Hessian in XGBoost's layout: float32, one margin a row."""
    data = xgboost.DMatrix(X[:, :1], y)
    margins = numpy.random.default_rng(1).normal(-2, 2, len(y)).astype(numpy.float32)
    ours, numpy_objective = XGBoost(hessian="exact", threads=threads), imbalance_xgboost()
    grad, hess = numpy.empty((2, len(y)), numpy.float32)

    def floor():
        numpy.copyto(grad, margins)
        numpy.copyto(hess, data.get_label())

    contenders = {"floor": floor, "ours": lambda: ours(margins, data)}
    left_out = {}
    if numpy_objective:
        contenders["numpy"] = lambda: numpy_objective(margins, data)
    else:
        left_out["numpy"] = "imbalance-xgboost is not installed"
    title = f"gradient and Hessian of {len(y):,} rows, {threads} thread{'s' * (threads > 1)}"
    rows = interleaved(contenders, len(y), repeats, threads, bytes=16)
    return record(title, threads, rows, left_out.items())


# ---- Within training ----------------------------------------------------------------------------------------------


def lightgbm_trainers(X, y, rounds, objectives, classes):
    """A training for each objective, {name: call}; a str is the library's own.  The data sets are built here."""
    own = {"num_class": classes} if classes > 2 else {}

    def trainer(objective):
        start = None if isinstance(objective, str) else objective.start_score(y)
        init_score = start if start is None else numpy.tile(start, (len(y), 1) if own else len(y))
        data = lightgbm.Dataset(X, y, init_score=init_score, params={"verbose": -1}, free_raw_data=False).construct()
        return lambda: lightgbm.train({**LGB, **own, "objective": objective}, data, rounds)

    return {name: trainer(objective) for name, objective in objectives.items()}


def xgboost_trainers(X, y, rounds, objectives, classes):
    """The same for XGBoost."""
    own = {"num_class": classes} if classes > 2 else {}
    data = xgboost.QuantileDMatrix(X, y, nthread=THREADS)

    def trainer(objective):
        if isinstance(objective, str):
            return lambda: xgboost.train({**XGB, **own, "objective": objective}, data, rounds)
        params = {**XGB, **own, "base_score": numpy.asarray(objective.start_score(y)).tolist()}
        return lambda: xgboost.train(params, data, rounds, obj=objective)

    return {name: trainer(objective) for name, objective in objectives.items()}


LIBRARIES = {
    "LightGBM": (LightGBM, lightgbm_trainers, "binary", "multiclass"),
    "XGBoost": (XGBoost, xgboost_trainers, "binary:logistic", "multi:softprob"),
}


def training(library, X, y, classes, rounds, repeats):
    """Seconds of training turned into nanoseconds a row and round; the data set is built before."""
    kind, trainers, *built_in = LIBRARIES[library]
    num_class = None if classes == 2 else classes
    objectives = {"floor:builtin": built_in[classes > 2], "ours": kind(gamma=2.0, num_class=num_class),
                  "ours/gamma=0": kind(gamma=0.0, num_class=num_class)}
    contenders = trainers(X, y, rounds, objectives, classes)
    for call in contenders.values():
        call()  # the first training of a data set builds what the others reuse
    kind_of = "logistic" if classes == 2 else f"softmax of {classes}"
    title = f"{library}, {len(y):,} rows, {FEATURES} features, {rounds} rounds, {kind_of}"
    rows = interleaved(contenders, len(y) * rounds, repeats, calls=dict.fromkeys(contenders, 1))
    return record(title, THREADS, rows)


def measure(rows=ROWS, rounds=ROUNDS, multiclass_rounds=MULTICLASS_ROUNDS, repeats=REPEATS):
    """Yields every record, in the form of run.py."""
    X, y = rare_events(rows, 2)
    for threads in sorted({1, THREADS}):
        yield objective_alone(X, y, repeats, threads)
    for library in LIBRARIES:
        yield training(library, X, y, 2, rounds, repeats)
    X, y = rare_events(rows, CLASSES)
    for library in LIBRARIES:
        yield training(library, X, y, CLASSES, multiclass_rounds, repeats)


def ratios(result):
    """What the project promises: the numpy objective takes 20 times as long; training at most 1.1 of the built-in's."""
    rows = result["contenders"]
    pairs = ("numpy", "ours"), ("ours", "floor:builtin"), ("ours/gamma=0", "floor:builtin")
    for above, below in pairs:
        if above in rows and below in rows:
            each = sorted(a / b for a, b in zip(rows[above]["samples"], rows[below]["samples"]))
            spread = {"median": stats.ratio(rows[above], rows[below]), "low": each[0], "high": each[-1]}
            yield f"{above} / {below}", {name: round(value, 3) for name, value in spread.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--multiclass-rounds", type=int, default=MULTICLASS_ROUNDS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    given = parser.parse_args()
    for result in measure(given.rows, given.rounds, given.multiclass_rounds, given.repeats):
        print(json.dumps({**result, "ratios": dict(ratios(result))}), flush=True)


if __name__ == "__main__":
    main()
