"""What all pictures are put together from: panels, images over seconds and Hz, curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sigsep_classic.errors import SigsepError
from sigsep_classic.plot import levels
from sigsep_classic.plot.scene import Scene
from sigsep_classic.typing import Array

LEVEL_MAP, GAIN_MAP, SIGNED_MAP = "magma", "cividis", "PuOr"
"""Maps of even lightness, which survive any colour vision and grey print; the last for numbers of both signs."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Of lines: M. Okabe and K. Ito, "Color universal design", 2008, the darker ones first."""

MOST_PANELS = 8
"""Stems or components that are drawn one by one."""

LOWEST_HZ = 20.0
INSTALL = 'pip install "sigsep-classic[plot]"'

_TICKS = [base * ten for ten in (0.01, 0.1, 1, 10, 100, 1_000, 10_000, 100_000) for base in (1, 2, 5)]


def new_figure(title: str, *, width: float = 11.0, height: float = 6.0) -> Any:
    """Return an empty figure of so many inches under a title.

    Raises
    ------
    SigsepError
        matplotlib is not installed.
    """
    require_matplotlib()
    from sigsep_classic.plot.figure import Picture

    fig = Picture(figsize=(width, height), layout="constrained")
    fig.suptitle(plain(title), fontsize=12)
    return fig


def require_matplotlib() -> None:
    """Raise unless matplotlib is installed: a `SigsepError` with the command that installs it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise SigsepError(f"pictures need matplotlib; {INSTALL}") from None


def plain(text: str) -> str:
    """Return a text that is shown as it is: names of files and stems may hold dollars, which begin formulas."""
    return text.replace("$", r"\$")


def title_of(scene: Scene, what: str) -> str:
    """Return what is seen, of which track, and by which method."""
    method = getattr(scene.sep.method, "name", None)
    by = f" by {method}" if method else ""
    return f"{scene.sep.track}{by}: {what}{scene.heard}"


def image(
    ax: Any,
    A: np.ndarray,
    x_edges: np.ndarray,
    y_edges: np.ndarray,
    *,
    log: bool = False,
    cmap: str = LEVEL_MAP,
    limits: tuple[float, float] | None = None,
    mean: bool = False,
) -> Any:
    """Draw A (rows, columns) between edges, fewer rows where there are more than can be seen; return the mesh."""
    if log and len(A) > 1 and y_edges[0] <= 0:
        A, y_edges = A[1:], y_edges[1:]
    A, y_edges = levels.fewer_rows(A, y_edges, log=log, mean=mean)
    low, high = limits if limits is not None else (float(A.min()), float(A.max()))
    mesh = ax.pcolormesh(x_edges, y_edges, A, cmap=cmap, vmin=low, vmax=high, rasterized=True)
    ax.set_xlim(x_edges[0], x_edges[-1])
    if log:
        ax.set_yscale("log")
        octave_ticks(ax.yaxis, y_edges[0], y_edges[-1])
    ax.set_ylim(y_edges[0], y_edges[-1])
    return mesh


def octave_ticks(axis: Any, low: float, high: float) -> None:
    """Give a logarithmic axis ticks at 1, 2 and 5 of each decade, written out."""
    from matplotlib.ticker import FixedLocator, NullLocator

    inside = [tick for tick in _TICKS if low <= tick <= high]
    axis.set_major_locator(FixedLocator(inside))
    axis.set_minor_locator(NullLocator())
    axis.set_ticklabels([f"{tick / 1000:g}k" if tick >= 1000 else f"{tick:g}" for tick in inside])


def over_time(
    ax: Any,
    scene: Scene,
    A: np.ndarray,
    times: np.ndarray,
    hertz: np.ndarray | None,
    *,
    title: str,
    cmap: str = LEVEL_MAP,
    limits: tuple[float, float] | None = None,
) -> Any:
    """Draw A (freq, columns) over seconds and Hz, a single row as a line; return the mesh or None."""
    ax.set_title(plain(title), fontsize=10, loc="left")
    ax.set_xlabel("Time (s)")
    if hertz is None:
        middle = (times[1:] + times[:-1]) / 2
        ax.plot(middle, A[0], color=COLOURS[0], linewidth=0.8, marker="." if len(middle) == 1 else None)
        time_limits(ax, scene, times)
        if limits is not None:
            margin = 0.03 * (limits[1] - limits[0])
            ax.set_ylim(limits[0] - margin, limits[1] + margin)
        return None
    y = levels.edges_between(hertz)
    mean = cmap != LEVEL_MAP  # shares of one are to add up in the picture too
    mesh = image(ax, A, times, y, log=scene.scale == "log", cmap=cmap, limits=limits, mean=mean)
    frequency_axis(ax.yaxis, scene, hertz, vertical=True)
    time_limits(ax, scene, times)
    return mesh


def time_limits(ax: Any, scene: Scene, times: np.ndarray) -> None:
    """End an axis of seconds where the sound ends: frames go on to half a window, or until filters have rung out."""
    ax.set_xlim(0, max(scene.duration, times[1]))


def spectrogram_panel(
    ax: Any,
    scene: Scene,
    V: np.ndarray,
    times: np.ndarray,
    hertz: np.ndarray | None,
    *,
    title: str,
    top: float | None = None,
) -> Any:
    """Draw magnitudes V (freq, columns) in dB below ``top``; return the mesh or None."""
    D = levels.decibels(V, top=top, range_db=scene.range_db)
    limits = (-scene.range_db, 0.0)
    mesh = over_time(ax, scene, D, times, hertz, title=title, limits=limits)
    if mesh is None:
        ax.set_ylabel("Level (dB)")
    return mesh


def gain_panel(
    ax: Any, scene: Scene, gain: np.ndarray, times: np.ndarray, hertz: np.ndarray | None, *, title: str
) -> Any:
    """Draw gains (freq, columns), 0 … 1; return the mesh or None."""
    mesh = over_time(ax, scene, gain, times, hertz, title=title, cmap=GAIN_MAP, limits=(0.0, 1.0))
    if mesh is None:
        ax.set_ylabel("Gain")
    return mesh


def bar(fig: Any, mesh: Any, axes: Any, label: str) -> None:
    """Draw the scale of a mesh beside axes; nothing where lines were drawn in its place."""
    if mesh is not None:
        fig.colorbar(mesh, ax=axes, label=label, pad=0.01)


def loss_panel(ax: Any, losses: Sequence[tuple[int, float]], *, label: str = "Loss") -> None:
    """Draw a loss over iterations."""
    ax.plot(
        [i for i, _ in losses], [value for _, value in losses], color=COLOURS[0], marker=".", markersize=4
    )
    ax.set_title(f"{label} over iterations", fontsize=10, loc="left")
    ax.set_xlabel("Iteration")
    ax.set_ylabel(label)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.margins(x=0.02)


def component_ticks(axis: Any, n: int) -> None:
    """Number components from 1, all of them where there is room, with their cells around whole numbers."""
    step = 1 if n <= 9 else 5 if n <= 60 else 10 * -(-n // 100)
    axis.set_ticks([1, *range(step, n + 1, step)] if step > 1 else range(1, n + 1))


def component_edges(n: int) -> np.ndarray:
    """Return the edges of cells around 1 … n."""
    return np.arange(n + 1) + 0.5


def strongest(energies: Array, most: int = MOST_PANELS) -> list[int]:
    """Return the components with most energy, at most so many, in falling order."""
    E = np.nan_to_num(np.asarray(energies, dtype=float))
    return [int(k) for k in np.argsort(-E, kind="stable")[:most]]


def frequency_axis(axis: Any, scene: Scene, hertz: np.ndarray, *, vertical: bool = False) -> None:
    """Make an axis of a plot over frequency one in Hz, logarithmic where the scene is."""
    ax, edges = axis.axes, levels.edges_between(hertz)
    low, high = (edges[0] if edges[0] > 0 else max(edges[1], LOWEST_HZ)), hertz[-1]
    if scene.scale != "log" or low >= high:
        low = hertz[0]
    if scene.scale == "log" and low > 0:
        (ax.set_yscale if vertical else ax.set_xscale)("log")
        octave_ticks(axis, low, high)
    (ax.set_ylim if vertical else ax.set_xlim)(low, high)
    axis.set_label_text("Frequency (Hz)")


def number_of(n: int, what: str) -> str:
    """Return ``1 source``, ``3 sources``."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
