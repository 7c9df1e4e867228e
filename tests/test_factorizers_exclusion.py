"""Sources that exclude each other: the loss and its gradient, one matrix found, real where it should be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import STFT, Waveform, WeakExclusionICA, separate, synthesize
from sigsep_classic.errors import ParameterError
from sigsep_classic.metrics import si_sdr


def sparse(n, n_points=3000, *, complex_points=False, seed=0):
    """Return X (n, 3, points / 3) and its mixing matrix, real or complex."""
    rng = np.random.default_rng(seed)
    S = rng.standard_normal((n, 3, n_points // 3)) * (rng.random((n, 3, n_points // 3)) < 0.3)
    A = rng.standard_normal((n, n))
    if complex_points:
        S = S * np.exp(2j * np.pi * rng.random(S.shape))
    return np.tensordot(A, S, axes=1), A


def leakage(W, A):
    """Return the largest share of an unwanted source in an output, relative to the wanted one."""
    P = abs(W @ A)
    return np.sort(P / P.max(axis=1, keepdims=True), axis=1)[:, -2].max()


@pytest.mark.parametrize("complex_points", [False, True])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_matrix_is_found(n, complex_points):
    X, A = sparse(n, complex_points=complex_points)
    model = WeakExclusionICA().fit(X)
    assert model.W.dtype.kind == "f"
    assert leakage(model.W[0], A) < 0.05


def test_a_complex_matrix_is_found_where_it_may_be_complex():
    X, A = sparse(2, complex_points=True)
    turn = np.array([1, 1j])[:, None, None]
    model = WeakExclusionICA(complex_mixing=True).fit(turn * X)
    assert leakage(model.W[0], turn[:, 0] * A) < 0.05
    assert leakage(WeakExclusionICA().fit(turn * X).W[0], turn[:, 0] * A) > 0.1


@pytest.mark.parametrize("complex_mixing", [False, True])
@pytest.mark.parametrize("complex_points", [False, True])
def test_the_loss_is_the_one_in_the_docstring_and_never_rises(complex_points, complex_mixing):
    X, _ = sparse(3, 300, complex_points=complex_points)
    method = WeakExclusionICA(complex_mixing=complex_mixing, scale=0.5, n_iter=40)
    data = method.prepare(X)
    found = list(method.iterate(X))
    for state in found[:3]:
        y = (state.R @ data.white)[0]
        phi = np.log1p(abs(y) ** 2 / 0.25)
        wanted = sum((phi[n] * phi[m]).mean() for n, m in itertools.combinations(range(3), 2))
        assert_allclose(state.value, wanted, rtol=1e-10)
        assert_allclose(state.R[0] @ state.R[0].conj().T, np.eye(3), atol=1e-12)
    assert all(b.value <= a.value for a, b in itertools.pairwise(found))
    assert found[-1].value < found[0].value


def test_the_step_goes_down_the_gradient():
    X, _ = sparse(3, 300, complex_points=True)
    method = WeakExclusionICA(complex_mixing=True)
    data = method.prepare(X)
    state = method.init(data)
    rate, R = next(itertools.islice(method.candidates(data, state), 15, 16))  # halved often: a small step
    change = (R - state.R)[0] / rate  # K = Gᴴ - G
    slope = (method.at(data, R, 1.0).value - state.value) / rate
    assert_allclose(slope, -(abs(change) ** 2).sum(), rtol=1e-2)


def test_whitened_points_have_unit_power_on_every_front_end():
    for X in (sparse(2)[0], sparse(2, complex_points=True)[0]):
        data = WeakExclusionICA().prepare(X)
        assert_allclose((abs(data.white) ** 2).mean(axis=2), 1, rtol=1e-10)


def test_voices_mixed_without_echo_are_separated():
    mix = synthesize("stereo2x2", seconds=2.0, sample_rate=8000)
    for frontend in (STFT(n_fft=512), Waveform()):
        sep = separate(mix.mixture, mix.sample_rate, method="exclusion", frontend=frontend)
        for voice in mix.stems.values():
            assert max(float(np.mean(si_sdr(voice, stem))) for stem in sep.values()) > 25


def test_an_offset_takes_no_part():
    X, _ = sparse(2)
    W = WeakExclusionICA().fit(X).W
    assert_allclose(WeakExclusionICA().fit(X + 10).W, W, atol=1e-6 * abs(W).max())


def test_fewer_sources_leave_a_residual():
    X, _ = sparse(3)
    model = WeakExclusionICA(n_sources=2).fit(X)
    assert model.names == ("source1", "source2")
    assert model.residual


def test_a_scale_of_nothing_is_refused():
    with pytest.raises(ParameterError, match="scale"):
        WeakExclusionICA(scale=0)
