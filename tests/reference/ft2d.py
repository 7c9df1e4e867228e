"""Peaks of a 2-D Fourier transform by SciPy's filters; and the masks of nussl's public code, written anew."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter


def weights(A: np.ndarray, size: tuple[int, int], *, kind: str) -> np.ndarray:
    """Return the weights of magnitudes A, neighbourhoods going on over the edges."""
    A = A / A.max()
    highest = maximum_filter(A, size, mode="wrap")
    peaks = highest <= A * (1 + 1e-6)  # equal but for rounding, as a real signal's mirrored peaks are
    if kind == "threshold":
        return (peaks & (highest - minimum_filter(A, size, mode="wrap") > A.std())).astype(float)
    mean = uniform_filter(A, size, mode="wrap")
    deviation = np.sqrt(np.maximum(uniform_filter(A**2, size, mode="wrap") - mean**2, 0)) + 1e-9
    contrast = peaks * (highest - mean) / deviation
    return contrast / contrast.max()


def nussl_mask(S: np.ndarray, size: tuple[int, int] = (1, 25), *, kind: str = "contrast") -> np.ndarray:
    """Return the background mask of S (freq, frames) as nussl 1.1.9 makes it, without its high-pass.

    Edges are mirrored; peaks are made symmetric by a flip along time alone, which misses the centre by one where the
    length is even (of a flip along frequency, the third argument of its ``np.maximum``, only the place is used).
    """
    D = np.fft.fft2(S)
    A = np.abs(np.fft.fftshift(D))
    A = A / (A.max() + 1e-7)
    highest = maximum_filter(A, size)
    peaks = highest == A
    if kind == "threshold":
        w = (peaks & (highest - minimum_filter(A, size) > A.std())).astype(float)
    else:
        mean = uniform_filter(A, size)
        w = peaks * (highest - mean) / (np.sqrt(uniform_filter(A**2, size) - mean**2) + 1e-7)
        w = w / (w.max() + 1e-7)
    w = np.maximum(w, w[:, ::-1])
    background = np.abs(np.fft.ifft2(np.fft.ifftshift(w) * D))
    mask = np.minimum(background, S + 1e-7) / (S + 1e-7)
    return mask / (mask + 1e-7).max()
