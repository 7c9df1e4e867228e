"""What most people call: a file or an array in, named stems out."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sigsep_classic import audio
from sigsep_classic.backend import (
    device_of,
    from_foreign,
    namespace,
    resolve_device,
    to_device,
    to_foreign,
    to_host,
)
from sigsep_classic.checks import check_range, did_you_mean
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers import METHODS
from sigsep_classic.factorizers.base import Callback
from sigsep_classic.memory import memory_bytes
from sigsep_classic.pipeline import Groups, default_frontend, level, separate_arrays
from sigsep_classic.planning import Plan, plan
from sigsep_classic.separation import Separation
from sigsep_classic.streaming import running
from sigsep_classic.streaming.arrays import separate_in_pieces, separate_planned
from sigsep_classic.typing import Array, FrontEnd


def separate(
    source: Any,
    sample_rate: int | None = None,
    *,
    method: Any = "hpss",
    frontend: FrontEnd | None = None,
    mask: str | None = None,
    phase: str | None = None,
    groups: Groups = None,
    n_sources: int | None = None,
    examples: Mapping[str, Any] | None = None,
    order: str | None = None,
    positions: Any = None,
    device: str | None = None,
    memory_limit: str | int | None = None,
    callback: Callback | None = None,
    **parameters: Any,
) -> Separation:
    """Return named stems of a recording.

    Parameters
    ----------
    source : str, path, binary file, or array
        A sound file, or samples as (channels, samples) or (samples,) of NumPy, CuPy or PyTorch (through DLPack,
        without a copy where that is possible). Not written to.
    sample_rate : int, optional
        In Hz; needed with an array. With a file: resample to it.
    method : str or Factorizer
        A name in `METHODS`, or an instance such as ``NMF(n_components=12)``.
    frontend : FrontEnd, optional
        Default: the transform the method asks for.
    mask : {"ratio", "wiener", "binary", "logit", "multichannel_wiener", "mvdr", "mwf", "gev"}, optional
        How spectrograms become gains, or with the last three a beamformer, steered by these or by the estimates of
        methods that make some (cacgmm, fastmnmf2 …); default: the method's own way.
    phase : {"mixture", "misi", "consistent_wiener", "unwrapped", "griffin_lim"}, optional
        Where masked stems take their phases from; default: the mixture. The others cost several transforms for each
        stem and help where magnitudes are nearly the true ones, which those of blind methods are not; with
        ``"griffin_lim"`` stems no longer add up to the mixture.
    groups : mapping, str or callable, optional
        How components become stems: ``{"drums": [0, 3], …}``, ``"timbre"``, ``"harmonic_percussive"``, or a
        function of the model.
    n_sources : int, optional
        Number of stems, where the method (ica, isa, scica) or else the grouping takes one.
    examples : mapping of str to file or samples, optional
        Recordings of a few seconds of single sources, arrays at ``sample_rate``: methods with templates (nmf,
        complex_nmf, nmfd) learn from them what the stems of these names sound like. What is like none of them is
        ``rest``.
    order : {"energy", "angle", "distance"}, optional
        Which source comes first, for methods of several channels that know how each hears the sources: that with
        the most energy over all channels, that of the smallest azimuth, or the nearest; see
        `geometry.source_order`. Default: as the method gives them.
    positions : array (channels, 2 or 3), optional
        Microphones in metres, for the angle and the distance; without them the angle is that of the delays between
        the first and the last channel.
    device : {"auto", "cpu", "cuda", "cuda:N"}, optional
        Where to compute. Default: where an array is already, else the environment variable ``SIGSEP_DEVICE``,
        else ``"auto"``.
    memory_limit : str or int, optional
        Bytes that the work may take beyond the recording and its stems, such as ``"2G"``. Default: the environment
        variable ``SIGSEP_MEMORY_LIMIT``, else a share of what is free. What would take more goes block by block, is
        learnt from a sample, or is done in chunks whose stems are joined, as the method allows; ``info`` says which.
    callback : callable, optional
        Called by iterative methods as ``callback(i, model)``; returning True stops. ``rpca`` has no model before
        the end and gives the relative residual in its place.
    **parameters
        Parameters of a method given by name: ``separate(x, 44100, method="nmf", n_components=8)``.

    Returns
    -------
    Separation
        Stems of the length, channels, dtype and array kind of the input, at its sample rate.

    Raises
    ------
    ParameterError, ShapeError, ArrayTypeError, AudioError, DeviceError
        One line each, with the way out.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    >>> sep = separate(x, 8000, method="hpss")
    >>> bool(np.allclose(sep["harmonic"] + sep["percussive"], x))
    True
    """
    request = Request(
        method=make_method(method, **parameters),
        frontend=frontend,
        mask=mask,
        phase=phase,
        groups=groups,
        n_sources=n_sources,
        examples=examples,
        order=order,
        positions=positions,
        callback=callback,
    ).checked()
    limit = memory_bytes(memory_limit)
    given, sample_rate, track, info = read(source, sample_rate)
    checked = audio.check_samples(from_foreign(given), host=False)
    x, where = placed(checked, device)
    like = to_device(x[:, :1], where) if namespace(x) is np else x
    with device_of(like):
        factorizer, warnings = request.learnt(sample_rate, like=like)
    if warnings:
        info["warnings"] = [*info.get("warnings", ()), *warnings]
    sep, facts = separate_planned(x, sample_rate, request.of(factorizer), where, limit)
    mixture = to_host(checked) if facts["device"] == "cpu" else checked  # where a GPU was too small
    return given_back(sep, given, track=track, info={**info, **facts}, mixture=mixture)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a recording, whichever it is; see `separate`."""

    method: Any
    frontend: FrontEnd | None = None
    mask: str | None = None
    phase: str | None = None
    groups: Groups = None
    n_sources: int | None = None
    examples: Mapping[str, Any] | None = None
    order: str | None = None
    positions: Any = None
    callback: Callback | None = None

    def checked(self) -> Request:
        """Return it with ``n_sources`` told to methods that take it; refuse what no recording can make right."""
        if self.frontend is not None and (
            isinstance(self.frontend, type) or not isinstance(self.frontend, FrontEnd)
        ):
            raise ParameterError(f"frontend is {self.frontend!r}; give an instance such as STFT(n_fft=2048)")
        if self.callback is not None and not callable(self.callback):
            raise ParameterError(f"callback is {self.callback!r}; it must be callable as callback(i, model)")
        takes = self.n_sources is not None and hasattr(self.method, "n_sources")
        if not takes or isinstance(self.groups, str):
            return self
        method = dataclasses.replace(self.method, n_sources=self.n_sources)
        return dataclasses.replace(self, method=method, n_sources=None)

    def learnt(self, sample_rate: int, *, like: Array) -> tuple[Any, list[str]]:
        """Return the method, as the examples teach it, and what was wrong with their files, one line each."""
        if self.examples is None:
            return self.method, []
        sounds, warnings = load_examples(self.examples, sample_rate)
        return taught(self.method, sounds, sample_rate, frontend=self.frontend, like=like), warnings

    def in_blocks(self, x: Array, sample_rate: int) -> bool:
        """Say whether an array (channels, samples) is taken apart block by block."""
        return self._planned(x, sample_rate, self.method).kind == "blocks"

    def of(self, method: Any) -> running.Request:
        """Return what is asked of a method that examples have taught."""
        return running.Request(method=method, **{name: getattr(self, name) for name in _ASKED})

    def _planned(self, x: Array, sample_rate: int, method: Any) -> Plan:
        """Return what is done with an array where memory is no matter."""
        size = {"channels": len(x), "n_samples": x.shape[1], "itemsize": x.dtype.itemsize}
        scene = self.of(method).scene(sample_rate=sample_rate, **size)
        return plan(method, scene, limit=_NO_MATTER, frontend=self.frontend)

    def fulfilled(self, xs: Sequence[Array], sample_rate: int, method: Any) -> list[Separation]:
        """Return the stems of arrays (channels, samples), several as one batch; ``method`` is that of `learnt`."""
        plans = [self._planned(x, sample_rate, method) for x in xs]
        if plans[0].kind == "blocks":
            request = self.of(method)
            found = [separate_in_pieces(x, request, chosen) for x, chosen in zip(xs, plans, strict=True)]
        else:
            options = {name: getattr(self, name) for name in _ASKED}
            found = separate_arrays(xs, sample_rate, method, **options)
        unlimited: dict[str, Any] = {"memory_limit": None, "fell_back": []}
        return [
            sep.replace(info={**chosen.facts, **unlimited}) for sep, chosen in zip(found, plans, strict=True)
        ]


_NO_MATTER = 2**60
_ASKED = ("frontend", "mask", "phase", "groups", "n_sources", "order", "positions", "callback")


def given_back(
    sep: Separation,
    given: Any,
    *,
    track: str,
    info: dict[str, Any],
    stems: Mapping[str, Any] | None = None,
    mixture: Any = None,
) -> Separation:
    """Return a separation of the caller's kind of arrays; ``stems`` and ``mixture`` are what is on the host already."""
    x = sep.mixture
    return sep.replace(
        stems={name: _like(stem, given) for name, stem in (sep.stems if stems is None else stems).items()},
        mixture=_like(x if mixture is None else mixture, given),
        grouped=partial(_regrouped, sep.grouped, x, given),
        track=track,
        info={**sep.info, "device": "cpu" if namespace(x) is np else "cuda", **info},
    )


def make_method(method: Any, **parameters: Any) -> Any:
    """Return a factorizer for a name with parameters, or the one given.

    Raises
    ------
    ParameterError
        The method or a parameter is unknown, or a parameter is out of range.
    """
    if not isinstance(method, str):
        if parameters:
            name = next(iter(parameters))
            raise ParameterError(
                f"parameter {name!r} goes into the method: {type(method).__name__}({name}=...)"
            )
        if isinstance(method, type):
            raise ParameterError(
                f"method is the class {method.__name__}; give an instance: {method.__name__}()"
            )
        if not hasattr(method, "fit"):
            raise ParameterError(f"method is {method!r}; give a name or an object with fit(X)")
        return method
    kind = METHODS.find(method)
    known = [f.name for f in dataclasses.fields(kind) if f.init and f.name not in ("grid", "level")]
    for name in parameters:
        if name not in known:
            raise ParameterError(f"{method} has no parameter {name!r}; {did_you_mean(name, known, 'it has')}")
    try:
        return kind(**parameters)
    except TypeError as error:
        raise ParameterError(f"{method}: {error}") from None


def methods_with_examples() -> list[str]:
    """Return the names of the methods of this package that learn from examples; imports them all."""
    return [name for name in METHODS.built_in if hasattr(METHODS[name], "with_examples")]


def load_examples(
    examples: Mapping[str, Any], sample_rate: int, *, allow_any_codec: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Return the samples of examples, files among them read, and what was wrong with the files, one line each.

    Parameters
    ----------
    examples : mapping of str to file or samples
        As for `separate`.
    sample_rate : int
        In Hz.
    allow_any_codec : bool
        As for `audio.load`.

    Raises
    ------
    ParameterError
        ``examples`` is no mapping, or is empty.
    AudioError
        A file can't be read.
    """
    if not isinstance(examples, Mapping) or not examples:
        raise ParameterError(
            f"examples is {examples!r:.80}; give names with files or samples, such as {{'drums': 'drums.wav'}}"
        )
    found: dict[str, Any] = {}
    warnings: list[str] = []
    for name, example in examples.items():
        if isinstance(example, (str, os.PathLike)) or hasattr(example, "read"):
            sound = audio.load(example, sample_rate=sample_rate, allow_any_codec=allow_any_codec)
            warnings += [f"example {name}: {line}" for line in sound.warnings]
            example = sound.samples
        found[name] = example
    return found, warnings


def taught(
    method: Any,
    examples: Mapping[str, Any],
    sample_rate: int,
    *,
    frontend: FrontEnd | None = None,
    like: Array,
) -> Any:
    """Return a method with templates learnt from the samples of each example.

    Parameters
    ----------
    method : Factorizer
        One of `methods_with_examples`.
    examples : mapping of str to array (channels, samples) or (samples,)
        Of one source each, at any level.
    sample_rate : int
        In Hz.
    frontend : FrontEnd, optional
        Default: the transform the method asks for.
    like : array
        Examples are learnt on its device and in its dtype.

    Raises
    ------
    ParameterError
        The method has no templates, or an example is silent.
    """
    if not hasattr(method, "with_examples"):
        kind = getattr(method, "name", type(method).__name__)
        raise ParameterError(f"{kind} learns from no examples; {', '.join(methods_with_examples())} do")
    if frontend is None:
        frontend = default_frontend(method, sample_rate)
    found = {}
    for name, example in examples.items():
        checked = audio.check_samples(from_foreign(example), host=namespace(like) is np)
        sound = namespace(like).asarray(checked, dtype=like.dtype)
        found[name] = frontend.analyze(sound / like.dtype.type(level(sound)))
    return method.with_examples(found)


def read(source: Any, sample_rate: int | None) -> tuple[Any, int, str, dict[str, Any]]:
    """Return samples of any kind of array, their rate, a track name and what is to be said, of a file or an array."""
    track, info = "mixture", dict[str, Any]()
    if isinstance(source, (str, os.PathLike)) or hasattr(source, "read"):
        sound = audio.load(source, sample_rate=sample_rate)
        track, info = Path(sound.name).stem, {"warnings": list(sound.warnings)}
        source, sample_rate = sound.samples, sound.sample_rate
    if sample_rate is None:
        raise ParameterError("sample_rate is missing; samples alone do not say it")
    check_range("sample_rate", sample_rate, 0, above=True)
    return source, sample_rate, track, info


def samples_on(checked: Array, device: str | None) -> Array:
    """Return samples on the device asked for; those on a GPU stay there where none is named."""
    if namespace(checked) is not np and device in (None, "cuda"):
        return checked
    return to_device(checked, resolve_device(device))


def placed(checked: Array, device: str | None) -> tuple[Array, str]:
    """Return samples where they are, or on another GPU that was asked for, and the device to compute on."""
    if namespace(checked) is np:
        return checked, resolve_device(device)
    # On a GPU already: it stays there where none is named.
    where = resolve_device(f"cuda:{checked.device.id}" if device in (None, "cuda") else device)
    return to_device(checked, where), where


def _regrouped(grouped: Any, x: Array, given: Any, **options: Any) -> tuple[dict[str, Any], Any]:
    """Return other stems of the model of x, as the caller's kind of array, and their components."""
    with device_of(x):
        stems, groups = grouped(**options)
        return {name: _like(stem, given) for name, stem in stems.items()}, groups


def _like(x: Array, given: Any) -> Any:
    """Return x (channels, samples) in the kind and number of axes of ``given``."""
    axes = given.ndim if hasattr(given, "ndim") else np.ndim(given)
    return to_foreign(x[0] if axes == 1 else x, given)
