"""Recursive prediction: the twins are the textbook's loop and nara_wpe's; forgetting has a limit."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels.online_prediction import LIMIT, predict_recursively
from tests.reference import online_demixing as reference


def reverberant(frames=40, n_freq=3, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    shape = (frames, n_freq, channels)
    dry = rng.gamma(0.3, size=(frames, 1, 1)) * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
    x = dry.copy()
    for t in range(2, frames):
        x[t] += 0.7 * x[t - 2][:, ::-1]
    return x


def after_silence(x, n_taps, delay):
    """Return x with the silence before it, G and P."""
    rows = n_taps * x.shape[2]
    padded = np.concatenate([np.zeros((delay + n_taps - 1, *x.shape[1:]), complex), x])
    eye = np.broadcast_to(np.eye(rows, dtype=complex), (x.shape[1], rows, rows)).copy()
    return padded, np.zeros((x.shape[1], rows, x.shape[2]), complex), eye


@pytest.mark.parametrize(("channels", "n_taps", "delay"), [(1, 1, 1), (2, 3, 2), (3, 2, 4)])
def test_every_twin_is_the_naive_loop(twin, channels, n_taps, delay):
    x = reverberant(channels=channels)
    x[:4] = 0
    got = twin(predict_recursively, *after_silence(x, n_taps, delay), delay=delay, forgetting=0.98)
    naive = reference.predict(x, n_taps=n_taps, delay=delay, forgetting=0.98)
    for mine, its in zip(got, naive, strict=True):
        assert_allclose(mine, its, rtol=1e-9, atol=1e-10)
    assert_array_equal(got[2], got[2].conj().swapaxes(1, 2)) if twin.name != "numpy" else None


@pytest.mark.parametrize("within", [1e-6])
def test_it_is_the_recursion_of_nara_wpe(twin, within):
    peer = pytest.importorskip("nara_wpe.wpe")
    n_taps, delay, alpha = 3, 2, 0.97
    x = reverberant()
    got = twin(predict_recursively, *after_silence(x, n_taps, delay), delay=delay, forgetting=alpha)
    held = n_taps + delay
    buffer = np.zeros((held, *x.shape[1:]), complex)
    G, P = np.zeros((3, n_taps * 2, 2), complex), np.array([np.eye(n_taps * 2, dtype=complex)] * 3)
    for t, frame in enumerate(x):
        buffer = np.concatenate([buffer[1:], frame[None]])
        power = peer.get_power_online(buffer.transpose(1, 2, 0))
        # Its delay counts from the frame before.
        y, P, G = peer.online_wpe_step(buffer, power, P, G, alpha, n_taps, delay - 1)
        assert_allclose(got[0][t], y, rtol=within, atol=1e-9)


def test_what_an_echo_adds_is_found(twin):
    x = reverberant(frames=300, n_freq=1)
    _, G, _ = twin(predict_recursively, *after_silence(x, 1, 2), delay=2, forgetting=1.0)
    assert_allclose(G[0], 0.7 * np.eye(2)[::-1], atol=0.05)


def test_a_silent_channel_is_forgotten_no_further_than_the_limit(twin):
    x = reverberant(frames=200)
    x[:, :, 1] = 0
    y, G, P = twin(predict_recursively, *after_silence(x, 2, 1), delay=1, forgetting=0.8)
    assert_array_equal(y[:, :, 1], 0)
    assert np.isfinite(G).all()
    assert 0.1 * LIMIT < np.einsum("fii->f", P).real.max() / 4 < 2 * LIMIT


def test_one_and_four_threads_give_the_same_bits(use_threads):
    arguments = after_silence(reverberant(n_freq=9), 2, 2)
    use_threads(1)
    one = predict_recursively(*arguments, delay=2, forgetting=0.9)
    use_threads(4)
    for a, b in zip(one, predict_recursively(*arguments, delay=2, forgetting=0.9), strict=True):
        assert_array_equal(a, b)


def test_what_does_not_fit_is_refused():
    x, G, P = after_silence(reverberant(), 2, 2)
    for delay, forgetting in ((0, 0.9), (1, 0.0), (1, 1.1)):
        with pytest.raises(ParameterError, match="expected delay"):
            predict_recursively(x, G, P, delay=delay, forgetting=forgetting)
    for bad in ((x[0], G, P), (x, G[:1], P), (x, G, P[:, :2]), (x[:2], G, P)):
        with pytest.raises(ShapeError, match="do not fit"):
            predict_recursively(*bad, delay=2, forgetting=0.9)
