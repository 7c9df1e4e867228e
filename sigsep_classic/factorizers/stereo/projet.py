"""Sources as spectrograms times panning gains, fitted to projections (PROJET, FitzGerald, Liutkus & Badeau 2016)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from sigsep_classic.backend import namespace, real_like, to_host
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import Iterative, check_start, usual_stft
from sigsep_classic.factorizers.models import Groups, check_groups, source_names
from sigsep_classic.factorizers.stereo.panning import (
    EDGE,
    azimuth_histogram,
    azimuths_of,
    left_and_right,
    powers,
    strongest_azimuths,
    warn_one_direction,
)
from sigsep_classic.factorizers.stereo.projections import (
    Projected,
    filters,
    kernel_of,
    mean_loss,
    powers_of_projections,
    projected,
    update,
)
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array

_ONE_DIRECTION = 1e-9


@dataclass(frozen=True, kw_only=True)
class ProjetModel:
    """Sources j with spectrograms P_j and panning gains Q_j, heard as Σ_j (K Q)_mj P_j by projection m.

    Parameters
    ----------
    P : array (sources, points)
        Magnitudes, at least 0; points are bins and frames, frame after frame where ``turned``.
    Q : array (azimuths, sources)
        How much of a source lies at each azimuth, at least 0.
    K : array (projections, azimuths)
        How loud each projection hears each azimuth.
    mixture : array (channels, freq, frames)
        The coefficients X; kept, not copied.
    turned : bool
        Points are counted frame after frame, not bin after bin.
    one_direction : bool
        Both channels are the same up to a factor: sources are gains common to them.
    losses : tuple of (int, float)
        Iteration number and loss.
    extra : dict
        ``azimuths`` in degrees of the rows of Q, ``source_azimuths``.
    """

    P: Array
    Q: Array
    K: Array
    mixture: Array
    turned: bool = False
    one_direction: bool = False
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    estimates: ClassVar[bool] = True

    @property
    def n_components(self) -> int:
        """Number of sources."""
        return int(self.Q.shape[1])

    @property
    def names(self) -> tuple[str, ...]:
        """``source1 …``, from left to right."""
        return source_names(self.n_components)

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the image of each group, (groups, channels, freq, frames), in the dtype of X."""
        wanted = check_groups(groups, self.names)
        return namespace(self.P).stack([self._image(members) for members in wanted.values()])

    def _image(self, members: list[int]) -> Array:
        X, xp = self.mixture, namespace(self.P)
        G = [self._spectrogram(row) for row in filters(self.P, self.Q, self.K, members)]
        if self.one_direction:  # the trace of the filter, for both alike
            return X * ((G[0] + G[1]) * real_like(G[0], 0.5))
        return xp.stack([G[0] * X[0] + G[2] * X[1], G[2] * X[0] + G[1] * X[1]])

    def _spectrogram(self, row: Array) -> Array:
        n_freq, n_frames = self.mixture.shape[1:]
        return row.reshape(n_frames, n_freq).T if self.turned else row.reshape(n_freq, n_frames)


@dataclass(frozen=True, kw_only=True)
class PROJET(Iterative[ProjetModel]):
    """Sources told by how projections of the two channels hear them, overlapping ones included.

    The channels are projected on M directions, c_m = cos θ_m L + sin θ_m R; each projection cancels one azimuth and
    hears the others. Their magnitudes v_m are modelled as scales of Cauchy distributions,

        σ_m(f, t) = Σ_j P_j(f, t) Σ_l K_ml Q_lj,    minimising  Σ 3/2 log(σ² + v²) - log σ

    with K_ml = |cos θ_m cos φ_l + sin θ_m sin φ_l| what projection m hears of azimuth l. Each projection is then
    filtered by the shares of the sources in σ_m, and images are put together from the projections again.

    Parameters
    ----------
    n_sources : int or None
        Number of sources, which may be more than two; None: as many as the histogram of azimuths has peaks.
    n_projections : int
        M, at least 3.
    n_azimuths : int
        Number of azimuths from -45 to 45 degrees a source may lie at, at least 3.
    threshold : float
        Least prominence of a peak where the number is looked for, as a share of the highest, 0 … 1.
    n_iter, tol
        As in `Iterative`.

    Raises
    ------
    ParameterError
        A parameter is out of range.
    ShapeError
        X has more than two channels. One channel, or one that is the other times a factor, gives common gains.

    Notes
    -----
    When to use: Stereo music with panned sources that overlap: what masks of single points cannot take apart.
    Complexity: An iteration is linear in projections · azimuths · freq · frames.

    Differences from the paper: projections and azimuths are regular grids; the start is not random but from the
    peaks of the histogram of azimuths; and where the published factor of a multiplicative update would raise an
    entry it is damped (`projections.bounded`), so that the loss provably never rises. For panned
    recordings; delays between the channels are not modelled (see `DUET`).

    References
    ----------
    D. FitzGerald, A. Liutkus and R. Badeau, "PROJET - Spatial audio separation using projections", Proc. ICASSP,
    2016; the same authors, "Projection-based demixing of spatial audio", IEEE/ACM Trans. Audio, Speech, and Language
    Processing 24(9), 2016 (equation numbers not checked).
    """

    n_sources: int | None = None
    n_projections: int = 10
    n_azimuths: int = 31
    threshold: float = 0.05
    n_iter: int = 20

    name: ClassVar[str] = "projet"
    max_channels: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if self.n_sources is not None:
            check_count("n_sources", self.n_sources)
        check_count("n_projections", self.n_projections, 3)
        check_count("n_azimuths", self.n_azimuths, 3)
        check_range("threshold", self.threshold, 0, 1)
        check_count("n_iter", self.n_iter, 0)
        check_range("tol", self.tol, 0)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return usual_stft(sample_rate)

    def prepare(self, X: Array) -> Projected:
        """Return the moments that projections are made of."""
        return projected(X, *powers(*left_and_right(X, self.name)))

    def init(self, X: Projected) -> ProjetModel:
        """Return sources at the peaks of the histogram of azimuths, each with most of the points near it."""
        A, B, C = X.moments
        xp, azimuths = namespace(A), np.linspace(-EDGE, EDGE, self.n_azimuths)
        heard = azimuths_of(A, B, C)
        centres, counts = azimuth_histogram(heard, A + B, smoothing=1.0)
        found = strongest_azimuths(centres, counts, self.n_sources, threshold=self.threshold)
        warn_one_direction(self.name, self.n_sources, len(found), X.X)
        Q = np.exp(-0.5 * ((azimuths[:, None] - found) / 4) ** 2) + 1e-3
        level = xp.sqrt(A + B + real_like(A, X.floor))
        near = xp.stack([xp.exp(-((heard - real_like(A, f)) ** 2) / real_like(A, 200.0)) for f in found])
        P = (near + real_like(A, 0.05)) * level
        c = float(to_host(C.sum(dtype=np.float64)))
        a, b = (float(to_host(power.sum(dtype=np.float64))) for power in (A, B))
        return ProjetModel(
            P=P,
            Q=xp.asarray(Q / Q.sum(axis=0), dtype=A.dtype),
            K=xp.asarray(kernel_of(self.n_projections, azimuths), dtype=A.dtype),
            mixture=X.X,
            turned=X.turned,
            one_direction=a * b - c * c <= _ONE_DIRECTION * (a + b) ** 2,
            extra={"azimuths": azimuths},
        )

    def step(self, X: Projected, model: ProjetModel) -> ProjetModel:
        """Return the model after P ← P ⊙ r(Wᵀ(1/σ) / Wᵀ(3σ / (σ² + v²))), W = K Q, and likewise for Q.

        r is the identity in the paper; here see `projections.bounded`.
        """
        P, Q = update(X, model.P, model.Q, model.K, self._powers(model))
        return replace(model, P=P, Q=Q)

    def loss(self, X: Projected, model: ProjetModel) -> float:
        """Return the mean of 3/2 log(σ² + v²) - log σ over points and projections, less its least value."""
        return mean_loss(X, model.P, model.Q, model.K, self._powers(model))

    def adopt(self, X: Projected, start: ProjetModel) -> ProjetModel:
        """Return a copy of a start for this mixture."""
        check_start(start, ("P", "Q", "K"), "a model of projet")
        if start.P.shape[1:] != X.moments.shape[1:]:
            raise ParameterError(
                f"start has {start.P.shape[1]} points, X {X.moments.shape[1]}; give a model of X"
            )
        return replace(self.copy(start), mixture=X.X, turned=X.turned)

    def finish(self, model: ProjetModel) -> ProjetModel:
        """Return the model with sources from left to right and columns of Q that sum to one."""
        xp, Q = namespace(model.Q), to_host(model.Q).astype(float)
        sums = Q.sum(axis=0)
        places = (model.extra["azimuths"] @ Q) / np.where(sums > 0, sums, 1)
        order = np.argsort(places, kind="stable")
        scale = xp.asarray(sums[order], dtype=model.Q.dtype)
        extra = {**model.extra, "source_azimuths": places[order]}
        return replace(
            model,
            P=model.P[order] * scale[:, None],
            Q=model.Q[:, order] / xp.where(scale > 0, scale, 1),
            extra=extra,
        )

    def _powers(self, model: ProjetModel) -> Array:
        return namespace(model.P).asarray(powers_of_projections(len(model.K), model.P.dtype))
