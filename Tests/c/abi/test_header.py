"""The header is clean in every standard of C and C++, under both compilers, with every warning an error."""

import shutil

import pytest
from abi import HERE, ROOT, declared, fails, run

C = ["c89", "c99", "c11", "c17", "c2x"]
CXX = ["c++11", "c++14", "c++17", "c++20", "c++2b"]
COMPILERS = {"gcc": C, "clang": C, "g++": CXX, "clang++": CXX}
WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-Wundef", "-Wconversion", "-Wold-style-definition"]


def command(compiler, standard, include=ROOT / "include"):
    language, warnings = ("c", WARNINGS) if standard in C else ("c++", WARNINGS[:-1])
    return [compiler, "-x", language, f"-std={standard}", *warnings, f"-I{include}", "-fsyntax-only",
            HERE / "header_clean.c"]


@pytest.mark.parametrize("compiler, standard", [(c, s) for c, standards in COMPILERS.items() for s in standards])
def test_header_is_clean(compiler, standard):
    run(*command(compiler, standard))


@pytest.mark.parametrize("dirt, standard", [
    ("// a comment of C99", "c89"),
    ("int32_t focal_more();", "c11"),
    ("#if FOCAL_UNDEFINED\n#endif", "c99"),
    ("typedef struct { int class; } focal_more;", "c++11"),
    ("enum { FOCAL_MORE = 1, };", "c89"),
])
def test_a_dirty_header_is_seen(tmp_path, dirt, standard):
    header = (ROOT / "include/focalloss.h").read_text()
    (tmp_path / "focalloss.h").write_text(header.replace("#define FOCAL_OK 0", f"#define FOCAL_OK 0\n{dirt}"))
    fails(*command("clang" if standard in C else "clang++", standard, include=tmp_path))


def test_header_is_ascii():
    assert (ROOT / "include/focalloss.h").read_text(encoding="ascii")


@pytest.mark.parametrize("compiler", COMPILERS)
def test_every_function_links_with_its_type(compiler, tmp_path, library):
    assert shutil.which(compiler)
    run(compiler, "-x", "c" if "++" not in compiler else "c++", *WARNINGS[:4], f"-I{ROOT}/include", HERE / "links.c",
        "-x", "none", library, f"-Wl,-rpath,{library.parent}", "-o", tmp_path / "links")
    shown = run(tmp_path / "links").split()
    assert sorted(shown) == declared(), "links.c and the header name different functions"
