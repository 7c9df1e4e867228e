"""The method that CONTRIBUTING.md adds in one file is a method: it runs and keeps every promise."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import sigsep_classic as ssc
from sigsep_classic.testing import check_method

ROOT = Path(__file__).parent.parent


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the page's Python block as the file it says it is."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.DOTALL)
    path = tmp_path / "high_low_pass.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("high_low_pass", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "high_low_pass", module)
    spec.loader.exec_module(module)
    return module


def test_the_method_of_contributing_separates(example: ModuleType) -> None:
    rate, time = 8000, np.arange(8000) / 8000
    low, high = np.sin(2 * np.pi * 200 * time), np.sin(2 * np.pi * 2000 * time)
    sep = ssc.separate(low + high, rate, method=example.HighLowPass(cutoff=700))
    assert list(sep) == ["low", "high"]
    assert np.abs(sep["low"] - low)[800:-800].max() < 0.01


def test_the_method_of_contributing_keeps_the_promises(example: ModuleType) -> None:
    check_method(example.HighLowPass(cutoff=700))
