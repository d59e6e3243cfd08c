"""Run the promises of promises.toml and write down what they measured.

    run.py short                 every promise of the short tier (a few minutes)
    run.py long                  the long tier; stop it at will, the next run goes on where it was
    run.py --jobs 2 long A1      on two cores, not on all that the process may use
    run.py short A2 C1           these promises only
    run.py --record ...          also keep the figures in figures.json and write Tests/PROMISES.md from them; of a long
                                 run that is stopped, those of the chunks that are done
    run.py --page                write Tests/PROMISES.md from figures.json and run nothing

A promise names a command; the command prints lines `FIGURE merge key value [where]` (suite.h) and exits 0 if the promise
holds.  Results go to build/trust/results.json, the output of every run to build/trust/log/, the progress of a long run to
build/trust/state/.  Exit status: 0 if everything that ran held.
"""

import argparse
import contextlib
import datetime
import fnmatch
import hashlib
import json
import math
import os
import platform
import shlex
import signal
import subprocess
import sys
import threading
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "trust"
FIGURES = HERE / "figures.json"
PAGE = HERE.parent / "PROMISES.md"
MERGE = {"max": max, "min": min, "sum": lambda a, b: a + b, "last": lambda a, b: b}


def load_recorded():
    """What earlier runs kept: {promise: {tier: result_of()}}."""
    return json.loads(FIGURES.read_text()) if FIGURES.exists() else {}


def load_promises():
    """The table, and a check that no id is used twice."""
    promises = tomllib.loads((HERE / "promises.toml").read_text())["promise"]
    ids = [promise["id"] for promise in promises]
    assert len(ids) == len(set(ids)), "an id is used twice in promises.toml"
    return promises


def machine():
    """Where a figure was taken: CPU model and what the library can run on it."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    flags = Path("/proc/cpuinfo").read_text()
    best = "AVX-512" if "avx512vl" in flags else "AVX2" if "avx2" in flags else platform.machine()
    return f"{model}, {best}"


def tested_hash():
    """Identifies the library that was tested, so that a long run is not continued with another one."""
    return hashlib.sha256((ROOT / "build/lib/libfocalloss.so").read_bytes()).hexdigest()[:16]


def make(targets, *flags):
    """Builds test programs; the Makefile beside this file knows how."""
    if not targets:
        return True
    command = ["make", "-s", "--no-print-directory", *flags, "-f", str(HERE / "Makefile"), *targets]
    return subprocess.run(command, cwd=ROOT).returncode == 0


def environment(promise):
    """The environment of a promise's command."""
    result = dict(os.environ, SWIFT_BACKTRACE="enable=no", FOCALLOSS_LIBRARY=str(ROOT / "build/lib/libfocalloss.so"))
    result["PYTHONPATH"] = str(ROOT / "bindings/python/src")
    result.update({key: value.format(root=ROOT, trust=BUILD) for key, value in promise.get("env", {}).items()})
    return result


class Outcome:
    """What one promise's runs gave, merged over its chunks."""

    def __init__(self, figures=None):
        self.held = True
        self.figures = figures or {}
        self.skipped = []
        self.chunks = None  # of the long tier: how many are done, of how many

    def read(self, output):
        """Takes the figures, hashes and skips out of a program's output."""
        for line in output.splitlines():
            words = line.split(maxsplit=4)
            if words[:1] == ["FIGURE"]:
                self.add(words[1], words[2], float(words[3]), words[4] if len(words) > 4 else "")
            elif words[:1] == ["SKIP"]:
                self.skipped.append(line[5:])

    def add(self, merge, key, value, where):
        """Merges one figure in; `where` follows the value that was kept."""
        if key in self.figures:
            old = self.figures[key]
            merged = MERGE[merge](old["value"], value)
            self.figures[key] = {"merge": merge, "value": merged, "where": where if merged == value else old["where"]}
        else:
            self.figures[key] = {"merge": merge, "value": value, "where": where}


def run_once(promise, tier, chunk, chunks):
    """One command; returns (its start, exit status, output), nothing where the run is to end.  In the long tier its
    standard error is progress and goes through."""
    if STOPPED.is_set():
        return None
    command = promise["run"].format(bin=BUILD / "bin", trust=BUILD, root=ROOT, here=HERE, python=ROOT / ".venv/bin/python")
    words = shlex.split(command)
    if tier == "long":
        words += promise.get("long_arguments", ["--long"])
        if chunks > 1:
            words += ["--chunk", str(chunk), "--chunks", str(chunks)]
    limit = promise.get("seconds", 900) if tier == "short" else None
    name = f"{promise['id']} chunk {chunk + 1} of {chunks}" if chunks > 1 else promise["id"]
    SINCE[name] = start = time.time()
    with subprocess.Popen(words, cwd=ROOT, env=environment(promise), stdout=subprocess.PIPE, text=True, errors="replace",
                          stderr=None if tier == "long" else subprocess.STDOUT, start_new_session=True) as process:
        RUNNING.add(process)
        late = ""
        try:
            output = process.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output = process.communicate()[0]
            late = f"\nFAIL not done after {limit} s\n"
        finally:
            RUNNING.discard(process)
            del SINCE[name]
    return None if STOPPED.is_set() else (start, process.returncode, output + late)


# The commands that run now, each the leader of its own session, and whether the run is to end.
RUNNING, STOPPED = set(), threading.Event()


def stop(*_):
    """On SIGINT or SIGTERM: ends the commands; what was finished is kept, and the next run goes on from there."""
    STOPPED.set()
    for process in list(RUNNING):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)


def say_what_runs(every):
    """Says so every so many seconds, until the run ends."""
    while not STOPPED.wait(every):
        now = [f"{name} {time.time() - since:.0f} s" for name, since in sorted(SINCE.items())]
        if now:
            print(f"    running: {', '.join(now)}", flush=True)


# What runs, and since when.
SINCE = {}


class State:
    """How far a promise of the long tier has come with this library."""

    def __init__(self, promise):
        self.path = BUILD / "state" / f"{promise['id']}.json"
        self.tested = tested_hash()
        kept = json.loads(self.path.read_text()) if self.path.exists() else {}
        same = kept.get("tested") == self.tested
        self.next, self.figures = (kept["next"], kept["figures"]) if same else (0, {})

    def keep(self, following, figures):
        self.next = following
        self.path.write_text(json.dumps({"tested": self.tested, "next": following, "figures": figures}))


def run_promise(promise, tier, pool):
    """Runs one promise, in the long tier all of its chunks, when the pool comes to them; returns its Outcome and the
    seconds it took.  Chunks are recorded in their order: the next run begins with the first that is missing."""
    chunks = promise.get("chunks", 1) if tier == "long" else 1
    state = State(promise) if tier == "long" else None
    first = state.next if state else 0
    outcome = Outcome(state.figures if state else None)
    before, began, seconds = counted(promise, outcome)[1], None, 0
    with open(BUILD / "log" / f"{promise['id']}.{tier}.log", "a" if first else "w") as log:
        runs = [pool.submit(run_once, promise, tier, chunk, chunks) for chunk in range(first, chunks)]
        for chunk, run in enumerate(runs, first):
            result = run.result()
            if result is None:
                break
            start, status, output = result
            began = began or start
            seconds = time.time() - began
            log.write(output)
            outcome.read(output)
            if status != 0:
                outcome.held = False
                print_tail(promise, output)
                break
            if state:
                state.keep(chunk + 1, outcome.figures)
                outcome.chunks = [chunk + 1, chunks]
                if chunks > 1:
                    name, value = counted(promise, outcome)
                    rate = f" {(value - before) / seconds:,.0f} {name}/s," if name else ""
                    left = datetime.timedelta(seconds=round(seconds / (chunk + 1 - first) * (chunks - chunk - 1)))
                    print(f"    {promise['id']} chunk {chunk + 1} of {chunks}, {seconds:.0f} s,{rate} {left} left", flush=True)
        for run in runs:
            run.cancel()
    return outcome, seconds


def counted(promise, outcome):
    """The first figure of the page that is a sum, by which the pace is told: its name and value so far."""
    for name, key in promise.get("figures", {}).items():
        figure = outcome.figures.get(key, {}) if isinstance(key, str) else {}
        if figure.get("merge") == "sum":
            return name, figure["value"]
    return "", 0


def print_tail(promise, output):
    """The lines that say what went wrong."""
    lines = [line for line in output.splitlines() if not line.startswith(("FIGURE", "HASH", "ok ", "progress"))]
    for line in lines[-25:]:
        print(f"    {line}")
    print(f"    (all of it: build/trust/log/{promise['id']}.*.log)")


def headline(promise, figures):
    """The few figures that the page shows: name -> (value, where), each over all keys that its pattern matches."""
    shown = {}
    for name, patterns in promise.get("figures", {}).items():
        patterns = [patterns] if isinstance(patterns, str) else patterns
        matching = [figure for key, figure in figures.items() if any(fnmatch.fnmatch(key, p) for p in patterns)]
        if not matching:
            continue
        merge = matching[0]["merge"]
        total = matching[0]["value"]
        for figure in matching[1:]:
            total = MERGE[merge](total, figure["value"])
        where = next((figure["where"] for figure in matching if figure["value"] == total), "")
        shown[name] = (total, where)
    return shown


def show(value):
    """A figure as the page prints it."""
    if not math.isfinite(value):
        return "NaN or infinite"
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.4g}"


def seen_red(promise, recorded):
    """How its test was seen to fail: by hand once, or by red.py, which writes down what it said."""
    seen = recorded.get(promise["id"], {}).get("red")
    if not seen:
        return promise.get("seen_red", "not yet")
    return f"{promise['red']['broken']}: {seen['said']} ({seen['date']}, {seen['commit']})"


def write_page():
    """Tests/PROMISES.md, from the table and the recorded figures."""
    recorded = load_recorded()
    lines = ["# Promises", "",
             "Every promise, the test that would show it broken, and the last figure measured. Written by",
             "`Tests/trust/run.py --record`; do not edit. Run one with `Tests/trust/run.py short ID` (or `long`). *Seen red*:",
             "what was broken on purpose, in a copy of the sources, and what the test then said.", ""]
    section = None
    for promise in load_promises():
        if promise["section"] != section:
            section = promise["section"]
            lines += [f"## {section}", "", "| id | promise | test | figure | taken | seen red |", "|---|---|---|---|---|---|"]
        cells = []
        for tier in ("short", "long"):
            result = recorded.get(promise["id"], {}).get(tier)
            if tier not in promise["tier"]:
                continue
            if not result:
                cells.append((f"{tier}: not run yet", ""))
                continue
            figures = "; ".join(f"{name} {show(value)}" + (f" ({where})" if where else "")
                                for name, (value, where) in result["shown"].items())
            verdict = "holds" if result["held"] else "**does not hold**"
            if "chunks" in result:
                verdict += " so far, {} of {} chunks".format(*result["chunks"])
            skipped = f"; skipped: {'; '.join(result['skipped'])}" if result["skipped"] else ""
            cells.append((f"{tier}: {verdict}{', ' + figures if figures else ''}{skipped}",
                          f"{result['date']}, {result['machine']}, {result['commit']}"))
        row = [promise["id"], promise["promise"], f"`{promise['run'].replace('{bin}/', '').replace('{here}/', '')}`",
               "<br>".join([cell[0] for cell in cells] + ([promise["note"]] if "note" in promise else [])),
               "<br>".join(cell[1] for cell in cells), seen_red(promise, recorded)]
        lines.append("| " + " | ".join(text.replace("|", "\\|") for text in row) + " |")
    spaced = []
    for line in lines:
        if line.startswith("## ") and spaced[-1]:
            spaced.append("")
        spaced.append(line)
    PAGE.write_text("\n".join(spaced) + "\n")


def record(results):
    """Keeps these results in figures.json, the memory behind the page: a part of a long run only where no whole one is."""
    recorded = load_recorded()
    for key, tiers in results.items():
        kept = recorded.setdefault(key, {})
        kept.update({tier: result for tier, result in tiers.items()
                     if "chunks" not in result or "chunks" in kept.get(tier, result)})
    known = {promise["id"] for promise in load_promises()}
    recorded = {key: recorded[key] for key in sorted(recorded) if key in known}
    FIGURES.write_text(json.dumps(recorded, indent=1) + "\n")
    write_page()


def commit():
    """The commit that is checked out."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "no commit"


def result_of(promise, outcome, seconds):
    """What is kept of an outcome; of a run that was stopped, how far it came too."""
    kept = {"held": outcome.held, "shown": headline(promise, outcome.figures), "skipped": outcome.skipped,
            "seconds": round(seconds, 1), "date": datetime.date.today().isoformat(), "machine": machine(),
            "commit": commit()}
    if outcome.held and outcome.chunks and outcome.chunks[0] < outcome.chunks[1]:
        kept["chunks"] = outcome.chunks
    return kept


class Book:
    """Runs promises and keeps what they gave; several threads share one."""

    def __init__(self, options, total, unbuilt):
        self.options, self.total, self.unbuilt = options, total, unbuilt
        self.results, self.failed, self.lock = {}, [], threading.Lock()

    def keep(self, promise, pool):
        """Runs one promise in that pool, says how it went, writes it down; not where the run is to end."""
        tier = self.options.tier
        if STOPPED.is_set():
            return
        if promise["id"] in self.unbuilt:
            outcome, seconds = Outcome(), 0
            outcome.held = False
            print(f"    {promise['id']} cannot be built", flush=True)
        else:
            outcome, seconds = run_promise(promise, tier, pool)
        if STOPPED.is_set():
            with self.lock:
                if self.options.record and outcome.chunks:
                    record({promise["id"]: {tier: result_of(promise, outcome, seconds)}})
            return
        verdict = "holds" if outcome.held else "DOES NOT HOLD"
        skips = f" (skipped: {'; '.join(outcome.skipped)})" if outcome.skipped else ""
        figures = ", ".join(f"{name} {show(value)}" for name, (value, _) in headline(promise, outcome.figures).items())
        with self.lock:
            self.results[promise["id"]] = {tier: result_of(promise, outcome, seconds)}
            print(f"[{len(self.results)}/{self.total}] {promise['id']:4} {verdict} {seconds:6.1f} s  {promise['run']}"
                  f"  {figures}{skips}", flush=True)
            if not outcome.held:
                self.failed.append(promise["id"])
            (BUILD / "results.json").write_text(json.dumps(self.results, indent=1) + "\n")
            if self.options.record:
                record({promise["id"]: self.results[promise["id"]]})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tier", nargs="?", choices=("short", "long"), default="short")
    parser.add_argument("ids", nargs="*", help="promises, by id or pattern (A*); all of the tier if none")
    parser.add_argument("--record", action="store_true", help="keep the figures and write the page")
    parser.add_argument("--jobs", type=int, help="commands at once: promises, and chunks of one in the long tier "
                                                 "(long: the CPUs that the process may use; short: 2 of them)")
    parser.add_argument("--page", action="store_true", help="write the page, run nothing")
    options = parser.parse_intermixed_args()
    if options.page:
        write_page()
        return 0
    cpus = len(os.sched_getaffinity(0))
    options.jobs = options.jobs or (cpus if options.tier == "long" else min(2, cpus))
    for folder in ("log", "state"):
        (BUILD / folder).mkdir(parents=True, exist_ok=True)
    chosen = [promise for promise in load_promises()
              if any(fnmatch.fnmatch(promise["id"], pattern) for pattern in options.ids)
              or (not options.ids and options.tier in promise["tier"])]
    if not chosen:
        parser.error("no such promise")
    if options.tier == "short":  # the longest first, as far as their times are known: two at a time end sooner so
        recorded = load_recorded()
        chosen.sort(key=lambda promise: -recorded.get(promise["id"], {}).get("short", {}).get("seconds", 0))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    built = make(sorted({target for promise in chosen for target in promise.get("build", [])}), "-j2", "-k")
    unbuilt = set() if built else {promise["id"] for promise in chosen if not make(promise.get("build", []))}
    if STOPPED.is_set():
        return 130
    threading.Thread(target=say_what_runs, args=(30,), daemon=True).start()
    book = Book(options, len(chosen), unbuilt)
    alone = [promise for promise in chosen if promise.get("alone")]
    with ThreadPoolExecutor(options.jobs) as pool, ThreadPoolExecutor(len(chosen)) as waiting:
        list(waiting.map(lambda promise: book.keep(promise, pool), [one for one in chosen if one not in alone]))
    with ThreadPoolExecutor(1) as pool:
        for promise in alone:
            book.keep(promise, pool)
    if STOPPED.is_set():
        print(f"stopped; {len(book.results)} of {len(chosen)} done.  The same command goes on from here.")
        return 130
    for key, tiers in book.results.items():  # a run that went to its end begins anew; a failed promise where it failed
        if tiers[options.tier]["held"]:
            (BUILD / "state" / f"{key}.json").unlink(missing_ok=True)
    failed = book.failed
    print(f"{len(chosen) - len(failed)} of {len(chosen)} promises hold" + (f"; not: {', '.join(failed)}" if failed else ""))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
