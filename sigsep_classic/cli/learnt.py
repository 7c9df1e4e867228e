"""What is learnt or read once in a run, and used for all its files: methods with templates, saved models."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sigsep_classic.api import load_examples, taught
from sigsep_classic.backend import device_of, to_device
from sigsep_classic.storage import SavedModel, load_model

if TYPE_CHECKING:
    from sigsep_classic.cli.work import Settings

_taught: dict[tuple[str, int], Any] = {}


@lru_cache(maxsize=1)
def saved_model(path: str, run: str) -> SavedModel:
    """Return a saved model, read once in a run."""
    return load_model(path)


def taught_method(settings: Settings, rate: int, x: Any) -> Any:
    """Return the method for samples like x; with examples, as taught by them, once for each sample rate of a run."""
    if not settings.examples:
        return settings.method
    key = (settings.run, rate)
    if key not in _taught:
        for old in [known for known in _taught if known[0] != settings.run]:
            del _taught[old]
        # What the reader says of them is logged, and so kept among the warnings of this file.
        sounds, _ = load_examples(settings.examples, rate, allow_any_codec=settings.allow_any_codec)
        like = to_device(x, settings.device)
        with device_of(like):
            _taught[key] = taught(settings.method, sounds, rate, frontend=settings.frontend(rate), like=like)
    return _taught[key]
