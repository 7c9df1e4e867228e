"""The multichannel Wiener oracle of sigsep-mus-oracle, number by number.

It departs from its own model in two places, which published tables contain: the spatial covariances are meant to be
divided by their traces, but the traces are taken over the first two axes, so that column i of all of them is divided
by ``R[0, 0, i] + R[1, 1, i]`` of the two lowest frequencies; and one fixed number is added to the determinants, at the
scale of ``scipy.signal.stft``, which decides the filter of whatever is quiet.
"""

from __future__ import annotations

from sigsep_classic.backend import namespace
from sigsep_classic.errors import ShapeError
from sigsep_classic.typing import Array

_EPS = 2.0**-52


def peer_wiener(X: Array, S: Array, *, scale: float) -> Array:
    """Return the estimates (sources, 2, freq, frames) of that package.

    Parameters
    ----------
    X : complex array (2, freq, frames)
        Mixture.
    S : complex array (sources, 2, freq, frames)
        True stems.
    scale : float
        X and S over this number are the coefficients of ``scipy.signal.stft``.

    Raises
    ------
    ShapeError
        There are other than two channels.
    """
    if len(X) != 2:
        raise ShapeError(f"the mixture has {len(X)} channels; compat='sigsep-mus-oracle' is of two")
    xp = namespace(X)
    x, stems = X.astype(complex), [s.astype(complex) / scale for s in S]
    R = xp.stack([_covariances(s) for s in stems])
    first = R[:, 0, 0] if R.shape[1] == 1 else R[:, 0, 0] + R[:, 1, 1]
    R = R * 2 / first[:, None, None, :] + _EPS * xp.eye(2)
    P = xp.stack([_powers(s, r) for s, r in zip(stems, R, strict=True)])
    mixed = xp.einsum("nft,nfij->ijft", P, R, optimize=True)
    det = _EPS + mixed[0, 0] * mixed[1, 1] - mixed[0, 1] * mixed[1, 0]
    # The inverse of a 2 x 2 matrix times the mixture.
    z = xp.stack([mixed[1, 1] * x[0] - mixed[0, 1] * x[1], mixed[0, 0] * x[1] - mixed[1, 0] * x[0]]) / det
    Y = xp.empty(S.shape, dtype=X.dtype)
    for n, (p, r) in enumerate(zip(P, R, strict=True)):
        for i in range(2):
            Y[n, i] = p * (r[:, i, 0, None] * z[0] + r[:, i, 1, None] * z[1])
    return Y


def _covariances(s: Array) -> Array:
    """Return the mean of s sᴴ over its power, (freq, 2, 2); s (2, freq, frames)."""
    xp = namespace(s)
    weighted = s / (_EPS + (abs(s) ** 2).mean(axis=0))
    return xp.einsum("ift,jft->fij", weighted, s.conj(), optimize=True) / s.shape[2]


def _powers(s: Array, R: Array) -> Array:
    """Return tr(R⁻¹ s sᴴ) / 2, (freq, frames)."""
    det = (_EPS + R[:, 0, 0] * R[:, 1, 1] - R[:, 0, 1] * R[:, 1, 0])[:, None]
    r = R[..., None]
    left = (r[:, 1, 1] * s[0] - r[:, 0, 1] * s[1]) / det
    right = (r[:, 0, 0] * s[1] - r[:, 1, 0] * s[0]) / det
    power: Array = ((left * s[0].conj()).real + (right * s[1].conj()).real) / 2
    return power
