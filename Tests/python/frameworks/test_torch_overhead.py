"""A call on 1,000 elements costs less than torchvision's eager call: forward, with backward, without gradient."""

import pytest

pytest.importorskip("torch")

from measure_calls import best, torch_calls  # noqa: E402


def test_less_than_torchvision():
    times = best(torch_calls())
    for what in ("forward", "forward and backward", "no gradient"):
        assert times["focalloss", what] < times["torchvision", what], times
