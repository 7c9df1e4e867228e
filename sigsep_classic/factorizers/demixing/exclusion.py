"""Weak exclusion: one matrix after which two sources are seldom active at the same time and frequency."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import coefficients, usual_stft
from sigsep_classic.factorizers.bins import Bins, bins
from sigsep_classic.factorizers.demixing.optimize import polar
from sigsep_classic.factorizers.demixing.walk import Walk, WalkState
from sigsep_classic.factorizers.demixing.whitening import in_memory_order
from sigsep_classic.factorizers.models import DemixingModel
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.demixing import powers, split, weighted_covariances
from sigsep_classic.kernels.layout import frames_first
from sigsep_classic.typing import Array

_HALVINGS = 20
_LARGEST = 0.5
"""Radians that a pair of rows turns in one step, at most."""


@dataclass(frozen=True, kw_only=True)
class WeakExclusionICA(Walk):
    """One matrix W for which, at each point, at most one of the sources y = W x is strong; a lesson.

    The samples, or coefficients, of all channels are whitened together, y = R z, and R is the rotation with the
    least co-activity

        mean over points of  sum over pairs n < m of  φ(y_n) φ(y_m),    φ(u) = log(1 + |u|² / s²)

    A product is small where one of the two is: sources exclude each other. Weakly, since the logarithm lets strong
    ones meet at a small price. On an STFT this is the assumption of masks (W-disjoint orthogonality) made
    differentiable, and asked of a matrix; on samples it works too. The mixture is taken to be instantaneous, as for
    `ICA`.

    Parameters
    ----------
    n_sources : int or None
        1 … channels; None: as many as there are independent channels. With fewer, the data is first projected to its
        leading principal components.
    scale : float
        s, from which level on a source counts as active, relative to the root mean square of the sources; above 0.
        Large: the product of energies, a contrast of fourth order. Small: every sound counts.
    complex_mixing : bool
        On complex coefficients: the matrix may be complex, so that channels may differ by a phase that is the same
        at all frequencies. Without, it is real.
    n_iter : int
        Largest number of iterations; a search that no step brings further ends by itself.
    tol : float
        Stop when the loss falls by less than this share of itself between two checks; 0 never stops early.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    The idea, sources that exclude each other but weakly, is that in the title of "Blind source separation via a
    weak exclusion principle", Proc. ICASSP, 2022. This is not the paper's algorithm, which we have not read: loss
    and search are ours.

    Ö. Yılmaz and S. Rickard, "Blind separation of speech mixtures via time-frequency masking", IEEE Trans. Signal
    Processing 52(7), 2004: W-disjoint orthogonality.

    Notes
    -----
    When to use: A lesson: what masks assume, asked of a matrix. To separate, `ica`.
    Complexity: An iteration is O(sources² · points).
    Differences from the paper: Not the paper's algorithm, which we have not read: the idea is that in its title, loss
    and search are ours.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> active = rng.random((2, 1, 2000)) < 0.3
    >>> X = np.tensordot([[1.0, 0.5], [0.4, 1.0]], active * rng.standard_normal((2, 1, 2000)), axes=1)
    >>> model = WeakExclusionICA().fit(X)
    >>> order = abs(model.A[0, 0]).argsort()[::-1]
    >>> bool(abs(abs(model.A[0][:, order]) - [[1.0, 0.5], [0.4, 1.0]]).max() < 0.1)
    True
    """

    scale: float = 0.3
    complex_mixing: bool = False
    n_iter: int = 100
    tol: float = 1e-9

    name: ClassVar[str] = "exclusion"
    whitened_start: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("scale", self.scale, 0)
        if self.scale == 0:
            raise ParameterError("scale is 0; φ needs a level above 0")

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return usual_stft(sample_rate)

    def prepare(self, X: Array) -> Bins:
        """Return the points of X (channels, freq, frames), whitened together as if they were one frequency.

        They are in double precision: near the end losses differ by less than single precision tells.
        """
        X = coefficients(X)
        if X.dtype.kind != "c":
            rows = in_memory_order(X).astype(float)
            return replace(bins((rows - rows.mean(axis=1, keepdims=True))[:, None], self.n_sources), X=X)
        points = (X.swapaxes(1, 2) if frames_first(X) else X).reshape(len(X), 1, -1).astype(complex)
        if self.complex_mixing:
            return replace(bins(points, self.n_sources), X=X)
        # Real and imaginary parts are samples of their own: C is real, and so is T.
        data = bins(in_memory_order(X)[:, None].astype(float), self.n_sources)
        root = 2**-0.5  # the mean of |z|² is one
        return replace(data, X=X, T=root * data.T, D=data.D / root, Z=split(points, root * data.T))

    def begin(self, X: Bins, R: Array) -> WalkState:
        """Return the state at the rotation nearest to R."""
        return self.at(X, polar(R), 1.0)

    def adopt(self, X: Bins, start: Any) -> WalkState:
        """Return the state with the demixing matrix of a model or state of the same shape."""
        found = super().adopt(X, start)
        return self.at(X, self._real(X, found.R), 1.0)

    def at(self, X: Bins, R: Array, rate: float) -> WalkState:
        """Return the state at R, with its co-activity."""
        power = powers(X.Z, R, summed=True)
        phi = namespace(power).log1p(power / self.scale**2)
        value = 0.5 * float((phi.sum(axis=0) ** 2 - (phi**2).sum(axis=0)).mean())
        return WalkState(bins=X, R=R, power=power, value=value, rate=rate)

    def candidates(self, X: Bins, model: WalkState) -> Iterator[tuple[float, Array]]:
        """Yield exp(η (Gᴴ - G)) R for falling η, where G = E[w_n y_n yᴴ] is the relative gradient.

        Its weights are w_n = (sum over m ≠ n of φ(y_m)) / (s² + |y_n|²): a source is pushed away from where others
        are, the less the stronger it is there itself.
        """
        xp = namespace(model.power)
        phi = xp.log1p(model.power / self.scale**2)
        weights = (phi.sum(axis=0) - phi) / (self.scale**2 + model.power)
        V = weighted_covariances(X.Z, xp.maximum(weights, 0))
        G = xp.einsum("fni,fnij,fmj->fnm", model.R, V, model.R.conj())
        K = G.conj().swapaxes(1, 2) - G
        K = self._real(X, K)
        size = float(abs(K).max())
        values, E = xp.linalg.eigh(1j * K)
        rate = min(2 * model.rate, _LARGEST / size) if size > 0 else 0.0
        for _ in range(_HALVINGS if rate > 0 else 0):
            turn = (E * xp.exp(-1j * rate * values)[:, None]) @ E.conj().swapaxes(1, 2)
            yield rate, self._real(X, turn @ model.R)
            rate /= 2

    def finish(self, model: Any) -> DemixingModel:  # type: ignore[override]
        """Return W and A, real unless the matrix may be complex."""
        found = super().finish(model)
        if self.complex_mixing:
            return found
        return replace(found, W=found.W.real, A=found.A.real)

    def _real(self, X: Bins, M: Array) -> Array:
        """Return M, without an imaginary part where it may have none."""
        free = self.complex_mixing and X.X.dtype.kind == "c"
        return M if free else M.real.astype(M.dtype)
