"""The C ABI of libfocalloss, as ctypes sees it: nothing else here touches ctypes (but `_xla`, for JAX).

It loads the shared library, declares `struct focal_args` and every prototype of focalloss.h, and holds the header's
constants. Nothing above this file needs ctypes; adapters use `focalloss._call`, which takes plain addresses.

The library is looked for in this order; the first that is there is taken:

1. the file that the environment variable FOCALLOSS_LIBRARY names (nothing else is tried when it is set),
2. the file that the wheel carries, `lib/libfocalloss.so.0` beside this package,
3. `libfocalloss.so.0` wherever the system's loader finds it.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import addressof, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint32, c_void_p, sizeof

ABI_VERSION = 0
SONAME = f"libfocalloss.so.{ABI_VERSION}"
PACKAGED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib", SONAME)
ENVIRONMENT = "FOCALLOSS_LIBRARY"

# ---- Constants: GROUP["name"] is FOCAL_GROUP_NAME of focalloss.h -------------------------------------------------

OK = 0
ERROR = {"null": 1, "size": 2, "value": 3, "option": 4, "target": 5, "overlap": 6, "unsupported": 7, "isa": 8}
DTYPE = {"f32": 1, "f64": 2, "bf16": 3, "f16": 4, "u8": 5, "i32": 6, "i64": 7}
INPUT = {"logits": 0, "probabilities": 1}
TARGETS = {"dense": 0, "labels": 1, "checked": 0, "trusted": 1}
SOFT = {"interpolate": 0, "mixture": 1, "quality": 2}
SMOOTHING = {"targets": 0, "ce": 1}
WEIGHTS = {"sample": 0, "element": 1}
REDUCTION = {"none": 0, "sum": 1, "mean": 2}
DIVISOR = {"valid": 0, "elements": 1, "weights": 2, "positives": 3, "value": 4}
HESSIAN = {"exact": 0, "absolute": 1, "gauss_newton": 2}

ALPHA_OFF = -1.0
LABEL_NONE = -(2**63)
FLOOR_OFF = -1.7976931348623157e308


class Args(ctypes.Structure):
    """`struct focal_args`: one call's arguments, field by field as the header has them (and documents them)."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("threads", c_int32),
        ("outer", c_int64),
        ("classes", c_int64),
        ("inner", c_int64),
        ("scores", c_void_p),
        ("score_dtype", c_int32),
        ("input", c_int32),
        ("clip", c_double),
        ("targets", c_void_p),
        ("target_dtype", c_int32),
        ("target_kind", c_int32),
        ("target_check", c_int32),
        ("soft_rule", c_int32),
        ("smoothing_rule", c_int32),
        ("weight_layout", c_int32),
        ("ignore_index", c_int64),
        ("background_label", c_int64),
        ("ignore_mask", c_void_p),
        ("label_smoothing", c_double),
        ("gamma", c_double),
        ("gammas", c_void_p),
        ("alpha", c_double),
        ("alphas", c_void_p),
        ("weights", c_void_p),
        ("weight_dtype", c_int32),
        ("reduction", c_int32),
        ("class_weights", c_void_p),
        ("pos_weights", c_void_p),
        ("pos_weight", c_double),
        ("neg_weight", c_double),
        ("divisor_value", c_double),
        ("divisor", c_int32),
        ("accumulate", c_int32),
        ("grad_scale", c_double),
        ("upstream", c_void_p),
        ("hessian_scale", c_double),
        ("hessian_floor", c_double),
        ("hessian", c_int32),
        ("out_dtype", c_int32),
        ("loss", c_void_p),
        ("reduced_loss", c_void_p),
        ("grad", c_void_p),
        ("hess", c_void_p),
        ("hess_full", c_void_p),
        ("probabilities", c_void_p),
        ("log_sum_exp", c_void_p),
        ("shard_max", c_void_p),
        ("shard_sum", c_void_p),
        ("shard_target", c_void_p),
        ("shard_offset", c_int64),
        ("shard_total", c_int64),
        ("parallel_for", c_void_p),
        ("parallel_context", c_void_p),
    ]


# ---- Prototypes: name without focal_ -> (result, arguments). Buffers are addresses (c_void_p takes a plain int). ----

_P, _D, _I, _N = c_void_p, c_double, c_int32, c_size_t

_PROTOTYPES = {
    "args_init": (_I, [_P, _N]),
    "sigmoid": (_I, [_P]),
    "softmax": (_I, [_P]),
    "softmax_shard_stats": (_I, [_P]),
    "softmax_shard_merge": (_I, [c_int64, _P, _P, _P, _P, _P, _P]),
    "suggest_alpha": (_I, [_D, _D, _P]),
    "class_balanced_weights": (_I, [_P, _N, _D, _P]),
    "prior_bias": (_I, [_D, _P]),
    "optimal_score": (_I, [_D, _D, _D, _P]),
    "posterior": (_I, [_P, _N, _D, _D, _P]),
    "softmax_posterior": (_I, [_P, _N, _N, _P, _D, _P]),
    "version": (c_char_p, []),
    "abi_version": (_I, []),
    "status_string": (c_char_p, [_I]),
    "last_error": (c_char_p, []),
    "isa": (c_char_p, []),
    "available_isas": (c_char_p, []),
    "set_isa": (_I, [c_char_p]),
    "set_num_threads": (_I, [_I]),
    "get_num_threads": (_I, []),
}

_SHORT = {
    "sigmoid_loss": [_P, _P, _N, _D, _D, _I, _P, _P],
    "sigmoid_grad_hess": [_P, _P, _N, _D, _D, _I, _P, _P],
    "sigmoid_label_loss": [_P, _P, _N, _N, _D, _D, _I, _P, _P],
    "bce": [_P, _P, _N, _I, _P, _P],
    "weighted_bce": [_P, _P, _N, _D, _D, _I, _P, _P],
    "softmax_loss": [_P, _P, _N, _N, _P, _D, _I, _P, _P],
    "softmax_grad_hess": [_P, _P, _N, _N, _P, _D, _I, _P, _P],
}

_PROTOTYPES.update({f"{name}_{t}": (_I, arguments) for name, arguments in _SHORT.items() for t in ("f32", "f64")})


# ---- Loading ------------------------------------------------------------------------------------------------------


class LibraryNotFoundError(ImportError):
    """libfocalloss.so cannot be loaded; the message names every place that was looked at."""


def _candidates() -> list[str]:
    named = os.environ.get(ENVIRONMENT)
    return [named] if named else [PACKAGED, SONAME]


def _open() -> tuple[ctypes.CDLL, str]:
    """The first candidate that loads, and its name. CDLL, so that calls release the GIL."""
    tried = []
    for path in _candidates():
        try:
            return ctypes.CDLL(path), path
        except OSError as error:
            tried.append(f"  {path}: {error}")
    origin = f"the environment's {ENVIRONMENT}" if os.environ.get(ENVIRONMENT) else f"{ENVIRONMENT} is not set"
    raise LibraryNotFoundError(
        f"cannot load libfocalloss. Looked at ({origin}):\n" + "\n".join(tried) + "\nInstall a wheel of focalloss, or "
        f"build the library with `make lib` and set {ENVIRONMENT} to the path of build/lib/libfocalloss.so."
    )


def _declare(library: ctypes.CDLL, path: str) -> dict:
    """Every function of the header with its types set, by its name without `focal_`."""
    functions = {}
    for name, (result, arguments) in _PROTOTYPES.items():
        try:
            function = getattr(library, f"focal_{name}")
        except AttributeError:
            raise ImportError(f"{path} has no focal_{name}: it is not the libfocalloss of this package") from None
        function.restype, function.argtypes = result, arguments
        functions[name] = function
    return functions


def _defaults(functions: dict, path: str) -> Args:
    """A filled focal_args to copy from, after the checks that library and package fit each other."""
    found = functions["abi_version"]()
    if found != ABI_VERSION:
        raise ImportError(f"{path} has ABI version {found}; this package needs {ABI_VERSION}")
    args = Args()
    if functions["args_init"](addressof(args), sizeof(Args)) != OK:
        raise ImportError(f"{path} is older than this package: {functions['last_error']().decode()}")
    return args


_library, LIBRARY = _open()
FUNCTIONS = _declare(_library, LIBRARY)
_DEFAULTS = _defaults(FUNCTIONS, LIBRARY)


def new_args(template: Args = _DEFAULTS, _copy=Args.from_buffer_copy) -> Args:
    """A copy of a focal_args; of the one with every field at its default, if nothing is given."""
    return _copy(template)


def buffer_address(buffer, _view=ctypes.c_char.from_buffer, _address=addressof) -> int:
    """The address of a writable, C-contiguous, non-empty buffer; TypeError, ValueError or BufferError otherwise."""
    return _address(_view(buffer))


def loaded_path() -> str:
    """The file that the loader really mapped (candidate 3 is only a name)."""
    if os.path.sep in LIBRARY:
        return os.path.abspath(LIBRARY)
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            if os.path.basename(line.rstrip("\n")).startswith("libfocalloss.so"):
                return line.split(maxsplit=5)[5].rstrip("\n")
    return LIBRARY
