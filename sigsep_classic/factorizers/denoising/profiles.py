"""How strong the noise is at each frequency: from a clip, a marked interval, or the quiet frames of a recording."""

from __future__ import annotations

import math
import re

from sigsep_classic.backend import namespace
from sigsep_classic.errors import ParameterError
from sigsep_classic.typing import Array, FrontEnd, Grid

SMOOTHING = 9
"""Frames over which power is smoothed, with a Hann window, before its quantile is taken."""

QUANTILE, BIAS = 0.1, 0.44
"""The quantile, and what that is of the mean for noise in frames that overlap by three quarters (measured)."""

_BORDER = 2
"""Frames next to an interval's ends, which see sound from beyond it."""


def quiet_frames(P: Array) -> Array:
    """Return the noise power that the quiet frames of each bin suggest, (channels, freq).

    Power is smoothed over frames; in nearly every bin a tenth of a recording of speech is noise alone. Frames without
    any power are left out.

    Parameters
    ----------
    P : array (channels, freq, frames)
        Power.

    References
    ----------
    V. Stahl, A. Fischer and R. Bippus, "Quantile based noise estimation for spectral subtraction and Wiener
    filtering", Proc. ICASSP, 2000 (equation numbers not checked).
    """
    xp, frames = namespace(P), P.shape[-1]
    n = min(SMOOTHING, frames)
    weights = [math.sin(math.pi * (i + 1) / (n + 1)) ** 2 for i in range(n)]
    S = sum(P[..., i : frames - n + 1 + i] * P.dtype.type(w / sum(weights)) for i, w in enumerate(weights))
    S = xp.sort(S, axis=-1)
    silent = (S == 0).sum(axis=-1)
    last = S.shape[-1] - 1
    at = silent + QUANTILE * xp.maximum(last - silent, 0)
    below = xp.minimum(at.astype(int), last)
    above = xp.minimum(below + 1, last)
    low, high = (xp.take_along_axis(S, i[..., None], axis=-1)[..., 0] for i in (below, above))
    return ((low + (high - low) * (at - below)) / BIAS).astype(P.dtype)


def first_frames(P: Array, n: int) -> Array:
    """Return the mean power of the first n frames, (channels, freq)."""
    return P[..., : max(1, n)].mean(axis=-1)


def profile_of(clip: Array, frontend: FrontEnd) -> Array:
    """Return the mean power of noise alone in a transform, (channels, freq), float64.

    Parameters
    ----------
    clip : array (channels, samples)
        float32 or float64. A tenth of a second is little, a second is enough.
    frontend : FrontEnd
        The transform the recording will go through. Frames of an `STFT` that see beyond the clip are left out where
        others remain.

    Raises
    ------
    ParameterError
        The clip is silent, or shorter than a window.
    """
    window = getattr(frontend, "n_fft", 1)
    if clip.shape[-1] < window:
        raise ParameterError(
            f"the clip of noise has {clip.shape[-1]} samples, less than a window of {window}; give a longer one"
        )
    X = frontend.analyze(clip)
    border = -(-getattr(frontend, "n_fft", 0) // (2 * getattr(frontend, "step", 1)))
    if X.shape[-1] > 2 * border:
        X = X[..., border : X.shape[-1] - border]
    profile = (abs(X).astype(float) ** 2).mean(axis=-1)
    if not float(profile.max()) > 0:
        raise ParameterError("the clip of noise is silent; give one that holds the noise, or leave it away")
    return profile


def interval(text: str) -> tuple[float, float] | None:
    """Return begin and end of ``"0.5-1.25"`` in seconds; None where the text is nothing of the kind.

    Raises
    ------
    ParameterError
        It does not end after it begins.
    """
    number = r"\s*(\d+(?:\.\d*)?|\.\d+)\s*"
    found = re.fullmatch(f"{number}-{number}", text)
    if found is None:
        return None
    begin, end = float(found[1]), float(found[2])
    if not begin < end:
        raise ParameterError(f"noise {text!r} is no interval; give seconds such as 0.0-0.5")
    return begin, end


def marked(P: Array, span: tuple[float, float], grid: Grid | None) -> Array:
    """Return the mean power of the frames within an interval in seconds, (channels, freq).

    Raises
    ------
    ParameterError
        No grid says where that is, or it lies beyond the end.
    """
    if grid is None:
        raise ParameterError("noise is marked in seconds; give grid=frontend.grid(sample_rate)")
    begin, end = math.ceil(span[0] * grid.frame_rate), math.floor(span[1] * grid.frame_rate) + 1
    if begin >= P.shape[-1]:
        length = (P.shape[-1] - 1) / grid.frame_rate
        raise ParameterError(f"noise begins at {span[0]:g} s, but the recording ends at {length:.2f} s")
    end = min(max(end, begin + 1), P.shape[-1])
    if begin > 0 and end - begin > 2 * _BORDER:
        begin += _BORDER
    if end < P.shape[-1] and end - begin > 2 * _BORDER:
        end -= _BORDER
    return P[..., begin:end].mean(axis=-1)
