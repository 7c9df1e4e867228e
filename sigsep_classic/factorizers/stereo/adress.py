"""Sources by azimuth: one channel scaled until a source cancels in the other (ADRess, Barry, Lawlor & Coyle 2004)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import Callback, spectrogram, usual_stft
from sigsep_classic.factorizers.models import MaskModel, source_names
from sigsep_classic.factorizers.stereo.panning import (
    EDGE,
    azimuth_histogram,
    check_azimuth,
    empty_stems,
    left_and_right,
    partition,
    strongest_azimuths,
)
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class ADRess:
    """Azimuth discrimination and resynthesis: each point goes to the source whose azimuth cancels it.

    A source panned to the left is in the right channel with g < 1 times its level in the left one, so R - g L
    cancels it. At each point g in [0, 1] with the least |S - g P| is looked for, P being the stronger and S the weaker
    channel; g tells the azimuth, and the depth of the notch how much of the point is one source:
    (max over g - min over g) / max over g of |S - g P|. A source has the points within ``width`` of its azimuth,
    times that gain, where no other source is nearer; ``rest`` has what is left.

    Parameters
    ----------
    n_sources : int or None
        How many azimuths are looked for in the histogram of azimuths; None: as many as have a peak.
    azimuths : tuple of float or None
        The azimuths in degrees, -45 (left) … 45 (right), in place of a search. For the law see `Panned`.
    width : float
        Full width of a source's range of azimuths in degrees, 0 … 90 (not 0): the azimuth subspace width.
    binary : bool
        Give a source all of each of its points (measured half a decibel better); False: as much as the notch is deep,
        as in the paper.
    threshold : float
        Least prominence of a peak in the search, as a share of the highest, 0 … 1.

    Raises
    ------
    ParameterError
        A parameter is out of range.
    ShapeError
        X has more than two channels. One channel is all at azimuth 0.

    Notes
    -----
    When to use: Stereo music with sources panned to different places, three or more, by level only.
    Complexity: Linear in freq · frames.
    Differences from the paper: The best gain has a closed form in the place of a grid of β values; the depth of a
    notch is relative, so that a lone source keeps its level; points are ``binary`` by default.

    The paper tries β values of g for either channel; the best g has a closed form, which is β = ∞ at the cost of
    one, and the stronger channel is the one to scale. The paper gives a source the depth max - min itself as its
    magnitude, which changes its level with its azimuth; here the depth is relative, so that a lone source is
    returned as it is. In the search points count by their power and the fourth power of the depth, so that points
    of several sources, which cancel nowhere, make no peak at the edges. Stems are from left to right. ``extra`` has
    ``source_azimuths`` and the ``histogram`` over ``azimuths`` in degrees.

    References
    ----------
    D. Barry, B. Lawlor and E. Coyle, "Sound source separation: azimuth discrimination and resynthesis", Proc. DAFx,
    2004 (equation numbers not checked).
    """

    n_sources: int | None = None
    azimuths: tuple[float, ...] | None = None
    width: float = 60.0
    binary: bool = True
    threshold: float = 0.05

    name: ClassVar[str] = "adress"
    max_channels: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if self.n_sources is not None:
            check_count("n_sources", self.n_sources)
        if self.azimuths is not None:
            if not isinstance(self.azimuths, (tuple, list)) or not self.azimuths:
                raise ParameterError(f"azimuths is {self.azimuths!r}; give degrees as (-30, 0, 30)")
            object.__setattr__(self, "azimuths", tuple(self.azimuths))
            for value in self.azimuths:
                check_azimuth("azimuths", value)
            if self.n_sources not in (None, len(self.azimuths)):
                raise ParameterError(
                    f"n_sources is {self.n_sources}, but {len(self.azimuths)} azimuths are given; give one of both"
                )
        check_range("width", self.width, 0, 90, above=True)
        check_range("threshold", self.threshold, 0, 1)

    @property
    def context(self) -> int | None:
        """Frames of neighbourhood that make block-wise work exact: none where azimuths are given; else all."""
        return None if self.azimuths is None else 0

    def settled(self, model: MaskModel) -> ADRess:
        """Return this method with the azimuths that were found, which then needs to look for none."""
        found = tuple(float(azimuth) for azimuth in model.extra["source_azimuths"])
        return replace(self, azimuths=found, n_sources=None)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return usual_stft(sample_rate)

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gains of ``source1 …`` and ``rest`` in X (1 or 2 channels, freq, frames)."""
        L, R = left_and_right(X, self.name)
        azimuths, depth, weights = notches(L, R)
        centres, counts = azimuth_histogram(azimuths, weights, smoothing=1.0)
        if self.azimuths is None:
            found = strongest_azimuths(centres, counts, self.n_sources, threshold=self.threshold)
        else:
            found = np.sort(np.array(self.azimuths, float))
        gains = _gains(azimuths, depth, found, self.width, binary=self.binary)
        names = (*source_names(len(found)), "rest")
        extra = {"source_azimuths": found, "azimuths": centres, "histogram": counts}
        return partition(gains, spectrogram(X), names, **extra)


def notches(L: Array, R: Array) -> tuple[Array, Array, Array]:
    """Return the azimuth in degrees where each point cancels, the relative depth of the notch, and a power.

    Parameters
    ----------
    L, R : array (freq, frames)
        Coefficients of the two channels.

    Returns
    -------
    azimuths : array (freq, frames)
        -45 … 45.
    depth : array (freq, frames)
        0 … 1: 1 for a single source.
    weights : array (freq, frames)
        Power of the point times the fourth power of its depth.
    """
    xp = namespace(L)
    left, right = abs(L), abs(R)
    strong, weak = xp.maximum(left, right), xp.minimum(left, right)
    product = L * R.conj()
    across = abs(product.imag)
    power, product = strong * strong, product.real
    solid = xp.where(strong > 0, strong, 1)
    g = xp.clip(product / (solid * solid), 0, 1)
    least = xp.where(product > 0, across / solid, weak)  # |S - g P| at its best g, without cancellation
    most = xp.maximum(weak, abs(L - R))  # a distance from a point is largest at one of the two ends
    depth = xp.clip((most - least) / xp.where(most > 0, most, 1), 0, 1)
    side = xp.sign(right - left)
    azimuths = side * (L.real.dtype.type(EDGE) - xp.degrees(xp.arctan(g)))
    return azimuths, depth, (power + weak * weak) * depth**4


def _gains(azimuths: Array, depth: Array, found: np.ndarray, width: float, *, binary: bool) -> Array:
    """Return the gains of the sources found, (sources, freq, frames)."""
    xp = namespace(azimuths)
    edges = [-np.inf, *((found[1:] + found[:-1]) / 2), np.inf]
    gains = empty_stems(len(found), depth)
    for k, centre in enumerate(found):
        low, high = max(edges[k], centre - width / 2), min(edges[k + 1], centre + width / 2)
        inside = (azimuths >= low) & (azimuths <= high) if k == 0 else (azimuths > low) & (azimuths <= high)
        gains[k] = xp.where(inside, 1 if binary else depth, 0)
    return gains
