"""Ensemble clustering: points of a spectrogram on which several methods agree belong to one source."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_choice, check_count
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import spectrogram
from sigsep_classic.factorizers.counting import running_sums
from sigsep_classic.factorizers.models import source_names
from sigsep_classic.recipes.cues import CUES, Song
from sigsep_classic.recipes.fused import Fusion
from sigsep_classic.recipes.fusion import log_odds
from sigsep_classic.typing import Array, FrontEnd, Grid

_DRAWN, _STARTS = 5_000, 2


@dataclass(frozen=True, kw_only=True)
class Ensemble(Fusion):
    """Sources as clusters of what several blind cues say of each point (primitive clustering).

    The log-odds of the cues' masks are the features of a point. Points drawn in proportion to their power are
    clustered by k-means; a point's share in a cluster falls with its squared distance over the clusters' mean variance,
    as in a mixture of spherical Gaussians. Nothing is fitted beforehand, and nothing says which cluster is what.

    Parameters
    ----------
    cues : tuple of str
        Names in `recipes.cues.CUES`, at least one.
    n_sources : int
        Clusters, at least 2.
    seed : int
        Of the points drawn and of the clustering.
    grid : Grid or None
        Frames per second and bin distance of X; `separate` fills it in.
    frontend : FrontEnd or None
        The transform of X, for `fit`; `separate` fills it in.

    Raises
    ------
    ParameterError
        A cue is unknown, or a number out of range.

    References
    ----------
    P. Seetharaman, G. Wichern, S. Venkataramani and J. Le Roux, "Bootstrapping deep music separation from primitive
    auditory grouping principles", arXiv:1910.11133, 2019: clustering of masks of primitives. (Not checked beyond its
    abstract; k-means with soft shares is the form chosen here.)

    Notes
    -----
    When to use: No idea what is in the recording: clusters of several cues, without any fitted weights.
    Complexity: That of its cues; a few thousand points are clustered.
    Differences from the paper: The paper trains a network on such clusters; here they are the result, by k-means with
    soft shares.

    Stems ``source1 …`` in falling order of energy.
    """

    cues: tuple[str, ...] = ("unrepeated", "sparse", "struck", "pitched", "centred")
    n_sources: int = 2
    seed: int = 0
    grid: Grid | None = None
    frontend: FrontEnd | None = None

    name: ClassVar[str] = "ensemble"

    def __post_init__(self) -> None:
        if not isinstance(self.cues, tuple | list) or not self.cues:
            raise ParameterError(f"cues is {self.cues!r}; give names of {', '.join(CUES)}")
        for cue in self.cues:
            check_choice("cue", cue, list(CUES))
        check_count("n_sources", self.n_sources, 2)
        check_count("seed", self.seed, 0)

    @property
    def stems(self) -> tuple[str, ...]:  # type: ignore[override]
        """``source1 …``."""
        return source_names(self.n_sources)

    def gains(self, song: Song) -> Array:
        """Return the shares of all clusters but the last, (n_sources - 1, freq, frames)."""
        xp = namespace(song.X)
        features = xp.stack([log_odds(song.cue(cue)) for cue in self.cues])
        power = spectrogram(song.X).astype(np.float64) ** 2
        centres, variance = self._centres(features, power.sum(axis=0))
        shape = (len(self.cues), 1, 1)
        distances = [
            ((features - xp.asarray(c.astype(features.dtype)).reshape(shape)) ** 2).sum(axis=0)
            for c in centres
        ]
        shares = xp.stack(distances) * features.dtype.type(-0.5 / variance)
        shares = xp.exp(shares - shares.max(axis=0))
        shares /= shares.sum(axis=0)
        energies = to_host((shares**2 * power.sum(axis=0)).sum(axis=(1, 2)))
        return shares[np.argsort(-energies, kind="stable")[:-1]]

    def _centres(self, features: Array, power: Array) -> tuple[np.ndarray, float]:
        """Return cluster centres (n_sources, cues) and the mean variance of a feature in a cluster."""
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits

        xp, flat = namespace(features), features.reshape(len(features), -1)
        heap, last = running_sums(power.ravel()), flat.shape[1] - 1
        draws = np.random.default_rng(self.seed).random(_DRAWN)
        if (total := float(heap[-1])) > 0:
            chosen = xp.minimum(xp.searchsorted(heap, xp.asarray(draws * total)), last)
        else:
            chosen = xp.asarray((draws * (last + 1)).astype(int))
        drawn = to_host(flat[:, chosen]).T.astype(np.float64)
        points = np.round(drawn, 4)  # where points are equal, rounding must not decide
        with warnings.catch_warnings(), threadpool_limits(1):  # one thread: sums in one order, the same bits
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = KMeans(self.n_sources, n_init=_STARTS, random_state=self.seed).fit(points)
        return found.cluster_centers_, max(found.inertia_ / points.size, 1e-3)
