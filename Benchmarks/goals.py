"""What the project promises of its speed, read off the measurements: the list of issues to come, as long as it is honest.

A goal compares contenders that were timed interleaved in one run, round by round.
"""

import dataclasses

import cases
import stats
from labels import allocator

C_PEERS = {*cases.C_PEERS, "avx2", "avx512"}  # the binary and the softmax ones


@dataclasses.dataclass(frozen=True)
class Verdict:
    name: str
    value: float
    goal: float
    is_least: bool
    peer: float | None = None  # the same of the fastest C peer in the run, where there is one

    @property
    def met(self):
        return self.value >= self.goal if self.is_least else self.value <= self.goal

    @property
    def cells(self):
        """As the tables show it: name, measured, wanted, the best peer."""
        wanted = f"{'>=' if self.is_least else '<='} {self.goal:g}"
        return self.name, f"{self.value:.2f}", wanted, "" if self.peer is None else f"{self.peer:.2f}"


def at_least(name, value, goal, peer=None):
    return Verdict(name, value, goal, True, peer)


def at_most(name, value, goal):
    return Verdict(name, value, goal, False)


def verdicts(records):
    """Every goal that these records can judge."""
    for record in records:
        rows, suite, title = record["contenders"], record["suite"], record["title"]
        judge = JUDGES.get(suite)
        if judge:
            for verdict in judge(rows, title, record):
                if verdict.value is not None:
                    yield dataclasses.replace(verdict, name=f"{title}{allocator(record)}: {verdict.name}")


def ratio(rows, above, below):
    if above in rows and below in rows:
        return stats.ratio(rows[above], rows[below])
    return None


def of_floor(rows, name="ours", floor="floor"):
    """1 where a contender is as fast as memory allows."""
    return ratio(rows, floor, name)


def best_peer(rows):
    """What the fastest peer in C reaches of the floor."""
    return max((of_floor(rows, name) for name in C_PEERS & rows.keys()), default=None)


def isa(rows, title, record):
    single = record["threads"] == 1
    if record["n"] == cases.LARGE:
        yield at_least("share of the floor", of_floor(rows, best_ours(rows)), 0.65 if single else 0.80, best_peer(rows))
    else:
        yield at_least("v3 against AVX2 intrinsics", ratio(rows, "avx2_1", "ours:x86-64-v3"), 1.5)
        yield at_least("v3 against AVX2 intrinsics, four interleaved", ratio(rows, "avx2_4", "ours:x86-64-v3"), 1.15)
    yield at_least("baseline's speed, v3 = 1", ratio(rows, "ours:x86-64-v3", "ours:x86-64"), 0.25)


def best_ours(rows):
    ours = [name for name in rows if name.startswith("ours")]
    return min(ours, key=lambda name: rows[name]["median"]) if ours else "ours"


def gamma(rows, title, record):
    for name in rows:
        if name.startswith("ours/gamma=") and name != "ours/gamma=2":
            g = name.removeprefix("ours/")
            yield at_most(f"{g} against gamma=2", ratio(rows, name, "ours/gamma=2"), 2.0 if g == "gamma=1.7" else 1.3)


def targets(rows, title, record):
    for kind in ("u8", "i32", "i64"):
        # 5%: two runs of the same code differ by as much
        yield at_most(f"{kind} against f32", ratio(rows, f"ours/target={kind}", "ours/target=f32"), 1.05)


def dtypes(rows, title, record):
    large = record["n"] == cases.LARGE
    for kind in ("bf16", "f16"):
        yield at_most(f"{kind} against f32", ratio(rows, f"ours/dtype={kind}", "ours/dtype=f32"), 1.05)
    for kind in ("bf16", "f16", "f64") if large else ():
        yield at_least(f"{kind}, share of its floor", of_floor(rows, f"ours/dtype={kind}", f"floor/dtype={kind}"), 0.60)


def softmax(rows, title, record):
    aimed = [classes for _, classes, _ in cases.SOFTMAX.values()]
    if record["threads"] == cases.ALL and record["classes"] in aimed:
        yield at_least("share of the floor", of_floor(rows), 0.40 if record["classes"] == 10 else 0.65, best_peer(rows))


def detector(rows, title, record):
    yield at_least("share of the floor", of_floor(rows), 0.65)


def threads(rows, title, record):
    yield at_most("all threads against one", ratio(rows, f"ours/threads={cases.ALL}", "ours/threads=1"), 1.10)


def huge(rows, title, record):
    names = [f"ours/outer={n}" for n in (10**9, cases.LARGE)]
    yield at_most("an element of 1G against one of 16Mi", ratio(rows, *names), 1.1)


def call(rows, title, record):
    yield at_most("nanoseconds a call", rows.get("short", {}).get("median"), 100)


def python(rows, title, record):
    yield at_most("microseconds a call", rows.get("ours:numpy", {}).get("median"), 10)


def frameworks_softmax(rows, title, record):
    wide = "32000" in title or " x 21 x " in title
    compiled = [name for name in ("torch_by_hand", "torch_compiled", "jax", "jax_by_hand") if name in rows]
    best = min(compiled, key=lambda name: rows[name]["median"], default=None)
    for what, peer, goal in ("torch eager", "torch_eager", 3.0 if wide else 5.0), ("the best compiled form", best, 2.0):
        yield at_least(f"against {what}", ratio(rows, peer, "ours"), goal, ratio(rows, peer, "c_avx2"))


def boosting(rows, title, record):
    if "floor:builtin" in rows:
        yield at_most("training against the built-in objective", ratio(rows, "ours", "floor:builtin"), 1.10)
    else:
        yield at_least("objective against numpy's", ratio(rows, "numpy", "ours"), 20.0)


JUDGES = {
    "isa": isa,
    "gamma": gamma,
    "targets": targets,
    "dtypes": dtypes,
    "softmax": softmax,
    "detector": detector,
    "threads": threads,
    "huge": huge,
    "call": call,
    "python": python,
    "frameworks-softmax": frameworks_softmax,
    "boosting": boosting,
}
