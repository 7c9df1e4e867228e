"""What methods take as a whole: a formula for each, measured by ``python -m benchmarks.memory_formulas``."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sigsep_classic import factorizers
from sigsep_classic.frontends import Waveform
from sigsep_classic.memory import size
from sigsep_classic.pipeline import default_frontend
from sigsep_classic.planning.lengths import USUAL_RATE, length_of
from sigsep_classic.typing import FrontEnd


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Bytes a method takes beyond its input.

    They are ``fixed + itemsize (cell FT + channel C FT + image N C FT + activation K T)`` for C channels, F
    frequencies, T frames, N sources and K components; itemsize is that of a real number of the input. The coefficients
    are measured in float32; in float64 this is an upper bound for methods that compute in double precision anyway.

    Parameters
    ----------
    fixed : float
        Bytes.
    cell, channel, image, activation : float
        Real numbers.
    """

    fixed: float
    cell: float
    channel: float
    image: float
    activation: float

    def bytes(self, *, itemsize: int, cell: float, channel: float, image: float, activation: float) -> int:
        """Return the bytes for FT, C FT, N C FT and K T as `measures` gives them."""
        reals = self.cell * cell + self.channel * channel + self.image * image + self.activation * activation
        return int(self.fixed + itemsize * reals)

    @property
    def text(self) -> str:
        """The formula with its numbers, for people."""
        words = {"cell": "F T", "channel": "C F T", "image": "N C F T", "activation": "K T"}
        terms = [
            f"{_two_digits(getattr(self, name))} {word}"
            for name, word in words.items()
            if getattr(self, name)
        ]
        fixed = [size(self.fixed)] if self.fixed else []
        return " + ".join([*fixed, f"{' + '.join(terms) or 0} real numbers"])


GENEROUS = Footprint(fixed=32e6, cell=12, channel=8, image=4, activation=4)
"""For methods nobody has measured: those of other packages."""


def _two_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


@lru_cache(maxsize=128)
def footprint_of(name: str) -> Footprint:
    """Return the formula of a method by its name; a generous one where nobody has measured it."""
    path = Path(factorizers.__file__).parent / "memory.json"
    measured = json.loads(path.read_text()) if path.exists() else {}
    return Footprint(**measured[name]) if name in measured else GENEROUS


def measures(
    method: Any, *, channels: int, n_samples: int, sample_rate: float, frontend: FrontEnd | None = None
) -> dict[str, float]:
    """Return the numbers that the formula multiplies: FT, C FT, N C FT and K T.

    Parameters
    ----------
    method : Factorizer
        With its parameters.
    channels, n_samples : int
        Of the recording.
    sample_rate : float
        In Hz.
    frontend : FrontEnd, optional
        Default: the one the method asks for.
    """
    frontend = default_frontend(method, sample_rate) if frontend is None else frontend
    if hasattr(frontend, "n_bins") and hasattr(frontend, "n_frames"):
        bins, frames = frontend.n_bins, frontend.n_frames(n_samples)
    elif isinstance(frontend, Waveform):
        bins, frames = 1, n_samples
    else:  # somebody else's: as much as an STFT with frames that overlap by three quarters
        bins, frames = 1, 4 * n_samples
    sources = getattr(method, "n_sources", None) or channels
    components = getattr(method, "n_components", None) or 0
    cells = float(bins) * frames
    return {
        "cell": cells,
        "channel": channels * cells,
        "image": sources * channels * cells,
        "activation": float(components) * frames,
    }


def described(method: Any) -> dict[str, Any]:
    """Return how a method handles length and what it takes as a whole, as plain values.

    Parameters
    ----------
    method : Factorizer
        With its parameters.
    """
    length, footprint = length_of(method), footprint_of(getattr(method, "name", ""))
    minute = memory_estimate(
        method,
        channels=min(2, getattr(method, "max_channels", 2)),
        n_samples=60 * USUAL_RATE,
        sample_rate=USUAL_RATE,
    )
    return {
        "kind": length.kind,
        "context_frames": length.context,
        "text": length.text,
        "memory": footprint.text,
        "coefficients": dataclasses.asdict(footprint),
        "stereo_minute_bytes": minute,
    }


def memory_estimate(
    method: Any,
    *,
    channels: int,
    n_samples: int,
    sample_rate: float,
    frontend: FrontEnd | None = None,
    itemsize: int = 4,
) -> int:
    """Return about how many bytes `pipeline.separate_array` takes beyond its input, stems included.

    Parameters
    ----------
    method, channels, n_samples, sample_rate, frontend
        As for `measures`.
    itemsize : int
        Bytes of a sample, 4 or 8.
    """
    sizes = measures(
        method, channels=channels, n_samples=n_samples, sample_rate=sample_rate, frontend=frontend
    )
    return footprint_of(getattr(method, "name", "")).bytes(itemsize=itemsize, **sizes)
