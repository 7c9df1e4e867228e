"""Stems as sound files: nothing is rescaled on the quiet, and a set of stems appears all or nothing."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any

import numpy as np

from sigsep_classic.audio.codecs import Encoding, resolve_encoding
from sigsep_classic.audio.encoder import Encoder, peak_of
from sigsep_classic.audio.publish import FileSet
from sigsep_classic.audio.samples import check_samples
from sigsep_classic.checks import check_number
from sigsep_classic.errors import OutputError, ParameterError
from sigsep_classic.typing import Array

CLIP_MODES = ("common", "clamp", "none")

Path = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class SaveRecord:
    """What was written, and what was done to the level.

    Parameters
    ----------
    paths : tuple of str
        The files, in the order given.
    sample_rate : int
        In Hz.
    subtypes : tuple of str
        Sample coding of each file, in libsndfile's names.
    peak : float
        Largest absolute sample of all stems before any gain; 1 is full scale.
    gain : float
        The one factor all stems were multiplied by; 1 unless ``clip_mode="common"`` had to act.
    clipped : int
        Samples set to full scale by ``clip_mode="clamp"``.
    """

    paths: tuple[str, ...]
    sample_rate: int
    subtypes: tuple[str, ...]
    peak: float
    gain: float = 1.0
    clipped: int = 0


def save(path: Path, samples: Array, sample_rate: int, **options: Any) -> SaveRecord:
    """Write one sound file and return what was done; `save_all` with one item.

    Parameters
    ----------
    path : str or path
        Its suffix says the format unless ``format`` does.
    samples : array
        (channels, samples) or (samples,), as `check_samples` takes it.
    sample_rate : int
        In Hz.
    **options
        ``format``, ``subtype``, ``clip_mode``, ``inputs`` of `save_all`.

    Raises
    ------
    OutputError
        It can't be written; nothing is left behind.
    """
    return save_all({path: samples}, sample_rate, **options)


def save_all(
    items: Mapping[Any, Array],
    sample_rate: int,
    *,
    format: str | None = None,
    subtype: str | None = None,
    clip_mode: str = "common",
    inputs: Iterable[Path] = (),
    texts: Mapping[Any, str] | None = None,
) -> SaveRecord:
    """Write several stems, all of them or none, and return what was done.

    Uncompressed formats are written as 32-bit float unless ``subtype`` says otherwise, so that the stems add
    up to the mixture as they did in memory. The same samples give the same bytes (but for ogg and opus,
    whose streams carry a random number).

    Parameters
    ----------
    items : mapping of path to array
        Arrays (channels, samples) or (samples,), as `check_samples` takes them. Missing folders are made.
    sample_rate : int
        In Hz.
    format : str, optional
        ``"wav"``, ``"flac"`` …; by each path's suffix if None.
    subtype : str, optional
        ``"int16"``, ``"int24"``, ``"float32"`` … or libsndfile's name.
    clip_mode : {"common", "clamp", "none"}
        For codings that end at full scale, when a stem goes beyond it: one gain for all
        stems, cut off, or refuse.
    inputs : iterable of path
        Files that must not be replaced.
    texts : mapping of path to str, optional
        Written beside the stems in UTF-8: all of it or nothing.

    Returns
    -------
    SaveRecord
        With the gain and the number of samples cut off.

    Raises
    ------
    OutputError
        The format can't hold it, a target is an input, or the system refuses. Nothing is left behind.
    ParameterError
        An option is not one of the above.
    """
    rate = _check_options(sample_rate, clip_mode)
    if len({os.fspath(path) for path in items}) < len(items):
        raise OutputError("one path is named for two results; give each its own name")
    arrays = {os.fspath(path): check_samples(x, name=os.fspath(path)) for path, x in items.items()}
    encodings = {path: _encoding(path, x, rate, format=format, subtype=subtype) for path, x in arrays.items()}
    peaks = {path: peak_of(x) for path, x in arrays.items()}
    gain = _gain(peaks, encodings, clip_mode)
    pages = {os.fspath(path): text for path, text in (texts or {}).items()}
    with FileSet([*arrays, *pages], inputs=[os.fspath(name) for name in inputs]) as files:
        for path, text in pages.items():
            with open(files.temporary(path), "w", encoding="utf-8") as page:
                page.write(text)
        clipped = 0
        for path, x in arrays.items():
            with Encoder(files.temporary(path), path, encodings[path], rate, len(x)) as encoder:
                encoder.write(x, gain=gain)
            clipped += encoder.clipped
    return SaveRecord(
        paths=tuple(arrays),
        sample_rate=rate,
        subtypes=tuple(encoding.subtype for encoding in encodings.values()),
        peak=max(peaks.values(), default=0.0),
        gain=gain,
        clipped=clipped,
    )


def write_stream(
    file: IO[bytes],
    samples: Array,
    sample_rate: int,
    *,
    format: str = "wav",
    subtype: str | None = None,
    clip_mode: str = "common",
) -> SaveRecord:
    """Write one sound to an open binary file such as standard output, and return what was done.

    Parameters
    ----------
    file : binary file object
        Needs ``write`` alone. The sound is encoded in memory first.
    samples, sample_rate, format, subtype, clip_mode
        As for `save_all`.

    Raises
    ------
    OutputError
        The format can't hold it, or writing fails. A broken pipe stays `BrokenPipeError`.
    """
    name = f"<{format} stream>"
    rate = _check_options(sample_rate, clip_mode)
    x = check_samples(samples, name=name)
    encoding = _encoding(name, x, rate, format=format, subtype=subtype)
    peak = peak_of(x)
    gain = _gain({name: peak}, {name: encoding}, clip_mode)
    buffer = io.BytesIO()
    with Encoder(buffer, name, encoding, rate, len(x)) as encoder:
        encoder.write(x, gain=gain)
    try:
        with buffer.getbuffer() as view:  # let go of at once, also where the write fails
            file.write(view)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            f"{name}: can't be written ({error.strerror or error}); check the receiver"
        ) from None
    return SaveRecord(
        paths=(name,),
        sample_rate=rate,
        subtypes=(encoding.subtype,),
        peak=peak,
        gain=gain,
        clipped=encoder.clipped,
    )


class StemWriter:
    """A context that writes several stems block by block in constant memory, all of them or none.

    The level can't be known before the end, so codings that end at full scale need ``gain`` or cut off.

    Parameters
    ----------
    paths : iterable of path
        One file a stem.
    sample_rate, channels, n_samples : int
        Rate in Hz, channels of each stem, and their length, at least roughly: beyond 4 GiB WAV becomes RF64.
    gain : float
        Multiplies every stem.
    format, subtype, inputs
        As for `save_all`.

    Examples
    --------
    >>> shape = {"sample_rate": 44100, "channels": 2, "n_samples": n}  # doctest: +SKIP
    >>> with StemWriter(["a.wav", "b.wav"], **shape) as out:  # doctest: +SKIP
    ...     for a, b in stems_of_blocks:
    ...         out.write({"a.wav": a, "b.wav": b})
    """

    def __init__(
        self,
        paths: Iterable[Path],
        *,
        sample_rate: int,
        channels: int,
        n_samples: int,
        gain: float = 1.0,
        format: str | None = None,
        subtype: str | None = None,
        inputs: Iterable[Path] = (),
    ) -> None:
        self._rate = _check_options(sample_rate, "clamp")
        self._gain, self._peak = gain, 0.0
        shape = {"channels": channels, "sample_rate": self._rate, "n_samples": n_samples}
        self._encodings = {
            name: resolve_encoding(name, format=format, subtype=subtype, **shape)
            for name in [os.fspath(path) for path in paths]
        }
        self._channels = channels
        self._files = FileSet(self._encodings, inputs=[os.fspath(name) for name in inputs])
        self._encoders: dict[str, Encoder] = {}

    def __enter__(self) -> StemWriter:
        self._files.__enter__()
        try:
            for path, encoding in self._encodings.items():
                temporary = self._files.temporary(path)
                self._encoders[path] = Encoder(temporary, path, encoding, self._rate, self._channels)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for encoder in self._encoders.values():
                encoder.__exit__(kind, error, trace)
        except BaseException as failure:
            self._files.__exit__(type(failure), failure, None)
            raise
        self._files.__exit__(kind, error, trace)

    def write(self, blocks: Mapping[Any, Array]) -> None:
        """Append a block (channels, samples) to each stem named."""
        for path, block in blocks.items():
            samples = check_samples(block, name=os.fspath(path))
            self._peak = max(self._peak, peak_of(samples))
            self._encoders[os.fspath(path)].write(samples, gain=self._gain)

    @property
    def limited_peak(self) -> float:
        """Largest absolute sample of what was written to codings that end at full scale; 0 if none does."""
        return 0.0 if all(encoding.holds_any_level for encoding in self._encodings.values()) else self._peak

    @property
    def record(self) -> SaveRecord:
        """What has been written up to now."""
        return SaveRecord(
            paths=tuple(self._encodings),
            sample_rate=self._rate,
            subtypes=tuple(encoding.subtype for encoding in self._encodings.values()),
            peak=self._peak,
            gain=self._gain,
            clipped=sum(encoder.clipped for encoder in self._encoders.values()),
        )


def _check_options(sample_rate: int, clip_mode: str) -> int:
    check_number("sample_rate", sample_rate)
    if not math.isfinite(sample_rate) or int(sample_rate) != sample_rate or sample_rate < 1:
        raise ParameterError(f"sample_rate={sample_rate} is no rate in Hz; use a whole number such as 44100")
    if clip_mode not in CLIP_MODES:
        raise ParameterError(f"clip_mode={clip_mode!r} is unknown; use one of {', '.join(CLIP_MODES)}")
    return int(sample_rate)


def _encoding(name: str, x: np.ndarray, rate: int, *, format: str | None, subtype: str | None) -> Encoding:
    channels, n_samples = x.shape
    return resolve_encoding(
        name, format=format, subtype=subtype, channels=channels, sample_rate=rate, n_samples=n_samples
    )


def _gain(peaks: Mapping[str, float], encodings: Mapping[str, Encoding], clip_mode: str) -> float:
    """Return the one factor for all stems: floats need none, so only the others' peaks count."""
    limited = {path: peak for path, peak in peaks.items() if not encodings[path].holds_any_level}
    path = max(limited, key=limited.__getitem__, default="")
    if not limited or limited[path] <= 1 or clip_mode == "clamp":
        return 1.0
    if clip_mode == "none":
        raise OutputError(
            f"{path}: peak {limited[path]:.4g} is beyond full scale; write float32 wav, "
            "or use clip_mode common or clamp"
        )
    return 1 / limited[path]
