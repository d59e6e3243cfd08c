"""Focal losses with exact gradients and Hessians, over NumPy arrays, in one fused pass of libfocalloss.

    >>> import focalloss, numpy as np
    >>> loss, grad = focalloss.sigmoid_focal_loss_and_grad(np.float32([2, -1, 0.5]), np.float32([1, 0, 1]))

Two families, never to be confused: sigmoid_* (every score is a binary problem of its own) and softmax_* (the scores of
a sample are one distribution). `focalloss.info()` says what is loaded. Framework adapters are modules of their own
(focalloss.torch, .jax, .keras, .tensorflow, .sklearn, .xgboost, .lightgbm, .catboost), imported only when asked for.
"""

from ._abi import LibraryNotFoundError
from ._call import FocalLossError
from ._helpers import (
    class_balanced_weights,
    optimal_score,
    posterior,
    prior_bias,
    softmax_posterior,
    suggest_alpha,
)
from ._options import BinaryOptions, Options, SigmoidOptions, SoftmaxOptions
from ._runtime import info, set_isa, set_num_threads
from ._sigmoid import (
    binary_cross_entropy,
    binary_cross_entropy_and_grad,
    sigmoid_focal_grad_hess,
    sigmoid_focal_loss,
    sigmoid_focal_loss_and_grad,
    weighted_binary_cross_entropy,
    weighted_binary_cross_entropy_and_grad,
)
from ._softmax import (
    ShardStats,
    cross_entropy,
    cross_entropy_and_grad,
    softmax_focal_grad_hess,
    softmax_focal_loss,
    softmax_focal_loss_and_grad,
    softmax_shard_merge,
    softmax_shard_stats,
)

__version__ = info()["version"]

__all__ = [
    "BinaryOptions",
    "FocalLossError",
    "LibraryNotFoundError",
    "Options",
    "ShardStats",
    "SigmoidOptions",
    "SoftmaxOptions",
    "binary_cross_entropy",
    "binary_cross_entropy_and_grad",
    "class_balanced_weights",
    "cross_entropy",
    "cross_entropy_and_grad",
    "info",
    "optimal_score",
    "posterior",
    "prior_bias",
    "set_isa",
    "set_num_threads",
    "sigmoid_focal_grad_hess",
    "sigmoid_focal_loss",
    "sigmoid_focal_loss_and_grad",
    "softmax_focal_grad_hess",
    "softmax_focal_loss",
    "softmax_focal_loss_and_grad",
    "softmax_posterior",
    "softmax_shard_merge",
    "softmax_shard_stats",
    "suggest_alpha",
    "weighted_binary_cross_entropy",
    "weighted_binary_cross_entropy_and_grad",
]
