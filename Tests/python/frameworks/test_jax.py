"""focalloss.jax: values, derivatives of both modes, transformations, dtypes, errors; against jax.numpy in float64."""

import inspect

import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from focalloss.jax import sigmoid_focal_loss, softmax_focal_loss  # noqa: E402
from formulas import sigmoid_jax, softmax_jax  # noqa: E402
from jax.test_util import check_grads  # noqa: E402

N, K = 6, 5
RNG = np.random.default_rng(0)
Z = 2 * RNG.normal(size=(N, K))
HARD, SOFT = (RNG.random((N, K)) < 0.3).astype(float), RNG.random((N, K))
T = RNG.integers(0, K, N).astype(np.int32)
ALPHAS = (0.1, 0.9, 0.5, 0.25, 0.6)
REDUCTIONS = {"none": lambda x: x, "mean": jnp.mean, "sum": jnp.sum}
SHORT = {"float32": 2e-6, "bfloat16": 8e-3, "float16": 1e-3}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def assert_same(ours, theirs, z, rtol=1e-10, atol=1e-12):
    """Values and gradients under an upstream gradient that differs from element to element."""
    (mine, back), (wanted, pull) = jax.vjp(ours, z), jax.vjp(theirs, z)
    upstream = jnp.linspace(-1, 2, mine.size, dtype=mine.dtype).reshape(mine.shape)
    np.testing.assert_allclose(mine, wanted, rtol, atol)
    np.testing.assert_allclose(back(upstream)[0], pull(upstream)[0], rtol, atol)


# ---- Values and first derivatives ---------------------------------------------------------------------------------


def test_signature_is_optaxs():
    optax = pytest.importorskip("optax")
    theirs = {name: p.default for name, p in inspect.signature(optax.sigmoid_focal_loss).parameters.items()}
    ours = {name: p.default for name, p in inspect.signature(sigmoid_focal_loss).parameters.items()}
    assert list(ours.items())[: len(theirs)] == list(theirs.items())


@pytest.mark.parametrize("labels", (HARD, SOFT), ids=("hard", "soft"))
@pytest.mark.parametrize("gamma", (0.0, 1.0, 2.0, 3.5))
@pytest.mark.parametrize("alpha", (None, 0.25))
def test_sigmoid_is_optaxs(alpha, gamma, labels):
    optax = pytest.importorskip("optax")
    assert_same(
        lambda z: sigmoid_focal_loss(z, labels, alpha, gamma),
        lambda z: optax.sigmoid_focal_loss(z, labels, alpha=alpha, gamma=gamma),
        Z,
    )


def test_softmax_at_gamma_0_is_optaxs_cross_entropy():
    optax = pytest.importorskip("optax")
    assert_same(
        lambda z: softmax_focal_loss(z, T, gamma=0.0),
        lambda z: optax.softmax_cross_entropy_with_integer_labels(z, T),
        Z,
    )
    rows = np.exp(SOFT) / np.exp(SOFT).sum(1, keepdims=True)
    assert_same(lambda z: softmax_focal_loss(z, rows, gamma=0.0), lambda z: optax.softmax_cross_entropy(z, rows), Z)


@pytest.mark.parametrize("gamma", (0.5, 2.0))
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_is_the_formula(reduction, gamma):
    reduce = REDUCTIONS[reduction]
    assert_same(
        lambda z: sigmoid_focal_loss(z, SOFT, ALPHAS, gamma, reduction=reduction),
        lambda z: reduce(sigmoid_jax(z, SOFT, jnp.array(ALPHAS), gamma)),
        Z,
    )
    assert_same(
        lambda z: softmax_focal_loss(z, T, ALPHAS, gamma, reduction=reduction),
        lambda z: reduce(softmax_jax(z, T, ALPHAS, gamma)),
        Z,
    )
    images, where = 2 * RNG.normal(size=(2, K, 3, 4)), RNG.integers(0, K, (2, 3, 4))
    assert_same(
        lambda z: softmax_focal_loss(z, where, axis=1, gamma=gamma, reduction=reduction),
        lambda z: reduce(softmax_jax(z, where, None, gamma, 1)),
        images,
    )


def test_weights_labels_and_divisors():
    assert_same(lambda z: sigmoid_focal_loss(z, HARD, weights=SOFT), lambda z: sigmoid_jax(z, HARD) * SOFT, Z)
    assert_same(
        lambda z: sigmoid_focal_loss(z, HARD, weights=SOFT[:, 0]), lambda z: sigmoid_jax(z, HARD) * SOFT[:, :1], Z
    )
    assert_same(
        lambda z: softmax_focal_loss(z, T, weights=SOFT[:, 0], reduction="mean", divisor=7.0),
        lambda z: (softmax_jax(z, T) * SOFT[:, 0]).sum() / 7,
        Z,
    )
    one_hot = jax.nn.one_hot(T, K)
    assert (sigmoid_focal_loss(Z, T) == sigmoid_focal_loss(Z, one_hot)).all(), "K problems, one label a row"
    assert (sigmoid_focal_loss(Z, T * 0 + K) == sigmoid_focal_loss(Z, 0 * one_hot)).all(), "K is background"
    ignored = softmax_focal_loss(Z, jnp.where(T == T[0], -100, T), reduction="mean")
    np.testing.assert_allclose(ignored, softmax_jax(Z, T)[T != T[0]].mean(), 1e-12)


def test_probabilities_as_input():
    np.testing.assert_allclose(
        sigmoid_focal_loss(jax.nn.sigmoid(Z), HARD, input="probabilities"), sigmoid_focal_loss(Z, HARD), 1e-10
    )


def test_empty_and_zero_dimensional():
    assert sigmoid_focal_loss(jnp.zeros((0, K)), jnp.zeros((0, K)), reduction="mean") == 0
    assert sigmoid_focal_loss(jnp.zeros((K, 0)), jnp.zeros((K, 0))).shape == (K, 0)
    assert_same(lambda z: sigmoid_focal_loss(z, 1.0), lambda z: sigmoid_jax(z, 1.0), 0.5)


# ---- Second derivatives, in every order of modes ------------------------------------------------------------------

TWICE = {
    "sigmoid": lambda z, r: sigmoid_focal_loss(z, HARD, 0.25, reduction=r),
    "sigmoid, soft": lambda z, r: sigmoid_focal_loss(z, SOFT, gamma=1.5, pos_weight=ALPHAS, reduction=r),
    "sigmoid, labels": lambda z, r: sigmoid_focal_loss(z, T, weights=SOFT[:, 0], gamma=0.5, reduction=r),
    "softmax": lambda z, r: softmax_focal_loss(z, T, reduction=r),
    "softmax, columns": lambda z, r: softmax_focal_loss(z.T, T, ALPHAS, 1.5, axis=0, reduction=r),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", TWICE.values(), ids=TWICE)
def test_check_grads(case, reduction):
    """JAX's own checker: finite differences of both modes, first and second derivatives."""
    check_grads(lambda z: case(z, reduction), (jnp.asarray(Z),), order=2, modes=("fwd", "rev"))


@pytest.mark.parametrize(
    "pair",
    (
        (lambda z: sigmoid_focal_loss(z, SOFT, 0.25, reduction="mean"), lambda z: sigmoid_jax(z, SOFT, 0.25).mean()),
        (lambda z: softmax_focal_loss(z, T).sum(), lambda z: softmax_jax(z, T).sum()),
    ),
    ids=("sigmoid", "softmax"),
)
def test_hessian_vector_products(pair):
    ours, theirs = pair
    wanted = jax.hessian(theirs)(Z)
    direction = jnp.asarray(SOFT)
    product = jnp.einsum("abcd,cd->ab", wanted, direction)
    for made in (
        jax.hessian(ours)(Z),
        jax.jacrev(jax.jacrev(ours))(Z),
        jax.jit(jax.jacfwd(jax.jacfwd(ours)))(Z),
    ):
        np.testing.assert_allclose(made, wanted, 1e-9, 1e-12)
    for made in (
        jax.jvp(jax.grad(ours), (Z,), (direction,))[1],
        jax.grad(lambda z: jnp.vdot(jax.grad(ours)(z), direction))(Z),
        jax.jit(jax.grad(lambda z: jax.jvp(ours, (z,), (direction,))[1]))(Z),
    ):
        np.testing.assert_allclose(made, product, 1e-9, 1e-12)


def test_what_is_not_offered_says_so():
    third = jax.grad(jax.grad(jax.grad(lambda z: sigmoid_focal_loss(z, 1.0))))
    with pytest.raises(ValueError, match="cannot be differentiated"):
        third(0.5)
    with pytest.raises(NotImplementedError, match="class indices only"):
        jax.hessian(lambda z: softmax_focal_loss(z, SOFT).sum())(Z)
    with pytest.raises(NotImplementedError, match="no derivative with respect to labels: use jax.lax.stop_gradient"):
        jax.grad(lambda y: sigmoid_focal_loss(Z, y).sum())(SOFT)
    with pytest.raises(NotImplementedError, match="no derivative with respect to weights"):
        jax.grad(lambda w: sigmoid_focal_loss(Z, HARD, weights=w).sum())(SOFT)


# ---- Transformations ----------------------------------------------------------------------------------------------


def test_jit_changes_nothing():
    for function in (lambda z: sigmoid_focal_loss(z, HARD, reduction="sum"), lambda z: softmax_focal_loss(z, T).sum()):
        value, gradient = jax.jit(jax.value_and_grad(function))(Z)
        assert value == function(Z) and (gradient == jax.grad(function)(Z)).all()


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_vmap_is_a_loop(reduction):
    batch, rows = jnp.asarray(RNG.normal(size=(4, N, K))), jnp.asarray(RNG.integers(0, K, (4, N)), jnp.int32)

    def sigmoid(z, t):
        return sigmoid_focal_loss(z, HARD, 0.25, reduction=reduction)

    def softmax(z, t):
        return softmax_focal_loss(z, t, ALPHAS, reduction=reduction, axis=1)

    for function in (sigmoid, softmax):
        wanted = jnp.stack([function(z, t) for z, t in zip(batch, rows)])
        assert (jax.vmap(function)(batch, rows) == wanted).all()
        assert (jax.jit(jax.vmap(function, in_axes=(2, 1)))(jnp.moveaxis(batch, 0, 2), rows.T) == wanted).all()
        gradients = jax.vmap(jax.grad(lambda z, t: function(z, t).sum()))(batch, rows)
        wanted = jnp.stack([jax.grad(lambda z: function(z, t).sum())(z) for z, t in zip(batch, rows)])
        assert (gradients == wanted).all()


def test_inside_a_scan():
    def step(total, z):
        return total + sigmoid_focal_loss(z, HARD[0], reduction="sum"), None

    total = jax.jit(lambda z: jax.lax.scan(step, 0.0, z)[0])(Z)
    np.testing.assert_allclose(total, sigmoid_jax(Z, HARD[0]).sum(), 1e-12)


# ---- Dtypes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x64", (False, True))
@pytest.mark.parametrize("dtype", SHORT)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_short_types(dtype, reduction, x64):
    reduce = REDUCTIONS[reduction]
    pairs = []
    with jax.enable_x64(x64):
        z, y = jnp.asarray(Z, dtype), jnp.asarray(HARD, dtype)
        for function in (
            lambda z: sigmoid_focal_loss(z, y, 0.25, reduction=reduction),
            lambda z: softmax_focal_loss(z, T, reduction=reduction),
        ):
            loss, back = jax.vjp(function, z)
            (gradient,) = back(jnp.ones_like(loss))
            assert loss.dtype == gradient.dtype == dtype
            pairs.append((np.asarray(loss, np.float64), np.asarray(gradient, np.float64)))
        exact = np.asarray(z, np.float64)
    for (loss, gradient), function in zip(pairs, (lambda z: sigmoid_jax(z, HARD, 0.25), lambda z: softmax_jax(z, T))):
        wanted, back = jax.vjp(lambda z: reduce(function(z)), exact)
        np.testing.assert_allclose(loss, wanted, SHORT[dtype], 1e-7)
        np.testing.assert_allclose(gradient, back(jnp.ones_like(wanted))[0], SHORT[dtype], 1e-6)


@pytest.mark.parametrize(
    "dtype", ("bool", "uint8", "int8", "uint16", "int32", "int64", "float16", "bfloat16", "float32")
)
def test_label_dtypes(dtype):
    assert (sigmoid_focal_loss(Z, HARD.astype(dtype)) == sigmoid_focal_loss(Z, HARD)).all()
    if "int" in dtype:
        assert (softmax_focal_loss(Z, T.astype(dtype)) == softmax_focal_loss(Z, T)).all()


# ---- Errors -------------------------------------------------------------------------------------------------------

AT_RUN = (ValueError, jax.errors.JaxRuntimeError)  # JAX's choice depends on who dispatched the call


@pytest.mark.parametrize("wrap", (lambda f: f, jax.jit), ids=("eager", "jit"))
@pytest.mark.parametrize(
    ("call", "kind", "message"),
    (
        (lambda z: softmax_focal_loss(z, T * 0 + 9), AT_RUN, r"targets\[0\] is 9, outside \[0, 5\)"),
        (lambda z: sigmoid_focal_loss(z, HARD, gamma=-1.0), AT_RUN, "gamma is -1"),
        (lambda z: sigmoid_focal_loss(z, HARD[:, :3]), ValueError, r"labels has shape \(6, 3\)"),
        (lambda z: sigmoid_focal_loss(z, SOFT[:, 0]), TypeError, "class indices; got float64"),
        (lambda z: softmax_focal_loss(z, T, ALPHAS[:2]), ValueError, "alpha has 2 values; it must have 5"),
        (lambda z: softmax_focal_loss(z, T, weights=SOFT), ValueError, r"weights has shape \(6, 5\)"),
        (lambda z: sigmoid_focal_loss(z.astype(int), HARD), TypeError, "logits must be floating point"),
        (lambda z: sigmoid_focal_loss(z, HARD, reduction="average"), ValueError, "reduction must be one of"),
    ),
    ids=range(8),
)
def test_errors(call, kind, message, wrap):
    with pytest.raises(kind, match=message):
        jax.block_until_ready(wrap(call)(jnp.asarray(Z)))


def test_traced_parameters_are_refused():
    with pytest.raises(TypeError, match="[Tt]racer"):
        jax.jit(lambda z, alpha: sigmoid_focal_loss(z, HARD, alpha))(Z, 0.25)
