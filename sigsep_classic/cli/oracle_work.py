"""One track from its stems to the estimates of an oracle, written, as a record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sigsep_classic import metrics
from sigsep_classic.backend import to_device, to_host
from sigsep_classic.cli.inputs import Job
from sigsep_classic.cli.work import (
    Record,
    Settings,
    Tell,
    chosen_stems,
    recorded,
    versions,
    write_stems,
)
from sigsep_classic.datasets import LoadedTrack, Track
from sigsep_classic.errors import AudioError
from sigsep_classic.oracle import SISEC_STFT, with_accompaniment
from sigsep_classic.separation import Separation
from sigsep_classic.typing import FrontEnd


@dataclass(frozen=True, kw_only=True)
class TrackJob(Job):
    """A track with its true stems.

    Parameters
    ----------
    found : Track or None
        None where there is a problem.
    """

    found: Track | None = None


@dataclass(frozen=True, kw_only=True)
class OracleSettings(Settings):
    """What is the same for every track of a run; ``method`` is an `Oracle`.

    Parameters
    ----------
    stft : FrontEnd
        The transform.
    mixture : {"file", "sum"}
        As for `Track.load`.
    lead : str
        What ``accompaniment`` leaves out; empty for no accompaniment.
    score : bool
        Whether to score.
    """

    stft: FrontEnd = SISEC_STFT
    mixture: str = "file"
    lead: str = ""
    score: bool = False


def process_track(job: TrackJob, settings: OracleSettings, tell: Tell | None = None) -> Record:
    """Return the record of a track; a failure is a record too."""
    return recorded(job, settings, lambda: _made(job, settings, tell or (lambda text: None)))


def _made(job: TrackJob, settings: OracleSettings, tell: Tell) -> Record:
    if job.problem or job.found is None:
        raise AudioError(job.problem)
    tell("reading")
    track = job.found.load(mixture=settings.mixture)
    tell("separating")
    estimates = _estimates(track, settings)
    tell("writing")
    found = Separation(
        stems=estimates,
        mixture=track.mixture,
        sample_rate=track.sample_rate,
        model=None,
        method=settings.method,
        frontend=settings.stft,
    )
    written = write_stems(chosen_stems(found, settings), job, settings)
    channels, n_samples = track.mixture.shape
    return {
        **written,
        **(_scored(track, estimates, settings) if settings.score else {}),
        "duration": n_samples / track.sample_rate,
        "sample_rate": track.sample_rate,
        "channels": channels,
        "method": settings.method_name,
        "parameters": dict(settings.method.options),
        "frontend": {"name": type(settings.stft).__name__, **vars(settings.stft)},
        "mixture": settings.mixture if job.found.mixture is not None else "sum",
        "device": settings.device,
        "versions": versions(),
    }


def _estimates(track: LoadedTrack, settings: OracleSettings) -> dict[str, Any]:
    mixture = to_device(track.mixture, settings.device)
    stems = {name: to_device(stem, settings.device) for name, stem in track.stems.items()}
    estimates = settings.method(mixture, stems, frontend=settings.stft)
    if settings.lead:
        estimates = with_accompaniment(estimates, lead=settings.lead)
    return {name: to_host(estimate) for name, estimate in estimates.items()}


def _scored(track: LoadedTrack, estimates: Mapping[str, Any], settings: OracleSettings) -> Record:
    """Return scores as numbers and as lines to print; the mixture in equal shares is what doing nothing scores."""
    truth = with_accompaniment(track.stems, lead=settings.lead) if settings.lead else track.stems
    share = track.mixture / len(track.stems)
    nothing = dict.fromkeys(track.stems, share)
    if settings.lead:
        nothing = with_accompaniment(nothing, lead=settings.lead)
    rows = {"estimate": estimates, f"mixture/{len(track.stems)}": nothing}
    found = {
        title: metrics.scores(truth, row, metrics=("usdr", "csdr"), sample_rate=track.sample_rate)
        for title, row in rows.items()
    }
    scores = {name: {title: by[name] for title, by in found.items()} for name in truth}
    lines = [
        f"  {name:<15} "
        + "   ".join(
            f"{title}: uSDR {s['usdr']:6.2f} dB, cSDR {s['csdr']:6.2f} dB" for title, s in of.items()
        )
        for name, of in scores.items()
    ]
    if any(math.isnan(s["csdr"]) for of in scores.values() for s in of.values()):
        lines.append(
            "  nan: in each second some stem or estimate is silent, which hides it from cSDR of all stems"
        )
    return {"scores": scores, "text": [f"{track.name}: {settings.method.summary}", *lines]}
