"""What a factorizer found in one mixture: the few kinds of model all methods share."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.errors import ParameterError
from sigsep_classic.kernels.layout import dense_alike, frames_first
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

Groups = Mapping[str, Sequence[int]]
"""Stem names with the indices of the components each is the sum of."""

_STEEP, _BLOCK = 8.0, 64


@runtime_checkable
class Model(Protocol):
    """Parameters found in one mixture, and what they say about its parts.

    Attributes
    ----------
    n_components : int
        How many parts the model has before grouping.
    names : tuple of str
        Their names; the stems, where nothing is grouped.
    power : float
        Real models: the exponent on magnitudes of the domain `reconstruct` answers in (1 magnitude, 2 power).
    losses : tuple of (int, float)
        Iteration number and loss, where the method has one.
    """

    @property
    def n_components(self) -> int: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def power(self) -> float: ...
    @property
    def losses(self) -> tuple[tuple[int, float], ...]: ...

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return (groups, channels, freq, frames): complex estimates, or spectrograms that want a mask."""


class ComponentModel(Model, Protocol):
    """A model of many components, which want to be grouped into stems.

    Attributes
    ----------
    spectra : array (freq, components)
        Non-negative magnitude spectrum of each component, by which timbres are compared. On another axis than
        the front-end's (atoms of a waveform) it runs evenly from 0 Hz to half the sample rate.
    energies : array (components,)
        How much of the mixture each component stands for.
    stems : mapping of str to sequence of int, or None
        The groups the model itself suggests (supervised templates, phases shared by a source); None: by timbre.

    Notes
    -----
    A real model whose parts are signed samples, not spectrograms that want a mask, says ``estimates = True``;
    complex ones are taken so. One whose estimates leave something over says ``residual = True``: what no stem
    has then becomes the stem ``residual``.
    """

    @property
    def spectra(self) -> Array: ...
    @property
    def energies(self) -> Array: ...
    @property
    def stems(self) -> Groups | None: ...


def has_components(model: Any) -> bool:
    """Say whether a model's parts are components to be grouped (`ComponentModel`), not stems of their own."""
    return hasattr(type(model), "spectra")


def are_estimates(model: Any, parts: Array) -> bool:
    """Say whether a model's reconstruction is what a front-end synthesises, not a spectrogram that wants a mask."""
    return bool(getattr(model, "estimates", parts.dtype.kind == "c"))


def check_groups(groups: Any, names: Sequence[str]) -> dict[str, list[int]]:
    """Return groups as lists of valid indices; without any, one group a component.

    Parameters
    ----------
    groups : mapping of str to sequence of int or str, or None
        Stem names with component indices, or with names of the model's own stems.
    names : sequence of str
        Names of the model's components.

    Raises
    ------
    ParameterError
        There is no group, a stem name can't be a file name, or a component is unknown or in two groups.
    """
    if groups is None:
        return {name: [k] for k, name in enumerate(names)}
    if isinstance(groups, Mapping) and not groups:
        raise ParameterError("groups is empty; give at least one name with component indices")
    if not isinstance(groups, Mapping):
        raise ParameterError(f"groups is {groups!r}; give at least one name with component indices")
    result: dict[str, list[int]] = {}
    for name, members in groups.items():
        _check_stem_name(name, result)
        if isinstance(members, (str, bytes)) or not hasattr(members, "__iter__"):
            raise ParameterError(f"groups[{name!r}] is {members!r}; give a list of component indices")
        result[name] = [_component(member, names) for member in members]
    flat = [k for members in result.values() for k in members]
    for k in flat:
        if flat.count(k) > 1:
            raise ParameterError(f"groups has component {k} twice; a component belongs to one stem")
    return result


def _check_stem_name(name: Any, taken: Mapping[str, Any]) -> None:
    if not isinstance(name, str) or not name.strip(". ") or set(name) & set("/\\\0"):
        raise ParameterError(f"{name!r} is no stem name; give text that can name a file")
    if name.casefold() in (other.casefold() for other in taken):
        raise ParameterError(f"stem names {name!r} differ in case alone; files of that name would collide")


def _component(member: Any, names: Sequence[str]) -> int:
    if isinstance(member, str) and member in names:
        return list(names).index(member)
    if isinstance(member, (bool, np.bool_)) or not hasattr(member, "__index__"):
        raise ParameterError(
            f"groups names {member!r}; components are whole numbers, or of {', '.join(names[:6])}"
        )
    if not 0 <= operator.index(member) < len(names):
        raise ParameterError(f"groups names component {member}; the model has 0 … {len(names) - 1}")
    return operator.index(member)


def source_names(n: int) -> tuple[str, ...]:
    """Return ``source1 …``."""
    return tuple(f"source{k + 1}" for k in range(n))


def component_names(n: int) -> tuple[str, ...]:
    """Return ``component1 …``."""
    return tuple(f"component{k + 1}" for k in range(n))


@dataclass(frozen=True, kw_only=True)
class MaskModel:
    """A partition of the spectrogram: gains per stem that sum to one, kept for all stems but the last.

    Parameters
    ----------
    masks : array (stems - 1, channels or 1, freq, frames)
        Gains in [0, 1]; what they leave of one is the last stem's.
    magnitude : array (channels, freq, frames)
        Magnitude spectrogram of the mixture.
    names : tuple of str
        Stem names, one more than there are masks.
    extra : dict
        What else the method found (a period, similar frames, medians), by name.
    """

    masks: Array
    magnitude: Array
    names: tuple[str, ...]
    extra: dict[str, Array] = field(default_factory=dict)
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()

    @property
    def n_components(self) -> int:
        """Number of stems."""
        return len(self.names)

    def gain(self, members: Sequence[int]) -> Array:
        """Return the gain of the stems ``members`` together, (channels or 1, freq, frames); a view for one mask."""
        xp, last, shape = namespace(self.masks), len(self.masks), self.masks.shape[1:]
        inside = [k for k in range(last) if k in members]
        outside = [k for k in range(last) if k not in members]
        if last not in members:
            if len(inside) == 1:
                return self.masks[inside[0]]
            return self.masks[inside].sum(axis=0)
        return 1 - self.masks[outside].sum(axis=0) if outside else xp.ones(shape, dtype=self.masks.dtype)

    def gains(self, groups: Groups | None = None) -> Array:
        """Return the gains of each group, (groups, channels or 1, freq, frames)."""
        wanted = check_groups(groups, self.names)
        return namespace(self.masks).stack([self.gain(members) for members in wanted.values()])

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the magnitude each group is given, (groups, channels, freq, frames)."""
        return self.gains(groups) * self.magnitude


class OfTemplates:
    """What models with templates W (freq, components) of magnitudes to a ``power`` tell alike."""

    W: Array
    power: float

    @property
    def n_components(self) -> int:
        """Number of components."""
        return int(self.W.shape[1])

    @property
    def names(self) -> tuple[str, ...]:
        """``component1 …``."""
        return component_names(self.n_components)

    @property
    def spectra(self) -> Array:
        """Templates as magnitudes, (freq, components)."""
        return self.W if self.power == 1 else self.W ** (1 / self.power)

    @property
    def stems(self) -> Groups | None:
        """None: nothing says which component belongs where."""
        return None


@dataclass(frozen=True, kw_only=True)
class LowRankModel(OfTemplates):
    """V ≈ W H: templates times activations, one spectrogram for all channels.

    Parameters
    ----------
    W : array (freq, components)
        Non-negative templates.
    H : array (components, frames)
        Non-negative activations.
    power : float
        V is magnitude to this power.
    losses : tuple of (int, float)
        Iteration number and divergence.
    """

    W: Array
    H: Array
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()

    @property
    def energies(self) -> Array:
        """Sum of each component over all entries, (components,)."""
        return self.W.sum(axis=0) * self.H.sum(axis=1)

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return ``sum of W_k H_k`` over each group, (groups, 1, freq, frames), in the domain of V."""
        xp = namespace(self.W)
        wanted = check_groups(groups, self.names)
        with single_threaded_blas():  # the same bits whatever the number of threads
            return xp.stack([(self.W[:, members] @ self.H[members])[None] for members in wanted.values()])

    def normalized(self) -> Self:
        """Return the same model with templates that sum to one, their scale moved to the activations."""
        xp = namespace(self.W)
        sums = self.W.sum(axis=0)
        sums = xp.where(sums > 0, sums, 1)
        return replace(self, W=self.W / sums, H=self.H * sums[:, None])

    def sorted(self) -> Self:
        """Return the same model with components in falling order of energy."""
        order = np.argsort(-to_host(self.energies), kind="stable")
        return replace(self, W=self.W[:, order], H=self.H[order])


@dataclass(frozen=True, kw_only=True)
class DemixingModel:
    """Sources y = W x, and their images A[:, n] y_n at the microphones; one pair of matrices for all, or one a bin.

    Parameters
    ----------
    W : array (1 or freq, sources, channels)
        Demixing matrices, real or complex.
    A : array (1 or freq, channels, sources)
        How strongly each channel hears each source.
    mixture : array (channels, freq, frames)
        The coefficients X; kept, not copied.
    n_active : int
        The first so many sources share what all images leave of X; those after them are silent.
    residual : bool
        What the images leave of X is nobody's, and becomes a stem of that name.
    losses : tuple of (int, float)
        Iteration number and loss.
    converged : bool
        The search for W ended by itself, not because the iterations did.
    lengths : float64 array (freq, sources) or None
        How long the rows were on whitened data where a search bin by bin ended. Images do not tell, but losses that
        bins share depend on it: a warm start goes on from there.
    """

    W: Array
    A: Array
    mixture: Array
    n_active: int
    residual: bool = False
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()
    converged: bool = True
    lengths: Array | None = None

    estimates: ClassVar[bool] = True

    @property
    def n_components(self) -> int:
        """Number of sources."""
        return int(self.W.shape[1])

    @property
    def names(self) -> tuple[str, ...]:
        """``source1 …``."""
        return source_names(self.n_components)

    @property
    def sources(self) -> Array:
        """The sources y = W x, (sources, freq, frames)."""
        return _filtered(self.W, self.mixture)

    @property
    def steering(self) -> Array:
        """How each channel hears each source, up to a factor a bin: (1 or freq, channels, sources)."""
        return self.A

    def reordered(self, order: Sequence[int]) -> Self:
        """Return the model with its sources in another order, those that are silent where they are: at the end."""
        order = [*order, *range(len(order), self.n_components)]
        lengths = None if self.lengths is None else self.lengths[:, order]
        return replace(self, W=self.W[:, order], A=self.A[:, :, order], lengths=lengths)

    def apply(self, X: Array) -> Self:
        """Return the model of other frames X (channels, freq, frames) of the same scene."""
        return replace(self, mixture=X)

    def filters(self, groups: Groups | None = None) -> Array:
        """Return the matrices that take x to the image of each group, (groups, 1 or freq, channels, channels)."""
        xp = namespace(self.W)
        wanted = check_groups(groups, self.names)
        found = [self.A[..., members] @ self.W[:, members] for members in wanted.values()]
        if not self.residual:
            rest = (xp.eye(self.W.shape[-1], dtype=self.W.dtype) - self.A @ self.W) / self.n_active
            active = [sum(n < self.n_active for n in members) for members in wanted.values()]
            found = [part + count * rest for part, count in zip(found, active, strict=True)]
        return xp.stack(found)

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the image of each group, (groups, channels, freq, frames), in the dtype of X."""
        return namespace(self.W).stack([_filtered(part, self.mixture) for part in self.filters(groups)])


def _filtered_bins(matrices: Array, x: Array) -> Array:
    """Return matrices times x (freq, channels, frames); double precision where entries are large and terms cancel."""
    Y = matrices.astype(x.dtype) @ x
    if matrices.dtype != x.dtype:
        steep = to_host(abs(matrices).max(axis=(1, 2)) > _STEEP).nonzero()[0]
        for f in range(0, len(steep), _BLOCK):
            bins = steep[f : f + _BLOCK]
            Y[bins] = matrices[bins] @ x[bins]
    return Y


def _filtered(matrices: Array, X: Array) -> Array:
    """Return matrices (1 or freq, rows, channels) times X (channels, freq, frames), in the dtype of X."""
    xp = namespace(X)
    with single_threaded_blas():
        if len(matrices) > 1:
            return _filtered_bins(matrices, X.swapaxes(0, 1)).swapaxes(0, 1)
        turned = frames_first(X)
        (X,) = dense_alike(X)
        real = xp.finfo(X.dtype).dtype
        inside = X.swapaxes(-1, -2) if turned else X
        if matrices.dtype.kind == "c":
            Y = matrices[0].astype(X.dtype) @ inside.reshape(len(X), -1)
        else:  # a real matrix meets real and imaginary parts alike
            Y = (matrices[0].astype(real) @ inside.reshape(len(X), -1).view(real)).view(X.dtype)
    Y = Y.reshape(-1, *inside.shape[1:])
    return Y.swapaxes(-1, -2) if turned else Y
