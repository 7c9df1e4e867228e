"""How strongly a spectrogram repeats at each lag: autocorrelation of its power along time, mean over bins."""

from __future__ import annotations

from sigsep_classic.backend import fft_namespace, namespace
from sigsep_classic.typing import Array

_BINS = 64


def beat_spectrum(V: Array) -> Array:
    """Return the autocorrelation of ``V**2`` along time, averaged over frequency.

    Each lag is divided by the number of frames that overlap at it, then all by lag 0.

    Parameters
    ----------
    V : array (freq, frames)
        Non-negative magnitudes, float32 or float64.

    Returns
    -------
    array (frames,)
        Lag in frames to correlation; 1 at lag 0, and all zeros for silence.

    References
    ----------
    Z. Rafii and B. Pardo, "REpeating Pattern Extraction Technique (REPET): a simple method for music/voice
    separation", IEEE Trans. Audio, Speech, and Language Processing 21(1), 2013 (equation numbers not checked).
    """
    xp, fft = namespace(V), fft_namespace(V)
    n_bins, n_frames = V.shape
    size = fft.next_fast_len(2 * n_frames, real=True) if xp.__name__ == "numpy" else 2 * n_frames
    total = xp.zeros(size // 2 + 1, dtype=V.dtype)
    for f in range(0, n_bins, _BINS):
        S = fft.rfft(xp.ascontiguousarray(V[f : f + _BINS]) ** 2, n=size, axis=-1)
        total += (S.real**2 + S.imag**2).sum(axis=0)
    lags = fft.irfft(total, n=size)[:n_frames] / xp.arange(n_frames, 0, -1, dtype=V.dtype)
    return lags / xp.where(lags[0] > 0, lags[0], 1)
