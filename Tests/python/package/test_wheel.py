"""Wheel and sdist: what they hold, and that they work where there is no Swift.

The short tier checks that the sdist has all that the build reads; the long tier builds a wheel from it, and one for
64-bit ARM.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile

import pytest
from conftest import ROOT

PROJECT = ROOT / "bindings/python"
LONG = os.environ.get("FOCALLOSS_TEST_TIER") == "long"

pytest.importorskip("hatchling")


def run(*command, **options):
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def clean_environment(**more):
    """Without what points at this checkout, and without a parent make's flags."""
    hidden = ("FOCALLOSS_LIBRARY", "PYTHONPATH", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    return {**{name: value for name, value in os.environ.items() if name not in hidden}, **more}


def build_wheel(project, folder, **environment):
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, project]
    run(*command, env=clean_environment(**environment))
    wheels = list(folder.glob("*.whl"))
    assert len(wheels) == 1
    return wheels[0]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(PROJECT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=PROJECT, env=clean_environment())
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


def test_one_small_wheel_for_every_python(wheel):
    machine = os.uname().machine
    assert re.fullmatch(rf"focalloss-[\d.]+-py3-none-manylinux_2_\d+_{machine}\.whl", wheel.name)
    assert wheel.stat().st_size < 500_000


def test_what_the_wheel_holds(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name.removeprefix("focalloss/") for name in archive.namelist()}
        header = archive.read("focalloss/include/focalloss.h")
    for name in (
        "__init__.py", "py.typed", "lib/libfocalloss.so.0", "lib/libfocalloss.so", "include/focalloss.h",
        "lib/pkgconfig/focalloss.pc", "lib/cmake/focalloss/focallossConfig.cmake",
        "lib/cmake/focalloss/focallossConfigVersion.cmake",
    ):  # fmt: skip
        assert name in names
    assert header == (ROOT / "include/focalloss.h").read_bytes()
    assert not [name for name in names if name.endswith((".a", ".pyc")) or name.startswith("..")]


def test_auditwheel_agrees_with_the_tag(wheel):
    pytest.importorskip("auditwheel")
    shown = " ".join(run(sys.executable, "-m", "auditwheel", "show", wheel).split())
    consistent = re.search(r'following platform tag: "manylinux_2_(\d+)_', shown)
    tagged = re.search(r"manylinux_2_(\d+)_", wheel.name)
    assert int(consistent[1]) <= int(tagged[1]), shown


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The package folder of a bare environment: NumPy and the wheel."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=True)
    run(
        folder / "bin/python",
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        wheel,
        env=clean_environment(),
    )
    return next(folder.glob("lib/python*/site-packages/focalloss"))


def test_it_works_in_a_bare_environment_without_swift(installed):
    bare = installed.parents[3] / "bin"
    environment = {"PATH": str(bare)}
    assert shutil.which("swiftc", path=str(bare)) is None
    code = """
import sys, focalloss, numpy
loss, grad = focalloss.sigmoid_focal_loss_and_grad(numpy.float32([0, 0]), numpy.float32([1, 0]), reduction="none")
assert abs(loss[0] - 0.25 * 0.17328679513998633) < 1e-8 and abs(grad[1] - 0.75 * 0.29828679513998633) < 1e-7
print(focalloss.info()["library"])
"""
    library = run(bare / "python", "-c", code, env=environment, cwd="/").strip()
    assert library == str(installed / "lib/libfocalloss.so.0")
    assert "available_isas" in run(bare / "python", "-m", "focalloss", "info", env=environment)
    assert "available_isas" in run(bare / "focalloss", "info", env=environment)
    failed = subprocess.run(
        [bare / "python", "-m", "focalloss", "plot"], env=environment, capture_output=True, text=True
    )
    assert (
        failed.returncode == 1
        and failed.stderr.strip() == "focalloss: `plot` needs matplotlib: pip install 'focalloss[cli]'"
    )


PROGRAM = """
#include <focalloss.h>
#include <stdio.h>
int main(void) {
    float z = 0, y = 1, loss;
    int32_t status = focal_sigmoid_loss_f32(&z, &y, 1, FOCAL_ALPHA_OFF, 2, FOCAL_REDUCTION_NONE, &loss, NULL);
    printf("%d %.6f", (int)status, loss);
    return 0;
}
"""


def test_a_c_program_builds_with_its_pkg_config_file(installed, tmp_path):
    if not shutil.which("pkg-config"):
        pytest.skip("no pkg-config")
    (tmp_path / "main.c").write_text(PROGRAM)
    flags = run(
        "pkg-config",
        "--cflags",
        "--libs",
        "focalloss",
        env={**os.environ, "PKG_CONFIG_PATH": f"{installed}/lib/pkgconfig"},
    )
    run("gcc", tmp_path / "main.c", *flags.split(), f"-Wl,-rpath,{installed}/lib", "-o", tmp_path / "main")
    assert run(tmp_path / "main") == "0 0.173287"


def test_a_c_program_builds_with_its_cmake_package(installed, tmp_path):
    if not shutil.which("cmake"):
        pytest.skip("no cmake")
    (tmp_path / "main.c").write_text(PROGRAM)
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(p C)\nfind_package(focalloss 0.1 REQUIRED)\n"
        "add_executable(main main.c)\ntarget_link_libraries(main focalloss::focalloss)\n"
    )
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={installed}")
    run("cmake", "--build", tmp_path / "build")
    assert run(tmp_path / "build/main") == "0 0.173287"


def tracked(*folders):
    """The files of the repository in these folders, links followed: path -> contents."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file():
                yield path.relative_to(ROOT), path.read_bytes()


def test_the_sdist_has_every_source(sdist):
    for path, contents in tracked("Sources", "include"):
        assert (sdist / path).read_bytes() == contents, path
    package = {path.relative_to(PROJECT) for path in (PROJECT / "src").rglob("*.py")}
    assert package == {path.relative_to(sdist) for path in (sdist / "src").rglob("*.py")}
    assert not list(sdist.rglob("*.so*"))


def test_the_sdist_lacks_nothing_that_make_reads(sdist):
    if not shutil.which("swiftc"):
        pytest.skip("no Swift")
    assert "libfocalloss.so" in run("make", "-n", "lib", cwd=sdist, env=clean_environment())


@pytest.mark.skipif(not LONG, reason="compiles the library: long tier")
def test_a_wheel_from_the_sdist(sdist, wheel, tmp_path):
    assert build_wheel(sdist, tmp_path).name == wheel.name


@pytest.mark.skipif(not LONG, reason="cross-compiles the library: long tier")
def test_an_aarch64_wheel(tmp_path):
    for tool in ("aarch64-linux-gnu-gcc", "qemu-aarch64"):
        if not shutil.which(tool):
            pytest.skip(f"no {tool}")
    wheel = build_wheel(PROJECT, tmp_path, FOCALLOSS_ARCH="aarch64")
    assert re.search(r"-py3-none-manylinux_2_\d+_aarch64\.whl$", wheel.name) and wheel.stat().st_size < 500_000
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    prefix = tmp_path / "focalloss"
    (tmp_path / "main.c").write_text(PROGRAM)
    compiler = ["aarch64-linux-gnu-gcc", tmp_path / "main.c", f"-I{prefix}/include", f"-L{prefix}/lib", "-lfocalloss"]
    run(*compiler, f"-Wl,-rpath,{prefix}/lib", "-o", tmp_path / "main")
    assert run("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", tmp_path / "main") == "0 0.173287"
