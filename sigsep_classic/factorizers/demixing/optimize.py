"""Steps that lower the contrast of ICA: quasi-Newton, fixed point, natural gradient, auxiliary function."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.factorizers.demixing.contrast import Score, evaluate, value_of_rows
from sigsep_classic.factorizers.demixing.whitening import Samples
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

ORTHOGONAL = ("picard_o", "fastica")
LIKELIHOOD = ("picard", "infomax", "auxiliary")

_MEMORY = 7
_LEAST_CURVATURE = 0.01
_TRIES = 10
_ROUNDING = 1e-13
_LARGEST = 1.0
_GAIN = 1e-6

Pairs = tuple[tuple[np.ndarray, np.ndarray], ...]


@dataclass(frozen=True, kw_only=True)
class Search:
    """Where the search for R stands; nothing in it is written to.

    Parameters
    ----------
    R : float64 array (rank, rank)
        On whitened data: y = R z.
    score : Score
        There.
    memory : tuple of (step, change of the gradient)
        Of the quasi-Newton solvers.
    rate : float
        Step size of the natural gradient.
    settled : bool
        No step lowers the value.
    examined : bool
        Nor would turning a pair of rows by 45°, as was seen on fewer samples.
    complete : bool
        What was found before the search began (each row of deflation) settled too.
    """

    R: np.ndarray
    score: Score
    memory: Pairs = ()
    rate: float = 1.0
    settled: bool = False
    examined: bool = False
    complete: bool = True


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Which step is taken on which data.

    Parameters
    ----------
    solver : str
        One of `ORTHOGONAL` or `LIKELIHOOD`.
    contrast : str
        Of `score_moments`.
    tol : float
        Largest entry of the relative gradient at which the search is over.
    """

    solver: str
    contrast: str
    tol: float

    @property
    def orthogonal(self) -> bool:
        """Whether R is a rotation."""
        return self.solver not in LIKELIHOOD

    def score(self, data: Samples, R: np.ndarray, signs: tuple[float, ...] | None = None) -> Score:
        """Return the score of R; ``signs`` say which densities the likelihood has."""
        return evaluate(data, R, contrast=self.contrast, orthogonal=self.orthogonal, signs=signs)

    def begin(self, data: Samples, R: np.ndarray, signs: tuple[float, ...] | None = None) -> Search:
        """Return the search at R."""
        return Search(R=R, score=self.score(data, R, signs))

    def advance(self, data: Samples, search: Search) -> Search:
        """Return the search after one step; where it is over, a pair that is better turned by 45° is turned."""
        if search.settled:
            return search
        if search.score.size > self.tol:
            ahead = self._stepped(data, search)
            if ahead is not None:
                return ahead
        R = None if search.examined else self._turned(data, search)
        return replace(search, settled=True) if R is None else self.begin(data, R, search.score.signs)

    def run(
        self,
        data: Samples,
        R: np.ndarray,
        n_iter: int,
        signs: tuple[float, ...] | None = None,
        after: Callable[[int, Search], bool | None] | None = None,
    ) -> Search:
        """Return the search from R after at most ``n_iter`` steps, or once ``after(i, search)`` says True."""
        with single_threaded_blas():
            search = self.begin(data, R, signs)
            for i in range(1, n_iter + 1):
                search = self.advance(data, search)
                if (after is not None and after(i, search)) or search.settled:
                    break
        return search

    def _stepped(self, data: Samples, search: Search) -> Search | None:
        if self.solver == "fastica":
            return self._lower(data, search, _fixed_point(search))
        if self.solver == "infomax":
            return self._natural_gradient(data, search)
        if self.solver == "auxiliary":
            R = majorised(data, search.R)
            return self._lower(data, search, iter([(1.0, R)]))
        return self._quasi_newton(data, search)

    def _lower(
        self, data: Samples, search: Search, candidates: Iterator[tuple[float, np.ndarray]]
    ) -> Search | None:
        """Return the search at the first candidate that is better, or None."""
        slack = _ROUNDING * max(1.0, abs(search.score.value))
        for size, R in candidates:
            score = self.score(data, R, search.score.signs)
            closer = score.value <= search.score.value + slack and score.size < search.score.size
            if score.value < search.score.value - slack or closer:
                return replace(search, R=R, score=score, rate=size)
        return None

    def _quasi_newton(self, data: Samples, search: Search) -> Search | None:
        """Return R after exp(a P) R, or (I + a P) R, where P is the L-BFGS direction (Ablin et al. 2018)."""
        for memory in dict.fromkeys([len(search.memory), 0]):
            pairs = search.memory[:memory]
            P = _direction(search.score, pairs, self.orthogonal)
            P = P * min(1.0, _LARGEST / max(abs(P).max(initial=0.0), 1e-300))
            ahead = self._lower(data, search, _along(P, search.R, self.orthogonal))
            if ahead is None:
                continue
            if ahead.score.signs != search.score.signs:  # another function from here on
                return replace(ahead, memory=())
            pair = (ahead.rate * P, ahead.score.gradient - search.score.gradient)
            return replace(ahead, memory=(pair, *pairs)[:_MEMORY])
        return None

    def _natural_gradient(self, data: Samples, search: Search) -> Search | None:
        """Return R + a (I - E[g(y) yᵀ]) R (Amari et al. 1996), a grown by half after each success."""
        E = -search.score.gradient
        rate = min(1.5 * search.rate, 1.0 / max(abs(E).max(), 1e-300))
        sizes = (rate * 0.5**k for k in range(2 * _TRIES))
        return self._lower(data, search, ((a, search.R + a * (E @ search.R)) for a in sizes))

    def _turned(self, data: Samples, search: Search) -> np.ndarray | None:
        """Return R with pairs turned by 45° where that lowers the value (a saddle point is left so), or None."""
        score, gains = search.score, []
        lengths = np.sqrt((search.R**2).sum(axis=1))
        for pair in combinations(range(len(search.R)), 2):
            rows = list(pair)
            scale = lengths[rows]
            turn = np.array([[1.0, 1.0], [1.0, -1.0]]) / math.sqrt(2) * scale[:, None] / scale
            value = value_of_rows(
                data,
                turn @ search.R[rows],
                contrast=self.contrast,
                orthogonal=self.orthogonal,
                signs=tuple(score.signs[n] for n in rows),
            )
            gains.append((float(score.rows[rows].sum()) - value, rows, turn))
        R, taken = search.R.copy(), set[int]()
        for gain, rows, turn in sorted(gains, key=lambda entry: -entry[0]):
            if gain > _GAIN and taken.isdisjoint(rows):
                R[rows] = turn @ R[rows]
                taken.update(rows)
        return R if taken else None


def polar(M: Array) -> Array:
    """Return the unitary (orthogonal, of real ones) matrices nearest to M (..., n, n): (M Mᴴ)^(-1/2) M."""
    U, _, Vh = namespace(M).linalg.svd(M)
    return U @ Vh


def majorised(data: Samples, R: np.ndarray) -> np.ndarray:
    """Return R after one sweep of iterative projection (Ono & Miyabe 2010), row after row.

    With V_n the mean of (tanh(y_n) / y_n) z zᵀ: w_n is (R V_n)⁻¹ e_n, then scaled so that w_nᵀ V_n w_n = 1.
    """
    Z, R = data.white, R.copy()
    xp = namespace(Z)
    with single_threaded_blas():
        for n in range(len(R)):
            y = xp.asarray(R[n]) @ Z
            weights = xp.where(abs(y) > 1e-8, xp.tanh(y) / xp.where(y == 0, 1, y), 1)
            V = to_host((Z * weights) @ Z.T) / Z.shape[1]
            w = np.linalg.solve(R @ V, np.eye(len(R))[n])
            R[n] = w / math.sqrt(w @ V @ w)
    return R


def _fixed_point(search: Search) -> Iterator[tuple[float, np.ndarray]]:
    """Yield the symmetric fixed-point step of FastICA, then ever shorter ones towards it."""
    U = polar(search.score.S - np.diag(search.score.slope))
    U *= np.where(np.diag(U) < 0, -1.0, 1.0)[:, None]
    eye = np.eye(len(U))
    for k in range(_TRIES):
        size = 0.5**k
        yield size, (U if k == 0 else polar((1 - size) * eye + size * U)) @ search.R


def _along(P: np.ndarray, R: np.ndarray, orthogonal: bool) -> Iterator[tuple[float, np.ndarray]]:
    from scipy.linalg import expm

    for k in range(_TRIES):
        size = 0.5**k
        yield size, (expm(size * P) if orthogonal else np.eye(len(P)) + size * P) @ R


def _direction(score: Score, memory: Pairs, orthogonal: bool) -> np.ndarray:
    """Return the two-loop L-BFGS direction, preconditioned by the inverse of the approximate Hessian."""
    q, weights = -score.gradient, []
    pairs = [(s, y, float((s * y).sum())) for s, y in memory]
    pairs = [(s, y, dot) for s, y, dot in pairs if dot > 0]
    for s, y, dot in pairs:
        weights.append(float((s * q).sum()) / dot)
        q = q - weights[-1] * y
    q = (_solve_rotations if orthogonal else _solve_blocks)(score.curvature, q)
    for (s, y, dot), weight in zip(reversed(pairs), reversed(weights), strict=True):
        q = q + (weight - float((y * q).sum()) / dot) * s
    return q


def _solve_rotations(curvature: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    return gradient / np.maximum(curvature, _LEAST_CURVATURE)


def _solve_blocks(curvature: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Solve, for each pair, [[a_ij, 1], [1, a_ji]] (e_ij, e_ji) = gradients, made positive where it is not."""
    a, b = curvature, curvature.T
    smallest = (a + b - np.sqrt((a - b) ** 2 + 4)) / 2
    lift = np.maximum(_LEAST_CURVATURE - smallest, 0)
    a, b = a + lift, b + lift
    solved = (b * gradient - gradient.T) / np.where(np.eye(len(a)) > 0, 1, a * b - 1)
    diagonal = np.diag(gradient) / (1 + np.diag(curvature))
    return np.where(np.eye(len(a)) > 0, np.diag(diagonal), solved)
