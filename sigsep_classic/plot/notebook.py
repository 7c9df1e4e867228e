"""A separation in a notebook: players for the mixture and each stem, and a picture where matplotlib is installed."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from html import escape
from importlib.util import find_spec

import numpy as np

from sigsep_classic import audio
from sigsep_classic.separation import Separation

MAX_CHARS = 5_000_000
"""Most characters of sound: a notebook keeps them all, and a browser slows down beyond."""

LEAST_HZ = 8000
"""Players are brought down to no lower rate; what still does not fit is cut short."""

MOST_PLAYERS = 16
_CHANNELS, _BYTES = 2, 2


def html(sep: Separation) -> str:
    """Return a table of the sounds with players, and their spectrograms below it, as HTML that loads nothing else.

    Sound is 16-bit PCM, the first two channels; at a lower rate, and at last cut short, where all of it would be more
    than `MAX_CHARS`, which is then said. The model is not touched: nothing is fitted for it.
    """
    from sigsep_classic.plot.scene import Scene, on_host

    sounds = {"mixture": on_host(sep.mixture), **{name: on_host(stem) for name, stem in sep.items()}}
    shown = dict(list(sounds.items())[: MOST_PLAYERS + 1])
    players, remarks = _players(shown, sep.sample_rate)
    if len(shown) < len(sounds):
        remarks.append(f"{len(sounds) - len(shown)} stems more are not shown")
    rows = "".join(
        f"<tr><th scope='row' style='text-align:left'>{escape(name)}</th><td>{players[name]}</td>"
        f"<td style='text-align:right'>{_level(x)}</td></tr>"
        for name, x in shown.items()
    )
    head = "<tr><th style='text-align:left'>sound</th><th>player</th><th style='text-align:right'>RMS level</th></tr>"
    parts = [f"<p>{escape(_title(sep))}</p><table><thead>{head}</thead><tbody>{rows}</tbody></table>"]
    if remarks:
        parts.append(f"<p>Players: {escape('; '.join(remarks))}. Arrays and saved files have everything.</p>")
    if find_spec("matplotlib") is not None:
        parts.append(_picture(Scene(sep=sep)))
    return f"<div>{''.join(parts)}</div>"


def _title(sep: Separation) -> str:
    method = getattr(sep.method, "name", None)
    seconds = sep.mixture.shape[-1] / sep.sample_rate
    return f"{sep.track}{f' by {method}' if method else ''}: {seconds:.2f} s at {sep.sample_rate} Hz"


def _level(x: np.ndarray) -> str:
    """Return the root mean square of samples in dB below full scale."""
    power = float((x.astype(np.float64) ** 2).mean())
    return f"{10 * np.log10(power):.1f} dBFS" if power > 0 else "silent"


def _players(sounds: Mapping[str, np.ndarray], sample_rate: int) -> tuple[dict[str, str], list[str]]:
    """Return an audio element for each sound, and what was done to make them fit."""
    channels, n_samples = next(iter(sounds.values())).shape
    peak = max(float(abs(x).max()) for x in sounds.values())
    gain = 1 / peak if peak > 1 else 1.0
    most = MAX_CHARS * 3 // 4 // (len(sounds) * min(channels, _CHANNELS) * _BYTES)  # samples of each
    slower = min(max(1, -(-n_samples // most)), max(1, sample_rate // LEAST_HZ))
    rate, kept = sample_rate // slower, min(n_samples, most * slower)
    remarks = []
    if channels > _CHANNELS:
        remarks.append(f"channels 1 and 2 of {channels}")
    if slower > 1:
        remarks.append(f"at {rate} Hz")
    if kept < n_samples:
        remarks.append(f"the first {kept / sample_rate:.0f} s")
    if gain < 1:
        remarks.append(f"{20 * np.log10(gain):.1f} dB, all alike, as a peak lies beyond full scale")
    return {
        name: _player(name, _slower(x[:_CHANNELS, :kept], slower) * x.dtype.type(gain), rate)
        for name, x in sounds.items()
    }, remarks


def _slower(x: np.ndarray, factor: int) -> np.ndarray:
    """Return samples at a rate ``factor`` times lower."""
    if factor == 1:
        return x
    from scipy.signal import resample_poly

    found: np.ndarray = resample_poly(x, 1, factor, axis=1).astype(x.dtype)
    return found


def _player(name: str, x: np.ndarray, rate: int) -> str:
    buffer = io.BytesIO()
    audio.write_stream(buffer, np.clip(x, -1, 1), rate, format="wav", subtype="int16", clip_mode="clamp")
    sound = base64.b64encode(buffer.getvalue()).decode("ascii")
    label = escape(name, quote=True)
    return f'<audio controls preload="metadata" aria-label="{label}" src="data:audio/wav;base64,{sound}"></audio>'


def _picture(scene: object) -> str:
    """Return the spectrograms of all sounds as an image element."""
    from sigsep_classic.plot.common import stems

    buffer = io.BytesIO()
    stems(scene).savefig(buffer, format="png", dpi=70)  # type: ignore[arg-type]
    image = base64.b64encode(buffer.getvalue()).decode("ascii")
    text = "spectrograms of the mixture and its stems"
    return f'<img alt="{text}" style="max-width:100%" src="data:image/png;base64,{image}">'
