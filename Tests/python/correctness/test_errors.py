"""Bad input: a table of every status, what the message names, and canaries showing that nothing was written."""

import ctypes
import subprocess
import sys
import threading
from dataclasses import dataclass

import numpy as np
import pytest
from library import PATH, Arguments, Output, arguments, isas, lib, output_shapes
from reference import header

SHAPE = OUTER, CLASSES, INNER = 3, 5, 2
NAN, INF = float("nan"), float("inf")
PROBABILITIES, LABELS, DENSE = header.INPUT_PROBABILITIES, header.TARGETS_LABELS, header.TARGETS_DENSE
MEAN = header.REDUCTION_MEAN
SIGMOID, SOFTMAX = "focal_sigmoid", "focal_softmax"


@dataclass(frozen=True)
class Row:
    """One bad call: the changes to a good one, the status, and a word that the message must have."""

    function: str
    changes: dict
    status: str
    word: str

    def __str__(self):
        changes = ", ".join(f"{k}={v if np.ndim(v) == 0 else '...'}" for k, v in self.changes.items())
        return f"{self.function[6:]}({changes})"


def rows(status, word, *changes, functions=(SIGMOID, SOFTMAX)):
    return [
        Row(function, change, "FOCAL_ERROR_" + status, word or next(iter(change)))
        for change in changes
        for function in functions
    ]


def each(name, *values):
    return [{name: value} for value in values]


def classes_with(value, place=2):
    values = np.ones(CLASSES)
    values[place] = value
    return values


def dense_with(value, dtype, place=17):
    values = np.zeros(SHAPE, dtype)
    values.flat[place] = value
    return values


def labels_with(value, dtype=np.int64, place=4):
    values = np.zeros((OUTER, INNER), dtype)
    values.flat[place] = value
    return values


HUGE = 1 << 62
CONSTANTS = (
    "score_dtype", "target_dtype", "target_kind", "target_check", "soft_rule", "smoothing_rule", "reduction", "hessian",
    "out_dtype", "weight_layout", "input", "divisor",
)  # fmt: skip

TABLE = [
    *rows("NULL", None, dict(scores=None), dict(targets=None)),
    *rows("SIZE", None, *each("outer", -1, HUGE), *each("classes", -1, 0, HUGE), *each("inner", -1, HUGE)),
    *rows("SIZE", None, dict(outer=1 << 31, inner=1 << 31), dict(outer=1 << 61, classes=1, inner=1)),
    *rows("SIZE", None, *each("struct_size", 0, 1, 1 << 20)),
    *rows("VALUE", None, *each("gamma", -1.0, NAN, INF), *each("alpha", -0.5, NAN, INF)),
    *rows("VALUE", None, *each("label_smoothing", -0.1, 1.5, NAN)),
    *rows("VALUE", None, *each("grad_scale", NAN, INF), *each("hessian_scale", NAN, INF), *each("threads", -1)),
    *rows("VALUE", "alphas[2]", *each("alphas", *map(classes_with, (-0.5, NAN, INF)))),
    *rows("VALUE", "class_weights[2]", *each("class_weights", *map(classes_with, (-1.0, NAN, INF)))),
    *rows(
        "VALUE",
        "divisor_value",
        *(dict(divisor_value=value, reduction=MEAN, divisor=header.DIVISOR_VALUE) for value in (0.0, -1.0, NAN, INF)),
    ),
    *rows("VALUE", None, dict(hessian_floor=NAN)),
    *rows(
        "VALUE", None, *each("pos_weight", -1.0, NAN, INF), *each("neg_weight", -1.0, NAN, INF), functions=(SIGMOID,)
    ),
    *rows("VALUE", None, *each("alpha", 1.5), functions=(SIGMOID,)),
    *rows("VALUE", "clip", *(dict(clip=clip, input=PROBABILITIES) for clip in (-0.1, 0.5, NAN)), functions=(SIGMOID,)),
    *rows("VALUE", "pos_weights[2]", *each("pos_weights", *map(classes_with, (-1.0, NAN, INF))), functions=(SIGMOID,)),
    *rows("VALUE", "alphas[2]", *each("alphas", classes_with(1.5)), functions=(SIGMOID,)),
    *rows("VALUE", "gammas[2]", *each("gammas", *map(classes_with, (-1.0, NAN, INF))), functions=(SOFTMAX,)),
    *rows("OPTION", None, *({name: value} for name in CONSTANTS for value in (-1, 99))),
    *rows(
        "OPTION", None, *each("score_dtype", header.DTYPE_U8, header.DTYPE_I32), *each("out_dtype", header.DTYPE_I64)
    ),
    *rows("OPTION", None, *each("target_dtype", header.DTYPE_BF16, header.DTYPE_F16)),
    *rows("OPTION", None, dict(target_dtype=header.DTYPE_F32), functions=(SOFTMAX,)),  # labels are integers
    *rows("OPTION", "weight_dtype", dict(weight_dtype=header.DTYPE_U8, weights=np.ones((OUTER, INNER), np.float32))),
    *rows("OPTION", None, *each("accumulate", -1, 2)),
    *rows("TARGET", "targets[17] is 1.5", dict(targets=dense_with(1.5, np.float32)), functions=(SIGMOID,)),
    *rows("TARGET", "targets[17] is -0.25", dict(targets=dense_with(-0.25, np.float64)), functions=(SIGMOID,)),
    *rows("TARGET", "targets[17] is nan", dict(targets=dense_with(NAN, np.float32)), functions=(SIGMOID,)),
    *rows(
        "TARGET",
        "targets[17] is 2",
        *each("targets", *(dense_with(2, t) for t in (np.uint8, np.int32, np.int64))),
        functions=(SIGMOID,),
    ),
    *rows(
        "TARGET",
        "targets[17] is -1",
        *each("targets", *(dense_with(-1, t) for t in (np.int32, np.int64, np.float32))),
        functions=(SIGMOID,),
    ),
    *rows(
        "TARGET",
        "targets[4] is 5",
        *(dict(targets=labels_with(5, t), target_kind=LABELS) for t in (np.uint8, np.int32, np.int64)),
        *(dict(targets=labels_with(5, t), target_kind=LABELS, ignore_index=0) for t in (np.uint8, np.int32, np.int64)),
    ),
    *rows(
        "TARGET",
        "targets[4] is -1",
        *(dict(targets=labels_with(-1, t), target_kind=LABELS) for t in (np.int32, np.int64)),
    ),
    *rows("TARGET", f"targets[4] is {1 << 40}", dict(targets=labels_with(1 << 40), target_kind=LABELS)),
    *rows("TARGET", f"targets[4] is {(1 << 32) + 1}", dict(targets=labels_with((1 << 32) + 1), target_kind=LABELS)),
    *rows(
        "TARGET",
        "targets[17] is 1.5",
        dict(targets=dense_with(1.5, np.float32), target_kind=DENSE),
        functions=(SOFTMAX,),
    ),
    *rows("UNSUPPORTED", "reduced_loss", dict(reduction=header.REDUCTION_NONE)),
    *rows("UNSUPPORTED", "gammas", dict(gammas=classes_with(1.0)), functions=(SIGMOID,)),
    *rows("UNSUPPORTED", "soft_rule", dict(soft_rule=header.SOFT_QUALITY), functions=(SOFTMAX,)),
    *rows("UNSUPPORTED", "input", dict(input=PROBABILITIES), functions=(SOFTMAX,)),
    *rows(
        "UNSUPPORTED",
        "weight_layout",
        dict(weight_layout=header.WEIGHTS_ELEMENT, weights=np.ones(SHAPE, np.float32)),
        functions=(SOFTMAX,),
    ),
    *rows("UNSUPPORTED", "pos_weights", dict(pos_weights=classes_with(1.0)), functions=(SOFTMAX,)),
    *rows("UNSUPPORTED", None, dict(pos_weight=2.0), dict(neg_weight=2.0), functions=(SOFTMAX,)),
    *rows(
        "UNSUPPORTED",
        "gammas",
        dict(gammas=classes_with(1.0), targets=dense_with(0, np.float32), target_kind=DENSE),
        functions=(SOFTMAX,),
    ),
]


def good(function, keep, **changes):
    """Arguments of a call that is right but for the changes, with every common output between canaries."""
    given = dict(
        outer=OUTER,
        classes=CLASSES,
        inner=INNER,
        scores=np.zeros(SHAPE, np.float32),
        targets=np.zeros(SHAPE, np.float32),
        reduction=header.REDUCTION_SUM,
    )
    if function == SOFTMAX:
        given.update(targets=np.zeros((OUTER, INNER), np.int32), target_kind=LABELS)
    late = {name: changes.pop(name) for name in list(changes) if name.endswith("_dtype") or name == "struct_size"}
    args = arguments(keep, **given)
    shapes = output_shapes(args)[function]
    for name, value in vars_of(keep, changes).items():
        setattr(args, name, value)
    for name, value in late.items():
        setattr(args, name, value)
    outputs = {name: Output(shapes[name], np.float64) for name in ("loss", "grad", "hess", "reduced_loss")}
    for name, output in outputs.items():
        setattr(args, name, output.address)
    return args, outputs


def vars_of(keep, changes):
    """The fields that the changes set, dtypes beside arrays included."""
    plain = arguments(keep, **changes)
    names = set(changes) | {
        f"{name[:-1]}_dtype" for name in ("targets", "scores", "weights") if isinstance(changes.get(name), np.ndarray)
    }
    return {name: getattr(plain, name) for name in names}


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_bad_input(row):
    keep = []
    args, outputs = good(row.function, keep, **row.changes)
    status = getattr(lib, row.function)(ctypes.addressof(args))
    message = lib.focal_last_error().decode()
    assert lib.focal_status_string(status).decode() == row.status, message
    assert row.word in message
    assert all(output.untouched() for output in outputs.values()), "something was written"


@pytest.mark.parametrize("function", (SIGMOID, SOFTMAX))
def test_the_good_call_is_good(function):
    """What the table changes is all that is wrong with its calls; an error before it leaves nothing behind."""
    keep = []
    bad, _ = good(function, keep, gamma=NAN)
    assert getattr(lib, function)(ctypes.addressof(bad)) == header.ERROR_VALUE
    args, outputs = good(function, keep)
    assert getattr(lib, function)(ctypes.addressof(args)) == header.OK, lib.focal_last_error()
    assert all(output.intact() and not output.untouched() for output in outputs.values())


def test_null_arguments():
    for name in ("focal_sigmoid", "focal_softmax", "focal_softmax_shard_stats"):
        assert getattr(lib, name)(None) == header.ERROR_NULL
    assert lib.focal_args_init(None, ctypes.sizeof(Arguments)) == header.ERROR_NULL


def test_init_gives_the_documented_defaults():
    args = arguments([])
    for field in header.FIELDS:
        value = getattr(args, field.name)
        if field.name == "struct_size":
            assert value == ctypes.sizeof(Arguments)
        else:
            assert value == field.default, field.name


def test_init_of_other_sizes():
    """A caller with an older, shorter structure is served; a longer one than the library knows is refused."""
    raw = np.full(2 * ctypes.sizeof(Arguments), 0xA5, np.uint8)
    assert lib.focal_args_init(raw.ctypes.data, ctypes.sizeof(Arguments) + 8) == header.ERROR_SIZE
    assert (raw == 0xA5).all()


# ---- Overlap: in place is allowed, all else is not


def overlap(function, **addresses):
    """The status of a call in one arena: addresses in elements of float32, from which everything is laid out."""
    arena = np.zeros(320, np.float32)
    places = dict(scores=0, targets=32, loss=64, grad=96, hess=128, reduced_loss=160, weights=192, ignore_mask=224,
                  alphas=240, upstream=256, class_weights=300)  # fmt: skip
    places.update(addresses)
    args = arguments([], outer=OUTER, classes=CLASSES, inner=INNER, reduction=header.REDUCTION_SUM)
    if function == SOFTMAX:
        args.target_kind, args.target_dtype = LABELS, header.DTYPE_I32
    for name, place in places.items():
        setattr(args, name, arena.ctypes.data + 4 * place)
    before = arena.tobytes()
    status = getattr(lib, function)(ctypes.addressof(args))
    assert status == header.OK or arena.tobytes() == before, "something was written"
    return lib.focal_status_string(status).decode(), lib.focal_last_error().decode()


@pytest.mark.parametrize("function", (SIGMOID, SOFTMAX))
@pytest.mark.parametrize(
    "output, place",
    [
        *(("grad", place) for place in (1, 29, 32, 61, 64, 69, 128, 157, 192, 197, 224, 225, 249, 256, 280)),
        *(("hess", place) for place in (0, 3, 32, 64, 96, 97, 192, 224, 240, 261, 275)),
        *(("loss", place) for place in (1, 32, 96, 128, 192, 224, 240, 256, 258)),
        *(("reduced_loss", place) for place in (0, 32, 64, 96, 128, 192, 224, 240, 256, 300)),
    ],
)
def test_overlap(function, output, place):
    status, message = overlap(function, **{output: place})
    assert status == "FOCAL_ERROR_OVERLAP", message
    assert output in message


def test_in_place():
    assert overlap(SIGMOID)[0] == "FOCAL_OK"
    assert overlap(SIGMOID, grad=0)[0] == "FOCAL_OK"
    assert overlap(SIGMOID, loss=0)[0] == "FOCAL_OK"
    assert overlap(SOFTMAX, grad=0)[0] == "FOCAL_OK"
    assert overlap(SIGMOID, loss=0, grad=0)[0] == "FOCAL_ERROR_OVERLAP"
    assert overlap(SOFTMAX, loss=0)[0] == "FOCAL_ERROR_OVERLAP"  # it has not the scores' shape
    assert overlap(SIGMOID, weights=0)[0] == "FOCAL_OK"  # inputs may overlap
    assert overlap(SIGMOID, loss=30, targets=64, grad=94, hess=124)[0] == "FOCAL_OK"  # side by side


# ---- Sizes


@pytest.mark.parametrize("function", (SIGMOID, SOFTMAX))
@pytest.mark.parametrize("sizes", (dict(outer=0), dict(inner=0), dict(outer=0, inner=0, classes=1 << 40)))
def test_nothing_to_do(function, sizes):
    """A size of 0 is valid, without any buffer; the reduced loss is 0."""
    output = Output((), np.float64)
    fields = dict(outer=4, classes=3, inner=2, reduction=MEAN, reduced_loss=output.address) | sizes
    args = arguments([], **fields)
    if function == SOFTMAX:
        args.target_kind, args.target_dtype = LABELS, header.DTYPE_I32
    assert getattr(lib, function)(ctypes.addressof(args)) == header.OK, lib.focal_last_error()
    assert output.values() == 0 and output.intact()


def test_short_functions_check_too():
    outputs = Output((4,), np.float32), Output((4,), np.float32)
    loss, grad = (output.address for output in outputs)
    values = np.zeros(4, np.float32)
    at = values.ctypes.data
    function = lib.focal_sigmoid_loss_f32
    off = header.ALPHA_OFF
    calls = (
        ((None, at, 4, off, 2.0, 0), header.ERROR_NULL),
        ((at, None, 4, off, 2.0, 0), header.ERROR_NULL),
        ((at, at, 1 << 62, off, 2.0, 0), header.ERROR_SIZE),
        ((at, at, (1 << 64) - 1, off, 2.0, 0), header.ERROR_SIZE),
        ((at, at, 4, 2.0, 2.0, 0), header.ERROR_VALUE),
        ((at, at, 4, off, -2.0, 0), header.ERROR_VALUE),
        ((at, at, 4, off, 2.0, 3), header.ERROR_OPTION),
    )
    for parameters, status in calls:
        assert function(*parameters, loss, grad) == status, parameters
        assert all(output.untouched() for output in outputs)
    assert function(at, at, 4, off, 2.0, 0, loss, loss) == header.ERROR_OVERLAP
    assert function(None, None, 0, off, 2.0, 0, None, None) == header.OK
    assert function(at, at, 4, off, 2.0, 0, None, None) == header.OK


# ---- Statuses, messages, instruction sets


def test_every_status_has_its_name():
    for name, value in header.CONSTANTS.items():
        if name == "FOCAL_OK" or name.startswith("FOCAL_ERROR_"):
            assert lib.focal_status_string(value).decode() == name
    assert lib.focal_status_string(12345)


def test_last_error_belongs_to_the_thread():
    """Empty before a thread's first error, whatever others did."""
    assert lib.focal_sigmoid(None) == header.ERROR_NULL
    seen = []
    thread = threading.Thread(target=lambda: seen.append(lib.focal_last_error()))
    thread.start()
    thread.join()
    assert seen == [b""] and lib.focal_last_error() != b""


def test_unknown_isa():
    before = lib.focal_isa()
    assert lib.focal_set_isa(b"z80") == header.ERROR_ISA
    assert b"z80" in lib.focal_last_error()
    assert lib.focal_isa() == before
    assert isas()[-1] == before.decode()


PROGRAM = """
import ctypes, sys
lib = ctypes.CDLL(sys.argv[1])
lib.focal_isa.restype = lib.focal_last_error.restype = ctypes.c_char_p
x = (ctypes.c_float * 4)(); y = (ctypes.c_float * 4)()
status = lib.focal_sigmoid_loss_f32(x, x, ctypes.c_size_t(4), ctypes.c_double(-1), ctypes.c_double(2), 0, y, None)
print(status, lib.focal_isa().decode(), lib.focal_last_error().decode(), sep="|")
"""


@pytest.mark.parametrize("name", ("z80", *(isas() if lib else ())))
def test_isa_of_the_environment(name):
    """FOCALLOSS_ISA forces one; an absent one makes computing calls fail."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, PATH], env={"FOCALLOSS_ISA": name}, text=True, capture_output=True, check=True
    )
    status, isa, message = run.stdout.strip().split("|")
    if name == "z80":
        assert int(status) == header.ERROR_ISA and "z80" in message
    else:
        assert (int(status), isa, message) == (header.OK, name, "")
