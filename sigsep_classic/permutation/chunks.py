"""Long recordings in chunks: which source of the next chunk goes on with which of the last."""

from __future__ import annotations

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_array
from sigsep_classic.errors import ShapeError
from sigsep_classic.permutation.assignment import best_orders
from sigsep_classic.permutation.features import activities
from sigsep_classic.typing import Array


def align_chunks(previous: Array, following: Array) -> Array:
    """Return the order (sources,) in which the sources of a chunk go on with those of the one before.

    Parameters
    ----------
    previous, following : array (sources, freq, frames)
        Both chunks' estimates of the same frames, where they overlap: complex, real, or powers; each chunk with an
        order of its own already, the same at all frequencies.

    Returns
    -------
    int64 array (sources,)
        ``following[order]`` continues ``previous``. Complex estimates are compared as they are, frequency by
        frequency, whatever their phase and scale; powers by who is active when.

    Raises
    ------
    ShapeError
        The two have not the same shape.

    Examples
    --------
    >>> import numpy as np
    >>> Y = np.random.default_rng(0).standard_normal((3, 5, 40)) * (1 + 1j)
    >>> align_chunks(Y, Y[[2, 0, 1]]).tolist()
    [1, 2, 0]
    """
    check_array("previous", previous)
    check_array("following", following)
    if previous.shape != following.shape or previous.ndim != 3:
        raise ShapeError(
            f"previous {previous.shape} and following {following.shape} must be the same (sources, freq, frames)"
        )
    xp = namespace(previous)
    if previous.dtype.kind != "c" and not bool((previous < 0).any()):
        S = xp.einsum("fnt,fmt->nm", activities(previous), activities(following))
        return best_orders(S)
    a, b = (x / (abs(x).max() or 1) for x in (previous, following))
    crossed = abs(xp.einsum("nft,mft->nmf", a.conj(), b)).sum(axis=2)
    energies = xp.sqrt((abs(a) ** 2).sum(axis=(1, 2))[:, None] * (abs(b) ** 2).sum(axis=(1, 2)))
    return best_orders(crossed / xp.where(energies > 0, energies, 1))
