"""Filling a focal_args from options with names, and calling the library with it.

This is what the framework adapters build on; it knows addresses and dtype codes, not arrays:

    args = _abi.new_args()                                  # every field at its default
    fill(args, gamma=2.0, alpha=None, reduction="mean")     # named scalar options, checked by name
    args.outer, args.scores, args.score_dtype = n, tensor.data_ptr(), _abi.DTYPE["bf16"]
    args.targets, args.target_dtype = targets.data_ptr(), _abi.DTYPE["f32"]
    args.grad = grad.data_ptr()
    loss = run_reduced(SIGMOID, args)                       # or run(SIGMOID, args); raises FocalLossError

The caller keeps every buffer alive until the call returns. Field names and meanings: `struct focal_args` in
focalloss.h.
"""

from __future__ import annotations

import operator

from . import _abi
from ._abi import addressof, c_double

SIGMOID = _abi.FUNCTIONS["sigmoid"]
SOFTMAX = _abi.FUNCTIONS["softmax"]


class FocalLossError(ValueError):
    """The library refused a call. The message says what was wrong and where; nothing was written to any output.

    status: the library's code, an int (the FOCAL_ERROR_* of focalloss.h).
    name: its name, such as "FOCAL_ERROR_TARGET".
    """

    def __init__(self, status: int, message: str):
        self.status = status
        self.name = _abi.FUNCTIONS["status_string"](status).decode()
        super().__init__(f"{message} ({self.name})")

    def __reduce__(self):
        return _restore, (type(self), self.status, self.args)


def _restore(kind, status, args):
    error = kind(status, "")
    error.args = args
    return error


def check(status: int) -> None:
    """Raises FocalLossError with the library's own message unless status is FOCAL_OK."""
    if status:
        raise FocalLossError(status, _abi.FUNCTIONS["last_error"]().decode(errors="replace"))


def run(function, args) -> None:
    """Calls SIGMOID, SOFTMAX or another function of one focal_args."""
    status = function(addressof(args))
    if status:
        check(status)


def run_reduced(function, args) -> float:
    """The same, and the reduced loss (args.reduction must be sum or mean)."""
    loss = c_double()
    args.reduced_loss = addressof(loss)
    run(function, args)
    return loss.value


# ---- Options ------------------------------------------------------------------------------------------------------

# Options whose value is one of some words. The word is FOCAL_<GROUP>_<WORD> in the header.
CHOICES = {
    "input": _abi.INPUT,
    "soft_rule": _abi.SOFT,
    "smoothing_rule": _abi.SMOOTHING,
    "reduction": _abi.REDUCTION,
    "hessian": _abi.HESSIAN,
    "divisor": {word: code for word, code in _abi.DIVISOR.items() if word != "value"},
}

# Options that None switches off.
OFF = {
    "alpha": _abi.ALPHA_OFF,
    "ignore_index": _abi.LABEL_NONE,
    "background_label": _abi.LABEL_NONE,
    "hessian_floor": _abi.FLOOR_OFF,
    "threads": 0,
}

REALS = {"gamma", "alpha", "clip", "label_smoothing", "pos_weight", "neg_weight"}
REALS |= {"grad_scale", "hessian_scale", "hessian_floor"}

# Bits of each.
INTEGERS = {"threads": 32, "ignore_index": 64, "background_label": 64, "shard_offset": 64, "shard_total": 64}

SCALARS = REALS | INTEGERS.keys() | CHOICES.keys()


def choice(name: str, value) -> int:
    """The code of an option's word; ValueError lists the words."""
    try:
        return CHOICES[name][value]
    except (KeyError, TypeError):
        words = ", ".join(map(repr, CHOICES[name]))
        raise ValueError(f"{name} must be one of {words}; got {value!r}") from None


def real(name: str, value) -> float:
    try:
        if not isinstance(value, str):
            return float(value)
    except (TypeError, ValueError):
        pass
    raise TypeError(f"{name} must be a number; got {value!r}")


def integer(name: str, value, bits: int) -> int:
    """An int that fits; ctypes would cut the high bits off without a word."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer; got {value!r}") from None
    if not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise ValueError(f"{name} is {number}, outside the range of an int{bits}")
    return number


def fill(args, **options) -> None:
    """Sets scalar options by name: those of SCALARS. None switches those of OFF off. divisor also takes a number."""
    for name, value in options.items():
        if value is None and name in OFF:
            setattr(args, name, OFF[name])
        elif name in REALS:
            setattr(args, name, real(name, value))
        elif name == "divisor" and not isinstance(value, str):
            args.divisor, args.divisor_value = _abi.DIVISOR["value"], real(name, value)
        elif name in CHOICES:
            setattr(args, name, choice(name, value))
        elif name in INTEGERS:
            setattr(args, name, integer(name, value, INTEGERS[name]))
        else:
            raise TypeError(f"unknown option {name!r}; the options are {', '.join(sorted(SCALARS))}")
