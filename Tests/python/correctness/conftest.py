"""Finds the reference (Tests/reference) and prints the largest errors that the run met."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import library  # noqa: E402
from bounds import WORST  # noqa: E402


def pytest_collection_modifyitems(items):
    """Without a built library only the tests that need none can run."""
    if library.lib is not None:
        return
    skip = pytest.mark.skip(reason=f"no library at {library.PATH}: make lib")
    for item in items:
        if item.path.stem != "test_reference":
            item.add_marker(skip)


@pytest.fixture(params=library.isas() if library.lib else ["none"])
def isa(request):
    """Runs the test under every instruction set that this CPU has."""
    library.set_isa(request.param)
    assert library.lib.focal_isa().decode() == request.param
    yield request.param
    library.set_isa(None)


def pytest_terminal_summary(terminalreporter):
    if not WORST:
        return
    terminalreporter.section("largest errors, as a share of the bound")
    width = max(len(what) for what in WORST)
    for what, (share, bound, point) in sorted(WORST.items()):
        terminalreporter.write_line(f"{what:{width}}  {share:6.3f} of {bound:<22} at {point}")
