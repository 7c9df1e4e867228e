"""The updates of FastMNMF in every twin are those computed cell by cell, and lower the divergence."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.kernels import fast_mnmf
from tests.reference import fast_mnmf as reference

SHAPES = [(1, 1, 1, 1, 1), (2, 3, 5, 7, 9), (3, 2, 4, 11, 6), (5, 6, 9, 3, 33)]
"""dims, sources, components, bins, frames."""


def data(dims, sources, components, freq, frames, *, real="float64", local=False):
    rng = np.random.default_rng(0)

    def positive(*shape):
        return rng.uniform(0.2, 2, shape).astype(real)

    P = positive(dims, freq, frames + dims) ** 4
    ridge = 0.1 * positive(dims, freq)
    W, H = positive(sources, freq, components), positive(sources, components, frames)
    return P, ridge, W, H, positive(freq if local else 1, sources, dims)


def divergence(P, ridge, W, H, G):
    U = fast_mnmf.precisions(W, H, G)
    return float(((P[:, :, : H.shape[2]] + ridge[:, :, None]) * U - np.log(U)).sum())


@pytest.fixture(params=[False, True], ids=["shared", "local"])
def local(request):
    """G for all bins, or for each its own."""
    return request.param


@pytest.fixture(params=SHAPES, ids=str)
def case(request, real, local):
    """P, ridge, W, H and G, and how near is near."""
    return data(*request.param, real=real, local=local), 1e-12 if real == "float64" else 2e-5


def test_precisions_in_every_twin_are_the_naive_loop(twin, case):
    (_, _, W, H, G), near = case
    for options in ({}, {"pad": 2, "level": 1.5}):
        got = twin(fast_mnmf.precisions, W, H, G, launches=False, **options)
        assert got.dtype == W.dtype
        assert_allclose(got, reference.precisions(W, H, G, **options), rtol=near)


def test_spectra_in_every_twin_are_the_naive_loop(twin, case):
    (P, ridge, W, H, G), near = case
    U = fast_mnmf.precisions(W, H, G, pad=P.shape[0], level=1.25)
    got = twin(fast_mnmf.update_spectra, P, ridge, U, W, H, G, launches=False, level=1.25)
    for mine, naive in zip(got, reference.update_spectra(P, ridge, W, H, G), strict=True):
        assert mine.dtype == W.dtype
        assert_allclose(mine, naive, rtol=near)


def test_gains_in_every_twin_are_the_naive_loop(twin, case):
    (P, ridge, W, H, G), near = case
    got = twin(fast_mnmf.update_gains, P, ridge, W, H, G, launches=False)
    assert got.dtype == G.dtype
    assert_allclose(got, reference.update_gains(P, ridge, W, H, G), rtol=near)


def test_the_cuda_twin_launches_its_kernel(emulated_gpu):
    P, ridge, W, H, G = data(2, 2, 2, 3, 300)
    fast_mnmf.update_gains(P, ridge, W, H, G)
    assert {op for op, _ in emulated_gpu.launches} == {"fast_mnmf"}


def test_no_update_raises_the_divergence(local):
    P, ridge, W, H, G = data(3, 4, 3, 20, 30, local=local)
    before = divergence(P, ridge, W, H, G)
    for _ in range(10):
        W, H = fast_mnmf.update_spectra(P, ridge, fast_mnmf.precisions(W, H, G), W, H, G)
        middle = divergence(P, ridge, W, H, G)
        G = fast_mnmf.update_gains(P, ridge, W, H, G)
        after = divergence(P, ridge, W, H, G)
        assert after <= middle <= before
        before = after


def test_what_nothing_supports_falls_to_the_floor_and_not_below():
    P, ridge, W, H, G = data(1, 1, 1, 2, 8)
    P[...], ridge[...] = 1e-40, 1e-40
    W[...] = fast_mnmf.LEAST
    W, _ = fast_mnmf.update_spectra(P, ridge, fast_mnmf.precisions(W, H, G), W, H, G)
    assert_array_equal(W, fast_mnmf.LEAST)


def test_one_and_four_threads_give_the_same_bits(use_threads, real, local):
    P, ridge, W, H, G = data(3, 3, 5, 70, 40, real=real, local=local)
    found = []
    for threads in (1, 4):
        use_threads(threads)
        U = fast_mnmf.precisions(W, H, G, pad=3)
        found.append(
            (U, *fast_mnmf.update_spectra(P, ridge, U, W, H, G), fast_mnmf.update_gains(P, ridge, W, H, G))
        )
    for one, four in zip(*found, strict=True):
        assert_array_equal(one, four)
