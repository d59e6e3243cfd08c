"""Every option reaches its field of focal_args, in every layout; wrong words and numbers are refused by name."""

import focalloss
import numpy as np
import pytest
from focalloss import _abi, _call, _evaluate
from reference import header

LOGITS = np.zeros((2, 3, 4), np.float32)
DENSE = np.zeros((2, 3, 4), np.float32)
FUNCTIONS = {"sigmoid": focalloss.sigmoid_focal_grad_hess, "softmax": focalloss.softmax_focal_grad_hess}


@pytest.fixture
def record(monkeypatch):
    """Calls a family's grad_hess (or another function) and returns the focal_args that the library would have got."""

    def call(family, *arguments, function=None, **options):
        seen = {}

        def take(address):
            args = _abi.Args.from_address(address)
            seen.update((name, getattr(args, name)) for name, _ in _abi.Args._fields_)
            seen.update(pointed(args))
            return _abi.OK

        chosen = getattr(_evaluate, f"{family.upper()}_FAMILY")
        monkeypatch.setattr(chosen, "function", take)
        monkeypatch.setattr(_evaluate, "SIGMOID", take)
        (function or FUNCTIONS[family])(*arguments, **options)
        return seen

    return call


def pointed(args):
    """What vectors of doubles hold: one value a class."""
    length = args.shard_total or args.classes
    for name in ("alphas", "gammas", "pos_weights", "class_weights"):
        where = getattr(args, name)
        if where:
            yield name, list((_abi.c_double * length).from_address(where))


def sizes(seen):
    return seen["outer"], seen["classes"], seen["inner"]


LABELS = {-1: (2, 3), 0: (3, 4), 1: (2, 4)}


@pytest.mark.parametrize(
    "axis, expected", [(-1, (6, 4, 1)), (2, (6, 4, 1)), (1, (2, 3, 4)), (0, (1, 2, 12)), (-3, (1, 2, 12))]
)
@pytest.mark.parametrize("family", FUNCTIONS)
def test_axis_gives_the_layout(record, family, axis, expected):
    labels = np.zeros(np.delete(LOGITS.shape, axis), np.int64)
    seen = record(family, LOGITS, labels, axis=axis)
    assert sizes(seen) == expected
    assert seen["target_kind"] == _abi.TARGETS["labels"] and seen["target_dtype"] == _abi.DTYPE["i64"]
    seen = record(family, LOGITS, DENSE, axis=axis)
    assert sizes(seen) == expected and seen["target_kind"] == _abi.TARGETS["dense"]


def test_dense_sigmoid_without_classes_is_flat(record):
    assert sizes(record("sigmoid", LOGITS, DENSE)) == (24, 1, 1)
    assert sizes(record("sigmoid", LOGITS, DENSE, alpha=[0.1, 0.2, 0.3, 0.4])) == (6, 4, 1)
    assert sizes(record("sigmoid", LOGITS, DENSE, weights=np.ones((2, 3)))) == (6, 4, 1)


@pytest.mark.parametrize(
    "option, value, field, expected",
    [
        ("input", "probabilities", "input", 1),
        ("clip", 1e-7, "clip", 1e-7),
        ("check_targets", False, "target_check", 1),
        ("soft_rule", "mixture", "soft_rule", 1),
        ("soft_rule", "quality", "soft_rule", 2),
        ("label_smoothing", 0.1, "label_smoothing", 0.1),
        ("smoothing_rule", "ce", "smoothing_rule", 1),
        ("ignore_index", -1, "ignore_index", -1),
        ("ignore_index", None, "ignore_index", _abi.LABEL_NONE),
        ("background_label", 3, "background_label", 3),
        ("gamma", 1.5, "gamma", 1.5),
        ("gamma", np.float32(0.5), "gamma", 0.5),
        ("gamma", 3, "gamma", 3.0),
        ("alpha", None, "alpha", _abi.ALPHA_OFF),
        ("alpha", 0, "alpha", 0.0),
        ("alpha", np.float64(0.75), "alpha", 0.75),
        ("alpha", [0.1, 0.2, 0.3, 0.4], "alphas", [0.1, 0.2, 0.3, 0.4]),
        ("class_weights", (1, 2, 3, 4), "class_weights", [1, 2, 3, 4]),
        ("pos_weight", 5, "pos_weight", 5.0),
        ("pos_weight", np.float32([1, 2, 3, 4]), "pos_weights", [1, 2, 3, 4]),
        ("neg_weight", 0.5, "neg_weight", 0.5),
        ("reduction", "sum", "reduction", 1),
        ("divisor", "elements", "divisor", 1),
        ("divisor", "weights", "divisor", 2),
        ("divisor", "positives", "divisor", 3),
        ("divisor", 7, "divisor_value", 7.0),
        ("divisor", 7, "divisor", 4),
        ("grad_scale", 3.0, "grad_scale", 3.0),
        ("hessian", "absolute", "hessian", 1),
        ("hessian", "gauss_newton", "hessian", 2),
        ("hessian_scale", 2, "hessian_scale", 2.0),
        ("hessian_floor", 1e-16, "hessian_floor", 1e-16),
        ("hessian_floor", None, "hessian_floor", _abi.FLOOR_OFF),
        ("out_dtype", "float64", "out_dtype", _abi.DTYPE["f64"]),
        ("threads", 2, "threads", 2),
        ("threads", None, "threads", 0),
    ],
)
def test_an_option_sets_its_field(record, option, value, field, expected):
    assert record("sigmoid", LOGITS, DENSE, **{option: value})[field] == expected


def test_what_is_not_given_has_the_headers_default(record):
    """But for the shape, the buffers and what the function itself fixes."""
    seen = record("sigmoid", LOGITS, DENSE, alpha=None, copy=False)
    fixed = {"struct_size", "outer", "scores", "targets", "grad", "hess"}
    assert {name: seen[name] for name in header.DEFAULTS.keys() - fixed} == {
        name: value for name, value in header.DEFAULTS.items() if name not in fixed
    }


def test_arrays_by_shape(record):
    seen = record("sigmoid", LOGITS, DENSE, weights=np.ones((2, 3, 4)), axis=1)
    assert seen["weight_layout"] == _abi.WEIGHTS["element"] and seen["weight_dtype"] == _abi.DTYPE["f64"]
    seen = record("sigmoid", LOGITS, DENSE, weights=np.ones((2, 4), np.float32), axis=1)
    assert seen["weight_layout"] == _abi.WEIGHTS["sample"] and seen["weight_dtype"] == _abi.DTYPE["f32"]
    labels = np.zeros((2, 4), np.uint8)
    for family in FUNCTIONS:
        mask, weights = np.zeros((2, 4), bool), np.ones((2, 4))
        seen = record(family, LOGITS, labels, axis=1, ignore_mask=mask, weights=weights)
        assert seen["ignore_mask"] == mask.ctypes.data and seen["weights"] == weights.ctypes.data
    with pytest.raises(ValueError, match=r"^ignore_mask has shape \(2, 3, 4\); it must be \(2, 4\)"):
        record("softmax", LOGITS, labels, axis=1, ignore_mask=LOGITS.astype(bool))
    with pytest.raises(ValueError, match=r"^weights has shape \(2, 3, 4\); it must be \(2, 4\)"):
        record("softmax", LOGITS, labels, axis=1, weights=LOGITS)


def test_upstream(record):
    upstream = np.ones((2, 3), np.float32)
    assert record("softmax", LOGITS, DENSE, upstream=upstream)["upstream"] == upstream.ctypes.data
    upstream = np.ones(LOGITS.shape, np.float32)
    assert record("sigmoid", LOGITS, DENSE, upstream=upstream)["upstream"] == upstream.ctypes.data
    with pytest.raises(TypeError, match="^upstream has dtype float64; it must be float32"):
        record("sigmoid", LOGITS, DENSE, upstream=upstream.astype(float))
    with pytest.raises(ValueError, match=r"^upstream has shape \(2, 3, 4\); it must be \(2, 3\)"):
        record("softmax", LOGITS, DENSE, upstream=upstream)


def test_softmax_takes_ignore_index_for_labels_only(record):
    assert record("softmax", LOGITS, np.zeros((2, 3), int))["ignore_index"] == -100
    assert record("softmax", LOGITS, np.zeros((2, 3), int), ignore_index=None)["ignore_index"] == _abi.LABEL_NONE
    assert record("softmax", LOGITS, DENSE)["ignore_index"] == _abi.LABEL_NONE


def test_softmax_gamma_by_class(record):
    assert record("softmax", LOGITS, np.zeros((2, 3), int), gamma=[0, 1, 2, 3])["gammas"] == [0, 1, 2, 3]


def test_weighted_cross_entropy_fixes_gamma_and_alpha(record):
    seen = record("sigmoid", LOGITS, DENSE, 3.0, 0.5, function=focalloss.weighted_binary_cross_entropy)
    assert (seen["gamma"], seen["alpha"], seen["pos_weight"], seen["neg_weight"]) == (0, _abi.ALPHA_OFF, 3, 0.5)
    seen = record("sigmoid", LOGITS, DENSE, function=focalloss.binary_cross_entropy)
    assert (seen["gamma"], seen["alpha"], seen["reduction"]) == (0, _abi.ALPHA_OFF, _abi.REDUCTION["mean"])


# ---- Refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, kind, message",
    [
        ({"reduction": "average"}, ValueError, "^reduction must be one of 'none', 'sum', 'mean'; got 'average'"),
        ({"reduction": None}, ValueError, "^reduction must be one of"),
        ({"reduction": ["mean"]}, ValueError, "^reduction must be one of"),
        ({"hessian": "fisher"}, ValueError, "^hessian must be one of 'exact', 'absolute', 'gauss_newton'"),
        ({"divisor": "value"}, ValueError, "^divisor must be one of 'valid', 'elements', 'weights', 'positives'"),
        ({"soft_rule": 1}, ValueError, "^soft_rule must be one of"),
        ({"gamma": "2"}, TypeError, "^gamma must be a number; got '2'"),
        ({"gamma": None}, TypeError, "^gamma must be a number; got None"),
        ({"alpha": "auto"}, TypeError, "^alpha must be a number"),
        ({"alpha": [0.5, 0.5]}, ValueError, r"^alpha has shape \(2,\); it must be \(4,\), one value a class"),
        ({"threads": 1.5}, TypeError, "^threads must be an integer; got 1.5"),
        ({"threads": 2**31}, ValueError, "^threads is 2147483648, outside the range of an int32"),
        ({"ignore_index": 2**63}, ValueError, "^ignore_index is .* outside the range of an int64"),
        ({"gama": 2}, TypeError, "^'gama' is no option here; these are: .*weights"),
        ({"out": DENSE}, TypeError, "^'out' is no option here"),
        ({"axis": 3}, ValueError, "^axis is 3; logits has 3 dimensions"),
        ({"axis": None}, ValueError, "^axis is None"),
    ],
)
def test_wrong_words_and_numbers(options, kind, message):
    if message.startswith("^alpha must"):
        kind = (TypeError, ValueError)
    with pytest.raises(kind, match=message):
        focalloss.sigmoid_focal_grad_hess(LOGITS, DENSE, **options)


def test_labels_are_never_guessed_for_one_class():
    logits, targets = np.zeros((3, 1)), np.array([0, 1, 0])
    with pytest.raises(ValueError, match="one class: pass targets of shape"):
        focalloss.sigmoid_focal_loss(logits, targets)


def test_labels_must_be_integers():
    with pytest.raises(TypeError, match="so it holds labels, which must be integers; its dtype is float64"):
        focalloss.softmax_focal_loss(np.zeros((3, 2)), np.zeros(3))


def test_options_apply_where_they_mean_something():
    allowed = _evaluate.SIGMOID_FAMILY.allowed
    assert "grad_out" not in allowed[_evaluate.LOSS] and "out" in allowed[_evaluate.LOSS]
    assert "hessian_floor" in allowed[_evaluate.GRAD | _evaluate.HESS]
    assert (
        "shard" in _evaluate.SOFTMAX_FAMILY.allowed[_evaluate.LOSS]
        and "clip" not in _evaluate.SOFTMAX_FAMILY.allowed[1]
    )


def test_every_field_of_the_header_can_be_reached():
    """By an option or an argument; but a caller's own parallel-for makes no sense from Python."""
    reached = {*focalloss.SigmoidOptions.__annotations__, *focalloss.SoftmaxOptions.__annotations__}
    renamed = {
        "scores": "logits", "score_dtype": "logits", "outer": "logits", "classes": "axis", "inner": "axis",
        "target_dtype": "targets", "target_kind": "labels", "target_check": "check_targets", "gammas": "gamma",
        "alphas": "alpha", "pos_weights": "pos_weight", "weight_dtype": "weights", "weight_layout": "weights",
        "divisor_value": "divisor", "loss": "out", "reduced_loss": "out", "grad": "grad_out", "hess": "hess_out",
        "hess_full": "full", "probabilities": "probabilities_out", "log_sum_exp": "log_sum_exp_out",
        "shard_max": "shard", "shard_sum": "shard", "shard_target": "shard", "shard_offset": "shard",
        "shard_total": "shard",
    }  # fmt: skip
    arguments = {"logits", "targets", "alpha", "gamma", "reduction", "hessian", "full"}
    fields = set(header.DEFAULTS) - {"struct_size", "parallel_for", "parallel_context"}
    missing = {field for field in fields if renamed.get(field, field) not in reached | arguments}
    assert not missing


def test_fill_refuses_what_it_does_not_know():
    with pytest.raises(TypeError, match="^unknown option 'colour'; the options are alpha,"):
        _call.fill(_abi.new_args(), colour=1)
