"""What the project promises of its speed, read off the measurements: the list of issues to come, as long as it is honest.

A goal compares contenders that were timed interleaved in one run, round by round.
"""

import dataclasses

import cases
import stats

BEST_C = ("avx2", "avx512")


@dataclasses.dataclass(frozen=True)
class Verdict:
    name: str
    value: float
    goal: float
    at_least: bool

    @property
    def met(self):
        return self.value >= self.goal if self.at_least else self.value <= self.goal


def verdicts(records):
    """Every goal that these records can judge."""
    for record in records:
        rows, suite, title = record["contenders"], record["suite"], record["title"]
        judge = JUDGES.get(suite)
        if judge:
            for what, value, goal, at_least in judge(rows, title, record):
                if value is not None:
                    yield Verdict(f"{title}: {what}" if what else title, value, goal, at_least)


def ratio(rows, above, below):
    if above in rows and below in rows:
        return stats.ratio(rows[above], rows[below])
    return None


def of_floor(rows, name="ours", floor="floor"):
    """1 where a contender is as fast as memory allows."""
    return ratio(rows, floor, name)


def isa(rows, title, record):
    single = record["threads"] == 1
    if record["n"] == cases.LARGE:
        yield "share of the floor", of_floor(rows, best_ours(rows)), 0.65 if single else 0.80, True
    else:
        yield "v3 against AVX2 intrinsics", ratio(rows, "avx2_1", "ours:x86-64-v3"), 1.5, True
        yield "v3 against AVX2 intrinsics, four interleaved", ratio(rows, "avx2_4", "ours:x86-64-v3"), 1.15, True
    yield "baseline's speed, v3 = 1", ratio(rows, "ours:x86-64-v3", "ours:x86-64"), 0.25, True


def best_ours(rows):
    ours = [name for name in rows if name.startswith("ours")]
    return min(ours, key=lambda name: rows[name]["median"]) if ours else "ours"


def gamma(rows, title, record):
    for name in rows:
        if name.startswith("ours/gamma=") and name != "ours/gamma=2":
            g = name.removeprefix("ours/")
            yield f"{g} against gamma=2", ratio(rows, name, "ours/gamma=2"), 2.0 if g == "gamma=1.7" else 1.3, False


def targets(rows, title, record):
    for kind in ("u8", "i32", "i64"):
        # 5%: two runs of the same code differ by as much
        yield f"{kind} against f32", ratio(rows, f"ours/target={kind}", "ours/target=f32"), 1.05, False


def dtypes(rows, title, record):
    large = record["n"] == cases.LARGE
    for kind in ("bf16", "f16"):
        yield f"{kind} against f32", ratio(rows, f"ours/dtype={kind}", "ours/dtype=f32"), 1.05, False
    for kind in ("bf16", "f16", "f64") if large else ():
        yield f"{kind}, share of its floor", of_floor(rows, f"ours/dtype={kind}", f"floor/dtype={kind}"), 0.60, True


def softmax(rows, title, record):
    if record["threads"] == cases.ALL and record["classes"] <= 32_000:
        yield "share of the floor", of_floor(rows), 0.40 if record["classes"] == 10 else 0.65, True


def detector(rows, title, record):
    yield "share of the floor", of_floor(rows), 0.65, True


def threads(rows, title, record):
    yield "all threads against one", ratio(rows, f"ours/threads={cases.ALL}", "ours/threads=1"), 1.10, False


def huge(rows, title, record):
    names = [f"ours/outer={n}" for n in (10**9, cases.LARGE)]
    yield "an element of 1G against one of 16Mi", ratio(rows, *names), 1.1, False


def call(rows, title, record):
    yield "nanoseconds a call", rows.get("short", {}).get("median"), 100, False


def frameworks_softmax(rows, title, record):
    wide = "32000" in title or " x 21 x " in title
    yield "against torch eager", ratio(rows, "torch_eager", "ours"), 3.0 if wide else 5.0, True
    compiled = [name for name in ("torch_by_hand", "torch_compiled", "jax", "jax_by_hand") if name in rows]
    if compiled:
        best = min(compiled, key=lambda name: rows[name]["median"])
        yield "against the best compiled form", ratio(rows, best, "ours"), 2.0, True


def boosting(rows, title, record):
    if "floor:builtin" in rows:
        yield "training against the built-in objective", ratio(rows, "ours", "floor:builtin"), 1.10, False
    else:
        yield "objective against numpy's", ratio(rows, "numpy", "ours"), 20.0, True


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
    "frameworks-softmax": frameworks_softmax,
    "boosting": boosting,
}
