"""How much memory there is for this process, and sizes as people write them."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path

from sigsep_classic.errors import ParameterError

VARIABLE = "SIGSEP_MEMORY_LIMIT"
"""Environment variable that says how many bytes a separation may take."""

SHARE = 0.5
"""Of what is free, taken by default: others want some, and estimates are estimates."""

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_UNKNOWN = 4 * 2**30
"""Where a system tells nothing."""

_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD of malloc.h."""

_CGROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/memory")
_NO_LIMIT = 2**60


def parse_size(text: str | int | float, *, name: str = "memory_limit") -> int:
    """Return a number of bytes of ``"2G"``, ``"800 MiB"``, ``"1.5GB"`` or a number; units are powers of 1024.

    Parameters
    ----------
    text : str, int or float
        What was given.
    name : str
        What messages call it.

    Raises
    ------
    ParameterError
        It is no size, or less than one byte.

    Examples
    --------
    >>> parse_size("2G"), parse_size("1.5 MiB"), parse_size(1000)
    (2147483648, 1572864, 1000)
    """
    if not isinstance(text, str):
        number, unit = text, ""
        good = isinstance(text, (int, float)) and not isinstance(text, bool) and 1 <= text < _NO_LIMIT
    else:
        found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]?)(?:i?b)?\s*", text, re.IGNORECASE)
        good = found is not None and 1 <= float(found[1]) * _UNITS[found[2].lower()] < _NO_LIMIT
        number, unit = (float(found[1]), found[2].lower()) if found else (0.0, "")
    if not good:
        raise ParameterError(f"{name} is {text!r}; give bytes, such as 800M or 2G")
    return int(number * _UNITS[unit])


def size(n_bytes: float) -> str:
    """Return bytes as people read them: ``"1.2 GiB"``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if n_bytes < 1024:
            return f"{n_bytes:.0f} {unit}" if unit in ("B", "KiB") else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.1f} TiB"


def free_memory() -> int:
    """Return how many bytes this process can still take: of the machine, its control group, and its own limit."""
    return max(0, min(_of_machine(), _of_group(), _of_process()))


def give_back_at_once() -> None:
    """Let this process give large arrays back when they are freed, where the C library is glibc.

    It keeps those up to 32 MB for later otherwise, in pieces that nothing else fits into: over the hours of a long file
    that adds up to hundreds of megabytes.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, 2**20)
        libc.malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        return


def _of_machine(path: str = "/proc/meminfo") -> int:
    """Return what the kernel takes for available, or half of what is built in where it does not say."""
    found = _fields(path)
    if "MemAvailable" in found:
        return found["MemAvailable"]
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN


def _of_group(roots: tuple[str, ...] = _CGROUPS, memberships: str = "/proc/self/cgroup") -> int:
    """Return what the control groups of this process, version 2 or 1, and those above them still allow."""
    least = _NO_LIMIT
    for folder in _group_folders(roots, memberships):
        for limit, usage in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            most, taken = _number(folder / limit), _number(folder / usage)
            if most is not None and taken is not None and most < _NO_LIMIT:
                # Pages of files count as taken, but are given back when memory is asked for.
                stat = _fields(folder / "memory.stat", separator=" ", scale=1)
                cached = stat.get("inactive_file", stat.get("total_inactive_file", 0))
                least = min(least, most - max(0, taken - cached))
    return least


def _group_folders(roots: tuple[str, ...], memberships: str) -> list[Path]:
    folders = [Path(root) for root in roots]
    for line in _lines(memberships):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers in ("", "memory"):
            root = Path(roots[0] if not controllers else roots[-1])
            below = root / path.strip("/")
            folders += [below, *(parent for parent in below.parents if root in parent.parents)]
    return folders


def _of_process() -> int:
    """Return what ``ulimit -v`` leaves."""
    try:
        import resource
    except ImportError:
        return _NO_LIMIT
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most == resource.RLIM_INFINITY or most >= _NO_LIMIT or sys.platform == "darwin":
        return _NO_LIMIT
    return most - _fields("/proc/self/status").get("VmSize", 0)


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _fields(path: str | Path, separator: str = ":", scale: int = 1024) -> dict[str, int]:
    """Return the numbers of lines ``name: number unit``."""
    found = {}
    for line in _lines(path):
        name, _, rest = line.partition(separator)
        words = rest.split()
        if words and words[0].isdigit():
            found[name.strip()] = int(words[0]) * scale
    return found


def _number(path: Path) -> int | None:
    words = _lines(path)
    return int(words[0]) if words and words[0].strip().isdigit() else None


def memory_bytes(limit: str | int | None) -> int | None:
    """Return the limit in bytes: what was given, or the environment says; None for neither.

    Raises
    ------
    ParameterError
        It is no size.
    """
    if limit is not None:
        return parse_size(limit)
    told = os.environ.get(VARIABLE)
    return parse_size(told, name=VARIABLE) if told else None
