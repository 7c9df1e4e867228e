"""Every way in which there is no GPU is one plain sentence with the way out; each GPU is described, and tried."""

from __future__ import annotations

import builtins
import contextlib
import sys
import types

import pytest

from sigsep_classic import backend, devices
from sigsep_classic.errors import DeviceError

GB = 10**9
H100 = {"name": b"NVIDIA H100 80GB HBM3", "totalGlobalMem": 85 * GB, "major": 9, "minor": 0}
PASCAL = {"name": b"NVIDIA GeForce GTX 1080", "totalGlobalMem": 8 * GB, "major": 6, "minor": 1}
KEPLER = {"name": b"Tesla K80", "totalGlobalMem": 12 * GB, "major": 3, "minor": 7}


class CUDARuntimeError(RuntimeError):
    """As CuPy's."""


class CompileException(Exception):
    """As CuPy's."""


@pytest.fixture
def machine(monkeypatch):
    """A machine with CuPy: which driver, GPUs and libraries, and what the first computation raises."""
    monkeypatch.delenv("SIGSEP_DEVICE", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    backend.cuda_status.cache_clear()

    def make(
        *, driver=12080, made_for=12090, gpus=(H100,), free=80 * GB, counting=None, missing=(), fails=None
    ):
        def count():
            if counting is not None:
                raise counting
            return len(gpus)

        def first(*args):
            if fails is not None:
                raise fails
            return 1.0

        class Cuda:
            runtime = types.SimpleNamespace(
                driverGetVersion=lambda: driver,
                runtimeGetVersion=lambda: made_for,
                getDeviceCount=count,
                getDeviceProperties=lambda n: gpus[n],
                memGetInfo=lambda: (free, gpus[0]["totalGlobalMem"]),
            )
            nvrtc = types.SimpleNamespace(getVersion=lambda: Cuda().absent("nvrtc"))
            Device = staticmethod(lambda n: contextlib.nullcontext())
            get_current_stream = staticmethod(lambda: types.SimpleNamespace(synchronize=lambda: None))

            def absent(self, name):
                if name in missing:
                    raise ImportError(f'Failure finding "lib{name}.so.12"\n')

            def __getattr__(self, name):
                self.absent(name)
                return types.ModuleType(name)

        fake = types.ModuleType("cupy")
        fake.__version__, fake.cuda, fake.arange = "14.2.0", Cuda(), first
        monkeypatch.setitem(sys.modules, "cupy", fake)

    yield make
    backend.cuda_status.cache_clear()


@pytest.fixture
def importing(monkeypatch):
    """A machine on which ``import cupy`` raises, with a driver for some CUDA version, or 0."""

    def make(error, driver=0):
        real = builtins.__import__

        def fake(name, *args, **options):
            if name.partition(".")[0] == "cupy":
                raise error
            return real(name, *args, **options)

        monkeypatch.setattr(builtins, "__import__", fake)
        monkeypatch.setattr(devices, "driver_version", lambda: driver)

    return make


def refused():
    usable, said = devices.status()
    assert not usable
    assert "\n" not in said
    assert devices.gpus() == [] or devices.gpus()[0].problem == said
    return said


NOT_INSTALLED = ModuleNotFoundError("No module named 'cupy'", name="cupy")


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        (0, 'nor is an NVIDIA driver; a GPU needs its driver and pip install "sigsep-classic[cuda12]"'),
        (
            11040,
            "the NVIDIA driver is for CUDA 11.4; update it to one for CUDA 12 or newer, then pip install",
        ),
        (12080, 'CuPy is not installed; pip install "sigsep-classic[cuda12]"'),
        (13000, 'CuPy is not installed; pip install "sigsep-classic[cuda13]"'),
        (14010, 'CuPy is not installed; pip install "sigsep-classic[cuda13]"'),
    ],
)
def test_without_cupy_the_command_that_installs_the_one_for_the_driver_is_named(importing, driver, said):
    importing(NOT_INSTALLED, driver)
    assert said in refused()


def test_a_cupy_that_does_not_import_says_what_it_says_itself(importing):
    framed = "\n=====\nFailed to import CuPy.\n\nOriginal error:\n  ImportError: libx.so: no\n====\n"
    importing(ImportError(framed))
    assert refused().startswith("CuPy does not import (ImportError: libx.so: no); pip uninstall it, then")
    importing(ModuleNotFoundError("No module named 'fastrlock'", name="fastrlock"))
    assert "ModuleNotFoundError: No module named 'fastrlock'" in refused()


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            {"driver": 0},
            "there is no NVIDIA driver; install that of your GPU, or start the container with --gpus all",
        ),
        ({"driver": 11040}, "the NVIDIA driver is for CUDA 11.4; update it to one for CUDA 12 or newer"),
        (
            {"driver": 12020, "made_for": 13000},
            "is for CUDA 12.2 and this CuPy for CUDA 13; update the driver, or pip uninstall cupy-cuda13x and "
            'pip install "sigsep-classic[cuda12]"',
        ),
        ({"gpus": ()}, "the NVIDIA driver (for CUDA 12.8) shows no GPU; see what nvidia-smi lists"),
        (
            {"counting": CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")},
            "shows no GPU; see what nvidia-smi lists",
        ),
        (
            {
                "counting": CUDARuntimeError(
                    "cudaErrorSystemDriverMismatch: system has unsupported display driver"
                )
            },
            "refuses (CUDARuntimeError: cudaErrorSystemDriverMismatch: system has unsupported display driver); see",
        ),
        (
            {"missing": ("nvrtc", "cublas")},
            'finds no nvrtc, cublas of CUDA; pip install "sigsep-classic[cuda12]"',
        ),
        ({"missing": ("cufft",), "made_for": 13000, "driver": 13000}, "finds no cufft of CUDA; pip install "),
        (
            {"gpus": (KEPLER,)},
            "(Tesla K80) has compute capability 3.7 and CUDA 12 needs 5.0; use another GPU",
        ),
        (
            {"gpus": (PASCAL,), "made_for": 13000, "driver": 13000},
            "has compute capability 6.1 and CUDA 13 needs 7.5; pip uninstall cupy-cuda13x and "
            'pip install "sigsep-classic[cuda12]"',
        ),
        (
            {"free": GB // 10},
            "has 0.10 of 85.0 GB free; end what fills it (nvidia-smi lists it), or use another",
        ),
        (
            {"fails": CUDARuntimeError("cudaErrorMemoryAllocation: out of memory")},
            "has no memory free for CUDA itself; end what fills it",
        ),
        (
            {
                "fails": RuntimeError(
                    "Failed to find CUDA headers. Please install the CUDA Toolkit or set CUDA_PATH"
                )
            },
            'finds no headers of CUDA; pip install "sigsep-classic[cuda12]"',
        ),
        (
            {"fails": CompileException('catastrophic error: cannot open source file "vector_types.h"')},
            "finds no headers of CUDA",
        ),
        (
            {"fails": CUDARuntimeError("cudaErrorDevicesUnavailable: CUDA-capable device(s) is/are busy")},
            "is taken by another process or switched to exclusive use",
        ),
        (
            {"fails": CompileException("first\nsecond")},
            "first computation (CompileException: first); see what",
        ),
    ],
)
def test_what_is_wrong_with_a_gpu_is_one_sentence_with_the_way_out(machine, facts, said):
    machine(**facts)
    assert said in refused()


def test_gpus_that_are_hidden_are_said_to_be(machine, monkeypatch):
    machine(gpus=())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES is '', unset it" in refused()


def test_a_gpu_is_described_with_its_memory_and_compute_capability(machine):
    machine(gpus=(H100, PASCAL))
    usable, said = devices.status()
    assert usable
    assert said == (
        "NVIDIA H100 80GB HBM3, 80.0 of 85.0 GB free, compute capability 9.0; CuPy 14.2.0, driver for CUDA 12.8"
    )
    first, second = devices.gpus()
    assert (first.index, first.problem, second.index) == (0, "", 1)
    assert (second.name, second.compute_capability, second.memory) == (
        "NVIDIA GeForce GTX 1080",
        "6.1",
        8 * GB,
    )


def test_gpus_are_counted_from_zero_and_each_is_judged_by_itself(machine):
    machine(gpus=(KEPLER, H100))
    assert backend.resolve_device("auto") == "cpu"
    assert backend.resolve_device("cuda:1") == "cuda:1"
    with pytest.raises(
        DeviceError, match=r"'cuda:0' asked for, but cuda:0 \(Tesla K80\) has compute capability"
    ):
        backend.resolve_device("cuda:0")
    with pytest.raises(DeviceError, match="'cuda:2' asked for, but there are 2 GPUs, counted from 0"):
        backend.resolve_device("cuda:2")
    backend.cuda_status.cache_clear()
    machine()
    assert backend.resolve_device("auto") == "cuda"
    with pytest.raises(DeviceError, match="there is 1 GPU, counted from 0"):
        backend.resolve_device("cuda:1")


def test_a_device_of_the_environment_is_said_to_come_from_there(machine, monkeypatch):
    machine(gpus=())
    monkeypatch.setenv("SIGSEP_DEVICE", "cuda")
    with pytest.raises(DeviceError, match=r"device 'cuda' of \$SIGSEP_DEVICE asked for, but"):
        backend.resolve_device(None)


def test_the_version_of_the_driver_of_this_machine_is_a_number():
    assert devices.driver_version() >= 0
