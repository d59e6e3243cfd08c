"""Focal losses for scikit-learn: a metric and a linear classifier.

    from focalloss.sklearn import FocalLogisticRegression, focal_loss_score
    model = FocalLogisticRegression(gamma=2.0).fit(X, y)
    focal_loss_score(y_test, model.predict_proba(X_test))

As a scorer for model selection, where greater is better, the loss changes its sign:

    scorer = make_scorer(focal_loss_score, greater_is_better=False, response_method="predict_proba", gamma=2.0)
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ._helpers import both_classes, optimal_score, posterior, softmax_posterior
from ._sigmoid import sigmoid_focal_loss, sigmoid_focal_loss_and_grad
from ._softmax import softmax_focal_loss, softmax_focal_loss_and_grad

__all__ = ["FocalLogisticRegression", "focal_loss_score"]


# ---- Metric -------------------------------------------------------------------------------------------------------


def focal_loss_score(
    y_true, y_proba, *, alpha=None, gamma=2.0, normalize=True, sample_weight=None, labels=None
) -> float:
    """Focal loss of predicted probabilities; smaller is better. With gamma 0 and alpha off: sklearn.metrics.log_loss.

    y_true: (n_samples,) class labels.
    y_proba: (n_samples, n_classes) probabilities in the order of the sorted labels, or (n_samples,) those of the second
        of two classes. Rows are made to sum to 1; what is closer to 0 or 1 than the eps of its dtype is clipped.
    alpha: two classes: weight of the second in [0, 1], the first has 1 - alpha. More: a number, or one a class.
        None: off.
    gamma: focusing parameter, >= 0.
    normalize: True gives the (weighted) mean over the samples, False the sum.
    sample_weight: (n_samples,), >= 0.
    labels: all classes, where y_true does not hold each of them.
    """
    y_true = column_or_1d(y_true)
    proba = check_array(y_proba, ensure_2d=False, dtype=[numpy.float64, numpy.float32], input_name="y_proba")
    check_consistent_length(y_true, proba, sample_weight)
    classes, codes = _encoded(y_true, labels)
    proba = _positive_column(proba, len(classes))
    options: dict[str, Any] = {"reduction": "mean" if normalize else "sum"}
    if sample_weight is not None:
        options["weights"] = _check_sample_weight(sample_weight, proba, dtype=numpy.float64)
        options["divisor"] = "weights"
    tiny = float(numpy.finfo(proba.dtype).eps)
    if proba.ndim == 1:
        return float(sigmoid_focal_loss(proba, codes, alpha, gamma, input="probabilities", clip=tiny, **options))
    logits = numpy.log(numpy.clip(proba, tiny, 1.0))  # whose softmax is proba, rows made to sum to 1
    return float(softmax_focal_loss(logits, codes, alpha, gamma, **options))


def _encoded(y_true, labels) -> tuple:
    """The sorted classes, and the index among them of each sample."""
    classes = numpy.unique(y_true if labels is None else labels)
    if len(classes) < 2:
        raise ValueError(f"y_true contains only one label, {classes[0]!r}: pass all classes as labels=")
    codes = numpy.searchsorted(classes, y_true).clip(max=len(classes) - 1)
    if not numpy.array_equal(classes[codes], y_true):
        raise ValueError("y_true contains labels that are not in labels=")
    return classes, codes.astype(numpy.int64)


def _positive_column(proba, classes: int):
    """(n,) of the second class where there are two; (n, classes) otherwise."""
    if proba.shape[1:] != (classes,) and not (proba.ndim == 1 and classes == 2):
        raise ValueError(f"y_proba has shape {proba.shape}; y_true and labels have {classes} classes")
    if proba.min(initial=0.0) < 0 or proba.max(initial=0.0) > 1:
        raise ValueError("y_proba holds values outside [0, 1]")
    return numpy.ascontiguousarray(proba[:, 1] if classes == 2 and proba.ndim == 2 else proba)


# ---- Estimator ----------------------------------------------------------------------------------------------------


class FocalLogisticRegression(ClassifierMixin, BaseEstimator):
    """Linear classifier trained with the focal loss by L-BFGS: LogisticRegression with gamma and alpha.

    It minimises the weighted mean of the focal losses plus ||coef||^2 / (2 C sum(weights)); at gamma 0 and alpha off it
    is scikit-learn's LogisticRegression with an L2 penalty. Two classes use the sigmoid family, more use softmax.
    For gamma > 0 the loss is not convex in the scores; the search starts from zero coefficients and, for two classes,
    the constant score of least focal loss.

    Parameters
    ----------
    alpha: two classes: weight of the second in [0, 1]; more: a number, or one a class. None: off.
    gamma: focusing parameter, >= 0.
    C: inverse strength of the penalty, > 0.
    fit_intercept: whether a constant is added to the scores (not penalised).
    class_weight: None, "balanced" or {class: weight}; multiplies the loss of each sample.
    max_iter, tol: of L-BFGS: iterations, and the largest gradient component at which it stops.

    Attributes
    ----------
    classes_: (n_classes,). coef_: (1 or n_classes, n_features). intercept_: (1 or n_classes,). n_iter_: (1,).
    n_features_in_: int. feature_names_in_: where X had names.

    predict takes the class of the largest score. predict_proba gives P(class | x) with the effect of gamma and alpha
    undone (posterior recovery: sigmoid or softmax of a focal-trained score is no probability). With alpha the two may
    therefore differ: alpha moves the decision, not the probability. class_weight moves both, as in LogisticRegression.
    """

    def __init__(self, *, alpha=None, gamma=2.0, C=1.0, fit_intercept=True, class_weight=None, max_iter=1000, tol=1e-4):
        self.alpha = alpha
        self.gamma = gamma
        self.C = C
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X, y, sample_weight=None):
        """X: (n_samples, n_features), dense or sparse. y: (n_samples,). sample_weight: (n_samples,). Returns self."""
        if not self.C > 0:
            raise ValueError(f"C must be > 0; got {self.C!r}")
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=numpy.float64)
        check_classification_targets(y)
        self.classes_, codes = numpy.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"needs samples of at least 2 classes; y contains only one class, {self.classes_[0]!r}")
        weights = _check_sample_weight(sample_weight, X, dtype=numpy.float64, copy=True)
        if numpy.count_nonzero(numpy.bincount(codes, weights)) < 2:
            raise ValueError("needs samples of at least 2 classes; only one class has a weight above 0")
        weights *= compute_class_weight(self.class_weight, classes=self.classes_, y=y, sample_weight=weights)[codes]
        problem = _Problem(X, codes.astype(numpy.int64), weights, self)
        limits = {"maxiter": self.max_iter, "gtol": self.tol, "ftol": 64 * numpy.finfo(float).eps, "maxls": 50}
        result = minimize(problem, problem.start(), jac=True, method="L-BFGS-B", options=limits)
        if not result.success:
            warnings.warn(f"L-BFGS did not converge: {result.message}; raise max_iter or scale X", ConvergenceWarning)
        self.coef_, self.intercept_ = problem.unpack(result.x)
        self.n_iter_ = numpy.array([result.nit])
        return self

    def decision_function(self, X):
        """Scores: (n_samples,) for two classes, else (n_samples, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=numpy.float64, reset=False)
        scores = X @ self.coef_.T + self.intercept_
        return scores.ravel() if len(self.classes_) == 2 else scores

    def predict(self, X):
        """The class of the largest score, (n_samples,)."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]

    def predict_proba(self, X):
        """P(class | x), (n_samples, n_classes), with the effect of gamma and alpha on the scores undone."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return both_classes(posterior(scores, self.alpha, self.gamma))
        alphas = None if numpy.ndim(self.alpha) == 0 else self.alpha
        return softmax_posterior(numpy.ascontiguousarray(scores), alphas, self.gamma)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class _Problem:
    """The objective of one fit as a function of the flat parameters: rows of [coefficients, intercept]."""

    def __init__(self, X, codes, weights, model: FocalLogisticRegression):
        self.X, self.codes, self.weights, self.model = X, codes, weights, model
        classes = len(model.classes_)
        self.loss_and_grad = sigmoid_focal_loss_and_grad if classes == 2 else softmax_focal_loss_and_grad
        self.rows = 1 if classes == 2 else classes
        self.penalty = 1.0 / (model.C * weights.sum())

    def start(self):
        parameters = numpy.zeros((self.rows, self.X.shape[1] + self.model.fit_intercept))
        if self.rows == 1 and self.model.fit_intercept:
            prior = numpy.average(self.codes, weights=self.weights)
            parameters[0, -1] = optimal_score(prior, self.model.alpha, self.model.gamma)
        return parameters.ravel()

    def unpack(self, parameters) -> tuple:
        parameters = parameters.reshape(self.rows, -1)
        if self.model.fit_intercept:
            return parameters[:, :-1], parameters[:, -1]
        return parameters, numpy.zeros(self.rows)

    def __call__(self, parameters) -> tuple:
        coef, intercept = self.unpack(parameters)
        scores = numpy.ascontiguousarray(self.X @ coef.T + intercept)
        loss, slopes = self.loss_and_grad(
            scores.ravel() if self.rows == 1 else scores,
            self.codes,
            self.model.alpha,
            self.model.gamma,
            weights=self.weights,
            divisor="weights",
        )
        slopes = slopes.reshape(-1, self.rows)
        gradient = (self.X.T @ slopes).T + self.penalty * coef
        if self.model.fit_intercept:
            gradient = numpy.column_stack([gradient, slopes.sum(axis=0)])
        return loss + 0.5 * self.penalty * (coef**2).sum(), gradient.ravel()
