"""The C examples: built against the libraries inside the wheels, run, and what they print is checked."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LIBRARY = Path(os.environ.get("FOCALLOSS_LIBRARY") or ROOT / "build" / "lib" / "libfocalloss.so")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    if not shutil.which("make") or not shutil.which("cc"):
        pytest.skip("no C compiler")
    out = tmp_path_factory.mktemp("boosting")
    libraries = tmp_path_factory.mktemp("lib")
    for name in ("libfocalloss.so", "libfocalloss.so.0"):
        (libraries / name).symlink_to(LIBRARY.resolve())
    subprocess.run(["make", "-C", ROOT / "bindings" / "c" / "boosting", "all", f"PYTHON={sys.executable}", f"OUT={out}",
                    f"FOCAL={libraries}"], check=True)
    return out


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_example_trains(built, name):
    """Better than chance by far, and its probabilities add up to the positives that there are."""
    line = subprocess.run([built / f"{name}_focal"], check=True, capture_output=True, text=True).stdout.split()
    figures = dict(zip(line[1::2], map(float, line[2::2])))
    assert line[0] == name
    assert figures["average_precision"] > 5 * figures["positives"]
    assert figures["mean_probability"] == pytest.approx(figures["positives"], rel=0.1)
