"""Orders of sources: what was mixed up is put right, whatever it was called, and never made worse."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import permutation
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.geometry import SPEED_OF_SOUND
from sigsep_classic.kernels.permutation_sweep import permutation_sweep
from sigsep_classic.permutation.assignment import best_orders, fewest_changes
from sigsep_classic.permutation.features import activities, compressed, outputs
from sigsep_classic.permutation.kernel import problem
from sigsep_classic.typing import Grid

BLIND = ("kernel", "correlation", "dyadic", "hbp")


def sources(n, n_freq=65, n_frames=150, seed=0):
    """Return complex sources whose frequencies rise and fall together, roughly."""
    rng = np.random.default_rng(seed)
    levels = rng.gamma(0.4, size=(n, 1, n_frames)) * rng.gamma(2.0, size=(n, n_freq, n_frames))
    noise = rng.standard_normal((2, n, n_freq, n_frames))
    return (np.sqrt(levels) * (noise[0] + 1j * noise[1])).astype(np.complex64)


def mixing(n, n_freq=65, channels=3):
    """Return mixing matrices of delays alone, evenly spread, at 0 … 8 kHz."""
    delays = 5e-5 * np.cos(np.linspace(0, np.pi, n) + np.arange(channels)[:, None])
    hz = np.linspace(0, 8000, n_freq)[:, None, None]
    return np.exp(-2j * np.pi * hz * (delays - delays[:1]))


def shuffled(n, n_freq=65, seed=1):
    rng = np.random.default_rng(seed)
    return np.array([rng.permutation(n) for _ in range(n_freq)])


def in_line(mixed, order):
    """Say whether an order undoes what mixed the sources up, but for their names."""
    found = np.take_along_axis(mixed, order, axis=1)
    return bool((found == found[0]).all())


@pytest.mark.parametrize("solver", BLIND)
@pytest.mark.parametrize("n", [2, 3, 4, 5, 8])
def test_sources_that_rise_and_fall_together_are_recovered(n, solver):
    mixed = shuffled(n)
    order = permutation.solve(permutation.apply(mixed, sources(n)), solver=solver)
    assert in_line(mixed, order)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_delays_alone_recover_the_order_where_there_is_a_phase(n):
    mixed, A = shuffled(n), mixing(n)
    Y = sources(n)
    order = permutation.solve(
        permutation.apply(mixed, Y), solver="doa", A=permutation.apply(mixed, A, sources=2, freq=0)
    )
    assert in_line(mixed[1:], order[1:])


@pytest.mark.parametrize("spacing", [0.3, 1.0])
def test_delays_of_microphones_far_apart_recover_the_order_with_the_band_that_fits(spacing):
    hz, longest = np.linspace(0, 8000, 513), spacing / SPEED_OF_SOUND
    A = np.stack(
        [np.ones((513, 2)), np.exp(-2j * np.pi * hz[:, None] * np.array([0.9, 0.6]) * longest)], axis=1
    )
    mixed, Y = shuffled(2, 513), np.ones((2, 513, 4), complex)
    A = permutation.apply(mixed, A, sources=2, freq=0)
    found = permutation.solve(Y, solver="doa", A=A, highest_hz=0.5 / longest)
    order = np.take_along_axis(mixed, found, axis=1)[12:]
    same = (order == order[-1]).all(axis=1).mean()
    assert max(same, 1 - same) > 0.97


def test_the_oracle_names_sources_as_the_truth_does():
    Y, mixed = sources(4), shuffled(4)
    order = permutation.solve(permutation.apply(mixed, Y) * (2 - 1j), solver="oracle", truth=Y)
    assert_array_equal(permutation.apply(order, permutation.apply(mixed, Y)), Y)


def test_no_order_is_nearer_to_the_truth_than_the_oracles():
    Y, other = sources(3, 8, 20), sources(3, 8, 20, seed=5)
    estimates = Y + other
    order = permutation.solve(estimates, solver="oracle", truth=Y)
    for f in range(8):
        crossed = abs(np.vecdot(Y[:, None, f], estimates[None, :, f])) ** 2 if hasattr(np, "vecdot") else None
        if crossed is None:
            pytest.skip("NumPy 2 makes this short")
        crossed /= (abs(Y[:, f]) ** 2).sum(axis=1)[:, None] * (abs(estimates[:, f]) ** 2).sum(axis=1)
        best = max(sum(crossed[range(3), turn]) for turn in itertools.permutations(range(3)))
        assert_allclose(crossed[range(3), order[f]].sum(), best, rtol=1e-5)


@pytest.mark.parametrize("solver", [*BLIND, "doa"])
def test_relabelling_the_outputs_relabels_the_result(solver):
    Y, A, mixed = sources(3, seed=3), mixing(3), shuffled(3, seed=4)
    Y += sources(3, seed=8)[[1, 2, 0]] * 0.7
    first = permutation.apply(permutation.solve(Y, solver=solver, A=A), Y)
    Y_mixed, A_mixed = permutation.apply(mixed, Y), permutation.apply(mixed, A, sources=2, freq=0)
    second = permutation.apply(permutation.solve(Y_mixed, solver=solver, A=A_mixed), Y_mixed)
    fit = abs(np.einsum("nft,mft->nm", first.conj(), second))
    known = slice(1, None) if solver == "doa" else slice(None)  # there is no phase at 0 Hz
    assert_array_equal(second[fit.argmax(axis=1)][:, known], first[:, known])


@pytest.mark.parametrize("solver", BLIND)
def test_one_name_for_another_at_all_frequencies_is_undone_by_the_same(solver):
    Y = sources(4)
    turn = np.array([2, 0, 3, 1])
    assert_array_equal(permutation.solve(Y, solver=solver), np.tile(np.arange(4), (65, 1)))
    assert_array_equal(permutation.solve(Y[turn], solver=solver), np.tile(np.arange(4), (65, 1)))


@pytest.mark.parametrize("solver", [*BLIND, "doa"])
@pytest.mark.parametrize("scale", [1e-30, 1e-6, 32768.0, 1e25])
def test_the_level_does_not_matter(solver, scale):
    Y, A, mixed = sources(3), mixing(3), shuffled(3)
    Y = permutation.apply(mixed, Y + 0.5 * sources(3, seed=2))
    expected = permutation.solve(Y, solver=solver, A=A)
    assert_array_equal(permutation.solve(Y.astype(complex) * scale, solver=solver, A=A), expected)


@pytest.mark.parametrize("solver", [*BLIND, "doa"])
@pytest.mark.parametrize(
    "shape", [(1, 9, 20), (3, 9, 1), (3, 1, 20), (1, 1, 1), (3, 2, 20), (2, 3, 2), (5, 6, 3)]
)
def test_few_of_anything_give_an_order(solver, shape):
    Y = sources(*shape)
    order = permutation.solve(Y, solver=solver, A=mixing(shape[0], shape[1]))
    assert order.shape == (shape[1], shape[0])
    assert_array_equal(np.sort(order, axis=1), np.tile(np.arange(shape[0]), (shape[1], 1)))


@pytest.mark.parametrize("solver", [*BLIND, "doa", "oracle"])
def test_silence_is_left_as_it_is(solver):
    options = (
        {"truth": np.zeros((3, 9, 20), complex)}
        if solver == "oracle"
        else {"A": np.zeros((9, 2, 3), complex)}
    )
    order = permutation.solve(np.zeros((3, 9, 20), complex), solver=solver, **options)
    assert_array_equal(order, np.tile(np.arange(3), (9, 1)))


@pytest.mark.parametrize("solver", BLIND)
def test_silent_frequencies_and_frames_do_no_harm(solver):
    Y, mixed = sources(3), shuffled(3)
    Y[:, 40:43] = 0
    Y[:, :, :30] = 0
    order = permutation.solve(permutation.apply(mixed, Y), solver=solver)
    heard = np.r_[0:40, 43:65]
    assert in_line(mixed[heard], order[heard])


@pytest.mark.parametrize("solver", BLIND)
def test_the_input_is_unchanged_and_the_same_comes_out_twice(solver):
    Y, A = permutation.apply(shuffled(3), sources(3)), mixing(3)
    before = Y.copy(), A.copy()
    Y.flags.writeable = A.flags.writeable = False
    first = permutation.solve(Y, solver=solver, A=A)
    assert_array_equal(permutation.solve(Y, solver=solver, A=A), first)
    assert_array_equal(Y, before[0])
    assert_array_equal(A, before[1])


def test_powers_and_signed_bands_are_taken_for_what_they_are():
    Y, mixed = sources(3), shuffled(3)
    expected = permutation.solve(permutation.apply(mixed, Y))
    for same in (abs(Y) ** 2, Y.real):
        found = permutation.solve(permutation.apply(mixed, same))
        assert_array_equal(found, expected)


def test_activations_of_components_in_bands_are_put_in_order():
    rng = np.random.default_rng(0)
    H = rng.gamma(0.3, size=(4, 1, 200)) * rng.gamma(5.0, size=(4, 12, 200))
    mixed = shuffled(4, 12)
    order = permutation.solve(permutation.apply(mixed, H), grid=Grid(frame_rate=50.0, bin_hz=400.0))
    assert in_line(mixed, order)


def test_uneven_bins_are_joined_by_their_distance():
    Y, mixed = sources(3), shuffled(3)
    grid = Grid(frame_rate=50.0, bin_hz=0.0, frequencies=tuple(60 * 2 ** (np.arange(65) / 10)))
    assert in_line(mixed, permutation.solve(permutation.apply(mixed, Y), grid=grid))


def test_phases_decide_where_activities_do_not():
    rng, mixed = np.random.default_rng(0), shuffled(2)
    Y = rng.standard_normal((2, 65, 40)) + 1j * rng.standard_normal((2, 65, 40))
    A = permutation.apply(mixed, mixing(2), sources=2, freq=0)
    order = permutation.solve(Y, A=A, phase_weights=(100.0, 100.0), highest_hz=4000.0)
    assert in_line(mixed[1:32], order[1:32])


def test_the_kernel_solver_never_ends_below_where_it_began():
    for seed in range(5):
        Y = sources(3, 33, 12, seed=seed)
        for order in (np.tile(np.arange(3), (33, 1)), shuffled(3, 33, seed)):
            Z, decays, amplitudes = problem(outputs(Y, None, None))
            before = permutation_sweep(Z, order[None], decays, amplitudes, cycles=0)[1]
            assert permutation_sweep(Z, order[None], decays, amplitudes)[1] >= before - 1e-6 * abs(before)


def test_the_score_of_what_is_found_is_that_of_the_truth_and_mixing_up_lowers_it():
    Y, mixed = sources(3), shuffled(3)
    truth = permutation.score(Y, np.tile(np.arange(3), (65, 1)))
    order = permutation.solve(permutation.apply(mixed, Y))
    assert_allclose(permutation.score(permutation.apply(mixed, Y), order), truth, rtol=1e-5)
    assert permutation.score(Y, mixed) < 0.5 * truth


def test_alike_at_all_frequencies_scores_one():
    Y = np.repeat(sources(4, 1), 20, axis=1)
    assert_allclose(permutation.score(Y, np.tile(np.arange(4), (20, 1)), dims=200), 1, rtol=1e-5)


def test_compressed_features_keep_the_products_of_what_they_span():
    Z = activities(sources(2, 30, 80))
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((80, 6)))[0].astype(np.float32)
    low = Z @ basis @ basis.T
    small = compressed(low, 6)
    assert small.shape == (30, 2, 6)
    assert_allclose(np.einsum("fnd,gmd->fgnm", small, small), np.einsum("fnd,gmd->fgnm", low, low), atol=1e-5)


def test_arrays_of_every_kind_are_put_in_order():
    order = shuffled(3)
    Y, A = sources(3), mixing(3)
    W = A.swapaxes(1, 2)
    images = np.stack([Y, 2 * Y], axis=1)
    moved_Y, moved_images = permutation.apply(order, Y), permutation.apply(order, images)
    moved_A = permutation.apply(order, A, sources=2, freq=0)
    moved_W = permutation.apply(order, W, sources=1, freq=0)
    for f, n in itertools.product((0, 17, 64), range(3)):
        assert_array_equal(moved_Y[n, f], Y[order[f, n], f])
        assert_array_equal(moved_images[n, 1, f], 2 * Y[order[f, n], f])
        assert_array_equal(moved_A[f, :, n], A[f, :, order[f, n]])
        assert_array_equal(moved_W[f, n], W[f, order[f, n]])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 6])
def test_best_orders_are_the_best_and_the_identity_where_all_are_alike(n):
    rng = np.random.default_rng(n)
    S = rng.standard_normal((7, n, n))
    for matrix, best in zip(S, best_orders(S), strict=True):
        most = max(matrix[range(n), turn].sum() for turn in itertools.permutations(range(n)))
        assert_allclose(matrix[np.arange(n), best].sum(), most, rtol=1e-12)
    assert_array_equal(best_orders(np.ones((5, n, n))), np.tile(np.arange(n), (5, 1)))


def test_names_are_chosen_so_that_least_is_moved():
    order = np.tile([2, 0, 1], (10, 1))
    order[3] = [0, 1, 2]
    expected = np.tile([0, 1, 2], (10, 1))
    expected[3] = [1, 2, 0]
    assert_array_equal(fewest_changes(order), expected)


@pytest.mark.parametrize("kind", ["complex", "real", "powers"])
def test_chunks_go_on_with_the_sources_of_the_last_one(kind):
    Y, turn = sources(4), np.array([3, 1, 0, 2])
    other = 0.5 * sources(4, seed=9)
    a, b = Y, (0.3 - 2j) * (Y + other)[turn]
    if kind == "real":
        a, b = a.real, (Y + other)[turn].real
    if kind == "powers":
        a, b = abs(a) ** 2, abs(b) ** 2
    order = permutation.align_chunks(a, b)
    assert_array_equal(turn[order], np.arange(4))


def test_what_does_not_fit_is_refused_in_one_line():
    Y, A = sources(2), mixing(2)
    with pytest.raises(ParameterError, match="solver is 'best'"):
        permutation.solve(Y, solver="best")
    with pytest.raises(ParameterError, match="needs A"):
        permutation.solve(Y, solver="doa")
    with pytest.raises(ParameterError, match="needs truth"):
        permutation.solve(Y, solver="oracle")
    with pytest.raises(ParameterError, match="n_starts"):
        permutation.solve(Y, n_starts=0)
    with pytest.raises(ShapeError, match=r"expected \(sources, freq, frames\)"):
        permutation.solve(Y[0])
    with pytest.raises(ShapeError, match="A has shape"):
        permutation.solve(Y, A=A[:5])
    with pytest.raises(ShapeError, match="truth has shape"):
        permutation.solve(Y, solver="oracle", truth=Y[:, :3])
    with pytest.raises(ShapeError, match="has not"):
        permutation.apply(shuffled(2), Y[:, :9])
    with pytest.raises(ShapeError, match="order has shape"):
        permutation.score(Y, shuffled(2)[:3])
    with pytest.raises(ShapeError, match="must be the same"):
        permutation.align_chunks(Y, Y[:, :3])
    for solver in (*BLIND, "oracle"):
        with pytest.raises(ShapeError, match="33 sources; orders are found of at most 32"):
            permutation.solve(np.ones((33, 3, 4)), solver=solver)
    for highest_hz in (0.0, -1.0, np.nan):
        with pytest.raises(ParameterError, match="highest_hz"):
            permutation.solve(Y, solver="doa", A=A, highest_hz=highest_hz)
    spoilt = Y.copy()
    spoilt[1, 3, 5] = np.nan
    with pytest.raises(NumericalError, match="NaN"):
        permutation.solve(spoilt)


def test_the_device_finds_the_same_order(emulated_gpu):
    Y, mixed = sources(3, 17, 40), shuffled(3, 17)
    A = permutation.apply(mixed, mixing(3, 17), sources=2, freq=0)
    for solver in ("kernel", "doa", "hbp"):
        order = permutation.solve(permutation.apply(mixed, Y), solver=solver, A=A)
        assert in_line(mixed[1:], order[1:])
    assert ("permutation_sweep", "sweep") in emulated_gpu.launches
