"""Compare the hashes of every entry point's outputs with those kept in hashes.txt.

    hashes.py             exit status 1 where one differs: the bits have changed
    hashes.py --accept    keep the new ones (say in CHANGELOG.md that, and why, results change)
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEPT = HERE / "hashes.txt"
PROGRAM = HERE.parent.parent / "build/trust/bin/bits"


def measured():
    """Key -> SHA-256, and the keys for which two instruction sets gave different ones."""
    done = subprocess.run([str(PROGRAM), "hashes"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    sums, torn = {}, set()
    for line in done.stdout.splitlines():
        if not line.startswith("HASH "):
            continue
        key, value = line[5:].rsplit(" ", 1)
        if sums.setdefault(key, value) != value:
            torn.add(key)
    return sums, torn


def main():
    sums, torn = measured()
    for key in sorted(torn):
        print(f"FAIL {key}: instruction sets with FMA differ")
    if "--accept" in sys.argv:
        KEPT.write_text("".join(f"{value}  {key}\n" for key, value in sorted(sums.items())))
        return bool(torn)
    kept = dict(reversed(line.split("  ", 1)) for line in KEPT.read_text().splitlines())
    changed = sorted(key for key in sums if kept.get(key) != sums[key])
    for key in changed:
        print(f"FAIL {key}: {sums[key]}, kept {kept.get(key, 'none')}")
    if changed:
        print("The bits have changed.  If that is meant: hashes.py --accept, and a line in CHANGELOG.md")
    print(f"FIGURE last hashes.compared {len(sums)}")
    return bool(changed or torn)


if __name__ == "__main__":
    sys.exit(main())
