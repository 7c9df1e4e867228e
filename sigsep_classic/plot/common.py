"""Pictures of any separation: stems as spectrograms and as waveforms, masks, the loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sigsep_classic import masking
from sigsep_classic.backend import to_host
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.models import MaskModel, are_estimates, has_components
from sigsep_classic.plot import draw, levels
from sigsep_classic.plot.scene import Scene

DECIBELS = "dB re the loudest"


def stems(scene: Scene) -> Any:
    """Return the spectrograms of the mixture and of its stems, on one scale of levels."""
    fig, _ = with_stems(scene)
    return fig


def with_stems(scene: Scene, *, extra: int = 0, what: str = "mixture and stems") -> tuple[Any, list[Any]]:
    """Return what `stems` does, and the empty axes of ``extra`` panels at its end."""
    frontend = scene.display
    sounds = {"mixture": scene.mixture, **scene.stems}
    shown = dict(list(sounds.items())[: draw.MOST_PANELS + 1])
    found = {name: levels.of_signal(x, frontend, channel=scene.channel) for name, x in shown.items()}
    top = max(float(V.max()) for V, _ in found.values())
    left = len(sounds) - len(shown)
    fig, cells = panel_grid(
        draw.title_of(scene, what + (f" ({left} stems more not shown)" if left else "")), len(found) + extra
    )
    axes, grid = cells[: len(found)], frontend.grid(scene.sep.sample_rate)
    for ax, (name, (V, edges)) in zip(axes, found.items(), strict=True):
        times = scene.times(edges, grid.frame_rate)
        mesh = draw.spectrogram_panel(ax, scene, V, times, levels.hertz(grid, len(V)), title=name, top=top)
        draw.bar(fig, mesh, ax, DECIBELS)
    return fig, cells[len(found) :]


def panel_grid(title: str, n: int, *, columns: int = 2) -> tuple[Any, list[Any]]:
    """Return a figure with n axes in rows, and these axes."""
    columns = min(n, columns)
    rows = -(-n // columns)
    fig = draw.new_figure(title, height=1.0 + 2.1 * rows)
    return fig, [fig.add_subplot(rows, columns, k + 1) for k in range(n)]


def waveforms(scene: Scene) -> Any:
    """Return the samples of the mixture and of its stems over time, on one scale."""
    sounds = {"mixture": scene.mixture, **scene.stems}
    shown = dict(list(sounds.items())[: draw.MOST_PANELS + 1])
    fig = draw.new_figure(draw.title_of(scene, "waveforms"), height=1.0 + 1.1 * len(shown))
    axes = [fig.add_subplot(len(shown), 1, k + 1) for k in range(len(shown))]
    peak = max(float(abs(x).max()) for x in shown.values()) or 1.0
    for ax, (name, x) in zip(axes, shown.items(), strict=True):
        for c in range(len(x)) if scene.channel is None else (scene.channel,):
            low, high, starts = levels.envelope(x[c])
            colour = draw.COLOURS[c % len(draw.COLOURS)]
            seconds = starts / scene.sep.sample_rate
            ax.fill_between(
                seconds, low, high, color=colour, alpha=0.7, linewidth=0.5, label=f"channel {c + 1}"
            )
        ax.set_title(draw.plain(name), fontsize=10, loc="left")
        ax.set_xlim(0, scene.duration)
        ax.set_ylim(-1.05 * peak, 1.05 * peak)
        ax.tick_params(labelbottom=ax is axes[-1])
    axes[-1].set_xlabel("Time (s)")
    fig.supylabel("Amplitude", fontsize=10)
    if 1 < len(scene.mixture) <= len(draw.COLOURS) and scene.channel is None:
        axes[0].legend(loc="upper right", fontsize=8, ncols=4)
    return fig


def masks(scene: Scene) -> Any:
    """Return the mixture, the gain that each stem has of each of its points, and the loss if there is one."""
    fig, _ = with_masks(scene)
    return fig


def with_masks(scene: Scene, *, extra: int = 0) -> tuple[Any, list[Any]]:
    """Return what `masks` does, and the empty axes of ``extra`` panels at its end."""
    names, gains = gains_of(scene)
    losses = scene.model.losses if len(scene.model.losses) > 1 else ()
    n = 1 + len(names) + bool(losses) + extra
    fig, cells = panel_grid(draw.title_of(scene, "gains of the stems"), n)
    axes = cells[: 1 + len(names)]
    mixture_panel(fig, axes[0], scene)
    for ax, (name, gain) in zip(axes[1:], zip(names, gains, strict=True), strict=True):
        G, edges = levels.of_array(gain, channel=scene.channel if len(gain) > 1 else None, mean=True)
        title = f"gain of {name}"
        mesh = draw.gain_panel(ax, scene, G, scene.times(edges), scene.hertz(len(G)), title=title)
        draw.bar(fig, mesh, ax, "Gain")
    if losses:
        draw.loss_panel(cells[len(axes)], losses)
    return fig, cells[len(axes) + bool(losses) :]


def gains_of(scene: Scene) -> tuple[list[str], Iterator[np.ndarray]]:
    """Return the names of the first stems, and the gain of each, (channels or 1, freq, frames), one at a time.

    Raises
    ------
    ParameterError
        The model makes estimates, not masks.
    """
    model = scene.model
    groups = scene.sep.groups or {name: [k] for k, name in enumerate(model.names)}
    shown = list(groups)[: draw.MOST_PANELS]
    if isinstance(model, MaskModel):
        return shown, (to_host(model.gain(groups[name])) for name in shown)
    every = {**groups, **_left_out(model, groups)}
    Y = model.reconstruct(every)
    if are_estimates(model, Y):
        raise ParameterError('this model makes estimates, not masks; take plot("stems")')
    return shown, iter(to_host(masking.GAINS["ratio"](Y, model.power))[: len(shown)])


def _left_out(model: Any, groups: dict[str, list[int]]) -> dict[str, list[int]]:
    taken = {k for members in groups.values() for k in members}
    rest = [k for k in range(model.n_components) if k not in taken]
    return {"(left out)": rest} if rest and has_components(model) else {}


def mixture_panel(fig: Any, ax: Any, scene: Scene, *, title: str = "mixture") -> Any:
    """Draw the mixture in the model's transform, or in the one signals are shown in; return the mesh."""
    frontend = scene.display
    V, edges = levels.of_signal(scene.mixture, frontend, channel=scene.channel)
    grid = frontend.grid(scene.sep.sample_rate)
    times = scene.times(edges, grid.frame_rate)
    mesh = draw.spectrogram_panel(ax, scene, V, times, levels.hertz(grid, len(V)), title=title)
    draw.bar(fig, mesh, ax, DECIBELS)
    return mesh


def loss(scene: Scene) -> Any:
    """Return the loss over iterations.

    Raises
    ------
    ParameterError
        The method tells none.
    """
    losses = scene.model.losses
    if not losses:
        raise ParameterError('this method tells no loss; take plot("stems") or plot()')
    fig = draw.new_figure(draw.title_of(scene, "loss").removesuffix(scene.heard), width=7, height=4)
    draw.loss_panel(fig.add_subplot(), losses)
    return fig
