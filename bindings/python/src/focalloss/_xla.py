"""libfocalloss as a target of XLA's foreign function interface on the CPU, without a compiler.

XLA hands a handler one call frame: the addresses of operands and results, and attributes. The structs below are those
of xla/ffi/api/c_api.h (which jaxlib ships), up to the last field that is read here; the handler is Python, entered
through ctypes, and releases the interpreter lock while the library computes.

The one attribute of a call, `descriptor`, holds the bytes of its focal_args, followed by the vectors that it points to
(float64). In it an address that is not NULL says "this one is here": operands and results replace these marks in the
order of OPERANDS and RESULTS. `outer` is that of one problem; leading batch dimensions that vmap has added are more of
them.
"""

from __future__ import annotations

import ctypes
import math
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_int64, c_size_t, c_uint32, c_void_p
from typing import Any

from . import _abi
from ._call import FocalLossError, run, run_reduced

OPERANDS = ("scores", "targets", "weights")
VECTORS = ("alphas", "pos_weights")
RESULTS = ("loss", "reduced_loss", "grad", "hess", "hess_full")
HERE = 1

API_VERSION = (0, 1)  # nothing newer is used: XLA takes any minor version up to its own
_METADATA = 1  # XLA_FFI_Extension_Metadata
_INVALID_ARGUMENT, _INTERNAL = 3, 13  # XLA_FFI_Error_Code

# Bytes of each XLA_FFI_DataType that may arrive: pred, s32, s64, u8, f16, f32, f64, bf16.
_SIZES = {1: 1, 4: 4, 5: 8, 6: 1, 10: 2, 11: 4, 12: 8, 16: 2}
_REALS = {11: c_float, 12: c_double}


# ---- The structs of c_api.h ---------------------------------------------------------------------------------------

_BASE = [("struct_size", c_size_t), ("extension_start", c_void_p)]


def _struct(name: str, *fields) -> type[ctypes.Structure]:
    return type(name, (ctypes.Structure,), {"_fields_": [*_BASE, *fields]})


_Buffer = _struct("XLA_FFI_Buffer", ("dtype", c_int), ("data", c_void_p), ("rank", c_int64), ("dims", POINTER(c_int64)))
_Buffers = POINTER(POINTER(_Buffer))
_Args = _struct("XLA_FFI_Args", ("size", c_int64), ("types", c_void_p), ("buffers", _Buffers))
_Attrs = _struct(
    "XLA_FFI_Attrs", ("size", c_int64), ("types", c_void_p), ("names", c_void_p), ("attrs", POINTER(c_void_p))
)
_Version = _struct("XLA_FFI_Api_Version", ("major_version", c_int), ("minor_version", c_int))
_Api = _struct("XLA_FFI_Api", ("api_version", _Version), ("internal_api", c_void_p), ("error_create", c_void_p))
_ErrorArgs = _struct("XLA_FFI_Error_Create_Args", ("message", c_char_p), ("code", c_int))
_Frame = _struct(
    "XLA_FFI_CallFrame",
    ("api", POINTER(_Api)),
    ("ctx", c_void_p),
    ("stage", c_int),
    ("args", _Args),
    ("rets", _Args),
    ("attrs", _Attrs),
)


class _Array(ctypes.Structure):
    _fields_ = [("dtype", c_int), ("size", c_size_t), ("data", c_void_p)]


class _Metadata(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("api_version", _Version), ("traits", c_uint32)]


class _Extension(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("type", c_int), ("next", c_void_p), ("metadata", POINTER(_Metadata))]


_ErrorCreate = ctypes.CFUNCTYPE(c_void_p, POINTER(_ErrorArgs))


# ---- The descriptor -----------------------------------------------------------------------------------------------


def descriptor(args, vectors: dict, operands, results) -> bytes:
    """The attribute of a call. vectors: {field of VECTORS: numbers, one a class}; operands, results: fields present."""
    tail = b""
    for field in VECTORS:
        if field in vectors:
            setattr(args, field, HERE)
            tail += bytes((c_double * args.classes)(*vectors[field]))
    for field in (*operands, *results):
        setattr(args, field, HERE)
    return bytes(args) + tail


def _opened(frame) -> tuple:
    """The focal_args of a call with its vectors in place, and its buffers by field."""
    attribute = _Array.from_address(frame.attrs.attrs[0])
    args = _abi.Args.from_buffer_copy(ctypes.string_at(attribute.data, ctypes.sizeof(_abi.Args)))
    vector = attribute.data + ctypes.sizeof(_abi.Args)
    for field in VECTORS:
        if getattr(args, field):
            setattr(args, field, vector)
            vector += args.classes * ctypes.sizeof(c_double)
    buffers: dict[str, Any] = {}
    for fields, given in ((OPERANDS, frame.args.buffers), (RESULTS, frame.rets.buffers)):
        present = (field for field in fields if getattr(args, field))
        buffers.update((field, given[i].contents) for i, field in enumerate(present))
    return args, buffers


# ---- The handler --------------------------------------------------------------------------------------------------


def _count(buffer) -> int:
    return math.prod(buffer.dims[: buffer.rank])


def _point(args, buffers: dict, problem: int, problems: int) -> None:
    """Sets every address to that of the given problem out of so many that lie one after another."""
    for field, buffer in buffers.items():
        stride = _count(buffer) // problems * _SIZES[buffer.dtype]
        setattr(args, field, buffer.data + problem * stride)


def _execute(function, frame) -> None:
    args, buffers = _opened(frame)
    reduced = buffers.pop("reduced_loss", None)
    if reduced is None:
        args.outer = _count(buffers["scores"]) // max(1, args.classes * args.inner)
        _point(args, buffers, 0, 1)
        run(function, args)
        return
    problems = _count(reduced)
    results = (_REALS[reduced.dtype] * problems).from_address(reduced.data)
    for problem in range(problems):
        _point(args, buffers, problem, problems)
        results[problem] = run_reduced(function, args)


def _describe(metadata) -> None:
    """XLA asks what a handler was written for, once, when it is registered."""
    metadata.api_version.major_version, metadata.api_version.minor_version = API_VERSION


def _error(frame, code: int, message: str) -> int:
    """An XLA_FFI_Error, which XLA owns from here on; JAX raises it as a JaxRuntimeError."""
    arguments = _ErrorArgs(ctypes.sizeof(_ErrorArgs), None, message.encode(), code)
    return _ErrorCreate(frame.api.contents.error_create)(arguments)


def handler(function):
    """An XLA_FFI_Handler that calls `function`, SIGMOID or SOFTMAX. Keep it alive as long as XLA may call it."""

    @ctypes.CFUNCTYPE(c_void_p, POINTER(_Frame))
    def handle(pointer):
        frame = pointer.contents
        try:
            if frame.extension_start:
                extension = _Extension.from_address(frame.extension_start)
                if extension.type == _METADATA:
                    return _describe(extension.metadata.contents)
            return _execute(function, frame)
        except FocalLossError as error:
            return _error(frame, _INVALID_ARGUMENT, str(error))
        except BaseException as error:  # nothing may be raised into XLA
            return _error(frame, _INTERNAL, f"{type(error).__name__}: {error}")

    return handle
