"""Every short function is the descriptor call with the fields that its arguments name."""

import numpy as np
import pytest
from library import Output, call, check, lib
from reference import header

N, K = 37, 5
REDUCTIONS = header.REDUCTION_NONE, header.REDUCTION_SUM, header.REDUCTION_MEAN
TYPES = {"f32": np.float32, "f64": np.float64}
LABELS = header.TARGETS_LABELS


def short(name, dtype, inputs, numbers, loss_shape, grad_shape):
    """Calls it; the last two outputs are loss and gradient, or gradient and Hessian."""
    outputs = Output(loss_shape, dtype), Output(grad_shape, dtype)
    addresses = [value.ctypes.data if isinstance(value, np.ndarray) else value for value in inputs]
    check(getattr(lib, name)(*addresses, *numbers, *(output.address for output in outputs)))
    assert all(output.intact() for output in outputs)
    return [output.values() for output in outputs]


def expected(function, names, reduction=header.REDUCTION_NONE, **given):
    """The same of the descriptor; a reduced loss rounded to the scores' type."""
    loss = "reduced_loss" if reduction != header.REDUCTION_NONE else "loss"
    outputs = [loss if name == "loss" else name for name in names]
    got = call(function, outputs, reduction=reduction, **given)
    return [got[name].astype(given["scores"].dtype) for name in outputs]


def same(got, wanted):
    for one, other in zip(got, wanted):
        assert one.tobytes() == other.tobytes()


@pytest.fixture(params=TYPES)
def suffix(request):
    return request.param


@pytest.fixture
def scores(suffix):
    return np.random.default_rng(3).normal(0, 4, N * K).astype(TYPES[suffix])


@pytest.fixture
def targets(suffix):
    return np.random.default_rng(4).choice([0.0, 1.0, 0.25], N * K).astype(TYPES[suffix])


@pytest.fixture
def labels():
    return np.random.default_rng(5).integers(0, K, N).astype(np.int32)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("alpha", (header.ALPHA_OFF, 0.25))
def test_sigmoid_loss(suffix, scores, targets, alpha, reduction):
    shape = () if reduction else (N * K,)
    got = short(
        f"focal_sigmoid_loss_{suffix}", scores.dtype, (scores, targets, N * K), (alpha, 1.5, reduction), shape, (N * K,)
    )
    same(
        got,
        expected(
            "focal_sigmoid",
            ("loss", "grad"),
            reduction,
            outer=N * K,
            scores=scores,
            targets=targets,
            alpha=alpha,
            gamma=1.5,
        ),
    )


@pytest.mark.parametrize("hessian", (header.HESSIAN_EXACT, header.HESSIAN_ABSOLUTE, header.HESSIAN_GAUSS_NEWTON))
def test_sigmoid_grad_hess(suffix, scores, targets, hessian):
    got = short(
        f"focal_sigmoid_grad_hess_{suffix}",
        scores.dtype,
        (scores, targets, N * K),
        (0.25, 2.0, hessian),
        (N * K,),
        (N * K,),
    )
    same(
        got,
        expected(
            "focal_sigmoid", ("grad", "hess"), outer=N * K, scores=scores, targets=targets, alpha=0.25, hessian=hessian
        ),
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_sigmoid_label_loss(suffix, scores, labels, reduction):
    """The label K is background."""
    labels[::4] = K
    shape = () if reduction else (N * K,)
    got = short(
        f"focal_sigmoid_label_loss_{suffix}",
        scores.dtype,
        (scores, labels, N, K),
        (0.25, 2.0, reduction),
        shape,
        (N * K,),
    )
    same(
        got,
        expected(
            "focal_sigmoid",
            ("loss", "grad"),
            reduction,
            outer=N,
            classes=K,
            scores=scores,
            targets=labels,
            target_kind=LABELS,
            background_label=K,
            alpha=0.25,
        ),
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_cross_entropies(suffix, scores, targets, reduction):
    shape = () if reduction else (N * K,)
    inputs = scores, targets, N * K
    got = short(f"focal_bce_{suffix}", scores.dtype, inputs, (reduction,), shape, (N * K,))
    common = dict(outer=N * K, scores=scores, targets=targets, gamma=0.0)
    same(got, expected("focal_sigmoid", ("loss", "grad"), reduction, **common))
    got = short(f"focal_weighted_bce_{suffix}", scores.dtype, inputs, (3.0, 0.5, reduction), shape, (N * K,))
    same(got, expected("focal_sigmoid", ("loss", "grad"), reduction, **common, pos_weight=3.0, neg_weight=0.5))


@pytest.mark.parametrize("weighted", (False, True))
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_softmax_loss(suffix, scores, labels, reduction, weighted):
    alphas = np.random.default_rng(6).uniform(0.5, 2, K) if weighted else None
    shape = () if reduction else (N,)
    got = short(
        f"focal_softmax_loss_{suffix}", scores.dtype, (scores, labels, N, K, alphas), (2.0, reduction), shape, (N * K,)
    )
    given = dict(outer=N, classes=K, scores=scores, targets=labels, target_kind=LABELS)
    if weighted:
        given["alphas"] = alphas
    same(got, expected("focal_softmax", ("loss", "grad"), reduction, **given))


@pytest.mark.parametrize("hessian", (header.HESSIAN_EXACT, header.HESSIAN_ABSOLUTE, header.HESSIAN_GAUSS_NEWTON))
def test_softmax_grad_hess(suffix, scores, labels, hessian):
    name = f"focal_softmax_grad_hess_{suffix}"
    got = short(name, scores.dtype, (scores, labels, N, K, None), (2.0, hessian), (N * K,), (N * K,))
    same(
        got,
        expected(
            "focal_softmax",
            ("grad", "hess"),
            outer=N,
            classes=K,
            scores=scores,
            targets=labels,
            target_kind=LABELS,
            hessian=hessian,
        ),
    )
