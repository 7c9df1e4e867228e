"""STOI and ESTOI at 10 kHz, segment by segment and band by band."""

from __future__ import annotations

import numpy as np


def _hann():
    return np.array([0.5 - 0.5 * np.cos(2 * np.pi * (n + 1) / 257) for n in range(256)])


def _speaking(x, y):
    frames = [(x[i : i + 256] * _hann(), y[i : i + 256] * _hann()) for i in range(0, len(x) - 256, 128)]
    levels = [10 * np.log10(np.sum(a**2)) for a, _ in frames]
    kept = [frame for frame, level in zip(frames, levels, strict=True) if level > max(levels) - 40]
    found = np.zeros((2, 128 * (len(kept) - 1) + 256))
    for k, pair in enumerate(kept):
        for signal, frame in zip(found, pair, strict=True):
            signal[128 * k : 128 * k + 256] += frame
    return found


def _bands(x):
    hz = np.arange(257) * 10000 / 512
    columns = []
    for i in range(0, len(x) - 256, 128):
        power = abs(np.fft.fft(x[i : i + 256] * _hann(), 512)[:257]) ** 2
        column = []
        for j in range(15):
            centre = 150 * 2 ** (j / 3)
            low = np.argmin(abs(hz - centre / 2 ** (1 / 6)))
            high = np.argmin(abs(hz - centre * 2 ** (1 / 6)))
            column.append(np.sqrt(power[low:high].sum()))
        columns.append(column)
    return np.array(columns).T


def _correlation(a, b):
    a, b = a - a.mean(), b - b.mean()
    return a @ b / np.sqrt((a @ a) * (b @ b))


def stoi(x, y):
    """Return the mean over segments and bands of the correlation of x with y scaled to it and clipped."""
    X, Y = (_bands(signal) for signal in _speaking(x, y))
    found = []
    for m in range(30, X.shape[1] + 1):
        for a, b in zip(X[:, m - 30 : m], Y[:, m - 30 : m], strict=True):
            scaled = b * np.sqrt((a @ a) / (b @ b))
            found.append(_correlation(a, np.minimum(scaled, a * (1 + 10 ** (15 / 20)))))
    return np.mean(found)


def estoi(x, y):
    """Return the mean over segments and frames of the correlation of spectra whose bands are normalised."""

    def normalized(segment):
        rows = segment - segment.mean(axis=1)[:, None]
        return rows / np.linalg.norm(rows, axis=1)[:, None]

    X, Y = (_bands(signal) for signal in _speaking(x, y))
    found = []
    for m in range(30, X.shape[1] + 1):
        A, B = normalized(X[:, m - 30 : m]), normalized(Y[:, m - 30 : m])
        found += [_correlation(a, b) for a, b in zip(A.T, B.T, strict=True)]
    return np.mean(found)
