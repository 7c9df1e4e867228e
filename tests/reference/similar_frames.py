"""For each frame the frames most like it: cosine similarities, peaks by comparing with every neighbour."""

from __future__ import annotations

import numpy as np


def similarity(V: np.ndarray) -> np.ndarray:
    """Return the cosine similarity of the frames of V (freq, frames), 0 where a frame is silent."""
    n = V.shape[1]
    S = np.zeros((n, n), V.dtype)
    for t in range(n):
        for u in range(n):
            norms = np.linalg.norm(V[:, t]) * np.linalg.norm(V[:, u])
            S[t, u] = V[:, t] @ V[:, u] / norms if norms > 0 else 0
    return S


def peaks(row: np.ndarray, *, number: int, distance: int, threshold: float) -> list[int]:
    """Return the positions of the highest local maxima of one similarity row, highest first."""
    found = []
    for u, value in enumerate(row):
        others = [w for w in range(len(row)) if w != u and abs(w - u) <= distance]
        if value >= threshold and all(value > row[w] for w in others):
            found.append(u)
    return sorted(found, key=lambda u: (-row[u], u))[:number]


def similar_frames(
    V: np.ndarray, *, number: int, distance: int, threshold: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lists (frames, number), 0 beyond their ends, and their lengths (frames,)."""
    S = similarity(V)
    lists = [
        peaks(row, number=number, distance=distance, threshold=threshold) or [t] for t, row in enumerate(S)
    ]
    frames = np.zeros((len(S), number), np.int32)
    for t, chosen in enumerate(lists):
        frames[t, : len(chosen)] = chosen
    return frames, np.array([len(chosen) for chosen in lists], np.int32)


def recent_frames(
    V: np.ndarray, *, number: int, distance: int, memory: int, ring: bool = False, threshold: float = 0.0
) -> list[list[int]]:
    """Return the list of each frame that knows but the last ``memory`` frames, in a ring buffer or in order."""
    S, lists = similarity(V), []
    for t in range(len(S)):
        known = [u for u in range(t - memory + 1, t + 1) if u >= 0]
        if ring:
            known = sorted(known, key=lambda u: u % memory)
        found = peaks(S[t, known], number=number, distance=distance, threshold=threshold)
        lists.append([known[i] for i in found] or [t])
    return lists
