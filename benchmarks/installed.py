"""What an installation weighs, package by package, and what a command costs before it does anything.

python -m benchmarks.installed [EXTRA ...]

Of this environment: what the package needs without extras and, if any are named, with them. Two sizes: the files as
they are unpacked, and the bytecode beside them (pip compiles all of it; without, it comes with the first import).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGE = "sigsep-classic"
LIMIT_MB = 450
"""What the files of an installation without extras may take, bytecode apart."""


@dataclass(frozen=True)
class Weight:
    """Bytes of one installed package: its files, and the bytecode made from them here."""

    name: str
    files: int
    bytecode: int


def needed(*extras: str) -> list[Distribution]:
    """Return the package and all it needs, directly or not, each once.

    Raises
    ------
    PackageNotFoundError
        Something needed is not installed here.
    """
    found: dict[str, Distribution] = {}
    done: set[tuple[str, str]] = set()
    wanted = [Requirement(f"{PACKAGE}[{','.join(extras)}]")]
    while wanted:
        asked = wanted.pop()
        name = canonicalize_name(asked.name)
        package = found.setdefault(name, distribution(name))
        for extra in {"", *asked.extras}:
            if (name, extra) not in done:
                done.add((name, extra))
                lines = [Requirement(line) for line in package.requires or ()]
                wanted += [
                    line for line in lines if not line.marker or line.marker.evaluate({"extra": extra})
                ]
    return list(found.values())


def weigh(package: Distribution) -> Weight:
    """Return what a package's files take; ours are taken from where they are imported from."""
    name = package.metadata["Name"]
    paths = [Path(str(path.locate())) for path in package.files or ()]
    if name == PACKAGE:
        import sigsep_classic

        paths = list(Path(str(sigsep_classic.__file__)).parent.rglob("*"))
    files = {path for path in paths if path.suffix != ".pyc" and path.is_file()}
    compiled = [
        path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc" for path in files
    ]
    return Weight(name, _bytes(files), _bytes(path for path in compiled if path.is_file()))


def _bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def main(*extras: str) -> None:
    """Print the figures."""
    from benchmarks.startup import median
    from benchmarks.timing import header

    header(f"Installed size, MB of 1,000,000 bytes{', with ' + ', '.join(extras) if extras else ''}")
    try:
        weights = sorted(map(weigh, needed(*extras)), key=lambda weight: -weight.files)
    except PackageNotFoundError as missing:
        raise SystemExit(
            f"{missing.name} is not installed here; pip install '.[{','.join(extras)}]'"
        ) from None
    small = [weight for weight in weights if weight.files < 1e6]
    rest = Weight(
        f"{len(small)} smaller ones", *(sum(getattr(w, k) for w in small) for k in ("files", "bytecode"))
    )
    total = Weight("all", *(sum(getattr(w, k) for w in weights) for k in ("files", "bytecode")))
    for weight in [*(w for w in weights if w.files >= 1e6), rest, total]:
        print(f"  {weight.name:<24} {weight.files / 1e6:7.1f}   + bytecode {weight.bytecode / 1e6:6.1f}")
    header("CPU seconds of whole processes, medians of 9")
    run = [sys.executable, "-m", "sigsep_classic"]
    for name, command in {
        "python -c pass": [sys.executable, "-c", "pass"],
        "sigsep-classic --version": [*run, "--version"],
        "sigsep-classic methods": [*run, "methods"],
        "sigsep-classic info": [*run, "info"],
    }.items():
        print(f"  {name:<24} {median(command, 9, PYTHONDONTWRITEBYTECODE=''):7.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
