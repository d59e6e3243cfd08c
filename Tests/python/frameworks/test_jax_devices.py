"""focalloss.jax over two CPU devices, in a process of its own (their number is fixed when JAX starts)."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jax")


def test_two_devices_give_what_one_gives():
    worker = Path(__file__).with_name("devices_worker.py")
    done = subprocess.run([sys.executable, str(worker)], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2 * (2 * 3 + 1) + 1, done.stdout
