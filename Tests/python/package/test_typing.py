"""The annotations hold together, and catch a caller's slips before anything runs."""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

pytest.importorskip("mypy")

SNIPPET = """
import numpy as np
import focalloss as f

z, y = np.zeros(3), np.ones(3)
loss, grad = f.sigmoid_focal_loss_and_grad(z, y, alpha=None, gamma=1, reduction="sum", weights=z, threads=2)
half = grad * 0.5
f.softmax_focal_loss(z, 1, [0.2, 0.3, 0.5], axis=0, divisor="weights", probabilities_out=grad)
f.sigmoid_focal_loss(z, y, reduction="average")  # line 9: no such word
f.sigmoid_focal_loss(z, y, gama=2)  # line 10: no such option
f.sigmoid_focal_grad_hess(z, y, hessian="fisher")  # line 11
f.softmax_focal_loss(z, 1, pos_weight=2.0)  # line 12: sigmoid's
f.prior_bias("one percent")  # line 13
"""


PACKAGE = ROOT / "bindings/python"


def mypy(*arguments):
    environment = {**os.environ, "MYPYPATH": str(PACKAGE / "src")}
    command = [sys.executable, "-m", "mypy", "--no-incremental", "--cache-dir", os.devnull]
    command += ["--config-file", PACKAGE / "pyproject.toml", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    return result.stdout + result.stderr


def test_the_package_itself():
    """Every module by name: of one that it only follows to, and finds installed (editable, too), mypy says nothing."""
    found = mypy("-p", "focalloss")
    assert found.startswith("Success"), found
    # Folders without modules (the installed library's) count too.
    assert int(re.search(r"in (\d+) source files", found)[1]) >= len(list((PACKAGE / "src").rglob("*.py")))


def test_slips_are_caught(tmp_path):
    (tmp_path / "snippet.py").write_text(SNIPPET)
    found = re.findall(r"snippet.py:(\d+): error", mypy(tmp_path / "snippet.py"))
    assert sorted({int(line) for line in found}) == [9, 10, 11, 12, 13]
