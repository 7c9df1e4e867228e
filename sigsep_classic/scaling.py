"""The scale a demixing matrix leaves open: how strongly each source is heard at each microphone.

Blind separation finds sources up to a factor. What is well defined is the image of a source: its part of what
each microphone picks up.
"""

from __future__ import annotations

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_array
from sigsep_classic.errors import ShapeError
from sigsep_classic.typing import Array


def projection_back(W: Array, covariance: Array) -> Array:
    """Return the mixing matrix A = C Wᴴ (W C Wᴴ)⁻¹ that carries sources y = W x back to the microphones.

    A minimises the mean of ‖x - A y‖² over the data whose covariance is C; where W is square and invertible, A is
    its inverse, and the images A[:, n] y_n add up to x.

    Parameters
    ----------
    W : array (..., sources, channels)
        Demixing matrices, real or complex, of full row rank.
    covariance : array (..., channels, channels)
        C, Hermitian.

    Returns
    -------
    A : array (..., channels, sources)

    Raises
    ------
    ShapeError
        The matrices do not fit together.

    References
    ----------
    N. Murata, S. Ikeda and A. Ziehe, "An approach to blind source separation based on temporal structure of
    speech signals", Neurocomputing 41, 2001: projecting separated sources back (equation numbers not checked).

    K. Matsuoka and S. Nakashima, "Minimal distortion principle for blind source separation", Proc. ICA, 2001: the
    scale that changes the microphone signal least (equation numbers not checked).
    """
    check_array("W", W)
    check_array("covariance", covariance)
    xp = namespace(W)
    n = W.shape[-1]
    if covariance.shape[-2:] != (n, n):
        raise ShapeError(f"covariance has shape {covariance.shape}; W {W.shape} needs (..., {n}, {n})")
    crossed = covariance @ W.conj().swapaxes(-1, -2)
    return xp.linalg.solve((W @ crossed).swapaxes(-1, -2), crossed.swapaxes(-1, -2)).swapaxes(-1, -2)


def steering_of(covariances: Array) -> Array:
    """Return how each channel hears each source, up to a factor: the leading eigenvectors of spatial covariances.

    Parameters
    ----------
    covariances : complex array (sources, freq, channels, channels)
        Hermitian, not negative.

    Returns
    -------
    complex array (freq, channels, sources)
        Of length one.
    """
    check_array("covariances", covariances, 4)
    return namespace(covariances).linalg.eigh(covariances)[1][..., -1].transpose(1, 2, 0)


def minimal_distortion(W: Array, A: Array) -> tuple[Array, Array]:
    """Return W and A rescaled so that each source is its own image at the microphone that hears it best.

    Parameters
    ----------
    W : array (..., sources, channels)
        Demixing matrices.
    A : array (..., channels, sources)
        Mixing matrices; a column of zeros is left as it is.

    Returns
    -------
    W : array (..., sources, channels)
    A : array (..., channels, sources)
        Largest entry of each column exactly 1; the first of several that are equally large.
    """
    check_array("W", W)
    check_array("A", A)
    xp = namespace(A)
    loudest = abs(A).argmax(axis=-2)[..., None, :]
    scale = xp.take_along_axis(A, loudest, axis=-2)
    scale = xp.where(scale == 0, 1, scale)
    return W * scale.swapaxes(-1, -2), A / scale
