"""Fixtures every test file can use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.register_assert_rewrite("sigsep_classic.testing")

from sigsep_classic.kernels.jit import enabled  # noqa: E402
from tests.emulation.emulator import emulated  # noqa: E402


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out of a run what another of ``make test`` covers.

    The fast set runs the CUDA twins in single precision, and in double with the threads backwards; the other
    two of the four are slow. No CUDA twin is run again where numba's compiler is switched off.

    What takes longest comes first, so that no process is left with it when the others are done.
    """
    items.sort(key=lambda item: not any(mark.kwargs.get("first") for mark in item.iter_markers("slow")))
    kept, left_out = [], []
    for item in items:
        values = {str(v) for v in getattr(getattr(item, "callspec", None), "params", {}).values()}
        fixtures = getattr(item, "fixturenames", ())
        of_a_gpu = {"cuda", "cuda-backwards"} & values or {"emulated_gpu", "nvrtc"} & {*fixtures}
        backwards = "cuda-backwards" in values or ("emulated_gpu" in fixtures and "True" in values)
        if of_a_gpu and ("float32" if backwards else "float64") in values:
            item.add_marker(pytest.mark.slow)
        (left_out if of_a_gpu and not enabled() else kept).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


@pytest.fixture(params=[False, True], ids=["forwards", "backwards"])
def emulated_gpu(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Kernels take their CUDA twin, run on the CPU; threads in both orders, so that races show."""
    with emulated(backwards=request.param) as emulator:
        yield emulator
