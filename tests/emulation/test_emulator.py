"""The emulator itself: small CUDA texts whose right answer, or right error, is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.kernels import cuda
from tests.emulation.emulator import EmulationError, Emulator, compiler, emulated

pytestmark = pytest.mark.skipif(compiler() is None, reason="g++ not found: no CUDA emulation")

FULL = "0xffffffffu"
COMMON = (cuda.FOLDER / "common.cuh").read_text()
SAXPY = """
// extern "C" __global__ void not_a_kernel(int n)
extern "C" __global__ void saxpy(const real* __restrict__ x, real* __restrict__ y, real a, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] += a * x[i];
}
"""
REDUCTIONS = """
__device__ __forceinline__ real warp_sum(real v) {
#pragma unroll
  for (int by = 16; by > 0; by >>= 1) v += __shfl_down_sync(0xffffffffu, v, by);
  return v;
}
extern "C" __global__ void __launch_bounds__(256) block_sum(const real* x, real* out, int n) {
  SHARED_ARRAY(real, part, 256);
  part[threadIdx.x] = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) part[threadIdx.x] += x[i];
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) out[0] = part[0];
}
extern "C" __global__ void shuffled_sum(const real* x, real* out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const real sum = warp_sum(i < n ? x[i] : real(0));
  if (threadIdx.x % 32 == 0) atomicAdd(out, sum);
}
"""


def run(text, name, *args, grid=(1,), block=(1,), real="float32", backwards=False, **constants):
    options = cuda.defines(real, constants)
    Emulator(backwards=backwards).module("text", COMMON + text, options).run(name, grid, block, args)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("real", ["float32", "float64"])
def test_saxpy_equals_numpy_in_both_reals(real, backwards):
    x, y = np.random.default_rng(0).standard_normal((2, 1000)).astype(real)
    expected = y + x.dtype.type(0.3) * x
    given = (x, y, x.dtype.type(0.3), np.int32(1000))
    run(SAXPY, "saxpy", *given, grid=(8,), block=(128,), real=real, backwards=backwards)
    assert_allclose(y, expected, rtol=1e-6 if real == "float32" else 1e-14)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize(("name", "grid", "block"), [("block_sum", 1, 256), ("shuffled_sum", 8, 128)])
def test_reductions_with_barriers_and_shuffles_give_the_sum(name, grid, block, real, backwards):
    x, out = np.arange(1000, dtype=real), np.zeros(1, real)
    run(
        REDUCTIONS, name, x, out, np.int32(1000), grid=(grid,), block=(block,), real=real, backwards=backwards
    )
    assert out[0] == 999 * 500


def test_a_grid_and_a_block_have_three_axes():
    text = """extern "C" __global__ void where(int* out) {
      const int b = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
      const int t = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
      out[b * (blockDim.x * blockDim.y * blockDim.z) + t] += 100 * b + t;
    }"""
    out = np.zeros((2 * 3 * 4, 5 * 2 * 3), np.int32)
    run(text, "where", out, grid=(2, 3, 4), block=(5, 2, 3))
    assert_array_equal(out, 100 * np.arange(24)[:, None] + np.arange(30))


def test_a_compile_time_constant_reaches_the_text():
    out = np.zeros(1, np.int32)
    run('extern "C" __global__ void size(int* out) { *out = SIZE; }', "size", out, SIZE=17)
    assert out[0] == 17


def test_shuffles_votes_and_atomics_follow_cuda():
    text = f"""extern "C" __global__ void words(int* out, unsigned* counts) {{
      const int lane = threadIdx.x;
      out[lane] = __shfl_up_sync({FULL}, lane, 3, 16);
      out[32 + lane] = __shfl_xor_sync({FULL}, lane, 5);
      out[64 + lane] = __shfl_sync({FULL}, lane, 2, 8);
      out[96 + lane] = __shfl_down_sync({FULL}, lane, 3, 8);
      __syncwarp();
      out[128 + lane] = __ballot_sync({FULL}, lane < 3) + 10 * __any_sync({FULL}, lane == 9)
        + 100 * __all_sync({FULL}, lane < 31) + 1000 * __syncthreads_count(lane & 1);
      atomicMax(&counts[0], lane); atomicAdd(&counts[1], 1u); atomicCAS(&counts[2], 0u, lane + 1u);
      if (lane < 4) counts[3 + lane] = __shfl_sync(0xfu, lane, 3 - lane);
    }}"""
    out, counts = np.zeros((5, 32), np.int32), np.zeros(7, np.uint32)
    run(text, "words", out, counts, block=(32,))
    lane = np.arange(32)
    assert_array_equal(out[0], np.where(lane % 16 >= 3, lane - 3, lane))
    assert_array_equal(out[1], lane ^ 5)
    assert_array_equal(out[2], lane // 8 * 8 + 2)
    assert_array_equal(out[3], np.where(lane % 8 < 5, lane + 3, lane))
    assert_array_equal(out[4], np.full(32, 7 + 10 + 0 + 16000))
    assert_array_equal(counts, [31, 32, 1, 3, 2, 1, 0])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("if (threadIdx.x < 3) __syncthreads();", r"divergent barrier: thread 0 waits at __syncthreads"),
        ("if (threadIdx.x < 3) return; __syncthreads();", r"thread 0 has returned, thread 3 waits"),
        (
            "if (threadIdx.x < 3) __syncthreads();\nelse __syncthreads();",
            r"divergent barrier.*line 1.*line 2",
        ),
        (f"if (threadIdx.x < 3) __syncthreads(); else __shfl_sync({FULL}, 1, 0);", r"divergent barrier"),
        ("if (threadIdx.x < 3) __shfl_sync(1u, 1, 0);", r"lane its mask does not name"),
        ("int a[4]; a[n] = 1; out[0] = a[n - 1];", r"index outside a local or shared array \(line 1\)"),
        (
            "__shared__ real a[4]; a[threadIdx.x + 1] = 1;",
            r"thread \(3, 0, 0\): index outside a local or shared",
        ),
        ("out[0] = n / (n - 4);", r"division by zero"),
        ("assert(n == 5);", r"assert\(n == 5\)"),
        ("out[4] = 1;", r"wrote outside argument 0 \(int\* out\)"),
        ("out[-1] = 1;", r"wrote outside argument 0 \(int\* out\)"),
    ],
)
def test_what_is_undefined_on_a_gpu_is_an_error(body, said):
    text = f'#line 1 "text"\nextern "C" __global__ void broken(int* out, int n) {{ {body} }}'
    with pytest.raises(EmulationError, match=rf"^text\.cu: broken: .*{said}"):
        run(text, "broken", np.zeros(4, np.int32), np.int32(4), block=(4,))


def test_reading_beyond_an_array_gives_nan():
    y = np.ones(4, np.float32)
    run(SAXPY, "saxpy", F4[:3].copy(), y, np.float32(1), np.int32(4), block=(4,))
    assert_array_equal(y, [1, 1, 1, np.nan])


def test_an_error_leaves_the_emulator_usable():
    text = """extern "C" __global__ void shift(int* out, int early) {
      __shared__ int held[8];
      held[threadIdx.x] = threadIdx.x;
      if (early && threadIdx.x == 5) return;
      __syncthreads();
      out[threadIdx.x] = held[(threadIdx.x + 1) % 8];
    }"""
    out = np.zeros(8, np.int32)
    with pytest.raises(EmulationError, match="divergent"):
        run(text, "shift", out, np.int32(1), block=(8,))
    run(text, "shift", out, np.int32(0), block=(8,))
    assert_array_equal(out, np.roll(np.arange(8), -1))


@pytest.mark.parametrize(("backwards", "expected"), [(False, np.nan), (True, 8.0)])
def test_a_missing_barrier_shows_as_unwritten_shared_memory_in_one_of_the_orders(backwards, expected):
    text = """extern "C" __global__ void racy(real* out) {
      __shared__ real held[8];
      held[threadIdx.x] = 1;
      real sum = 0;
      if (threadIdx.x == 0) for (int i = 0; i < 8; i++) sum += held[i];
      if (threadIdx.x == 0) out[0] = sum;
    }"""
    out = np.zeros(1, np.float32)
    run(text, "racy", out, block=(8,), backwards=backwards)
    assert_array_equal(out[0], expected)


F4, F8, I4 = np.zeros(4, np.float32), np.zeros(4), np.zeros(4, np.int32)
FROZEN = np.zeros(4, np.float32)
FROZEN.flags.writeable = False


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((F4, F4 + 1, np.float32(1)), "3 arguments for 4 parameters"),
        ((F8, F4 + 1, np.float32(1), np.int32(4)), r"argument 0 .* is f4, got a array of float64"),
        ((F4, I4, np.float32(1), np.int32(4)), r"argument 1 .* is f4, got a array of int32"),
        ((F4, F4 + 1, np.float64(1), np.int32(4)), r"argument 2 \(real a\) is f4, got a scalar of float64"),
        ((F4, F4 + 1, np.float32(1), np.int64(4)), r"argument 3 \(int n\) is i4, got a scalar of int64"),
        ((F4, F4 + 1, np.float32(1), 4), r"argument 3 \(int n\) is a int"),
        ((F4, np.float32(1), np.float32(1), np.int32(4)), r"argument 1 .* got a scalar of float32"),
        ((np.zeros(8, np.float32)[::2], F4 + 1, np.float32(1), np.int32(4)), r"not C-contiguous"),
        ((F4, FROZEN, np.float32(1), np.int32(4)), r"argument 1 .* is written to, got a read-only array"),
        ((F4, F4, np.float32(1), np.int32(4)), r"argument 0 .* shares memory with argument 1"),
    ],
)
def test_arguments_that_are_not_the_parameters_are_an_error(args, said):
    with pytest.raises(EmulationError, match=said):
        run(SAXPY, "saxpy", *args, block=(4,))


def test_a_read_only_array_can_go_to_a_const_pointer():
    y = np.ones(4, np.float32)
    run(SAXPY, "saxpy", FROZEN, y, np.float32(1), np.int32(4), block=(4,))
    assert_array_equal(y, np.ones(4))


@pytest.mark.parametrize("pointer", ["bool", "unsigned char"])
def test_masks_complex_numbers_and_arrays_used_twice_are_passed(pointer):
    text = f"""extern "C" __global__ void pick(
      const {pointer}* mask, const double2* z, double2* out, long long n) {{
      const int i = threadIdx.x;
      if (i < n && mask[i]) out[i] = make_double2(z[i].y, z[i].x);
    }}"""
    z = np.array([1 + 2j, 3 + 4j, 5 + 6j])
    run(text, "pick", np.array([True, False, True]), z, z, np.int64(3), block=(3,))
    assert_array_equal(z, [2 + 1j, 3 + 4j, 6 + 5j])


@pytest.mark.parametrize(
    ("grid", "block", "said"),
    [
        ((1,), (1025,), r"block.x is 1025, expected 1 to 1024"),
        ((1,), (32, 33), r"block \(32, 33\) has 1056 threads, at most 256 fit"),
        ((1,), (1, 1, 65), r"block.z is 65, expected 1 to 64"),
        ((2**31,), (1,), r"grid.x is 2147483648"),
        ((1, 65536), (1,), r"grid.y is 65536, expected 1 to 65535"),
        ((1, 1, 65536), (1,), r"grid.z is 65536, expected 1 to 65535"),
        ((1, 0), (1,), r"grid.y is 0"),
        ((1, 1, 1, 1), (1,), r"has 4 sizes"),
    ],
)
def test_a_launch_beyond_the_limits_is_an_error(grid, block, said):
    with pytest.raises(EmulationError, match=said):
        run(SAXPY, "saxpy", F4, F4 + 1, np.float32(1), np.int32(4), grid=grid, block=block)


def test_launch_bounds_limit_the_block():
    with pytest.raises(EmulationError, match="at most 256 fit"):
        run(REDUCTIONS, "block_sum", F4, F4 + 1, np.int32(4), block=(512,))


def test_text_that_does_not_compile_or_lacks_the_kernel_is_an_error():
    with pytest.raises(EmulationError, match=r"g\+\+ refused the source:[^$]*undeclared_name"):
        run('extern "C" __global__ void bad(int* x) { x[0] = undeclared_name; }', "bad", I4)
    with pytest.raises(EmulationError, match="no such kernel among \\['saxpy'\\]"):
        run(SAXPY, "absent", I4)
    with pytest.raises(EmulationError, match="no extern"):
        run("int x;", "absent", I4)


@pytest.mark.parametrize("real", ["float32", "float64"])
def test_a_full_block_with_many_barriers_is_deterministic_in_both_orders(real):
    text = """extern "C" __global__ void __launch_bounds__(1024) scan(real* x, int n) {
      __shared__ real held[1024];
      const int i = threadIdx.x;
      held[i] = x[blockIdx.x * n + i];
      __syncthreads();
      for (int by = 1; by < n; by *= 2) {
        const real before = i >= by ? held[i - by] : real(0);
        __syncthreads();
        held[i] += before;
        __syncthreads();
      }
      x[blockIdx.x * n + i] = held[i];
    }"""
    x = np.random.default_rng(0).standard_normal((20, 1024)).astype(real)
    forwards, backwards = x.copy(), x.copy()
    run(text, "scan", forwards, np.int32(1024), grid=(20,), block=(1024,), real=real)
    run(text, "scan", backwards, np.int32(1024), grid=(20,), block=(1024,), real=real, backwards=True)
    assert_array_equal(forwards, backwards)
    assert_allclose(forwards, np.cumsum(x, axis=1), atol=1e-4 if real == "float32" else 1e-12)


def test_emulated_makes_the_launcher_take_the_emulator():
    from sigsep_classic import backend

    with emulated(backwards=True) as emulator:
        assert backend.is_cuda(np.zeros(1))
        assert backend.emulator() is emulator
    assert not backend.is_cuda(np.zeros(1))
