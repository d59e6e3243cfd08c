"""Builds the C part of the benchmark and runs it."""

import json
import os
import pathlib
import subprocess

import stats

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
OUT = ROOT / "build" / "bench"
LIBRARY = pathlib.Path(os.environ.get("FOCALLOSS_LIBRARY", ROOT / "build" / "lib" / "libfocalloss.so"))


def build():
    subprocess.run(["make", "-s", "-C", str(HERE)], check=True)


def measure(settings, contenders):
    """One interleaved run of bench.c: {contender: statistics in nanoseconds an element}.

    settings: bench.c's options for all contenders.  Contenders that cannot run here are missing from the result.
    """
    command = [str(OUT / "bench"), f"library={LIBRARY}", *(f"{key}={value}" for key, value in settings.items())]
    done = subprocess.run([*command, *contenders], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"bench failed ({done.returncode}): {done.stderr.strip()}")
    return {name: stats.summary(row.pop("samples"), **row) for name, row in json.loads(done.stdout).items()}
