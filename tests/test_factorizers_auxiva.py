"""AuxIVA: what it finds, that its loss never rises, and that peers take the same steps."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import ICA, STFT, AuxIVA, Waveform
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.factorizers.demixing.priors import PRIORS, Prior
from sigsep_classic.kernels.demixing import RULES, joined


def room(n_sources, n_samples=12_000, *, seed=0, n_taps=200):
    """Return bursts through short random rooms, STFT coefficients with the loudest channel first."""
    rng = np.random.default_rng(seed)
    levels = np.repeat(rng.random((n_sources, n_samples // 400)) > 0.5, 400, axis=1)
    s = rng.laplace(size=(n_sources, n_samples)) * (levels + 0.01)
    taps = rng.standard_normal((n_sources, n_sources, n_taps)) * np.exp(-np.arange(n_taps) / 30)
    x = np.stack([sum(np.convolve(s[j], h[j])[:n_samples] for j in range(n_sources)) for h in taps])
    X = STFT(n_fft=256, hop=128).analyze(x)
    return X[np.argsort(-(abs(X) ** 2).sum(axis=(1, 2)))]


def sources(F, T, n, *, seed=0):
    """Return S (n, F, T) of changing level, A (F, n, n) and X = A S."""
    rng = np.random.default_rng(seed)
    S = rng.gamma(0.3, size=(n, 1, T)) * (
        rng.standard_normal((n, F, T)) + 1j * rng.standard_normal((n, F, T))
    )
    A = np.eye(n) + 0.4 * (rng.standard_normal((F, n, n)) + 1j * rng.standard_normal((F, n, n)))
    return S, A, np.einsum("fcn,nft->cft", A, S)


def outputs(method, X):
    """Return the outputs (sources, freq, frames) after all iterations, in the order of rows."""
    *_, state = method.iterate(X)
    return (state.R @ joined(state.bins.Z)).swapaxes(0, 1)


def assert_same_outputs(a, b, within):
    """Fail unless outputs are the same up to a complex factor for each source and bin."""
    a, b = (y / np.linalg.norm(y, axis=2, keepdims=True) for y in (a, b))
    inner = (a.conj() * b).sum(axis=2, keepdims=True)
    assert_allclose(a * inner / abs(inner), b, rtol=0, atol=within)


def leak(W, A):
    """Return the share of other sources in the outputs, over all bins, in the best order."""
    gains = abs(W @ A) ** 2
    shares = gains / gains.sum(axis=2, keepdims=True)
    best = shares.mean(axis=0).argmax(axis=1)
    assert sorted(best) == list(range(len(best)))
    return 1 - min(shares[:, n, m].mean() for n, m in enumerate(best))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("prior", PRIORS)
def test_sources_whose_frequencies_rise_and_fall_together_are_found_in_one_order(prior, rule):
    _, A, X = sources(30, 600, 3)
    model = AuxIVA(prior=prior, rule=rule, n_iter=60, dof=10).fit(X)
    assert leak(model.W, A) < (0.05 if prior == "logcosh" else 0.02)
    assert_allclose(model.reconstruct().sum(axis=0), X, atol=1e-9 * abs(X).max())


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("prior", PRIORS)
def test_the_loss_never_rises(prior, rule):
    X = room(3)
    X[:, :, 10:20] = 0
    for real, slack in (("complex128", 1e-10), ("complex64", 1e-5)):
        method = AuxIVA(prior=prior, rule=rule, n_iter=12)
        data = method.prepare(X.astype(real))
        losses = [method.loss(data, state) for state in method.iterate(X.astype(real))]
        assert (np.diff(losses) <= slack * max(map(abs, losses))).all()


@pytest.mark.parametrize("prior", ["laplace", "gauss"])
@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("within", [1e-10])
def test_demixing_matrices_are_those_of_pyroomacoustics(n, prior, within):
    bss = pytest.importorskip("pyroomacoustics").bss
    X = room(n)
    Y = bss.auxiva(X.transpose(2, 1, 0).copy(), n_iter=20, proj_back=False, model=prior)
    Y = Y.transpose(2, 1, 0)
    assert_same_outputs(outputs(AuxIVA(prior=prior, n_iter=20), X), Y, within)
    single = outputs(AuxIVA(prior=prior, n_iter=20), X.astype("complex64"))
    assert_same_outputs(single, Y, 1e-4)


@pytest.mark.parametrize(("rule", "n_iter", "within"), [("ip1", 5, 1e-6), ("ip2", 5, 1e-6), ("iss1", 5, 1e-6),
                                                        ("iss2", 5, 1e-6), ("ipa", 60, 1e-5)])  # fmt: skip
def test_outputs_are_those_of_ssspy(rule, n_iter, within):
    iva = pytest.importorskip("ssspy.bss.iva")
    X, pairs, options = room(3), "sequential", {}
    if rule == "ip2":  # ssspy weighs anew between pairs: one pair is the same
        pairs = [(0, 2)]
        options["pair_selector"] = lambda n: pairs
    if rule == "ipa":  # it depends on the scale of rows, which ssspy begins elsewhere: the same end
        options["newton_iter"] = 100
    peer = iva.AuxLaplaceIVA(
        spatial_algorithm=rule.upper(), scale_restoration=False, record_loss=False, **options
    )
    Y = peer(X.copy(), n_iter=n_iter)
    assert_same_outputs(outputs(AuxIVA(rule=rule, n_iter=n_iter, pairs=pairs), X), Y, within)


def test_iva_with_one_frequency_is_ica():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((3, 3))
    x = A @ rng.laplace(size=(3, 5000))
    x -= x.mean(axis=1, keepdims=True)
    X = Waveform().analyze(x)
    one = AuxIVA(prior="logcosh", n_iter=1000).fit(X)
    other = ICA(solver="auxiliary", n_iter=1000, tol=1e-12).fit(X)
    assert one.W.dtype == X.dtype
    assert_allclose(one.W, other.W, atol=1e-8 * abs(other.W).max())


def test_row_updates_need_the_most_iterations_and_pairs_or_adjustment_fewer():
    X = room(3)
    left = {}
    for rule in RULES:
        method = AuxIVA(rule=rule, n_iter=10)
        *_, state = method.iterate(X)
        left[rule] = method.loss(method.prepare(X), state)
    assert max(left["ip2"], left["iss2"], left["ipa"]) < min(left["ip1"], left["iss1"])


def test_a_warm_start_goes_on_where_the_first_run_ended():
    X = room(2)
    whole = AuxIVA(n_iter=20)
    part = AuxIVA(n_iter=10)
    resumed = part.fit(X, start=part.fit(X))
    assert_allclose(resumed.losses[-1][1], whole.fit(X).losses[-1][1], rtol=1e-3)
    with pytest.raises(ShapeError, match="start has W"):
        part.fit(room(3), start=part.fit(X))


def test_tol_stops_and_says_converged():
    _, _, X = sources(10, 400, 2)
    model = AuxIVA(n_iter=500, tol=1e-6, rule="ip2").fit(X)
    assert model.converged
    assert model.losses[-1][0] < 500
    assert not AuxIVA(n_iter=2).fit(X).converged


def test_fewer_sources_than_channels_leave_a_residual():
    S, A, X = sources(12, 400, 3)
    X = np.einsum("fcn,nft->cft", A[:, :, :2], S[:2]) + 1e-3 * X
    model = AuxIVA(n_sources=2, n_iter=50).fit(X)
    assert model.residual
    assert model.W.shape == (12, 2, 3)
    gains = abs(model.W @ A[:, :, :2])
    assert (gains.min(axis=2) < 0.2 * gains.max(axis=2)).mean() > 0.9


CASES = {
    "a silent channel": lambda X: np.concatenate([X, 0 * X[:1]]),
    "a copied channel": lambda X: np.concatenate([X, X[:1]]),
    "silence at the start": lambda X: np.concatenate([0 * X[:, :, :20], X], axis=2),
    "silence": lambda X: 0 * X,
    "one second": lambda X: X[:, :, :60],
    "60 dB between channels": lambda X: X * np.array([1, 1e-3])[:, None, None],
    "a pure tone": lambda X: X * (np.arange(X.shape[1]) == 20)[:, None],
    "a narrow band": lambda X: X * (np.arange(X.shape[1]) < 30)[:, None],
    "an offset": lambda X: X + 100 * (np.arange(X.shape[1]) == 0)[:, None],
}


@pytest.mark.parametrize("real", ["complex64", "complex128"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("case", CASES)
def test_what_recordings_are_like_is_finite_and_the_level_does_not_matter(case, rule, real, caplog):
    X = CASES[case](room(2)).astype(real)
    method = AuxIVA(rule=rule, n_iter=8)
    images = method.fit(X).reconstruct()
    assert np.isfinite(images).all()
    for factor in (1e-6, 32768):
        scaled = method.fit(X * np.float32(factor)).reconstruct() / factor
        assert_allclose(scaled, images, rtol=0, atol=1e-3 * abs(X).max())
    if "channel" in case and "between" not in case:
        assert "channel 3" in caplog.text


def test_nan_is_refused_in_one_line():
    X = room(2)
    X[0, 3, 4] = np.nan
    with pytest.raises(NumericalError, match="not finite"):
        AuxIVA().fit(X)


def test_a_dead_channel_is_told_by_number(caplog):
    X = room(2)
    with caplog.at_level(logging.WARNING, logger="sigsep_classic"):
        model = AuxIVA(n_iter=2).fit(np.concatenate([X, 0 * X[:1]]))
    assert "channel 3 is silent" in caplog.text
    assert model.n_active == 2


@pytest.mark.parametrize("kind", PRIORS)
def test_weights_are_the_slope_of_costs_which_are_concave(kind):
    prior = Prior(kind=kind, n_freq=50, shape=0.7, dof=3)
    u = np.geomspace(1e-12, 1e3, 2001)
    cost, slope = prior.costs(u[None])[0], prior.weights(u[None])[0]
    assert (np.diff(slope) <= 0).all()
    middle = prior.weights(np.sqrt(u[1:] * u[:-1])[None])[0]
    assert_allclose(np.diff(cost) / np.diff(u), middle, rtol=1e-3)
    chord = cost[:-1] + slope[:-1] * np.diff(u)
    assert (cost[1:] <= chord + 1e-12 * abs(cost).max()).all()


@pytest.mark.parametrize("kind", PRIORS)
def test_the_best_scale_of_a_source_is_where_the_mean_of_weight_times_power_is_one(kind):
    prior = Prior(kind=kind, n_freq=50, shape=0.7, dof=3)
    u = np.random.default_rng(0).gamma(2.0, size=(2, 500)) * [[1e-5], [1e4]]
    scaled = u * prior.gains(u)[:, None]
    assert_allclose((prior.weights(scaled) * scaled).mean(axis=1), 1, rtol=2e-2)


def test_special_shapes_are_the_other_priors():
    u = np.geomspace(1e-3, 10, 7)[None]
    weights = {kind: Prior(kind=kind, n_freq=8).weights(u) for kind in ("laplace", "gauss")}
    assert_allclose(Prior(kind="generalized", n_freq=8, shape=1).weights(u), weights["laplace"])
    assert_allclose(Prior(kind="generalized", n_freq=8, shape=1e-9).weights(u), weights["gauss"], rtol=1e-6)
    assert_allclose(Prior(kind="student", n_freq=8, dof=1e-9).weights(u), weights["gauss"], rtol=1e-5)
    assert_allclose(Prior(kind="generalized", n_freq=8, shape=2).weights(u), 1)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"prior": "cauchy"}, "prior is 'cauchy'"),
        ({"rule": "ip"}, "rule is 'ip'"),
        ({"pairs": "some"}, "pairs is 'some'"),
        ({"pairs": 123}, "pairs is 123"),
        ({"pairs": [1, 2]}, r"pairs is \[1, 2\]"),
        ({"pairs": [(0, 1.5)]}, "give sequential, all, a list of pairs, or a function"),
        ({"pairs": [(0, 0)]}, r"pairs has \(0, 0\)"),
        ({"pairs": [(-1, 0)]}, r"pairs has \(-1, 0\)"),
        ({"pairs": []}, "pairs is empty"),
        ({"shape": 0}, "shape is 0"),
        ({"shape": 2.1}, "shape is 2.1"),
        ({"dof": 0}, "dof is 0"),
        ({"n_iter": -1}, "n_iter is -1"),
        ({"n_sources": 0}, "n_sources is 0"),
    ],
)
def test_wrong_parameters_are_refused(options, match):
    with pytest.raises(ParameterError, match=match):
        AuxIVA(**options)
