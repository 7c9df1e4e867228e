"""Dereverberation and separation as one: demixing of the present and the past of all microphones together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice, check_count
from sigsep_classic.errors import ShapeError
from sigsep_classic.factorizers.base import brought_to, nearest_power_of_two
from sigsep_classic.factorizers.bins import Bins, strongest_first
from sigsep_classic.factorizers.delayed import blocks_of_bins, stacked_past, usable_taps
from sigsep_classic.factorizers.demixing.dry_model import DryDemixingModel
from sigsep_classic.factorizers.demixing.frequencywise import (
    DemixingState,
    FrequencyDemixing,
    demixing_model,
    log_determinants,
    rows_of,
)
from sigsep_classic.factorizers.demixing.priors import Prior
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.demixing import joined
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

PRIORS = ("laplace", "gauss")
DEFAULT_TAPS = 5


@dataclass(frozen=True, kw_only=True)
class TISSState(DemixingState):
    """`DemixingState` with the weights of the past.

    Parameters
    ----------
    P : complex128 array (freq, dims, n_taps * dims)
        y = R z + P z_past.
    n_taps, delay : int
        As in `TISS`.
    """

    P: Array
    n_taps: int
    delay: int

    @cached_property
    def model(self) -> DryDemixingModel:  # type: ignore[override]
        """W, P and A on all channels, the strongest source first."""
        return _model(self)


@dataclass(frozen=True, kw_only=True)
class TISS(FrequencyDemixing):
    """Independent vector analysis in which each source is a filter of the present and the past of all channels.

    On whitened bins, y = R z + P z_past, with z_past the frames ``delay`` … ``delay + n_taps - 1`` back. What the past
    tells of the present is reverberation, as in `WPE`, but weighted for each source by its own activity. Lowers the
    loss of `AuxIVA` of the same prior, with y as it is here: P does not change the volume. An iteration steers along
    each output (iterative source steering), then along each channel of the past, inversions none.

    Parameters
    ----------
    n_sources : int or None
        1 … channels; None: as many as there are independent channels. With fewer, the mixture is first projected
        to its leading principal components, bin by bin.
    prior : {"laplace", "gauss"}
        As in `AuxIVA`.
    n_taps : int or None
        Frames of the past. None: 5, or fewer where the recording is short for its channels, as in `WPE`.
    delay : int
        Frames between the present and the first of them.
    n_iter, tol
        As `Iterative`.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    T. Nakashima, R. Scheibler, M. Togami and N. Ono, "Joint dereverberation and separation with iterative source
    steering", Proc. ICASSP, 2021 (equation numbers not checked).

    Notes
    -----
    When to use: A reverberant room, as many microphones as talkers, and time: dry stems.
    Complexity: An iteration takes the time of covariances of (1 + n_taps) · channels rows.
    Differences from the paper: None known (equation numbers not checked).

    Stems are the dry images of the sources; the rest, reverberation, is the stem ``residual``.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> S = rng.gamma(0.3, size=(2, 1, 400)) * rng.standard_normal((2, 20, 400))
    >>> X = np.einsum("cn,nft->cft", [[1, 0.5], [0.5j, 1]], S)
    >>> X[:, :, 2:] += 0.5 * X[::-1, :, :-2]
    >>> TISS(n_taps=2, delay=2, n_iter=10).fit(X).reconstruct().shape
    (2, 2, 20, 400)
    """

    prior: str = "gauss"
    n_taps: int | None = None
    delay: int = 2
    n_iter: int = 30

    name: ClassVar[str] = "tiss"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("prior", self.prior, PRIORS)
        if self.n_taps is not None:
            check_count("n_taps", self.n_taps)
        check_count("delay", self.delay)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 64 ms, a quarter of it as hop."""
        n_fft = nearest_power_of_two(0.064 * sample_rate)
        return STFT(n_fft=n_fft, hop=n_fft // 4)

    def prepare(self, X: Array) -> Bins:
        """Return the whitened bins of X (channels, freq, frames)."""
        data = super().prepare(X)
        self._taps(data, tell=True)
        return data

    def _taps(self, X: Bins, *, tell: bool = False) -> int:
        """Return the number of taps for X."""
        return usable_taps(
            self.n_taps, DEFAULT_TAPS, channels=X.dims, frames=X.Z.shape[3], delay=self.delay, tell=tell
        )

    def begin(self, X: Bins, R: Array, P: Array | None = None, *, scaled: bool = False) -> TISSState:
        """Return the state with demixing R and the past with weights P, or none.

        Each source is brought to the scale the prior likes best, unless it is ``scaled`` already.
        """
        xp, n_taps = namespace(R), self._taps(X)
        if P is None:
            P = xp.zeros((len(R), X.dims, n_taps * X.dims), dtype=R.dtype)
        state = TISSState(bins=X, R=R, P=P, power=None, n_taps=n_taps, delay=self.delay)
        power = xp.zeros((X.dims, X.Z.shape[3]))
        with single_threaded_blas():
            for block in self._blocks(X, n_taps):
                stack, noise = self._stretch(X, block, n_taps)
                power += self._powers(xp.concatenate([R[block], P[block]], axis=2), stack, noise)
        state = replace(state, power=power)
        if scaled:
            return state
        gains = self._prior(len(R)).gains(power / len(R))
        roots = xp.sqrt(gains)[:, None]
        return replace(state, R=R * roots, P=P * roots, power=power * gains[:, None])

    def adopt(self, X: Bins, start: Any) -> TISSState:
        """Return the state with W, and P if there is one, of a model or state of the same shape.

        Raises
        ------
        ParameterError
            It has no demixing matrices.
        ShapeError
            It is of another number of frequencies, sources or channels, or of other frames of the past.
        """
        start = start.model if isinstance(start, TISSState) else start
        R, P = rows_of(X, start), getattr(start, "P", None)
        scaled = getattr(start, "lengths", None) is not None
        if P is None:
            return self.begin(X, R, scaled=scaled)
        n_taps = self._taps(X)
        if (start.n_taps, start.delay) != (n_taps, self.delay):
            raise ShapeError(
                f"start has n_taps={start.n_taps} and delay={start.delay}; here they are {n_taps} and {self.delay}"
            )
        W, P = (brought_to(R, A[:, : X.dims]) for A in (start.W, P))
        scale = _ratio(R, W @ X.D)
        P = P.reshape(len(R), X.dims, n_taps, X.T.shape[2]) @ X.D[:, None] * scale[:, :, None, None]
        return self.begin(X, R, P.reshape(len(R), X.dims, n_taps * X.dims), scaled=scaled)

    def copy(self, model: Any) -> Any:
        """Return a state with arrays of its own, but for the data, which nothing writes to."""
        return replace(super().copy(model), P=model.P.copy())

    def step(self, X: Bins, model: Any) -> TISSState:
        """Return the state after steering along each output, then along the past."""
        xp = namespace(model.R)
        weights = self._prior(len(model.R)).weights(model.power / len(model.R))
        R, P, power = xp.empty_like(model.R), xp.empty_like(model.P), xp.zeros_like(model.power)
        with single_threaded_blas():
            for block in self._blocks(X, model.n_taps):
                stack, noise = self._stretch(X, block, model.n_taps)
                rows = xp.concatenate([model.R[block], model.P[block]], axis=2)
                rows = _steered(rows, _covariances(stack, noise, weights))
                R[block], P[block] = rows[:, :, : X.dims], rows[:, :, X.dims :]
                power += self._powers(rows, stack, noise)
        return replace(model, R=R, P=P, power=power)

    def loss(self, X: Bins, model: Any) -> float:
        """Return F times the sum over sources of the mean cost of their frames, less 2 log |det R| of all bins."""
        n_freq = len(model.R)
        costs = self._prior(n_freq).costs(model.power / n_freq).mean(axis=1).sum()
        return n_freq * float(costs) - 2 * log_determinants(model.R)

    def _prior(self, n_freq: int) -> Prior:
        return Prior(kind=self.prior, n_freq=n_freq)

    def _blocks(self, X: Bins, n_taps: int) -> Any:
        return blocks_of_bins(X.Z.swapaxes(0, 1)[:, :, 0], (1 + n_taps) * X.dims)

    def _stretch(self, X: Bins, block: slice, n_taps: int) -> tuple[Array, Array]:
        """Return present and past of some bins (bins, rows, frames), and the noise of singular ones (bins, frames)."""
        xp = namespace(X.Z)
        z = joined(X.Z[block]).astype(xp.complex128)
        noise = (abs(z) ** 2).mean(axis=1) * X.load[block][:, None]
        return xp.concatenate([z, stacked_past(z, n_taps, self.delay)], axis=1), noise

    def _powers(self, rows: Array, stack: Array, noise: Array) -> Array:
        """Return |y|² with the noise, summed over some bins, (dims, frames)."""
        sizes = (abs(rows[:, :, : rows.shape[1]]) ** 2).sum(axis=2)
        return (abs(rows @ stack) ** 2).sum(axis=0) + sizes.T @ noise


def _covariances(stack: Array, noise: Array, weights: Array) -> Array:
    """Return E[weights (stack stackᴴ + noise on the present)], (bins, dims, rows, rows)."""
    xp = namespace(stack)
    frames, dims = stack.shape[2], len(weights)
    back = xp.ascontiguousarray(stack.conj().swapaxes(1, 2))
    V = xp.stack([(stack * w) @ back for w in weights], axis=1) / frames
    extra = noise @ weights.T / frames
    for d in range(dims):
        V[:, :, d, d] += extra
    return V


def _steered(rows: Array, V: Array) -> Array:
    """Return rows (bins, dims, present and past) after one round; each move is the best along its direction."""
    xp = namespace(rows)
    dims = rows.shape[1]
    for n in range(dims):
        along = rows[:, n].copy()
        through = xp.einsum("bmij,bj->bmi", V, along.conj())
        size = xp.einsum("bi,bmi->bm", along, through).real
        safe = xp.where(size > 0, size, 1)
        u = xp.einsum("bmi,bmi->bm", rows, through) / safe
        u[:, n] = 1 - 1 / xp.sqrt(safe[:, n])
        rows = rows - xp.where(size > 0, u, 0)[:, :, None] * along[:, None]
    for k in range(dims, rows.shape[2]):
        size = V[:, :, k, k].real
        u = xp.einsum("bmi,bmi->bm", rows, V[:, :, :, k]) / xp.where(size > 0, size, 1)
        rows[:, :, k] -= xp.where(size > 0, u, 0)
    return rows


def _model(state: TISSState) -> DryDemixingModel:
    """Return the model on all channels, each source at the scale of its image where it is loudest."""
    xp, data = namespace(state.R), state.bins
    order = strongest_first(data, state.R)
    plain = demixing_model(data, state.R, order=order)
    R = state.R[:, order]
    W = R @ data.T
    n_freq, dims = R.shape[:2]
    past = state.P[:, order].reshape(n_freq, dims, state.n_taps, dims)
    P = past @ data.T[:, None]
    P = (P * _ratio(plain.W[:, :dims], W)[:, :, None, None]).reshape(n_freq, dims, state.n_taps * W.shape[2])
    if plain.n_components > dims:
        P = xp.pad(P, ((0, 0), (0, plain.n_components - dims), (0, 0)))
    return DryDemixingModel(**{**vars(plain), "residual": True}, P=P, n_taps=state.n_taps, delay=state.delay)


def _ratio(rows: Array, of: Array) -> Array:
    """Return by what number rows (freq, sources, channels) are larger than those that differ by a number each."""
    xp = namespace(rows)
    length = (abs(of) ** 2).sum(axis=2)
    return xp.einsum("fnc,fnc->fn", rows, of.conj()) / xp.where(length > 0, length, 1)
