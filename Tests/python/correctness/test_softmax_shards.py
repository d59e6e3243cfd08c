"""Softmax over classes that are spread over shards: equal to the whole."""

import ctypes

import numpy as np
import points
import pytest
from bounds import assert_close, computed_in
from held import bounds_of, truth
from library import arguments, call, check, lib
from reference import header

SAMPLES, CLASSES = 24, 21
NAMES = "shard_max", "shard_sum", "shard_target"


def problem(dtype):
    rng = np.random.default_rng(9)
    scores = rng.normal(0, 1, (SAMPLES, CLASSES)) * rng.choice([0.5, 5, 100], (SAMPLES, 1))
    scores[0] = -np.inf
    scores[1, :15] = -np.inf
    scores[2, 4] = np.inf
    # Whole binades, where a shard's reference in float32 and that of all in float64 may round to different ones.
    for row, binades in enumerate((-40, -2, -1, 0, 1, 2, 40), 3):
        scores[row] -= scores[row].max()
        scores[row, scores[row].argmax()] = 0
        scores[row] = np.float32(binades * np.log(2)) + np.float32(scores[row])
    return dict(
        outer=SAMPLES, classes=CLASSES, scores=scores.astype(dtype), targets=rng.integers(0, CLASSES, SAMPLES),
        target_kind=header.TARGETS_LABELS, alphas=rng.uniform(0.5, 2, CLASSES), gammas=rng.choice([0.0, 1, 2], CLASSES),
    )  # fmt: skip


def cuts(shards):
    """Where each shard begins: uneven ones."""
    return [0, *sorted(np.random.default_rng(shards).choice(np.arange(1, CLASSES), shards - 1, replace=False)), CLASSES]


def parts(given, shards):
    """One call's arguments for every shard."""
    edges = cuts(shards)
    for first, last in zip(edges, edges[1:]):
        scores = np.ascontiguousarray(given["scores"][:, first:last])
        yield given | dict(scores=scores, classes=int(last - first), shard_offset=int(first), shard_total=CLASSES)


def statistics(part):
    keep, arrays = [], [np.full(SAMPLES, np.nan) for _ in NAMES]
    args = arguments(keep, **part)
    for name, array in zip(NAMES, arrays):
        setattr(args, name, array.ctypes.data)
    check(lib.focal_softmax_shard_stats(ctypes.addressof(args)))
    return arrays


def merged(every):
    total = [array.copy() for array in every[0]]
    for other in every[1:]:
        addresses = [array.ctypes.data for array in (*total, *other)]
        check(lib.focal_softmax_shard_merge(SAMPLES, *addresses))
    return total


@pytest.mark.parametrize("dtype", (points.FLOAT32, points.FLOAT64), ids=str)
def test_an_ignored_sample_keeps_its_probabilities(dtype, isa):
    """Step one has left the target out of the sum, ignored or not."""
    given = problem(dtype) | dict(ignore_mask=np.ones(SAMPLES, np.uint8))
    every = list(parts(given, 3))
    total = merged([statistics(part) for part in every])
    outputs = ("loss", "grad", "probabilities", "log_sum_exp")
    answers = [call("focal_softmax", outputs, **part, **dict(zip(NAMES, total))) for part in every]
    whole = call("focal_softmax", ("probabilities", "log_sum_exp"), **given)
    got = np.concatenate([answer["probabilities"] for answer in answers], axis=1)
    np.testing.assert_allclose(whole["probabilities"][0], 1 / CLASSES, rtol=8 * np.finfo(dtype).eps)  # all are -inf
    np.testing.assert_allclose(got, whole["probabilities"], rtol=8 * np.finfo(dtype).eps, atol=float(np.finfo(dtype).tiny))
    np.testing.assert_allclose(answers[0]["log_sum_exp"], whole["log_sum_exp"], rtol=8 * np.finfo(dtype).eps)
    assert not answers[0]["loss"].any() and not answers[0]["grad"].any()


@pytest.mark.parametrize("shards", range(1, 9))
@pytest.mark.parametrize("dtype", (points.FLOAT32, points.FLOAT64), ids=str)
def test_sharded_equals_whole(dtype, shards, isa):
    given = problem(dtype)
    expected = truth("focal_softmax", given, ())
    # A shard knows of the others their sum alone, so that 1 - r_k of a Hessian is a difference there.
    expected["hess"].size += np.abs(expected["grad"].high)
    every = list(parts(given, shards))
    total = merged([statistics(part) for part in every])
    outputs = ("loss", "grad", "hess", "probabilities", "log_sum_exp")
    answers = [call("focal_softmax", outputs, **part, **dict(zip(NAMES, total))) for part in every]
    for answer in answers[1:]:
        assert answer["loss"].tobytes() == answers[0]["loss"].tobytes(), "the loss is the same on every shard"
    got = {name: np.concatenate([a[name] for a in answers], axis=1) for name in ("grad", "hess", "probabilities")}
    got |= {name: answers[0][name] for name in ("loss", "log_sum_exp")}
    bounds = bounds_of("focal_softmax", given)
    for name in outputs:
        assert_close(f"softmax in shards, {dtype}, {name}", got[name], expected[name], bounds[name], computed_in(dtype))


def test_statistics():
    """What the header says of step one, and the caller's own merge of it."""
    given = problem(np.float64)
    for part in parts(given, 4):
        largest, total, target = statistics(part)
        first, scores = part["shard_offset"], part["scores"]
        for row, label in enumerate(given["targets"]):
            here = first <= label < first + part["classes"]
            others = np.delete(scores[row], label - first) if here else scores[row]
            assert target[row] == (scores[row, label - first] if here else -np.inf)
            assert largest[row] == max(others, default=-np.inf)
            if np.isfinite(largest[row]):
                np.testing.assert_allclose(total[row], np.exp(others - largest[row]).sum(), rtol=1e-14)
