"""Pictures of arrays: a spectrogram, a waveform, outputs before and after they were put in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigsep_classic import permutation as orders
from sigsep_classic.audio import check_samples
from sigsep_classic.backend import from_foreign, to_host
from sigsep_classic.checks import check_array, check_range
from sigsep_classic.errors import ShapeError
from sigsep_classic.factorizers.base import usual_stft
from sigsep_classic.plot import draw, levels
from sigsep_classic.plot.common import mixture_panel
from sigsep_classic.plot.common import waveforms as all_waveforms
from sigsep_classic.plot.scene import Scene
from sigsep_classic.separation import Separation
from sigsep_classic.typing import Array, FrontEnd


def spectrogram(
    x: Array,
    sample_rate: int,
    *,
    frontend: FrontEnd | None = None,
    title: str = "spectrogram",
    **options: Any,
) -> Any:
    """Return the spectrogram of a signal.

    Parameters
    ----------
    x : array (channels, samples) or (samples,)
        Real samples.
    sample_rate : int
        In Hz.
    frontend : FrontEnd, optional
        Default: an STFT of 93 ms. A `ConstantQ` has its own frequencies.
    title : str
        What stands above it.
    **options
        ``channel``, ``scale`` and ``range_db`` as for `plot`.

    Returns
    -------
    matplotlib.figure.Figure
        Known to nobody else: it opens no window and needs no closing.

    Examples
    --------
    >>> import numpy as np
    >>> fig = spectrogram(np.sin(2 * np.pi * 440 * np.arange(8000) / 8000), 8000)
    >>> fig.axes[0].get_xlabel(), fig.axes[0].get_ylabel()
    ('Time (s)', 'Frequency (Hz)')
    """
    scene = Scene(sep=_alone(x, sample_rate, frontend, title), **options)
    fig = draw.new_figure(draw.title_of(scene, "level").replace(": level", ""), height=4)
    mixture_panel(fig, fig.add_subplot(), scene, title="")
    return fig


def waveform(x: Array, sample_rate: int, *, title: str = "waveform", channel: int | None = None) -> Any:
    """Return the samples of a signal over time.

    Parameters
    ----------
    x : array (channels, samples) or (samples,)
        Real samples.
    sample_rate : int
        In Hz.
    title : str
        What stands above it.
    channel : int, optional
        Only this one.

    Returns
    -------
    matplotlib.figure.Figure
        A line, or an area where there are more samples than can be seen, for each channel.
    """
    fig = all_waveforms(Scene(sep=_alone(x, sample_rate, None, title), channel=channel))
    fig.axes[0].set_title("")
    fig.set_size_inches(11, 3)
    return fig


def _alone(x: Array, sample_rate: int, frontend: Any, title: str) -> Separation:
    check_range("sample_rate", sample_rate, 0, above=True)
    return Separation(
        stems={},
        mixture=check_samples(from_foreign(x)),
        sample_rate=sample_rate,
        frontend=frontend or usual_stft(sample_rate),
        track=title,
    )


def permutation(
    Y: Array,
    order: Array | None = None,
    *,
    sample_rate: int,
    frontend: FrontEnd,
    scale: str = "log",
    title: str = "permutation before and after",
) -> Any:
    """Return the share of each output in the power at each point, before and after `permutation.solve`, and the order.

    Parameters
    ----------
    Y : array (sources, freq, frames)
        Outputs at each frequency, as `permutation.solve` takes them: complex or signed, or powers.
    order : int array (freq, sources), optional
        Default: what `permutation.solve` finds.
    sample_rate : int
        In Hz.
    frontend : FrontEnd
        The transform they are in.
    scale : {"log", "linear"}
        Frequency axes.
    title : str
        What stands above it.

    Returns
    -------
    matplotlib.figure.Figure
        A row for each source: before, after, and at the right which output was taken.

    Raises
    ------
    ShapeError
        The order does not fit.
    """
    check_array("Y", Y, 3)
    grid = frontend.grid(sample_rate)
    order = to_host(orders.solve(Y, grid=grid) if order is None else order)
    Y = to_host(Y)
    n, n_freq, n_frames = Y.shape
    if order.shape != (n_freq, n):
        raise ShapeError(f"order has shape {order.shape}; expected {(n_freq, n)} for Y {Y.shape}")
    P = abs(Y) ** 2 if Y.dtype.kind == "c" or Y.min() < 0 else Y
    total = P.sum(axis=0)
    share = P / np.where(total > 0, total, 1)
    dummy = np.zeros((1, max(1, round((n_frames - 1) / grid.frame_rate * sample_rate))), dtype=np.float32)
    scene = Scene(sep=_alone(dummy, sample_rate, frontend, title), scale=scale)
    shown = min(n, draw.MOST_PANELS)
    fig = draw.new_figure(title, height=1.0 + 2.1 * shown)
    cells = fig.add_gridspec(shown, 3, width_ratios=[3, 3, 1])
    axes = []
    for column, (name, Z) in enumerate({"before": share, "after": orders.apply(order, share)}.items()):
        for k in range(shown):
            V, edges = levels.of_array(Z[k][None], mean=True)
            ax = fig.add_subplot(cells[k, column])
            axes.append(ax)
            shown_as = f"output {k + 1} {name}" if column == 0 else f"source {k + 1} {name}"
            mesh = draw.gain_panel(ax, scene, V, scene.times(edges), scene.hertz(n_freq), title=shown_as)
    draw.bar(fig, mesh, axes, "Share of the power")
    _order(fig, fig.add_subplot(cells[:, 2]), scene, order)
    return fig


def _order(fig: Any, ax: Any, scene: Scene, order: np.ndarray) -> None:
    """Draw which output each source is at each frequency."""
    from matplotlib.colors import ListedColormap

    n = order.shape[1]
    hertz = scene.hertz(len(order))
    y = np.array([-0.5, 0.5]) if hertz is None else levels.edges_between(hertz)
    colours = ListedColormap([draw.COLOURS[k % len(draw.COLOURS)] for k in range(n)])
    if hertz is not None and scene.scale == "log":
        order, y = order[1:], y[1:]
    mesh = ax.pcolormesh(
        draw.component_edges(n), y, order + 1, cmap=colours, vmin=0.5, vmax=n + 0.5, rasterized=True
    )
    if hertz is not None:
        draw.frequency_axis(ax.yaxis, scene, hertz, vertical=True)
    ax.set_title("taken from", fontsize=10, loc="left")
    ax.set_xlabel("Source")
    draw.component_ticks(ax.xaxis, n)
    fig.colorbar(mesh, ax=ax, label="Output", ticks=range(1, n + 1))
