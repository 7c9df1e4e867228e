"""REPET-SIM from the spectrogram to the background gain, in NumPy as straight as the paper tells it."""

from __future__ import annotations

import numpy as np

from tests.reference.median_of_frames import median_of_frames
from tests.reference.similar_frames import similar_frames


def background_gain(
    V: np.ndarray, *, number: int, distance: int, threshold: float, background_bins: int
) -> np.ndarray:
    """Return the gain of the background in V (channels, freq, frames); low bins belong to it."""
    frames, counts = similar_frames(V.mean(axis=0), number=number, distance=distance, threshold=threshold)
    repeating = median_of_frames(V, frames, counts)
    gain = np.ones_like(V)
    for index in np.ndindex(V.shape):
        if index[1] >= background_bins and V[index] > 0:
            gain[index] = min(V[index], repeating[index]) / V[index]
    return gain
