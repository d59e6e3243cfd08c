"""Finds the package, the library and the reference from this checkout, unless the package is installed."""

import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "Tests"), str(ROOT / "Tests" / "python" / "correctness"), str(Path(__file__).parent)]

if importlib.util.find_spec("focalloss") is None:
    SOURCE = str(ROOT / "bindings" / "python" / "src")
    sys.path.insert(0, SOURCE)
    # Dask's workers and the examples are processes of their own.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [SOURCE, os.environ.get("PYTHONPATH")]))
    os.environ.setdefault("FOCALLOSS_LIBRARY", str(ROOT / "build" / "lib" / "libfocalloss.so"))
