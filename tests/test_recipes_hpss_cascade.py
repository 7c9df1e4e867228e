"""The cascade of two windows: parts that add up, each by HPSS in its own window."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import METHODS, STFT, Waveform, separate, synthesize
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.pipeline import separate_array
from sigsep_classic.recipes.signals import SignalModel

HPSSCascade = METHODS["hpss_cascade"]
RATE = 16000


@pytest.fixture(scope="module")
def mix():
    return synthesize("song", seconds=2.0, sample_rate=RATE)


@pytest.mark.parametrize(("real", "within"), [("float32", 2e-7), ("float64", 1e-15)])
def test_the_parts_add_up_to_the_mixture(mix, real, within):
    x = mix.mixture.astype(real)
    sep = separate(x, RATE, method="hpss_cascade")
    assert list(sep) == ["harmonic", "percussive", "residual"]
    assert sep.frontend == Waveform()
    assert_allclose(sum(sep.values()), x, rtol=0, atol=within * abs(x).max())


def test_each_part_is_that_of_hpss_in_its_window(mix):
    x = mix.mixture.astype(float)
    recipe = HPSSCascade(long_window=0.128, short_window=0.016)
    sep = separate(x, RATE, method=recipe)
    method = METHODS["hpss"](
        harmonic_seconds=recipe.harmonic_seconds,
        percussive_hz=recipe.percussive_hz,
        harmonic_margin=recipe.harmonic_margin,
        percussive_margin=recipe.percussive_margin,
    )
    harmonic = separate_array(x, RATE, method, frontend=STFT(n_fft=2048))["harmonic"]
    percussive = separate_array(x - harmonic, RATE, method, frontend=STFT(n_fft=256))["percussive"]
    assert_allclose(sep["harmonic"], harmonic, atol=1e-12)
    assert_allclose(sep["percussive"], percussive, atol=1e-12)


def test_stems_may_be_joined_and_regrouped(mix):
    groups = {"drums": ["percussive"], "others": ["harmonic", "residual"]}
    sep = separate(mix.mixture, RATE, method="hpss_cascade", groups=groups)
    assert list(sep) == ["drums", "others"]
    assert_allclose(sum(sep.values()), mix.mixture, atol=1e-6)
    assert list(sep.regroup({"drums": [1]})) == ["drums"]


def test_a_transform_that_is_given_is_the_only_one(mix):
    sep = separate(mix.mixture, RATE, method="hpss_cascade", frontend=STFT(n_fft=1024))
    assert sep.frontend == STFT(n_fft=1024)
    assert list(sep) == ["harmonic", "percussive", "residual"]
    assert_allclose(sum(sep.values()), mix.mixture, atol=1e-6)


def test_gains_are_refused_as_its_stems_are_signals(mix):
    with pytest.raises(ParameterError, match="makes its estimates itself"):
        separate(mix.mixture, RATE, method="hpss_cascade", mask="binary")


def test_the_short_window_is_not_the_longer_one():
    with pytest.raises(ParameterError, match=r"short_window is 0\.3 s"):
        HPSSCascade(short_window=0.3)


def test_signals_are_the_parts_of_their_model():
    stems = {"a": np.ones((2, 5)), "b": 2 * np.ones((2, 5))}
    model = SignalModel.of(stems, residual=True)
    assert (model.n_components, model.names, model.residual) == (2, ("a", "b"), True)
    assert_array_equal(model.reconstruct()[1, :, 0], stems["b"])
    assert_array_equal(model.reconstruct({"both": [0, 1]})[0, :, 0], 3)
    with pytest.raises(ShapeError, match="one a name"):
        SignalModel(signals=np.ones((2, 1, 5)), names=("a",))
