"""Where functions are evaluated: fixed special values and random ones, the same in every run."""

import os

import ml_dtypes
import numpy as np

MORE = 8 if os.environ.get("FOCALLOSS_TEST_TIER") == "long" else 1  # times as many random points in the long tier

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOAT16, FLOAT32, FLOAT64 = map(np.dtype, (np.float16, np.float32, np.float64))
DTYPES = FLOAT32, FLOAT64, BFLOAT16, FLOAT16

GAMMAS = 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 0.25, 1.7, 2.5, 4.0, 7.3

# Around the places where something changes: rounding of 1 + exp, the sign change of f'', underflow and overflow of exp.
SINGLE = (
    0.0, 1e-45, 1.1754944e-38, 1e-20, 1e-8, 6e-8, 1e-4, 0.01, 0.25, 0.5, 0.6931472, 1.0, 1.26561165, 2.0, 2.7904, 3.916,
    4.59511985, 8.0, 10.0, 15.0, 16.49, 16.7, 17.4, 20.0, 30.0, 40.0, 43.7, 50.0, 80.0, 87.0, 87.3365, 87.34, 88.0,
    88.7228, 89.0, 100.0, 103.97, 104.0, 105.0, 300.0, 1e4, 1e10, 3.4028235e38, np.inf,
)  # fmt: skip
DOUBLE = (
    5e-324, 2.2250738585072014e-308, 1e-16, 1.1e-16, 36.0, 36.7, 37.5, 177.0, 354.0, 372.0, 700.0, 708.0, 708.3964,
    709.0, 709.782712893384, 709.79, 710.0, 744.0, 745.13, 745.2, 746.0, 800.0, 1e100, 1.7976931348623157e308,
)  # fmt: skip


def special(dtype):
    """Special logits of both signs, and NaN."""
    values = np.array(SINGLE + DOUBLE if dtype == FLOAT64 else SINGLE)
    with np.errstate(all="ignore"):
        values = np.unique(values.astype(dtype).astype(np.float64))
    return np.concatenate([values, -values, [np.nan]]).astype(dtype)


def random(dtype, count=64, seed=20171026):
    """Random logits: where the loss bends, over the whole range of exp, and over magnitudes."""
    rng, count = np.random.default_rng(seed), count * MORE
    reach = 750.0 if dtype == FLOAT64 else 106.0
    magnitudes = np.exp(rng.uniform(-30, 11, count // 2)) * rng.choice([-1, 1], count // 2)
    values = np.concatenate([rng.normal(0, 3, count), rng.uniform(-reach, reach, count), magnitudes])
    return values.astype(dtype)


def logits(dtype, count=64):
    return np.concatenate([special(dtype), random(dtype, count)])


def probabilities(dtype, count=64, seed=20171026):
    """Probabilities: 0, 1, their neighbours, subnormal ones and random ones near 0, near 1 and between."""
    rng, count = np.random.default_rng(seed), count * MORE
    info = ml_dtypes.finfo(dtype)
    near = [float(info.smallest_subnormal), float(info.tiny), 1e-7, 1e-3, 0.25, float(info.epsneg), 0.05785]
    tails = np.exp(rng.uniform(-60, 0, count))
    values = np.concatenate([[0, 1, 0.5], near, 1 - np.array(near), rng.uniform(0, 1, count), tails, 1 - tails[::2]])
    return np.unique(values.astype(dtype))
