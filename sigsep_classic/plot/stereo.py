"""Pictures of two channels: where the power lies between them, and which part of it each stem is."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigsep_classic.backend import to_host
from sigsep_classic.factorizers.stereo.panning import (
    EDGE,
    azimuth_histogram,
    azimuths_of,
    left_and_right,
    powers,
)
from sigsep_classic.plot import draw, levels
from sigsep_classic.plot.common import with_masks, with_stems
from sigsep_classic.plot.scene import Scene


def azimuths(scene: Scene) -> Any:
    """Return the stems, or their gains, and the power over azimuth with what the method took from where.

    The histogram is the model's, or where it keeps none counted again by the functions of these methods.
    """
    model = scene.model
    fig, (ax,) = (with_masks if hasattr(model, "masks") else with_stems)(scene, extra=1)
    extra = getattr(model, "extra", {})
    if "histogram" in extra:
        centres, counts = extra["azimuths"], extra["histogram"]
    else:
        A, B, C = powers(*_both(scene))
        centres, counts = azimuth_histogram(azimuths_of(A, B, C), A + B, smoothing=1.0)
    top = counts.max() or 1.0
    ax.fill_between(centres, counts / top, color=draw.COLOURS[0], alpha=0.6, linewidth=0)
    _marks(ax, scene)
    ax.set_title("power over azimuth", fontsize=10, loc="left")
    ax.set_xlabel("Azimuth (degrees, left to right)")
    ax.set_ylabel("Share of the largest")
    ax.set_xlim(-EDGE, EDGE)
    ax.set_xticks([-45, -30, -15, 0, 15, 30, 45])
    ax.set_ylim(0, 1.15)
    return fig


def _both(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Return left and right as the methods see them."""
    X = scene.X if len(scene.X) == 2 else np.concatenate([scene.X, scene.X])
    return left_and_right(X, "plot")


def _marks(ax: Any, scene: Scene) -> None:
    """Draw the azimuths of sources, the range a stem is taken from, or the sources over azimuth."""
    model, method = scene.model, scene.method
    extra = getattr(model, "extra", {})
    if hasattr(model, "Q"):
        Q = to_host(model.Q)
        for n in range(Q.shape[1]):
            curve = Q[:, n] / (Q[:, n].max() or 1.0)
            colour = draw.COLOURS[1 + n % (len(draw.COLOURS) - 1)]
            ax.plot(extra["azimuths"], curve, color=colour, linewidth=1.5, label=model.names[n])
        ax.legend(loc="upper right", fontsize=8)
    elif "source_azimuths" in extra:
        for n, azimuth in enumerate(extra["source_azimuths"]):
            ax.axvline(azimuth, color=draw.COLOURS[1], linestyle="--")
            ax.annotate(f"{n + 1}", (azimuth, 1.05), color=draw.COLOURS[1], ha="center", fontsize=9)
    else:
        azimuth, width = getattr(method, "azimuth", 0.0), getattr(method, "width", 0.0)
        ax.axvline(azimuth, color=draw.COLOURS[1], linestyle="--", label=scene.model.names[0])
        if width:
            label = f"gain of a lone source ≥ ½: ± {width / 2:g}°"
            ax.axvspan(
                azimuth - width / 2, azimuth + width / 2, color=draw.COLOURS[4], alpha=0.2, label=label
            )
        ax.legend(loc="upper right", fontsize=8)


def attenuations_and_delays(scene: Scene) -> Any:
    """Return masks and the histogram of DUET over delay and attenuation, with its sources."""
    extra = scene.model.extra
    fig, (ax,) = with_masks(scene, extra=1)
    H = np.asarray(extra["histogram"], dtype=float)
    ms, alphas = 1000 * np.asarray(extra["delay_axis"]), np.asarray(extra["alpha_axis"])
    top = H.max(initial=0.0) or 1.0
    mesh = draw.image(
        ax, np.sqrt(H / top), levels.edges_between(ms), levels.edges_between(alphas), limits=(0.0, 1.0)
    )
    a = np.asarray(extra["attenuations"], dtype=float)
    x, y = 1000 * np.asarray(extra["delays"]), np.clip(a - 1 / a, alphas[0], alphas[-1])
    ax.plot(x, y, "o", markerfacecolor="none", markeredgecolor=draw.COLOURS[5], markersize=9, clip_on=False)
    for n in range(len(a)):
        ax.annotate(
            f" {n + 1}", (x[n], y[n]), xytext=(5, 4), textcoords="offset points", color="white", fontsize=9
        )
    ax.set_title("histogram of points, sources circled", fontsize=10, loc="left")
    ax.set_xlabel("Delay of the right channel (ms)")
    ax.set_ylabel("Attenuation a − 1/a")
    draw.bar(fig, mesh, ax, "Root of the weight")
    return fig


def differences(scene: Scene) -> Any:
    """Return masks, and the power over level and phase differences of the channels with the centres of clusters."""
    fig, (ax,) = with_masks(scene, extra=1)
    A, B, C = powers(*_both(scene), scene.method.smoothing)
    heard = (A > 0) & (B > 0)
    ild = 10 * np.log10(B[heard] / A[heard])
    ipd = np.angle(C[heard])
    edges = np.linspace(-30, 30, 121), np.linspace(-np.pi, np.pi, 121)
    H, x, y = np.histogram2d(np.clip(ild, -30, 30), ipd, bins=edges, weights=(A + B)[heard])
    mesh = draw.image(ax, levels.decibels(np.sqrt(H.T), range_db=50), x, y, limits=(-50.0, 0.0))
    extra = scene.model.extra
    dots = np.clip(extra["level_differences"], -30, 30), extra["phase_differences"]
    ax.plot(*dots, "o", markerfacecolor="none", markeredgecolor=draw.COLOURS[5], markersize=9, clip_on=False)
    for n, (level, phase) in enumerate(zip(*dots, strict=True)):
        ax.annotate(
            f"{n + 1}", (level, phase), xytext=(6, 5), textcoords="offset points", color="white", fontsize=9
        )
    ax.set_title("power, centres of clusters circled", fontsize=10, loc="left")
    ax.set_xlabel("Level difference, right over left (dB)")
    ax.set_ylabel("Phase difference (rad)")
    draw.bar(fig, mesh, ax, "Level (dB)")
    return fig
