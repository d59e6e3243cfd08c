"""What people use instead, as functions of no argument that compute loss and gradient once and return the loss.

Every contender is made by a factory `name(problem)`.  Frameworks are imported inside the factories: one that is not
installed is left out of the run.  `Problem` holds the data and the parameters.
"""

import ctypes
import dataclasses
import functools

import numpy

import formulas
from native import OUT

ALPHA = 0.25


@dataclasses.dataclass
class Problem:
    """shape: (N,) for the binary loss; (N, K) or (N, C, H, W) for softmax, whose class axis is the second.

    alpha is torchvision's for the binary loss and off for softmax, where peers disagree on what it means.
    """

    shape: tuple
    threads: int
    gamma: float = 2.0

    def __post_init__(self):
        random = numpy.random.default_rng(1)
        self.softmax = len(self.shape) > 1
        self.logits = random.standard_normal(self.shape, numpy.float32) * numpy.float32(2.5)
        if self.softmax:
            sample = (self.shape[0], *self.shape[2:])
            self.targets = random.integers(0, self.shape[1], sample, numpy.int32)
        else:
            self.targets = (random.random(self.shape, numpy.float32) < 0.05).astype(numpy.float32)
        self.grad = numpy.zeros_like(self.logits)
        self.alpha = 1.0 if self.softmax else ALPHA
        self.bytes = (self.logits.nbytes + self.targets.nbytes + self.grad.nbytes) / self.logits.size

    @property
    def classes(self):
        """0 .. K - 1 along the class axis."""
        trailing = (1,) * (len(self.shape) - 2)
        return numpy.arange(self.shape[1], dtype=numpy.int32).reshape(-1, *trailing)

    @property
    def labels(self):
        return numpy.expand_dims(self.targets, 1)


# ---- libfocalloss and C --------------------------------------------------------------------------------------------


def ours(problem):
    import focalloss

    options = {"reduction": "sum", "grad_out": problem.grad, "threads": problem.threads}
    z, y, gamma = problem.logits, problem.targets, problem.gamma
    if problem.softmax:
        return lambda: focalloss.softmax_focal_loss_and_grad(z, y, None, gamma, axis=1, **options)[0]
    return lambda: focalloss.sigmoid_focal_loss_and_grad(z, y, problem.alpha, gamma, **options)[0]


def plain(problem):
    """As people call it: no options, a new gradient every time."""
    import focalloss

    return lambda: focalloss.sigmoid_focal_loss_and_grad(problem.logits, problem.targets, reduction="sum")[0]


def ours_torch(problem):
    import torch
    from focalloss.torch import sigmoid_focal_loss, softmax_focal_loss

    torch.set_num_threads(problem.threads)
    z = torch.from_numpy(problem.logits).requires_grad_()
    y = torch.from_numpy(problem.targets)
    if problem.softmax:
        loss_of = functools.partial(softmax_focal_loss, z, y.long(), gamma=problem.gamma, reduction="sum")
    else:
        loss_of = functools.partial(sigmoid_focal_loss, z, y, problem.alpha, problem.gamma, "sum")

    def call():
        loss = loss_of()
        torch.autograd.grad(loss, z)
        return loss

    return call


class Streams(ctypes.Structure):
    """floor_streams of peers/peers.h."""

    _fields_ = [(name, ctypes.c_void_p) for name in "abcd"]
    _fields_ += [(f"{name}_bytes", ctypes.c_size_t) for name in "abcd"]


@functools.cache
def peers():
    library = ctypes.CDLL(str(OUT / "libpeers.so"))
    pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_float
    library.run_binary.argtypes = [ctypes.c_char_p, *[pointer] * 3, size, number, number, ctypes.c_int]
    library.run_softmax.argtypes = [ctypes.c_char_p, *[pointer] * 3, *[size] * 3, number, number, ctypes.c_int]
    library.run_floor.argtypes = [ctypes.c_int, pointer, ctypes.c_int]
    for function in (library.run_binary, library.run_softmax, library.run_floor):
        function.restype = ctypes.c_double
    return library


def c_peer(name, problem):
    z, y, g = (a.ctypes.data for a in (problem.logits, problem.targets, problem.grad))
    tail = (problem.alpha, problem.gamma, problem.threads)
    if problem.softmax:
        inner = int(numpy.prod(problem.shape[2:]))
        sizes = (problem.shape[0], problem.shape[1], inner)
        return functools.partial(peers().run_softmax, name, z, y, g, *sizes, *tail)
    return functools.partial(peers().run_binary, name, z, y, g, problem.logits.size, *tail)


def c_avx2(problem):
    return c_peer(b"avx2" if problem.softmax else b"avx2_4", problem)


def c_libmvec(problem):
    return None if problem.softmax else c_peer(b"libmvec_avx2", problem)


def floor(problem):
    arrays = (problem.logits, problem.targets, problem.grad)
    streams = Streams(*(a.ctypes.data for a in arrays), None, *(a.nbytes for a in arrays), 0)
    address = ctypes.addressof(streams)

    def call(_kept_alive=streams):
        peers().run_floor(0, address, problem.threads)

    return call


# ---- PyTorch -------------------------------------------------------------------------------------------------------


def torch_inputs(problem):
    import torch

    torch.set_num_threads(problem.threads)
    return torch.from_numpy(problem.logits), torch.from_numpy(problem.targets)


def torch_softmax_focal(z, y, gamma):
    """The composition that people write: log_softmax, gather, the formula."""
    import torch

    log_p = torch.nn.functional.log_softmax(z, 1).gather(1, y.unsqueeze(1)).squeeze(1)
    return -((1 - log_p.exp()) ** gamma * log_p).sum()


@functools.cache
def torchvision_focal():
    import torch

    try:
        from torchvision.ops import sigmoid_focal_loss
    except RuntimeError:  # its compiled operators belong to another build of torch; the focal loss is Python and needs none
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torchvision_focal.kept_alive = library
        from torchvision.ops import sigmoid_focal_loss
    return sigmoid_focal_loss


def torch_eager(problem, compiled=False):
    import torch

    z, y = torch_inputs(problem)
    z.requires_grad_()
    if problem.softmax:
        y = y.long()
        formula = functools.partial(torch_softmax_focal, gamma=problem.gamma)
    else:
        formula = functools.partial(torchvision_focal(), alpha=problem.alpha, gamma=problem.gamma, reduction="sum")
    if compiled:
        formula = torch.compile(formula)

    def call():
        loss = formula(z, y)
        torch.autograd.grad(loss, z)
        return loss

    return call


def torch_compiled(problem):
    return torch_eager(problem, compiled=True)


def torch_by_hand(problem):
    """torch.compile of the gradient derived by hand: the best that torch does."""
    import torch

    z, y = torch_inputs(problem)
    if problem.softmax:
        y, classes = y.unsqueeze(1), torch.from_numpy(problem.classes)

        def formula(z, y):
            return formulas.softmax(torch, z, y, problem.alpha, problem.gamma, 1, classes)
    else:

        def formula(z, y):
            return formulas.binary(torch, z, y, problem.alpha, problem.gamma)

    torch.expand_dims = torch.unsqueeze
    compiled = torch.compile(formula)
    return lambda: compiled(z, y)[0]


def kornia(problem):
    import torch
    from kornia.losses import binary_focal_loss_with_logits, focal_loss

    z, y = torch_inputs(problem)
    if problem.softmax:
        z.requires_grad_()
        y = y.long()
        return gradient_of(lambda: focal_loss(z, y, alpha=None, gamma=problem.gamma, reduction="sum"), z)
    z, y = z.unsqueeze(0).requires_grad_(), y.unsqueeze(0)
    weights = problem.alpha
    return gradient_of(lambda: binary_focal_loss_with_logits(z, y, weights, problem.gamma, "sum"), z)


def monai(problem):
    from monai.losses import FocalLoss

    z, y = torch_inputs(problem)
    if problem.softmax:
        y = y.long().unsqueeze(1)
        loss_of = FocalLoss(gamma=problem.gamma, use_softmax=True, to_onehot_y=True, reduction="none")
    else:
        z, y = z.reshape(1, 1, -1), y.reshape(1, 1, -1)
        loss_of = FocalLoss(gamma=problem.gamma, alpha=problem.alpha, reduction="none")
    z.requires_grad_()
    return gradient_of(lambda: loss_of(z, y).sum(), z)


def gradient_of(loss_of, z):
    import torch

    def call():
        loss = loss_of()
        torch.autograd.grad(loss, z)
        return loss

    return call


# ---- JAX -----------------------------------------------------------------------------------------------------------


def jax_call(problem, function):
    import jax

    z, y = jax.numpy.asarray(problem.logits), jax.numpy.asarray(problem.targets)
    jitted = jax.jit(function)
    return lambda: jax.block_until_ready(jitted(z, y))[0]


def jax_grad(problem):
    """jax.jit of value_and_grad of the formula that people write."""
    import jax
    import jax.numpy as jnp

    def softmax(z, y):
        log_p = jnp.take_along_axis(jax.nn.log_softmax(z, 1), jnp.expand_dims(y, 1), 1)
        return -((1 - jnp.exp(log_p)) ** problem.gamma * log_p).sum()

    def binary(z, y):
        p = jax.nn.sigmoid(z)
        ce = jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z)))
        p_t = p * y + (1 - p) * (1 - y)
        return ((problem.alpha * y + (1 - problem.alpha) * (1 - y)) * (1 - p_t) ** problem.gamma * ce).sum()

    return jax_call(problem, jax.value_and_grad(softmax if problem.softmax else binary))


def jax_by_hand(problem):
    import jax.numpy as jnp

    if problem.softmax:
        classes = jnp.asarray(problem.classes)
        return jax_call(
            problem,
            lambda z, y: formulas.softmax(
                jnp, z, jnp.expand_dims(y, 1), problem.alpha, problem.gamma, 1, classes
            ),
        )
    return jax_call(problem, lambda z, y: formulas.binary(jnp, z, y, problem.alpha, problem.gamma))


def optax(problem):
    import jax
    import optax as library

    if problem.softmax:
        return None

    def loss_of(z, y):
        return library.sigmoid_focal_loss(z, y, alpha=problem.alpha, gamma=problem.gamma).sum()

    return jax_call(problem, jax.value_and_grad(loss_of))


# ---- TensorFlow, numba, numpy --------------------------------------------------------------------------------------


def keras_tf(problem):
    """Keras on TensorFlow, compiled by XLA."""
    import os

    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    if problem.softmax:
        return None  # needs one-hot targets: K times the memory
    set_tensorflow_threads(problem.threads)
    import keras

    loss_of = keras.losses.BinaryFocalCrossentropy(
        apply_class_balancing=True, alpha=problem.alpha, gamma=problem.gamma, from_logits=True, reduction=None
    )
    z, y = tf.constant(problem.logits[:, None]), tf.constant(problem.targets[:, None])

    @tf.function(jit_compile=True)
    def step(z, y):
        with tf.GradientTape() as tape:
            tape.watch(z)
            loss = tf.reduce_sum(loss_of(y, z))
        return loss, tape.gradient(loss, z)

    def call():
        loss, grad = step(z, y)
        _ = grad.shape
        return loss

    return call


@functools.cache
def set_tensorflow_threads(threads):
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def numba(problem):
    """One fused loop, parallel, fastmath: the best that numba does."""
    import numba as nb

    nb.set_num_threads(problem.threads)
    gamma, alpha = numpy.float32(problem.gamma), numpy.float32(problem.alpha)
    one, zero, two = numpy.float32(1), numpy.float32(0), numpy.float32(2)

    @nb.njit(parallel=problem.threads > 1, fastmath=True, inline="always")
    def term(u):
        e = numpy.exp(-abs(u))
        r = one / (one + e)
        p, q = (e * r, r) if u < zero else (r, e * r)
        loss = numpy.log1p(e) - min(u, zero)
        m = q * q if gamma == two else q**gamma
        return m * loss, m * (q + gamma * p * loss)

    @nb.njit(parallel=problem.threads > 1, fastmath=True)
    def binary(z, y, g):
        total = 0.0
        for i in nb.prange(z.size):
            s = two * y[i] - one
            a = alpha * y[i] + (one - alpha) * (one - y[i])
            loss, slope = term(s * z[i])
            total += a * loss
            g[i] = -s * a * slope
        return total

    @nb.njit(parallel=problem.threads > 1, fastmath=True)
    def softmax(z, y, g):
        total = 0.0
        outer, classes, inner = z.shape
        for i in nb.prange(outer * inner):
            n, j, t = i // inner, i % inner, y[i]
            top = z[n, 0, j]
            for k in range(1, classes):
                top = max(top, z[n, k, j])
            others = numpy.float32(1e-37)
            for k in range(classes):
                e = numpy.exp(z[n, k, j] - top)
                g[n, k, j] = e
                others += e if k != t else zero
            loss, slope = term(z[n, t, j] - top - numpy.log(others))
            total += loss
            for k in range(classes):
                g[n, k, j] *= slope / others
            g[n, t, j] = -slope
        return total

    if not problem.softmax:
        return lambda: binary(problem.logits, problem.targets, problem.grad)
    shape = (problem.shape[0], problem.shape[1], int(numpy.prod(problem.shape[2:])))
    z, g, y = problem.logits.reshape(shape), problem.grad.reshape(shape), problem.targets.reshape(-1)
    return lambda: softmax(z, y, g)


def numpy_stable(problem):
    z, gamma = problem.logits, problem.gamma
    if problem.softmax:
        classes = problem.classes
        return lambda: formulas.softmax(numpy, z, problem.labels, problem.alpha, gamma, 1, classes)[0]
    return lambda: formulas.binary(numpy, z, problem.targets, problem.alpha, gamma)[0]


# The quick ones first: a budget that runs out takes the others.
CONTENDERS = {
    "ours": ours,
    "ours:numpy": plain,
    "floor": floor,
    "c_avx2": c_avx2,
    "torch_eager": torch_eager,
    "torch_by_hand": torch_by_hand,
    "jax": jax_grad,
    "jax_by_hand": jax_by_hand,
    "numba": numba,
    "ours_torch": ours_torch,
    "torch_compiled": torch_compiled,
    "numpy": numpy_stable,
    "c_libmvec": c_libmvec,
    "keras_tf": keras_tf,
    "kornia": kornia,
    "monai": monai,
    "optax": optax,
}
