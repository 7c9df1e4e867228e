"""What FastMNMF1 and 2 share: sources whose spatial covariances one matrix a frequency makes diagonal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.errors import ShapeError
from sigsep_classic.factorizers.base import Callback, brought_to, check_start
from sigsep_classic.factorizers.bins import bins
from sigsep_classic.factorizers.covariance.model import FastMNMFModel, balanced
from sigsep_classic.factorizers.covariance.options import SourcesOfComponents
from sigsep_classic.factorizers.covariance.start import (
    JointData,
    first_gains,
    first_spectra,
    independent_components,
    with_ridge,
)
from sigsep_classic.kernels.demixing import powers, sweep
from sigsep_classic.kernels.fast_mnmf import precisions, update_gains, update_spectra
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class JointState:
    """Where the search stands; as good as a `FastMNMFModel`, which is made when asked for.

    Parameters
    ----------
    data : JointData
    R : complex128 array (freq, dims, dims)
        Diagonalizer of the whitened data: Q = R T.
    P : array (dims, freq, frames + dims)
        |R z|².
    U : array (dims, freq, frames + dims)
        1 / y times `JointData.level`, and after the last frame its sum.
    W, H, G : arrays
        As in `FastMNMFModel`.
    """

    data: JointData
    R: Array
    P: Array
    U: Array
    W: Array
    H: Array
    G: Array
    losses: tuple[tuple[int, float], ...] = ()

    estimates: ClassVar[bool] = True

    @property
    def ridge(self) -> Array:
        """Ridge |r_m|², (dims, freq)."""
        return self.P[:, :, self.data.frames :].sum(axis=2)

    @property
    def model(self) -> FastMNMFModel:
        """The same in terms of the channels; sources in the order of the search."""
        xp, data = namespace(self.R), self.data.bins
        return FastMNMFModel(
            W=self.W,
            H=self.H,
            G=self.G,
            Q=self.R @ data.T,
            A=data.D @ xp.linalg.inv(self.R),
            mixture=data.X,
            losses=self.losses,
        )

    @property
    def n_components(self) -> int:
        """Number of sources."""
        return int(self.W.shape[0])

    @property
    def names(self) -> tuple[str, ...]:
        """``source1 …``."""
        return self.model.names

    def reconstruct(self, groups: Any = None) -> Array:
        """Return the image of each group, (groups, channels, freq, frames)."""
        return self.model.reconstruct(groups)


@dataclass(frozen=True, kw_only=True)
class JointCovariances(SourcesOfComponents):
    """Base of `FastMNMF` and `FastMNMF2`."""

    n_iter: int = 50

    name: ClassVar[str]
    local: ClassVar[bool] = False

    def prepare(self, X: Array) -> JointData:
        """Return the whitened bins of X (channels, freq, frames), with the ridge."""
        return with_ridge(bins(X), self.n_sources)

    def init(self, X: JointData) -> JointState:
        """Return the start that ``initial`` names; random numbers are drawn on the host from the seed."""
        R = X.bins.identity
        if self.initial == "demixing":
            R = independent_components(X, R)
        P = powers(X.Z, R, summed=False)
        ridge = P[:, :, X.frames :].sum(axis=2, dtype=float)
        scale = (P[:, :, : X.frames].mean(axis=2, dtype=float) + ridge).mean(axis=0)
        R, P = R / namespace(R).sqrt(scale)[:, None, None], P / scale.astype(P.dtype)[:, None]
        G = first_gains(X, R, local=self.local)
        W, H = first_spectra(P, (X.n_sources, self.n_components, X.frames), len(R), seed=self.seed)
        return self.begin(X, R, P, W, H, G)

    def begin(self, X: JointData, R: Array, P: Array, W: Array, H: Array, G: Array) -> JointState:
        """Return the state of these parameters, with their precisions."""
        U = precisions(W, H, G, pad=X.bins.dims, level=X.level)
        return JointState(data=X, R=R, P=P, U=U, W=W, H=H, G=G)

    def adopt(self, X: JointData, start: Any) -> JointState:  # type: ignore[override]
        """Return the state with W, H, G and Q of a model or state that fits the mixture.

        Raises
        ------
        ParameterError
            It has none of these.
        ShapeError
            It does not.
        """
        start = start.model if isinstance(start, JointState) else start
        check_start(start, "WHGQ", "a model of fastmnmf or fastmnmf2, what `fit` returned")
        freq, dims = X.Z.shape[:2]
        sources, K = X.n_sources, self.n_components
        wanted = {
            "W": (sources, freq, K),
            "H": (sources, K, X.frames),
            "G": (freq if self.local else 1, sources, dims),
            "Q": (freq, dims, len(X.bins.X)),
        }
        for name, shape in wanted.items():
            if getattr(start, name).shape != shape:
                raise ShapeError(f"start has {name} {getattr(start, name).shape}; this mixture needs {shape}")
        W, H, G = (brought_to(X.Z, getattr(start, name)).copy() for name in "WHG")
        R = namespace(X.Z).asarray(start.Q, dtype=complex) @ X.bins.D
        return self.begin(X, R, powers(X.Z, R, summed=False), W, H, G)

    def step(self, X: JointData, model: JointState) -> JointState:  # type: ignore[override]
        """Update W, H and G by majorisation-minimisation, then each row of Q by iterative projection."""
        ridge, G = model.ridge, model.G
        W, H = update_spectra(model.P, ridge, model.U, model.W, model.H, G, level=X.level)
        # Scales drift from G to W and H, in the end beyond float32.
        W, H, G = balanced(W, H, update_gains(model.P, ridge, W, H, G))
        U = precisions(W, H, G, pad=X.bins.dims, level=X.level)
        R, P = sweep(X.Z, model.R, U, rule="ip1")
        return replace(model, R=R, P=P, U=U, W=W, H=H, G=G)

    def loss(self, X: JointData, model: JointState) -> float:  # type: ignore[override]
        """Return the sum over f, t, m of (|q x|² + ridge) / y + log y, less 2 frames Σ log |det Q|."""
        xp, T = namespace(model.R), X.frames
        total = -2 * T * float(xp.linalg.slogdet(model.R)[1].sum())
        for P, U, ridge in zip(model.P, model.U, model.ridge, strict=True):
            u = U[:, :T] * U.dtype.type(1 / X.level)
            total += float(((P[:, :T] + ridge[:, None]) * u - xp.log(u)).sum(dtype=float))
        return total

    def copy(self, model: Any) -> Any:
        """Return a state with arrays of its own, but for the data, which nothing writes to."""
        names = ("R", "P", "U", "W", "H", "G")
        return replace(model, **{name: getattr(model, name).copy() for name in names})

    def fit(self, X: Array, *, start: Any = None, callback: Callback | None = None) -> FastMNMFModel:  # type: ignore[override]
        """Return the sources of X (channels, freq, frames); see `Iterative.fit`."""
        return super().fit(X, start=start, callback=callback)  # type: ignore[return-value]

    def finish(self, model: JointState) -> FastMNMFModel:  # type: ignore[override]
        """Return the model with its factors normalised, the strongest source first."""
        return model.model.normalized().sorted()
