"""What names, parameters and dtypes CuPy has, read from the package itself and kept in ``facts.json``.

python tests/emulation/strict/facts.py    # where CuPy is installed: a GPU or a driver is not needed

Nothing else of the test suite needs CuPy; run it again for a new version of CuPy, and read what changed.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

PATH = Path(__file__).with_name("facts.json")
MODULES = (
    *("cupy", "cupy.linalg", "cupy.fft", "cupy.random", "cupy.lib.stride_tricks"),
    *("cupyx", "cupyx.scipy.fft", "cupyx.scipy.ndimage"),
)


@functools.cache
def known() -> dict[str, Any]:
    """Return a table of names for each of `MODULES` and for ``ndarray``, and the version of CuPy under ``version``."""
    return json.loads(PATH.read_text())


def gathered() -> dict[str, Any]:
    """Return the facts of the CuPy that is installed."""
    import cupy

    tables: dict[str, Any] = {"version": cupy.__version__}
    for path in MODULES:
        module = importlib.import_module(path)
        names = (name for name in dir(module) if name[0] != "_")
        tables[path] = {name: fact for name in names if (fact := _fact(getattr(module, name))) is not None}
    names = (name for name in dir(cupy.ndarray) if name[0] != "_")
    tables["ndarray"] = {name: _signature(getattr(cupy.ndarray, name)) or "property" for name in names}
    return tables


def _fact(value: Any) -> str | None:
    """Return ``ufunc: types``, the parameters of a function, or what else it is."""
    if isinstance(value, ModuleType):
        return "module"
    if isinstance(value, type):
        return "type"
    if hasattr(value, "types") and hasattr(value, "nargs"):
        return "ufunc: " + " ".join(value.types)
    if callable(value):
        return _signature(value) or "callable"
    return "value" if isinstance(value, (int, float, str, type(None))) else None


def _signature(value: Any) -> str | None:
    """Return the parameters, without their types, of what Python or Cython wrote."""
    if not callable(value):
        return None
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        found = re.match(r"[\w.]*\((.*)\)(?: ->.*)?$", ((value.__doc__ or "").splitlines() or [""])[0])
        return None if found is None else _untyped(found[1])
    plain = [p.replace(annotation=p.empty, default=_plain(p.default)) for p in parameters]
    return _untyped(str(inspect.Signature(plain))[1:-1])


def _untyped(text: str) -> str:
    """Return a list of parameters without ``self`` and C types."""
    parts = [part.strip() for part in text.split(",")]
    kept = [re.sub(r"^[\w.]+ (?=\w+(=|$))", "", part) for part in parts if part not in ("self", "")]
    return "(" + ", ".join(kept) + ")"


def _plain(default: Any) -> Any:
    """Return a default that can be written down; ``...`` for one that cannot."""
    plain = (int, float, str, bool, type(None), tuple)
    return default if default is inspect.Parameter.empty or isinstance(default, plain) else ...


def main() -> None:
    """Write the facts of the CuPy that is installed."""
    tables = gathered()
    lines = [f' "version": {json.dumps(tables.pop("version"))}']
    for name, table in tables.items():
        rows = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(table.items()))
        lines.append(f" {json.dumps(name)}: {{\n{rows}\n }}")
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
