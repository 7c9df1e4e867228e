"""Real recordings: every method takes them, and is better than doing nothing where its idea applies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import sigsep_classic as ssc
from benchmarks.recordings import (
    MissingRecordingError,
    musdb_excerpt,
    music_on_hold,
    speech,
    speech_over_music,
)
from sigsep_classic.compare.demo import FOR_ROOMS
from sigsep_classic.metrics import csdr, si_sdr
from sigsep_classic.oracle import ideal_ratio_mask

pytestmark = pytest.mark.slow

STEREO = {"mid_side", "centre", "panned", "adress", "duet", "projet", "spatial_clustering"}
SPATIAL = FOR_ROOMS | STEREO | {"ica"}
"""Methods that tell sources apart by how channels hear them."""

OF_NOISE = {"denoise", "dehum"}
"""Methods that take off what a clean recording has not."""


def recording(load: Callable[[], Any]) -> Any:
    try:
        return load()
    except MissingRecordingError as missing:
        pytest.skip(f"recording not installed: {missing}")


def gain(truth: np.ndarray, estimate: np.ndarray, mixture: np.ndarray, metric: Any = si_sdr) -> float:
    return float((metric(truth, estimate) - metric(truth, mixture))[0])


@pytest.mark.parametrize("method", ssc.METHODS)
def test_a_method_takes_music_and_speech_apart_without_losing_any(method: str) -> None:
    alone = method in OF_NOISE
    for x, rate in (recording(lambda: music_on_hold(seconds=6.0)), recording(lambda: speech(6.0))):
        sep = ssc.separate(x, rate, method=method)
        assert_allclose(sum(sep.values()), x, atol=1e-6 * np.abs(x).max())
        assert all(np.isfinite(stem).all() for stem in sep.values())
        heard = sum(float(np.sum(stem**2)) > 1e-4 * float(np.sum(x**2)) for stem in sep.values())
        assert heard >= (1 if alone or (method in SPATIAL and len(x) == 1) else 2)


@pytest.mark.parametrize("method", ["repet", "repet_adaptive", "repet_sim"])
def test_repetition_finds_the_voice_of_a_real_song(method: str) -> None:
    song = recording(musdb_excerpt)
    sep = ssc.separate(song.mixture, song.sample_rate, method=method)
    assert gain(song.stems["vocals"], sep["foreground"], song.mixture) > 2.0


def test_median_filtering_finds_the_drums_of_a_real_song() -> None:
    song = recording(musdb_excerpt)
    drums, rest = song.stems["drums"], song.mixture - song.stems["drums"]
    sep = ssc.separate(song.mixture, song.sample_rate, method="hpss")
    assert gain(drums, sep["percussive"], song.mixture) > 2.0
    assert gain(rest, sep["harmonic"], song.mixture) > 1.0


def test_components_grouped_by_shape_find_the_drums_of_a_real_song() -> None:
    song = recording(musdb_excerpt)
    drums = song.stems["drums"]
    sep = ssc.separate(song.mixture, song.sample_rate, method="nmf", groups="harmonic_percussive")
    assert gain(drums, sep["percussive"], song.mixture) > 4.0


@pytest.mark.parametrize("load", [musdb_excerpt, speech_over_music])
def test_the_ideal_ratio_mask_bounds_every_method(load: Callable[[], Any]) -> None:
    mix = recording(load)
    oracle = ideal_ratio_mask(mix.mixture, mix.stems)
    for name, stem in mix.stems.items():
        best = csdr(stem, oracle[name], window=mix.sample_rate)[0]
        assert best > 5
        for method in ("hpss", "repet_sim"):
            sep = ssc.separate(mix.mixture, mix.sample_rate, method=method)
            assert all(csdr(stem, estimate, window=mix.sample_rate)[0] < best for estimate in sep.values())
