"""What the benchmark ran on, without any name by which the machine could be found."""

import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess

import native

LEVELS = {
    "x86-64-v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    "x86-64-v3": {"avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"},
    "x86-64-v2": {"sse4_2", "popcnt", "ssse3"},
}
PACKAGES = "torch torchvision jax optax tensorflow-cpu tensorflow keras numba kornia monai numpy xgboost lightgbm".split()


def first_line(*command):
    try:
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    # A vendor's revision in brackets may hold an address.
    return re.sub(r"\s*\(\S*(://|/)\S*.*?\)", "", text.splitlines()[0]).strip()


def cpu():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    fields = dict(re.findall(r"^([^\t:]+)\s*: (.*)$", text.split("\n\n")[0], re.M))
    flags = set(fields.get("flags", "").split())
    level = next((name for name, needed in LEVELS.items() if needed <= flags), platform.machine())
    return {
        "model": fields.get("model name", platform.machine()),
        "family_model": f"{fields.get('cpu family', '?')}/{fields.get('model', '?')}",
        "isa": level,
        "cpus": len(os.sched_getaffinity(0)),
        "virtual": "hypervisor" in flags,
        "caches": caches(),
    }


def caches():
    """{"L1 data": "32K", ...} of the first CPU."""
    found = {}
    for index in sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        found[f"L{level} {kind.lower()}".replace(" unified", "")] = size
    return found


def memory_gib():
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def versions():
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def describe():
    return {
        "cpu": cpu(),
        "memory_gib": memory_gib(),
        "kernel": platform.release().split("-")[0],
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
        "compilers": {name: first_line(name, "--version") for name in ("clang", "gcc", "swiftc")},
        "packages": versions(),
        "library": library(),
        "load_average": [round(x, 1) for x in os.getloadavg()],
    }


def library():
    import ctypes

    opened = ctypes.CDLL(str(native.LIBRARY))
    names = {"version": "focal_version", "isa": "focal_isa", "available": "focal_available_isas"}
    found = {}
    for key, symbol in names.items():
        function = getattr(opened, symbol)
        function.restype = ctypes.c_char_p
        found[key] = function().decode()
    return found
