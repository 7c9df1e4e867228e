"""How far from Gaussian the rows of y = R z are: the value ICA lowers, and its derivatives."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sigsep_classic.factorizers.demixing.whitening import Samples
from sigsep_classic.kernels.score_moments import score_moments

GAUSSIAN = {"logcosh": 0.3745672074914381, "exp": -1 / math.sqrt(2), "cube": 0.75}
"""Mean of G over the standard normal distribution."""

_MOST_BEND = 0.44


@dataclass(frozen=True)
class Score:
    """Value and derivatives of the contrast at one R.

    Parameters
    ----------
    value : float
        What is minimised.
    gradient : float64 array (rank, rank)
        Relative: the value of (I + E) R is ``value + sum(gradient * E)`` to first order, or half that sum over
        antisymmetric E where R is kept orthogonal.
    curvature : float64 array (rank, rank)
        Second derivatives if the sources were independent: along entry (i, j) of E, or for a rotation in the
        plane of i and j.
    S, slope : float64 arrays (rank, rank) and (rank,)
        Averages of g(y) yᵀ and g'(y).
    signs : tuple of float
        -1 for rows on the other side of the Gaussian than the rest: sub-Gaussian, with logcosh.
    rows : float64 array (rank,)
        What each row adds to the value, the determinant apart.
    """

    value: float
    gradient: np.ndarray
    curvature: np.ndarray
    S: np.ndarray
    slope: np.ndarray
    signs: tuple[float, ...]
    rows: np.ndarray

    @property
    def size(self) -> float:
        """Largest entry of the gradient."""
        return float(abs(self.gradient).max(initial=0.0))


def evaluate(
    data: Samples, R: np.ndarray, *, contrast: str, orthogonal: bool, signs: tuple[float, ...] | None = None
) -> Score:
    """Return the score of R (rank, rank) on whitened data, in one pass over the samples.

    Orthogonal: minus the sum of |E G(y) - E G(Gaussian)|. Else ``-log |det R| - sum of E log p(y)``, with p
    proportional to 1 / cosh y for rows whose sign is 1 and to cosh y exp(-y² / 2) for those of sign -1.
    """
    if len(R) == 0:
        empty = R.sum(axis=0)
        return Score(0.0, R, R, R, empty, (), empty)
    W = R @ data.whitener
    S, slope, means = score_moments(data.rows, W, W @ data.mean, contrast=contrast)
    if not orthogonal:
        return _likelihood(R, S, slope, means, np.array(signs or (1.0,) * len(R)))
    excess = means - GAUSSIAN[contrast]
    k = np.where(excess > 0, -1.0, 1.0)
    signed, bend = k[:, None] * S, k * (slope - np.diag(S))
    value = float(-abs(excess).sum())
    return Score(value, signed - signed.T, bend[:, None] + bend, S, slope, tuple(k.tolist()), -abs(excess))


def _likelihood(R: np.ndarray, S: np.ndarray, slope: np.ndarray, means: np.ndarray, k: np.ndarray) -> Score:
    squares = R @ R.T  # covariance of y, the data being white
    flat = k < 0
    scored = k[:, None] * S + flat[:, None] * squares
    bend = k * slope + flat
    rows = k * means + flat * np.diag(squares) / 2
    value = float(rows.sum() - np.linalg.slogdet(R)[1])
    gradient, curvature = scored - np.eye(len(R)), np.outer(bend, np.diag(squares))
    # y is not independent of itself: E y² sech² y is at most 0.44, however long the tails of y are.
    bounded = np.minimum(slope * np.diag(squares), _MOST_BEND)
    np.fill_diagonal(curvature, np.where(flat, np.diag(squares) - bounded, bounded))
    return Score(value, gradient, curvature, S, slope, tuple(k.tolist()), rows)


def value_of_rows(
    data: Samples, R: np.ndarray, *, contrast: str, orthogonal: bool, signs: tuple[float, ...]
) -> float:
    """Return what rows y = R z, with R (rows, rank), would add to the value, the determinant apart."""
    W = R @ data.whitener
    means = score_moments(data.rows, W, W @ data.mean, contrast=contrast)[2]
    if orthogonal:
        return float(-abs(means - GAUSSIAN[contrast]).sum())
    k = np.array(signs)
    return float((k * means + (k < 0) * (R * R).sum(axis=1) / 2).sum())
