"""Sparse codes of a signal for given atoms: locally greedy coordinate descent, or FISTA by FFT."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.factorizers.convolutive import shifts
from sigsep_classic.kernels.greedy_descent import greedy_descent
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

SOLVERS = ("lgcd", "fista")
CHECK_EVERY = 10
FOLLOWING = 100
"""Iterations of FISTA where greedy descent has used up its updates."""


@dataclass(frozen=True, kw_only=True)
class Codes:
    """What a solver found.

    Parameters
    ----------
    Z : array (components, shifts)
        The codes.
    move : float
        The longest move any single code would still make, in units of λ: 0 at the optimum.
    work : int
        Codes set one by one (lgcd) or iterations (fista).
    """

    Z: Array
    move: float
    work: int


def solve(
    D: Array,
    Y: Array,
    *,
    penalty: float,
    signed: bool = True,
    tol: float = 1e-4,
    solver: str = "lgcd",
    start: Array | None = None,
    rest: Array | None = None,
    limit: int | None = None,
) -> Codes:
    """Return the codes that minimise ½‖Y − Σ_k D_k * z_k‖² + penalty Σ|Z|.

    Parameters
    ----------
    D : array (components, rows, lags)
        Atoms of norm one.
    Y : array (rows, frames)
        At least as many frames as there are lags; float32 or float64, NumPy or CuPy, as D.
    penalty : float
        λ, more than 0.
    signed : bool
        Codes may be negative.
    tol : float
        Stop when setting any one code to its best value would move it by no more than ``tol * penalty``.
    solver : {"lgcd", "fista"}
        Locally greedy coordinate descent or accelerated proximal gradients by FFT.
    start : array (components, shifts), optional
        Codes to begin with; default zeros.
    rest : array (rows, frames), optional
        What these codes leave of Y, if it is known.
    limit : int, optional
        Most codes set, or most iterations; by default a hundred a code, or 10,000. Greedy descent that has
        used up what it is given here is followed by `FOLLOWING` iterations of FISTA if these lower the objective.

    Returns
    -------
    Codes
        (components, frames - lags + 1), the same minimum whatever the solver.
    """
    xp = namespace(Y)
    Z = xp.zeros((len(D), Y.shape[1] - D.shape[2] + 1), dtype=Y.dtype) if start is None else start
    if solver == "fista":
        return _fista(D, Y, Z, penalty, signed, tol, 10_000 if limit is None else limit)
    if rest is None:
        rest = Y if start is None else Y - shifts.render(D, Z)
    Z, _, move, work = greedy_descent(
        Z,
        shifts.correlate(D, rest),
        shifts.gram(D),
        penalty=penalty,
        signed=signed,
        tol=tol,
        max_updates=100 * Z.size if limit is None else limit,
    )
    found = Codes(Z=Z, move=move / penalty, work=work)
    if limit is None or work < limit or move <= tol * penalty:
        return found
    better = _fista(D, Y, Z, penalty, signed, tol, FOLLOWING)
    lower = objective(D, Y, better.Z, penalty) < objective(D, Y, Z, penalty)
    return replace(better, work=work) if lower else found


def objective(D: Array, Y: Array, Z: Array, penalty: float) -> float:
    """Return ½‖Y − Σ_k D_k * z_k‖² + penalty Σ|Z|."""
    return value(Y - shifts.render(D, Z), Z, penalty)


def value(residual: Array, Z: Array, penalty: float) -> float:
    """Return half the energy of the residual plus the penalty on the codes, summed in float64."""
    energy = (residual * residual).sum(dtype=np.float64)
    return 0.5 * float(energy) + penalty * float(abs(Z).sum(dtype=np.float64))


def duality_gap(D: Array, Y: Array, Z: Array, penalty: float, *, signed: bool = True) -> float:
    """Return how far the objective can at most be above its minimum, from the residual made dual feasible."""
    residual = Y - shifts.render(D, Z)
    beta = shifts.correlate(D, residual)
    top = float(abs(beta).max()) if signed else float(beta.max())
    scale = min(1.0, penalty / top) if top > 0 else 1.0
    dual = scale * float((Y * residual).sum(dtype=np.float64))
    dual -= 0.5 * scale**2 * float((residual * residual).sum(dtype=np.float64))
    return value(residual, Z, penalty) - dual


def shrink(U: Array, penalty: float, signed: bool) -> Array:
    """Return soft(U, penalty), or its positive part."""
    xp = namespace(U)
    return U - xp.clip(U, -penalty if signed else -math.inf, penalty)


def _fista(D: Array, Y: Array, Z: Array, penalty: float, signed: bool, tol: float, limit: int) -> Codes:
    """Beck & Teboulle 2009, with the gradient restart of O'Donoghue & Candès 2015."""
    gradient, step = _gradient(D, Y, Z.shape[1])
    xp = namespace(Y)
    V, momentum, move = Z, 1.0, math.inf
    for i in range(1, limit + 1):
        new = shrink(V - step * gradient(V), step * penalty, signed)
        following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        if float(((V - new) * (new - Z)).sum()) > 0:
            following, V = 1.0, new
        else:
            V = new + ((momentum - 1) / following) * (new - Z)
        Z, momentum = new, following
        if i % CHECK_EVERY == 0 or i == limit:
            beta = -gradient(Z)
            move = float(xp.abs(shrink(beta + Z, penalty, signed) - Z).max()) / penalty
            if move <= tol:
                break
    return Codes(Z=Z, move=move, work=i)


def _gradient(D: Array, Y: Array, n_shifts: int) -> tuple[Callable[[Array], Array], float]:
    """Return the gradient of ½‖Y − Σ_k D_k * z_k‖² as a function, and one over its Lipschitz constant.

    With more rows than atoms, the products of the atoms stand in for the atoms.
    """
    n = shifts.fast_length(Y.shape[1])
    return (_by_products if D.shape[1] > len(D) else _by_rows)(D, Y, n_shifts, n)


def _by_products(D: Array, Y: Array, n_shifts: int, n: int) -> tuple[Callable[[Array], Array], float]:
    xp = namespace(Y)
    G = shifts.gram(D).swapaxes(0, 1)  # the product of atom k with j moved by s weighs z_j at t + s
    A = xp.ascontiguousarray(shifts.spectra(G, n).transpose(2, 0, 1))
    target = shifts.correlate(D, Y)
    bound = xp.minimum(abs(A).sum(axis=2).max(axis=1), xp.trace(A, axis1=1, axis2=2).real).max()

    def gradient(Z: Array) -> Array:
        with single_threaded_blas():
            G_f = (A @ shifts.rfft(Z, n).T[:, :, None])[..., 0].T
        return shifts.irfft(G_f, n)[:, :n_shifts] - target

    return gradient, 1 / float(bound)


def _by_rows(D: Array, Y: Array, n_shifts: int, n: int) -> tuple[Callable[[Array], Array], float]:
    xp = namespace(Y)
    D_f, Y_f = shifts.rfft(D, n), shifts.rfft(Y, n)
    D_c = D_f.conj()

    def gradient(Z: Array) -> Array:
        R_f = xp.einsum("kpw,kw->pw", D_f, shifts.rfft(Z, n)) - Y_f
        return shifts.irfft(xp.einsum("kpw,pw->kw", D_c, R_f), n)[:, :n_shifts]

    return gradient, 1 / float((abs(D_f) ** 2).sum(axis=(0, 1)).max())
