"""Holds one call of the library against the reference: every output, under the header's bounds."""

import numpy as np
from bounds import EXACT_GAMMAS, Bound, computed_in, differences, hessian, terms, ulps
from library import active_isa, call
from reference import header
from reference.sigmoid_call import sigmoid
from reference.softmax_call import softmax

REFERENCE = {"focal_sigmoid": sigmoid, "focal_softmax": softmax}


def cancels(given):
    """Whether terms of different sign meet in loss or gradient, so that units in the last place say nothing."""
    options = header.Options(**given)
    soft = options.target_kind == header.TARGETS_DENSE and not set(np.unique(options.targets)) <= {0, 1, -1, 255}
    return soft or options.label_smoothing or options.input == header.INPUT_PROBABILITIES or options.accumulate


def largest_gamma(given):
    gammas = given.get("gammas")
    gammas = [given.get("gamma", 2.0)] if gammas is None else list(gammas)
    general = [gamma for gamma in gammas if gamma not in EXACT_GAMMAS]
    return max(general, default=gammas[0])


def bounds_of(function, given):
    gamma = largest_gamma(given)
    where = active_isa(), function == "focal_softmax"
    first = (terms if cancels(given) else ulps)(gamma, *where)
    hess = (terms if cancels(given) else hessian)(gamma, *where)
    return dict(
        loss=first,
        grad=first,
        hess=hess,
        hess_full=hess,
        reduced_loss=terms(gamma, count=4),
        probabilities=Bound("ulp", 4),
        log_sum_exp=Bound("terms", 8),
    )


def held(function, given, outputs=("loss", "grad", "hess"), expected=None, what=None):
    """Calls the library, compares, and returns what it gave.  expected: the reference's answer where it is at hand."""
    expected = expected or truth(function, given, outputs)
    got = call(function, outputs, **given)
    bounds = bounds_of(function, given)
    arithmetic = computed_in(given["scores"].dtype)
    lines = []
    for name in outputs:
        title = f"{what or function[6:] + ' options'}, {arithmetic}, {name}"
        lines += differences(title, got[name], expected[name], bounds[name], arithmetic)
    assert not lines, "\n".join(lines)
    return got


def truth(function, given, outputs):
    extra = dict(hess_full=True) if "hess_full" in outputs else {}
    return REFERENCE[function](**given, **extra)
