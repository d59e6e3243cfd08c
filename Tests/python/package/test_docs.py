"""Every ```python block of README.md, docs/*.md and bindings/python/README.md is run.

The blocks of a page run one after another in one namespace, as a reader would type them, with a scratch folder as the
current one. A line `# -> text` says what the expression above prints (its repr; `...` stands for anything). A page that
needs a package says so in a comment anywhere: <!-- needs: torch, torchvision -->; without it the page is skipped.
A block that is not to be run opens with ```python no-run.
"""

import doctest
import importlib.util
import re

import pytest
from conftest import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "bindings/python/README.md", *(ROOT / "docs").glob("*.md")])
PAGES = [page for page in PAGES if page.exists() and "```python\n" in page.read_text(encoding="utf-8")]


def blocks(page):
    """(line number, source) of each block."""
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.M | re.S):
        yield text.count("\n", 0, match.start()) + 1, match[1]


def steps(source):
    """Splits a block at its `# ->` lines: (statements, expected text or None)."""
    lines: list = []
    for line in source.splitlines():
        if line.startswith("# -> "):
            yield "\n".join(lines), line.removeprefix("# -> ")
            lines = []
        else:
            lines.append(line)
    yield "\n".join(lines), None


def run_step(source, expected, namespace, where):
    code = doctest_source(source) if expected is not None else source
    exec(compile(code, where, "exec"), namespace)
    if expected is not None:
        found = repr(namespace.pop("_result"))
        same = doctest.OutputChecker().check_output(expected + "\n", found + "\n", doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        assert same, f"{where}: expected {expected}, found {found}"


def doctest_source(source):
    """The same statements, with the last expression's value kept in _result."""
    import ast

    tree = ast.parse(source)
    last = tree.body[-1]
    assert isinstance(last, ast.Expr), f"`# ->` must follow an expression: {source}"
    tree.body[-1] = ast.copy_location(ast.Assign([ast.Name("_result", ast.Store())], last.value), last)
    return ast.unparse(ast.fix_missing_locations(tree))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page, tmp_path, monkeypatch):
    text = page.read_text(encoding="utf-8")
    for package in ",".join(re.findall(r"<!-- needs: (.*?) -->", text)).replace(" ", "").split(","):
        if package and importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    namespace = {"__name__": "__main__"}
    for line, source in blocks(page):
        for code, expected in steps(source):
            run_step(code, expected, namespace, f"{page.name}, block at line {line}")


def test_there_is_something_to_run():
    assert PAGES


def test_a_wrong_snippet_fails():
    namespace = {}
    run_step("x = 1.5\nx * 2", "3.0", namespace, "page")
    run_step("x / 9", "0.16...", namespace, "page")
    with pytest.raises(AssertionError, match="expected 4, found 3"):
        run_step("x * 2", "4", namespace, "page")
    with pytest.raises(NameError):
        run_step("y", None, namespace, "page")
