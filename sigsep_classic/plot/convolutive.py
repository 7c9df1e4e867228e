"""Pictures of templates that last: spectrograms of each template over its lags, and when it is started."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigsep_classic.backend import to_host
from sigsep_classic.plot import draw, levels
from sigsep_classic.plot.common import DECIBELS
from sigsep_classic.plot.components import activations
from sigsep_classic.plot.scene import Scene

_MOST_FIRINGS = 5000


def templates_in_time(scene: Scene) -> Any:
    """Return templates W over frequency and lag, the strongest ones, and when they sound, shifted ones by how far."""
    model = scene.model
    W, H = to_host(model.W), to_host(model.H)
    shown = sorted(draw.strongest(to_host(model.energies)))
    shifted, losses = H.ndim == 3, len(model.losses) > 1
    rows = 1 + (1 if not shifted else -(-len(shown) // 4))
    what = f"templates of {draw.number_of(W.shape[2], 'frame')}, {draw.number_of(W.shape[1], 'component')}"
    fig = draw.new_figure(draw.title_of(scene, what), height=1.2 + 2.6 * rows + 2.2 * losses)
    cells = fig.add_gridspec(rows + losses, 1)
    top = cells[0].subgridspec(1, len(shown))
    _templates(fig, [fig.add_subplot(top[k]) for k in range(len(shown))], scene, W, shown)
    if shifted:
        grid = cells[1:rows].subgridspec(-(-len(shown) // 4), min(len(shown), 4))
        _shifted(fig, [fig.add_subplot(grid[i // 4, i % 4]) for i in range(len(shown))], scene, H, shown)
    else:
        activations(
            fig, fig.add_subplot(cells[1]), scene, H, title="H: when each is started", exponent=model.power
        )
    if losses:
        draw.loss_panel(fig.add_subplot(cells[-1]), model.losses)
    return fig


def _templates(fig: Any, axes: list[Any], scene: Scene, W: np.ndarray, shown: list[int]) -> None:
    """Draw templates (bins, components, lags), each in dB below its largest value, over their lags in milliseconds."""
    model, n_lags = scene.model, W.shape[2]
    rows = model.rows or slice(0, model.shape[0])
    hertz = scene.hertz(model.shape[0])
    lags = np.arange(n_lags + 1) * 1000 / scene.grid.frame_rate
    for ax, k in zip(axes, shown, strict=True):
        V = W[:, k].astype(float) ** (1 / model.power)
        centres = None if hertz is None or len(V) < 2 else hertz[rows][: len(V)]
        D = levels.decibels(V, range_db=60)
        y = np.array([-0.5, 0.5]) if centres is None else levels.edges_between(centres)
        log = centres is not None and scene.scale == "log"
        mesh = draw.image(ax, D, lags, y, log=log, limits=(-60, 0))
        ax.set_title(f"template {k + 1}", fontsize=10, loc="left")
        ax.set_xlabel("Lag (ms)")
        if centres is not None and ax is axes[0]:
            draw.frequency_axis(ax.yaxis, scene, centres, vertical=True)
        elif centres is not None:
            draw.frequency_axis(ax.yaxis, scene, centres, vertical=True)
            ax.set_ylabel("")
            ax.tick_params(labelleft=False)
    draw.bar(fig, mesh, axes, "dB re its largest")


def _shifted(fig: Any, axes: list[Any], scene: Scene, H: np.ndarray, shown: list[int]) -> None:
    """Draw activations (components, shifts, frames) over shift and time, in dB below the loudest of all."""
    loudest = float(H.max(initial=0.0)) ** (1 / scene.model.power)
    for i, (ax, k) in enumerate(zip(axes, shown, strict=True)):
        V, edges = levels.of_array(H[k][None].astype(float) ** (1 / scene.model.power))
        D = levels.decibels(V, top=loudest, range_db=60)
        mesh = draw.image(ax, D, scene.times(edges), np.arange(len(V) + 1) - 0.5, limits=(-60, 0))
        ax.set_title(f"H: shifts of template {k + 1}", fontsize=10, loc="left")
        ax.set_xlabel("Time (s)")
        ax.set_ylabel("Shift (bins)" if i % 4 == 0 else "")
        draw.time_limits(ax, scene, scene.times(edges))
    draw.bar(fig, mesh, axes, DECIBELS)


def atoms(scene: Scene) -> Any:
    """Return the atoms of sparse coding, the strongest ones, when each of all fires and how strongly, and the loss."""
    model = scene.model
    shown = sorted(draw.strongest(to_host(model.energies)))
    losses = len(model.losses) > 1
    what = f"{draw.number_of(model.n_components, 'atom')}, λ = {model.penalty:.3g}"
    fig = draw.new_figure(draw.title_of(scene, what), height=6.2 + 2.2 * losses)
    cells = fig.add_gridspec(2 + losses, 1, height_ratios=[1, 1.3, 0.8][: 2 + losses])
    row = cells[0].subgridspec(1, len(shown))
    axes = [fig.add_subplot(row[i]) for i in range(len(shown))]
    (_waves if model.signed else _spectrograms)(fig, axes, scene, shown)
    _firings(fig.add_subplot(cells[1]), scene)
    if losses:
        draw.loss_panel(fig.add_subplot(cells[2]), model.losses, label="Objective")
    return fig


def _waves(fig: Any, axes: list[Any], scene: Scene, shown: list[int]) -> None:
    """Draw atoms of a waveform over milliseconds."""
    for ax, k in zip(axes, shown, strict=True):
        atom = to_host(scene.model.atom(k))
        for c in range(len(atom)) if scene.channel is None else (scene.channel,):
            ms = np.arange(atom.shape[1]) * 1000 / scene.sep.sample_rate
            ax.plot(ms, atom[c], color=draw.COLOURS[c % len(draw.COLOURS)], linewidth=0.8)
        ax.set_title(f"atom {k + 1}", fontsize=10, loc="left")
        ax.set_xlabel("Time (ms)")
        ax.set_xlim(0, max(ms[-1], 1e-9))
        ax.set_yticks([])
    axes[0].set_ylabel("Amplitude")


def _spectrograms(fig: Any, axes: list[Any], scene: Scene, shown: list[int]) -> None:
    """Draw atoms of a spectrogram over frequency and lag."""
    for ax, k in zip(axes, shown, strict=True):
        V = levels.in_one(to_host(scene.model.atom(k)), scene.channel)
        hertz = scene.hertz(len(V))
        y = np.array([-0.5, 0.5]) if hertz is None else levels.edges_between(hertz)
        lags = np.arange(V.shape[1] + 1) * 1000 / scene.grid.frame_rate
        log = hertz is not None and scene.scale == "log"
        mesh = draw.image(ax, levels.decibels(V, range_db=60), lags, y, log=log, limits=(-60, 0))
        ax.set_title(f"atom {k + 1}", fontsize=10, loc="left")
        ax.set_xlabel("Lag (ms)")
        if hertz is not None:
            draw.frequency_axis(ax.yaxis, scene, hertz, vertical=True)
        if ax is not axes[0]:
            ax.set_ylabel("")
            ax.tick_params(labelleft=False)
    draw.bar(fig, mesh, axes, "dB re its largest")


def _firings(ax: Any, scene: Scene) -> None:
    """Draw a line at each time an atom fires, as long as it is strong; the strongest where they are very many."""
    model, rate = scene.model, scene.grid.frame_rate
    every = [model.firings(k) for k in range(model.n_components)]
    sizes = np.concatenate([abs(z) for _, z in every]) if every else np.zeros(0)
    least = np.sort(sizes)[-_MOST_FIRINGS] if len(sizes) > _MOST_FIRINGS else 0.0
    top = sizes.max(initial=0.0) or 1.0
    for k, (frames, z) in enumerate(every):
        kept = abs(z) >= least
        half = 0.45 * np.sqrt(abs(z[kept]) / top)
        ax.vlines(frames[kept] / rate, k + 1 - half, k + 1 + half, color=draw.COLOURS[k % 7], linewidth=0.8)
    few = f", the strongest {_MOST_FIRINGS} of {len(sizes)}" if least else f" ({len(sizes)})"
    ax.set_title(f"firings{few}: lines are as long as the root of their strength", fontsize=10, loc="left")
    ax.set_xlabel("Time (s)")
    ax.set_ylabel("Atom")
    ax.set_xlim(-model.atoms.shape[3] / rate, scene.duration)
    draw.component_ticks(ax.yaxis, model.n_components)
    ax.set_ylim(model.n_components + 0.5, 0.5)
