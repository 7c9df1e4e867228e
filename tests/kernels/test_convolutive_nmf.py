"""The updates of V ≈ W ∗ H in every twin are the sums of the papers, term by term."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.kernels import beta_nmf, convolutive_nmf, convolutive_stacks
from sigsep_classic.kernels.convolutive_nmf import (
    convolved,
    divergence,
    multiplicative_update,
    rows_of,
    statistics,
)
from sigsep_classic.kernels.convolutive_tiles import INNER, OUTER
from tests.emulation.emulator import emulated
from tests.kernels.conftest import in_order
from tests.reference import beta_nmf as plain
from tests.reference import convolutive_nmf as reference

BETAS = (-1.0, 0.0, 0.5, 1.0, 1.3, 1.5, 2.0, 3.0)
TOLERANCE = {"float32": 2e-4, "float64": 1e-11}
SIZES = {  # freq, frames, bins, components, lags, shifts, activation frames
    "NMFD": (6, 9, 6, 2, 3, 1, 9),
    "valid NMFD": (6, 9, 6, 2, 3, 1, 7),
    "NMF2D": (6, 7, 6, 2, 3, 4, 7),
    "PLCA": (7, 6, 4, 2, 2, 4, 5),
    "as long as V": (4, 3, 4, 1, 3, 4, 3),
    "one by one": (1, 1, 1, 1, 1, 1, 1),
}


def problem(freq, frames, bins, components, lags, shifts, activation_frames, real=np.float64, seed=0):
    """Return V of mean about one, W and H laid out as the kernel wants them; some V̂ are of few terms."""
    rng = np.random.default_rng(seed)
    W = rng.random((bins, components, lags)) + 0.1
    rows = rng.random((activation_frames, components, shifts)) + 0.1
    M = convolved(W, rows.transpose(1, 2, 0), (freq, frames))
    V = M * rng.gamma(2, 0.5, M.shape) / M.mean() + 1e-3
    H = rows.astype(real).transpose(1, 2, 0)
    return V.astype(real), W.astype(real), H


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
            for module in (beta_nmf, convolutive_nmf):
                monkeypatch.setattr(module, "enabled", lambda: False)
        yield None


@pytest.mark.parametrize("sizes", SIZES)
def test_the_model_is_the_sum_of_all_terms(line, real, sizes):
    V, W, H = problem(*SIZES[sizes], real)
    assert_allclose(
        convolved(W, H, V.shape), reference.convolved(W, H, V.shape), rtol=TOLERANCE[real.name], atol=1e-12
    )


@pytest.mark.parametrize("factor", ["W", "H"])
@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("sizes", ["NMFD", "NMF2D", "PLCA"])
def test_every_twin_has_the_sums_of_the_papers(line, real, sizes, beta, factor):
    V, W, H = problem(*SIZES[sizes], real)
    expected = reference.sums(V, W, H, factor=factor, beta=beta)
    got = statistics(V, W, H, factor=factor, beta=beta)
    for ours, theirs in zip(got, expected, strict=True):
        theirs = theirs if factor == "W" else rows_of(theirs)
        assert_allclose(ours, theirs, rtol=TOLERANCE[real.name])
    if line is not None:
        assert {op for op, _ in line.launches} == {"convolutive_stacks"}


@pytest.mark.parametrize("factor", ["W", "H"])
@pytest.mark.parametrize("sizes", SIZES)
def test_sums_are_over_the_entries_that_V_has(line, sizes, factor):
    V, W, H = problem(*SIZES[sizes])
    for ours, theirs in zip(
        statistics(V, W, H, factor=factor, beta=1.0),
        reference.sums(V, W, H, factor=factor, beta=1.0),
        strict=True,
    ):
        assert_allclose(ours, theirs if factor == "W" else rows_of(theirs), rtol=1e-11)


@pytest.mark.parametrize("factor", ["W", "H"])
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0, 3.0])
def test_an_update_is_the_ratio_of_the_sums_with_the_penalty(line, beta, factor):
    V, W, H = problem(*SIZES["NMF2D"])
    numerator, denominator = reference.sums(V, W, H, factor=factor, beta=beta)
    penalty = np.linspace(0.1, 0.4, 2)[:, None]
    axis = penalty if factor == "W" else penalty[:, :, None]
    expected = (W if factor == "W" else H) * (numerator / (denominator + axis)) ** exponent_of(beta)
    multiplicative_update(
        V, W, H, factor=factor, beta=beta, exponent=exponent_of(beta), penalty=penalty
    )  # (components, 1) fits both
    assert_allclose(W if factor == "W" else H, expected, rtol=1e-10)


@pytest.mark.parametrize("beta", [0.0, 1.0])
@pytest.mark.parametrize("factor", ["W", "H"])
@pytest.mark.parametrize(
    "shape", [(INNER + 1, 5, 2, 3), (5, 2 * OUTER + 3, 4, 2), (3, 2 * OUTER + 1, OUTER + 9, 1)]
)
def test_several_tiles_are_covered_and_templates_may_be_longer_than_one(line, shape, factor, beta):
    freq, frames, lags, shifts = shape
    V, W, H = problem(freq, frames, freq, 1, lags, shifts, frames)
    M = convolved(W, H, V.shape)
    R, P = V * M ** (beta - 2), M ** (beta - 1)
    got = statistics(V, W, H, factor=factor, beta=beta)
    if factor == "W":
        pairs = [
            [sum((A[s:, lag:] * H[0, s, : frames - lag]).sum(axis=1)[f] for s in range(shifts) if f + s < freq)]
            for A in (R, P) for f, lag in [(0, 0), (freq // 2, lags - 1), (freq - 1, lags // 2)]
        ]  # fmt: skip
        ours = [
            A[f, 0, lag] for A in got for f, lag in [(0, 0), (freq // 2, lags - 1), (freq - 1, lags // 2)]
        ]
    else:
        places = [(0, 0), (frames // 2, shifts - 1), (frames - 1, 0)]
        pairs = [
            [sum((A[s:, t + lag] * W[: freq - s, 0, lag]).sum() for lag in range(lags) if t + lag < frames)]
            for A in (R, P) for t, s in places
        ]  # fmt: skip
        ours = [A[t, 0, s] for A in got for t, s in places]
    assert_allclose(ours, np.ravel(pairs), rtol=1e-10)


@pytest.mark.parametrize("tile", [1, 7, 30])
@pytest.mark.parametrize("sizes", ["NMFD", "NMF2D", "as long as V"])
def test_on_a_gpu_tiles_of_any_size_give_the_sums_of_the_papers(monkeypatch, sizes, tile):
    V, W, H = problem(*SIZES[sizes])
    monkeypatch.setattr(convolutive_stacks, "TILE", tile)
    with emulated():
        for factor, beta in (("W", 0.0), ("H", 1.0)):
            expected = reference.sums(V, W, H, factor=factor, beta=beta)
            for ours, theirs in zip(statistics(V, W, H, factor=factor, beta=beta), expected, strict=True):
                assert_allclose(ours, theirs if factor == "W" else rows_of(theirs), rtol=1e-11)
        M = convolved(W, H, V.shape)
        found = divergence(V, W, H, beta=1.0)
    assert_allclose(M, reference.convolved(W, H, V.shape), rtol=1e-11)
    assert_allclose(found, (V * np.log(V / M) - V + M).sum(), rtol=1e-11)


def test_on_a_gpu_no_array_is_as_large_as_frequencies_by_frames_by_lags(monkeypatch):
    V, W, H = problem(30, 400, 30, 2, 40, 1, 400)
    monkeypatch.setattr(convolutive_stacks, "TILE", 1000)
    with emulated():
        for factor in "WH":  # imports, and what is built but once
            statistics(V, W, H, factor=factor, beta=0.0)
        tracemalloc.start()
        for factor in "WH":
            statistics(V, W, H, factor=factor, beta=0.0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 40 * V.nbytes / 5  # the emulator's copies of V and H are in it


@pytest.mark.parametrize("beta", BETAS)
def test_divergence_is_the_papers_sum(line, real, beta):
    V, W, H = problem(*SIZES["NMF2D"], real)
    M = reference.convolved(W, H, V.shape)
    expected = sum(plain.d(float(v), float(m), beta) for v, m in zip(V.ravel(), M.ravel(), strict=True))
    assert_allclose(divergence(V, W, H, beta=beta), expected, rtol=20 * TOLERANCE[real.name])


@pytest.mark.parametrize("beta", BETAS)
def test_no_update_raises_the_divergence(line, beta):
    V, W, H = problem(*SIZES["NMF2D"])
    before = divergence(V, W, H, beta=beta)
    for factor in ("H", "W", "H", "W"):
        multiplicative_update(V, W, H, factor=factor, beta=beta, exponent=exponent_of(beta))
        now = divergence(V, W, H, beta=beta)
        assert now <= before * (1 + 1e-12)
        before = now


def test_one_lag_and_one_shift_is_nmf(line, real):
    V, W, H = problem(7, 12, 7, 3, 1, 1, 12, real)
    W2, H2 = W[:, :, 0].copy(), np.ascontiguousarray(H[:, 0].T).T
    for factor in ("H", "W"):
        multiplicative_update(V, W, H, factor=factor, beta=1.0, exponent=1.0)
        beta_nmf.multiplicative_update(V, W2, H2, factor=factor, beta=1.0, exponent=1.0)
    assert_allclose(W[:, :, 0], W2, rtol=1e-5 if real == "float32" else 1e-12)
    assert_allclose(H[:, 0], H2, rtol=1e-5 if real == "float32" else 1e-12)


def test_activations_without_shifts_may_have_two_axes(line):
    V, W, H = problem(*SIZES["NMFD"])
    flat = np.ascontiguousarray(H[:, 0].T).T
    assert_array_equal(convolved(W, flat, V.shape), convolved(W, H, V.shape))
    for factor in ("H", "W"):
        W2 = W.copy()
        multiplicative_update(V, W, H, factor=factor, beta=1.0, exponent=1.0)
        multiplicative_update(V, W2, flat, factor=factor, beta=1.0, exponent=1.0)
        assert_array_equal(flat, H[:, 0])
        assert_array_equal(W2, W)


@pytest.mark.parametrize("beta", [0.0, 1.0, 1.3, 2.0])
def test_data_may_be_read_only_and_in_any_order(line, order, beta):
    V, W, H = problem(*SIZES["NMFD"])
    expected = H * np.divide(*reference.sums(V, W, H, factor="H", beta=beta))
    V = in_order(V, order)
    V.flags.writeable = False
    multiplicative_update(V, W, H, factor="H", beta=beta, exponent=1.0)
    assert_allclose(H, expected, rtol=1e-11)


@pytest.mark.parametrize("factor", ["W", "H"])
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0, 2.2])
def test_gain_makes_up_for_the_level_of_the_data(line, real, beta, factor):
    V, W, H = problem(*SIZES["NMF2D"], real)
    results = []
    for level in (real.type(1), real.type(2.0**-30)):
        A, B = W.copy(), np.ascontiguousarray(rows_of(H) * level).transpose(1, 2, 0)
        gain = float(1 / level)
        multiplicative_update(V * level, A, B, factor=factor, beta=beta, exponent=1.0, gain=gain)
        results.append((A, B / level))
    assert_array_equal(results[0][0], results[1][0])
    assert_array_equal(results[0][1], results[1][1])


@pytest.mark.parametrize("beta", [0.0, 1.0, 1.5])
@pytest.mark.parametrize("silent", ["data", "W", "H"])
def test_silence_gives_finite_factors(line, real, silent, beta):
    V, W, H = problem(*SIZES["NMF2D"], real)
    {"data": V, "W": W, "H": H}[silent][:] = 0
    for factor in ("H", "W"):
        multiplicative_update(V, W, H, factor=factor, beta=beta, exponent=1.0)
    assert np.isfinite(W).all()
    assert np.isfinite(H).all()
    assert np.isfinite(divergence(V, W, H, beta=beta))


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_any_number_of_threads_gives_the_same_bits(use_threads, real, beta):
    results = []
    for n in (1, 2, 4):
        use_threads(n)
        V, W, H = problem(2 * OUTER + 7, 3 * OUTER, 2 * OUTER + 7, 2, 5, 2, 3 * OUTER, real)
        for factor in ("H", "W"):
            multiplicative_update(V, W, H, factor=factor, beta=beta, exponent=1.0)
        results.append((W, H, np.array(divergence(V, W, H, beta=beta))))
    for other in results[1:]:
        for one, many in zip(results[0], other, strict=True):
            assert_array_equal(one, many)
