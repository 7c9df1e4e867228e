"""What of a request can be refused before any work is done: names, and what the class of a method tells of its models.

A method's class tells by the annotation of what its `fit` returns. Where that says nothing, the model is asked after
the fit, with the same words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_type_hints

from sigsep_classic import geometry, masking
from sigsep_classic.beamforming import FILTERS
from sigsep_classic.checks import check_choice, check_count
from sigsep_classic.errors import ParameterError
from sigsep_classic.frontends import STFT
from sigsep_classic.grouping import GROUPERS
from sigsep_classic.phase import PHASES
from sigsep_classic.typing import Grid

MASKS = (*masking.MASKS, *FILTERS)
"""Ways from a model's spectrograms to stems, by the name users type: gains, and filters over all channels."""


def check_request(
    method: Any,
    *,
    channels: int,
    grid: Grid | None,
    mask: str | None,
    groups: Any,
    n_sources: int | None,
    order: str | None,
    positions: Any,
) -> None:
    """Refuse what cannot come to a good end, before the work.

    Parameters
    ----------
    method : Factorizer
        With its parameters.
    channels : int
        Of the recording.
    grid : Grid or None
        Of the transform, where it is known.
    mask, groups, n_sources, order, positions
        As in `pipeline.separate_array`.

    Raises
    ------
    ParameterError, ShapeError
        One line each.
    """
    check_mask(mask, channels)
    check_groups_named(groups)
    check_order(order, positions, channels)
    if order in ("angle", "distance") and grid is not None:
        geometry.check_even(grid)
    if n_sources is not None:
        check_count("n_sources", n_sources)
    for kind in models_of(method):
        check_estimates(mask, estimates=getattr(kind, "estimates", False) is True)
        check_located(kind, order)
        if isinstance(groups, str) and not hasattr(kind, "spectra"):
            raise ParameterError(f"grouping {groups!r} is for components; this method has stems of its own")
        if groups is None and n_sources is not None and not hasattr(kind, "spectra"):
            raise ParameterError(NO_NUMBER)


NO_NUMBER = "n_sources needs a grouping that makes groups, such as groups='timbre'"


def models_of(method: Any) -> tuple[type, ...]:
    """Return the classes of models a method may return, as far as its annotations tell; none where they do not."""
    found: Any = None
    for name in ("fit", "finish"):
        try:
            found = get_type_hints(getattr(type(method), name)).get("return")
        except (AttributeError, NameError, TypeError):
            found = None
        if not isinstance(found, TypeVar):
            break
    return tuple(kind for kind in (get_args(found) or (found,)) if _tells(kind))


def _tells(kind: Any) -> bool:
    """Return whether an annotation says what a model has: `Any`, None and protocols do not."""
    return (
        isinstance(kind, type)
        and kind not in (Any, object, type(None))
        and not getattr(kind, "_is_protocol", False)
    )


def check_mask(mask: str | None, channels: int) -> None:
    """Refuse a mask that is unknown, and a filter over several channels where there is one."""
    if mask is not None and mask not in MASKS:
        raise ParameterError(f"mask {mask!r} is unknown; use one of {', '.join(MASKS)}")
    if mask in FILTERS and channels == 1:
        raise ParameterError(f"mask {mask!r} is a filter over several channels; this recording has one")


def check_phase(phase: str | None, mask: str | None, frontend: Any) -> None:
    """Refuse phases that are unknown, and others than the mixture's but on an STFT (None: not known yet)."""
    if phase is None or phase == "mixture":
        return
    check_choice("phase", phase, PHASES)
    if mask in FILTERS:
        raise ParameterError(f"phase {phase!r} is for masks; {mask!r} is a filter that has phases of its own")
    if frontend is not None and not isinstance(frontend, STFT):
        raise ParameterError(
            f"phase {phase!r} works on an STFT, not {type(frontend).__name__}; take frontend=STFT(...)"
        )


def check_rephased(phase: str, *, residual: bool) -> None:
    """Refuse phases that estimates cannot be given: they have some, which only misi and griffin_lim begin with."""
    if phase not in ("misi", "griffin_lim"):
        raise ParameterError(
            f"phase {phase!r} is for masks; these estimates have phases, which misi and griffin_lim start from"
        )
    if residual:
        raise ParameterError(
            f"phase {phase!r} is for stems that add up to the mixture; these leave a residual"
        )


def check_estimates(mask: str | None, *, estimates: bool) -> None:
    """Refuse gains made of spectrograms for models that make estimates themselves."""
    if estimates and mask is not None and mask not in FILTERS:
        raise ParameterError(
            f"mask {mask!r} is for spectrograms, as of nmf and hpss; this method makes its estimates itself, which "
            f"take {', '.join(FILTERS)}"
        )


def check_groups_named(groups: Any) -> None:
    """Refuse a grouping that is unknown, or no grouping at all."""
    if isinstance(groups, str) and groups not in GROUPERS:
        raise ParameterError(
            f"grouping {groups!r} is unknown; use one of {', '.join(GROUPERS)}, or a mapping"
        )
    if not (groups is None or isinstance(groups, (str, Mapping)) or callable(groups)):
        raise ParameterError(f"groups is {groups!r}; give at least one name with component indices")


def check_order(order: str | None, positions: Any, channels: int) -> None:
    """Refuse an order that is unknown or that one channel cannot tell, and positions that are of no use to it."""
    if order is not None:
        check_choice("order", order, geometry.ORDERS)
    if positions is not None:
        if order in (None, "energy"):
            raise ParameterError("positions need an order to be used for; give order='angle'")
        geometry.check_positions(positions, channels)
    if order in ("angle", "distance") and channels == 1:
        raise ParameterError(f"order {order!r} takes several microphones; this recording has one channel")


def check_located(model: Any, order: str | None) -> None:
    """Refuse an order for a model, or a class of models, whose sources have none."""
    if order is None:
        return
    if not hasattr(model, "reordered"):
        raise ParameterError(
            f"order {order!r} is for methods that tell where sources are, such as bss; this one does not"
        )
