"""See the test of a promise fail: break what it guards in a copy of the tree, run it there, write down what it said.

    red.py ID...         these promises (or patterns, G*)
    red.py               all whose table in promises.toml has `red`
    red.py --record ...  also keep what was said in figures.json and write Tests/PROMISES.md

promises.toml says what to break:
    red.broken     what was broken, in words
    red.edits      [file, text that stands there once, text instead], ...
    red.modules    the modules of the library that must be compiled again (none if absent)
    red.says       words that a line of the output must hold: the test must fail for the right reason
Exit status: 0 if every test failed as it should.
"""

import argparse
import datetime
import fnmatch
import json
import os
import subprocess
import sys
import time

import run
import scratch

COPY = run.BUILD / "red"


def said(promise, tier):
    """The first line of the copy's log that holds the words, without the copy's path."""
    log = COPY / f"build/trust/log/{promise['id']}.{tier}.log"
    lines = log.read_text().splitlines() if log.exists() else []
    return next((line.removeprefix("FAIL ").strip().replace(f"{COPY}/", "") for line in lines
                 if promise["red"]["says"] in line and not line.startswith("FIGURE")), None)


def see(promise):
    """Breaks, builds and runs; what the test said, or None where it did not fail as it should."""
    red = promise["red"]
    tier = "short" if "short" in promise["tier"] else "long"
    scratch.copy_tree(COPY)
    for edit in red["edits"]:
        scratch.replace(COPY, *edit)
    if red.get("modules"):
        built, output = scratch.build(COPY, red["modules"])
        if not built:
            print(f"    {promise['id']}: the broken library does not build\n{output[-2000:]}")
            return None
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run([sys.executable, "Tests/trust/run.py", tier, promise["id"], "--jobs", "1"], cwd=COPY,
                          env={**environment, **red.get("env", {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    results = COPY / "build/trust/results.json"
    held = json.loads(results.read_text())[promise["id"]][tier]["held"] if results.exists() else True
    words = said(promise, tier)
    if held or not words:
        print(f"    {promise['id']}: {'held' if held else 'failed for another reason'}\n{done.stdout[-2000:]}")
        return None
    return words


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*")
    parser.add_argument("--record", action="store_true", help="keep what was said and write the page")
    options = parser.parse_args()
    chosen = [promise for promise in run.load_promises() if "red" in promise
              and (not options.ids or any(fnmatch.fnmatch(promise["id"], pattern) for pattern in options.ids))]
    if not chosen:
        parser.error("no such promise has `red`")
    if not run.make(sorted({target for promise in chosen for target in promise.get("build", []) if "/bin/" in target})):
        return 1
    missed = []
    for number, promise in enumerate(chosen, 1):
        started = time.time()
        words = see(promise)
        if words is None:
            missed.append(promise["id"])
        elif options.record:
            commit = run.commit()
            run.record({promise["id"]: {"red": {"said": words, "date": datetime.date.today().isoformat(), "commit": commit}}})
        print(f"[{number}/{len(chosen)}] {promise['id']:4} {'red' if words else 'NOT RED'} {time.time() - started:6.1f} s  "
              f"{promise['red']['broken']}: {words}", flush=True)
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
