"""Public packages the tests compare with, where they can be used."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.peers import MissingPeerError, museval_metrics
from sigsep_classic.kernels.jit import enabled


def librosa_or_skip() -> Any:
    """Return librosa; its own compiled parts do not work under ``NUMBA_DISABLE_JIT``."""
    if not enabled():
        pytest.skip("NUMBA_DISABLE_JIT is set: librosa's universal functions do not compile")
    return pytest.importorskip("librosa")


def museval_or_skip() -> Any:
    """Return museval's metrics, or skip; see `benchmarks.peers`."""
    try:
        return museval_metrics()
    except MissingPeerError as error:
        pytest.skip(str(error))
