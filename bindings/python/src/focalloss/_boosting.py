"""What the boosting adapters share: one objective over raw margins, its metric, starting score and probabilities.

The adapters (xgboost.py, lightgbm.py, catboost.py) know their library's signatures, layouts and signs; this file knows
none of them. Shapes: n rows; K classes where `num_class` is given. Margins are what the trees sum to: binary (n,),
multiclass (n, K) rows or (K, n) class-major.
"""

from __future__ import annotations

from inspect import signature

import numpy
from scipy.optimize import brentq

from . import _abi
from ._arrays import DENSE, REALS, address, as_vector, code_of, dtype_code
from ._call import SIGMOID, SOFTMAX, fill, run, run_reduced
from ._helpers import both_classes, optimal_score, posterior, softmax_posterior

# XGBoost's floor under its own Hessians. None is put under the exact one: raising a negative second derivative to
# almost nothing makes the Newton step explode.
_FLOOR = 1e-16


class BoostingObjective:
    """What the focal objectives of XGBoost, LightGBM and CatBoost share: parameters, start and probabilities.

    alpha: [None] weight of positives in (0, 1), negatives have 1 - alpha; None is off. Multiclass: K weights, one per
        class, or one for all.
    gamma: [2.0] focusing parameter, >= 0; 0 is the (weighted) log loss.
    hessian: ["gauss_newton"] "gauss_newton" (never negative; trains from any start), "exact" (negative where the
        model is badly wrong) or "absolute" (|exact|).
    num_class: [None] None: binary. K >= 2: softmax over K classes, labels 0 .. K-1.
    class_weight: [None] (weight of 0, weight of 1), or K weights: multiply the loss beside alpha.
    hessian_floor: ["auto"] the Hessian is raised to this; "auto" is 1e-16 for gauss_newton and absolute, and off for
        exact. None is off.
    hessian_scale: [None] multiplies the Hessian. None: the factor of the library's own softmax, and for gauss_newton
        1 + gamma besides, the least factor that makes it an upper bound of the exact one (see docs/boosting.md).
    soft_rule: ["interpolate"] what a label between 0 and 1 means (binary): "interpolate", "mixture" or "quality".
    threads: [None] threads for each call; None: see focalloss.set_num_threads.

    Sample weights are read from the library's data and multiply gradient and Hessian here, because no booster does that
    for a custom objective. Objects hold parameters alone: they can be pickled, copied and used by several threads.

    FocalLossError (a ValueError): a parameter is outside its range. It is raised here, not in the first round.
    """

    def __init__(
        self,
        alpha=None,
        gamma=2.0,
        hessian="gauss_newton",
        num_class=None,
        *,
        class_weight=None,
        hessian_floor="auto",
        hessian_scale=None,
        soft_rule="interpolate",
        threads=None,
    ):
        self.alpha = alpha
        self.gamma = gamma
        self.hessian = hessian
        self.num_class = num_class
        self.class_weight = class_weight
        self.hessian_floor = hessian_floor
        self.hessian_scale = hessian_scale
        self.soft_rule = soft_rule
        self.threads = threads
        self._prepare()

    def __init_subclass__(cls) -> None:
        """help() of an adapter's objective shows the parameters too. (Under `python -OO` there are no docstrings.)"""
        super().__init_subclass__()
        if cls.__doc__:
            cls.__doc__ = f"{cls.__doc__.rstrip()}\n\n    {BoostingObjective.__doc__}"

    def __repr__(self):
        """What differs from the defaults."""
        defaults = {name: repr(parameter.default) for name, parameter in signature(type(self)).parameters.items()}
        given = {name: repr(getattr(self, name)) for name in defaults}
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in given.items() if v != defaults[k])})"

    def _prepare(self):
        """Turns the parameters into what focal_args takes, and has the library check them on one row."""
        self._options = {"gamma": self.gamma, "threads": self.threads}
        self._alphas = self._class_weights = None
        if self.num_class is None:
            self._prepare_binary()
        else:
            self._prepare_multiclass()
        self._second = {"hessian": self.hessian, "hessian_floor": self._floor(), "hessian_scale": self._scale()}
        row = numpy.zeros(self.num_class or 1)
        self._derivatives(row if self.num_class is None else row[None], numpy.zeros(1), None, numpy.float64)

    def _prepare_binary(self):
        self._options.update(alpha=self.alpha, soft_rule=self.soft_rule)
        if self.class_weight is not None:
            negative, positive = as_vector(self.class_weight, "class_weight", 2)
            self._options.update(neg_weight=negative, pos_weight=positive)

    def _prepare_multiclass(self):
        if self.num_class < 2:
            raise ValueError(f"num_class is {self.num_class}; it must be None (binary) or at least 2")
        if self.alpha is not None:
            self._alphas = as_vector(numpy.broadcast_to(self.alpha, self.num_class), "alpha", self.num_class)
        if self.class_weight is not None:
            self._class_weights = as_vector(self.class_weight, "class_weight", self.num_class)

    def _floor(self):
        if self.hessian_floor != "auto":
            return self.hessian_floor
        return None if self.hessian == "exact" else _FLOOR

    def _scale(self):
        """The default bounds the exact Hessian h: h <= (1 + gamma) x Gauss-Newton, with equality on easy rows.

        Binary: (1 + g) p |f'| - f'' = g q^g p (L - q) >= 0, since L = -log(1 - q) >= q. Without the factor, steps on
        easy rows are 1 + g times Newton's, and learning_rate means something else at every gamma.
        """
        if self.hessian_scale is not None:
            return self.hessian_scale
        bound = 1.0 + self.gamma if self.hessian == "gauss_newton" else 1.0
        return bound if self.num_class is None else bound * self._softmax_scale(self.num_class)

    @staticmethod
    def _softmax_scale(classes):
        """The factor between the diagonal of softmax's Hessian and what the library's own softmax uses."""
        return 1.0

    # ---- Calls ----------------------------------------------------------------------------------------------------

    def _derivatives(self, scores, y, weight, dtype, class_major=False, **options):
        """Gradient and Hessian in arrays of the scores' shape and of `dtype`, in one pass.

        scores: float32 or float64, C order: (n,), (n, K), or (K, n) where class_major. y: n labels (binary: n targets
        in [0, 1], or as many as scores). weight: None, or n non-negative numbers.
        """
        grad, hess = numpy.empty((2, *scores.shape), dtype)
        if len(y):
            function, args, _keep = self._describe(scores, y, weight, class_major)
            fill(args, **{**self._second, **options})
            args.out_dtype = code_of(grad.dtype)
            args.grad, args.hess = address(grad), address(hess)
            run(function, args)
        return grad, hess

    def _mean_loss(self, scores, y, weight, class_major=False):
        """The weighted mean of the loss: sum of weight x loss over sum of weight; 0 for no rows."""
        if not len(y):
            return 0.0
        function, args, _keep = self._describe(scores, y, weight, class_major)
        fill(args, reduction="mean", divisor=float(len(y) if weight is None else numpy.sum(weight, dtype=float)))
        return run_reduced(function, args)

    def _describe(self, scores, y, weight, class_major):
        """(function, focal_args, buffers to keep alive) of one call, without outputs."""
        args = _abi.new_args()
        fill(args, **self._options)
        scores = _as(scores, REALS)
        args.scores, args.score_dtype = address(scores), dtype_code(scores)
        if self.num_class is None:
            function, targets = SIGMOID, self._describe_binary(args, scores, y)
        else:
            function, targets = SOFTMAX, self._describe_multiclass(args, scores, y, class_major)
        args.targets, args.target_dtype = address(targets), dtype_code(targets)
        if weight is not None:
            weight = _as(weight, REALS)
            if weight.shape != (len(y),):
                raise ValueError(f"weight has shape {weight.shape}; it must be ({len(y)},), one a row")
            args.weights, args.weight_dtype = address(weight), dtype_code(weight)
        return function, args, (scores, targets, weight)

    @staticmethod
    def _describe_binary(args, scores, y):
        targets = _as(y, DENSE)
        if targets.size != scores.size:
            raise ValueError(f"{scores.size} margins for {targets.size} labels; a multiclass model needs num_class")
        args.outer, args.classes = len(targets), scores.size // len(targets)
        return targets

    def _describe_multiclass(self, args, scores, y, class_major):
        rows, classes = len(y), self.num_class
        if scores.shape != ((classes, rows) if class_major else (rows, classes)):
            raise ValueError(f"margins of shape {scores.shape} do not fit num_class {classes} and {rows} labels")
        args.outer, args.classes, args.inner = (1, classes, rows) if class_major else (rows, classes, 1)
        args.target_kind = _abi.TARGETS["labels"]
        for field, values in (("alphas", self._alphas), ("class_weights", self._class_weights)):
            if values is not None:
                setattr(args, field, address(values))
        return _as_labels(y)

    # ---- The starting score ---------------------------------------------------------------------------------------

    def start_score(self, y=None, weight=None, *, prior=None):
        """The constant margin that minimises the expected focal loss: where boosting should start.

        y: labels; weight: None or one a row. Or, where the labels are elsewhere (several machines), prior: the
        weighted share of positives (binary), or of each class (multiclass).
        Returns a float (binary) or K float64 values of mean 0 (multiclass).

        It is not the prior's logit. At gamma > 0 the easy majority counts for less, so the optimum lies nearer to 0;
        and at the logit of a rare prior the exact second derivative of the positives is negative, which boosters turn
        into no split at all. A class that never occurs counts as half a row. Soft labels enter with their mean, which
        is exact for soft_rule="mixture".
        """
        if prior is None:
            prior = self._priors(y, weight)
        if self.num_class is None:
            return optimal_score(prior, self._effective_alpha(), self.gamma)
        return _optimal_scores(as_vector(prior, "prior", self.num_class) * self._effective_alphas(), self.gamma)

    def _priors(self, y, weight):
        y = numpy.asarray(y)
        rows = len(y)
        if not rows:
            raise ValueError("start_score needs at least one label")
        if self.num_class is None:
            share = numpy.average(y.astype(numpy.float64), weights=weight)
            return numpy.clip(share, 0.5 / rows, 1 - 0.5 / rows)
        counts = numpy.bincount(_as_labels(y), weight, minlength=self.num_class)
        shares = numpy.maximum(counts / counts.sum(), 0.5 / rows)
        return shares / shares.sum()

    def _effective_alpha(self):
        """The share of the positives in alpha x class_weight, which is what optimum and posterior depend on."""
        alpha = 0.5 if self.alpha is None else self.alpha
        negative, positive = (1.0, 1.0) if self.class_weight is None else self.class_weight
        return alpha * positive / (alpha * positive + (1 - alpha) * negative)

    def _effective_alphas(self):
        weights = numpy.ones(self.num_class)
        for given in (self._alphas, self._class_weights):
            if given is not None:
                weights = weights * given
        return weights

    # ---- Probabilities --------------------------------------------------------------------------------------------

    def predict_proba(self, raw):
        """Class probabilities (n, 2) or (n, K), float64, from raw margins, as scikit-learn's predict_proba has them.

        raw: margins (n,) or (n, K) of a model that was trained with this objective, the starting score included.

        The focal loss is not proper: it is not smallest where sigmoid(margin) is the probability. This inverts what it
        is smallest at, alpha and class_weight included (Charoenphakdee et al., CVPR 2021, without the weights). Sample
        weights are not known here: probabilities are those of the weighted rows.
        """
        if self.num_class is None:
            return both_classes(posterior(numpy.ravel(raw), self._effective_alpha(), self.gamma))
        rows = numpy.reshape(raw, (-1, self.num_class))
        return softmax_posterior(rows, self._effective_alphas(), self.gamma)


def _as(values, accepted):
    """values as a C-contiguous array of an accepted dtype: without a copy where it is one, else float32."""
    array = numpy.ascontiguousarray(values)
    return array if code_of(array.dtype) in accepted else array.astype(numpy.float32)


def _as_labels(y):
    """Labels as int32; boosters hold them as floats."""
    y = numpy.asarray(y)
    labels = numpy.ascontiguousarray(y, dtype=numpy.int32)
    if y.dtype.kind == "f" and not (labels == y).all():
        raise ValueError("multiclass labels must be whole numbers")
    return labels


def _optimal_scores(weights, gamma):
    """K constant scores (mean 0) that minimise sum_k weights_k F(softmax_k), F(p) = -(1 - p)^gamma log p.

    The derivative along score k vanishes where p_k / A(p_k) = c weights_k with one c for all k, A(p) = -p F'(p). F is
    convex, so p / A(p) = -1 / F'(p) rises from 0 without bound: each p_k follows from c, and c from sum p_k = 1.
    """
    if not (weights > 0).all():
        raise ValueError("a starting score needs a positive weight and prior for every class")
    logs = numpy.log(weights / weights.sum())

    def logits(log_c):
        """The logit of every p_k, by bisection: 64 halvings of a bracket that holds p / A(p) for any double."""
        low, high = numpy.full(logs.shape, -800.0), numpy.full(logs.shape, 800.0)
        for _ in range(64):
            middle = (low + high) / 2
            above = _log_ratio(middle, gamma) > log_c + logs
            low, high = numpy.where(above, low, middle), numpy.where(above, middle, high)
        return (low + high) / 2

    def excess(log_c):
        return numpy.exp(-numpy.logaddexp(0, -logits(log_c))).sum() - 1

    low, high = -1.0, 1.0
    while excess(low) > 0:
        low *= 2
    while excess(high) < 0:
        high *= 2
    log_p = -numpy.logaddexp(0, -logits(brentq(excess, low, high, xtol=1e-13)))
    return log_p - log_p.mean()


def _log_ratio(u, gamma):
    """log(p / A(p)) at p = sigmoid(u), with A = q^g (1 + g p L / q), q = 1 - p and L = -log p."""
    log_p, log_q = -numpy.logaddexp(0, -u), -numpy.logaddexp(0, u)
    with numpy.errstate(divide="ignore"):
        log_loss = numpy.where(u > 30, log_q, numpy.log(numpy.maximum(-log_p, 0)))  # L -> q as p -> 1
    return log_p - gamma * log_q - numpy.log1p(gamma * numpy.exp(log_p + log_loss - log_q))
