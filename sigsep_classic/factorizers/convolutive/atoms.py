"""Atoms of norm one for given codes, seeded from the signal, and renewed where no code uses them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.factorizers.convolutive import shifts
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array


def excerpts(Y: Array, n_components: int, n_lags: int, rng: np.random.Generator) -> Array:
    """Return pieces of a signal as atoms, drawn by their energy, far from each other where there is room.

    Parameters
    ----------
    Y : array (rows, frames)
        The signal; where it is silent, atoms are flat.
    n_components, n_lags : int
        How many atoms and how long.
    rng : numpy.random.Generator
        Draws on the host.

    Returns
    -------
    array (components, rows, lags)
        Of norm one.
    """
    energy = window_energy(Y, n_lags)
    left, places = energy.copy(), []
    for u in rng.random(n_components):
        heights = np.cumsum(left if left.max() > 0 else energy)
        t = min(int(np.searchsorted(heights, u * heights[-1], side="right")), len(energy) - 1)
        places.append(t)
        left[max(0, t - n_lags // 2) : t + n_lags // 2 + 1] = 0
    return namespace(Y).stack([_unit(Y[:, t : t + n_lags]) for t in places])


def window_energy(Y: Array, n_lags: int) -> np.ndarray:
    """Return the energy of Y (rows, frames) inside a window of ``n_lags`` from each frame on, on the host."""
    energy = to_host((Y * Y).sum(axis=0)).astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(energy)])
    windows = sums[n_lags:] - sums[:-n_lags]
    return np.where(windows > 1e-12 * sums[-1], windows, 0.0)  # less is rounding


def renewed(D: Array, Z: Array, residual: Array, penalty: float, *, signed: bool) -> Array:
    """Return the atoms with those no code uses replaced by the loudest pieces of the residual.

    The codes stay, so that the objective does; a piece is only taken if coding it would pay.
    """
    xp, (_, _, n_lags) = namespace(D), D.shape
    dead = np.flatnonzero(to_host(abs(Z).max(axis=1)) == 0)
    if len(dead) == 0:
        return D
    part = residual if signed else xp.maximum(residual, 0)
    energy, D = window_energy(part, n_lags), D.copy()
    for k in dead:
        t = int(energy.argmax())
        if energy[t] <= penalty**2:
            break
        D[k] = _unit(part[:, t : t + n_lags])
        energy[max(0, t - n_lags + 1) : t + n_lags] = 0
    return D


def improved(D: Array, Z: Array, Y: Array, *, signed: bool, n_sweeps: int) -> Array:
    """Return atoms of norm one (and not negative, unless ``signed``) with a smaller ½‖Y − Σ_k D_k * z_k‖².

    One atom after the other, d ← P(d − ∇ / L): P scales to norm one and L bounds the curvature, so that d is the
    best point of the sphere for a quadratic that lies above the objective; it can't rise. All sums over time are
    taken once, before the first atom.
    """
    xp, n_lags = namespace(D), D.shape[2]
    C = shifts.code_gram(Z, n_lags)
    B = shifts.code_signal(Z, Y, n_lags)
    D = D.copy()
    gradient, changed, curvature = _by_products(D, C, B) if D.shape[1] > n_lags else _by_fft(D, C, B)
    curvature_k = xp.where(curvature > 0, curvature, 1)
    with single_threaded_blas():
        for _ in range(n_sweeps):
            for k in range(len(D)):
                new = D[k] - gradient(k) / curvature_k[k]
                if not signed:
                    new = xp.maximum(new, 0)
                norm = xp.sqrt((new * new).sum())
                kept = (norm > 0) & (curvature[k] > 0)
                D[k] = xp.where(kept, new / xp.where(norm > 0, norm, 1), D[k])
                changed(k)
    return D


_Tools = tuple[Callable[[int], Array], Callable[[int], None], Array]


def _by_fft(D: Array, C: Array, B: Array) -> _Tools:
    """Gradient of one atom, note of its change, and curvatures, for long atoms of few rows."""
    xp, n_lags = namespace(D), D.shape[2]
    n = shifts.fast_length(2 * n_lags - 1)
    C_f = shifts.spectra(C, n)
    D_f = shifts.rfft(D, n)

    def gradient(k: int) -> Array:
        return shifts.irfft((C_f[k, :, None] * D_f).sum(axis=0), n)[:, :n_lags] - B[k]

    def changed(k: int) -> None:
        D_f[k] = shifts.rfft(D[k], n)

    own = xp.arange(len(D))
    return gradient, changed, C_f[own, own].real.max(axis=1)


def _by_products(D: Array, C: Array, B: Array) -> _Tools:
    """The same for short atoms of many rows: matrices of shifted products."""
    xp, (n_k, n_rows, n_lags) = namespace(D), D.shape
    windows = xp.lib.stride_tricks.sliding_window_view(C, n_lags, axis=2)[:, :, ::-1]
    T = xp.ascontiguousarray(windows).reshape(n_k, n_k * n_lags, n_lags)
    flat = xp.ascontiguousarray(D.transpose(1, 0, 2))

    def gradient(k: int) -> Array:
        return flat.reshape(n_rows, -1) @ T[k] - B[k]

    def changed(k: int) -> None:
        flat[:, k] = D[k]

    own = xp.arange(n_k)
    return gradient, changed, shifts.spectra(C, shifts.fast_length(2 * n_lags - 1))[own, own].real.max(axis=1)


def _unit(piece: Array) -> Array:
    """Scale to norm one, through the largest value so that nothing under- or overflows; silence becomes flat."""
    xp = namespace(piece)
    top = abs(piece).max()
    piece = xp.where(top > 0, piece / xp.where(top > 0, top, 1), 1).astype(piece.dtype)
    return piece / xp.sqrt((piece * piece).sum())
