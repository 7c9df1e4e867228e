"""The REPET family finds what repeats: exactly, where the repetition is exact."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import REPET, REPETSIM, AdaptiveREPET, synthesize
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.demixing.online_stream import OnlineSeparator
from sigsep_classic.factorizers.repetition.repet_extended import ExtendedREPET
from sigsep_classic.factorizers.repetition.repet_sim_online import OnlineREPETSIM
from sigsep_classic.metrics import si_sdr
from sigsep_classic.pipeline import separate_array
from sigsep_classic.typing import Grid
from tests.reference import repet as reference
from tests.reference import repet_sim

GRID = Grid(frame_rate=10.0, bin_hz=20.0)


def noise(shape, real="float64", seed=0):
    return np.random.default_rng(seed).random(shape).astype(real)


def periodic(period, n_frames, real="float64", seed=0):
    """Return a stereo spectrogram (2, 12, frames) that repeats exactly."""
    loop = noise((2, 12, period), real, seed) ** 4
    return np.tile(loop, -(-n_frames // period))[..., :n_frames]


def methods(*, threshold=0.0, **common):
    return {
        "repet": REPET(grid=GRID, min_period=0.5, max_period=4, **common),
        "repet_adaptive": AdaptiveREPET(
            grid=GRID, min_period=0.5, max_period=4, segment_length=6, segment_step=2, **common
        ),
        "repet_sim": REPETSIM(grid=GRID, distance=0.6, threshold=threshold, **common),
        "repet_extended": ExtendedREPET(
            grid=GRID, min_period=0.5, max_period=4, segment_length=5, segment_step=2, **common
        ),
        "repet_sim_online": OnlineREPETSIM(grid=GRID, buffer=6, distance=0.6, threshold=threshold, **common),
    }


NAMES = list(methods())


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_what_repeats_exactly_is_background_with_a_gain_of_exactly_one(name, real):
    V = periodic(11, 88, real)
    gains = methods(cutoff=0, threshold=0.999)[name].fit(V).gains()
    assert gains.dtype == real
    assert_array_equal(gains[0], np.ones_like(V))
    assert_array_equal(gains[1], np.zeros_like(V))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "repet_sim_online"])
def test_what_stands_out_once_is_foreground(name):
    V = periodic(11, 110)
    mixture = V.copy()
    mixture[:, 3:6, 50:53] += 0.3
    background, foreground = methods(cutoff=0, threshold=0.85)[name].fit(mixture).reconstruct()
    assert_allclose(background, V, atol=1e-12)
    assert_allclose(foreground, mixture - V, atol=1e-12)


@pytest.mark.parametrize("period", [5, 8, 13, 23, 40])
def test_the_period_is_recovered_under_noise(period):
    V = periodic(period, 200) + 0.2 * noise((2, 12, 200), seed=1)
    model = REPET(grid=GRID, min_period=0.5, max_period=1.8 * period / 10).fit(V)
    assert int(model.extra["period"]) == period
    assert model.extra["beat_spectrum"].shape == (200,)


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("period", [1, 3, 7, 10, 25])
def test_repet_is_the_naive_loop(period, real):
    V = noise((2, 5, 25), real)
    V[0, 2, 4] = 0
    gains = REPET(grid=GRID, period=period / 10, cutoff=0).fit(V).gains()
    expected = reference.one_period(V, period)
    expected[:, 0] = 1  # a constant is background
    assert_allclose(gains[0], expected, rtol=1e-6 if real == "float32" else 1e-14)


@pytest.mark.parametrize("n_periods", [3, 5, 7])
def test_adaptive_repet_is_the_naive_loop(n_periods):
    V = noise((2, 5, 61))
    method = AdaptiveREPET(
        grid=GRID,
        segment_length=2,
        segment_step=1,
        min_period=0.2,
        max_period=1,
        n_periods=n_periods,
        cutoff=0,
    )
    model = method.fit(V)
    expected = reference.many_periods(V, model.extra["periods"], n_periods)
    expected[:, 0] = 1
    assert_allclose(model.gains()[0], expected, rtol=1e-14)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("number", "seconds", "threshold"), [(4, 0.1, 0.0), (100, 0.5, 0.0), (5, 0.3, 0.8)])
def test_repet_sim_is_the_naive_search_with_identical_gains(number, seconds, threshold, seed):
    V = noise((2, 7, 45), seed=seed)
    method = REPETSIM(grid=GRID, n_similar=number, distance=seconds, threshold=threshold, cutoff=50)
    expected = repet_sim.background_gain(
        V, number=number, distance=round(10 * seconds), threshold=threshold, background_bins=3
    )
    assert_array_equal(method.fit(V).gains()[0], expected)


def test_the_adaptive_method_follows_a_change_of_period():
    V = np.concatenate([periodic(9, 150), periodic(14, 150, seed=1)], axis=-1)
    method = AdaptiveREPET(
        grid=GRID, min_period=0.5, max_period=1.7, segment_length=6, segment_step=1, cutoff=0
    )
    model = method.fit(V)
    periods = model.extra["periods"]
    assert_array_equal(periods[:110], np.full(110, 9))
    assert_array_equal(periods[190:], np.full(110, 14))
    gains = model.gains()[0]
    assert_array_equal(gains[..., :110], np.ones((2, 12, 110)))
    assert_array_equal(gains[..., 190:], np.ones((2, 12, 110)))
    fixed = REPET(grid=GRID, min_period=0.5, max_period=1.7, cutoff=0).fit(V).gains()[0]
    assert fixed.mean() < gains.mean() - 0.05


def test_the_period_in_seconds_overrides_the_search():
    V = periodic(11, 88)
    assert int(REPET(grid=GRID, period=1.3).fit(V).extra["period"]) == 13
    assert int(REPET(grid=GRID, period=0).fit(V).extra["period"]) == 1
    assert int(REPET(grid=GRID, period=1e6).fit(V).extra["period"]) == 88


@pytest.mark.parametrize("n_frames", [1, 2, 14])
@pytest.mark.parametrize("name", ["repet", "repet_adaptive", "repet_extended"])
def test_a_signal_too_short_to_repeat_is_all_background(name, n_frames):
    V = noise((1, 4, n_frames))
    assert_array_equal(methods()[name].fit(V).gains()[0], np.ones_like(V))


@pytest.mark.parametrize("name", NAMES)
def test_gains_of_both_stems_are_a_partition(name):
    gains = methods()[name].fit(noise((2, 12, 60), "float32")).gains()
    assert_array_equal(gains.sum(axis=0), np.ones((2, 12, 60)))
    assert gains.min() >= 0


@pytest.mark.parametrize(("cutoff", "bins"), [(0, 1), (19, 1), (20, 2), (59, 3), (1e6, 12)])
@pytest.mark.parametrize("name", NAMES)
def test_everything_up_to_the_cutoff_is_background(name, cutoff, bins):
    V = noise((1, 12, 60))
    gains = methods(cutoff=cutoff)[name].fit(V).gains()[0]
    assert_array_equal(gains[:, :bins], np.ones((1, bins, 60)))
    assert bins == 12 or gains[:, bins].min() < 1


@pytest.mark.parametrize("name", NAMES)
def test_a_level_changes_no_gain(name):
    V = noise((2, 12, 60))
    gains = methods()[name].fit(V).gains()
    assert_array_equal(methods()[name].fit(V * 2.0**-20).gains(), gains)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_voice_over_a_loop_comes_out_better_than_it_went_in(name):
    mix = synthesize("repeat", seconds=9.6, sample_rate=16000)
    kinds = {
        "repet": REPET(),
        "repet_adaptive": AdaptiveREPET(),
        "repet_sim": REPETSIM(),
        "repet_extended": ExtendedREPET(segment_length=8, segment_step=1),
        "repet_sim_online": OnlineREPETSIM(),
    }
    sep = separate_array(mix.mixture, mix.sample_rate, kinds[name])
    for stem in ("background", "foreground"):
        before = si_sdr(mix.stems[stem], mix.mixture)
        assert np.mean(si_sdr(mix.stems[stem], sep[stem])) > np.mean(before) + 2
    if name == "repet":
        frames = int(sep.model.extra["period"])
        seconds = frames / sep.frontend.grid(16000).frame_rate
        loops = seconds * 16000 / mix.meta["period_samples"]
        assert_allclose(loops, round(loops), atol=0.02)


KINDS = [REPET, AdaptiveREPET, REPETSIM, ExtendedREPET, OnlineREPETSIM]


@pytest.mark.parametrize("kind", KINDS)
def test_times_in_seconds_need_a_grid(kind):
    with pytest.raises(ParameterError, match=r"give grid=frontend\.grid"):
        kind().fit(np.ones((1, 4, 5)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(4, 5), (1, 4, 0), (0, 4, 5)])
def test_what_is_no_spectrogram_is_refused(kind, shape):
    with pytest.raises(ShapeError, match=r"expected \(channels, freq, frames\)"):
        kind(grid=GRID).fit(np.ones(shape))


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        (REPET, {"min_period": -1}, "min_period is -1"),
        (REPET, {"min_period": 2, "max_period": 1}, "max_period is 1; it must be at least 2"),
        (REPET, {"period": -0.1}, "period is -0.1"),
        (REPET, {"cutoff": -1}, "cutoff is -1"),
        (AdaptiveREPET, {"segment_length": 0}, "segment_length is 0"),
        (AdaptiveREPET, {"segment_step": 0}, "segment_step is 0"),
        (AdaptiveREPET, {"n_periods": 2}, "n_periods is 2"),
        (AdaptiveREPET, {"n_periods": 4}, "n_periods is 4"),
        (REPETSIM, {"n_similar": 0}, "n_similar is 0"),
        (REPETSIM, {"threshold": 1.1}, "threshold is 1.1"),
        (REPETSIM, {"distance": -1}, "distance is -1"),
        (ExtendedREPET, {"segment_length": 0}, "segment_length is 0"),
        (ExtendedREPET, {"segment_length": 2, "segment_step": 3}, "segment_step is 3; it must be at most"),
        (OnlineREPETSIM, {"buffer": 0}, "buffer is 0"),
        (OnlineREPETSIM, {"threshold": 2}, "threshold is 2"),
        (REPET, {"compat": "nussl"}, "compat is 'nussl'; use one of repet-python"),
    ],
)
def test_parameters_out_of_range_are_refused(kind, options, said):
    with pytest.raises(ParameterError, match=said):
        kind(**options)


# ---- several segments, and streams


def test_one_segment_is_repet():
    V = noise((2, 12, 90))
    method = ExtendedREPET(grid=GRID, segment_length=10, min_period=0.5, max_period=2)
    whole = REPET(grid=GRID, min_period=0.5, max_period=2).fit(V)
    assert_array_equal(method.fit(V).masks, whole.masks)


def test_each_segment_has_its_own_period_and_overlaps_are_blended_on_a_line():
    V = np.concatenate([periodic(9, 60), periodic(14, 60, seed=1)], axis=-1) + 0.1 * noise((2, 12, 120))
    method = ExtendedREPET(
        grid=GRID, segment_length=6, segment_step=4, min_period=0.5, max_period=1.7, cutoff=0
    )
    model = method.fit(V)
    assert_array_equal(model.extra["starts"], [0, 40])
    gains = model.gains()[0]
    first = REPET(grid=GRID, period=model.extra["periods"][0] / 10, cutoff=0).fit(V[:, :, :60]).gains()[0]
    last = REPET(grid=GRID, period=model.extra["periods"][1] / 10, cutoff=0).fit(V[:, :, 40:]).gains()[0]
    assert_array_equal(gains[:, :, :40], first[:, :, :40])
    assert_array_equal(gains[:, :, 60:], last[:, :, 20:])
    weight = (np.arange(20) + 0.5) / 20
    blended = first[:, :, 40:] * (1 - weight) + last[:, :, :20] * weight
    assert_allclose(gains[:, :, 40:60], blended, rtol=1e-14)


def test_online_a_frame_knows_but_the_buffer_before_it():
    V = noise((2, 7, 70))
    method = OnlineREPETSIM(grid=GRID, buffer=2, distance=0.2, n_similar=5, cutoff=0)
    gains = method.fit(V).gains()[0]
    for t in (0, 1, 19, 20, 50, 69):
        seen = V[:, :, max(0, t - 19) : t + 1]
        expected = repet_sim.background_gain(seen, number=5, distance=2, threshold=0, background_bins=1)
        assert_array_equal(gains[:, :, t], expected[:, :, -1])


def test_a_stream_in_blocks_gives_what_the_whole_gives():
    X = noise((2, 7, 95)) * np.exp(2j * np.pi * noise((2, 7, 95), seed=1))
    method = OnlineREPETSIM(grid=GRID, buffer=2, distance=0.2)
    state, blocks, t = method.start(2, 7), [], 0
    for size in (1, 1, 30, 7, 56):
        stems, state = method.process(X[:, :, t : t + size], state)
        assert state.past.shape[-1] <= 19
        blocks.append(stems)
        t += size
    expected = method.fit(X).gains() * X
    assert_allclose(np.concatenate(blocks, axis=-1), expected, atol=1e-12)
    with pytest.raises(ShapeError, match="this stream has"):
        method.process(X[:1], state)


def test_samples_of_a_stream_give_the_stems_of_the_whole():
    x = synthesize("repeat", seconds=2.0, sample_rate=8000).mixture.astype(float)
    method = OnlineREPETSIM(buffer=1, distance=0.1)
    separator = OnlineSeparator(method, n_channels=len(x), sample_rate=8000)
    parts = [separator.push(x[:, t : t + 700]) for t in range(0, x.shape[1], 700)] + [separator.flush()]
    sep = separate_array(x, 8000, method)
    assert_allclose(np.concatenate(parts, axis=-1), np.stack(list(sep.values())), atol=1e-10)
