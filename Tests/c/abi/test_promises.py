"""What a promise's `red` breaks still stands in the sources: else nobody could see its test fail again."""

import tomllib

import pytest
from abi import ROOT

PROMISES = tomllib.loads((ROOT / "Tests/trust/promises.toml").read_text())["promise"]


@pytest.mark.parametrize("promise", [promise for promise in PROMISES if "red" in promise], ids=lambda promise: promise["id"])
def test_what_red_breaks_is_there(promise):
    for file, text, _ in promise["red"].get("edits", []):
        assert (ROOT / file).read_text().count(text) == 1, f"{file} does not hold once: {text}"
