"""Runs the ```python blocks of a Markdown page: python pages.py PAGE.md

The blocks run one after another in one namespace, as a reader would type them. A line `# -> text` says what the
expression above it gives (its repr; `...` stands for anything). A block that is not to be run opens with
```python no-run.
"""

import ast
import doctest
import re
import sys
from pathlib import Path

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
SAME = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def run_page(path: Path) -> int:
    """Returns the number of blocks; raises where one fails."""
    text = path.read_text(encoding="utf-8")
    namespace = {"__name__": "__main__"}
    blocks = list(BLOCK.finditer(text))
    for block in blocks:
        where = f"{path.name}, block at line {text.count(chr(10), 0, block.start()) + 1}"
        for source, expected in steps(block[1]):
            run_step(source, expected, namespace, where)
    return len(blocks)


def steps(source: str):
    """Splits a block at its `# ->` lines: (statements, expected text or None)."""
    lines: list = []
    for line in source.splitlines():
        if line.startswith("# -> "):
            yield "\n".join(lines), line.removeprefix("# -> ")
            lines = []
        else:
            lines.append(line)
    yield "\n".join(lines), None


def run_step(source: str, expected: str | None, namespace: dict, where: str) -> None:
    tree = ast.parse(source)
    last = tree.body.pop() if expected is not None else None
    exec(compile(tree, where, "exec"), namespace)
    if last is not None:
        assert isinstance(last, ast.Expr), f"{where}: `# ->` must follow an expression"
        found = repr(eval(compile(ast.Expression(last.value), where, "eval"), namespace))
        if not doctest.OutputChecker().check_output(expected + "\n", found + "\n", SAME):
            raise AssertionError(f"{where}: expected {expected}, found {found}")


if __name__ == "__main__":
    print(run_page(Path(sys.argv[1])), "blocks")
