"""Images of sources with diagonal covariances behind an invertible matrix: the multichannel Wiener filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sigsep_classic.backend import namespace
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

_CELLS = 1 << 17


def wiener_images(
    X: Array,
    Q: Array,
    A: Array,
    groups: Sequence[Sequence[int]],
    powers: Callable[[slice, Sequence[int]], Array],
    n_sources: int,
) -> Array:
    """Return A (v_g / v) Q x of each group of sources, with v_g the sum of their powers and v that of all.

    Parameters
    ----------
    X : array (channels, freq, frames)
        Mixture, real or complex.
    Q : array (freq, dims, channels)
        Takes x to where the sources' covariances are diagonal.
    A : array (freq, channels, dims)
        The way back: A Q x is x, but for what ``dims`` can't hold.
    groups : sequence of sequence of int
        Sources of each group.
    powers : callable
        ``powers(bins, members)`` gives the sum of the powers of some sources in a slice of bins, (dims, bins, frames).
    n_sources : int
        Number of all sources; groups of all of them add up to X.

    Returns
    -------
    array (groups, channels, freq, frames)
        In the dtype of X.

    Notes
    -----
    Works through blocks of bins in double precision: channels that are nearly alike make Q and A large, and the
    product has to come back to x. No array is larger than a block but the images.
    """
    xp = namespace(X)
    Y = xp.empty((len(groups), *X.shape), dtype=X.dtype)
    size = max(1, _CELLS // (X.shape[2] * Q.shape[1]))
    with single_threaded_blas():
        for first in range(0, X.shape[1], size):
            part = slice(first, first + size)
            x = xp.ascontiguousarray(X[:, part].swapaxes(0, 1), dtype=xp.complex128)
            z = Q[part] @ x
            rest = (x - A[part] @ z) / n_sources
            total = powers(part, range(n_sources)).swapaxes(0, 1).astype(float)
            z /= xp.maximum(total, xp.finfo(total.dtype).tiny)
            for g, members in enumerate(groups):
                own = powers(part, members).swapaxes(0, 1)
                image = A[part] @ (own * z) + len(members) * rest
                Y[g, :, part] = (image if X.dtype.kind == "c" else image.real).swapaxes(0, 1)
    return Y
