"""A separation as one page that loads nothing: players in sync, spectrograms, levels, the method and its papers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from sigsep_classic.audio.publish import FileSet
from sigsep_classic.backend import from_foreign, to_host
from sigsep_classic.compare.clips import HIGHEST_HZ, LOWEST_HZ, RANGE_DB, make_clips
from sigsep_classic.compare.describe import describe
from sigsep_classic.compare.report import MAX_BYTES, TEXT_BYTES, require_packages, template
from sigsep_classic.separation import Separation

TEMPLATE = "separation.html.j2"
MIXTURE = ""
"""What the mixture is called among the sounds: no stem is."""

HEARD = 2
"""Channels of a player, from the first on; more would be mixed down by each browser in its own way."""


def report(sep: Separation, path: str | os.PathLike[str]) -> None:
    """Write a page to look at and listen to a separation: one HTML file below 5 MB that loads nothing.

    It has the mixture and the stems with spectrograms in one player (solo, mute, level, mixture against stems),
    their levels, and the method with parameters, papers and BibTeX. Where all of the sound would be too much, players
    hold its beginning, and the page says so.

    Parameters
    ----------
    sep : Separation
        Its model is not touched: nothing is fitted for this.
    path : str or path
        The file, such as ``report.html``; replaced if it is there, and its folder is made if it is not.

    Raises
    ------
    ParameterError
        jinja2 or matplotlib is missing.
    OutputError
        It can't be written; nothing is left behind.

    Examples
    --------
    >>> import sigsep_classic as ssc
    >>> mix = ssc.synthesize("song", seconds=2.0)
    >>> sep = ssc.separate(mix.mixture, mix.sample_rate, method="hpss")
    >>> ssc.report(sep, "report.html")  # doctest: +SKIP
    """
    page = render(sep)
    with FileSet([os.fspath(path)]) as files:
        Path(files.temporary(os.fspath(path))).write_text(page, encoding="utf-8")


def render(sep: Separation) -> str:
    """Return the page of `report` as text.

    Parameters
    ----------
    sep : Separation
        Arrays of any kind, on any device.

    Raises
    ------
    ParameterError
        jinja2 or matplotlib is missing.
    """
    require_packages()
    sounds = {MIXTURE: _host(sep.mixture), **{name: _host(stem) for name, stem in sep.items()}}
    mixture = sounds[MIXTURE]
    clips = make_clips(
        {name: x[:HEARD] for name, x in sounds.items()},
        sep.sample_rate,
        loudest=MIXTURE,
        max_chars=MAX_BYTES - TEXT_BYTES,
    )
    rest = mixture - sum(x for name, x in sounds.items() if name != MIXTURE)
    return template(TEMPLATE).render(
        sep=sep,
        seconds=mixture.shape[-1] / sep.sample_rate,
        channels=len(mixture),
        heard=HEARD,
        clips=clips,
        mixture=MIXTURE,
        rows=[_row(sep, name, x, mixture) for name, x in sounds.items()],
        rest=_decibels(_power(rest), _power(mixture)),
        methods=[] if sep.method is None else [(_name(sep.method), describe(sep.method))],
        facts=_facts(sep),
        low_hz=LOWEST_HZ,
        high_hz=min(HIGHEST_HZ, sep.sample_rate / 2),
        range_db=RANGE_DB,
    )


def _host(x: Any) -> np.ndarray:
    """Return samples as (channels, samples) in this computer's memory."""
    return np.atleast_2d(np.asarray(to_host(from_foreign(x))))


def _power(x: np.ndarray) -> float:
    return float((x.astype(np.float64) ** 2).mean())


def _decibels(power: float, reference: float = 1.0) -> dict[str, Any]:
    """Return a ratio of powers as text and as what a column is sorted by."""
    if power <= 0 or reference <= 0:
        return {"text": "−∞" if power <= 0 else "∞", "key": "-inf" if power <= 0 else "inf"}
    value = 10 * np.log10(power / reference)
    return {"text": f"{value:.1f}".replace("-", "−"), "key": round(float(value), 3)}


def _row(sep: Separation, name: str, x: np.ndarray, mixture: np.ndarray) -> dict[str, Any]:
    """Return what the table prints of a sound."""
    members = (sep.groups or {}).get(name, [])
    peak = float(np.abs(x).max())
    return {
        "name": name or "mixture",
        "whole": name == MIXTURE,
        "components": f"component{'s'[: len(members) != 1]} {_listed(members)}" if members else "",
        "cells": [_decibels(_power(x)), _decibels(peak**2), _decibels(_power(x), _power(mixture))],
    }


def _listed(members: list[int]) -> str:
    few = ", ".join(str(n) for n in members[:8])
    return few if len(members) <= 8 else f"{few} … ({len(members)})"


def _name(method: Any) -> str:
    return str(getattr(method, "name", type(method).__name__))


def _facts(sep: Separation) -> dict[str, str]:
    """Return how the stems came about, besides the method."""
    facts = {
        "transform": "" if sep.frontend is None else repr(sep.frontend),
        "mask": sep.mask or "",
        "phase": sep.phase or "",
        "device": str(sep.info.get("device", "")),
    }
    return {name: text for name, text in facts.items() if text}
