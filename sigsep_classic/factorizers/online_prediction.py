"""Dereverberation of a stream: the filters that predict late reverberation, and the frames they predict it from."""

from __future__ import annotations

from dataclasses import dataclass

from sigsep_classic.backend import namespace
from sigsep_classic.kernels.online_prediction import predict_recursively
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Where the prediction of a stream stands; see `kernels.online_prediction.predict_recursively`.

    Parameters
    ----------
    G : complex128 array (freq, n_taps * channels, channels)
        Prediction filters; row ``k * channels + c`` weighs channel c, ``delay + k`` frames back.
    P : complex128 array (freq, n_taps * channels, n_taps * channels)
        Inverse of the weighted correlation of the past.
    past : complex128 array (delay + n_taps - 1, freq, channels)
        The last frames, the newest last.
    """

    G: Array
    P: Array
    past: Array

    def advance(self, x: Array, *, delay: int, forgetting: float) -> tuple[Array, Prediction]:
        """Return what is not predicted of frames x (frames, freq, channels), complex128, and the state after them."""
        xp = namespace(x)
        whole = xp.concatenate([self.past, x])
        y, G, P = predict_recursively(whole, self.G, self.P, delay=delay, forgetting=forgetting)
        return y, Prediction(G=G, P=P, past=whole[len(whole) - len(self.past) :].copy())


def begin_prediction(x: Array, *, n_taps: int, delay: int) -> Prediction:
    """Return the state before the first of frames like x (frames, freq, channels): G = 0, P = I, silence."""
    xp = namespace(x)
    n_freq, channels = x.shape[1:]
    rows = n_taps * channels
    eye = xp.broadcast_to(xp.eye(rows, dtype=xp.complex128), (n_freq, rows, rows))
    return Prediction(
        G=xp.zeros((n_freq, rows, channels), dtype=xp.complex128),
        P=eye.copy(),
        past=xp.zeros((delay + n_taps - 1, n_freq, channels), dtype=xp.complex128),
    )
