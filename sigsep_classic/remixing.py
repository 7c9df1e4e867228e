"""Put stems back together otherwise: louder, softer, elsewhere, filtered, drier; the mixture where nothing changes.

A remix is ``mixture + sum of (changed stem - stem)``: what no stem has stays, and stems nobody speaks of do not count,
so that their errors stay out too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_array, check_range, nearest
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.dereverberation.wpe import WPE
from sigsep_classic.typing import Array

FORMS = "-6dB, x0.5, mute, solo, pan left, pan 0.3, lowpass 4k, highpass 120, bandpass 300-3k, bandstop 50-60, dry"
"""What can be said of a stem."""

FILTERS = ("lowpass", "highpass", "bandpass", "bandstop")
MOST_DB = 200.0
"""Largest gain and least, in dB, either way."""
_ORDER = 4
_FORGOTTEN = 1e-6
_PLACES = {"left": -1.0, "center": 0.0, "centre": 0.0, "right": 1.0}
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)"


@dataclass(frozen=True, kw_only=True)
class Change:
    """What becomes of one stem.

    Parameters
    ----------
    gain : float
        Linear, finite; below 0 turns the sign.
    solo : bool
        Stems without it, and what no stem has, are silenced where any stem has it.
    pan : float
        -1 (left) … 1 (right), 0 leaves the stem where it is.
    filters : tuple of (str, float or (float, float))
        A kind of `FILTERS` and its edge or edges in Hz, one after the other.
    dry : bool
        Take late reverberation away, by weighted prediction error (`WPE`).

    Raises
    ------
    ParameterError
        A value is out of range.
    """

    gain: float = 1.0
    solo: bool = False
    pan: float = 0.0
    filters: tuple[tuple[str, tuple[float, ...]], ...] = ()
    dry: bool = False

    def __post_init__(self) -> None:
        check_range("gain", self.gain, -math.inf)
        check_range("pan", self.pan, -1, 1)
        for kind, edges in self.filters:
            for edge in edges:
                check_range(f"{kind} edge in Hz", edge, 0, above=True)
            if len(edges) == 2 and edges[0] >= edges[1]:
                raise ParameterError(f"{kind} is {edges[0]:g}-{edges[1]:g} Hz; the first must be the lower")

    @property
    def changes(self) -> bool:
        """Whether the stem itself comes out otherwise."""
        return self.gain != 1 or self.pan != 0 or bool(self.filters) or self.dry


def parse(text: str) -> dict[str, Change]:
    """Return the changes of stems that a line tells: ``"vocals -6dB; drums mute; bass pan left; other lowpass 4k"``.

    Parameters
    ----------
    text : str
        Stems apart by ``;``; after the name, and a colon or none, what is to be done, of `FORMS`, several apart by
        blanks or commas.

    Returns
    -------
    dict of str to Change

    Raises
    ------
    ParameterError
        Something is not understood, or a stem is named twice.

    Examples
    --------
    >>> parse("vocals -6dB; drums mute")["drums"].gain
    0.0
    """
    found: dict[str, Change] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, said = re.fullmatch(r"([^\s:=]*)\s*[:=]?\s*(.*)", part, re.DOTALL).groups()  # type: ignore[union-attr]
        if name in found:
            raise ParameterError(f"{name!r} is there twice; say all of it in one place")
        if not name or not said:
            raise ParameterError(f"{part!r} says nothing of what to do; for example {FORMS}")
        found[name] = _change(said)
    if not found:
        raise ParameterError("nothing is to be changed; for example 'vocals -6dB; drums mute'")
    return found


def _change(said: str) -> Change:
    words = said.replace(",", " ").split()
    gain, solo, pan, filters, dry = 1.0, False, 0.0, [], False
    while words:
        word = words.pop(0)
        low = word.lower()
        if low == "mute":
            gain = 0.0
        elif low == "solo":
            solo = True
        elif low == "dry":
            dry = True
        elif low == "pan":
            pan = _place(words)
        elif low in FILTERS:
            filters.append((low, _edges(low, words)))
        elif re.fullmatch(rf"x{_NUMBER}", low):
            gain *= float(low[1:])
        elif re.fullmatch(_NUMBER, low) and words and words[0].lower() == "db":
            words.pop(0)
            gain *= _from_db(low)
        elif re.fullmatch(rf"{_NUMBER}db", low):
            gain *= _from_db(low[:-2])
        else:
            raise ParameterError(f"{word!r} is not understood; {_meant(low)}")
    return Change(gain=gain, solo=solo, pan=pan, filters=tuple(filters), dry=dry)


def _from_db(text: str) -> float:
    level = float(text)
    check_range("gain in dB", level, -MOST_DB, MOST_DB)
    return float(10 ** (level / 20))


def _meant(word: str) -> str:
    """Return what may have been meant by a word that can't be said of a stem."""
    if re.fullmatch(_NUMBER, word):
        return f"say {word}dB, or x{word.lstrip('+-')} for a factor"
    near = nearest(word, ("mute", "solo", "dry", "pan", *FILTERS))
    return f"did you mean {near!r}?" if near else f"for example {FORMS}; a ; comes before the next stem"


def _place(words: list[str]) -> float:
    if words and words[0].lower() in _PLACES:
        return _PLACES[words.pop(0).lower()]
    if words and re.fullmatch(_NUMBER, words[0]):
        return float(words.pop(0))
    raise ParameterError("pan wants a place: left, centre, right, or a number from -1 to 1")


def _edges(kind: str, words: list[str]) -> tuple[float, ...]:
    """Return the edges in Hz of ``4k``, ``120``, ``300-3k``, ``300 Hz``."""
    if kind in ("bandpass", "bandstop"):
        form, example = rf"({_NUMBER}k?)(?:hz)?-({_NUMBER}k?)(?:hz)?", "300-3k"
    else:
        form, example = rf"({_NUMBER}k?)(?:hz)?", "4k"
    if len(words) > 1 and words[1].lower() in ("hz", "k", "khz"):
        words[0] += words.pop(1)
    match = re.fullmatch(form, words[0].lower()) if words else None
    if match is None:
        raise ParameterError(f"{kind} wants a frequency in Hz; for example {kind} {example}")
    words.pop(0)
    return tuple(float(g[:-1]) * 1000 if g.endswith("k") else float(g) for g in match.groups())


def remixed(
    mixture: Array, stems: Mapping[str, Array], sample_rate: float, changes: Mapping[str, Change | float]
) -> Array:
    """Return a mixture with changed stems.

    Parameters
    ----------
    mixture : array (channels, samples) or (samples,)
        float32 or float64; not written to.
    stems : mapping of str to array (channels, samples)
        What it is the sum of, up to a rest.
    sample_rate : float
        In Hz.
    changes : mapping of str to Change or float
        By the name of the stem; a number is a linear gain. Stems not named stay.

    Returns
    -------
    array (channels, samples)
        Exactly the mixture where nothing changes. Levels are not touched otherwise: it may exceed full scale.

    Raises
    ------
    ParameterError
        A name is no stem, a filter's edge is not below half the sample rate, or a mono stem is to be panned.
    ShapeError
        A stem has not the shape of the mixture.
    """
    check_array("mixture", mixture, kinds="fd")
    wanted = {name: _as_change(change) for name, change in changes.items()}
    for name in wanted:
        if name not in stems:
            near = nearest(name, list(stems))
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(stems)}"
            raise ParameterError(f"remix: no stem {name!r}; {hint}")
        check_array(f"stem {name!r}", stems[name], kinds="fd")
        if stems[name].shape != mixture.shape:
            raise ShapeError(f"stem {name!r} is {stems[name].shape}, the mixture {mixture.shape}")
    solo = [name for name, change in wanted.items() if change.solo]
    xp = namespace(mixture)
    if solo:
        mix = xp.zeros_like(mixture)
        for name in solo:
            mix += changed(stems[name], sample_rate, wanted[name])
        return mix
    mix = mixture.copy()
    for name, change in wanted.items():
        if change.changes:
            mix += changed(stems[name], sample_rate, change) - stems[name]
    return mix


def _as_change(change: Any) -> Change:
    return change if isinstance(change, Change) else Change(gain=change)


def changed(stem: Array, sample_rate: float, change: Change) -> Array:
    """Return a stem (channels, samples) dried, filtered, panned and scaled, in this order.

    Raises
    ------
    ParameterError
        As `remixed`.
    """
    check_array("stem", stem, kinds="fd")
    if change.gain == 0:
        return namespace(stem).zeros_like(stem)
    if change.dry:
        stem = _dried(stem, sample_rate)
    for kind, edges in change.filters:
        stem = _filtered(stem, sample_rate, kind, edges)
    if change.pan:
        stem = panned(stem, change.pan)
    return stem if change.gain == 1 else stem * stem.dtype.type(change.gain)


def panned(stem: Array, place: float) -> Array:
    """Return a stereo stem moved by equal power: at -1 all of it is left, at 0 it is as it was.

    The far channel goes over to the near one by ``sin`` and stays by ``cos`` of a quarter turn times the place, so
    that nothing is lost of a wide stem.

    Parameters
    ----------
    stem : array (2, samples)
        Real.
    place : float
        -1 (left) … 1 (right).

    Returns
    -------
    array (2, samples)

    Raises
    ------
    ParameterError
        The stem has not two channels.

    References
    ----------
    W3C, "Web Audio API", recommendation, 2021, StereoPannerNode: the rule for stereo input.
    """
    check_array("stem", stem, kinds="fd")
    if stem.ndim != 2 or len(stem) != 2:
        raise ParameterError(
            f"pan needs two channels; this recording has {len(stem) if stem.ndim > 1 else 1}"
        )
    xp = namespace(stem)
    near, far = (0, 1) if place < 0 else (1, 0)
    angle = (1 - abs(place)) * np.pi / 2
    moved = xp.empty_like(stem)
    moved[near] = stem[near] + stem.dtype.type(np.cos(angle)) * stem[far]
    moved[far] = stem.dtype.type(np.sin(angle)) * stem[far]
    return moved


def _dried(stem: Array, sample_rate: float) -> Array:
    """Return a stem without its late reverberation."""
    method = WPE()
    frontend = method.default_frontend(sample_rate)
    model = method.fit(frontend.analyze(stem.reshape(-1, stem.shape[-1])))
    return frontend.synthesize(model.reconstruct()[0], stem.shape[-1]).reshape(stem.shape)


def _filtered(stem: Array, sample_rate: float, kind: str, edges: tuple[float, ...]) -> Array:
    """Return a stem through a Butterworth filter forth and back (no delay); on the host, where filters recur."""
    from scipy.signal import sosfiltfilt

    sections = _sections(sample_rate, kind, edges)
    samples = to_host(stem).astype(np.float64)
    longest = samples.shape[-1] - 1
    padding = min(3 * (2 * len(sections) + 1), longest)
    y = sosfiltfilt(sections, samples, axis=-1, padlen=padding)
    return namespace(stem).asarray(y.astype(stem.dtype))


def _sections(sample_rate: float, kind: str, edges: tuple[float, ...]) -> np.ndarray:
    from scipy.signal import butter

    for edge in edges:
        if edge >= sample_rate / 2:
            raise ParameterError(
                f"{kind} {edge:g} Hz; at {sample_rate:g} Hz it must be below {sample_rate / 2:g}"
            )
    found: np.ndarray = butter(
        _ORDER, edges if len(edges) > 1 else edges[0], kind, fs=sample_rate, output="sos"
    )
    return found


def reach(change: Change, sample_rate: float) -> int:
    """Return how many samples away a sample still counts in `changed`, to -120 dB; without ``dry``, which has no end.

    Parameters
    ----------
    change : Change
        Of one stem.
    sample_rate : float
        In Hz.

    Raises
    ------
    ParameterError
        A filter's edge is not below half the sample rate.
    """
    found = 0.0
    for kind, edges in change.filters:
        sections = _sections(sample_rate, kind, edges)
        slowest = max(float(abs(np.roots(section[3:])).max()) for section in sections)
        found += math.log(_FORGOTTEN) / math.log(min(max(slowest, 1e-6), 1 - 1e-12))
    return math.ceil(found)


METHODS_FOR: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("vocals", ("vocals", "accompaniment")),
    ("drums", ("drums", "rest")),
    ("four_stems", ("vocals", "drums", "bass", "other")),
    ("hpss", ("harmonic", "percussive")),
    ("denoise", ("speech", "noise")),
    ("repet_sim", ("background", "foreground")),
)
"""Methods by the stems they give: the first that has all stems spoken of makes them."""


def method_for(names: Mapping[str, Any], known: Callable[[str], bool]) -> str:
    """Return the method that gives stems of all these names.

    Parameters
    ----------
    names : mapping or collection of str
        The stems spoken of.
    known : callable
        Says whether there is a method of a name.

    Raises
    ------
    ParameterError
        No method does.
    """
    for method, stems in METHODS_FOR:
        if known(method) and set(names) <= set(stems):
            return method
    every = sorted({stem for _, stems in METHODS_FOR for stem in stems})
    for name in names:
        if name not in every:
            near = nearest(name, every)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(every)}; or name a method"
            raise ParameterError(f"no method gives {name!r}; {hint}")
    offers = "; ".join(f"{method}: {', '.join(stems)}" for method, stems in METHODS_FOR if known(method))
    raise ParameterError(f"no method gives all of {', '.join(names)} ({offers}); or name a method")
