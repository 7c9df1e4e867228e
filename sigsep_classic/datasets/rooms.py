"""Simulated rooms: recordings played at places in a shoebox room, heard by a small array, with the truth known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from sigsep_classic.checks import check_count, check_range, did_you_mean
from sigsep_classic.datasets.acoustics import check_places, convolved, placed, responses
from sigsep_classic.datasets.synthetic import Mixture, normalised
from sigsep_classic.datasets.utterances import Recordings, Utterances
from sigsep_classic.errors import ArrayTypeError, NumericalError, ParameterError, ShapeError

INSTALL = 'pip install "sigsep-classic[rooms]"'
ROOM = ((4.5, 8.5), (3.6, 6.5), (2.4, 3.5))
"""Metres between which length, width and height of a room are drawn."""
RT60 = (0.05, 5.0)
"""Seconds a reverberation time can be."""
OPTIONS = ("snr", "array_radius", "distances", "room", "min_angle")
"""What `rooms` hands to `simulate`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RoomMixture(Mixture):
    """A `Mixture` heard by microphones in a simulated room; its stems are ``source1 …``, and ``noise`` if there is.

    ``meta`` holds ``rt60_seconds`` (asked for), ``rt60_measured_seconds`` (from the decay of the impulse
    responses at the first microphone), ``room_m`` (3,), ``microphones_m`` (microphones, 3), ``sources_m``
    (sources, 3), ``angles_degrees`` (sources,; seen from the array's centre), ``distances_m`` (sources,), ``snr_db``
    (None without noise), ``seed``, and ``voices`` if they are known.
    """

    @property
    def images(self) -> np.ndarray:
        """Image of each source at each microphone, (sources, microphones, samples) float32."""
        return np.stack([image for name, image in self.stems.items() if name != "noise"])


def simulate(
    sources: Sequence[np.ndarray] | np.ndarray,
    sample_rate: int,
    *,
    n_mics: int = 2,
    rt60: float = 0.3,
    snr: float | None = None,
    seed: int = 0,
    array_radius: tuple[float, float] = (0.025, 0.05),
    distances: tuple[float, float] = (0.7, 1.3),
    room: Sequence[tuple[float, float]] = ROOM,
    min_angle: float = 30.0,
    name: str = "room",
) -> RoomMixture:
    """Return what a circular array hears of sources in a room, all drawn at random from ``seed``.

    Images have the same power at the first microphone. Two microphones are a pair, which cannot tell in front from
    behind: its angles are apart counted from the pair's axis.

    Parameters
    ----------
    sources : sequence of array (samples,), real
        Dry recordings, one a source, all of one length; two sources or more make a mixture.
    sample_rate : int
        Hz, 8000 to 96000.
    n_mics : int, >= 1
        Microphones on a circle around the array's centre, evenly spaced, all at one height.
    rt60 : float, > 0
        Reverberation time in seconds that Sabine's formula gives the walls their absorption for. The decay of a
        shoebox differs from it: ``meta["rt60_measured_seconds"]``.
    snr : float, -100 to 200, or None
        Power of all images over that of white noise, independent at each microphone, in dB; None: no noise.
    seed : int, >= 0
        Determines all that is drawn.
    array_radius, distances : (low, high), > 0
        Metres: of the circle, and from its centre to the sources. Sources are within 0.15 m of the array's height.
    room : three pairs (low, high)
        Metres of length, width and height.
    min_angle : float, 0 to 360
        Degrees between any two sources, at least.
    name : str
        The mixture's name.

    Returns
    -------
    RoomMixture
        float32; one gain, common to all stems, puts the mixture's peak at 0.9.

    Raises
    ------
    ParameterError
        pyroomacoustics is missing, a number is out of range, or the sources do not fit into the room.
    ShapeError
        A source is not (samples,), or lengths differ.
    ArrayTypeError
        A source is not real numbers.
    NumericalError
        A source is silent or not finite.
    """
    _require_package()
    dry = _checked(sources)
    check_count("n_mics", n_mics)
    check_count("seed", seed, 0)
    check_range("rt60", rt60, *RT60)
    _check_rate(sample_rate)
    if snr is not None:
        check_range("snr", snr, -100, 200)
    check_places(array_radius, distances, room, min_angle)
    rng = np.random.default_rng([seed, 0])
    place = placed(rng, len(dry), n_mics, array_radius, distances, room, min_angle)
    filters, measured = responses(place, int(sample_rate), rt60)
    images = convolved(filters, dry)  # (sources, mics, samples)
    images /= np.sqrt(np.mean(images[:, 0] ** 2, axis=-1))[:, None, None]
    scene = {f"source{n + 1}": image for n, image in enumerate(images)}
    if snr is not None:
        total = images.sum(axis=0)
        spread = np.sqrt(np.mean(total**2)) * 10 ** (-snr / 20)
        scene["noise"] = spread * np.random.default_rng([seed, 1]).standard_normal(total.shape)
    meta = {
        **place,
        "rt60_seconds": float(rt60),
        "rt60_measured_seconds": measured,
        "snr_db": snr,
        "seed": int(seed),
    }
    made = normalised(scene, meta, int(sample_rate), name)
    return RoomMixture(
        mixture=made.mixture, stems=made.stems, sample_rate=made.sample_rate, name=name, meta=meta
    )


def rooms(
    recordings: Recordings,
    n_mixtures: int,
    *,
    n_sources: int = 2,
    n_mics: int | None = None,
    rt60: float | Sequence[float] = 0.3,
    seconds: float = 9.0,
    sample_rate: int = 16000,
    seed: int = 0,
    **options: Any,
) -> list[RoomMixture]:
    """Return mixtures of a folder's dry recordings, each in a room of its own, all drawn from ``seed``.

    Every source is one voice; a mixture has as many voices as there are. A recording is heard in one mixture only,
    until all have been.

    Parameters
    ----------
    recordings : str, path or mapping of str to sequence of array (samples,)
        A folder of sound files, those of one voice in one folder within it (files beside them are voices of their
        own); or the recordings of each voice, at ``sample_rate``.
    n_mixtures : int, >= 1
        How many.
    n_sources : int, >= 1
        Sources in each.
    n_mics : int, >= 1, or None
        Microphones; None: as many as sources.
    rt60 : float or sequence of float
        Reverberation time in seconds; of several, mixture n has number n modulo their count.
    seconds : float, > 0
        Length of a mixture; short recordings follow each other until they are as long.
    sample_rate : int
        Hz; files of another rate are resampled.
    seed : int, >= 0
        Determines all that is drawn. Mixture n is the same whatever ``n_mixtures`` is.
    **options
        Of `OPTIONS`, for `simulate`.

    Returns
    -------
    list of RoomMixture
        Their names are ``room1 …``.

    Raises
    ------
    ParameterError
        There are too few recordings, or a number is out of range.
    ShapeError, ArrayTypeError, NumericalError
        As `simulate`.
    AudioError
        A file cannot be read.
    """
    _require_package()
    check_count("n_mixtures", n_mixtures)
    check_count("n_sources", n_sources)
    check_count("seed", seed, 0)
    check_range("seconds", seconds, 0.1, 3600)
    _check_rate(sample_rate)
    for name in options:
        if name not in OPTIONS:
            raise ParameterError(f"rooms has no option {name!r}; {did_you_mean(name, OPTIONS, 'it has')}")
    times = _checked_times(rt60)
    pool = Utterances(recordings, sample_rate=int(sample_rate), seed=seed)
    mixtures = []
    for n in range(n_mixtures):
        voices, dry = pool.draw(n_sources, round(seconds * sample_rate))
        mixture = simulate(
            dry,
            sample_rate,
            n_mics=n_sources if n_mics is None else n_mics,
            rt60=times[n % len(times)],
            seed=int(np.random.default_rng([seed, n]).integers(2**31)),
            name=f"room{n + 1}",
            **options,
        )
        mixture.meta["voices"] = voices  # type: ignore[index]
        mixtures.append(mixture)
    return mixtures


def _require_package() -> None:
    try:
        found = find_spec("pyroomacoustics") is not None
    except ValueError:  # what find_spec raises for a module set to None in sys.modules
        found = False
    if not found:
        raise ParameterError(f"simulated rooms need pyroomacoustics; {INSTALL}")


def _checked_times(rt60: Any) -> list[float]:
    """Return one or several reverberation times as a list."""
    several = isinstance(rt60, (Sequence, np.ndarray)) and not isinstance(rt60, str)
    times = list(rt60) if several else [rt60]
    if not times:
        raise ParameterError("rt60 is empty; give one reverberation time in seconds, or several")
    for time in times:
        check_range("rt60", time, *RT60)
    return [float(time) for time in times]


def _check_rate(sample_rate: Any) -> None:
    check_range("sample_rate", sample_rate, 8000, 96000)
    if sample_rate != int(sample_rate):
        raise ParameterError(f"sample_rate is {sample_rate}; it must be a whole number of Hz")


def _checked(sources: Any) -> np.ndarray:
    """Return the sources as one float64 array (sources, samples)."""
    if isinstance(sources, np.ndarray) and sources.ndim != 2:
        raise ShapeError(f"sources have shape {sources.shape}; give (sources, samples)")
    try:
        dry = [np.asarray(source) for source in sources]
    except (TypeError, ValueError):
        raise ShapeError(
            "sources are no sequence of arrays; give (samples,) of each, of one length"
        ) from None
    shapes = {source.shape for source in dry}
    if len(shapes) != 1 or dry[0].ndim != 1 or not dry[0].size:
        found = ", ".join(map(str, sorted(shapes)[:4])) or "none"
        raise ShapeError(f"sources have shapes {found}; give (samples,) of one length")
    for source in dry:
        if source.dtype.kind not in "fiu":
            raise ArrayTypeError(f"a source is of {source.dtype}; give real samples")
    stack = np.stack(dry).astype(np.float64)
    power = (stack**2).sum(axis=-1)
    if not (np.isfinite(power) & (power > 0)).all():
        raise NumericalError("a source is silent, or holds NaN or infinity; leave it out")
    return stack
