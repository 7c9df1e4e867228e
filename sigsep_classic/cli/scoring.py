"""One track from its files to records of scores: every method that has estimates of it, the mixture and the oracles."""

from __future__ import annotations

import json
import os
import re
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigsep_classic._version import __version__
from sigsep_classic.cli.failures import describe
from sigsep_classic.cli.inputs import Job
from sigsep_classic.cli.work import Record, Tell
from sigsep_classic.compare.evaluating import Scoring, evaluate
from sigsep_classic.compare.records import RecordError, TrackScores, from_museval, read, write
from sigsep_classic.compare.reference_rows import MIXTURE_SHARE, reference, reference_name
from sigsep_classic.datasets import LoadedTrack, Track, match_stems
from sigsep_classic.errors import AudioError
from sigsep_classic.messages import warnings_kept

if TYPE_CHECKING:
    from sigsep_classic.compare.candidates import Candidate

RECORDS, MUSEVAL = "records", "museval"
"""Folders below the output's: strict records, and the same for museval."""


@dataclass(frozen=True, kw_only=True)
class ScoringJob(Job):
    """One track to score; can be sent to another process.

    Parameters
    ----------
    truth : Track
        Its true stems.
    estimates : mapping of str to mapping of str to Path
        Method, then stem, to its file.
    scored : mapping of str to Path
        Methods that come with a museval JSON file in place of estimates.
    candidates : tuple of Candidate
        What is to be run on the mixture first; see `compare.candidates`.
    """

    truth: Track
    estimates: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    scored: Mapping[str, Path] = field(default_factory=dict)
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ScoringSettings:
    """What is the same for every track of a run.

    Parameters
    ----------
    scoring : Scoring
        Metrics and frames.
    outdir : str
        Where records go.
    oracles : tuple of str
        Oracle masks to add; the mixture is always added.
    mixture : {"file", "sum"}
        Which mixture these are made from; see `datasets.Track.load`.
    aliases : mapping of str to str
        What stems of estimates are called in the truth.
    resume : bool
        Keep a record that was made of the same files with the same settings.
    debug : bool
        Keep tracebacks.
    """

    scoring: Scoring
    outdir: str
    oracles: tuple[str, ...] = ("irm2",)
    mixture: str = "file"
    aliases: Mapping[str, str] = field(default_factory=dict)
    resume: bool = True
    debug: bool = False


def score_track(job: ScoringJob, settings: ScoringSettings, tell: Tell | None = None) -> Record:
    """Score every method on one track, write the records, and return what happened; a failure is told, not raised.

    Returns
    -------
    dict
        ``status`` and ``exit_code`` of the track, ``done``: method to ``"scored"``, ``"kept"`` or ``"failed"``,
        ``words``: method to what was done to its estimates, ``errors``: one line each, ``warnings``, ``seconds``.
    """
    begun = time.perf_counter()
    with warnings_kept() as kept:
        run = _Run(job, settings, tell or (lambda text: None), kept)
        run.all()
    status = "error" if run.errors else "ok"
    codes = set(run.codes)
    return {
        "status": status,
        "input": job.source,
        "track": job.track,
        "exit_code": 0 if not codes else codes.pop() if len(codes) == 1 else 1,
        "done": run.done,
        "words": run.words,
        "errors": run.errors,
        "traceback": "".join(run.traces),
        "warnings": list(dict.fromkeys(kept)),
        "seconds": round(time.perf_counter() - begun, 4),
    }


def record_path(
    outdir: str | os.PathLike[str], method: str, subset: str, track: str, kind: str = RECORDS
) -> Path:
    """Return where the record of a method and a track is; museval looks in a folder named after the subset."""
    subset = subset or ("test" if kind == MUSEVAL else "")
    folder = Path(outdir) / kind / _file_name(method)
    return (folder / _file_name(subset) if subset else folder) / f"{_file_name(track)}.json"


def _file_name(name: str) -> str:
    """Return a name that is no path and that every file system takes."""
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", name).strip(". ") or "_"


class _Run:
    """The work on one track; the truth is read when the first method needs it, once."""

    def __init__(self, job: ScoringJob, settings: ScoringSettings, tell: Tell, kept: list[str]) -> None:
        self.job, self.settings, self.tell, self.kept = job, settings, tell, kept
        self.done: dict[str, str] = {}
        self.words: dict[str, list[str]] = {}
        self.errors: list[str] = []
        self.codes: list[int] = []
        self.traces: list[str] = []
        self.stems: set[str] = set()
        self._loaded: LoadedTrack | None = None

    def all(self) -> None:
        """Score what there is: estimates, museval files, mixture, oracles."""
        job, settings = self.job, self.settings
        for method, files in job.estimates.items():
            made_of = self._made_of(files.values(), {"aliases": dict(settings.aliases)})
            self._one(method, made_of, partial(self._evaluated, method, files))
        for method, path in job.scored.items():
            self._one(method, self._made_of([path], {}), partial(self._imported, method, path))
        for each in job.candidates:
            made_of = self._made_of(each.files, {"mixture": settings.mixture, "candidate": each.as_dict()})
            self._one(each.name, made_of, partial(self._ran, each))
        sums = _sums(job.truth, self.stems | self._scored_before())
        made_of = self._made_of([], {"mixture": settings.mixture, "sums": sums})
        for key in (None, *settings.oracles):
            make = partial(self._reference, key, sums)
            self._one(reference_name(key), made_of, make, kind="reference")

    def _one(
        self, method: str, made_of: dict[str, Any], make: Callable[[], TrackScores], *, kind: str = "method"
    ) -> None:
        """Make and write one record, unless it is there; a failure becomes a record too, so that it is not lost."""
        track = self.job.truth
        path = record_path(self.settings.outdir, method, track.subset, track.name)
        there = _kept(path, made_of) if self.settings.resume else None
        if there is not None:
            self.done[method] = "kept"
            self.stems |= set(there.stems)
            return
        self.tell(f"scoring {method}")
        before = len(self.kept)
        museval: Path | None = record_path(self.settings.outdir, method, track.subset, track.name, MUSEVAL)
        try:
            found = make()
            self.done[method] = "scored"
            ours = {each.name for each in self.job.candidates if not each.model}
            if method not in ours:  # whose stems are called as the truth wants
                self.words[method] = list(found.meta.get("words", ()))
            self.stems |= set(found.stems)
        except Exception as error:
            failure = describe(error)
            self.done[method] = "failed"
            why = failure.message.removeprefix(f"{track.name}: ").removeprefix(f"{method}: ")
            self.errors.append(f"{self.job.track}: {method}: {why}")
            self.codes.append(failure.exit_code)
            if self.settings.debug:
                self.traces.append(traceback.format_exc())
            found = TrackScores(
                track=track.name, method=method, kind=kind, subset=track.subset, error=failure.message
            )
            _remove(museval)  # of an earlier run, whose scores are no longer true
            museval = None
        more = {"warnings": list(dict.fromkeys(self.kept[before:])), "made_of": made_of}
        write(replace(found, meta={**found.meta, **more}), path, museval=museval)

    def _scored_before(self) -> set[str]:
        """Return the stems of earlier runs, so that the rows all methods share keep what those methods have."""
        if not self.settings.resume:
            return set()
        track = self.job.truth
        try:
            found = read(record_path(self.settings.outdir, MIXTURE_SHARE, track.subset, track.name))
        except RecordError:
            return set()
        return set(found.stems)

    def _made_of(self, files: Any, more: dict[str, Any]) -> dict[str, Any]:
        """Return what a record depends on: settings, version, and the files with their sizes and times."""
        stems = [*self.job.truth.stems.values()]
        own = [self.job.truth.mixture] if self.job.truth.mixture is not None and "mixture" in more else []
        paths = [part.path for stem in (*stems, *own) for part in stem.parts] + [Path(f) for f in files]
        return {
            "sigsep_classic": __version__,
            "settings": self.settings.scoring.as_dict(),
            "files": {str(path): _stamp(path) for path in dict.fromkeys(paths)},
            **more,
        }

    def _truth(self) -> LoadedTrack:
        if self.job.problem:
            raise AudioError(self.job.problem)
        if self._loaded is None:
            self.tell("reading")
            self._loaded = self.job.truth.load(mixture=self.settings.mixture)
        return self._loaded

    def _evaluated(self, method: str, files: Mapping[str, Path]) -> TrackScores:
        return evaluate(
            self._truth(),
            files,
            method=method,
            scoring=self.settings.scoring,
            subset=self.job.truth.subset,
            aliases=self.settings.aliases,
        )

    def _imported(self, method: str, path: Path) -> TrackScores:
        found = from_museval(path, method=method, track=self.job.truth.name)
        return replace(found, subset=self.job.truth.subset)

    def _ran(self, candidate: Candidate) -> TrackScores:
        """Run a method on the mixture and score what it gives."""
        track = self._truth()
        self.tell(f"running {candidate.name}")
        begun = time.perf_counter()
        stems, note = candidate.estimates(track)
        seconds = round(time.perf_counter() - begun, 3)
        self.tell(f"scoring {candidate.name}")
        found = evaluate(
            track, stems, method=candidate.name, scoring=self.settings.scoring, subset=self.job.truth.subset
        )
        return replace(found, meta={**found.meta, "seconds": seconds, **({"note": note} if note else {})})

    def _reference(self, oracle: str | None, sums: Mapping[str, Sequence[str]]) -> TrackScores:
        subset = self.job.truth.subset
        return reference(self._truth(), oracle, sums=sums, scoring=self.settings.scoring, subset=subset)


def _sums(track: Track, names: Iterable[str]) -> dict[str, list[str]]:
    """Return which of the names that were scored are sums of true stems, such as ``accompaniment``, and of which."""
    others = sorted(set(names) - set(track.stems))
    return {
        p.name: list(p.references) for p in match_stems(track.stems, others).pairs if len(p.references) > 1
    }


def _remove(path: Path | None) -> None:
    if path is not None:
        with suppress(OSError):
            path.unlink()


def _stamp(path: Path) -> list[int]:
    """Return a file's size and time of change; nothing where it can't be asked."""
    try:
        about = path.stat()
    except OSError:
        return []
    return [about.st_size, about.st_mtime_ns]


def _kept(path: Path, made_of: dict[str, Any]) -> TrackScores | None:
    """Return the record if it was made of the same files with the same settings, and is whole and no failure."""
    try:
        found = read(path)
    except RecordError:
        return None
    same = json.loads(json.dumps(made_of)) == found.meta.get("made_of")
    return found if same and not found.error else None
