"""What most people call: a file or an array in, named stems out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sigsep_classic import audio
from sigsep_classic.api.ends import given_back, placed, read
from sigsep_classic.api.methods import load_examples, make_method, taught
from sigsep_classic.api.progress import steps_shown
from sigsep_classic.backend import (
    device_of,
    from_foreign,
    namespace,
    to_device,
    to_host,
)
from sigsep_classic.datasets.guests import held_by
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import Callback
from sigsep_classic.memory import memory_bytes
from sigsep_classic.pipeline import separate_arrays
from sigsep_classic.planning import Plan, plan
from sigsep_classic.separation import Separation
from sigsep_classic.streaming import running
from sigsep_classic.streaming.arrays import separate_in_pieces, separate_planned
from sigsep_classic.synthesis import Groups
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
    progress: bool = False,
    **parameters: Any,
) -> Separation:
    """Return named stems of a recording.

    Parameters
    ----------
    source : str, path, binary file, array, or object that holds a recording
        A sound file; samples as (channels, samples) or (samples,) of NumPy, CuPy, PyTorch or what else speaks
        DLPack (without a copy where that is possible); or an object that knows its rate: a track of musdb, a
        simulated room of pyroomacoustics, what `load` and `synthesize` return. Not written to.
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
        Microphones in metres, for the angle and the distance; default those of a room, without any the angle is that
        of the delays between the first and the last channel.
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
    progress : bool
        Show a bar of the iterations, in a terminal or a notebook.
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
    if positions is None and order in ("angle", "distance"):
        held = held_by(source)
        if held is not None:  # in place of the source, which may be read but once
            source, positions = held, held.microphones
    made = make_method(method, **parameters)
    with steps_shown(progress, made, callback) as told:
        request = Request(
            method=made,
            frontend=frontend,
            mask=mask,
            phase=phase,
            groups=groups,
            n_sources=n_sources,
            examples=examples,
            order=order,
            positions=positions,
            callback=told,
        ).checked()
        return _carried_out(request, source, sample_rate, device=device, limit=memory_bytes(memory_limit))


def _carried_out(
    request: Request, source: Any, sample_rate: int | None, *, device: str | None, limit: int | None
) -> Separation:
    """Return the stems of a recording, as they were asked for."""
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
class Request(running.Request):
    """What is asked of a recording, whichever it is; see `separate`."""

    examples: Mapping[str, Any] | None = None

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

    def takes(self, x: Array, sample_rate: int) -> int:
        """Return about how many bytes an array (channels, samples) takes as it is fulfilled."""
        return self._planned(x, sample_rate, self.method).estimate

    def of(self, method: Any) -> running.Request:
        """Return what is asked of a method that examples have taught."""
        return dataclasses.replace(self, method=method)

    def _planned(self, x: Array, sample_rate: int, method: Any) -> Plan:
        """Return what is done with an array where memory is no matter."""
        size = {"channels": len(x), "n_samples": x.shape[1], "itemsize": x.dtype.itemsize}
        scene = self.of(method).scene(sample_rate=sample_rate, **size)
        return plan(method, scene, limit=_NO_MATTER, frontend=self.frontend)

    def fulfilled(
        self, xs: Sequence[Array], sample_rate: int, method: Any, *, limit: int | None = None
    ) -> list[Separation]:
        """Return the stems of arrays (channels, samples), several as one batch.

        Parameters
        ----------
        xs : list of array (channels, samples)
            Those that `takes` says fit.
        sample_rate : int
            In Hz.
        method : Factorizer
            That of `learnt`.
        limit : int, optional
            Bytes there are; told in ``info``.
        """
        plans = [self._planned(x, sample_rate, method) for x in xs]
        if plans[0].kind == "blocks":
            request = self.of(method)
            found = [separate_in_pieces(x, request, chosen) for x, chosen in zip(xs, plans, strict=True)]
        else:
            found = separate_arrays(xs, sample_rate, method, frontend=self.frontend, **self.options)
        unlimited: dict[str, Any] = {"memory_limit": limit, "fell_back": []}
        return [
            sep.replace(info={**chosen.facts, **unlimited}) for sep, chosen in zip(found, plans, strict=True)
        ]


_NO_MATTER = 2**60
