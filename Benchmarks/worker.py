"""Times frameworks in a process of their own: one allocator, one thread count, all contenders interleaved.

    python worker.py '{"threads": 2, "cases": [{"shape": [1000000], "seconds": 10, "contenders": ["ours", "jax", "floor"]}]}'

Prints one JSON line a case, as bench.c does.  The environment (threads, allocator) is set by the caller, see run.py.
"""

import json
import math
import os
import resource
import sys
import time
import warnings

import frameworks
import stats

SAMPLE_NS = 2e6  # a sample is as many calls as fill this
MOST_ROUNDS = 15
MOST_TRIES = 3
# Losses are compared with ours: a contender that computes another loss is left out.
AGREEMENT = 2e-3


def prepare(name, problem):
    """(callable, loss), or None where this contender is not installed or has no such loss."""
    try:
        call = frameworks.CONTENDERS[name](problem)
        if call is None:
            return None
        loss = call()
        call()
        return call, None if loss is None else float(loss)
    except Exception as error:  # whatever a framework raises, the others go on
        print(f"{name}: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
        return None


def sample(call, calls):
    """Nanoseconds a call; repeated a few times if the kernel took the CPU away meanwhile."""
    for _ in range(MOST_TRIES):
        if calls > 1:
            call()  # wakes workers, warms caches
        before = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        start = time.perf_counter_ns()
        for _ in range(calls):
            call()
        taken = (time.perf_counter_ns() - start) / calls
        if resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw == before:
            break
    return taken


def time_case(case, threads):
    problem = frameworks.Problem(tuple(case["shape"]), threads, case.get("gamma", 2.0))
    ready, left_out = {}, {}
    for name in case["contenders"]:
        if prepared := prepare(name, problem):
            ready[name] = prepared
        else:
            left_out[name] = "not installed, or no such loss"
    reference = ready["ours"][1] if "ours" in ready else None
    for name, (_, loss) in list(ready.items()):
        if loss is not None and reference is not None and not math.isclose(loss, reference, rel_tol=AGREEMENT):
            left_out[name] = f"computes another loss: {loss:.6g}, not {reference:.6g}"
            del ready[name]
    n = problem.logits.size
    calls = {name: max(1, int(SAMPLE_NS / sample(call, 1))) for name, (call, _) in ready.items()}
    samples = {name: [] for name in ready}
    deadline = time.monotonic() + case["seconds"]
    order = list(ready)
    for turn in range(MOST_ROUNDS):
        if turn >= 3 and time.monotonic() > deadline:
            break
        for i in range(len(order)):
            name = order[(i + turn) % len(order)]
            samples[name].append(sample(ready[name][0], calls[name]) / n)
    return {
        "contenders": {
            name: stats.summary(values, n=n, threads=threads, bytes=problem.bytes) for name, values in samples.items()
        },
        "left_out": left_out,
    }


def main():
    specification = json.loads(sys.argv[1])
    threads = specification["threads"]
    if threads == 1:  # XLA takes as many threads as it has CPUs
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    warnings.simplefilter("ignore")
    for case in specification["cases"]:
        print(json.dumps(time_case(case, threads)), flush=True)


if __name__ == "__main__":
    main()
