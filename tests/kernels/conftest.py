"""The fixture that runs an operation in one of its twins and makes sure that it was that one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

from sigsep_classic.kernels.jit import enabled
from tests.emulation.emulator import emulated

LINES = {"numpy": "_numpy", "numba": "_cpu", "cuda": "_gpu", "cuda-backwards": "_gpu"}


class Twin:
    """Calls operations in one twin, with arguments that can't be written to.

    Attributes
    ----------
    name : str
        One of `LINES`.
    """

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch, emulator: Any) -> None:
        self.name, self.monkeypatch, self.emulator = name, monkeypatch, emulator

    def __call__(self, op: Callable[..., Any], *args: Any, launches: bool = True, **options: Any) -> Any:
        """Return ``op(*args, **options)``; with ``launches``, fail unless this twin alone computed it."""
        module = sys.modules[op.__module__]
        ran: list[str] = []
        arrays = [a for a in args if isinstance(a, np.ndarray)]
        before = [a.copy() for a in arrays]
        with self.monkeypatch.context() as patch:
            if self.name == "numpy":
                patch.setattr(module, "enabled", lambda: False)
            for line in sorted(set(LINES.values())):
                patch.setattr(module, line, _noting(getattr(module, line), line, ran))
            for a in arrays:
                a.flags.writeable = False
            result = op(*args, **options)
        for a, was in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(a, was)
        if launches:
            assert set(ran) == {LINES[self.name]}
            if self.emulator is not None:
                file = module.__name__.rpartition(".")[2]
                launched = {op for op, _ in self.emulator.launches}
                assert file in launched
                assert all(op.startswith(file) for op in launched)
        return result


def _noting(function: Callable[..., Any], name: str, ran: list[str]) -> Callable[..., Any]:
    def noting(*args: Any) -> Any:
        ran.append(name)
        return function(*args)

    return noting


@pytest.fixture(params=sorted(LINES))
def twin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twin]:
    """Each of the NumPy line, the numba twin and the CUDA twin (threads in both orders)."""
    name = request.param
    if name == "numba" and not enabled():
        pytest.skip("NUMBA_DISABLE_JIT is set")
    with emulated(backwards=name.endswith("backwards")) if "cuda" in name else nullcontext() as emulator:
        yield Twin(name, monkeypatch, emulator)


@pytest.fixture(params=["float32", "float64"])
def real(request: pytest.FixtureRequest) -> np.dtype:
    """Each of the two real types."""
    return np.dtype(request.param)


def in_order(V: np.ndarray, order: str) -> np.ndarray:
    """Return V laid out ``"C"``, ``"frames"`` (frame after frame, as the STFT writes it) or ``"strided"``."""
    if order == "frames":
        return np.ascontiguousarray(V.swapaxes(-1, -2)).swapaxes(-1, -2)
    if order == "strided":
        wide = np.zeros((*V.shape[:-1], 2 * V.shape[-1]), V.dtype)
        wide[..., ::2] = V
        return wide[..., ::2]
    return np.ascontiguousarray(V)


@pytest.fixture(params=["C", "frames", "strided"])
def order(request: pytest.FixtureRequest) -> str:
    """Each order in memory an array may come in."""
    return request.param


@pytest.fixture(autouse=True)
def _watched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at every access of kernels to memory in one of their four runs, a slow one (see ``tests/conftest.py``)."""
    values = {str(v) for v in getattr(getattr(request.node, "callspec", None), "params", {}).values()}
    if {"cuda-backwards", "float32"} <= values and "EMULATION_MODE" not in os.environ:
        monkeypatch.setenv("EMULATION_MODE", "watched")


@pytest.fixture
def use_threads(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the number of threads kernels use."""
    return lambda n: monkeypatch.setenv("SIGSEP_NUM_THREADS", str(n))
