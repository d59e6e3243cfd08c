"""Focal objectives for LightGBM (4.0 and newer), native and scikit-learn.

    objective = FocalObjective(alpha=0.25, gamma=2.0)
    booster = objective.train({"num_leaves": 31}, train_set, num_boost_round=100)
    probabilities = objective.predict_proba(booster.predict(X, raw_score=True))

What `train` does can be written out: `lightgbm.train({"objective": objective, ...}, train_set, feval=objective.metric)`
with `objective.start_score(y)` in every row of the Dataset's init_score. LightGBM keeps init_score out of the model, so
that predictions lack it; `train` adds it to the leaves of the first tree, where LightGBM itself puts its average.
"""

from __future__ import annotations

from contextlib import contextmanager

import numpy

from ._boosting import BoostingObjective


class FocalObjective(BoostingObjective):
    """The focal objective of LightGBM; the parameters are BoostingObjective's.

    Native signature: `objective(preds, train_data) -> (grad, hess)`. LightGBM hands over float64 margins, (n,) or
    (n, K) in column-major order, and wants float32 in the same order, which is what it gets: it copies and transposes
    nothing.
    """

    @staticmethod
    def _softmax_scale(classes):
        return classes / (classes - 1)

    def __call__(self, preds, train_data):
        """Gradient and Hessian of every margin of a Dataset, sample weights applied."""
        return self.sklearn(*_labels(train_data, preds))

    def metric(self, preds, data):
        """`feval`: ("focal_loss", weighted mean focal loss, False: lower is better)."""
        return self.focal_loss(*_labels(data, preds))

    def train(self, params, train_set, num_boost_round=100, **options):
        """`lightgbm.train` with this objective, its metric and the focal-optimal start; returns the Booster.

        params, options: as for lightgbm.train; what they say wins. Raw scores of the Booster include the start. None is
        set where train_set brings an init_score of its own, or init_model continues a model.
        """
        import lightgbm

        own = {"num_class": self.num_class} if self.num_class is not None else {}
        params = {"metric": "None", **own, **params, "objective": self}
        options = {"feval": self.metric, **options}
        if _field(train_set, "init_score") is not None or options.get("init_model") is not None:
            return lightgbm.train(params, train_set, num_boost_round, **options)
        start = self.start_score(_field(train_set, "label"), _field(train_set, "weight"))
        valid_sets = options.get("valid_sets") or ()
        valid_sets = [valid_sets] if isinstance(valid_sets, lightgbm.Dataset) else valid_sets
        with _init_scores([train_set, *valid_sets], start):
            booster = lightgbm.train(params, train_set, num_boost_round, **options)
        return _add_to_first_trees(booster, start)

    # ---- The scikit-learn interface -------------------------------------------------------------------------------

    def sklearn(self, y_true, y_pred, weight=None):
        """The objective in LGBMClassifier's and LGBMRegressor's signature: `LGBMClassifier(objective=obj.sklearn)`."""
        grad, hess = self._derivatives(y_pred.T, y_true, weight, numpy.float32, class_major=True)
        return grad.T, hess.T

    def focal_loss(self, y_true, y_pred, weight=None):
        """The metric in their signature: `fit(..., eval_metric=obj.focal_loss)`."""
        return "focal_loss", self._mean_loss(y_pred.T, y_true, weight, class_major=True), False

    def fit(self, estimator, X, y, sample_weight=None, **options):
        """Sets objective, init_score and eval_metric of an LGBMClassifier (or LGBMRegressor), fits and returns it.

        LightGBM gives raw scores where the objective is custom: use
        `obj.predict_proba(estimator.predict(X, raw_score=True))`. The start is in them. options: as for the estimator's
        own fit; eval_set, or eval_X and eval_y, start where the training does.
        """
        encoded, weight = _as_seen(estimator, y, sample_weight)
        start = self.start_score(encoded, weight)
        estimator.set_params(**{"metric": "None", **estimator.get_params(), "objective": self.sklearn})
        starts = [_constant(start, len(labels)) for labels in _eval_labels(**options)]
        options = {"eval_metric": self.focal_loss, "eval_init_score": starts or None, **options}
        estimator.fit(X, y, sample_weight=sample_weight, init_score=_constant(start, len(encoded)), **options)
        _add_to_first_trees(estimator.booster_, start)
        return estimator


def _labels(data, preds):
    """(labels, margins, weights or None) of a Dataset in training: the order of the scikit-learn signature."""
    return data.get_label(), preds, data.get_weight()


def _field(data, name):
    """A field of a Dataset as an array or None, also before LightGBM has constructed it (from arrays, that is)."""
    value = getattr(data, name)
    if value is None:
        try:
            value = data.get_field(name)
        except Exception:  # what LightGBM raises before the Dataset is constructed
            return None
    return None if value is None else numpy.asarray(value)


def _as_seen(estimator, y, weight):
    """Labels and weights as LightGBM will see them: classes numbered from 0, class_weight multiplied in."""
    from sklearn.base import is_classifier

    if not is_classifier(estimator):
        return numpy.asarray(y), weight
    by_class = estimator.get_params().get("class_weight")
    if by_class is not None:
        from sklearn.utils.class_weight import compute_sample_weight

        weight = compute_sample_weight(by_class, y) * (1.0 if weight is None else numpy.asarray(weight))
    return numpy.unique(y, return_inverse=True)[1], weight


def _eval_labels(eval_set=None, eval_y=None, **_):
    """The labels of every data set to evaluate on: eval_set is a list of pairs or a pair, eval_y one or a tuple."""
    if eval_set is not None:
        return [labels for _, labels in ([eval_set] if isinstance(eval_set, tuple) else eval_set)]
    return () if eval_y is None else eval_y if isinstance(eval_y, tuple) else (eval_y,)


def _constant(start, rows):
    """init_score of `rows` rows: (n,) or (n, K)."""
    return numpy.tile(start, (rows, 1)) if numpy.ndim(start) else numpy.full(rows, start)


@contextmanager
def _init_scores(datasets, start):
    """Starts every Dataset that has no init_score at `start`, for the time of one training."""
    datasets = [data for data in datasets if _field(data, "init_score") is None]
    for data in datasets:
        data.set_init_score(_constant(start, len(_field(data, "label"))))
    try:
        yield
    finally:
        for data in datasets:
            data.set_init_score(None)
            if _field(data, "init_score") is not None:  # what LightGBM has constructed from it
                data.set_field("init_score", None)


def _add_to_first_trees(booster, start):
    """Adds the start to every leaf of the first tree of each class."""
    trees = booster.dump_model(num_iteration=1)["tree_info"] if booster.num_trees() else ()
    for tree, offset in zip(trees, numpy.atleast_1d(start)):
        index = tree["tree_index"]
        for leaf in range(tree["num_leaves"]):
            booster.set_leaf_output(index, leaf, booster.get_leaf_output(index, leaf) + offset)
    return booster
