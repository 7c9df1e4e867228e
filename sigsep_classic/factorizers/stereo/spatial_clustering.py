"""Sources as clusters of level and phase differences between two channels."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_choice, check_count
from sigsep_classic.factorizers.base import Callback, spectrogram, usual_stft
from sigsep_classic.factorizers.models import MaskModel, source_names
from sigsep_classic.factorizers.stereo.panning import (
    check_size,
    empty_stems,
    left_and_right,
    partition,
    powers,
)
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array

logger = logging.getLogger("sigsep_classic")

CLUSTERINGS = ("kmeans", "gmm")
_MOST, _DRAWN = 20_000, 4_000
_LEAST_VARIANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class SpatialClustering:
    """Clusters of the interaural level and phase differences (ILD, IPD) of the points, loud ones counting most.

    Both differences are one point on a sphere, z = (A - B, 2 Re C, 2 Im C) / (A + B) with A = |L|², B = |R|²,
    C = L R*: its height tells the level, its longitude the phase, and neither jumps, nor matters where the other
    leaves it undefined. The loudest points are clustered, weighted by their power; gains are the probabilities of the
    clusters at each point.

    Parameters
    ----------
    n_sources : int
        Number of clusters, at least 1; there may be more than channels.
    clustering : {"kmeans", "gmm"}
        k-means, whose clusters are round, or a Gaussian mixture, that finds one shape for all clusters and how common
        each is.
    binary : bool
        Give each point to the most probable cluster alone.
    smoothing : int
        Bins and frames over which A, B and C are averaged first, odd; 1 is none.
    seed : int
        Of k-means.

    Raises
    ------
    ParameterError
        A parameter is out of range.
    ShapeError
        X has more than two channels. One channel has no differences: all of it is ``source1``.

    Notes
    -----
    When to use: A quick baseline for two channels panned, or a few centimetres apart. `duet` for spaced microphones,
    `adress` for panning.
    Complexity: Linear in freq · frames; at most 20,000 points are clustered.
    Differences from the paper: Level and phase are one point on a sphere, which has no jumps; the papers cluster both
    numbers, or normalised observations.

    Phase differences are clustered as they are, over all frequencies together, which fits panned recordings and
    microphones a few centimetres apart; for delays see `DUET`. Stems are from left to right. The model's ``extra``
    has ``centres`` (sources, 3) on or in the sphere, and of them the ``level_differences`` in dB (right over left)
    and ``phase_differences`` in radians (left less right).

    References
    ----------
    E. Manilow, P. Seetharaman and B. Pardo, "The Northwestern University Source Separation Library", Proc. ISMIR,
    2018, has clustering of ILD and IPD among its methods.

    S. Araki, H. Sawada, R. Mukai and S. Makino, "Underdetermined blind sparse source separation for arbitrarily
    arranged multiple sensors", Signal Processing 87(8), 2007, clusters normalised observations by k-means.
    """

    n_sources: int = 2
    clustering: str = "kmeans"
    binary: bool = False
    smoothing: int = 1
    seed: int = 0

    name: ClassVar[str] = "spatial_clustering"
    max_channels: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_count("n_sources", self.n_sources)
        check_choice("clustering", self.clustering, CLUSTERINGS)
        check_size("smoothing", self.smoothing)
        check_count("seed", self.seed, 0)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return usual_stft(sample_rate)

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gains of the sources in X (1 or 2 channels, freq, frames)."""
        A, B, C = powers(*left_and_right(X, self.name), self.smoothing)
        xp, total = namespace(A), A + B
        safe = xp.where(total > 0, total, 1)
        features = [(A - B) / safe, 2 * C.real / safe, 2 * C.imag / safe]
        centres, precisions, offsets = self._clusters(features, total)
        gains = _probabilities(features, centres, precisions, offsets, binary=self.binary)
        with np.errstate(divide="ignore"):
            levels = 10 * np.log10((1 - centres[:, 0]).clip(1e-9) / (1 + centres[:, 0]).clip(1e-9))
        return partition(
            gains[:-1],
            spectrogram(X),
            source_names(self.n_sources),
            centres=centres,
            level_differences=levels,
            phase_differences=np.arctan2(centres[:, 2], centres[:, 1]),
        )

    def _clusters(self, features: list[Array], weights: Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return centres (sources, 3), precisions (sources, 3, 3) and offsets (sources,) of the log densities."""
        points, mass = _loudest(features, weights)
        spread = points.std(axis=0).max() if len(points) else 0.0
        if spread < 1e-6:
            if self.n_sources > 1:
                logger.warning("spatial_clustering: both channels are alike; source1 has everything")
            centre = points.mean(axis=0) if len(points) else np.array([0.0, 1.0, 0.0])
            far = np.full(self.n_sources, -np.inf)
            far[0] = 0.0
            unit = np.broadcast_to(np.eye(3), (self.n_sources, 3, 3))
            return np.tile(centre, (self.n_sources, 1)), unit, far
        centres, labels = _kmeans(points, mass, self.n_sources, self.seed)
        if self.clustering == "gmm":
            centres, covariances, shares = _mixture(points, mass, centres)
        else:
            distances = ((points - centres[labels]) ** 2).sum(axis=1)
            variance = max(float(np.average(distances, weights=mass)) / 3, _LEAST_VARIANCE)
            covariances = np.broadcast_to(variance * np.eye(3), (self.n_sources, 3, 3))
            shares = np.full(self.n_sources, 1 / self.n_sources)
        order = np.argsort(-centres[:, 0], kind="stable")
        centres, covariances, shares = centres[order], covariances[order], shares[order]
        offsets = np.log(shares) - 0.5 * np.linalg.slogdet(covariances)[1]
        return centres, np.linalg.inv(covariances), offsets


def _loudest(features: list[Array], weights: Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the loudest points (points, 3) and their powers, float64 on the host, in the order they lie in memory."""
    xp, mass = namespace(weights), weights.ravel(order="K")
    used = mass > 0
    if mass.size > _MOST:
        used &= mass >= xp.partition(mass, mass.size - _MOST)[mass.size - _MOST]
    chosen = xp.nonzero(used)[0]
    points = xp.stack([feature.ravel(order="K")[chosen] for feature in features], axis=1)
    power = to_host(mass[chosen]).astype(np.float64)
    return to_host(points).astype(np.float64), power / max(float(mass.max()), 1e-300)


def _kmeans(points: np.ndarray, mass: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return centres (n, 3) and labels; where there are fewer points, the first is a centre several times."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    n_points = len(points)
    if n_points < n:
        points = np.concatenate([points, np.repeat(points[:1], n - n_points, axis=0)])
        mass = np.concatenate([mass, np.full(n - n_points, 1e-12)])
    with warnings.catch_warnings(), threadpool_limits(1):  # one thread: sums in one order, the same bits
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than clusters
        kmeans = KMeans(n, n_init=4, random_state=seed, algorithm="lloyd").fit(points, sample_weight=mass)
    return kmeans.cluster_centers_, kmeans.labels_[:n_points]


def _mixture(
    points: np.ndarray, mass: np.ndarray, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return means, covariances and shares of a Gaussian mixture of points drawn evenly from their powers."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    total = np.cumsum(mass)
    drawn = np.searchsorted(total, (np.arange(_DRAWN) + 0.5) / _DRAWN * total[-1])
    options = {"covariance_type": "tied", "reg_covar": _LEAST_VARIANCE, "random_state": 0}
    model = GaussianMixture(len(centres), means_init=centres, **options)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(points[drawn])
    covariances = np.broadcast_to(model.covariances_, (len(centres), 3, 3))
    return model.means_, covariances, model.weights_


def _probabilities(
    features: list[Array], centres: np.ndarray, precisions: np.ndarray, offsets: np.ndarray, *, binary: bool
) -> Array:
    """Return the probability of each cluster at each point, (sources, freq, frames)."""
    xp, real = namespace(features[0]), features[0].dtype.type
    logs = empty_stems(len(centres), features[0])
    for k, (centre, precision, offset) in enumerate(zip(centres, precisions, offsets, strict=True)):
        d = [feature - real(value) for feature, value in zip(features, centre, strict=True)]
        logs[k] = real(offset)
        for i in range(3):
            for j in range(i, 3):
                logs[k] -= real(precision[i, j] * (0.5 if i == j else 1.0)) * d[i] * d[j]
    if binary:
        owner = logs.argmax(axis=0)
        for k in range(len(logs)):
            logs[k] = owner == k
        return logs
    logs -= logs.max(axis=0)
    gains = xp.exp(logs)
    gains /= gains.sum(axis=0)
    return gains
