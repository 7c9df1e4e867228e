"""Mixtures made bin by bin, with their truth: what frequency-wise demixing should undo exactly, or nearly."""

from __future__ import annotations

import numpy as np

STRESS = (
    "dead channel",
    "duplicated channel",
    "silent start",
    "silence throughout",
    "one second",
    "clipping",
    "60 dB gain mismatch",
    "pure tones",
    "band-limited",
    "DC",
)


def bin_mixture(
    n_sources: int = 2,
    n_channels: int | None = None,
    *,
    n_freq: int = 17,
    n_frames: int = 300,
    noise: float = 0.0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return X (channels, freq, frames) and A (freq, channels, sources): sources rise and fall, noise is steady."""
    rng = np.random.default_rng(seed)
    n_channels = n_channels or n_sources
    levels = rng.gamma(0.5, size=(n_sources, 1, n_frames)) + 1e-3
    S = np.sqrt(levels) * _normal(rng, (n_sources, n_freq, n_frames))
    A = np.eye(n_channels, n_sources) + 0.5 * _normal(rng, (n_freq, n_channels, n_sources))
    X = np.einsum("fcn,nft->cft", A, S) + noise * _normal(rng, (n_channels, n_freq, n_frames))
    return X, A


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2)


def interference(W: np.ndarray, A: np.ndarray) -> np.ndarray:
    """Return how strong the other sources are in each output, in dB: (outputs,), the same order meant in all bins."""
    power = (abs(W @ A) ** 2).sum(axis=0)
    return 10 * np.log10(np.sort(power, axis=1)[:, :-1].sum(axis=1) / power.max(axis=1))


def stressed(kind: str, *, n_channels: int = 3, sample_rate: int = 8000) -> np.ndarray:
    """Return a convolutive mixture (channels, samples) of one of `STRESS`."""
    rng = np.random.default_rng(1)
    n = sample_rate if kind == "one second" else sample_rate * 3 // 2
    t = np.arange(n) / sample_rate
    dry = (
        rng.laplace(size=(n_channels, n))
        * np.repeat(rng.random((n_channels, n // 400 + 1)) < 0.6, 400, axis=1)[:, :n]
    )
    if kind == "pure tones":
        dry = np.sin(2 * np.pi * np.array([[440.0], [1000.0], [1234.5]])[:n_channels] * t)
    if kind == "band-limited":
        spectrum = np.fft.rfft(dry)
        spectrum[:, len(spectrum[0]) // 4 :] = 0
        dry = np.fft.irfft(spectrum, n)
    rooms = rng.standard_normal((n_channels, n_channels, 60)) * np.exp(-np.arange(60) / 12)
    x = np.array([sum(np.convolve(h, s)[:n] for h, s in zip(row, dry, strict=True)) for row in rooms])
    x *= 0.3 / abs(x).max()
    if kind == "dead channel":
        x[1] = 0
    elif kind == "duplicated channel":
        x[2] = x[0]
    elif kind == "silent start":
        x[:, : n // 3] = 0
    elif kind == "silence throughout":
        x[:] = 0
    elif kind == "clipping":
        x = np.clip(4 * x, -0.3, 0.3)
    elif kind == "60 dB gain mismatch":
        x[1] *= 1e-3
    elif kind == "DC":
        x += 0.5
    return x
