"""Models of components that are not W H: grouped, synthesised and left over as their kind says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import STFT, Waveform, grouping
from sigsep_classic.factorizers.models import check_groups, component_names, has_components
from sigsep_classic.pipeline import separate_array, told
from sigsep_classic.typing import Grid

GRID = Grid(frame_rate=100.0, bin_hz=50.0)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Components kept whole: what `ComponentModel` asks for and no more."""

    parts: Any
    stems: Any = None
    residual: bool = False
    estimates: bool = True
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()

    @property
    def n_components(self):
        return len(self.parts)

    @property
    def names(self):
        return component_names(len(self.parts))

    @property
    def spectra(self):
        return abs(self.parts).sum(axis=(1, 3)).T

    @property
    def energies(self):
        return abs(self.parts).sum(axis=(1, 2, 3))

    def reconstruct(self, groups=None):
        return np.stack([self.parts[k].sum(axis=0) for k in check_groups(groups, self.names).values()])


@dataclass(frozen=True, kw_only=True)
class Method:
    """Shares of X as components."""

    shares: tuple[float, ...] = (0.5, 0.3, 0.1)
    stems: Any = None
    residual: bool = False
    grid: Grid | None = None
    frontend: Any = None
    name: ClassVar[str] = "shares"

    def fit(self, X, *, callback=None):
        assert self.grid is not None
        assert self.frontend is not None
        parts = np.stack([share * X for share in self.shares])
        return Parts(parts=parts, stems=self.stems, residual=self.residual)


def signal():
    return np.random.default_rng(0).standard_normal((2, 600))


@pytest.mark.parametrize("frontend", [STFT(n_fft=64), Waveform()])
def test_estimates_are_synthesised_and_what_they_leave_over_is_a_stem(frontend):
    x = signal()
    groups = {"a": [0, 2], "b": [1]}
    sep = separate_array(x, 8000, Method(stems=groups, residual=True), frontend=frontend)
    assert list(sep) == ["a", "b", "residual"]
    for name, share in {"a": 0.6, "b": 0.3, "residual": 0.1}.items():
        assert_allclose(sep[name], share * x, atol=1e-12)


def test_components_a_group_leaves_out_are_no_residual():
    sep = separate_array(signal(), 8000, Method(residual=True), groups={"a": [0]})
    assert list(sep) == ["a"]


def test_a_number_of_sources_overrides_the_groups_a_model_suggests():
    sep = separate_array(signal(), 8000, Method(stems={"all": [0, 1, 2]}), n_sources=2)
    assert list(sep) == ["source1", "source2"]


def test_a_method_is_told_what_it_asks_for_and_no_more():
    method = told(Method(), grid=GRID, frontend="given", other=1)
    assert (method.grid, method.frontend) == (GRID, "given")
    assert told(method, grid=None, frontend="other") is method


def test_models_say_whether_they_have_components():
    assert has_components(Parts(parts=np.ones((1, 1, 2, 2))))
    assert not has_components(object())


def complex_parts(rng):
    """Four complex components of two stereo sources, and the sources."""
    parts = rng.standard_normal((4, 2, 33, 20, 2)) @ [1, 1j]
    return parts, {"one": parts[[0, 3]].sum(axis=0), "two": parts[[1, 2]].sum(axis=0)}


def test_estimates_go_to_the_reference_whose_error_they_lower():
    parts, references = complex_parts(np.random.default_rng(1))
    assert grouping.by_reference(Parts(parts=parts), references) == {"one": [0, 3], "two": [1, 2]}


def test_stereo_spectrograms_go_to_the_reference_they_overlap():
    parts, _ = complex_parts(np.random.default_rng(2))
    parts = abs(parts)
    parts[[0, 3], 0] *= 0.01  # panned to the right
    parts[[1, 2], 1] *= 0.01
    references = {"right": parts[[0, 3]].sum(axis=0), "left": parts[[1, 2]].sum(axis=0)}
    assert grouping.by_reference(Parts(parts=parts, estimates=False), references) == {
        "right": [0, 3],
        "left": [1, 2],
    }


def test_complex_components_are_told_apart_by_shape():
    parts = np.full((2, 1, 40, 60), 1e-3, complex)
    parts[0, :, 10] = 1j
    parts[1, :, :, 30] = -1
    assert grouping.harmonic_percussive(Parts(parts=parts), GRID) == {"harmonic": [0], "percussive": [1]}


def test_spectra_of_waveform_atoms_are_compared_up_to_half_the_sample_rate():
    bins = np.arange(65)[:, None, None]
    parts = np.exp(-0.5 * ((bins - np.array([8, 50, 9, 51])) / 4) ** 2)[None].transpose(3, 0, 1, 2)
    groups = grouping.by_timbre(Parts(parts=parts), Grid(frame_rate=8000.0, bin_hz=0.0), n_groups=2)
    assert sorted(groups.values()) == [[0, 2], [1, 3]]
