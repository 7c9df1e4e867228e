"""What goes in and what comes back: files and any kind of arrays, on the device that was asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sigsep_classic import audio
from sigsep_classic.backend import device_of, is_torch, namespace, resolve_device, to_device, to_foreign
from sigsep_classic.checks import check_range
from sigsep_classic.datasets.guests import held_by
from sigsep_classic.errors import ArrayTypeError, ParameterError
from sigsep_classic.separation import Separation
from sigsep_classic.typing import Array


def read(source: Any, sample_rate: int | None) -> tuple[Any, int, str, dict[str, Any]]:
    """Return samples of any kind of array, their rate, a track name and what is to be said, of a file or an array."""
    track, info = "mixture", dict[str, Any]()
    if (held := held_by(source)) is not None:
        if sample_rate not in (None, held.sample_rate):
            raise ParameterError(
                f"sample_rate is {sample_rate} and {held.name or 'the recording'} has {held.sample_rate} Hz; leave "
                "it out, or resample first"
            )
        source, sample_rate, track = held.samples, held.sample_rate, held.name or track
    elif isinstance(source, (str, os.PathLike)) or hasattr(source, "read"):
        sound = audio.load(source, sample_rate=sample_rate)
        track, info = Path(sound.name).stem, {"warnings": list(sound.warnings)}
        source, sample_rate = sound.samples, sound.sample_rate
    if is_torch(source) and source.requires_grad:
        raise ArrayTypeError("input requires gradients, which are not passed on here; pass x.detach()")
    if sample_rate is None:
        raise ParameterError("sample_rate is missing; samples alone do not say it")
    check_range("sample_rate", sample_rate, 0, above=True)
    return source, sample_rate, track, info


def samples_on(checked: Array, device: str | None) -> Array:
    """Return samples on the device asked for; those on a GPU stay there where none is named."""
    if namespace(checked) is not np and device in (None, "cuda"):
        return checked
    return to_device(checked, resolve_device(device))


def placed(checked: Array, device: str | None) -> tuple[Array, str]:
    """Return samples where they are, or on another GPU that was asked for, and the device to compute on."""
    if namespace(checked) is np:
        return checked, resolve_device(device)
    # On a GPU already: it stays there where none is named.
    where = resolve_device(f"cuda:{checked.device.id}" if device in (None, "cuda") else device)
    return to_device(checked, where), where


def given_back(
    sep: Separation,
    given: Any,
    *,
    track: str,
    info: dict[str, Any],
    stems: Mapping[str, Any] | None = None,
    mixture: Any = None,
) -> Separation:
    """Return a separation of the caller's kind of arrays; ``stems`` and ``mixture`` are what is on the host already."""
    x = sep.mixture
    return sep.replace(
        stems={name: _like(stem, given) for name, stem in (sep.stems if stems is None else stems).items()},
        mixture=_like(x if mixture is None else mixture, given),
        grouped=partial(_regrouped, sep.grouped, x, given),
        track=track,
        info={**sep.info, "device": "cpu" if namespace(x) is np else "cuda", **info},
    )


def _regrouped(grouped: Any, x: Array, given: Any, **options: Any) -> tuple[dict[str, Any], Any]:
    """Return other stems of the model of x, as the caller's kind of array, and their components."""
    with device_of(x):
        stems, groups = grouped(**options)
        return {name: _like(stem, given) for name, stem in stems.items()}, groups


def _like(x: Array, given: Any) -> Any:
    """Return x (channels, samples) in the kind and number of axes of ``given``."""
    axes = given.ndim if hasattr(given, "ndim") else np.ndim(given)
    return to_foreign(x[0] if axes == 1 else x, given)
