"""How loud a demixing filter hears a sound from each direction, at each frequency."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigsep_classic.backend import to_host
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.models import DemixingModel
from sigsep_classic.geometry import SPEED_OF_SOUND, frequencies, tdoa, unit_vectors
from sigsep_classic.plot import draw, levels
from sigsep_classic.plot.common import panel_grid
from sigsep_classic.plot.scene import Scene

RANGE_DB = 30.0
_DIRECTIONS, _LEAST_MS = 181, 0.1


def can_be_drawn(scene: Scene) -> bool:
    """Whether there is a complex matrix a bin, and two channels or the places of more."""
    model, even = scene.model, scene.grid.frequencies is None and scene.grid.bin_hz > 0
    if not even or not isinstance(model, DemixingModel) or len(model.W) < 3 or model.W.dtype.kind != "c":
        return False
    return len(scene.mixture) == 2 or (scene.positions is not None and len(scene.mixture) > 1)


def directivity(scene: Scene) -> Any:
    """Return the response of each source's filter over direction and frequency.

    Raises
    ------
    ParameterError
        There is no filter a frequency, or nothing says where the microphones are.
    """
    if not can_be_drawn(scene):
        raise ParameterError(
            "directivity is a picture of methods with a demixing matrix a frequency (auxiva, fdica, ilrma …), of two "
            "channels, or of more with positions=, the places of the microphones in metres"
        )
    n = min(scene.model.W.shape[1], draw.MOST_PANELS)
    title = draw.title_of(scene, "directivity of the demixing filters").removesuffix(scene.heard)
    fig, axes = panel_grid(title, n)
    for k, ax in enumerate(axes):
        panel(fig, ax, scene, k)
    return fig


def panel(fig: Any, ax: Any, scene: Scene, n: int) -> None:
    """Draw the response of filter n in dB, at each frequency below its largest."""
    model, W = scene.model, to_host(scene.model.W)
    hertz = frequencies(scene.grid, len(W))
    over, delays = directions(scene, tdoa(to_host(model.steering), scene.grid).seconds)
    D = response(W[:, n], hertz, delays)
    mesh = draw.image(
        ax,
        D,
        levels.edges_between(over),
        levels.edges_between(hertz),
        log=scene.scale == "log",
        limits=(-RANGE_DB, 0.0),
    )
    ax.set_title(f"what the filter of {model.names[n]} hears", fontsize=10, loc="left")
    by_angle = scene.positions is not None
    ax.set_xlabel("Azimuth (degrees)" if by_angle else "Delay of channel 2 (ms)")
    draw.frequency_axis(ax.yaxis, scene, hertz, vertical=True)
    draw.bar(fig, mesh, ax, "dB re each bin's largest")


def directions(scene: Scene, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what is on the axis, azimuths or delays in ms, and the delay of each channel in seconds for each of them.

    Parameters
    ----------
    scene : Scene
        With positions, azimuths of the plane; else delays of the second channel.
    found : array (channels, sources)
        Delays of the sources in seconds, all of which are to lie within.
    """
    if scene.positions is not None:
        azimuths = np.linspace(-180, 180, 2 * _DIRECTIONS - 1)
        places = np.zeros((len(scene.mixture), 3))
        given = np.asarray(scene.positions, dtype=float)
        places[:, : given.shape[1]] = given
        return azimuths, (places[0] - places) @ unit_vectors(azimuths) / SPEED_OF_SOUND
    reach = max(_LEAST_MS, 2000 * float(abs(found[1]).max(initial=0.0)))
    ms = np.linspace(-reach, reach, _DIRECTIONS)
    return ms, np.stack([np.zeros(len(ms)), ms / 1000])


def response(w: np.ndarray, hertz: np.ndarray, delays: np.ndarray) -> np.ndarray:
    """Return ``|Σ_c w_fc exp(-2πi f τ_c)|`` in dB below its largest at each frequency, (freq, directions).

    Parameters
    ----------
    w : complex array (freq, channels)
        A row of the demixing matrix at each frequency.
    hertz : array (freq,)
        In Hz.
    delays : array (channels, directions)
        τ: when sound from a direction reaches each channel, in seconds.
    """
    turns = np.exp(-2j * np.pi * hertz[:, None, None] * delays)  # (freq, channels, directions)
    size = abs(np.einsum("fc,fcd->fd", w, turns))
    top = size.max(axis=1, keepdims=True)
    return levels.decibels(size / np.where(top > 0, top, 1), top=1.0, range_db=RANGE_DB)
