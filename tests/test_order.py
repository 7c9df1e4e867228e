"""Where sources are, told with the stems, and stems in the order of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import BSS, CACGMM, HPSS, METHODS, STFT, Waveform, separate
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.demixing.auxiva import AuxIVA
from sigsep_classic.factorizers.models import DemixingModel
from sigsep_classic.geometry import SPEED_OF_SOUND, azimuths, unit_vectors
from sigsep_classic.refusals import models_of

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
    for order in (None, "energy"):
        with pytest.raises(ParameterError, match="give order='angle'"):
            separate(x, RATE, method="auxiva", order=order, positions=PLACES)
    with pytest.raises(ParameterError, match="delays are known of methods that demix"):
        separate(x, RATE, method="hpss").delays()
    with pytest.raises(ParameterError, match="evenly spaced"):
        separate(x, RATE, method="ica").delays()


OPTIONS = {
    "auxiva": {"n_iter": 1},
    "cacgmm": {"n_iter": 1},
    "fastmnmf": {"n_iter": 1},
    "fastmnmf2": {"n_iter": 1},
    "mnmf": {"n_iter": 1, "n_components": 2},
    "iva_online": {},
    "tiss": {"n_iter": 1},
    "ica": {},
}


@pytest.mark.parametrize("method", OPTIONS)
def test_by_energy_the_strongest_image_comes_first(method):
    x = scene()[:, :8000] * np.array([[0.1], [1.0], [3.0]])
    options = {**OPTIONS[method], **({} if method == "ica" else {"frontend": STFT(n_fft=256, hop=64)})}
    sep = separate(x, RATE, method=method, n_sources=3, order="energy", **options)
    energies = [(stem**2).sum() for name, stem in sep.items() if name != "residual"]
    assert len(energies) == 3
    assert (np.diff(energies) <= 1e-2 * max(energies)).all()  # of coefficients, which count edges otherwise
    # Turned round, they are sorted again.
    back = sep.model.reordered([2, 1, 0])
    assert_allclose(back.reconstruct()[::-1], sep.model.reconstruct(), atol=1e-9)


@pytest.mark.parametrize("method", ["fastmnmf", "fastmnmf2", "mnmf"])
def test_models_of_covariances_tell_where_sources_are(method, found):
    options = {"n_iter": 5, "n_components": 2, "n_sources": 2, "frontend": STFT(n_fft=512, hop=128)}
    sep = separate(scene()[:, :16000], RATE, method=method, order="angle", positions=PLACES, **options)
    assert sep.model.steering.shape == (257, 3, 2)
    for name, angle in zip(("source1", "source2"), sorted(ANGLES), strict=True):
        assert_allclose(azimuths(sep.delays(max_delay=3e-4)[name], PLACES), angle, atol=15)


def test_noise_stays_at_the_end_in_any_order():
    x = scene()[:, :8000]
    for order in ("energy", "angle", "distance"):
        method = CACGMM(n_sources=2, n_iter=2, noise_class=True)
        sep = separate(x, RATE, method=method, order=order, frontend=STFT(n_fft=256))
        plain = separate(x, RATE, method=method, frontend=STFT(n_fft=256))
        assert_allclose(sep["noise"], plain["noise"])


class Unstarted(AuxIVA):
    """Fails when it is asked to work."""

    def fit(self, X, *, start=None, callback=None) -> DemixingModel:
        raise AssertionError("began to work")


class Silent(BSS):
    """Fails when it is asked to work, whatever with."""

    def fit_samples(self, x, sample_rate, *, callback=None):
        raise AssertionError("began to work")


@pytest.mark.parametrize("method", [Unstarted(), Silent()])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"order": "left"}, "order is 'left'"),
        ({"order": "angle", "positions": PLACES[:2]}, "expected"),
        ({"order": "angle", "positions": "square"}, "positions is 'square'"),
        ({"order": "angle", "positions": PLACES * np.nan}, "NaN"),
        ({"order": "angle", "positions": PLACES * 0}, "same place"),
        ({"order": "energy", "positions": PLACES}, "give order='angle'"),
        ({"mask": "wiener"}, "mask 'wiener' is for spectrograms, .* take mvdr, mwf, gev"),
        ({"mask": "nix"}, "mask 'nix' is unknown"),
        ({"groups": "timbre"}, "is for components"),
        ({"groups": "nix"}, "grouping 'nix' is unknown"),
        ({"groups": {"a": [0]}, "n_sources": "3"}, "whole number"),
    ],
)
def test_what_cannot_come_to_a_good_end_is_refused_before_the_work(method, options, said):
    with pytest.raises((ParameterError, ShapeError), match=said):
        separate(scene()[:, :8000], RATE, method=method, **options)


def test_orders_of_place_are_refused_where_there_is_none_before_the_work():
    one = scene()[:1, :8000]
    with pytest.raises(ParameterError, match="takes several microphones"):
        separate(one, RATE, method=Unstarted(), order="angle")
    with pytest.raises(ParameterError, match="evenly spaced"):
        separate(scene()[:, :8000], RATE, method=Unstarted(), order="angle", frontend=Waveform())
    with pytest.raises(ParameterError, match="filter over several channels"):
        separate(one, RATE, method=Unstarted(), mask="mvdr")


class Anything:
    def fit(self, X) -> Any: ...


def test_a_method_that_says_nothing_of_its_models_is_refused_after_the_work():
    class Unknown(AuxIVA):
        def fit(self, X, **options):
            return HPSS().fit(X)

    assert models_of(Unknown()) == ()
    assert models_of(Anything()) == ()
    with pytest.raises(ParameterError, match="order 'energy' is for methods that tell"):
        separate(scene()[:, :4000], RATE, method=Unknown(), order="energy")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_tells_what_its_models_are(name):
    assert models_of(METHODS[name]())
