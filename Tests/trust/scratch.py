"""A copy of the tree in which things may be broken: the tracked files, what was built from them, and the virtual environment.

Times are kept, so that only what is changed in the copy is compiled again.
"""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILT = ("obj", "lib", "trust/bin")
KERNELS = ("KernelsV2", "KernelsV3", "KernelsV4")


def copy_tree(folder):
    """Makes `folder` that copy; what was there is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, target, follow_symlinks=False)
    for name in BUILT:
        shutil.copytree(ROOT / "build" / name, folder / "build" / name, symlinks=True)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    git = subprocess.run(["git", "rev-parse", "--absolute-git-dir"], cwd=ROOT, check=True, capture_output=True, text=True)
    (folder / ".git").write_text(f"gitdir: {git.stdout}")


def replace(folder, name, old, new):
    """Replaces the one place in a file where `old` stands."""
    path = folder / name
    text = path.read_text()
    if text.count(old) != 1:
        raise SystemExit(f"{name} holds {old!r} {text.count(old)} times, not once: the change must be written anew")
    path.write_text(text.replace(old, new))


def build(folder, modules=("FocalLoss", *KERNELS)):
    """Builds the copy's library; of the modules only these are compiled again.  (True, "") or (False, what it said)."""
    for name in modules:
        for end in (".open.o", ".o"):
            (folder / f"build/obj/{name}{end}").unlink(missing_ok=True)
    kept = [f"build/obj/{name}{end}" for name in KERNELS if name not in modules for end in (".open.o", ".o")]
    kept += [] if "FocalLoss" in modules else ["build/obj/FocalLoss.o"]
    command = ["make", "-s", "-j2", "lib"] + [word for name in ("build/obj/flags", *kept) for word in ("-o", name)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode == 0, done.stdout
