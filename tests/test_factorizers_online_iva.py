"""Separation of a stream: it separates, in blocks of any size, after a save and a load, and late by a known time."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import STFT, OnlineIVA, OnlineSeparator, separate
from sigsep_classic.errors import ArrayTypeError, NumericalError, ParameterError, ShapeError
from tests.frequencywise import STRESS, bin_mixture, stressed

METHODS = {
    "two of two": OnlineIVA(),
    "one of two, dereverberated": OnlineIVA(n_sources=1, rule="ip", prior="laplace", wpe_taps=2),
}


@pytest.fixture(params=METHODS)
def method(request):
    return METHODS[request.param]


def distances(images, A, X):
    """Return how far the images of the last third are from the truth in dB, in the best order."""
    last = slice(2 * X.shape[2] // 3, None)
    truth = np.einsum("fcn,fnt->ncft", A, np.linalg.pinv(A) @ X.swapaxes(0, 1))[..., last]
    found = images[..., last]
    error = (abs(truth[:, None] - found[None]) ** 2).sum(axis=(2, 3, 4)) / (abs(truth) ** 2).sum(
        axis=(1, 2, 3)
    )[:, None]
    order = min(itertools.permutations(range(len(found))), key=lambda p: error[range(len(truth)), p].sum())
    return 10 * np.log10(error[range(len(truth)), order])


@pytest.mark.parametrize("prior", ["laplace", "gauss"])
@pytest.mark.parametrize("rule", ["iss", "ip"])
def test_sources_that_rise_and_fall_are_separated(rule, prior):
    X, A = bin_mixture(2, n_frames=600)
    model = OnlineIVA(rule=rule, prior=prior).fit(X)
    assert distances(model.images, A, X).max() < -20


@pytest.mark.parametrize("rule", ["iss", "ip"])
def test_spare_channels_lower_the_noise(rule):
    X, A = bin_mixture(2, 4, n_frames=600, noise=0.3, seed=1)
    clean, _ = bin_mixture(2, 4, n_frames=600, seed=1)
    S = np.linalg.pinv(A) @ clean.swapaxes(0, 1)
    few = OnlineIVA(n_sources=2, rule=rule).fit(X[:2])
    all_four = OnlineIVA(n_sources=2, rule=rule).fit(X)
    assert all_four.residual
    truth = np.einsum("fcn,fnt->ncft", A, S)[:, :2, :, 400:]

    def error(images):
        found = images[:, :2, :, 400:]
        return min(abs(found - truth[list(p)]).std() for p in itertools.permutations(range(2)))

    assert error(all_four.images) < 0.8 * error(few.images)


def test_a_second_pass_separates_the_beginning_too():
    X, A = bin_mixture(2, n_frames=240)
    once, twice = (OnlineIVA(n_passes=n).fit(X).images[..., :40] for n in (1, 2))
    truth = np.einsum("fcn,fnt->ncft", A, np.linalg.inv(A) @ X.swapaxes(0, 1))[..., :40]
    errors = [min(abs(found - truth[list(p)]).std() for p in ([0, 1], [1, 0])) for found in (once, twice)]
    assert errors[1] < 0.5 * errors[0]


def test_blocks_of_any_size_give_the_same_bits(method):
    X, _ = bin_mixture(2, n_frames=90)
    X[:, :, :5] = 0
    whole = method.fit(X).images
    for size in (1, 7, 64):
        state, parts = method.start(2, X.shape[1]), []
        for t in range(0, X.shape[2], size):
            images, state = method.process(X[:, :, t : t + size], state)
            parts.append(images)
        assert_array_equal(np.concatenate(parts, axis=-1), whole)


def test_a_saved_state_goes_on_with_the_same_bits(method, tmp_path):
    X, _ = bin_mixture(2, n_frames=60)
    method = dataclasses.replace(method, grid=STFT(n_fft=512).grid(8000))
    for cut in (0, 25):
        state = method.start(2, X.shape[1])
        if cut:
            _, state = method.process(X[:, :, :cut], state)
        state.save(tmp_path / "state.npz")
        expected, _ = method.process(X[:, :, cut:], state)
        loaded, resumed = OnlineIVA.load(tmp_path / "state.npz")
        assert loaded == method
        assert_array_equal(loaded.process(X[:, :, cut:], resumed)[0], expected)
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]


def test_a_file_that_is_no_state_is_refused(tmp_path):
    (tmp_path / "text").write_text("hello")
    np.savez(tmp_path / "other.npz", W=np.ones(3))
    np.savez(
        tmp_path / "newer.npz", header=json.dumps({"format": "sigsep_classic.OnlineState", "version": 99})
    )
    for name, message in (("text", "no saved state"), ("other.npz", "no saved state"), ("newer.npz", "99")):
        with pytest.raises(ParameterError, match=message):
            OnlineIVA.load(tmp_path / name)


def test_a_damaged_file_is_refused(tmp_path):
    X, _ = bin_mixture(2, n_frames=20)
    state = OnlineIVA().process(X, OnlineIVA().start(2, X.shape[1]))[1]
    state.save(tmp_path / "whole.npz")
    whole = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "zip.npz").write_bytes(b"PK\x03\x04garbage")
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "broken.npz").write_bytes(whole[:400] + bytes(100) + whole[500:])
    np.save(tmp_path / "array.npy", np.zeros(3))
    header = {"format": "sigsep_classic.OnlineState", "version": 1}
    np.savez(tmp_path / "partial.npz", header=json.dumps(header))
    for path in tmp_path.iterdir():
        if path.name != "whole.npz":
            with pytest.raises(ParameterError, match="no saved state of a stream, or is damaged"):
                OnlineIVA.load(path)
    header.update(parameters={"flavour": 1}, n_channels=2, n_freq=5, order=[])
    np.savez(tmp_path / "other.npz", header=json.dumps(header))
    with pytest.raises(ParameterError, match="other parameters than this version"):
        OnlineIVA.load(tmp_path / "other.npz")


def test_numbers_of_numpy_are_saved_as_plain_ones(tmp_path):
    X, _ = bin_mixture(2, n_frames=20)
    method = OnlineIVA(n_sources=np.int64(2), forgetting=np.float32(0.1))
    _, state = method.process(X, method.start(np.int64(2), np.int32(X.shape[1])))
    state.save(tmp_path / "state.npz")
    loaded, resumed = OnlineIVA.load(tmp_path / "state.npz")
    assert loaded == method
    assert type(loaded.n_sources) is int
    assert_array_equal(loaded.process(X, resumed)[0], method.process(X, state)[0])


def test_infinity_never_forgets(tmp_path):
    X, A = bin_mixture(2, n_frames=600)
    method = OnlineIVA(forgetting=math.inf, wpe_taps=2, wpe_forgetting=math.inf)
    _, state = method.process(X, method.start(2, X.shape[1]))
    assert_allclose(state.demixing.told[0], 600)
    state.save(tmp_path / "state.npz")
    loaded, resumed = OnlineIVA.load(tmp_path / "state.npz")
    assert loaded == method
    assert_array_equal(loaded.process(X, resumed)[0], method.process(X, state)[0])
    images = OnlineIVA(forgetting=math.inf).fit(X).images
    assert distances(images, A, X).max() < -10


def test_a_state_is_not_written_to(method):
    X, _ = bin_mixture(2, n_frames=30)
    _, state = method.process(X, method.start(2, X.shape[1]))
    first = method.process(X, state)[0]
    assert_array_equal(method.process(X, state)[0], first)


def test_what_does_not_fit_the_state_is_refused():
    X, _ = bin_mixture(2, n_frames=10)
    state = OnlineIVA().start(2, X.shape[1])
    for bad in (X[:1], X[:, 1:], X[:, :, :0], X[0]):
        with pytest.raises(ShapeError, match="this stream has"):
            OnlineIVA().process(bad, state)
    with pytest.raises(ParameterError, match="another method: rule, n_updates"):
        OnlineIVA(rule="ip", n_updates=3).process(X, state)
    with pytest.raises(ShapeError, match="n_sources is 3"):
        OnlineIVA(n_sources=3).start(2, 5)
    with pytest.raises(ShapeError, match="expected"):
        OnlineIVA().fit(X[0])
    for value in (
        {"forgetting": 0},
        {"wpe_forgetting": -1},
        {"rule": "iss2"},
        {"prior": "cauchy"},
        {"n_updates": 0},
    ):
        with pytest.raises(ParameterError):
            OnlineIVA(**value)


@pytest.mark.parametrize("kind", STRESS)
def test_difficult_recordings_give_finite_stems_at_any_level(kind, method):
    x = stressed(kind, n_channels=2 if kind != "duplicated channel" else 3)
    sep = separate(x, 8000, method=method)
    for factor in (1e-6, 32768.0):
        scaled = separate(factor * x, 8000, method=method)
        for name, stem in sep.items():
            assert np.isfinite(stem).all()
            assert abs(scaled[name] / factor - stem).std() <= 1e-3 * max(x.std(), 1e-30)


def test_a_dead_and_a_copied_channel_are_told_by_number(caplog):
    X, _ = bin_mixture(2, 3, n_frames=40)
    X[2] = 0
    OnlineIVA().fit(X)
    assert "channel 3 is silent" in caplog.text
    X[2] = X[0]
    OnlineIVA().fit(X)
    assert "is made of the others" in caplog.text


def test_not_a_number_is_refused_in_one_line(method):
    X, _ = bin_mixture(2, n_frames=10)
    X[0, 3, 4] = np.nan
    with pytest.raises(NumericalError, match="not finite") as caught:
        method.fit(X)
    assert "\n" not in str(caught.value)


def test_an_echo_is_in_the_residual():
    rng = np.random.default_rng(0)
    x = rng.gamma(0.2, size=(1, 1, 800)) * (
        rng.standard_normal((2, 6, 800)) + 1j * rng.standard_normal((2, 6, 800))
    )
    dry = x.copy()
    for t in range(3, 800):
        x[:, :, t] += 0.7 * x[:, :, t - 3]
    model = OnlineIVA(wpe_taps=1, wpe_delay=3).fit(x)
    rest = x - model.images.sum(axis=0)
    left = abs(dry - model.images.sum(axis=0))[:, :, 400:]
    assert model.residual
    assert abs(rest).max() > 0
    assert left.std() < 0.2 * abs(x - dry)[:, :, 400:].std()


def test_the_callback_hears_of_each_pass_and_may_stop():
    X, _ = bin_mixture(2, n_frames=20)
    heard = []
    model = OnlineIVA(n_passes=5).fit(X, callback=lambda i, model: heard.append((i, model.names)) or i == 2)
    assert heard == [(1, ("source1", "source2")), (2, ("source1", "source2"))]
    assert model.reordered([1, 0]).images[0, 0, 0, 0] == model.images[1, 0, 0, 0]
    assert model.steering.shape == (X.shape[1], 2, 2)


# ---- samples in, stems out


@pytest.mark.parametrize("size", [1, 100, 128, 5000])
def test_samples_pushed_in_pieces_are_the_stems_of_the_whole(size, method):
    x = stressed("one second")[:2, : 900 if size == 1 else 3001]
    frontend = STFT(n_fft=256, hop=64)
    separator = OnlineSeparator(method, n_channels=2, sample_rate=8000, frontend=frontend)
    parts = [separator.push(x[:, t : t + size]) for t in range(0, x.shape[1], size)] + [separator.flush()]
    X = frontend.analyze(x)
    images = dataclasses.replace(method, grid=frontend.grid(8000)).fit(X).images
    assert_allclose(np.concatenate(parts, axis=-1), frontend.synthesize(images, x.shape[1]), atol=1e-9)


def test_every_sample_comes_out_within_the_latency():
    x = stressed("one second")[:2, :2000]
    for frontend in (STFT(n_fft=256, hop=64), STFT(n_fft=128, hop=60)):
        separator = OnlineSeparator(OnlineIVA(), n_channels=2, sample_rate=8000, frontend=frontend)
        came = 0
        for t in range(2000):
            came += separator.push(x[:, t : t + 1]).shape[-1]
            assert t + 1 - came <= separator.latency
        assert came < 2000
        assert came + separator.flush().shape[-1] == 2000


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 44100, 48000])
def test_the_default_latency_is_64_ms_and_a_hop_at_most(sample_rate):
    separator = OnlineSeparator(OnlineIVA(), n_channels=2, sample_rate=sample_rate)
    hop = separator.frontend.step / sample_rate
    assert hop <= 0.016 + 1e-12
    assert separator.latency / sample_rate <= 0.064 + hop


def test_a_few_samples_that_are_not_numbers_do_not_stay():
    x = stressed("one second")[:2, :3000]
    one, other = (OnlineSeparator(OnlineIVA(), n_channels=2, sample_rate=8000) for _ in range(2))
    bad = x[:, :10].copy()
    bad[0, 3] = np.inf
    parts = [one.push(x[:, :100]), one.push(x[:, 100:])]
    others = [other.push(x[:, :100])]
    with pytest.raises(NumericalError, match="samples are not finite"):
        other.push(bad)
    others.append(other.push(x[:, 100:]))
    assert_array_equal(np.concatenate(parts, axis=-1), np.concatenate(others, axis=-1))


def test_a_stream_goes_on_after_a_refusal_and_after_a_flush():
    x = stressed("one second")[:2, :3000]
    one, other = (OnlineSeparator(OnlineIVA(), n_channels=2, sample_rate=8000) for _ in range(2))
    with pytest.raises(NumericalError):
        other.push(np.full((2, 800), np.nan))
    for separator in (one, other):
        assert separator.flush().shape == (2, 2, 0)
    assert_array_equal(other.push(x), one.push(x))
    assert_array_equal(other.flush(), one.flush())
    learnt = one.push(x)
    assert not np.array_equal(learnt, OnlineSeparator(OnlineIVA(), n_channels=2, sample_rate=8000).push(x))
    with pytest.raises(ShapeError, match="this stream has 2 channels"):
        one.push(x[0])
    for wrong in ([[0.0] * 5] * 2, x + 0j, x.astype(str)):
        with pytest.raises(ArrayTypeError, match="give a NumPy array of real numbers"):
            one.push(wrong)
    with pytest.raises(ParameterError, match="those of an STFT"):
        OnlineSeparator(OnlineIVA(), n_channels=2, sample_rate=8000, frontend="stft")
