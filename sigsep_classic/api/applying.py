"""What was learnt from one recording, used on another."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import numpy as np

from sigsep_classic import audio
from sigsep_classic.api.separating import _like, _regrouped, read, samples_on
from sigsep_classic.backend import device_of, from_foreign, namespace
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.pipeline import Groups, level, stems_of
from sigsep_classic.separation import Separation
from sigsep_classic.storage import SavedModel, load_model
from sigsep_classic.storage.models import as_saved, check_applies
from sigsep_classic.storage.values import on_device_of
from sigsep_classic.typing import FrontEnd


def apply(
    model: Any,
    source: Any,
    sample_rate: int | None = None,
    *,
    frontend: FrontEnd | None = None,
    mask: str | None = None,
    phase: str | None = None,
    groups: Groups = None,
    n_sources: int | None = None,
    device: str | None = None,
) -> Separation:
    """Return the stems of a recording by a model that was fitted to another.

    Demixing and dereverberation filters are applied as they are: for another recording of the same scene. Templates
    and atoms stay, and when they sound is found anew.

    Parameters
    ----------
    model : SavedModel, Separation, model, str or path
        What `load_model`, `separate` or a method's ``fit`` has returned, or the file of a saved model.
    source, sample_rate
        As for `separate`. The rate must be the model's; a file is resampled to it if ``sample_rate`` says so.
    frontend : FrontEnd, optional
        What the model was found on, where it does not know itself.
    mask, phase : str, optional
        As for `separate`; default: as for the recording that the model is of.
    groups, n_sources : optional
        As for `separate`; default: the stems of the recording that the model is of.
    device : str, optional
        As for `separate`.

    Returns
    -------
    Separation
        Stems of the length, channels, dtype and array kind of the input.

    Raises
    ------
    ParameterError
        What the method finds holds for its own recording only, or the rate is another.
    ShapeError
        The recording has another number of channels than the model's.
    AudioError
        A file can't be read.

    Examples
    --------
    >>> import numpy as np
    >>> from sigsep_classic import NMF, separate
    >>> rng = np.random.default_rng(0)
    >>> first = separate(rng.standard_normal(8000), 8000, method=NMF(n_components=2, n_iter=3))
    >>> list(apply(first, rng.standard_normal(4000), 8000)) == list(first)
    True
    """
    saved = load_model(model) if isinstance(model, (str, os.PathLike)) else as_saved(model)
    check_applies(saved.model, saved.method_name)
    frontend = saved.frontend if frontend is None else frontend
    if frontend is None:
        raise ParameterError(
            "the model does not know its front-end; give frontend=STFT(...), the one it was found on"
        )
    given, sample_rate, track, info = read(source, sample_rate)
    _check_rate(saved, sample_rate, track)
    checked = audio.check_samples(from_foreign(given), host=False)
    x = samples_on(checked, device)
    with device_of(x):
        found = _applied(on_device_of(saved.model, x), frontend.analyze(x / x.dtype.type(level(x))))
        if groups is None and n_sources is None:
            groups = saved.groups
        mask, phase = mask or saved.mask, phase or saved.phase
        grouped = partial(stems_of, found, x, sample_rate, frontend)
        stems, members = grouped(mask=mask, phase=phase, groups=groups, n_sources=n_sources)
    info["device"] = "cpu" if namespace(x) is np else "cuda"
    return Separation(
        stems={name: _like(stem, given) for name, stem in stems.items()},
        mixture=_like(checked, given),
        sample_rate=sample_rate,
        model=found,
        method=saved.method,
        frontend=frontend,
        groups=members,
        mask=mask,
        phase=phase,
        grouped=partial(_regrouped, grouped, x, given),
        track=track,
        info=info,
    )


def _check_rate(saved: SavedModel, sample_rate: int, track: str) -> None:
    if saved.sample_rate is not None and saved.sample_rate != sample_rate:
        raise ParameterError(
            f"{track} has {sample_rate} Hz and the model is of {saved.sample_rate} Hz; resample it, or say "
            f"sample_rate={saved.sample_rate} with a file"
        )


def _applied(model: Any, X: Any) -> Any:
    """Return the model of other frames X (channels, freq, frames), checked to be of as many channels and bins."""
    known: Any = None
    if hasattr(model, "A") or hasattr(model, "G"):  # one filter for each channel and frequency
        known = tuple(model.mixture.shape[:2])
    elif hasattr(model, "Q"):
        known = (len(model.Q), len(model.W))
    if known is not None and known != tuple(X.shape[:2]):
        there = f"the recording has {len(X)} and {X.shape[1]}"
        raise ShapeError(f"the model is of {known[0]} channels and {known[1]} frequencies; {there}")
    return model.apply(X)
