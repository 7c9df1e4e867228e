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
mix = ssc.synthesize("song", seconds=2.0, sample_rate=16000)
found = {}
for name in sys.argv[1:] or ssc.METHODS.built_in:
    x = mix.mixture.astype("float32")
    sep = ssc.separate(x, mix.sample_rate, method=name, device="cpu", **QUICK.get(name, {}))
    bits = hashlib.sha256()
    for stem, samples in sep.items():
        bits.update(stem.encode() + samples.tobytes())
    found[name] = bits.hexdigest()
print(json.dumps(found))
"""


def bits(threads: int, seed: int, *methods: str) -> dict[str, str]:
    """Return a hash of each method's stems, found by a process of its own."""
    limits = dict.fromkeys(
        ("SIGSEP_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)
    )
    told = {**os.environ, **limits, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "-c", PROGRAM, *methods]
    done = subprocess.run(command, env=told, cwd=ROOT, capture_output=True, text=True, check=True, timeout=900)
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_another_process_with_more_threads_gives_the_same_bits() -> None:
    one, two = bits(1, 1), bits(2, 2)
    assert len(one) >= 59
    assert [name for name in one if one[name] != two[name]] == []
