"""Where sources are, told with the stems, and stems in the order of it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import STFT, separate
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.demixing.auxiva import AuxIVA
from sigsep_classic.geometry import SPEED_OF_SOUND, azimuths, unit_vectors

RATE = 16000
PLACES = np.array([[0.0, 0.0], [0.05, 0.0], [0.0, 0.05]])
ANGLES = np.array([100.0, -20.0])


def scene():
    """Return two sources far away, the louder one at the larger angle, at three microphones with a little noise."""
    rng = np.random.default_rng(0)
    n = 32000
    omega = 2 * np.pi * np.fft.rfftfreq(2 * n, 1 / RATE)
    late = 1e-3 - PLACES @ unit_vectors(ANGLES)[:2] / SPEED_OF_SOUND
    x = 1e-3 * rng.standard_normal((3, n))
    for source, level in enumerate((1.0, 0.5)):
        dry = level * rng.laplace(size=n) * np.repeat(rng.random(n // 1000) < 0.5, 1000)
        for c in range(3):
            x[c] += np.fft.irfft(np.fft.rfft(dry, 2 * n) * np.exp(-1j * omega * late[c, source]))[:n]
    return x


@pytest.fixture(scope="module")
def found():
    method = AuxIVA(n_sources=2, n_iter=20)
    return {
        order: separate(
            scene(), RATE, method=method, frontend=STFT(n_fft=512, hop=128), order=order, positions=places
        )
        for order, places in (("energy", None), ("angle", PLACES))
    }


def test_the_delays_of_stems_are_those_of_their_directions(found):
    sep = found["energy"]
    for name, angle in zip(("source1", "source2"), ANGLES, strict=True):
        delays = sep.delays(max_delay=3e-4)[name]
        assert_allclose(azimuths(delays, PLACES), angle, atol=5)
        assert delays.coherence.min() > 0.5


def test_sources_come_in_the_order_asked_for(found):
    for ours, other in (("source1", "source2"), ("source2", "source1")):
        assert_allclose(found["angle"][ours], found["energy"][other])


def test_an_order_needs_a_method_that_knows_directions():
    x = scene()[:, :8000]
    with pytest.raises(ParameterError, match="order 'angle' is for methods that tell"):
        separate(x, RATE, method="hpss", order="angle")
    with pytest.raises(ParameterError, match="order is 'name'"):
        separate(x, RATE, method="hpss", order="name")
    with pytest.raises(ParameterError, match="give order='angle'"):
        separate(x, RATE, method="hpss", positions=PLACES)
    with pytest.raises(ParameterError, match="delays are known of methods that demix"):
        separate(x, RATE, method="hpss").delays()
    with pytest.raises(ParameterError, match="evenly spaced"):
        separate(x, RATE, method="ica").delays()
