"""BSS Eval from its definition: every reference delayed, least squares by QR, every error written out."""

from __future__ import annotations

import numpy as np


def delayed(channels: np.ndarray, taps: int) -> np.ndarray:
    """Return (samples + taps − 1, channels · taps): each channel at each delay."""
    n, samples = channels.shape
    columns = np.zeros((samples + taps - 1, n * taps))
    for c in range(n):
        for k in range(taps):
            columns[k : k + samples, c * taps + k] = channels[c]
    return columns


def solved(channels: np.ndarray, outputs: np.ndarray, taps: int) -> np.ndarray:
    """Return least-squares filters (channels · taps, outputs)."""
    padded = np.pad(outputs, ((0, 0), (0, taps - 1)))
    return np.linalg.lstsq(delayed(channels, taps), padded.T, rcond=None)[0]


def bss_eval_pair(references, estimate, j, taps, start, stop, *, framewise=False):
    """Return SDR, ISR, SIR and SAR in dB of an estimate (channels, samples) of source j in one frame."""
    s, y = references[:, :, start:stop], estimate[:, start:stop]
    flat = references.reshape(-1, references.shape[-1])
    frame = s.reshape(-1, s.shape[-1])
    if framewise:
        joint, own = solved(frame, y, taps), solved(s[j], y, taps)
    else:
        joint, own = solved(flat, estimate, taps), solved(references[j], estimate, taps)
    pad = ((0, 0), (0, taps - 1))
    true, given = np.pad(s[j], pad), np.pad(y, pad)
    on_all, on_own = (delayed(frame, taps) @ joint).T, (delayed(s[j], taps) @ own).T
    spatial, interference, artefact = on_own - true, on_all - on_own, given - on_all

    def level(signal, error):
        return 10 * np.log10((signal**2).sum() / (error**2).sum())

    return (
        level(true, spatial + interference + artefact),
        level(true, spatial),
        level(on_own, interference),
        level(on_all, artefact),
    )
