"""What the shared library shows the outside, and how its instruction sets are kept apart."""

import platform
import re
import shutil

import pytest
from abi import HERE, ROOT, declared, run

OBJECTS = ROOT / "build/obj"
ALLOWED_LIBRARIES = {"libc.so.6", "libm.so.6", "ld-linux-aarch64.so.1"}
VECTOR_INSTRUCTION = re.compile(r"^\s+[0-9a-f]+:\s+(v[a-z0-9]+|k(?:mov|or|and|test|x?n?or)[bwdq])\b(.*)$", re.M)


def exported(library):
    """(name, version) of every dynamic symbol that the library defines, but the version itself."""
    for line in run("nm", "-D", "--defined-only", library).splitlines():
        _, kind, name = line.split()
        if kind != "A":
            yield tuple(name.split("@@"))


def disassembly(path):
    return run("objdump", "-d", "--no-show-raw-insn", path)


def test_exports_are_the_golden_list(library):
    golden = (HERE / "exports.txt").read_text().split()
    assert declared() == golden, "the header declares other functions than Tests/c/abi/exports.txt lists"
    assert sorted(exported(library)) == [(name, "FOCALLOSS_0") for name in golden]


def test_static_archive_shows_the_same(library):
    lines = run("nm", "-g", "--defined-only", library.with_suffix(".a")).splitlines()
    names = sorted(line.split()[2] for line in lines if len(line.split()) == 3)
    assert names == declared()


def test_it_needs_libc_alone(library):
    dynamic = run("readelf", "-dW", library)
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    assert needed <= ALLOWED_LIBRARIES, needed
    assert "libc.so.6" in needed
    assert re.search(r"\(SONAME\).*\[libfocalloss\.so\.0\]", dynamic)
    assert "RPATH" not in dynamic and "RUNPATH" not in dynamic


def test_it_is_hardened(library):
    dynamic, segments = run("readelf", "-dW", library), run("readelf", "-lW", library)
    assert re.search(r"FLAGS_1.*\bNOW\b", dynamic) and re.search(r"FLAGS_1.*\bNODELETE\b", dynamic)
    assert "GNU_RELRO" in segments and "TEXTREL" not in dynamic
    assert re.search(r"GNU_STACK\s+(0x\w+\s+){5}RW\s", segments), "executable stack"
    assert not re.search(r"LOAD .*RWE", segments), "memory both writable and executable"
    assert "__stack_chk_fail" in run("nm", "-D", library), "no stack protector"


def test_it_is_small(library, tmp_path):
    run("strip", "-o", tmp_path / "stripped", library.resolve())
    assert (tmp_path / "stripped").stat().st_size < 256 * 1024


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 objects")
class TestInstructionSets:
    @pytest.mark.parametrize("module, entry", [
        ("KernelsV2", "focal_kernels_x86_64"),
        ("KernelsV3", "focal_kernels_x86_64_v3"),
        ("KernelsV4", "focal_kernels_x86_64_v4"),
    ])
    def test_only_the_entry_is_global(self, module, entry):
        names = run("nm", "-g", "--defined-only", OBJECTS / f"{module}.o").split()[2::3]
        assert names == [entry]

    @pytest.mark.parametrize("module", ["FocalLoss", "KernelsV2"])
    def test_no_avx_in_what_every_cpu_runs(self, module):
        assert VECTOR_INSTRUCTION.search(disassembly(OBJECTS / f"{module}.o")) is None

    def test_no_avx512_in_the_avx2_kernels(self):
        text = disassembly(OBJECTS / "KernelsV3.o")
        assert "%ymm" in text, "no AVX at all: the search sees nothing"
        assert "%zmm" not in text and "%k1" not in text

    def test_the_avx512_kernels_use_it(self):
        assert "%zmm" in disassembly(OBJECTS / "KernelsV4.o")


@pytest.mark.skipif(not shutil.which("swiftc"), reason="needs Swift")
def test_package_manifest_has_the_makefiles_flags():
    """`swift build` and `make lib` compile each instruction set with the same flags."""
    makefile, manifest = (ROOT / "Makefile").read_text(), (ROOT / "Package.swift").read_text()
    made = re.findall(r"^FLAGS_(KernelsV\d) += -D (\w+) -Xcc -march=(\S+)( \$\(ALIGNED\))?$", makefile, re.M)
    packaged = re.findall(r'kernels\("(\w+)", define: "(\w+)", march: "(\S+)"(, aligned: \[\])?\)', manifest)
    assert [(*flags, bool(aligned)) for *flags, aligned in made] == [(*flags, not apart) for *flags, apart in packaged]
    assert len(made) == 3
    aligned = re.search(r"^ALIGNED = (.+)$", makefile, re.M)[1].split()
    assert f"aligned: [String] = {aligned}".replace("'", '"') in manifest
