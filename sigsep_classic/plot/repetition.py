"""Pictures of what repeats: beat spectra and periods, self-similarity, peaks of the 2-D transform."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigsep_classic.backend import to_host
from sigsep_classic.factorizers.repetition.background import strongest_period
from sigsep_classic.kernels.beat_spectrum import beat_spectrum
from sigsep_classic.plot import draw, levels
from sigsep_classic.plot.common import with_masks
from sigsep_classic.plot.scene import Scene

_MOMENTS, _FRAMES = 60, 500
"""Beat spectra over time, and frames of a self-similarity matrix, that are drawn at most."""


def beats(scene: Scene) -> Any:
    """Return masks and the beat spectrum, with the period that was found: that of the model, or for KAM found again."""
    model, method = scene.model, scene.method
    if method.name == "kam" and "repeating" not in method.names:
        return with_masks(scene)[0]
    fig, (ax,) = with_masks(scene, extra=1)
    if "beat_spectrum" in model.extra:
        curve, period = to_host(model.extra["beat_spectrum"]), int(model.extra["period"])
    else:
        curve = beat_spectrum(to_host(model.magnitude).mean(axis=0))
        bounds = {"shortest": method.min_period, "longest": method.max_period}
        period = strongest_period(curve, scene.grid, **bounds) or len(curve)
    rate = scene.grid.frame_rate
    shown = max(2, len(curve) // 2)  # beyond it few frames overlap, and the curve is noise
    low, high, starts = levels.envelope(curve[:shown])
    ax.fill_between(starts / rate, low, high, color=draw.COLOURS[0], linewidth=0.8)
    top = float(curve[1:shown].max(initial=0.0)) or 1.0
    ax.set_ylim(0, 1.1 * top)
    ax.set_xlim(0, max(shown - 1, 1) / rate)
    if period < len(curve):
        for k in range(1, (shown - 1) // period + 1):
            ax.axvline(
                k * period / rate, color=draw.COLOURS[1], linewidth=1.2 if k == 1 else 0.6, linestyle="--"
            )
        title = f"beat spectrum, period {period / rate:.2f} s (dashed: multiples)"
    else:
        title = "beat spectrum: too short to repeat"
    ax.set_title(title, fontsize=10, loc="left")
    ax.set_xlabel("Lag (s)")
    ax.set_ylabel("Correlation")
    return fig


def periods(scene: Scene) -> Any:
    """Return masks, and the period over time on beat spectra of as long a part as the method looks at."""
    model, method = scene.model, scene.method
    fig, (ax,) = with_masks(scene, extra=1)
    V, rate = to_host(model.magnitude).mean(axis=0), scene.grid.frame_rate
    n_frames = V.shape[1]
    length = max(1, min(round(min(method.segment_length * rate, n_frames)), n_frames))
    count = max(1, min(_MOMENTS, n_frames // max(1, length // 8)))
    centres = (np.arange(count) + 0.5) * n_frames / count
    starts = np.clip((centres - length / 2).astype(int), 0, n_frames - length)
    found = np.stack([beat_spectrum(V[:, s : s + length]) for s in starts], axis=1)
    shown = max(2, length // 3 + 1)
    low = min(max(1, round(method.min_period * rate)), shown - 1)
    top = float(found[low:shown].max(initial=0.0)) or 1.0
    lags = (np.arange(len(found[:shown]) + 1) - 0.5) / rate
    times = np.arange(count + 1) * n_frames / count / rate
    mesh = draw.image(ax, found[:shown], times, lags, limits=(0.0, top))
    at = np.arange(n_frames) / rate
    track = to_host(model.extra["periods"])
    if "starts" in model.extra:
        track = track[np.searchsorted(to_host(model.extra["starts"]), np.arange(n_frames), side="right") - 1]
    ax.step(at, track / rate, where="mid", color=draw.COLOURS[5], linewidth=2, label="period")
    highest = float(track.max()) / rate
    ax.set_ylim(0, 1.15 * (max(lags[-1], highest) if highest < n_frames / rate else lags[-1]))
    draw.time_limits(ax, scene, times)
    ax.legend(loc="upper right", fontsize=8)
    ax.set_title(f"beat spectrum of {length / rate:.1f} s around each moment", fontsize=10, loc="left")
    ax.set_xlabel("Time (s)")
    ax.set_ylabel("Lag (s)")
    draw.bar(fig, mesh, ax, "Correlation")
    return fig


def similarity(scene: Scene) -> Any:
    """Return masks, and how alike the frames are: all frames of a short piece, evenly spaced ones of a long one."""
    from sklearn.metrics.pairwise import cosine_similarity

    model, method, rate = scene.model, scene.method, scene.grid.frame_rate
    fig, axes = with_masks(scene, extra=2)
    V = model.magnitude
    kept = np.arange(0, V.shape[2], -(-V.shape[2] // _FRAMES))
    S = cosine_similarity(to_host(V[:, :, kept]).mean(axis=0).T)
    edges = levels.edges_between(kept) / rate
    ax = axes[0]
    mesh = draw.image(ax, S, edges, edges, cmap=draw.LEVEL_MAP, limits=(0.0, 1.0))
    ax.set_xlim(0, edges[-1])
    ax.set_ylim(0, edges[-1])
    ax.set_title("self-similarity", fontsize=10, loc="left")
    ax.set_xlabel("Time (s)")
    ax.set_ylabel("Time (s)")
    draw.bar(fig, mesh, ax, "Cosine similarity")
    if hasattr(method, "buffer"):
        line = np.array([0.0, edges[-1]])
        ax.plot(line, line - method.buffer, color=draw.COLOURS[5], linestyle="--", linewidth=1)
        axes[0].set_title(f"self-similarity (dashed: {method.buffer:g} s back)", fontsize=10, loc="left")
    _similar_to_one(axes[1], scene)
    return fig


def _similar_to_one(ax: Any, scene: Scene) -> None:
    """Draw how alike all frames are to the loudest one, and which of them its median is taken over."""
    from sklearn.metrics.pairwise import cosine_similarity

    model, rate = scene.model, scene.grid.frame_rate
    V = to_host(model.magnitude).mean(axis=0)
    t = int((V**2).sum(axis=0).argmax())
    s = cosine_similarity(V.T, V[:, t][None])[:, 0]
    low, high, starts = levels.envelope(s)
    ax.fill_between(starts / rate, low, high, color=draw.COLOURS[0], linewidth=0.8)
    if "similar_frames" in model.extra:
        count = int(model.extra["similar_counts"][t])
        chosen = to_host(model.extra["similar_frames"][t, :count])
        ax.plot(chosen / rate, s[chosen], "o", color=draw.COLOURS[1], markersize=4, label=f"{count} taken")
        ax.legend(loc="lower right", fontsize=8)
    ax.set_title(f"similarity to the loudest frame, at {t / rate:.2f} s", fontsize=10, loc="left")
    ax.set_xlim(0, max(scene.duration, 1 / rate))
    ax.set_ylim(0, 1.05)
    ax.set_xlabel("Time (s)")
    ax.set_ylabel("Cosine similarity")


def picks(scene: Scene) -> Any:
    """Return masks, the 2-D transform of the spectrogram, computed once more, and how much of each point is taken."""
    fig, axes = with_masks(scene, extra=2)
    channel = scene.channel or 0
    S = to_host(scene.model.magnitude)[channel]
    _, D, weights = scene.method.transformed(S)
    n_scales, n_rates = D.shape
    rates = np.fft.rfftfreq(n_rates, 1 / scene.grid.frame_rate)
    per_khz = 1000 / scene.grid.bin_hz if scene.grid.bin_hz > 0 else 1.0
    scales = np.fft.fftshift(np.fft.fftfreq(n_scales)) * per_khz
    unit = "Scale (cycles per kHz)" if scene.grid.bin_hz > 0 else "Scale (cycles per bin)"
    half, size = len(rates), levels.decibels(abs(D), range_db=scene.range_db)
    of_channel = f" of channel {channel + 1}" if len(scene.mixture) > 1 else ""
    decibels = {"limits": (-scene.range_db, 0.0)}
    shares = {"limits": (0.0, 1.0), "cmap": draw.GAIN_MAP}
    both = (axes[0], size, "2-D transform", decibels), (axes[1], weights, "picked as repeating", shares)
    for ax, A, title, options in both:
        shown = np.fft.fftshift(np.asarray(A, dtype=float), axes=0)[:, :half]
        columns = np.unique(np.linspace(0, half, min(levels.COLUMNS, half) + 1).astype(int))
        shown = np.maximum.reduceat(shown, columns[:-1], axis=1)
        edges = levels.edges_between(rates)[columns] if half > 1 else np.array([-0.5, 0.5])
        mesh = draw.image(ax, shown, edges, levels.edges_between(scales), **options)
        ax.set_title(title + of_channel, fontsize=10, loc="left")
        ax.set_xlabel("Rate (Hz)")
        ax.set_ylabel(unit)
        draw.bar(fig, mesh, ax, "dB" if ax is axes[0] else "Weight")
    return fig
