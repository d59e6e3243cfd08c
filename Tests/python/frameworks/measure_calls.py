"""What a call costs: ours beside the framework's own, interleaved, best of many rounds.

    python measure_calls.py            a table in microseconds a call (on an idle machine)

Rows: torch at 1,000 elements (forward, forward and backward, no gradient) beside torchvision; JAX's fused loss and
gradient through the foreign function interface, as focalloss.jax has it, beside the same call through jax.pure_callback
and beside optax under jit.
"""

import sys
import time


def best(calls: dict, rounds: int = 25, repeats: int = 20) -> dict:
    """The least time of one call of each function, in microseconds; rounds go through all functions in turn."""
    times = {name: float("inf") for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            times[name] = min(times[name], (time.perf_counter() - start) / repeats * 1e6)
    return times


def torch_calls(n: int = 1000) -> dict:
    import torch
    from focalloss.torch import sigmoid_focal_loss
    from formulas import torchvision_focal_loss

    z = torch.randn(n, requires_grad=True)
    y = (torch.rand(n) < 0.1).float()
    calls = {}
    for who, function in (("focalloss", sigmoid_focal_loss), ("torchvision", torchvision_focal_loss())):

        def forward(function=function):
            return function(z, y, reduction="mean")

        def both(function=function):
            z.grad = None
            function(z, y, reduction="mean").backward()

        def without(function=function):
            with torch.no_grad():
                function(z, y, reduction="mean")

        calls |= {(who, "forward"): forward, (who, "forward and backward"): both, (who, "no gradient"): without}
    return calls


def jax_calls(n: int) -> dict:
    import focalloss
    import jax
    import numpy as np
    import optax
    from focalloss.jax import sigmoid_focal_loss

    rng = np.random.default_rng(0)
    z = jax.numpy.asarray(rng.normal(size=n), "float32")
    y = jax.numpy.asarray(rng.random(n) < 0.1, "float32")

    def callback(z, y):
        loss, gradient = focalloss.sigmoid_focal_loss_and_grad(np.asarray(z), np.asarray(y), copy=True)
        return np.float32(loss), gradient

    shapes = jax.ShapeDtypeStruct((), "float32"), jax.ShapeDtypeStruct((n,), "float32")
    functions = {
        "focalloss": jax.value_and_grad(lambda z, y: sigmoid_focal_loss(z, y, 0.25, reduction="mean")),
        "pure_callback": lambda z, y: jax.pure_callback(callback, shapes, z, y),
        "optax": jax.value_and_grad(lambda z, y: optax.sigmoid_focal_loss(z, y, alpha=0.25).mean()),
    }
    functions = {name: jax.jit(function) for name, function in functions.items()}
    return {
        (name, f"jax, {n}"): lambda function=function: jax.block_until_ready(function(z, y))
        for name, function in functions.items()
    }


def main():
    tables = [best(torch_calls())]
    tables += [
        best(jax_calls(n), rounds, repeats) for n, rounds, repeats in ((1000, 40, 50), (10**6, 20, 3), (10**7, 5, 1))
    ]
    for table in tables:
        for (who, what), microseconds in sorted(table.items(), key=lambda item: item[0][1]):
            print(f"{what:24} {who:14} {microseconds:12.1f} us")


if __name__ == "__main__":
    sys.exit(main())
