"""Synthetic mixtures: exact sums, periods and mixing models, determinism, and room for methods to differ."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import istft, stft

from sigsep_classic.datasets import VARIANTS, synthesize
from sigsep_classic.errors import ParameterError
from sigsep_classic.metrics import si_sdr

STEMS = {
    "song": (2, ["vocals", "drums", "bass", "other"]),
    "speech2": (1, ["speaker1", "speaker2"]),
    "hum": (1, ["speech", "hum"]),
    "repeat": (2, ["background", "foreground"]),
    "stereo2x2": (2, ["source1", "source2"]),
    "convolutive": (2, ["source1", "source2"]),
}


@pytest.fixture(scope="module")
def song():
    return synthesize("song")


def stack(mixture):
    return np.stack(list(mixture.stems.values()))


def oracle_ratio_mask(mixture):
    """Wiener-like ratio mask of the true power spectrograms, 2048/512."""
    options = {"nperseg": 2048, "noverlap": 1536}
    power = np.abs(stft(stack(mixture), **options)[2]) ** 2
    masked = power / (power.sum(0) + 1e-20) * stft(mixture.mixture, **options)[2]
    return istft(masked, **options)[1][..., : mixture.mixture.shape[-1]]


def test_every_variant_is_tested():
    assert set(STEMS) == set(VARIANTS)


@pytest.mark.parametrize("variant", STEMS)
@pytest.mark.parametrize(("seconds", "rate"), [(1.23457, 44100), (2.0, 16000), (0.77, 8000), (0.5, 48000)])
def test_each_variant_has_its_stems_length_and_dtype(variant, seconds, rate):
    got = synthesize(variant, seconds=seconds, sample_rate=rate)
    channels, names = STEMS[variant]
    shape = (channels, round(seconds * rate))
    assert list(got.stems) == names
    assert (got.name, got.sample_rate) == (variant, rate)
    for array in (got.mixture, *got.stems.values()):
        assert array.shape == shape
        assert array.dtype == np.float32
        assert np.isfinite(array).all()


@pytest.mark.parametrize("variant", STEMS)
def test_stems_add_up_to_the_mixture_bit_for_bit_in_any_order(variant):
    got = synthesize(variant, seconds=1.5)
    for order in itertools.permutations(got.stems.values()):
        total = np.zeros_like(got.mixture)
        for stem in order:
            total = total + stem
        assert np.array_equal(total, got.mixture)


@pytest.mark.parametrize("variant", STEMS)
@pytest.mark.parametrize("seed", range(3))
def test_the_peak_is_nine_tenths_and_never_more(variant, seed):
    peak = np.abs(synthesize(variant, seconds=1.5, seed=seed).mixture).max()
    assert peak <= 0.9
    assert_allclose(peak, 0.9, atol=1e-5)


@pytest.mark.parametrize("variant", STEMS)
def test_every_stem_of_every_seed_sounds(variant):
    for seed in range(3):
        energies = (stack(synthesize(variant, seconds=3, seed=seed)) ** 2).mean(axis=(1, 2))
        assert energies.min() > 1e-3


@pytest.mark.parametrize("variant", STEMS)
def test_the_seed_decides_every_stem(variant):
    first, again, other = (synthesize(variant, seconds=1.5, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first.mixture, again.mixture)
    for name, stem in first.stems.items():
        assert np.array_equal(stem, again.stems[name])
        assert not np.array_equal(stem, other.stems[name])


@pytest.mark.parametrize("variant", STEMS)
def test_one_sample_and_a_few_can_be_asked_for(variant):
    for n in (1, 2, 3, 100):
        got = synthesize(variant, seconds=n / 44100)
        assert got.mixture.shape[-1] == n
        assert np.isfinite(got.mixture).all()


def test_the_default_song_lasts_eight_to_ten_seconds_at_44100_hz(song):
    assert song.sample_rate == 44100
    assert 8 <= song.mixture.shape[-1] / 44100 <= 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_an_ideal_ratio_mask_gets_8_to_18_db_on_each_stem_of_a_song(seed):
    song = synthesize("song", seed=seed)
    levels = si_sdr(stack(song), oracle_ratio_mask(song))
    assert levels.min() > 8
    assert levels.max() < 18


@pytest.mark.slow
@pytest.mark.parametrize("variant", [name for name in STEMS if name != "song"])
def test_an_ideal_ratio_mask_gains_more_than_8_db_on_each_stem(variant):
    got = synthesize(variant)
    truth = stack(got)
    before = si_sdr(truth, np.broadcast_to(got.mixture, truth.shape))
    assert np.all(si_sdr(truth, oracle_ratio_mask(got)) - before > 8)


def test_no_stem_of_a_song_is_silent_for_a_second(song):
    frames = stack(song)[..., : 9 * 44100].reshape(4, 2, 9, 44100)
    assert np.all((frames**2).mean(axis=(1, 3)) > 1e-5)


@pytest.mark.parametrize(
    ("variant", "periodic"), [("repeat", ["background"]), ("song", ["drums", "bass", "other"])]
)
@pytest.mark.parametrize("rate", [44100, 11025])
def test_accompaniment_is_exactly_periodic_and_the_voice_is_not(variant, periodic, rate):
    got = synthesize(variant, sample_rate=rate)
    period = got.meta["period_samples"]
    assert got.mixture.shape[-1] >= 3 * period
    for name, stem in got.stems.items():
        repeats = np.array_equal(stem[:, period:], stem[:, :-period])
        assert repeats == (name in periodic)


def test_a_loop_has_no_seam(song):
    period = song.meta["period_samples"]
    bass = song.stems["bass"][0].astype(float)
    steps = np.abs(np.diff(bass))
    assert steps[period - 3 : period + 3].max() < steps.max()


def test_voices_are_centred_and_keys_and_drums_are_wide(song):
    for name, centred in {"vocals": True, "bass": True, "drums": False, "other": False}.items():
        left, right = song.stems[name]
        assert np.allclose(left, right, atol=1e-6) == centred


def test_instantaneous_images_are_the_sources_times_the_mixing_matrix():
    got = synthesize("stereo2x2", seconds=2)
    mixing, sources = got.meta["mixing"], got.meta["sources"]
    assert mixing.shape == (2, 2)
    assert np.linalg.cond(mixing) < 8
    assert_allclose(got.mixture, mixing @ sources, atol=1e-6)
    for n, image in enumerate(got.stems.values()):
        assert_allclose(image, mixing[:, n, None] * sources[n], atol=1e-6)
        assert np.linalg.matrix_rank(image.astype(float), tol=1e-3) == 1


def test_the_two_talkers_are_uncorrelated_and_super_gaussian():
    sources = synthesize("stereo2x2").meta["sources"].astype(float)
    assert abs(np.corrcoef(sources)[0, 1]) < 0.05
    assert np.all((sources**4).mean(1) / (sources**2).mean(1) ** 2 > 3.5)


def test_convolutive_images_are_the_sources_through_the_filters():
    got = synthesize("convolutive", seconds=1, sample_rate=8000)
    filters, sources = got.meta["filters"], got.meta["sources"]
    for n, image in enumerate(got.stems.values()):
        for channel in range(2):
            expected = np.convolve(filters[channel, n], sources[n])[: image.shape[-1]]
            assert_allclose(image[channel], expected, atol=1e-5)


def test_impulse_responses_fall_60_db_in_the_stated_time():
    got = synthesize("convolutive", seconds=0.5)
    assert 0.15 <= got.meta["rt60_seconds"] <= 0.2
    left = got.meta["filters"][0, 0]
    decay = np.cumsum(left[::-1] ** 2)[::-1]
    level = 10 * np.log10(decay / decay[0])
    # Schroeder's backward integral, its slope read between 10 dB and 30 dB down.
    from_10, from_30 = (int(np.argmax(level < limit)) for limit in (-10, -30))
    assert_allclose(3 * (from_30 - from_10) / 44100, got.meta["rt60_seconds"], rtol=0.1)


def test_hum_starts_alone_and_is_made_of_multiples_of_50_hz():
    got = synthesize("hum")
    quiet = got.stems["speech"][0, : int(got.meta["noise_only_seconds"] * 44100)]
    assert not quiet.any()
    hum = got.stems["hum"][0, :44100].astype(float)
    power = np.abs(np.fft.rfft(hum * np.hanning(hum.size))) ** 2
    near = sum(power[k - 3 : k + 4].sum() for k in range(50, 800, 50))
    assert near > 0.97 * power.sum()


@pytest.mark.parametrize(
    "options",
    [
        {"variant": "sonnet"},
        {"seconds": 0},
        {"seconds": -1.0},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"sample_rate": 100},
        {"seed": -1},
    ],
)
def test_values_out_of_range_are_parameter_errors(options):
    with pytest.raises(ParameterError):
        synthesize(**options)


def test_importing_datasets_imports_no_scipy():
    code = "import sys, sigsep_classic.datasets; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
