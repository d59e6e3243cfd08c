"""The same bits: across instruction sets with FMA, numbers of threads, alignment, position, and the short functions.

A compact version; Tests/trust does it exhaustively.
"""

import ctypes

import numpy as np
import points
import pytest
from library import DTYPES, arguments, call, check, isas, lib, set_isa
from options import COMMON
from reference import header
from test_sigmoid_options import FAMILY as SIGMOID
from test_softmax_options import FAMILY as SOFTMAX

FUSED = [name for name in (isas() if lib else ()) if name in ("x86-64-v3", "x86-64-v4", "neon")]
OUTPUTS = "loss", "grad", "hess", "reduced_loss"
GAMMAS = 0.0, 0.5, 1.0, 2.0, 1.7
FAMILIES = {"sigmoid": SIGMOID, "softmax": SOFTMAX}


def hashed(results):
    return {name: values.tobytes() for name, values in results.items()}


def large(function, dtype, gamma, count=40000, classes=3):
    """A call long enough for many blocks and threads."""
    rng = np.random.default_rng(1)
    scores = (rng.normal(0, 4, (count, classes)) * rng.choice([1, 20], (count, 1))).astype(dtype)
    targets = rng.integers(0, classes, count).astype(np.int32)
    return dict(
        outer=count,
        classes=classes,
        scores=scores,
        targets=targets,
        target_kind=header.TARGETS_LABELS,
        gamma=gamma,
        reduction=header.REDUCTION_MEAN,
    )


@pytest.mark.skipif(len(FUSED) < 2, reason="this CPU has one instruction set with FMA")
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", points.DTYPES, ids=str)
def test_instruction_sets_agree(dtype, family):
    """All with FMA give the same bits, over every gamma and the options."""
    function = FAMILIES[family].function
    kind = "soft float32"
    problems = [large(function, dtype, gamma, 3000) for gamma in GAMMAS]
    problems += [FAMILIES[family].given(kind, dtype, (name,), 3) for name in COMMON]
    try:
        for given in problems:
            outputs = OUTPUTS if given.get("reduction") else OUTPUTS[:3]
            results = []
            for name in FUSED:
                set_isa(name)
                results.append(hashed(call(function, outputs, **given)))
            assert all(result == results[0] for result in results[1:]), given.get("gamma")
    finally:
        set_isa(None)


@pytest.mark.parametrize("function", ("focal_sigmoid", "focal_softmax"))
@pytest.mark.parametrize("dtype", (points.FLOAT32, points.FLOAT64), ids=str)
def test_threads_do_not_matter(dtype, function, isa):
    for gamma in (0.0, 2.0, 1.7):
        given = large(function, dtype, gamma)
        results = [hashed(call(function, OUTPUTS, threads=threads, **given)) for threads in (1, 2, 3, 7, 64)]
        assert all(result == results[0] for result in results[1:])


TASK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
PARALLEL_FOR = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)


@pytest.mark.parametrize("function", ("focal_sigmoid", "focal_softmax"))
def test_own_parallel_for(function, isa):
    """A caller's parallel-for runs every task once, here backwards, and gives the same bits."""
    counts = []

    @PARALLEL_FOR
    def backwards(context, count, task, task_context):
        counts.append((context, count))
        for index in reversed(range(count)):
            TASK(task)(task_context, index)

    given = large(function, points.FLOAT32, 2.0)
    plain = hashed(call(function, OUTPUTS, **given))
    address = ctypes.cast(backwards, ctypes.c_void_p).value
    got = call(function, OUTPUTS, parallel_for=address, parallel_context=77, threads=4, **given)
    assert hashed(got) == plain
    assert counts and all(context == 77 and count > 1 for context, count in counts)


def shifted(values, offset):
    """The same values at an address of any remainder, in bytes, by 64."""
    raw = np.zeros(values.nbytes + 128, np.uint8)
    start = -raw.ctypes.data % 64 + offset
    raw[start : start + values.nbytes] = values.reshape(-1).view(np.uint8)
    return raw, raw.ctypes.data + start


@pytest.mark.parametrize("function", ("focal_sigmoid", "focal_softmax"))
@pytest.mark.parametrize("dtype", points.DTYPES, ids=str)
def test_alignment_does_not_matter(dtype, function, isa):
    """Any address will do, odd ones too, of inputs and outputs alike."""
    given = large(function, dtype, 2.0, 500)
    count = given["outer"]
    plain = call(function, ("grad",), **given)["grad"].tobytes()
    for offset in (0, 1, 2, 4, 7, 16, 33, 63):
        scores, targets = shifted(given["scores"], offset), shifted(given["targets"], 63 - offset)
        grad = shifted(np.zeros((count, 3), dtype), (offset * 5) % 64)
        fields = given | dict(
            scores=scores[1], targets=targets[1], grad=grad[1], score_dtype=DTYPES[dtype], target_dtype=header.DTYPE_I32
        )
        args = arguments([], **fields)
        check(getattr(lib, function)(ctypes.addressof(args)))
        start = grad[1] - grad[0].ctypes.data
        assert grad[0][start : start + len(plain)].tobytes() == plain, offset


@pytest.mark.parametrize("dtype", points.DTYPES, ids=str)
def test_position_does_not_matter(dtype, isa):
    """An element gives the same bits alone and anywhere in a buffer; a NaN stays in its own element."""
    rng = np.random.default_rng(2)
    scores, targets = rng.normal(0, 6, 700).astype(dtype), rng.choice([0, 1, 0.25], 700).astype(np.float32)
    outputs = "loss", "grad", "hess"
    for gamma in GAMMAS:
        whole = call("focal_sigmoid", outputs, outer=700, scores=scores, targets=targets, gamma=gamma)
        for first, last in ((0, 1), (1, 2), (3, 20), (15, 33), (250, 517), (699, 700)):
            part = call(
                "focal_sigmoid",
                outputs,
                outer=last - first,
                scores=scores[first:last].copy(),
                targets=targets[first:last].copy(),
                gamma=gamma,
            )
            assert all(part[n].tobytes() == whole[n][first:last].tobytes() for n in outputs), (gamma, first, last)
        spoiled = scores.copy()
        spoiled[100] = np.nan
        other = call("focal_sigmoid", outputs, outer=700, scores=spoiled, targets=targets, gamma=gamma)
        for name in outputs:
            assert np.isnan(other[name].astype(float)[100]).all()
            assert np.delete(other[name], 100, 0).tobytes() == np.delete(whole[name], 100, 0).tobytes()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", points.DTYPES, ids=str)
def test_outputs_do_not_depend_on_each_other(dtype, family, isa):
    """Each output alone has the bits that it has among the others."""
    function = FAMILIES[family].function
    given = large(function, dtype, 2.0, 300)
    together = hashed(call(function, OUTPUTS, **given))
    for name in OUTPUTS:
        assert call(function, (name,), **given)[name].tobytes() == together[name], name


@pytest.mark.parametrize("function", ("focal_sigmoid", "focal_softmax"))
@pytest.mark.parametrize("dtype", points.DTYPES, ids=str)
def test_in_place(dtype, function, isa):
    """The gradient may be written onto the scores."""
    for classes in (1, 3, 1000):
        given = large(function, dtype, 2.0, 64, classes)
        plain = call(function, ("grad",), **given)["grad"].tobytes()
        scores = given["scores"].copy()
        args = arguments([], **given | dict(scores=scores))
        args.scores = args.grad = scores.ctypes.data
        check(getattr(lib, function)(ctypes.addressof(args)))
        assert scores.tobytes() == plain


@pytest.mark.parametrize("classes", (70, 1000, 9001, 140_001))
def test_rows_do_not_matter_to_each_other(classes, isa):
    """A long row gives the same bits alone and among others."""
    rng = np.random.default_rng(classes)
    scores, labels = rng.normal(0, 6, (3, classes)).astype(np.float32), rng.integers(0, classes, 3).astype(np.int32)
    outputs = "loss", "grad"
    fields = dict(classes=classes, target_kind=header.TARGETS_LABELS, gamma=2.0)
    whole = call("focal_softmax", outputs, outer=3, scores=scores, targets=labels, **fields)
    for row in range(3):
        alone = call("focal_softmax", outputs, outer=1, scores=scores[row], targets=labels[row : row + 1], **fields)
        assert all(alone[n].tobytes() == whole[n].reshape(3, -1)[row].tobytes() for n in outputs), row


@pytest.mark.parametrize("classes", (70, 1000, 9001, 140_001))
def test_long_rows_in_place(classes, isa):
    """Gradients that replace their scores are those that stand beside them: the last score of a row may prove that the row was
    taken for what it is not."""
    rng = np.random.default_rng(classes)
    scores, labels = rng.normal(0, 6, (40, classes)).astype(np.float32), rng.integers(0, classes, 40).astype(np.int32)
    scores[3:40:9, -1] = 200
    fields = dict(outer=40, classes=classes, targets=labels, target_kind=header.TARGETS_LABELS, gamma=2.0)
    beside = call("focal_softmax", ("grad",), scores=scores, **fields)["grad"]
    args = arguments([], scores=scores, **fields)
    args.grad = args.scores
    check(lib.focal_softmax(ctypes.addressof(args)))
    assert scores.tobytes() == beside.tobytes()


@pytest.mark.parametrize("inner", (1, 40))
@pytest.mark.parametrize("classes", (1, 2, 5, 10, 21, 64, 65, 100, 128, 300, 3000))
@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_far_samples_do_not_matter_to_others(dtype, classes, inner, isa):
    """A sample gives the same bits beside one whose scores lie far from 0 as without it: moderate scores take a shorter way,
    few classes where all of a vector of samples allow it, and a long row until it meets one that does not."""
    rng = np.random.default_rng(classes)
    samples = 40
    scores, labels = rng.normal(0, 6, (samples, classes)), rng.integers(0, classes, samples).astype(np.int32)
    scores[5::7] *= 1e-3 / np.abs(scores[5::7]).max()
    scores[3::7, 0], scores[4::7, -1] = 79.9, -79.9
    outputs = "loss", "grad", "hess", "probabilities", "log_sum_exp"

    def run(scores):
        given = np.ascontiguousarray(scores if inner == 1 else scores.T).astype(dtype)
        got = call(
            "focal_softmax", outputs, outer=samples // inner, classes=classes, inner=inner, scores=given, targets=labels,
            target_kind=header.TARGETS_LABELS, gamma=2.0, hessian=header.HESSIAN_EXACT,
        )
        by_sample = {name: got[name].reshape(-1, samples).T if inner > 1 else got[name].reshape(samples, -1) for name in outputs}
        return {name: np.ascontiguousarray(values) for name, values in by_sample.items()}

    plain = run(scores)
    far = np.arange(0, samples, 9)
    moved = scores.copy()
    moved[far] += rng.choice([-1e4, -300, -85, 85, 300, 1e4], (len(far), 1))
    beside, others = run(moved), np.setdiff1d(np.arange(samples), far)
    for name in outputs:
        assert beside[name][others].tobytes() == plain[name][others].tobytes(), name


@pytest.mark.parametrize("inner", (1, 40))
@pytest.mark.parametrize("classes", (2, 10, 64, 65, 300, 3000))
@pytest.mark.parametrize("around", (-75, -35, 0, 75))
@pytest.mark.parametrize("scale", (2.0**-70, 2.0**70))
def test_scale_of_gradients(scale, around, classes, inner, isa):
    """A large scale of gradients, or a small one, costs no digits and overflows nothing, wherever the scores lie."""
    rng = np.random.default_rng(classes)
    samples = 40
    scores, labels = rng.normal(around, 1, (samples, classes)), rng.integers(0, classes, samples).astype(np.int32)

    def run(dtype, **options):
        given = np.ascontiguousarray(scores if inner == 1 else scores.T).astype(np.float32).astype(dtype)
        return call(
            "focal_softmax", ("grad",), outer=samples // inner, classes=classes, inner=inner, scores=given, targets=labels,
            target_kind=header.TARGETS_LABELS, gamma=2.0, **options,
        )["grad"].astype(np.float64)

    np.testing.assert_allclose(run(np.float32, grad_scale=scale) / scale, run(np.float64), rtol=1e-6)
