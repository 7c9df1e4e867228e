"""Fixtures every test file can use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulation.emulator import emulated


@pytest.fixture(params=[False, True], ids=["forwards", "backwards"])
def emulated_gpu(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Kernels take their CUDA twin, run on the CPU; threads in both orders, so that races show."""
    with emulated(backwards=request.param) as emulator:
        yield emulator
