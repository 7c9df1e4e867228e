"""``sigsep-classic info``: what is installed here, and why something is not used."""

from __future__ import annotations

import argparse
import os
import platform
from typing import Any

from sigsep_classic.cli import parsing
from sigsep_classic.cli.output import say, terminal_width, to_json

PACKAGES = ("numpy", "scipy", "numba", "llvmlite", "librosa", "scikit-learn", "soundfile", "soxr")
EXTRAS = (
    "av",
    "distributed",
    "jinja2",
    "matplotlib",
    "nicegui",
    "onnxruntime",
    "pesq",
    "pyroomacoustics",
    "PyYAML",
    "shtab",
    "torch",
    "cupy-cuda12x",
    "cupy-cuda13x",
)
VARIABLES = (
    "SIGSEP_DEVICE",
    "SIGSEP_NUM_THREADS",
    "OMP_NUM_THREADS",
    "NUMBA_DISABLE_JIT",
    "NUMBA_CACHE_DIR",
)


def add_options(parser: parsing.Parser, words: list[str]) -> None:
    """Add the options of this verb."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Print what is here."""
    found = collect()
    say(to_json(found, indent=2) if options.json else _as_text(found))
    return 0


def collect() -> dict[str, Any]:
    """Return versions, devices, threads, codecs and caches as plain values."""
    from sigsep_classic._version import __version__
    from sigsep_classic.audio import codecs
    from sigsep_classic.backend import n_threads
    from sigsep_classic.factorizers import METHODS
    from sigsep_classic.kernels import jit

    folder = jit.cache_folder() if jit.enabled() else None
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": _versions(PACKAGES),
        "extras": _versions(EXTRAS),
        "devices": _devices(),
        "threads": n_threads(),
        "blas": _blas(),
        "codecs": [
            {"name": c.name, "suffixes": list(c.suffixes), "reads": c.reads, "writes": c.writes, "via": c.via}
            for c in codecs()
        ],
        "compiler": {"enabled": jit.enabled(), "cache": None if folder is None else str(folder)},
        "methods": list(METHODS),
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def _versions(names: tuple[str, ...]) -> dict[str, str | None]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _devices() -> dict[str, Any]:
    from dataclasses import asdict

    from sigsep_classic.backend import cuda_status, resolve_device
    from sigsep_classic.devices import gpus
    from sigsep_classic.errors import SigsepError

    available, detail = cuda_status()
    try:
        default = resolve_device(None)
    except SigsepError as error:
        default = f"none: {error}"
    processor = platform.processor() or platform.machine()
    return {
        "default": default,
        "cpu": {"available": True, "detail": f"{processor}, {os.cpu_count()} processors"},
        "cuda": {"available": available, "detail": detail, "gpus": [asdict(gpu) for gpu in gpus()]},
    }


def _blas() -> list[str]:
    import scipy.linalg  # noqa: F401  (loads its BLAS, so that it is listed)
    from threadpoolctl import threadpool_info

    return [
        f"{pool['internal_api']} {pool['version'] or ''}, {pool['num_threads']} threads".replace(" ,", ",")
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]


def _as_text(found: dict[str, Any]) -> str:
    devices = found["devices"]
    writes = [c["name"] for c in found["codecs"] if c["writes"]]
    only_read = [c["name"] for c in found["codecs"] if c["reads"] and not c["writes"]]
    missing = [f"{c['name']}: {c['via']}" for c in found["codecs"] if not c["reads"]]
    compiler = found["compiler"]
    cache = compiler["cache"] or "none that can be written: kernels are compiled at each start"
    rows = {
        "sigsep-classic": found["version"],
        "python": f"{found['python']} on {found['platform']}",
        "packages": _listed(found["packages"]),
        "extras": _listed(found["extras"]),
        "device": devices["default"],
        "cpu": devices["cpu"]["detail"],
        "cuda": ("yes: " if devices["cuda"]["available"] else "no: ") + devices["cuda"]["detail"],
        **{f"cuda:{gpu['index']}": _gpu(gpu) for gpu in devices["cuda"]["gpus"]},
        "threads": str(found["threads"]),
        "blas": "; ".join(found["blas"]),
        "reads and writes": ", ".join(writes),
        "only reads": ", ".join(only_read) or "-",
        "does not read": "; ".join(missing) or "-",
        "kernel cache": cache if compiler["enabled"] else "off: NUMBA_DISABLE_JIT is set",
        "methods": ", ".join(found["methods"]),
        "environment": ", ".join(f"{k}={v}" for k, v in found["environment"].items()) or "-",
    }
    return "\n".join(_row(f"{name + ':':<18}", text) for name, text in rows.items())


def _row(name: str, text: str) -> str:
    """Return a line, or on a terminal as many as it takes."""
    import textwrap

    width = terminal_width()
    if width is None or len(name) + len(text) <= width:
        return name + text
    left = " " * len(name) if width >= 60 else "    "
    options: dict[str, Any] = {"break_on_hyphens": False, "break_long_words": False}
    return "\n".join(textwrap.wrap(name + text, width, subsequent_indent=left, **options))


def _gpu(found: dict[str, Any]) -> str:
    from sigsep_classic.devices import Gpu

    return str(Gpu(**found)) + (f"; {found['problem']}" if found["problem"] else "")


def _listed(packages: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {version or '(not installed)'}" for name, version in packages.items())
