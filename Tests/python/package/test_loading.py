"""Where the library is looked for, what is said when it is not there, and when it does not fit."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT
from focalloss import _abi, info

PACKAGE = ROOT / "bindings/python/src/focalloss"


def python(code: str, **environment) -> subprocess.CompletedProcess:
    variables = {name: value for name, value in os.environ.items() if name not in ("FOCALLOSS_LIBRARY", "PYTHONPATH")}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env={**variables, **environment}, cwd="/", capture_output=True, text=True)


def test_a_library_named_by_the_environment_is_the_only_one_tried():
    result = python("import focalloss", PYTHONPATH=str(PACKAGE.parent), FOCALLOSS_LIBRARY="/nowhere/lib.so")
    last = result.stderr.split("LibraryNotFoundError:")[1]
    assert "/nowhere/lib.so" in last and _abi.SONAME not in last


def test_a_missing_library_names_every_place(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "focalloss", ignore=shutil.ignore_patterns("lib", "__pycache__"))
    result = python("import focalloss", PYTHONPATH=str(tmp_path))
    message = result.stderr.split("LibraryNotFoundError:")[1]
    assert result.returncode == 1
    for place in ("FOCALLOSS_LIBRARY is not set", f"{tmp_path}/focalloss/lib/{_abi.SONAME}:", f"\n  {_abi.SONAME}:"):
        assert place in message


def test_it_is_an_import_error():
    assert issubclass(_abi.LibraryNotFoundError, ImportError)


def test_a_foreign_library_is_refused(tmp_path):
    (tmp_path / "other.c").write_text("int focal_args_init(void) { return 0; }")
    subprocess.run(["gcc", "-shared", "-fPIC", tmp_path / "other.c", "-o", tmp_path / "other.so"], check=True)
    result = python("import focalloss", PYTHONPATH=str(PACKAGE.parent), FOCALLOSS_LIBRARY=str(tmp_path / "other.so"))
    assert "ImportError" in result.stderr and "has no focal_" in result.stderr


class _Answer:
    def __init__(self, value):
        self.value = value

    def __call__(self, *arguments):
        return self.value


@pytest.mark.parametrize(
    "answers, message",
    [
        ({"abi_version": 1}, "has ABI version 1; this package needs 0"),
        ({"abi_version": 0, "args_init": 2, "last_error": b"struct_size"}, "is older than this package: struct_size"),
    ],
)
def test_a_library_of_another_abi_is_refused(answers, message):
    functions = {name: _Answer(value) for name, value in answers.items()}
    with pytest.raises(ImportError, match=message):
        _abi._defaults(functions, "lib.so")


def test_info_names_the_file_that_is_mapped():
    library = info()["library"]
    with open("/proc/self/maps", encoding="utf-8") as maps:
        assert any(os.path.samefile(line.split()[-1], library) for line in maps if "libfocalloss" in line)


def test_the_systems_library_is_found_by_its_soname(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "focalloss", ignore=shutil.ignore_patterns("lib", "__pycache__"))
    (tmp_path / "system").mkdir()
    shutil.copy(info()["library"], tmp_path / "system" / _abi.SONAME)
    result = python(
        "import focalloss; print(focalloss.info()['library'])",
        PYTHONPATH=str(tmp_path),
        LD_LIBRARY_PATH=str(tmp_path / "system"),
    )
    assert result.stdout.strip() == str(tmp_path / "system" / _abi.SONAME), result.stderr


def test_numpy_is_all_that_an_import_needs():
    """What an import costs is what it runs: `python -X importtime -c "import focalloss"` has the milliseconds."""
    code = "import sys, numpy; known = set(sys.modules); import focalloss; print(*set(sys.modules) - known)"
    environment = {"PYTHONPATH": str(PACKAGE.parent), "FOCALLOSS_LIBRARY": info()["library"]}
    brought = python(code, **environment).stdout.split()
    assert "focalloss" in brought and len(brought) <= 12, brought
    assert [name for name in brought if name != "__future__" and not name.startswith("focalloss")] == []
