"""The result: named stems, the mixture they came from, and what made them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import EllipsisType
from typing import Any, Self

from sigsep_classic.audio import SaveRecord, save_all
from sigsep_classic.backend import from_foreign, to_foreign, to_host
from sigsep_classic.errors import ParameterError
from sigsep_classic.geometry import Delays, tdoa
from sigsep_classic.remixing import Change, parse, remixed
from sigsep_classic.storage import save_model
from sigsep_classic.typing import Array

TEMPLATE = "{track}/{stem}.{ext}"


@dataclass(frozen=True)
class Later:
    """A value that is made when it is first read.

    Parameters
    ----------
    make : callable
        Takes nothing and returns the value.
    """

    make: Callable[[], Any]


class _MadeWhenRead:
    """A field that may be given as `Later`."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return None  # the default
        value = instance.__dict__[self._name]
        if isinstance(value, Later):
            value = instance.__dict__[self._name] = value.make()
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self._name] = value


@dataclass(frozen=True, kw_only=True, eq=False)
class Separation(Mapping[str, Array]):
    """Stems by name; a mapping, so ``sep["drums"]``, ``list(sep)`` and ``sep.items()`` work.

    Parameters
    ----------
    stems : dict of str to array
        Each of the shape of the mixture, (channels, samples) or (samples,), in its kind and dtype.
    mixture : array
        What was separated: the caller's own array, if one was given; `remix` and `residual` read it.
    sample_rate : int
        In Hz.
    model : object
        What the method found (`sigsep_classic.factorizers.models`). Long recordings are taken apart block by block
        where the method allows it, and the model of the whole is fitted when it is first read.
    method : object
        The factorizer with its parameters.
    frontend : object
        The front-end used.
    groups : dict of str to list of int, optional
        Components of the model in each stem; a stem ``residual`` has none.
    mask : str, optional
        The mask that was asked for; None is the method's own way.
    phase : str, optional
        Where masked stems have their phases from; None is the mixture.
    grouped : callable, optional
        Makes the stems of the model anew, and says their components, for `regroup`.
    track : str
        Name for file names and messages.
    info : dict
        Device, warnings of the reader and the like, all plain values.
    """

    stems: dict[str, Array]
    mixture: Array
    sample_rate: int
    model: Any = _MadeWhenRead()
    method: Any = None
    frontend: Any = None
    groups: dict[str, list[int]] | None = None
    mask: str | None = None
    phase: str | None = None
    grouped: Callable[..., tuple[dict[str, Array], dict[str, list[int]]]] | None = field(
        default=None, repr=False
    )
    track: str = "mixture"
    info: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Array:
        try:
            return self.stems[name]
        except KeyError:
            raise KeyError(f"no stem {name!r}; there are {', '.join(self.stems)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.stems)

    def __len__(self) -> int:
        return len(self.stems)

    __eq__ = object.__eq__  # Mapping compares items, which arrays do not do
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        seconds = self.mixture.shape[-1] / self.sample_rate
        return f"Separation({', '.join(self.stems)}; {seconds:.2f} s at {self.sample_rate} Hz)"

    @property
    def residual(self) -> Array:
        """The mixture less all stems; zero, up to rounding, for methods that mask."""
        rest = self.mixture.copy() if hasattr(self.mixture, "copy") else self.mixture.clone()
        for stem in self.stems.values():
            rest -= stem
        return rest

    def delays(self, *, max_delay: float | None = None) -> dict[str, Delays]:
        """Return when each stem reaches each channel, in seconds after the first, and how sure that is.

        Parameters
        ----------
        max_delay : float, optional
            Largest delay looked for, in seconds: the distance of the microphones over the speed of sound.

        Returns
        -------
        dict of str to Delays
            ``seconds`` and ``coherence`` (channels,) of each stem that is one source of the model; with
            `geometry.azimuths` and the places of the microphones they tell directions.

        Raises
        ------
        ParameterError
            The method does not tell how channels hear its sources, or has no frequencies.
        """
        if not hasattr(self.model, "steering"):
            raise ParameterError("delays are known of methods that demix channels; this one does not")
        found = tdoa(self.model.steering, self.frontend.grid(self.sample_rate), max_delay=max_delay)
        sources = {name: members[0] for name, members in (self.groups or {}).items() if len(members) == 1}
        return {
            name: Delays(seconds=found.seconds[:, n], coherence=found.coherence[:, n])
            for name, n in sources.items()
        }

    def regroup(
        self,
        groups: Any = ...,
        *,
        n_sources: int | EllipsisType | None = ...,
        mask: str | EllipsisType | None = ...,
        phase: str | EllipsisType | None = ...,
    ) -> Self:
        """Return other stems of the same model, without fitting it again.

        Parameters
        ----------
        groups, n_sources, mask, phase : optional
            As for `sigsep_classic.separate`, None included: the default there. What is not given stays as it is in
            this separation; ``groups`` and ``n_sources`` are about one thing, so either replaces both.

        Returns
        -------
        Separation
            Of the same mixture.

        Raises
        ------
        ParameterError
            The stems do not come from `sigsep_classic.separate`, or the grouping does not fit the model.
        """
        if self.grouped is None:
            raise ParameterError("regroup needs the model of separate(...); these stems have none")
        if groups is ... and n_sources is ...:
            groups = self.groups
        wanted: dict[str, Any] = {
            "groups": None if groups is ... else groups,
            "n_sources": None if n_sources is ... else n_sources,
            "mask": self.mask if mask is ... else mask,
            "phase": self.phase if phase is ... else phase,
        }
        stems, found = self.grouped(**wanted)
        return self.replace(stems=stems, groups=found, mask=wanted["mask"], phase=wanted["phase"])

    def replace(self, **fields: Any) -> Self:
        """Return this separation with other fields; `dataclasses.replace` would make what is still to be made."""
        return type(self)(**{**vars(self), **fields})

    def remix(
        self, changes: str | Mapping[str, float | Change] | None = None, /, **more: float | Change
    ) -> Array:
        """Return the mixture with changed stems: turned up or down, moved, filtered, dried.

        Parameters
        ----------
        changes : str, or mapping of str to float or Change, optional
            Linear gains, or a line such as ``"vocals -6dB; drums mute; other pan left lowpass 4k"``
            (`remixing.parse`); stems not named stay as they are. May be given as keywords.

        Returns
        -------
        array
            ``mixture + sum of (changed stem - stem)``: exactly the mixture where nothing changes.

        Raises
        ------
        ParameterError
            A name is no stem, or a change is not understood or out of range.
        """
        told = parse(changes) if isinstance(changes, str) else dict(changes or {})
        stems = {name: from_foreign(stem) for name, stem in self.stems.items()}
        mixture = from_foreign(self.mixture)
        mix = remixed(mixture, stems, self.sample_rate, {**told, **more})
        return mix if mixture is self.mixture else to_foreign(mix, self.mixture)

    def plot(self, what: str = "model", **options: Any) -> Any:
        """Return a picture: of what the method found, or of the stems.

        Parameters
        ----------
        what : {"model", "stems", "waveforms", "masks", "loss", "permutation", "directivity"}
            See `sigsep_classic.plot.plot`.
        **options
            ``channel``, ``scale``, ``range_db`` and ``positions``, see there.

        Returns
        -------
        matplotlib.figure.Figure
            To be saved with ``savefig``; a notebook shows it.

        Raises
        ------
        ParameterError
            There is no such picture, or no such option.
        SigsepError
            matplotlib is not installed.
        """
        from sigsep_classic.plot import plot

        return plot(self, what, **options)

    def _repr_html_(self) -> str:
        from sigsep_classic.plot.notebook import html

        return html(self)

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        template: str = TEMPLATE,
        ext: str = "wav",
        residual: bool = False,
        inputs: tuple[Any, ...] = (),
        **options: Any,
    ) -> SaveRecord:
        """Write every stem below ``folder``, all or none.

        Parameters
        ----------
        folder : str or path
            Made if it is not there.
        template : str
            File names with ``{track}``, ``{stem}``, ``{method}`` and ``{ext}``.
        ext : str
            Suffix, and with it the format.
        residual : bool
            Write ``residual`` too.
        inputs : tuple of path
            Files that must not be written over.
        **options
            ``subtype`` and ``clip_mode`` of `sigsep_classic.audio.save_all`.

        Returns
        -------
        SaveRecord
            Paths, peak and the gain applied, if any.

        Raises
        ------
        ParameterError
            The template has an unknown field or gives two stems one name.
        OutputError
            A file can't be written; nothing is left behind.
        """
        stems = dict(self.stems)
        if residual and "residual" not in stems:  # HPSS with margins has a stem of that name
            stems["residual"] = self.residual
        method = getattr(self.method, "name", "stems")
        paths: dict[str, Any] = {}
        for stem, samples in stems.items():
            try:
                name = template.format(track=self.track, stem=stem, method=method, ext=ext)
            except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
                raise ParameterError(
                    f"template {template!r}: {error}; use {{track}}, {{stem}}, {{method}} and {{ext}}"
                ) from None
            paths[str(Path(folder) / name)] = to_host(samples)
        if len(paths) < len(stems):
            raise ParameterError(f"template {template!r} gives two stems one file; put {{stem}} in it")
        return save_all(paths, self.sample_rate, inputs=inputs, **options)

    def save_model(self, path: str | os.PathLike[str], *, frames: bool = True) -> str:
        """Write the model to a file, for `sigsep_classic.load_model` and `sigsep_classic.apply`; return its name.

        Parameters
        ----------
        path, frames
            As for `sigsep_classic.save_model`.

        Raises
        ------
        ParameterError
            The model can't be saved.
        OutputError
            The file can't be written.
        """
        return save_model(path, self, frames=frames)
