"""Print the library's bill of materials (CycloneDX 1.5, JSON).  `make dist` keeps it beside the archive.

    bom.py ARCHIVE       the source archive, whose SHA-256 identifies the component

The library has no third-party part: what it needs at run time is libc (and libm), what it is built with is listed as the
build's tools.
"""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def version():
    """From the header, which is its source of truth."""
    return re.search(r'FOCAL_VERSION_STRING "(.*)"', (ROOT / "include/focalloss.h").read_text())[1]


def tool_version(*command):
    """The first line that a tool prints about itself."""
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return "absent"
    return ((done.stdout + done.stderr).strip().splitlines() or ["unknown"])[0]


def bill(archive):
    component = {
        "type": "library", "bom-ref": "libfocalloss", "name": "libfocalloss", "version": version(),
        "licenses": [{"license": {"id": "Apache-2.0"}}],
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(archive.read_bytes()).hexdigest()}],
    }
    libc = {"type": "library", "bom-ref": "libc", "name": "libc", "description": "the system's C library and libm, "
            "linked dynamically"}
    tools = [{"type": "application", "name": name, "version": tool_version(*command)} for name, command in
             {"swiftc": ("swiftc", "--version"), "gcc": ("gcc", "--version"), "ld": ("ld", "--version")}.items()]
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"component": component, "tools": {"components": tools}},
        "components": [libc], "dependencies": [{"ref": "libfocalloss", "dependsOn": ["libc"]}],
    }


if __name__ == "__main__":
    print(json.dumps(bill(Path(sys.argv[1])), indent=2))
