"""Focal objectives for XGBoost (2.1 and newer), native, scikit-learn and Dask.

    objective = FocalObjective(alpha=0.25, gamma=2.0)
    booster = objective.train({"max_depth": 4}, dtrain, num_boost_round=100)
    probabilities = objective.predict_proba(booster.predict(dtest, output_margin=True))

What `train` does can be written out: `xgboost.train({**objective.params(objective.start_score(y)), ...}, dtrain,
obj=objective, custom_metric=objective.metric)`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy

from ._boosting import BoostingObjective


class FocalObjective(BoostingObjective):
    """The focal objective of XGBoost; the parameters are BoostingObjective's.

    Native signature: `obj(predt, dtrain) -> (grad, hess)`. XGBoost hands over float32 margins, (n,) or (n, K)
    row-major; gradient and Hessian come back in float32 and the same layout, which it reads in place.
    """

    @staticmethod
    def _softmax_scale(classes):
        return 2.0

    def __call__(self, predt, dtrain):
        """Gradient and Hessian of every margin of a DMatrix, sample weights applied."""
        return self._derivatives(predt, *_labels(dtrain), numpy.float32)

    def metric(self, predt, dtrain):
        """`custom_metric`: ("focal_loss", weighted mean focal loss)."""
        return "focal_loss", self._mean_loss(predt, *_labels(dtrain))

    def params(self, start=None):
        """The parameters that belong to this objective; start: what start_score gave, or None to leave it to you.

        XGBoost's own base_score for a custom objective is a margin of 0.5, whatever the data.
        """
        params = {"disable_default_eval_metric": 1}
        if self.num_class is not None:
            params["num_class"] = self.num_class
        if start is not None:
            params["base_score"] = start if self.num_class is None else start.tolist()
        return params

    def train(self, params, dtrain, num_boost_round=10, **options):
        """`xgboost.train` with this objective, its metric and the focal-optimal base_score; returns the Booster.

        params, options: as for xgboost.train; what they say wins. No start is set where xgb_model continues a model.
        """
        import xgboost

        fresh = "base_score" not in params and options.get("xgb_model") is None
        start = self.start_score(*_labels(dtrain)) if fresh else None
        options = {"custom_metric": self.metric, **options}
        return xgboost.train({**self.params(start), **params}, dtrain, num_boost_round, obj=self, **options)

    # ---- The scikit-learn interface -------------------------------------------------------------------------------

    def sklearn(self, y_true, y_pred, sample_weight=None):
        """The objective in XGBClassifier's and XGBRegressor's signature: `XGBClassifier(objective=obj.sklearn)`."""
        return self._derivatives(y_pred, y_true, sample_weight, numpy.float32)

    def focal_loss(self, y_true, y_pred, sample_weight=None):
        """The metric in their signature: `XGBClassifier(eval_metric=obj.focal_loss)`."""
        return self._mean_loss(y_pred, y_true, sample_weight)

    def fit(self, estimator, X, y, sample_weight=None, **options):
        """Sets objective, base_score and eval_metric of an XGBClassifier (or XGBRegressor), fits and returns it.

        Its predict_proba would be the sigmoid of the margin; use
        `obj.predict_proba(estimator.predict(X, output_margin=True))`.
        """
        from sklearn.base import is_classifier

        start = self.start_score(y, sample_weight)
        if self.num_class is None and is_classifier(estimator):
            start = 1 / (1 + math.exp(-start))  # XGBClassifier reads base_score as a probability
        estimator.set_params(objective=self.sklearn, base_score=start if self.num_class is None else start.tolist())
        if estimator.get_params().get("eval_metric") is None:
            estimator.set_params(eval_metric=self.focal_loss, disable_default_eval_metric=1)
        return estimator.fit(X, y, sample_weight=sample_weight, **options)


def _labels(data) -> tuple[Any, Any]:
    """(labels, weights or None) of a DMatrix."""
    weight = data.get_weight()
    return data.get_label(), weight if weight.size else None
