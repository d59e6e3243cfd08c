"""XGBoost on Dask: two workers, each with half of the rows, against one process."""

import numpy as np
import pytest
import rare
import xgboost

distributed = pytest.importorskip("distributed")
from dask import array as da  # noqa: E402
from xgboost import dask as xgboost_dask  # noqa: E402

from focalloss.xgboost import FocalObjective  # noqa: E402

PARAMS = {"max_depth": 4, "eta": 0.1, "tree_method": "hist", "nthread": 1}
ROUNDS = 20


@pytest.fixture(scope="module")
def client():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            yield client


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
    X, y = (rare.multiclass if classes else rare.binary)(8000)
    X = np.round(X, 1)  # few distinct values: both sides have the same cuts, so that only sums differ
    objective = FocalObjective(gamma=2.0, num_class=classes)
    own = {"objective": "multi:softprob", "num_class": classes} if classes else {"objective": "binary:logistic"}
    focal = np.abs(np.subtract(*margins(client, {**PARAMS, **objective.params(objective.start_score(y))}, X, y,
                                        obj=objective, custom_metric=objective.metric)))
    built_in = np.abs(np.subtract(*margins(client, {**PARAMS, **own}, X, y)))
    print(f"largest difference: focal {focal.max():.2g}, built in {built_in.max():.2g}")
    assert focal.max() <= max(4 * built_in.max(), 1e-5)
