"""Rotations found without a joint search: JADE, SOBI by joint diagonalisation, and FastICA one source at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, combinations_with_replacement

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.factorizers.demixing.contrast import GAUSSIAN
from sigsep_classic.factorizers.demixing.whitening import Samples
from sigsep_classic.kernels.score_moments import score_moments
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

_SWEEPS = 100
_ANGLE = 1e-12
_BLOCK = 1 << 15


def joint_diagonalization(matrices: np.ndarray) -> np.ndarray:
    """Return the rotation R for which all R M Rᵀ are as diagonal as one rotation can make them.

    Jacobi sweeps: in the plane of two rows the angle that leaves the least squared off-diagonal sum of all
    matrices has a closed form.

    Parameters
    ----------
    matrices : float64 array (matrices, n, n)
        Symmetric, on the host.

    Returns
    -------
    R : float64 array (n, n)

    References
    ----------
    J.-F. Cardoso and A. Souloumiac, "Jacobi angles for simultaneous diagonalization", SIAM J. Matrix Analysis and
    Applications 17(1), 1996 (equation numbers not checked).
    """
    M = np.array(matrices, dtype=float)
    R = np.eye(M.shape[-1])
    for _ in range(_SWEEPS):
        largest = 0.0
        for i, j in combinations(range(len(R)), 2):
            difference, twice = M[:, i, i] - M[:, j, j], M[:, i, j] + M[:, j, i]
            on = float(difference @ difference - twice @ twice)
            off = 2 * float(difference @ twice)
            angle = 0.5 * math.atan2(off, on + math.hypot(on, off))
            if abs(angle) <= _ANGLE:
                continue
            largest = max(largest, abs(angle))
            c, s = math.cos(angle), math.sin(angle)
            turn, pair = np.array([[c, s], [-s, c]]), [i, j]
            R[pair] = turn @ R[pair]
            M[:, pair] = turn @ M[:, pair]
            M[:, :, pair] = M[:, :, pair] @ turn.T
        if largest <= _ANGLE:
            break
    return R


def jade(data: Samples) -> np.ndarray:
    """Return the rotation that jointly diagonalises the fourth-order cumulant matrices of the white data.

    References
    ----------
    J.-F. Cardoso and A. Souloumiac, "Blind beamforming for non Gaussian signals", IEE Proceedings F 140(6), 1993;
    for real data as in J.-F. Cardoso, "High-order contrasts for independent component analysis", Neural Computation
    11(1), 1999 (equation numbers not checked).
    """
    Z, n = data.white, data.rank
    pairs = list(combinations_with_replacement(range(n), 2))
    cumulants = np.zeros((len(pairs), n, n))
    with single_threaded_blas():
        for piece in _pieces(Z):
            for out, (i, j) in zip(cumulants, pairs, strict=True):
                out += to_host((piece * (piece[i] * piece[j])) @ piece.T)
    cumulants /= Z.shape[1]
    eye = np.eye(n)
    for Q, (i, j) in zip(cumulants, pairs, strict=True):
        Q -= (i == j) * eye + np.outer(eye[i], eye[j]) + np.outer(eye[j], eye[i])
        Q *= 1 if i == j else math.sqrt(2)  # (i, j) stands for (j, i) too
    return joint_diagonalization(cumulants)


def sobi(data: Samples, n_lags: int) -> np.ndarray:
    """Return the rotation that jointly diagonalises the covariances between frames 1 … ``n_lags`` apart.

    With one lag this is AMUSE: the eigenvectors of one delayed covariance.

    References
    ----------
    A. Belouchrani, K. Abed-Meraim, J.-F. Cardoso and E. Moulines, "A blind source separation technique using
    second-order statistics", IEEE Trans. Signal Processing 45(2), 1997 (equation numbers not checked).

    L. Tong, V. C. Soon, Y. F. Huang and R. Liu, "AMUSE: a new blind identification algorithm", Proc. ISCAS, 1990.
    """
    Z, (frames, step) = data.white, data.lag
    n_lags = min(n_lags, frames - 1)
    covariances = np.zeros((max(n_lags, 1), data.rank, data.rank))
    with single_threaded_blas():
        for lag in range(1, n_lags + 1):
            ahead = _shifted(Z, frames, step, lag)
            covariances[lag - 1] = to_host(ahead[0] @ ahead[1].T) / Z.shape[1]
    return joint_diagonalization((covariances + covariances.swapaxes(1, 2)) / 2)


def _shifted(Z: Array, frames: int, step: int, lag: int) -> tuple[Array, Array]:
    """Return the samples that have one ``lag`` frames later, and those later ones; frames lie ``step`` apart."""
    cube = Z.reshape(len(Z), -1, frames, step)
    return cube[:, :, :-lag].reshape(len(Z), -1), cube[:, :, lag:].reshape(len(Z), -1)


def deflation(data: Samples, *, contrast: str, n_iter: int, tol: float) -> tuple[np.ndarray, bool]:
    """Return the rotation whose rows FastICA finds one after the other, and whether each settled in ``n_iter`` steps.

    Each row is orthogonal to those before, and starts from the axis, of those that are left, on which the data is
    furthest from Gaussian.

    References
    ----------
    A. Hyvärinen, "Fast and robust fixed-point algorithms for independent component analysis", IEEE Trans. Neural
    Networks 10(3), 1999 (equation numbers not checked).
    """
    found, settled = np.zeros((0, data.rank)), True
    while len(found) < data.rank:
        w = _furthest(data, found, contrast)
        for _ in range(n_iter):
            basis = _completed(w, found)
            S, slope, _means = _moments(data, basis, contrast)
            following = basis.T @ (S[0] - slope[0] * np.eye(len(basis))[0])
            following = _outside(following, found)
            change = min(abs(following - w).max(), abs(following + w).max())
            w = following
            if change <= tol:
                break
        else:
            settled = False
        found = np.vstack([found, w])
    return found, settled


def _pieces(Z: Array) -> Iterator[Array]:
    size = _BLOCK if namespace(Z) is np else Z.shape[1]
    return (Z[:, start : start + size] for start in range(0, Z.shape[1], size))


def _moments(data: Samples, rows: np.ndarray, contrast: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    W = rows @ data.whitener
    return score_moments(data.rows, W, W @ data.mean, contrast=contrast)


def _furthest(data: Samples, found: np.ndarray, contrast: str) -> np.ndarray:
    """Return the whitened axis, made orthogonal to what is found, with the largest contrast."""
    axes = [_outside(axis, found) for axis in np.eye(data.rank) if _length_outside(axis, found) > 1e-3]
    means = _moments(data, np.array(axes), contrast)[2]
    return axes[int(np.argmax(abs(means - GAUSSIAN[contrast])))]


def _length_outside(w: np.ndarray, found: np.ndarray) -> float:
    return float(np.linalg.norm(w - found.T @ (found @ w)))


def _outside(w: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return w of length one after its part in the span of ``found`` (orthonormal rows) is taken off, twice."""
    for _ in range(2):
        w = w - found.T @ (found @ w)
        w = w / max(float(np.linalg.norm(w)), 1e-300)
    return w


def _completed(w: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return orthonormal rows of which the first is w, the next are ``found``."""
    known = np.vstack([w, found])
    basis = np.linalg.qr(known.T, mode="complete")[0].T
    basis[: len(known)] = known
    return basis
