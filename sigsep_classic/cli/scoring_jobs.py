"""From folders of truth and of estimates to the tracks to score."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from sigsep_classic.cli.scoring import ScoringJob
from sigsep_classic.compare.reference_rows import MIXTURE_SHARE
from sigsep_classic.datasets import Dataset, Estimates, Track, open_estimates
from sigsep_classic.errors import ParameterError, SigsepError


def open_roots(
    texts: Sequence[str], *, layout: str | None = None, pattern: str | None = None
) -> dict[str, Estimates]:
    """Return estimates by method, each ``NAME=FOLDER`` or called after its model or folder.

    ``FOLDER@MODEL`` are the estimates of one model in a folder that holds several.

    Raises
    ------
    ParameterError
        Two have one name, or a name is that of a reference row.
    AudioError
        A folder is not there or holds no estimates.
    """
    roots: dict[str, Estimates] = {}
    for text in texts:
        name, path = split_name(text)
        folder, at, model = path.rpartition("@")
        if not at or os.path.exists(path):
            folder, model = path, ""
        try:
            found = open_estimates(folder, layout=layout, pattern=pattern, model=model or None)
        except ParameterError as error:
            raise ParameterError(str(error).replace("with model=", f"as {folder}@MODEL")) from None
        name = name or found.model or Path(path).resolve().name
        if name in roots:
            raise ParameterError(f"{roots[name].root} and {path} are both called {name}; write OTHER={path}")
        if name == MIXTURE_SHARE or name.startswith("oracle "):
            raise ParameterError(f"{name!r} is the name of a reference row; write OTHER={path}")
        roots[name] = found
    return roots


def split_name(text: str) -> tuple[str, str]:
    """Return name and folder of ``NAME=FOLDER``; a folder of that very name goes before."""
    name, equals, path = text.partition("=")
    return (name.strip(), path) if equals and name.strip() and not os.path.exists(text) else ("", text)


def scoring_jobs(dataset: Dataset, roots: Mapping[str, Estimates]) -> tuple[list[ScoringJob], list[str]]:
    """Return a job for each track that some method has estimates of, all tracks where there are no methods.

    Returns
    -------
    jobs : list of ScoringJob
        In the order of the data set.
    notes : list of str
        What has no counterpart.

    Raises
    ------
    ParameterError
        A method has estimates of no track.
    """
    jobs, notes = [], []
    missing: dict[str, list[str]] = {name: [] for name in roots}
    by_method = {name: _by_label(root, dataset.labels) for name, root in roots.items()}
    for at, label in enumerate(dataset.labels):
        found = {name: files[label] for name, files in by_method.items()}
        for name, files in found.items():
            if not files:
                missing[name].append(label)
        there = {name: files for name, files in found.items() if files}
        if roots and not there:
            continue
        estimates = {n: dict(files) for n, files in there.items() if not roots[n].holds_scores}
        scored = {n: next(iter(files.values())) for n, files in there.items() if roots[n].holds_scores}
        track, problem = _track(dataset, at, label)
        source = str(dataset.root)
        job = ScoringJob(
            source=source, track=label, problem=problem, truth=track, estimates=estimates, scored=scored
        )
        jobs.append(job)
    for name, labels in missing.items():
        if len(labels) == len(dataset):
            raise ParameterError(
                f"{roots[name].root}: none of its tracks ({_some(list(roots[name]))}) is one of {dataset.root} "
                f"({_some(labels)}); check the names of folders, or give --estimates-pattern"
            )
        if labels:
            notes.append(
                f"{name} has no estimates of {len(labels)} of {len(dataset)} tracks: {_some(labels)}"
            )
        notes += _liberties(name, roots[name], by_method[name])
    return jobs, notes


def _by_label(root: Estimates, labels: Sequence[str]) -> dict[str, Mapping[str, Path]]:
    """Return the files of each track; where there is one track on both sides, names need not agree.

    Estimates that have the folder of one track are not those of a track of that name in another subset.
    """
    found = {label: root.of(label) for label in labels}
    if len(labels) == 1 and len(root) == 1:
        return {labels[0]: next(iter(root.values()))}
    own = {id(root[label]) for label in labels if label in root}
    found = {label: {} if label not in root and id(files) in own else files for label, files in found.items()}
    first: dict[int, str] = {}
    for label, files in found.items():
        other = first.setdefault(id(files), label)
        if files and other != label:
            raise ParameterError(
                f"{root.root}: the same estimates fit {other} and {label}; choose one with --subset"
            )
    return found


def _liberties(name: str, root: Estimates, by_label: Mapping[str, Mapping[str, Path]]) -> list[str]:
    """Return lines about estimates of another name than the one track, and estimates of no track."""
    used = {id(files) for files in by_label.values()}
    lines = []
    if len(by_label) == 1 and len(root) == 1:
        (label,), (there,) = by_label, root
        lines += [] if root.of(label) else [f"{name}: the estimates of {there} are taken for {label}"]
    left = [track for track, files in root.items() if id(files) not in used]
    if left:
        tracks = "1 track that is" if len(left) == 1 else f"{len(left)} tracks that are"
        lines.append(f"{name} has estimates of {tracks} not scored: {_some(left)}")
    return lines


def _track(dataset: Dataset, at: int, label: str) -> tuple[Track, str]:
    """Return a track, or one without stems and why it can't be used."""
    try:
        return dataset[at], ""
    except SigsepError as error:
        subset, _, name = label.rpartition("/")
        return Track(name=name, subset=subset), str(error)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
