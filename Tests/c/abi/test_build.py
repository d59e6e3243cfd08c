"""The build itself: quiet when nothing changed, the same bytes anywhere, and clear about a tool that is missing."""

import os
import shutil

import pytest
from abi import ROOT, fails, run


@pytest.fixture
def copy(tmp_path):
    """The sources in another directory, with what was built of them."""
    for name in ["Makefile", "Sources", "include"]:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, tmp_path / name, **(
            {"symlinks": True} if source.is_dir() else {}))
    return tmp_path


def test_nothing_is_rebuilt_when_nothing_changed(library):
    made = sorted((ROOT / "build").glob("obj/*.o")) + [library]
    before = [path.stat().st_mtime_ns for path in made]
    run("make", "lib", cwd=ROOT)
    assert [path.stat().st_mtime_ns for path in made] == before


def test_another_directory_gives_the_same_bytes(copy, library):
    """Of the quickest module; the long tier compares the whole library."""
    run("make", "build/obj/FocalLoss.o", cwd=copy)
    assert (copy / "build/obj/FocalLoss.o").read_bytes() == (ROOT / "build/obj/FocalLoss.o").read_bytes()


@pytest.mark.parametrize("setting, tool, remedy", [
    ("SWIFTC=no-swiftc", "no Swift compiler (no-swiftc)", "swift.org/install"),
    ("CC=no-cc", "no C compiler (no-cc)", "apt-get install gcc"),
    ("ARCH=sparc", "no kernels for sparc", "x86_64 or aarch64"),
])
def test_a_missing_tool_is_one_line_with_its_remedy(copy, setting, tool, remedy):
    said = [line for line in fails("make", "lib", setting, cwd=copy).splitlines() if not line.startswith("make: ***")]
    assert len(said) == 1 and tool in said[0] and remedy in said[0], said


def test_an_old_compiler_is_named(copy):
    old = copy / "swiftc"
    old.write_text("#!/bin/sh\necho Swift version 5.10.1\n")
    old.chmod(0o755)
    said = fails("make", "lib", f"SWIFTC={old}", cwd=copy).splitlines()
    assert "older than Swift 6.3" in said[0] and "swift.org/install" in said[0], said


@pytest.mark.parametrize("missing, remedy", [
    ("swiftc", "swift.org/install"),
    ("python3", "apt-get install python3"),
])
def test_setup_names_what_is_missing(tmp_path, missing, remedy):
    """A PATH with everything that set-up calls, but one tool."""
    for tool in {"sh", "dirname", "id", "cmp", "sed", "grep", "gcc", "swiftc", "python3", "mkdir", "basename"} - {missing}:
        os.symlink(shutil.which(tool), tmp_path / tool)
    said = fails("sh", ROOT / "Tests/setup.sh", env={"PATH": str(tmp_path), "HOME": str(tmp_path)}).splitlines()
    assert len(said) == 1 and missing in said[0] and remedy in said[0], said
