"""Every method with drawn parameters on drawn sounds: an error of ours, or finite stems that add up to the sound."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sigsep_classic import METHODS, STFT, Waveform, separate
from sigsep_classic.cli.parameters import parameters_of
from sigsep_classic.errors import SigsepError
from sigsep_classic.factorizers.base import FILLED_IN
from tests.conformance.quick import QUICK
from tests.quiet import only_errors

RATE = 8000
FRONTENDS = (STFT(n_fft=64, hop=16), STFT(n_fft=30, hop=7), Waveform())

COSTLY = {
    "vocals",
    "drums",
    "four_stems",
    "speech_music_effects",
    "ensemble",
    "bss",
    "hpss_cascade",
    "simm",
    "melody",
}
"""Methods with a transform of their own, or many: a few examples."""

AT_MOST = {
    "n_iter": 3,
    "n_components": 4,
    "n_lags": 4,
    "n_shifts": 4,
    "n_sources": 3,
    "n_starts": 2,
    "n_sweeps": 2,
}
"""What is drawn from 0 to this, so that an example takes milliseconds."""


def examples(number: int) -> settings:
    """Return settings under which every run draws the same examples, and times are not judged."""
    return settings(
        max_examples=number,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Any:
    with only_errors():
        yield


@st.composite
def sounds(draw: st.DrawFn) -> np.ndarray:
    """Draw samples (channels, samples) or (samples,) of any level: noise, silence, steps, equal and silent channels."""
    channels, n_samples = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 15, 16, 200, 641]))
    x = np.random.default_rng(draw(st.integers(0, 9))).standard_normal((channels, n_samples))
    x *= draw(st.sampled_from([0.0, 1e-12, 1e-3, 0.3, 1.0, 1e6]))
    kind = draw(
        st.sampled_from(["noise", "noise", "equal", "one silent", "constant", "click", "half silent"])
    )
    if kind == "equal":
        x[:] = x[0]
    elif kind == "one silent":
        x[-1] = 0
    elif kind == "constant":
        x[:] = x[:, :1]
    elif kind == "click":
        x[:, 1:] = 0
    elif kind == "half silent":
        x[:, n_samples // 2 :] = 0
    x = x.astype(draw(st.sampled_from([np.float64, np.float32])))
    return x[0] if channels == 1 and draw(st.booleans()) else x


@st.composite
def methods(draw: st.DrawFn, name: str) -> tuple[Any, dict[str, Any]]:
    """Draw a method with some parameters changed, one in a while out of range; None where it refuses them."""
    kind = METHODS[name]
    chosen = dict(QUICK.get(name, {}))
    known = [p for p in parameters_of(kind) if p.name not in FILLED_IN]
    for parameter in (
        draw(st.lists(st.sampled_from(known), max_size=3, unique_by=lambda p: p.name)) if known else ()
    ):
        chosen[parameter.name] = draw(values(parameter, chosen))
    for field in dataclasses.fields(kind):
        if field.name in AT_MOST and field.name not in chosen and isinstance(field.default, int):
            chosen[field.name] = min(field.default, AT_MOST[field.name])
    try:
        return kind(**chosen), chosen
    except SigsepError as error:
        _check(error)
        return None, chosen


def _check(error: SigsepError) -> None:
    assert isinstance(error, ValueError | TypeError | ArithmeticError)
    assert "\n" not in str(error)


def values(parameter: Any, chosen: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return what to draw for a parameter, by its type and its documented choices."""
    name, default = parameter.name, parameter.default
    if parameter.choices:
        return st.sampled_from(list(parameter.choices))
    if isinstance(default, bool) or "bool" in parameter.type:
        return st.booleans()
    if name in AT_MOST:
        return st.integers(0, AT_MOST[name])
    if "int" in parameter.type:
        return st.one_of(st.integers(0, 5), st.just(default))
    if "float" in parameter.type:
        scale = abs(default) if isinstance(default, float | int) and default else 1.0
        return st.sampled_from([0.0, 0.5 * scale, scale, 2 * scale, 0.1, 1.0, 2.0, -1.0])
    return st.just(default)


def keeps_its_promise(name: str, data: st.DataObject) -> None:
    """Draw a method and a sound; check the error, or the stems."""
    method, chosen = data.draw(methods(name))
    if method is None:
        return
    x = data.draw(sounds())
    frontend = None if hasattr(method, "fit_samples") else data.draw(st.sampled_from(FRONTENDS))
    frozen = x.copy()
    frozen.flags.writeable = False
    groups = "timbre" if data.draw(st.booleans()) else None
    try:
        stems = separate(frozen, RATE, method=method, frontend=frontend, groups=groups).stems
    except SigsepError as error:
        _check(error)
        return
    assert np.array_equal(frozen, x)
    assert stems
    total = np.zeros(x.shape)
    for stem in stems.values():
        assert (stem.shape, stem.dtype) == (x.shape, x.dtype), chosen
        assert np.isfinite(stem).all(), chosen
        total += stem
    peak = np.abs(x).max()
    assert np.abs(total - x).max() <= 2e-6 * peak, (chosen, np.abs(total - x).max() / peak)


@pytest.mark.parametrize("name", ["hpss", "nmf", "mid_side"])
@examples(8)
@given(data=st.data())
def test_some_methods_keep_their_promise_for_drawn_parameters(name: str, data: st.DataObject) -> None:
    keeps_its_promise(name, data)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in METHODS if name not in COSTLY])
@examples(6)
@given(data=st.data())
def test_every_method_keeps_its_promise_for_drawn_parameters(name: str, data: st.DataObject) -> None:
    keeps_its_promise(name, data)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(COSTLY))
@examples(4)
@given(data=st.data())
def test_every_recipe_keeps_its_promise_for_drawn_sounds(name: str, data: st.DataObject) -> None:
    keeps_its_promise(name, data)
