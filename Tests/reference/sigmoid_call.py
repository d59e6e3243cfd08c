"""A whole call of focal_sigmoid, exactly."""

from dataclasses import replace

import numpy as np
from mpmath import mpf

from reference import header
from reference.calls import Exact, Outputs, Plan, array, exactly, ignored_by_mask, reduced
from reference.sigmoid import element
from reference.sizes import binary_sizes


def binary_targets(options, shape):
    """Targets in [0, 1] and what is ignored, [outer, classes, inner] each."""
    outer, classes, inner = shape
    if options.target_kind == header.TARGETS_LABELS:
        labels = np.asarray(options.targets).reshape(outer, 1, inner)
        ignored = (labels == options.ignore_index) | ignored_by_mask(options, labels.shape)
        hot = (labels == np.arange(classes).reshape(1, classes, 1)) & (labels != options.background_label)
        return np.where(hot, 1.0, 0.0), np.broadcast_to(ignored, shape)
    given = np.asarray(options.targets).reshape(shape)
    ignored = ignored_by_mask(options, shape)
    if options.ignore_index != header.LABEL_NONE:
        ignored = ignored | (given == options.ignore_index)
    return given.astype(np.float64), ignored


def column_rules(plan):
    """The rule of every column: they differ in alpha and pos_weight."""
    options = plan.options
    pos_weights = [options.pos_weight] * options.classes if options.pos_weights is None else options.pos_weights
    return [
        plan.rule(
            alpha1=1.0 if alpha is None else alpha,
            alpha0=1.0 if alpha is None else 1 - mpf(alpha),
            pos_weight=float(pos_weight),
            neg_weight=options.neg_weight,
        )
        for alpha, pos_weight in zip(plan.alphas(None), pos_weights)
    ]


def sigmoid(**given):
    """Every output of focal_sigmoid; `grad` holds the old values where accumulate is set."""
    options = header.Options(**given)
    plan = Plan(options)
    shape, probability = plan.shape, options.input == header.INPUT_PROBABILITIES
    targets, ignored = binary_targets(options, shape)
    samples = (shape[0], 1, shape[2]) if options.weight_layout == header.WEIGHTS_SAMPLE else shape
    weights = np.broadcast_to(array(options.weights, samples, 1), shape)
    old, upstream = array(options.grad, shape, 0), array(options.upstream, shape, 1)
    valid = [tuple(index) for index in np.argwhere(~ignored)]
    factors = {index: exactly(weights[index]) * exactly(plan.class_weights[index[1]]) for index in valid}
    scale = plan.scale(
        ~ignored,
        lambda: sum(factors.values(), mpf(0)),
        lambda: sum((exactly(targets[index]) for index in valid), mpf(0)),
    )
    rules = column_rules(plan)
    sizes = column_sizes(plan.scores, targets, rules, probability)
    gauss_newton = options.hessian == header.HESSIAN_GAUSS_NEWTON
    outputs = Outputs(loss=shape, grad=shape, hess=shape)
    if options.accumulate:
        outputs.fill("grad", old)
    for index in valid:
        score, target, rule = float(plan.scores[index]), float(targets[index]), rules[index[1]]
        derivatives = element(score, target, rule, probability, options.clip, gauss_newton)
        plan.put(
            outputs,
            (index, index),
            derivatives,
            [part[index] for part in sizes],
            factors[index],
            scale,
            upstream[index],
            old[index],
        )
    result = outputs.exact()
    result["reduced_loss"] = Exact.of(*reduced(outputs, scale))
    return result


def column_sizes(scores, targets, rules, probability):
    """Sizes of loss, gradient and Hessian, [outer, classes, inner] each."""
    columns = []
    for column, rule in enumerate(rules):
        plain = replace(rule, alpha0=float(rule.alpha0))
        columns.append(binary_sizes(scores[:, column], targets[:, column], plain, probability))
    return [np.nan_to_num(np.stack(part, axis=1)) for part in zip(*columns)]
