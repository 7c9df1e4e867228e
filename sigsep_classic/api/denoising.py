"""Speech out of noise: a file or an array in, speech and noise out."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from sigsep_classic import audio
from sigsep_classic.api.ends import read
from sigsep_classic.api.methods import make_method
from sigsep_classic.api.separating import separate
from sigsep_classic.backend import from_foreign
from sigsep_classic.checks import check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.denoising.dehum import Dehum
from sigsep_classic.factorizers.denoising.denoise import NOISES, Denoise, names_noise
from sigsep_classic.factorizers.denoising.profiles import profile_of
from sigsep_classic.pipeline import default_frontend
from sigsep_classic.separation import Separation
from sigsep_classic.typing import FrontEnd


def denoise(
    source: Any,
    sample_rate: int | None = None,
    *,
    noise: Any = None,
    method: Any = "wiener",
    hum: bool | float = False,
    frontend: FrontEnd | None = None,
    device: str | None = None,
    memory_limit: str | int | None = None,
    **parameters: Any,
) -> Separation:
    """Return the speech of a noisy recording, and the noise.

    Parameters
    ----------
    source, sample_rate
        As for `separate`.
    noise : array, path, str or (float, float), optional
        What the noise alone sounds like: a clip of it at the level it has in the recording (samples at
        ``sample_rate``, or a file), or from when to when, in seconds, it is alone in the recording. Or how it is
        followed: ``"mmse"`` (the default), ``"imcra"``, ``"minimum"``, ``"quantile"``; see `Denoise`.
    method : str or Denoise
        The gain: ``"wiener"``, ``"log_mmse"``, ``"mmse_stsa"``, ``"om_lsa"``, ``"subtraction"`` or ``"gate"``.
    hum : bool or float
        Take mains hum off first, its frequency found, or given in Hz: a stem ``hum`` of its own.
    frontend, device, memory_limit
        As for `separate`.
    **parameters
        Other parameters of `Denoise`, such as ``floor_db=-15``.

    Returns
    -------
    Separation
        Stems ``speech`` and ``noise``, which add up to the recording.

    Raises
    ------
    ParameterError, ShapeError, ArrayTypeError, AudioError, DeviceError
        One line each, with the way out.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = 0.1 * rng.standard_normal(16000)
    >>> x[8000:] += np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    >>> speech = denoise(x, 8000, noise=(0.0, 0.9))["speech"]
    >>> bool(np.std(speech[:7000]) < 0.02)
    True
    """
    given, sample_rate, track, info = read(source, sample_rate)
    if isinstance(method, str):
        factorizer = make_method("denoise", gain=method.replace("-", "_"), **parameters)
    else:
        factorizer = make_method(method, **parameters)
    if noise is not None:
        factorizer = with_noise(factorizer, noise, sample_rate, frontend=frontend)
    where: dict[str, Any] = {"device": device, "memory_limit": memory_limit}
    if hum is False:
        sep = separate(given, sample_rate, method=factorizer, frontend=frontend, **where)
        return sep.replace(track=track, info={**info, **sep.info})
    if hum is None:
        raise ParameterError("hum is None; give True, False, or a frequency in Hz")
    dehum = Dehum(frequency=None if hum is True else hum)
    first = separate(given, sample_rate, method=dehum, **where)
    sep = separate(first["clean"], sample_rate, method=factorizer, frontend=frontend, **where)
    return sep.replace(
        stems={**sep.stems, "hum": first["hum"]},
        mixture=first.mixture,
        groups=None,
        grouped=None,
        track=track,
        info={**info, **sep.info, "hum_hz": first.model.frequency},
    )


def with_noise(method: Any, noise: Any, sample_rate: int, *, frontend: FrontEnd | None = None) -> Any:
    """Return a `Denoise` that knows the noise: from a clip, from an interval, or how to follow it.

    Parameters
    ----------
    method : Denoise
        Other methods are refused.
    noise, sample_rate, frontend
        As for `denoise`.

    Raises
    ------
    ParameterError
        The method knows no noise, or ``noise`` is nothing of the kind.
    AudioError
        The file can't be read.
    """
    if not isinstance(method, Denoise):
        kind = getattr(method, "name", type(method).__name__)
        raise ParameterError(f"{kind} takes no noise; give a Denoise, or the name of a gain")
    if isinstance(noise, (tuple, list)) and len(noise) == 2:
        for name, value in zip(("begin", "end"), noise, strict=True):
            check_range(f"the {name} of the noise", value, 0)
        noise = f"{noise[0]:.6f}-{noise[1]:.6f}"
    if isinstance(noise, str) and names_noise(noise):
        return dataclasses.replace(method, noise=noise, profile=None)
    if isinstance(noise, str) and not os.path.lexists(noise):
        raise ParameterError(
            f"noise {noise!r} is no file; give a clip, an interval in seconds such as '0.0-0.5', or one of "
            f"{', '.join(NOISES)}"
        )
    clip, _, _, _ = read(noise, sample_rate)
    clip = audio.check_samples(from_foreign(clip))
    frontend = default_frontend(method, sample_rate) if frontend is None else frontend
    return dataclasses.replace(method, profile=profile_of(clip, frontend))
