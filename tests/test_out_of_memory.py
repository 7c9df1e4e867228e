"""Memory that runs out: half the block, half of that, then the CPU, then one line; and somebody is told."""

from __future__ import annotations

import itertools
import logging
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import METHODS, backend, separate, separate_many
from sigsep_classic.backend import is_out_of_memory
from sigsep_classic.errors import OutOfMemoryError
from sigsep_classic.planning import Scene
from sigsep_classic.streaming import running
from sigsep_classic.streaming.running import Request, carried_out

RATE = 8000


class OutOfCudaMemory(MemoryError):
    """Stands for CuPy's error, which is a MemoryError too."""


@contextmanager
def memory_for(monkeypatch, n_samples, error=MemoryError):
    """Let every transform of more samples fail, and count them."""
    from sigsep_classic.frontends import STFT

    asked, analyze = [], STFT.analyze

    def limited(self, x):
        asked.append(x.shape[-1])
        if x.shape[-1] > n_samples:
            raise error("cannot allocate")
        return analyze(self, x)

    with monkeypatch.context() as patch:
        patch.setattr(STFT, "analyze", limited)
        yield asked


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).uniform(-0.5, 0.5, (2, 6 * RATE)).astype("float32")


def test_a_block_that_does_not_fit_is_halved_and_the_result_is_the_same(x, monkeypatch, caplog):
    method = METHODS["centre"]()
    whole = separate(x, RATE, method=method)
    with memory_for(monkeypatch, 2 * RATE) as asked, caplog.at_level(logging.WARNING, "sigsep_classic"):
        sep = separate(x, RATE, method=method, device="cpu")
    assert asked[0] > asked[-1]
    assert sep.info["plan"] == "blocks"
    assert sep.info["fell_back"] != []
    assert len([r for r in caplog.records if "out of memory" in r.getMessage()]) == 1
    for name, stem in whole.items():
        assert_allclose(sep[name], stem, rtol=0, atol=1e-6)


def test_what_fits_says_that_nothing_fell_back(x):
    info = separate(x, RATE, method="centre").info
    assert (info["plan"], info["fell_back"], info["device"]) == ("whole", [], "cpu")
    assert 0 < info["memory_estimate"] < info["memory_limit"]


def test_what_does_not_fit_at_all_is_one_line(x, monkeypatch):
    for name in ("centre", "repet"):
        with (
            memory_for(monkeypatch, 0),
            pytest.raises(OutOfMemoryError, match=f"out of memory: {name}") as found,
        ):
            separate(x, RATE, method=name)
        assert "\n" not in str(found.value)
        assert found.value.exit_code == 5


def test_a_full_gpu_is_left_for_the_cpu_after_halving(monkeypatch, caplog):
    scene = Scene(channels=2, n_samples=60 * RATE, sample_rate=RATE)
    tried, freed = [], []
    monkeypatch.setattr(running, "device_memory", lambda device: 2**33)
    monkeypatch.setattr(running, "free_device_memory", lambda: freed.append(1))

    def attempt(plan, device):
        tried.append((plan.kind, plan.largest, device))
        if device != "cpu":
            raise OutOfCudaMemory("Out of memory allocating 1 bytes")
        return "done"

    request = Request(method=METHODS["repet"]())
    with caplog.at_level(logging.WARNING, "sigsep_classic"):
        result, facts = carried_out(request, scene, attempt, device="cuda:1")
    assert result == "done"
    *on_gpu, last = tried
    assert last == ("whole", scene.n_samples, "cpu")
    assert [device for _, _, device in on_gpu] == ["cuda:1"] * len(on_gpu)
    lengths = [n for _, n, _ in on_gpu]
    assert all(b <= (a + 1) // 2 for a, b in itertools.pairwise(lengths))
    assert facts["device"] == "cpu"
    assert facts["fell_back"][-1] == "cpu"
    assert len(freed) == len(on_gpu)
    assert len(caplog.records) == 1


def test_other_errors_are_not_taken_for_it():
    scene = Scene(channels=1, n_samples=RATE, sample_rate=RATE)

    def attempt(plan, device):
        raise ValueError("something else")

    with pytest.raises(ValueError, match="something else"):
        carried_out(Request(method=METHODS["repet"]()), scene, attempt, device="cpu")


def test_errors_of_cuda_and_its_libraries_are_known():
    def raised(module, text):
        return type("CUDARuntimeError", (RuntimeError,), {"__module__": module})(text)

    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(
        raised("cupy_backends.cuda.api.runtime", "cudaErrorMemoryAllocation: out of memory")
    )
    assert is_out_of_memory(raised("cupy_backends.cuda.libs.cublas", "CUBLAS_STATUS_ALLOC_FAILED"))
    assert is_out_of_memory(raised("cupy.cuda.cufft", "CUFFT_ALLOC_FAILED"))
    assert not is_out_of_memory(raised("cupy_backends.cuda.api.runtime", "cudaErrorIllegalAddress"))
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.fixture
def taken_for_usable(monkeypatch):
    """Let a GPU be used that is too small for the first computation that tells whether it works."""
    monkeypatch.setattr(backend, "cuda_status", lru_cache(lambda index=0: (True, "small")))


@pytest.mark.slow
def test_a_small_gpu_gives_the_stems_of_a_large_one(x, taken_for_usable):
    strict = pytest.importorskip("tests.emulation.strict.installing", reason="no stand-in for CuPy")
    for name, limit in (("centre", 2_000_000), ("hpss", 3_000_000), ("centre", 1000)):
        whole = separate(x, RATE, method=name, device="cpu")
        with strict.strict_cupy(memory_limit=limit):
            sep = separate(x, RATE, method=name, device="cuda")
        assert sep.info["device"] == ("cuda" if limit > 1000 else "cpu")
        assert (sep.info["fell_back"] != []) == (limit == 1000)
        for stem in whole:
            assert isinstance(sep[stem], np.ndarray)
            assert_allclose(sep[stem], whole[stem], rtol=0, atol=1e-5)


def test_of_many_recordings_each_falls_back_by_itself(x, caplog, taken_for_usable):
    strict = pytest.importorskip("tests.emulation.strict.installing", reason="no stand-in for CuPy")
    whole = [separate(x[:, :n], RATE, method="centre", device="cpu") for n in (4000, x.shape[1])]
    with strict.strict_cupy(memory_limit=1000):
        found = list(separate_many([x[:, :4000], x], RATE, method="centre", device="cuda"))
    assert len(caplog.records) == 2
    for sep, expected in zip(found, whole, strict=True):
        assert (sep.info["device"], sep.info["fell_back"][-1]) == ("cpu", "cpu")
        for name, stem in expected.items():
            assert isinstance(sep[name], np.ndarray)
            assert_allclose(sep[name], stem, rtol=0, atol=1e-5)
