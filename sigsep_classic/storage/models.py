"""A fitted model with all that is needed to use it again: method, front-end, sample rate and stems."""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass, field
from typing import Any

from sigsep_classic._version import __version__
from sigsep_classic.errors import AudioError, ParameterError
from sigsep_classic.factorizers import METHODS
from sigsep_classic.factorizers.base import FILLED_IN
from sigsep_classic.storage.container import checked_path, read, write
from sigsep_classic.storage.values import decoded, encoded

FORMAT = "sigsep_classic model"
FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedModel:
    """What a file of `save_model` holds; `sigsep_classic.apply` uses it on another recording.

    Parameters
    ----------
    model : Model
        What the method found; `reconstruct` gives the same bits as before, unless ``whole`` is false.
    method : Factorizer or None
        With its parameters; None where it holds a function, or is of a package that is not installed.
    frontend : FrontEnd or None
        The transform it was found on.
    sample_rate : int or None
        In Hz.
    groups : dict of str to list of int, or None
        Components of each stem.
    mask, phase : str or None
        As for `separate`.
    whole : bool
        Whether it knows the frames it was fitted to; otherwise it is only for other recordings.
    made_with : dict of str to str
        Versions of this package and of NumPy that wrote it, and the method's name.
    """

    model: Any
    method: Any = None
    frontend: Any = None
    sample_rate: int | None = None
    groups: dict[str, list[int]] | None = None
    mask: str | None = None
    phase: str | None = None
    whole: bool = True
    made_with: dict[str, str] = field(default_factory=dict)

    @property
    def method_name(self) -> str:
        """The method's name, or ``"unknown"``."""
        return str(self.made_with.get("method") or getattr(self.method, "name", "unknown"))


def save_model(
    path: str | os.PathLike[str],
    source: Any,
    *,
    frames: bool = True,
    sample_rate: int | None = None,
    frontend: Any = None,
) -> str:
    """Write a model to a file, whole or not at all, and return its name.

    The file is a ``.npz`` that `numpy.load` opens with ``allow_pickle=False``; ``header.json`` in it says method,
    parameters, front-end, sample rate, stems and versions. The same model is the same bytes.

    Parameters
    ----------
    path : str or path
        By custom with the suffix ``.npz``.
    source : Separation, SavedModel, or model
        What `sigsep_classic.separate` has returned, or what a method's ``fit`` has.
    frames : bool
        Keep what belongs to the frames of this recording. Without, the file is small and only for other
        recordings: templates without activations, filters without the mixture.
    sample_rate : int, optional
        In Hz; with a bare model.
    frontend : FrontEnd, optional
        What a bare model was found on.

    Raises
    ------
    ParameterError
        The model is of another package, holds a function, or is of no use without its frames.
    OutputError
        The file can't be written.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from sigsep_classic import NMF, load_model, separate
    >>> x = np.random.default_rng(0).standard_normal(8000)
    >>> sep = separate(x, 8000, method=NMF(n_components=2, n_iter=3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     saved = load_model(save_model(os.path.join(folder, "m.npz"), sep))
    >>> bool((saved.model.W == sep.model.W).all())
    True
    """
    name = checked_path(path)
    saved = as_saved(source, sample_rate=sample_rate, frontend=frontend)
    model = saved.model if frames else without_frames(saved.model)
    arrays: dict[str, Any] = {}
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "package_version": __version__,
        "numpy_version": _numpy_version(),
        "kind": type(model).__name__,
        "method": saved.method_name,
        "parameters": _told(saved.method),
        "sample_rate": saved.sample_rate,
        "stems": list(saved.groups or model.names),
        "mask": saved.mask,
        "phase": saved.phase,
        "whole": bool(frames and saved.whole),
        "frontend": encoded(saved.frontend, arrays),
        "groups": encoded(saved.groups, arrays),
        "factorizer": _encoded_method(saved.method, arrays),
        "model": encoded(model, arrays),
    }
    write(name, header, arrays)
    return name


def load_model(path: str | os.PathLike[str]) -> SavedModel:
    """Return the model in a file that `save_model` wrote.

    Parameters
    ----------
    path : str or path
        The file. Nothing in it is run: it holds numbers, and names of this package's classes.

    Raises
    ------
    AudioError
        It can't be read, is no saved model, is damaged, or was written by a newer version.
    """
    name = checked_path(path)
    header, arrays = read(name)
    version = header.get("format_version")
    if header.get("format") != FORMAT or type(version) is not int:
        raise AudioError(f"{name}: is no saved model; give what save_model wrote")
    if version > FORMAT_VERSION:
        raise AudioError(
            f"{name}: has format {version}, written by sigsep-classic {header.get('package_version')!s:.40}; this is "
            f"{__version__}, which reads up to {FORMAT_VERSION}: install a newer one"
        )
    try:
        found = {key: decoded(header[key], arrays) for key in ("model", "frontend", "groups")}
        saved = SavedModel(
            **found,
            method=_decoded_method(header, arrays),
            sample_rate=header["sample_rate"],
            mask=header["mask"],
            phase=header["phase"],
            whole=header["whole"],
            made_with={
                "sigsep_classic": str(header["package_version"]),
                "numpy": str(header["numpy_version"]),
                "method": str(header["method"]),
            },
        )
        _check(saved, header)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        # Ours are ValueErrors; the others come of values of a wrong kind.
        reason = f"lacks {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise AudioError(
            f"{name}: {reason:.200}; it is damaged, or of another version: save it again"
        ) from None
    return saved


def as_saved(source: Any, *, sample_rate: int | None = None, frontend: Any = None) -> SavedModel:
    """Return a separation, or a bare model, as a `SavedModel`.

    Raises
    ------
    ParameterError
        It is neither.
    """
    if isinstance(source, SavedModel):
        return source
    if hasattr(source, "reconstruct") and hasattr(source, "names"):
        method = getattr(source, "method", None)
        return SavedModel(model=source, method=method, frontend=frontend, sample_rate=sample_rate)
    model = getattr(source, "model", None)
    if model is None or not hasattr(source, "stems"):
        raise ParameterError(
            f"{type(source).__name__} is no model; give what separate(...) returned, or fit(...), or a saved file"
        )
    return SavedModel(
        model=model,
        method=source.method,
        frontend=source.frontend,
        sample_rate=int(source.sample_rate),
        groups=source.groups,
        mask=source.mask,
        phase=source.phase,
    )


def without_frames(model: Any) -> Any:
    """Return a model that is applied to other frames without those it was fitted to.

    Raises
    ------
    ParameterError
        It is of no use without them.
    """
    check_applies(model)
    if hasattr(model, "without_frames"):
        return model.without_frames()
    changes: dict[str, Any] = {}
    for name in ("mixture", "H", "gains"):
        array: Any = getattr(model, name, None)
        if hasattr(array, "dtype"):
            changes[name] = array[..., :0].copy()
    if hasattr(model, "codes"):
        changes["codes"], changes["rest"] = model.codes[:, : model.atoms.shape[3] - 1].copy(), None
    if hasattr(model, "activations"):
        changes["activations"] = None
    if hasattr(model, "shape"):
        changes["shape"] = (model.shape[0], 0)
    return dataclasses.replace(model, **changes)


def check_applies(model: Any, method: str = "") -> None:
    """Raise `ParameterError` unless what a model holds is of use on other recordings."""
    if not hasattr(type(model), "apply"):
        raise ParameterError(
            f"what {method or type(model).__name__} finds holds for its own recording only; separate the other one too"
        )


def _check(saved: SavedModel, header: dict[str, Any]) -> None:
    rate, n = saved.sample_rate, getattr(saved.model, "n_components", None)
    groups: Any = saved.groups
    if type(saved.model).__name__ != header["kind"] or not isinstance(n, int):
        raise ParameterError(f"says it is a {header['kind']!r:.40} and holds a {type(saved.model).__name__}")
    if saved.frontend is not None and not hasattr(saved.frontend, "analyze"):
        raise ParameterError("has a front-end that is none")
    if not (rate is None or (type(rate) is int and rate > 0)) or type(saved.whole) is not bool:
        raise ParameterError(f"has the sample rate {rate!r:.40}")
    if any(not isinstance(text, str | None) for text in (saved.mask, saved.phase)):
        raise ParameterError("has a mask or phase that is no name")
    if groups is not None:
        members: list[Any] = (
            [k for group in groups.values() for k in group] if isinstance(groups, dict) else [None]
        )
        if not all(type(k) is int and 0 <= k < (n or 0) for k in members):
            raise ParameterError("has stems of components that the model does not have")


def _told(method: Any) -> dict[str, str | int | float | bool | None]:
    """Return a method's parameters for people to read; arrays and the like as their short text."""
    if not dataclasses.is_dataclass(method):
        return {}
    values = {f.name: getattr(method, f.name) for f in dataclasses.fields(method) if f.name not in FILLED_IN}
    plain = (bool, int, str, type(None))
    return {
        name: v if isinstance(v, plain) or (isinstance(v, float) and math.isfinite(v)) else f"{v!r:.80}"
        for name, v in values.items()
    }


def _encoded_method(method: Any, arrays: dict[str, Any]) -> Any:
    """Return the method, or None where it is of another package's, or holds a function."""
    try:
        return encoded(method, arrays)
    except ParameterError:
        return None


def _decoded_method(header: dict[str, Any], arrays: dict[str, Any]) -> Any:
    told = header["factorizer"]
    if isinstance(told, dict) and told.get("$") == "method" and told.get("name") not in METHODS:
        return None
    return decoded(told, arrays)


def _numpy_version() -> str:
    import numpy as np

    return np.__version__
