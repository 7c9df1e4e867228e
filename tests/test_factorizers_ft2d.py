"""The 2-D Fourier transform parts what repeats at one rate from what does not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import synthesize
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.repetition.ft2d import FT2D
from sigsep_classic.metrics import si_sdr
from sigsep_classic.pipeline import separate_array
from sigsep_classic.typing import Grid
from tests.reference import ft2d as reference


def noise(shape, seed=0):
    return np.random.default_rng(seed).random(shape)


@pytest.mark.parametrize("period", [2, 5, 8])
def test_what_repeats_a_whole_number_of_times_is_background(period):
    V = np.tile(noise((2, 16, period)), 40)
    gains = FT2D().fit(V).gains()
    assert_allclose(gains[0], 1, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 25), (3, 7), (5, 1)])
@pytest.mark.parametrize("kind", ["contrast", "threshold"])
def test_weights_are_those_of_scipys_filters_on_a_torus(kind, size):
    A = abs(np.fft.fft2(noise((18, 40))))
    method = FT2D(neighborhood_scales=size[0], neighborhood_rates=size[1], peak_kind=kind)
    assert_allclose(method.weights(A), reference.weights(A, size, kind=kind), atol=1e-9)


@pytest.mark.parametrize("mask", ["soft", "binary"])
@pytest.mark.parametrize("kind", ["contrast", "threshold"])
def test_gains_are_those_of_the_definition(kind, mask):
    V = noise((2, 18, 40)) ** 3
    gains = FT2D(peak_kind=kind, mask_kind=mask, neighborhood_rates=9).fit(V).gains()[0]
    for got, S in zip(gains, V, strict=True):
        D = np.fft.fft2(S)
        w = reference.weights(abs(D), (1, 9), kind=kind)
        w = np.maximum(w, w[:, -np.arange(40)])  # a peak at a rate is one at its negative
        B, F = abs(np.fft.ifft2(D * w)), abs(np.fft.ifft2(D * (1 - w)))
        assert_allclose(got, np.minimum(B, S) / S if mask == "soft" else B > F, atol=1e-9)


def test_the_background_is_real_for_weights_keep_the_symmetry():
    D = np.fft.fft2(noise((17, 40)))
    B = np.fft.ifft2(D * FT2D().weights(abs(D)))
    assert abs(B.imag).max() < 1e-12


def test_a_neighborhood_wider_than_the_piece_is_the_piece():
    V = noise((1, 6, 11))
    assert_array_equal(FT2D(neighborhood_rates=11).fit(V).masks, FT2D(neighborhood_rates=1001).fit(V).masks)


def test_everything_up_to_the_cutoff_is_background():
    V, grid = noise((1, 12, 60)), Grid(frame_rate=10.0, bin_hz=20.0)
    gains = FT2D(grid=grid, cutoff=59).fit(V).gains()[0]
    assert_array_equal(gains[:, :3], np.ones((1, 3, 60)))
    assert gains[:, 3].min() < 1


def test_one_frame_and_silence_are_background():
    assert_array_equal(FT2D().fit(np.zeros((1, 5, 9))).gains()[0], np.ones((1, 5, 9)))
    assert_allclose(FT2D().fit(noise((1, 5, 1))).gains()[0], 1, atol=1e-6)


@pytest.mark.slow
def test_a_voice_over_a_loop_comes_out_better_than_it_went_in():
    mix = synthesize("repeat", seconds=9.6, sample_rate=16000)
    sep = separate_array(mix.mixture, mix.sample_rate, FT2D())
    for stem in ("background", "foreground"):
        before = np.mean(si_sdr(mix.stems[stem], mix.mixture))
        assert np.mean(si_sdr(mix.stems[stem], sep[stem])) > before + 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"neighborhood_rates": 24}, "neighborhood_rates is 24; it must be odd"),
        ({"neighborhood_scales": 0}, "neighborhood_scales is 0"),
        ({"peak_kind": "local"}, "peak_kind is 'local'"),
        ({"mask_kind": "hard"}, "mask_kind is 'hard'"),
        ({"cutoff": -1}, "cutoff is -1"),
    ],
)
def test_parameters_out_of_range_are_refused(options, said):
    with pytest.raises(ParameterError, match=said):
        FT2D(**options)


def test_on_even_axes_flipping_is_not_the_symmetry_of_the_transform():
    """Public code flips a centred transform to make peaks symmetric; with even lengths that moves them by one."""
    A = np.fft.fftshift(abs(np.fft.fft2(noise((6, 8)))))
    assert abs(A[::-1, ::-1] - A).max() > 0.1
    assert_allclose(A[1:, 1:][::-1, ::-1], A[1:, 1:], atol=1e-9)
