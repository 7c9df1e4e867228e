"""Batches of β-NMF problems on the GPU: the sums of each problem alone, and no more work or memory than that takes."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import backend
from sigsep_classic.factorizers.lowrank import solvers
from sigsep_classic.kernels import beta_tiles
from sigsep_classic.kernels.beta_divergence import divergence
from sigsep_classic.kernels.beta_nmf import joint_update, multiplicative_update
from sigsep_classic.kernels.beta_sweep import exponent_of
from tests.emulation.emulator import emulated
from tests.kernels.test_beta_nmf import BETAS, TOLERANCE, masked, problem
from tests.reference import beta_nmf as reference

F, T, K = 2049, 100_000, 64


class Counted:
    """Counts products and launches in place of making them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.flops, self.bytes, self.launches = 0.0, 0, Counter[str]()
        monkeypatch.setattr(np, "matmul", self.matmul)

    def matmul(self, A: Any, B: Any, *, out: Any = None) -> Any:
        batch, (n, k), m = np.broadcast_shapes(A.shape[:-2], B.shape[:-2]), A.shape[-2:], B.shape[-1]
        self.flops += 2.0 * n * k * m * np.prod(batch)
        return np.empty((*batch, n, m), A.dtype) if out is None else out

    def module(self, op: str, source: str, options: Any) -> Counted:
        return self

    def run(self, name: str, grid: Any, block: Any, args: Any) -> None:
        self.launches[name] += 1


pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # products are counted, not made


@pytest.fixture
def counted(monkeypatch):
    counts = Counted(monkeypatch)
    with backend.emulated_cuda(counts):
        yield counts


def untouched(*shape):
    """Return zeros that nobody has looked at, which take no memory."""
    return np.zeros(shape, np.float32)


# Products of an iteration in units of F K T operations; β = 1 needs no product with P, which is 1.
WORK = {(1.0, False): 8, (1.0, True): 6, (0.0, False): 12, (0.0, True): 10}


@pytest.mark.parametrize(("beta", "joint"), WORK)
def test_an_iteration_makes_the_products_it_needs_in_64_megabytes(counted, beta, joint):
    V, W, H = untouched(T, F).T, untouched(F, K), untouched(T, K).T
    tracemalloc.start()
    try:
        if joint:
            joint_update(V, W, H, beta=beta)
        else:
            for factor in "WH":
                multiplicative_update(V, W, H, factor=factor, beta=beta, exponent=1.0)
        workspace = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert counted.flops == WORK[beta, joint] * F * K * T
    assert workspace < 64e6
    n_tiles = -(-V.nbytes * (1 + (beta != 1)) // beta_tiles.TILE_BYTES) + 1
    assert counted.launches["tile_ratios"] <= (1 if joint else 2) * n_tiles
    assert counted.launches["multiply"] <= n_tiles + 1


def test_the_divergence_is_one_product_and_one_look_at_the_data(counted):
    V, W, H = untouched(T, F).T, untouched(F, K), untouched(T, K).T
    tracemalloc.start()
    try:
        divergence(V, W, H, beta=1.0)
        workspace = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert counted.flops == 2 * F * K * T
    assert workspace < 40e6
    assert set(counted.launches) == {"divergence"}


def test_64_problems_take_hardly_more_products_and_launches_than_their_bytes_need(counted):
    B, n_freq, n_frames, n_k = 64, 1025, 2580, 32
    bounds = np.array([[b * n_frames, n_frames] for b in range(B)])
    data = beta_tiles.Frames(V=untouched(B * n_frames, n_freq), bounds=bounds, beta=1.0)
    W, H = untouched(B, n_freq, n_k), untouched(B, beta_tiles.padded_frames(n_frames), n_k)
    beta_tiles.update_W(data, W, H, exponent=1.0, tiny=0.0)
    beta_tiles.update_H(data, W, H, exponent=1.0, tiny=0.0)
    assert counted.flops <= 1.002 * 8 * B * n_freq * n_frames * n_k
    assert sum(counted.launches.values()) <= 3.1 * data.V.nbytes / beta_tiles.TILE_BYTES * 1.2


@pytest.fixture(params=["whole", "tiles"])
def tiled(request, monkeypatch):
    """All in one tile, or problems and frames in many; frames summed over in parts."""
    if request.param == "tiles":
        monkeypatch.setattr(beta_tiles, "TILE_BYTES", 4000)
        monkeypatch.setattr(beta_tiles, "MOST_FRAMES", 8)
    with emulated() as emulator:
        yield emulator


def batch_of(real, beta, *, weighted=False):
    """Return problems of several lengths and ranks, and the same as a batch filled up with zeros."""
    sizes = ((13, 3), (9, 2), (16, 4), (50, 3))
    alone = [problem(7, n, k, real, seed) for seed, (n, k) in enumerate(sizes)]
    weights = [masked(V)[0] if weighted else None for V, _, _ in alone]
    n_frames = beta_tiles.padded_frames(50)
    W, H = np.zeros((4, 7, 4), real), np.zeros((4, n_frames, 4), real)
    starts = np.cumsum([0] + [n for n, _ in sizes])
    for b, (n, k) in enumerate(sizes):
        W[b, :, :k], H[b, :n, :k] = alone[b][1], alone[b][2].T
    data = beta_tiles.Frames(
        V=np.ascontiguousarray(np.concatenate([V.T for V, _, _ in alone])),
        bounds=np.array([[at, n] for at, (n, _) in zip(starts, sizes, strict=False)]),
        beta=beta,
        weights=np.ascontiguousarray(np.concatenate([w.T for w in weights])) if weighted else None,
    )
    return alone, weights, data, W, H


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("beta", [-1.0, 0.0, 1.0, 1.5, 2.0])
def test_filling_up_with_zeros_changes_no_problem_and_zeros_stay(tiled, real, beta, weighted):
    alone, weights, data, W, H = batch_of(real, beta, weighted=weighted)
    exponent, tolerance = exponent_of(beta), 3 * TOLERANCE[real.name]
    found = beta_tiles.divergences(data, W, H)
    beta_tiles.update_W(data, W, H, exponent=exponent, tiny=0.0)
    beta_tiles.update_H(data, W, H, exponent=exponent, tiny=0.0)
    beta_tiles.update_both(data, W, H, exponent=exponent, tiny=(0.0, 0.0))
    for b, ((V, W_own, H_own), own_weights) in enumerate(zip(alone, weights, strict=True)):
        given = {"beta": beta, "weights": own_weights}
        assert_allclose(found[b], divergence(V, W_own, H_own, **given), rtol=tolerance)
        for factor in "WH":
            multiplicative_update(V, W_own, H_own, factor=factor, exponent=exponent, **given)
        joint_update(V, W_own, H_own, **given)
        n, k = H_own.T.shape
        assert_allclose(W[b, :, :k], W_own, rtol=tolerance)
        assert_allclose(H[b, :n, :k], H_own.T, rtol=tolerance)
        assert not W[b, :, k:].any()
        assert not H[b, n:].any()
        assert not H[b, :, k:].any()


def test_some_of_the_problems_are_their_own_batch(tiled, real):
    _, _, data, W, H = batch_of(real, 1.0)
    chosen = np.array([2, 0])
    part = W[chosen], H[chosen]
    for batch, factors in ((data, (W, H)), (data.take(chosen), part)):
        beta_tiles.update_both(batch, *factors, exponent=1.0, tiny=(0.0, 0.0))
    assert_allclose(part[0], W[chosen], rtol=TOLERANCE[real.name])
    assert_allclose(part[1], H[chosen], rtol=TOLERANCE[real.name])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("beta", BETAS)
def test_the_divergence_of_a_tile_is_the_papers_sum(tiled, real, beta, weighted):
    V, W, H = problem(7, 60, 3, real)
    V[2, :5] = 0
    weights, holed = masked(V) if weighted else (None, V)
    M = W.astype(float) @ H.astype(float)
    expected = sum(
        (1.0 if weights is None else float(weights[i]))
        * reference.d(max(float(V[i]), 1e-10 * (beta <= 0)), M[i], beta)
        for i in np.ndindex(V.shape)
    )
    assert_allclose(
        divergence(holed, W, H, beta=beta, weights=weights), expected, rtol=20 * TOLERANCE[real.name]
    )


def test_beta_near_a_limit_is_told_to_the_kernel_in_double(tiled):
    V, W, H = problem(7, 20, 3, np.float32)
    for beta in (1.0001, 0.9999, 1e-4):
        assert_allclose(divergence(V, W, H, beta=beta), reference.divergence(V, W, H, beta=beta), rtol=1e-5)


def test_running_ahead_is_what_the_solver_does_on_the_cpu(real):
    rng = np.random.default_rng(0)
    now, before = (rng.random((3, 5, 4)).astype(real) for _ in range(2))
    now[0, 0], before[1, 1] = 0, 0
    by = np.array([0.0, 0.5, 0.95], real)
    expected = [solvers._ahead(now[b], before[b], float(by[b])) for b in range(3)]
    with emulated():
        found = beta_tiles.ahead(now, before, by, least=solvers.LEAST_CHANGE, largest=solvers.LARGEST_CHANGE)
    assert_allclose(found, expected, rtol=1e-6)
    assert_array_equal(found[0], now[0])


def test_data_in_another_order_are_copied_a_tile_at_a_time(tiled):
    V, W, H = problem(40, 60, 3, np.float32)
    expected = H.T.copy().T
    multiplicative_update(np.ascontiguousarray(V.T).T, W, expected, factor="H", beta=1.0, exponent=1.0)
    found = H.T.copy().T
    multiplicative_update(np.ascontiguousarray(V), W, found, factor="H", beta=1.0, exponent=1.0)
    assert_array_equal(found, expected)


def test_data_are_shared_by_problems_that_name_the_same_frames(tiled):
    _, _, data, W, H = batch_of(np.float64, 1.0)
    same = replace(data, bounds=np.repeat(data.bounds[:1], 4, axis=0))
    W[:], H[:] = W[:1], H[:1]
    beta_tiles.update_both(same, W, H, exponent=1.0, tiny=(0.0, 0.0))
    for b in range(1, 4):
        assert_allclose(W[b], W[0], rtol=1e-12)
        assert_allclose(H[b], H[0], rtol=1e-12)
