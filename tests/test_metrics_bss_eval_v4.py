"""BSS Eval v4 and v3 for images against their definition, theorems, museval and mir_eval."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic.errors import ArrayTypeError, NumericalError, ParameterError, ShapeError
from sigsep_classic.metrics import (
    _projections,
    bss_eval_images,
    bss_eval_sources,
    bss_eval_v4,
    csdr,
    framewise_sdr,
    median_of_frames,
    scores,
    si_sdr,
    streamed_scores,
)
from sigsep_classic.metrics._correlations import correlations
from sigsep_classic.metrics._schur import schur_factor
from tests.peers import museval_or_skip
from tests.reference.bss_eval import bss_eval_pair

FRAMES = {"window": 1000, "hop": 700, "filter_length": 6}


def stems(n=2, channels=2, samples=4000, seed=0):
    """Coloured noise whose level changes, each source through filters of its own to each channel."""
    rng = np.random.default_rng(seed)
    levels = np.repeat(rng.gamma(1.0, size=(n, samples // 100 + 1)), 100, axis=1)[:, :samples] + 0.05
    white = rng.laplace(size=(n, samples)) * levels
    return np.array(
        [[np.convolve(x, rng.standard_normal(5))[:samples] for _ in range(channels)] for x in white]
    ) + 0.05 * rng.standard_normal((n, channels, samples))


def estimates_of(references, seed=1):
    rng = np.random.default_rng(seed)
    mixing = np.eye(len(references)) + 0.1 * rng.standard_normal((len(references),) * 2)
    return np.tensordot(mixing, references, 1) + 0.1 * rng.standard_normal(references.shape)


def museval(references, estimates, **options):
    swapped = (np.asarray(x, float).transpose(0, 2, 1) for x in (references, estimates))
    return museval_or_skip().bss_eval(*swapped, **options)


# Definition and theorems


@pytest.mark.parametrize("framewise", [False, True])
def test_scores_are_those_of_the_definition(framewise):
    s = stems(samples=2400)
    y = estimates_of(s)
    found = bss_eval_v4(s, y, framewise_filters=framewise, **FRAMES)
    assert found.sdr.shape == (2, 3)
    for j in range(2):
        for t in range(3):
            naive = bss_eval_pair(s, y[j], j, 6, 700 * t, 700 * t + 1000, framewise=framewise)
            assert_allclose([x[j, t] for x in found[:4]], naive, atol=1e-9)


def test_scores_of_the_whole_are_those_of_the_definition():
    s = stems()
    y = estimates_of(s)
    naive = [bss_eval_pair(s, y[j], j, 8, 0, 4000) for j in range(2)]
    images = bss_eval_images(s, y, filter_length=8)
    assert_allclose(np.stack(images[:4], axis=1), naive, atol=1e-9)
    whole = bss_eval_v4(s, y, window=None, filter_length=8)
    assert_allclose(np.stack(whole[:4], axis=1)[..., 0], naive, atol=1e-9)


def test_correlations_are_sums_of_products_at_any_length():
    rng = np.random.default_rng(0)
    for samples, taps in ((5, 9), (641, 3), (23000, 700)):
        x, y = rng.standard_normal((2, 2, samples))
        auto, cross = correlations(list(x), list(y), taps)
        for k in {0, 1, taps - 1}:
            there = max(samples - k, 0)
            assert_allclose(auto[0, 1, taps - 1 + k], x[0, :there] @ x[1, k:], atol=1e-9)
            assert_allclose(auto[0, 1, taps - 1 - k], x[0, k:] @ x[1, :there], atol=1e-9)
            assert_allclose(cross[1, k, 0], x[1, :there] @ y[0, k:], atol=1e-9)


def test_sdr_is_the_framewise_sdr_without_filters():
    s = stems()
    y = estimates_of(s)
    s[1, :, 1000:2000] = 0
    for silent in ("museval", "per_source", "energy"):
        found = bss_eval_v4(s, y, silent=silent, window=1000, hop=1000, filter_length=4).sdr
        assert_allclose(found, framewise_sdr(s, y, window=1000, silence=silent), atol=1e-9)


def test_a_filtered_source_has_neither_interference_nor_artefacts():
    s = stems()
    y = np.stack([[np.convolve(c, [1.0, 0.4])[:4000] for c in image] for image in s])
    found = bss_eval_v4(s, y, window=None, filter_length=8)
    assert (found.sir > 60).all()
    assert (found.isr < 20).all()


def test_the_sir_of_a_leak_is_its_level():
    s = np.random.default_rng(0).standard_normal((2, 2, 20000))
    found = bss_eval_v4(s, s + 0.1 * s[::-1], window=5000, hop=5000, filter_length=4)
    assert_allclose(found.sir, 20, atol=0.3)


def test_scores_do_not_depend_on_the_level_or_on_a_copied_pair_of_channels():
    s = stems()
    y = estimates_of(s)
    expected = bss_eval_v4(s, y, **FRAMES)
    for one, other in zip(bss_eval_v4(1e-6 * s, 1e-6 * y, **FRAMES), expected, strict=True):
        assert_allclose(one, other, atol=1e-8)
    mono = bss_eval_v4(s[:, :1], y[:, :1], **FRAMES)
    dual = bss_eval_v4(s[:, [0, 0]], y[:, [0, 0]], **FRAMES)
    inverted = bss_eval_v4(s[:, :1] * [[1], [-1]], y[:, :1] * [[1], [-1]], silent="energy", **FRAMES)
    for one, two, three in zip(mono, dual, inverted, strict=True):
        assert_allclose(one, two, atol=1e-9)
        assert_allclose(one, three, atol=1e-9)


def test_mono_panned_in_float32_is_scored_as_its_one_channel():
    # The channels differ by rounding, which is no direction to project on; museval is off by many dB.
    s = stems().astype(np.float32)
    s[0, 1] = np.float32(0.3) * s[0, 0]
    y = estimates_of(s)
    exact = s.astype(float)
    exact[0, 1] = 0.25 * exact[0, 0]
    found, expected = bss_eval_v4(s, y, **FRAMES), bss_eval_v4(exact, y, **FRAMES)
    assert_allclose(found.sir, expected.sir, atol=1e-3)
    assert_allclose(found.sar, expected.sar, atol=1e-3)


def test_the_structured_factor_is_that_of_the_dense_matrix():
    s = stems(3, channels=1, samples=3000)
    auto, _ = correlations(list(s[:, 0]), list(s[:, 0]), 40)
    lag = np.arange(40)[:, None] - np.arange(40) + 39
    dense = auto[:, :, lag].transpose(2, 0, 3, 1).reshape(120, 120)
    factor = np.triu(schur_factor(auto))
    assert_allclose(factor.T @ factor, dense, atol=1e-12 * dense.max())
    auto[0, 0, 39] *= 0.5
    assert schur_factor(auto) is None


def test_either_factor_gives_the_same_scores(monkeypatch):
    s = stems()
    y = estimates_of(s)
    expected = bss_eval_v4(s, y, **FRAMES), bss_eval_images(s, y, filter_length=6)
    monkeypatch.setattr(_projections, "LARGE", 1)
    for found, same in zip(
        (bss_eval_v4(s, y, **FRAMES), bss_eval_images(s, y, filter_length=6)), expected, strict=True
    ):
        for one, other in zip(found, same, strict=True):
            assert_allclose(one, other, atol=1e-10)


# Permutation


def test_swapped_stems_with_a_silent_second_are_found():
    s = stems(3)
    y = estimates_of(s)
    s[0, :, 1000:2000] = 0
    for framewise in (False, True):
        options = {"window": 1000, "hop": 1000, "filter_length": 4, "framewise_filters": framewise}
        expected = bss_eval_v4(s, y, **options)
        found = bss_eval_v4(s, y[[2, 0, 1]], permute=True, **options)
        permutation = found.permutation[:, [0, 2, 3]] if framewise else found.permutation
        assert_allclose(permutation.T, np.broadcast_to([1, 2, 0], permutation.T.shape))
        assert_allclose(found.sir, expected.sir, atol=1e-9)
        assert np.isnan(found.sir[:, 1]).all()


def test_ten_sources_are_permuted():
    s = stems(10, channels=1, samples=2000)
    order = np.random.default_rng(3).permutation(10)
    y = estimates_of(s)[order]
    found = bss_eval_v4(s, y, permute=True, window=1000, hop=1000, filter_length=3)
    assert_allclose(order[found.permutation], np.arange(10))
    assert_allclose(bss_eval_images(s, y, filter_length=3).permutation, found.permutation)


# Silence


def test_a_silent_stem_does_not_raise_and_hides_what_the_policy_says():
    s = stems(3)
    y = estimates_of(s)
    alone = bss_eval_v4(s[:2], y[:2], **FRAMES)
    s[2] = 0
    assert np.isnan(bss_eval_v4(s, y, **FRAMES).sdr).all()
    for silent in ("per_source", "energy"):
        found = bss_eval_v4(s, y, silent=silent, **FRAMES)
        assert np.isnan(np.stack(found[:4])[:, 2]).all()
        for one, other in zip(found[:4], alone[:4], strict=True):
            assert_allclose(one[:2], other, atol=1e-9)
    images = bss_eval_images(s, y, filter_length=4, permute=False)
    assert np.isnan(images.sir).tolist() == [False, False, True]
    assert np.isnan(np.stack(bss_eval_images(0 * s, y, filter_length=4)[:4])).all()


def test_opposite_channels_are_silent_for_museval_alone():
    s = stems()
    s[0, 1] = -s[0, 0]
    y = estimates_of(s)
    assert np.isnan(bss_eval_v4(s, y, **FRAMES).sdr).all()
    assert np.isnan(bss_eval_v4(s, y, silent="per_source", **FRAMES).sdr).any(axis=1).tolist() == [
        True,
        False,
    ]
    assert np.isfinite(np.stack(bss_eval_v4(s, y, silent="energy", **FRAMES)[:4])).all()


def test_a_silent_estimate_has_zero_db_under_the_energy_policy():
    s = stems()
    y = estimates_of(s)
    y[0] = 0
    found = bss_eval_v4(s, y, silent="energy", **FRAMES)
    assert_allclose([found.sdr[0], found.isr[0]], 0, atol=1e-9)
    assert np.isnan([found.sir[0], found.sar[0]]).all()
    assert np.isfinite(np.stack(found[:4])[:, 1]).all()


def test_the_only_sounding_source_has_infinite_sir():
    s = stems()
    s[1] = 0
    found = bss_eval_v4(s, estimates_of(stems()), silent="energy", **FRAMES)
    assert (found.sir[0] == np.inf).all()
    assert (bss_eval_images(s[:1], s[:1] + 0.1, filter_length=4).sir == np.inf).all()


def test_a_stem_of_denormal_numbers_is_silent():
    s = stems(samples=2400)
    y = estimates_of(s)
    s[1] = 0
    expected = [
        bss_eval_v4(s, y, silent="energy", framewise_filters=each, **FRAMES) for each in (False, True)
    ]
    s[1, :, ::2] = 1e-300
    for each, silent in zip((False, True), expected, strict=True):
        found = bss_eval_v4(s, y, silent="energy", framewise_filters=each, **FRAMES)
        for one, other in zip(found[:4], silent[:4], strict=True):
            assert_allclose(one[0], other[0])


def test_an_estimate_that_has_nothing_of_any_source_has_no_sar():
    s, y = np.zeros((2, 1, 200)), np.zeros((2, 1, 200))
    s[[0, 1], 0, [0, 1]] = y[[0, 1], 0, [150, 160]] = 1
    assert_allclose(bss_eval_v4(s, y, window=None, filter_length=8).sar, -np.inf)


# The edges of frames


def band_limited(samples=6000):
    rng = np.random.default_rng(0)
    spectra = np.fft.rfft(rng.standard_normal((2, 1, samples)))
    spectra[..., samples // 5 :] = 0
    s = np.fft.irfft(spectra, samples)
    return s, s + 0.03 * s[::-1] + 0.03 * np.random.default_rng(1).standard_normal(s.shape)


def test_interference_of_the_frames_edges_is_warned_of_and_a_load_prevents_it(caplog):
    s, y = band_limited()
    options = {"window": 600, "hop": 600, "filter_length": 40}
    with caplog.at_level(logging.WARNING, "sigsep_classic"):
        exact = median_of_frames(bss_eval_v4(s, y, **options).sir)
        assert "load=1e-6" in caplog.text
        caplog.clear()
        loaded = median_of_frames(bss_eval_v4(s, y, load=1e-4, **options).sir)
        whole = bss_eval_v4(s, y, window=None, filter_length=40).sir[:, 0]
        bss_eval_v4(s, s, **options)  # what little there is of interference is not worth a word
        assert not caplog.text
    assert (exact < whole - 5).all()
    assert_allclose(loaded, whole, atol=2)


def test_a_small_load_changes_little_and_levels_do_not_change_it():
    s = stems()
    y = estimates_of(s)
    exact, loaded = bss_eval_v4(s, y, **FRAMES), bss_eval_v4(s, y, load=1e-6, **FRAMES)
    scaled = bss_eval_v4(s * [[[1]], [[1000]]], y, load=1e-6, **FRAMES)
    assert_allclose(loaded.sir, exact.sir, atol=1e-3)
    assert_allclose(scaled.sir, loaded.sir, atol=1e-8)


# What is taken and what is refused


def test_scores_give_medians_of_frames_in_one_call():
    s = stems(channels=1, samples=3000)
    y = estimates_of(s)
    names = ("csdr", "isr", "sir", "sar")
    given = {"a": s[0], "b": s[1]}
    found = scores(given, {"a": y[0], "b": y[1]}, metrics=names, sample_rate=1000)
    expected = bss_eval_v4(s, y, window=1000, hop=1000)
    table = [[found[stem][name] for stem in given] for name in names]
    assert_allclose(table, [np.median(x, axis=1) for x in expected[:4]])
    assert_allclose(table[0], csdr(s, y, window=1000))


def test_lists_of_float32_are_taken_and_nothing_is_written_to():
    s = stems(samples=2000).astype(np.float32)
    y = estimates_of(s).astype(np.float32)
    copies = s.copy(), y.copy()
    expected = bss_eval_v4(s.astype(float), y.astype(float), **FRAMES)
    for one, other in zip(bss_eval_v4(list(s), list(y), **FRAMES), expected, strict=True):
        assert_allclose(one, other)
    assert (s == copies[0]).all()
    assert (y == copies[1]).all()


@pytest.mark.slow
def test_torch_tensors_are_taken():
    torch = pytest.importorskip("torch")
    s = stems(samples=2000)
    y = estimates_of(s)
    expected = bss_eval_v4(s, y, **FRAMES)
    given = torch.tensor(s), torch.tensor(y, requires_grad=True)
    for one, other in zip(bss_eval_v4(*given, **FRAMES), expected, strict=True):
        assert_allclose(one, other)
    assert_allclose(bss_eval_sources(given[0][0], given[1][0]).sdr, bss_eval_sources(s[0], y[0]).sdr)
    assert_allclose(streamed_scores([given])["si_sdr"], si_sdr(s, y))


def test_without_lapack_calls_the_scores_are_the_same(monkeypatch):
    # What CuPy arrays meet: a factor and solves through the array module alone.
    s = stems()
    y = estimates_of(s)
    expected = bss_eval_v4(s, y, **FRAMES), bss_eval_images(s, y, filter_length=6)
    monkeypatch.setattr(_projections, "np", SimpleNamespace(ndarray=()))
    for found, same in zip(
        (bss_eval_v4(s, y, **FRAMES), bss_eval_images(s, y, filter_length=6)), expected, strict=True
    ):
        for one, other in zip(found, same, strict=True):
            assert_allclose(one, other, atol=1e-9)


def test_what_does_not_fit_is_refused():
    s = stems(samples=2000)
    for name, value in (("window", 0), ("hop", 0), ("filter_length", 0), ("load", -1.0), ("silent", "no")):
        with pytest.raises(ParameterError, match=name):
            bss_eval_v4(s, s, **{name: value})
    with pytest.raises(ShapeError, match="estimate"):
        bss_eval_v4(s, s[:, :1])
    for score in (bss_eval_v4, bss_eval_images):
        with pytest.raises(ShapeError, match="sources have shapes"):
            score([s[0], s[1, :1]], [s[0], s[1, :1]])
        with pytest.raises(ArrayTypeError, match="real"):
            score(s * 1j, s)
        for value in (np.nan, np.inf):
            for place in ((bad := s.copy()), s), (s, bad):
                bad[0, 0, 5] = value
                with pytest.raises(NumericalError, match="NaN"):
                    score(*place)


# Other libraries


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("framewise", [False, True])
@pytest.mark.parametrize("within", [1e-6])
def test_frames_are_those_of_museval(framewise, within):
    s = stems(3, samples=9000)
    y = estimates_of(s)
    s[0, :, 3000:6000] = 0
    s[1, 1] = s[1, 0]
    expected = museval(s, y, window=3000, hop=1500, filters_len=100, framewise_filters=framewise)
    found = bss_eval_v4(s, y, window=3000, hop=1500, filter_length=100, framewise_filters=framewise)
    for one, other in zip(found[:4], expected[:4], strict=True):
        assert_allclose(one, other, rtol=0, atol=within)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("within", [1e-6])
def test_the_permutation_is_that_of_museval(within):
    s = stems(3, samples=6000)
    y = estimates_of(s)[[1, 2, 0]]
    expected = museval(s, y, window=2000, hop=2000, filters_len=32, compute_permutation=True)
    found = bss_eval_v4(s, y, window=2000, hop=2000, filter_length=32, permute=True)
    assert_allclose(found.permutation, expected[4][:, 0])
    assert_allclose(found.sir, expected[2], rtol=0, atol=within)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("within", [1e-9])
def test_images_are_those_of_mir_eval(within):
    separation = pytest.importorskip("mir_eval.separation")
    s = stems(samples=5000)
    y = estimates_of(s)[::-1]
    expected = separation.bss_eval_images(s.transpose(0, 2, 1), y.transpose(0, 2, 1))
    found = bss_eval_images(s, y)
    for one, other in zip(found, expected, strict=True):
        assert_allclose(one, other, rtol=0, atol=within)
