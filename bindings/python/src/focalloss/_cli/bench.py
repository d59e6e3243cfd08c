"""A small benchmark: loss and gradient of the binary focal loss against what the memory allows, in the same run.

The floor is numpy.add, which like the loss reads two arrays and writes one, on as many threads or on one, whichever is
faster.
"""

from __future__ import annotations

import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import numpy
from rich.console import Console
from rich.table import Table

from .. import info, sigmoid_focal_loss_and_grad

ROUNDS = 9
SECONDS = 0.05  # a round runs at least this long


def run(options) -> None:
    threads = options.threads or sorted({1, info()["num_threads"]})
    console = Console()
    console.print(f"libfocalloss {info()['version']}, {info()['isa']}, {os.cpu_count()} CPUs; {options.dtype}, "
                  f"gamma {options.gamma:g}; median of {ROUNDS} rounds")  # fmt: skip
    table = Table()
    for name in ("elements", "threads", "loss + gradient", "floor: a + b", "ratio", "one call"):
        table.add_column(name, justify="right")
    for size in options.sizes:
        for count in threads:
            loss, floor = measure(size, count, options.gamma, options.dtype)
            table.add_row(f"{size:,}", str(count), f"{1e9 * loss / size:.2f} ns", f"{1e9 * floor / size:.2f} ns",
                          f"{loss / floor:.1f}", _time(loss))  # fmt: skip
    console.print(table)


def measure(size: int, threads: int, gamma: float, dtype: str) -> tuple[float, float]:
    """Seconds of one call of the loss and of the floor; rounds of the two alternate, so that noise meets both."""
    random = numpy.random.default_rng(0)
    logits = random.normal(0, 3, size).astype(dtype)
    targets = (random.random(size) < 0.1).astype(dtype)
    grad = numpy.zeros_like(logits)
    slices = [slice(size * k // threads, size * (k + 1) // threads) for k in range(threads)]

    def loss():
        sigmoid_focal_loss_and_grad(logits, targets, 0.25, gamma, grad_out=grad, threads=threads)

    def add(part):
        numpy.add(logits[part], targets[part], out=grad[part])

    with ThreadPoolExecutor(threads) as pool:
        floors = [lambda: add(slice(None)), lambda: list(pool.map(add, slices))][:threads]
        pairs = [(_round(loss), min(map(_round, floors))) for _ in range(ROUNDS)]
    loss_times, floor_times = zip(*pairs)
    return statistics.median(loss_times), statistics.median(floor_times)


def _round(function) -> float:
    """Seconds a call, over as many calls as fill a round."""
    calls, began = 0, time.perf_counter()
    while True:
        function()
        calls += 1
        elapsed = time.perf_counter() - began
        if elapsed >= SECONDS:
            return elapsed / calls


def _time(seconds: float) -> str:
    return f"{1e6 * seconds:.1f} µs" if seconds < 1e-3 else f"{1e3 * seconds:.2f} ms"
