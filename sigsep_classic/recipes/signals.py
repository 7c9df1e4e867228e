"""A model whose parts are signals: what a recipe of several transforms gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from sigsep_classic.backend import namespace
from sigsep_classic.errors import ShapeError
from sigsep_classic.factorizers.models import Groups, check_groups
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class SignalModel:
    """Stems found as signals, on the `Waveform` front-end: no other transform holds them all.

    A recipe returns it from ``fit_samples`` together with ``Waveform()``.

    Parameters
    ----------
    signals : array (stems, channels, samples)
        float32 or float64, at the level of the samples the recipe was given. They add up to the mixture, unless
        ``residual`` is set.
    names : tuple of str
        One for each signal.
    residual : bool
        What the signals leave over becomes a stem of that name.
    extra : dict
        What else the recipe found (masks, cues, models of its parts), by name.

    Raises
    ------
    ShapeError
        ``signals`` has not three axes, or not one signal a name.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.ones((2, 8))
    >>> model = SignalModel.of({"low": 0.25 * x, "high": 0.75 * x})
    >>> model.names, model.reconstruct({"all": [0, 1]}).shape
    (('low', 'high'), (1, 2, 1, 8))
    """

    signals: Array
    names: tuple[str, ...]
    residual: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()

    estimates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.signals.ndim != 3 or len(self.signals) != len(self.names):
            raise ShapeError(
                f"signals have shape {self.signals.shape}; expected ({len(self.names)}, channels, samples), one a name"
            )

    @classmethod
    def of(cls, stems: Mapping[str, Array], **more: Any) -> Self:
        """Return the model of stems by name, each (channels, samples); ``more`` are its other fields."""
        signals = list(stems.values())
        return cls(signals=namespace(signals[0]).stack(signals), names=tuple(stems), **more)

    @property
    def n_components(self) -> int:
        """Number of stems."""
        return len(self.names)

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the sum of the signals of each group, (groups, channels, 1, samples); a view without groups."""
        members = list(check_groups(groups, self.names).values())
        if members == [[k] for k in range(self.n_components)]:
            return self.signals[:, :, None, :]
        xp = namespace(self.signals)
        return xp.stack([self.signals[group].sum(axis=0)[:, None, :] for group in members])
