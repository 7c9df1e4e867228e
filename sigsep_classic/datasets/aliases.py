"""Names of stems: one name for those that mean the same, and which stems of two sets make up each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sigsep_classic.datasets.folders import plain
from sigsep_classic.errors import ParameterError

ALIASES: dict[str, tuple[str, ...]] = {
    "vocals": ("vocal", "voice", "voices", "vox", "singing", "singing_voice", "lead_vocals", "a_cappella"),
    "accompaniment": (
        "instrumental",
        "instrumentals",
        "inst",
        "no_vocals",
        "no_vocal",
        "minus_vocals",
        "backing",
        "backing_track",
        "karaoke",
    ),
    "drums": ("drum", "drum_kit", "drumkit"),
    "bass": ("bass_guitar", "electric_bass"),
    "other": ("others", "rest", "remainder"),
    "speech": ("dialog", "dialogue", "clean", "clean_speech", "enhanced", "denoised", "narration"),
    "sfx": ("effects", "effect", "fx", "sound_effects"),
    "noise": ("background_noise", "noises"),
    "mixture": ("mix",),
}
"""One name of each stem and the others that it goes by."""

FINER_THAN_OTHER = ("guitar", "piano", "keys", "strings", "winds", "synth")
"""Stems some models take out of what four-stem data calls ``other``."""

_CANONICAL = {alias: name for name, aliases in ALIASES.items() for alias in aliases}
_ALL_BUT = ("no_", "minus_", "without_", "non_")


def canonical(stem: str) -> str:
    """Return the one name for a stem: ``"accompaniment"`` of ``"Instrumental"`` and of ``"no_vocals"``.

    Parameters
    ----------
    stem : str
        As a file or a tool calls it.

    Returns
    -------
    str
        Lower case, words joined by ``_``; a name with no alias stays what it is but for that.

    Examples
    --------
    >>> canonical("No Vocals"), canonical("minus_drums"), canonical("Drums")
    ('accompaniment', 'no_drums', 'drums')
    """
    name = "_".join(plain(stem).casefold().replace("-", " ").replace("_", " ").split())
    if name in _CANONICAL:
        return _CANONICAL[name]
    for prefix in _ALL_BUT:
        if name.startswith(prefix):
            rest = canonical(name.removeprefix(prefix))
            return "accompaniment" if rest == "vocals" else f"no_{rest}"
    return name


@dataclass(frozen=True, kw_only=True)
class StemPair:
    """What is compared with what: the sum of some true stems with the sum of some estimates.

    Parameters
    ----------
    name : str
        What it is called in tables.
    references, estimates : tuple of str
        Names of the stems that are added on each side, as each side calls them.
    """

    name: str
    references: tuple[str, ...]
    estimates: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StemMatch:
    """How the estimates of a track are compared with its truth.

    Parameters
    ----------
    pairs : tuple of StemPair
        In the truth's order; sums come last.
    words : tuple of str
        A line for each renaming, sum, and stem that has no counterpart.
    """

    pairs: tuple[StemPair, ...]
    words: tuple[str, ...]


def match_stems(
    truth: Iterable[str], estimated: Iterable[str], *, aliases: Mapping[str, str] | None = None
) -> StemMatch:
    """Return which stems of the truth and of the estimates belong together, and every liberty taken.

    Names that mean the same are one; ``accompaniment`` (``instrumental``, ``no_vocals``) is the sum of all but
    ``vocals`` on the side where it is not a stem, and ``no_X`` the sum of all but X; where the truth has no
    guitar or piano, those belong to its ``other``; a voice is speech where the truth has no singing.

    Parameters
    ----------
    truth, estimated : iterable of str
        Names of the stems.
    aliases : mapping of str to str, optional
        What estimates are called in the truth, such as ``{"foreground": "vocals"}``; goes before all rules.

    Returns
    -------
    StemMatch
        With no pairs where nothing fits.

    Raises
    ------
    ParameterError
        Two stems of one side mean the same.

    Examples
    --------
    >>> found = match_stems(["drums", "bass", "vocals"], ["Vocals", "Instrumental"])
    >>> found.pairs[1]
    StemPair(name='accompaniment', references=('drums', 'bass'), estimates=('Instrumental',))
    """
    return _Matcher(list(truth), list(estimated), dict(aliases or {})).run()


class _Matcher:
    def __init__(self, truth: list[str], estimated: list[str], aliases: dict[str, str]) -> None:
        self.words: list[str] = []
        self.pairs: dict[str, StemPair] = {}
        self.truth = _by_name(truth, {}, "the truth")
        self.left = _by_name(estimated, aliases, "the estimates")
        self.truth.pop("mixture", None)
        self.left.pop("mixture", None)
        self.estimated = dict(self.left)

    def run(self) -> StemMatch:
        """Apply the rules, the surest first."""
        self._as_speech()
        for name in self.truth:
            if name in self.left:
                self._pair(name, [name], [name])
        self._finer_other()
        for name in [name for name in self.left if _left_out(name)]:
            self._complement_of_truth(name)
        for name in [name for name in self.truth if _left_out(name) and name not in self.pairs]:
            self._complement_of_estimates(name)
        if "residual" in self.left and self.pairs:
            del self.left["residual"]
            self.words.append("estimate residual is what no stem took; it is not scored")
        self.words += [f"estimate {spelt} has no true stem; it is not scored" for spelt in self.left.values()]
        heard = {name for pair in self.pairs.values() for name in pair.references}
        self.words += [f"true stem {s} has no estimate" for s in self.truth.values() if s not in heard]
        return StemMatch(pairs=tuple(self.pairs.values()), words=tuple(self.words))

    def _pair(self, name: str, references: list[str], estimates: list[str]) -> None:
        spelt = tuple(self.estimated[key] for key in estimates)
        true = tuple(self.truth[key] for key in references)
        self.pairs[name] = StemPair(
            name=true[0] if len(true) == 1 else name, references=true, estimates=spelt
        )
        for key in estimates:
            self.left.pop(key, None)
        if len(true) > 1:
            self.words.append(f"estimate {spelt[0]} is compared with the sum of {', '.join(true)}")
        elif len(spelt) > 1:
            self.words.append(f"the sum of {', '.join(spelt)} is taken for {true[0]}")
        elif spelt != true:
            self.words.append(f"estimate {spelt[0]} is taken for {true[0]}")

    def _as_speech(self) -> None:
        singing, talking = "vocals" in self.truth, "speech" in self.truth
        if "vocals" in self.left and "speech" not in self.left and talking and not singing:
            self.left["speech"] = self.estimated["speech"] = self.left.pop("vocals")

    def _finer_other(self) -> None:
        finer = [name for name in FINER_THAN_OTHER if name in self.left and name not in self.truth]
        if finer and "other" in self.truth and "drums" in self.truth:
            there = ["other"] if "other" in self.estimated else []
            self._pair("other", ["other"], [*there, *finer])

    def _complement_of_truth(self, name: str) -> None:
        """An estimate of all but X, where the truth has X among others."""
        rest = [other for other in self.truth if other != _left_out(name)]
        if len(rest) < len(self.truth) and rest and not any(_left_out(other) for other in rest):
            self._pair(name, rest, [name])

    def _complement_of_estimates(self, name: str) -> None:
        """A true stem that is all but X, where the estimates have X among others."""
        rest = [other for other in self.estimated if other != _left_out(name)]
        if len(rest) < len(self.estimated) and rest and not any(_left_out(other) for other in rest):
            self._pair(name, [name], rest)


def _left_out(name: str) -> str:
    """Return the stem that a sum of all others leaves out; empty for a name that is no such sum."""
    return "vocals" if name == "accompaniment" else name[3:] if name.startswith("no_") else ""


def _by_name(stems: list[str], aliases: dict[str, str], side: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for stem in stems:
        name = canonical(aliases.get(stem, stem))
        if name in found:
            raise ParameterError(f"{found[name]} and {stem} of {side} are both {name}; leave one out")
        found[name] = stem
    return found
