"""Which components belong to one source: by hand, by timbre, by shape, or by the truth (for teaching)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_array
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.models import ComponentModel, LowRankModel, are_estimates
from sigsep_classic.kernels.sliding_median import odd_length, sliding_median
from sigsep_classic.kernels.soft_mask import soft_mask
from sigsep_classic.typing import Array, Grid

Grouping = dict[str, list[int]]

AT_ONCE = 8
"""Components expanded together: some models compute their sum for any of them."""


def by_timbre(
    model: ComponentModel, grid: Grid, *, n_groups: int = 4, n_mfcc: int = 13, seed: int = 0
) -> Grouping:
    """Return components clustered by the cepstrum of their spectra.

    Parameters
    ----------
    model : ComponentModel
        Its ``spectra`` (freq, components) are what is compared.
    grid : Grid
        Bin distance of the spectra in Hz; 0 (a waveform): they run evenly up to half the sample rate.
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

    spectra = to_host(model.spectra).astype(float)
    bands = _mel_bands(len(spectra), grid) @ spectra**2
    levels = np.log(bands + 1e-6 * bands.max(axis=0) + 1e-30)
    features = dct(levels, axis=0, norm="ortho")[1 if len(levels) > 1 else 0 : n_mfcc + 1].T
    features = np.round(features, 6)  # where timbres are equal, rounding must not decide
    with warnings.catch_warnings():  # fewer timbres than groups: the last groups stay empty
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = KMeans(n_groups, n_init=10, random_state=seed).fit_predict(features)
    energies = to_host(model.energies)
    order = sorted(range(n_groups), key=lambda g: -energies[labels == g].sum())
    return {f"source{i + 1}": np.flatnonzero(labels == g).tolist() for i, g in enumerate(order)}


def by_reference(model: ComponentModel, references: Mapping[str, Array]) -> Grouping:
    """Return each component under the true stem it fits best (an oracle).

    A spectrogram goes to the stem whose energy its mask passes most of, relative to all the stem has; an
    estimate (a complex or a signed component) to the stem whose squared error it lowers most.

    Parameters
    ----------
    model : ComponentModel
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
    whole = model.reconstruct({"all": range(model.n_components)})
    for name, S in references.items():
        check_array(f"reference {name!r}", S, 3)
        if S.shape[-2:] != whole.shape[-2:]:
            raise ShapeError(
                f"reference {name!r} has (freq, frames) = {S.shape[-2:]}; the model {whole.shape[-2:]}"
            )
    if are_estimates(model, whole):
        fit = [[_inner(part, S) for S in references.values()] for part in _parts(model)]
        winners = np.argmax(fit, axis=1)
    else:
        winners = np.argmax([_passed(model, whole[0], S) for S in references.values()], axis=0)
    return {name: np.flatnonzero(winners == n).tolist() for n, name in enumerate(references)}


def harmonic_percussive(
    model: ComponentModel,
    grid: Grid,
    *,
    seconds: float = 0.4,
    hz: float = 400.0,
    threshold: float = 0.35,
) -> Grouping:
    """Return components as ``harmonic`` or ``percussive``, by where median filtering would send their energy.

    The magnitude of the whole model is parted by medians along time and along frequency; a component is
    percussive if at least ``threshold`` of what it stands for lies in the percussive part.

    Parameters
    ----------
    model : ComponentModel
        Any model of components.
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
    V = abs(model.reconstruct({"all": range(model.n_components)})[0])
    sustained = sliding_median(V, odd_length(seconds * grid.frame_rate), axis=-1)
    struck = sliding_median(V, odd_length(grid.span(hz) or 1), axis=-2)
    part = soft_mask(struck, sustained) * V
    chosen = to_host(_weighed(model, part) >= threshold * _weighed(model, V))
    return {"harmonic": np.flatnonzero(~chosen).tolist(), "percussive": np.flatnonzero(chosen).tolist()}


def _parts(model: ComponentModel) -> Iterator[Array]:
    """Yield each component expanded, (channels, freq, frames); a few are expanded at a time, for models that share."""
    for first in range(0, model.n_components, AT_ONCE):
        members = range(first, min(first + AT_ONCE, model.n_components))
        yield from model.reconstruct({str(k): [k] for k in members})


def _inner(part: Array, S: Array) -> float:
    """Real part of the inner product."""
    return float((part * S.conj()).real.sum())


def _passed(model: ComponentModel, total: Array, S: Array) -> np.ndarray:
    """Return the share of the energy of S that each component's mask passes, (components,)."""
    xp = namespace(total)
    energy = abs(S) ** 2
    if len(total) == 1:
        energy = energy.sum(axis=0, keepdims=True)
    share = energy / xp.where(total > 0, total, 1)
    return to_host(_weighed(model, share) / max(float((share * total).sum()), 1e-30))


def _weighed(model: ComponentModel, weights: Array) -> Array:
    """Return the sum over all entries of each component's magnitude times weights (channels, freq, frames)."""
    xp = namespace(weights)
    if isinstance(model, LowRankModel):
        return xp.einsum("fk,ft,kt->k", model.W, weights[0], model.H, optimize=True)
    return xp.stack([(abs(part) * weights).sum() for part in _parts(model)])


def _mel_bands(n_bins: int, grid: Grid) -> np.ndarray:
    """Return (bands, bins): mel filters, or the bins themselves if they are few."""
    if n_bins < 5:
        return np.eye(n_bins)
    n_bands = min(40, n_bins)
    if grid.frequencies is not None:
        frequencies = np.asarray(grid.frequencies)
        return _triangles(frequencies, _mel_frequencies(n_bands + 2, float(frequencies[-1])))
    highest = (n_bins - 1) * grid.bin_hz if grid.bin_hz else grid.frame_rate / 2
    edges = _mel_frequencies(n_bands + 2, highest)
    # Of equal areas, as librosa's; on coarse spectra low bands are without a bin: a constant, no feature.
    return _triangles(np.linspace(0, highest, n_bins), edges) * (2 / (edges[2:] - edges[:-2]))[:, None]


def _mel_frequencies(n: int, highest: float) -> np.ndarray:
    """Return n frequencies in Hz from 0 on, evenly on Slaney's mel scale: 3 f / 200 to 1 kHz, then logarithmic."""
    top = 3 * highest / 200 if highest < 1000 else 15 + 27 * np.log(highest / 1000) / np.log(6.4)
    mels = np.linspace(0, top, n)
    return np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))


def _triangles(frequencies: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return (bands, bins): triangles at bins of any spacing, each peaking at its neighbours' feet."""
    edges = edges[:, None]
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling))


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
