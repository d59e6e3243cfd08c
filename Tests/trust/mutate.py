"""Break the kernels on purpose, one small change at a time, and see whether the tests notice.

    mutate.py [--count M]     M mutants (MUTANTS in the environment, or 120) drawn from all that the rules give
    mutate.py --files PATTERN     only from files of Sources/Kernels with such names
    mutate.py --list          print the chosen mutants and stop
    mutate.py --again         forget what earlier runs found

A mutant changes one token of Sources/Kernels in a copy of the tree: a constant, a comparison, an operator, a condition.
Only the modules of x86-64 and x86-64-v3 are compiled again, and the tests run on them until one fails: first the hashes,
a second's work that any change of a bit fails.  Of every fourth mutant the other tests, which compare values, are asked
first, the fastest before the others: how many of these they kill by themselves is a figure of its own.  Killed: a test
fails, crashes or hangs.  A mutant that does not compile does not count.  mutants_excused.txt names those that change
nothing (equivalent mutants): `changed line  # why`.

Every verdict is kept in build/trust/mutants.jsonl: a run that was stopped goes on with the next mutant, as long as the
kernels are the same.  Exit status: 0 if at least 95% are killed.
"""

import argparse
import fnmatch
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import scratch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COPY = ROOT / "build/trust/mutants"
JOURNAL = ROOT / "build/trust/mutants.jsonl"
ISA, MODULES = "x86-64-v3", ("KernelsV2", "KernelsV3")
PROGRAMS = [
    ["test_values", "special_values", "weighted_infinities", "accumulate", "empty"], ["test_values", "definitions"],
    ["accuracy_softmax"],
    ["bits", "slices"], ["memory", "guard"], ["accuracy", "f32"], ["accuracy", "f64"], ["test_entries", "large"],
    ["bits", "threads"], ["memory", "arguments"],
]
CORRECTNESS = ["test_sigmoid_options.py", "test_softmax_options.py", "test_softmax_shards.py", "test_invariants.py",
               "test_softmax.py", "test_sigmoid_accuracy.py"]
HASHES = ["bits", "hashes"]
RULES = [
    (re.compile(r"(?<![<>=!&.])<(?![<=>])(?= )"), "<="), (re.compile(r"(?<= )<=(?= )"), "<"),
    (re.compile(r"(?<= )>(?= )"), ">="), (re.compile(r"(?<= )>=(?= )"), ">"),
    (re.compile(r"(?<= )==(?= )"), "!="), (re.compile(r"(?<= )!=(?= )"), "=="),
    (re.compile(r"(?<= )\+(?= )"), "-"), (re.compile(r"(?<= )-(?= )"), "+"),
    (re.compile(r"(?<= )\*(?= )"), "+"), (re.compile(r"(?<= )&\+(?= )"), "&-"), (re.compile(r"(?<= )&-(?= )"), "&+"),
    (re.compile(r"(?<= )/(?= )"), "*"), (re.compile(r"(?<= )&&(?= )"), "||"), (re.compile(r"(?<= )\|\|(?= )"), "&&"),
    (re.compile(r"\btrue\b"), "false"), (re.compile(r"\bfalse\b"), "true"), (re.compile(r"\.\.<"), "..."),
    (re.compile(r"\bmin\("), "max("), (re.compile(r"\bmax\("), "min("),
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


class Tests:
    """The tests, on the library of the copy; those that fail without a mutant say nothing and are left out."""

    def __init__(self):
        self.environment = {**os.environ, "TRUST_ISA": f"{ISA},x86-64", "FOCALLOSS_ISA": ISA, "SWIFT_BACKTRACE": "enable=no",
                            "FOCALLOSS_LIBRARY": str(COPY / "build/lib/libfocalloss.so")}
        self.hashes = self.run(HASHES, 600)[1]
        self.chosen = []
        for test in (*PROGRAMS, *([name] for name in CORRECTNESS)):
            started = time.time()
            status, output = self.run(test, 1200)
            seconds = time.time() - started
            if status == 0:
                self.chosen.append((seconds, test))
            else:
                last = output.strip().splitlines()[-1:]
                print(f"left out, fails without a mutant: {' '.join(test)}: {last}", flush=True)
        self.chosen.sort(key=lambda pair: pair[0])

    def run(self, test, seconds):
        """(exit status, output) of one test."""
        if test[0].endswith(".py"):
            command = [str(ROOT / ".venv/bin/python"), "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-k", ISA,
                       f"Tests/python/correctness/{test[0]}"]
        else:
            command = [str(COPY / "build/trust/bin" / test[0]), *test[1:]]
        try:
            done = subprocess.run(command, cwd=COPY, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, errors="replace", timeout=seconds)
            return done.returncode, done.stdout
        except subprocess.TimeoutExpired:
            return -1, "not done in time"

    def killer(self, by_values):
        """The test that noticed, or nothing; the hashes last where values are to."""
        if not by_values and self.changes_bits():
            return "hashes"
        for seconds, test in self.chosen:
            if self.run(test, 10 * seconds + 10)[0] != 0:
                return " ".join(test)
        return "hashes" if by_values and self.changes_bits() else ""

    def changes_bits(self):
        """Whether the hashes are others than without a mutant."""
        return self.run(HASHES, 600)[1] != self.hashes


def verdict_on(tests, path, number, line, by_values):
    """What became of that mutant: the killer's name, "" or "invalid"."""
    target = COPY / path
    original = target.read_text()
    lines = original.splitlines()
    lines[number] = line
    target.write_text("\n".join(lines) + "\n")
    built, _ = scratch.build(COPY, MODULES)
    target.write_text(original)
    return tests.killer(by_values) if built else "invalid"


def sources_hash():
    """Identifies the kernels that the verdicts are about."""
    sources = sorted((ROOT / "Sources/Kernels").rglob("*.swift"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def journal(kernels):
    """Mutant -> verdict, of earlier runs over the same kernels."""
    lines = JOURNAL.read_text().splitlines() if JOURNAL.exists() else []
    entries = [json.loads(line) for line in lines]
    return {tuple(entry["mutant"]): entry["verdict"] for entry in entries if entry["kernels"] == kernels}


def choose(options):
    """The sample: the same for the same sources."""
    mutants = [m for m in sorted(all_mutants(), key=str) if fnmatch.fnmatch(m[0].name, options.files)]
    return random.Random(20260101).sample(mutants, min(options.count, len(mutants)))


def summary(verdicts, asked, excused):
    """The figures; 0 if enough are killed.  asked: the mutants that values were to kill."""
    alive = [key for key, verdict in verdicts.items() if verdict == ""]
    valid = [verdict for verdict in verdicts.values() if verdict != "invalid"]
    killed = len(valid) - len(alive)
    for path, number, line in alive:
        print(f"SURVIVED {path}:{number}: {line}")
    of_values = [verdicts[key] for key in asked if verdicts[key] != "invalid"]
    for key, value in (("mutants", len(valid)), ("killed", killed), ("asked_of_values", len(of_values)),
                       ("killed_by_values", sum(verdict not in ("", "hashes") for verdict in of_values)),
                       ("invalid", len(verdicts) - len(valid)), ("excused", excused)):
        print(f"FIGURE last mutate.{key} {value}")
    return len(valid) > 0 and killed < 0.95 * len(valid)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=int(os.environ.get("MUTANTS", 120)))
    parser.add_argument("--files", default="*", help="only from files with such names")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    chosen = choose(options)
    if options.list:
        for path, number, old, new in chosen:
            print(f"{path}:{number + 1}\n  - {old.strip()}\n  + {new.strip()}")
        return 0
    if options.again:
        JOURNAL.unlink(missing_ok=True)
    kernels, excused, verdicts, asked = sources_hash(), 0, {}, []
    known = journal(kernels)
    scratch.copy_tree(COPY)
    tests = None
    for index, (path, number, _, new) in enumerate(chosen, 1):
        key = (str(path), number + 1, new.strip())
        if new.strip() in excuses():
            excused += 1
            continue
        started, by_values = time.time(), index % 4 == 1
        if key not in known:
            tests = tests or Tests()
            known[key] = verdict_on(tests, path, number, new, by_values)
            with open(JOURNAL, "a") as out:
                out.write(json.dumps({"kernels": kernels, "mutant": key, "verdict": known[key]}) + "\n")
        verdicts[key] = known[key]
        asked += [key] if by_values else []
        print(f"[{index}/{len(chosen)}] {known[key] or 'SURVIVED'} {time.time() - started:.0f} s: {path}:{number + 1}: "
              f"{new.strip()}", file=sys.stderr, flush=True)
    return summary(verdicts, asked, excused)


if __name__ == "__main__":
    sys.exit(main())
