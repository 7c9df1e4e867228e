"""``sigsep-classic check-dataset``: faults of a data set before they are taken for faults of a method."""

from __future__ import annotations

import argparse
import math
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING, Any

from sigsep_classic.cli import parsing
from sigsep_classic.cli.output import Progress, one_line, say, to_json
from sigsep_classic.errors import ParameterError

if TYPE_CHECKING:
    from sigsep_classic.datasets.checking import Finding, TrackReport
    from sigsep_classic.datasets.dataset import Dataset

ARGUMENTS = "ROOT"

# Written down so that --help needs no NumPy; a test holds them to what the library has.
LAYOUTS = ("musdb18", "dns", "slakh", "fuss", "musdb18_hq", "dnr", "pattern")
GROUPINGS = ("inst_class", "file")


def add_options(parser: parsing.Parser, words: list[str]) -> None:
    """Add the options of this verb."""
    add = parser.add_argument
    add("root", nargs="?", metavar="ROOT", help="the folder the data set lies in")
    add_layout(parser)
    group = parser.add_argument_group("what is looked for")
    group.add_argument("--quick", action="store_true", help="look at names and headers only")
    least = "a mixture with an SNR below this against the stems' sum is an error (default: 40; MUSDB18 10, Slakh 20)"
    group.add_argument("--sum-db", type=_decibels, metavar="DB", help=least)
    group.add_argument("--strict", action="store_true", help="warnings make the exit code 1 too")
    at_a_time = "tracks at a time (default: 1)"
    group.add_argument(
        "-j", "--jobs", type=parsing.whole_number(1), default=1, metavar="JOBS", help=at_a_time
    )
    add("--json", action="store_true", help="print one JSON object, all tracks included")


def add_layout(parser: parsing.Parser) -> None:
    """Add the options that say how a data set lies on the disk."""
    group = parser.add_argument_group("layout")
    group.add_argument("--layout", choices=LAYOUTS, help="the layout (default: told from the folders)")
    names = 'names of own files, such as "{subset}/{track}/{stem}.wav"'
    group.add_argument("--pattern", metavar="PATTERN", help=names)
    group.add_argument("--mixture", metavar="NAME", help="with --pattern: the {stem} that is the mixture")
    group.add_argument("--subset", action="append", metavar="NAME", help="only this subset; may be repeated")
    group.add_argument(
        "--group-by", choices=GROUPINGS, default="inst_class", help="stems of Slakh (default: inst_class)"
    )


def open_asked(options: argparse.Namespace) -> Dataset:
    """Return the data set that `add_layout`'s options and ``root`` name."""
    from sigsep_classic.datasets.layouts import open_dataset

    if options.root is None:
        raise ParameterError("ROOT is missing; name the folder the data set lies in")
    return open_dataset(
        options.root,
        layout=options.layout,
        subset=options.subset,
        pattern=options.pattern,
        mixture=options.mixture,
        group_by=options.group_by,
    )


def run(options: argparse.Namespace) -> int:
    """Check every track; return 1 where there are errors, or warnings and ``--strict``, else 0."""
    from sigsep_classic.datasets.checking import check_tracks, dataset_findings
    from sigsep_classic.messages import warnings_kept

    dataset = open_asked(options)
    about_all = dataset_findings(dataset)
    summary = _Summary(dataset, about_all)
    progress = Progress(enabled=not options.quiet)
    printed = not options.json
    if printed:
        _print(about_all, options, general=True)
    with warnings_kept():  # they are among the findings
        checked = check_tracks(dataset, quick=options.quick, least_sum_db=options.sum_db, jobs=options.jobs)
        try:
            for i, report in enumerate(checked):
                progress.show(f"[{i + 1}/{len(dataset)}] {report.label}", every=0.1)
                summary.add(report, keep=options.json)
                if printed and report.findings:
                    progress.clear()
                    _print(report.findings, options)
        finally:
            progress.clear()
    if options.json:
        say(to_json(summary.as_dict(), indent=2))
    elif not options.quiet:
        say(summary.as_text(verbose=options.verbose))
    failed = summary.counts["error"] + (summary.counts["warning"] if options.strict else 0)
    return 1 if failed else 0


def _print(findings: tuple[Finding, ...], options: argparse.Namespace, *, general: bool = False) -> None:
    for finding in findings:
        wanted = options.verbose or (not options.quiet and (finding.severity != "note" or general))
        if wanted or finding.severity == "error":
            where = f"{finding.track}: " if finding.track else ""
            say(one_line(f"{finding.severity}: {where}{finding.text}"))


class _Summary:
    """What is known of all tracks, in memory that grows with their number only where they are kept."""

    def __init__(self, dataset: Dataset, about_all: tuple[Finding, ...]) -> None:
        self._dataset, self._about_all = dataset, about_all
        self.counts = Counter(finding.severity for finding in about_all)
        self._shapes: Counter[tuple[int, int]] = Counter()
        self._seconds = 0.0
        self._sums: list[tuple[float, str]] = []
        self._tracks: list[dict[str, Any]] = []

    def add(self, report: TrackReport, *, keep: bool) -> None:
        """Take in a track; ``keep`` it for `as_dict`."""
        from dataclasses import asdict

        self.counts.update(finding.severity for finding in report.findings)
        if report.sample_rate:
            self._shapes[report.sample_rate, report.channels] += 1
        self._seconds += report.seconds
        if report.sum_db is not None:
            self._sums.append((report.sum_db, report.label))
        if keep:
            self._tracks.append(asdict(report) | {"seconds": report.seconds})

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        from dataclasses import asdict

        return {
            "root": str(self._dataset.root),
            "layout": self._dataset.layout,
            "n_tracks": len(self._dataset),
            "seconds": self._seconds,
            "counts": {name: self.counts[name] for name in ("error", "warning", "note")},
            "findings": [asdict(finding) for finding in self._about_all],
            "tracks": self._tracks,
        }

    def as_text(self, *, verbose: bool) -> str:
        """Return two or three lines."""
        dataset = self._dataset
        subsets = Counter(label.rpartition("/")[0] for label in dataset.labels if "/" in label)
        by_subset = ", ".join(f"{n} {name}" for name, n in subsets.items())
        head = f"{dataset.layout}: {_count(len(dataset), 'track')}" + (f" ({by_subset})" if by_subset else "")
        shapes = "; ".join(
            f"{rate} Hz, {_count(channels, 'channel')}" for (rate, channels), _ in self._shapes.most_common(3)
        )
        lines = [", ".join(filter(None, (head, _duration(self._seconds), shapes)))]
        if self._sums:
            worst, label = min(self._sums)
            middle = median(snr for snr, _ in self._sums)
            lines.append(
                f"mixture against the sum of stems: SNR {_db(middle)} median, {_db(worst)} at worst ({label})"
            )
        found = ", ".join(_count(self.counts[name], name) for name in ("error", "warning", "note"))
        unprinted = self.counts["note"] - sum(finding.severity == "note" for finding in self._about_all)
        lines.append(found + ("" if verbose or not unprinted else " (-v prints notes)"))
        return "\n".join(map(one_line, lines))


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _db(value: float) -> str:
    return "exact" if value == math.inf else f"{value:.1f} dB"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _decibels(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of decibels")
    return value
