"""Scores of one track by one method: frames and totals, as strict JSON, as museval's JSON and as lines of CSV."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sigsep_classic._version import __version__
from sigsep_classic.audio.publish import FileSet
from sigsep_classic.compare.numbers import parsed, plain
from sigsep_classic.compare.statistics import Spread, spread
from sigsep_classic.errors import SigsepError

FORMAT = 1

FRAMEWISE = {"csdr": "SDR", "isr": "ISR", "sir": "SIR", "sar": "SAR"}
"""Metrics that are medians over frames, and what museval calls their values in a frame."""

MUSEVAL_DIGITS = 5


class RecordError(SigsepError, ValueError):
    """A file of scores can't be read, or holds something else."""

    exit_code = 3


@dataclass(frozen=True, kw_only=True)
class TrackScores:
    """What one method's estimates of one track scored.

    Parameters
    ----------
    track : str
        Its name.
    method : str
        Whose estimates they are.
    kind : {"method", "informed", "reference"}
        As `compare.table.KINDS`.
    subset : str
        Part of the data set, ``test`` for example; may be empty.
    sample_rate : float, optional
        Hz of what was scored.
    window, hop : float
        Seconds of a frame, and from one to the next.
    frames : mapping of str to mapping of str to tuple of float
        dB in each frame by stem and metric of `FRAMEWISE`; NaN where a frame was left out.
    totals : mapping of str to mapping of str to float
        dB over the whole track by stem and metric.
    meta : mapping of str to Any
        Plain values: ``settings``, ``files``, ``words`` (what was done to the estimates before scoring) …
    error : str
        Why there are no scores; empty where there are.
    """

    track: str
    method: str
    kind: str = "method"
    subset: str = ""
    sample_rate: float | None = None
    window: float = 1.0
    hop: float = 1.0
    frames: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)
    totals: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def stems(self) -> tuple[str, ...]:
        """The stems that were scored."""
        return tuple(dict.fromkeys([*self.frames, *self.totals]))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics there are: medians over frames first, totals after."""
        found = [m for by in self.frames.values() for m in by] + [
            m for by in self.totals.values() for m in by
        ]
        return tuple(dict.fromkeys(found))

    def spread(self, stem: str, metric: str) -> Spread:
        """Return median, quartiles and counts over the frames of this track; a total alone has no quartiles."""
        if metric in FRAMEWISE:
            values = self.frames.get(stem, {}).get(metric, ())
            n_nan = sum(math.isnan(v) for v in values)
            return spread(values, n_frames=len(values), n_nan=n_nan)
        total = self.totals.get(stem, {}).get(metric, math.nan)
        n_values = 0 if math.isnan(total) else 1
        return Spread(median=total, lower=math.nan, upper=math.nan, n_values=n_values)

    def value(self, stem: str, metric: str) -> float:
        """Return dB: the median over frames that are not NaN, or the total."""
        return self.spread(stem, metric).median


def to_dict(scores: TrackScores) -> dict[str, Any]:
    """Return plain values for strict JSON: NaN is None, infinities are text."""
    frames = {s: {m: [plain(v, 6) for v in vs] for m, vs in by.items()} for s, by in scores.frames.items()}
    totals = {s: {m: plain(v, 6) for m, v in by.items()} for s, by in scores.totals.items()}
    head = {"format": FORMAT, "sigsep_classic": __version__}
    return {**head, **vars(scores), "frames": frames, "totals": totals, "meta": dict(scores.meta)}


def from_dict(data: Mapping[str, Any], name: str = "record") -> TrackScores:
    """Return what `to_dict` was given.

    Raises
    ------
    RecordError
        It is no such record.
    """
    try:
        if data["format"] != FORMAT:
            raise RecordError(
                f"{name}: format {data['format']!r}, this version reads {FORMAT}; evaluate again"
            )
        frames = {
            s: {m: tuple(parsed(v) for v in vs) for m, vs in by.items()} for s, by in data["frames"].items()
        }
        totals = {s: {m: parsed(v) for m, v in by.items()} for s, by in data["totals"].items()}
        if data["kind"] not in ("method", "informed", "reference") or not isinstance(data["meta"], Mapping):
            raise ValueError(data["kind"])
        texts = [data[key] for key in ("track", "method", "subset", "error") if data.get(key)]
        if not all(isinstance(text, str) for text in (*texts, *frames, *totals)):
            raise ValueError("names that are no text")
        kept = {key: value for key, value in data.items() if key not in ("format", "sigsep_classic")}
        return TrackScores(**{**kept, "frames": frames, "totals": totals})
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"{name}: is no record of scores ({error!r:.80}); evaluate again") from None


def to_museval(scores: TrackScores) -> dict[str, Any]:
    """Return what museval 0.4 writes for a track: targets with frames of SDR, SIR, ISR, SAR.

    As there, numbers have five digits and an infinite one is NaN, so this is not strict JSON. A metric that was not
    computed is NaN too.
    """
    targets = []
    for stem, by in scores.frames.items():
        n_frames = max((len(values) for values in by.values()), default=0)
        columns = {name: by.get(m, (math.nan,) * n_frames) for m, name in FRAMEWISE.items()}
        frames = [
            {
                "time": n * scores.hop,
                "duration": scores.window,
                "metrics": {name: _museval_number(columns[name][n]) for name in ("SDR", "SIR", "ISR", "SAR")},
            }
            for n in range(n_frames)
        ]
        targets.append({"name": stem, "frames": frames})
    return {"targets": targets, "museval_version": f"written by sigsep_classic {__version__}"}


def _museval_number(value: float) -> float:
    return round(value, MUSEVAL_DIGITS) if math.isfinite(value) else math.nan


def from_museval(path: str | os.PathLike[str], *, method: str = "", track: str = "") -> TrackScores:
    """Return the scores of a museval JSON file; NaN as bare word or null.

    Parameters
    ----------
    path : path
        ``…/test/TRACK.json``.
    method, track : str
        Default: the folder above the subset, and the file's name.

    Raises
    ------
    RecordError
        It can't be read, or has no targets with frames.
    """
    path = Path(path)
    data = _parsed_file(path)
    try:
        frames = {target["name"]: _museval_frames(target["frames"]) for target in data["targets"]}
        first: Sequence[Mapping[str, Any]] = next(
            (t["frames"] for t in data["targets"] if len(t["frames"]) > 0), [{}]
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        raise RecordError(f"{path}: is no museval file; it has no targets with frames of metrics") from None
    if not all(isinstance(name, str) for name in frames):
        raise RecordError(f"{path}: is no museval file; names of its targets are no text")
    times = [float(frame.get("time", 0.0)) for frame in first]
    return TrackScores(
        track=track or path.stem,
        method=method or path.parent.parent.name,
        subset=path.parent.name,
        window=float(first[0].get("duration", 1.0)),
        hop=times[1] - times[0] if len(times) > 1 else 1.0,
        frames=frames,
        meta={"words": [f"scores read from {path.name}, not computed here"], "museval": True},
    )


def _museval_frames(frames: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, ...]]:
    """Return the values by metric, those without any number left out."""
    columns = {m: tuple(parsed(f["metrics"].get(name)) for f in frames) for m, name in FRAMEWISE.items()}
    return {m: values for m, values in columns.items() if m == "csdr" or not all(map(math.isnan, values))}


def read(path: str | os.PathLike[str]) -> TrackScores:
    """Return the record in a file, ours or museval's.

    Raises
    ------
    RecordError
        It is neither.
    """
    path = Path(path)
    data = _parsed_file(path)
    if isinstance(data, Mapping) and "targets" in data:
        return from_museval(path)
    if not isinstance(data, Mapping):
        raise RecordError(f"{path}: is no record of scores; it holds a {type(data).__name__}")
    return from_dict(data, str(path))


def write(
    scores: TrackScores, path: str | os.PathLike[str], *, museval: str | os.PathLike[str] | None = None
) -> None:
    """Write the strict record, and museval's beside it if asked for: both or neither.

    Raises
    ------
    OutputError
        A file can't be written.
    """
    texts = {str(path): json.dumps(to_dict(scores), allow_nan=False, ensure_ascii=False) + "\n"}
    if museval is not None:
        texts[str(museval)] = json.dumps(to_museval(scores), indent=2) + "\n"
    write_texts(texts)


def write_texts(texts: Mapping[str, str]) -> None:
    """Write text files, all of them or none."""
    with FileSet(texts) as files:
        for path, text in texts.items():
            Path(files.temporary(path)).write_text(text, encoding="utf-8")


CSV_HEAD = (
    "track",
    "subset",
    "method",
    "kind",
    "stem",
    "metric",
    "db",
    "lower",
    "upper",
    "n_frames",
    "n_nan",
)


def csv_lines(records: Sequence[TrackScores]) -> Iterator[tuple[Any, ...]]:
    """Yield a line of `CSV_HEAD` for each track, method, stem and metric; NaN is an empty field.

    ``db`` is the median over frames or the total, ``lower`` and ``upper`` the quartiles over frames.
    """
    for r in records:
        for stem in r.stems:
            for metric in [*r.frames.get(stem, ()), *r.totals.get(stem, ())]:
                found = r.spread(stem, metric)
                numbers = (found.median, found.lower, found.upper)
                shown = ("" if math.isnan(v) else plain(v, 6) for v in numbers)
                counts = (found.n_frames, found.n_nan) if found.n_frames else ("", "")
                yield (r.track, r.subset, r.method, r.kind, stem, metric, *shown, *counts)


def _parsed_file(path: Path) -> Any:
    if path.exists() and not path.is_file():
        raise RecordError(f"{path}: is a folder, a pipe or a device, and no file")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{path}: can't be read ({error.strerror or error})") from None
    except (ValueError, RecursionError):
        raise RecordError(f"{path}: is no JSON; it may be cut off") from None
