"""Lines and regions of the library's Swift sources that the suites run (llvm-cov; Swift has no branch coverage).

    coverage.py          run the suites on the instrumented library, print what no test runs; exit 1 below 100%
                         unless coverage_excused.txt says why

coverage_excused.txt: `FILE:TEXT  # why`, one a line: a line of FILE that holds TEXT and is not run.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "build/trust/coverage"
BIN = ROOT / "build/trust/bin"
LIBRARY = WORK / "lib/libfocalloss.so.0"
RUNS = [
    ["test_values"], ["test_environment"], ["test_entries"], ["memory", "guard", "arguments", "overlap"], ["bits", "threads", "alignment", "isas"],
    ["threads", "callers", "small_stacks"], ["fork"], ["resources", "failing_allocations", "failing_threads"], ["isa"],
    ["process"], ["accuracy", "f32"],
]
ENVIRONMENTS = [{}, {"FOCALLOSS_ISA": "x86-64"}, {"FOCALLOSS_ISA": "none-such"}, {"FOCALLOSS_NUM_THREADS": "3"},
                {"OMP_NUM_THREADS": "2,1"}, {"FOCALLOSS_NUM_THREADS": "zero"}]


def tool(name):
    """An LLVM tool of the Swift toolchain, whose versions must match the compiler's."""
    return str(Path(shutil.which("swiftc")).resolve().parent / name)


def collect():
    """Runs the suites; returns the merged profile."""
    profiles = WORK / "profiles"
    shutil.rmtree(profiles, ignore_errors=True)
    profiles.mkdir(parents=True)
    base = {**os.environ, "LD_LIBRARY_PATH": str(LIBRARY.parent), "FOCALLOSS_LIBRARY": str(LIBRARY),
            "LLVM_PROFILE_FILE": str(profiles / "%p-%m.profraw"), "SWIFT_BACKTRACE": "enable=no", "TRUST_SECONDS": "3"}
    for name, *cases in RUNS:
        extra = {"LD_PRELOAD": str(BIN / "shim.so")} if name == "resources" else {}
        done = subprocess.run([str(BIN / name), *cases], env={**base, **extra}, capture_output=True, text=True)
        if done.returncode:
            print(f"note: {name} fails on the instrumented library: {done.stdout[-300:]}")
    for variables in ENVIRONMENTS:
        for name in ("isa", "test_values"):
            subprocess.run([str(BIN / name), *(["empty"] if name == "test_values" else [])], env={**base, **variables},
                           capture_output=True)
    merged = WORK / "merged.profdata"
    subprocess.run([tool("llvm-profdata"), "merge", "-sparse", *map(str, profiles.glob("*.profraw")), "-o", str(merged)],
                   check=True)
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


def unrun_lines(file):
    """Numbers of the lines of one file on which a region that was never run begins.

    The same source is compiled once for each instruction set: a line counts as run if any of them ran it."""
    count = {}
    for line, _, hits, has_count, is_entry, *_ in file["segments"]:
        if has_count and is_entry:
            count[line] = max(count.get(line, 0), hits)
    return sorted(line for line, hits in count.items() if hits == 0), len(count)


def main():
    merged = collect()
    output = subprocess.run([tool("llvm-cov"), "export", "-instr-profile", str(merged), str(LIBRARY)], check=True,
                            capture_output=True, text=True).stdout
    allowed, missed = excuses(), 0
    totals = {"lines": [0, 0], "regions": [0, 0]}
    for file in json.loads(output)["data"][0]["files"]:
        if "Sources/" not in file["filename"] or not file["filename"].endswith(".swift"):
            continue
        name = "Sources/" + file["filename"].split("Sources/", 1)[1]
        text = (ROOT / name).read_text().splitlines()
        unrun, regions = unrun_lines(file)
        excused = [n for n in unrun if any(part in text[n - 1] for part in allowed.get(name, []))]
        for number in sorted(set(unrun) - set(excused)):
            print(f"FAIL {name}:{number}: never run: {text[number - 1].strip()}")
            missed += 1
        totals["lines"][0] += file["summary"]["lines"]["covered"]
        totals["lines"][1] += file["summary"]["lines"]["count"]
        totals["regions"][0] += regions - len(unrun)
        totals["regions"][1] += regions
    for what, (covered, count) in totals.items():
        print(f"FIGURE last coverage.{what} {100 * covered / max(count, 1):.2f} {covered} of {count}")
    print(f"FIGURE last coverage.unexplained {missed}")
    return missed


if __name__ == "__main__":
    sys.exit(main() > 0)
