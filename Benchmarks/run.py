"""The benchmark: everything that is installed, in interleaved runs, with the memory floor beside every figure.

    make bench                # 2 minutes
    make bench FULL=1         # every shape
    python Benchmarks/run.py --only softmax,detector

Leaves build/bench/result.json, speed.png and ratios.png and prints tables; see README.md beside this file.
"""

import argparse
import datetime
import glob
import json
import os
import pathlib
import subprocess
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import cases
import compact
import disassembly
import errors
import machine
import native
import plots
import table

WORKER = native.HERE / "worker.py"
BOOSTING_RECORDS = len(cases.THREADS) + 4  # the objective alone, and two libraries with two numbers of classes
SHAPE = {"outer": 4096, "classes": 1, "inner": 1}


def tcmalloc():
    """An allocator that keeps what is freed, so that a framework's temporaries are not page-faulted in again and again."""
    found = glob.glob("/usr/lib/*/libtcmalloc_minimal.so.4") + glob.glob("/usr/lib*/libtcmalloc_minimal.so.4")
    return found[0] if found else None


def allocators(full):
    preload = tcmalloc()
    if not preload:
        return {"glibc malloc": {}}
    recycling = {"tcmalloc": {"LD_PRELOAD": preload, "TCMALLOC_RELEASE_RATE": "0"}}
    return {**recycling, "glibc malloc": {}} if full else recycling


def measure_native(case):
    rows = native.measure({"seconds": case.seconds, **case.settings}, case.contenders)
    shape = {**SHAPE, **{key: value for key, value in case.settings.items() if key in SHAPE}}
    return {
        "suite": case.suite,
        "title": case.title,
        "threads": case.settings.get("threads", 1),
        "n": shape["outer"] * shape["classes"] * shape["inner"],
        "classes": shape["classes"],
        "settings": case.settings,
        "contenders": rows,
    }


def measure_frameworks(work, threads, allocator, settings, log):
    """Yields a record a case; the frameworks live in one process for all of them."""
    environment = {
        **os.environ,
        **settings,
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), str(threads)),
        "GOMP_SPINCOUNT": "20000",
        "PYTHONPATH": str(native.ROOT / "bindings/python/src"),
        "FOCALLOSS_LIBRARY": str(native.LIBRARY),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    listed = [{"shape": case.shape, "seconds": case.seconds, "contenders": case.contenders} for case in work]
    command = [sys.executable, str(WORKER), json.dumps({"threads": threads, "cases": listed})]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    for case, line in zip(work, process.stdout):
        title = f"{case.title}, {cases.threads_of(threads)}"
        record = {"suite": case.suite, "title": title, "threads": threads, "allocator": allocator, "shape": case.shape}
        yield {**record, **json.loads(line)}
    process.stdout.close()
    process.wait()


def boosting_records():
    """Yields the records of boosting.py, if its libraries are installed."""
    os.environ["FOCALLOSS_LIBRARY"] = str(native.LIBRARY)
    sys.path.insert(0, str(native.ROOT / "bindings/python/src"))
    try:
        import boosting
    except ImportError as error:
        print(f"no boosting: {error}", file=sys.stderr)
        return
    yield from boosting.measure()


def collect(options, console):
    """Every record, with a progress bar."""
    wanted = set(options.only.split(",")) if options.only else None
    work = [case for case in cases.native(options.full) if not wanted or case.suite in wanted]
    of_frameworks = [case for case in cases.frameworks(options.full) if not wanted or case.suite in wanted]
    runs = [(t, *item) for t in (cases.THREADS if options.full else cases.THREADS[-1:]) for item in allocators(options.full).items()]
    with_boosting = options.full and (not wanted or "boosting" in wanted)
    total = len(work) + len(runs) * len(of_frameworks) + BOOSTING_RECORDS * with_boosting
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    records = []
    with Progress(*columns, console=console) as progress, open(native.OUT / "frameworks.log", "w") as log:
        task = progress.add_task("", total=total)
        for case in work:
            progress.update(task, description=case.title)
            records.append(measure_native(case))
            progress.advance(task)
        for threads, allocator, settings in runs if of_frameworks else ():
            progress.update(task, description=f"frameworks, {cases.threads_of(threads)}, {allocator}")
            for record in measure_frameworks(of_frameworks, threads, allocator, settings, log):
                records.append(record)
                progress.advance(task)
        if with_boosting:
            progress.update(task, description="boosting")
            for record in boosting_records():
                records.append(record)
                progress.advance(task)
    # A figure without its floor, or of too few rounds to have a spread, is not shown.
    return [record for record in records if any(name.startswith("floor") for name in record["contenders"])]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="every shape")
    parser.add_argument("--only", help="suites, separated by commas")
    parser.add_argument("--out", type=pathlib.Path, default=native.OUT, help="where the results go")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    native.OUT.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    native.build()
    result = {
        "date": datetime.date.today().isoformat(),
        "unit": "nanoseconds an element (logit)",
        "machine": machine.describe(),
        "disassembly": disassembly.summary(),
        "errors": errors.largest(),
        "records": collect(options, console),
    }
    (options.out / "result.json").write_text(compact.text(result) + "\n")
    table.show(console, result)
    plots.speed(result, options.out / "speed.png")
    plots.ratios(result, options.out / "ratios.png")
    console.print(f"result.json, speed.png and ratios.png are in {os.path.relpath(options.out)}")


if __name__ == "__main__":
    main()
