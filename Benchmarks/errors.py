"""What each contender's speed costs in exactness: the largest error of its gradient, in units of the last place."""

import ctypes

import numpy

import cases
import frameworks
import native

COUNT, LIMIT, ALPHA, GAMMA = 1 << 20, 20, 0.25, 2.0


def true_gradient(z, y):
    """a (q^3 - 2 p q^2 log p) with the sign of the target's side, in float64, whose own error is a 10^8th of float32's."""
    s = numpy.where(y > 0, z, -z).astype(numpy.float64)
    p, q, loss = 1 / (1 + numpy.exp(-s)), 1 / (1 + numpy.exp(s)), numpy.logaddexp(0, -s)
    weight = numpy.where(y > 0, -ALPHA, 1 - ALPHA)
    return weight * q * q * (q + 2 * p * loss)


def contenders():
    """(name, call with logits, targets and gradient) of the library and of the peers that run here."""
    pointer, double = ctypes.c_void_p, ctypes.c_double
    ours, peer = ctypes.CDLL(str(native.LIBRARY)).focal_sigmoid_loss_f32, frameworks.peers().run_binary
    ours.argtypes = [pointer, pointer, ctypes.c_size_t, double, double, ctypes.c_int, pointer, pointer]
    yield "ours", lambda z, y, grad: ours(z, y, COUNT, ALPHA, GAMMA, 0, None, grad)
    for name in cases.C_PEERS:
        yield name, lambda z, y, grad, name=name: peer(name.encode(), z, y, grad, COUNT, ALPHA, GAMMA, 1)


def largest():
    """{contender: ULP}, over a million random logits from -20 to 20 and both targets."""
    rng = numpy.random.default_rng(0)
    z = rng.uniform(-LIMIT, LIMIT, COUNT).astype(numpy.float32)
    y = rng.integers(0, 2, COUNT).astype(numpy.float32)
    truth = true_gradient(z, y)
    unit = numpy.spacing(numpy.abs(truth).astype(numpy.float32)).astype(numpy.float64)
    found = {}
    for name, call in contenders():
        grad = numpy.zeros_like(z)
        call(z.ctypes.data, y.ctypes.data, grad.ctypes.data)
        if grad.any():  # a peer that this CPU cannot run writes nothing
            found[name] = float(numpy.max(numpy.abs(grad - truth) / unit))
    return found
