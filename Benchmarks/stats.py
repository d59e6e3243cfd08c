"""The few statistics that the benchmark uses: of samples that were taken in turn."""

import statistics


def summary(samples, **about):
    """Minimum, quarters and maximum of nanoseconds an element, and the samples themselves in the order of the rounds."""
    s = sorted(samples)
    quarters = {"min": s[0], "q1": s[len(s) // 4], "median": s[len(s) // 2], "q3": s[len(s) * 3 // 4], "max": s[-1]}
    rounded = {key: float(f"{value:.5g}") for key, value in quarters.items()}
    return {**about, "rounds": len(s), **rounded, "samples": [float(f"{value:.5g}") for value in samples]}


def ratio(above, below):
    """How many times as long `above` takes: the median of the rounds' own ratios, in which the machine's drift cancels."""
    return statistics.median(a / b for a, b in zip(above["samples"], below["samples"]))
