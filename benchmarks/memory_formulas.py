"""How much memory each method takes, measured and written down: `sigsep_classic/factorizers/memory.json`.

``python -m benchmarks.memory_formulas [METHOD ...]`` measures, in a process a method, the most memory that
`pipeline.separate_array` holds beyond its input for several lengths, channels, sources and components, and fits the
formula of `sigsep_classic.planning.Footprint` to it by non-negative least squares of relative errors. ``--check`` fits
nothing and prints measured over formula at other sizes.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

RATE = 16000
TARGET = Path(__file__).resolve().parents[1] / "sigsep_classic" / "factorizers" / "memory.json"
TERMS = ("fixed", "cell", "channel", "image", "activation")


def peak_beyond(call: Any) -> int:
    """Return the most memory in bytes that this process holds during a call, beyond what it held before (Linux)."""

    def status(name: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))

    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    call()
    return status("VmHWM") - before


def cases(kind: Any, *, check: bool) -> list[tuple[int, float, dict[str, int]]]:
    """Return (channels, seconds, parameters) to measure a method at."""
    fields = {f.name for f in dataclasses.fields(kind) if f.init}
    most = getattr(kind, "max_channels", None)
    if check:
        return [(2, 15.0, {}), (2 if most else 3, 30.0, {})]
    found: list[tuple[int, float, dict[str, int]]] = [(2, 6.0, {}), (2, 24.0, {}), (1, 24.0, {})]
    if most is None:
        found.append((4, 12.0, {}))
        if "n_sources" in fields:
            found.append((4, 12.0, {"n_sources": 2}))
    if "n_components" in fields:
        found += [(2, 12.0, {"n_components": k}) for k in (2, 8)]
    return found


def measure(name: str, *, check: bool = False) -> list[dict[str, Any]]:
    """Return what was measured of a method, a dict a case."""
    import gc

    import numpy as np

    from sigsep_classic import METHODS
    from sigsep_classic.errors import SigsepError
    from sigsep_classic.pipeline import separate_array
    from sigsep_classic.planning import measures

    kind, rows = METHODS[name], []
    fields = {f.name for f in dataclasses.fields(kind) if f.init}
    few = {"n_iter": 3} if "n_iter" in fields else {}
    for channels, seconds, parameters in cases(kind, check=check):
        try:
            method = kind(**few, **parameters)
            rng = np.random.default_rng(0)
            n = round(seconds * RATE)
            envelopes = 0.05 + np.abs(np.sin(np.arange(n) / RATE * rng.uniform(1, 9, (channels, 1))))
            x = 0.3 * (
                rng.uniform(0.2, 1, (channels, channels)) @ (envelopes * rng.laplace(size=(channels, n)))
            )
            x = (x / abs(x).max()).astype("float32")
            separate_array(x[:, : 4 * RATE], RATE, method)  # what is compiled, imported and kept once
            gc.collect()
            # Twice: what is compiled for this size alone is no memory of the method's.
            taken = min(peak_beyond(lambda: separate_array(x, RATE, method)) for _ in range(2))  # noqa: B023
        except SigsepError as error:
            print(f"{name} {channels} ch {parameters}: {error}", file=sys.stderr)
            continue
        sizes = measures(method, channels=channels, n_samples=n, sample_rate=RATE)
        rows.append({"bytes": taken, "channels": channels, "seconds": seconds, **sizes})
    return rows


def fitted(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the coefficients of the formula for what was measured."""
    import numpy as np
    from scipy.optimize import nnls

    A = np.array([[1.0, *(4.0 * row[term] for term in TERMS[1:])] for row in rows])
    b = np.array([float(row["bytes"]) for row in rows])
    scale = np.maximum(b, 4e6)  # below a few megabytes pages and pools are what is seen
    columns = A.max(axis=0)
    columns[columns == 0] = 1
    x = nnls(A / scale[:, None] / (1 / columns)[None] ** -1, b / scale)[0] / columns
    return {term: float(f"{value:.3g}") for term, value in zip(TERMS, x, strict=True)}


def main() -> None:
    """Measure the methods named, or all, and write or check the formulas."""
    words = sys.argv[1:]
    if words[:1] == ["--one"]:
        print(json.dumps(measure(words[1], check="--check" in words)))
        return
    from sigsep_classic import METHODS
    from sigsep_classic.planning import footprint_of

    check = "--check" in words
    names = [word for word in words if word != "--check"] or list(METHODS.built_in)
    known = json.loads(TARGET.read_text()) if TARGET.exists() else {}
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
    for name in names:
        command = [sys.executable, "-m", "benchmarks.memory_formulas", "--one", name, *(["--check"] * check)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            print(f"{name}: {done.stderr.splitlines()[-1:]}", flush=True)
            continue
        rows = json.loads(done.stdout.splitlines()[-1])
        if not check:
            known[name] = fitted(rows)
            TARGET.write_text(
                "{\n" + ",\n".join(f'  "{key}": {json.dumps(known[key])}' for key in sorted(known)) + "\n}\n"
            )
            footprint_of.cache_clear()
        footprint = footprint_of(name)
        ratios = [
            row["bytes"] / footprint.bytes(itemsize=4, **{k: row[k] for k in TERMS[1:]}) for row in rows
        ]
        pairs = zip(rows, ratios, strict=True)
        shown = "  ".join(f"{row['bytes'] / 2**20:.0f} MiB {ratio:.2f}" for row, ratio in pairs)
        print(f"{name:<22} {shown}", flush=True)


if __name__ == "__main__":
    main()
