"""Options of ``separate`` about models: to keep what was found, and to use it on other files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sigsep_classic.cli import parsing
from sigsep_classic.errors import ParameterError

if TYPE_CHECKING:
    from sigsep_classic.cli.inputs import Job

APPLIED = "nmf, ntf, nmfd, sparse_coding, ica, auxiva, ilrma, wpe …"
"""Some of the methods whose models can be applied to other recordings."""


def add_options(parser: parsing.Parser) -> None:
    """Add the options."""
    add = parser.add_argument_group("models").add_argument
    keep = (
        f"write what was found, for --apply-model: what {APPLIED} learn; {{track}} in it for several inputs; "
        "of a file beyond --memory-limit it is that of a sample of it, and methods without one are refused"
    )
    add("--save-model", metavar="FILE", default="", help=keep)
    use = "apply what --save-model wrote, in place of a method: templates to other music, filters to the same room"
    add("--apply-model", dest="model", metavar="FILE", default="", help=use)


def opened(path: str, given: dict[str, Any]) -> Any:
    """Return the method of a saved model, checked to be of use, with no option beside it that it decides itself.

    Raises
    ------
    ParameterError
        An option contradicts the model, or it holds for its own recording only.
    AudioError
        It can't be read.
    """
    from sigsep_classic.storage import load_model
    from sigsep_classic.storage.models import check_applies

    fixed = ["frontend", "n_fft", "hop", "window", "order", "positions", "example", "save_model"]
    for name in given:
        if name.startswith("parameter:") or (name in fixed and given[name]):
            option = name.removeprefix("parameter:").replace("_", "-")
            raise ParameterError(
                f"--{option} and --apply-model: a saved model is applied as it is; leave one out"
            )
    saved = load_model(path)
    check_applies(saved.model, f"{path}: {saved.method_name}")
    if saved.method is None:
        raise ParameterError(
            f"{path}: its method {saved.method_name} holds a function or is not installed; use "
            "sigsep_classic.apply in Python"
        )
    return saved.method


def check_kept(path: str, method: Any) -> None:
    """Refuse, before the work, to keep what is of no use for other recordings."""
    from sigsep_classic.refusals import models_of

    kinds = models_of(method)
    if path and kinds and not any(hasattr(kind, "apply") for kind in kinds):
        name = getattr(method, "name", type(method).__name__)
        raise ParameterError(
            f"--save-model: what {name} finds holds for its own recording only; models of {APPLIED} can be kept"
        )


def check_jobs(path: str, jobs: Sequence[Job]) -> None:
    """Refuse to write the models of several inputs into one file, and names that can't be made."""
    try:
        names = {path.format(track=job.track) for job in jobs}
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ParameterError(f"--save-model {path!r}: {error}; use {{track}}") from None
    if path and len(names) < len(jobs):
        raise ParameterError(
            f"--save-model {path!r} names one file for {len(jobs)} inputs; put {{track}} in it"
        )
