"""Arrays in, addresses out: what the package accepts, checked with errors that name the argument.

Inputs are taken without a copy from NumPy arrays, from anything `numpy.from_dlpack` takes on the CPU (PyTorch, JAX,
...) and from the buffer protocol (array.array, memoryview, mmap, ...); lists and numbers are converted.
An input must be C-contiguous, in native byte order and of an accepted dtype; `copy=True` has one that is not converted.
An output is never copied: what does not fit is an error.

    array = as_input(x, "logits", SCORES, copy=False)     # an ndarray that the library can read in place
    code = dtype_code(array)                              # FOCAL_DTYPE_*, bfloat16 included
    where = address(array)                                # an int; keep `array` alive until the call returns
"""

from __future__ import annotations

import math

import numpy

from ._abi import DTYPE, buffer_address

CODES = {
    numpy.dtype(name): DTYPE[code]
    for name, code in {
        "float32": "f32",
        "float64": "f64",
        "float16": "f16",
        "uint8": "u8",
        "bool": "u8",
        "int32": "i32",
        "int64": "i64",
    }.items()
}

_NAMES = {code: dtype.name for dtype, code in CODES.items() if dtype.name != "bool"} | {DTYPE["bf16"]: "bfloat16"}

# What each kind of argument may be, and what copy=True turns other dtypes into.
SCORES = frozenset(DTYPE[name] for name in ("f32", "f64", "bf16", "f16"))
DENSE = frozenset(DTYPE[name] for name in ("f32", "f64", "u8", "i32", "i64"))
LABELS = frozenset(DTYPE[name] for name in ("u8", "i32", "i64"))
REALS = frozenset(DTYPE[name] for name in ("f32", "f64"))
MASK = frozenset([DTYPE["u8"]])

_INTEGERS, _FLOATS = numpy.dtype("int64"), numpy.dtype("float64")
_DLPACK_CPU = 1


def code_of(dtype) -> int | None:
    """The library's code of a numpy dtype, or None. A bool is U8; bfloat16 is known by its name (ml_dtypes)."""
    code = CODES.get(dtype)
    if code is None and dtype.itemsize == 2 and dtype.name == "bfloat16":
        return DTYPE["bf16"]
    return code


def dtype_code(array) -> int:
    """The same of an array that has been through as_input or as_output: what CODES lacks is bfloat16."""
    return CODES.get(array.dtype, DTYPE["bf16"])


def address(array) -> int:
    """Where an array's first element lies."""
    try:
        return buffer_address(array)
    except (TypeError, ValueError, BufferError):  # read-only, empty, or a dtype without a buffer format
        return array.ctypes.data


# ---- Taking what the caller gave ----------------------------------------------------------------------------------


def view(x, name: str):
    """x as an ndarray over the same memory; a list or a number becomes a new one."""
    if type(x) is numpy.ndarray:
        return x
    if isinstance(x, numpy.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, whose mask would be lost: pass its .data, and ignore_mask=")
    if isinstance(x, numpy.ndarray):
        return x.view(numpy.ndarray)
    if hasattr(x, "__dlpack__"):
        return _from_dlpack(x, name)
    try:
        return numpy.asarray(memoryview(x))
    except TypeError:
        return numpy.asarray(x)


def _from_dlpack(x, name: str):
    kind = type(x).__module__.partition(".")[0] + "." + type(x).__name__
    try:
        if x.__dlpack_device__()[0] == _DLPACK_CPU:
            return numpy.from_dlpack(x)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        if hasattr(x, "__array__") and not hasattr(x, "requires_grad"):
            return numpy.asarray(x)  # bfloat16 of JAX, which NumPy takes by __array__ only
        raise TypeError(f"{name} is a {kind} that NumPy cannot view: {error}") from error
    raise TypeError(f"{name} is a {kind} that is not in the CPU's memory; move it there first")


def as_input(x, name: str, accepted: frozenset, copy: bool = False):
    """x as a C-contiguous ndarray in native byte order whose dtype is among `accepted` codes.

    TypeError: dtype or byte order. ValueError: not contiguous. Both name the argument.
    """
    array = view(x, name)
    if CODES.get(array.dtype) in accepted and array.flags.c_contiguous:
        return array
    if code_of(array.dtype) not in accepted:
        if not copy and not _is_plain(x):
            raise TypeError(_dtype_message(array.dtype, name, accepted) + "; or pass copy=True to have it converted")
        array = _converted(array, name, accepted)
    if not array.flags.c_contiguous:
        if not copy:
            raise ValueError(
                f"{name} is not C-contiguous (shape {array.shape}, strides {array.strides} bytes); pass "
                f"numpy.ascontiguousarray({name}), or copy=True to have that done"
            )
        array = numpy.ascontiguousarray(array)
    return array


def _is_plain(x) -> bool:
    """Lists and numbers: they own no buffer, so converting them hides nothing."""
    return isinstance(x, (list, tuple, int, float, numpy.generic))


def _converted(array, name: str, accepted: frozenset):
    """The array in native byte order, and in the widest accepted dtype of its kind."""
    native = array.dtype.newbyteorder("=")
    if code_of(native) in accepted:
        return array.astype(native)
    for kinds, target in (("iub", _INTEGERS), ("iubf", _FLOATS)):
        if native.kind in kinds and CODES[target] in accepted:
            return array.astype(target)
    if code_of(native) == DTYPE["bf16"] and CODES[_FLOATS] in accepted:
        return array.astype(_FLOATS)
    raise TypeError(_dtype_message(array.dtype, name, accepted))


def _dtype_message(dtype, name: str, accepted: frozenset) -> str:
    if not dtype.isnative and code_of(dtype.newbyteorder("=")) in accepted:
        return f"{name} is not in native byte order (dtype {dtype.str!r})"
    names = [_NAMES[code] for code in DTYPE.values() if code in accepted]
    if DTYPE["u8"] in accepted:
        names.append("bool")
    return f"{name} has dtype {dtype}; it must be {_either(names)}"


def _either(words: list) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def as_output(x, name: str, shape: tuple, dtype):
    """x as a writable, C-contiguous ndarray of exactly this shape and dtype over the caller's own memory.

    TypeError: not a buffer, or dtype. ValueError: shape, contiguity, read-only. All name the argument.
    """
    if _is_plain(x) or x is None:
        raise TypeError(f"{name} must be an array to write into; got {type(x).__name__}")
    array = view(x, name)
    if array.dtype != dtype:
        raise TypeError(
            f"{name} has dtype {array.dtype.str if array.dtype.name == dtype.name else array.dtype}; it must be {dtype}"
        )
    expect_shape(array, name, shape)
    if not array.flags.c_contiguous:
        raise ValueError(f"{name} is not C-contiguous (strides {array.strides} bytes); outputs are never copied")
    if not array.flags.writeable:
        raise ValueError(f"{name} is read-only")
    return array


def as_vector(x, name: str, length: int | None = None):
    """One number a class, as float64 values (converted where needed: it is a parameter, not data).

    length: the number of classes; None: whatever x has.
    """
    try:
        array = numpy.ascontiguousarray(view(x, name), dtype=numpy.float64)
    except (TypeError, ValueError):
        count = "" if length is None else f"{length} "
        raise TypeError(f"{name} must be {count}numbers, one a class; got {x!r}") from None
    if length is None:
        length = array.size
    if array.shape != (length,):
        raise ValueError(f"{name} has shape {array.shape}; it must be ({length},), one value a class")
    return array


# ---- Shapes and overlap -------------------------------------------------------------------------------------------


def expect_shape(array, name: str, shape: tuple) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; it must be {shape}")


def split(shape: tuple, axis: int, name: str = "logits") -> tuple:
    """(outer, classes, inner) of a C-ordered shape whose classes run along `axis`."""
    try:
        axis = range(len(shape))[axis]
    except (IndexError, TypeError):
        raise ValueError(f"axis is {axis!r}; {name} has {len(shape)} dimensions") from None
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def without(shape: tuple, axis: int) -> tuple:
    """The shape without that axis: one entry a sample."""
    axis = range(len(shape))[axis]
    return shape[:axis] + shape[axis + 1 :]


def find_overlap(spans: dict, outputs: list, may_equal: set):
    """The first (output, other) pair of names that share memory, or None.

    spans: argument name -> (begin, end) in bytes. may_equal: outputs that may lie exactly on "logits".
    """
    for name in outputs:
        first, last = spans[name]
        for other, (begin, end) in spans.items():
            if last <= begin or end <= first or other == name or first == last or begin == end:
                continue
            if other == "logits" and name in may_equal and begin == first and end == last:
                continue
            return name, other
    return None
