"""The watched emulator finds what was planted, and nothing in kernels that are right."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sigsep_classic.kernels import cuda
from tests.emulation.emulator import EmulationError, Emulator, compiler

pytestmark = pytest.mark.skipif(compiler() is None, reason="g++ not found: no CUDA emulation")

# One text, so that it is compiled once.
SIGNATURE = "const real* x, real* y, int n"
BODIES = {
    "shift": """SHARED_ARRAY(real, held, 64);
      held[threadIdx.x] = x[threadIdx.x];
      __syncthreads();
      y[threadIdx.x] = held[(threadIdx.x + 1) % blockDim.x];""",
    "no_barrier": """SHARED_ARRAY(real, held, 64);
      held[threadIdx.x] = x[threadIdx.x];
      y[threadIdx.x] = held[threadIdx.x + 1 < blockDim.x ? threadIdx.x + 1 : 0];""",
    "no_second_barrier": """SHARED_ARRAY(real, held, 64);
      for (int i = 0; i < 2; i++) {
        held[threadIdx.x] = x[threadIdx.x];
        __syncthreads();
        y[threadIdx.x] += held[threadIdx.x + 1 < blockDim.x ? threadIdx.x + 1 : 0];
      }""",
    "two_writers": "SHARED_ARRAY(int, flag, 1); flag[0] = 1; __syncthreads(); y[threadIdx.x] = flag[0];",
    "shuffled": """SHARED_ARRAY(real, held, 64);
      held[threadIdx.x] = x[threadIdx.x];
      __shfl_sync(0xffffffffu, n, 0);
      y[threadIdx.x] = held[threadIdx.x / 32 * 32 + (threadIdx.x + 1) % 32];""",
    "warps": """SHARED_ARRAY(real, held, 64);
      held[threadIdx.x] = x[threadIdx.x];
      __syncwarp();
      y[threadIdx.x] = held[threadIdx.x / 32 * 32 + (threadIdx.x + 1) % 32];""",
    "across_warps": """SHARED_ARRAY(real, held, 64);
      held[threadIdx.x] = x[threadIdx.x];
      __syncwarp();
      y[threadIdx.x] = held[(threadIdx.x + 1) % blockDim.x];""",
    "counts": "atomicAdd(y, real(1)); __syncthreads(); if (threadIdx.x == 1 && gridDim.x == 1) y[1] = y[0];",
    "counts_and_reads": "atomicAdd(y, real(1)); if (threadIdx.x == 1) y[1] = y[0];",
    "in_place": """if (threadIdx.x > 0) y[threadIdx.x] = y[threadIdx.x - 1];""",
    "blocks": "if (threadIdx.x == 0) y[0] = x[blockIdx.x];",
    "blocks_read": "if (threadIdx.x == 0) y[blockIdx.x] = blockIdx.x ? y[blockIdx.x - 1] : x[0];",
    "reads_past_end": "y[threadIdx.x] = x[threadIdx.x + 1];",
    "reads_before": "y[threadIdx.x] = x[(int)threadIdx.x - 1];",
    "far": "if (threadIdx.x == 3) y[n * 100000] = 1;",
    "shared_end": """SHARED_ARRAY(real, held, 64);
      SHARED_ARRAY(real, other, 64);
      real* p = n ? held : other;
      p[threadIdx.x + n] = 1;""",
}
TEXT = (cuda.FOLDER / "common.cuh").read_text() + "".join(
    f'#line {100 * i}\nextern "C" __global__ void {name}({SIGNATURE}) {{ {body} }}\n'
    for i, (name, body) in enumerate(BODIES.items(), start=1)
)


def run(name, *, n=1, grid=1, backwards=False):
    x, y = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
    module = Emulator(backwards=backwards, mode="watched").module("text", TEXT, cuda.defines("float32", {}))
    module.run(name, (grid,), (64,), (x, y, np.int32(n)))
    return y


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_barrier", r"race: (reads|writes) held\[\d+\] \(.*\) that thread \d+ (wrote|read)"),
        ("no_second_barrier", r"race: (reads|writes) held\[\d+\] \(.*\) that thread \d+ (read|wrote)"),
        ("two_writers", r"race: writes flag\[0\] \(.*\) that thread \d+ wrote"),
        ("shuffled", r"race: reads held|race: writes held"),
        ("across_warps", r"race: (reads|writes) held\[(0|32)\]"),
        ("counts_and_reads", r"race: (reads|writes) y\[0\]"),
        ("in_place", r"race: (reads|writes) y\[\d+\]"),
        ("reads_past_end", r"thread \(63, 0, 0\): reads outside every array \(.*\), near x\[64\]"),
        ("reads_before", r"thread \(0, 0, 0\): reads outside every array \(.*\), near x\[-1\]"),
        ("far", r"thread \(3, 0, 0\): writes outside every array \(.*\)"),
        ("shared_end", r"thread \(63, 0, 0\): writes outside every array \(.*\), near held\[64\]"),
    ],
)
def test_what_was_planted_is_found_in_both_orders(name, said, backwards):
    with pytest.raises(EmulationError, match=rf"^text\.cu: {name}: block .*{said}"):
        run(name, backwards=backwards)


@pytest.mark.parametrize("name", ["blocks", "blocks_read"])
def test_blocks_that_meet_in_one_place_are_a_race(name):
    with pytest.raises(EmulationError, match=r"race: (reads|writes) y\[\d\] .* that block \d (wrote|read)"):
        run(name, grid=2)


@pytest.mark.skipif(
    shutil.which("addr2line") is None, reason="addr2line not found: races are told without lines"
)
def test_a_race_is_told_with_its_lines():
    with pytest.raises(EmulationError, match=r"\(source.cu:202\) that thread \d+ wrote \(source.cu:201\)"):
        run("no_barrier", backwards=True)


def test_barriers_and_atomics_are_no_races():
    assert_array_equal(run("shift"), np.roll(np.arange(64), -1))
    assert_array_equal(run("warps"), np.roll(np.arange(64).reshape(2, 32), -1, axis=1).ravel())
    assert_array_equal(run("counts")[:2], [64, 64])
    assert run("counts", grid=3)[0] == 3 * 64
