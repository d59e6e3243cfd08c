"""focalloss.keras on every backend, each in a process of its own (Keras takes its backend when it is imported)."""

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("keras_worker.py")
CHECKS = (
    "binary_is_keras",
    "binary_keeps_every_score",
    "categorical_is_keras",
    "sparse_is_categorical",
    "sparse_ignores_a_class",
    "gradients_are_finite_differences",
    "hardest_examples_have_gradients",
    "trains_saves_and_loads",
    "lower_precision",
)


@pytest.fixture(scope="module", params=("torch", "jax", "tensorflow"))
def run(request):
    """What the checks of keras_worker.py said on one backend: (lines, all output)."""
    for name in ("keras", request.param):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"needs {name}")
    done = subprocess.run(
        [sys.executable, str(WORKER)],
        env={**os.environ, "KERAS_BACKEND": request.param},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.stdout.splitlines(), done.stdout + done.stderr


@pytest.mark.parametrize("check", CHECKS)
def test_holds(run, check):
    lines, output = run
    assert f"holds {check}" in lines, output


def test_no_check_is_left_out():
    worker = ast.parse(WORKER.read_text(encoding="utf-8"))
    table = next(
        node.value for node in worker.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CHECKS"
    )
    assert CHECKS == tuple(name.id for name in table.elts)
