"""What a loss is apart from its arrays: plain, hashable values, which a framework can cache and write into a graph.

The adapters that hand raw buffers to the library (torch, jax) share this; the others go through the NumPy functions.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from . import _abi
from ._call import SIGMOID, SOFTMAX, fill


class Settings(NamedTuple):
    """Scalar options by their names in focalloss.Options; None is off. `softmax`: which family; `labels`: what targets
    are; `divisor_value`: a number instead of `divisor`."""

    softmax: bool
    labels: bool
    alpha: float | None
    gamma: float
    reduction: str
    divisor: str
    divisor_value: float | None
    label_smoothing: float
    smoothing_rule: str
    soft_rule: str
    ignore_index: int | None
    background_label: int | None
    pos_weight: float = 1.0
    input: str = "logits"
    clip: float = 0.0

    @property
    def function(self):
        return SOFTMAX if self.softmax else SIGMOID


@functools.lru_cache(maxsize=256)
def _template(settings: Settings):
    options = settings._asdict()
    del options["softmax"], options["labels"]
    number = options.pop("divisor_value")
    if number is not None:
        options["divisor"] = number
    args = _abi.new_args()
    fill(args, **options)
    args.target_kind = _abi.TARGETS["labels" if settings.labels else "dense"]
    return args


def new_args(settings: Settings):
    """A focal_args with these settings; shapes, buffers and outputs are the caller's to fill in."""
    return _abi.new_args(_template(settings))
