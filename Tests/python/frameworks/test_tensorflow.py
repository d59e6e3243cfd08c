"""focalloss.tensorflow: eager and in a tf.function, against TensorFlow's own formula in float64."""

import pytest

tf = pytest.importorskip("tensorflow")

import focalloss  # noqa: E402
import numpy as np  # noqa: E402
from focalloss.tensorflow import sigmoid_focal_loss, softmax_focal_loss  # noqa: E402
from formulas import sigmoid_tensorflow, softmax_tensorflow  # noqa: E402

N, K = 6, 5
RNG = np.random.default_rng(0)
Z = tf.constant(2 * RNG.normal(size=(N, K)))
HARD, SOFT = tf.constant((RNG.random((N, K)) < 0.3).astype(float)), tf.constant(RNG.random((N, K)))
T = tf.constant(RNG.integers(0, K, N), tf.int32)
DIRECTION = tf.constant(RNG.normal(size=(N, K)))
ALPHAS = (0.1, 0.9, 0.5, 0.25, 0.6)
REDUCTIONS = {"none": lambda x: x, "mean": tf.reduce_mean, "sum": tf.reduce_sum}
SHORT = {tf.float32: 2e-6, tf.bfloat16: 8e-3, tf.float16: 1e-3}


def derivatives(function, z):
    """Loss, gradient of its sum of squares (so that the upstream gradient differs by element), and that one's along
    DIRECTION."""
    with tf.GradientTape() as second:
        second.watch(z)
        with tf.GradientTape() as first:
            first.watch(z)
            loss = function(z)
            total = tf.reduce_sum(loss * loss)
        gradient = first.gradient(total, z)
        slope = tf.reduce_sum(gradient * DIRECTION)
    return loss, gradient, second.gradient(slope, z)


CASES = {
    "sigmoid": (lambda z, r: sigmoid_focal_loss(z, HARD, reduction=r), lambda z: sigmoid_tensorflow(z, HARD, 0.25)),
    "sigmoid, soft": (
        lambda z, r: sigmoid_focal_loss(z, SOFT, None, 1.5, r, weights=HARD),
        lambda z: sigmoid_tensorflow(z, SOFT, None, 1.5) * HARD,
    ),
    "sigmoid, labels": (
        lambda z, r: sigmoid_focal_loss(z, T, ALPHAS, reduction=r),
        lambda z: sigmoid_tensorflow(z, tf.one_hot(T, K, dtype=z.dtype), tf.constant(ALPHAS, z.dtype)),
    ),
    "softmax": (lambda z, r: softmax_focal_loss(z, T, ALPHAS, 3.0, r), lambda z: softmax_tensorflow(z, T, ALPHAS, 3.0)),
    "softmax, columns": (
        lambda z, r: softmax_focal_loss(tf.transpose(z), T, reduction=r, axis=0),
        lambda z: softmax_tensorflow(z, T),
    ),
}


@pytest.mark.parametrize("graph", (False, True), ids=("eager", "function"))
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_first_and_second_derivatives(case, reduction, graph):
    ours, theirs = case

    def mine(z):
        return derivatives(lambda z: ours(z, reduction), z)

    if graph:
        mine = tf.function(mine, autograph=False)
    wanted = derivatives(lambda z: REDUCTIONS[reduction](theirs(z)), Z)
    for got, want in zip(mine(Z), wanted, strict=True):
        np.testing.assert_allclose(got, want, 1e-9, 1e-11)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_tensorflows_gradient_checker(case, reduction):
    analytic, numeric = tf.test.compute_gradient(lambda z: case[0](z, reduction), [Z], delta=1e-5)
    np.testing.assert_allclose(analytic[0], numeric[0], 1e-6, 1e-8)


def test_probabilities_as_targets():
    rows = tf.nn.softmax(SOFT)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(Z)
        ours = softmax_focal_loss(Z, rows, gamma=0.0, reduction="none")
        theirs = tf.nn.softmax_cross_entropy_with_logits(rows, Z)
    np.testing.assert_allclose(ours, theirs, 1e-12)
    np.testing.assert_allclose(tape.gradient(ours, Z), tape.gradient(theirs, Z), 1e-10, 1e-12)


def test_a_function_of_unknown_batch_size():
    @tf.function(input_signature=[tf.TensorSpec((None, K), tf.float64), tf.TensorSpec((None,), tf.int32)])
    def step(z, t):
        with tf.GradientTape() as tape:
            tape.watch(z)
            loss = softmax_focal_loss(z, t, reduction="none")
        return loss, tape.gradient(loss, z)

    for rows in (N, 2):
        loss, gradient = step(Z[:rows], T[:rows])
        np.testing.assert_array_equal(loss, softmax_focal_loss(Z[:rows], T[:rows], reduction="none"))
        assert gradient.shape == (rows, K)


@pytest.mark.parametrize("dtype", SHORT, ids=lambda d: d.name)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_short_types(dtype, reduction):
    z, exact = tf.cast(Z, dtype), tf.cast(tf.cast(Z, dtype), tf.float64)
    for ours, theirs in (
        (lambda z: sigmoid_focal_loss(z, HARD, reduction=reduction), lambda z: sigmoid_tensorflow(z, HARD, 0.25)),
        (lambda z: softmax_focal_loss(z, T, reduction=reduction), lambda z: softmax_tensorflow(z, T)),
    ):
        results = []
        for function, at in ((ours, z), (lambda z: REDUCTIONS[reduction](theirs(z)), exact)):
            with tf.GradientTape() as tape:
                tape.watch(at)
                loss = function(at)
            results.append((loss, tape.gradient(loss, at)))
        (loss, gradient), wanted = results
        assert loss.dtype == gradient.dtype == dtype
        np.testing.assert_allclose(tf.cast(loss, tf.float64), wanted[0], SHORT[dtype], 1e-7)
        np.testing.assert_allclose(tf.cast(gradient, tf.float64), wanted[1], SHORT[dtype], 1e-6)


@pytest.mark.parametrize(
    "dtype", ("bool", "uint8", "int8", "int16", "int32", "int64", "bfloat16", "float16", "float32")
)
def test_target_dtypes(dtype):
    wanted = sigmoid_focal_loss(Z, HARD, reduction="none")
    np.testing.assert_array_equal(sigmoid_focal_loss(Z, tf.cast(HARD, dtype), reduction="none"), wanted)


def test_errors():
    with pytest.raises(focalloss.FocalLossError, match=r"targets\[0\] is 9, outside \[0, 5\)"):
        softmax_focal_loss(Z, 0 * T + 9)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"targets\[0\] is 9, outside \[0, 5\)"):
        tf.function(lambda: softmax_focal_loss(Z, 0 * T + 9), autograph=False)()
    with pytest.raises(ValueError, match="targets has shape"):
        sigmoid_focal_loss(Z, HARD[:, :2])
    with pytest.raises(TypeError, match="'wieghts' is no option"):
        sigmoid_focal_loss(Z, HARD, wieghts=1)
