"""Files with changed bytes, made from whole ones by a seeded generator: the reader ends in samples or an error of ours.

``python -m tests.faults.fuzz_reader --seconds 600`` does it by hand for as long as wanted; ``--seed`` begins elsewhere,
and ``--case N`` repeats one, which is what a failure prints. ``--apart`` runs each case in a process of its own,
so that a crash of the decoder is a finding and no end of the run.
"""

from __future__ import annotations

import argparse
import io
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from sigsep_classic import audio
from sigsep_classic.errors import SigsepError
from tests.faults.sounds import encoded, noise

FORMATS: tuple[dict[str, str], ...] = (
    {},
    {"subtype": "FLOAT"},
    {"subtype": "PCM_24"},
    {"format": "WAVEX"},
    {"format": "RF64"},
    {"format": "W64"},
    {"format": "AIFF"},
    {"format": "AIFF", "subtype": "FLOAT"},
    {"format": "AU"},
    {"format": "CAF"},
    {"format": "FLAC"},
    {"format": "OGG"},
    {"format": "OGG", "subtype": "OPUS"},
    {"format": "MP3", "subtype": "MPEG_LAYER_III"},
)
_NUMBERS = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_HEADER = 200

MOST_SAMPLES = 2**26
"""A header may claim more; nobody may be given it."""


def whole_files() -> list[bytes]:
    """Return a small file of each format."""
    x = noise(2, 3000)
    return [
        encoded(x, 48000 if options.get("subtype") == "OPUS" else 44100, **options) for options in FORMATS
    ]


def changed(data: bytes, rng: np.random.Generator) -> bytes:
    """Return a file with one to six changes, most of them in its header."""
    new = bytearray(data)
    for _ in range(rng.integers(1, 7)):
        reach = len(new) if rng.random() < 0.2 else min(len(new), _HEADER)
        if reach < 8:
            break
        at, kind = int(rng.integers(reach - 4)), rng.integers(7)
        if kind <= 1:
            new[at] = rng.integers(256)
        elif kind == 2:
            new[at] ^= 1 << rng.integers(8)
        elif kind == 3:
            new[at : at + 4] = struct.pack(rng.choice(["<I", ">I"]), int(rng.choice(_NUMBERS)))
        elif kind == 4:
            new[at : at + 2] = struct.pack("<H", int(rng.choice(_NUMBERS)) & 0xFFFF)
        elif kind == 5:
            del new[at : at + int(rng.integers(1, 40))]
        else:
            new[at:at] = new[at : at + int(rng.integers(1, 40))]
    return bytes(new[: rng.integers(1, len(new) + 1)] if rng.random() < 0.2 else new)


def case(number: int, files: list[bytes], seed: int = 0) -> bytes:
    """Return the file of a case."""
    rng = np.random.default_rng([seed, number])
    return changed(files[number % len(files)], rng)


def check(data: bytes) -> str:
    """Read a file in all ways and return what came of it: samples, or the error."""
    try:
        audio.info(io.BytesIO(data))
        sound = audio.load(io.BytesIO(data))
    except SigsepError as error:
        if "\n" in str(error):
            raise AssertionError(f"more than one line: {error}") from error
        return type(error).__name__
    assert np.isfinite(sound.samples).all()
    assert 0 < sound.samples.size <= MOST_SAMPLES
    assert sound.sample_rate > 0
    joined = sum(block.shape[1] for block in audio.blocks(io.BytesIO(data), block_samples=1000))
    assert joined == sound.samples.shape[1], (joined, sound.samples.shape)
    return "samples"


def cases(
    seed: int, *, seconds: float | None = None, n_cases: int | None = None
) -> Iterator[tuple[int, bytes]]:
    """Yield numbered files for so long, or so many."""
    files, number, end = whole_files(), 0, None if seconds is None else time.monotonic() + seconds
    while (n_cases is None or number < n_cases) and (end is None or time.monotonic() < end):
        yield number, case(number, files, seed)
        number += 1


def _apart(seed: int, number: int) -> int:
    words = [sys.executable, "-m", "tests.faults.fuzz_reader", "--seed", str(seed), "--case", str(number)]
    return subprocess.run(words, check=False, timeout=60).returncode


def main(words: list[str] | None = None) -> int:
    """Run for a while and print what came of it; return 1 where something did that should not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="repeat this one")
    parser.add_argument("--apart", action="store_true", help="each case in a process of its own")
    options: Any = parser.parse_args(words)
    if options.case is not None:
        print(check(case(options.case, whole_files(), options.seed)))
        return 0
    counts: dict[str, int] = {}
    for number, data in cases(options.seed, seconds=options.seconds):
        try:
            found = f"exit code {_apart(options.seed, number)}" if options.apart else check(data)
        except Exception as error:
            print(f"--seed {options.seed} --case {number}: {error!r:.300}")
            found = "FAULT"
        counts[found] = counts.get(found, 0) + 1
    print(counts)
    return int(
        "FAULT" in counts or any(key.startswith("exit code") and key != "exit code 0" for key in counts)
    )


if __name__ == "__main__":
    sys.exit(main())
