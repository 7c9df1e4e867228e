"""The demonstration: a mixture made on the spot, separated by every method, scored against the truth."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sigsep_classic import audio
from sigsep_classic._version import __version__
from sigsep_classic.api import separate
from sigsep_classic.audio.publish import FileSet
from sigsep_classic.compare import report as page
from sigsep_classic.compare.describe import describe, slug
from sigsep_classic.compare.printing import as_text
from sigsep_classic.compare.table import (
    DEFAULT_METRICS,
    METRIC_NAMES,
    NOTES,
    Row,
    Table,
    as_dict,
    from_dict,
    reference_estimates,
    score,
)
from sigsep_classic.compare.tasks import MATCHED, TASKS, Task, assign, every_stem, references
from sigsep_classic.datasets import Mixture, synthesize
from sigsep_classic.errors import SigsepError
from sigsep_classic.factorizers import METHODS
from sigsep_classic.factorizers.models import has_components
from sigsep_classic.grouping import GROUPERS, by_reference
from sigsep_classic.messages import warnings_kept
from sigsep_classic.separation import Separation
from sigsep_classic.typing import Array

SCORES = "scores.json"
PAGE = "index.html"

ORACLE_GROUPING = "oracle grouping"
INFORMED = "each component is put where the true stems say it belongs; the components themselves are blind"

WARM_UP_SECONDS = 1.0

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class _Result:
    """One row before it is a row: the separation, its part of a task, and how it came about."""

    title: str
    task: Task
    pairs: dict[str, str]
    row: Row
    separation: Separation


FOR_ROOMS = {
    *("bss", "fdica", "auxiva", "overiva", "five", "iva", "iva_online", "ilrma", "subband", "tiss", "pds"),
    *("exclusion", "cacgmm", "cwmm", "fastmnmf", "fastmnmf2", "mnmf"),
}
"""Methods that tell sources apart by how microphones in a room hear them."""

MADE_FOR = {
    **dict.fromkeys((*FOR_ROOMS, "wpe"), ("convolutive", "a room heard by microphones")),
    **dict.fromkeys(
        ("ica", "adress", "duet", "panned", "projet", "spatial_clustering"),
        ("stereo2x2", "sources at different places of the stereo field"),
    ),
    **dict.fromkeys(("denoise", "dehum", "speech_music_effects"), ("hum", "speech in other sounds")),
}
"""The variant of the mixture, and what it is, that a method is shown on; methods not named go with any."""


class _Shared:
    """A method that fits once: what asks again, to group components otherwise, gets the same model."""

    def __init__(self, method: Any, model: Any = None) -> None:
        self.method, self.model, self.seconds = method, model, 0.0
        self.name = getattr(method, "name", type(method).__name__)

    def fit(self, X: Array, *, callback: Any = None) -> Any:
        if self.model is None:
            begun = time.perf_counter()
            self.model = self.method.fit(X)
            self.seconds = time.perf_counter() - begun
        return self.model


def run(
    folder: str | os.PathLike[str],
    *,
    variant: str = "song",
    seed: int = 0,
    seconds: float | None = None,
    methods: Sequence[str] | None = None,
    report: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return the scores of methods on a synthetic mixture, having written every sound, the scores and a page.

    Below ``folder``: ``mixture.wav``, ``true/STEM.wav``, ``TASK/ROW/STEM.wav``, ``scores.json`` and, with
    ``report``, ``index.html``, which is one file with everything in it.

    Parameters
    ----------
    folder : path
        Made if it is not there; files of the same names are replaced.
    variant : str
        A name from `datasets.VARIANTS`.
    seed : int
        Seed of the mixture.
    seconds : float, optional
        Its length; default: the variant's own.
    methods : sequence of str, optional
        Names in `METHODS`. Default: all; then a method that can't work on this mixture, or is made for another
        (`MADE_FOR`), is passed over, and the record's ``skipped`` says why.
    report : bool
        Write the page; needs jinja2 and matplotlib.
    progress : callable, optional
        Called with one line before each part of the work.

    Returns
    -------
    dict
        What is in ``scores.json``: plain values, NaN as None, infinities as ``"inf"`` and ``"-inf"``.

    Raises
    ------
    ParameterError
        A name is unknown, a number is out of range, or the packages for the page are missing.
    OutputError
        A file can't be written.
    """
    begun, tell, root = time.perf_counter(), progress or (lambda line: None), Path(folder)
    if report:
        page.require_packages()
    for name in methods or ():
        METHODS.find(name)
    tell(f"making the mixture: {variant}, seed {seed}")
    mix = synthesize(variant, seed=seed, seconds=seconds)
    stems = {name: f"true/{name}.wav" for name in mix.stems}
    sounds = {root / "mixture.wav": mix.mixture} | {root / stems[name]: x for name, x in mix.stems.items()}
    audio.save_all(sounds, mix.sample_rate)
    results, skipped = _results(mix, methods, tell)
    tables = _tables(mix, results, root, tell)
    record = {
        **_facts(mix, seed),
        "mixture": "mixture.wav",
        "stems": stems,
        "tasks": tables,
        "methods": {r.row.method: describe(r.separation.method) for r in results},
        "skipped": skipped,
        "page": PAGE if report else None,
    }
    if report:
        tell("making the page")
        _write(root / PAGE, page.render(record, root))
    record["total_seconds"] = round(time.perf_counter() - begun, 3)
    _write(root / SCORES, json.dumps(record, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
    return record


def format_table(record: Mapping[str, Any], *, width: int | None = None) -> str:
    """Return what a terminal shows of a record of `run`: its mixture, a table for each task, what was skipped.

    Parameters
    ----------
    record : mapping
        As `run` returns it.
    width : int, optional
        As for `printing.as_text`.
    """
    head = (
        f"{record['variant']}: {record['seconds']:.1f} s, {record['channels']} channel(s) at "
        f"{record['sample_rate']} Hz, seed {record['seed']}; {', '.join(record['stems'])}. Scores in dB."
    )
    blocks = [head, *(as_text(from_dict(table), width=width) for table in record["tasks"].values())]
    if record["skipped"]:
        reasons = dict.fromkeys(record["skipped"].values())
        names = {
            why: [name for name, reason in record["skipped"].items() if reason == why] for why in reasons
        }
        blocks.append("\n".join(f"skipped {', '.join(found)}: {why}" for why, found in names.items()))
    return "\n\n".join(blocks)


def _facts(mix: Mixture, seed: int) -> dict[str, Any]:
    return {
        "format": 1,
        "sigsep_classic": __version__,
        "variant": mix.name,
        "seed": int(seed),
        "seconds": mix.mixture.shape[-1] / mix.sample_rate,
        "sample_rate": mix.sample_rate,
        "channels": len(mix.mixture),
        "metrics": {name: METRIC_NAMES[name] for name in DEFAULT_METRICS},
    }


def _results(
    mix: Mixture, methods: Sequence[str] | None, tell: Progress
) -> tuple[list[_Result], dict[str, str]]:
    """Return a result for each method and grouping, and why methods were passed over."""
    results: list[_Result] = []
    skipped: dict[str, str] = {}
    for name in METHODS if methods is None else dict.fromkeys(methods):
        variant, scene = MADE_FOR.get(name, (mix.name, ""))
        if methods is None and mix.name != variant:
            skipped[name] = f"for {scene}: see --variant {variant}"
            continue
        try:
            results += _of_method(name, mix, tell)
        except SigsepError as error:
            if methods is not None:
                raise
            skipped[name] = str(error)
    return results, skipped


def _of_method(name: str, mix: Mixture, tell: Progress) -> Iterator[_Result]:
    """Yield a method's result, or one for each way to group its components."""
    tell(f"separating: {name}")
    rate = mix.sample_rate
    # The first second first: what is timed is the method, not compiling its kernels and importing. A recipe does
    # with a second other things than with the whole. What it warns of is true of a second alone.
    start = mix if hasattr(METHODS.find(name), "fit_samples") else _beginning(mix)
    with warnings_kept():
        trial = separate(start.mixture, rate, method=name)
    ways = _ways(trial.model)
    if ways == ("",):
        begun = time.perf_counter()
        found = separate(mix.mixture, rate, method=name)
        yield _result(getattr(found.method, "name", name), "", found, mix, time.perf_counter() - begun)
        return
    warm, shared = _Shared(trial.method, trial.model), _Shared(trial.method)
    for way in ways:
        with warnings_kept():
            separate(
                start.mixture, rate, method=warm, frontend=trial.frontend, **_grouping(way, start, trial)
            )
        options, earlier, begun = _grouping(way, mix, trial), shared.seconds, time.perf_counter()
        found = separate(mix.mixture, rate, method=shared, frontend=trial.frontend, **options)
        seconds = earlier + time.perf_counter() - begun
        yield _result(name, way, found.replace(method=trial.method), mix, seconds)


def _ways(model: Any) -> tuple[str, ...]:
    """Return the ways to group a model's components; an empty one is the model's own."""
    if not has_components(model):
        return ("",)
    return (*GROUPERS, ORACLE_GROUPING) if model.stems is None else ("", ORACLE_GROUPING)


def _result(method: str, way: str, found: Separation, mix: Mixture, seconds: float) -> _Result:
    """Return a separation with the task it is an answer to."""
    title, task, pairs, matched = assign(found, mix.stems)
    informed = way == ORACLE_GROUPING
    row = Row(
        name=f"{method} ({way})" if way else method,
        scores={},
        kind="informed" if informed else "method",
        method=method,
        note=INFORMED if informed else MATCHED if matched else "",
        seconds=round(seconds, 3),
    )
    return _Result(title=title, task=task, pairs=pairs, row=row, separation=found)


def _beginning(mix: Mixture) -> Mixture:
    end = round(WARM_UP_SECONDS * mix.sample_rate)
    stems = {name: x[:, :end] for name, x in mix.stems.items()}
    return replace(mix, mixture=mix.mixture[:, :end], stems=stems)


def _grouping(way: str, mix: Mixture, trial: Separation) -> dict[str, Any]:
    """Return the options of `separate` for a way to group components."""
    if way == ORACLE_GROUPING:
        spectra = {name: trial.frontend.analyze(x) for name, x in mix.stems.items()}
        return {"groups": lambda model: by_reference(model, spectra)}
    if way == "timbre":
        return {"groups": way, "n_sources": min(len(mix.stems), trial.model.n_components)}
    return {"groups": way} if way else {}


def _tables(mix: Mixture, results: list[_Result], root: Path, tell: Progress) -> dict[str, Any]:
    """Return the table of each task with its description, having written the stems of every row."""
    tell("scoring and writing stems")
    tasks = {r.title: r.task for r in results} or dict([every_stem(mix.stems)])
    order = [*(title for title in TASKS if title in tasks), *(t for t in tasks if t not in TASKS)]
    tables = {}
    for title in order:
        task, rate = tasks[title], mix.sample_rate
        truth = references(task, mix.stems)
        assert truth is not None
        rows = []
        for r in (r for r in results if r.title == title):
            estimates = {part: r.separation[name] for part, name in r.pairs.items()}
            places = {stem: f"{slug(title)}/{slug(r.row.name)}/{stem}.wav" for stem in r.separation}
            files = {part: places[name] for part, name in r.pairs.items()}
            r.separation.save(root, template=f"{slug(title)}/{slug(r.row.name)}/{{stem}}.{{ext}}")
            scores = score(truth, estimates, sample_rate=rate)
            rows.append(replace(r.row, scores=scores, files=files))
        rows += _reference_rows(title, mix, truth, root)
        table = Table(title=title, stems=tuple(truth), metrics=DEFAULT_METRICS, rows=tuple(rows))
        parts = {part: list(members) for part, members in task.parts.items()}
        tables[title] = {"description": task.description, "parts": parts, **as_dict(table)}
    return tables


def _reference_rows(title: str, mix: Mixture, truth: dict[str, Array], root: Path) -> list[Row]:
    """Return the rows of the mixture and the oracle mask, having written the oracle's stems."""
    rows = []
    for name, estimates in reference_estimates(mix.mixture, truth).items():
        files = {}
        if not all(x is mix.mixture for x in estimates.values()):
            files = {part: f"{slug(title)}/{slug(name)}/{part}.wav" for part in estimates}
            audio.save_all({root / files[part]: x for part, x in estimates.items()}, mix.sample_rate)
        scores = score(truth, estimates, sample_rate=mix.sample_rate)
        rows.append(Row(name=name, scores=scores, kind="reference", note=NOTES[name], files=files))
    return rows


def _write(path: Path, text: str) -> None:
    """Write a text file, all of it or nothing."""
    with FileSet([str(path)]) as files:
        Path(files.temporary(str(path))).write_text(text, encoding="utf-8")
