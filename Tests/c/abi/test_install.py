"""A project outside this one finds, builds with and runs against an installed tree, which is then removed whole."""

import os
import shutil

import pytest
from abi import ROOT, fails, run

MAIN = """
#include <focalloss.h>
#include <stdio.h>
int main(void)
{
    float z[3] = {2.0f, -1.0f, 0.5f}, y[3] = {1, 0, 1}, grad[3], loss;
    if (focal_sigmoid_loss_f32(z, y, 3, 0.25, 2.0, FOCAL_REDUCTION_MEAN, &loss, grad) != FOCAL_OK) {
        fprintf(stderr, "%s\\n", focal_last_error());
        return 1;
    }
    printf("%s %.4f\\n", focal_version(), (double)loss);
    return 0;
}
"""
CMAKE = """
cmake_minimum_required(VERSION 3.13)
project(outside LANGUAGES C)
find_package(focalloss @VERSION@ REQUIRED)
foreach(kind focalloss static)
  add_executable(with_${kind} main.c)
  target_link_libraries(with_${kind} PRIVATE focalloss::${kind})
endforeach()
"""
#: mean over the three of alpha_t (1 - p_t)^2 (-log p_t), alpha .25
EXPECTED = "0.1.0 0.0114"


def install(prefix, *settings, target="install"):
    run("make", target, f"PREFIX={prefix}", *settings, cwd=ROOT)
    return prefix


@pytest.fixture(scope="module")
def prefix(tmp_path_factory, library):
    """An installed tree that has been moved since."""
    there = install(tmp_path_factory.mktemp("install") / "prefix")
    return there.rename(there.with_name("moved"))


@pytest.fixture
def project(tmp_path):
    (tmp_path / "main.c").write_text(MAIN)
    return tmp_path


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink())


def test_installs_these_files_and_removes_them(tmp_path, library):
    install("/opt/focal", f"DESTDIR={tmp_path}")
    assert files(tmp_path / "opt/focal") == sorted([
        "include/focalloss.h", "lib/libfocalloss.a", "lib/libfocalloss.so", "lib/libfocalloss.so.0",
        "lib/libfocalloss.so.0.1.0", "lib/pkgconfig/focalloss.pc", "lib/cmake/focalloss/focallossConfig.cmake",
        "lib/cmake/focalloss/focallossConfigVersion.cmake"])
    run("make", "uninstall", "PREFIX=/opt/focal", f"DESTDIR={tmp_path}", cwd=ROOT)
    assert files(tmp_path) == []
    assert not (tmp_path / "opt/focal/lib/cmake/focalloss").exists()


def test_directories_may_be_named(tmp_path, library):
    run("make", "install", "prefix=/usr", "libdir=/usr/lib/arch", f"DESTDIR={tmp_path}", cwd=ROOT)
    assert (tmp_path / "usr/lib/arch/libfocalloss.so.0").exists()
    assert "usr/lib/arch/pkgconfig/focalloss.pc" in files(tmp_path)


def test_pkg_config(prefix, project):
    env = {**os.environ, "PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}
    flags = run("pkg-config", "--cflags", "--libs", "focalloss >= 0.1", env=env).split()
    run("gcc", "main.c", *flags, "-o", "main", cwd=project)
    assert run(project / "main", env={"LD_LIBRARY_PATH": str(prefix / "lib")}).strip() == EXPECTED
    fails(project / "main", env={})
    fails("pkg-config", "--exists", "focalloss >= 0.2", env=env)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_static_archive(prefix, project, compiler):
    run(compiler, "main.c", f"-I{prefix}/include", prefix / "lib/libfocalloss.a", "-lm", "-o", "main", cwd=project)
    assert run(project / "main", env={}).strip() == EXPECTED


def cmake(project, prefix, version):
    (project / "CMakeLists.txt").write_text(CMAKE.replace("@VERSION@", version))
    return ["cmake", "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={prefix}"]


@pytest.mark.parametrize("version", ["", "0", "0.0.9", "0.1", "0.1.0"])
def test_cmake(prefix, project, version):
    run(*cmake(project, prefix, version))
    run("cmake", "--build", project / "build")
    for kind in ["focalloss", "static"]:
        assert run(project / "build" / f"with_{kind}", env={}).strip() == EXPECTED


@pytest.mark.parametrize("version", ["0.1.1", "0.2", "1.0"])
def test_cmake_refuses_another_version(prefix, project, version):
    assert "focalloss" in fails(*cmake(project, prefix, version))


def test_installed_library_is_stripped(prefix):
    assert "no symbols" in run("sh", "-c", f"nm {prefix}/lib/libfocalloss.so 2>&1")
    assert shutil.which("nm")
