"""The C ABI through ctypes, laid out as the header declares it.

The structure, the constants and the defaults are read from `include/focalloss.h` itself, so that these tests depend on
no binding.  Arrays go in as numpy's; `call` allocates the outputs that are asked for between canaries.

The library is `FOCALLOSS_LIBRARY`, else `build/lib/libfocalloss.so` of this checkout.
"""

import ctypes
import os
from pathlib import Path

import ml_dtypes
import numpy as np
from reference import header

PATH = Path(os.environ.get("FOCALLOSS_LIBRARY") or header.PATH.parents[1] / "build" / "lib" / "libfocalloss.so")

CTYPES = {
    "uint32_t": ctypes.c_uint32,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "size_t": ctypes.c_size_t,
    "double": ctypes.c_double,
    "float": ctypes.c_float,
    "char *": ctypes.c_char_p,
}

DTYPES = {
    np.dtype(np.float32): header.DTYPE_F32,
    np.dtype(np.float64): header.DTYPE_F64,
    np.dtype(ml_dtypes.bfloat16): header.DTYPE_BF16,
    np.dtype(np.float16): header.DTYPE_F16,
    np.dtype(np.uint8): header.DTYPE_U8,
    np.dtype(np.bool_): header.DTYPE_U8,
    np.dtype(np.int32): header.DTYPE_I32,
    np.dtype(np.int64): header.DTYPE_I64,
}
NUMPY = {code: dtype for dtype, code in DTYPES.items() if dtype != np.bool_}

ARRAYS_OF_DOUBLE = ("gammas", "alphas", "class_weights", "pos_weights", "shard_max", "shard_sum", "shard_target")
CANARY = 0xA5
MARGIN = 64  # bytes of canary on either side of an output


class Arguments(ctypes.Structure):
    _fields_ = [(field.name, CTYPES.get(field.type, ctypes.c_void_p)) for field in header.FIELDS]


def ctype(kind):
    """The ctypes type of a C parameter: pointers are addresses."""
    kind = kind.replace("const ", "").strip()
    return CTYPES.get(kind, ctypes.c_void_p)


def load():
    library = ctypes.CDLL(str(PATH))
    for result, name, parameters in header.FUNCTIONS:
        function = getattr(library, name, None)
        if function is None:  # Tests/c/abi says which are missing
            continue
        function.restype = ctype(result)
        function.argtypes = [ctype(kind) for kind, _ in parameters]
    return library


lib = load() if PATH.exists() else None


class Failure(Exception):
    """A call that returned an error: `status` is its name."""

    def __init__(self, status):
        self.code, self.status = status, lib.focal_status_string(status).decode()
        self.message = lib.focal_last_error().decode()
        super().__init__(f"{self.status}: {self.message}")


def check(status):
    if status != header.OK:
        raise Failure(status)


def isas():
    return lib.focal_available_isas().decode().split(",")


def active_isa():
    return lib.focal_isa().decode()


def set_isa(name):
    check(lib.focal_set_isa(None if name is None else name.encode()))


class Output:
    """An output array between two canaries, filled with the canary's byte."""

    def __init__(self, shape, dtype, offset=0):
        dtype = np.dtype(dtype)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        self.raw = np.full(size + 2 * MARGIN + 64, CANARY, np.uint8)
        start = (-self.raw.ctypes.data) % 64 + MARGIN // 2 + offset
        self.before, self.inside, self.after = (
            self.raw[:start],
            self.raw[start : start + size],
            self.raw[start + size :],
        )
        self.array = self.inside.view(dtype) if start % dtype.itemsize == 0 else None
        self.address, self.dtype, self.shape = self.inside.ctypes.data, dtype, shape

    def values(self):
        return np.frombuffer(self.inside.tobytes(), self.dtype).reshape(self.shape)

    def intact(self):
        """Nothing beside the array was written."""
        return bool((self.before == CANARY).all() and (self.after == CANARY).all())

    def untouched(self):
        return self.intact() and bool((self.inside == CANARY).all())


def arguments(keep, **given):
    """The structure with these fields; arrays become addresses, set the dtype beside them and are kept in `keep`."""
    result = Arguments()
    check(lib.focal_args_init(ctypes.addressof(result), ctypes.sizeof(result)))
    for name, value in given.items():
        if isinstance(value, (list, tuple, np.ndarray)):
            value = np.ascontiguousarray(value, np.float64 if name in ARRAYS_OF_DOUBLE else None)
            keep.append(value)
            kind = {"scores": "score_dtype", "targets": "target_dtype", "weights": "weight_dtype"}.get(name)
            if kind and kind not in given:
                setattr(result, kind, DTYPES[value.dtype])
            value = value.ctypes.data
        setattr(result, name, value)
    return result


def output_shapes(args):
    """Shapes of the outputs by name, from the arguments; `family` is the function's name."""
    shape, places = (args.outer, args.classes, args.inner), (args.outer, args.inner)
    return {
        "focal_sigmoid": dict(loss=shape, grad=shape, hess=shape, reduced_loss=()),
        "focal_softmax": dict(
            loss=places,
            grad=shape,
            hess=shape,
            reduced_loss=(),
            probabilities=shape,
            log_sum_exp=places,
            hess_full=(*places, args.classes, args.classes),
        ),
    }


def call(function, outputs=("loss", "grad", "hess"), **given):
    """Calls focal_sigmoid or focal_softmax and returns the named outputs.

    scores and targets are arrays; `grad` given as an array is accumulated into.  Raises Failure.
    """
    keep = []
    args = arguments(keep, **{name: value for name, value in given.items() if name != "grad"})
    dtype = NUMPY[args.out_dtype or args.score_dtype]
    shapes = output_shapes(args)[function]
    results = {name: Output(shapes[name], np.float64 if name == "reduced_loss" else dtype) for name in outputs}
    if "grad" in given:
        results["grad"].inside[:] = np.ascontiguousarray(given["grad"], dtype).reshape(-1).view(np.uint8)
    for name, output in results.items():
        setattr(args, name, output.address)
    check(getattr(lib, function)(ctypes.addressof(args)))
    for name, output in results.items():
        assert output.intact(), f"{function} wrote beside {name}"
    return {name: output.values() for name, output in results.items()}
