"""The compile cache: never stale, never torn, never needed. Each case runs in processes of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sigsep_classic
from sigsep_classic.kernels import jit
from tests.reference.shrinkage import shrinkage
from tests.reference.soft_mask import soft_mask

pytestmark = pytest.mark.slow

PACKAGE = Path(sigsep_classic.__file__).parent
RUN = """
import json, sys
import numpy as np
from sigsep_classic.kernels import jit, shrinkage, soft_mask
V = (np.arange(60.0).reshape(1, 6, 10) * 7 % 11).astype(sys.argv[1])
S = soft_mask.soft_mask(V, V[:, ::-1].copy())
D = V[0]
M, B, left = shrinkage.shrinkage(D, D / 2, D / 3, D / 4, growth=1.5, threshold=1.0)
stats = [f.dispatcher.stats for f in (shrinkage._pass, soft_mask._shares)] if jit.enabled() else []
folder = jit.cache_folder() if jit.enabled() else None
print(json.dumps({
    "values": [float(M.sum()), float(S.sum()), left],
    "hits": sum(sum(s.cache_hits.values()) for s in stats),
    "misses": sum(sum(s.cache_misses.values()) for s in stats),
    "folder": folder and str(folder),
}))
"""
V = np.arange(60.0).reshape(1, 6, 10) * 7 % 11
M, B, left = shrinkage(V[0], V[0] / 2, V[0] / 3, V[0] / 4, growth=1.5, threshold=1.0)
RIGHT = [M.sum(), soft_mask(V, V[:, ::-1]).sum(), left]


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "XDG_", "PYTEST_"))}
    return kept | {"PYTHONPATH": str(PACKAGE.parent), "PYTHONDONTWRITEBYTECODE": "1"} | more


def start(script: str = RUN, *arguments: str, **env: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *(arguments or ("float32",))]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment(**env), cwd="/", **pipes)


def finish(process: subprocess.Popen[str]) -> dict:
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    return json.loads(out)


def values_are_right(result: dict) -> bool:
    return result["values"] == pytest.approx(RIGHT, rel=1e-6)


def entries(cache: Path, suffix: str) -> list[Path]:
    return sorted(cache.rglob(f"*{suffix}"))


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Return a cache folder and what the process that filled it said."""
    folder = tmp_path_factory.mktemp("cache")
    return folder, finish(start(NUMBA_CACHE_DIR=str(folder)))


def test_a_second_process_takes_everything_from_the_cache(filled):
    folder, first = filled
    second = finish(start(NUMBA_CACHE_DIR=str(folder)))
    assert values_are_right(first)
    assert second["values"] == first["values"]
    assert (first["hits"], first["misses"] > 0) == (0, True)
    assert (second["hits"] > 0, second["misses"]) == (True, 0)
    assert Path(second["folder"]).parent == folder


def test_without_a_writable_home_functions_compile_in_memory(tmp_path):
    occupied = tmp_path / "file"
    occupied.write_text("")
    result = finish(start(HOME=str(occupied / "home"), XDG_CACHE_HOME=str(occupied)))
    assert result["folder"] is None
    assert values_are_right(result)


def test_a_read_only_install_works_and_stays_untouched(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "sigsep_classic", ignore=shutil.ignore_patterns("__pycache__"))
    before = sorted(tmp_path.rglob("*"))
    for path in (*before, tmp_path):
        path.chmod(path.stat().st_mode & ~0o222)
    cache = tmp_path.with_name(tmp_path.name + "-cache")
    try:
        result = finish(start(PYTHONPATH=str(tmp_path), XDG_CACHE_HOME=str(cache)))
        assert sorted(tmp_path.rglob("*")) == before
    finally:
        for path in (tmp_path, *before):
            path.chmod(path.stat().st_mode | 0o200)
    assert values_are_right(result)
    assert cache in Path(result["folder"]).parents


def test_an_edited_callee_in_another_file_gives_new_results(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "sigsep_classic", ignore=shutil.ignore_patterns("__pycache__"))
    kernels = tmp_path / "sigsep_classic" / "kernels"
    head = "from sigsep_classic.kernels.jit import jit\n"
    (kernels / "callee.py").write_text(head + "@jit\ndef scale(x):\n    return 2 * x\n")
    (kernels / "caller.py").write_text(
        head
        + "from sigsep_classic.kernels.callee import scale\n@jit\ndef caller(x):\n    return scale(x) + 1\n"
    )
    script = """
import json
from sigsep_classic.kernels.caller import caller
print(json.dumps({"value": caller(10), "hits": sum(caller.dispatcher.stats.cache_hits.values())}))
"""
    env = {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert finish(start(script, **env)) == {"value": 21, "hits": 0}
    assert finish(start(script, **env)) == {"value": 21, "hits": 1}
    (kernels / "callee.py").write_text(head + "@jit\ndef scale(x):\n    return 3 * x\n")
    assert finish(start(script, **env)) == {"value": 31, "hits": 0}


def test_four_processes_can_fill_an_empty_cache_at_once(tmp_path):
    kinds = ["float32", "float64"] * 2
    running = [start(RUN, kind, NUMBA_CACHE_DIR=str(tmp_path)) for kind in kinds]
    assert all(values_are_right(finish(process)) for process in running)
    for kind in kinds[:2]:
        after = finish(start(RUN, kind, NUMBA_CACHE_DIR=str(tmp_path)))
        assert values_are_right(after)
        assert (after["hits"] > 0, after["misses"]) == (True, 0)


@pytest.mark.parametrize(
    ("damage", "suffix"), [("emptied", ".nbc"), ("halved", ".nbi"), ("garbled", ".nbi"), ("garbled", ".nbc")]
)
def test_a_damaged_cache_entry_is_compiled_anew_and_put_right(filled, tmp_path, suffix, damage):
    shutil.copytree(filled[0], tmp_path, dirs_exist_ok=True)
    files = entries(tmp_path, suffix)
    assert files
    for path in files:
        data = path.read_bytes()
        path.write_bytes({"emptied": b"", "halved": data[: len(data) // 2], "garbled": b"\xff" * 50}[damage])
    damaged = finish(start(NUMBA_CACHE_DIR=str(tmp_path)))
    assert values_are_right(damaged)
    assert damaged["misses"] > 0
    repaired = finish(start(NUMBA_CACHE_DIR=str(tmp_path)))
    assert values_are_right(repaired)
    assert (repaired["hits"] > 0, repaired["misses"]) == (True, 0)


def test_a_cache_that_vanishes_while_in_use_does_no_harm(tmp_path):
    script = RUN.replace("V = ", f"import shutil; jit.cache_folder(); shutil.rmtree({str(tmp_path)!r})\nV = ")
    assert values_are_right(finish(start(script, NUMBA_CACHE_DIR=str(tmp_path))))


def test_disabled_numba_gives_the_same_results_through_the_numpy_line(tmp_path):
    script = RUN + "\nassert 'numba' not in sys.modules"
    result = finish(start(script, NUMBA_DISABLE_JIT="1", NUMBA_CACHE_DIR=str(tmp_path)))
    assert values_are_right(result)
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(not jit.enabled(), reason="NUMBA_DISABLE_JIT is set")
def test_read_only_arrays_are_taken_as_they_are_and_compile_nothing_anew():
    @jit.jit
    def total(x):
        return x[0, 0] + x[-1, -1]

    wide = np.arange(12.0).reshape(3, 4)
    for x in (wide, wide[:, ::2]):
        assert total(x) == x[0, 0] + x[-1, -1]
        frozen = x[:]
        frozen.flags.writeable = False
        assert total(frozen) == total(np.broadcast_to(x, (2, *x.shape))[1])
        assert not frozen.flags.writeable
    assert len(total.dispatcher.signatures) == 2
