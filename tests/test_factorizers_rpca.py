"""RPCA recovers what theory says it does, and does what the textbook does, with less work."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import METHODS, RPCA, STFT, separate, synthesize
from sigsep_classic.errors import ArrayTypeError, NumericalError, ParameterError
from sigsep_classic.factorizers.lowrank.principal_pursuit import principal_component_pursuit
from sigsep_classic.frontends import ConstantQ
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.metrics import scores
from sigsep_classic.typing import Grid
from tests.reference.robust_pca import objective, robust_pca


def mixture_of_kinds(shape=(120, 160), rank=4, density=0.05, seed=0, real="float64"):
    """Return a low-rank and a sparse matrix of large entries, both random."""
    rng = np.random.default_rng(seed)
    L = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
    S = np.where(rng.random(shape) < density, rng.uniform(-20, 20, shape), 0)
    return L.astype(real), S.astype(real)


def spectrogram(seconds=3.0):
    """Return the root-mean-square magnitudes (freq, frames) of a synthetic song."""
    X = STFT(n_fft=512).analyze(synthesize("song", seconds=seconds, sample_rate=8000).mixture)
    return np.sqrt((abs(X) ** 2).mean(axis=0)).astype(float)


def weight_of(D):
    return 1 / math.sqrt(max(D.shape))


@pytest.mark.parametrize("shape", [(120, 160), (160, 120)])
def test_a_low_rank_and_a_sparse_matrix_are_recovered_exactly(shape):
    L, S = mixture_of_kinds(shape)
    D = L + S
    parts = principal_component_pursuit(D, weight=weight_of(D), tol=1e-10)
    assert parts.rank == 4
    assert_allclose(parts.low_rank, L, atol=1e-7 * abs(D).max())
    assert_allclose(parts.sparse, S, atol=1e-7 * abs(D).max())
    assert_array_equal(parts.sparse != 0, S != 0)


def test_single_precision_recovers_them_to_its_own():
    L, S = mixture_of_kinds(real="float32")
    parts = principal_component_pursuit(L + S, weight=weight_of(L), tol=1e-6)
    assert parts.low_rank.dtype == parts.sparse.dtype == np.float32
    assert_allclose(parts.low_rank, L, atol=1e-4 * abs(L).max())


@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_the_parts_add_up_to_the_tolerance(tol):
    D = np.ascontiguousarray(spectrogram())
    parts = principal_component_pursuit(D, weight=weight_of(D), tol=tol)
    assert np.linalg.norm(D - parts.low_rank - parts.sparse) < tol * np.linalg.norm(D)
    assert parts.residuals[-1][1] < tol <= parts.residuals[-2][1]
    assert parts.rank == np.linalg.matrix_rank(parts.low_rank, tol=1e-12 * np.linalg.norm(D))


def test_no_other_way_to_add_up_is_cheaper():
    """The problem is convex: that small moves of either kind raise the objective makes it the minimum."""
    L, S = mixture_of_kinds((40, 60), rank=2)
    weight = weight_of(L)
    parts = principal_component_pursuit(L + S, weight=weight, tol=1e-12)
    best = objective(parts.low_rank, parts.sparse, weight)
    rng = np.random.default_rng(1)
    u, _, vt = np.linalg.svd(L, full_matrices=False)
    moves = [
        rng.standard_normal(L.shape),
        np.where(S != 0, rng.standard_normal(L.shape), 0),
        np.outer(u[:, 0], rng.standard_normal(60)),
        np.outer(u[:, 0], vt[0]),
        np.sign(S),
    ]
    for move in moves:
        for step in (1e-3, -1e-3):
            assert objective(parts.low_rank + step * move, parts.sparse - step * move, weight) > best * (
                1 - 1e-9
            )


def test_it_is_the_textbook_solution():
    L, S = mixture_of_kinds()
    weight = weight_of(L)
    with single_threaded_blas():
        A, E, _ = robust_pca(L + S, weight=weight, tol=1e-10)
    parts = principal_component_pursuit(L + S, weight=weight, tol=1e-10)
    assert_allclose(parts.low_rank, A, atol=1e-7 * abs(A).max())
    assert_allclose(parts.sparse, E, atol=1e-7 * abs(A).max())


def test_on_a_spectrogram_it_is_the_textbook_solution_to_a_part_in_a_hundred():
    """Nothing is exactly low rank here; the last singular vectors are followed, not computed."""
    D = np.ascontiguousarray(spectrogram())
    weight = weight_of(D)
    with single_threaded_blas():
        A, E, steps = robust_pca(D, weight=weight, tol=1e-5)
    parts = principal_component_pursuit(D, weight=weight, tol=1e-5)
    assert abs(len(parts.residuals) - steps) <= 2
    assert_allclose(objective(parts.low_rank, parts.sparse, weight), objective(A, E, weight), rtol=1e-3)
    assert np.linalg.norm(parts.low_rank - A) < 0.01 * np.linalg.norm(A)


def test_the_level_changes_nothing():
    V = spectrogram()[None]
    gains = RPCA().fit(V).masks
    assert_array_equal(RPCA().fit(2.0**40 * V).masks, gains)
    assert_allclose(RPCA().fit(1e-3 * V).masks, gains, atol=1e-9)


@pytest.mark.parametrize("real", ["float32", "float64"])
def test_one_and_four_threads_give_the_same_bits(monkeypatch, real):
    V, results = spectrogram().astype(real)[None], []
    for n in ("1", "4"):
        monkeypatch.setenv("SIGSEP_NUM_THREADS", n)
        results.append(RPCA().fit(V).masks)
    assert results[0].dtype == real
    assert_array_equal(*results)


def test_either_order_in_memory_gives_the_same():
    V = spectrogram()[None]
    transposed = np.ascontiguousarray(V.swapaxes(1, 2)).swapaxes(1, 2)
    C = np.ascontiguousarray(V)
    difference = RPCA().fit(C).masks - RPCA().fit(transposed).masks
    assert np.sqrt((difference**2).mean()) < 0.01  # the subspace has its random start on the other side


def test_silence_is_background():
    model = RPCA().fit(np.zeros((2, 5, 7), np.complex64))
    assert_array_equal(model.masks, np.ones((1, 1, 5, 7), np.float32))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 50), (2, 50, 1), (3, 4, 5)])
def test_any_shape_is_taken(shape):
    gains = RPCA().fit(np.random.default_rng(0).random(shape)).gains()
    assert gains.shape == (2, 1, *shape[1:])
    assert_allclose(gains.sum(axis=0), 1)


def test_the_semi_soft_gain_lies_between_the_soft_and_the_binary_one():
    V = spectrogram()[None]
    soft, binary = (RPCA(mask_kind=mask).fit(V).masks for mask in ("soft", "binary"))
    semi = RPCA(mask_kind="semi_soft").fit(V).masks
    assert_array_equal(RPCA(mask_kind="semi_soft", mask_edge=0).fit(V).masks, soft)
    assert_array_equal(RPCA(mask_kind="semi_soft", mask_edge=0.5).fit(V).masks, binary)
    assert set(np.unique(binary)) == {0, 1}
    assert (abs(semi - binary) <= abs(soft - binary) + 1e-6).all()
    assert ((semi == 0) | (semi == 1)).mean() > 0.3


def test_a_larger_gain_leaves_less_to_the_foreground():
    V = spectrogram()[None]
    shares = [1 - RPCA(mask_kind="binary", mask_gain=g).fit(V).masks.mean() for g in (0.5, 1.0, 2.0)]
    assert shares[0] > shares[1] > shares[2] > 0


def test_what_is_below_the_cutoff_is_background_on_either_axis():
    V = spectrogram()[None]
    gain = RPCA(cutoff=100.0, grid=Grid(frame_rate=62.5, bin_hz=15.625)).fit(V).masks[0, 0]
    assert_array_equal(gain[:7], 1)
    assert (gain[7] < 1).any()
    assert (RPCA(cutoff=100.0).fit(V).masks[0, 0, 1] < 1).any()
    transform = ConstantQ(sample_rate=8000, f_min=50, bins_per_octave=12)
    X = transform.analyze(np.random.default_rng(0).standard_normal((1, 4000)))
    gain = RPCA(cutoff=100.0, grid=transform.grid(8000)).fit(X).masks[0, 0]
    below = transform.frequencies(8000) <= 100.0
    assert_array_equal(gain[below], 1)
    assert (gain[~below] < 1).any(axis=1).all()


def test_residuals_and_rank_are_told_and_a_callback_stops():
    seen = []

    def callback(i, residual):
        seen.append((i, residual))
        return i == 4

    model = RPCA().fit(spectrogram()[None], callback=callback)
    assert list(model.losses) == seen
    assert len(seen) == 4
    assert 1 <= int(model.extra["rank"]) < 100


def test_voice_over_accompaniment_is_found():
    song = synthesize("song", seconds=6.0)
    truth = {"foreground": song.stems["vocals"], "background": song.mixture - song.stems["vocals"]}
    options = {"metrics": ("si_sdr",), "sample_rate": song.sample_rate}
    stems = separate(song.mixture, song.sample_rate, method="rpca")
    after = scores(truth, {name: stems[name] for name in truth}, **options)
    before = scores(truth, dict.fromkeys(truth, song.mixture), **options)
    gained = [float(np.mean(after[name]["si_sdr"]) - np.mean(before[name]["si_sdr"])) for name in truth]
    assert gained[0] > 3
    assert gained[1] > 0
    assert METHODS["rpca"] is RPCA


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sparsity": 0}, "sparsity is 0"),
        ({"mask_kind": "hard"}, "mask_kind is 'hard'"),
        ({"mask_gain": 0}, "mask_gain is 0"),
        ({"mask_edge": 0.6}, "mask_edge is 0.6"),
        ({"power": 0}, "power is 0"),
        ({"cutoff": -1}, "cutoff is -1"),
        ({"tol": 0}, "tol is 0"),
        ({"n_iter": 0}, "n_iter is 0"),
    ],
)
def test_parameters_out_of_range_are_refused(options, said):
    with pytest.raises(ParameterError, match=said):
        RPCA(**options)


def test_half_precision_is_refused():
    with pytest.raises(ArrayTypeError, match="X is float16; give float32"):
        RPCA().fit(np.ones((1, 5, 6), np.float16))


def test_data_that_is_not_finite_is_refused():
    V = np.ones((1, 4, 4))
    V[0, 1, 2] = np.inf
    with pytest.raises(NumericalError, match="finite"):
        RPCA().fit(V)
