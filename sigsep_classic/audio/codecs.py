"""Which sound files can be read and written: suffixes, sample codings, and what each format can hold."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from shutil import which

from sigsep_classic.errors import OutputError, ParameterError

# Format name: libsndfile's container, its subtype when none is asked for, and the suffixes.
FORMATS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "wav": ("WAV", "FLOAT", (".wav", ".wave", ".bwf")),
    "rf64": ("RF64", "FLOAT", (".rf64",)),
    "w64": ("W64", "FLOAT", (".w64",)),
    "aiff": ("AIFF", "FLOAT", (".aiff", ".aif", ".aifc")),
    "au": ("AU", "FLOAT", (".au", ".snd")),
    "caf": ("CAF", "FLOAT", (".caf",)),
    "flac": ("FLAC", "PCM_24", (".flac",)),
    "ogg": ("OGG", "VORBIS", (".ogg", ".oga")),
    "opus": ("OGG", "OPUS", (".opus",)),
    "mp3": ("MP3", "MPEG_LAYER_III", (".mp3",)),
}

EXTERNAL_SUFFIXES = (".m4a", ".m4b", ".aac", ".mp4", ".mka", ".webm")
"""Read through PyAV or ffmpeg, never written."""

AUDIO_SUFFIXES: frozenset[str] = frozenset(
    [suffix for _, _, suffixes in FORMATS.values() for suffix in suffixes] + list(EXTERNAL_SUFFIXES)
)
"""Lower-case suffixes, with the dot, by which a folder is scanned for sound files."""

SUBTYPES = {
    "uint8": "PCM_U8",
    "int16": "PCM_16",
    "int24": "PCM_24",
    "int32": "PCM_32",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "ulaw": "ULAW",
    "alaw": "ALAW",
    "vorbis": "VORBIS",
    "opus": "OPUS",
    "mp3": "MPEG_LAYER_III",
}
"""What ``subtype=`` accepts, beside libsndfile's own names."""

FLOAT_SUBTYPES = frozenset({"FLOAT", "DOUBLE"})

SAFE_SUBTYPES = frozenset(
    {"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "VORBIS", "OPUS"}
    | {"MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III"}
)
"""Codings read without ``allow_any_codec``: libsndfile's ADPCM, GSM and DWVW decoders had overflows."""

SAFE_WAV_TAGS = frozenset({0x0001, 0x0003, 0x0006, 0x0007, 0x0050, 0x0055, 0xFFFE})
"""The same list as the format tags of a WAV header: PCM, float, A-law, mu-law, MPEG, MP3, extensible."""

EXTERNAL_DECODERS = "aac,aac_latm,alac,mp3,mp3float,opus,libopus,vorbis,flac,ac3,eac3,pcm_s16le,pcm_s24le"

_BYTES = {"PCM_S8": 1, "PCM_U8": 1, "ULAW": 1, "ALAW": 1, "PCM_16": 2, "PCM_24": 3, "DOUBLE": 8}

# Checked here because libsndfile 1.2.2 answers some with a segmentation fault (Vorbis above 200 kHz).
_MAX_CHANNELS = {"FLAC": 8, "VORBIS": 255, "OPUS": 255, "MPEG_LAYER_III": 2}
_RATES = {
    "OPUS": (8000, 12000, 16000, 24000, 48000),
    "MPEG_LAYER_III": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
}
_MAX_RATE = {"VORBIS": 200_000, "FLAC": 655_350}

# 4 GiB less a margin for the header and its chunks: sizes in a WAV header have 32 bits.
MAX_32_BIT = 2**32 - 2**16


@dataclass(frozen=True, kw_only=True)
class Codec:
    """One kind of sound file and what this installation can do with it.

    Parameters
    ----------
    name : str
        Format name, as ``format=`` of `save` takes it.
    suffixes : tuple of str
        Lower case, with the dot.
    reads, writes : bool
        Whether it can be read and written here and now.
    via : str
        The library or program that does it, or what to install.
    """

    name: str
    suffixes: tuple[str, ...]
    reads: bool
    writes: bool
    via: str


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """A container and a sample coding, in libsndfile's names."""

    container: str
    subtype: str

    @property
    def holds_any_level(self) -> bool:
        """Whether samples beyond full scale survive."""
        return self.subtype in FLOAT_SUBTYPES

    @property
    def is_lossy(self) -> bool:
        """Whether the length in the header may be an estimate."""
        return self.subtype in {"VORBIS", "OPUS", "MPEG_LAYER_III"}


def extensions() -> tuple[str, ...]:
    """Return the suffixes of files that can be read here and now, sorted."""
    return tuple(sorted(suffix for codec in codecs() if codec.reads for suffix in codec.suffixes))


def codecs() -> tuple[Codec, ...]:
    """Return what can be read and written here and now, one entry per format."""
    import soundfile

    here = soundfile.available_formats()
    found = [
        Codec(name=name, suffixes=suffixes, reads=box in here, writes=box in here, via="libsndfile")
        for name, (box, _, suffixes) in FORMATS.items()
    ]
    via = external_decoder() or 'pip install "sigsep-classic[av]"'
    reads = external_decoder() is not None
    return (*found, Codec(name="m4a", suffixes=EXTERNAL_SUFFIXES, reads=reads, writes=False, via=via))


def external_decoder() -> str | None:
    """Return what decodes AAC here: ``"PyAV"``, ``"ffmpeg"`` or None."""
    try:
        if find_spec("av") is not None:
            return "PyAV"
    except ValueError:  # what find_spec raises for a module set to None in sys.modules
        pass
    return "ffmpeg" if which("ffmpeg") else None


def resolve_encoding(
    name: str, *, format: str | None, subtype: str | None, channels: int, sample_rate: int, n_samples: int
) -> Encoding:
    """Return how to write ``name``, or raise if that format cannot hold the sound.

    Parameters
    ----------
    name : str
        File name; its suffix says the format where ``format`` is None.
    format : str or None
        A key of `FORMATS`.
    subtype : str or None
        A key of `SUBTYPES` or libsndfile's name; None takes the format's own: 32-bit float for
        uncompressed formats, 24-bit for FLAC.
    channels, sample_rate, n_samples : int
        What is to be written; ``n_samples`` per channel.

    Raises
    ------
    OutputError
        The format is unknown, or can't hold these channels, this rate or this length.
    ParameterError
        ``format`` or ``subtype`` is no known name.
    """
    key = _format_key(name, format)
    container, default, _ = FORMATS[key]
    coding = default if subtype is None else SUBTYPES.get(subtype.lower(), subtype.upper())
    if coding not in SUBTYPES.values():
        raise ParameterError(f"subtype {subtype!r} is unknown; use one of {', '.join(SUBTYPES)}")
    import soundfile

    if not soundfile.check_format(container, coding):
        fitting = [short for short, long in SUBTYPES.items() if soundfile.check_format(container, long)]
        raise OutputError(f"{name}: {key} can't hold {subtype}; use subtype {', '.join(fitting)}")
    _check_capacity(name, container, coding, channels, sample_rate)
    container = container_for(name, container, n_samples * channels * _BYTES.get(coding, 4))
    return Encoding(container=container, subtype=coding)


def _format_key(name: str, format: str | None) -> str:
    if format is not None:
        if format.lower() not in FORMATS:
            raise ParameterError(f"format {format!r} is unknown; use one of {', '.join(FORMATS)}")
        return format.lower()
    suffix = os.path.splitext(name)[1].lower()
    for key, (_, _, suffixes) in FORMATS.items():
        if suffix in suffixes:
            return key
    raise OutputError(f"{name}: no format for the suffix {suffix!r}; use one of .{', .'.join(FORMATS)}")


def _check_capacity(name: str, container: str, coding: str, channels: int, rate: int) -> None:
    kind = coding if coding in _MAX_CHANNELS else container
    most = _MAX_CHANNELS.get(kind, 1024)
    if channels > most:
        way = "write wav" if most < 1024 else "write fewer files at a time"
        raise OutputError(f"{name}: {kind} holds at most {most} channels, not {channels}; {way}")
    if rate > _MAX_RATE.get(kind, 2**31 - 1):
        raise OutputError(f"{name}: {kind} holds at most {_MAX_RATE.get(kind)} Hz, not {rate}; write wav")
    # FLAC's frame header spells rates above 65 535 Hz in tens of Hz or in kHz.
    if kind == "FLAC" and rate > 65_535 and rate % 10 and rate % 1000:
        raise OutputError(f"{name}: FLAC can't hold {rate} Hz; write wav, or resample to a multiple of 10")
    rates = _RATES.get(kind)
    if rates and rate not in rates:
        listed = ", ".join(map(str, rates))
        raise OutputError(f"{name}: {kind} holds {listed} Hz, not {rate}; resample, or write wav")


def container_for(name: str, container: str, n_bytes: int) -> str:
    """Return the container for so many bytes of samples: WAV becomes RF64 where 32-bit sizes end."""
    if n_bytes <= MAX_32_BIT or container not in {"WAV", "AIFF", "AU"}:
        return container
    if container == "WAV":
        return "RF64"
    raise OutputError(
        f"{name}: {container} ends at 4 GiB and this is {n_bytes / 2**30:.1f}; write wav or w64"
    )
