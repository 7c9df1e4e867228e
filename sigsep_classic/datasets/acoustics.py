"""Where microphones and sources are in a shoebox room, and the filters between them.

Room impulse responses are those of the image source method (J. B. Allen, D. A. Berkley, "Image method for
efficiently simulating small-room acoustics", JASA 65(4), 1979), computed by pyroomacoustics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sigsep_classic.checks import check_range
from sigsep_classic.errors import ParameterError

WALL = 0.3
"""Metres that sources keep from the walls, at least."""


def check_places(array_radius: Any, distances: Any, room: Any, min_angle: Any) -> None:
    """Refuse what is no range of metres, or no angle, with one line.

    Parameters
    ----------
    array_radius, distances, room, min_angle
        As of `rooms.simulate`.

    Raises
    ------
    ParameterError
        What is no pair of finite numbers, the first of them the smaller one, above 0.
    """
    _check_pair("array_radius", array_radius)
    _check_pair("distances", distances)
    if not isinstance(room, (Sequence, np.ndarray)) or isinstance(room, str) or len(room) != 3:
        raise ParameterError(f"room is {room!r:.60}; give (low, high) of length, width and height, in metres")
    for name, bounds in zip(("length", "width", "height"), room, strict=True):
        _check_pair(f"room: {name}", bounds)
    check_range("min_angle", min_angle, 0, 360)


def _check_pair(name: str, bounds: Any) -> None:
    if not isinstance(bounds, (Sequence, np.ndarray)) or isinstance(bounds, str) or len(bounds) != 2:
        raise ParameterError(
            f"{name} is {bounds!r:.60}; give (low, high) in metres, both alike for one value"
        )
    for value in bounds:
        check_range(name, value, 0, above=True)
    if bounds[0] > bounds[1]:
        raise ParameterError(f"{name} is {bounds!r:.60}; the first of both is the lower one")


def placed(
    rng: np.random.Generator,
    n_sources: int,
    n_mics: int,
    array_radius: tuple[float, float],
    distances: tuple[float, float],
    room: Sequence[tuple[float, float]],
    min_angle: float,
) -> dict[str, Any]:
    """Return positions in metres: the room, the array somewhere in it with room around it, sources around the array."""
    size = np.array([rng.uniform(*bounds) for bounds in room])
    reach = max(*distances, *(array_radius if n_mics > 1 else ()))
    margin = reach + WALL
    if (size[:2] <= 2 * margin).any() or size[2] < 1:
        raise ParameterError(
            f"a room of {np.round(size, 2)} m is too small for sources or microphones {reach} m from the array's centre"
        )
    centre = np.array([*rng.uniform(margin, size[:2] - margin), rng.uniform(0.4, 0.6) * size[2]])
    turn = rng.uniform(0, 2 * np.pi)
    around = turn + 2 * np.pi * np.arange(n_mics) / n_mics
    radius = rng.uniform(*array_radius) if n_mics > 1 else 0.0
    mics = centre + radius * np.stack([np.cos(around), np.sin(around), np.zeros(n_mics)], axis=1)
    angles = turn + _apart(rng, n_sources, np.radians(min_angle), pair=n_mics == 2)
    away = rng.uniform(*distances, n_sources)
    places = centre + np.stack([away * np.cos(angles), away * np.sin(angles), np.zeros(n_sources)], axis=1)
    places[:, 2] += rng.uniform(-0.15, 0.15, n_sources)
    return {
        "room_m": size,
        "microphones_m": mics,
        "sources_m": places,
        "angles_degrees": np.degrees(angles) % 360,
        "distances_m": np.linalg.norm(places - centre, axis=1),
    }


def _apart(rng: np.random.Generator, n: int, least: float, *, pair: bool) -> np.ndarray:
    """Return n angles at least ``least`` apart; for a pair, apart in the angle from its axis (0 … π)."""
    for _ in range(10000):
        angles = rng.uniform(0, 2 * np.pi, n)
        seen = np.sort(np.minimum(angles, 2 * np.pi - angles) if pair else angles)
        gaps = np.diff(seen) if pair else np.diff(seen, append=seen[0] + 2 * np.pi)
        if n == 1 or (gaps >= least).all():
            return angles
    raise ParameterError(
        f"{n} sources do not fit {np.degrees(least):.0f} degrees apart; give a smaller min_angle"
    )


def responses(place: dict[str, Any], sample_rate: int, rt60: float) -> tuple[list[list[np.ndarray]], float]:
    """Return impulse responses [microphone][source] and the median of their reverberation times."""
    import pyroomacoustics as pra

    try:
        absorption, order = pra.inverse_sabine(rt60, place["room_m"])
    except ValueError:
        raise ParameterError(
            f"rt60={rt60} s: walls of this room cannot absorb that much; give more"
        ) from None
    # Its threads add up in an order of their own: with one, a seed always gives the same bits.
    threads = pra.constants.get("num_threads")
    pra.constants.set("num_threads", 1)
    try:
        room = pra.ShoeBox(
            place["room_m"], fs=sample_rate, materials=pra.Material(absorption), max_order=order
        )
        room.add_microphone_array(place["microphones_m"].T)
        for position in place["sources_m"]:
            room.add_source(position)
        room.compute_rir()
    finally:
        pra.constants.set("num_threads", threads)
    times = [pra.experimental.measure_rt60(h, fs=sample_rate, decay_db=30) for h in room.rir[0]]
    return room.rir, float(np.median(times))


def convolved(filters: list[list[np.ndarray]], dry: np.ndarray) -> np.ndarray:
    """Return images (sources, microphones, samples) float64, cut at the end of the recordings."""
    from scipy.signal import oaconvolve

    n_samples = dry.shape[-1]
    return np.array(
        [
            [oaconvolve(source, mic[n].astype(np.float64))[:n_samples] for mic in filters]
            for n, source in enumerate(dry)
        ]
    )
