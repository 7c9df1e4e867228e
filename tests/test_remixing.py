"""A remix is the mixture plus what changes of its stems."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.remixing import Change, changed, method_for, panned, parse, remixed

RATE = 8000


@pytest.fixture
def stems():
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal((2, 4000)).astype("float32") for name in ("vocals", "drums", "bass")}


@pytest.fixture
def mixture(stems):
    return sum(stems.values()) + np.float32(0.1)


def test_a_line_says_what_to_do():
    found = parse(
        "vocals -6dB; drums mute; bass pan left, lowpass 4k; other x0.5 bandpass 300-3kHz dry; lead solo"
    )
    assert found["vocals"] == Change(gain=10 ** (-6 / 20))
    assert found["drums"] == Change(gain=0.0)
    assert found["bass"] == Change(pan=-1.0, filters=(("lowpass", (4000.0,)),))
    assert found["other"] == Change(gain=0.5, filters=(("bandpass", (300.0, 3000.0)),), dry=True)
    assert found["lead"] == Change(solo=True)
    assert parse("a +3 dB")["a"].gain == pytest.approx(10 ** (3 / 20))
    assert parse("a pan 0.3")["a"].pan == 0.3
    assert parse("a: -6 dB; b=mute")["b"].gain == 0
    assert parse("a lowpass 4 kHz mute")["a"] == Change(gain=0.0, filters=(("lowpass", (4000.0,)),))
    assert parse("a bandpass 300-3 k")["a"] == parse("a bandpass 300Hz-3k")["a"]


@pytest.mark.parametrize(
    "text",
    ["", "vocals", "vocals louder", "vocals pan", "vocals pan 2", "a lowpass", "a lowpass x", "a mute; a solo",
     "a bandpass 300", "a bandpass 3k-300", "a lowpass 0", "a 10000dB", ": mute"],
)  # fmt: skip
def test_what_is_not_understood_is_refused_in_a_line(text):
    with pytest.raises(ParameterError) as error:
        parse(text)
    assert "\n" not in str(error.value)


def test_a_slip_is_told_what_to_write():
    with pytest.raises(ParameterError, match="say -6dB"):
        parse("vocals -6")
    with pytest.raises(ParameterError, match="; comes before the next stem"):
        parse("vocals -6dB, drums mute")
    with pytest.raises(ParameterError, match="'foo'; there are accompaniment"):
        method_for(parse("vocals mute; drums mute; foo mute"), lambda name: True)


def test_nothing_changed_is_the_mixture_to_the_bit(stems, mixture):
    for changes in (
        {},
        {"vocals": 1},
        {"vocals": Change(), "drums": Change(gain=1.0)},
        parse("bass 0dB pan centre"),
    ):
        assert_array_equal(remixed(mixture, stems, RATE, changes), mixture)


def test_a_muted_stem_is_taken_away_and_solo_leaves_only_it(stems, mixture):
    before = mixture.copy()
    assert_allclose(remixed(mixture, stems, RATE, parse("drums mute")), mixture - stems["drums"], atol=1e-6)
    solo = remixed(mixture, stems, RATE, parse("vocals solo; bass solo -6dB; drums +6dB"))
    assert_allclose(solo, stems["vocals"] + 10 ** (-6 / 20) * stems["bass"], atol=1e-6)
    assert_array_equal(mixture, before)


def test_panning_keeps_the_middle_and_moves_all_to_a_side(stems):
    x = stems["vocals"]
    assert_array_equal(panned(x, 0.0), x)
    left = panned(x, -1.0)
    assert_allclose(left[0], x[0] + x[1], atol=1e-6)
    assert_allclose(left[1], 0, atol=1e-6)
    assert_allclose(panned(x[::-1], 0.4)[::-1], panned(x, -0.4), atol=1e-6)
    alone = np.stack([np.zeros(9), np.ones(9)])  # what comes from one side keeps its energy
    assert_allclose((panned(alone, -0.7) ** 2).sum(axis=0), 1)


def test_a_lowpass_keeps_what_is_below_and_takes_what_is_above_without_delay():
    t = np.arange(RATE) / RATE
    low, high = np.sin(2 * np.pi * 200 * t), np.sin(2 * np.pi * 3000 * t)
    y = changed((low + high)[None], RATE, parse("a lowpass 1k")["a"])
    assert_allclose(y[0, 500:-500], low[500:-500], atol=2e-3)
    y = changed((low + high)[None], RATE, parse("a highpass 1k")["a"])
    assert_allclose(y[0, 500:-500], high[500:-500], atol=5e-3)


def test_dry_takes_reverberation():
    rng = np.random.default_rng(1)
    dry = np.repeat(rng.standard_normal(40), 400) * (rng.random(16000) < 0.2)
    room = rng.standard_normal((2, 3000)) * np.exp(-np.arange(3000) / 600)
    room[:, 0] = 5
    wet = np.stack([np.convolve(dry, h)[:16000] for h in room])
    y = changed(wet, RATE, Change(dry=True))
    assert y.shape == wet.shape
    near = 5 * dry

    def error(z):
        return np.mean((z[0, 4000:] - near[4000:]) ** 2)

    assert error(y) < error(wet)


def test_stems_must_be_there_and_fit(stems, mixture):
    with pytest.raises(ParameterError, match="did you mean 'drums'"):
        remixed(mixture, stems, RATE, {"drum": 0})
    with pytest.raises(ShapeError):
        remixed(mixture[:, :10], stems, RATE, {"drums": 0})
    with pytest.raises(ParameterError, match="two channels"):
        remixed(mixture[0], {"a": mixture[0]}, RATE, parse("a pan left"))
    with pytest.raises(ParameterError, match="below 4000"):
        remixed(mixture, stems, RATE, parse("bass lowpass 5k"))


def test_the_method_is_the_first_that_gives_all_stems():
    assert method_for(parse("vocals -6dB"), lambda name: True) == "vocals"
    assert method_for(parse("vocals -6dB; drums mute"), lambda name: True) == "four_stems"
    assert method_for({"percussive": 0}, lambda name: name != "vocals") == "hpss"
    with pytest.raises(ParameterError, match="did you mean 'drums'"):
        method_for({"vocals": 0, "drms": 0}, lambda name: True)
    with pytest.raises(ParameterError, match="no method gives"):
        method_for({"trumpet": 0}, lambda name: True)
