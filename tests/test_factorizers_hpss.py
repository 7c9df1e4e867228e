"""HPSS is librosa's where the definitions agree, and does what its paper promises where they don't."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import HPSS, STFT, synthesize
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.pipeline import separate_array
from sigsep_classic.typing import Grid
from tests.peers import librosa_or_skip
from tests.reference.sliding_median import sliding_median
from tests.reference.soft_mask import soft_mask


@pytest.fixture(scope="module")
def decompose():
    return librosa_or_skip().decompose


@pytest.fixture(scope="module")
def song():
    return synthesize("song", seconds=1.0, sample_rate=8000).mixture


def spectrum(shape=(2, 65, 50), real="float64", seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    X[:, :, ::13] *= 8
    X[:, 9, :] *= 9
    return X.astype(np.result_type(real, np.complex64))


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("margins", [(1, 1), (2, 3), (1, 2)])
@pytest.mark.parametrize("power", [1, 2, 3.5, math.inf])
def test_gains_are_those_of_the_naive_loops(real, power, margins):
    X = spectrum((1, 12, 15), real)
    options = dict(zip(("harmonic_margin", "percussive_margin"), margins, strict=True))
    model = HPSS(harmonic_frames=5, percussive_bins=4, mask_power=power, **options).fit(X)
    V = abs(X)
    H, P = sliding_median(V, 5, axis=-1), sliding_median(V, 4, axis=-2)
    harmonic = soft_mask(H, P, power=power, margin=margins[0])
    percussive = soft_mask(P, H, power=power, margin=margins[1])
    gains = model.gains()
    assert gains.dtype == real
    assert_allclose(gains[0], harmonic, atol=1e-6)
    if margins == (1, 1):
        assert model.names == ("harmonic", "percussive")
        assert_array_equal(gains[1], 1 - gains[0])
    else:
        assert model.names == ("harmonic", "percussive", "residual")
        assert_allclose(gains[1], percussive, atol=1e-6)
        assert_allclose(gains[2], 1 - harmonic - percussive, atol=1e-6)


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [(31, 31), (17, 8)])
@pytest.mark.parametrize("margins", [(1.0, 1.0), (2.0, 3.0)])
@pytest.mark.parametrize("power", [1.0, 2.0, math.inf])
@pytest.mark.parametrize("within", [1e-6])
def test_gains_are_librosas(decompose, real, sizes, margins, power, within):
    X = spectrum(real=real)
    model = HPSS(
        harmonic_frames=sizes[0],
        percussive_bins=sizes[1],
        mask_power=power,
        harmonic_margin=margins[0],
        percussive_margin=margins[1],
    ).fit(X)
    gains = model.gains()
    for c in range(2):
        theirs = decompose.hpss(abs(X[c]), kernel_size=sizes, power=power, mask=True, margin=margins)
        for mine, his in zip(gains[:, c], theirs, strict=False):
            agree = np.ones(his.shape, bool)
            if power == math.inf and margins == (1, 1):  # ties: see the next test
                agree = theirs[0] | theirs[1]
            assert agree.mean() > 0.9
            assert_allclose(mine[agree], his[agree], rtol=0, atol=within)


def test_where_both_medians_are_equal_binary_gains_are_percussive_where_librosa_gives_to_nobody(decompose):
    V = np.ones((1, 40, 40))
    ours = HPSS(mask_power=math.inf, harmonic_frames=9, percussive_bins=9).fit(V).gains()
    theirs = decompose.hpss(V[0], kernel_size=9, power=math.inf, mask=True)
    assert_array_equal(ours[:, 0, 5, 5], [0, 1])
    assert [mask[5, 5] for mask in theirs] == [False, False]


@pytest.mark.parametrize("margin", [1.0, (2.0, 3.0)])
@pytest.mark.parametrize("within", [1e-6])
def test_stems_are_librosas(song, margin, within):
    librosa = librosa_or_skip()
    x = song[:, : 512 * 15]
    h, p = margin if isinstance(margin, tuple) else (margin, margin)
    method = HPSS(harmonic_frames=31, percussive_bins=31, harmonic_margin=h, percussive_margin=p)
    sep = separate_array(x, 8000, method, frontend=STFT(n_fft=2048, hop=512))
    theirs = librosa.effects.hpss(x, margin=margin)
    for name, stem in zip(("harmonic", "percussive"), theirs, strict=True):
        assert_allclose(sep[name], stem, rtol=0, atol=within)


def test_a_tone_is_harmonic_and_a_click_percussive():
    t = np.arange(8000) / 8000
    tone, click = 0.3 * np.sin(2 * np.pi * 1000 * t), np.where(np.arange(8000) == 4000, 1.0, 0.0)
    sep = separate_array((tone + click)[None], 8000, HPSS())
    for name, truth in (("harmonic", tone), ("percussive", click)):
        inside = slice(800, -800)  # where a tone begins it is a click
        error = sep[name][0] - truth
        assert (error[inside] ** 2).sum() < 0.05 * (truth[inside] ** 2).sum()


def test_transposing_the_spectrogram_exchanges_the_stems():
    V = abs(spectrum((1, 40, 50)))
    one = HPSS(harmonic_frames=9, percussive_bins=5).fit(V).gains()
    other = HPSS(harmonic_frames=5, percussive_bins=9).fit(V.swapaxes(1, 2)).gains()
    assert_allclose(one[0], other[1].swapaxes(1, 2), atol=1e-12)


@pytest.mark.parametrize("frames", [4, 9])
def test_blocks_with_their_context_give_the_whole(frames):
    X, method = spectrum((1, 30, 80)), HPSS(harmonic_frames=frames, percussive_bins=5)
    whole = method.fit(X).gains()
    context = method.context
    for start in range(0, 80, 20):
        first, last = max(0, start - context), min(80, start + 20 + context)
        block = method.fit(X[:, :, first:last]).gains()
        assert_array_equal(block[..., start - first : start - first + 20], whole[..., start : start + 20])


def test_seconds_and_hertz_become_odd_numbers_of_frames_and_bins():
    grid = Grid(frame_rate=100.0, bin_hz=10.0)
    assert HPSS(harmonic_seconds=0.4, percussive_hz=300, grid=grid).sizes == (41, 31)
    assert HPSS(harmonic_seconds=0.001, percussive_hz=0.001, grid=grid).sizes == (3, 3)
    assert HPSS(harmonic_frames=8, percussive_bins=6, grid=grid).sizes == (8, 6)
    assert HPSS().sizes == (31, 31)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"harmonic_frames": 0}, "harmonic_frames is 0"),
        ({"percussive_bins": -1}, "percussive_bins is -1"),
        ({"harmonic_seconds": 0}, "harmonic_seconds is 0"),
        ({"percussive_hz": math.inf}, "percussive_hz is inf"),
        ({"harmonic_margin": 0.9}, "harmonic_margin is 0.9"),
        ({"percussive_margin": math.nan}, "percussive_margin is nan"),
        ({"mask_power": 0}, "mask_power is 0"),
        ({"mask_power": math.nan}, "mask_power is nan"),
    ],
)
def test_parameters_out_of_range_are_refused(options, said):
    with pytest.raises(ParameterError, match=said):
        HPSS(**options)


@pytest.mark.parametrize("shape", [(4, 5), (1, 4, 0), (0, 4, 5), (1, 1, 4, 5)])
def test_what_is_no_spectrogram_is_refused(shape):
    with pytest.raises(ShapeError, match=r"expected \(channels, freq, frames\)"):
        HPSS().fit(np.ones(shape))
