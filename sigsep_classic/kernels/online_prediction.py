"""Recursive least squares over a stream of frames: what the past of all channels predicts is late reverberation."""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

CUDA_CONSTANTS = ({"ROWS": 20, "CHANNELS": 2}, {"ROWS": 40, "CHANNELS": 4})

LIMIT = 1e4
"""Largest mean of the diagonal of P: directions from which no sound comes are forgotten no further."""

_THREADS = 64


def predict_recursively(
    x: Array, G: Array, P: Array, *, delay: int, forgetting: float
) -> tuple[Array, Array, Array]:
    """Return what the past does not predict of each frame, and G and P after the last.

    For each bin and frame, with z the past (``z[k * channels + c]`` is channel c, ``delay + k`` frames back) and λ the
    mean power of the frame and the ``history`` before it:

        y = x - Gᴴ z,   g = P z / (forgetting λ + zᴴ P z),   G ← G + g yᴴ,   P ← (P - g zᴴ P) / forgetting

    where P is not divided while the mean of its diagonal is above `LIMIT`, and nothing changes where λ is 0.

    Parameters
    ----------
    x : complex128 array (history + frames, freq, channels)
        C-contiguous, NumPy or CuPy; the first ``history = delay + n_taps - 1`` frames are the past of the others.
    G : complex128 array (freq, n_taps * channels, channels)
        Prediction filters; not written to.
    P : complex128 array (freq, n_taps * channels, n_taps * channels)
        Inverse of the weighted correlation of the past, Hermitian; not written to.
    delay : int
        At least 1.
    forgetting : float
        In (0, 1].

    Returns
    -------
    y : complex128 array (frames, freq, channels)
    G, P : complex128 arrays
        As above.

    Raises
    ------
    ShapeError
        The arrays do not fit together.
    ParameterError
        ``delay`` or ``forgetting`` is out of range.

    References
    ----------
    T. Yoshioka and T. Nakatani, "Dereverberation for reverberation-robust microphone arrays", Proc. EUSIPCO, 2013:
    recursive updates of prediction filters (equation numbers not checked).

    J. Caroselli, I. Shafran, A. Narayanan and R. Rose, "Adaptive multichannel dereverberation for automatic speech
    recognition", Proc. Interspeech, 2017 (equation numbers not checked).
    """
    if delay < 1 or not 0 < forgetting <= 1:
        raise ParameterError(
            f"delay is {delay}, forgetting {forgetting}; expected delay >= 1, 0 < forgetting <= 1"
        )
    history = G.shape[1] // G.shape[2] + delay - 1
    rows = (*G.shape[:2], G.shape[1])
    if x.ndim != 3 or x.shape[1:] != (len(G), G.shape[2]) or P.shape != rows or len(x) < history:
        raise ShapeError(
            f"x {x.shape}, G {G.shape} and P {P.shape} do not fit; expected ({history} or more, freq, channels), "
            "(freq, rows, channels) and (freq, rows, rows)"
        )
    xp = namespace(x)
    run = _gpu if is_cuda(x) else _cpu if enabled() else _numpy
    y = xp.empty((len(x) - history, *x.shape[1:]), dtype=xp.complex128)
    G, P = xp.array(G, order="C"), xp.array(P, order="C")
    if len(y):
        run(xp.ascontiguousarray(x), G, P, y, delay, float(forgetting))
    return y, G, P


def _cpu(x: np.ndarray, G: np.ndarray, P: np.ndarray, y: np.ndarray, delay: int, forgetting: float) -> None:
    run_blocks(_bins, len(G), x, G, P, y, delay, forgetting)


@jit
def _bins(first, stop, x, G, P, y, delay, forgetting):  # type: ignore[no-untyped-def]
    n_rows, channels = G.shape[1], G.shape[2]
    history = x.shape[0] - y.shape[0]
    z = np.empty(n_rows, np.complex128)
    Pz = np.empty(n_rows, np.complex128)
    for f in range(first, stop):
        for t in range(y.shape[0]):
            now = t + history
            for row in range(n_rows):
                z[row] = x[now - delay - row // channels, f, row % channels]
            power = 0.0
            for s in range(t, now + 1):
                for c in range(channels):
                    power += x[s, f, c].real ** 2 + x[s, f, c].imag ** 2
            power /= channels * (history + 1)
            for c in range(channels):
                late = 0j
                for row in range(n_rows):
                    late += G[f, row, c].conjugate() * z[row]
                y[t, f, c] = x[now, f, c] - late
            if power == 0:
                continue
            _update(G[f], P[f], z, Pz, y[t, f], power, forgetting)


@jit(fastmath={"reassoc", "contract", "nsz"})
def _update(G, P, z, Pz, y, power, forgetting):  # type: ignore[no-untyped-def]
    n_rows, channels = G.shape
    form, trace = 0.0, 0.0
    for i in range(n_rows):
        s = 0j
        for j in range(n_rows):
            s += P[i, j] * z[j]
        Pz[i] = s
        form += z[i].real * s.real + z[i].imag * s.imag
        trace += P[i, i].real
    below = 1.0 / (forgetting * power + form)
    scale = 1.0 / forgetting if trace <= LIMIT * n_rows else 1.0
    for i in range(n_rows):
        gain = Pz[i] * below
        for c in range(channels):
            G[i, c] += gain * y[c].conjugate()
        for j in range(i):
            value = (P[i, j] - gain * Pz[j].conjugate()) * scale
            P[i, j] = value
            P[j, i] = value.conjugate()
        own = (P[i, i].real - below * (Pz[i].real ** 2 + Pz[i].imag ** 2)) * scale
        P[i, i] = complex(own, 0.0)


def _numpy(x: np.ndarray, G: np.ndarray, P: np.ndarray, y: np.ndarray, delay: int, forgetting: float) -> None:
    history, n_taps = len(x) - len(y), G.shape[1] // G.shape[2]
    for t in range(len(y)):
        past = x[t + history - delay - n_taps + 1 : t + history - delay + 1][::-1]
        z = past.swapaxes(0, 1).reshape(len(G), -1, 1)
        y[t] = x[t + history] - (G.conj().swapaxes(1, 2) @ z)[:, :, 0]
        power = (abs(x[t : t + history + 1]) ** 2).mean(axis=(0, 2))
        Pz = P @ z
        below = forgetting * power + (z.conj() * Pz).sum(axis=(1, 2)).real
        gain = Pz / np.where(power > 0, below, 1)[:, None, None]
        trace = np.einsum("fii->f", P).real
        scale = np.where((trace <= LIMIT * G.shape[1]) & (power > 0), 1 / forgetting, 1)
        G += np.where(power > 0, 1, 0)[:, None, None] * gain * y[t].conj()[:, None]
        P[:] = (P - gain * Pz.conj().swapaxes(1, 2)) * scale[:, None, None]
        P[:] = (P + P.conj().swapaxes(1, 2)) / 2


def _gpu(x: Array, G: Array, P: Array, y: Array, delay: int, forgetting: float) -> None:
    xp = namespace(x)
    cuda.launch(
        "online_prediction",
        "predict",
        grid=(len(G),),
        block=(_THREADS,),
        args=(
            x.view(xp.float64),
            G.view(xp.float64),
            P.view(xp.float64),
            y.view(xp.float64),
            len(G),
            len(y),
            len(x) - len(y),
            delay,
            forgetting,
            LIMIT,
        ),
        real=np.dtype("float64"),
        ROWS=G.shape[1],
        CHANNELS=G.shape[2],
    )
