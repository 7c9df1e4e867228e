"""What was measured in a track, turned into findings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sigsep_classic.datasets.dataset import Dataset
from sigsep_classic.datasets.folders import sound_files
from sigsep_classic.datasets.measuring import Measured, parts_of
from sigsep_classic.datasets.tracks import Track

ERROR, WARNING, NOTE = "error", "warning", "note"

KINDS = {
    "missing": "a stem or the mixture is not there",
    "unreadable": "a file can't be read as sound",
    "not_finite": "samples are NaN or infinite",
    "damaged": "a file ends early or its header is wrong",
    "rate": "sample rates differ within a track",
    "length": "lengths differ within a track",
    "channels": "numbers of channels differ within a track",
    "sum": "the mixture is not the sum of the stems",
    "silent": "a file is silent",
    "clipped": "samples were cut off at full scale",
    "beyond": "samples are above full scale",
    "duplicate": "two files hold the same sound, or two tracks one name",
    "extra": "a file has no place in the layout",
    "lossy": "stems were coded one by one, so their sum is not exact",
}
"""What is looked for."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fault.

    Parameters
    ----------
    severity : {"error", "warning", "note"}
        An error spoils scores; a warning may be meant so.
    kind : str
        A key of `KINDS`.
    track : str
        The label of the track; empty for what concerns all.
    stem : str
        The stem, or ``"mixture"``; empty where several are concerned.
    text : str
        What is wrong, in one line.
    """

    severity: str
    kind: str
    track: str
    stem: str
    text: str


@dataclass(frozen=True, kw_only=True)
class TrackReport:
    """What a track is like and what is wrong with it.

    Parameters
    ----------
    label : str
        Of the track.
    sample_rate, channels, n_samples : int
        Of its first file; 0 where none could be read.
    sum_db : float or None
        SNR of the mixture against the stems' sum in dB, inf where equal; None where that could not be told.
    files : dict
        Of each file what was measured: ``sample_rate``, ``channels``, ``n_samples``, ``peak_db``, ``rms_db``.
    findings : tuple of Finding
        What is wrong.
    """

    label: str
    sample_rate: int = 0
    channels: int = 0
    n_samples: int = 0
    sum_db: float | None = None
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate if self.sample_rate else 0.0


class Judge:
    """Turns what was measured into findings; remembers marks over tracks."""

    def __init__(self, dataset: Dataset, least_sum_db: float) -> None:
        self._expected = _expected(dataset)
        self._least_sum_db = least_sum_db
        self._folder_is_track = dataset.layout in ("musdb18_hq", "dnr")
        self._marks: dict[str, tuple[str, str]] = {}
        self._found: list[Finding] = []
        self._label = ""

    def report(self, label: str, track: Track | str, found: Measured) -> TrackReport:
        """Return the report on one track; where it could not be opened ``track`` is the reason."""
        self._found, self._label = [], label
        if isinstance(track, str):
            self._say(ERROR, "unreadable", "", track)
            return TrackReport(label=label, findings=tuple(self._found))
        complete = self._judge_names(track)
        self._judge_files(found)
        self._judge_shapes(found)
        self._judge_marks(found)
        sum_db = self._judge_sum(found) if complete else None
        first = next(iter(found.files.values()), None)
        return TrackReport(
            label=label,
            sample_rate=first.sample_rate if first else 0,
            channels=first.channels if first else 0,
            n_samples=(first.n_samples or 0) if first else 0,
            sum_db=sum_db,
            files={name: file.as_dict() for name, file in found.files.items()},
            findings=tuple(self._found),
        )

    def _say(self, severity: str, kind: str, stem: str, text: str) -> None:
        self._found.append(Finding(severity=severity, kind=kind, track=self._label, stem=stem, text=text))

    def _judge_names(self, track: Track) -> bool:
        """Say what is missing and what is too much; return whether all is there."""
        there = {*track.stems, *(["mixture"] if track.mixture else [])}
        missing = [name for name in self._expected if name not in there]
        for name in missing:
            self._say(ERROR, "missing", name, f"has no {name}")
        if not track.stems and not missing:
            self._say(ERROR, "missing", "", "has no stems")
        if self._folder_is_track and there:
            used = {part.path for _, part in parts_of(track)}
            for path in sound_files(next(iter(used)).parent):
                if path not in used:
                    self._say(NOTE, "extra", "", f"{path.name} is no stem of this layout and is passed over")
        return not missing

    def _judge_files(self, found: Measured) -> None:
        alike: dict[tuple[str, str], list[str]] = {}
        for name, failure in found.failures.items():
            alike.setdefault(failure, []).append(name)
        for (kind, text), names in alike.items():  # one line for all streams of a broken container
            single = len(names) == 1
            self._say(
                ERROR, kind, names[0] if single else "", text + ("" if single else f" ({', '.join(names)})")
            )
        for name, file in found.files.items():
            for line in file.warnings:
                self._say(WARNING, "damaged", name, f"{name}: {line}")
            scan = file.scan
            if scan is None:
                continue
            if scan.silent:
                severity = ERROR if name == "mixture" else WARNING
                self._say(severity, "silent", name, f"{name} is silent (peak {scan.peak_db:.0f} dB)")
            if scan.clipped:
                text = f"{name} is clipped: {scan.clipped} samples lie in runs at full scale"
                self._say(WARNING, "clipped", name, text)
            if scan.beyond:
                text = f"{name} is above full scale in {scan.beyond} of its samples (peak {scan.peak:.3f})"
                self._say(NOTE, "beyond", name, text)

    def _judge_shapes(self, found: Measured) -> None:
        """Hold every file to what most files have, or to the mixture where opinions are divided."""
        for kind, attribute, unit in (
            ("rate", "sample_rate", "Hz"),
            ("length", "n_samples", "samples"),
            ("channels", "channels", "channels"),
        ):
            values = {name: getattr(file, attribute) for name, file in found.files.items()}
            values = {name: value for name, value in values.items() if value is not None}
            if not values:
                continue
            counts = Counter(values.values())
            usual = max(counts, key=lambda value: (counts[value], value == values.get("mixture")))
            whose = "the mixture" if values.get("mixture") == usual else "most"
            for name, value in values.items():
                if value != usual:
                    self._say(ERROR, kind, name, f"{name} has {value} {unit} and {whose} {usual}")

    def _judge_marks(self, found: Measured) -> None:
        for name, file in found.files.items():
            if file.scan is None or file.scan.silent:
                continue
            label, other = self._marks.setdefault(file.scan.mark, (self._label, name))
            if label != self._label:
                self._say(WARNING, "duplicate", name, f"{name} is the same sound as {other} of {label}")
            elif other != name and len(found.files) > 2:  # a mixture of one stem is that stem
                self._say(ERROR, "duplicate", name, f"{name} is the same sound as {other}")

    def _judge_sum(self, found: Measured) -> float | None:
        if found.sum is None:
            return None
        snr = found.sum.snr_db
        if snr < self._least_sum_db:
            text = f"the mixture is not the sum of the stems: SNR of the difference {snr:.1f} dB"
            if found.sum.snr_with_gain_db >= self._least_sum_db:
                text += f"; it is {found.sum.gain:.4g} times their sum ({found.sum.snr_with_gain_db:.1f} dB)"
            self._say(ERROR, "sum", "mixture", text)
        return snr


def _expected(dataset: Dataset) -> list[str]:
    """Return what every track should have: by the layout, or, for own folders, what most tracks have."""
    layout = dataset.arrangement
    if layout.name != "pattern":
        return [*(["mixture"] if layout.mixture else []), *layout.stems]
    counts: Counter[str] = Counter()
    for track in dataset:
        counts.update([*track.stems, *(["mixture"] if track.mixture else [])])
    return [name for name, n in counts.items() if 2 * n > len(dataset)]
