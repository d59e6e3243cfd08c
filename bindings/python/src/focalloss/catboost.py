"""Focal objectives for CatBoost (1.2 and newer).

    objective = FocalObjective(alpha=0.25, gamma=2.0)
    model = objective.fit(CatBoostClassifier(iterations=200), X, y)
    probabilities = objective.predict_proba(model.predict(X_new, prediction_type="RawFormulaVal"))

What `fit` does can be written out: `CatBoostClassifier(loss_function=objective, eval_metric=objective.metric)` with
`objective.start_score(y)` in every row of the Pool's baseline. CatBoost keeps the baseline out of the model; `fit` puts
it into the model's bias afterwards, so that predictions have it.
"""

from __future__ import annotations

import numpy

from ._arrays import address
from ._boosting import BoostingObjective
from ._call import fill, run


class FocalObjective(BoostingObjective):
    """The focal objective of CatBoost; the parameters are BoostingObjective's.

    Native signature: an object with `calc_ders_range` (binary) and `calc_ders_multi` (multiclass) as `loss_function`.
    CatBoost maximises: both derivatives have the opposite sign of the loss's, and a floor bounds -der2 from below.
    Binary derivatives come back as one float64 array that CatBoost reads in place. Multiclass costs a Python call for
    every row and round, which is CatBoost's interface; the Hessian there is the full matrix: exact, or the Gauss-Newton
    one (never indefinite); "absolute" is the diagonal of |exact|. hessian_floor does not apply to matrices.
    """

    no_jit = True  # CatBoost would hand the methods to numba, which can do nothing for them, and warn

    def calc_ders_range(self, approxes, targets, weights):
        """(n, 2) float64: der1 and der2 of n rows. approxes: float64 margins; targets, weights: float32 or None."""
        grad, hess = self._derivatives(numpy.asarray(approxes), targets, weights, numpy.float64)
        pairs = grad.base
        numpy.negative(pairs, out=pairs)
        return pairs.T

    def calc_ders_multi(self, approxes, target, weight):
        """(der1, der2) of one row: K values, and (K, K) of which CatBoost reads the upper triangle."""
        scores = numpy.asarray(approxes)[None]
        if self.hessian == "gauss_newton":
            grad, hess = self._gauss_newton(scores, target, weight)
        elif self.hessian == "exact":
            grad, hess = self._exact(scores, target, weight)
        else:
            grad, hess = self._derivatives(scores, [target], [weight], numpy.float64)
            hess = numpy.diag(hess[0])
        return -grad[0], -hess

    def _exact(self, scores, target, weight):
        classes = self.num_class
        grad, hess = numpy.empty((1, classes)), numpy.empty((classes, classes))
        function, args, _keep = self._describe(scores, [target], [weight], class_major=False)
        fill(args, hessian_scale=self._second["hessian_scale"])
        args.grad, args.hess_full = address(grad), address(hess)
        run(function, args)
        return grad, hess

    def _gauss_newton(self, scores, target, weight):
        """B (diag(p) - p p^T) with the common factor B of the loss: gradients are B p_k, and -B (1 - p_t) at t."""
        grad, diagonal, p = numpy.empty((3, 1, self.num_class))
        function, args, _keep = self._describe(scores, [target], [weight], class_major=False)
        fill(args, hessian=self.hessian)
        args.grad, args.hess, args.probabilities = address(grad), address(diagonal), address(p)
        run(function, args)
        t = int(target)
        hess = grad.T * -p  # right outside row t, which follows by symmetry
        hess[t] = hess[:, t]
        numpy.fill_diagonal(hess, diagonal)
        return grad, hess * self._second["hessian_scale"]

    @property
    def metric(self):
        """`eval_metric`: the weighted mean focal loss, lower is better."""
        return FocalMetric(self)

    def fit(self, estimator, X, y=None, sample_weight=None, eval_set=None, **options):
        """Sets loss_function, eval_metric and baseline of a CatBoost model, fits and returns it.

        X: a Pool, or features with y and sample_weight. eval_set: a Pool, an (X, y) pair, or a list of these. Labels
        are 0 and 1 (or in between, with a regressor), or 0 .. num_class-1. A Pool with a baseline of its own keeps it,
        and then no start is set. The model's predict_proba would be the sigmoid of the margin; use
        `obj.predict_proba(estimator.predict(X, prediction_type="RawFormulaVal"))`.
        """
        train = _pool(estimator, X, y, sample_weight)
        parameters = {"loss_function": self, "eval_metric": self.metric}
        if self.num_class is not None:
            parameters["classes_count"] = self.num_class
        estimator.set_params(**parameters)
        start = None
        if not numpy.any(train.get_baseline()):
            start = self.start_score(numpy.asarray(train.get_label(), dtype=float), train.get_weight())
        pools = [_pool(estimator, *_pair(data)) for data in _listed(eval_set)]
        for pool in [train, *pools] if start is not None else ():
            pool.set_baseline(_column(start, pool.num_row()))
        estimator.fit(train, eval_set=pools or None, **options)
        if start is not None:
            estimator.set_scale_and_bias(1, start if self.num_class is None else start.tolist())
            for pool in [train, *pools]:  # a Pool's baseline is added to predictions on it as well
                pool.set_baseline(_column(start, pool.num_row()) * 0)
        return estimator


class FocalMetric:
    """CatBoost's `eval_metric` of a FocalObjective: the weighted mean focal loss."""

    no_jit = True

    def __init__(self, objective):
        self.objective = objective

    def evaluate(self, approxes, target, weight):
        """(sum of weight x loss, sum of weight). approxes: K arrays of n margins, class by class."""
        scores = approxes[0] if len(approxes) == 1 else numpy.stack(approxes)
        total = float(len(target) if weight is None else numpy.sum(weight, dtype=float))
        mean = self.objective._mean_loss(scores, target, weight, class_major=True)
        return mean * total, total

    def get_final_error(self, error, weight):
        return error / weight if weight else 0.0

    def is_max_optimal(self):
        return False


def _pool(estimator, X, y=None, weight=None):
    from catboost import Pool

    if isinstance(X, Pool):
        if y is not None or weight is not None:
            raise ValueError("a Pool brings its own labels and weights")
        return X
    named = {name: estimator.get_params().get(name) for name in ("cat_features", "text_features", "embedding_features")}
    return Pool(X, y, weight=weight, **named)


def _listed(eval_set):
    if eval_set is None:
        return []
    return list(eval_set) if isinstance(eval_set, list) else [eval_set]


def _pair(data):
    return data if isinstance(data, tuple) else (data,)


def _column(start, rows):
    """A baseline of `rows` rows: (n, 1) or (n, K)."""
    return numpy.tile(numpy.atleast_1d(start), (rows, 1))
