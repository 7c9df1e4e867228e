"""Sinusoidal follows partials whose truth is known, and tells sounds apart by harmony and common movement."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import METHODS, STFT
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.pitch.concordance import distances, group
from sigsep_classic.factorizers.pitch.partials import Partial, peaks, trajectories
from sigsep_classic.metrics import si_sdr
from sigsep_classic.pipeline import separate_array

Sinusoidal = METHODS["sinusoidal"]
RATE = 22050
FRONTEND = STFT(n_fft=2048, hop=512)
HERTZ = RATE / 2048 * np.arange(1025)


def note(f0, seed, *, vibrato=0.0, decay=0.0, seconds=1.2, n_harmonics=12):
    """Return a note of harmonics of random level and phase, (samples,)."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(f0 * 2 ** (vibrato / 1200 * np.sin(2 * np.pi * 5.5 * t))) / RATE
    orders = [n for n in range(1, n_harmonics + 1) if n * f0 < 0.45 * RATE]
    x = sum(rng.uniform(0.5, 1) / n * np.sin(n * phase + rng.uniform(0, 6)) for n in orders)
    return 0.2 * x * np.exp(-decay * t) * np.minimum(1, np.minimum(t / 0.03, (seconds - t) / 0.05))


def partials_of(x):
    V = abs(FRONTEND.analyze(x[None]))[0]
    return trajectories(peaks(V, HERTZ), step_cents=50, step_hz=4, min_frames=6)


def straight(f, level, length=30, start=0):
    return Partial(start=start, hertz=np.full(length, float(f)), level=np.full(length, float(level)))


def test_peaks_of_sinusoids_are_where_they_are_and_as_loud():
    t = np.arange(RATE) / RATE
    x = np.sin(2 * np.pi * 440.7 * t) + 0.1 * np.sin(2 * np.pi * 3003.3 * t)
    V = abs(FRONTEND.analyze(x[None]))[0]
    hertz, level = peaks(V[:, 20:21], HERTZ)[0]
    for f, a in ((440.7, 1.0), (3003.3, 0.1)):
        k = abs(hertz - f).argmin()
        assert abs(hertz[k] - f) < 0.5
        assert_allclose(level[k] / level.max(), a, rtol=0.03)


def test_a_partial_with_vibrato_is_one_trajectory():
    x = note(600.0, 0, vibrato=30, n_harmonics=1)
    (partial,) = partials_of(x)
    assert 590 < partial.hertz.min() < 597
    assert 603 < partial.hertz.max() < 611
    assert len(partial.hertz) > 45


def test_short_gaps_are_filled_and_long_ones_part():
    found = [(np.array([500.0]), np.array([1.0])) for _ in range(30)]
    nothing = (np.zeros(0), np.zeros(0))
    options = {"step_cents": 50, "step_hz": 4, "min_frames": 5}
    found[10:12] = [nothing] * 2
    assert [len(p.hertz) for p in trajectories(found, **options)] == [30]
    found[20:24] = [nothing] * 4
    assert [len(p.hertz) for p in trajectories(found, **options)] == [20, 6]


def test_partials_in_harmony_that_move_alike_have_no_distance():
    swing = 1 + 0.01 * np.sin(np.arange(40))
    fade = np.exp(-np.arange(40) / 20)
    one, two, other = (
        Partial(start=0, hertz=f * move, level=a * env)
        for f, move, a, env in ((200, swing, 1, fade), (600, swing, 0.3, fade), (517, 1 / swing, 1, 1 / fade))
    )
    D = distances([one, two, other])
    assert_allclose(D[0, 1], 0, atol=1e-12)
    assert D[0, 2] > 0.5
    assert_array_equal(D, D.T)


def test_partials_that_never_sound_together_have_harmony_alone_to_tell():
    D = distances([straight(200, 1), straight(400, 1, start=100), straight(527, 1, start=200)])
    assert_allclose(D[0, 1], 1.5 / 2.5)
    assert_allclose(D[0, 2], 1)


def test_groups_are_those_of_the_harmonics():
    partials = [straight(220 * n, 1 / n) for n in range(1, 8)] + [
        straight(277 * n, 1 / n) for n in range(1, 7)
    ]
    low, high = group(partials, 2)
    assert low.members == tuple(range(7))
    assert high.members == tuple(range(7, 13))
    assert_allclose([low.f0, high.f0], [220, 277], rtol=1e-9)
    assert group([], 2) == []


CHORDS = {
    "major third": ([(220.0, {}), (277.2, {})], 12),
    "third, one with vibrato": ([(220.0, {}), (277.2, {"vibrato": 30})], 8),
    "fifth, with partials in common": ([(220.0, {"decay": 1.5}), (329.6, {"vibrato": 25})], 6),
    "tritone": ([(262.0, {}), (370.0, {"decay": 2.0})], 12),
    "three notes": ([(175.0, {}), (311.0, {"vibrato": 25}), (440.0, {"decay": 2.0})], 6),
}


@pytest.mark.parametrize("name", CHORDS)
def test_notes_of_known_truth_come_apart(name):
    notes, gain = CHORDS[name]
    stems = [note(f0, seed, **options) for seed, (f0, options) in enumerate(notes)]
    x = sum(stems) + 5e-4 * np.random.default_rng(9).standard_normal(len(stems[0]))
    sep = separate_array(x[None], RATE, Sinusoidal(n_sources=len(notes)), frontend=FRONTEND)
    assert list(sep) == [*(f"source{n + 1}" for n in range(len(notes))), "residual"]
    assert_allclose(sep.model.extra["f0"], [f0 for f0, _ in notes], rtol=5e-3)
    before, after = (
        np.mean(
            [
                si_sdr(stem[None, None], estimate.reshape(1, 1, -1))[0]
                for stem, estimate in zip(stems, got, strict=True)
            ]
        )
        for got in ([x] * len(stems), [sep[f"source{n + 1}"] for n in range(len(stems))])
    )
    assert after > before + gain


def test_noise_is_residual():
    x = 0.1 * np.random.default_rng(0).standard_normal((1, RATE))
    sep = separate_array(x, RATE, Sinusoidal(), frontend=FRONTEND)
    assert (sep["residual"] ** 2).sum() > 0.8 * (x**2).sum()


def test_one_note_leaves_the_second_source_silent_or_soft():
    x = note(300.0, 3)[None]
    sep = separate_array(x, RATE, Sinusoidal(), frontend=FRONTEND)
    energies = sorted(float((sep[f"source{n}"] ** 2).sum() / (x**2).sum()) for n in (1, 2))
    assert energies[1] > 0.9
    assert energies[0] < 0.05


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_sources": 0}, "n_sources is 0"),
        ({"min_seconds": 0}, "min_seconds is 0"),
        ({"step_cents": -1}, "step_cents is -1"),
        ({"highest_hz": 0}, "highest_hz is 0"),
    ],
)
def test_parameters_out_of_range_are_refused(options, said):
    with pytest.raises(ParameterError, match=said):
        Sinusoidal(**options)


def test_without_a_grid_it_says_so():
    with pytest.raises(ParameterError, match="give grid"):
        Sinusoidal().fit(np.ones((1, 9, 4)))
