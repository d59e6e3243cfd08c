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
    soft = options.target_kind == header.TARGETS_DENSE and not np.isin(options.targets, (0, 1, -1, 255)).all()
    return soft or options.label_smoothing or options.input == header.INPUT_PROBABILITIES or options.accumulate


def largest_gamma(given):
    gammas = given.get("gammas")
    gammas = [given.get("gamma", 2.0)] if gammas is None else list(gammas)
    general = [gamma for gamma in gammas if gamma not in EXACT_GAMMAS]
    return max(general, default=gammas[0])


def factors(given, *more):
    """How many numbers multiply a result besides alpha."""
    names = ("weights", "class_weights", "pos_weight", "pos_weights", *more)
    return sum(name in given for name in names)


def bounds_of(function, given):
    """The bound of every output."""
    gamma = largest_gamma(given)
    where = active_isa(), function == "focal_softmax"
    first = (terms if cancels(given) else ulps)(gamma, *where)
    second = (terms if cancels(given) else hessian)(gamma, *where)
    scales = ("grad_scale", *(("reduction",) if given.get("reduction") == header.REDUCTION_MEAN else ()))
    loss = first.after(factors(given))
    hess = second.after(factors(given, *scales, "hessian_scale"))
    total = Bound("terms", loss.count * 2) if loss.kind == "ulp" else loss
    return dict(
        loss=loss,
        grad=first.after(factors(given, *scales, "upstream")),
        hess=hess,
        hess_full=hess,
        reduced_loss=total.after(1),
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
