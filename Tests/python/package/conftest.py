"""The suite of the Python package. Run it with the package installed (`make python`)."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "Tests"))  # for reference.header


@pytest.fixture
def batch():
    """A small batch with both classes: logits and targets, float32, (7,)."""
    import numpy

    return numpy.float32([2, -1, 0.5, 0, -3, 8, -0.25]), numpy.float32([1, 0, 1, 0, 1, 1, 0])
