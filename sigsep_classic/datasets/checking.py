"""Faults of a data set: files that can't be read or do not fit together, mixtures that are not the stems' sum."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from sigsep_classic.datasets.dataset import Dataset
from sigsep_classic.datasets.findings import KINDS, NOTE, WARNING, Finding, Judge, TrackReport
from sigsep_classic.datasets.folders import plain
from sigsep_classic.datasets.measuring import Measured, measure
from sigsep_classic.datasets.tracks import Track
from sigsep_classic.errors import AudioError

__all__ = ["KINDS", "Finding", "TrackReport", "check_tracks", "dataset_findings"]


def check_tracks(
    dataset: Dataset, *, quick: bool = False, least_sum_db: float | None = None, jobs: int = 1
) -> Iterator[TrackReport]:
    """Yield a report on each track, in order; memory does not grow with length, and by a few bytes a file.

    Parameters
    ----------
    dataset : Dataset
        From `open_dataset`.
    quick : bool
        Look at names and headers only.
    least_sum_db : float, optional
        SNR in dB below which a mixture is not the sum of its stems; by default 40, or what the layout promises: 10
        for MUSDB18, whose streams were coded one by one.
    jobs : int
        Tracks at a time, in threads.

    Yields
    ------
    TrackReport
        What was found.
    """
    judge = Judge(dataset, dataset.arrangement.least_sum_db if least_sum_db is None else least_sum_db)

    def look(index: int) -> tuple[Track | str, Measured]:
        try:
            track = dataset[index]
        except AudioError as error:
            return str(error), Measured()
        return track, measure(track, quick=quick)

    for label, (track, found) in zip(dataset.labels, _in_order(look, len(dataset), jobs), strict=True):
        yield judge.report(label, track, found)


def dataset_findings(dataset: Dataset) -> tuple[Finding, ...]:
    """Return what can be said of a data set without looking into its tracks.

    Parameters
    ----------
    dataset : Dataset
        From `open_dataset`.
    """
    found = [Finding(severity=NOTE, kind="extra", track="", stem="", text=line) for line in dataset.notes]
    if dataset.layout == "musdb18":
        text = (
            "MUSDB18 codes the mixture and each stem by AAC on its own, and some mixtures were mastered: stems do "
            "not add up to the mixture exactly"
        )
        found.append(Finding(severity=NOTE, kind="lossy", track="", stem="", text=text))
    seen: dict[str, str] = {}
    for label in dataset.labels:
        other = seen.setdefault(plain(label).casefold(), label)
        if other is not label:
            text = f"has the name of {other} but for the case of letters"
            found.append(Finding(severity=WARNING, kind="duplicate", track=label, stem="", text=text))
    return tuple(found)


def _in_order(work: Callable[[int], Any], n: int, jobs: int) -> Iterator[Any]:
    """Yield work(0), work(1) …, a few of them ahead in threads."""
    if jobs <= 1:
        yield from map(work, range(n))
        return
    with ThreadPoolExecutor(jobs) as pool:
        ahead: deque[Future[Any]] = deque()
        try:
            for i in range(n):
                ahead.append(pool.submit(work, i))
                if len(ahead) > 2 * jobs:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
