"""One track scored: whole stems, their sums such as the accompaniment, in frames as museval has them and in total."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sigsep_classic import audio, metrics
from sigsep_classic.backend import to_host
from sigsep_classic.compare.alignment import aligned, with_length
from sigsep_classic.compare.records import FRAMEWISE, TrackScores
from sigsep_classic.datasets import LoadedTrack, StemPair, match_stems
from sigsep_classic.errors import ParameterError
from sigsep_classic.metrics import SILENCE
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """How estimates are scored.

    Parameters
    ----------
    frames : tuple of str
        Metrics in frames, from `compare.records.FRAMEWISE`. ``csdr`` alone takes a hundredth of the time: the
        others need filters.
    totals : tuple of str
        Metrics over the whole track, from `metrics.METRICS`.
    seconds : float
        Of a frame; frames do not overlap.
    silent : {"museval", "per_source", "energy"}
        Which frames are left out; see `metrics.framewise_sdr`.
    filter_length : int
        Taps of the filters of ISR, SIR and SAR.
    framewise_filters : bool
        Filters for each frame (BSS Eval v3) in place of one set for the track (v4).
    load : float, optional
        As for `metrics.bss_eval_v4`.
    align : bool
        Look for a delay of the estimates and take it back.
    """

    frames: tuple[str, ...] = tuple(FRAMEWISE)
    totals: tuple[str, ...] = ("usdr", "si_sdr")
    seconds: float = 1.0
    silent: str = "museval"
    filter_length: int = 512
    framewise_filters: bool = False
    load: float | None = None
    align: bool = True

    def __post_init__(self) -> None:
        for name, given, known in (
            ("frames", self.frames, tuple(FRAMEWISE)),
            ("totals", self.totals, tuple(m for m in metrics.METRICS if m not in FRAMEWISE)),
            ("silent", (self.silent,), SILENCE),
        ):
            unknown = [each for each in given if each not in known]
            if unknown:
                raise ParameterError(f"{name}: {unknown[0]!r} is unknown; use some of {', '.join(known)}")
        if not self.frames and not self.totals:
            raise ParameterError("no metric is asked for; give frames or totals")
        if not 0 < self.seconds < float("inf"):
            raise ParameterError(f"seconds={self.seconds}: a frame has a positive length")

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, the same for the same scoring."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}


def evaluate(
    track: LoadedTrack,
    estimates: Mapping[str, Array | str | os.PathLike[str]],
    *,
    method: str,
    kind: str = "method",
    scoring: Scoring | None = None,
    subset: str = "",
    aliases: Mapping[str, str] | None = None,
) -> TrackScores:
    """Return the scores of one method's estimates of one track.

    Estimates are matched to true stems by `datasets.match_stems`, ``accompaniment`` to the sum of all stems but the
    vocals; then brought to the truth's rate, channels, delay and length. As in museval, a stem and the sum of the
    others are scored as a pair, and the pair's scores are the ones kept for the stem.

    Parameters
    ----------
    track : LoadedTrack
        ``name``, ``sample_rate``, ``mixture`` (channels, samples) and ``stems``, a dict of such arrays.
    estimates : mapping of str to array (channels, samples) or path
        Arrays are at the track's sample rate.
    method : str
        Whose they are.
    kind : {"method", "informed", "reference"}
        As `compare.table.KINDS`.
    scoring : Scoring, optional
        Default: BSS Eval v4 in one-second frames as museval, uSDR and SI-SDR.
    subset : str
        Part of the data set.
    aliases : mapping of str to str, optional
        What estimates are called in the truth, such as ``{"foreground": "vocals"}``.

    Returns
    -------
    TrackScores
        ``meta["words"]`` has a line about everything that was done to the estimates.

    Raises
    ------
    ParameterError
        No estimate fits a stem.
    AudioError
        A file can't be read.
    ShapeError, ArrayTypeError, NumericalError
        As the metrics raise.
    """
    scoring = scoring or Scoring()
    matched = match_stems(track.stems, estimates, aliases=aliases)
    if not matched.pairs:
        raise ParameterError(
            f"{track.name}: no estimate fits a stem; there are {', '.join(estimates) or 'none'}, "
            f"the stems are {', '.join(track.stems)}"
        )
    words = list(matched.words)
    sounds = _Sounds(estimates, track.sample_rate, words)
    truth = {pair.name: sum_of(track.stems, pair.references) for pair in matched.pairs}
    found = {pair.name: sum_of(sounds, pair.estimates) for pair in matched.pairs}
    found, more = aligned(truth, found, track.sample_rate, search=scoring.align)
    sets = scored_together(matched.pairs)
    frames, totals = _scored(truth, found, sets, track.sample_rate, scoring)
    settings = scoring.as_dict()
    return TrackScores(
        track=track.name,
        method=method,
        kind=kind,
        subset=subset,
        sample_rate=track.sample_rate,
        window=scoring.seconds,
        hop=scoring.seconds,
        frames=frames,
        totals=totals,
        meta={"settings": settings, "sets": [list(each) for each in sets], "words": words + more},
    )


def sum_of(sounds: Mapping[str, Array], names: Sequence[str]) -> Array:
    """Return the sum of some sounds (channels, samples), those that are shorter taken as silent after their end."""
    first, *rest = (sounds[name] for name in names)
    if not rest:
        return first
    longest = max(x.shape[-1] for x in (first, *rest))
    return sum((with_length(x, longest) for x in rest), start=with_length(first, longest))


def scored_together(pairs: Sequence[StemPair]) -> tuple[tuple[str, ...], ...]:
    """Return which stems are scored with each other, as museval has it.

    All plain stems; then each sum with the stems it leaves out, whose scores replace those from before. A single
    plain stem that such a pair has too is not scored by itself.

    Examples
    --------
    >>> found = match_stems(["drums", "bass", "vocals"], ["vocals", "accompaniment"])
    >>> scored_together(found.pairs)
    (('vocals', 'accompaniment'),)
    """
    single = [pair for pair in pairs if len(pair.references) == 1]
    sums = [pair for pair in pairs if len(pair.references) > 1]
    sets = [
        (*(p.name for p in single if not set(p.references) & set(whole.references)), whole.name)
        for whole in sums
    ]
    plain = tuple(pair.name for pair in single)
    alone = len(plain) == 1 and any(plain[0] in each for each in sets)
    return (*((plain,) if plain and not alone else ()), *sets)


class _Sounds(Mapping[str, Array]):
    """Estimates by name, read when they are asked for, with a word where the rate is changed."""

    def __init__(self, given: Mapping[str, Any], rate: int, words: list[str]) -> None:
        self._given, self._rate, self._words = given, rate, words

    def __getitem__(self, name: str) -> Array:
        sound = self._given[name]
        if not isinstance(sound, str | os.PathLike):
            x = np.asarray(to_host(sound))
            return x[None] if x.ndim == 1 else x
        loaded = audio.load(sound, sample_rate=self._rate)
        own = audio.info(sound).sample_rate
        if own != self._rate:
            self._words.append(f"estimate {name}: resampled from {own} to {self._rate} Hz")
        return loaded.samples

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


def _scored(
    truth: dict[str, Array],
    found: dict[str, Array],
    sets: Sequence[tuple[str, ...]],
    rate: int,
    scoring: Scoring,
) -> tuple[dict[str, dict[str, tuple[float, ...]]], dict[str, dict[str, float]]]:
    """Return values by stem and metric, in frames and in total."""
    frames: dict[str, dict[str, tuple[float, ...]]] = {target: {} for target in truth}
    for together in sets if scoring.frames else ():
        refs, ests = ([sounds[target] for target in together] for sounds in (truth, found))
        for metric, table in _frames(refs, ests, rate, scoring).items():
            for target, row in zip(together, to_host(table), strict=True):
                frames[target][metric] = tuple(float(v) for v in row)
    totals: dict[str, dict[str, float]] = {target: {} for target in truth}
    if scoring.totals:
        totals = metrics.scores(truth, found, metrics=scoring.totals, sample_rate=rate)
    return frames, totals


def _frames(refs: list[Array], ests: list[Array], rate: int, scoring: Scoring) -> dict[str, Array]:
    """Return (sources, frames) of each metric; of one stem alone only the SDR, since there is nothing to interfere."""
    window = max(1, round(scoring.seconds * rate))
    if len(refs) == 1 or set(scoring.frames) == {"csdr"}:
        sdr = metrics.framewise_sdr(refs, ests, window=window, silence=scoring.silent)
        return {"csdr": sdr} if "csdr" in scoring.frames else {}
    tables = metrics.bss_eval_v4(
        refs,
        ests,
        window=window,
        hop=window,
        filter_length=scoring.filter_length,
        framewise_filters=scoring.framewise_filters,
        silent=scoring.silent,
        load=scoring.load,
    )
    return {metric: getattr(tables, FRAMEWISE[metric].lower()) for metric in scoring.frames}
