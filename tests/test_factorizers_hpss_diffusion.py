"""Complementary diffusion lowers its objective, keeps H + P = W, and ends at the minimum."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import METHODS, separate, synthesize
from sigsep_classic.errors import ParameterError
from sigsep_classic.metrics import si_sdr

HPSSDiffusion = METHODS["hpss_diffusion"]


def noise(shape=(2, 12, 15), seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def objective(H, P, balance):
    total = 0.0
    for c, f, t in np.ndindex(H.shape):
        if t:
            total += balance * (H[c, f, t] - H[c, f, t - 1]) ** 2
        if f:
            total += (1 - balance) * (P[c, f, t] - P[c, f - 1, t]) ** 2
    return total


def stepped(H, P, W, balance):
    """One update, coefficient by coefficient; what is beyond an edge equals the edge."""
    out = np.empty_like(H)
    n_freq, n_frames = H.shape[1:]
    for c, f, t in np.ndindex(H.shape):
        before, after = H[c, f, max(t - 1, 0)], H[c, f, min(t + 1, n_frames - 1)]
        below, above = P[c, max(f - 1, 0), t], P[c, min(f + 1, n_freq - 1), t]
        along_time = (before - 2 * H[c, f, t] + after) / 4
        along_frequency = (below - 2 * P[c, f, t] + above) / 4
        delta = balance * along_time - (1 - balance) * along_frequency
        out[c, f, t] = min(max(H[c, f, t] + delta, 0), W[c, f, t])
    return out


@pytest.mark.parametrize("balance", [0.3, 0.5, 1.0])
def test_steps_are_those_of_the_paper_coefficient_by_coefficient(balance):
    X = noise()
    method = HPSSDiffusion(balance=balance, compression=0.3, n_iter=4)
    W = abs(X) ** 0.6
    H = W / 2
    for model in method.iterate(X):
        assert_allclose(model.H, H, atol=1e-12)
        assert_allclose(model.H + model.P, W, atol=1e-12)
        assert_allclose(method.loss(W, model), objective(model.H, model.P, balance), rtol=1e-10)
        H = stepped(H, W - H, W, balance)


@pytest.mark.parametrize("balance", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_the_objective_never_rises(balance):
    method = HPSSDiffusion(balance=balance, n_iter=60)
    X = noise((1, 20, 30), seed=3)
    W = method.prepare(X)
    losses = [method.loss(W, model) for model in method.iterate(X)]
    assert all(b <= a * (1 + 1e-12) for a, b in itertools.pairwise(losses))
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("within", [1e-5])
def test_the_end_is_the_minimum_of_the_objective(within):
    """A convex quadratic problem in a box: SciPy's bounded search finds no lower value."""
    from scipy.optimize import minimize

    X = noise((1, 5, 6), seed=1)
    method = HPSSDiffusion(balance=0.4, n_iter=5000)
    W = method.prepare(X)
    end = method.init(W)
    for _ in range(method.n_iter):
        end = method.step(W, end)

    def of(h):
        H = h.reshape(W.shape)
        return objective(H, W - H, 0.4)

    found = minimize(of, W.ravel() / 2, bounds=[(0, w) for w in W.ravel()], method="L-BFGS-B", tol=1e-14)
    assert_allclose(method.loss(W, end), found.fun, rtol=within)


def test_turning_time_into_frequency_swaps_the_parts():
    X = noise((1, 14, 14))
    one = HPSSDiffusion(balance=0.3, n_iter=9).fit(X).gains()
    other = HPSSDiffusion(balance=0.7, n_iter=9).fit(X.swapaxes(-1, -2)).gains()
    assert_allclose(one[0], other[1].swapaxes(-1, -2), atol=1e-10)


def test_binary_masks_are_the_papers():
    X = noise()
    method = HPSSDiffusion(n_iter=7, mask_power=float("inf"))
    *_, end = method.iterate(X)
    assert_array_equal(method.fit(X).gains()[0], end.H > end.P)


def test_a_start_is_gone_on_from():
    X = noise()
    *_, half = HPSSDiffusion(n_iter=5).iterate(X)
    whole = HPSSDiffusion(n_iter=11).fit(X).gains()
    assert_allclose(HPSSDiffusion(n_iter=6).fit(X, start=half).gains(), whole, atol=1e-12)
    with pytest.raises(ParameterError, match="what iterate"):
        HPSSDiffusion().fit(X, start=HPSSDiffusion(n_iter=1).fit(X))


def test_drums_are_told_from_the_rest():
    mix = synthesize("song", seconds=4.0, sample_rate=16000)
    sep = separate(mix.mixture, 16000, method="hpss_diffusion")
    truth = mix.stems["drums"][None].astype(float)
    before = si_sdr(truth, mix.mixture[None].astype(float)).mean()
    assert si_sdr(truth, sep["percussive"][None].astype(float)).mean() > before + 5


@pytest.mark.parametrize(("name", "value"), [("balance", 1.5), ("compression", 0), ("mask_power", 0)])
def test_parameters_out_of_range_are_refused(name, value):
    with pytest.raises(ParameterError, match=name):
        HPSSDiffusion(**{name: value})
