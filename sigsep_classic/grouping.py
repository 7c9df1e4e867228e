"""Which components belong to one source: by hand, by timbre, by shape, or by the truth (for teaching)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.models import LowRankModel
from sigsep_classic.kernels.sliding_median import odd_length, sliding_median
from sigsep_classic.kernels.soft_mask import soft_mask
from sigsep_classic.typing import Array, Grid

Grouping = dict[str, list[int]]


def by_timbre(
    model: LowRankModel, grid: Grid, *, n_groups: int = 4, n_mfcc: int = 13, seed: int = 0
) -> Grouping:
    """Return components clustered by the cepstrum of their templates.

    Parameters
    ----------
    model : LowRankModel
        Its templates W (freq, components) are the spectra compared.
    grid : Grid
        Bin distance of the templates in Hz.
    n_groups : int
        1 … components.
    n_mfcc : int
        Mel-frequency cepstral coefficients compared, the level (number 0) not counted; at least 1.
    seed : int
        Seed of the clustering.

    Returns
    -------
    dict of str to list of int
        ``source1 …``, the group with most energy first; the last ones are empty if there are fewer timbres.

    Raises
    ------
    ParameterError
        ``n_groups`` is out of range.

    References
    ----------
    M. Spiertz and V. Gnann, "Source-filter based clustering for monaural blind source separation", Proc. DAFx,
    2009: mel-cepstral features of the templates (clustered here by k-means).
    """
    if not 1 <= n_groups <= model.n_components:
        raise ParameterError(
            f"{n_groups} groups asked for; the model has {model.n_components} components to share out"
        )
    from scipy.fft import dct
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    W = to_host(model.W).astype(float)
    bands = _mel_bands(W.shape[0], grid.bin_hz) @ W**2
    levels = np.log(bands + 1e-6 * bands.max(axis=0) + 1e-30)
    features = dct(levels, axis=0, norm="ortho")[1 if len(levels) > 1 else 0 : n_mfcc + 1].T
    with warnings.catch_warnings():  # fewer timbres than groups: the last groups stay empty
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = KMeans(n_groups, n_init=10, random_state=seed).fit_predict(features)
    energy = to_host(model.H).sum(axis=1) * W.sum(axis=0)
    order = sorted(range(n_groups), key=lambda g: -energy[labels == g].sum())
    return {f"source{i + 1}": np.flatnonzero(labels == g).tolist() for i, g in enumerate(order)}


def by_reference(model: LowRankModel, references: Mapping[str, Array]) -> Grouping:
    """Return each component under the true stem whose energy its mask passes most of (an oracle).

    Parameters
    ----------
    model : LowRankModel
        Its components are told apart by their share of the sum.
    references : mapping of str to array (channels, freq, frames)
        Coefficients of the true stems, on the grid of the model.

    Returns
    -------
    dict of str to list of int
        A list for each reference, possibly empty.

    Raises
    ------
    ShapeError
        A reference is not on the model's grid.
    """
    xp = namespace(model.W)
    total = model.W @ model.H
    total = xp.where(total > 0, total, 1)
    passed = []
    for name, S in references.items():
        if S.shape[-2:] != total.shape:
            raise ShapeError(
                f"reference {name!r} has (freq, frames) = {S.shape[-2:]}; the model {total.shape}"
            )
        share = (abs(S) ** 2).sum(axis=0) / total
        energy = xp.einsum("fk,ft,kt->k", model.W, share, model.H, optimize=True)
        passed.append(to_host(energy / max(float((share * total).sum()), 1e-30)))
    winners = np.argmax(passed, axis=0)
    return {name: np.flatnonzero(winners == n).tolist() for n, name in enumerate(references)}


def harmonic_percussive(
    model: LowRankModel,
    grid: Grid,
    *,
    seconds: float = 0.4,
    hz: float = 400.0,
    threshold: float = 0.35,
) -> Grouping:
    """Return components as ``harmonic`` or ``percussive``, by where median filtering would send their energy.

    The model spectrogram W H is parted by medians along time and along frequency; a component is percussive
    if at least ``threshold`` of what it stands for lies in the percussive part.

    Parameters
    ----------
    model : LowRankModel
        Templates and activations.
    grid : Grid
        Frames per second and bin distance of the model.
    seconds, hz : float
        Lengths of the medians along time and along frequency.
    threshold : float
        0 … 1. The default was chosen on four songs of `sigsep_classic.datasets` and one real excerpt.

    Returns
    -------
    dict of str to list of int
        ``harmonic`` and ``percussive``, either possibly empty.

    References
    ----------
    D. Fitzgerald, "Harmonic/percussive separation using median filtering", Proc. DAFx, 2010: the two medians.
    """
    xp = namespace(model.W)
    V = (model.W @ model.H)[None]
    sustained = sliding_median(V, odd_length(seconds * grid.frame_rate), axis=-1)
    struck = sliding_median(V, odd_length(hz / grid.bin_hz if grid.bin_hz else 1), axis=-2)
    part = soft_mask(struck, sustained)[0] * V[0]
    percussive = xp.einsum("fk,ft,kt->k", model.W, part, model.H, optimize=True)
    total = xp.einsum("fk,ft,kt->k", model.W, V[0], model.H, optimize=True)
    chosen = to_host(percussive >= threshold * total)
    return {"harmonic": np.flatnonzero(~chosen).tolist(), "percussive": np.flatnonzero(chosen).tolist()}


def _mel_bands(n_bins: int, bin_hz: float) -> np.ndarray:
    from librosa.filters import mel

    sample_rate = 2 * (n_bins - 1) * bin_hz if n_bins > 1 and bin_hz > 0 else 0
    if sample_rate <= 0:
        return np.eye(n_bins)
    return mel(sr=sample_rate, n_fft=2 * (n_bins - 1), n_mels=min(40, n_bins))


def _timbre(model: Any, grid: Grid, n_groups: int | None) -> Grouping:
    return by_timbre(model, grid, n_groups=min(4, model.n_components) if n_groups is None else n_groups)


def _shape(model: Any, grid: Grid, n_groups: int | None) -> Grouping:
    if n_groups not in (None, 2):
        raise ParameterError(f"n_sources is {n_groups}; harmonic_percussive makes two groups")
    return harmonic_percussive(model, grid)


GROUPERS: dict[str, Callable[[Any, Grid, int | None], Grouping]] = {
    "timbre": _timbre,
    "harmonic_percussive": _shape,
}
"""Groupings by the name users type: functions of model, grid and number of groups."""
