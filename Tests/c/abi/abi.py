"""What the tests of the binary interface share."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent


def run(*command, **options):
    """Runs a command and returns its output; a failure shows what the command printed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


def fails(*command, **options):
    """Runs a command that must fail and returns what it printed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode != 0, f"succeeded: {' '.join(map(str, command))}"
    return done.stdout + done.stderr


def declared():
    """Names of the functions that the header declares."""
    header = (ROOT / "include/focalloss.h").read_text()
    return sorted(re.findall(r"^FOCALLOSS_API .*?\b(focal_\w+)\(", header, re.M))
