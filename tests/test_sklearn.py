"""NMF as a transformer of scikit-learn: its own checks, its own NMF, pipelines."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.decomposition import NMF as SklearnNMF
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from sigsep_classic.errors import ParameterError
from sigsep_classic.sklearn import LOSSES, NMFTransformer

rng = np.random.default_rng(0)
X = rng.gamma(1.0, size=(40, 3)) @ rng.gamma(0.5, size=(3, 20)) + 0.05 * rng.random((40, 20))


@pytest.mark.slow
def test_it_passes_the_checks_of_scikit_learn() -> None:
    found = check_estimator(NMFTransformer(), on_skip=None, on_fail=None)
    assert len(found) > 40
    assert [each["check_name"] for each in found if each["status"] == "failed"] == []


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
def test_mu_takes_the_steps_of_scikit_learn_from_the_same_start(loss: str) -> None:
    W, H = rng.random((40, 4)) + 0.1, rng.random((4, 20)) + 0.1
    options = {"beta_loss": loss, "solver": "mu", "init": "custom", "max_iter": 30, "tol": 0}
    theirs = SklearnNMF(n_components=4, **options)
    A = theirs.fit_transform(X, W=W.copy(), H=H.copy())
    ours = NMFTransformer(n_components=4, **options)
    B = ours.fit_transform(X, W=W, H=H)
    assert_allclose(B @ ours.components_, A @ theirs.components_, rtol=1e-6)
    assert_allclose(ours.reconstruction_err_, theirs.reconstruction_err_, rtol=1e-6)
    sums = theirs.components_.sum(axis=1)
    order = np.argsort(-sums * A.sum(axis=0))
    assert_allclose(ours.components_, (theirs.components_ / sums[:, None])[order], rtol=1e-5)
    assert ours.n_iter_ == theirs.n_iter_ == 30


def test_a_sample_has_the_activations_it_has_by_itself() -> None:
    nmf = NMFTransformer(n_components=3, max_iter=100).fit(X)
    whole = nmf.transform(X)
    assert_allclose(nmf.transform(X[7:8]), whole[7:8], rtol=1e-9, atol=1e-12)
    assert_allclose(nmf.inverse_transform(whole), X, atol=0.3)
    assert_allclose(nmf.components_.sum(axis=1), 1)
    assert list(nmf.get_feature_names_out()) == ["nmftransformer0", "nmftransformer1", "nmftransformer2"]


def test_it_stands_in_pipelines_and_searches() -> None:
    labels = (X[:, 0] > np.median(X[:, 0])).astype(int)
    pipeline = make_pipeline(NMFTransformer(max_iter=20), KNeighborsClassifier())
    search = GridSearchCV(pipeline, {"nmftransformer__n_components": [1, 3]}, cv=2).fit(X, labels)
    assert search.best_score_ > 0.6
    single = NMFTransformer(n_components=2, max_iter=5).fit(X.astype(np.float32))
    assert single.transform(X.astype(np.float32)).dtype == single.components_.dtype == np.float32
    one, other = (NMFTransformer(2, random_state=np.random.RandomState(3), max_iter=5).fit(X) for _ in "ab")
    assert_array_equal(one.components_, other.components_)


def test_what_it_can_not_take_is_one_line() -> None:
    for given, error, said in (
        (csr_array(X), TypeError, "dense data is required"),
        (-X, ValueError, "Negative values"),
    ):
        with pytest.raises(error, match=said):
            NMFTransformer().fit(given)
    for options, said in (
        ({"beta_loss": "euclid"}, "beta_loss is 'euclid'"),
        ({"init": "svd"}, "init is 'svd'"),
        ({"init": "custom"}, "W and H are given with"),
        ({"n_components": 0}, "n_components"),
    ):
        with pytest.raises(ParameterError, match=said):
            NMFTransformer(**options).fit(X)
    with pytest.raises(ParameterError, match=r"give activations \(samples, 2\)"):
        NMFTransformer(2, max_iter=2).fit(X).inverse_transform(X)
