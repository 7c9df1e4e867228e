"""The β-NMF updates and divergence in every twin are the sums of the paper, entry by entry."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.kernels import beta_nmf
from sigsep_classic.kernels.beta_nmf import divergence, multiplicative_update
from tests.emulation.emulator import emulated
from tests.kernels.conftest import in_order
from tests.reference import beta_nmf as reference

BETAS = (-1.0, -0.5, 0.0, 0.3, 0.5, 1.0, 1.5, 2.0, 2.7, 3.0)
TOLERANCE = {"float32": 2e-4, "float64": 1e-11}


def problem(n_freq, n_frames, n_components, real, seed=0):
    """Return V, W and H of mean about one, W and H laid out as the kernel wants them."""
    rng = np.random.default_rng(seed)
    W = rng.random((n_freq, n_components)) + 0.1
    H = rng.random((n_frames, n_components)) + 0.1
    V = (W @ H.T) * rng.gamma(2, 0.5, (n_freq, n_frames)) / (W @ H.T).mean() + 1e-3
    return V.astype(real), W.astype(real), H.astype(real).T


def exponent_of(beta):
    return 1 / (2 - beta) if beta < 1 else 1.0 if beta <= 2 else 1 / (beta - 1)


@pytest.fixture(params=["numpy", "numba", "cuda", "cuda-backwards"])
def line(request, monkeypatch):
    """Take one of the twins; `multiplicative_update` changes its arguments, so the common fixture can't."""
    if request.param.startswith("cuda"):
        with emulated(backwards=request.param.endswith("backwards")) as emulator:
            yield emulator
    else:
        if request.param == "numpy":
            monkeypatch.setattr(beta_nmf, "enabled", lambda: False)
        yield None


@pytest.mark.parametrize("factor", ["W", "H"])
@pytest.mark.parametrize("beta", BETAS)
def test_every_twin_is_the_papers_update(line, real, beta, factor):
    V, W, H = problem(9, 13, 3, real)
    expected = reference.updated(V, W, H, factor=factor, beta=beta, exponent=exponent_of(beta))
    multiplicative_update(V, W, H, factor=factor, beta=beta, exponent=exponent_of(beta))
    assert_allclose(W if factor == "W" else H, expected, rtol=TOLERANCE[real.name])
    if line is not None and beta != 2:
        assert {op for op, _ in line.launches} == {"beta_nmf"}


@pytest.mark.parametrize("factor", ["W", "H"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 300, 2), (300, 1, 2), (257, 259, 5), (31, 513, 1)])
def test_odd_sizes_and_several_tiles_are_covered(line, shape, factor):
    V, W, H = problem(*shape, np.float64)
    M = W @ H
    if factor == "H":
        expected = H * (W.T @ (V / M)) / W.sum(axis=0)[:, None]
    else:
        expected = W * ((V / M) @ H.T) / H.sum(axis=1)
    multiplicative_update(V, W, H, factor=factor, beta=1.0, exponent=1.0)
    assert_allclose(W if factor == "W" else H, expected, rtol=1e-11)


@pytest.mark.parametrize("factor", ["W", "H"])
@pytest.mark.parametrize("beta", [0.0, 1.0, 1.3, 2.0])
def test_data_may_be_read_only_and_in_any_order(line, order, beta, factor):
    V, W, H = problem(8, 11, 2, np.float64)
    expected = reference.updated(V, W, H, factor=factor, beta=beta, exponent=1.0)
    V = in_order(V, order)
    V.flags.writeable = False
    multiplicative_update(V, W, H, factor=factor, beta=beta, exponent=1.0)
    assert_allclose(W if factor == "W" else H, expected, rtol=1e-11)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 1.5, 2.2])
def test_gain_makes_up_for_the_level_of_the_data(line, real, beta):
    V, W, H = problem(9, 13, 3, real)
    plain = H.copy()
    multiplicative_update(V, W, plain, factor="H", beta=beta, exponent=1.0)
    level = real.type(2.0**-30)
    V, H = V * level, (H.T * level).T
    multiplicative_update(V, W, H, factor="H", beta=beta, exponent=1.0, gain=2.0**30)
    assert_array_equal(H, plain * level)


@pytest.mark.parametrize("beta", BETAS)
def test_divergence_is_the_papers_sum(real, beta, order):
    V, W, H = problem(7, 12, 3, real)
    expected = reference.divergence(V, W, H, beta=beta)
    V = in_order(V, order)
    for a in (V, W, H):
        a.flags.writeable = False
    assert_allclose(divergence(V, W, H, beta=beta), expected, rtol=20 * TOLERANCE[real.name])


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0])
def test_zeros_in_the_data_cost_what_the_formula_says(line, beta):
    V, W, H = problem(6, 7, 2, np.float64)
    V[::2, ::3] = 0
    assert_allclose(divergence(V, W, H, beta=beta), reference.divergence(V, W, H, beta=beta), rtol=1e-11)
    expected = reference.updated(V, W, H, factor="H", beta=beta, exponent=1.0)
    multiplicative_update(V, W, H, factor="H", beta=beta, exponent=1.0)
    assert_allclose(H, expected, rtol=1e-11)


@pytest.mark.parametrize("beta", BETAS)
def test_no_update_raises_the_divergence(line, beta):
    V, W, H = problem(10, 12, 3, np.float64)
    before = divergence(V, W, H, beta=beta)
    for factor in ("H", "W", "H", "W"):
        multiplicative_update(V, W, H, factor=factor, beta=beta, exponent=exponent_of(beta))
        now = divergence(V, W, H, beta=beta)
        assert now <= before * (1 + 1e-12)
        before = now


@pytest.mark.parametrize("beta", [0.0, 1.0, 1.5])
@pytest.mark.parametrize("silent", ["data", "W", "H"])
def test_silence_gives_finite_factors(line, real, silent, beta):
    V, W, H = problem(6, 7, 2, real)
    {"data": V, "W": W, "H": H}[silent][:] = 0
    for factor in ("H", "W"):
        multiplicative_update(V, W, H, factor=factor, beta=beta, exponent=1.0)
    assert np.isfinite(W).all()
    assert np.isfinite(H).all()
    assert math.isfinite(divergence(V, W, H, beta=beta))


@pytest.mark.parametrize("beta", [0.0, 1.0, 1.5, 1.3])
def test_one_and_four_threads_give_the_same_bits(use_threads, real, beta):
    results = []
    for n in (1, 4):
        use_threads(n)
        V, W, H = problem(600, 700, 4, real)
        for factor in ("H", "W"):
            multiplicative_update(V, W, H, factor=factor, beta=beta, exponent=1.0)
        results.append((W, H, np.array(divergence(V, W, H, beta=beta))))
    for one, four in zip(*results, strict=True):
        assert_array_equal(one, four)
