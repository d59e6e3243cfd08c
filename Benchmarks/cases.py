"""What is measured: every case is one interleaved run, with its floor in it.

A contender is bench.c's: a name, an instruction set after a colon, options after slashes.
"""

import dataclasses
import os

ALL = len(os.sched_getaffinity(0))
THREADS = (1, ALL) if ALL > 1 else (1,)

C_PEERS = ["avx2_1", "avx2_4", "avx512_1", "avx512_4", "libmvec_avx2", "libmvec_avx512", "sleef_avx2"]
ISAS = ["x86-64", "x86-64-v3", "x86-64-v4", "neon"]
MIDDLE, LARGE = 4096, 1 << 24  # in cache, and past every cache

# (samples outside, classes, samples inside) and a name
SOFTMAX = {
    "100k x 10": (100_000, 10, 1),
    "100k x 100": (100_000, 100, 1),
    "10k x 1000": (10_000, 1000, 1),
    "2k x 32000": (2000, 32_000, 1),
    "8 x 21 x 256 x 256": (8, 21, 256 * 256),
}
MORE_SOFTMAX = {"256 x 256000": (256, 256_000, 1), "8 x 150 x 128 x 128": (8, 150, 128 * 128)}
FRAMEWORKS = "ours floor c_avx2 torch_eager torch_by_hand jax jax_by_hand numba numpy".split()
MORE_FRAMEWORKS = "ours_torch torch_compiled c_libmvec keras_tf kornia monai optax".split()


@dataclasses.dataclass(frozen=True)
class Case:
    """One run of bench.c."""

    suite: str
    title: str
    settings: dict
    contenders: list
    seconds: float = 3.0


@dataclasses.dataclass(frozen=True)
class FrameworkCase:
    """One case of worker.py."""

    suite: str
    title: str
    shape: tuple
    contenders: list
    seconds: float = 6.0


def count(n):
    for unit, name in ((10**9, "G"), (2**20, "Mi"), (10**6, "M"), (10**3, "k")):
        if n >= unit and n % unit == 0:
            return f"{n // unit}{name}"
    return f"{n:,}"


def threads_of(t):
    return "1 thread" if t == 1 else f"{t} threads"


def with_floors(name, options):
    """The contender and the floor of the same buffers, once for each of `options`."""
    return [f"{contender}/{option}" for option in options for contender in (name, "floor")]


def native(full):
    """The cases of bench.c, shortest first."""
    yield from by_isa()
    yield from by_size(full)
    yield from by_option(full)
    yield from softmax(full)
    yield from detector(full)
    yield from thread_cost(full)
    if full:
        yield from huge()


def by_isa():
    ours = [f"ours:{isa}" for isa in ISAS]
    for n, threads in ((MIDDLE, (1,)), (LARGE, THREADS)):
        for t in threads:
            title = f"binary, N = {count(n)}, {threads_of(t)}"
            yield Case("isa", title, {"outer": n, "threads": t}, [*ours, "trusted", *C_PEERS, "floor", "floor:streaming"])


def by_size(full):
    sizes = [1, 16, 256, MIDDLE, 1 << 16, 1 << 20, LARGE] + ([10**8] if full else [])
    for t in THREADS:
        for n in sizes:
            contenders = ["ours", "avx2_1", "avx2_4", "avx512_4", "libmvec_avx2", "sleef_avx2", "floor"]
            yield Case("size", f"binary, N = {count(n)}, {threads_of(t)}", {"outer": n, "threads": t}, contenders, 2.0)
    yield Case("call", "one element", {"outer": 1, "threads": ALL}, ["short", "ours", "avx2_1", "floor"])


def by_option(full):
    gammas = [f"gamma={g}" for g in (2, 0, 0.5, 1, 1.5, 3, 5, 1.7)]
    outputs = [f"outputs={o}" for o in ("rg", "r", "g", "l", "lg", "gh", "rgh")]
    targets = [f"target={t}" for t in ("f32", "u8", "i32", "i64")]
    dtypes = [f"dtype={d}" for d in ("f32", "bf16", "f16", "f64")]
    for n, t in ((MIDDLE, 1), (LARGE, 1), (LARGE, ALL)) if full else ((MIDDLE, 1), (LARGE, ALL)):
        where = f"N = {count(n)}, {threads_of(t)}"
        common = {"outer": n, "threads": t}
        yield Case("gamma", f"gamma, {where}", common, [*(f"ours/{g}" for g in gammas), "floor"])
        yield Case("outputs", f"outputs, {where}", common, with_floors("ours", outputs))
        yield Case("targets", f"target types, {where}", common, with_floors("ours", targets))
        yield Case("dtypes", f"score types, {where}", common, with_floors("ours", dtypes), 5.0)


def softmax(full):
    shapes = SOFTMAX | (MORE_SOFTMAX if full else {})
    for name, (outer, classes, inner) in shapes.items():
        for t in THREADS:
            settings = {"softmax": 1, "target": "i32", "outer": outer, "classes": classes, "inner": inner, "threads": t}
            yield Case("softmax", f"softmax {name}, {threads_of(t)}", settings, ["ours", "avx2", "avx512", "floor"])


def detector(full):
    images = 16 if full else 1
    for t in THREADS:
        settings = {"outer": images * 100_000, "classes": 80, "target": "label_i32", "threads": t}
        title = f"RetinaNet, {images} x 100000 x 80 labels, {threads_of(t)}"
        yield Case("detector", title, settings, ["ours", "floor"], 6.0)


def thread_cost(full):
    if ALL == 1:
        return
    for n in [1, 100, 1000, 10**4, 10**5, 10**6, 10**7] + ([10**8] if full else []):
        contenders = ["ours/threads=1", f"ours/threads={ALL}", "floor"]
        yield Case("threads", f"threads, N = {count(n)}", {"outer": n}, contenders, 2.0)


def huge():
    """A thousand million elements: every buffer is one piece of 256 MiB, mapped again and again."""
    sizes = [f"outer={LARGE}", f"outer={10**9}"]
    for t in THREADS:
        settings = {"alias_mb": 256, "threads": t, "rounds": 5}
        yield Case("huge", f"binary, N = 1G beside 16Mi, {threads_of(t)}", settings, with_floors("ours", sizes), 30.0)


def frameworks(full):
    # At 1,000 elements nanoseconds an element are microseconds a call.
    yield FrameworkCase("python", "a call from Python, N = 1k", (1000,), ["ours:numpy", "numpy", "torch_eager", "floor"], 2.0)
    names = FRAMEWORKS + (MORE_FRAMEWORKS if full else [])
    sizes = (1000, 10**5, 10**6, LARGE) if full else (10**5, LARGE)
    for n in sizes:
        yield FrameworkCase("frameworks", f"binary, N = {count(n)}", (n,), names, 20.0 if full else 4.0)
    shapes = {
        "100k x 10": (100_000, 10),
        "100k x 100": (100_000, 100),
        "10k x 1000": (10_000, 1000),
        "2k x 32000": (2000, 32_000),
        "8 x 21 x 256 x 256": (8, 21, 256, 256),
    }
    for name in shapes if full else ("10k x 1000",):
        yield FrameworkCase("frameworks-softmax", f"softmax {name}", shapes[name], names, 20.0 if full else 4.0)
