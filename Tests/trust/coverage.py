"""Lines and regions of the library's Swift sources that the suites run (llvm-cov; Swift has no branch coverage).

    coverage.py          run the suites on the instrumented library, print what no test runs; exit 1 below 100%
                         unless coverage_excused.txt says why
    coverage.py --report the same from the profile of the last run

coverage_excused.txt: `FILE:TEXT  # why`, one a line: a line of FILE that holds TEXT and is not run.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "build/trust/coverage"
BIN = ROOT / "build/trust/bin"
LIBRARY = WORK / "lib/libfocalloss.so.0"
# The highest instruction set whose module is instrumented (WATCHED in the Makefile).
WATCHED = "x86-64-v3" if platform.machine() == "x86_64" else "neon"
# Without `threads small_stacks`: counting makes the frames larger than its 64 KiB, and a crash takes the profile with it.
RUNS = [
    ["test_values"], ["test_environment"], ["test_entries", "large"],
    ["test_entries", "shards_refuse", "ignoring_refuses", "more_classes_than_labels", "alpha_of_some"],
    ["memory", "guard", "arguments", "targets", "overlap"], ["bits", "threads", "alignment", "slices", "isas"],
    ["threads", "callers"], ["fork"], ["resources", "failing_allocations", "failing_threads"],
    ["process", "workers_block_signals", "load_unload"],
]
CORRECTNESS = ROOT / "Tests/python/correctness"
# The correctness suite but for the accuracy of single terms, which takes longest and goes no other way.
PYTHON = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--ignore=test_sigmoid_accuracy.py", "--ignore=test_reference.py",
          "--ignore=test_peers.py", ".", "-k"]
ENVIRONMENTS = [{}, {"FOCALLOSS_ISA": "x86-64"}, {"FOCALLOSS_ISA": "none-such"}, {"FOCALLOSS_NUM_THREADS": "3"},
                {"OMP_NUM_THREADS": "2,1"}, {"FOCALLOSS_NUM_THREADS": "zero"}]
MODELS = ["qemu64", "Haswell"]  # where other levels are the highest


def tool(name):
    """An LLVM tool of the Swift toolchain, whose versions must match the compiler's."""
    return str(Path(shutil.which("swiftc")).resolve().parent / name)


def run_programs(base):
    """The C programs, the Python suite, and each way of choosing instruction set and threads."""
    watched = {**base, "FOCALLOSS_ISA": WATCHED}
    for name, *cases in RUNS:
        extra = {"LD_PRELOAD": str(BIN / "shim.so")} if name == "resources" else {}
        run([str(BIN / name), *cases], {**watched, **extra})
    run([str(BIN / "test_entries"), "environment", "helpers_refuse", "settings_refuse"], base)
    # That an unknown instruction set is refused is tested where the highest is in use.
    python = [str(ROOT / ".venv/bin/python"), *PYTHON]
    for chosen, variables in ((WATCHED, base), ("not x86 and not neon and not unknown_isa", watched)):
        run([*python, chosen], variables, cwd=CORRECTNESS)
    emulators = [[qemu, "-cpu", model] for model in MODELS if (qemu := shutil.which("qemu-x86_64-static"))]
    for variables in ENVIRONMENTS:
        for emulator in [[], *emulators]:
            for command in ([BIN / "isa"], [BIN / "test_values", "empty"]):
                run([*emulator, *map(str, command)], {**base, **variables}, quiet=True)


def run(command, environment, quiet=False, cwd=None):
    """One of them; that it fails is said and not counted: here its ways matter, not its results."""
    started = time.time()
    done = subprocess.run(command, env=environment, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if not quiet:
        print(f"{Path(command[0]).name} {' '.join(command[1:4])}: {time.time() - started:.0f} s", file=sys.stderr, flush=True)
        if done.returncode:
            print(f"note: fails on the instrumented library: {' '.join(command)}: {done.stdout[-300:]}")


def collect():
    """Runs the suites; returns the merged profile."""
    profiles = WORK / "profiles"
    shutil.rmtree(profiles, ignore_errors=True)
    profiles.mkdir(parents=True)
    run_programs({**os.environ, "LD_LIBRARY_PATH": str(LIBRARY.parent), "FOCALLOSS_LIBRARY": str(LIBRARY),
                  "LLVM_PROFILE_FILE": str(profiles / "%p-%m.profraw"), "SWIFT_BACKTRACE": "enable=no", "TRUST_SECONDS": "3"})
    merged = WORK / "merged.profdata"
    subprocess.run([tool("llvm-profdata"), "merge", "-sparse", *map(str, profiles.glob("*.profraw")), "-o", str(merged)],
                   check=True)
    shutil.rmtree(profiles)
    (CORRECTNESS / "default.profraw").unlink(missing_ok=True)  # of children that tests start without this environment
    return merged


def excuses():
    """File -> texts of lines that may stay unrun."""
    result = {}
    path = HERE / "coverage_excused.txt"
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.strip() and not line.startswith("#"):
            name, _, rest = line.partition(":")
            result.setdefault(name, []).append(rest.split("  # ")[0].strip())
    return result


def stale(allowed):
    """Excuses for lines that are no longer there."""
    for name, texts in allowed.items():
        path = ROOT / name
        source = path.read_text() if path.exists() else ""
        yield from (f"{name}: {text}" for text in texts if text not in source)


def unrun_regions(file, text):
    """(line, column) of the regions of one file that were never run, and how many regions there are.

    The same source is compiled once for each generic type: a region counts as run if any of them ran it.  One that begins
    at a closing brace holds nothing: it is the way past a statement that always leaves."""
    count = {}
    for line, column, hits, has_count, is_entry, *_ in file["segments"]:
        if has_count and is_entry and text[line - 1][column - 1:].strip() not in ("", "}"):
            count[line, column] = max(count.get((line, column), 0), hits)
    return sorted(place for place, hits in count.items() if hits == 0), len(count)


def main():
    # Counters are increased by one instruction, not atomically: threads lose counts between CPUs, not on one.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    merged = WORK / "merged.profdata" if "--report" in sys.argv else collect()
    output = subprocess.run([tool("llvm-cov"), "export", "-instr-profile", str(merged), str(LIBRARY)], check=True,
                            capture_output=True, text=True).stdout
    allowed, missed = excuses(), 0
    totals = {"lines": [0, 0], "regions": [0, 0]}
    for file in json.loads(output)["data"][0]["files"]:
        if "Sources/" not in file["filename"] or not file["filename"].endswith(".swift"):
            continue
        name = "Sources/" + file["filename"].split("Sources/", 1)[1]
        text = (ROOT / name).read_text().splitlines()
        unrun, regions = unrun_regions(file, text)
        for line, column in unrun:
            if not any(part in text[line - 1] for part in allowed.get(name, [])):
                print(f"FAIL {name}:{line}: never run: {text[line - 1][column - 1:].strip()}")
                missed += 1
        totals["lines"][0] += file["summary"]["lines"]["covered"]
        totals["lines"][1] += file["summary"]["lines"]["count"]
        totals["regions"][0] += regions - len(unrun)
        totals["regions"][1] += regions
    for excuse in stale(allowed):
        print(f"FAIL coverage_excused.txt: no such line: {excuse}")
        missed += 1
    for what, (covered, count) in totals.items():
        print(f"FIGURE last coverage.{what} {100 * covered / max(count, 1):.2f} {covered} of {count}")
    print(f"FIGURE last coverage.unexplained {missed}")
    return missed


if __name__ == "__main__":
    sys.exit(main() > 0)
