"""Peak memory: of a call in a process of its own, and of hours of stereo sound through the command line.

``python -m benchmarks.memory [HOURS]`` writes a file of so many hours (default 3, stereo, 44.1 kHz, 16 bits) and one of
a third of that to a temporary folder (``TMPDIR``; seven times the file are needed), separates both by HPSS, online
REPET-SIM and NMF with ``--memory-limit 200M``, and prints for each the most memory the process held, how much more that
is per further hour, whether the stems are as long as the file, and by how much their sum misses it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

RATE = 44100
CODINGS = {"hpss": "float32", "repet_sim_online": "int16", "nmf": "float32"}
OPTIONS = {"hpss": [], "repet_sim_online": [], "nmf": ["--n-components", "16", "--n-iter", "50"]}
LIMIT = "200M"
MOST_MIB, MOST_SLOPE = 600, 1.0


def peak() -> int:
    """Return the most memory this process has held, in bytes (Linux; getrusage would count that of its parent too)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def in_child(module: str, *args: object) -> list[float]:
    """Return the numbers that ``python -m module args`` prints on its last line."""
    command = [sys.executable, "-m", module, *map(str, args)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(word) for word in done.stdout.splitlines()[-1].split()]


def write_recording(path: Path, hours: float) -> int:
    """Write so many hours of a synthetic song, over and over; return its samples."""
    import numpy as np
    import soundfile

    from sigsep_classic import synthesize

    song = synthesize("song", seconds=29.0, sample_rate=RATE).mixture
    song = np.round(0.5 * song / abs(song).max() * 32767).astype("int16").T
    left = n_samples = round(hours * 3600 * RATE)
    with soundfile.SoundFile(path, "w", RATE, song.shape[1], subtype="PCM_16") as file:
        while left:
            file.write(song[:left])
            left -= min(left, len(song))
    return n_samples


def separated(path: Path, folder: Path, method: str) -> tuple[int, dict[str, Any]]:
    """Return the peak memory in bytes of ``separate`` of a file in a process of its own, and its record."""
    words = ["separate", str(path), "-m", method, "-o", str(folder), "--subtype", CODINGS[method], "--json"]
    words += ["--memory-limit", LIMIT, *OPTIONS[method]]
    run = "import sys; from sigsep_classic.cli.main import main; code = main(sys.argv[1:])"
    run += "; from benchmarks.memory import peak; print(peak()); sys.exit(code)"
    done = subprocess.run(
        [sys.executable, "-c", run, *words],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    record, bytes_ = done.stdout.splitlines()[-2:]
    return int(bytes_), json.loads(record)


def missed(path: Path, stems: list[str]) -> tuple[bool, float]:
    """Return whether all stems are as long as the file, and the largest difference of their sum from it."""
    import numpy as np
    import soundfile

    files = [soundfile.SoundFile(name) for name in (str(path), *stems)]
    most = 0.0
    try:
        equal = len({file.frames for file in files}) == 1
        for at in range(0, files[0].frames, 1 << 20):
            mixture, *parts = (file.read(1 << 20, dtype="float64") for file in files)
            if all(part.shape == mixture.shape for part in parts):
                most = max(most, float(np.abs(mixture - sum(parts)).max()))
            else:
                return False, float("inf")
            del at, mixture, parts
    finally:
        for file in files:
            file.close()
    return equal, most


def main() -> None:
    """Print the figures for as many hours as the command line says, and end with 1 if one is beyond its bound."""
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    names = sys.argv[2:] or list(CODINGS)
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for method in names:
            peaks, seconds, miss, same, plan = [], [], 0.0, True, ""
            for length in (hours / 3, hours):
                path = folder / "mix.wav"
                write_recording(path, length)
                taken, record = separated(path, folder / "stems", method)
                equal, most = missed(path, list(record["outputs"].values()))
                same, miss = same and equal, max(miss, most)
                peaks.append(taken)
                seconds.append(record["seconds"])
                plan = record["plan"]
                for name in (path, *map(Path, record["outputs"].values())):
                    name.unlink()
            slope = (peaks[1] - peaks[0]) / 2**20 / (hours * 2 / 3)
            bound = 1e-6 if CODINGS[method] == "float32" else 1.001 / 32768
            fine = peaks[1] <= MOST_MIB * 2**20 and slope < MOST_SLOPE and same and miss <= bound
            good = good and fine
            print(
                f"{method:<18} {plan:<7} {hours:g} h: peak {peaks[1] / 2**20:.0f} MiB, {slope:+.2f} MiB per "
                f"further hour, {hours * 3600 / seconds[1]:.0f} times real time, "
                f"lengths {'equal' if same else 'DIFFER'}, "
                f"{CODINGS[method]} stems miss the mixture by {miss:.2g} (bound {bound:.2g})"
                f"{'' if fine else '  BEYOND A BOUND'}",
                flush=True,
            )
    sys.exit(not good)


if __name__ == "__main__":
    main()
