"""The β-NMF updates and divergence in every twin are the sums of the paper, entry by entry."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.kernels import beta_nmf, beta_sweep
from sigsep_classic.kernels.beta_divergence import divergence
from sigsep_classic.kernels.beta_nmf import joint_update, multiplicative_update, statistics
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


def masked(V, seed=5):
    """Return weights, a third of them 0, and V with nonsense there."""
    rng = np.random.default_rng(seed)
    weights = (rng.random(V.shape) * (rng.random(V.shape) > 1 / 3)).astype(V.dtype)
    return weights, np.where(weights > 0, V, np.inf).astype(V.dtype)


@pytest.mark.parametrize("factor", ["W", "H"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("beta", BETAS)
def test_statistics_are_the_two_sums_in_units_of_the_gain(line, real, beta, factor, weighted):
    V, W, H = problem(9, 13, 3, real)
    weights, holed = masked(V) if weighted else (None, V)
    gain = 0.25
    expected = reference.sums(V, W, H, factor=factor, beta=beta, weights=weights)
    unit = gain ** (beta - 1 if factor == "H" else beta)
    A = W if factor == "W" else H
    for sums, naive in zip(
        statistics(holed, W, H, factor=factor, beta=beta, gain=gain, weights=weights), expected, strict=True
    ):
        assert sums.shape == A.shape
        assert sums.strides == A.strides
        assert_allclose(sums, naive * unit, rtol=TOLERANCE[real.name])


@pytest.mark.parametrize("factor", ["W", "H"])
@pytest.mark.parametrize("beta", BETAS)
def test_weights_multiply_both_sums_and_hide_what_is_missing(line, real, beta, factor):
    V, W, H = problem(9, 13, 3, real)
    weights, holed = masked(V)
    numerator, denominator = reference.sums(V, W, H, factor=factor, beta=beta, weights=weights)
    expected = (W if factor == "W" else H) * (numerator / denominator) ** exponent_of(beta)
    multiplicative_update(
        holed, W, H, factor=factor, beta=beta, exponent=exponent_of(beta), weights=in_order(weights, "frames")
    )
    assert_allclose(W if factor == "W" else H, expected, rtol=TOLERANCE[real.name])


@pytest.mark.parametrize("beta", BETAS)
def test_weights_multiply_the_divergence(line, real, beta):
    V, W, H = problem(7, 12, 3, real)
    weights, holed = masked(V)
    M = W.astype(float) @ H.astype(float)
    expected = sum(
        float(weights[i]) * reference.d(float(V[i]), float(M[i]), beta) for i in np.ndindex(V.shape)
    )
    assert_allclose(
        divergence(holed, W, H, beta=beta, weights=weights), expected, rtol=20 * TOLERANCE[real.name]
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("beta", BETAS)
def test_joint_update_is_the_papers_pair_of_updates(line, real, beta, weighted):
    V, W, H = problem(9, 13, 3, real)
    weights, holed = masked(V) if weighted else (None, V)
    new_W, new_H = reference.joint(V, W, H, beta=beta, weights=weights)
    joint_update(holed, W, H, beta=beta, weights=weights)
    assert_allclose(H, new_H, rtol=TOLERANCE[real.name])
    assert_allclose(W, new_W, rtol=5 * TOLERANCE[real.name])


@pytest.mark.parametrize("beta", BETAS)
def test_no_joint_update_raises_the_divergence(line, beta):
    V, W, H = problem(10, 12, 3, np.float64)
    weights, V = masked(V)
    before = divergence(V, W, H, beta=beta, weights=weights)
    for _ in range(10):
        joint_update(V, W, H, beta=beta, weights=weights)
        now = divergence(V, W, H, beta=beta, weights=weights)
        assert now <= before * (1 + 1e-12)
        before = now


@pytest.mark.parametrize("beta", [0.0, 1.0, 1.3])
def test_joint_update_has_the_same_bits_on_one_and_four_threads_and_at_any_level(use_threads, real, beta):
    results = []
    for n, level in ((1, 1.0), (4, 1.0), (4, 2.0**-20)):
        use_threads(n)
        V, W, H = problem(300, 700, 4, real)
        V, H = V * real.type(level), (H.T * real.type(level)).T
        for _ in range(2):
            joint_update(V, W, H, beta=beta, gain=1 / level)
        results.append((W, H / real.type(level)))
    for other in results[1:]:
        assert_array_equal(other[0], results[0][0])
        assert_array_equal(other[1], results[0][1])


@pytest.mark.parametrize("beta", [0.0, 1.0, 1.5])
@pytest.mark.parametrize("silent", ["data", "W", "H", "weights"])
def test_joint_update_of_silence_is_finite(line, real, silent, beta):
    V, W, H = problem(6, 7, 2, real)
    weights = np.ones_like(V)
    {"data": V, "W": W, "H": H, "weights": weights}[silent][:] = 0
    for _ in range(3):
        joint_update(V, W, H, beta=beta, weights=weights)
    assert np.isfinite(W).all()
    assert np.isfinite(H).all()


@pytest.mark.parametrize("beta", [1.0001, 0.9999, 1e-4, -1e-4, 8.0, 1e-3, 0.5, -2.0])
def test_float32_has_the_divergence_of_float64_for_every_beta(beta: float) -> None:
    rng = np.random.default_rng(0)
    V, W, H = (rng.gamma(2.0, size=s).astype(np.float32) + 0.1 for s in ((30, 40), (30, 4), (4, 40)))
    expected = reference.divergence(V, W, H, beta=beta)
    weights = np.ones_like(V)
    for given in (None, weights):
        found = divergence(V, W, np.ascontiguousarray(H.T).T, beta=beta, weights=given)
        assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(("beta", "limit"), [(1e-9, 0.0), (-1e-12, 0.0), (1 + 1e-9, 1.0), (1 - 1e-14, 1.0)])
def test_beta_next_to_a_limit_is_the_limit(beta: float, limit: float) -> None:
    rng = np.random.default_rng(0)
    V, W, H = (rng.gamma(2.0, size=s) + 0.1 for s in ((30, 40), (30, 4), (4, 40)))
    assert divergence(V, W, H, beta=beta) == divergence(V, W, H, beta=limit)
    assert beta_sweep.exponent_of(beta) == beta_sweep.exponent_of(limit)


def test_zeros_cost_what_the_formula_says() -> None:
    V, M = np.zeros((1, 1)), np.full((1, 1), 2.0)
    for beta in (0.2, 0.7, 1.3, 3.0):
        assert_allclose(divergence(V, M, np.ones((1, 1)), beta=beta), 2.0**beta / beta, rtol=1e-12)
