"""BSS Eval v4 and v3 against museval and mir_eval: differences, times, memory; an hour in one streaming pass.

python -m benchmarks.metrics [part ...]   (parts: differences, times, memory, v3, permutation, hour)
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Sequence

import numpy as np
from scipy.signal import oaconvolve

from benchmarks.memory import in_child, peak
from benchmarks.peers import museval_metrics
from benchmarks.recordings import MissingRecordingError, musdb_excerpt
from benchmarks.timing import compare, header
from sigsep_classic.metrics import (
    bss_eval_images,
    bss_eval_sources,
    bss_eval_v4,
    csdr,
    median_of_frames,
    streamed_scores,
)

RATE = 44100
NAMES = ("sdr", "isr", "sir", "sar")


def synthetic(seconds: float, n: int = 4, channels: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 stems with loudness that changes, in a small room, with a noise floor, and their estimates."""
    rng, samples = np.random.default_rng(seed), int(seconds * RATE)
    levels = np.repeat(rng.gamma(1.0, size=(n, 1, samples // 4410 + 1)) + 0.02, 4410, axis=2)[..., :samples]
    room = rng.standard_normal((n, channels, 400)) * np.exp(-np.arange(400) / 40)
    room[..., 0] += 3
    stems = oaconvolve(rng.laplace(size=(n, 1, samples)) * levels, room, axes=-1)[..., :samples]
    stems += 0.05 * rng.standard_normal(stems.shape)
    leaks = np.eye(n) + 0.15 * rng.standard_normal((n, n))
    estimates = oaconvolve(np.tensordot(leaks, stems, 1), np.array([[[1, 0.3, -0.2]]]), axes=-1)[
        ..., :samples
    ]
    estimates += 0.2 * rng.standard_normal(stems.shape)
    return (0.1 * stems).astype(np.float32), (0.1 * estimates).astype(np.float32)


def excerpt() -> tuple[np.ndarray, np.ndarray]:
    """Return the stems of the excerpt that stempeg carries (AAC) and what the power ratio mask makes of the mixture."""
    from sigsep_classic.oracle import ideal_ratio_mask

    mixture = musdb_excerpt()
    masked = ideal_ratio_mask(mixture.mixture, mixture.stems, power=2.0)
    return np.stack(list(mixture.stems.values())), np.stack([masked[name] for name in mixture.stems])


def museval(references: np.ndarray, estimates: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return museval's scores with its own defaults for MUSDB18."""
    swapped = [x.transpose(0, 2, 1).astype(float) for x in (references, estimates)]
    return museval_metrics().bss_eval(*swapped, window=RATE, hop=RATE)


def _print_worst(label: str, ours, theirs, names=NAMES) -> None:
    worst = [np.nanmax(np.abs(one - other)) for one, other in zip(ours, theirs, strict=False)]
    values = ", ".join(
        f"{name.upper()} {value:.1e}" for name, value in zip(names, worst[: len(names)], strict=True)
    )
    print(f"  {label:<44} worst |difference| in dB: {values}")


def differences() -> None:
    """Print worst differences from museval on well-conditioned and on AAC-decoded audio."""
    header("BSS Eval v4, 1 s frames", "museval")
    references, estimates = synthetic(10)
    _print_worst(
        "synthetic, 10 s x 4 stereo", bss_eval_v4(references, estimates), museval(references, estimates)
    )
    references[0, 1] = references[0, 0]
    references[1, 1] = 0
    _print_worst(
        "one stem dual mono, one left only",
        bss_eval_v4(references, estimates),
        museval(references, estimates),
    )
    try:
        references, estimates = excerpt()
    except MissingRecordingError as error:
        print(f"  no excerpt: {error}")
        return
    theirs = museval(references, estimates)
    _print_worst("MUSDB18 excerpt (AAC), IRM2 estimates", bss_eval_v4(references, estimates), theirs)
    _print_worst(
        "museval with left and right exchanged", museval(references[:, ::-1], estimates[:, ::-1]), theirs
    )
    for label, options in (("exact", {}), ("load=1e-6", {"load": 1e-6}), ("whole signal", {"window": None})):
        median = median_of_frames(bss_eval_v4(references, estimates, **options).sir)
        print(f"  SIR of the excerpt, {label:<14} {' '.join(f'{value:6.1f}' for value in median)}")


def times() -> None:
    """Print the time of 30 s of four stereo stems relative to museval's."""
    references, estimates = synthetic(30)
    header("30 s x 4 stereo stems", "museval", "scipy")
    compare(
        {
            "bss_eval_v4": lambda: bss_eval_v4(references, estimates),
            "museval": lambda: museval(references, estimates),
        },
        rounds=3,
        unit="s",
    )
    medians = compare({"csdr (SDR alone)": lambda: csdr(references, estimates)}, rounds=9)
    start = time.perf_counter()
    museval(references, estimates)
    print(
        f"  museval needs {(time.perf_counter() - start) / medians['csdr (SDR alone)']:.0f} x as long for its SDR"
    )


def memory() -> None:
    """Print the peak memory for four minutes of four stereo stems, float32."""
    header("peak memory of bss_eval_v4, 4 stereo stems and estimates in float32")
    for minutes in (0.5, 4):
        size, before, most = in_child("benchmarks.metrics", "child", 60 * minutes)
        print(
            f"  {minutes:3.1f} min: {most / 1e6:5.0f} MB in all, of which {size / 1e6:.0f} MB input and "
            f"{before / 1e6:.0f} MB program; the call adds {(most - before - size) / 1e6:.0f} MB"
        )


def child(seconds: str) -> None:
    """Print the bytes of the inputs, of the program, and the peak with one call."""
    rng, samples = np.random.default_rng(0), int(float(seconds) * RATE)
    short = rng.standard_normal((2, 1, 3000), dtype=np.float32)
    bss_eval_v4(short, short[::-1], window=1000, hop=1000, filter_length=4)
    before = peak()
    references = rng.standard_normal((4, 2, samples), dtype=np.float32)
    estimates = rng.standard_normal((4, 2, samples), dtype=np.float32)
    for one, other in zip(estimates, references, strict=True):
        one *= 0.1
        one += other
    bss_eval_v4(references, estimates)
    print(references.nbytes + estimates.nbytes, before, peak())


def v3() -> None:
    """Print differences from mir_eval and ratios of times for both v3 functions."""
    from mir_eval import separation

    warnings.simplefilter("ignore")
    for n, channels in ((3, 1), (2, 2)):
        references, estimates = (x.astype(float) for x in synthetic(10, n, channels))
        estimates = estimates[::-1]
        if channels == 1:
            references, estimates = references[:, 0], estimates[:, 0]
            names, ours, peer = ("sdr", "sir", "sar"), bss_eval_sources, separation.bss_eval_sources
            given = references, estimates
        else:
            names, ours, peer = NAMES, bss_eval_images, separation.bss_eval_images
            given = references.transpose(0, 2, 1), estimates.transpose(0, 2, 1)
        header(f"{ours.__name__}, 10 s x {n} sources of {channels} channel(s), permuted", "mir_eval")
        found, expected = ours(references, estimates), peer(*given)
        _print_worst("", found, expected, names)
        print(f"  permutations {found.permutation.tolist()} {expected[-1].tolist()}")
        compare(
            {
                ours.__name__: lambda f=ours, r=references, e=estimates: f(r, e),
                "mir_eval": lambda f=peer, g=given: f(*g),
            },
            rounds=3,
            unit="s",
        )


def permutation() -> None:
    """Print how long ten permuted sources take; museval and mir_eval would try 3,628,800 orders."""
    references, estimates = synthetic(10, 10, 1)
    order = np.random.default_rng(1).permutation(10)
    header("10 mono sources of 10 s, permuted")
    for function in (bss_eval_images, bss_eval_v4):
        start = time.perf_counter()
        found = function(references, estimates[order], permute=True).permutation
        right = bool((order[found] == np.arange(10)).all())
        print(f"  {function.__name__:<20} {time.perf_counter() - start:.1f} s, right: {right}")


def hour(minutes: str | None = None) -> None:
    """Print time and memory of all streamed metrics for 5 and 60 minutes of four stereo stems."""
    if minutes is None:
        header("streamed_scores, blocks of 10 s, 4 stereo stems, all six metrics")
        for length in (5, 60):
            seconds, added = in_child("benchmarks.metrics", "hour", length)
            print(f"  {length:2d} min: {seconds:.1f} s, {added / 1e6:.0f} MB beyond one block")
        return
    references, estimates = synthetic(10)
    streamed_scores([(references, estimates)])
    before, start = peak(), time.perf_counter()
    streamed_scores((references, estimates) for _ in range(6 * int(minutes)))
    print(time.perf_counter() - start, peak() - before)


PARTS = (differences, times, memory, v3, permutation, hour)


def main(names: Sequence[str] = ()) -> None:
    """Run the parts named, or all."""
    for part in PARTS:
        if not names or part.__name__ in names:
            part()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) == 2 and arguments[0] in ("child", "hour"):
        {"child": child, "hour": hour}[arguments[0]](arguments[1])
    else:
        main(arguments)
