"""Public packages that are imported in part, or need a name back that newer libraries took away."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np


class MissingPeerError(Exception):
    """The package is not installed; the message says which."""


@lru_cache(maxsize=1)
def museval_metrics() -> ModuleType:
    """Return museval/metrics.py on its own: the package itself wants ffmpeg on the path to be imported."""
    package = importlib.util.find_spec("museval")
    if package is None or not package.submodule_search_locations:
        raise MissingPeerError("pip install museval")
    path = Path(package.submodule_search_locations[0]) / "metrics.py"
    spec = importlib.util.spec_from_file_location("museval_metrics", path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(
        np.linalg, "linalg"
    ):  # gone in NumPy 2.4; museval looks an error up there when a solve fails
        shim = SimpleNamespace(**vars(np))
        shim.linalg = SimpleNamespace(**vars(np.linalg), linalg=np.linalg)
        module.np = shim
    return module
