"""Every method, recipes included, gives the same bits in another process, with other hashes and more threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROGRAM = """
import hashlib, json, logging, sys, warnings
import sigsep_classic as ssc
from tests.conformance.quick import QUICK

logging.disable(logging.WARNING)
warnings.simplefilter("ignore")
seconds, sample_rate, real, *names = sys.argv[1:]
mix = ssc.synthesize("song", seconds=float(seconds), sample_rate=int(sample_rate))
found = {}
for name in names or ssc.METHODS.built_in:
    x = mix.mixture.astype(real)
    sep = ssc.separate(x, mix.sample_rate, method=name, device="cpu", **QUICK.get(name, {}))
    bits = hashlib.sha256()
    for stem, samples in sep.items():
        bits.update(stem.encode() + samples.tobytes())
    found[name] = bits.hexdigest()
print(json.dumps(found))
"""


SHORT, LONG = ("1", "16000", "float32"), ("3", "44100", "float64")

LIBRARIES = ("common_fate", "ensemble", "ica", "ntf", "projet", "rpca", "spatial_clustering")
"""Methods that lean on products and clusterings of libraries, which take several threads for large arrays only."""


def bits(
    threads: int, seed: int, signal: tuple[str, ...], *methods: str, cache: Path | None = None
) -> dict[str, str]:
    """Return a hash of each method's stems, found by a process of its own (with compiled code in ``cache``)."""
    limits = dict.fromkeys(
        ("SIGSEP_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)
    )
    told = {**os.environ, **limits, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(seed)}
    if cache is not None:
        told["NUMBA_CACHE_DIR"] = str(cache)
    command = [sys.executable, "-c", PROGRAM, *signal, *methods]
    done = subprocess.run(
        command, env=told, cwd=ROOT, capture_output=True, text=True, check=True, timeout=900
    )
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow(first=True)
def test_another_process_with_more_threads_gives_the_same_bits() -> None:
    one, two = bits(1, 1, SHORT), bits(2, 2, SHORT)
    assert len(one) >= 59
    assert [name for name in one if one[name] != two[name]] == []


@pytest.mark.slow(first=True)
def test_code_just_compiled_gives_the_bits_of_code_from_the_cache(tmp_path: Path) -> None:
    # Their loops call others that sum in any order: which version of these runs must not depend on the cache.
    methods = ("cacgmm", "complex_nmf")
    compiled, cached = (bits(1, 1, SHORT, *methods, cache=tmp_path) for _ in range(2))
    assert compiled == cached


@pytest.mark.slow(first=True)
@pytest.mark.parametrize(
    ("signal", "methods"), [(LONG, LIBRARIES), (("2", "44100", "float32"), ("simm",))], ids=["long", "wide"]
)
def test_libraries_with_more_threads_give_the_same_bits_of_long_recordings(
    signal: tuple[str, ...], methods: tuple[str, ...]
) -> None:
    assert bits(1, 1, signal, *methods) == bits(3, 2, signal, *methods)
