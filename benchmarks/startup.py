"""CPU seconds of import, ``--help`` and the first separation of a ten-second file, cold and warm.

python -m benchmarks.startup
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.timing import header

ROUNDS = 21
HEAVY = "[m for m in ('numba', 'librosa', 'sklearn', 'scipy.signal') if m in sys.modules]"


def cpu_seconds(command: list[str], **environment: str) -> float:
    """Return user plus system time of a command that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def median(command: list[str], rounds: int = ROUNDS, **environment: str) -> float:
    """Return the median CPU seconds of several runs."""
    return statistics.median(cpu_seconds(command, **environment) for _ in range(rounds))


def main() -> None:
    """Print the figures."""
    import sigsep_classic as ssc

    python = sys.executable
    header("CPU seconds of whole processes, medians")
    bare = median([python, "-c", "pass"])
    importing = median([python, "-c", "import sigsep_classic"])
    helping = median([python, "-m", "sigsep_classic", "--help"])
    empty = median([python, "-m", "__future__"])
    inside = median(
        [
            python,
            "-c",
            "import sys; sys.argv[1:] = ['--help']; from sigsep_classic.__main__ import main; main()",
        ]
    )
    print(f"  bare Python                {bare:.3f}")
    print(f"  python -m of a tiny module {empty:.3f}   (Python's own price for -m)")
    print(f"  import sigsep_classic      {importing:.3f}   {importing - bare:+.3f} over bare")
    print(f"  --help                     {inside:.3f}   {inside / bare:.2f} x bare")
    print(
        f"  -m sigsep_classic --help   {helping:.3f}   {helping / bare:.2f} x bare, {helping / empty:.2f} x python -m"
    )
    loaded = subprocess.run(
        [python, "-c", f"import sys, sigsep_classic; print({HEAVY})"],
        capture_output=True,
        text=True,
        check=True,
    )
    print(f"  heavy modules loaded by the import: {loaded.stdout.strip()}")
    with tempfile.TemporaryDirectory() as folder:
        mix = ssc.synthesize("song", seconds=10.0)
        song = Path(folder) / "song.wav"
        ssc.save(song, mix.mixture, mix.sample_rate)
        for method in ssc.METHODS:
            command = [
                python,
                "-m",
                "sigsep_classic",
                "separate",
                str(song),
                "-m",
                method,
                "-o",
                folder,
                "-q",
            ]
            cache = {"NUMBA_CACHE_DIR": str(Path(folder) / method)}
            cold = cpu_seconds(command, **cache)
            warm = median(command, 5, **cache)
            print(f"  separate -m {method:<15} JIT-cold {cold:5.2f} s   warm {warm:5.2f} s")


if __name__ == "__main__":
    main()
