"""Models that are no methods of this package, as functions of samples: a function, a command to run, or a network."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from sigsep_classic import audio
from sigsep_classic.compare.network_files import open_network, path_in
from sigsep_classic.datasets import open_estimates
from sigsep_classic.errors import ParameterError, SigsepError

Separate: TypeAlias = Callable[[np.ndarray, int], Mapping[str, np.ndarray]]
"""Samples (channels, samples) float32 and their rate in Hz to stems of that shape by name."""

TRACK = "mixture"
"""What the file that a command is given is called, without ``.wav``."""


class ModelError(SigsepError):
    """A model that was plugged in failed, or gave something else than stems."""


@dataclass(frozen=True, kw_only=True)
class ExternalModel:
    """A model that was plugged in; call it with samples (channels, samples) and their rate in Hz.

    Parameters
    ----------
    name : str
        What its rows are called.
    told : str
        The function or command it was made of.
    separate : callable
        Samples and rate to stems by name.
    """

    name: str
    told: str
    separate: Separate

    def __call__(self, mixture: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
        """Return stems by name, checked: real numbers, each with the mixture's channels or one.

        Raises
        ------
        ModelError
            The model failed, or its stems are no such arrays.
        """
        try:
            found = self.separate(mixture, sample_rate)
        except SigsepError:
            raise
        except (Exception, SystemExit) as error:  # a model that ends Python must not end this run
            raise ModelError(f"{self.name}: {type(error).__name__}: {error}") from error
        if not isinstance(found, Mapping) or not found:
            raise ModelError(f"{self.name} returned {found!r:.60}; it must return stems by name")
        channels = len(mixture)
        return {str(name): self._checked(str(name), stem, channels) for name, stem in found.items()}

    def _checked(self, name: str, stem: Any, channels: int) -> np.ndarray:
        x = np.asarray(stem)
        x = x[None] if x.ndim == 1 else x
        if x.ndim != 2 or x.dtype.kind not in "fiu":
            raise ModelError(
                f"{self.name}: stem {name!r} is {x.dtype} of shape {x.shape}; it must be (channels, samples), real"
            )
        # A model may make a mono mixture stereo; more channels than that are samples by rows.
        if len(x) not in (1, channels) and not (channels == 1 and len(x) == 2):
            raise ModelError(
                f"{self.name}: stem {name!r} has the shape {x.shape}; it must be (channels, samples) with 1 or "
                f"{max(channels, 2)} channels, perhaps it is to be transposed"
            )
        if not np.isfinite(x).all():
            raise ModelError(f"{self.name}: stem {name!r} holds NaN or infinity; it must be finite")
        return x


def external_model(text: str) -> ExternalModel:
    """Return the model that a line of text names.

    Parameters
    ----------
    text : str
        ``path.py:function``, a function of samples (channels, samples) float32 and their rate in Hz that returns
        stems by name; or a command with ``{input}``, the sound file it is given, and ``{output}``, the folder it
        writes to, in any layout of `datasets.open_estimates`: ``demucs -n htdemucs {input} -o {output}``; or a
        network, ``model.onnx`` or ``model.pt:sample_rate=44100,stems=vocals+accompaniment``, as `open_network` takes
        it. In front of each may stand a name: ``htdemucs=demucs …``.

    Returns
    -------
    ExternalModel

    Raises
    ------
    ParameterError
        The text is none of these, or the function or network can't be loaded.

    Examples
    --------
    >>> external_model("halves=separator {input} {output}").name
    'halves'
    """
    name, told = _named(text.strip())
    if "{input}" in told and "{output}" in told:
        words = _words(told)
        return ExternalModel(
            name=name or Path(words[0]).stem, told=told, separate=lambda x, rate: _run(words, x, rate)
        )
    file = path_in(told)
    if file is not None:
        return ExternalModel(name=name or Path(file).stem, told=told, separate=open_network(told))
    path, _, function = told.rpartition(":")
    if not path.endswith(".py") or not function.isidentifier():
        raise ParameterError(
            f"model {text!r}: give path.py:function, a network (.onnx, .pt, .pt2), or a command with {{input}} and "
            "{output} in it"
        )
    return ExternalModel(name=name or function, told=told, separate=_loaded(Path(path), function))


def files_of(text: str) -> tuple[Path, ...]:
    """Return the files that a line of text as for `external_model` names, so that a change of theirs is seen."""
    told = _named(text.strip())[1]
    if "{input}" in told and "{output}" in told:
        first, *rest = _words(told)
        found = [Path(shutil.which(first) or first), *map(Path, rest)]
    else:
        found = [Path(path_in(told) or told.rpartition(":")[0])]
    return tuple(path for path in found if path.is_file())


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise ParameterError(f"model {command!r}: {error}; check its quotes") from None


def _named(text: str) -> tuple[str, str]:
    """Return the name in front and the rest; a path or command may hold a ``=`` too."""
    found = re.match(r"([\w.+-]+)=(.+)", text, re.DOTALL)
    return (found[1], found[2].strip()) if found else ("", text)


def _loaded(path: Path, function: str) -> Separate:
    if not path.is_file():
        raise ParameterError(f"model {path}:{function}: there is no file {path}")
    name = f"sigsep_classic_model_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look it up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ParameterError(f"model {path}: importing it raised {type(error).__name__}: {error}") from error
    found = getattr(module, function, None)
    if not callable(found):
        raise ParameterError(f"model {path}:{function}: the file has no function {function}")
    separate: Separate = found
    return separate


def _ended(command: list[str]) -> tuple[int, list[str]]:
    """Run a command and return its exit code and what it said; if this process is to end, it ends with its children."""
    own_group = os.name == "posix"
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=own_group,
    ) as process:
        try:
            _, said = process.communicate()
        except BaseException:
            if own_group:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            raise
    return process.returncode, said.decode(errors="replace").strip().splitlines()


def _run(words: list[str], mixture: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
    """Return what a command wrote, at the rate asked for."""
    with tempfile.TemporaryDirectory(prefix="sigsep-") as folder:
        source, output = Path(folder, "in", f"{TRACK}.wav"), Path(folder, "out")
        source.parent.mkdir()
        output.mkdir()
        audio.save_all({source: mixture}, sample_rate)
        # Not `format`: a command may have braces of its own.
        command = [w.replace("{input}", str(source)).replace("{output}", str(output)) for w in words]
        try:
            code, said = _ended(command)
        except OSError as error:
            raise ModelError(f"{words[0]} can't be run: {error.strerror or error}") from None
        if code:
            why = f": {said[-1]}" if said else ""
            raise ModelError(f"{words[0]} ended with exit code {code}{why}")
        if not any(path.is_file() for path in output.rglob("*")):
            raise ModelError(f"{words[0]} wrote nothing to {{output}}; check the command")
        estimates = open_estimates(output)
        files = next(iter(estimates.values()))
        return {name: audio.load(path, sample_rate=sample_rate).samples for name, path in files.items()}
