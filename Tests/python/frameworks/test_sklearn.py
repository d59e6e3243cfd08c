"""focalloss.sklearn: the metric against log_loss and the definition, the estimator against scikit-learn's checks."""

import pytest

sklearn = pytest.importorskip("sklearn")

import numpy as np  # noqa: E402
from focalloss.sklearn import FocalLogisticRegression, focal_loss_score  # noqa: E402
from scipy import sparse  # noqa: E402
from scipy.optimize import check_grad  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_iris, load_wine, make_classification  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.metrics import log_loss, make_scorer  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

BINARY = make_classification(500, weights=[0.9], flip_y=0.05, random_state=0)
RNG = np.random.default_rng(0)


def scaled(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


# ---- Metric -------------------------------------------------------------------------------------------------------

P2, Y2 = RNG.random(50), RNG.integers(0, 2, 50)
P3 = RNG.dirichlet(np.ones(3), 50)
Y3 = np.array(["ant", "bee", "cow"])[RNG.integers(0, 3, 50)]
WEIGHTS = RNG.random(50)


@pytest.mark.parametrize("weights", (None, WEIGHTS), ids=("plain", "weighted"))
@pytest.mark.parametrize("normalize", (True, False))
def test_at_gamma_0_it_is_log_loss(normalize, weights):
    options = dict(normalize=normalize, sample_weight=weights)
    for y, p in ((Y2, P2), (Y2, np.column_stack([1 - P2, P2])), (Y3, P3), (Y2 == 1, P2)):
        assert focal_loss_score(y, p, gamma=0, **options) == pytest.approx(log_loss(y, p, **options), rel=1e-12)
    assert focal_loss_score(Y2, (P2 > 0.5) * 1.0, gamma=0) == pytest.approx(log_loss(Y2, (P2 > 0.5) * 1.0))


def test_it_is_the_definition():
    p_t = np.where(Y2 == 1, P2, 1 - P2)
    each = np.where(Y2 == 1, 0.7, 0.3) * (1 - p_t) ** 1.5 * -np.log(p_t)
    assert focal_loss_score(Y2, P2, alpha=0.7, gamma=1.5) == pytest.approx(each.mean(), rel=1e-12)
    assert focal_loss_score(Y2, P2, alpha=0.7, gamma=1.5, sample_weight=WEIGHTS) == pytest.approx(
        np.average(each, weights=WEIGHTS), rel=1e-12
    )
    alphas, codes = np.array([0.2, 0.5, 0.9]), np.unique(Y3, return_inverse=True)[1]
    p_t = P3[np.arange(50), codes]
    each = alphas[codes] * (1 - p_t) ** 2 * -np.log(p_t)
    assert focal_loss_score(Y3, P3, alpha=alphas) == pytest.approx(each.mean(), rel=1e-12)
    assert focal_loss_score(["bee"], [[0.2, 0.5, 0.3]], labels=["ant", "bee", "cow"]) == pytest.approx(0.25 * np.log(2))


@pytest.mark.parametrize(
    ("y", "p", "options", "message"),
    (
        (Y2, P3, {}, "2 classes"),
        (Y3, P2, {}, "3 classes"),
        (Y2, P2[:-1], {}, "inconsistent numbers of samples"),
        (np.ones(50), P2, {}, "only one label"),
        (Y3, P3, {"labels": ["ant", "bee", "dog"]}, "not in labels="),
        (Y2, 2 * P2, {}, r"outside \[0, 1\]"),
        (Y2, P2, {"gamma": -1}, "gamma is -1"),
        (Y2, P2, {"alpha": 2}, "alpha is 2"),
    ),
)
def test_metric_errors(y, p, options, message):
    with pytest.raises(ValueError, match=message):
        focal_loss_score(y, p, **options)


def test_as_a_scorer_greater_is_better():
    scorer = make_scorer(focal_loss_score, greater_is_better=False, response_method="predict_proba", gamma=1.0)
    model = LogisticRegression().fit(*BINARY)
    assert scorer(model, *BINARY) == -focal_loss_score(BINARY[1], model.predict_proba(BINARY[0]), gamma=1.0)
    assert (cross_val_score(LogisticRegression(), *BINARY, scoring=scorer) < 0).all()
    search = GridSearchCV(FocalLogisticRegression(), {"gamma": [0.0, 2.0], "C": [1e-4, 1.0]}, scoring=scorer, cv=3)
    assert search.fit(*BINARY).best_params_["C"] == 1.0


# ---- Estimator ----------------------------------------------------------------------------------------------------


@parametrize_with_checks(
    [
        FocalLogisticRegression(),
        FocalLogisticRegression(gamma=0.5, class_weight="balanced"),
        FocalLogisticRegression(gamma=0.0, C=0.5),
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("class_weight", (None, "balanced"))
@pytest.mark.parametrize("fit_intercept", (True, False))
@pytest.mark.parametrize("data", (BINARY, scaled(load_iris), scaled(load_wine)), ids=("binary", "iris", "wine"))
def test_at_gamma_0_it_is_logistic_regression(data, fit_intercept, class_weight):
    X, y = data
    weights = RNG.random(len(y))
    common = dict(fit_intercept=fit_intercept, class_weight=class_weight, tol=1e-10, max_iter=10000, C=0.7)
    ours = FocalLogisticRegression(gamma=0.0, **common).fit(X, y, weights)
    theirs = LogisticRegression(**common).fit(X, y, weights)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4)
    assert (ours.predict(X) == theirs.predict(X)).mean() > 0.99


@pytest.mark.parametrize("alpha", (None, 0.75))
def test_its_objective_has_its_gradient(alpha):
    from focalloss.sklearn import _Problem

    for X, y in (BINARY, scaled(load_iris)):
        model = FocalLogisticRegression(alpha=alpha)
        model.classes_ = np.unique(y)
        problem = _Problem(X, y.astype(np.int64), RNG.random(len(y)), model)
        start = problem.start() + 0.3 * RNG.normal(size=problem.start().size)
        assert check_grad(lambda p: problem(p)[0], lambda p: problem(p)[1], start) < 1e-5


def test_probabilities_are_calibrated():
    """Labels drawn from a known model: the focal scores' sigmoid is off by far, the recovered posterior is not."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(20000, 3))
    truth = 1 / (1 + np.exp(-(X @ [2.0, -1.0, 0.5] - 2)))
    y = rng.random(len(X)) < truth
    for alpha, gamma in ((None, 2.0), (0.75, 2.0), (None, 5.0)):
        model = FocalLogisticRegression(alpha=alpha, gamma=gamma, C=1e6).fit(X, y)
        recovered = abs(model.predict_proba(X)[:, 1] - truth).mean()
        naive = abs(1 / (1 + np.exp(-model.decision_function(X))) - truth).mean()
        assert recovered < 0.03 and recovered < naive / 2, (alpha, gamma, recovered, naive)


def test_alpha_moves_the_decision():
    caught = [FocalLogisticRegression(alpha=alpha).fit(*BINARY).predict(BINARY[0]).sum() for alpha in (0.1, None, 0.9)]
    assert caught[0] < caught[1] < caught[2]


def test_alpha_by_class():
    X, y = scaled(load_iris)
    plain = FocalLogisticRegression().fit(X, y).predict(X)
    favoured = FocalLogisticRegression(alpha=[1.0, 1.0, 20.0]).fit(X, y)
    assert (favoured.predict(X) == 2).sum() > (plain == 2).sum()
    np.testing.assert_allclose(favoured.predict_proba(X).sum(1), 1)


def test_sparse_is_dense():
    X, y = scaled(load_breast_cancer)
    dense = FocalLogisticRegression(tol=1e-8).fit(X, y)
    thin = FocalLogisticRegression(tol=1e-8).fit(sparse.csr_matrix(X), y)
    np.testing.assert_allclose(thin.coef_, dense.coef_, atol=1e-3)
    np.testing.assert_allclose(thin.predict_proba(sparse.csr_matrix(X)), dense.predict_proba(X), atol=1e-4)


def test_in_a_pipeline_and_unconverged():
    X, y = load_breast_cancer(return_X_y=True)
    assert make_pipeline(StandardScaler(), FocalLogisticRegression()).fit(X, y).score(X, y) > 0.97
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        FocalLogisticRegression(max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match="C must be > 0"):
        FocalLogisticRegression(C=0.0).fit(X, y)
