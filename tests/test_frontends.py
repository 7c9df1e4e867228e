"""Front-ends give back what they were given, and agree with SciPy, librosa and the sum itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.frontends import STFT, Waveform
from sigsep_classic.frontends.framing import steps, weights
from sigsep_classic.frontends.stft import _window
from sigsep_classic.typing import FrontEnd
from tests.peers import librosa_or_skip
from tests.reference.stft import transform

WINDOWS = ["hann", "hamming", "boxcar", "blackman"]
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def noise(shape, real="float64", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(real)


def least_weight(stft, n_samples):
    """Return the smallest sum of squared windows over the samples, in units of the largest."""
    n_frames, overlap = stft.n_frames(n_samples), -(-stft.n_fft // stft.step)
    rows = steps(np.arange(n_frames + overlap - 1), stft.n_fft, n_frames, step=stft.step)
    sums = weights(_window(stft.window, stft.n_fft), n_frames, step=stft.step)[rows]
    kept = sums.reshape(-1)[stft.n_fft // 2 : stft.n_fft // 2 + n_samples]
    return kept.min() / sums.max()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    n_fft=st.integers(1, 300),
    hop=st.integers(1, 300),
    window=st.sampled_from(WINDOWS),
    n_samples=st.integers(1, 2000),
    real=st.sampled_from(["float32", "float64"]),
)
@example(n_fft=1, hop=1, window="hann", n_samples=1, real="float32")
@example(n_fft=2, hop=1, window="hann", n_samples=5, real="float32")
@example(n_fft=300, hop=300, window="boxcar", n_samples=299, real="float32")
@example(n_fft=299, hop=150, window="hann", n_samples=1, real="float64")
def test_synthesis_undoes_analysis(n_fft, hop, window, n_samples, real):
    try:
        stft = STFT(n_fft=n_fft, hop=hop, window=window)
    except ParameterError:
        assume(False)
    x = noise((2, n_samples), real)
    X = stft.analyze(x)
    assert X.shape == (2, n_fft // 2 + 1, stft.n_frames(n_samples))
    y = stft.synthesize(X, n_samples)
    assert y.dtype == x.dtype
    # Rounding grows where all windows over a sample are nearly zero, and with the number of frames added up.
    tolerance = TOLERANCE[real] * max(1, 0.3 / np.sqrt(least_weight(stft, n_samples)), n_fft / hop / 16)
    assert_allclose(y, x, rtol=0, atol=tolerance * np.abs(x).max())


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("n_fft", "hop"), [(2048, 512), (1024, 512), (1000, 250), (255, 77), (64, 1)])
def test_usual_overlaps_reconstruct_to_the_promise(n_fft, hop, window, real):
    stft, x = STFT(n_fft=n_fft, hop=hop, window=window), noise((1, 5001), real)
    y = stft.synthesize(stft.analyze(x), 5001)
    assert_allclose(y, x, rtol=0, atol=TOLERANCE[real] * np.abs(x).max())


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("n_fft", "hop", "n_samples"), [(8, 2, 21), (7, 3, 10), (1, 1, 4), (16, 16, 3)])
def test_analysis_is_the_sum_of_its_definition(n_fft, hop, n_samples, window):
    if hop == n_fft > 1:
        window = "boxcar"
    x = noise(n_samples)
    X = STFT(n_fft=n_fft, hop=hop, window=window).analyze(x)
    assert_allclose(X, transform(x, n_fft, hop, window), atol=1e-13)


@pytest.mark.parametrize("n_fft", [64, 65])
@pytest.mark.parametrize("hop", [16, 20])
@pytest.mark.parametrize("within", [1e-12])
def test_analysis_is_scipys_short_time_fft(n_fft, hop, within):
    from scipy.signal import ShortTimeFFT, get_window

    x = noise((2, 333))
    window = get_window("hann", n_fft)
    reference = ShortTimeFFT(window, hop, fs=1, phase_shift=None)
    stft = STFT(n_fft=n_fft, hop=hop)
    X = reference.stft(x, p0=0, p1=stft.n_frames(333))
    assert_allclose(stft.analyze(x), X, rtol=0, atol=within)


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("n_fft", "hop"), [(512, 128), (256, 64), (512, 512 // 3 + 1)])
def test_analysis_is_librosas_stft(n_fft, hop, window, real):
    librosa = librosa_or_skip()
    x = noise((2, 20 * hop), real)
    reference = librosa.stft(x, n_fft=n_fft, hop_length=hop, window=window, center=True, pad_mode="constant")
    X = STFT(n_fft=n_fft, hop=hop, window=window).analyze(x)
    assert X.dtype == reference.dtype
    assert_allclose(X, reference, rtol=0, atol=TOLERANCE[real] * np.abs(reference).max())


@pytest.mark.parametrize("n_samples", [1, 127, 128, 129, 2000])
def test_every_sample_lies_between_two_frame_centres(n_samples):
    stft = STFT(n_fft=512, hop=128)
    assert (stft.n_frames(n_samples) - 1) * 128 >= n_samples > (stft.n_frames(n_samples) - 2) * 128
    assert stft.analyze(np.ones((1, n_samples))).shape[-1] == stft.n_frames(n_samples)


@pytest.mark.parametrize("shape", [(50,), (3, 50), (2, 3, 50), (2, 1, 3, 50)])
def test_leading_axes_are_a_batch(shape):
    stft, x = STFT(n_fft=16, hop=5), noise(shape)
    X = stft.analyze(x)
    for index in np.ndindex(shape[:-1]):
        assert_array_equal(X[index], stft.analyze(x[index]))
    y = stft.synthesize(X, 50)
    assert y.shape == shape
    for index in np.ndindex(shape[:-1]):
        assert_array_equal(y[index], stft.synthesize(X[index], 50))


def test_analysis_and_synthesis_are_linear():
    stft = STFT(n_fft=64, hop=20)
    x, y = noise((2, 3, 400))
    X, Y = stft.analyze(x), stft.analyze(y)
    assert_allclose(stft.analyze(2 * x - 3 * y), 2 * X - 3 * Y, atol=1e-12)
    Z = X + 1j * Y  # no longer the transform of any signal
    both = stft.synthesize(X, 400) + stft.synthesize(Z, 400)
    assert_allclose(stft.synthesize(X + Z, 400), both, atol=1e-12)


def test_energy_is_kept_up_to_the_sum_of_squared_windows():
    stft, x = STFT(n_fft=64, hop=16), np.zeros((1, 640))
    x[:, 64:-64] = noise((1, 512))
    X = stft.analyze(x)
    energy = 2 * (abs(X) ** 2).sum() - (abs(X[:, [0, -1]]) ** 2).sum()
    assert_allclose(
        energy / 64, 1.5 * (x**2).sum(), rtol=1e-12
    )  # squared Hann windows at a quarter add to 3/2


def test_synthesis_is_the_least_squares_signal():
    """No nearby signal has a transform closer to coefficients that belong to no signal."""
    stft = STFT(n_fft=32, hop=8)
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((17, stft.n_frames(96))) + 1j * rng.standard_normal((17, stft.n_frames(96)))
    Z[[0, -1]] = Z[[0, -1]].real  # as the spectrum of a real frame has them
    weights = np.array([1, *[2] * 15, 1])[:, None]

    def distance(x):
        return (weights * abs(stft.analyze(x) - Z) ** 2).sum()

    best = stft.synthesize(Z, 96)
    for step in rng.standard_normal((20, 96)):
        assert distance(best + 1e-3 * step) > distance(best)


def test_frames_lie_one_after_the_other_in_memory():
    X = STFT(n_fft=64).analyze(noise((2, 500)))
    assert X.swapaxes(-1, -2).flags.c_contiguous


@pytest.mark.parametrize("frontend", [STFT(n_fft=32), STFT(n_fft=33, hop=7, window="hamming"), Waveform()])
@pytest.mark.parametrize("real", ["float32", "float64"])
def test_a_strided_read_only_input_is_taken_and_left_alone(frontend, real):
    wide = noise((4, 300), real)
    x = wide[::2, ::-3]
    before = x.copy()
    x.flags.writeable = False
    X = frontend.analyze(x)
    X.flags.writeable = False
    kept = X.copy()
    assert_allclose(frontend.synthesize(X, x.shape[-1]), before, atol=1e-5)
    assert_array_equal(x, before)
    assert_array_equal(X, kept)


def test_one_and_two_threads_give_the_same_bits(monkeypatch):
    x, results = noise((2, 9000), "float32"), []
    stft = STFT(n_fft=256)
    for n in ("1", "2"):
        monkeypatch.setenv("SIGSEP_NUM_THREADS", n)
        X = stft.analyze(x)
        results.append((X, stft.synthesize(X, 9000)))
    for one, two in zip(*results, strict=True):
        assert_array_equal(one, two)


def test_cutting_into_blocks_changes_nothing(monkeypatch):
    from sigsep_classic.frontends import framing as module

    x, stft = noise((2, 3000)), STFT(n_fft=64, hop=16)
    X = stft.analyze(x)
    y = stft.synthesize(X, 3000)
    monkeypatch.setattr(module, "_BLOCK_VALUES", 1)
    assert_array_equal(stft.analyze(x), X)
    assert_allclose(stft.synthesize(X, 3000), y, atol=1e-14)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_fft": 0}, "n_fft is 0"),
        ({"n_fft": 16, "hop": 0}, "hop is 0"),
        ({"n_fft": 16, "hop": 17}, "hop is 17"),
        ({"n_fft": 16, "hop": 16}, "leaves samples that no frame sees"),
        ({"n_fft": 16, "window": "hnan"}, "'hnan' is unknown"),
    ],
)
def test_parameters_out_of_range_are_refused(options, said):
    with pytest.raises(ParameterError, match=said):
        STFT(**options)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(n_fft=st.integers(1, 64), hop=st.integers(1, 64), window=st.sampled_from([*WINDOWS, "bartlett"]))
def test_parameters_are_accepted_exactly_where_scipy_finds_the_overlap_add_condition_to_hold(
    n_fft, hop, window
):
    from scipy.signal import check_NOLA, get_window

    assume(hop <= n_fft)
    values = get_window(window, n_fft)
    holds = check_NOLA(values, n_fft, n_fft - hop, tol=1e-9)
    try:
        STFT(n_fft=n_fft, hop=hop, window=window)
    except ParameterError:
        assert not holds
    else:
        assert holds


@pytest.mark.parametrize("frontend", [STFT(n_fft=16), Waveform()])
def test_a_signal_without_samples_is_refused(frontend):
    for shape in ((), (0,), (2, 0)):
        with pytest.raises(ShapeError, match="no samples"):
            frontend.analyze(np.zeros(shape))


@pytest.mark.parametrize("frontend", [STFT(n_fft=16), Waveform()])
def test_coefficients_of_another_length_are_refused(frontend):
    X = frontend.analyze(np.zeros((1, 100)))
    for wrong in (X[:, :, 1:], X[:, :0]):
        with pytest.raises(ShapeError, match=r"X has \(freq, frames\)"):
            frontend.synthesize(wrong, 100)


def test_waveform_is_the_identity_with_one_frequency():
    x = noise((2, 30), "float32")
    X = Waveform().analyze(x)
    assert X.shape == (2, 1, 30)
    assert_array_equal(Waveform().synthesize(X, 30), x)


@pytest.mark.parametrize(
    ("frontend", "rate", "bin_hz"), [(STFT(n_fft=100, hop=20), 400.0, 80.0), (Waveform(), 8000.0, 0.0)]
)
def test_the_grid_says_frames_per_second_and_hertz_per_bin(frontend, rate, bin_hz):
    grid = frontend.grid(8000)
    assert (grid.frame_rate, grid.bin_hz) == (rate, bin_hz)
    assert isinstance(frontend, FrontEnd)


def test_a_tone_stands_in_its_bin_and_a_click_in_its_frame():
    stft = STFT(n_fft=256, hop=64)
    t = np.arange(4000)
    tone = abs(stft.analyze(np.cos(2 * np.pi * t * 10 / 256)))
    assert_array_equal(tone[:, 5:-5].argmax(axis=0), np.full(stft.n_frames(4000) - 10, 10))
    click = abs(stft.analyze((t == 64 * 20).astype(float)))
    assert_array_equal(click.argmax(axis=1), np.full(129, 20))
