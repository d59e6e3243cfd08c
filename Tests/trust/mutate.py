"""Break the kernels on purpose, one small change at a time, and see whether the suite notices.

    mutate.py [--chunk I --chunks N] [--count M]     M mutants (120) drawn from all that the rules give, this share of them
    mutate.py --list                                 print the chosen mutants and stop

A mutant changes one token of Sources/Kernels in a copy of the tree: a constant, a comparison, an operator, a condition.
Only the x86-64-v3 module is compiled again (the others are the unmutated objects), and the programs run on it alone.
Killed: a program of the suite fails, crashes or hangs.  A mutant that does not compile does not count.  mutants_excused.txt
names those that change nothing (equivalent mutants), with the reason.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "build/trust/mutants"
BIN = ROOT / "build/trust/bin"
# Values first; the hashes, which any change of a bit fails, only tell the rest from the equivalent ones.
VALUE_RUNS = [["test_values", "definitions", "special_values", "empty"], ["accuracy", "f32", "f64"],
              ["accuracy_softmax"], ["memory", "guard", "arguments"], ["bits", "slices", "threads"], ["test_environment"]]
HASH_RUN = [sys.executable, str(HERE / "hashes.py")]
RULES = [
    (re.compile(r"(?<![<>=!&.])<(?![<=>])(?= )"), "<="), (re.compile(r"(?<= )<=(?= )"), "<"),
    (re.compile(r"(?<= )>(?= )"), ">="), (re.compile(r"(?<= )>=(?= )"), ">"),
    (re.compile(r"(?<= )==(?= )"), "!="), (re.compile(r"(?<= )!=(?= )"), "=="),
    (re.compile(r"(?<= )\+(?= )"), "-"), (re.compile(r"(?<= )-(?= )"), "+"),
    (re.compile(r"(?<= )\*(?= )"), "+"), (re.compile(r"(?<= )&\+(?= )"), "&-"), (re.compile(r"(?<= )&-(?= )"), "&+"),
    (re.compile(r"(?<= )/(?= )"), "*"), (re.compile(r"(?<= )&&(?= )"), "||"), (re.compile(r"(?<= )\|\|(?= )"), "&&"),
    (re.compile(r"\btrue\b"), "false"), (re.compile(r"\bfalse\b"), "true"), (re.compile(r"\.\.<"), "..."),
]
NUMBER = re.compile(r"(?<![\w.$#])(0x[0-9a-fA-F.]+p[-+]?\d+|\d+\.\d+(?:e[-+]?\d+)?|\d+)(?![\w.])")


def other_number(text):
    """A number near that one: one unit in its last digit for long constants, one more for short ones."""
    if "p" in text:
        mantissa, exponent = text.split("p")
        digit = mantissa[-1]
        return mantissa[:-1] + ("1" if digit == "0" else "0" if len(mantissa) > 4 else "8") + "p" + exponent
    if "." in text:
        return re.sub(r"\d(?=\D*$)", lambda m: str((int(m[0]) + 1) % 10), text)
    return str(int(text) + 1)


def code_of(line):
    """The line without its comment; nothing for lines that hold no code."""
    stripped = line.split("//")[0]
    return "" if stripped.lstrip().startswith(("import", "@", "#")) else stripped


def all_mutants():
    """(file, line number, old line, new line) of every change the rules allow."""
    for path in sorted((ROOT / "Sources/Kernels").rglob("*.swift")):
        for number, line in enumerate(path.read_text().splitlines()):
            code = code_of(line)
            for pattern, new in RULES:
                for match in pattern.finditer(code):
                    yield path.relative_to(ROOT), number, line, line[:match.start()] + new + line[match.end():]
            for match in NUMBER.finditer(code):
                yield path.relative_to(ROOT), number, line, line[:match.start()] + other_number(match[1]) + line[match.end():]


def excuses():
    """Changed lines, stripped, that are equivalent to the original."""
    path = HERE / "mutants_excused.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return {line.split("  # ")[0].strip() for line in lines if line.strip() and not line.startswith("#")}


def prepare():
    """A copy of the tree with the unmutated objects in place."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    for item in ("Sources", "include"):
        shutil.copytree(ROOT / item, WORK / item, symlinks=True)
    shutil.copy(ROOT / "Makefile", WORK)
    shutil.copytree(ROOT / "build/obj", WORK / "build/obj")
    subprocess.run(["make", "-s", "lib"], cwd=WORK, check=True, capture_output=True)


def build(path, number, line):
    """Compiles the mutant; None if it does not compile."""
    target = WORK / path
    original = target.read_text()
    lines = original.splitlines()
    lines[number] = line
    target.write_text("\n".join(lines) + "\n")
    flags = WORK / "build/obj/flags"
    stale = ["KernelsV3.open.o", "KernelsV3.o", "libfocalloss.o"]
    for name in stale:
        (WORK / "build/obj" / name).unlink(missing_ok=True)
    command = ["make", "-s", "lib", "KERNELS=KernelsV3 KernelsV2 KernelsV4", "-o", str(flags)]
    for kept in ("FocalLoss.o", "KernelsV2.open.o", "KernelsV2.o", "KernelsV4.open.o", "KernelsV4.o"):
        command += ["-o", f"build/obj/{kept}"]
    done = subprocess.run(command, cwd=WORK, capture_output=True, text=True)
    target.write_text(original)
    return done.returncode == 0


def fails(command, environment):
    try:
        return subprocess.run(command, env=environment, capture_output=True, timeout=120).returncode != 0
    except subprocess.TimeoutExpired:
        return True


def killer(environment):
    """What noticed: 'values', 'hashes' or nothing."""
    for name, *cases in VALUE_RUNS:
        if fails([str(BIN / name), *cases], environment):
            return "values"
    return "hashes" if fails(HASH_RUN, environment) else ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--chunk", type=int, default=0)
    parser.add_argument("--chunks", type=int, default=1)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    mutants = sorted(all_mutants(), key=str)
    chosen = random.Random(20260101).sample(mutants, min(options.count, len(mutants)))[options.chunk::options.chunks]
    if options.list:
        for path, number, old, new in chosen:
            print(f"{path}:{number + 1}\n  - {old.strip()}\n  + {new.strip()}")
        return 0
    prepare()
    environment = {**os.environ, "LD_LIBRARY_PATH": str(WORK / "build/lib"), "TRUST_ISA": "x86-64-v3",
                   "FOCALLOSS_ISA": "x86-64-v3", "SWIFT_BACKTRACE": "enable=no"}
    if killer(environment):
        print("FAIL the suite fails on the unmutated library: nothing can be learnt")
        return 1
    counts = {"values": 0, "hashes": 0, "": 0, "invalid": 0, "excused": 0}
    for path, number, old, new in chosen:
        if new.strip() in excuses():
            counts["excused"] += 1
            continue
        verdict = killer(environment) if build(path, number, new) else "invalid"
        counts[verdict] += 1
        print(f"{verdict or 'SURVIVED'}: {path}:{number + 1}: {new.strip()}", flush=True)
    killed = counts["values"] + counts["hashes"]
    total = killed + counts[""]
    for key, value in (("mutants", total), ("killed", killed), ("killed_by_values", counts["values"]),
                       ("invalid", counts["invalid"]), ("excused", counts["excused"])):
        print(f"FIGURE sum mutate.{key} {value}")
    return total > 0 and killed < 0.95 * total


if __name__ == "__main__":
    sys.exit(main())
