"""Which partials belong to one sound: how alike they move, how near their frequencies are to ratios of whole numbers.

The distances are those of Virtanen and Klapuri (2000); grouping begins with them and ends with a pitch for each sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sigsep_classic.factorizers.pitch.partials import Partial

FREQUENCY, AMPLITUDE, HARMONY = 1.0, 0.5, 1.0
"""Weights of the three distances, each of which lies between 0 and 1."""
MISTUNED = 0.02
"""Difference of logarithms of frequency (a third of a semitone) from which partials are in no harmony at all."""
HIGHEST_ORDER = 40
CUTS, MOST_CANDIDATES = 4, 12
"""Groups are tried up to so many times the number of sounds, and of those so many sounds."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A sustained harmonic sound.

    Parameters
    ----------
    f0 : float
        Pitch in Hz.
    members : tuple of int
        Its partials.
    orders : tuple of int
        Which harmonic each of them is.
    """

    f0: float
    members: tuple[int, ...]
    orders: tuple[int, ...]


def distances(partials: list[Partial]) -> np.ndarray:
    """Return how little each two partials have in common, (partials, partials), 0 … 1.

    The weighted mean of

    * frequency: the root mean square of f_i / mean f_i - f_j / mean f_j over the frames in which both sound, in
      units of `MISTUNED`, at most 1;
    * amplitude: the same of a_i / mean a_i - a_j / mean a_j, at most 1;
    * harmony: the least |log (f_i / a) - log (f_j / b)| over orders a = 1 … f_i / f_min, b = 1 … f_j / f_min, f_min
      the lowest frequency of all, in units of `MISTUNED`, at most 1.

    The first two are 1 where partials share fewer than three frames. (The paper has squares and no bounds.)
    """
    n = len(partials)
    D = np.zeros((n, n))
    means = np.array([partial.mean_hertz for partial in partials])
    lowest = means.min(initial=np.inf)
    for i in range(n):
        for j in range(i + 1, n):
            moves, swells = _movement(partials[i], partials[j])
            harmony = _harmony(means[i], means[j], lowest)
            D[i, j] = D[j, i] = FREQUENCY * moves + AMPLITUDE * swells + HARMONY * harmony
    return D / (FREQUENCY + AMPLITUDE + HARMONY)


def _movement(a: Partial, b: Partial) -> tuple[float, float]:
    start, stop = max(a.start, b.start), min(a.stop, b.stop)
    if stop - start < 3:
        return 1.0, 1.0
    found = []
    for name, unit in (("hertz", MISTUNED), ("level", 1.0)):
        x, y = (getattr(p, name)[start - p.start : stop - p.start] for p in (a, b))
        found.append(min(float(np.sqrt(np.mean((x / x.mean() - y / y.mean()) ** 2))) / unit, 1.0))
    return found[0], found[1]


def _harmony(f: float, g: float, lowest: float) -> float:
    a, b = (np.arange(1, min(max(round(x / lowest), 1), HIGHEST_ORDER) + 1) for x in (f, g))
    away = abs(np.log(f / a)[:, None] - np.log(g / b))
    return min(float(away.min()) / MISTUNED, 1.0)


def group(partials: list[Partial], n_sounds: int, *, n_rounds: int = 5) -> list[Sound]:
    """Return the sounds that partials make, at most ``n_sounds``, the lowest first.

    The loudest partials are joined by average linkage of their `distances`. The groups, coarse and fine, get the pitch
    that explains most of them; those that together explain most begin. Then all partials go to the sound they are
    best in tune and move best with, in ``n_rounds`` rounds. Partials in tune with none belong to none.
    """
    if not partials:
        return []
    order = sorted(range(len(partials)), key=lambda k: -partials[k].energy)[: 12 * n_sounds]
    sounds = _start(partials, sorted(order), n_sounds)
    for _ in range(n_rounds):
        shares: list[list[int]] = [[] for _ in sounds]
        loudest = [_loudest(partials, sound) for sound in sounds]
        for k, partial in enumerate(partials):
            misfits = [_misfit(partial, *both) for both in zip(sounds, loudest, strict=True)]
            if min(misfits) < 1:
                shares[int(np.argmin(misfits))].append(k)
        before, sounds = sounds, [_tuned(partials, members) for members in shares if members]
        if sounds == before:
            break
    return sorted(sounds, key=lambda sound: sound.f0)


def _start(partials: list[Partial], loud: list[int], n_sounds: int) -> list[Sound]:
    """Return the sounds, of those that groups of the loud partials make, that explain most of them together."""
    D = distances([partials[k] for k in loud])
    candidates: list[Sound] = []
    for n_groups in range(n_sounds, CUTS * n_sounds + 1):
        labels = _linked(D, n_groups)
        for label in np.unique(labels):
            sound = _tuned(partials, [loud[i] for i in np.flatnonzero(labels == label)])
            if all(abs(np.log(sound.f0 / other.f0)) > MISTUNED for other in candidates):
                candidates.append(sound)
    weight = np.sqrt([partials[k].energy for k in loud])
    loudest = [_loudest(partials, sound) for sound in candidates]
    misfits = np.array(
        [[_misfit(partials[k], *both) for k in loud] for both in zip(candidates, loudest, strict=True)]
    )
    fits = weight * np.maximum(1 - misfits, 0)
    best = np.argsort(-fits.sum(axis=1), kind="stable")[:MOST_CANDIDATES]
    chosen = max(
        combinations(best.tolist(), min(n_sounds, len(best))),
        key=lambda some: float(fits[list(some)].max(axis=0).sum() + _whole(candidates, some) * weight.sum()),
    )
    return [candidates[i] for i in chosen]


def _whole(candidates: list[Sound], some: tuple[int, ...]) -> float:
    """Return how few harmonics sounds lack, 0 … 1/2: an octave below a sound, every other one is missing."""
    shares = [len(set(candidates[i].orders)) / max(candidates[i].orders) for i in some]
    return 0.5 * float(np.mean(shares))


def _linked(D: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the group of each item: the two groups with the least mean distance are joined until few are left."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(D) <= n_groups:
        return np.arange(len(D))
    return np.asarray(fcluster(linkage(squareform(D, checks=False), "average"), n_groups, "maxclust"))


def _tuned(partials: list[Partial], members: list[int]) -> Sound:
    """Return a sound with the pitch that explains most of the members' magnitudes with the fewest harmonics missing."""
    f = np.array([partials[k].mean_hertz for k in members])
    weight = np.sqrt([partials[k].energy for k in members])
    best, pitch = -np.inf, float(f.min())
    for candidate in np.unique((f[:, None] / np.arange(1, 7)).round(6)):
        if candidate < 0.15 * f.min():
            continue
        orders = np.maximum(np.rint(f / candidate), 1)
        fits = np.maximum(1 - abs(np.log(f / (orders * candidate))) / (0.5 * MISTUNED), 0)
        filled = len(np.unique(orders[fits > 0])) / orders[fits > 0].max() if (fits > 0).any() else 0.0
        score = float((weight * fits).sum() / weight.sum()) + 0.5 * filled
        if score > best + 1e-9:
            best, pitch = score, float(candidate)
    for _ in range(2):  # the pitch that all partials agree on
        orders = np.maximum(np.rint(f / pitch), 1)
        near = abs(np.log(f / (orders * pitch))) < MISTUNED
        if near.any():
            pitch = float(np.average((f / orders)[near], weights=weight[near] * orders[near]))
    return Sound(
        f0=pitch, members=tuple(members), orders=tuple(np.maximum(np.rint(f / pitch), 1).astype(int))
    )


def _loudest(partials: list[Partial], sound: Sound) -> list[Partial]:
    """Return the five loudest partials of a sound: four besides any one of them."""
    return sorted((partials[k] for k in sound.members), key=lambda partial: -partial.energy)[:5]


def _misfit(partial: Partial, sound: Sound, loudest: list[Partial]) -> float:
    """Return how badly a partial is in tune and moves with a sound, 0 …; from 1 it is not in tune."""
    f = partial.mean_hertz
    away = abs(np.log(f / (max(round(f / sound.f0), 1) * sound.f0))) / MISTUNED
    if away >= 1 or f < 0.9 * sound.f0:
        return float("inf")
    others = [other for other in loudest if other is not partial][:4]
    moves = [sum(_movement(partial, other)) / 2 for other in others]
    return float(away * 0.5 + 0.49 * (np.mean(moves) if moves else 0.5))
