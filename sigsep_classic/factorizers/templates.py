"""Named templates: what is known of some sources before the mixture is seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sigsep_classic.backend import to_host
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.base import check_example
from sigsep_classic.typing import Array

REST = "rest"
"""Stem of the components that no template stands for."""


class Templates(Mapping[str, np.ndarray]):
    """Arrays (freq, components) by the name of the source they are templates of.

    Read-only, kept on the host, equal if all names and numbers are: hyper-parameters are values.

    Parameters
    ----------
    given : mapping of str to array (freq, components)
        Non-negative, finite, at least one column each, all with the same number of bins.

    Raises
    ------
    ParameterError
        There is no template, a name is ``rest``, or an entry is negative or not finite.
    ShapeError
        An array has not two axes, or another number of bins than the others.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        if not isinstance(given, Mapping) or not given:
            raise ParameterError(f"templates is {given!r}; give names with arrays (freq, components)")
        self._arrays = {
            name: checked(name, value, expected="(freq, components)") for name, value in given.items()
        }
        bins = {name: len(array) for name, array in self._arrays.items()}
        if len(set(bins.values())) > 1:
            raise ShapeError(f"templates have different numbers of bins: {bins}")

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Templates)
            and list(self) == list(other)
            and all(np.array_equal(self[name], other[name]) for name in self)
        )

    def __hash__(self) -> int:
        return hash(tuple((name, array.shape, array.tobytes()) for name, array in self.items()))

    def __deepcopy__(self, memo: Any) -> Templates:
        return self

    def __repr__(self) -> str:
        return f"Templates({', '.join(f'{name}: {array.shape}' for name, array in self.items())})"

    @property
    def W(self) -> np.ndarray:
        """All templates side by side, (freq, components)."""
        return np.concatenate(list(self.values()), axis=1)

    def on(self, n_freq: int) -> np.ndarray:
        """Return all templates, (n_freq, components), each with the sum one.

        Raises
        ------
        ShapeError
            They have another number of bins.
        """
        W = self.W
        if len(W) != n_freq:
            raise ShapeError(
                f"templates have {len(W)} bins, X has {n_freq}; learn them through the front-end of the mixture"
            )
        sums = W.sum(axis=0)
        return W / np.where(sums > 0, sums, 1)


def stems_of(counts: Mapping[str, int], n_free: int) -> dict[str, list[int]]:
    """Return the stems of components that come in blocks by name, the free ones last under ``rest``."""
    stems, first = {}, 0
    for name, count in {**counts, REST: n_free}.items():
        if count:
            stems[name] = list(range(first, first + count))
        first += count
    return stems


def taught(templates: Mapping[str, Array] | None, learner: Any, examples: Mapping[str, Array]) -> Templates:
    """Return ``templates`` with those that ``learner`` finds in recordings of single sources, one fit each.

    Raises
    ------
    ParameterError
        An example is silent, or has other axes than (channels, freq, frames).
    """
    for name, X in examples.items():
        check_example(name, X)
    return Templates({**(templates or {}), **{name: learner.fit(X).W for name, X in examples.items()}})


def checked(name: Any, value: Any, *, expected: str, axes: tuple[int, ...] = (2,)) -> np.ndarray:
    """Return templates of one source as a float64 array of its own, read-only.

    Parameters
    ----------
    name : str
        Of the source.
    value : array
        Non-negative, finite.
    expected : str
        Its axes, for messages.
    axes : tuple of int
        How many axes there may be.
    """
    if not isinstance(name, str) or name == REST:
        raise ParameterError(
            f"templates: {name!r} can't name a source; {REST!r} is what no template stands for"
        )
    try:
        array = np.array(to_host(value), dtype=np.float64)
    except (ValueError, TypeError):
        raise ParameterError(f"templates[{name!r}] is {value!r}; give an array {expected}") from None
    if array.ndim not in axes or 0 in array.shape:
        raise ShapeError(f"templates[{name!r}] has shape {array.shape}; expected {expected}")
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise ParameterError(f"templates[{name!r}] has negative or infinite entries")
    array.flags.writeable = False
    return array
