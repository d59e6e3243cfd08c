"""The C suite on CPUs that this machine does not have, emulated by qemu's user mode.

    cpus.py x86 [--long]        models without AVX, with AVX only, with AVX2; AVX masked by the operating system
    cpus.py aarch64 [--long]    the library and the suite cross-built for 64-bit ARM

For each x86 model the library must choose the instruction set that the table names; then the suite must pass: all of it on
one model of each kind, on every model in the long tier, its special values on the others.  qemu's user mode has no AVX-512.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BIN = ROOT / "build/trust/bin"

# Model -> the instruction set to be chosen.  A feature with a minus is switched off.
MODELS = {
    "qemu64": "x86-64",             # SSE3 at most
    "Conroe": "x86-64",             # Core 2: SSSE3
    "Nehalem": "x86-64",            # SSE4.2
    "SandyBridge": "x86-64",        # AVX, no AVX2, no FMA
    "Haswell": "x86-64-v3",         # AVX2 and FMA
    "EPYC": "x86-64-v3",
    "Haswell,-xsave": "x86-64",     # AVX2 in CPUID, but the system saves no AVX state: OSXSAVE clear
    "Haswell,-avx": "x86-64",       # AVX2 and FMA in CPUID, but XCR0 has no AVX state
    # What v3 also needs, each without its own: every bit that the choice must look at.
    **{f"Haswell,-{feature}": "x86-64" for feature in (
        "fma", "f16c", "movbe", "bmi1", "bmi2", "abm", "lahf-lm",
        "pni", "ssse3", "sse4.1", "sse4.2", "popcnt", "cx16", "avx2")},
}

# Program -> its cases; all where empty.
SUITE = {"test_values": [], "memory": ["overlap"]}
LONG = {"test_values": [], "memory": ["overlap", "arguments"], "bits": ["slices", "alignment"], "test_environment": []}
# The model of each kind that has the fewest features: without AVX, with AVX only, with AVX2.
WHOLE = {"qemu64", "SandyBridge", "Haswell"}
# Models of which a feature was taken away: they differ from their parent in the choice alone.  No CPU is like them, and
# libc counts on that: its strspn for SSE4.2 uses SSSE3, its strncmp for AVX2 has BZHI, which belongs to BMI2 but which
# qemu 7.2 refuses without BMI1 (and which runs only if the environment holds a name that begins like the one sought).
# So libc is told to stay on SSE2 there.
CHOICE = {"test_values": ["special_values"]}
PLAIN_LIBC = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-SSE4_2,-SSE4_1,-SSSE3"}
# Where the emulator faults on masked loads that a CPU allows (masked.c): calls without optional arrays.
PLAIN = {"test_values": ["special_values", "empty"], "memory": ["overlap"], "bits": ["slices"]}


def run(command, environment=None, seconds=3600):
    """(exit status, output) of a command."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          timeout=seconds, env={**os.environ, **(environment or {})})
    return done.returncode, done.stdout


def suite_fails(emulator, folder, programs, environment=None):
    """Runs these programs under that emulator; returns how many failed."""
    failed = 0
    for program, cases in programs.items():
        status, output = run([*emulator, str(folder / program), *cases], environment)
        if status != 0:
            failed += 1
            shown = [line for line in output.splitlines() if not line.startswith(("FIGURE", "ok"))][-12:]
            print(f"FAIL {' '.join(emulator)} {program}: status {status}", *shown, sep="\n    ")
    return failed


def x86(long):
    qemu = shutil.which("qemu-x86_64-static") or shutil.which("qemu-x86_64")
    if not qemu:
        print("SKIP cpus: no qemu-user here")
        return 0
    failed = limited = 0
    for model, wanted in MODELS.items():
        emulator = [qemu, "-cpu", model]
        altered = "," in model
        whole = not altered if long else model in WHOLE
        programs = CHOICE if not whole else LONG if long else SUITE
        environment = PLAIN_LIBC if altered else {}
        status, output = run([*emulator, str(BIN / "isa")], environment)
        chosen = output.strip().splitlines()[-1] if output.strip() else "nothing"
        if status != 0 or chosen != wanted:
            print(f"FAIL {model}: runs {chosen} (status {status}), not {wanted}")
            failed += 1
            continue
        if whole and wanted == "x86-64-v3" and run([*emulator, str(BIN / "masked")])[0] != 0:
            programs = PLAIN
            limited += 1
        failed += suite_fails(emulator, BIN, programs, environment) > 0
    print(f"FIGURE last cpus.models {len(MODELS)} {', '.join(MODELS)}")
    print(f"FIGURE last cpus.failed {failed}")
    if limited:
        print(f"SKIP cpus: with AVX2 ({limited} models) calls with optional arrays were left out: this qemu faults on "
              "masked loads")
    return failed


def aarch64(long):
    qemu = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if not qemu or not shutil.which("aarch64-linux-gnu-gcc"):
        print("SKIP aarch64: no cross compiler or no qemu-user here")
        return 0
    folder = ROOT / "build/trust/aarch64/bin"
    programs = [str(folder / name) for name in ("isa", *LONG)]
    commands = (["make", "-s", "lib-aarch64"],
                ["make", "-s", "-f", str(HERE / "Makefile"), "CROSS=aarch64-linux-gnu-", "LIB=build/aarch64/lib",
                 "OUT=build/trust/aarch64/bin", *[str(Path(p).relative_to(ROOT)) for p in programs]])
    for command in commands:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            print("FAIL aarch64: does not build\n" + done.stdout[-2000:])
            return 1
    emulator = [qemu, "-L", "/usr/aarch64-linux-gnu", "-E", f"LD_LIBRARY_PATH={ROOT / 'build/aarch64/lib'}"]
    status, output = run([*emulator, programs[0]])
    failed = int(status != 0 or output.strip() != "neon")
    if failed:
        print(f"FAIL aarch64: runs {output.strip()} (status {status})")
    failed += suite_fails(emulator, folder, LONG if long else SUITE)
    print(f"FIGURE last aarch64.programs {len(LONG if long else SUITE)} emulated by qemu")
    return failed


if __name__ == "__main__":
    sys.exit({"x86": x86, "aarch64": aarch64}[sys.argv[1]]("--long" in sys.argv) > 0)
