"""What was learnt from one recording, used on another."""

from __future__ import annotations

import os
from typing import Any

from sigsep_classic import audio
from sigsep_classic.api.ends import given_back, placed, read
from sigsep_classic.backend import from_foreign, to_host
from sigsep_classic.errors import ParameterError
from sigsep_classic.memory import memory_bytes
from sigsep_classic.separation import Separation
from sigsep_classic.storage import SavedModel, load_model
from sigsep_classic.storage.models import as_saved, check_applies
from sigsep_classic.streaming.applying import Application, asked
from sigsep_classic.synthesis import Groups
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
    memory_limit: str | int | None = None,
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
    device, memory_limit : optional
        As for `separate`: what would take more goes block by block.

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
    OutOfMemoryError
        A mask or phases that need all frames do not fit into ``memory_limit``.
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
    limit = memory_bytes(memory_limit)
    given, sample_rate, track, info = read(source, sample_rate)
    check_rate(saved, sample_rate, track)
    checked = audio.check_samples(from_foreign(given), host=False)
    request, learnt = asked(saved, frontend, mask=mask, phase=phase, groups=groups, n_sources=n_sources)
    x, where = placed(checked, device)
    application = Application(x=x, sample_rate=sample_rate, request=request, learnt=learnt)
    sep, facts = application.planned(where, limit)
    mixture = to_host(checked) if facts["device"] == "cpu" else checked
    return given_back(sep, given, track=track, info={**info, **facts}, mixture=mixture)


def check_rate(saved: SavedModel, sample_rate: int, track: str) -> None:
    """Refuse a recording of another rate than the model's."""
    if saved.sample_rate is not None and saved.sample_rate != sample_rate:
        raise ParameterError(
            f"{track} has {sample_rate} Hz and the model is of {saved.sample_rate} Hz; resample it, or say "
            f"sample_rate={saved.sample_rate} with a file"
        )
