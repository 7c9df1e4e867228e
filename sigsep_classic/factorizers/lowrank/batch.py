"""Many NMF problems as one on the GPU: a product and a launch a step for all that are alike.

Problems of one kind lie in W (problems, freq, components) and H (problems, frames, components), shorter ones filled
up with frames of zeros and lesser ranks with components of zeros. No update makes a zero anything else, and zeros
add nothing to a sum: what is computed for a problem is what it would be alone, up to rounding. Data are not filled up.
Those that settle leave the batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.errors import NumericalError
from sigsep_classic.factorizers.lowrank.fitted import NMFModel
from sigsep_classic.factorizers.lowrank.objective import Objective
from sigsep_classic.factorizers.lowrank.solvers import CHECK_EVERY, LARGEST_CHANGE, LEAST_CHANGE, MOST_AHEAD
from sigsep_classic.factorizers.lowrank.starts import beyond_range
from sigsep_classic.kernels import beta_tiles
from sigsep_classic.kernels.beta_sweep import exponent_of, tiny_of
from sigsep_classic.typing import Array

LIKE, LEAST_RANK = 0.8, 16
"""Frames of the shortest problem of a batch, as a share of the longest's; ranks up to this are alike."""
MOST_BYTES = 4 << 30
"""Of the data of a batch."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lane:
    """One problem of a batch.

    Parameters
    ----------
    V : array (freq, frames)
        Its data.
    model : NMFModel
        Where it begins.
    objective : Objective
        Its divergence, without penalties.
    momentum : bool
        Whether steps run ahead, see `solvers.checked_step`.
    n_iter : int
        Steps there will be at most.
    """

    V: Array
    model: NMFModel
    objective: Objective
    momentum: bool
    n_iter: int

    @property
    def kind(self) -> tuple[Any, ...]:
        """What lanes of one batch have in common."""
        o, W = self.objective, self.model.W
        return (
            len(W), W.dtype.name, o.beta, o.exponent, o.update_order, o.rule, o.n_fixed, o.n_fixed < W.shape[1],
            o.weights is None, self.momentum, self.n_iter,
        )  # fmt: skip

    @property
    def size(self) -> tuple[int, int]:
        """Rank, rounded up to a power of two, and number of frames."""
        return max(LEAST_RANK, 1 << (self.model.W.shape[1] - 1).bit_length()), self.V.shape[1]


def can_batch(objective: Objective) -> bool:
    """Say whether a problem's updates are products and ratios alone, which is what batches are made of."""
    return objective.rule != "hals" and not objective.penalties and objective.sparseness is None


def batches(lanes: Sequence[Lane]) -> Iterator[list[Lane]]:
    """Yield lanes of one kind and of nearly the same size, whose data are not too much together."""
    by_kind: dict[Any, list[Lane]] = {}
    for lane in lanes:
        by_kind.setdefault(lane.kind, []).append(lane)
    for alike in by_kind.values():
        batch: list[Lane] = []
        held = 0
        for lane in sorted(alike, key=lambda lane: lane.size, reverse=True):
            held += lane.V.nbytes
            rank, n_frames = lane.size
            near = batch and rank == batch[0].size[0] and n_frames >= LIKE * batch[0].size[1]
            if batch and not (near and held <= MOST_BYTES):
                yield batch
                batch, held = [], lane.V.nbytes
            batch.append(lane)
        if batch:
            yield batch


class Batch:
    """The state of lanes that go on together.

    Parameters
    ----------
    lanes : sequence of Lane
        One of `batches`.

    Attributes
    ----------
    lanes : list of Lane
        Those that still go on.
    best : float64 array (lanes,) or None
        The objective of each at the factors `models` gives, on the host, where it is known.
    """

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.lanes, first = list(lanes), lanes[0]
        self.objective, self.momentum = first.objective, first.momentum
        self.data = _stacked(self.lanes)
        self.W, self.H = _filled(self.lanes)
        self.ahead = (self.W, self.H)
        self.before = (self.W, self.H)
        self.pace = np.ones(len(lanes))
        self.count = 0
        known = [lane.model.value for lane in lanes]
        self.best = None if None in known else np.array(known, dtype=float)

    def step(self, *, last: bool = False) -> None:
        """Make one step of every lane: `solvers.checked_step`, or a plain update."""
        if not self.momentum:
            self._update(self.data, self.W, self.H)
            self.best = None
            return
        best = self.values()
        factors, pace = self._stepped(self.data, self.ahead, self.before, self.pace)
        self.before, self.ahead, self.pace = self.ahead, factors, pace
        self.count += 1
        if self.count % CHECK_EVERY and not last:
            return
        now = self._values(self.data, *factors)
        lost = np.flatnonzero(~(now <= best))
        if len(lost):
            now[lost] = self._retreat(lost, best[lost])
        (self.W, self.H), self.best = factors, now

    def values(self) -> np.ndarray:
        """Return the objective of each lane, in units of gain V.

        Raises
        ------
        NumericalError
            One is not finite.
        """
        if self.best is None:
            self.best = self._checked(np.arange(len(self.lanes)), self._values(self.data, self.W, self.H))
        return self.best

    def models(self) -> list[NMFModel]:
        """Return the model of each lane."""
        return [self.model(b) for b in range(len(self.lanes))]

    def keep(self, staying: Sequence[int]) -> None:
        """Go on with these lanes alone."""
        if not staying:
            self.lanes = []
            return
        chosen = namespace(self.W).asarray(np.asarray(staying, dtype=np.int64))
        shared = self.before[0] is self.ahead[0]
        checked = self.W is self.ahead[0]
        self.lanes = [self.lanes[b] for b in staying]
        self.data = self.data.take(chosen)
        self.ahead = _taken(self.ahead, chosen)
        self.before = self.ahead if shared else _taken(self.before, chosen)
        self.W, self.H = self.ahead if checked else _taken((self.W, self.H), chosen)
        self.pace = self.pace[list(staying)]
        self.best = None if self.best is None else self.best[list(staying)]

    def model(self, b: int) -> NMFModel:
        """Return the factors of a lane in a model of its own, in the scale of its data."""
        lane = self.lanes[b]
        W = self.W[b][:, : lane.model.W.shape[1]].copy()
        Ht = self.H[b, : lane.V.shape[1], : W.shape[1]] * W.dtype.type(1 / lane.model.gain)
        run = replace(lane.model.run, value=None if self.best is None else float(self.best[b]))
        return replace(lane.model, W=W, H=Ht.T, run=run)

    def _update(self, data: beta_tiles.Frames, W: Array, H: Array) -> None:
        """Update both factors in place; see `Objective.update`."""
        o, fixed = self.objective, self.objective.n_fixed
        exponent = o.exponent
        tiny = tuple(tiny_of(W.dtype, factor, 1.0) for factor in "WH")
        learns = fixed < self.lanes[0].model.W.shape[1]
        known = W[:, :, :fixed].copy() if fixed and learns else None
        if o.rule == "joint" and learns:
            beta_tiles.update_both(data, W, H, exponent=exponent_of(o.beta), tiny=(tiny[0], tiny[1]))
            _restore(W, known)
            return
        for factor in o.update_order:
            if factor == "H":
                beta_tiles.update_H(data, W, H, exponent=exponent, tiny=tiny[1])
            elif learns:
                beta_tiles.update_W(data, W, H, exponent=exponent, tiny=tiny[0])
                _restore(W, known)

    def _stepped(
        self,
        data: beta_tiles.Frames,
        newest: tuple[Array, Array],
        before: tuple[Array, Array],
        pace: np.ndarray,
    ) -> tuple[tuple[Array, Array], np.ndarray]:
        """Return new factors after an update from a point ahead, and the next pace; see `solvers.momentum_step`."""
        following = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        by, xp = np.minimum((pace - 1) / following, MOST_AHEAD), namespace(newest[0])
        if (by == by[0]).all():  # nothing to send
            by = xp.full(len(by), by[0], dtype=newest[0].dtype)
        else:
            by = xp.asarray(by, dtype=newest[0].dtype)
        limits = {"least": LEAST_CHANGE, "largest": LARGEST_CHANGE}
        W, H = (beta_tiles.ahead(A, B, by, **limits) for A, B in zip(newest, before, strict=True))
        self._update(data, W, H)
        return (W, H), following

    def _retreat(self, lost: np.ndarray, best: np.ndarray) -> np.ndarray:
        """Lead lanes whose objective rose on from their checked factors without momentum; return their objective."""
        xp = namespace(self.W)
        chosen = xp.asarray(lost)
        old, data = _taken((self.W, self.H), chosen), self.data.take(chosen)
        found, pace = self._stepped(data, old, old, np.ones(len(lost)))
        now = self._checked(lost, self._values(data, *found))
        better = now <= best
        kept = xp.asarray(better)[:, None, None]
        for newest, before, A, plain in zip(self.ahead, self.before, old, found, strict=True):
            newest[chosen] = xp.where(kept, plain, A)  # else rounding at the optimum
            before[chosen] = A
        self.pace[lost] = np.where(better, pace, 1.0)
        return np.where(better, now, best)

    def _values(self, data: beta_tiles.Frames, W: Array, H: Array) -> np.ndarray:
        return beta_tiles.divergences(data, W, H)

    def _checked(self, numbers: np.ndarray, values: np.ndarray) -> np.ndarray:
        for b, value in zip(numbers, values, strict=True):
            if not math.isfinite(value):
                why = beyond_range(self.lanes[b].V, self.objective.beta)
                raise NumericalError(f"NMF: the loss is {value}; {why}")
        return values


def _stacked(lanes: Sequence[Lane]) -> beta_tiles.Frames:
    """Return the data of all lanes, scaled to a mean near one; what several have alike is held once."""
    places: dict[tuple[int, int, float], tuple[int, int]] = {}
    parts: list[tuple[int, Lane]] = []
    total = 0
    for lane in lanes:
        key = (id(lane.V), id(lane.objective.weights), lane.model.gain)
        if key not in places:
            places[key] = (total, lane.V.shape[1])
            parts.append((total, lane))
            total += lane.V.shape[1]
    first, xp = lanes[0], namespace(lanes[0].V)
    V = xp.empty((total, len(first.V)), dtype=first.V.dtype)
    M = None if first.objective.weights is None else xp.empty_like(V)
    for at, lane in parts:
        rows = slice(at, at + lane.V.shape[1])
        xp.multiply(lane.V.T, V.dtype.type(lane.model.gain), out=V[rows])
        if M is not None and lane.objective.weights is not None:
            M[rows] = lane.objective.weights.T
    bounds = np.array([places[id(lane.V), id(lane.objective.weights), lane.model.gain] for lane in lanes])
    bounds = bounds.astype(np.int64)
    return beta_tiles.Frames(V=V, bounds=xp.asarray(bounds), beta=first.objective.beta, weights=M)


def _filled(lanes: Sequence[Lane]) -> tuple[Array, Array]:
    """Return W and gain H of all lanes, filled up with zeros."""
    W = lanes[0].model.W
    xp, n_k = namespace(W), max(lane.model.W.shape[1] for lane in lanes)
    n_frames = max(lane.V.shape[1] for lane in lanes)
    if len(lanes) > 1:
        n_frames = beta_tiles.padded_frames(n_frames)
    Ws = xp.zeros((len(lanes), len(W), n_k), dtype=W.dtype)
    Hs = xp.zeros((len(lanes), n_frames, n_k), dtype=W.dtype)
    for b, lane in enumerate(lanes):
        own = lane.model
        Ws[b, :, : own.W.shape[1]] = own.W
        Hs[b, : own.H.shape[1], : own.W.shape[1]] = own.H.T * W.dtype.type(own.gain)
    return Ws, Hs


def _taken(factors: tuple[Array, Array], chosen: Array) -> tuple[Array, Array]:
    return factors[0][chosen], factors[1][chosen]


def _restore(W: Array, known: Array | None) -> None:
    if known is not None:
        W[:, :, : known.shape[2]] = known
