"""What methods are asked for, as data, and which estimate is scored against which true stems."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from sigsep_classic.metrics import si_sdr
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class Task:
    """A way to cut a mixture in parts.

    Parameters
    ----------
    description : str
        One sentence for readers of the table.
    parts : mapping of str to tuple of str
        Name of each part and the true stems it is the sum of; one part may be ``REST``, all other stems.
    aliases : mapping of str to str
        Stem names of methods, and the part each is an estimate of. A part's own name need not be there.
    """

    description: str
    parts: Mapping[str, tuple[str, ...]]
    aliases: Mapping[str, str]

    def part(self, stem: str) -> str | None:
        """Return the part that a method's stem of this name estimates, or None."""
        return stem if stem in self.parts else self.aliases.get(stem)


REST: tuple[str, ...] = ()

TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "drums vs rest": Task(
            description="Struck sounds apart from sustained ones: drums against voice, bass and keys together.",
            parts={"drums": ("drums",), "rest": REST},
            aliases={"percussive": "drums", "harmonic": "rest"},
        ),
        "voice vs accompaniment": Task(
            description="The voice apart from the band that repeats under it.",
            parts={"vocals": ("vocals",), "accompaniment": REST},
            aliases={
                "foreground": "vocals",
                "background": "accompaniment",
                "centre": "vocals",
                "sides": "accompaniment",
                "mid": "vocals",
                "side": "accompaniment",
            },
        ),
        "speech vs noise": Task(
            description="A talker apart from hum and hiss.",
            parts={"speech": ("speech",), "noise": REST},
            aliases={"clean": "speech", "hum": "noise"},
        ),
        "four stems": Task(
            description="Every instrument by itself.",
            parts={stem: (stem,) for stem in ("vocals", "drums", "bass", "other")},
            aliases={},
        ),
    }
)
"""Title to task. A method whose stem names are parts or aliases of a task is scored there."""

MATCHED = "stems named after the true stems they are closest to (best SI-SDR permutation)"

_ANONYMOUS = re.compile(r"(source|component)\d+")
"""Names that only count: alike in an estimate and in the truth, they do not mean the same sound."""

_COUNTS = ("no", "one", "two", "three", "four", "five", "six")


def references(task: Task, stems: Mapping[str, Array]) -> dict[str, Array] | None:
    """Return the true signal of each part, or None where a stem the task names is not there.

    Parameters
    ----------
    task : Task
        What the parts are.
    stems : mapping of str to array (channels, samples)
        The true stems.
    """
    named = {stem for members in task.parts.values() for stem in members}
    others = [stem for stem in stems if stem not in named]
    if not named <= set(stems) or (REST in task.parts.values()) != bool(others):
        return None
    return {
        part: sum((stems[stem] for stem in (members or others)), 0 * next(iter(stems.values())))
        for part, members in task.parts.items()
    }


def every_stem(stems: Mapping[str, Array]) -> tuple[str, Task]:
    """Return the title and the task of finding each true stem: one of `TASKS` if it has a part for each."""
    for title, task in TASKS.items():
        if len(task.parts) == len(stems) and references(task, stems) is not None:
            return title, task
    count = _COUNTS[len(stems)] if len(stems) < len(_COUNTS) else str(len(stems))
    parts = {stem: (stem,) for stem in stems}
    return f"{count} stems", Task(description="Every source by itself.", parts=parts, aliases={})


def assign(
    estimates: Mapping[str, Array], stems: Mapping[str, Array]
) -> tuple[str, Task, dict[str, str], bool]:
    """Return the task some estimates are an answer to, and which part each of them estimates.

    Parameters
    ----------
    estimates : mapping of str to array (channels, samples)
        A method's stems.
    stems : mapping of str to array (channels, samples)
        The true stems.

    Returns
    -------
    title : str
    task : Task
        The first of `TASKS` whose parts the stems' names cover, one stem a part; else `every_stem`.
    pairs : dict of str to str
        Part to the name of its estimate.
    matched : bool
        Whether names did not say it, so that the permutation with the highest sum of SI-SDR was taken.
    """
    all_stems = every_stem(stems)
    telling = [name for name in estimates if not _ANONYMOUS.fullmatch(name)]
    for title, task in (*TASKS.items(), all_stems):
        named = [(part, name) for name in telling if (part := task.part(name)) is not None]
        found = dict(named)
        if set(found) == set(task.parts) and len(named) == len(found) and references(task, stems) is not None:
            return title, task, {part: found[part] for part in task.parts}, False
    truth = references(all_stems[1], stems)
    assert truth is not None
    return *all_stems, best_permutation(truth, estimates), True


def best_permutation(stems: Mapping[str, Array], estimates: Mapping[str, Array]) -> dict[str, str]:
    """Return each true stem with the name of its estimate, so that the sum of SI-SDR is highest.

    Parameters
    ----------
    stems, estimates : mapping of str to array (channels, samples)
        Where one holds more than the other, what is left over is not in the result.

    Returns
    -------
    dict of str to str
        In the order of the stems.
    """
    from scipy.optimize import linear_sum_assignment

    names = list(estimates)
    table = np.stack([np.asarray(si_sdr(list(stems.values()), [estimates[n]] * len(stems))) for n in names])
    # A silent estimate has -inf or NaN, which no assignment takes: worse than any sound, but finite.
    table = np.where(np.isfinite(table), np.clip(table, -200, 200), np.where(table == np.inf, 300, -300))
    rows, columns = linear_sum_assignment(table, maximize=True)
    pairs = dict(zip(columns.tolist(), rows.tolist(), strict=True))
    return {stem: names[pairs[n]] for n, stem in enumerate(stems) if n in pairs}
