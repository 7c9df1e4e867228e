"""Masks, filters and components from the true stems: theorems, then the peer's definitions point by point."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.recordings import MissingRecordingError, musdb_excerpt
from sigsep_classic import NMF, STFT, ConstantQ, Waveform, oracle, synthesize
from sigsep_classic.errors import ParameterError, SigsepError
from sigsep_classic.metrics import si_sdr, usdr
from sigsep_classic.oracle import ORACLES
from tests.reference import oracle as reference

PEER = "sigsep-mus-oracle"
SHORT = STFT(n_fft=512, hop=256)


class Spectrum:
    """One frame as long as the signal: coefficients of estimates can be read off."""

    def analyze(self, x):
        return np.fft.rfft(x)[..., None]

    def synthesize(self, X, n_samples):
        return np.fft.irfft(X[..., 0], n_samples)

    def grid(self, sample_rate):
        raise NotImplementedError


WHOLE = Spectrum()
SUMMING = [name for name, each in ORACLES.items() if each.sums]


@pytest.fixture(scope="module")
def song():
    return synthesize("song", seconds=1.0, sample_rate=16000)


@pytest.fixture(scope="module")
def estimates(song):
    return {name: oracle.apply(name, song.mixture, song.stems, frontend=SHORT) for name in ORACLES}


@pytest.fixture(scope="module")
def noises():
    """Two stereo stems, each one source at a place and a little of noise in all channels, loud and soft by turns."""
    rng = np.random.default_rng(0)
    stems = {}
    for name, place in (("left", [1.0, 0.4]), ("right", [0.3, -0.9])):
        level = np.repeat([0.2, 1e-4, 0.1, 0.3, 0.02], 512)
        x = np.array(place)[:, None] * rng.standard_normal(2560) + 0.2 * rng.standard_normal((2, 2560))
        stems[name] = rng.permutation(level) * x
    return stems


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_estimates_sum_to_the_mixture_and_are_far_better_than_it(song, power):
    estimates = oracle.ideal_ratio_mask(song.mixture, song.stems, power=power)
    assert list(estimates) == list(song.stems)
    assert_allclose(sum(estimates.values()), song.mixture, atol=1e-6)
    for name, truth in song.stems.items():
        assert estimates[name].dtype == truth.dtype
        assert np.mean(si_sdr(truth, estimates[name])) > np.mean(si_sdr(truth, song.mixture)) + 5


def test_stems_that_nowhere_overlap_are_given_back():
    rng = np.random.default_rng(0)
    stems = {"early": np.zeros((1, 8000)), "late": np.zeros((1, 8000))}
    stems["early"][:, :3000] = rng.standard_normal((1, 3000))
    stems["late"][:, 5000:] = rng.standard_normal((1, 3000))
    for name in ("ibm", "ibm1", "irm1", "irm2", "iam", "psm", "crm"):
        estimates = oracle.apply(name, sum(stems.values()), stems, frontend=STFT(n_fft=512))
        for stem, truth in stems.items():
            assert_allclose(estimates[stem], truth, atol=1e-12, err_msg=name)


def test_a_silent_stem_gets_nothing(song):
    stems = {"all": song.mixture, "silence": 0 * song.mixture}
    for name in ("irm2", "ibm", "psm", "crm"):
        estimates = oracle.apply(name, song.mixture, stems, frontend=SHORT)
        assert_allclose(estimates["silence"], 0 * song.mixture, atol=1e-6)
        assert_allclose(estimates["all"], song.mixture, atol=1e-6)


def test_without_stems_there_is_no_oracle(song):
    with pytest.raises(ParameterError, match="stems is empty"):
        oracle.ideal_ratio_mask(song.mixture, {})


def test_oracles_that_say_so_sum_to_the_mixture_whatever_the_stems_sum_to(song, estimates):
    for name in SUMMING:
        assert_allclose(sum(estimates[name].values()), song.mixture, atol=2e-6, err_msg=name)
    mastered = np.tanh(3 * song.mixture)
    for name in ("ibm", "irm1", "mwf"):
        found = oracle.apply(name, mastered, song.stems, frontend=SHORT)
        assert_allclose(sum(found.values()), mastered, atol=2e-6, err_msg=name)


def test_estimates_have_the_stems_names_shapes_and_dtype(song, estimates):
    for name, found in estimates.items():
        assert list(found) == list(song.stems), name
        assert {x.shape for x in found.values()} == {song.mixture.shape}
        assert {x.dtype for x in found.values()} == {song.mixture.dtype}


@pytest.mark.parametrize("name", [name for name in SUMMING if name != "nmf_components"])
def test_with_one_stem_the_mixture_is_given_back(song, name):
    found = oracle.apply(name, song.mixture, {"drums": song.stems["drums"]}, frontend=SHORT)
    assert_allclose(found["drums"], song.mixture, atol=1e-6)


def test_more_freedom_is_better(song, estimates):
    truth = list(song.stems.values())
    score = {name: float(np.mean(usdr(truth, list(found.values())))) for name, found in estimates.items()}
    mixture = float(np.mean(usdr(truth, [song.mixture] * len(truth))))
    assert mixture < score["nmf_components"] < score["nmf"] < score["irm2"]
    assert mixture < score["demixing"] < score["mwf"]
    assert score["ibm2"] < score["irm2"] < score["psm"] < score["crm"]
    assert score["crm"] > 90  # float32


def test_the_complex_mask_is_exact_and_its_limit_holds():
    rng = np.random.default_rng(1)
    stems = {"a": rng.standard_normal((2, 3000)), "b": rng.standard_normal((2, 3000))}
    mixture = stems["a"] + stems["b"]
    found = oracle.complex_ratio_mask(mixture, stems, frontend=SHORT)
    for name, truth in stems.items():
        assert_allclose(found[name], truth, atol=1e-12)
    limited = oracle.complex_ratio_mask(mixture, stems, top=0.5, frontend=WHOLE)
    X, Y, S = (WHOLE.analyze(x) for x in (mixture, limited["a"], stems["a"]))
    assert_allclose(abs(Y), np.minimum(abs(S), 0.5 * abs(X)), atol=1e-9)


def test_no_gains_from_0_to_1_are_nearer_to_the_coefficients_than_the_phase_sensitive_ones():
    rng = np.random.default_rng(2)
    stems = {"a": rng.standard_normal((1, 4000)), "b": 2 * rng.standard_normal((1, 4000))}
    mixture = stems["a"] + stems["b"]

    def error(name):
        Y = WHOLE.analyze(oracle.apply(name, mixture, stems, frontend=WHOLE)["a"])
        return abs(Y - WHOLE.analyze(stems["a"])) ** 2

    for name in ("ibm", "ibm1", "ibm2", "irm1", "irm2"):
        assert np.all(error("psm") <= error(name) + 1e-9)


def test_amplitudes_are_true_where_the_mask_is_not_limited():
    rng = np.random.default_rng(3)
    stems = {"a": rng.standard_normal((1, 4000)), "b": rng.standard_normal((1, 4000))}
    mixture = stems["a"] + stems["b"]
    found = oracle.ideal_amplitude_mask(mixture, stems, frontend=WHOLE)["a"]
    assert_allclose(abs(WHOLE.analyze(found)), abs(WHOLE.analyze(stems["a"])), atol=1e-9)
    limited = oracle.ideal_amplitude_mask(mixture, stems, top=1.0, frontend=WHOLE)["a"]
    assert np.all(abs(WHOLE.analyze(limited)) <= abs(WHOLE.analyze(mixture)) + 1e-9)


def test_filtering_each_channel_by_itself_is_the_ratio_mask_of_powers(noises):
    mixture = sum(noises.values())
    single = oracle.apply("mwf_channel", mixture, noises)
    for name, masked in oracle.apply("irm2", mixture, noises).items():
        assert_allclose(single[name], masked, atol=1e-6 * abs(mixture).max())


def test_two_places_without_noise_are_told_apart_exactly():
    rng = np.random.default_rng(4)
    places = {"left": [1.0, 0.2], "right": [0.3, 1.0]}
    stems = {name: np.outer(place, rng.standard_normal(8000)) for name, place in places.items()}
    for name in ("mwf", "demixing"):
        found = oracle.apply(name, sum(stems.values()), stems, frontend=SHORT)
        assert np.all(usdr(list(stems.values()), list(found.values())) > 80)


def test_demixing_has_the_least_squared_error_of_all_matrices():
    """Its error is orthogonal to the mixture, frequency by frequency."""
    rng = np.random.default_rng(8)
    frames = SimpleNamespace(
        analyze=lambda x: np.fft.rfft(x.reshape(*x.shape[:-1], -1, 64)).swapaxes(-1, -2),
        synthesize=lambda X, n: np.fft.irfft(X.swapaxes(-1, -2)).reshape(*X.shape[:-2], n),
    )
    stems = {name: rng.standard_normal((2, 1)) * rng.standard_normal((2, 3200)) for name in "ab"}
    mixture = stems["a"] + stems["b"]
    found = oracle.ideal_demixing(mixture, stems, frontend=frames)
    X, Y, S = (frames.analyze(x) for x in (mixture, found["a"], stems["a"]))
    leftover = np.einsum("cft,dft->fcd", Y - S, X.conj())
    power = np.einsum("cft,cft->f", X, X.conj()).real
    assert np.all(abs(leftover).max(axis=(1, 2)) < 1e-5 * power)


def test_more_than_two_channels_and_dual_mono_and_silence_are_filtered():
    rng = np.random.default_rng(5)
    stems = {
        "three": rng.standard_normal((3, 1)) * rng.standard_normal((1, 3000)),
        "dual mono": np.repeat(rng.standard_normal((1, 3000)), 3, axis=0),
        "silent": np.zeros((3, 3000)),
    }
    mixture = sum(stems.values())
    found = oracle.multichannel_wiener(mixture, stems, frontend=SHORT)
    assert_allclose(sum(found.values()), mixture, atol=1e-9)
    assert np.all(usdr(list(stems.values())[:2], list(found.values())[:2]) > 60)
    assert abs(found["silent"]).max() < 1e-5


@pytest.mark.parametrize("name", ["ibm1", "irm1.5", "mwf", "demixing", "crm"])
def test_estimates_follow_the_level(song, name):
    small = oracle.apply(name, song.mixture, song.stems, frontend=SHORT)["bass"]
    stems = {stem: 1024 * x for stem, x in song.stems.items()}
    large = oracle.apply(name, 1024 * song.mixture, stems, frontend=SHORT)["bass"]
    assert_allclose(large, 1024 * small, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("frontend", [Waveform(), ConstantQ(sample_rate=16000, f_min=80.0)])
def test_any_front_end_will_do(song, frontend):
    for name in ("irm2", "ibm", "psm", "mwf"):
        found = oracle.apply(name, song.mixture, song.stems, frontend=frontend)
        assert np.mean(usdr(list(song.stems.values()), list(found.values()))) > 1.5


def test_models_that_are_exact_make_the_ratio_mask_of_powers():
    """One frame: one component is all there is."""
    rng = np.random.default_rng(6)
    stems = {name: rng.standard_normal((1, 256)) for name in "ab"}
    mixture = sum(stems.values())
    exact = oracle.supervised_nmf(
        mixture, stems, method=NMF(n_components=1, n_iter=200, tol=0), frontend=WHOLE
    )
    for name, masked in oracle.apply("irm2", mixture, stems, frontend=WHOLE).items():
        assert_allclose(exact[name], masked, atol=1e-6)


def test_bins_in_any_order_are_put_in_that_of_the_truth():
    rng = np.random.default_rng(7)
    stems = {name: rng.standard_normal((2, 4000)) for name in "abc"}
    Y = SHORT.analyze(np.stack(list(stems.values())))
    mixed = np.stack([Y[rng.permutation(3), :, f] for f in range(Y.shape[2])], axis=2)
    method = SimpleNamespace(fit=lambda X: SimpleNamespace(reconstruct=lambda: mixed))
    found = oracle.ordered_bins(sum(stems.values()), stems, method=method, frontend=SHORT)
    for name, truth in stems.items():
        assert_allclose(found[name], truth, atol=1e-12)
    with pytest.raises(ParameterError, match="2 stems were given and 3 sources found"):
        oracle.ordered_bins(stems["a"], {k: stems[k] for k in "ab"}, method=method, frontend=SHORT)


@pytest.mark.parametrize("power", [1.0, 2.0, 0.7])
def test_masks_are_those_of_the_peer(noises, power):
    mixture = sum(noises.values())
    for name, by_hand in (("irm", reference.ratio_masks), ("ibm", reference.binary_masks)):
        expected = by_hand(mixture, noises, power)
        for options, tolerance in (({"compat": PEER}, 1e-13), ({}, 1e-6)):
            found = oracle.apply(f"{name}{power:g}", mixture, noises, **options)
            for stem in noises:
                assert_allclose(found[stem], expected[stem], atol=tolerance)


def test_the_wiener_filter_is_that_of_the_peer(noises):
    mixture = sum(noises.values())
    expected = reference.multichannel_wiener(mixture, noises)
    found = oracle.apply("mwf", mixture, noises, compat=PEER)
    for stem in noises:
        assert_allclose(found[stem], expected[stem], atol=1e-10)


@pytest.mark.slow
def test_real_music_is_masked_and_filtered_as_by_the_peer():
    try:
        excerpt = musdb_excerpt()
    except MissingRecordingError as missing:
        pytest.skip(str(missing))
    stems = {name: x.astype(float) for name, x in excerpt.stems.items()}
    mixture = sum(stems.values())
    for name, by_hand in (("irm", reference.ratio_masks), ("ibm", reference.binary_masks)):
        for power in (1.0, 2.0):
            expected = by_hand(mixture, stems, power)
            found = oracle.apply(f"{name}{power:g}", mixture, stems, compat=PEER)
            for stem in stems:
                assert_allclose(found[stem], expected[stem], atol=1e-12)
    part = {name: x[:, 88200:92000] for name, x in stems.items()}
    expected = reference.multichannel_wiener(sum(part.values()), part)
    for stem, found in oracle.apply("mwf", sum(part.values()), part, compat=PEER).items():
        assert_allclose(found, expected[stem], atol=1e-6)


def test_the_accompaniment_is_the_sum_of_the_others(song, estimates):
    found = oracle.with_accompaniment(estimates["irm2"])
    assert list(found) == [*song.stems, "accompaniment"]
    assert_allclose(found["accompaniment"], song.mixture - found["vocals"], atol=2e-6)
    assert (
        oracle.with_accompaniment({"a": found["bass"], "b": found["drums"]}, lead="a")["accompaniment"]
        is not found["drums"]
    )
    with pytest.raises(ParameterError, match="lead is 'voice'"):
        oracle.with_accompaniment(estimates["irm2"], lead="voice")


def test_inputs_are_not_written_to(song):
    mixture, stems = song.mixture.copy(), {name: x.copy() for name, x in song.stems.items()}
    for name in ("irm1", "ibm2", "crm", "mwf"):
        oracle.apply(name, mixture, stems, frontend=SHORT)
    assert np.array_equal(mixture, song.mixture)
    assert all(np.array_equal(stems[name], x) for name, x in song.stems.items())


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x: oracle.find("irm"), "did you mean 'irm"),
        (lambda x: oracle.find("IRM2"), "did you mean 'irm2'"),
        (lambda x: oracle.find("irm0"), "exponent must be more than 0"),
        (lambda x: oracle.apply("mwf", x, {"a": x}, compat="norbert"), "compat is 'norbert'"),
        (lambda x: oracle.apply("mwf", x[:1], {"a": x[:1]}, compat=PEER), "1 channels"),
        (lambda x: oracle.apply("irm1", x, {"a": x}, compat=PEER, frontend=Waveform()), "not of Waveform"),
        (lambda x: oracle.apply("psm", x, {"a": x}, top=0), "top is 0"),
        (lambda x: oracle.ideal_ratio_mask(x, {"a": x}, power=math.inf), "power is inf"),
        (lambda x: oracle.ideal_ratio_mask(x, {"a": x[:, 1:]}), "stem 'a' is"),
        (lambda x: oracle.apply("irm2", x, {"a": x * math.nan}), "stem 'a' holds NaN"),
        (lambda x: oracle.apply("crm", x * math.inf, {"a": x}), "the mixture holds NaN"),
        (lambda x: oracle.with_accompaniment({"a": x, "b": x, "c": x}, lead="a", name="c"), "'c' already"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(song, call, said):
    with pytest.raises(SigsepError, match=said) as caught:
        call(song.mixture)
    assert "\n" not in str(caught.value)
