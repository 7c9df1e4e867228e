"""Pictures of spectrograms that are sums of components: templates, activations, what each component sounds like."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigsep_classic.backend import to_host
from sigsep_classic.plot import draw, levels
from sigsep_classic.plot.common import DECIBELS, mixture_panel, panel_grid
from sigsep_classic.plot.scene import Scene

_SHOWN = 6
"""Components whose spectrograms are drawn: those with most energy."""


def low_rank(scene: Scene) -> Any:
    """Return templates W, activations H, spectrograms of the strongest components, gains in the channels, the loss."""
    model = scene.model
    W, H = to_host(model.W), to_host(model.H)
    # Of complex NMF and NTF each component is in each channel by a gain.
    gains = getattr(model, "gains", getattr(model, "Q", None))
    gains = None if gains is None or len(gains) < 2 else to_host(gains)
    what = f"V ≈ W H of {draw.number_of(W.shape[1], 'component')}"
    fig, cells = _with_parts(scene, what, gains is not None)
    per_component(fig, cells["W"], scene, W, title="W: templates", exponent=model.power)
    activations(fig, cells["H"], scene, H, title="H: activations", exponent=model.power)
    if gains is not None:
        _gains(fig, cells["gains"], gains)
    return fig


def _with_parts(scene: Scene, what: str, gains: bool) -> tuple[Any, dict[str, Any]]:
    """Return a figure with the strongest components and the loss, and empty axes W, H and gains above them."""
    model = scene.model
    shown = draw.strongest(to_host(model.energies), _SHOWN)
    losses = len(model.losses) > 1
    below = len(shown) + losses + gains
    rows = -(-below // 3)
    fig = draw.new_figure(draw.title_of(scene, what), height=3.6 + 2.1 * rows)
    cells = fig.add_gridspec(1 + rows, 3, height_ratios=[1.5] + [1] * rows)
    found = {"W": fig.add_subplot(cells[0, 0]), "H": fig.add_subplot(cells[0, 1:])}
    places = [fig.add_subplot(cells[1 + k // 3, k % 3]) for k in range(below)]
    component_spectrograms(fig, places[: len(shown)], scene, shown)
    if gains:
        found["gains"] = places[len(shown)]
    if losses:
        draw.loss_panel(places[-1], model.losses)
    return fig, found


def component_spectrograms(fig: Any, axes: list[Any], scene: Scene, shown: list[int]) -> None:
    """Draw the magnitudes of components on one scale of levels, one at a time: K of them need not be in memory."""
    model, found = scene.model, {}
    for k in shown:
        Y = abs(to_host(model.reconstruct({"part": [k]})[0]))
        V, edges = levels.of_array(
            Y ** (1 / model.power) if Y.dtype.kind == "f" else Y, channel=_channel(scene, Y)
        )
        found[k] = V, edges
    top = max(float(V.max()) for V, _ in found.values())
    for ax, (k, (V, edges)) in zip(axes, found.items(), strict=True):
        title = f"component {k + 1}"
        mesh = draw.spectrogram_panel(
            ax, scene, V, scene.times(edges), scene.hertz(len(V)), title=title, top=top
        )
        draw.bar(fig, mesh, ax, DECIBELS)


def _channel(scene: Scene, Y: np.ndarray) -> int | None:
    return scene.channel if len(Y) > 1 else None


def per_component(
    fig: Any,
    ax: Any,
    scene: Scene,
    W: np.ndarray,
    *,
    title: str,
    exponent: float = 1.0,
    range_db: float = 60.0,
) -> None:
    """Draw spectra W (freq, components) side by side in dB, each below its own largest value."""
    W = W.astype(np.float64) ** (1 / exponent)
    tops = W.max(axis=0)
    D = levels.decibels(W / np.where(tops > 0, tops, 1), top=1.0, range_db=range_db)
    hertz, n = scene.hertz(len(W)), W.shape[1]
    y = np.array([-0.5, 0.5]) if hertz is None else levels.edges_between(hertz)
    log = scene.scale == "log" and hertz is not None
    mesh = draw.image(ax, D, draw.component_edges(n), y, log=log, limits=(-range_db, 0))
    ax.set_title(title, fontsize=10, loc="left")
    ax.set_xlabel("Component")
    draw.component_ticks(ax.xaxis, n)
    if hertz is None:
        ax.set_yticks([])
        ax.set_ylabel("One frequency")
    else:
        draw.frequency_axis(ax.yaxis, scene, hertz, vertical=True)
    draw.bar(fig, mesh, ax, "dB re its largest")


def activations(
    fig: Any,
    ax: Any,
    scene: Scene,
    H: np.ndarray,
    *,
    title: str,
    exponent: float = 1.0,
    range_db: float = 60.0,
) -> None:
    """Draw when components sound, H (components, frames), in dB below the loudest of all."""
    H = H.astype(np.float64) ** (1 / exponent)
    V, edges = levels.of_array(H[None])
    D = levels.decibels(V, range_db=range_db)
    mesh = draw.image(ax, D, scene.times(edges), draw.component_edges(len(H)), limits=(-range_db, 0))
    _component_rows(ax, scene, len(H), scene.times(edges), title)
    draw.bar(fig, mesh, ax, DECIBELS)


def _component_rows(ax: Any, scene: Scene, n: int, times: np.ndarray, title: str) -> None:
    ax.set_title(title, fontsize=10, loc="left")
    ax.set_xlabel("Time (s)")
    ax.set_ylabel("Component")
    draw.component_ticks(ax.yaxis, n)
    ax.set_ylim(n + 0.5, 0.5)
    draw.time_limits(ax, scene, times)


def _gains(fig: Any, ax: Any, gains: np.ndarray) -> None:
    """Draw how loud each component is in each channel, (channels, components), as a share of its sum."""
    sums = gains.sum(axis=0)
    share = gains / np.where(sums > 0, sums, 1)
    mesh = draw.image(
        ax,
        share,
        draw.component_edges(gains.shape[1]),
        draw.component_edges(len(gains)),
        cmap=draw.GAIN_MAP,
        limits=(0.0, 1.0),
    )
    ax.set_title("gains in the channels", fontsize=10, loc="left")
    ax.set_xlabel("Component")
    ax.set_ylabel("Channel")
    draw.component_ticks(ax.xaxis, gains.shape[1])
    draw.component_ticks(ax.yaxis, len(gains))
    draw.bar(fig, mesh, ax, "Share")


def fates(scene: Scene) -> Any:
    """Return the components of the common fate model: spectra, activations, modulation textures, the loss."""
    model = scene.model
    what = f"common fate of {draw.number_of(model.n_components, 'component')}"
    fig, cells = _with_parts(scene, what, gains=True)
    per_component(fig, cells["W"], scene, to_host(model.spectra), title="spectra")
    H = levels.decibels(to_host(model.H) ** (1 / model.power), range_db=60)
    patches = model.data.patches
    step = max(1, patches.frames // 2) / scene.grid.frame_rate
    edges = (np.arange(H.shape[1] + 1)) * step
    mesh = draw.image(cells["H"], H, edges, draw.component_edges(len(H)), limits=(-60, 0))
    _component_rows(cells["H"], scene, len(H), edges, "H: activations of patches")
    draw.bar(fig, mesh, cells["H"], DECIBELS)
    _textures(fig, cells["gains"], scene)
    return fig


def _textures(fig: Any, ax: Any, scene: Scene) -> None:
    """Draw how each component is modulated: its texture by rate, over all bands, both directions together."""
    model = scene.model
    T = to_host(model.textures).astype(float) ** (
        2 / model.power
    )  # (patch freq, patch bins, patch frames, components)
    rates = T.sum(axis=(0, 1))
    n = len(rates)
    folded = rates[: n // 2 + 1].copy()
    folded[1 : (n + 1) // 2] += rates[: n // 2 : -1]
    tops = folded.max(axis=0)
    hz = np.arange(len(folded)) * scene.grid.frame_rate / n
    D = levels.decibels(np.sqrt(folded / np.where(tops > 0, tops, 1)), top=1.0, range_db=40)
    mesh = draw.image(ax, D, draw.component_edges(D.shape[1]), levels.edges_between(hz), limits=(-40, 0))
    ax.set_ylim(0, max(hz[-1], 1e-9))
    ax.set_title("modulation of each component", fontsize=10, loc="left")
    ax.set_xlabel("Component")
    ax.set_ylabel("Rate (Hz)")
    draw.component_ticks(ax.xaxis, D.shape[1])
    draw.bar(fig, mesh, ax, "dB re its largest")


def signed(scene: Scene) -> Any:
    """Return spectra B and time courses H of independent subspace analysis, which have both signs, and components."""
    model = scene.model
    B, H = to_host(model.B).astype(float), to_host(model.H).astype(float)
    fig, cells = _with_parts(scene, f"{draw.number_of(len(H), 'independent dimension')}", gains=False)
    hertz = scene.hertz(len(B))
    y = np.array([-0.5, 0.5]) if hertz is None else levels.edges_between(hertz)
    B = B / np.maximum(abs(B).max(axis=0), 1e-300)
    log = scene.scale == "log" and hertz is not None
    options: dict[str, Any] = {"cmap": draw.SIGNED_MAP, "limits": (-1.0, 1.0)}
    mesh = draw.image(cells["W"], B, draw.component_edges(B.shape[1]), y, log=log, **options)
    cells["W"].set_title("B: spectra", fontsize=10, loc="left")
    cells["W"].set_xlabel("Component")
    draw.component_ticks(cells["W"].xaxis, B.shape[1])
    if hertz is not None:
        draw.frequency_axis(cells["W"].yaxis, scene, hertz, vertical=True)
    draw.bar(fig, mesh, cells["W"], "Of its largest")
    H = H / np.maximum(abs(H).max(axis=1, keepdims=True), 1e-300)
    columns = np.linspace(0, H.shape[1], min(levels.COLUMNS, H.shape[1]) + 1).astype(int)
    sums = np.add.reduceat(H, columns[:-1], axis=1) / np.diff(columns)
    mesh = draw.image(cells["H"], sums, scene.times(columns), draw.component_edges(len(H)), **options)
    _component_rows(cells["H"], scene, len(H), scene.times(columns), "H: time courses")
    draw.bar(fig, mesh, cells["H"], "Of its largest")
    return fig


def low_rank_and_sparse(scene: Scene) -> Any:
    """Return what RPCA takes a spectrogram apart into, decomposed once more; the gain; the residual over iterations."""
    model, method = scene.model, scene.method
    parts = method.decompose(to_host(model.magnitude))
    rank = "silence" if parts is None else f"rank {parts.rank}"
    fig, axes = panel_grid(draw.title_of(scene, f"low rank and sparse, {rank}"), 5)
    mixture_panel(fig, axes[0], scene)
    gain, edges = levels.of_array(to_host(model.gain([1])), mean=True)
    times, hertz = scene.times(edges), scene.hertz(len(gain))
    draw.bar(
        fig, draw.gain_panel(axes[1], scene, gain, times, hertz, title="gain of foreground"), axes[1], "Gain"
    )
    pair = {"low rank: background": "low_rank", "sparse: foreground": "sparse"}
    found = {}
    for title, name in pair.items():
        A = (
            np.zeros_like(to_host(model.magnitude[0]))
            if parts is None
            else abs(to_host(getattr(parts, name)))
        )
        found[title] = levels.of_array(A[None] ** (1 / method.power))[0]
    top = max(float(V.max()) for V in found.values())
    for ax, (title, V) in zip(axes[2:4], found.items(), strict=True):
        mesh = draw.spectrogram_panel(ax, scene, V, times, hertz, title=title, top=top)
        draw.bar(fig, mesh, ax, DECIBELS)
    if model.losses:
        draw.loss_panel(axes[4], model.losses, label="Relative residual")
        if all(value > 0 for _, value in model.losses):
            axes[4].set_yscale("log")
    else:
        axes[4].set_axis_off()
    return fig
