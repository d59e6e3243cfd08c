"""Finds the package and the library of this checkout, unless the package is installed."""

import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(Path(__file__).parent))

if importlib.util.find_spec("focalloss") is None:
    SOURCE = str(ROOT / "bindings" / "python" / "src")
    sys.path.insert(0, SOURCE)
    # torchrun's workers and the Keras backends are processes of their own.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [SOURCE, os.environ.get("PYTHONPATH")]))
    os.environ.setdefault("FOCALLOSS_LIBRARY", str(ROOT / "build" / "lib" / "libfocalloss.so"))

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up notes
