"""One call of a loss family over arrays: takes the arguments in, fills a focal_args, allocates what was asked for.

The order is that of a call: scores and layout, targets, loss parameters, weights, outputs, overlap, run.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy

from . import _abi, _arrays
from ._abi import buffer_address, new_args
from ._arrays import CODES, address, as_input, as_output, as_vector, dtype_code, expect_shape
from ._call import SIGMOID, SOFTMAX, FocalLossError, choice, fill, run, run_reduced
from ._options import SigmoidOptions, SoftmaxOptions

if TYPE_CHECKING:
    from ._options import Loss

# What a function returns: any sum of these.
LOSS, GRAD, HESS, HESS_FULL = 1, 2, 4, 8

_NEEDS = {
    "out": LOSS,
    "grad_out": GRAD,
    "accumulate": GRAD,
    "upstream": GRAD,
    "grad_scale": GRAD | HESS | HESS_FULL,
    "hess_out": HESS | HESS_FULL,
    "hessian_scale": HESS | HESS_FULL,
    "hessian_floor": HESS,
}

# What goes into a field of its own name, as it is.
_SCALARS = {"input", "clip", "soft_rule", "label_smoothing", "smoothing_rule", "background_label", "neg_weight"}
_SCALARS |= {"divisor", "grad_scale", "hessian_scale", "hessian_floor", "threads"}


class Family:
    """What differs between sigmoid and softmax: the function, the options, the shape of one loss value."""

    def __init__(self, function, options: type, softmax: bool):
        self.function = function
        self.softmax = softmax
        names = {"axis", "ignore_index", *options.__annotations__}
        self.allowed = {
            want: frozenset(name for name in names if want & _NEEDS.get(name, want)) for want in range(1, 16)
        }


SIGMOID_FAMILY = Family(SIGMOID, SigmoidOptions, softmax=False)
SOFTMAX_FAMILY = Family(SOFTMAX, SoftmaxOptions, softmax=True)


def evaluate(family: Family, want: int, logits, targets, alpha, gamma, reduction, options, hessian="exact"):
    """Runs one call; returns the one wanted result, or a tuple of them in the order loss, gradient, Hessian."""
    if not options and family is SIGMOID_FAMILY and type(logits) is type(targets) is numpy.ndarray:
        results = _plain(want, logits, targets, alpha, gamma, reduction, hessian)
        if results is not None:
            return results
    call = Call(family, want, reduction, options)
    call.take_scores(logits)
    call.take_targets(targets)
    call.take_parameters(alpha, gamma, hessian)
    if options:
        call.take_weights()
        call.take_extras()
    call.take_outputs()
    return call.run()


def _plain(want: int, logits, targets, alpha, gamma, reduction, hessian):
    """The commonest call in half the time: dense sigmoid arrays without options. The fields are those that Call sets.

    want: LOSS, LOSS | GRAD or GRAD | HESS. None where something is not as it should be: Call then says what. (Softmax
    always has options: axis, ignore_index.)
    """
    dtype, shape = logits.dtype, logits.shape
    try:
        args = new_args(_template(dtype, targets.dtype, want, alpha, gamma, reduction, hessian))
        args.scores, args.targets = buffer_address(logits), buffer_address(targets)
    except (TypeError, ValueError, BufferError):  # among them vectors, and arrays that are read-only, empty or not contiguous
        return None
    if targets.shape != shape:
        return None
    args.outer = logits.size
    if want & GRAD:
        grad = numpy.empty(shape, dtype)
        args.grad = buffer_address(grad)
    if want & HESS:
        hess = numpy.empty(shape, dtype)
        args.hess = buffer_address(hess)
        run(SIGMOID, args)
        return grad, hess
    loss: Loss
    if args.reduction:
        loss = run_reduced(SIGMOID, args)
    else:
        loss = numpy.empty(shape, dtype)
        args.loss = buffer_address(loss)
        run(SIGMOID, args)
    return (loss, grad) if want & GRAD else loss


@functools.lru_cache(maxsize=256, typed=True)
def _template(dtype, target_dtype, want, alpha, gamma, reduction, hessian):
    """What plain calls of one kind share. TypeError or ValueError where a dtype or an option is not as it should be."""
    args = new_args()
    args.score_dtype, args.target_dtype = CODES.get(dtype, 0), CODES.get(target_dtype, 0)
    if args.score_dtype not in _arrays.SCORES or args.target_dtype not in _arrays.DENSE:
        raise TypeError
    if alpha == 0:  # 0.0 and -0.0 would share a place, and are not the same weight
        raise ValueError
    fill(args, alpha=alpha, gamma=gamma, reduction=reduction)
    if want & HESS:
        fill(args, hessian=hessian)
    return args


class Call:
    """The state of one call: the focal_args and every array it points at."""

    __slots__ = (
        "family", "want", "options", "args", "keep", "spans", "given", "results", "copy", "reduced",
        "shape", "dtype", "axis", "sample", "labels", "split", "out_dtype",
    )  # fmt: skip

    def __init__(self, family: Family, want: int, reduction, options: dict):
        if options and not options.keys() <= family.allowed[want]:
            extra = sorted(options.keys() - family.allowed[want])
            raise TypeError(f"{extra[0]!r} is no option here; these are: {', '.join(sorted(family.allowed[want]))}")
        self.family, self.want, self.options = family, want, options
        self.args = new_args()
        self.args.reduction = self.reduced = choice("reduction", reduction)
        self.copy = bool(options.get("copy"))
        self.keep: list = []  # every array that the call reads, alive until it returns
        self.spans: dict = {}  # argument name -> (begin, end) of its memory, new outputs excepted
        self.given: list = []  # names of the outputs that are the caller's
        self.results: list = []

    # ---- Inputs

    def use(self, name: str, array) -> int:
        """Keeps an array alive, remembers where it lies, and gives its address."""
        begin = address(array)
        self.keep.append(array)
        self.spans[name] = begin, begin + array.nbytes
        return begin

    def take_scores(self, logits) -> None:
        array = as_input(logits, "logits", _arrays.SCORES, self.copy)
        self.shape, self.dtype, self.axis = array.shape, array.dtype, self.options.get("axis", -1)
        self.sample: tuple = ()  # set by use_classes, and so is split
        self.split = False
        self.args.outer = array.size
        self.args.scores, self.args.score_dtype = self.use("logits", array), dtype_code(array)
        if self.family.softmax or "axis" in self.options:
            self.use_classes()

    def use_classes(self) -> None:
        """Lays the scores out as [outer, classes, inner]; without this they are independent, whatever their shape."""
        if not self.split:
            args = self.args
            args.outer, args.classes, args.inner = _arrays.split(self.shape, self.axis)
            self.sample, self.split = _arrays.without(self.shape, self.axis), True

    def sample_shape(self) -> tuple:
        self.use_classes()
        return self.sample

    def element_shape(self) -> tuple:
        """The shape of what an ignore mask, an upstream gradient or a loss has: one entry an element."""
        return self.sample if self.family.softmax else self.shape

    def take_targets(self, targets) -> None:
        array = as_input(targets, "targets", _arrays.DENSE, self.copy)
        asked = self.options.get("labels")
        self.labels = array.shape != self.shape if asked is None else bool(asked)
        args = self.args
        if self.labels:
            self.expect_labels(array, asked)
            args.target_kind = _abi.TARGETS["labels"]
        else:
            expect_shape(array, "targets", self.shape)
        args.targets, args.target_dtype = self.use("targets", array), dtype_code(array)
        if not self.options.get("check_targets", True):
            args.target_check = _abi.TARGETS["trusted"]

    def expect_labels(self, array, asked) -> None:
        shapes = f"{self.shape} (dense)"
        if self.shape:
            shapes += f" or {self.sample_shape()} (integer labels along axis {self.axis})"
        if not self.shape or array.shape != self.sample:
            raise ValueError(f"targets has shape {array.shape}; it must be {shapes}")
        if dtype_code(array) not in _arrays.LABELS:
            raise TypeError(
                f"targets has shape {array.shape}, so it holds labels, which must be integers; its dtype is "
                f"{array.dtype}. Dense targets have shape {self.shape}"
            )
        if asked is None and self.args.classes == 1 and not self.family.softmax:
            raise ValueError(
                f"targets has shape {array.shape} and logits {self.shape}, one class: pass targets of shape "
                f"{self.shape} (0 or 1), or labels=True for class indices"
            )

    # ---- The loss

    def take_parameters(self, alpha, gamma, hessian) -> None:
        args, options = self.args, self.options
        self.set_number_or_vector("alpha", alpha)
        self.set_number_or_vector("gamma", gamma)
        if self.want & (HESS | HESS_FULL):
            args.hessian = choice("hessian", hessian)
        if options:
            if "pos_weight" in options:
                self.set_number_or_vector("pos_weight", options["pos_weight"])
            fill(args, **{name: value for name, value in options.items() if name in _SCALARS})
            if "ignore_index" in options and (self.labels or not self.family.softmax):
                fill(args, ignore_index=options["ignore_index"])

    def set_number_or_vector(self, name: str, value) -> None:
        """alpha, gamma or pos_weight: a number, or one a class (the field with an s)."""
        if type(value) is float:
            setattr(self.args, name, value)
        elif value is None or isinstance(value, (int, str)) or numpy.ndim(value) == 0:
            fill(self.args, **{name: value})
        else:
            setattr(self.args, name + "s", self.use(name, as_vector(value, name, self.class_count())))

    def class_count(self) -> int:
        """Classes that a vector of parameters must have: over all shards, where there are any."""
        self.use_classes()
        shard = self.options.get("shard")
        return self.args.classes if shard is None else shard.total

    def take_weights(self) -> None:
        args, options = self.args, self.options
        if options.get("class_weights") is not None:
            vector = as_vector(options["class_weights"], "class_weights", self.class_count())
            args.class_weights = self.use("class_weights", vector)
        if options.get("weights") is not None:
            array = as_input(options["weights"], "weights", _arrays.REALS, self.copy)
            args.weight_layout = self.weight_layout(array)
            args.weights, args.weight_dtype = self.use("weights", array), dtype_code(array)
        if options.get("ignore_mask") is not None:
            array = as_input(options["ignore_mask"], "ignore_mask", _arrays.MASK, self.copy)
            expect_shape(array, "ignore_mask", self.sample_shape() if self.labels else self.element_shape())
            args.ignore_mask = self.use("ignore_mask", array)

    def weight_layout(self, array) -> int:
        if not self.family.softmax and array.shape == self.shape:
            return _abi.WEIGHTS["element" if self.split else "sample"]
        if self.shape and array.shape == self.sample_shape():
            return _abi.WEIGHTS["sample"]
        shapes = ([] if self.family.softmax else [self.shape]) + ([self.sample] if self.shape else [])
        raise ValueError(f"weights has shape {array.shape}; it must be {' or '.join(map(str, shapes))}")

    def take_extras(self) -> None:
        """What only the softmax family has, and what belongs to the gradient."""
        args, options = self.args, self.options
        shard = options.get("shard")
        if shard is not None:
            for field, array in zip(("max", "sum", "target"), shard):
                array = as_input(array, f"shard.{field}", frozenset([_abi.DTYPE["f64"]]))
                expect_shape(array, f"shard.{field}", self.sample)
                setattr(args, f"shard_{field}", self.use(f"shard.{field}", array))
            fill(args, shard_offset=shard.offset, shard_total=shard.total)
        if options.get("accumulate"):
            if options.get("grad_out") is None:
                raise ValueError("accumulate=True needs grad_out, the array to add to")
            args.accumulate = 1

    # ---- Outputs

    def take_outputs(self) -> None:
        args, options, want, shape = self.args, self.options, self.want, self.shape
        self.out_dtype = self.output_dtype()
        if options and options.get("upstream") is not None:
            array = as_input(options["upstream"], "upstream", frozenset([_arrays.code_of(self.out_dtype)]), self.copy)
            expect_shape(array, "upstream", self.element_shape())
            args.upstream = self.use("upstream", array)
        if want & LOSS:
            self.take_loss()
        if want & GRAD:
            args.grad = self.write("grad_out", shape)
        if want & HESS:
            args.hess = self.write("hess_out", shape)
        if want & HESS_FULL:
            args.hess_full = self.write("hess_out", self.sample + (args.classes, args.classes))
        for name in ("probabilities", "log_sum_exp"):
            if options and options.get(name + "_out") is not None:
                setattr(args, name, self.write(name + "_out", shape if name == "probabilities" else self.sample))
                self.results.pop()
        if self.given:
            self.refuse_overlap()

    def output_dtype(self):
        dtype = self.dtype
        asked = self.options.get("out_dtype")
        if asked is not None and numpy.dtype(asked) != dtype:
            dtype = numpy.dtype(asked)
            if _arrays.code_of(dtype) not in _arrays.REALS:
                raise TypeError(f"out_dtype must be float32, float64 or the logits' dtype; got {dtype}")
            self.args.out_dtype = _arrays.code_of(dtype)
        return dtype

    def take_loss(self) -> None:
        if not self.reduced:
            self.args.loss = self.write("out", self.element_shape())
        elif self.options and self.options.get("out") is not None:
            self.args.reduced_loss = self.write("out", (), numpy.dtype("float64"))
        else:
            self.results.append(None)  # run_reduced brings the number

    def write(self, name: str, shape: tuple, dtype=None) -> int:
        """The address of an output: the caller's array, checked, or a new one."""
        given = self.options.get(name) if self.options else None
        if given is None:
            array = numpy.empty(shape, self.out_dtype)
            self.results.append(array)
            return address(array)
        self.given.append(name)
        self.results.append(given)
        return self.use(name, as_output(given, name, shape, dtype or self.out_dtype))

    def refuse_overlap(self) -> None:
        in_place = {"grad_out"} if self.family.softmax or self.reduced else {"grad_out", "out"}
        found = _arrays.find_overlap(self.spans, self.given, in_place)
        if found:
            raise FocalLossError(_abi.ERROR["overlap"], f"{found[0]} overlaps {found[1]}")

    # ---- The call itself

    def run(self):
        results, function = self.results, self.family.function
        if results[0] is None:
            results[0] = run_reduced(function, self.args)
        else:
            run(function, self.args)
        return results[0] if len(results) == 1 else tuple(results)
