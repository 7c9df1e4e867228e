"""The constant-Q front-end loses nothing, is its definition, and moves with pitch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import METHODS, grouping
from sigsep_classic.errors import ArrayTypeError, ParameterError, ShapeError
from sigsep_classic.factorizers.models import LowRankModel
from sigsep_classic.frontends import STFT, ConstantQ
from sigsep_classic.testing import FRONTENDS, PROMISES, SAMPLE_RATE
from sigsep_classic.typing import FrontEnd
from tests.conformance.test_methods import case_of
from tests.reference import constant_q as reference

TOLERANCE = {"float32": 1e-6, "float64": 1e-12}
SMALL = ConstantQ(sample_rate=8000, f_min=110, bins_per_octave=12)


def noise(shape, real="float64", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(real)


def weights(transform):
    """Return how often each row counts in inner products: rows within stand for their mirror images too."""
    values = np.full((transform.n_bins, 1), 2.0)
    values[[0, -1]] = 1
    return values


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    sample_rate=st.sampled_from([8000, 44100, 1]),
    lowest=st.floats(1e-3, 0.4),
    highest=st.none() | st.floats(1e-3, 0.5),
    bins_per_octave=st.integers(1, 60),
    gamma=st.sampled_from([0.0, 1e-3, 0.05]),
    n_samples=st.integers(1, 1500),
    real=st.sampled_from(["float32", "float64"]),
)
@example(sample_rate=1, lowest=0.01, highest=None, bins_per_octave=1, gamma=0.0, n_samples=1, real="float32")
def test_synthesis_undoes_analysis(sample_rate, lowest, highest, bins_per_octave, gamma, n_samples, real):
    try:
        transform = ConstantQ(
            sample_rate=sample_rate,
            f_min=lowest * sample_rate,
            f_max=None if highest is None else highest * sample_rate,
            bins_per_octave=bins_per_octave,
            gamma=gamma * sample_rate,
        )
    except ParameterError:
        assume(False)
    x = noise((2, n_samples), real)
    X = transform.analyze(x)
    assert X.shape == (2, transform.n_bins, transform.n_frames(n_samples))
    assert X.dtype == np.result_type(real, np.complex64)
    y = transform.synthesize(X, n_samples)
    assert y.dtype == x.dtype
    assert_allclose(y, x, rtol=0, atol=TOLERANCE[real] * np.abs(x).max())


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize(
    "options",
    [{}, {"f_max": 5000}, {"bins_per_octave": 12, "gamma": 20}, {"bins_per_octave": 48}, {"hop": 7}],
)
def test_usual_settings_reconstruct_to_the_promise(options, real):
    transform, x = ConstantQ(sample_rate=44100, **options), noise((1, 30011), real)
    y = transform.synthesize(transform.analyze(x), 30011)
    assert_allclose(y, x, rtol=0, atol=TOLERANCE[real] * np.abs(x).max())


@pytest.mark.parametrize(
    "options", [{"f_min": 700.0}, {"f_min": 1200.0, "f_max": 1500.0}, {"f_min": 500, "hop": 1}]
)
def test_analysis_is_the_sum_of_its_definition(options):
    transform = ConstantQ(sample_rate=8000, bins_per_octave=3, **options)
    centres = transform.frequencies(8000).tolist()
    if transform.constant_q_rows.start == 1:
        centres[0] = transform.f_min / 2 ** (1 / 3)
    x = noise(11)
    X = transform.analyze(x)
    assert_allclose(X, reference.transform(x, 8000, centres, transform.step, X.shape[-1]), atol=1e-13)


@pytest.mark.parametrize("gamma", [0.0, 30.0])
def test_energy_is_kept(gamma):
    transform, x = ConstantQ(sample_rate=8000, bins_per_octave=12, gamma=gamma), noise(3000)
    energy = transform.step * (weights(transform) * abs(transform.analyze(x)) ** 2).sum()
    assert_allclose(energy, (x**2).sum(), rtol=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 30.0])
def test_synthesis_is_the_adjoint_of_analysis_and_so_the_least_squares_signal(gamma):
    """In a tight frame the adjoint is the pseudo-inverse: no signal has a transform nearer to the coefficients."""
    transform, x = ConstantQ(sample_rate=8000, bins_per_octave=12, gamma=gamma), noise(700)
    X, rng = transform.analyze(x), np.random.default_rng(1)
    Z = rng.standard_normal(X.shape) + 1j * rng.standard_normal(X.shape)
    inner = transform.step * (weights(transform) * X.conj() * Z).sum().real
    assert_allclose((x * transform.synthesize(Z, 700)).sum(), inner, rtol=1e-10)


def test_a_sound_a_semitone_higher_is_the_same_column_some_rows_up():
    transform = ConstantQ(sample_rate=16000, f_min=55, f_max=6000, bins_per_octave=36)
    t = np.arange(48000) / 16000

    def column(pitch):
        tones = [np.sin(2 * np.pi * n * pitch * t + n) / n for n in range(1, 9)]
        X = abs(transform.analyze(np.sum(tones, axis=0)))
        return X[:, 24000 // transform.step][transform.constant_q_rows]

    low, high = column(220.0), column(220.0 * 2 ** (1 / 12))
    assert_allclose(high[3:], low[:-3], atol=3e-4 * low.max())
    assert abs(high - low).max() > 0.5 * low.max()


def test_a_sound_one_hop_later_is_the_same_one_frame_on():
    x = noise(2000)
    x[-SMALL.step :] = 0
    assert_allclose(SMALL.analyze(np.roll(x, SMALL.step)), np.roll(SMALL.analyze(x), 1, axis=-1), atol=1e-13)


def test_a_tone_stands_in_its_row_with_half_its_amplitude_and_a_click_in_its_frame():
    t = np.arange(16000)
    rows = range(8000)[SMALL.constant_q_rows]
    for k in (rows[12], rows[30], rows[-1]):
        hertz = SMALL.frequencies(8000)[k]
        X = abs(SMALL.analyze(0.6 * np.cos(2 * np.pi * hertz * t / 8000)))[:, 8000 // SMALL.step]
        assert X.argmax() == k
        assert_allclose(X[k], 0.3, rtol=2e-3)
    click = abs(SMALL.analyze((t == SMALL.step * 200).astype(float)))
    assert_array_equal(click.argmax(axis=1), np.full(SMALL.n_bins, 200))


def test_the_rows_at_both_ends_are_real_as_those_of_an_stft_are():
    X = SMALL.analyze(noise((2, 500)))
    assert_array_equal(X[:, [0, -1]].imag, 0)
    Z = X + 1j
    difference = SMALL.synthesize(Z, 500) - SMALL.synthesize(Z - 1j * (weights(SMALL) == 1), 500)
    assert_allclose(difference, 0, atol=1e-14)


@pytest.mark.parametrize("shape", [(50,), (3, 50), (2, 1, 3, 50)])
def test_leading_axes_are_a_batch(shape):
    x = noise(shape)
    X = SMALL.analyze(x)
    y = SMALL.synthesize(X, 50)
    assert y.shape == shape
    for index in np.ndindex(shape[:-1]):
        assert_array_equal(X[index], SMALL.analyze(x[index]))
        assert_array_equal(y[index], SMALL.synthesize(X[index], 50))


def test_analysis_and_synthesis_are_linear():
    x, y = noise((2, 3, 400))
    X, Y = SMALL.analyze(x), SMALL.analyze(y)
    assert_allclose(SMALL.analyze(2 * x - 3 * y), 2 * X - 3 * Y, atol=1e-12)
    Z = X + 1j * Y
    both = SMALL.synthesize(X, 400) + SMALL.synthesize(Z, 400)
    assert_allclose(SMALL.synthesize(X + Z, 400), both, atol=1e-12)


@pytest.mark.parametrize("real", ["float32", "float64"])
def test_a_strided_read_only_input_is_taken_and_left_alone(real):
    x = noise((4, 300), real)[::2, ::-3]
    before = x.copy()
    x.flags.writeable = False
    X = SMALL.analyze(x)
    X.flags.writeable = False
    kept = X.copy()
    assert_allclose(SMALL.synthesize(X, x.shape[-1]), before, atol=1e-5)
    assert_array_equal(x, before)
    assert_array_equal(X, kept)


def test_one_and_two_threads_give_the_same_bits(monkeypatch):
    x, results = noise((2, 9000), "float32"), []
    for n in ("1", "2"):
        monkeypatch.setenv("SIGSEP_NUM_THREADS", n)
        X = SMALL.analyze(x)
        results.append((X, SMALL.synthesize(X, 9000)))
    for one, two in zip(*results, strict=True):
        assert_array_equal(one, two)


def test_cutting_into_blocks_changes_nothing(monkeypatch):
    from sigsep_classic.frontends import constant_q

    x = noise((2, 3000))
    X = SMALL.analyze(x)
    y = SMALL.synthesize(X, 3000)
    monkeypatch.setattr(constant_q, "_BLOCK_VALUES", 1)
    assert_array_equal(SMALL.analyze(x), X)
    assert_array_equal(SMALL.synthesize(X, 3000), y)


def test_rows_lie_evenly_in_octaves_and_evenly_in_hertz_beyond():
    transform = ConstantQ(sample_rate=44100, f_min=55, f_max=3520, bins_per_octave=24)
    hertz = transform.frequencies(44100)
    inner = hertz[transform.constant_q_rows]
    assert_allclose(inner, 55 * 2 ** (np.arange(145) / 24), rtol=1e-12)
    assert transform.n_constant_q == 145
    assert (hertz[0], hertz[-1]) == (0, 22050)
    above = np.diff(hertz[transform.constant_q_rows.stop :])
    assert_allclose(above, above[0])
    assert above[0] <= inner[-1] * (2 ** (1 / 24) - 1)


@pytest.mark.parametrize("f_max", [None, 2000])
def test_there_are_never_more_bins_in_a_band_than_frames_and_the_hop_is_near_its_bound(f_max):
    transform = ConstantQ(sample_rate=44100, f_max=f_max)
    hertz = transform.frequencies(44100)
    widest = (hertz[3:] - hertz[1:-2]).max()
    assert 0.8 * widest < 44100 / transform.step * 0.9 < 1.1 * widest
    with pytest.raises(ParameterError, match="the widest band allows at most"):
        ConstantQ(sample_rate=44100, f_max=f_max, hop=2 * transform.step)


def test_the_grid_says_frames_per_second_and_the_frequencies():
    grid = SMALL.grid(8000)
    assert isinstance(SMALL, FrontEnd)
    assert (grid.frame_rate, grid.bin_hz) == (8000 / SMALL.step, 0)
    assert_array_equal(grid.frequencies, SMALL.frequencies(8000))
    assert_allclose(grid.span(100.0), 100 / (1000 * (2 ** (1 / 12) - 1)), rtol=0.1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sample_rate": 0}, "sample_rate is 0"),
        ({"f_min": 0}, "f_min is 0"),
        ({"f_min": 3900}, "no band of 1/24 octave fits"),
        ({"f_min": 100, "f_max": 99}, "f_max is 99"),
        ({"bins_per_octave": 0}, "bins_per_octave is 0"),
        ({"gamma": -1}, "gamma is -1"),
        ({"hop": 0}, "hop is 0"),
    ],
)
def test_parameters_out_of_range_are_refused(options, said):
    with pytest.raises(ParameterError, match=said):
        ConstantQ(**{"sample_rate": 8000, **options})


def test_a_copy_with_other_settings_has_a_hop_of_its_own():
    narrow = ConstantQ(sample_rate=44100, f_max=2000)
    wide = replace(narrow, f_max=None)
    assert narrow.hop is wide.hop is None
    assert wide.step == ConstantQ(sample_rate=44100).step < narrow.step
    assert replace(wide, hop=np.int64(8)).step == 8
    assert [replace(STFT(n_fft=n), n_fft=400).step for n in (100, 2048)] == [100, 100]


def test_signals_of_another_rate_kind_or_length_are_refused():
    with pytest.raises(ParameterError, match=r"44100 Hz; this transform is ConstantQ\(sample_rate=8000\)"):
        SMALL.grid(44100)
    with pytest.raises(ArrayTypeError, match="int64"):
        SMALL.analyze(np.arange(5))
    for shape in ((), (0,), (2, 0)):
        with pytest.raises(ShapeError, match="no samples"):
            SMALL.analyze(np.zeros(shape))
    with pytest.raises(ShapeError, match=r"X has \(freq, frames\)"):
        SMALL.synthesize(SMALL.analyze(np.zeros((1, 100)))[..., 1:], 100)


# ---- methods on this axis


@pytest.mark.slow
@pytest.mark.parametrize(
    "promise",
    [
        "stems_have_the_shape_and_kind_of_the_input_and_add_up_to_it",
        "one_sample_is_enough",
        "the_model_tells_what_it_holds",
    ],
)
@pytest.mark.parametrize("method", METHODS.built_in)
def test_methods_keep_their_promises_on_it(monkeypatch, method, promise):
    monkeypatch.setitem(FRONTENDS, "constant_q", (SMALL, 2400))
    PROMISES[promise](case_of(method, "constant_q"))


def test_a_width_in_hertz_is_taken_at_one_kilohertz():
    hpss = METHODS["hpss"](percussive_hz=400, grid=SMALL.grid(SAMPLE_RATE))
    assert hpss.sizes[1] == 7  # a semitone at 1 kHz is 59 Hz


def test_a_cutoff_in_hertz_is_a_row():
    X = SMALL.analyze(noise((1, 4000)))
    repet = METHODS["repet"](cutoff=440.0, period=0.1, grid=SMALL.grid(SAMPLE_RATE))
    below = SMALL.frequencies(SAMPLE_RATE) <= 440.0
    gain = repet.fit(X).masks[0, 0]
    assert_array_equal(gain[below], 1)
    assert (gain[~below] < 1).any(axis=1).all()


def test_components_of_one_timbre_are_found_alike_on_it():
    rng = np.random.default_rng(0)
    hertz = SMALL.frequencies(SAMPLE_RATE)
    tilt = 1 / (1 + (hertz[:, None] / np.array([300, 320, 3000, 2800])) ** 4)
    model = LowRankModel(W=np.abs(tilt - np.array([0, 0, 0.5, 0.5])) + 1e-3, H=rng.random((4, 20)))
    groups = grouping.by_timbre(model, SMALL.grid(SAMPLE_RATE), n_groups=2)
    assert sorted(groups.values()) == [[0, 1], [2, 3]]
