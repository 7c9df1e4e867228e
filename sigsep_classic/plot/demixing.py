"""Pictures of several microphones: sources, delays, filters and matrices, the order of the bins, reverberation."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from sigsep_classic.backend import to_host
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.models import DemixingModel
from sigsep_classic.geometry import tdoa
from sigsep_classic.plot import draw, levels
from sigsep_classic.plot.common import with_stems
from sigsep_classic.plot.directivity import can_be_drawn, panel
from sigsep_classic.plot.scene import Scene
from sigsep_classic.plot.signals import permutation


def sources(scene: Scene) -> Any:
    """Return mixture and sources, their delays, how loud their filters hear which direction, and the loss."""
    model = scene.model
    losses = model.losses if len(model.losses) > 1 else ()
    patterns = min(model.W.shape[1], draw.MOST_PANELS) if can_be_drawn(scene) else 0
    located = _has_delays(scene)
    weights = getattr(model, "G", None)
    extra = patterns + located + bool(losses) + (weights is not None)
    fig, axes = with_stems(scene, extra=extra, what="mixture and sources")
    for n in range(patterns):
        panel(fig, axes[n], scene, n)
    rest = axes[patterns:]
    if located:
        _delays(rest.pop(0), scene)
    if weights is not None:
        _direction_weights(fig, rest.pop(0), to_host(weights))
    if losses:
        draw.loss_panel(rest.pop(0), losses)
    return fig


def _has_delays(scene: Scene) -> bool:
    """Whether delays between channels can be read off: an STFT, several channels, a model that tells steering."""
    even = scene.grid.frequencies is None and scene.grid.bin_hz > 0
    if not even or len(scene.mixture) < 2 or not hasattr(scene.model, "steering"):
        return False
    A = scene.model.steering
    return bool(A.dtype.kind == "c" and len(A) > 2)


def _delays(ax: Any, scene: Scene) -> None:
    """Draw when each source reaches each channel, dots as large as that is sure."""
    model = scene.model
    n_active = getattr(model, "n_active", model.n_components)
    found = tdoa(to_host(model.steering)[:, :, :n_active], scene.grid)
    ms, sure = 1000 * found.seconds, found.coherence
    channels = np.arange(1, len(ms) + 1)
    for n in range(n_active):
        colour = draw.COLOURS[n % len(draw.COLOURS)]
        coherence = float(sure[1:, n].mean())
        ax.plot(ms[:, n], channels, color=colour, linewidth=1, label=f"{model.names[n]} ({coherence:.2f})")
        ax.scatter(ms[:, n], channels, s=15 + 100 * sure[:, n], color=colour, clip_on=False, zorder=3)
    ax.set_title("delays; in brackets how sure, 0 to 1", fontsize=10, loc="left")
    ax.set_xlabel("Delay after channel 1 (ms)")
    ax.set_ylabel("Channel")
    draw.component_ticks(ax.yaxis, len(ms))
    ax.set_ylim(len(ms) + 0.3, 0.7)
    ax.legend(loc="best", fontsize=8)


def _direction_weights(fig: Any, ax: Any, G: np.ndarray) -> None:
    """Draw how much of each source comes from each direction of FastMNMF, mean over bins: (sources, dims)."""
    share = G.mean(axis=0)
    share = share / np.maximum(share.sum(axis=1, keepdims=True), 1e-300)
    n, dims = share.shape
    edges = draw.component_edges(dims), draw.component_edges(n)
    mesh = draw.image(ax, share, *edges, cmap=draw.GAIN_MAP, limits=(0.0, 1.0))
    ax.set_title("G: directions each source comes from", fontsize=10, loc="left")
    ax.set_xlabel("Direction")
    ax.set_ylabel("Source")
    draw.component_ticks(ax.xaxis, dims)
    draw.component_ticks(ax.yaxis, n)
    ax.set_ylim(n + 0.5, 0.5)
    draw.bar(fig, mesh, ax, "Share")


def one_matrix(scene: Scene) -> Any:
    """Return the sources, the matrices W and A, and samples of two channels with the directions of the sources."""
    model = scene.model
    plane = len(scene.mixture) >= 2
    fig, axes = with_stems(scene, extra=2 + plane, what="mixture and sources")
    _matrix(fig, axes[0], to_host(model.W)[0], "W: demixing", "Channel", "Source")
    _matrix(fig, axes[1], to_host(model.A)[0], "A: how each channel hears each source", "Source", "Channel")
    if plane:
        _scatter(fig, axes[2], scene)
    return fig


def _matrix(fig: Any, ax: Any, M: np.ndarray, title: str, columns: str, rows: str) -> None:
    """Draw a small matrix with its numbers."""
    M = M if M.dtype.kind != "c" else abs(M)
    top = float(abs(M).max(initial=0.0)) or 1.0
    edges = draw.component_edges(M.shape[1]), draw.component_edges(len(M))
    mesh = draw.image(ax, M, *edges, cmap=draw.SIGNED_MAP, limits=(-top, top))
    if M.size <= 64:
        for (i, j), value in np.ndenumerate(M):
            colour = "white" if abs(value) > 0.6 * top else "black"
            ax.text(j + 1, i + 1, f"{value:.2g}", ha="center", va="center", color=colour, fontsize=9)
    ax.set_title(title, fontsize=10, loc="left")
    ax.set_xlabel(columns)
    ax.set_ylabel(rows)
    draw.component_ticks(ax.xaxis, M.shape[1])
    draw.component_ticks(ax.yaxis, len(M))
    ax.set_ylim(len(M) + 0.5, 0.5)
    draw.bar(fig, mesh, ax, "Entry")


def _scatter(fig: Any, ax: Any, scene: Scene) -> None:
    """Draw how often samples of the first two channels have which values, and the directions of the sources."""
    x, A = scene.mixture[:2], to_host(scene.model.A)[0][:2].real
    reach = float(np.quantile(abs(x), 0.998)) or 1.0
    edges = np.linspace(-reach, reach, 81)
    H, _, _ = np.histogram2d(x[0], x[1], bins=(edges, edges))
    mesh = draw.image(ax, np.log10(1 + H.T), edges, edges)
    for n in range(A.shape[1]):
        long = float(abs(A[:, n]).max())
        if long > 0:
            u = A[:, n] / long * reach * 0.9
            colour = draw.COLOURS[(5, 4, 7, 3)[n % 4]]
            style = "-" if n < 4 else "--"
            ax.plot(
                [-u[0], u[0]], [-u[1], u[1]], style, color=colour, linewidth=1.5, label=scene.model.names[n]
            )
    ax.set_xlim(-reach, reach)
    ax.set_ylim(-reach, reach)
    ax.set_title("samples and directions of the sources", fontsize=10, loc="left")
    ax.set_xlabel("Channel 1")
    ax.set_ylabel("Channel 2")
    if ax.lines:  # silence comes from nowhere
        ax.legend(loc="upper left", fontsize=7)
    draw.bar(fig, mesh, ax, "log10 (1 + count)")


def filters(scene: Scene) -> Any:
    """Return the stems of single-channel ICA, its filters, and how loud they hear which frequency."""
    model = scene.model
    fig, (left, right) = with_stems(scene, extra=2)
    shown = draw.strongest(to_host(model.energies))
    impulses, responses = to_host(model.filters), to_host(model.responses)
    rate, reach = scene.grid.frame_rate, impulses.shape[1] // 2
    half = responses.shape[1] // 2 + 1
    hz = np.arange(half) * rate / responses.shape[1]
    stem_of = {k: name for name, members in (scene.sep.groups or {}).items() for k in members}
    for i, k in enumerate(shown):
        colour, style = draw.COLOURS[i % len(draw.COLOURS)], "-" if i < len(draw.COLOURS) else "--"
        label = f"{k + 1}: {draw.plain(stem_of[k])}" if k in stem_of else f"{k + 1}"
        left.plot(np.arange(-reach, reach + 1) * 1000 / rate, impulses[k], style, color=colour, linewidth=1)
        gain = levels.decibels(responses[k, :half], top=1.0, range_db=60)
        right.plot(hz, gain, style, color=colour, linewidth=1, label=label)
    left.set_title("filters of the strongest components", fontsize=10, loc="left")
    left.set_xlabel("Lag (ms)")
    left.set_ylabel("Impulse response")
    right.set_title("their gains", fontsize=10, loc="left")
    right.set_ylabel("Gain (dB)")
    draw.frequency_axis(right.xaxis, scene, hz)
    if scene.grid.bin_hz > 0:
        right.set_xlabel("Frequency of the frames (Hz)")
    right.set_ylim(-60, 6)
    right.legend(loc="lower left", fontsize=7, ncols=2)
    return fig


def reverberation(scene: Scene) -> Any:
    """Return what was dereverberated, the reverberation, how far back the filters reach at each frequency, the loss."""
    model = scene.model
    G = to_host(model.G)
    drawn, losses = model.n_taps > 0, len(model.losses) > 1
    fig, axes = with_stems(scene, extra=drawn + losses)
    if drawn:
        taps = abs(G.reshape(len(G), model.n_taps, -1)).astype(float)
        size = np.sqrt((taps**2).sum(axis=2))
        hertz = scene.hertz(len(G))
        y = np.array([-0.5, 0.5]) if hertz is None else levels.edges_between(hertz)
        ms = (model.delay + np.arange(model.n_taps + 1) - 0.5) * 1000 / scene.grid.frame_rate
        log = hertz is not None and scene.scale == "log"
        mesh = draw.image(axes[0], levels.decibels(size, range_db=40), ms, y, log=log, limits=(-40.0, 0.0))
        axes[0].set_title("prediction filters", fontsize=10, loc="left")
        axes[0].set_xlabel("Frames so far back (ms)")
        if hertz is not None:
            draw.frequency_axis(axes[0].yaxis, scene, hertz, vertical=True)
        draw.bar(fig, mesh, axes[0], "Size (dB)")
    if losses:
        draw.loss_panel(axes[-1], model.losses)
    return fig


def put_in_order(scene: Scene) -> Any:
    """Return each source's share of power at each point before the bins of fdica were put in order and after.

    The bins are demixed once more without an order, which is then solved as the method does.

    Raises
    ------
    ParameterError
        The method does not demix bin by bin, with a permutation to solve.
    """
    method = scene.method
    if getattr(method, "permutation", None) is None or not isinstance(scene.model, DemixingModel):
        raise ParameterError('"permutation" is a picture of fdica with a permutation solver; take plot()')
    before = dataclasses.replace(method, permutation=None).fit(scene.X)
    P = abs(to_host(before.reconstruct()).astype(complex)) ** 2
    A = to_host(before.A)
    order = _solved(P.sum(axis=1), A, method, scene)
    title = draw.title_of(scene, f"bins put in order by {method.permutation!r}").removesuffix(scene.heard)
    options = {"frontend": scene.sep.frontend, "scale": scene.scale, "title": title}
    return permutation(P.sum(axis=1), order, sample_rate=scene.sep.sample_rate, **options)


def _solved(P: np.ndarray, A: np.ndarray, method: Any, scene: Scene) -> np.ndarray:
    from sigsep_classic.permutation import solve

    found: np.ndarray = solve(P, solver=method.permutation, A=A if A.shape[1] > 1 else None, grid=scene.grid)
    return found
