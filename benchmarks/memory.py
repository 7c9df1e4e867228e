"""Peak memory of a call, in a process of its own, beyond what the program has in memory before it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def peak() -> int:
    """Return the most memory this process has held, in bytes (Linux; getrusage would count that of its parent too)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def in_child(module: str, *args: object) -> list[float]:
    """Return the numbers that ``python -m module args`` prints on its last line."""
    command = [sys.executable, "-m", module, *map(str, args)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(word) for word in done.stdout.splitlines()[-1].split()]
