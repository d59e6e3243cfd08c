"""Helpers for the numbers that users of a focal loss get wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy

from . import _abi
from ._abi import addressof, c_double
from ._arrays import address, as_vector, split, view
from ._call import check, real

if TYPE_CHECKING:
    from ._options import Array, Vector


def _one(name: str, *numbers: float) -> float:
    """Calls a helper of some numbers that writes one."""
    result = c_double()
    check(_abi.FUNCTIONS[name](*numbers, addressof(result)))
    return result.value


def _alpha(alpha) -> float:
    return _abi.ALPHA_OFF if alpha is None else real("alpha", alpha)


def suggest_alpha(positives: float, negatives: float) -> float:
    """alpha by inverse class frequency: negatives / (positives + negatives).

    positives, negatives: counts, >= 0, not both 0. Positives rare: above .5; negatives rare: below .5.

    The known exception is RetinaNet: at gamma 2 its best alpha was .25, because the modulator alone already turns the
    many easy negatives down (Lin et al., table 1b). Try both sides: `python -m focalloss compare` does.
    """
    return _one("suggest_alpha", real("positives", positives), real("negatives", negatives))


def class_balanced_weights(counts: Vector, beta: float = 0.999) -> numpy.ndarray:
    """Weights by effective number of samples: (1 - beta) / (1 - beta^count), scaled to sum to the number of classes.

    counts: samples of each class, >= 0; a class of count 0 gets weight 0. beta: in [0, 1); 0 gives equal weights.
    Returns float64, one a class. Source: Cui et al., "Class-Balanced Loss", CVPR 2019, arXiv:1901.05555.
    """
    numbers = as_vector(counts, "counts")
    weights = numpy.empty_like(numbers)
    function = _abi.FUNCTIONS["class_balanced_weights"]
    check(function(address(numbers), numbers.size, real("beta", beta), address(weights)))
    return weights


def prior_bias(prior: float = 0.01) -> float:
    """The logit of a prior in (0, 1), -log((1 - prior) / prior): RetinaNet's first bias, -4.595 for .01.

    For boosting start at optimal_score instead: from the prior's logit, the exact focal Hessian learns nothing.
    """
    return _one("prior_bias", real("prior", prior))


def optimal_score(prior: float, alpha: float | None = 0.25, gamma: float = 2.0) -> float:
    """The constant score of least expected focal loss where a fraction `prior` in (0, 1) is positive.

    alpha: in (0, 1), or None for off. At gamma > 0 this is not the prior's logit. Start a booster here.
    """
    return _one("optimal_score", real("prior", prior), _alpha(alpha), real("gamma", gamma))


def posterior(scores: Array, alpha: float | None = 0.25, gamma: float = 2.0) -> numpy.ndarray:
    """P(y = 1) from scores that were trained with the binary focal loss of this alpha and gamma.

    The focal loss is not proper: sigmoid(score) is not a probability, this is. scores: any shape; converted to float64.
    Returns float64 of the same shape. Source: Charoenphakdee et al., CVPR 2021, arXiv:2011.09172.
    """
    scores = _float64(scores, "scores")
    result = numpy.empty_like(scores)
    functions = _abi.FUNCTIONS
    check(functions["posterior"](address(scores), scores.size, _alpha(alpha), real("gamma", gamma), address(result)))
    return result


def softmax_posterior(
    scores: Array, alpha: Vector | None = None, gamma: float = 2.0, *, axis: int = -1
) -> numpy.ndarray:
    """P(class) from scores that were trained with the softmax focal loss of this alpha (K values > 0) and gamma.

    scores: classes along `axis`; converted to float64. Returns float64 of the same shape; sums to 1 along `axis`.
    """
    scores = view(scores, "scores")
    classes = split(scores.shape, axis, "scores")[1]
    rows = _float64(numpy.moveaxis(scores, axis, -1), "scores")
    alphas = None if alpha is None else as_vector(alpha, "alpha", classes)
    result = numpy.empty_like(rows)
    check(
        _abi.FUNCTIONS["softmax_posterior"](
            address(rows), rows.size // max(classes, 1), classes, None if alphas is None else address(alphas),
            real("gamma", gamma), address(result),
        )
    )  # fmt: skip
    return numpy.moveaxis(result, -1, axis)


def both_classes(positive: numpy.ndarray) -> numpy.ndarray:
    """(n, 2) probabilities from those of the positive class, as scikit-learn has them."""
    return numpy.column_stack([1 - positive, positive])


def _float64(x, name: str):
    return numpy.ascontiguousarray(view(x, name), dtype=numpy.float64).reshape(numpy.shape(x))
