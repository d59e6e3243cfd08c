"""What the compiler made of the kernels: their hot loops, read from the disassembly of build/obj/Kernels*.o.

A hot loop is an innermost loop that does packed floating-point arithmetic; one that calls a function with loops of its own
is not innermost.  Its instructions, the vector registers it
spills to the stack, and what must never stand in one (a call, a trap) are counted; an iteration is one logical vector, 16
float32 or 8 float64 elements, on every instruction set.

    python Benchmarks/disassembly.py            # a table of every object that was built
"""

import dataclasses
import functools
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

import native

ROOT = pathlib.Path(__file__).resolve().parent.parent
OBJECTS = {
    "x86-64": ROOT / "build/obj/KernelsV2.o",
    "x86-64-v3": ROOT / "build/obj/KernelsV3.o",
    "x86-64-v4": ROOT / "build/obj/KernelsV4.o",
    "neon": ROOT / "build/aarch64/obj/KernelsNEON.o",
}
# A conversion loop has a few packed operations; what has fewer moves memory or counts.
FEWEST_PACKED = 4

FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$")
RELOCATION = re.compile(r"^\s*[0-9a-f]+:\s+R_\S+\s+(\S+)")
TARGET = re.compile(r"(?:^|[\s,])(?:0x)?([0-9a-f]+)(?:\s+<|$)")

X86_PACKED = re.compile(r"^v?(add|sub|mul|div|sqrt|min|max|f?n?m(add|sub)\d*|fn?m(add|sub)\d+)p[sd]$")
X86_CALL = re.compile(r"^call")
X86_BRANCH = re.compile(r"^j[a-z]+$")
X86_SPILL = re.compile(r"^v?mov\S*$")
ARM_PACKED = re.compile(r"^f(add|sub|mul|div|sqrt|mla|mls|min|max)\S*$")
ARM_CALL = re.compile(r"^(bl|blr|blraa|blrab)$")
ARM_BRANCH = re.compile(r"^(b|b\.\w+|cbn?z|tbn?z)$")


@dataclasses.dataclass(frozen=True)
class Instruction:
    address: int
    name: str
    operands: str


@dataclasses.dataclass(frozen=True)
class Loop:
    """An innermost loop of a kernel."""

    function: str
    start: int
    instructions: int
    packed: int
    widest: str  # xmm, ymm, zmm or v
    spills: int  # vector stores to the stack
    reloads: int  # vector loads from it, as instructions or as operands
    calls: tuple
    traps: tuple


def objdump(machine):
    """A disassembler for x86-64 ('x86') or 64-bit ARM ('arm') objects."""
    names = ["llvm-objdump", "objdump"] if machine == "x86" else ["aarch64-linux-gnu-objdump", "objdump"]
    for name in names:
        if shutil.which(name):
            return name
    raise FileNotFoundError(f"no disassembler: install binutils ({', '.join(names)})")


@functools.cache
def disassemble(path, machine):
    """{function: [Instruction]} of an object file, relocated call targets by name."""
    command = [objdump(machine), "-d", "-r", "--no-show-raw-insn", str(path)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    functions, body = {}, []
    for line in text.splitlines():
        if match := FUNCTION.match(line):
            body = functions.setdefault(match[1], [])
        elif (match := RELOCATION.match(line)) and body:
            last = body[-1]
            body[-1] = dataclasses.replace(last, operands=f"{last.operands} @{match[1]}")
        elif match := INSTRUCTION.match(line):
            body.append(Instruction(int(match[1], 16), match[2], match[3].split("#")[0].strip()))
    return functions


def branch_target(instruction):
    if "@" in instruction.operands or "*" in instruction.operands:
        return None
    matches = TARGET.findall(instruction.operands)
    return int(matches[-1], 16) if matches else None


def loops(functions, machine, fewest=FEWEST_PACKED):
    """The hot loops of an object's functions: innermost, with at least `fewest` packed operations."""
    spans = {name: loop_spans(body, machine) for name, body in functions.items()}
    found = []
    for name, body in functions.items():
        for start, end in spans[name].items():
            if any(start < other < end and spans[name][other] <= end for other in spans[name]):
                continue
            loop = describe(name, [i for i in body if start <= i.address <= end], body, machine)
            if loop.packed >= fewest and not any(spans.get(callee) for callee in loop.calls):
                found.append(loop)
    return found


def loop_spans(body, machine):
    """{head: last address} of a function's loops: several back edges to one head are one loop."""
    is_branch = X86_BRANCH if machine == "x86" else ARM_BRANCH
    spans = {}
    for instruction in body:
        target = branch_target(instruction) if is_branch.match(instruction.name) else None
        if target is not None and body[0].address <= target <= instruction.address:
            spans[target] = max(instruction.address, spans.get(target, 0))
    return spans


def describe(function, inside, body, machine):
    return (describe_x86 if machine == "x86" else describe_arm)(function, inside, body)


def describe_x86(function, inside, body):
    at = {i.address: i for i in body}
    calls, traps, packed, spills, reloads, widths = [], [], 0, 0, 0, set()
    for i in inside:
        widths.update(re.findall(r"%([xyz]mm)", i.operands))
        if X86_CALL.match(i.name):
            calls.append(callee(i))
        elif i.name == "ud2":
            traps.append("ud2")
        elif X86_BRANCH.match(i.name):
            target = at.get(branch_target(i))
            if target and target.name == "ud2":
                traps.append("branch to ud2")
        packed += bool(X86_PACKED.match(i.name))
        if re.search(r"\((%rsp|%rbp)[,)]", i.operands) and "mm" in i.operands:
            stored = X86_SPILL.match(i.name) and i.operands.endswith(")")
            spills += bool(stored)
            reloads += not stored
    widest = next((w for w in ("zmm", "ymm", "xmm") if w in widths), "none")
    return Loop(function, inside[0].address, len(inside), packed, widest, spills, reloads, tuple(calls), tuple(traps))


def describe_arm(function, inside, body):
    at = {i.address: i for i in body}
    calls, traps, packed, spills, reloads = [], [], 0, 0, 0
    for i in inside:
        if ARM_CALL.match(i.name):
            calls.append(callee(i))
        elif i.name == "brk":
            traps.append("brk")
        elif ARM_BRANCH.match(i.name):
            target = at.get(branch_target(i))
            if target and target.name == "brk":
                traps.append("branch to brk")
        packed += bool(ARM_PACKED.match(i.name) and re.search(r"v\d+\.(4s|2d)", f"{i.name} {i.operands}"))
        if re.search(r"\[(sp|x29)", i.operands) and re.match(r"q\d+", i.operands):
            spills += i.name.startswith(("str", "stp", "stur"))
            reloads += i.name.startswith(("ldr", "ldp", "ldur"))
    return Loop(function, inside[0].address, len(inside), packed, "v", spills, reloads, tuple(calls), tuple(traps))


def uses_avx(instruction):
    """Whether an x86 instruction needs AVX: all that are encoded so have names with v, or wide registers."""
    vector = re.search(r"%[xyz]mm|%k[0-7]\b", instruction.operands)
    return bool(vector and instruction.name.startswith("v")) or bool(re.search(r"%[yz]mm", instruction.operands))


def machine_of(isa):
    return "arm" if isa == "neon" else "x86"


def hot_loops(isa):
    """The hot loops of one instruction set's kernels."""
    return loops(disassemble(OBJECTS[isa], machine_of(isa)), machine_of(isa))


def called_by_kernels(isa):
    """The names outside the kernels that functions with a hot loop call."""
    functions = disassemble(OBJECTS[isa], machine_of(isa))
    hot = {loop.function for loop in hot_loops(isa)}
    calls = (i for name in hot for i in functions[name] if X86_CALL.match(i.name) or ARM_CALL.match(i.name))
    return sorted({name for name in map(callee, calls) if not re.match(r"\$e\d+Kernels", name)})


def callee(call):
    """The name of a call's target, less the offset that its relocation adds; its operands where it has no relocation."""
    if "@" not in call.operands:
        match = re.search(r"<([^+>]+)>", call.operands)
        return match[1] if match else call.operands
    return re.sub(r"[-+]0x[0-9a-f]+$", "", call.operands.rpartition("@")[2]).removeprefix(".text.")


VALGRIND_RUNS = {"x86-64", "x86-64-v3"}  # valgrind's CPU ends there
CALLS = 3  # of the library in the run below: does it work, how long does it take, the sample


def executed(isa):
    """Instructions that a call executes for 16 elements (binary loss and gradient, float32, gamma 2), or None.

    Counted by valgrind within focal_sigmoid, as the difference of two sizes: what a call costs once drops out.
    """
    if isa not in VALGRIND_RUNS or not shutil.which("valgrind"):
        return None
    small, large = 4096, 65536
    counts = []
    for n in (small, large):
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=focal_sigmoid"]
        command += [str(native.OUT / "bench"), f"library={native.LIBRARY}", f"outer={n}"]
        command += ["rounds=1", "tries=1", "sample_us=0", f"ours:{isa}"]
        environment = {**os.environ, "GOMP_SPINCOUNT": "0"}
        text = subprocess.run(command, capture_output=True, text=True, env=environment).stderr
        match = re.search(r"Collected : (\d+)", text)
        if not match:
            return None
        counts.append(int(match[1]))
    return round((counts[1] - counts[0]) * 16 / (large - small) / CALLS)


def summary():
    """One row an instruction set that was built, for the benchmark's table and its JSON."""
    rows = []
    for isa, path in OBJECTS.items():
        if not path.exists():
            continue
        found = hot_loops(isa)
        if not found:
            continue
        rows.append({
            "isa": isa,
            "hot_loops": len(found),
            "with_calls": sum(bool(loop.calls) for loop in found),
            "with_traps": sum(bool(loop.traps) for loop in found),
            "registers": max(set(loop.widest for loop in found), key=[loop.widest for loop in found].count),
            "median_instructions": int(statistics.median(loop.instructions for loop in found)),
            "median_spills": int(statistics.median(loop.spills for loop in found)),
            "executed_per_16": executed(isa),
            "most_spills": max(loop.spills for loop in found),
            "calls_outside": called_by_kernels(isa),
        })
    return rows


def main():
    for isa, path in OBJECTS.items():
        if not path.exists():
            continue
        found = hot_loops(isa)
        outside = called_by_kernels(isa)
        print(f"\n{isa}: {len(found)} hot loops; its kernels call {', '.join(outside) or 'nothing'}")
        if "-v" in sys.argv:
            for loop in found:
                flags = " ".join([*(f"CALL {c}" for c in loop.calls), *loop.traps])
                print(f"  {loop.instructions:4} instructions {loop.packed:3} packed {loop.widest} {loop.spills:3} spills "
                      f"{loop.reloads:3} reloads  {loop.function[:90]}+{loop.start:x} {flags}")
    for row in summary():
        print(row)


if __name__ == "__main__":
    main()
