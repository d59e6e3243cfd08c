"""Writes docs/python-api.md from the docstrings of the package; a test holds the page against them.

    python bindings/python/api_reference.py

The sources are parsed, not imported, so that no framework has to be there.
"""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "bindings/python/src/focalloss"
PAGE = ROOT / "docs/python-api.md"
MODULES = ("_sigmoid", "_softmax", "_options", "_helpers", "_runtime", "_call", "_abi")  # in the page's order
ADAPTERS = ("torch", "jax", "tensorflow", "keras", "sklearn", "_boosting", "xgboost", "lightgbm", "catboost")
TITLES = {"_boosting": "The boosting adapters"}

HEAD = """# Python API

Written from the docstrings by `bindings/python/api_reference.py`. The guide is [python.md](python.md).
"""

Definition = (ast.FunctionDef, ast.ClassDef)


def page() -> str:
    parts = [HEAD, *section("focalloss", public_of_package())]
    for name in ADAPTERS:
        module = ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))
        text = None if name in TITLES else ast.get_docstring(module)
        parts += section(TITLES.get(name, f"focalloss.{name}"), public(module, Definition), text)
    return "\n".join(parts)


def public_of_package() -> list:
    """The definitions that __init__ imports."""
    imports = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")).body
    imports = {
        line.module: {alias.name for alias in line.names} for line in imports if isinstance(line, ast.ImportFrom)
    }
    found = []
    for name in sorted(imports, key=MODULES.index):
        module = ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))
        found += [node for node in module.body if isinstance(node, Definition) and node.name in imports[name]]
    return found


def public(node, kind) -> list:
    """What a module or a class defines under a name without an underscore."""
    return [part for part in node.body if isinstance(part, kind) and part.name[0] != "_"]


def section(title: str, definitions: list, text: str | None = None):
    yield f"## {title}\n"
    if text:
        yield f"```text\n{text}\n```\n"
    for node in definitions:
        yield f"### {node.name}\n"
        yield f"```text\n{described(node)}\n```\n"
        methods = public(node, ast.FunctionDef) if isinstance(node, ast.ClassDef) else []
        texts = [described(method) for method in methods if ast.get_docstring(method)]
        if texts:
            yield "```text\n" + "\n\n".join(texts) + "\n```\n"


def described(node) -> str:
    """Signature and docstring; that of a method indented below its signature."""
    text = ast.get_docstring(node) or ""
    method = isinstance(node, ast.FunctionDef) and node.args.args and node.args.args[0].arg == "self"
    return f"{signature(node)}\n{textwrap.indent(text, '    ')}" if method else f"{signature(node)}\n\n{text}"


def signature(node) -> str:
    """As the source has it, on one line where that is short enough."""
    if isinstance(node, ast.ClassDef):
        starts = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
        return f"class {node.name}" + (f"({layout(starts[0].args)})" if starts else "")
    if any(isinstance(part, ast.Name) and part.id == "property" for part in node.decorator_list):
        return node.name
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({layout(node.args)}){result}"


def layout(arguments: ast.arguments) -> str:
    text = ast.unparse(arguments).removeprefix("self").removeprefix(", ")
    if len(text) <= 80:
        return text
    lines = list(split(text))
    return "\n    " + ",\n    ".join(lines) + ",\n"


def split(text: str):
    """The parts between the commas that stand outside brackets and quotes."""
    depth, begin = 0, 0
    for position, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            yield text[begin:position].strip()
            begin = position + 1
    yield text[begin:].strip()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
