"""Everything on the GPU: parity of kernels and methods with the CPU, peak memory, speed beside floors and the CPU.

python -m benchmarks.gpu                              # all, at most 8 minutes
python -m benchmarks.gpu --only parity                # or speed
python -m benchmarks.gpu --emulated --pick hals,hpss  # parity of what is named, through the emulation on the CPU

Writes ``benchmarks/results/gpu-<device>-<date>.json``. Runs from a checkout, the package not installed; needs CuPy,
numba, NumPy, SciPy, scikit-learn and filelock (PyTorch brings it), no network and no file of sound. Without a GPU: one
line, and exit code 5.
"""

from __future__ import annotations

import argparse
import atexit
import json
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.gpu_table import time_of
from benchmarks.gpu_worker import Worker, Workers

BUDGET, FOR_PARITY, TO_END = 450.0, 270.0, 5.0
"""Seconds for all, those parity may take where speed is to follow, and those writing takes."""
ITEM_SECONDS = 60.0
"""What one item of parity may take on the GPU, its compilation and the first import included."""
WORKERS, ON_GPU = 8, 4
"""Processes that compute what the CPU gives, and that compile and run what the GPU gives, where there are cores."""
ROOT = Path(__file__).parents[1]
Row = dict[str, Any]


def main(argv: Sequence[str] = ()) -> int:
    """Run what is asked for, print a table, write the record; return the exit code: 0, 1 if something differs, 5."""
    args = _parser().parse_args(argv)
    began = time.monotonic()
    if not args.emulated and (reason := _why_no_gpu()):
        print(f"benchmarks.gpu: {reason}", file=sys.stderr)
        return 5
    if find_spec("platformdirs") is None and "NUMBA_CACHE_DIR" not in os.environ:
        folder = os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="numba-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    record = {**(_emulation() if args.emulated else _machine()), **_versions(), "parity": [], "speed": []}
    print(", ".join(f"{name} {record[name]}" for name in ("device", "driver", "runtime", "cupy", "commit")))
    if args.only != "speed":
        limit = BUDGET if args.only or args.emulated else FOR_PARITY
        record["parity"] = _parity(args, math.inf if args.emulated else began + limit - TO_END)
    if args.only != "parity" and not args.emulated:
        record["speed"] = _speed(began + BUDGET - TO_END)
    record["seconds"] = time.monotonic() - began
    _write(record, args.out)
    failed = [row["name"] for row in record["parity"] if row["passed"] is False]
    left = [row["name"] for part in ("parity", "speed") for row in record[part] if _left_out(row)]
    print(
        f"\n{len(record['parity']) - len(failed)} of {len(record['parity'])} agree, {record['seconds']:.0f} s"
    )
    print(f"differ or failed: {'; '.join(failed) or 'none'}\nleft out: {'; '.join(left) or 'none'}")
    return int(bool(failed) or any("failed" in row for row in record["speed"]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("parity", "speed"), help="one part")
    parser.add_argument(
        "--pick", default="", help="operations and methods to compare, with commas; default: all"
    )
    parser.add_argument("--emulated", action="store_true", help="parity alone, kernels run on the CPU")
    parser.add_argument(
        "--out", type=Path, help="the record; default: benchmarks/results, and none if emulated"
    )
    return parser


def _why_no_gpu() -> str:
    from sigsep_classic.backend import cuda_status

    available, reason = cuda_status()
    return "" if available else f"{reason}; --emulated checks the kernels on the CPU"


def _machine() -> Row:
    """Return what the GPU and what drives it is called."""
    import cupy

    runtime = cupy.cuda.runtime
    properties = runtime.getDeviceProperties(0)
    return {
        "device": properties["name"].decode(),
        "compute_capability": f"{properties['major']}.{properties['minor']}",
        "memory_bytes": int(properties["totalGlobalMem"]),
        "driver": _asked("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
        or str(runtime.driverGetVersion()),
        "runtime": str(runtime.runtimeGetVersion()),
        "cupy": cupy.__version__,
    }


def _emulation() -> Row:
    return {"device": "emulated", "driver": "none", "runtime": "none", "cupy": "none"}


def _versions() -> Row:
    from sigsep_classic import __version__

    changed = "-changed" if _asked("git", "status", "--porcelain", "--untracked-files=no") else ""
    commit = _asked("git", "rev-parse", "--short=12", "HEAD")
    return {
        "commit": commit + changed if commit else "unknown",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cpu": f"{platform.machine()}, {os.cpu_count()} processors",
        "sigsep_classic": __version__,
        **{name: _version(name) for name in ("numpy", "scipy", "numba", "scikit-learn", "torch")},
    }


def _asked(*command: str) -> str:
    """Return the first line a program prints; nothing where it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = done.stdout.strip().splitlines() if done.returncode == 0 else []
    return lines[0] if lines else ""


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _parity(args: argparse.Namespace, until: float) -> list[Row]:
    from benchmarks import gpu_parity

    chosen = gpu_parity.items()
    if args.pick:
        wanted = set(args.pick.split(","))
        chosen = [(kind, name) for kind, name in chosen if name.partition(":")[0] in wanted]
        if missing := wanted - {name.partition(":")[0] for _, name in chosen}:
            print(f"--pick knows no {', '.join(sorted(missing))}")
    print(f"\n{'':50} {'error':>11} {'GPU':>11} {'CPU':>11} {'memory':>11}")
    if args.emulated:
        ask, workers = gpu_parity.on_emulation, 0
        return _collected(gpu_parity.compare(chosen, ask, workers=workers, until=until), _parity_line)
    cores = os.cpu_count() or 1
    n, on_gpu = {"workers": min(WORKERS, cores), "at_once": max(1, min(ON_GPU, cores // 2))}, Workers(ON_GPU)
    ask = partial(on_gpu.ask, gpu_parity.on_gpu, timeout=ITEM_SECONDS)
    try:
        return _collected(gpu_parity.compare(chosen, ask, until=until, **n), _parity_line)
    finally:
        on_gpu.stop()


def _speed(until: float) -> list[Row]:
    from benchmarks.gpu_speed import measure

    print(f"\n{'':50} {'GPU':>11} {'floor':>11} {'torch':>11} {'CPU':>11}")
    worker = Worker()
    try:
        return _collected(measure(worker, until), _speed_line)
    finally:
        worker.stop()


def _collected(rows: Iterable[Row], line: Any) -> list[Row]:
    found = []
    for row in rows:
        print(line(row), flush=True)
        found.append(row)
    return found


def _parity_line(row: Mapping[str, Any]) -> str:
    label = f"{row['kind']} {row['name']}"
    if "why" in row:
        return f"{label:50} {'left out' if row['passed'] is None else 'FAILED'}: {row['why']}"
    what = f"{row['error']:.1e}" + (" (objective)" if row["of"] == "objective" else "")
    times = (
        f"{time_of(row['seconds']):>11} {time_of(row['cpu_seconds']):>11} {1e-6 * row['peak_bytes']:>8.1f} MB"
    )
    return f"{label:50} {what:>11} {times}" + (
        "" if row["passed"] else f"   DIFFERS, limit {row['limit']:.0e}"
    )


def _speed_line(row: Mapping[str, Any]) -> str:
    if not row.get("seconds"):
        return f"{row['name']:50} {'left out: ' + row['left_out'] if 'left_out' in row else 'FAILED: ' + row['failed']}"
    cells = [
        time_of(row.get(name)) or "-" for name in ("seconds", "floor_seconds", "torch_seconds", "cpu_seconds")
    ]
    remarks = [f"{row['cpu_seconds'] / row['seconds']:.0f} x the CPU"] if "cpu_seconds" in row else []
    remarks += [f"{row['seconds'] / row['floor_seconds']:.2f} x its floor"] if "floor_seconds" in row else []
    remarks += [f"wanted {row['target']}"] if row["target"] else []
    return f"{row['name']:50} {' '.join(f'{cell:>11}' for cell in cells)}   {', '.join(remarks)}"


def _left_out(row: Mapping[str, Any]) -> bool:
    return "left_out" in row or row.get("passed", True) is None


def _strict(value: Any) -> Any:
    """Return a value that JSON has: NaN and infinity are null."""
    if isinstance(value, dict):
        return {name: _strict(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_strict(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write(record: Row, path: Path | None) -> None:
    if path is None:
        if record["device"] == "emulated":
            return
        device = re.sub(r"[^a-z0-9]+", "-", record["device"].lower()).strip("-")
        path = Path(__file__).parent / "results" / f"gpu-{device}-{record['date'][:10]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_strict(record), indent=1, allow_nan=False) + "\n")
    print(f"\nwritten: {path}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
