"""What is taken as logits, targets, weights and masks, and what is refused, by name."""

import array
import mmap

import focalloss
import formula
import numpy as np
import pytest
from focalloss import sigmoid_focal_loss, sigmoid_focal_loss_and_grad

SCORE_TYPES = ["float32", "float64", "float16"]
TARGET_TYPES = ["float32", "float64", "uint8", "bool", "int32", "int64"]


@pytest.mark.parametrize("scores", SCORE_TYPES)
@pytest.mark.parametrize("targets", TARGET_TYPES)
def test_every_pair_of_dtypes(batch, scores, targets):
    logits, labels = batch[0].astype(scores), batch[1].astype(targets)
    loss, grad = sigmoid_focal_loss_and_grad(logits, labels, reduction="none")
    expected = formula.sigmoid_focal(logits, labels)
    tolerance = {"float16": 1e-3, "float32": 1e-6, "float64": 1e-12}[scores]
    assert loss.dtype == grad.dtype == logits.dtype
    np.testing.assert_allclose(loss, expected[0], rtol=tolerance, atol=1e-7)
    np.testing.assert_allclose(grad, expected[1], rtol=tolerance, atol=1e-7)


def test_bfloat16_of_ml_dtypes(batch):
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    loss, grad = sigmoid_focal_loss_and_grad(batch[0].astype(bfloat16), batch[1], reduction="none")
    assert loss.dtype == grad.dtype == bfloat16
    np.testing.assert_allclose(grad.astype(float), formula.sigmoid_focal(*batch)[1], rtol=1e-2)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (2, 3, 4)])
def test_every_shape_is_kept(shape):
    logits = np.linspace(-2, 2, np.prod(shape, dtype=int)).reshape(shape)
    loss, grad = sigmoid_focal_loss_and_grad(logits, np.zeros(shape), reduction="none")
    assert loss.shape == grad.shape == shape
    np.testing.assert_allclose(loss, formula.sigmoid_focal(logits, np.zeros(shape))[0])
    assert sigmoid_focal_loss(logits, np.zeros(shape)) == pytest.approx(loss.mean() if loss.size else 0.0)


def test_lists_and_numbers_are_converted():
    assert sigmoid_focal_loss([0.5, -1.0], [1, 0]) == pytest.approx(formula.sigmoid_focal([0.5, -1], [1, 0])[0].mean())
    assert sigmoid_focal_loss(0.5, 1) == pytest.approx(formula.sigmoid_focal(0.5, 1)[0])
    assert sigmoid_focal_loss([1, 2], [1, 0]) == sigmoid_focal_loss([1.0, 2.0], [1, 0])


def buffers(x):
    pages = mmap.mmap(-1, x.nbytes)
    pages.write(x.tobytes())
    yield array.array("f", x)
    yield memoryview(x)
    yield memoryview(x.tobytes()).cast("f")
    yield np.frombuffer(pages, np.float32)
    yield x.view(np.memmap)


def test_buffers_are_read_in_place(batch):
    expected = sigmoid_focal_loss(*batch)
    for logits in buffers(batch[0]):
        assert sigmoid_focal_loss(logits, batch[1]) == expected


class Exporter:
    """What another array library looks like: DLPack alone."""

    def __init__(self, x, device=1):
        self.x, self.device = x, device

    def __dlpack__(self, **options):
        return self.x.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device, 0


def test_dlpack_is_read_in_place(batch):
    assert sigmoid_focal_loss(Exporter(batch[0]), Exporter(batch[1])) == sigmoid_focal_loss(*batch)


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="older NumPy views all DLPack as read-only")
def test_dlpack_is_written_in_place(batch):
    grad = np.zeros(7, np.float32)
    wrapped = Exporter(grad)
    assert sigmoid_focal_loss_and_grad(*batch, grad_out=wrapped)[1] is wrapped
    np.testing.assert_array_equal(grad, sigmoid_focal_loss_and_grad(*batch)[1])


def test_dlpack_on_another_device_is_refused_by_name(batch):
    with pytest.raises(TypeError, match="^targets is a .*Exporter that is not in the CPU's memory"):
        sigmoid_focal_loss(batch[0], Exporter(batch[1], device=2))


def test_torch_tensors(batch):
    torch = pytest.importorskip("torch")
    logits, targets = map(torch.tensor, batch)
    grad = torch.zeros(7)
    loss, returned = sigmoid_focal_loss_and_grad(logits, targets, grad_out=grad)
    assert loss == sigmoid_focal_loss(*batch) and returned is grad and grad.abs().min() > 0
    for wrong, message in (
        (logits[::2], "^logits is not C-contiguous"),
        (logits.clone().requires_grad_(), "^logits is a torch.Tensor that NumPy cannot view: .*detach"),
        (logits.bfloat16(), "^logits is a torch.Tensor that NumPy cannot view"),
        (logits.to("meta"), "^logits is a torch.Tensor that NumPy cannot view"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            sigmoid_focal_loss(wrong, targets)


def test_jax_arrays(batch):
    jax = pytest.importorskip("jax.numpy")
    logits, targets = map(jax.asarray, batch)
    assert sigmoid_focal_loss(logits, targets) == sigmoid_focal_loss(*batch)
    assert sigmoid_focal_loss_and_grad(logits.astype(jax.bfloat16), targets)[1].dtype == jax.bfloat16
    with pytest.raises(ValueError, match="^grad_out is read-only"):
        sigmoid_focal_loss_and_grad(logits, targets, grad_out=jax.zeros(7))


def test_a_pandas_series(batch):
    pandas = pytest.importorskip("pandas")
    assert sigmoid_focal_loss(*map(pandas.Series, batch)) == sigmoid_focal_loss(*batch)


def test_read_only_inputs(batch):
    expected = sigmoid_focal_loss(*batch)
    for x in batch:
        x.flags.writeable = False
    assert sigmoid_focal_loss(*batch) == expected


def test_any_alignment(batch):
    shifted = np.zeros(7 * 4 + 1, np.uint8)[1:].view(np.float32)
    shifted[:] = batch[0]
    assert not shifted.flags.aligned
    assert sigmoid_focal_loss(shifted, batch[1]) == sigmoid_focal_loss(*batch)


def refused(kind, message, *arguments, **options):
    with pytest.raises(kind, match=message):
        sigmoid_focal_loss(*arguments, **options)


def test_dtypes_that_are_refused(batch):
    logits, targets = batch
    refused(TypeError, "^logits has dtype int64; it must be float32, float64, bfloat16 or float16",
            logits.astype(int), targets)  # fmt: skip
    refused(TypeError, "^targets has dtype float16; it must be .* int64 or bool", logits, targets.astype(np.float16))
    refused(TypeError, "^targets has dtype int8", logits, targets.astype(np.int8))
    refused(TypeError, "^logits has dtype complex64", logits.astype(np.complex64), targets)
    refused(TypeError, "^logits has dtype object", logits.astype(object), targets)
    refused(TypeError, "^logits has dtype <U1", ["a"], [1])
    refused(TypeError, "^weights has dtype int64; it must be float32 or float64", *batch, weights=np.ones(7, int))
    refused(TypeError, "^ignore_mask has dtype float64; it must be uint8 or bool", *batch, ignore_mask=np.ones(7))


def test_layouts_that_are_refused(batch):
    logits, targets = batch
    refused(ValueError, r"^logits is not C-contiguous \(shape \(4,\), strides \(8,\)", logits[::2], targets[::2])
    refused(ValueError, "^targets is not C-contiguous", logits, targets[::-1])
    refused(ValueError, "^logits is not C-contiguous", np.asfortranarray(np.zeros((2, 3))), np.zeros((2, 3)))
    refused(ValueError, "^weights is not C-contiguous", *batch, weights=np.ones(14)[::2])
    refused(TypeError, "^logits is not in native byte order", logits.astype(">f4"), targets)
    refused(TypeError, "^targets is a masked array", logits, np.ma.masked_equal(targets, 1))


def test_shapes_that_are_refused(batch):
    logits, targets = batch
    refused(ValueError, r"^targets has shape \(6,\); it must be \(7,\) \(dense\)", logits, targets[:6])
    refused(ValueError, r"^weights has shape \(6,\); it must be \(7,\)", *batch, weights=np.ones(6))
    refused(ValueError, r"^ignore_mask has shape \(6,\); it must be \(7,\)", *batch, ignore_mask=np.ones(6, bool))
    refused(ValueError, r"^class_weights has shape \(3,\); it must be \(7,\)", *batch, class_weights=[1, 2, 3])
    refused(TypeError, "^class_weights must be 7 numbers", *batch, class_weights="heavy")
    refused(ValueError, "^axis is 2; logits has 1 dimensions", *batch, axis=2)


def test_copy_converts_what_would_be_refused(batch):
    logits, targets = batch
    expected = sigmoid_focal_loss(*batch)
    for other in (np.repeat(logits, 2)[::2], logits.astype(">f4"), logits[::-1].copy()[::-1]):
        assert sigmoid_focal_loss(other, targets.astype(np.int8), copy=True) == expected
    assert sigmoid_focal_loss(logits, targets.astype(np.float16), copy=True) == expected
    whole = np.round(logits).astype(np.int16)
    assert sigmoid_focal_loss(whole, targets, copy=True) == sigmoid_focal_loss(whole.astype(float), targets)
    refused(TypeError, "^logits has dtype complex64", logits.astype(np.complex64), targets, copy=True)
    with pytest.raises(ValueError, match="^grad_out is not C-contiguous"):
        sigmoid_focal_loss_and_grad(*batch, grad_out=np.zeros(14, np.float32)[::2], copy=True)


def test_the_plain_call_is_the_general_call(batch):
    """The short cut for calls without options gives the same bits as the way that all others take."""
    for function in (focalloss.sigmoid_focal_loss, sigmoid_focal_loss_and_grad, focalloss.sigmoid_focal_grad_hess):
        for reduction in ("none", "sum", "mean"):
            for alpha, gamma in ((0.25, 2.0), (None, 0), (1, 1.5)):
                plain = function(*batch, alpha, gamma, reduction)
                general = function(*batch, alpha, gamma, reduction, copy=False)
                assert type(plain) is type(general)
                for one, other in zip(*([x] if not isinstance(x, tuple) else x for x in (plain, general)), strict=True):
                    np.testing.assert_array_equal(one, other)
