"""What importing the package and asking for help does not load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("numpy", "scipy", "numba", "librosa", "sklearn", "soundfile", "soxr", "cupy", "matplotlib")


def loaded(code: str) -> set[str]:
    """Return the modules a fresh Python has after running ``code``."""
    code += "\nimport sys; sys.stdout = sys.stderr; print(' '.join(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stderr.split())


def test_importing_the_package_loads_nothing_heavy_not_even_typing() -> None:
    assert loaded("import sigsep_classic").isdisjoint({*HEAVY, "typing", "argparse"})


def test_listing_what_the_package_has_loads_nothing_heavy() -> None:
    assert loaded("import sigsep_classic; dir(sigsep_classic)").isdisjoint(HEAVY)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["-h", "-q"]])
def test_help_and_version_load_neither_argparse_nor_anything_heavy(words: list[str]) -> None:
    modules = loaded(f"from sigsep_classic.cli.main import main; main({words})")
    assert modules.isdisjoint({*HEAVY, "typing", "argparse", "signal"})


@pytest.mark.parametrize(
    "verb",
    ["separate", "evaluate", "benchmark", "compare", "oracle", "check-dataset", "info", "plot", "demo"],
)
def test_help_of_a_verb_loads_nothing_heavy(verb: str) -> None:
    modules = loaded(f"from sigsep_classic.cli.main import main; main(['{verb}', '--help'])")
    assert "argparse" in modules
    assert modules.isdisjoint({*HEAVY, "dataclasses"})


def test_the_names_of_methods_are_known_without_loading_any() -> None:
    code = "from sigsep_classic.factorizers import METHODS; assert 'hpss' in METHODS.built_in"
    assert loaded(code).isdisjoint(HEAVY)


@pytest.mark.slow
def test_separating_loads_no_clustering_no_plots_and_no_signal_toolbox() -> None:
    code = "import numpy as np, sigsep_classic as s; s.separate(np.ones(4000), 8000)"
    assert loaded(code).isdisjoint({"sklearn", "scipy.signal", "librosa", "matplotlib"})


@pytest.mark.slow
def test_arrays_are_separated_where_there_is_no_library_of_sound_files() -> None:
    code = """
import sys
for name in ("soundfile", "soxr", "librosa", "av"):
    sys.modules[name] = None  # importing it raises ImportError
import numpy as np, sigsep_classic as s
x = np.random.default_rng(0).standard_normal((2, 4000)).astype("float32")
for method, parameters in {"hpss": {}, "nmf": {"n_components": 3, "n_iter": 5}, "auxiva": {"n_iter": 2}}.items():
    assert len(s.separate(x, 8000, method=method, device="cpu", **parameters)) >= 2
"""
    assert "sigsep_classic.audio.sndfile" not in loaded(code)
