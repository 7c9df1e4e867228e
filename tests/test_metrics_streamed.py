"""Metrics over blocks against the functions for whole signals."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import metrics
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.metrics import STREAMED, streamed, streamed_scores


def pair(samples=5000):
    rng = np.random.default_rng(0)
    s = rng.standard_normal((3, 2, samples))
    return s, 0.8 * s + 0.3 * rng.standard_normal(s.shape) + 0.2 * s[::-1]


def cut(s, y, lengths):
    edges = np.cumsum([0, *lengths])
    return [(s[..., a:b], y[..., a:b]) for a, b in pairwise(edges)]


@pytest.mark.parametrize("lengths", [(5000,), (1, 2999, 2000), (700,) * 7 + (100,)])
def test_any_blocks_give_the_scores_of_the_whole(lengths):
    s, y = pair()
    s[1, :, 1000:3100] = 0
    for window, hop in ((1000, None), (1500, 600), (997, 601), (300, 701), (7000, None)):
        found = streamed_scores(iter(cut(s, y, lengths)), window=window, hop=hop)
        assert list(found) == list(STREAMED)
        for name in STREAMED:
            options = {"window": window, "hop": hop} if name == "csdr" else {}
            assert_allclose(found[name], getattr(metrics, name)(s, y, **options), atol=1e-9)


def test_silence_and_perfect_estimates_are_as_for_the_whole():
    s, y = pair()
    y[0], y[1], s[2] = s[0], 0, 0
    found = streamed_scores(cut(s, y, (2500, 2500)), silence="energy", window=1000)
    for name in STREAMED:
        options = {"window": 1000, "silence": "energy"} if name == "csdr" else {}
        assert_allclose(found[name], getattr(metrics, name)(s, y, **options), atol=1e-9)


def test_a_very_good_estimate_keeps_its_digits_in_one_pass():
    s, y = pair()
    y = s + 1e-6 * y
    found = streamed_scores([(s, y)], metrics=("si_sdr",))
    assert_allclose(found["si_sdr"], metrics.si_sdr(s, y), atol=1e-6)


def test_frames_of_odd_lengths_keep_at_most_two_sums_a_hop():
    s, y = pair()
    frames = streamed._Frames(1001, 700)
    for block in cut(s, y, (1, 2999, 2000)):
        frames.add(*(list(x) for x in block))
    assert sum(table.shape[-1] for table in frames._tables) == 2 * (5000 // 700)


@pytest.mark.parametrize("level", [1e-12, 1e-5, 1e5])
def test_an_estimate_at_another_level_keeps_its_digits_in_one_pass(level):
    s, y = pair()
    y = level * (s + 1e-4 * y)
    assert_allclose(streamed_scores([(s, y)], metrics=("si_sdr",))["si_sdr"], metrics.si_sdr(s, y), atol=1e-6)


def test_blocks_may_be_written_over_after_they_were_given():
    s, y = pair()
    buffer = np.empty((2, 3, 2, 700))

    def reused():
        for ref, est in cut(s, y, (700,) * 7):
            buffer[0], buffer[1] = ref, est
            yield buffer[0], buffer[1]

    found = streamed_scores(reused(), metrics=("csdr",), window=1000)
    assert_allclose(found["csdr"], metrics.csdr(s[..., :4900], y[..., :4900], window=1000))


def test_what_does_not_fit_is_refused():
    s, y = pair(100)
    with pytest.raises(ParameterError, match="no block"):
        streamed_scores([])
    with pytest.raises(ParameterError, match="metric"):
        streamed_scores([(s, y)], metrics=("sir",))
    with pytest.raises(ParameterError, match="window"):
        streamed_scores([(s, y)], window=0)
    for part in (np.s_[:2], np.s_[:, :1]):
        with pytest.raises(ShapeError, match="those before it 3 of 2"):
            streamed_scores([(s, y), (s[part], y[part])])
    y[0, 0, 0] = np.inf
    with pytest.raises(NumericalError, match="infinity"):
        streamed_scores([(s, y)])
