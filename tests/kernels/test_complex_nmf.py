"""`complex_nmf` in every twin is the iteration of the papers with β and Ȳ written out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.kernels import complex_nmf as module
from sigsep_classic.kernels.complex_nmf import complex_nmf, squared_error
from sigsep_classic.kernels.complex_nmf_loops import ROW
from sigsep_classic.kernels.jit import enabled
from tests.emulation.emulator import emulated
from tests.reference import complex_nmf as reference

TOLERANCE = {"float32": 2e-4, "float64": 1e-11}
SOURCES = {"phases of components": (0, 1, 2, 3, 4), "phases of sources": (0, 3, 4), "one source": (0, 4)}


def problem(n_channels, n_frames, n_freq, starts, real, seed=0):
    """Return Y, B, Ht and U of level one."""
    rng = np.random.default_rng(seed)
    rows, K, J = n_channels * n_freq, starts[-1], len(starts) - 1
    Y = rng.standard_normal((2, n_channels, n_frames, n_freq))
    B, Ht = rng.random((K, rows)) + 0.1, (rng.random((n_frames, K)) + 0.1) / K
    phases = rng.uniform(0, 2 * np.pi, (n_frames, J, rows))
    U = np.stack([np.cos(phases), np.sin(phases)], axis=2)
    complex_ = np.result_type(real, np.complex64)
    return (Y[0] + 1j * Y[1]).astype(complex_), B.astype(real), Ht.astype(real), U.astype(real)


def as_in_the_paper(Y, B, Ht, U, starts):
    """Return the same in the axes and the precision of the reference."""
    owners = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    Y, B, Ht, U = (A.astype(np.result_type(A.dtype, float)) for A in (Y, B, Ht, U))
    u = (U[:, :, 0] + 1j * U[:, :, 1]).transpose(1, 2, 0)
    return Y.transpose(0, 2, 1).reshape(-1, Y.shape[1]), B.T, Ht.T, u, owners


@pytest.fixture(params=["numpy", "numba", "cuda", "cuda-backwards"])
def line(request, monkeypatch):
    """Take one of the twins; `complex_nmf` changes its arguments, so the common fixture can't."""
    if request.param.startswith("cuda"):
        with emulated(backwards=request.param.endswith("backwards")) as emulator:
            yield emulator
    elif request.param == "numba" and not enabled():
        pytest.skip("NUMBA_DISABLE_JIT is set")
    else:
        if request.param == "numpy":
            monkeypatch.setattr(module, "enabled", lambda: False)
        yield None


def check(Y, B, Ht, U, starts, tolerance, **penalties):
    """Run both and compare activations, sums and phases."""
    y, w, h, u, owners = as_in_the_paper(Y, B, Ht, U, starts)
    above, below, u = reference.half_step(y, w, h, u, owners, factor="H", **penalties)
    h = above / below
    above, below, u = reference.half_step(y, w, h, u, owners, factor="W")
    got = complex_nmf(Y, B, Ht, U, starts, **penalties)
    assert_allclose(Ht.T, h, rtol=tolerance)
    assert_allclose(got[0].T, above, rtol=10 * tolerance)
    assert_allclose((got[0] / got[1] * B).T, above / below, rtol=10 * tolerance)
    assert_allclose(as_in_the_paper(Y, B, Ht, U, starts)[3], u, atol=100 * tolerance)


@pytest.mark.parametrize("starts", SOURCES.values(), ids=SOURCES)
def test_every_twin_is_the_iteration_of_the_papers(line, real, starts):
    check(*problem(2, 5, 7, starts, real), starts, TOLERANCE[real.name])
    if line is not None:
        assert {op for op, _ in line.launches} == {"complex_nmf"}


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.2, 2.0])
def test_the_penalty_is_the_papers(line, exponent):
    starts, penalty = (0, 2, 3), np.array([0.3, 0.0, 2.0])
    check(*problem(1, 4, 6, starts, np.float64), starts, 1e-11, penalty=penalty, exponent=exponent)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 4), (1, 37, 1), (1, 3, 301), (2, 2, 130)])
def test_odd_sizes_are_covered(line, shape):
    starts = (0, 1, 3)
    check(*problem(*shape, starts, np.float64), starts, 1e-11)


def test_more_components_than_shared_memory_has_sums_for_are_covered(monkeypatch, real):
    monkeypatch.setattr(module, "_SHARED_BYTES", 0)
    with emulated() as emulator:
        check(*problem(2, 5, 7, (0, 3, 4), real), (0, 3, 4), TOLERANCE[real.name])
    assert ("complex_nmf", "template_sums") in emulator.launches


def test_rows_longer_than_a_piece_and_many_tiles_are_covered(line, monkeypatch):
    monkeypatch.setattr(module, "CUDA_TILE", 600)
    starts, (Y, B, Ht, U) = (0, 1, 2), problem(1, 3, ROW + 2, (0, 1, 2), np.float64)
    copies = [A.copy() for A in (Ht, U)]
    got = complex_nmf(Y, B, Ht, U, starts)
    monkeypatch.setattr(module, "enabled", lambda: False)
    with emulated() if line is None else _no_emulation():
        expected = complex_nmf(Y, B, *copies, starts)
    assert_allclose(got, expected, rtol=1e-10)
    assert_allclose(U, copies[1], rtol=1e-8, atol=1e-10)


def _no_emulation():
    from sigsep_classic import backend

    return backend.emulated_cuda(None)


@pytest.mark.parametrize("starts", SOURCES.values(), ids=SOURCES)
def test_the_error_is_the_sum_of_squares(line, real, starts):
    Y, B, Ht, U = problem(2, 5, 7, starts, real)
    y, w, h, u, owners = as_in_the_paper(Y, B, Ht, U, starts)
    F = sum(w[:, k, None] * h[k] * u[j] for k, j in enumerate(owners))
    expected = (abs(2 * y - F) ** 2).sum()
    assert_allclose(squared_error(Y, B, Ht, U, starts, gain=2.0), expected, rtol=TOLERANCE[real.name])


def test_gain_makes_up_for_the_level(line, real):
    starts = (0, 1, 3)
    Y, B, Ht, U = problem(1, 6, 8, starts, real)
    plain = [A.copy() for A in (Ht, U)]
    expected = complex_nmf(Y, B, *plain, starts)
    level = real.type(2.0**-40)
    assert_array_equal(complex_nmf(Y * level, B, Ht, U, starts, gain=2.0**40), expected)
    assert_array_equal(Ht, plain[0])
    assert_array_equal(U, plain[1])


def test_without_learning_only_the_first_half_is_done(line):
    starts, (Y, B, Ht, U) = (0, 1, 3), problem(1, 6, 8, (0, 1, 3), np.float64)
    y, w, h, u, owners = as_in_the_paper(Y, B, Ht, U, starts)
    above, below, u = reference.half_step(y, w, h, u, owners, factor="H")
    sums = complex_nmf(Y, B, Ht, U, starts, learn=False)
    assert_allclose(Ht.T, above / below, rtol=1e-11)
    assert_allclose(as_in_the_paper(Y, B, Ht, U, starts)[3], u, atol=1e-11)
    assert_array_equal(sums, np.zeros_like(sums))


def test_phases_stay_on_the_unit_circle(line, real):
    starts, (Y, B, Ht, U) = (0, 1, 2), problem(1, 9, 40, (0, 1, 2), real)
    for _ in range(20):
        complex_nmf(Y, B, Ht, U, starts)
    assert_allclose((U**2).sum(axis=2), 1, rtol=10 * np.finfo(real).eps)


def test_zeros_of_mixture_and_model_stay_finite_and_zero(line, real):
    starts = (0, 1, 2)
    Y, B, Ht, U = problem(2, 5, 6, starts, real)
    Y[:, 1] = 0
    Y[0, :, 3] = 0
    Ht[2], B[:, 4], B[0, :6] = 0, 0, 0
    for _ in range(3):
        above, below = complex_nmf(Y, B, Ht, U, starts)
    assert all(np.isfinite(A).all() for A in (above, below, Ht, U))
    assert_array_equal(Ht[2], 0)
    assert_allclose((U**2).sum(axis=2), 1, rtol=10 * np.finfo(real).eps)


def test_a_phase_without_evidence_stays(line):
    Y, B, Ht, U = problem(1, 2, 5, (0, 1), np.float64)
    Y[:] = 0
    B[:], Ht[:] = 0.5, 1.0  # powers of two: then E is −1 and z = u + E is 0, to the bit
    U[:, :, 0], U[:, :, 1] = 1, 0
    complex_nmf(Y, B, Ht, U, (0, 1))
    assert_array_equal(U[:, :, 0], 1)


def test_read_only_inputs_are_taken(line):
    starts, (Y, B, Ht, U) = (0, 1, 2), problem(1, 3, 4, (0, 1, 2), np.float64)
    for A in (Y, B):
        A.flags.writeable = False
    check(Y, B, Ht, U, starts, 1e-11)


@pytest.mark.parametrize("threads", [2, 4])
def test_any_number_of_threads_gives_the_same_bits(use_threads, real, threads):
    starts = (0, 1, 3, 4)
    arrays = problem(2, 61, 50, starts, real)
    results = []
    for n in (1, threads):
        use_threads(n)
        Y, B, Ht, U = (A.copy() for A in arrays)
        sums = complex_nmf(Y, B, Ht, U, starts)
        results.append((*sums, Ht, U, squared_error(Y, B, Ht, U, starts)))
    for one, many in zip(*results, strict=True):
        assert_array_equal(one, many)
