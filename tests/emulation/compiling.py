"""Compile CUDA texts with g++, into a folder where the next run finds them."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
# Not optimized: g++ takes half as long, and most kernels run on a few numbers only.
FLAGS = (
    *("-std=c++17", "-O0", "-g0", "-w", "-fPIC", "-shared", "-fvisibility=hidden"),
    *("-ffp-contract=off", "-U_FORTIFY_SOURCE"),
    "-fsanitize=bounds,shift,integer-divide-by-zero,signed-integer-overflow",
)
# Per mode of the emulator: what is added to the flags, and what is linked.
MODES = {
    "plain": ((), ()),
    # all libraries but ThreadSanitizer's: its functions are in watch.h
    "watched": (
        ("-DEMULATION_WATCH", "-fsanitize=thread", "-O0", "-g1"),
        ("-nodefaultlibs", "-lstdc++", "-lm", "-lgcc_s", "-lc"),
    ),
    "address": (("-fsanitize=address", "-O0", "-g1"), ()),
}
_BOUNDS = r"(?:__launch_bounds__\s*\(([^()]*)\)\s*)?"
_KERNEL = re.compile(rf"__global__\s+{_BOUNDS}void\s+{_BOUNDS}(\w+)\s*\(([^()]*)\)")


class EmulationError(AssertionError):
    """A kernel, or the way it was launched, would fail or be undefined on a GPU."""


def require(holds: Any, otherwise: str) -> None:
    if not holds:
        raise EmulationError(otherwise)


def compiler() -> str | None:
    """Return the path of g++ (or of what ``CXX`` names), or None where there is none."""
    return shutil.which(os.environ.get("CXX", "g++"))


def kernels_of(source: str) -> dict[str, tuple[str, str]]:
    """Return ``{name: (launch bounds, parameters)}`` of the kernels in a CUDA text."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", source, flags=re.DOTALL)
    found = {m[3]: (m[1] or m[2] or "", " ".join(m[4].split())) for m in _KERNEL.finditer(text)}
    require(found, 'no extern "C" __global__ void function in the source')
    return found


@functools.lru_cache(maxsize=1)
def _compiler_version(path: str) -> str:
    asked = [path, "-dumpfullversion", "-dumpmachine"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout


def _cache_folder() -> Path:
    """Return this user's folder of compiled kernels; a private one each time if it is not safely theirs."""
    user = getattr(os, "getuid", lambda: 0)()
    folder = Path(tempfile.gettempdir()) / f"sigsep_classic-emulation-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != user:
        return Path(tempfile.mkdtemp(prefix="sigsep_classic-emulation-"))
    return folder


def build(source: str, options: tuple[str, ...], kernels: dict[str, tuple[str, str]], mode: str) -> Path:
    """Compile ``source``, unless that was done before, and return the library's path."""
    path = compiler()
    if path is None:
        raise EmulationError("g++ not found")
    exports = "".join(
        f"EMULATED_KERNEL({', '.join(filter(None, (n, b)))})\n" for n, (b, _) in kernels.items()
    )
    text = f'#include "shim.h"\n#line 1 "source.cu"\n{source}\n{exports}'
    added, libraries = MODES[mode]
    flags = (*FLAGS, *added)
    headers = [header.read_text() for header in sorted(FOLDER.glob("*.h"))]
    parts = (text, *options, *flags, *headers, _compiler_version(path))
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    target = _cache_folder() / f"{digest[:32]}.so"
    if target.exists():
        return target
    prepared = _prepared_header(path, flags, headers)
    command = [path, *flags, *options, f"-I{prepared}", f"-I{FOLDER}", "-x", "c++", "-", *libraries]
    _compiled(command, target, input=text)
    return target


def _prepared_header(path: str, flags: tuple[str, ...], headers: list[str]) -> Path:
    """Return a folder with ``shim.h`` read and parsed for these flags: half of what a small kernel takes to compile."""
    digest = hashlib.sha256("\0".join((*flags, *headers, _compiler_version(path))).encode()).hexdigest()
    target = _cache_folder() / digest[:32] / "shim.h.gch"
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        _compiled([path, *flags, "-x", "c++-header", str(FOLDER / "shim.h")], target)
    return target.parent


def _compiled(command: list[str], target: Path, **options: Any) -> None:
    """Run a compiler and put what it makes at its place, all of it or nothing."""
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch, target.name)
        alone = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
        command = [*command, "-o", str(made)]
        result = subprocess.run(command, capture_output=True, text=True, env=alone, **options)
        require(result.returncode == 0, f"g++ refused the source:\n{result.stderr[:4000]}")
        os.replace(made, target)


def with_lines(message: str, library: Path) -> str:
    """Return ``message`` with places in the library as file:line of the source, where addr2line is there."""
    tool = shutil.which("addr2line")
    if tool is None:
        return message

    def line(found: re.Match[str]) -> str:
        asked = [tool, "-s", "-e", str(library), found[1]]
        told = subprocess.run(asked, capture_output=True, text=True).stdout.split()
        return told[0] if told else found[0]

    return re.sub(r"\+(0x[0-9a-f]+)", line, message)
