"""test_jax_devices.py's process with two CPU devices; what holds is asserted here, its name is printed."""

import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from focalloss.jax import sigmoid_focal_loss, softmax_focal_loss  # noqa: E402
from jax.sharding import Mesh, NamedSharding, PartitionSpec  # noqa: E402

RNG = np.random.default_rng(0)
N, K = 4096, 8
Z = jnp.asarray(RNG.normal(size=(N, K)), jnp.float32)
Y = jnp.asarray(RNG.random((N, K)) < 0.1, jnp.float32)
T = jnp.asarray(RNG.integers(0, K, N), jnp.int32)


def sigmoid(z, y):
    return sigmoid_focal_loss(z, y, 0.25, reduction="sum")


def softmax(z, t):
    return softmax_focal_loss(z, t, reduction="sum")


def check(name, mine, wanted):
    np.testing.assert_allclose(mine[0], wanted[0], rtol=1e-6)
    np.testing.assert_array_equal(mine[1], wanted[1])
    print(name)


def main():
    assert len(jax.devices()) == 2
    meshes = {"automatic": Mesh(np.array(jax.devices()), ("d",)), "explicit": jax.make_mesh((2,), ("d",))}
    parts = PartitionSpec("d")
    for loss, targets in ((sigmoid, Y), (softmax, T)):
        whole = jax.value_and_grad(loss)(Z, targets)
        for kind, mesh in meshes.items():
            sharded = [jax.device_put(x, NamedSharding(mesh, parts)) for x in (Z, targets)]
            check(f"{loss.__name__} jit {kind}", jax.jit(jax.value_and_grad(loss))(*sharded), whole)
            over = jax.shard_map(
                lambda z, y, loss=loss: jax.lax.psum(loss(z, y), "d"),
                mesh=mesh,
                in_specs=(parts, parts),
                out_specs=PartitionSpec(),
            )
            step = jax.jit(jax.value_and_grad(over))
            check(f"{loss.__name__} shard_map {kind}", step(*sharded), whole)
            for _ in range(50):  # both devices at once, again and again (queueing many collectives hangs XLA itself)
                result = jax.block_until_ready(step(*sharded))
            check(f"{loss.__name__} repeated {kind}", result, whole)
        halves = [x.reshape(2, N // 2, *x.shape[1:]) for x in (Z, targets)]
        value, gradient = jax.pmap(jax.value_and_grad(loss))(*halves)
        check(f"{loss.__name__} pmap", (value.sum(), gradient.reshape(N, K)), whole)
    step(*sharded)  # leaving while a call runs is no harm
    print("left", flush=True)


main()
