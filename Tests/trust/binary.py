"""What the built library is: its symbols, its hardening, its dependencies, its instructions, its types.

    binary.py CASE       one of: exports hardening dependencies traps baseline types reproducible bill
    binary.py types --accept      take the header's types as the new baseline (a release does this)

Prints FIGURE lines and `FAIL what`; exit status 0 if the case holds.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LIBRARY = ROOT / "build/lib/libfocalloss.so"
HEADER = ROOT / "include/focalloss.h"
BASELINE = HERE / "types.abi"
GOLDEN = HERE.parent / "c/abi/exports.txt"
OLDEST_GLIBC = (2, 34)

failures = []


def run(*command, check=True, **options):
    """The standard output of a command."""
    return subprocess.run(command, check=check, capture_output=True, text=True, **options).stdout


def demand(holds, message):
    if not holds:
        failures.append(message)
        print(f"FAIL {message}")


def figure(key, value, where="", merge="last"):
    print(f"FIGURE {merge} {key} {value} {where}")


def declared():
    """The functions that the header declares."""
    return set(re.findall(r"^FOCALLOSS_API .*?\b(focal_[a-z0-9_]+)\(", HEADER.read_text(), re.MULTILINE))


def exports():
    """Exactly the header's functions, and those of the golden list: what once was exported stays."""
    lines = [line.split() for line in run("nm", "-D", "--defined-only", str(LIBRARY)).splitlines()]
    names = {words[2].split("@")[0] for words in lines if words[1] != "A"}
    golden = set(GOLDEN.read_text().split())
    figure("exports.functions", len(names))
    for what, other in (("the header", declared()), ("exports.txt", golden)):
        demand(not names - other, f"exported but not in {what}: {sorted(names - other)}")
        demand(not other - names, f"in {what} but not exported: {sorted(other - names)}")


def hardening():
    """Full RELRO, immediate binding, no executable stack, no text relocations, no search path, stack protector."""
    dynamic = run("readelf", "-Wd", str(LIBRARY))
    segments = run("readelf", "-Wl", str(LIBRARY))
    symbols = run("nm", "-D", str(LIBRARY))
    stack = next(line for line in segments.splitlines() if "GNU_STACK" in line)
    checks = {
        "full RELRO": "GNU_RELRO" in segments and re.search(r"BIND_NOW|FLAGS.*NOW", dynamic),
        "immediate binding": "NOW" in dynamic,
        "no executable stack": "E" not in stack.split()[6],
        "no segment both writable and executable": not re.search(r"LOAD.*RWE", segments),
        "no text relocations": "TEXTREL" not in dynamic,
        "no RPATH or RUNPATH": "RPATH" not in dynamic and "RUNPATH" not in dynamic,
        "stack protector": "__stack_chk_fail" in symbols,
        "SONAME": "libfocalloss.so.0" in dynamic,
        "not unloadable (threads outlive dlclose)": "NODELETE" in dynamic,
    }
    for name, holds in checks.items():
        demand(holds, f"missing: {name}")
    figure("hardening.properties", sum(bool(holds) for holds in checks.values()), f"of {len(checks)}")


def dependencies():
    """libc and libm alone, and no symbol of a glibc newer than promised."""
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-Wd", str(LIBRARY))))
    demand(needed <= {"libc.so.6", "libm.so.6"}, f"needs {sorted(needed)}")
    versions = [tuple(map(int, v.split("."))) for v in re.findall(r"GLIBC_([0-9.]+)", run("objdump", "-T", str(LIBRARY)))]
    newest = max(versions, default=(0,))
    demand(newest <= OLDEST_GLIBC, f"needs GLIBC_{'.'.join(map(str, newest))}")
    figure("dependencies.libraries", len(needed), " ".join(sorted(needed)))
    figure("dependencies.glibc", ".".join(map(str, newest[:2])), f"of {len(set(versions))} versions")


def disassembly(path):
    """(function, mnemonic, operands) of every instruction."""
    function = "?"
    for line in run("objdump", "-d", "--no-show-raw-insn", "-w", str(path)).splitlines():
        start = re.match(r"[0-9a-f]+ <(.*)>:$", line)
        if start:
            function = start[1]
            continue
        parts = line.split("\t")
        if len(parts) > 1 and parts[1].strip():
            mnemonic, _, operands = parts[1].strip().partition(" ")
            yield function, mnemonic, operands


# Traps that no call can reach: the personality routine would run if a C++ exception passed through Swift frames.
UNREACHABLE = {"_swift_exceptionPersonality"}


def traps():
    """No trap instruction anywhere in the library: Swift's checks would end the host process."""
    found, mentioned, total = {}, set(), 0
    for function, mnemonic, operands in disassembly(LIBRARY):
        total += 1
        if mnemonic.startswith("ud2"):
            found[function] = found.get(function, 0) + 1
        mentioned.update(name for name in re.findall(r"<([^>+]+)", operands) if name != function)
    for function, count in sorted(found.items()):
        demand(function in UNREACHABLE and function not in mentioned, f"{count} ud2 in {function}")
    figure("traps.instructions", total, "looked at")
    figure("traps.reachable", sum(count for name, count in found.items() if name not in UNREACHABLE))


# Instructions beyond x86-64 as of 2003 (SSE2), by mnemonic.  VEX and EVEX forms begin with v.
LATER = re.compile(r"^(v(?!erw|err|mcall|mlaunch|mresume|mxoff)\w+|andn|bextr|blsi|blsr|blsmsk|mulx|pdep|pext|rorx|sarx|shlx|shrx"
                   r"|lzcnt|tzcnt|popcnt|movbe|crc32\w*|pshufb|palignr|pabs[bwd]|phadd\w+|psign\w|pmulhrsw|pmaddubsw|round[sp][sd]"
                   r"|blendv?p[sd]|pblendv?[bw]|ptest|pmulld|pmuldq|pmin(sb|sd|uw|ud)|pmax(sb|sd|uw|ud)|pmov[sz]x\w+|pinsr[bdq]"
                   r"|pextr[bdq]|insertps|extractps|dpp[sd]|mpsadbw|packusdw|pcmpeqq|pcmpgtq|pcmp[ei]str\w|haddp[sd]|hsubp[sd]"
                   r"|addsubp[sd]|movddup|movs[hl]dup|lddqu|movntdqa)$")


def baseline():
    """Nothing beyond SSE2 in what runs before and outside the dispatch."""
    counted = 0
    for name in ("FocalLoss.o", "KernelsV2.o"):
        for function, mnemonic, operands in disassembly(ROOT / "build/obj" / name):
            counted += 1
            demand(not LATER.match(mnemonic), f"{name}: {mnemonic} {operands} in {function}")
            if len(failures) > 20:
                return
    inside = {"KernelsV3.o": ("ymm", 0), "KernelsV4.o": ("zmm", 0)}
    for name, (register, _) in inside.items():
        uses = sum(register in operands for _, _, operands in disassembly(ROOT / "build/obj" / name))
        demand(uses > 0, f"{name} uses no {register}: it was not compiled for its instruction set")
        figure(f"baseline.{register}", uses, name)
    figure("baseline.instructions", counted, "in FocalLoss.o and KernelsV2.o, all of SSE2 or older")


def stub(folder):
    """A shared object with the header's types and functions, bodies empty: Swift's own debug information has no C types."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
    functions = re.findall(r"^FOCALLOSS_API\s+(.*?\));", text, re.DOTALL | re.MULTILINE)
    source = folder / "stub.c"
    source.write_text('#include "focalloss.h"\n' + "\n".join(f"{prototype} {{ return 0; }}" for prototype in functions) + "\n")
    run("gcc", "-g", "-O0", "-shared", "-fPIC", "-w", "-I", str(HEADER.parent), source.name, "-o", "stub.so", cwd=folder)
    return folder / "stub.so", len(functions)


def types():
    """The header's structs and signatures against those of the last release, by abidiff."""
    with tempfile.TemporaryDirectory() as folder:
        library, count = stub(Path(folder))
        if "--accept" in sys.argv:
            run("abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--headers-dir", str(HEADER.parent),
                "--out-file", str(BASELINE), str(library))
        done = subprocess.run(["abidiff", "--no-added-syms", str(BASELINE), str(library)], capture_output=True, text=True)
        demand(done.returncode & 0b1011 == 0, f"abidiff: {done.stdout.strip()[:1500]}{done.stderr}")
        changed = done.returncode & 4
        demand(not changed, f"types differ from the last release:\n{done.stdout.strip()[:1500]}")
        figure("types.functions", count, "compared by abidiff")


def reproducible():
    """Two builds, from two directories, at two times: the same bytes."""
    sums = {}
    with tempfile.TemporaryDirectory() as folder:
        for place in ("a", "a-much-longer/name/for/a/directory"):
            copy = Path(folder) / place
            copy.mkdir(parents=True)
            for item in ("Sources", "include", "bindings/c", "Makefile"):
                target = copy / item
                if (ROOT / item).is_dir():
                    shutil.copytree(ROOT / item, target, symlinks=True)
                else:
                    shutil.copy(ROOT / item, target)
            done = subprocess.run(["make", "-s", "lib"], cwd=copy, capture_output=True, text=True)
            demand(done.returncode == 0, f"does not build in {place}: {done.stderr[-500:]}")
            for name in ("libfocalloss.so", "libfocalloss.a"):
                path = copy / "build/lib" / name
                if path.exists():
                    sums.setdefault(name, []).append(hashlib.sha256(path.read_bytes()).hexdigest())
    for name, both in sums.items():
        demand(len(both) == 2 and both[0] == both[1], f"{name}: {both}")
    figure("reproducible.files", len(sums), "same SHA-256 from two directories")


def bill():
    """make dist: the archive, its checksums, and a CycloneDX bill of materials that names no dependency."""
    run("make", "-s", "dist", cwd=ROOT)
    folder = ROOT / "build/dist"
    sums = dict(reversed(line.split()) for line in (folder / "SHA256SUMS").read_text().splitlines())
    for name, wanted in sums.items():
        got = hashlib.sha256((folder / name.lstrip("*")).read_bytes()).hexdigest()
        demand(got == wanted, f"{name} does not have the sum in SHA256SUMS")
    demand(any(name.endswith(".tar.gz") for name in sums), "no source archive in SHA256SUMS")
    boms = list(folder.glob("*.cdx.json"))
    demand(len(boms) == 1, "no CycloneDX file")
    for bom in boms:
        content = json.loads(bom.read_text())
        demand(content["bomFormat"] == "CycloneDX" and content["metadata"]["component"]["name"] == "libfocalloss",
               "not a bill of materials of libfocalloss")
        demand(bom.name in sums, "SHA256SUMS leaves out the bill of materials")
    figure("bill.files", len(sums), "with checksums")


CASES = {f.__name__: f for f in (exports, hardening, dependencies, traps, baseline, types, reproducible, bill)}

if __name__ == "__main__":
    CASES[sys.argv[1]]()
    sys.exit(bool(failures))
