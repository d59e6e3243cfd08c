"""info, threads, instruction sets, errors; and that a call does not hold Python up."""

import copy
import pickle
import sys
import threading
import time

import focalloss
import numpy as np
import pytest
from reference import header


def test_info():
    found = focalloss.info()
    assert found.keys() == {"version", "isa", "available_isas", "num_threads", "library"}
    assert found["version"] == focalloss.__version__
    assert f'#define FOCAL_VERSION_STRING "{found["version"]}"' in header.TEXT
    assert found["isa"] in found["available_isas"]
    assert found["num_threads"] >= 1


def test_set_num_threads():
    default = focalloss.info()["num_threads"]
    focalloss.set_num_threads(3)
    assert focalloss.info()["num_threads"] == 3
    focalloss.set_num_threads(0)
    assert focalloss.info()["num_threads"] == default
    for wrong, kind in ((-1, focalloss.FocalLossError), (1.5, TypeError), (2**40, ValueError)):
        with pytest.raises(kind):
            focalloss.set_num_threads(wrong)


def test_set_isa_and_back():
    before = focalloss.info()["isa"]
    for isa in focalloss.info()["available_isas"]:
        with focalloss.set_isa(isa):
            assert focalloss.info()["isa"] == isa
        assert focalloss.info()["isa"] == before
    with pytest.raises(focalloss.FocalLossError) as caught:
        focalloss.set_isa("sparc")
    assert caught.value.name == "FOCAL_ERROR_ISA" and focalloss.info()["isa"] == before
    with pytest.raises(TypeError, match="isa must be a str or None; got 3"):
        focalloss.set_isa(3)


def test_set_isa_leaves_nothing_named(monkeypatch):
    # Where none is named small calls choose for themselves, so the name of what was in use does not serve.
    named = []
    monkeypatch.setitem(focalloss._abi.FUNCTIONS, "set_isa", lambda isa: named.append(isa) or 0)
    monkeypatch.setattr(focalloss.set_isa, "_named", None)
    with focalloss.set_isa("x86-64"), focalloss.set_isa("neon"):
        pass
    assert named == [b"x86-64", b"neon", b"x86-64", None]


@pytest.mark.parametrize("remake", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_errors_travel_between_processes(remake):
    error = focalloss._call.FocalLossError(3, "gamma is -1")
    other = remake(error)
    assert type(other) is type(error) and isinstance(other, ValueError)
    assert (other.status, other.name, str(other)) == (3, "FOCAL_ERROR_VALUE", "gamma is -1 (FOCAL_ERROR_VALUE)")


def test_each_thread_has_its_own_error():
    messages = {}

    def fail(gamma):
        for _ in range(200):
            try:
                focalloss.sigmoid_focal_loss([0.0], [1.0], gamma=gamma)
            except focalloss.FocalLossError as error:
                messages.setdefault(gamma, set()).add(str(error))

    threads = [threading.Thread(target=fail, args=(-float(k),)) for k in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(found) == 1 for found in messages.values()) and messages[-1.0] != messages[-2.0]


def test_a_large_call_releases_the_gil():
    """Another thread goes on while one is inside the library: it would stand still for the whole call otherwise."""
    logits = np.zeros(20_000_000, np.float32)
    grad = np.empty_like(logits)
    inside, ticks = threading.Event(), []

    def compute():
        inside.set()
        began = time.perf_counter()
        focalloss.sigmoid_focal_loss_and_grad(logits, logits, grad_out=grad, threads=1, gamma=1.7)
        ticks.append((began, time.perf_counter()))
        inside.clear()

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=compute)
    thread.start()
    inside.wait()
    seen = []
    while inside.is_set():
        seen.append(time.perf_counter())
        time.sleep(0)
    thread.join()
    began, ended = ticks[0]
    middle = [moment for moment in seen if began + interval < moment < ended - interval]
    assert ended - began > 4 * interval and len(middle) > 10


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_plain_call_takes_few_steps(dtype):
    """Functions called on the way to the library and back; `make bench` has the microseconds."""
    logits, targets = np.zeros(1000, dtype), np.zeros(1000, dtype)
    focalloss.sigmoid_focal_loss_and_grad(logits, targets)  # what calls of this kind share is kept from the first
    steps = []
    sys.setprofile(lambda frame, event, function: steps.append((event, frame.f_code.co_name, function)))
    focalloss.sigmoid_focal_loss_and_grad(logits, targets)
    sys.setprofile(None)
    assert 0 < len([event for event, *_ in steps if event in ("call", "c_call")]) <= 20, steps


def test_what_was_called_before_changes_no_answer():
    """What calls share is kept by the type of a number too: 0.25 + 0j equals 0.25, and is refused all the same."""
    logits, targets = np.zeros(3, np.float32), np.ones(3, np.float32)
    focalloss.sigmoid_focal_loss(logits, targets, alpha=0.25)
    with pytest.raises(TypeError, match="alpha must be a number"):
        focalloss.sigmoid_focal_loss(logits, targets, alpha=0.25 + 0j)


def test_zero_is_not_kept_for_minus_zero():
    logits, targets = np.zeros(3, np.float32), np.ones(3, np.float32)
    signs = [np.signbit(focalloss.sigmoid_focal_loss_and_grad(logits, targets, alpha)[1]) for alpha in (-0.0, 0.0)]
    assert (signs[0] != signs[1]).all()
