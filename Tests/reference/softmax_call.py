"""A whole call of focal_softmax, exactly."""

import numpy as np
from mpmath import mp, mpf

from reference import header
from reference.calls import Exact, Outputs, Plan, array, exactly, ignored_by_mask, reduced, times
from reference.softmax import Loss, sample

UNKNOWN = (mp.nan,) * 3


class Call:
    """The samples of one call: their scores, targets and factors."""

    def __init__(self, options):
        self.options = options
        self.plan = plan = Plan(options)
        outer, self.classes, inner = plan.shape
        self.places = outer, inner
        self.alphas = plan.alphas(1.0)
        self.class_factors = [exactly(weight) for weight in plan.class_weights]
        self.labels, self.targets, self.ignored = softmax_targets(options, plan.shape)
        self.weights = array(options.weights, self.places, 1)
        self.upstream = array(options.upstream, self.places, 1)
        self.old = array(options.grad, plan.shape, 0)
        self.valid = [place for place in np.ndindex(self.places) if not self.ignored[place]]
        self.scale = plan.scale(
            ~self.ignored,
            lambda: sum((self.factor(place) * self.target_alpha(place) for place in self.valid), mpf(0)),
            lambda: sum(map(self.positive, self.valid), mpf(0)),
        )

    def sample_alphas(self):
        """The weight of each class in a sample's sum: class weights stand there too where targets are dense."""
        if self.labels is not None:
            return self.alphas
        return [exactly(alpha) * factor for alpha, factor in zip(self.alphas, self.class_factors)]

    def factor(self, place):
        """What multiplies the whole loss of a sample."""
        weight = exactly(self.weights[place])
        return weight if self.labels is None else weight * self.class_factors[self.labels[place]]

    def target_alpha(self, place):
        pairs = zip(self.targets[place], self.sample_alphas())
        return sum((exactly(y) * exactly(alpha) for y, alpha in pairs), mpf(0))

    def positive(self, place):
        background = self.options.background_label
        return 1 - exactly(self.targets[place][background]) if 0 <= background < self.classes else mpf(1)

    def loss(self, sample, place):
        gammas = self.options.gammas
        gamma = self.options.gamma if gammas is None else float(gammas[self.labels[place]])
        return Loss(sample, self.targets[place], self.sample_alphas(), self.plan.rule(gamma=gamma))

    def put(self, outputs, sample, place, coordinates):
        """One sample's loss, gradient and Hessian."""
        o, i = place
        loss = None if sample.unknown else self.loss(sample, place)
        value, slopes, bends = loss.sizes() if loss else (0.0, np.zeros(self.classes), np.zeros(self.classes))
        for k in coordinates:
            derivatives = loss.derivatives(k, self.options.hessian == header.HESSIAN_GAUSS_NEWTON) if loss else UNKNOWN
            self.plan.put(
                outputs,
                (place, (o, k, i)),
                derivatives,
                (value, slopes[k], bends[k]),
                self.factor(place),
                self.scale,
                self.upstream[place],
                self.old[o, k, i],
            )
        if self.options.hess_full is not None:
            self.put_full(outputs, loss, place, bends)

    def put_full(self, outputs, loss, place, bends):
        """The full Hessian.  |H_jk| of every term is at most the geometric mean of the diagonal's."""
        options = self.options
        factor = self.factor(place) * self.scale * exactly(options.grad_scale) * exactly(options.hessian_scale)
        for j, k in np.ndindex(self.classes, self.classes):
            second = loss.mixed(j, k) if loss else mp.nan
            outputs.put("hess_full", (*place, j, k), times(second, factor), np.sqrt(bends[j] * bends[k]) * factor)


def softmax_targets(options, shape):
    """Labels [outer, inner] or None, class probabilities [outer, inner, classes], what is ignored [outer, inner]."""
    outer, classes, inner = shape
    ignored = ignored_by_mask(options, (outer, inner))
    if options.target_kind == header.TARGETS_DENSE:
        targets = np.asarray(options.targets).astype(np.float64).reshape(shape)
        return None, np.moveaxis(targets, 1, 2), ignored
    labels = np.asarray(options.targets).astype(np.int64).reshape(outer, inner)
    hot = labels[..., None] == np.arange(classes)
    return labels, np.where(hot, 1.0, 0.0), ignored | (labels == options.ignore_index)


def put_softmax(outputs, sample, place):
    """Probabilities and log-sum-exp: of ignored samples too."""
    o, i = place
    probabilities = outputs.numbers["probabilities"]
    numbers = [mp.nan] * probabilities.shape[1] if sample.unknown else sample.probabilities()
    for k, p in enumerate(numbers):
        outputs.put("probabilities", (o, k, i), p, p)
    if sample.unknown:
        outputs.put("log_sum_exp", place, mp.nan, 0)
    else:
        total, largest = sample.log_sum_exp(), max(sample.scores)
        outputs.put("log_sum_exp", place, total, abs(largest) + abs(total - largest))


def softmax(*, coordinates=None, **given):
    """Every output of focal_softmax; `grad` holds the old values where accumulate is set.

    coordinates: classes whose derivatives are wanted (default: all); the others' are left 0.  hess_full comes where
    that field is given.
    """
    options = header.Options(**given)
    call = Call(options)
    shape, places = call.plan.shape, call.places
    shapes = dict(loss=places, grad=shape, hess=shape, probabilities=shape, log_sum_exp=places)
    if options.hess_full is not None:
        shapes["hess_full"] = (*places, call.classes, call.classes)
    outputs = Outputs(**shapes)
    if options.accumulate:
        outputs.fill("grad", call.old)
    for place in np.ndindex(places):
        scores = sample(tuple(call.plan.scores[place[0], :, place[1]].tolist()))
        put_softmax(outputs, scores, place)
        if not call.ignored[place]:
            call.put(outputs, scores, place, range(call.classes) if coordinates is None else coordinates)
    result = outputs.exact()
    result["reduced_loss"] = Exact.of(*reduced(outputs, call.scale))
    return result
