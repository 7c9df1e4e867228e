"""With ``compat`` the REPET family is the public NumPy code, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sigsep_classic import REPET, REPETSIM, AdaptiveREPET
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.repetition.repet_sim_online import OnlineREPETSIM
from sigsep_classic.typing import Grid
from tests.reference import repet_python

GRID = Grid(frame_rate=10.0, bin_hz=20.0)


def periodic(period, n_frames):
    """Return a stereo spectrogram (2, 12, frames) that repeats exactly."""
    loop = np.random.default_rng(0).random((2, 12, period)) ** 4
    return np.tile(loop, -(-n_frames // period))[..., :n_frames]


def rough(n_frames=130):
    """Return a stereo spectrogram with a rhythm of 11 frames under noise."""
    return periodic(11, n_frames) + 0.3 * np.random.default_rng(3).random((2, 12, n_frames))


OPTIONS = {"grid": GRID, "cutoff": 50, "compat": "repet-python"}
THEIRS = {"frame_rate": 10.0, "bin_hz": 20.0, "cutoff": 50}


@pytest.mark.parametrize(("low", "high"), [(0.5, 1.7), (1, 10)])
def test_compat_is_the_public_code_with_one_period(low, high):
    V = rough()
    model = REPET(min_period=low, max_period=high, **OPTIONS).fit(V)
    assert int(model.extra["period"]) % 11 == 1  # off by one
    expected = repet_python.original(V, period_range=(low, high), **THEIRS)
    assert_array_equal(model.gains()[0], expected)


@pytest.mark.parametrize(("length", "step"), [(4, 2), (5, 1.3), (6, 0.1)])
def test_compat_is_the_public_code_with_changing_periods(length, step):
    V = rough()
    method = AdaptiveREPET(min_period=0.5, max_period=2, segment_length=length, segment_step=step, **OPTIONS)
    expected = repet_python.adaptive(
        V, period_range=(0.5, 2), segment_length=length, segment_step=step, **THEIRS
    )
    assert_array_equal(method.fit(V).gains()[0], expected)


@pytest.mark.parametrize(("distance", "number", "threshold"), [(1, 100, 0), (0.3, 4, 0.5), (0, 3, 0)])
def test_compat_is_the_public_code_with_similar_frames(distance, number, threshold):
    V = rough()
    options = {"distance": distance, "threshold": threshold}
    gains = REPETSIM(n_similar=number, **options, **OPTIONS).fit(V).gains()[0]
    assert_array_equal(gains, repet_python.sim(V, number=number, **options, **THEIRS))
    buffered = OnlineREPETSIM(n_similar=number, buffer=5, **options, **OPTIONS)
    expected = repet_python.simonline(V, number=number, buffer=5, **options, **THEIRS)
    assert_array_equal(buffered.fit(V).gains()[0], expected)


def test_compat_near_silence_is_the_public_code_where_that_gives_numbers():
    V = rough(60)
    V[:, :, [20, 21, 40]] = 0
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning, match="(?i)empty slice|invalid"):
        expected = repet_python.sim(V, distance=0.3, **THEIRS)
    gains = REPETSIM(distance=0.3, **OPTIONS).fit(V).gains()[0]
    known = np.isfinite(expected)
    assert known.mean() > 0.9
    assert_array_equal(gains[known], expected[known])
    assert_array_equal(gains[~known], np.ones((~known).sum()))


def test_what_repeats_exactly_is_not_background_by_the_public_codes_period():
    V = periodic(11, 88)
    options = {"grid": GRID, "min_period": 0.5, "max_period": 4, "cutoff": 0}
    assert_array_equal(REPET(**options).fit(V).gains()[0], np.ones_like(V))
    assert REPET(compat="repet-python", **options).fit(V).gains()[0].mean() < 0.8


def test_compat_has_the_transform_of_the_public_code_and_no_stream():
    frontend = REPETSIM(compat="repet-python").default_frontend(44100)
    assert (frontend.n_fft, frontend.step, frontend.window) == (2048, 1024, "hamming")
    with pytest.raises(ParameterError, match="a stream has no such rules"):
        OnlineREPETSIM(**OPTIONS).start(1, 12)
