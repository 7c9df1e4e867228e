"""Pictures: every method and kind of model has one, axes are in seconds and Hz, and nothing outside is touched."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from typing import Any, Protocol

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("matplotlib")

import matplotlib
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

import sigsep_classic as ssc
from sigsep_classic import METHODS, STFT, ConstantQ, Waveform
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.plot import levels
from sigsep_classic.plot.directivity import response
from sigsep_classic.plot.dispatch import OF_METHOD, OF_MODEL, VIEWS, draw_function, place_of
from tests.conformance.quick import QUICK

RATE = 8000


def song(seconds: float = 1.0, *, channels: int = 2) -> np.ndarray:
    return ssc.synthesize("song", seconds=3.0, sample_rate=RATE).mixture[:channels, : int(seconds * RATE)]


def is_protocol(kind: type) -> bool:
    return Protocol in kind.__bases__


def separated(method: str = "hpss", x: np.ndarray | None = None, **more: Any) -> ssc.Separation:
    x = song() if x is None else x
    frontend = more.pop("frontend", STFT(n_fft=256, hop=64))
    return ssc.separate(x, RATE, method=method, frontend=frontend, **{**QUICK.get(method, {}), **more})


def rendered(figure: Figure) -> np.ndarray:
    """The pixels, (rows, columns, 4); drawing them warns of what does not fit, and warnings are errors."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def panel(figure: Figure, title: str) -> Any:
    return next(ax for ax in figure.axes if ax.get_title(loc="left").startswith(title))


def values(ax: Any) -> np.ndarray:
    return next(np.asarray(part.get_array()) for part in ax.collections if isinstance(part, QuadMesh))


def test_every_method_has_a_picture_of_its_own() -> None:
    assert set(OF_METHOD) == set(METHODS.built_in)
    for place in {*OF_METHOD.values(), *OF_MODEL.values(), *filter(None, VIEWS.values())}:
        assert callable(draw_function(place))


def test_every_kind_of_model_has_a_picture() -> None:
    kinds = set()
    for module in pkgutil.walk_packages(ssc.__path__, "sigsep_classic."):
        if module.name.startswith(("sigsep_classic.factorizers", "sigsep_classic.recipes")):
            classes = filter(inspect.isclass, vars(importlib.import_module(module.name)).values())
            kinds |= {kind for kind in classes if hasattr(kind, "reconstruct") and not is_protocol(kind)}
    kinds = {
        kind for kind in kinds if not kind.__name__.endswith("State")
    }  # of a solver between steps, not handed out
    named = {f"{kind.__module__.removeprefix('sigsep_classic.')}:{kind.__qualname__}": kind for kind in kinds}
    known = {named[name] for name in OF_MODEL}  # a name that is no model is a KeyError
    assert [kind for kind in kinds if not known & set(kind.__mro__)] == []


def test_a_method_of_another_package_has_the_picture_of_its_model() -> None:
    class Foreign(ssc.NMF):
        name = "mine"

    assert (
        place_of(separated(Foreign(n_components=2, n_iter=2))) == OF_MODEL["factorizers.models:LowRankModel"]
    )


def test_axes_are_in_seconds_and_hz_and_images_are_the_models_arrays() -> None:
    sep = separated()
    figure = sep.plot(scale="linear")
    assert len([ax for ax in figure.axes if ax.get_title(loc="left")]) == 3  # the mixture and two gains
    ax = panel(figure, "gain of harmonic")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time (s)", "Frequency (Hz)")
    assert_allclose(ax.get_xlim(), (0, 1))
    assert_allclose(ax.get_ylim(), (0, RATE / 2))
    assert_array_equal(values(ax), sep.model.gain([0]).mean(axis=0, dtype=float))
    left = panel(sep.plot(scale="linear", channel=0), "gain of harmonic")
    assert_array_equal(values(left), sep.model.gain([0])[0])
    edges = next(part for part in ax.collections if isinstance(part, QuadMesh)).get_coordinates()
    assert_allclose(edges[0, :2, 0], np.array([-0.5, 0.5]) * 64 / RATE)
    assert_allclose(edges[:2, 0, 1], np.array([-0.5, 0.5]) * RATE / 256)


def test_templates_and_activations_are_drawn_in_db_below_their_largest() -> None:
    sep = separated("nmf", n_components=3, n_iter=4)
    figure, W, H = sep.plot(scale="linear"), sep.model.W.astype(float), sep.model.H.astype(float)
    with np.errstate(divide="ignore"):
        assert_allclose(
            values(panel(figure, "W")), np.maximum(20 * np.log10(W / W.max(axis=0)), -60), atol=1e-9
        )
        assert_allclose(values(panel(figure, "H")), np.maximum(20 * np.log10(H / H.max()), -60), atol=1e-9)
    assert panel(figure, "H").get_ylim() == (3.5, 0.5)


def test_a_constant_q_axis_has_the_rows_where_they_are() -> None:
    cq = ConstantQ(sample_rate=RATE, f_min=110, bins_per_octave=12)
    figure = ssc.plot.spectrogram(song(), RATE, frontend=cq)
    ax = figure.axes[0]
    mesh = next(part for part in ax.collections if isinstance(part, QuadMesh))
    centres = cq.frequencies(RATE)
    assert_allclose(mesh.get_coordinates()[1:-1, 0, 1], (centres[2:] + centres[1:-1]) / 2)
    assert ax.get_yscale() == "log"


def test_long_recordings_have_no_more_columns_than_a_picture_and_every_click_in_one() -> None:
    x = np.zeros((1, 400 * RATE), dtype=np.float32)
    x[0, 123 * RATE] = 1
    figure = ssc.plot.spectrogram(x, RATE)
    ax = figure.axes[0]
    image = values(ax)
    assert image.shape[1] == levels.COLUMNS
    assert image.shape[0] <= levels.ROWS + 1
    loudest = image.max(axis=0).argmax() / image.shape[1] * 400
    assert abs(loudest - 123) < 2
    assert_allclose(ax.get_xlim(), (0, 400))


def test_blocks_of_frames_are_those_of_the_whole() -> None:
    x, stft = song(3.0), STFT(n_fft=64, hop=3)
    whole, _ = levels.of_array(stft.analyze(x), columns=20)
    parts, edges = levels.of_signal(x, stft, columns=20)
    assert_allclose(parts, whole, rtol=1e-6)
    assert edges[-1] == stft.n_frames(x.shape[1])


def test_gains_add_up_in_the_picture_also_where_columns_are_many_frames() -> None:
    shares = np.random.default_rng(0).random((1, 4, 5000)) < 0.5
    first, second = (levels.of_array(1.0 * gain, mean=True)[0] for gain in (shares, ~shares))
    assert_allclose(first + second, 1)


def test_silence_is_drawn_as_silence() -> None:
    assert_array_equal(levels.decibels(np.zeros((2, 3))), np.full((2, 3), -80.0))


def test_a_filter_hears_nothing_from_where_its_null_is() -> None:
    hertz, delays = np.array([500.0, 1000.0]), np.stack([np.zeros(5), np.linspace(-2e-4, 2e-4, 5)])
    w = np.stack(
        [np.ones(2), -np.exp(2j * np.pi * hertz * 1e-4)], axis=1
    )  # of a sound 0.1 ms later in channel 2
    D = response(w, hertz, delays)
    assert_array_equal(D.argmin(axis=1), [3, 3])
    assert_allclose(D[:, 3], -30)
    assert_allclose(D.max(axis=1), 0)


def test_nothing_outside_a_picture_changes() -> None:
    from matplotlib._pylab_helpers import Gcf

    sep, before = separated(), dict(matplotlib.rcParams)
    stems = {name: stem.copy() for name, stem in sep.items()}
    figure = sep.plot("stems")
    assert isinstance(figure, Figure)
    assert rendered(figure).shape[2] == 4
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert dict(matplotlib.rcParams) == before
    assert Gcf.get_all_fig_managers() == []
    for name, stem in stems.items():
        assert_array_equal(sep[name], stem)


@pytest.mark.slow
def test_pictures_need_no_pyplot_and_say_what_to_install_where_there_is_no_matplotlib() -> None:
    code = """
import sys
import numpy as np, sigsep_classic as ssc
sep = ssc.separate(np.random.default_rng(0).standard_normal(4000), 8000)
sep.plot()
assert "matplotlib.pyplot" not in sys.modules
for name in [name for name in sys.modules if name.startswith("matplotlib") or name.endswith("plot.figure")]:
    del sys.modules[name]
sys.modules["matplotlib"] = None
try:
    sep.plot()
except ssc.SigsepError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout == 'pictures need matplotlib; pip install "sigsep-classic[plot]"\n'


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"what": "stem"}, "did you mean 'stems'?"),
        ({"what": "loss"}, "tells no loss"),
        ({"what": "directivity"}, "demixing matrix a frequency"),
        ({"what": "permutation"}, "fdica"),
        ({"scale": "mel"}, "log, linear"),
        ({"channel": 2}, "there are 0 … 1"),
        ({"range_db": 0}, "range_db is 0"),
        ({"colour": "red"}, "option is 'colour'"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_way_out(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        separated().plot(**options)


def test_places_of_other_microphones_are_refused() -> None:
    with pytest.raises(ShapeError, match="positions"):
        separated().plot("stems", positions=[[0, 0]])


def test_names_with_dollars_and_brackets_are_drawn_as_they_are() -> None:
    sep = separated().replace(track="a$b_{c$")
    assert rendered(sep.plot("stems")).any()


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS.built_in)
def test_the_picture_of_a_method_can_be_drawn_and_says_time_frequency_and_method(method: str) -> None:
    frontend = Waveform() if method in ("ica", "scica", "dehum", "hpss_cascade") else STFT(n_fft=256, hop=64)
    if method in ("nmf_2d", "siplca"):
        frontend = ConstantQ(sample_rate=RATE, f_min=110, bins_per_octave=12)
    sep = separated(method, frontend=None if method in ("bss", "hpss_cascade") else frontend)
    figure = sep.plot()
    assert method in figure.get_suptitle()
    assert rendered(figure)[:, :, :3].std() > 10
    labels = {label for ax in figure.axes for label in (ax.get_xlabel(), ax.get_ylabel())}
    assert "Time (s)" in labels
    assert any("(Hz)" in label or "Azimuth" in label for label in labels)
    for ax in figure.axes:
        assert ax.get_title(loc="left") or ax.get_label() == "<colorbar>" or not ax.axison
        assert (
            ax.get_label() == "<colorbar>"
            or not ax.axison
            or (ax.get_xlabel() and np.isfinite(ax.get_xlim()).all())
        )


ODD = {
    "silence": lambda: np.zeros((2, RATE // 2), dtype=np.float32),
    "one channel": lambda: song(0.5, channels=1),
    "one frame": lambda: song(0.5)[:, :1],
    "hard left": lambda: song(0.5) * np.array([[1], [0]], dtype=np.float32),
}


DRAWN = (
    *("nmf", "nmfd", "isa", "sparse_coding", "rpca", "common_fate", "hpss", "repet", "repet_adaptive"),
    *("repet_sim", "kam", "ft2d", "adress", "projet", "duet", "spatial_clustering", "ica", "scica"),
    *("fdica", "cacgmm", "wpe", "denoise", "dehum", "melody", "simm", "sinusoidal"),
)
SHAPES = ("nmf", "hpss", "repet", "repet_sim", "duet", "ica", "fdica", "melody")
"""Methods whose pictures have axes of every kind: frames, periods, lags, channels, directions, Hz."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "kind"),
    [(method, "silence") for method in DRAWN]
    + [(m, kind) for m in SHAPES for kind in ODD if kind != "silence"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_odd_sounds_have_a_picture_too(method: str, kind: str) -> None:
    sep = separated(
        method, ODD[kind](), frontend=Waveform() if method in ("ica", "scica") else STFT(n_fft=256)
    )
    for what in ("model", "stems", "waveforms") if method == "hpss" else ("model",):
        figure = sep.plot(what)
        figure.set_layout_engine("none")  # most of the time it takes
        assert rendered(figure).any()


@pytest.mark.slow
@pytest.mark.parametrize("n_components", [1, 40])
def test_one_component_and_forty_have_room(n_components: int) -> None:
    sep = separated("nmf", n_components=n_components, n_iter=3)
    figure = sep.plot()
    assert len([ax for ax in figure.axes if ax.get_title(loc="left").startswith("component")]) == min(
        n_components, 6
    )
    assert rendered(figure).any()


@pytest.mark.slow
def test_bins_that_were_put_in_order_are_those_of_one_source() -> None:
    mix = ssc.synthesize("convolutive", seconds=3.0)
    sep = ssc.separate(mix.mixture, mix.sample_rate, method="fdica", n_iter=10)
    figure = sep.plot("permutation", scale="linear")
    before, after = (
        values(panel(figure, f"{name} 1 {when}"))
        for name, when in (("output", "before"), ("source", "after"))
    )
    rough = [abs(np.diff(A, axis=0)).mean() for A in (before, after)]
    assert rough[1] < rough[0]
    assert rendered(sep.plot("directivity", positions=[[0, 0], [0.05, 0]])).any()
    assert panel(sep.plot("directivity", positions=[[0, 0], [0.05, 0]]), "what").get_xlim() == (-180.5, 180.5)
