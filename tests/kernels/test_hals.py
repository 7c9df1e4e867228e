"""Coordinate descent of HALS in every twin is the formula, number by number, and solves what it should."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import nnls

from sigsep_classic.kernels import hals
from sigsep_classic.kernels.hals import hals_update, products
from tests.emulation.emulator import emulated
from tests.reference import hals as reference

TOLERANCE = {"float32": {"rtol": 2e-4, "atol": 2e-5}, "float64": {"rtol": 1e-9, "atol": 1e-12}}


def problem(n_rows, n_components, real=np.float64, seed=0):
    """Return A, B and data whose best A has zeros."""
    rng = np.random.default_rng(seed)
    A, B = rng.random((n_rows, n_components)), rng.random((n_components + 4, n_components))
    data = rng.random((n_rows, n_components + 4)) - 0.2
    return A.astype(real), B.astype(real), data.astype(real)


@pytest.fixture(params=["numpy", "numba", "cuda", "cuda-backwards"])
def line(request, monkeypatch):
    """Take one of the twins."""
    if request.param.startswith("cuda"):
        with emulated(backwards=request.param.endswith("backwards")) as emulator:
            yield emulator
            assert {op for op, _ in emulator.launches} == {"hals"}
    else:
        if request.param == "numpy":
            monkeypatch.setattr(hals, "enabled", lambda: False)
        yield None


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (64, 4), (130, 7)])
@pytest.mark.parametrize("l1", [0.0, 0.3])
def test_every_twin_is_the_formula(line, real, shape, l1):
    A, B, data = problem(*shape, real)
    expected = reference.hals_update(A, B.T @ B, data @ B, n_sweeps=3, l1=l1)
    hals_update(A, B.T @ B, data @ B, n_sweeps=3, l1=l1)
    assert_allclose(A, expected, **TOLERANCE[real.name])


def test_many_sweeps_solve_non_negative_least_squares(line):
    A, B, data = problem(70, 4)
    hals_update(A, B.T @ B, data @ B, n_sweeps=2000, tol=1e-13)
    assert_allclose(A, [nnls(B, row)[0] for row in data], atol=1e-8)


def test_a_sweep_never_raises_the_objective(line):
    A, B, data = problem(65, 6)
    before = ((data - A @ B.T) ** 2).sum()
    for _ in range(5):
        hals_update(A, B.T @ B, data @ B)
        now = ((data - A @ B.T) ** 2).sum()
        assert now <= before
        before = now


def test_a_block_rests_once_a_sweep_changes_little(line):
    A, B, data = problem(64, 5)
    alone = A.copy()
    hals_update(A, B.T @ B, data @ B, n_sweeps=50, tol=1.0)
    hals_update(alone, B.T @ B, data @ B, n_sweeps=2)
    once = problem(64, 5)[0]
    hals_update(once, B.T @ B, data @ B, n_sweeps=1)
    assert min(abs(A - once).max(), abs(A - alone).max()) < 1e-12


def test_a_component_without_energy_stays(line):
    A, B, data = problem(6, 3)
    B[:, 1] = 0
    kept = A[:, 1].copy()
    hals_update(A, B.T @ B, data @ B, n_sweeps=2)
    assert_array_equal(A[:, 1], kept)


@pytest.mark.parametrize("factor", ["W", "H"])
def test_products_are_those_of_the_factor(factor):
    rng = np.random.default_rng(1)
    V, W, H = rng.random((130, 300)), rng.random((130, 3)), rng.random((300, 3)).T
    gram, cross = products(V, W, H, factor=factor)
    B, data = (W, V.T) if factor == "H" else (H.T, V)
    assert_allclose(gram, B.T @ B, rtol=1e-12)
    assert_allclose(cross, data @ B, rtol=1e-12)


def test_one_and_four_threads_give_the_same_bits(use_threads, real):
    results = []
    for n in (1, 4):
        use_threads(n)
        A, B, data = problem(1000, 6, real)
        hals_update(A, B.T @ B, data @ B, n_sweeps=3, tol=0.1)
        results.append(A)
    assert_array_equal(*results)
