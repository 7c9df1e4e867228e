"""What a table says of many tracks: medians, quartiles, counts, and whether two methods differ."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from sigsep_classic.compare.numbers import parsed, plain

LEVEL = 0.05
"""Below this, corrected, a difference is called significant."""

EXACT_TRACKS = 60
"""Up to so many tracks p is exact, ties included (scipy's is exact without ties only)."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What a score stands for.

    Parameters
    ----------
    median, lower, upper : float
        Median and quartiles in dB; NaN where there is nothing.
    n_values : int
        Values the median is of, those that are NaN left out.
    n_frames, n_nan : int
        Frames behind these values, and how many of them were NaN and not used; 0 for a metric without frames.
    """

    median: float
    lower: float
    upper: float
    n_values: int
    n_frames: int = 0
    n_nan: int = 0


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A paired comparison of two methods.

    Parameters
    ----------
    first, second : str
        The methods; the difference is first less second.
    median : float
        Median difference in dB.
    n_tracks : int
        Tracks that both have.
    p : float
        Of the Wilcoxon signed-rank test, two-sided, corrected by Holm for all pairs it was tested with; NaN where
        there are too few tracks.
    """

    first: str
    second: str
    median: float
    n_tracks: int
    p: float

    @property
    def significant(self) -> bool:
        """Whether the corrected p is below `LEVEL`."""
        return self.p < LEVEL


def median(values: Iterable[float]) -> float:
    """Return the median of what is not NaN, as museval has it; NaN of nothing.

    Examples
    --------
    >>> median([1.0, float("nan"), 3.0])
    2.0
    """
    return _quantile(_defined(values), 0.5)


def spread(values: Iterable[float], *, n_frames: int = 0, n_nan: int = 0) -> Spread:
    """Return median and quartiles of values that may be NaN or infinite."""
    kept = _defined(values)
    low, mid, high = (_quantile(kept, q) for q in (0.25, 0.5, 0.75))
    return Spread(median=mid, lower=low, upper=high, n_values=len(kept), n_frames=n_frames, n_nan=n_nan)


def spread_as_dict(found: Spread) -> dict[str, Any]:
    """Return plain values for strict JSON."""
    return {key: plain(v) if isinstance(v, float) else v for key, v in asdict(found).items()}


def spread_from_dict(data: Mapping[str, Any]) -> Spread:
    """Return what `spread_as_dict` was given."""
    floats = {key: parsed(data[key]) for key in ("median", "lower", "upper")}
    return Spread(**{**data, **floats})


def differences(scores: Mapping[str, Mapping[str, float]]) -> list[Difference]:
    """Return every pair of methods compared on the tracks that both have a finite score for.

    Parameters
    ----------
    scores : mapping of str to mapping of str to float
        A method, then a track, to dB.

    Returns
    -------
    list of Difference
        One for each pair, p corrected by Holm over the pairs that could be tested.

    References
    ----------
    F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin, vol. 1, no. 6, 1945.
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics, vol. 6,
    no. 2, 1979.
    """
    found = []
    for a, b in combinations(scores, 2):
        tracks = [t for t in scores[a] if t in scores[b]]
        gaps = np.array([scores[a][t] - scores[b][t] for t in tracks if _finite(scores[a][t], scores[b][t])])
        p = _wilcoxon(gaps)
        found.append(Difference(first=a, second=b, median=median(gaps), n_tracks=len(gaps), p=p))
    corrected = holm([each.p for each in found])
    return [
        Difference(first=d.first, second=d.second, median=d.median, n_tracks=d.n_tracks, p=p)
        for d, p in zip(found, corrected, strict=True)
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number by Holm's step-down rule; NaN stay NaN and count for nothing.

    Examples
    --------
    >>> [round(p, 6) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted((n for n, p in enumerate(p_values) if p == p), key=lambda n: p_values[n])
    corrected = [float("nan")] * len(p_values)
    highest = 0.0
    for place, n in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * p_values[n]))
        corrected[n] = highest
    return corrected


def _wilcoxon(gaps: np.ndarray) -> float:
    """Return the two-sided p of no difference, tracks without any left out; NaN below two tracks."""
    if len(gaps) < 2:
        return float("nan")
    gaps = gaps[gaps != 0]
    if not len(gaps):
        return 1.0
    from scipy.stats import rankdata, wilcoxon

    ranks = rankdata(np.abs(gaps))
    if len(gaps) > EXACT_TRACKS:
        return float(wilcoxon(gaps, method="approx").pvalue)
    # Every sign of every rank is equally likely: the distribution of the sum of ranks with a plus, in halves of a
    # rank since ties share theirs.
    halves = np.rint(2 * ranks).astype(int)
    ways = np.zeros(halves.sum() + 1)
    ways[0] = 1.0
    for half in halves:
        ways[half:] = (ways[half:] + ways[: len(ways) - half]) / 2
        ways[:half] /= 2
    plus = int(halves[gaps > 0].sum())
    tail = min(ways[: plus + 1].sum(), ways[plus:].sum())
    return float(min(1.0, 2 * tail))


def smallest_p(n_tracks: int) -> float:
    """Return the least two-sided p that so many tracks can have: all differences of one sign."""
    return min(1.0, 2.0 ** (1 - n_tracks))


def _finite(*values: float) -> bool:
    return bool(np.isfinite(values).all())


def _defined(values: Iterable[float]) -> np.ndarray:
    array = np.asarray(list(values), dtype=float)
    return np.sort(array[~np.isnan(array)])


def _quantile(values: np.ndarray, share: float) -> float:
    """Linear interpolation between sorted values; an infinity outweighs any finite number, not its opposite."""
    if not len(values):
        return float("nan")
    place = share * (len(values) - 1)
    below = int(place)
    low, high = float(values[below]), float(values[min(below + 1, len(values) - 1)])
    if low == high or place == below:
        return low
    if math.isinf(low) or math.isinf(high):
        return low + high
    return low + (place - below) * (high - low)
