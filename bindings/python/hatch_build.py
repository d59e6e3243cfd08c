"""Puts the native library into the wheel, and all that it is built from into the sdist.

The sources lie above this folder in the repository, and beside this file in an sdist; `make install` builds and
installs the library from either. Environment:

    FOCALLOSS_ARCH   what to build for: x86_64 (the machine's own is the default) or aarch64 (cross-built)
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).resolve().parent
ROOT = next(folder for folder in (HERE, HERE.parents[1]) if (folder / "include/focalloss.h").exists())

# What `make install` reads, relative to ROOT. The Package.swift is for those who build with SwiftPM.
SOURCES = ["Makefile", "Package.swift", "LICENSE", "Sources", "include", "bindings/c"]

OLDEST_GLIBC = 17  # 2.17, of 2012: the oldest that PEP 600's tools still build for


def version() -> str:
    """The library's version, from its header."""
    return re.search(r'FOCAL_VERSION_STRING "(.*)"', (ROOT / "include/focalloss.h").read_text())[1]


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict) -> None:
        if self.target_name == "sdist":
            self.add_sources(build_data)
        elif version == "standard":  # an editable install uses what `make python` has put into the package
            self.add_library(build_data)

    def add_sources(self, build_data: dict) -> None:
        build_data["force_include"].update({str(ROOT / name): name for name in SOURCES})

    def add_library(self, build_data: dict) -> None:
        arch = os.environ.get("FOCALLOSS_ARCH", platform.machine())
        self.stage = Path(tempfile.mkdtemp(prefix="focalloss-wheel-"))
        install(self.stage, arch)
        shutil.copy(ROOT / "LICENSE", self.stage)
        build_data["force_include"][str(self.stage)] = "focalloss"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux_2_{glibc(self.stage)}_{arch}"

    def finalize(self, version: str, build_data: dict, artifact_path: str) -> None:
        if hasattr(self, "stage"):
            shutil.rmtree(self.stage)


def install(stage: Path, arch: str) -> None:
    """`make install` into `stage` as a prefix, in the form that a wheel can hold: without links, without the archive.

    The library is there once, by its SONAME, so that programs linked with it find it; `libfocalloss.so`, for
    -lfocalloss, is a linker script that names it.
    """
    command = ["make", "-C", str(ROOT), "install", f"PREFIX={stage}"]
    if arch != platform.machine():
        command += [f"ARCH={arch}", f"CROSS={arch}-linux-gnu-", f"BUILD=build/{arch}"]
    subprocess.run(command, check=True)
    lib = stage / "lib"
    soname = next(path.name for path in lib.glob("libfocalloss.so.*") if path.is_symlink())
    real = (lib / soname).resolve()
    for path in lib.glob("libfocalloss.*"):
        if path != real:
            path.unlink()
    real.rename(lib / soname)
    (lib / "libfocalloss.so").write_text(f"INPUT({soname})\n")


def glibc(stage: Path) -> int:
    """The minor version of the oldest glibc that has every symbol the library needs."""
    library = next((stage / "lib").glob("libfocalloss.so.*")).read_bytes()
    return max(OLDEST_GLIBC, *map(int, re.findall(rb"\0GLIBC_2\.(\d+)", library)))
