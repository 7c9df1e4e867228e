"""Wiener filtering that knows that estimates are transforms of signals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_array, check_count, check_range
from sigsep_classic.frontends import STFT
from sigsep_classic.phase.rounds import check_stft, spread
from sigsep_classic.typing import Array

LEAST = 1e-6
"""Least share of a source in the power of a point: precisions are finite, and solvers come to an end."""


@dataclass(frozen=True, kw_only=True)
class Filtered:
    """Signals of `consistent_wiener` and how it came to them.

    Parameters
    ----------
    y : array (sources, channels, samples)
        Signals, which sum to the mixture.
    losses : tuple of float
        The objective, less its value at the Wiener filter's estimates for gamma = 0, before and after each step; it
        never rises.
    """

    y: Array
    losses: tuple[float, ...]


def consistent_wiener(
    V: Array,
    X: Array,
    frontend: STFT,
    n_samples: int,
    *,
    power: float = 2.0,
    consistency: float = 10.0,
    n_iter: int = 10,
) -> Filtered:
    """Return the most likely sources of Gaussian models whose transforms are, nearly, those of signals.

    With variances v_n, estimates S_n that sum to X minimise

        sum over n of |S_n|^2 / v_n + gamma |S_n - STFT(iSTFT(S_n))|^2,

    found by conjugate gradients from the Wiener filter's, where gamma = 0. Each step keeps the sum; points of a source
    that others leave no doubt of stay as they are, doubtful ones become consistent with them.

    Parameters
    ----------
    V : array (sources, channels or 1, freq, frames)
        Non-negative models, magnitude to ``power``.
    X : array (channels, freq, frames)
        Complex mixture, the front-end's transform of a signal; not written to.
    frontend : STFT
        That made X.
    n_samples : int
        Length of the signals.
    power : float
        Domain of V: 2 for variances.
    consistency : float
        gamma times the mean of |X|^2, at least 0. The larger, the harder; it follows the level of the mixture.
    n_iter : int
        Steps, at least 0: one transform there and back for each source.

    Returns
    -------
    Filtered
        The signals ``y``, which sum to the mixture, and ``losses``.

    Raises
    ------
    ParameterError
        A number is out of range.
    ShapeError
        V, X and the front-end do not fit together.

    References
    ----------
    J. Le Roux and E. Vincent, "Consistent Wiener filtering for audio source separation", IEEE Signal Processing
    Letters 20(3), 2013 (equation numbers not checked). There for two sources, of which one is eliminated; here for
    any number, all directions and preconditioned residuals summing to zero over them.
    """
    check_array("V", V, 4)
    check_array("X", X, 3)
    check_range("power", power, 0, above=True)
    check_range("consistency", consistency, 0)
    check_count("n_iter", n_iter, 0)
    check_stft(frontend, "consistent_wiener")
    xp, v = namespace(X), spread(V, X)
    mean = float((abs(X) ** 2).mean()) or 1.0
    v = v if power == 2 else v ** (2 / power)
    total = v.sum(axis=0)
    gains = v / xp.where(total > 0, total, 1)
    gains = xp.where(total > 0, gains, 1 / len(v))
    least = xp.maximum(gains, LEAST) * xp.maximum(total, LEAST * mean)
    S, losses = _descend(gains * X, 1 / least, consistency / mean, frontend, n_samples, n_iter)
    return Filtered(y=frontend.synthesize(S, n_samples), losses=losses)


def _descend(
    S: Array, precision: Array, gamma: float, frontend: STFT, n_samples: int, n_iter: int
) -> tuple[Array, tuple[float, ...]]:
    """Minimise by preconditioned conjugate gradients over changes D of S that sum to zero."""
    inner = partial(_inner, two_sided=frontend.n_fft)
    diagonal = precision + gamma * (
        1 - frontend.step / frontend.n_fft
    )  # F removes one part in the redundancy
    r = gamma * _consistent(S, frontend, n_samples)
    D = namespace(S).zeros_like(S)
    losses = [-inner(S, r)]
    z = _free(r, diagonal)
    p, size = (
        z,
        inner(diagonal * z, z),
    )  # which is that of r and z, without the rounding of what r has for all
    rounding = (100 * float(namespace(S).finfo(S.dtype).eps)) ** 2 * size
    for _ in range(n_iter):
        Ap = precision * p - gamma * _consistent(p, frontend, n_samples)
        curve = inner(p, Ap)
        if not (size > rounding and curve > 0):  # steps past the solution are wild, and leave the sum
            break
        step = size / curve
        D += step * p
        r -= step * Ap
        losses.append(losses[-1] - step * size)
        z = _free(r, diagonal)
        size, before = inner(diagonal * z, z), size
        p = z + (size / before) * p
    D += S
    return D, tuple(losses)


def _consistent(S: Array, frontend: STFT, n_samples: int) -> Array:
    """Return what makes S the transform of a signal, STFT(iSTFT(S)) - S."""
    return frontend.analyze(frontend.synthesize(S, n_samples)) - S


def _free(r: Array, diagonal: Array) -> Array:
    """Return the preconditioned residual: of least ``z D z - 2 r z`` among those that sum to zero over the sources."""
    share = 1 / diagonal
    z = r * share
    return z - share / share.sum(axis=0) * z.sum(axis=0)


def _inner(a: Array, b: Array, *, two_sided: int) -> float:
    """Return the inner product of spectra with their negative frequencies, which are left out; double precision."""
    terms = (a.real * b.real + a.imag * b.imag).sum(axis=(0, 1, 3), dtype=float)
    once = terms[0] + (terms[-1] if two_sided % 2 == 0 and len(terms) > 1 else 0.0)
    return float(2 * terms.sum() - once)
