"""Blind separation of speech in simulated rooms: our methods beside other packages', gain, failures and time.

    python -m benchmarks.rooms [--development] [--quick] [--fresh] [--kinds determined over under noisy]
                               [--peers NAME ...] [--methods NAME ...] [--twins]

Gain is dSDR, the mean over a mixture's sources; a mixture below 3 dB is a failure. Every method but the default call
(``bss``, which chooses its own) is run with windows of 2048, 4096 and 8192 samples at 16 kHz, a quarter of it as hop,
and told at its best, by the median over the set. With ``--twins`` each package's method is followed by ours with its
settings and start (`benchmarks.room_twins`): there what differs is the code alone. See `benchmarks.room_sets` for the
mixtures and `benchmarks.room_peers` for how the other packages are called; their scores are kept on disk until
``--fresh``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import sigsep_classic as ssc
from benchmarks.recordings import MissingRecordingError
from benchmarks.room_peers import PEERS, score
from benchmarks.room_sets import development, gain, held_apart
from benchmarks.room_twins import TWINS, Twin
from benchmarks.timing import header
from sigsep_classic.datasets.rooms import RoomMixture

__all__ = ["RoomMixture", "development", "gain", "held_apart", "main"]

SIZES = (2048, 4096, 8192)
FAILURE = 3.0
KINDS = ("determined", "over", "under", "noisy")
DEFAULT = "bss"
OURS = (
    "fdica",
    "auxiva",
    "overiva",
    "ilrma",
    "ilrma_consistent",
    "subband_iva",
    "subband_ilrma",
    "fastmnmf1",
    "fastmnmf2",
    "mnmf",
    "cacgmm",
    "cwmm",
    "pds",
)
"""Methods that separate by more than one microphone; those not registered are left out."""


@dataclass(frozen=True)
class Row:
    """Gains in dB and CPU seconds of one method with one window, each one a mixture."""

    gains: np.ndarray
    seconds: np.ndarray

    @property
    def median(self) -> float:
        """Median gain, a mixture without result the worst."""
        return float(np.median(np.nan_to_num(self.gains, nan=-30.0)))

    def __str__(self) -> str:
        gains = np.nan_to_num(self.gains, nan=-30.0)
        failures = int((gains < FAILURE).sum())
        return f"{self.median:7.2f} {gains.mean():7.2f} {failures:4d}   {self.seconds.mean():8.2f}"


def ours(method: str, mixture: RoomMixture, n_fft: int | None) -> tuple[float, float]:
    """Return the gain of one of our methods and its CPU time; NaN where it does not take such a mixture."""
    frontend = None if n_fft is None else ssc.STFT(n_fft=n_fft)
    start = time.process_time()
    try:
        found = ssc.separate(
            mixture.mixture,
            mixture.sample_rate,
            method=method,
            n_sources=len(mixture.images),
            frontend=frontend,
        )
    except ssc.SigsepError:
        return float("nan"), time.process_time() - start
    seconds = time.process_time() - start
    estimates = np.stack([found[name][0] for name in found if name != "residual"])
    if len(estimates) < len(mixture.images):
        return float("nan"), seconds
    return float(gain(mixture, estimates).mean()), seconds


def twin(method: Twin, mixture: RoomMixture, n_fft: int) -> tuple[float, float]:
    """Return the gain of a method given coefficients in double precision, as the packages are, and its CPU time."""
    stft = ssc.STFT(n_fft=n_fft)
    X = stft.analyze(mixture.mixture.astype(np.float64))
    start = time.process_time()
    try:
        Y = method(X, len(mixture.images))
    except ssc.SigsepError:
        return float("nan"), time.process_time() - start
    seconds = time.process_time() - start
    images = stft.synthesize(np.ascontiguousarray(Y), mixture.mixture.shape[1])
    return float(gain(mixture, images).mean()), seconds


def measured(
    call: Callable[[RoomMixture], tuple[float, float]], mixtures: Sequence[RoomMixture]
) -> Row | None:
    """Return a method's row on a set, None if it has no result for any of its mixtures."""
    pairs = np.array([call(mixture) for mixture in mixtures])
    return None if np.isnan(pairs[:, 0]).all() else Row(pairs[:, 0], pairs[:, 1])


def line(label: str, rows: dict[int, Row]) -> Row:
    """Print a method at its best window, beside the medians with each, and return it."""
    best = max(rows, key=lambda n_fft: rows[n_fft].median)
    each = "  ".join(f"{rows[n_fft].median:6.2f}" if n_fft in rows else "     -" for n_fft in SIZES)
    print(f"  {label:<32} {best:>6} {rows[best]}   {each}", flush=True)
    return rows[best]


def table(
    kind: str,
    mixtures: Sequence[RoomMixture],
    *,
    fresh: bool,
    peers: Sequence[str],
    methods: Sequence[str],
    twins: bool = False,
) -> None:
    """Print the table of one set, and how far the default call is from what it is held to."""
    sizes = "  ".join(f"{n_fft:6d}" for n_fft in SIZES)
    print(f"\n  {kind}: {len(mixtures)} mixtures")
    print(f"  {'':<32} {'window':>6}  median    mean fail  CPU s each   median at {sizes}")
    theirs: dict[str, Row] = {}
    for name, peer in PEERS.items():
        if name in peers and peer.installed and peer.takes(*mixtures[0].images.shape[:2]):
            found = {
                n: measured(lambda m, n=n, name=name: score(name, m, n, fresh=fresh), mixtures) for n in SIZES
            }
            rows = {n: row for n, row in found.items() if row is not None}
            if rows:
                theirs[name] = line(name, rows)
                if twins:
                    _beside(name, mixtures, rows)
    for name in methods:
        found = {n: measured(lambda m, n=n, name=name: ours(name, m, n), mixtures) for n in SIZES}
        rows = {n: row for n, row in found.items() if row is not None}
        if rows:
            line(f"ours, {name}", rows)
    _default(mixtures, theirs)
    counted = [counted_sources(mixture) for mixture in mixtures]
    right = sum(n == len(mixture.images) for n, mixture in zip(counted, mixtures, strict=True))
    print(f"  sources counted by {DEFAULT}: right in {right} of {len(mixtures)} mixtures")


def _beside(name: str, mixtures: Sequence[RoomMixture], theirs: dict[int, Row]) -> None:
    """Print ours with a package's settings, and how far its medians are from the package's."""
    found = {n: measured(lambda m, n=n: twin(TWINS[name], m, n), mixtures) for n in theirs}
    rows = {n: row for n, row in found.items() if row is not None}
    line("  ours, set so", rows)
    apart = "  ".join(f"{rows[n].median - theirs[n].median:+6.2f}" if n in rows else "     -" for n in SIZES)
    print(f"  {'  against it':<32} {'':>6} {'':>31}  {apart}", flush=True)


def counted_sources(mixture: RoomMixture) -> int:
    """Return how many sources the default call finds when it is not told."""
    found = ssc.separate(mixture.mixture, mixture.sample_rate, method=DEFAULT)
    return len([name for name in found if name != "residual"])


def _default(mixtures: Sequence[RoomMixture], theirs: dict[str, Row]) -> None:
    """Print the default call with fixed windows and with its own choice."""
    found = {n: measured(lambda m, n=n: ours(DEFAULT, m, n), mixtures) for n in SIZES}
    rows = {n: row for n, row in found.items() if row is not None}
    blind = measured(lambda m: ours(DEFAULT, m, None), mixtures)
    if blind is None or not rows:
        return
    fixed = line(f"ours, {DEFAULT} at fixed windows", rows)
    print(f"  {f'ours, {DEFAULT}: the default call':<32}  blind {blind}")
    print(
        f"  choice of the window: {blind.median - fixed.median:+.2f} dB against the best fixed one (median)"
    )
    if theirs:
        best = max(theirs, key=lambda name: theirs[name].median)
        print(
            f"  default call against the best peer, {best}: {blind.median - theirs[best].median:+.2f} dB (median)"
        )


def main(arguments: Sequence[str] = ("--quick",)) -> None:
    """Print the tables; among all benchmarks the quick ones."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rooms")
    registered = [name for name in OURS if name in ssc.METHODS.built_in]
    parser.add_argument(
        "--development", action="store_true", help="the set to tune on, not the one held apart"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one or two mixtures a set, of development, without peers"
    )
    parser.add_argument("--fresh", action="store_true", help="measure the other packages again")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS), metavar="NAME")
    parser.add_argument("--methods", nargs="*", default=registered, choices=registered, metavar="NAME")
    parser.add_argument("--twins", action="store_true", help="ours with each package's settings too")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=[*KINDS, "2x2", "3x3"])
    chosen = parser.parse_args(arguments)
    held = not (chosen.development or chosen.quick)
    header(f"Rooms, {'held apart' if held else 'development'}")
    for package in sorted({peer.package for peer in PEERS.values()}):
        versions = {peer.installed for peer in PEERS.values() if peer.package == package}
        found = next(iter(versions))
        print(f"  {package} {found}" if found else f"  {package} is not installed: pip install {package}")
    try:
        for kind in chosen.kinds:
            mixtures = held_apart(kind) if held else development(kind)
            if chosen.quick:
                mixtures = mixtures[1::6]
            peers = () if chosen.quick else chosen.peers
            table(kind, mixtures, fresh=chosen.fresh, peers=peers, methods=chosen.methods, twins=chosen.twins)
    except (MissingRecordingError, ssc.SigsepError) as error:
        print(f"  left out: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
