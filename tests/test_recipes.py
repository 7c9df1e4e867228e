"""The one call: blind separation of a room, its window and the number of its sources chosen."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import BSS, STFT, separate, synthesize
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.models import DemixingModel
from sigsep_classic.metrics import si_sdr
from sigsep_classic.recipes.judging import own_sources, spread

RATE = 16000


@pytest.fixture(scope="module")
def room():
    return synthesize("convolutive", seconds=4.0, sample_rate=RATE)


@pytest.fixture(scope="module")
def found(room):
    return separate(room.mixture, RATE, method="bss")


def best_order(truth, stems):
    """Return si_sdr (2,) of two stems against the true images at the first channel, in the better order."""
    truth, stems = ([np.asarray(x[0], float) for x in group] for group in (truth, stems))
    return max(
        (np.array([si_sdr(t[None, None], s[None, None])[0] for t, s in zip(truth, order, strict=True)])
         for order in (stems, stems[::-1])),
        key=lambda scores: scores.sum(),
    )  # fmt: skip


@pytest.mark.slow
def test_two_talkers_in_a_room_are_told_apart(room, found):
    truth = list(room.stems.values())
    before = best_order(truth, [room.mixture, room.mixture])
    assert list(found) == ["source1", "source2"]
    assert (best_order(truth, list(found.values())) > before + 8).all()
    assert_allclose(sum(found.values()), room.mixture, atol=1e-6 * abs(room.mixture).max())


@pytest.mark.slow
def test_the_window_taken_is_the_one_with_the_sparsest_stems(room, found):
    def sparsity(sep):
        loudest = [stem[np.argmax((stem**2).sum(axis=1))] for stem in sep.values()]
        return spread(np.stack(loudest), RATE)

    for n_fft in (2048, 4096, 8192):
        frontend = STFT(n_fft=n_fft, hop=n_fft // 8)
        other = separate(room.mixture, RATE, method="bss", n_sources=2, frontend=frontend)
        assert sparsity(found) <= sparsity(other) + 0.01


@pytest.mark.slow
def test_what_was_chosen_is_said(room, caplog):
    with caplog.at_level(logging.INFO, logger="sigsep_classic"):
        sep = separate(room.mixture, RATE, method=BSS(fast=True))
    assert "bss: 2 sources counted, window 256 ms" in caplog.text
    assert isinstance(sep.model, DemixingModel)
    assert sep.frontend == STFT(n_fft=4096, hop=1024)


@pytest.mark.slow
def test_one_talker_is_not_taken_for_two(room):
    alone = next(iter(room.stems.values())) + 1e-5 * np.random.default_rng(0).standard_normal(
        room.mixture.shape
    )
    assert len(separate(alone, RATE, method=BSS(fast=True)).model.names) == 1


@pytest.mark.slow
def test_a_transform_that_is_given_is_the_only_one_and_sources_are_counted_in_it(room, caplog):
    alone = next(iter(room.stems.values())) + 1e-5 * np.random.default_rng(0).standard_normal(
        room.mixture.shape
    )
    with caplog.at_level(logging.INFO, logger="sigsep_classic"):
        sep = separate(alone, RATE, method="bss", frontend=STFT(n_fft=4096, hop=512))
    assert sep.frontend == STFT(n_fft=4096, hop=512)
    assert list(sep) == ["source1", "residual"]
    assert "bss: 1 source counted, window 256 ms" in caplog.text
    assert_allclose(sum(sep.values()), alone, atol=1e-6 * abs(alone).max())


def test_stems_may_be_sums_of_sources_whose_number_is_given(room):
    groups = {"first": [0], "others": [1]}
    found = separate(room.mixture[:, :RATE], RATE, method="bss", n_sources=2, groups=groups, fast=True)
    assert list(found) == ["first", "others"]


def test_copies_of_a_channel_and_dead_channels_are_no_sources(room):
    x = room.mixture[:, :RATE]
    found = separate(np.stack([x[0], x[0]]), RATE, method=BSS(fast=True))
    assert list(found) == ["source1"]
    found = separate(np.stack([x[0], 0 * x[0], x[1]]), RATE, method=BSS(fast=True))
    assert not any(np.array_equal(stem, 0 * stem) for stem in found.values())


def test_a_callback_that_has_enough_ends_the_search(room):
    calls = []
    x = room.mixture[:, : 2 * RATE]
    sep = separate(x, RATE, method="bss", callback=lambda i, model: calls.append(i) or len(calls) == 3)
    assert calls == [1, 2, 3]
    assert sep.frontend.n_fft == 4096


@pytest.mark.slow
def test_what_is_weak_and_no_source_of_its_own_is_left_over():
    rng = np.random.default_rng(1)
    envelope = np.repeat(rng.random((2, 60)) < 0.4, 1600, axis=1)
    x = rng.standard_normal((3, envelope.shape[1])) * [[1], [1], [0.02]]
    x[:2] *= envelope
    sep = separate(rng.standard_normal((3, 3)) @ x, RATE, method="bss")
    assert list(sep) == ["source1", "source2", "residual"]


def test_more_sources_than_microphones_take_a_mixture_of_directions(room):
    sep = separate(room.mixture[:, : 2 * RATE], RATE, method="bss", n_sources=3)
    assert list(sep) == ["source1", "source2", "source3"]
    assert not isinstance(sep.model, DemixingModel)
    assert sep.frontend.n_fft == 2048


def test_short_and_silent_recordings_get_through():
    for x in (np.zeros((2, 800)), np.random.default_rng(0).standard_normal((2, 800))):
        sep = separate(x, 8000, method="bss")
        assert_allclose(sum(sep.values()), x, atol=1e-6)
    mono = np.random.default_rng(0).standard_normal(4000)
    assert_allclose(separate(mono, 8000, method="bss")["source1"], mono, atol=1e-12)


def test_spread_is_low_for_sparse_signals_whatever_their_level():
    rng = np.random.default_rng(0)
    steady = rng.standard_normal((2, 2 * RATE))
    bursts = steady * np.repeat(rng.random((2, 100)) < 0.2, 320, axis=1)
    assert spread(bursts, RATE) < 0.8 * spread(steady, RATE)
    assert_allclose(spread(1e-3 * bursts, RATE), spread(bursts, RATE), rtol=1e-6)
    assert spread(0 * bursts, RATE) == 0


def test_signals_that_rise_and_fall_together_are_one_source():
    rng = np.random.default_rng(0)
    activity = np.repeat(rng.random((2, 40)) < 0.4, 1600, axis=1)
    noise = rng.standard_normal((4, activity.shape[1]))
    talkers = noise[:2] * activity
    assert own_sources(talkers, RATE).all()
    part, weak = 0.5 * noise[2] * activity[0], 0.05 * noise[3]
    assert own_sources(np.stack([part, *talkers]), RATE).tolist() == [False, True, True]
    assert own_sources(np.stack([*talkers, weak]), RATE).tolist() == [True, True, False]
    assert own_sources(0 * talkers, RATE).tolist() == [True, False]


def test_a_number_of_sources_is_whole():
    with pytest.raises(ParameterError, match="n_sources"):
        BSS(n_sources=0)
