"""Which output of each frequency belongs to which source: the permutation that frequency-wise methods leave open.

>>> import numpy as np
>>> from sigsep_classic import permutation
>>> rng = np.random.default_rng(0)
>>> levels = rng.gamma(0.5, size=(3, 1, 200)) * rng.gamma(2.0, size=(3, 65, 200))
>>> Y = np.sqrt(levels) * rng.standard_normal((3, 65, 200))
>>> mixed_up = np.array([rng.permutation(3) for _ in range(65)])
>>> order = permutation.solve(permutation.apply(mixed_up, Y))
>>> found = np.take_along_axis(mixed_up, order, axis=1)
>>> bool((found == found[0]).all())
True
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_array, check_choice, check_kind
from sigsep_classic.errors import ShapeError
from sigsep_classic.permutation.assignment import fewest_changes
from sigsep_classic.permutation.chunks import align_chunks
from sigsep_classic.permutation.correlation import correlation
from sigsep_classic.permutation.doa import doa
from sigsep_classic.permutation.dyadic import dyadic
from sigsep_classic.permutation.features import outputs
from sigsep_classic.permutation.hbp import hbp
from sigsep_classic.permutation.kernel import kernel, value
from sigsep_classic.permutation.oracle import oracle
from sigsep_classic.typing import Array, Grid

__all__ = ["SOLVERS", "align_chunks", "apply", "score", "solve"]

SOLVERS: dict[str, Callable[..., Array]] = {
    "kernel": kernel,
    "correlation": correlation,
    "dyadic": dyadic,
    "hbp": hbp,
    "doa": doa,
    "oracle": oracle,
}
"""Solvers by the name users type; their options are those of the functions."""


def solve(
    Y: Array, *, solver: str = "kernel", A: Array | None = None, grid: Grid | None = None, **options: Any
) -> Array:
    """Return the order in which the outputs of each frequency belong to sources.

    ``Y[order[f, n], f]`` is source n at frequency f; `apply` puts arrays in order.

    Parameters
    ----------
    Y : array (sources, freq, frames)
        Outputs of anybody's method, NumPy or CuPy: complex or signed estimates, or non-negative numbers, which are
        taken as powers (masks, posteriors, activations of components in bands). Outputs of one frequency are compared
        with each other, so estimates should be as one microphone hears them (projected back).
    solver : str
        One of `SOLVERS`: ``"kernel"`` the best one; ``"correlation"``, ``"dyadic"``, ``"hbp"`` and ``"doa"`` the
        ideas of others; ``"oracle"`` the upper bound, from ``truth``.
    A : complex array (freq, channels, sources), optional
        Mixing matrices, columns as Y: delays between microphones then count as well. Columns may have any scale.
    grid : Grid, optional
        Where the bins lie. Without it, 0 … 8 kHz at even distances, as of speech at 16 kHz.
    **options
        Those of the solver, see `sigsep_classic.permutation.kernel.kernel` and its neighbours.

    Returns
    -------
    int64 array (freq, sources)
        On the device of Y. Sources are named so that the fewest outputs change places (``"oracle"``: as in the
        truth): what was in order comes back as it was.

    Raises
    ------
    ParameterError
        The solver is unknown, an option is out of range, or what the solver needs is missing.
    ShapeError
        Y or A has the wrong shape, or there are more than 32 sources.
    NumericalError
        Y or A is not finite.

    Notes
    -----
    Features and sums are computed where Y lies; small assignments are decided on the host above four sources. No
    solver accepts a move that lowers its score (``"doa"``, ``"dyadic"`` and ``"oracle"`` do not move).
    """
    check_kind("Y", Y)
    check_choice("solver", solver, tuple(SOLVERS))
    data = outputs(Y, A, grid)
    if solver == "oracle":
        return oracle(data, **options)
    if min(data.identity.shape) < 2:
        return data.identity
    return fewest_changes(SOLVERS[solver](data, **options))


def score(
    Y: Array, order: Array, *, A: Array | None = None, grid: Grid | None = None, **options: Any
) -> float:
    """Return what an order is worth to the ``"kernel"`` solver: a weighted mean of how well frequencies fit.

    Parameters
    ----------
    Y, A, grid, **options
        As for `solve`.
    order : int array (freq, sources)
        Any order.

    Returns
    -------
    float
        1 if the sources were active at the same time at all frequencies (more with A, whose features add to those),
        about 0 if they have nothing to do with one another. Not comparable between mixtures.
    """
    check_array("Y", Y, 3)
    data = outputs(Y, A, grid)
    if order.shape != data.identity.shape:
        raise ShapeError(f"order has shape {order.shape}; expected {data.identity.shape} for Y {Y.shape}")
    return 0.0 if len(data.hz) < 2 else value(data, order, **options)


def apply(order: Array, array: Array, *, sources: int = 0, freq: int | None = None) -> Array:
    """Return an array whose sources are in order at each frequency.

    Parameters
    ----------
    order : int array (freq, sources)
        What `solve` returned.
    array : array
        Anything with an axis of sources and one of frequencies: Y (sources, ..., freq, frames); W (freq, sources,
        channels) with ``sources=1, freq=0``; A (freq, channels, sources) with ``sources=2, freq=0``.
    sources, freq : int
        The two axes; None: the last but one.

    Raises
    ------
    ShapeError
        The axes have other lengths than the order.
    """
    check_array("array", array, kinds="fdFDbhilqBHILQ?")
    xp, n_axes = namespace(array), array.ndim
    a, b = sources % n_axes, (n_axes - 2 if freq is None else freq % n_axes)
    if a == b or (array.shape[b], array.shape[a]) != order.shape:
        raise ShapeError(
            f"array {array.shape} has not (freq, sources) = {order.shape} on axes {b} and {a}; see sources=, freq="
        )
    shape = [1] * n_axes
    shape[b], shape[a] = order.shape
    index = xp.asarray(order)
    return xp.take_along_axis(array, (index if b < a else index.T).reshape(shape), axis=a)
