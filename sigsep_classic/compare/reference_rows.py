"""The rows every comparison has where there is sound: the mixture at the lower end, oracle masks at the upper."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from sigsep_classic import oracle as _oracle
from sigsep_classic.compare.evaluating import Scoring, evaluate, sum_of
from sigsep_classic.compare.merging import ORACLE_PREFIX
from sigsep_classic.compare.records import TrackScores
from sigsep_classic.datasets import LoadedTrack
from sigsep_classic.typing import Array

MIXTURE_SHARE = "mixture/n"
"""The row that every comparison has at its lower end: MIX of SiSEC 2018."""

REFERENCE_NOTES = {
    MIXTURE_SHARE: "the mixture divided by the number of stems, times the number that is asked for (MIX of SiSEC 2018)",
}
ORACLE_NOTE = "made from the true stems: a mark for methods of its kind on this transform, no strict bound"

ORACLES = ("irm2",)
"""Oracle masks whose rows are made where nothing else is asked for."""


def references(
    track: LoadedTrack,
    *,
    sums: Mapping[str, Sequence[str]],
    scoring: Scoring | None = None,
    oracles: Sequence[str] = ORACLES,
    subset: str = "",
) -> Iterator[Callable[[], TrackScores]]:
    """Yield functions that return the scores of the rows every comparison has: mixture and oracle masks.

    Parameters
    ----------
    track : LoadedTrack
        As for `evaluate`.
    sums : mapping of str to sequence of str
        Sums of stems to score besides the stems, such as ``accompaniment``, and which stems they are of.
    scoring : Scoring, optional
        As for `evaluate`; nothing is aligned.
    oracles : sequence of str
        Keys of `sigsep_classic.oracle.ORACLES`.
    subset : str
        Part of the data set.
    """
    scoring = replace(scoring or Scoring(), align=False)

    def scores(name: str, make: Callable[[], dict[str, Array]], note: str) -> TrackScores:
        stems = make()
        estimates = stems | {name: sum_of(stems, parts) for name, parts in sums.items()}
        found = evaluate(track, estimates, method=name, kind="reference", scoring=scoring, subset=subset)
        return replace(found, meta={**found.meta, "words": [], "note": note})

    share = np.float32(1 / len(track.stems))
    yield lambda: scores(
        MIXTURE_SHARE,
        lambda: dict.fromkeys(track.stems, track.mixture * share),
        REFERENCE_NOTES[MIXTURE_SHARE],
    )
    for key in oracles:

        def run(key: str = key) -> dict[str, Array]:
            return dict(_oracle.apply(key, track.mixture, track.stems))

        note = f"{_oracle.find(key).summary}; {ORACLE_NOTE}"
        yield lambda run=run, key=key, note=note: scores(oracle_name(key), run, note)  # type: ignore[misc]


def oracle_name(key: str) -> str:
    """Return what the row of an oracle mask is called."""
    return f"{ORACLE_PREFIX}{key.upper()}"
