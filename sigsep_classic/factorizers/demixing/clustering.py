"""Components that are one source: those whose values are distributed alike, or that sound at the same times."""

from __future__ import annotations

import warnings

import numpy as np

_BINS = 64


def by_distribution(values: np.ndarray, energies: np.ndarray, n_sources: int) -> dict[str, list[int]]:
    """Return components grouped by how alike the distributions of their values are.

    Parameters
    ----------
    values : array (components, values)
        Time courses or spectra, on the host.
    energies : array (components,)
        By which groups are ordered.
    n_sources : int
        Number of groups; the last ones are empty if there are fewer components.

    Returns
    -------
    dict of str to list of int
        ``source1 …``, the group with most energy first.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    labels = np.arange(len(values))
    if len(values) > n_sources:
        tree = linkage(squareform(ixegram(values), checks=False), "complete")
        labels = fcluster(tree, n_sources, criterion="maxclust") - 1
    return _named(labels, energies, n_sources)


def by_envelope(envelopes: np.ndarray, n_sources: int) -> dict[str, list[int]]:
    """Return components grouped by when they sound: k-means on their envelopes, the loud ones counting most.

    Parameters
    ----------
    envelopes : array (components, windows)
        Root mean square of each component in successive windows, on the host.
    n_sources : int
        Number of groups; the last ones are empty if there are fewer components.

    Returns
    -------
    dict of str to list of int
        ``source1 …``, the group with most energy first.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    energies = (envelopes**2).sum(axis=1)
    labels = np.arange(len(envelopes))
    if len(envelopes) > n_sources:
        shapes = envelopes - envelopes.mean(axis=1, keepdims=True)
        lengths = np.sqrt((shapes**2).sum(axis=1, keepdims=True))
        shapes = shapes / np.where(lengths > 0, lengths, 1)
        weights = energies / energies.max() if energies.max() > 0 else np.ones_like(energies)
        with warnings.catch_warnings():  # fewer shapes than groups: the last groups stay empty
            warnings.simplefilter("ignore", ConvergenceWarning)
            kmeans = KMeans(n_sources, n_init=10, random_state=0)
            labels = kmeans.fit_predict(shapes, sample_weight=weights + 1e-9)
    return _named(labels, energies, n_sources)


def ixegram(values: np.ndarray) -> np.ndarray:
    """Return the symmetric Kullback-Leibler divergence between the distributions of every pair of rows, in nats.

    Parameters
    ----------
    values : array (components, values)
        Each row is brought to mean 0, deviation 1 and positive skew, and counted in 64 bins from -4 to 8.

    Returns
    -------
    array (components, components)
        Non-negative, zeros on the diagonal.
    """
    centred = values - values.mean(axis=1, keepdims=True)
    deviation = centred.std(axis=1, keepdims=True)
    standard = centred / np.where(deviation > 0, deviation, 1)
    standard *= np.where((standard**3).sum(axis=1, keepdims=True) < 0, -1, 1)
    places = np.clip(((standard + 4) / 12 * _BINS).astype(int), 0, _BINS - 1)
    counts = np.stack([np.bincount(row, minlength=_BINS) for row in places]) + 0.5
    share = counts / counts.sum(axis=1, keepdims=True)
    logs = np.log(share)
    cross = share @ logs.T
    one_way = np.diag(cross)[:, None] - cross
    return np.maximum(one_way + one_way.T, 0) * (1 - np.eye(len(values)))


def _named(labels: np.ndarray, energies: np.ndarray, n_sources: int) -> dict[str, list[int]]:
    groups = [np.flatnonzero(labels == g).tolist() for g in range(n_sources)]
    groups.sort(key=lambda members: -energies[members].sum())
    return {f"source{i + 1}": members for i, members in enumerate(groups)}
