"""What separation of a stream keeps from block to block, and what it has found at the end."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.models import Groups, check_groups, source_names
from sigsep_classic.factorizers.online_prediction import Prediction
from sigsep_classic.kernels.online_demixing import Demixing
from sigsep_classic.typing import Array

FORMAT = "sigsep_classic.OnlineState"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class OnlineState:
    """Where a stream stands; nothing in it grows with the stream, and nothing writes to it.

    Parameters
    ----------
    n_channels, n_freq : int
        What blocks must have.
    parameters : dict of str to value
        Those of the method, all plain; a state goes on with the method that made it.
    order : tuple of int
        Channels, the loudest of the first frame with sound first; empty before it.
    demixing : Demixing or None
        Matrices and covariances, channels in that order; None before the first sound.
    prediction : Prediction or None
        Dereverberation, where the method has one.
    """

    n_channels: int
    n_freq: int
    parameters: dict[str, Any]
    order: tuple[int, ...] = ()
    demixing: Demixing | None = None
    prediction: Prediction | None = None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state to one ``.npz`` file of plain arrays; `OnlineIVA.load` reads it.

        Raises
        ------
        OSError
            The file can't be written. One that was there is then still what it was.
        """
        header = {
            "format": FORMAT,
            "version": VERSION,
            "parameters": self.parameters,
            "n_channels": self.n_channels,
            "n_freq": self.n_freq,
            "order": list(self.order),
        }
        arrays: dict[str, Any] = {
            name: to_host(array) for part in self._parts for name, array in vars(part).items()
        }
        path = Path(path)
        partial = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            with partial.open("wb") as file:
                np.savez(file, header=np.array(json.dumps(plain(header))), **arrays)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    @property
    def _parts(self) -> list[Any]:
        return [part for part in (self.demixing, self.prediction) if part is not None]

    def on(self, like: Array) -> Self:
        """Return the state on the device of ``like``."""
        xp = namespace(like)

        def moved(part: Any) -> Any:
            if part is None or all(namespace(array) is xp for array in vars(part).values()):
                return part
            return replace(part, **{name: xp.asarray(to_host(array)) for name, array in vars(part).items()})

        return replace(self, demixing=moved(self.demixing), prediction=moved(self.prediction))

    def restarted(self) -> Self:
        """Return the state before the first frame of another stream of the same scene: what was learnt is kept."""
        if self.prediction is None:
            return self
        past = namespace(self.prediction.past).zeros_like(self.prediction.past)
        return replace(self, prediction=replace(self.prediction, past=past))


def loaded_state(path: str | os.PathLike[str]) -> OnlineState:
    """Return the state that `OnlineState.save` wrote to a file; nothing in the file is executed.

    Raises
    ------
    ParameterError
        It is no such file, or of another version.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as parts:
            arrays = {name: parts[name] for name in parts.files}
        header = json.loads(str(arrays.pop("header")))
        known = (header["format"], header["version"])
        if known == (FORMAT, VERSION):
            return _state_of(header, arrays)
    except OSError as error:
        raise ParameterError(f"{os.fspath(path)!r} can't be read ({error.strerror or error})") from None
    except (
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        RecursionError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ParameterError(f"{os.fspath(path)!r} is no saved state of a stream, or is damaged") from error
    raise ParameterError(f"{os.fspath(path)!r} is of {known}; this version reads {(FORMAT, VERSION)}")


def _state_of(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> OnlineState:
    """Return the state that a header and arrays are of."""

    def part(kind: Any) -> Any:
        names = list(kind.__dataclass_fields__)
        return kind(**{name: arrays[name] for name in names}) if names[0] in arrays else None

    return OnlineState(
        n_channels=header["n_channels"],
        n_freq=header["n_freq"],
        parameters=header["parameters"],
        order=tuple(header["order"]),
        demixing=part(Demixing),
        prediction=part(Prediction),
    )


def plain(value: Any) -> Any:
    """Return numbers of NumPy, also inside dictionaries and sequences, as those of Python."""
    if isinstance(value, dict):
        return {key: plain(inside) for key, inside in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(inside) for inside in value)
    return value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True, kw_only=True)
class OnlineModel:
    """Images that were found frame by frame: filters change from one to the next, so the images are what is kept.

    Parameters
    ----------
    images : array (sources, channels, freq, frames)
        In the dtype of X: as many times its memory as there are sources.
    state : OnlineState
        After the last frame; goes on with `OnlineIVA.process`.
    steering : complex128 array (freq, channels, sources)
        Mixing matrices of the last frame, by which sources can be located.
    residual : bool
        What the images leave of X is nobody's (late reverberation, noise), and becomes a stem of that name.
    """

    images: Array
    state: OnlineState
    steering: Array
    residual: bool
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()

    estimates: ClassVar[bool] = True

    @property
    def n_components(self) -> int:
        """Number of sources."""
        return int(self.images.shape[0])

    @property
    def names(self) -> tuple[str, ...]:
        """``source1 …``."""
        return source_names(self.n_components)

    def reordered(self, order: Sequence[int]) -> Self:
        """Return the model with its sources in another order; the state keeps its own."""
        order = list(order)
        return replace(self, images=self.images[order], steering=self.steering[:, :, order])

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the image of each group, (groups, channels, freq, frames)."""
        if groups is None:
            return self.images
        wanted = check_groups(groups, self.names)
        return namespace(self.images).stack([self.images[members].sum(axis=0) for members in wanted.values()])
