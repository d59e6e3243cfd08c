"""The kernels' hot loops, read from the disassembly of the objects that the library was linked from.

A call in a hot loop is a function that was not inlined or an operation that Swift spells as a library call; a trap is a
check of overflow or of an index that -remove-runtime-asserts was to remove.  Both cost more than the mathematics.
"""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "Benchmarks"))

import disassembly  # noqa: E402

BUILT = [isa for isa, path in disassembly.OBJECTS.items() if path.exists()]
# The careful path goes element by element over soft targets at the edges of their range and calls a function for each.
RARE = "Careful"
# A softmax's work once a sample or a chunk of classes: its loops may call, those over classes and elements may not.
ONCE_A_SAMPLE = re.compile(r"9LogarithmO|4MassV|6MarginV.*softmax|5PowerO|7SamplesV|1[0-9]Softmax(Sample|Loss|Term|Rows|Columns|Hessian)V")
# memcpy and memset: of whole blocks, outside the loops.  The stack's guard is checked as a function returns.
LIBC = {"memcpy", "memset", "memmove", "__stack_chk_fail"}

pytestmark = pytest.mark.skipif(not BUILT, reason="no kernels were built in build/obj")


@pytest.fixture(scope="module", params=BUILT)
def kernels(request):
    return request.param, [loop for loop in disassembly.hot_loops(request.param) if RARE not in loop.function]


def test_there_are_hot_loops(kernels):
    """The reader of the disassembly finds what it is to judge."""
    isa, loops = kernels
    assert len(loops) > 10, isa


def test_no_call_in_a_hot_loop(kernels):
    isa, loops = kernels
    calls = {loop.function: [name for name in loop.calls if not ONCE_A_SAMPLE.search(name)] for loop in loops}
    assert {function: names for function, names in calls.items() if names} == {}, isa


def test_no_trap_in_a_hot_loop(kernels):
    isa, loops = kernels
    assert {loop.function: loop.traps for loop in loops if loop.traps} == {}, isa


def test_kernels_call_no_library(kernels):
    """No exp, log, fma, no conversion, no allocation, nothing of Swift's runtime."""
    isa, _ = kernels
    assert set(disassembly.called_by_kernels(isa)) <= LIBC, isa


def test_spilled_vectors_straddle_no_line(kernels):
    """A loop that keeps a number on the stack runs at a third of its speed in the processes whose stack lies so that it
    straddles two pages: functions that spill wide vectors align it."""
    isa, loops = kernels
    bodies = disassembly.disassemble(disassembly.OBJECTS[isa], disassembly.machine_of(isa))
    spilling = {loop.function for loop in loops if loop.spills and loop.widest in ("ymm", "zmm")}
    aligned = {name for name in spilling if any(i.name.startswith("and") and i.operands.endswith("%rsp") for i in bodies[name])}
    assert spilling == aligned, isa


@pytest.mark.skipif("x86-64-v4" not in BUILT, reason="no AVX-512 kernels were built")
def test_avx512_kernels_use_zmm_registers():
    """Nearly all of them: a conversion of eight values to double has no need of one, nor has a transposition."""
    widest = [loop.widest for loop in disassembly.hot_loops("x86-64-v4") if RARE not in loop.function]
    assert widest.count("zmm") > 0.8 * len(widest)


@pytest.mark.skipif("x86-64" not in BUILT, reason="no baseline kernels were built")
def test_baseline_kernels_use_no_avx():
    """Not only in loops: an instruction of AVX anywhere would end the process on a CPU that lacks it."""
    functions = disassembly.disassemble(disassembly.OBJECTS["x86-64"], "x86")
    avx = [(name, i.name) for name, body in functions.items() for i in body if disassembly.uses_avx(i)]
    assert avx == []


SOURCE = """
#include <math.h>
void clean(float *x, long n) { for (long i = 0; i < n; i++) x[i] = x[i] * x[i] + x[i] * 3.0f - 1.0f; }
void calls(float *x, long n) { for (long i = 0; i < n; i++) x[i] = expf(x[i] * x[i] + x[i] * 3.0f - 1.0f); }
void traps(float *x, long n, const int *bad) {
    typedef float v4 __attribute__((vector_size(16)));
    v4 *v = (v4 *)x;
    for (long i = 0; i < n; i++) { if (bad[i]) __builtin_trap(); v[i] = (v[i] * v[i] + v[i] * 3.0f - 1.0f) * v[i]; }
}
"""


def test_the_reader_sees_calls_and_traps(tmp_path):
    """The reader itself, on C whose loops are known: without it, the tests above could not fail."""
    source, built = tmp_path / "loops.c", tmp_path / "loops.o"
    source.write_text(SOURCE)
    # -ffast-math makes gcc vectorise the call into one of libmvec's; the last flag keeps the trap in its function.
    flags = ["-O3", "-ffast-math", "-march=x86-64-v3", "-fno-reorder-blocks-and-partition"]
    done = subprocess.run(["gcc", *flags, "-c", source, "-o", built], capture_output=True)
    if done.returncode:
        pytest.skip("no gcc for x86-64")
    loops = {loop.function: loop for loop in disassembly.loops(disassembly.disassemble(built, "x86"), "x86", fewest=2)}
    assert not loops["clean"].calls and not loops["clean"].traps
    assert loops["calls"].calls
    assert loops["traps"].traps
