"""Sounds for a page: compressed audio and small spectrograms as data URIs, within a limit of bytes."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from sigsep_classic import audio
from sigsep_classic.backend import n_threads
from sigsep_classic.frontends import STFT

TRIED, TRIED_S = 8, 10
"""Sounds that are encoded to estimate the size of all, and seconds from the middle of long ones."""

CODEC = "ogg"
MIME = "audio/ogg"

WIDTH, HEIGHT = 320, 88
"""Pixels of a spectrogram: moments and frequency bands."""

LOWEST_HZ, HIGHEST_HZ = 50.0, 16_000.0
RANGE_DB = 70.0
LEVELS = 16
"""Colours of a spectrogram; few, since they decide how well it is compressed."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One sound of a page.

    Parameters
    ----------
    audio, image : str
        Data URIs of the sound and of its spectrogram.
    """

    audio: str
    image: str


@dataclass(frozen=True, kw_only=True)
class Clips:
    """The sounds of a page.

    Parameters
    ----------
    by_name : dict of str to Clip
        Under the names the sounds were given with.
    seconds : float
        Length of every clip: shorter than the sounds where all of them did not fit.
    gain : float
        The one factor on all of them, 1 unless a peak lies beyond full scale.
    """

    by_name: dict[str, Clip]
    seconds: float
    gain: float


def make_clips(sounds: Mapping[str, np.ndarray], sample_rate: int, *, loudest: str, max_chars: int) -> Clips:
    """Return sounds as clips that fit one page.

    Parameters
    ----------
    sounds : mapping of str to ndarray (channels, samples), float
        All of one length.
    sample_rate : int
        In Hz.
    loudest : str
        The sound whose highest level is the top of all spectrograms' colour scale.
    max_chars : int
        Most characters that all data URIs have together. Where the sounds need more, only their first seconds
        are taken, the same for all.

    Returns
    -------
    Clips
    """
    n_samples = next(iter(sounds.values())).shape[-1]
    peak = max(float(np.abs(x).max()) for x in sounds.values())
    gain = 1 / peak if peak > 1 else 1.0
    some = list(sounds)[:: -(-len(sounds) // TRIED)]  # how long the clips may be, told from a few of them
    make = partial(_made, sample_rate=sample_rate, loudest=loudest, gain=gain)
    tried = {name: sounds[name] for name in {loudest, *some}}
    length = TRIED_S * sample_rate
    if n_samples > 2 * length:  # of long sounds not even these in full: the middle tells what seconds take
        begin = (n_samples - length) // 2
        taken, needed = _chars(
            make({name: x[:, begin : begin + length] for name, x in tried.items()}), sounds
        )
        n_samples = min(n_samples, max(length, int(0.95 * length * (max_chars - taken) / needed)))
    clips = make({name: x[:, :n_samples] for name, x in tried.items()})
    while True:
        taken, needed = _chars(clips, sounds)
        fits = taken + needed <= max_chars or n_samples <= sample_rate // 4
        if fits and len(clips) == len(sounds):
            return Clips(by_name=clips, seconds=n_samples / sample_rate, gain=gain)
        if not fits:  # somewhat less than the share that would fit, for the headers that do not shrink
            n_samples = min(n_samples - 1, int(n_samples * max(0.1, 0.95 * (max_chars - taken) / needed)))
        clips = make({name: x[:, :n_samples] for name, x in sounds.items()})


def _chars(clips: Mapping[str, Clip], sounds: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """Return how many characters the pictures and the audio of all sounds take, told from clips of some."""
    share = len(sounds) / len(clips)
    return (
        share * sum(len(clip.image) for clip in clips.values()),
        share * sum(len(clip.audio) for clip in clips.values()),
    )


def _made(
    sounds: Mapping[str, np.ndarray], *, sample_rate: int, loudest: str, gain: float
) -> dict[str, Clip]:
    images = _pictures(sounds, sample_rate, loudest)
    encode = partial(_encoded, sample_rate=sample_rate, gain=gain)
    with ThreadPoolExecutor(n_threads()) as pool:
        return {
            name: Clip(audio=_data_uri(MIME, data), image=_data_uri("image/png", images[name]))
            for name, data in zip(sounds, pool.map(encode, sounds.values()), strict=True)
        }


def _pictures(sounds: Mapping[str, np.ndarray], sample_rate: int, loudest: str) -> dict[str, bytes]:
    with ThreadPoolExecutor(n_threads()) as pool:
        levels = list(pool.map(partial(band_levels, sample_rate=sample_rate), sounds.values()))
    top = float(levels[list(sounds).index(loudest)].max())
    return {name: picture(level, top=top) for name, level in zip(sounds, levels, strict=True)}


def band_levels(x: np.ndarray, sample_rate: float) -> np.ndarray:
    """Return the level of x (channels, samples) in dB in bands of equal width on a logarithmic axis.

    Returns
    -------
    ndarray (bands, moments)
        ``HEIGHT`` bands from the lowest to the highest frequency; ``WIDTH`` moments, or fewer for a short sound.
    """
    stft = STFT(n_fft=2048, hop=1024 if x.shape[-1] > 1024 * WIDTH else max(1, x.shape[-1] // WIDTH))
    power = _bands(stft.n_fft, sample_rate) @ (np.abs(stft.analyze(x)) ** 2).mean(axis=0)
    starts = np.unique(np.linspace(0, power.shape[1], WIDTH, endpoint=False).astype(int))
    counts = np.diff(starts, append=power.shape[1])
    return 10 * np.log10(np.add.reduceat(power, starts, axis=1) / counts + 1e-12)


def _bands(n_fft: int, sample_rate: float) -> np.ndarray:
    """Return weights (bands, bins) that average the bins in each band, shares of bins at its edges included."""
    bin_hz = sample_rate / n_fft
    edges = np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, sample_rate / 2), HEIGHT + 1) / bin_hz
    bins = np.arange(n_fft // 2 + 1)
    upper = np.minimum(edges[1:, None], bins + 0.5)
    lower = np.maximum(edges[:-1, None], bins - 0.5)
    return np.maximum(upper - lower, 0) / np.diff(edges)[:, None]


def picture(levels: np.ndarray, *, top: float) -> bytes:
    """Return a PNG of levels (bands, moments) in dB, the lowest band at the bottom, coloured below ``top`` dB."""
    logging.getLogger("matplotlib").setLevel(
        logging.ERROR
    )  # where it can't write its cache is no concern here
    from matplotlib import colormaps
    from PIL import Image

    # Pillow comes with matplotlib, whose own writer knows no palette: twice the size.
    steps = np.clip((levels[::-1] - top + RANGE_DB) / RANGE_DB * LEVELS, 0, LEVELS - 1).astype(np.uint8)
    colours = colormaps["magma"](np.linspace(0, 1, LEVELS))[:, :3]
    image = Image.frombytes("P", (steps.shape[1], steps.shape[0]), steps.tobytes())
    image.putpalette(np.round(255 * colours).astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="png")
    return buffer.getvalue()


def _encoded(x: np.ndarray, *, sample_rate: int, gain: float) -> bytes:
    buffer = io.BytesIO()
    audio.write_stream(buffer, x * x.dtype.type(gain), sample_rate, format=CODEC, clip_mode="clamp")
    return buffer.getvalue()


def _data_uri(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
