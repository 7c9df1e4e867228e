"""Clusters of what several cues say, `ensemble`: sources no cue was told about."""

from __future__ import annotations

import numpy as np
import pytest

from sigsep_classic import separate
from sigsep_classic.errors import ParameterError
from sigsep_classic.metrics import si_sdr


def test_a_tone_and_strokes_are_two_clusters():
    t = np.arange(16000) / 16000
    tone, strokes = 0.3 * np.sin(2 * np.pi * 440 * t), np.where(np.arange(16000) % 4000 == 2000, 1.0, 0.0)
    sep = separate(np.stack([tone + strokes] * 2), 16000, method="ensemble", cues=("struck", "centred"))
    assert si_sdr(tone, sep["source1"][0]) > 20
    assert si_sdr(strokes, sep["source2"][0]) > si_sdr(strokes, tone + strokes) + 20


def test_a_cue_that_is_none_is_refused():
    with pytest.raises(ParameterError, match="cue is 'loud'"):
        separate(np.zeros((2, 8000)), 16000, method="ensemble", cues=("loud",))
