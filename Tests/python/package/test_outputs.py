"""out=, grad_out=, hess_out=, out_dtype=, accumulate=: written in place or refused, never copied."""

import numpy as np
import pytest
from focalloss import FocalLossError, _abi, sigmoid_focal_grad_hess, sigmoid_focal_loss, sigmoid_focal_loss_and_grad


def test_each_output_is_written_and_returned(batch):
    out, grad, hess = np.zeros((3, 7), np.float32)
    assert sigmoid_focal_loss(*batch, reduction="none", out=out) is out
    returned = sigmoid_focal_loss_and_grad(*batch, reduction="none", grad_out=grad)
    assert returned[1] is grad
    assert sigmoid_focal_grad_hess(*batch, grad_out=grad, hess_out=hess)[1] is hess
    np.testing.assert_array_equal(out, returned[0])
    np.testing.assert_array_equal(hess, sigmoid_focal_grad_hess(*batch)[1])


def test_a_reduced_loss_is_written_into_a_float64(batch):
    out = np.zeros(())
    assert sigmoid_focal_loss(*batch, out=out) is out
    assert out == sigmoid_focal_loss(*batch)


def test_in_place(batch):
    logits, targets = batch
    expected = sigmoid_focal_loss_and_grad(*batch)
    loss, grad = sigmoid_focal_loss_and_grad(logits, targets, grad_out=logits)
    assert loss == expected[0] and grad is logits
    np.testing.assert_array_equal(logits, expected[1])


def test_accumulate_adds(batch):
    grad = np.ones(7, np.float32)
    sigmoid_focal_loss_and_grad(*batch, grad_out=grad, accumulate=True)
    np.testing.assert_allclose(grad, 1 + sigmoid_focal_loss_and_grad(*batch)[1], rtol=1e-6)
    with pytest.raises(ValueError, match="^accumulate=True needs grad_out"):
        sigmoid_focal_loss_and_grad(*batch, accumulate=True)


def test_out_dtype(batch):
    loss, grad = sigmoid_focal_loss_and_grad(*batch, reduction="none", out_dtype=np.float64)
    assert loss.dtype == grad.dtype == np.float64
    np.testing.assert_allclose(grad, sigmoid_focal_loss_and_grad(*batch, reduction="none")[1], rtol=1e-6)
    grad = np.zeros(7)
    sigmoid_focal_loss_and_grad(*batch, out_dtype="float64", grad_out=grad)
    assert grad.any()
    with pytest.raises(TypeError, match="^out_dtype must be float32, float64 or the logits' dtype; got int32"):
        sigmoid_focal_loss_and_grad(*batch, out_dtype=np.int32)


def frozen(x):
    x.flags.writeable = False
    return x


@pytest.mark.parametrize(
    "output, kind, message",
    [
        (np.zeros(7), TypeError, "has dtype float64; it must be float32"),
        (np.zeros(7, ">f4"), TypeError, "has dtype >f4; it must be float32"),
        (np.zeros(6, np.float32), ValueError, r"has shape \(6,\); it must be \(7,\)"),
        (np.zeros((7, 1), np.float32), ValueError, r"has shape \(7, 1\); it must be \(7,\)"),
        (np.zeros(14, np.float32)[::2], ValueError, r"is not C-contiguous .*outputs are never copied"),
        (frozen(np.zeros(7, np.float32)), ValueError, "is read-only"),
        (bytes(28), TypeError, "has dtype uint8"),
        ([0.0] * 7, TypeError, "must be an array to write into; got list"),
    ],
)
@pytest.mark.parametrize("name", ["out", "grad_out", "hess_out"])
def test_what_does_not_fit_is_refused_by_name(batch, name, output, kind, message):
    functions = {
        "out": sigmoid_focal_loss,
        "grad_out": sigmoid_focal_loss_and_grad,
        "hess_out": sigmoid_focal_grad_hess,
    }
    with pytest.raises(kind, match=f"^{name} {message}"):
        functions[name](*batch, reduction="none", **{name: output})


def test_overlap_is_refused_by_name_before_anything_is_written(batch):
    logits, targets = batch
    memory = np.arange(20, dtype=np.float32)
    before = memory.copy()
    weights = np.ones(7)
    cases = [
        ((memory[:7], targets), {"grad_out": memory[3:10]}, "grad_out overlaps logits"),
        ((logits, memory[:7] * 0), {"grad_out": memory[3:10], "weights": memory[0:7]}, "grad_out overlaps weights"),
        ((memory[:7], targets), {"out": memory[6:13]}, "out overlaps logits"),
        ((logits, targets), {"out": memory[:7], "grad_out": memory[6:13]}, "overlaps"),
        ((logits, targets), {"grad_out": targets}, "grad_out overlaps targets"),
        ((logits, targets), {"grad_out": logits, "out": logits}, "overlaps"),
        ((logits, targets), {"out_dtype": "f8", "weights": weights, "grad_out": weights}, "grad_out overlaps weights"),
    ]
    for arguments, options, message in cases:
        with pytest.raises(FocalLossError, match=message) as caught:
            sigmoid_focal_loss_and_grad(*arguments, reduction="none", **options)
        assert caught.value.status == _abi.ERROR["overlap"]
        np.testing.assert_array_equal(memory, before)


def test_neighbours_do_not_overlap(batch):
    memory = np.zeros(14, np.float32)
    memory[:7] = batch[0]
    sigmoid_focal_loss_and_grad(memory[:7], batch[1], grad_out=memory[7:])
    np.testing.assert_array_equal(memory[7:], sigmoid_focal_loss_and_grad(*batch)[1])


def test_nothing_is_written_on_an_error(batch):
    logits, targets = batch
    targets[5] = 2
    grad = np.full(7, 42, np.float32)
    with pytest.raises(FocalLossError, match=r"targets\[5\]") as caught:
        sigmoid_focal_loss_and_grad(logits, targets, grad_out=grad)
    assert caught.value.status == _abi.ERROR["target"] and caught.value.name == "FOCAL_ERROR_TARGET"
    assert (grad == 42).all()
