"""Metrics without filters against theorems, naive loops, museval, mir_eval and fast_bss_eval."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import metrics
from sigsep_classic.errors import ArrayTypeError, NumericalError, ParameterError, ShapeError
from sigsep_classic.metrics import _signals as signals
from sigsep_classic.metrics import csdr, framewise_sdr, sa_sdr, scores, sd_sdr, si_sdr, snr, usdr
from tests.peers import museval_or_skip

PER_SOURCE = [snr, si_sdr, sd_sdr, usdr]


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    s = rng.standard_normal((3, 2, 5000))
    return s, 0.8 * s + 0.3 * rng.standard_normal(s.shape) + 0.2 * s[::-1]


def naive_sums(s, y):
    ss = ee = sy = 0.0
    for c in range(s.shape[0]):
        for t in range(s.shape[1]):
            ss += s[c, t] ** 2
            ee += (s[c, t] - y[c, t]) ** 2
            sy += s[c, t] * y[c, t]
    return ss, ee, sy


def naive_si_sdr(s, y):
    ss, _, sy = naive_sums(s, y)
    target = (sy / ss) * s
    return 10 * math.log10(naive_sums(target, y)[0] / naive_sums(target, y)[1])


def test_each_metric_equals_its_naive_loop(pair):
    s, y = pair
    sums = [naive_sums(a, b) for a, b in zip(s, y, strict=True)]
    assert_allclose(snr(s, y), [10 * math.log10(ss / ee) for ss, ee, _ in sums], rtol=1e-12)
    assert_allclose(si_sdr(s, y), [naive_si_sdr(a, b) for a, b in zip(s, y, strict=True)], rtol=1e-12)
    expected = [10 * math.log10((sy / ss) ** 2 * ss / ee) for ss, ee, sy in sums]
    assert_allclose(sd_sdr(s, y), expected, rtol=1e-12)
    expected = [10 * math.log10((ss + 1e-7) / (ee + 1e-7)) for ss, ee, _ in sums]
    assert_allclose(usdr(s, y), expected, rtol=1e-12)
    expected = 10 * math.log10(sum(ss for ss, _, _ in sums) / sum(ee for _, ee, _ in sums))
    assert_allclose(sa_sdr(s, y), expected, rtol=1e-12)


@pytest.mark.parametrize("block", [1, 7, 5000, 1 << 20])
def test_the_block_size_changes_nothing(pair, block, monkeypatch):
    s, y = (x[..., :500] for x in pair)
    before = [metric(s, y) for metric in PER_SOURCE], framewise_sdr(s, y, window=60, hop=25)
    monkeypatch.setattr(signals, "BLOCK", block)
    monkeypatch.setattr(metrics.framewise, "BLOCK", block)
    after = [metric(s, y) for metric in PER_SOURCE], framewise_sdr(s, y, window=60, hop=25)
    assert_allclose(after[0], before[0], rtol=1e-12)
    assert_allclose(after[1], before[1], rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 0.3, 17.0, -1.0])
def test_si_sdr_does_not_depend_on_the_scale_of_either_signal(pair, scale):
    s, y = pair
    assert_allclose(si_sdr(s, scale * y), si_sdr(s, y), rtol=1e-10)
    assert_allclose(si_sdr(scale * s, y), si_sdr(s, y), rtol=1e-10)


def test_error_ten_times_smaller_is_20_db_more_snr(pair):
    s, y = pair
    assert_allclose(snr(s, s + 0.1 * (y - s)), snr(s, y) + 20, rtol=1e-12)


def test_scaling_both_signals_changes_no_metric_but_usdr(pair):
    s, y = pair
    for metric in (snr, si_sdr, sd_sdr, sa_sdr):
        assert_allclose(metric(1e-3 * s, 1e-3 * y), metric(s, y), rtol=1e-10)


def test_orthogonal_noise_of_a_tenth_has_20_db_in_every_metric():
    t = np.arange(1000) * 2 * np.pi / 1000
    s = np.sin(5 * t)
    y = s + 0.1 * np.cos(9 * t)
    for metric in PER_SOURCE:
        assert_allclose(metric(s, y), [20], atol=1e-6)


def test_si_sdr_is_never_below_sd_sdr_and_sd_sdr_is_snr_plus_alpha(pair):
    s, y = pair
    alpha = (s * y).sum((1, 2)) / (s * s).sum((1, 2))
    assert_allclose(sd_sdr(s, y), snr(s, y) + 20 * np.log10(np.abs(alpha)), rtol=1e-10)
    assert np.all(si_sdr(s, y) >= sd_sdr(s, y))


def test_one_alpha_serves_all_channels():
    rng = np.random.default_rng(1)
    s = rng.standard_normal((1, 2, 100))
    rebalanced = s * np.array([1.0, 2.0])[:, None]
    assert np.isinf(si_sdr(s, 2 * s))
    assert si_sdr(s, rebalanced)[0] < 15


def test_fewer_axes_mean_one_channel_and_one_source(pair):
    s, y = (x[0, 0] for x in pair)
    for metric in PER_SOURCE:
        assert metric(s, y).shape == (1,)
        assert_allclose(metric(s, y), metric(s[None, None], y[None, None]))
        assert_allclose(metric(np.stack([s, y]), np.stack([y, s])), [metric(s, y)[0], metric(y, s)[0]])


def test_a_list_of_sources_equals_the_stacked_array(pair):
    s, y = pair
    for metric in (*PER_SOURCE, sa_sdr, framewise_sdr):
        assert_allclose(metric(list(s), tuple(y)), metric(s, y))


def test_float32_and_int16_are_summed_in_float64():
    rng = np.random.default_rng(2)
    s = rng.integers(-20000, 20000, (1, 2, 300_000)).astype(np.int16)
    y = (s + rng.integers(-30, 30, s.shape)).astype(np.int16)
    expected = snr(s.astype(np.float64), y.astype(np.float64))
    assert_allclose(snr(s, y), expected, rtol=1e-13)
    assert_allclose(snr(s.astype(np.float32), y.astype(np.float32)), expected, rtol=1e-13)
    assert snr(s, y).dtype == np.float64


def test_no_metric_writes_into_its_inputs(pair):
    s, y = (x.copy() for x in pair)
    for metric in (*PER_SOURCE, sa_sdr, framewise_sdr, csdr):
        metric(s, y)
    assert np.array_equal(s, pair[0])
    assert np.array_equal(y, pair[1])


def test_a_perfect_estimate_has_infinite_ratios_and_a_finite_usdr(pair):
    s, _ = pair
    for metric in (snr, si_sdr, sd_sdr, csdr):
        assert np.all(metric(s, s.copy()) == np.inf)
    assert sa_sdr(s, s.copy()) == np.inf
    assert np.all(np.isfinite(usdr(s, s.copy())))


def test_a_silent_reference_is_nan_and_a_silent_estimate_is_zero_db_snr(pair):
    s, y = pair
    nothing = np.zeros_like(s)
    for metric in (snr, si_sdr, sd_sdr):
        assert np.all(np.isnan(metric(nothing, y)))
        assert np.all(np.isnan(metric(nothing, nothing)))
    assert math.isnan(sa_sdr(nothing, y))
    assert_allclose(usdr(nothing, nothing), 0)
    assert_allclose(snr(s, nothing), 0, atol=1e-12)
    assert np.all(si_sdr(s, nothing) == -np.inf)
    assert np.all(sd_sdr(s, nothing) == -np.inf)


def test_sa_sdr_takes_one_silent_reference(pair):
    s, y = (x.copy() for x in pair)
    s[0] = 0
    assert math.isfinite(sa_sdr(s, y))


@pytest.mark.parametrize("metric", [*PER_SOURCE, sa_sdr, framewise_sdr, csdr])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_sample_that_is_not_finite_is_an_error(metric, bad, pair):
    s, y = pair
    y[1, 1, 77] = bad
    with pytest.raises(NumericalError, match="NaN or infinity"):
        metric(s, y)


@pytest.mark.parametrize("metric", [*PER_SOURCE, sa_sdr, framewise_sdr, csdr])
def test_shapes_that_do_not_fit_are_errors(metric):
    x = np.ones((2, 2, 50))
    for other in (np.ones((3, 2, 50)), np.ones((2, 1, 50)), np.ones((2, 2, 49)), np.ones((1, 2, 2, 50))):
        with pytest.raises(ShapeError):
            metric(x, other)
    for empty in (np.ones((0, 2, 50)), np.ones((2, 2, 0)), np.ones((2, 0, 50)), np.float64(1)):
        with pytest.raises(ShapeError):
            metric(empty, empty)
    with pytest.raises(ArrayTypeError):
        metric(x + 0j, x + 0j)


# Frames


@pytest.mark.parametrize(
    ("n", "window", "hop"), [(1000, 100, 100), (1050, 100, 50), (999, 100, 130), (60, 100, 9)]
)
def test_frames_equal_a_loop_over_slices(n, window, hop):
    rng = np.random.default_rng(3)
    s, y = rng.standard_normal((2, 2, 2, n))
    got = framewise_sdr(s, y, window=window, hop=hop)
    count = max(1, math.floor((n - window + hop) / hop))
    assert got.shape == (2, count)
    for k in range(count):
        span = slice(k * hop, k * hop + window)
        assert_allclose(got[:, k], snr(s[..., span], y[..., span]), rtol=1e-12)


def test_the_last_part_of_a_second_is_dropped(pair):
    s, y = (x.copy() for x in pair)
    before = framewise_sdr(s, y, window=1000)
    y[..., 4000:] = 7
    assert_allclose(framewise_sdr(s[..., :4999], y[..., :4999], window=1000), before[:, :4])


def silent_frames():
    """Frame 0 sounds; 1: reference 0 silent; 2: estimate 1 silent; 3: reference 2 is L = -R."""
    rng = np.random.default_rng(4)
    s, y = rng.standard_normal((2, 3, 2, 400))
    s[0, :, 100:200] = 0
    y[1, :, 200:300] = 0
    s[2, 1, 300:] = -s[2, 0, 300:]
    return s, y


@pytest.mark.parametrize(
    ("silence", "hidden"),
    [
        ("museval", [(n, k) for n in range(3) for k in (1, 2, 3)]),
        ("per_source", [(0, 1), (1, 2), (2, 3)]),
        ("energy", [(0, 1)]),
    ],
)
def test_silence_policies_hide_what_they_say(silence, hidden):
    got = framewise_sdr(*silent_frames(), window=100, silence=silence)
    assert [tuple(index) for index in np.argwhere(np.isnan(got)).tolist()] == hidden


def test_a_silent_estimate_has_zero_db_under_the_energy_policy():
    assert_allclose(framewise_sdr(*silent_frames(), window=100, silence="energy")[1, 2], 0, atol=1e-12)


def test_csdr_is_the_median_of_the_frames_that_count():
    s, y = silent_frames()
    frames = framewise_sdr(s, y, window=50, silence="per_source")
    expected = [np.median(row[~np.isnan(row)]) for row in frames]
    assert_allclose(csdr(s, y, window=50, silence="per_source"), expected)


def test_csdr_without_a_frame_that_counts_is_nan(pair):
    s, y = pair
    assert np.all(np.isnan(csdr(0 * s, y)))


def test_csdr_of_a_constant_ratio_is_the_snr(pair):
    s, _ = pair
    assert_allclose(csdr(s, 0.9 * s, window=500), 20, rtol=1e-10)
    assert_allclose(snr(s, 0.9 * s), 20, rtol=1e-10)


def test_frame_parameters_out_of_range_are_errors(pair):
    for name, value in (("window", 0), ("window", 1.5), ("hop", 0), ("silence", "none")):
        with pytest.raises(ParameterError, match=name):
            framewise_sdr(*pair, **{name: value})
    with pytest.raises(ShapeError, match="one length"):
        framewise_sdr([np.ones(50), np.ones(60)], [np.ones(50), np.ones(60)])
    with pytest.raises(ParameterError, match="eps"):
        usdr(*pair, eps=0)


# Scores by name


def test_scores_match_stems_by_name_and_pass_over_further_estimates(pair):
    s, y = pair
    names = ["vocals", "drums", "bass"]
    references = dict(zip(names, s, strict=True))
    estimates = {"residual": s[0], **dict(reversed(list(zip(names, y, strict=True))))}
    got = scores(references, estimates, metrics=("snr", "csdr"), sample_rate=1000)
    assert list(got) == names
    for n, name in enumerate(names):
        assert list(got[name]) == ["snr", "csdr"]
        assert_allclose(got[name]["snr"], snr(s, y)[n])
        assert_allclose(got[name]["csdr"], csdr(s, y, window=1000)[n])
        assert type(got[name]["snr"]) is float


def test_scores_name_what_is_missing_or_unknown(pair):
    stems = {"vocals": pair[0][0]}
    with pytest.raises(ParameterError, match=r"'vocals'.*there are: drums"):
        scores(stems, {"drums": pair[0][0]}, sample_rate=8000)
    with pytest.raises(ParameterError, match="'sdrr' is unknown"):
        scores(stems, stems, metrics=("sdrr",), sample_rate=8000)
    with pytest.raises(ParameterError, match="sample_rate"):
        scores(stems, stems, sample_rate=0)
    with pytest.raises(ParameterError, match="no stem"):
        scores({}, stems, sample_rate=8000)
    with pytest.raises(ShapeError, match="'vocals'"):
        scores(stems, {"vocals": pair[0][0][:, :-1]}, sample_rate=8000)


# Other libraries


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("within", [1e-9])
def test_framewise_sdr_equals_museval_v4(within):
    museval = museval_or_skip()
    rng = np.random.default_rng(5)
    rate = 4000
    s = rng.standard_normal((3, 2, int(3.6 * rate)))
    y = s + 0.2 * s[::-1] + 0.1 * rng.standard_normal(s.shape)
    s[1, :, rate : 2 * rate] = 0
    s[1, 0, 2 * rate : 3 * rate] = -s[1, 1, 2 * rate : 3 * rate]
    expected, *_ = museval.bss_eval(
        s.transpose(0, 2, 1), y.transpose(0, 2, 1), window=rate, hop=rate // 2, filters_len=16
    )
    got = framewise_sdr(s, y, window=rate, hop=rate // 2)
    assert np.isnan(expected).any()
    assert_allclose(got, expected, rtol=0, atol=within)
    assert_allclose(
        csdr(s, y, window=rate, hop=rate // 2), np.nanmedian(expected, axis=1), rtol=0, atol=within
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("within", [1e-9])
def test_snr_equals_mir_eval_images_sdr(within):
    separation = pytest.importorskip("mir_eval.separation")
    rng = np.random.default_rng(6)
    s = rng.standard_normal((2, 2, 8000))
    y = s + 0.3 * rng.standard_normal(s.shape)
    expected, *_ = separation.bss_eval_images(
        s.transpose(0, 2, 1), y.transpose(0, 2, 1), compute_permutation=False
    )
    assert_allclose(snr(s, y), expected, rtol=0, atol=within)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("within", [1e-6])
def test_si_sdr_equals_fast_bss_eval(within):
    fast_bss_eval = pytest.importorskip("fast_bss_eval.numpy")
    rng = np.random.default_rng(7)
    s = rng.standard_normal((2, 8000))
    y = 0.5 * s + 0.1 * rng.standard_normal(s.shape)
    expected, *_ = fast_bss_eval.si_bss_eval_sources(s, y)
    assert_allclose(si_sdr(s, y), expected, rtol=0, atol=within)
