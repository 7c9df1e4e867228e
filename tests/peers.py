"""Public packages the tests compare with, where they can be used."""

from __future__ import annotations

from typing import Any

import pytest

from sigsep_classic.kernels.jit import enabled


def librosa_or_skip() -> Any:
    """Return librosa; its own compiled parts do not work under ``NUMBA_DISABLE_JIT``."""
    if not enabled():
        pytest.skip("NUMBA_DISABLE_JIT is set: librosa's universal functions do not compile")
    return pytest.importorskip("librosa")
