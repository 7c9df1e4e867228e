"""Kernel additive modelling gives each point to the source whose kernel it fits."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import median_filter

from sigsep_classic import synthesize
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.repetition.cross_median import cross_median
from sigsep_classic.factorizers.repetition.kam import KAM
from sigsep_classic.metrics import si_sdr
from sigsep_classic.pipeline import separate_array
from sigsep_classic.typing import Grid

GRID = Grid(frame_rate=10.0, bin_hz=20.0)
QUICK = {"grid": GRID, "harmonic_seconds": 0.9, "percussive_hz": 180, "min_period": 0.5, "max_period": 2}


def noise(shape, seed=0):
    return np.random.default_rng(seed).random(shape)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("frames", "bins"), [(0, 0), (1, 1), (2, 1), (0, 3), (2, 3)])
def test_the_median_over_a_cross_is_scipys(frames, bins, order):
    Z = np.asarray(noise((13, 17)), order=order)
    footprint = np.zeros((2 * bins + 1, 2 * frames + 1), bool)
    footprint[bins], footprint[:, frames] = True, True
    assert_array_equal(cross_median(Z, frames, bins), median_filter(Z, footprint=footprint, mode="nearest"))


def naive(V, kernels, n_iter):
    """Return the gains of back-fitting with functions that take medians of (freq, frames)."""
    n, (n_channels, n_bins, _) = len(kernels), V.shape
    gains = np.full((n, *V.shape), 1 / n)
    for _ in range(n_iter):
        models = np.empty_like(gains)
        for j, median in enumerate(kernels):
            C = (gains[j] * V) ** 2
            level = np.array(
                [
                    [C[c, f].sum() / max(C[:, f].sum(axis=-1).mean(), 1e-300) for f in range(n_bins)]
                    for c in range(n_channels)
                ]
            )
            models[j] = level[:, :, None] * median(np.sqrt(C.mean(axis=0))) ** 2
        gains = models / models.sum(axis=0)
    return gains


@pytest.mark.parametrize("n_iter", [1, 3])
def test_gains_are_those_of_the_naive_iteration(n_iter):
    V = noise((2, 14, 40)) + 0.1
    method = KAM(kernels="harmonic+percussive+vocals", n_iter=n_iter, **QUICK)
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)
    above = np.arange(14)[:, None] * GRID.bin_hz > method.cutoff
    kernels = (
        lambda Z: median_filter(Z, (1, 9), mode="reflect"),
        lambda Z: median_filter(Z, (9, 1), mode="reflect"),
        lambda Z: above * median_filter(Z, footprint=cross, mode="nearest"),
    )
    assert_allclose(method.fit(V).gains(), naive(V, kernels, n_iter), rtol=1e-9, atol=1e-12)


def test_the_repeating_kernel_is_the_same_bin_some_periods_away():
    V = np.tile(noise((1, 12, 11)) ** 3, 8)
    method = KAM(kernels="repeating+vocals", n_repetitions=5, **QUICK)
    frames, counts = method._repetitions(V, GRID)
    assert list(frames[30, : counts[30]]) == [8, 19, 30, 41, 52]
    assert list(frames[0, : counts[0]]) == [0, 11, 22]


def test_a_tone_a_click_and_a_loop_go_where_they_belong():
    V = np.full((1, 60, 80), 1e-3)
    V[0, 20] += 1
    V[0, :, 37] += 1
    gains = dict(
        zip(
            ("harmonic", "percussive"),
            KAM(kernels="harmonic+percussive", **QUICK).fit(V).gains(),
            strict=True,
        )
    )
    assert gains["harmonic"][0, 20, 10] > 0.99
    assert gains["percussive"][0, 50, 37] > 0.99


def test_a_source_in_one_channel_alone_is_masked_in_that_one():
    V = np.full((2, 60, 80), 1e-3)
    V[0, 20] += 1
    V[1, :, 37] += 1
    harmonic, percussive = KAM(kernels="harmonic+percussive", n_iter=4, **QUICK).fit(V).gains()
    assert harmonic[0, 20, 37] > 0.9
    assert percussive[1, 50, 37] > 0.9


@pytest.mark.parametrize(("cutoff", "silent"), [(100.0, 6), (0.0, 1), (50.0, 3)])
def test_vocals_have_nothing_up_to_the_cutoff_and_the_others_all_of_it(cutoff, silent):
    gains = KAM(kernels="percussive+vocals", cutoff=cutoff, **QUICK).fit(noise((1, 12, 60)) + 0.1).gains()
    assert_array_equal(gains[1, 0].max(axis=-1) == 0, np.arange(12) < silent)
    assert_allclose(gains[0, 0, :silent], 1)


def test_stems_are_named_after_the_kernels_and_gains_sum_to_one():
    model = KAM(kernels="vocals + repeating", **QUICK).fit(noise((2, 12, 60)).astype(np.float32))
    assert model.names == ("vocals", "repeating")
    assert_allclose(model.gains().sum(axis=0), 1, atol=1e-6)


def test_a_callback_sees_each_iteration_and_stops():
    seen = []
    KAM(**QUICK).fit(noise((1, 12, 60)), callback=lambda i, model: seen.append((i, model.names)) or i == 2)
    assert [i for i, _ in seen] == [1, 2]


@pytest.mark.slow
def test_a_voice_over_a_loop_comes_out_better_than_it_went_in():
    mix = synthesize("repeat", seconds=9.6, sample_rate=16000)
    sep = separate_array(mix.mixture, mix.sample_rate, KAM(kernels="repeating+harmonic+vocals"))
    before = np.mean(si_sdr(mix.stems["background"], mix.mixture))
    assert np.mean(si_sdr(mix.stems["background"], sep["repeating"])) > before + 6
    before = np.mean(si_sdr(mix.stems["foreground"], mix.mixture))
    assert np.mean(si_sdr(mix.stems["foreground"], sep["harmonic"] + sep["vocals"])) > before + 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kernels": "harmonic"}, "give two or more different ones"),
        ({"kernels": "harmonic+harmonic"}, "give two or more different ones"),
        ({"kernels": "harmonic+vocal"}, "kernel is 'vocal'; did you mean 'vocals'"),
        ({"n_repetitions": 4}, "n_repetitions is 4"),
        ({"harmonic_seconds": 0}, "harmonic_seconds is 0"),
        ({"vocals_hz": -1}, "vocals_hz is -1"),
        ({"cutoff": -1}, "cutoff is -1"),
        ({"min_period": 3, "max_period": 2}, "max_period is 2"),
        ({"n_iter": 0}, "n_iter is 0"),
    ],
)
def test_parameters_out_of_range_are_refused(options, said):
    with pytest.raises(ParameterError, match=said):
        KAM(**options)


def test_times_in_seconds_need_a_grid():
    with pytest.raises(ParameterError, match=r"give grid=frontend\.grid"):
        KAM().fit(np.ones((1, 4, 5)))
