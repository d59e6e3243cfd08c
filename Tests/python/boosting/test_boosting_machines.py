"""XGBoost on more than one machine: two workers, each with half of the rows, against one process."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import rare
import xgboost

distributed = pytest.importorskip("distributed")
from dask import array as da  # noqa: E402
from xgboost import dask as xgboost_dask  # noqa: E402
from xgboost.collective import CommunicatorContext  # noqa: E402
from xgboost.tracker import RabitTracker  # noqa: E402

from focalloss.xgboost import FocalObjective  # noqa: E402

PARAMS = {"max_depth": 4, "eta": 0.1, "tree_method": "hist", "nthread": 1}
ROUNDS = 20


@pytest.fixture(scope="module")
def client():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            yield client


def few_values(classes, rows=8000):
    """Features of few distinct values: both sides have the same cuts, so that only sums differ."""
    X, y = (rare.multiclass if classes else rare.binary)(rows)
    return np.round(X, 1), y


def margins(client, params, X, y, **options):
    """The margins of the training rows from two workers, and from one process."""
    rows = len(y) // 2
    data = xgboost_dask.DaskDMatrix(client, da.from_array(X, chunks=(rows, -1)), da.from_array(y, chunks=rows))
    trained = xgboost_dask.train(client, params, data, num_boost_round=ROUNDS, **options)
    single = xgboost.train(params, xgboost.DMatrix(X, y), ROUNDS, **options)
    test = xgboost.DMatrix(X)
    return [booster.predict(test, output_margin=True) for booster in (trained["booster"], single)]


@pytest.mark.parametrize("classes", [None, 3])
def test_two_workers_match_one_process_as_well_as_xgboost_itself_does(client, classes):
    X, y = few_values(classes)
    objective = FocalObjective(gamma=2.0, num_class=classes)
    own = {"objective": "multi:softprob", "num_class": classes} if classes else {"objective": "binary:logistic"}
    focal = np.abs(np.subtract(*margins(client, {**PARAMS, **objective.params(objective.start_score(y))}, X, y,
                                        obj=objective, custom_metric=objective.metric)))
    built_in = np.abs(np.subtract(*margins(client, {**PARAMS, **own}, X, y)))
    print(f"largest difference: focal {focal.max():.2g}, built in {built_in.max():.2g}")
    assert focal.max() <= max(4 * built_in.max(), 1e-5)


def train_part(part, workers, address):
    """What a task of the guide's Spark example does with its rows; the model as bytes."""
    X, y = few_values(None)
    objective = FocalObjective(alpha=0.25)
    params = {**PARAMS, **objective.params(objective.start_score(prior=float(y.mean(dtype=float))))}
    with CommunicatorContext(**address):
        data = xgboost.QuantileDMatrix(X[part::workers], y[part::workers])
        booster = xgboost.train(params, data, ROUNDS, obj=objective, custom_metric=objective.metric)
    return bytes(booster.save_raw("json"))


def test_two_processes_of_a_spark_stage_match_one():
    tracker = RabitTracker(host_ip="127.0.0.1", n_workers=2)
    tracker.start()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        parts = [processes.submit(train_part, part, 2, tracker.worker_args()) for part in range(2)]
        models = [part.result(timeout=120) for part in parts]
    tracker.wait_for(10)
    X, y = few_values(None)
    single = FocalObjective(alpha=0.25).train(PARAMS, xgboost.DMatrix(X, y), ROUNDS)
    data = xgboost.DMatrix(X)
    for model in models:
        np.testing.assert_allclose(xgboost.Booster(model_file=bytearray(model)).predict(data, output_margin=True),
                                   single.predict(data, output_margin=True), atol=1e-4)
