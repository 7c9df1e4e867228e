"""Pictures of pitch: the melody on how salient every pitch is, the partials of sounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigsep_classic.backend import to_host
from sigsep_classic.factorizers.base import magnitudes
from sigsep_classic.factorizers.pitch.axis import frequencies_of, pitch_candidates
from sigsep_classic.factorizers.pitch.salience import harmonic_salience
from sigsep_classic.factorizers.pitch.tracking import PER_SEMITONE
from sigsep_classic.factorizers.pitch.voice_model import VoiceModel
from sigsep_classic.plot import draw, levels
from sigsep_classic.plot.common import with_masks
from sigsep_classic.plot.scene import Scene


def melody(scene: Scene) -> Any:
    """Return masks, and the melody on how salient the harmonics of all pitches are, computed once more.

    That is what `Melody` follows, and the part of what `SIMM` does that does not depend on its model.
    """
    model = scene.model
    fig, (ax,) = with_masks(scene, extra=1)
    V = to_host(magnitudes(scene.X))
    hertz, method = frequencies_of(scene.grid, len(V)), scene.method
    if isinstance(model, VoiceModel):
        pitches, f0 = model.dictionary.pitches, model.f0
    else:
        pitches = pitch_candidates(method.min_hz, method.max_hz, PER_SEMITONE, hertz)
        f0 = model.extra["f0"]
    S = harmonic_salience(V, pitches, hertz)
    f0 = np.full(V.shape[1], np.nan) if f0 is None else to_host(f0).astype(float)
    rate = scene.grid.frame_rate
    mesh = None
    if len(pitches) > 1 and S.size:
        A, edges = levels.of_array(S[None])
        top = float(np.quantile(S, 0.999)) or 1.0
        y = levels.edges_between(pitches)
        mesh = draw.image(ax, A, scene.times(edges), y, log=scene.scale == "log", limits=(0.0, top))
        ax.set_ylim(pitches[0], pitches[-1])
    line = {"linewidth": 1.6, "marker": "." if len(f0) < 200 else None, "markersize": 3}
    ax.plot(np.arange(len(f0)) / rate, f0, color=draw.COLOURS[5], label="melody", **line)
    voiced = np.isfinite(f0).mean() if len(f0) else 0.0
    said = f"melody on the salience of harmonics, {100 * voiced:.0f} % of the frames voiced"
    ax.set_title(said, fontsize=10, loc="left")
    ax.set_xlabel("Time (s)")
    ax.set_ylabel("Pitch (Hz)")
    ax.set_xlim(0, max(scene.duration, 1 / rate))
    ax.legend(loc="upper right", fontsize=8)
    draw.bar(fig, mesh, ax, "Salience")
    return fig


def partials(scene: Scene) -> Any:
    """Return masks, and the partials that were followed, found once more, in a colour for each sound."""
    model, grid = scene.model, scene.grid
    fig, (ax,) = with_masks(scene, extra=1)
    V = to_host(magnitudes(model.magnitude)).astype(float)
    top = V.max()
    found, sounds = scene.method.sounds(V / top if top > 0 else V, grid)
    owner = {k: n for n, sound in enumerate(sounds) for k in sound.members}
    for k, partial in enumerate(found):
        n = owner.get(k)
        colour = "0.7" if n is None else draw.COLOURS[n % len(draw.COLOURS)]
        seconds = np.arange(partial.start, partial.stop) / grid.frame_rate
        ax.plot(seconds, partial.hertz, color=colour, linewidth=0.7 if n is None else 1.4)
    for n, sound in enumerate(sounds):
        colour = draw.COLOURS[n % len(draw.COLOURS)]
        ax.plot([], [], color=colour, label=f"{model.names[n]}: {sound.f0:.0f} Hz")
    if len(owner) < len(found):
        ax.plot([], [], color="0.7", label="no sound's")
    ax.set_title(draw.number_of(len(found), "partial"), fontsize=10, loc="left")
    ax.set_xlabel("Time (s)")
    ax.set_xlim(0, max(scene.duration, 1 / grid.frame_rate))
    hertz = scene.hertz(len(V))
    if hertz is not None:
        draw.frequency_axis(ax.yaxis, scene, hertz, vertical=True)
    if found:
        ax.legend(loc="upper right", fontsize=8)
    return fig
