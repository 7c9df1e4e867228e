"""Short-time envelopes in third octaves and how alike they are: what STOI and ESTOI are made of.

Signals are at 10 kHz; frames have 256 samples and overlap by half; a segment has 30 frames (384 ms).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft

RATE = 10000
FRAME = 256
HOP = FRAME // 2
N_FFT = 512
BANDS = 15
LOWEST_HZ = 150.0
SEGMENT = 30
RANGE_DB = 40.0
CLIP = 1 + 10 ** (15 / 20)
EPS = float(np.finfo(float).eps)

_AT_ONCE = 32
_ROUNDING = 1e-12


@lru_cache(maxsize=1)
def third_octaves() -> np.ndarray:
    """Return which bins are in which band, (bins, bands), zeros and ones."""
    bins_hz = np.arange(N_FFT // 2 + 1) * RATE / N_FFT
    edges_hz = LOWEST_HZ * 2.0 ** ((2 * np.arange(BANDS + 1) - 1) / 6)
    edges = np.argmin(np.square(bins_hz[:, None] - edges_hz), axis=0)
    at = np.arange(len(bins_hz))[:, None]
    bands = ((at >= edges[:-1]) & (at < edges[1:])).astype(float)
    bands.flags.writeable = False
    return bands


@lru_cache(maxsize=1)
def _window() -> np.ndarray:
    """Return the Hann window without the zeros at its ends."""
    window = np.hanning(FRAME + 2)[1:-1]
    window.flags.writeable = False
    return window


def without_silence(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return both signals without the frames in which x is more than 40 dB below its loudest: (2, samples).

    Taal et al. 2011: the frames that are left are put together again by overlap-add. A frame is two
    halves, each of which it shares with a neighbour.
    """
    n_frames = _n_frames(len(x))
    if n_frames == 0:
        return np.zeros((2, 0))
    halves = np.stack([x, y])[:, : (n_frames + 1) * HOP].reshape(2, -1, HOP)
    first, second = _window().reshape(2, HOP)
    power = halves[0] ** 2
    level = 20 * np.log10(np.sqrt(power[:-1] @ first**2 + power[1:] @ second**2) + EPS)
    kept = np.flatnonzero(level > level.max() - RANGE_DB)
    added = np.zeros((2, len(kept) + 1, HOP))
    added[:, :-1] = halves[:, kept] * first
    added[:, 1:] += halves[:, kept + 1] * second
    return added.reshape(2, -1)


def envelopes(x: np.ndarray) -> np.ndarray:
    """Return the root of the energy in each third octave and frame of signals: (signals, bands, frames)."""
    n_frames = _n_frames(x.shape[-1])
    powers = np.empty((len(x), n_frames, BANDS))
    for t in range(0, n_frames, _AT_ONCE):  # so many that they stay in cache
        part = x[:, t * HOP : (min(t + _AT_ONCE, n_frames) + 1) * HOP]
        frames = np.lib.stride_tricks.sliding_window_view(part, FRAME, axis=-1)[:, ::HOP] * _window()
        spectra = scipy.fft.rfft(frames, n=N_FFT, axis=-1)
        powers[:, t : t + _AT_ONCE] = (spectra.real**2 + spectra.imag**2) @ third_octaves()
    return np.sqrt(powers).swapaxes(-1, -2)


def _n_frames(n_samples: int) -> int:
    """Return the number of frames; as in the authors' code, the last one that just fits is not among them."""
    return max(0, -(-(n_samples - FRAME) // HOP))


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return the mean correlation of the envelopes of all bands and segments: Taal et al. 2011.

    Parameters
    ----------
    x, y : float64 array (bands, frames)
        Of the clean and of the other speech, at least 30 frames.
    """
    total = 0.0
    X, Y = (np.lib.stride_tricks.sliding_window_view(V, SEGMENT, axis=1) for V in (x, y))
    for m in range(0, X.shape[1], _AT_ONCE):
        clean, other = X[:, m : m + _AT_ONCE], Y[:, m : m + _AT_ONCE]
        gain = _norms(clean) / (_norms(other) + EPS)
        other = np.minimum(other * gain, clean * CLIP)
        clean = clean - clean.mean(axis=2, keepdims=True)
        other -= other.mean(axis=2, keepdims=True)
        inner = np.einsum("jml,jml->jm", clean, other)
        total += float((inner / ((_norms(clean) + EPS) * (_norms(other) + EPS))[..., 0]).sum())
    return total / (X.shape[0] * X.shape[1])


def spectral_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return the mean correlation of the spectra of all segments, rows normalised first: Jensen & Taal 2016.

    Parameters
    ----------
    x, y : float64 array (bands, frames)
        Of the clean and of the other speech, at least 30 frames.
    """
    total = 0.0
    X, Y = (np.lib.stride_tricks.sliding_window_view(V, SEGMENT, axis=1) for V in (x, y))
    for m in range(0, X.shape[1], _AT_ONCE):
        clean, other = (_normalized(V[:, m : m + _AT_ONCE]) for V in (X, Y))
        total += float(np.einsum("jml,jml->", clean, other))
    return total / (SEGMENT * X.shape[1])


def _normalized(segments: np.ndarray) -> np.ndarray:
    """Return segments (bands, segments, frames) with rows, then columns, of mean 0 and norm 1; 0 where constant."""
    top = abs(segments).max(axis=2, keepdims=True)
    rows = segments - segments.mean(axis=2, keepdims=True)
    rows *= _inverse(_norms(rows), _ROUNDING * top)
    columns = rows - rows.mean(axis=0)
    columns *= _inverse(np.sqrt(np.einsum("jml,jml->ml", columns, columns)), np.asarray(_ROUNDING))
    return columns


def _norms(segments: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("jml,jml->jm", segments, segments))[..., None]


def _inverse(norms: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Return one over the norms; 0 where they are rounding errors."""
    return np.divide(1, norms, out=np.zeros_like(norms), where=norms > least)
