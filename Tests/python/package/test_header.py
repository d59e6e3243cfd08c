"""`_abi.py` says what focalloss.h says: constants, prototypes, and the layout of focal_args as a C compiler sees it."""

import ctypes
import re
import subprocess

import pytest
from conftest import ROOT
from focalloss import _abi
from reference import header

GROUPS = {name: value for name, value in vars(_abi).items() if name.isupper() and type(value) is dict}
GROUPS = {name: words for name, words in GROUPS.items() if name != "FUNCTIONS" and not name.startswith("_")}

C_TYPES = {
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64,
    "size_t": ctypes.c_size_t,
    "double": ctypes.c_double,
    "const char *": ctypes.c_char_p,
}


def ctype(text: str):
    return C_TYPES.get(text, ctypes.c_void_p if text.endswith("*") or text == "focal_parallel_for" else None)


def test_every_constant_of_the_header_is_here_with_its_value():
    ours = {f"FOCAL_{group}_{word.upper()}": code for group, words in GROUPS.items() for word, code in words.items()}
    for name in ("OK", "ALPHA_OFF", "LABEL_NONE", "FLOOR_OFF", "ABI_VERSION"):
        ours[f"FOCAL_{name}"] = getattr(_abi, name)
    theirs = {name: value for name, value in header.CONSTANTS.items() if not re.match("FOCAL_VERSION_", name)}
    assert ours == theirs


def test_every_function_of_the_header_is_declared_with_its_types():
    theirs = {
        name.removeprefix("focal_"): (ctype(result), [ctype(kind) for kind, _ in parameters])
        for result, name, parameters in header.FUNCTIONS
    }
    ours = {name: (function.restype, list(function.argtypes)) for name, function in _abi.FUNCTIONS.items()}
    assert ours == theirs


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_structure_has_the_compilers_offsets_and_sizes(tmp_path, compiler):
    names = [name for name, _ in _abi.Args._fields_]
    rows = "".join(f'printf("%zu %zu\\n", offsetof(focal_args, {n}), sizeof ((focal_args *)0)->{n});' for n in names)
    source = tmp_path / "probe.c"
    source.write_text(
        "#include <focalloss.h>\n#include <stddef.h>\n#include <stdio.h>\nint main(void) {"
        f'{rows} printf("%zu\\n", sizeof(focal_args)); return 0; }}'
    )
    try:
        subprocess.run([compiler, f"-I{ROOT}/include", source, "-o", tmp_path / "probe"], check=True)
    except FileNotFoundError:
        pytest.skip(f"no {compiler}")
    lines = subprocess.run([tmp_path / "probe"], check=True, capture_output=True, text=True).stdout.splitlines()
    fields = [getattr(_abi.Args, name) for name in names]
    assert [tuple(map(int, line.split())) for line in lines[:-1]] == [(field.offset, field.size) for field in fields]
    assert int(lines[-1]) == ctypes.sizeof(_abi.Args)


def test_the_structure_has_the_headers_fields_in_order_and_their_types():
    theirs = [(field.name, ctype(field.type)) for field in header.FIELDS]
    assert [(name, kind) for name, kind in _abi.Args._fields_] == theirs


def test_new_args_has_the_headers_defaults():
    args = _abi.new_args()
    assert args.struct_size == ctypes.sizeof(_abi.Args)
    for name, default in header.DEFAULTS.items():
        if name != "struct_size":
            assert getattr(args, name) == default, name


def test_ctypes_stays_in_the_files_that_speak_an_abi():
    """Ours, and XLA's in `_xla.py`."""
    package = ROOT / "bindings/python/src/focalloss"
    importers = {
        path.name for path in package.rglob("*.py") if re.search(r"^\s*(import|from) ctypes", path.read_text(), re.M)
    }
    assert importers - {"_xla.py"} == {"_abi.py"}
