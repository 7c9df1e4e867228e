"""Every public function with arguments that are right, so that each array among them can be made wrong.

`CALLS` has an entry for each function of `sigsep_classic` and of its public modules that takes arrays, `NO_ARRAYS` a
reason for each that does not; `test_arrays.py` fails on a public function that is in neither.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import sigsep_classic as ssc
from sigsep_classic import (
    audio,
    beamforming,
    geometry,
    grouping,
    masking,
    metrics,
    oracle,
    permutation,
    phase,
    plot,
    remixing,
    scaling,
    streaming,
)
from sigsep_classic.datasets import LoadedTrack
from sigsep_classic.storage import SavedModel

RATE = 8000
FRONTEND = ssc.STFT(n_fft=64, hop=16)
GRID = FRONTEND.grid(RATE)
_rng = np.random.default_rng(0)
x = _rng.uniform(-0.5, 0.5, (2, 1200))
y = _rng.uniform(-0.5, 0.5, (2, 1200))
X = FRONTEND.analyze(x)
Y = np.stack([X, FRONTEND.analyze(y)])
V = np.abs(Y)
G = V / V.sum(axis=0)
_wide = _rng.standard_normal((33, 2, 40)) + 1j * _rng.standard_normal((33, 2, 40))
R = _wide @ _wide.conj().swapaxes(-1, -2) / 40
R2 = R + np.eye(2)
W = np.linalg.inv(R + 0.3 * np.eye(2))
POSITIONS = np.array([[0.0, 0.0], [0.05, 0.0]])
DELAYS = geometry.gcc_phat(X, GRID)
COMPONENTS = ssc.NMF(n_components=3, n_iter=3).fit(X)
MODEL = SavedModel(
    model=COMPONENTS, method=ssc.NMF(n_components=3, n_iter=3), frontend=FRONTEND, sample_rate=RATE
)
TRACK = LoadedTrack(name="t", sample_rate=RATE, mixture=x + y, stems={"a": x, "b": y})


@dataclass(frozen=True)
class Call:
    """A call that works.

    Parameters
    ----------
    function : callable
        What is called.
    given : dict
        Its arguments by name; positional ones first, in order.
    arrays : tuple of str
        Those that are arrays.
    positional : int
        How many are given by position.
    spectral : bool
        Arrays are spectrograms or matrices, complex or real, and no sound: no dtype is full scale.
    wrap : dict
        What is made of an argument before it is given.
    takes : tuple of str
        What is right for this function and wrong for most: names of kinds in `arrays`.
    recording : bool
        The samples must be finite.
    """

    function: Callable[..., Any]
    given: dict[str, Any]
    arrays: tuple[str, ...]
    positional: int = 1
    spectral: bool = False
    wrap: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    takes: tuple[str, ...] = ()
    recording: bool = False

    def __call__(self, **changed: Any) -> Any:
        """Call it with some arguments changed; what is lazy is read to its end."""
        values = {**self.given, **changed}
        values = {name: self.wrap.get(name, lambda v: v)(value) for name, value in values.items()}
        first = [values.pop(name) for name in list(values)[: self.positional]]
        found = self.function(*first, **values)
        return list(found) if inspect.isgenerator(found) else found


def _stems(value: Any) -> dict[str, Any]:
    return {"a": value, "b": y}


def _spectral(
    function: Callable[..., Any], given: dict[str, Any], *arrays: str, positional: int = 1, **more: Any
) -> Call:
    return Call(function, given, arrays, positional, spectral=True, **more)


def _oracles() -> Iterator[tuple[str, Call]]:
    quick = {"frontend": FRONTEND}
    nmf = {**quick, "method": ssc.NMF(n_components=2, n_iter=2)}
    for name, options in (
        ("complex_ratio_mask", quick),
        ("ideal_amplitude_mask", quick),
        ("ideal_binary_mask", quick),
        ("ideal_demixing", quick),
        ("ideal_ratio_mask", quick),
        ("multichannel_wiener", quick),
        ("phase_sensitive_mask", quick),
        ("grouped_components", nmf),
        ("supervised_nmf", nmf),
        ("ordered_bins", {**quick, "method": ssc.FDICA(n_iter=2, permutation=None)}),
    ):
        given = {"mixture": x + y, "stems": x, **options}
        yield (
            f"oracle.{name}",
            Call(getattr(oracle, name), given, ("mixture", "stems"), 2, wrap={"stems": _stems}),
        )


def _metrics() -> Iterator[tuple[str, Call]]:
    pair = {"references": np.stack([x, y]), "estimates": np.stack([x + 0.1 * y, y])}
    for name, options in (
        ("snr", {}),
        ("si_sdr", {}),
        ("sd_sdr", {}),
        ("sa_sdr", {}),
        ("usdr", {}),
        ("csdr", {"window": 400}),
        ("framewise_sdr", {"window": 400}),
        ("bss_eval_images", {"filter_length": 8}),
        ("bss_eval_v4", {"filter_length": 8, "window": 400, "hop": 400}),
    ):
        yield (
            f"metrics.{name}",
            Call(getattr(metrics, name), {**pair, **options}, ("references", "estimates"), 2),
        )
    mono: dict[str, Any] = {"references": x, "estimates": x + 0.1 * y}
    yield (
        "metrics.bss_eval_sources",
        Call(metrics.bss_eval_sources, {**mono, "filter_length": 8}, ("references", "estimates"), 2),
    )
    for name in ("stoi", "estoi"):
        speech = {"references": np.tile(x, 5), "estimates": np.tile(x + 0.1 * y, 5), "sample_rate": 10000}
        yield f"metrics.{name}", Call(getattr(metrics, name), speech, ("references", "estimates"), 2)


def _first_of_many(source: Any, sample_rate: Any = None, method: Any = "hpss") -> Any:
    return next(iter(ssc.separate_many([source], sample_rate, method=method)))


def _models_of(method: Any, X: Any) -> Any:
    return [model.reconstruct() for model in ssc.fit_many(method, [X])]


def _quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose pictures nobody compares."""

    def draw(*given: Any, **options: Any) -> None:
        function(*given, **options)

    return draw


CALLS: dict[str, Call] = {
    "apply": Call(ssc.apply, {"model": MODEL, "source": x, "sample_rate": RATE}, ("source",), 3),
    "fit_many": _spectral(_models_of, {"method": ssc.HPSS(), "X": X}, "X", positional=2),
    "plot.waveform": Call(_quiet(plot.waveform), {"x": x, "sample_rate": RATE}, ("x",), 2),
    "plot.spectrogram": Call(_quiet(plot.spectrogram), {"x": x[:, :300], "sample_rate": RATE}, ("x",), 2),
    "separate_many": Call(
        _first_of_many, {"source": x, "sample_rate": RATE, "method": "hpss"}, ("source",), 2
    ),
    "separate": Call(ssc.separate, {"source": x, "sample_rate": RATE, "method": "hpss"}, ("source",), 2),
    "denoise": Call(ssc.denoise, {"source": x, "sample_rate": RATE}, ("source",), 2),
    "remix": Call(
        ssc.remix,
        {"source": x, "changes": "harmonic -6dB", "sample_rate": RATE},
        ("source",),
        3,
    ),
    "save": Call(
        lambda samples, rate: audio.write_stream(io.BytesIO(), samples, rate),
        {"samples": x, "rate": RATE},
        ("samples",),
        2,
    ),
    "audio.write_stream": Call(
        lambda samples, rate: audio.write_stream(io.BytesIO(), samples, rate),
        {"samples": x, "rate": RATE},
        ("samples",),
        2,
    ),
    "audio.check_samples": Call(audio.check_samples, {"x": x}, ("x",)),
    "streaming.separate_blocks": Call(
        streaming.separate_blocks,
        {"blocks": x, "sample_rate": RATE, "method": ssc.HPSS(), "frontend": FRONTEND},
        ("blocks",),
        3,
        wrap={"blocks": lambda value: iter([value])},
    ),
    "streaming.separate_long": Call(
        streaming.separate_long,
        {"x": x, "sample_rate": RATE, "method": ssc.HPSS(), "frontend": FRONTEND},
        ("x",),
        3,
    ),
    "STFT.analyze": Call(FRONTEND.analyze, {"x": x}, ("x",)),
    "STFT.synthesize": _spectral(FRONTEND.synthesize, {"X": X, "n_samples": 1200}, "X", positional=2),
    "Waveform.analyze": Call(ssc.Waveform().analyze, {"x": x}, ("x",)),
    "Waveform.synthesize": _spectral(
        ssc.Waveform().synthesize, {"X": x[:, None], "n_samples": 1200}, "X", positional=2
    ),
    "ConstantQ.analyze": Call(ssc.ConstantQ(sample_rate=RATE).analyze, {"x": x}, ("x",)),
    "remixing.remixed": Call(
        remixing.remixed,
        {"mixture": x + y, "stems": x, "sample_rate": RATE, "changes": {"a": 0.5}},
        ("mixture", "stems"),
        4,
        wrap={"stems": _stems},
    ),
    "remixing.changed": Call(
        remixing.changed,
        {"stem": x, "sample_rate": RATE, "change": remixing.Change(gain=0.5, pan=0.2)},
        ("stem",),
        3,
    ),
    "remixing.panned": Call(remixing.panned, {"stem": x, "place": 0.3}, ("stem",), 2),
    "beamforming.masked_covariances": _spectral(
        beamforming.masked_covariances, {"X": X, "gains": G}, "X", "gains", positional=2
    ),
    "beamforming.mvdr": _spectral(
        beamforming.mvdr, {"target": R, "rest": R2}, "target", "rest", positional=2
    ),
    "beamforming.mwf": _spectral(beamforming.mwf, {"target": R, "rest": R2}, "target", "rest", positional=2),
    "beamforming.gev": _spectral(beamforming.gev, {"target": R, "rest": R2}, "target", "rest", positional=2),
    "beamforming.lcmv": _spectral(
        beamforming.lcmv, {"rest": R2, "steering": W}, "rest", "steering", positional=2
    ),
    "beamforming.beamformed": _spectral(
        beamforming.beamformed, {"X": X, "gains": G}, "X", "gains", positional=2
    ),
    "beamforming.refiltered": _spectral(beamforming.refiltered, {"X": X, "Y": Y}, "X", "Y", positional=2),
    "geometry.gcc_phat": _spectral(geometry.gcc_phat, {"X": X, "grid": GRID}, "X", positional=2),
    "geometry.tdoa": _spectral(geometry.tdoa, {"A": W, "grid": GRID}, "A", positional=2),
    "geometry.srp_phat": _spectral(
        geometry.srp_phat,
        {"X": X, "positions": POSITIONS, "grid": GRID, "n_directions": 8},
        "X",
        "positions",
        positional=3,
    ),
    "geometry.unit_vectors": _spectral(geometry.unit_vectors, {"azimuths": np.arange(3.0)}, "azimuths"),
    "geometry.azimuths": _spectral(
        geometry.azimuths, {"delays": DELAYS, "positions": POSITIONS}, "positions", positional=2
    ),
    "geometry.source_order": _spectral(
        geometry.source_order, {"A": W, "grid": GRID, "by": "angle"}, "A", positional=2
    ),
    "geometry.check_positions": _spectral(
        geometry.check_positions, {"positions": POSITIONS, "n": 2}, "positions", positional=2
    ),
    "grouping.by_reference": _spectral(
        grouping.by_reference,
        {"model": COMPONENTS, "references": X},
        "references",
        positional=2,
        wrap={"references": lambda value: {"a": value, "b": X}},
    ),
    "masking.apply": _spectral(masking.apply, {"gains": G[0], "X": X}, "gains", "X", positional=2),
    "masking.binary": _spectral(masking.binary, {"V": V}, "V"),
    "masking.compress": _spectral(
        masking.compress, {"filters": _rng.random((2, 33, 5, 2, 2)) + 0j}, "filters"
    ),
    "masking.expectation_maximization": _spectral(
        masking.expectation_maximization, {"Y": Y, "X": X}, "Y", "X", positional=2
    ),
    "masking.is_partition": _spectral(masking.is_partition, {"gains": G}, "gains"),
    "masking.logit": _spectral(masking.logit, {"gains": G}, "gains"),
    "masking.multichannel_wiener": _spectral(
        masking.multichannel_wiener, {"V": V, "X": X}, "V", "X", positional=2
    ),
    "masking.phase_sensitive": _spectral(masking.phase_sensitive, {"S": Y, "X": X}, "S", "X", positional=2),
    "masking.ratio": _spectral(masking.ratio, {"V": V}, "V"),
    "masking.reduce_interferences": _spectral(masking.reduce_interferences, {"V": V}, "V"),
    "masking.residual_model": _spectral(masking.residual_model, {"V": V, "X": X}, "V", "X", positional=2),
    "masking.wiener": _spectral(masking.wiener, {"V": V}, "V"),
    "metrics.median_of_frames": _spectral(metrics.median_of_frames, {"frames": V[0, 0]}, "frames"),
    "metrics.scores": Call(
        metrics.scores,
        {"references": x, "estimates": x + 0.1 * y, "sample_rate": RATE},
        ("references", "estimates"),
        2,
        wrap={"references": _stems, "estimates": _stems},
    ),
    "metrics.streamed_scores": Call(
        lambda references, estimates: metrics.streamed_scores([(references, estimates)], window=400),
        {"references": np.stack([x, y]), "estimates": np.stack([y, x])},
        ("references", "estimates"),
        2,
    ),
    "oracle.apply": Call(
        oracle.apply,
        {"name": "irm2", "mixture": x + y, "stems": x, "frontend": FRONTEND},
        ("mixture", "stems"),
        3,
        wrap={"stems": _stems},
    ),
    "oracle.with_accompaniment": Call(
        oracle.with_accompaniment, {"estimates": x, "lead": "a"}, ("estimates",), wrap={"estimates": _stems}
    ),
    "permutation.solve": _spectral(permutation.solve, {"Y": Y[:, 0]}, "Y"),
    "permutation.score": _spectral(
        permutation.score, {"Y": Y[:, 0], "order": np.tile([0, 1], (33, 1))}, "Y", positional=2
    ),
    "permutation.apply": _spectral(
        permutation.apply, {"order": np.tile([0, 1], (33, 1)), "array": Y, "freq": 2}, "array", positional=2
    ),
    "permutation.align_chunks": _spectral(
        permutation.align_chunks,
        {"previous": V.mean(axis=1), "following": V.mean(axis=1)},
        "previous",
        "following",
        positional=2,
    ),
    "phase.consistent_wiener": _spectral(
        phase.consistent_wiener,
        {"V": V, "X": X, "frontend": FRONTEND, "n_samples": 1200, "n_iter": 2},
        "V",
        "X",
        positional=4,
    ),
    "phase.frequencies": _spectral(phase.frequencies, {"V": V}, "V"),
    "phase.griffin_lim": _spectral(
        phase.griffin_lim, {"V": V, "frontend": FRONTEND, "n_samples": 1200, "n_iter": 2}, "V", positional=3
    ),
    "phase.misi": _spectral(
        phase.misi,
        {"V": V, "X": X, "frontend": FRONTEND, "n_samples": 1200, "n_iter": 2},
        "V",
        "X",
        positional=4,
    ),
    "phase.unwrapped": _spectral(
        phase.unwrapped, {"V": V, "X": X, "frontend": FRONTEND, "n_iter": 2}, "V", "X", positional=3
    ),
    "scaling.projection_back": _spectral(
        scaling.projection_back, {"W": W, "covariance": R}, "W", "covariance", positional=2
    ),
    "scaling.steering_of": _spectral(scaling.steering_of, {"covariances": np.stack([R, R2])}, "covariances"),
    "scaling.minimal_distortion": _spectral(
        scaling.minimal_distortion, {"W": W, "A": R}, "W", "A", positional=2
    ),
    **dict(_oracles()),
    **dict(_metrics()),
}
"""Calls that work, by the name after ``sigsep_classic.``."""

_LEADING_AXES = ("two axes more", "transposed")
_NUMBERS = (
    "objects",
    "objects of another library",
    "strings",
    "booleans",
    "dates",
    "0-d",
    "empty",
    "empty list",
)
TAKES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("STFT.analyze", "STFT.synthesize", "ConstantQ.analyze", "Waveform.synthesize"), _LEADING_AXES
    ),
    "Waveform.analyze": (*_LEADING_AXES, "complex"),
    **dict.fromkeys(("masking.is_partition", "masking.logit"), _LEADING_AXES),
    "masking.apply": _LEADING_AXES,
    "phase.griffin_lim": _LEADING_AXES,
    "phase.frequencies": _LEADING_AXES,
    "permutation.apply": ("booleans",),
    "permutation.align_chunks": _LEADING_AXES,
    **dict.fromkeys((name for name in CALLS if name.startswith("scaling.")), _LEADING_AXES),
    "geometry.tdoa": _LEADING_AXES,
    **dict.fromkeys((name for name in CALLS if name.startswith("streaming.")), ("transposed",)),
    "oracle.with_accompaniment": (*_LEADING_AXES, "complex"),
    "geometry.unit_vectors": (*_LEADING_AXES, *_NUMBERS, "masked", "no array"),
    "geometry.azimuths": _NUMBERS,
    "geometry.check_positions": _NUMBERS,
    "geometry.srp_phat": _NUMBERS,
    **dict.fromkeys((name for name in CALLS if name.startswith("metrics.")), ("64-bit integers",)),
    "remixing.panned": _LEADING_AXES,
    "remixing.changed": _LEADING_AXES,
}
"""What is wrong for most functions and has a meaning for these: leading axes, places as any numbers, whole numbers
where only ratios count."""

RECORDINGS = (
    "separate",
    "separate_many",
    "denoise",
    "remix",
    "apply",
    "plot.waveform",
    "plot.spectrogram",
    "save",
    "audio.write_stream",
    "audio.check_samples",
)
"""Where NaN and infinity are refused."""

NO_ARRAYS: dict[str, str] = {
    "load": "reads files: test_inputs.py",
    "audio.load": "reads files: test_inputs.py",
    "audio.info": "reads files: test_inputs.py",
    "audio.blocks": "reads files: test_inputs.py",
    "audio.save": "writes what audio.write_stream is tested with: tests/test_audio_writing.py",
    "audio.save_all": "writes what audio.write_stream is tested with: tests/test_audio_writing.py",
    "streaming.separate_file": "reads files: tests/test_streaming.py",
    "report": "takes a separation",
    "synthesize": "takes numbers",
    "audio.is_pipe": "takes a path",
    "audio.spooled": "takes a stream: tests/cli/test_long_files.py",
    "audio.forward_encoding": "takes names and numbers",
    "audio.codecs": "takes nothing",
    "audio.extensions": "takes nothing",
    "datasets.canonical": "takes names",
    "datasets.from_musdb": "takes a track of musdb: tests/test_interoperation.py",
    "datasets.match_stems": "takes names",
    "datasets.open_dataset": "takes a folder: test_inputs.py",
    "datasets.open_estimates": "takes a folder: test_inputs.py",
    "datasets.synthesize": "takes numbers",
    "plot.plot": "takes a Separation or a model",
    "plot.permutation": "draws arrays, and computes nothing with them",
    "load_model": "takes files, a model or a manifest: tests of storage",
    "save_model": "takes files, a model or a manifest: tests of storage",
    "sets.process": "takes files, a model or a manifest: tests of sets",
    "sets.read_manifest": "takes files, a model or a manifest: tests of sets",
    "sets.run": "takes files, a model or a manifest: tests of sets",
    "sets.tasks": "takes files, a model or a manifest: tests of sets",
    "sets.write_manifest": "takes files, a model or a manifest: tests of sets",
    "storage.load_model": "takes files, a model or a manifest: tests of storage",
    "storage.save_model": "takes files, a model or a manifest: tests of storage",
    "geometry.frequencies": "takes numbers",
    "geometry.check_even": "takes a Grid",
    "grouping.by_timbre": "takes a model",
    "grouping.harmonic_percussive": "takes a model",
    "metrics.pesq_nb": "reads its arrays as stoi does, and needs another package",
    "metrics.pesq_wb": "reads its arrays as stoi does, and needs another package",
    "oracle.find": "takes a name",
    "remixing.parse": "takes text",
    "remixing.method_for": "takes names",
    "remixing.reach": "takes a Change",
}
"""Public functions that take no arrays, or whose arrays another entry stands for, and why."""


def public_functions() -> Iterator[str]:
    """Yield the names of all public functions, as `CALLS` spells them."""
    for name in ssc.__all__:
        found = getattr(ssc, name)
        if inspect.isfunction(found):
            yield name
        elif inspect.ismodule(found) and name != "errors":
            listed = getattr(found, "__all__", None) or [
                key for key in vars(found) if not key.startswith("_")
            ]
            for inner in listed:
                function = getattr(found, inner)
                if inspect.isfunction(function) and function.__module__.startswith(found.__name__):
                    yield f"{name}.{inner}"
