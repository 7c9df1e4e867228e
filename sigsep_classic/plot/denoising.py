"""Pictures of noise and hum: how strong they are at each frequency, and what was taken off."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigsep_classic.backend import to_host
from sigsep_classic.factorizers.base import nearest_power_of_two
from sigsep_classic.plot import draw, levels
from sigsep_classic.plot.common import DECIBELS, with_masks, with_stems
from sigsep_classic.plot.scene import Scene

_HARMONICS = 6


def noise(scene: Scene) -> Any:
    """Return gains, the noise over time, and the mean power of recording, noise and speech over frequency."""
    model = scene.model
    N = np.sqrt(to_host(model.extra["noise"]))  # of magnitudes, as everything else that is drawn
    V = to_host(model.magnitude)
    follows = N.shape[2] == V.shape[2] and V.shape[2] > 1
    fig, axes = with_masks(scene, extra=1 + follows)
    hertz, channel = scene.hertz(V.shape[1]), scene.channel
    if follows:
        found, edges = levels.of_array(N, channel=channel if len(N) > 1 else None)
        top = float(V.max())
        title = "noise, as it was followed"
        mesh = draw.spectrogram_panel(axes[0], scene, found, scene.times(edges), hertz, title=title, top=top)
        draw.bar(fig, mesh, axes[0], DECIBELS)
    _profile(axes[-1], scene, V, N, to_host(model.gain([0])) * V)
    return fig


def _profile(ax: Any, scene: Scene, V: np.ndarray, N: np.ndarray, S: np.ndarray) -> None:
    """Draw root mean squares over time of recording, noise and speech (channels, freq, frames) over frequency."""
    curves = {
        name: np.sqrt(
            (levels.in_one(A, scene.channel if len(A) > 1 else None).astype(float) ** 2).mean(axis=1)
        )
        for name, A in {"recording": V, "noise": N, "speech": S}.items()
    }
    top = float(curves["recording"].max())
    hertz = scene.hertz(len(V[0]))
    for colour, (name, curve) in zip(("0.4", *draw.COLOURS[1::-1]), curves.items(), strict=True):
        D = levels.decibels(curve, top=top, range_db=scene.range_db)
        x = np.zeros(1) if hertz is None else hertz
        ax.plot(x, D, color=colour, linewidth=1.2, label=name, marker="." if len(D) == 1 else None)
    if hertz is not None:
        draw.frequency_axis(ax.xaxis, scene, hertz)
    ax.set_title("mean levels", fontsize=10, loc="left")
    ax.set_ylabel(DECIBELS)
    ax.legend(loc="upper right", fontsize=8)


def hum(scene: Scene) -> Any:
    """Return the stems, and the spectrum at the first multiples of the mains frequency before and after."""
    from scipy.signal import welch

    frequency, rate = scene.model.frequency, scene.sep.sample_rate
    fig, (ax,) = with_stems(scene, extra=1)
    n = min(nearest_power_of_two(2 * rate), scene.mixture.shape[1])
    found = {}
    sounds = {"recording": scene.mixture, **{k: x for k, x in scene.stems.items() if k == "clean"}}
    for name, x in sounds.items():
        chosen = x if scene.channel is None else x[scene.channel][None]
        hertz, power = welch(chosen.astype(float), rate, nperseg=n, detrend=False)
        found[name] = np.sqrt(power.mean(axis=0))
    top = max(float(curve.max()) for curve in found.values())
    highest = min(rate / 2, (frequency or 50.0) * (_HARMONICS + 0.5))
    kept = hertz <= highest
    for colour, (name, curve) in zip(draw.COLOURS, found.items(), strict=False):
        D = levels.decibels(curve[kept], top=top, range_db=scene.range_db)
        ax.plot(hertz[kept], D, color=colour, linewidth=1, label=name)
    for k in range(1, _HARMONICS + 1):
        if frequency and k * frequency < highest:
            ax.axvline(k * frequency, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    said = f"hum of {frequency:.2f} Hz (dashed: multiples)" if frequency else "no hum was heard"
    ax.set_title(said, fontsize=10, loc="left")
    ax.set_xlabel("Frequency (Hz)")
    ax.set_ylabel(DECIBELS)
    ax.set_xlim(0, highest)
    ax.legend(loc="upper right", fontsize=8)
    return fig
