"""The oracles of sigsep-mus-oracle, point by point, with SciPy's transform and the fixed numbers of that package."""

from __future__ import annotations

import numpy as np
from scipy.signal import istft, stft

EPS = np.finfo(float).eps
SIZE = 2048


def _analyzed(x):
    return stft(x, nperseg=SIZE)[2]


def _cut(Y, n_samples):
    return istft(Y)[1][:, :n_samples]


def ratio_masks(mixture, stems, power):
    """Return {stem: estimate}: |S|^power over their sum and EPS, every channel by itself."""
    X = _analyzed(mixture)
    spectra = {name: np.abs(_analyzed(stem)) ** power for name, stem in stems.items()}
    total = np.zeros(X.shape)
    for spectrum in spectra.values():
        total = total + spectrum
    return {name: _cut(X * spectrum / (total + EPS), mixture.shape[1]) for name, spectrum in spectra.items()}


def binary_masks(mixture, stems, power, threshold=0.5):
    """Return {stem: estimate}: all of a point where |S|^power / (|X|^power + EPS) is at least the threshold."""
    X = _analyzed(mixture)
    found = {}
    for name, stem in stems.items():
        share = np.abs(_analyzed(stem)) ** power / (np.abs(X) ** power + EPS)
        found[name] = _cut(np.where(share >= threshold, X, 0), mixture.shape[1])
    return found


def _inverse(M):
    """Return the inverse of a 2 x 2 matrix by its determinant, EPS added to that."""
    adjugate = np.array([[M[1, 1], -M[0, 1]], [-M[1, 0], M[0, 0]]])
    return adjugate / (M[0, 0] * M[1, 1] - M[0, 1] * M[1, 0] + EPS)


def multichannel_wiener(mixture, stems):
    """Return {stem: estimate} of two channels: v R C^-1 x at each point, with powers and covariances of the truth."""
    X = _analyzed(mixture)
    _, n_freq, n_frames = X.shape
    covariances, powers = {}, {}
    for name, stem in stems.items():
        S = _analyzed(stem)
        R = np.zeros((n_freq, 2, 2), complex)
        for f in range(n_freq):
            for t in range(n_frames):
                s = S[:, f, t]
                R[f] += np.outer(s, s.conj()) / (np.mean(np.abs(s) ** 2) + EPS) / n_frames
        columns = np.array([R[0, 0, i] + R[1, 1, i] for i in range(2)])  # for all frequencies alike
        v = np.zeros((n_freq, n_frames))
        for f in range(n_freq):
            R[f] = 2 * R[f] / columns[None, :] + EPS * np.eye(2)
            inverse = _inverse(R[f])
            for t in range(n_frames):
                s = S[:, f, t]
                v[f, t] = np.trace(inverse @ np.outer(s, s.conj())).real / 2
        covariances[name], powers[name] = R, v
    Y = {name: np.zeros_like(X) for name in stems}
    for f in range(n_freq):
        for t in range(n_frames):
            models = {name: powers[name][f, t] * covariances[name][f] for name in stems}
            z = _inverse(sum(models.values())) @ X[:, f, t]
            for name, model in models.items():
                Y[name][:, f, t] = model @ z
    return {name: _cut(y, mixture.shape[1]) for name, y in Y.items()}
