"""Figures this project claims, each printed by ``python -m benchmarks.NAME`` beside what it is compared with.

One thread everywhere, unless ``BENCH_THREADS`` says otherwise; set before NumPy is loaded.
"""

import os

for _name in (
    "SIGSEP_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
):
    os.environ[_name] = os.environ.get("BENCH_THREADS", "1")
