"""Methods and public calls run end to end on what stands in for CuPy, and docs/gpu.md says what crosses the bus."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import METHODS, separate
from sigsep_classic.backend import to_host
from sigsep_classic.testing import FRONTENDS, assert_same
from tests.conformance.test_methods import VARIANTS, case_of
from tests.coverage_table import PAGE, page, table
from tests.emulation.compiling import compiler
from tests.emulation.strict import strict_cupy
from tests.emulation.strict.calls import CALLS, FRONTEND, RATE, flat, samples

pytestmark = pytest.mark.skipif(compiler() is None, reason="g++ not found: no CUDA emulation")

AMPLIFIED = {f"estimates by {name}": 1e-5 for name in ("mvdr", "mwf", "gev")}
"""Filters steered by estimates of as many sources as channels: covariances of rank one, rounding times 1e9."""


@pytest.fixture(autouse=True)
def _the_cpu_by_default(monkeypatch):
    monkeypatch.setenv("SIGSEP_DEVICE", "cpu")  # also where there is a GPU


def on_both(label: str, frontend: str, real: str) -> None:
    """Run a method on the stand-in and on the CPU."""
    case = case_of(label, frontend)
    x, options = case.signal(real), {"method": case.method, "frontend": FRONTENDS[frontend][0]}
    expected = separate(x, RATE, groups=case.groups, **options)
    with strict_cupy() as gpu:
        given = gpu.cupy.asarray(x)
        gpu.record.clear()
        found = separate(given, RATE, groups=case.groups, **options)
        assert all(type(stem) is gpu.cupy.ndarray for stem in found.values())
        on_host = found.replace(stems={name: to_host(stem) for name, stem in found.items()})
    assert_same(expected, on_host, within=1e-9 if real == "float64" else case.single)


@pytest.mark.parametrize("label", ["hpss", "repet", "nmf", "auxiva", "denoise"])
def test_methods_run_on_the_stand_in_and_agree_with_the_cpu(label):
    on_both(label, "stft", "float32")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("label", "frontend", "real"),
    [(m, "waveform", "float64") for m in METHODS.built_in] + [(v, "stft", "float32") for v in VARIANTS],
)
def test_all_methods_and_options_do_on_every_front_end(label, frontend, real):
    on_both(label, frontend, real)


def test_host_samples_go_up_once_and_stems_come_down_once():
    x = samples("float32")
    with strict_cupy() as gpu:
        sep = separate(x, RATE, method="hpss", frontend=FRONTEND, device="cuda")
        assert all(type(stem) is np.ndarray for stem in sep.values())
        large = [(t.way, t.n_bytes) for t in gpu.record.transfers if t.n_bytes >= x.nbytes]
    assert large == [("up", x.nbytes), ("down", x.nbytes), ("down", x.nbytes)]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n.startswith("order") else pytest.mark.slow) for n in CALLS]
)
def test_public_calls_give_on_the_stand_in_what_they_give_on_the_cpu(name):
    expected = flat(CALLS[name](np.array))
    with strict_cupy() as gpu:
        found = flat(CALLS[name](gpu.cupy.asarray))
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        top = np.max(abs(np.nan_to_num(theirs)), initial=1e-300)
        assert_allclose(ours, theirs, rtol=0, atol=AMPLIFIED.get(name, 1e-9) * top)


@pytest.mark.slow(first=True)
def test_the_page_says_of_every_method_what_runs_where():
    text = PAGE.read_text()
    assert page(text, table()) == text
    assert all(f"| {name} |" in text for name in METHODS.built_in)
