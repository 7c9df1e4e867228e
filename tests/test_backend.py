"""Arrays say where work is done; devices are refused with the way out."""

from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sigsep_classic import backend
from sigsep_classic.errors import DeviceError, ParameterError


@pytest.fixture
def no_gpu(monkeypatch):
    """A machine on which CuPy does not import."""
    reason = f"CuPy does not import (ModuleNotFoundError); {backend.INSTALL_CUPY}"
    monkeypatch.setattr(backend, "cuda_status", lambda index=0: (False, reason))
    monkeypatch.delenv("SIGSEP_DEVICE", raising=False)


@pytest.fixture
def two_gpus(monkeypatch):
    """A machine with two GPUs, as far as names go."""
    beyond = "there are 2 GPUs, counted from 0"
    monkeypatch.setattr(
        backend, "cuda_status", lambda index=0: (index < 2, "two fakes" if index < 2 else beyond)
    )
    monkeypatch.delenv("SIGSEP_DEVICE", raising=False)


def test_numpy_arrays_belong_to_numpy():
    x = np.zeros(3)
    assert backend.namespace(x) is np
    assert backend.fft_namespace(x).__name__ == "scipy.fft"
    assert not backend.is_cuda(x)
    assert backend.to_host(x) is x
    assert backend.to_device(x, "cpu") is x
    backend.synchronize(x)


def test_without_a_gpu_auto_is_the_cpu_and_says_so(no_gpu, caplog):
    with caplog.at_level(logging.INFO, logger="sigsep_classic"):
        assert backend.resolve_device("auto") == "cpu"
    assert "device auto: cpu" in caplog.text
    assert backend.resolve_device(None) == "cpu"


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:1"])
def test_asking_for_a_gpu_that_is_not_there_names_the_install_line(no_gpu, device):
    with pytest.raises(DeviceError, match=r'pip install "sigsep-classic\[cuda12\]"') as caught:
        backend.resolve_device(device)
    assert repr(device) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "CUDA"])
def test_an_unknown_device_is_a_parameter_error(no_gpu, device):
    with pytest.raises(ParameterError, match="use auto, cpu, cuda or cuda:N"):
        backend.resolve_device(device)


def test_the_environment_names_the_default_device(no_gpu, monkeypatch):
    monkeypatch.setenv("SIGSEP_DEVICE", "cuda")
    with pytest.raises(DeviceError):
        backend.resolve_device(None)
    assert backend.resolve_device("cpu") == "cpu"


def test_with_gpus_names_are_kept_and_counted(two_gpus):
    assert backend.resolve_device("auto") == "cuda"
    assert backend.resolve_device("cuda:1") == "cuda:1"
    with pytest.raises(DeviceError, match="there are 2 GPUs, counted from 0"):
        backend.resolve_device("cuda:2")


def test_the_status_of_this_machine_is_one_line():
    usable, said = backend.cuda_status()
    assert isinstance(usable, bool)
    assert said
    assert "\n" not in said


def test_emulation_ends_with_its_block_also_after_an_error():
    emulator = object()

    def use_it():
        with backend.emulated_cuda(emulator):
            assert backend.emulator() is emulator
            assert backend.is_cuda(np.zeros(1))
            raise KeyError

    with pytest.raises(KeyError):
        use_it()
    assert backend.emulator() is None


def test_tensors_of_pytorch_share_memory_both_ways():
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6, dtype=torch.float32).reshape(2, 3).requires_grad_()
    array = backend.from_foreign(tensor)
    assert isinstance(array, np.ndarray)
    assert np.shares_memory(array, tensor.detach().numpy())
    back = backend.to_foreign(np.ones((2, 3), np.float32), tensor)
    assert torch.equal(back, torch.ones(2, 3))


def test_other_arrays_pass_through():
    x = np.zeros(3)
    assert backend.from_foreign(x) is x
    assert backend.to_foreign(x, [0.0]) is x
    assert not backend.is_torch(x)


@pytest.mark.parametrize(
    ("own", "openmp", "expected"),
    [("3", "5", 3), ("", "5", 5), ("zero", "5", 5), ("0", "0", None), ("-2", "", None)],
)
def test_the_number_of_threads_is_asked_of_the_environment_then_the_machine(
    monkeypatch, own, openmp, expected
):
    monkeypatch.setenv("SIGSEP_NUM_THREADS", own)
    monkeypatch.setenv("OMP_NUM_THREADS", openmp)
    assert backend.n_threads() == (expected or backend.n_threads())
    assert backend.n_threads() >= 1


def test_the_fft_of_the_namespace_is_an_fft():
    x = np.random.default_rng(0).random(16)
    assert_array_equal(backend.fft_namespace(x).rfft(x).shape, (9,))


def test_importing_the_package_imports_nothing_slow():
    script = (
        "import sys, sigsep_classic;"
        "slow = {'numba', 'librosa', 'sklearn', 'scipy.signal', 'cupy', 'torch', 'matplotlib', 'soundfile'};"
        "sys.exit(repr(slow & set(sys.modules)) if slow & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
