"""ILRMA: its cost, its invariants, and what other packages make of the same start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import ILRMA, STFT, separate
from sigsep_classic.errors import NumericalError, ParameterError
from sigsep_classic.factorizers.demixing.ilrma import LowRankDemixing
from sigsep_classic.metrics import si_sdr
from sigsep_classic.testing import PROMISES, Case

N, F, T, K = 3, 12, 150, 2
DENSITIES = ({}, {"density": "student", "nu": 3.0}, {"density": "generalized", "shape": 1.0})


def mixture(n=N, freq=F, frames=T, seed=0):
    """Return sources of rank two (n, freq, frames), mixing (freq, n, n), and X, the loudest channel first."""
    rng = np.random.default_rng(seed)
    levels = rng.gamma(0.4, size=(n, freq, 2)) @ rng.gamma(0.4, size=(n, 2, frames)) + 1e-3
    S = np.sqrt(levels) * (rng.standard_normal((2, *levels.shape)) * [[[[1]]], [[[1j]]]]).sum(axis=0)
    A = rng.standard_normal((freq, n, n)) + 1j * rng.standard_normal((freq, n, n))
    X = (A @ S.swapaxes(0, 1)).swapaxes(0, 1)
    order = np.argsort(-(abs(X) ** 2).sum(axis=(1, 2)))
    return S, A[:, order], np.ascontiguousarray(X[order])


def start_of(X, components=K, seed=1):
    """Return a start with W = I and random factors, as users give it."""
    rng = np.random.default_rng(seed)
    n, freq, frames = X.shape
    return LowRankDemixing(
        W=np.broadcast_to(np.eye(n, dtype=complex), (freq, n, n)).copy(),
        A=np.zeros((freq, n, n), complex),
        mixture=X,
        n_active=n,
        templates=rng.uniform(0.1, 1, (n, freq, components)),
        activations=rng.uniform(0.1, 1, (n, components, frames)),
    )


def costs(method, X, start=None):
    data = method.prepare(X)
    return np.array([method.loss(data, state) for state in method.iterate(X, start=start)])


def separation(W, A):
    """Return how far W A is from a scaled permutation, the worst bin's worst source."""
    P = abs(W @ A)
    P = P / P.max(axis=2, keepdims=True)
    return float((P.sum(axis=2) - 1).max())


# ---- the cost


@pytest.mark.parametrize("rule", ["ip1", "ip2", "iss1", "iss2", "ipa"])
@pytest.mark.parametrize("updates", ["mm", "me"])
@pytest.mark.parametrize("density", DENSITIES, ids=["gauss", "student", "generalized"])
def test_no_iteration_raises_the_cost(density, updates, rule):
    _, _, X = mixture()
    for more in ({}, {"partitioned": True, "n_components": 7}):
        found = costs(ILRMA(n_iter=15, updates=updates, rule=rule, **density, **more), X)
        assert (np.diff(found) <= 1e-10 * abs(found).max()).all()
        assert found[-1] < found[0] - 1


def test_the_cost_is_the_one_that_is_written():
    _, _, X = mixture()
    start = start_of(X)
    r = start.variances
    P = abs(X) ** 2
    written = (P / r + np.log(r)).mean(axis=2).sum()
    method = ILRMA(n_iter=0)
    data = method.prepare(X)
    constant = 2 * np.linalg.slogdet(data.T)[1].sum()  # W = R T
    assert_allclose(costs(method, X, start)[0] - constant, written, rtol=1e-9)


def test_the_cost_does_not_depend_on_the_level():
    _, _, X = mixture()
    assert_allclose(costs(ILRMA(n_iter=5), X), costs(ILRMA(n_iter=5), 1e4 * X), rtol=1e-9)


def test_the_variances_of_a_model_are_those_of_its_sources():
    _, _, X = mixture()
    method = ILRMA(n_iter=30)
    model = method.fit(X)
    x = abs(model.sources) ** 2 / model.variances
    assert_allclose(x.mean(axis=2), 1, rtol=0.05)  # what a maximum of the likelihood has exactly
    last = costs(method, X)[-1]
    again = costs(replace(method, n_iter=3), X, model)
    assert_allclose(again[0], last, rtol=1e-9)
    assert again[3] < last


# ---- what it finds


def test_sources_of_low_rank_are_separated_in_all_bins_and_in_one_order():
    _, A, X = mixture(n=2, freq=20, frames=400)
    model = ILRMA(n_iter=200).fit(X)
    assert separation(model.W, A) < 0.3
    assert len({tuple(row) for row in abs(model.W @ A).argmax(axis=2)}) == 1


def test_the_truth_is_nearly_a_fixed_point():
    _, A, X = mixture(n=2, freq=10, frames=3000)
    rng = np.random.default_rng(0)
    levels = rng.gamma(0.4, size=(2, 10, 2)) @ rng.gamma(0.4, size=(2, 2, 3000)) + 1e-3
    model = ILRMA(n_iter=30, variance=lambda P: levels).fit(X, start=_true(A, X))
    assert separation(model.W, A) < 0.1


def _true(A, X):
    n = len(X)
    return LowRankDemixing(W=np.linalg.inv(A), A=A, mixture=X, n_active=n)


def test_shared_components_find_what_own_ones_find():
    _, A, X = mixture(n=2, freq=20, frames=400)
    model = ILRMA(n_iter=300, partitioned=True, n_components=4, seed=1).fit(X)
    assert model.activations.shape == (1, 4, 400)
    assert separation(model.W, A) < 0.5


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_silent_cells_and_a_silent_bin_change_nothing_for_the_others(dtype):
    _, _, X = mixture()
    padded = np.zeros((N, F + 1, 2 * T), dtype)
    padded[:, :F, :T] = X
    found = ILRMA(n_iter=10).fit(padded)
    assert np.isfinite(found.W).all()
    method = ILRMA(n_iter=10)
    alone = method.fit(X.astype(dtype), start=start_of(X))
    start = start_of(padded)
    start = replace(start, templates=start.templates.copy(), activations=start.activations.copy())
    start.templates[:, :F], start.activations[:, :, :T] = start_of(X).templates, start_of(X).activations
    both = method.fit(padded, start=start)
    assert_allclose(
        both.W[:F], alone.W, rtol=0, atol=(1e-3 if dtype == "complex64" else 1e-9) * abs(alone.W).max()
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", ["dead", "copy", "half silent", "gain", "dc", "tone", "clipped", "short"])
def test_hard_inputs_stay_finite_and_do_not_depend_on_the_level(case):
    rng = np.random.default_rng(0)
    x = rng.laplace(size=(2, 8000)) * np.repeat(rng.gamma(0.5, size=(2, 40)), 200, axis=1)
    x[1] += 0.5 * x[0]
    if case == "dead":
        x[1] = 0
    elif case == "copy":
        x[1] = x[0]
    elif case == "half silent":
        x[1, :4000] = 0
        x[:, :1000] = 0
    elif case == "gain":
        x[1] *= 1e-3
    elif case == "dc":
        x += 0.5
    elif case == "tone":
        x = np.sin(np.arange(8000) * [[0.3], [0.31]])
    elif case == "clipped":
        x = np.clip(x, -0.3, 0.3)
    elif case == "short":
        x = x[:, :700]
    for more in ({}, {"density": "generalized", "shape": 1.0}, {"consistency": True}):
        method = ILRMA(n_iter=30, **more)
        stems = separate(x, 16000, method=method, frontend=STFT(n_fft=256))
        for gain in (1e-6, 32768):
            other = separate(x * gain, 16000, method=method, frontend=STFT(n_fft=256))
            for name, stem in stems.items():
                assert_allclose(other[name] / gain, stem, rtol=0, atol=1e-3 * abs(x).max())
        for stem in separate(x.astype("float32"), 16000, method=method, frontend=STFT(n_fft=256)).values():
            assert np.isfinite(stem).all()


def test_nan_is_refused_in_one_line():
    _, _, X = mixture()
    X[0, 0, 0] = np.nan
    with pytest.raises(NumericalError, match="not finite"):
        ILRMA().fit(X)


# ---- consistency, and variances from elsewhere


@pytest.mark.parametrize("promise", [name for name in PROMISES if name != "the_loss_never_rises"])
@pytest.mark.parametrize("frontend", ["stft", "waveform"])
def test_consistent_ilrma_keeps_all_promises_but_that_of_the_loss(promise, frontend):
    PROMISES[promise](Case(ILRMA(n_iter=4, consistency=True), frontend=frontend, single=1e-4))


def test_consistency_needs_the_transform():
    _, _, X = mixture()
    with pytest.raises(ParameterError, match="needs the STFT that X was made with, of 12 bins"):
        ILRMA(consistency=True).fit(X)


def test_variances_from_a_function_are_used_and_sources_keep_their_order():
    S, A, X = mixture(n=2, freq=16, frames=600)
    seen = []

    def variance(P):
        seen.append(P.copy())
        return abs(S) ** 2 + 1e-6

    model = ILRMA(n_iter=20, variance=variance).fit(X)
    assert separation(model.W, A) < 0.05
    assert (abs(model.W @ A).argmax(axis=2) == [0, 1]).all()
    assert model.templates is None
    assert seen[0].shape == X.shape


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda P: P[0], r"variance returned \(12, 150\)"),
        (lambda P: -P, "must be finite and at least 0"),
        (lambda P: None, "variance returned NoneType"),
        (lambda P: P.tolist(), "variance returned list"),
        (lambda P: P + 0j, r"variance returned \(3, 12, 150\) of complex128; expected real"),
        (lambda P: 0 * P, "variance returned 0 everywhere"),
    ],
)
def test_what_cannot_be_variances_is_refused(function, message):
    _, _, X = mixture()
    with pytest.raises((ParameterError, NumericalError), match=message):
        ILRMA(n_iter=2, variance=function).fit(X)


def test_variances_of_silence_may_be_nothing():
    X = np.zeros((2, 12, 150), complex)
    assert_allclose(ILRMA(n_iter=2, variance=lambda P: P).fit(X).reconstruct(), 0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_components": 0}, "n_components"),
        ({"density": "laplace"}, "density is 'laplace'"),
        ({"nu": 0}, "nu is 0"),
        ({"shape": 2.5}, "shape is 2.5"),
        ({"updates": "mu"}, "updates is 'mu'"),
        ({"rule": "ip3"}, "rule is 'ip3'"),
        ({"variance": 3}, "variance is 3"),
        ({"variance": abs, "consistency": True}, "takes the place of templates"),
        ({"variance": abs, "partitioned": True}, "takes the place of templates"),
        ({"density": "generalised"}, "did you mean 'generalized'"),
    ],
)
def test_parameters_out_of_range_are_refused(wrong, message):
    with pytest.raises(ParameterError, match=message):
        ILRMA(**wrong)


# ---- parity


@pytest.mark.parametrize("updates", ["MM", "ME"])
@pytest.mark.parametrize("rule", ["IP1", "IP2", "ISS1"])
@pytest.mark.parametrize("density", DENSITIES, ids=["gauss", "student", "generalized"])
@pytest.mark.parametrize("within", [1e-8])
def test_the_costs_are_those_of_ssspy_from_the_same_start(density, rule, updates, within):
    peers = pytest.importorskip("ssspy.bss.ilrma")
    if density.get("density") == "generalized" and updates == "ME":
        pytest.skip("ssspy has no ME there")
    kind, options = {
        "gauss": (peers.GaussILRMA, {}),
        "student": (peers.TILRMA, {"dof": 3.0}),
        "generalized": (peers.GGDILRMA, {"beta": 1.0}),
    }[density.get("density", "gauss")]
    _, _, X = mixture()
    start = start_of(X)
    peer = kind(
        n_basis=K,
        spatial_algorithm=rule,
        source_algorithm=updates,
        normalization=False,
        scale_restoration=False,
        flooring_fn=lambda x: np.maximum(x, 1e-30),
        **options,
    )
    peer(X, n_iter=10, basis=start.templates.copy(), activation=start.activations.copy())
    method = ILRMA(n_iter=10, rule=rule.lower(), updates=updates.lower(), **density)
    constant = 2 * np.linalg.slogdet(method.prepare(X).T)[1].sum()
    ours = costs(method, X, start) - constant
    assert_allclose(ours, peer.loss, rtol=0, atol=within * abs(ours).max())


def test_separate_takes_it_by_name():
    rng = np.random.default_rng(0)
    s = rng.laplace(size=(2, 6000)) * np.repeat(rng.gamma(0.3, size=(2, 30)), 200, axis=1)
    x = np.array([[1, 0.6], [0.5, 1]]) @ s
    found = separate(x, 8000, method="ilrma", n_iter=60, frontend=STFT(n_fft=512))
    images = np.array([[1], [0.5]]) * s[0], np.array([[0.6], [1]]) * s[1]
    scores = [max(si_sdr(image[:1], stem[:1]).item() for stem in found.values()) for image in images]
    assert min(scores) > 10
    assert_array_equal(list(found), ["source1", "source2"])
