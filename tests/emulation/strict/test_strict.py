"""The stand-in takes what CuPy takes, refuses what it refuses, and notes what crosses."""

from __future__ import annotations

import copy
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sigsep_classic import backend
from sigsep_classic.kernels import cuda
from tests.emulation.compiling import compiler
from tests.emulation.strict import facts, strict_cupy
from tests.emulation.strict.ufuncs import ufunc

pytestmark = pytest.mark.skipif(compiler() is None, reason="g++ not found: no CUDA emulation")
HOST = np.arange(6.0).reshape(2, 3)


@pytest.fixture
def gpu():
    with strict_cupy() as found:
        yield found


def test_it_is_there_inside_and_gone_outside():
    with strict_cupy() as gpu:
        import cupy

        assert cupy is gpu.cupy
        assert backend.namespace(cupy.zeros(2)) is cupy
        assert backend.cuda_status()[0]
        assert cupy.__version__ == facts.known()["version"]
    assert "cupy" not in sys.modules


@pytest.mark.parametrize(
    "mixing",
    [
        lambda xp, x: np.asarray(x),
        lambda xp, x: np.array([x, x]),
        lambda xp, x: x + HOST,
        lambda xp, x: HOST * x,
        lambda xp, x: x @ HOST.T,
        lambda xp, x: xp.maximum(x, HOST),
        lambda xp, x: xp.where(x > 0, HOST, x),
        lambda xp, x: xp.where(True, x, x),
        lambda xp, x: xp.concatenate([x, HOST]),
        lambda xp, x: xp.einsum("ft,ft->f", x, HOST),
        lambda xp, x: xp.ascontiguousarray(HOST),
        lambda xp, x: HOST.__setitem__(slice(None), x),
        lambda xp, x: x * [1.0, 2.0, 3.0],
        lambda xp, x: np.linalg.lstsq(x, x, rcond=None)[0] + HOST,
    ],
)
def test_arrays_of_the_host_and_of_the_device_do_not_mix(gpu, mixing):
    with pytest.raises((TypeError, AttributeError)):
        mixing(gpu.cupy, gpu.cupy.asarray(HOST))


@pytest.mark.parametrize(
    ("unknown", "error"),
    [
        (lambda xp, x: xp.isin(x, x, kind="sort"), TypeError),
        (lambda xp, x: xp.add(x, x, where=x > 0), TypeError),
        (lambda xp, x: x.max(axis=0, initial=0), TypeError),
        (lambda xp, x: x.flags.writeable, AttributeError),
        (lambda xp, x: xp.argsort(x, kind="quicksort"), ValueError),
        (lambda xp, x: xp.take_along_axis(x, x, axis=0), IndexError),
        (lambda xp, x: xp.maximum.reduce(x), NotImplementedError),
        (lambda xp, x: xp.nanquantiles(x), AttributeError),
        (lambda xp, x: xp.fft.rfft(x, workers=2), TypeError),
        (lambda xp, x: range(x[0, 0]), TypeError),
        (lambda xp, x: xp.linalg.solve(xp.ones((3, 2, 2)), xp.ones((1, 2, 2))), ValueError),
        (lambda xp, x: x.__setitem__((slice(None), 0), HOST[:, 0]), ValueError),
        (lambda xp, x: xp.repeat(x, xp.arange(2), axis=0), ValueError),
        (lambda xp, x: xp.arctan2(x * 1j, x), TypeError),
    ],
)
def test_what_cupy_has_not_or_refuses_is_refused(gpu, unknown, error):
    with pytest.raises(error):
        unknown(gpu.cupy, gpu.cupy.asarray(HOST))


def test_scalars_of_both_kinds_and_numpys_functions_work_on_device_arrays(gpu):
    xp, x = gpu.cupy, gpu.cupy.asarray(HOST.astype(np.float32))
    for made in (2 * x, np.float32(2) * x, np.multiply(x, 2), xp.add(x, x), np.sum([2.0]) * x.astype(float)):
        assert type(made) is xp.ndarray
        assert_array_equal(made.get(), 2 * HOST)
    assert (1.5 * x).dtype == (x + 1).dtype == np.float32
    assert (x + np.float64(1)).dtype == (x.astype(int) / 2).dtype == np.float64
    assert (np.float32(2) < x).sum().item() == 3
    assert (np.shape(x), np.mean(x, axis=0).shape) == ((2, 3), (3,))


def test_a_loop_is_chosen_as_in_cupy(gpu):
    add = ufunc("add", ["bb->b", "ll->l", "ff->f", "dd->d", "FF->F"])
    xp = gpu.cupy
    assert add(xp.ones(1, np.int8), 1).dtype == np.int8
    assert add(xp.ones(1, np.int8), 1.0).dtype == np.float64
    assert add(xp.ones(1, np.float32), 1j).dtype == np.complex64
    assert add(xp.ones(1, np.float32), xp.ones(1, np.int64)).dtype == np.float64
    with pytest.raises(TypeError, match="Wrong type"):
        add(xp.ones(1, np.complex128), 1)


def test_results_are_c_contiguous_whatever_the_arguments_were(gpu):
    xp, x = gpu.cupy, gpu.cupy.asarray(HOST).T
    assert not x.flags.c_contiguous
    for made in (
        abs(x),
        x + x,
        xp.where(x > 0, x, 0),
        x[[0, 1]],
        xp.stack([x, x]),
        x.copy(),
        xp.sort(x, axis=0),
    ):
        assert made.flags.c_contiguous
    for made in (xp.empty_like(x), x.astype(np.float32), xp.fft.fft(x.copy(), axis=0)):
        assert made.flags.f_contiguous


def test_views_share_memory_and_copies_do_not(gpu):
    x = gpu.cupy.asarray(HOST)
    used = gpu.pool.used
    x[0][1:] = -1
    x.T[0, 0] = 7
    x[1, 2][...] = 9
    assert gpu.pool.used == used
    assert_array_equal(x.get(), [[7, -1, -1], [3, 4, 9]])
    assert_array_equal(HOST[0], [0, 1, 2])
    y = copy.deepcopy(x)
    y[...] = 0
    assert x[0, 0] == 7


def test_every_crossing_is_noted_with_its_bytes_and_its_place(gpu):
    xp = gpu.cupy
    x = xp.asarray(HOST)
    float(x.sum())
    x[x > 3]
    x[np.array([1])]
    xp.asnumpy(x)
    noted = [(t.way, t.n_bytes, t.what) for t in gpu.record.transfers]
    assert noted == [
        ("up", 48, "array"),
        ("down", 8, "float"),
        ("down", 8, "size of a selection"),
        ("up", 8, "index"),
        ("down", 48, "asnumpy"),
    ]
    assert {t.file for t in gpu.record.transfers} == {"tests/emulation/strict/test_strict.py"}
    assert gpu.record.n_bytes("up") == 56


def test_a_singular_matrix_gives_nan_and_no_error(gpu):
    xp = gpu.cupy
    assert xp.isnan(xp.linalg.solve(xp.zeros((2, 2)), xp.ones((2, 1)))).all()
    assert xp.isnan(xp.linalg.cholesky(-xp.eye(2))).all()
    assert xp.isnan(xp.linalg.svd(xp.full((2, 2), xp.nan))[1]).all()


def test_the_true_launcher_runs_kernels(gpu, monkeypatch):
    text = 'extern "C" __global__ void twice(const real* x, real* y, int n) { y[threadIdx.x] = 2 * x[threadIdx.x]; }'
    monkeypatch.setattr(cuda, "source", lambda op: (cuda.FOLDER / "common.cuh").read_text() + text)
    xp = gpu.cupy
    x, y = xp.asarray(HOST), xp.zeros((2, 3))
    cuda.launch("twice", "twice", grid=(1,), block=(6,), args=(x, y, 6), real=np.dtype(float))
    assert_array_equal(y.get(), 2 * HOST)
    assert gpu.record.launches == [("kernel", "twice")]
    with pytest.raises(TypeError, match="Unsupported type"):
        cuda.launch("twice", "twice", grid=(1,), block=(6,), args=(HOST, y, 6), real=np.dtype(float))


def test_memory_is_counted_and_what_is_beyond_the_limit_is_refused():
    with strict_cupy(memory_limit=4096) as gpu:
        xp = gpu.cupy
        x = xp.zeros(256)
        assert (gpu.pool.used_bytes(), xp.cuda.runtime.memGetInfo()) == (2048, (2048, 4096))
        with pytest.raises(xp.cuda.memory.OutOfMemoryError, match="Out of memory allocating 4,096 bytes"):
            xp.zeros(512)
        del x
        assert xp.zeros(512).nbytes == gpu.pool.peak == 4096


def test_streams_events_and_pinned_memory_are_there(gpu):
    cp = gpu.cupy
    memory = cp.cuda.alloc_pinned_memory(48)
    host = np.frombuffer(memory, float, 6).reshape(2, 3)
    host[...] = HOST
    with cp.cuda.Stream(non_blocking=True) as stream:
        assert cp.cuda.get_current_stream() is stream
        x = cp.empty((2, 3))
        x.set(host, stream=stream)
        event = stream.record()
        cp.cuda.get_current_stream().wait_event(event)
    assert_array_equal(x.get(out=np.empty((2, 3))), HOST)
    assert (event.done, cp.cuda.Stream.null.ptr) == (True, 0)


def test_facts_are_those_of_the_cupy_that_is_installed():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    if cupy.__version__ != facts.known()["version"]:
        pytest.skip(f"CuPy {cupy.__version__} is installed, facts are of {facts.known()['version']}")
    assert facts.gathered() == facts.known()
