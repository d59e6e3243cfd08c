"""Every ```python block of README.md, docs/*.md and bindings/python/README.md is run (see pages.py), each page in a
process and a scratch folder of its own.

A page that needs packages says so in a comment anywhere, <!-- needs: torch, torchvision -->; without them it is
skipped.
"""

import importlib.util
import os
import re
import subprocess
import sys

import pages
import pytest
from conftest import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "bindings/python/README.md", *(ROOT / "docs").rglob("*.md")])
PAGES = [page for page in PAGES if page.exists() and pages.BLOCK.search(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page, tmp_path):
    comments = re.findall(r"<!-- needs: (.*?) -->", page.read_text(encoding="utf-8"))
    for package in re.findall(r"\w+", " ".join(comments)):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    if environment.get("PYTHONPATH"):
        environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, environment["PYTHONPATH"].split(os.pathsep)))
    command = [sys.executable, pages.__file__, str(page)]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_there_is_something_to_run():
    assert PAGES


def test_a_wrong_snippet_fails():
    namespace = {}
    pages.run_step("x = 1.5\nx * 2", "3.0", namespace, "page")
    pages.run_step("x / 9", "0.16...", namespace, "page")
    with pytest.raises(AssertionError, match="page: expected 4, found 3"):
        pages.run_step("x * 2", "4", namespace, "page")
    with pytest.raises(NameError):
        pages.run_step("y", None, namespace, "page")


def test_the_api_page_is_that_of_the_docstrings():
    script = importlib.util.spec_from_file_location("api_reference", ROOT / "bindings/python/api_reference.py")
    module = importlib.util.module_from_spec(script)
    script.loader.exec_module(module)
    same = module.PAGE.read_text(encoding="utf-8") == module.page()
    assert same, "docs/python-api.md is stale: run python bindings/python/api_reference.py"
    assert "\n\n```\n" not in module.page(), "something on the page has no docstring"


def test_everything_public_is_documented():
    import focalloss

    bare = [name for name in focalloss.__all__ if not (getattr(focalloss, name).__doc__ or "").strip()]
    assert not bare
