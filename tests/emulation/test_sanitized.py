"""AddressSanitizer looks at kernels that hand their local arrays on, where nothing else sees an index out of range.

It has to be loaded before Python, so these tests are run in a child. What a thread's own memory does not concern is
in `test_watched` and, for every kernel, in the runs of ``tests/kernels`` that are watched.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.emulation.compiling import compiler

ROOT = Path(__file__).parents[2]
PLANTED = """
__device__ __noinline__ real last(const real* own, int n) { return own[n - 1]; }
extern "C" __global__ void past_a_local_array(const real* x, real* y, int n) {
  real own[5] = {x[0], x[1], x[2], x[3], x[4]};
  y[0] = last(own, n);
}
extern "C" __global__ void past_an_argument(const real* x, real* y, int n) { y[0] = x[n - 1]; }
"""
RUN = """
import sys
import numpy as np
from sigsep_classic.kernels import cuda
from tests.emulation.emulator import Emulator

text = (cuda.FOLDER / "common.cuh").read_text() + sys.argv[1]
module = Emulator().module("text", text, cuda.defines("float32", {}))
y = np.zeros(1, np.float32)
module.run(sys.argv[2], (1,), (1,), (np.ones(5, np.float32), y, np.int32(sys.argv[3])))
print("read", y[0])
"""
# One case of each kernel with local arrays. At least so many tests must have passed.
CASES = {
    "fdica": "3-2-37 and float32",
    "demixing": "2-3-40 and float32 and own",
    "wiener": "1-False-2-2 and float32",
    "sliding_median": "shape4-17--1 and float32 and naive",
    "score_moments": "2-5-300-cube and float32",
    "variance_sums": "size2-student and float32",
    "permutation_sweep": "float32 and naive_sum",
    "noise_tracking": "imcra and float32",
}
AT_LEAST = 16
# Kernels that no run of tests/kernels watches, as their tests do not choose between real types.
UNCHOSEN = {
    "noise_tracking": "minimum_statistics",
    "online_demixing": "2-4 and laplace",
    "online_prediction": "naive",
}


def run_child(mode: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python with emulators of ``mode``."""
    env = {**os.environ, "EMULATION_MODE": mode}
    if mode == "address":
        found = subprocess.run(
            [str(compiler()), "-print-file-name=libasan.so"], capture_output=True, text=True
        )
        library = found.stdout.strip()
        if not Path(library).is_absolute():
            pytest.skip("libasan.so not found beside g++: no AddressSanitizer")
        env |= {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0"}
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True)


def run_tests(mode: str, cases: dict[str, str]) -> int:
    """Run tests of kernels on emulators of ``mode`` and return how many passed; fail if one does."""
    chosen = " or ".join(f"(test_{name}.py and {case})" for name, case in cases.items())
    files = [f"tests/kernels/test_{name}.py" for name in cases]
    options = ["-q", "-p", "no:cacheprovider", "-k", f"cuda and not cuda-backwards and ({chosen})"]
    done = run_child(mode, "-m", "pytest", *options, *files)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return int(re.findall(r"(\d+) passed", done.stdout)[-1])


pytestmark = [
    pytest.mark.slow(first=True),
    pytest.mark.skipif(compiler() is None, reason="g++ not found: no CUDA emulation"),
]


@pytest.mark.parametrize(
    ("kernel", "said"),
    [("past_a_local_array", "stack-buffer-overflow"), ("past_an_argument", "use-after-poison")],
)
def test_address_sanitizer_finds_what_was_planted(kernel, said):
    done = run_child("address", "-c", RUN, PLANTED, kernel, "6")
    assert done.returncode != 0
    assert f"ERROR: AddressSanitizer: {said}" in done.stderr
    done = run_child("address", "-c", RUN, PLANTED, kernel, "5")
    assert (done.returncode, done.stdout) == (0, "read 1.0\n")
    assert "ERROR" not in done.stderr


def test_no_kernel_leaves_its_local_arrays():
    assert run_tests("address", CASES) >= AT_LEAST


def test_kernels_of_one_real_type_neither_race_nor_leave_arrays():
    assert run_tests("watched", UNCHOSEN) >= len(UNCHOSEN)
