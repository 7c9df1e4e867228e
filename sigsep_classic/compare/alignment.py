"""Estimates brought to the rate, channels, delay and length of the truth, with a word about each change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sigsep_classic.typing import Array

MAX_SECONDS = 0.05
"""Largest delay that is looked for: encoders of MP3 and AAC add about 25 and 48 ms at 44.1 kHz."""

MIN_GAIN_DB = 0.5
"""Estimates are shifted only if their SI-SDR rises by this much, all stems taken together."""

MAX_SEARCHED_SECONDS = 30.0
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Offset:
    """Where estimates lie against the truth.

    Parameters
    ----------
    samples : int
        How many samples the estimates are late; negative if they are early.
    gain_db : float
        By how much moving them there raises the SI-SDR of all stems taken together.
    """

    samples: int
    gain_db: float


def find_offset(truth: Mapping[str, Array], estimates: Mapping[str, Array], *, max_lag: int) -> Offset:
    """Return the delay at which estimates and truth correlate best, one for all stems.

    Correlations are summed over stems, each of the sum of its channels, in up to half a minute of blocks spread
    over the track. With ρ(l) the normalised correlation at lag l, the best SI-SDR at that lag is
    ``10 log10(ρ² / (1 − ρ²))``.

    Parameters
    ----------
    truth, estimates : mapping of str to array (channels, samples)
        Of the same names, each pair at one sample rate; lengths may differ.
    max_lag : int
        Largest delay, in samples, in either direction.

    Returns
    -------
    Offset
        0 where nothing correlates.
    """
    cross = np.zeros(2 * max_lag + 1)
    energy = np.zeros(2)
    n_samples = min(min(x.shape[-1], estimates[name].shape[-1]) for name, x in truth.items())
    for start in _starts(n_samples):
        for name, x in truth.items():
            reference = x[:, start : start + _BLOCK].sum(axis=0, dtype="float64")
            y = _padded(estimates[name], start - max_lag, start + _BLOCK + max_lag)
            cross += _correlation(reference, y, max_lag)
            energy += (reference @ reference, y[max_lag : y.size - max_lag] @ y[max_lag : y.size - max_lag])
    if not energy.all():
        return Offset(0, 0.0)
    share = np.minimum(np.maximum(cross, 0) ** 2 / energy.prod(), 1 - 1e-12)
    best = int(np.argmax(share))
    if not share[best]:
        return Offset(0, 0.0)
    levels = 10 * np.log10(np.maximum(share, 1e-12) / (1 - share))
    return Offset(best - max_lag, float(levels[best] - levels[max_lag]))


def _starts(n_samples: int) -> range:
    """Return where blocks begin: all of a short track, evenly spread over a long one."""
    n_blocks = -(-n_samples // _BLOCK)
    searched = int(MAX_SEARCHED_SECONDS * 44100) // _BLOCK
    return range(0, n_samples, _BLOCK * max(1, -(-n_blocks // searched)))


def _padded(x: Array, start: int, stop: int) -> np.ndarray:
    """Return the sum of channels from start to stop, zeros beyond both ends."""
    inside = x[:, max(start, 0) : max(stop, 0)].sum(axis=0, dtype="float64")
    before = max(0, -start)
    return np.pad(inside, (before, max(0, stop - start - before - inside.size)))


def _correlation(reference: np.ndarray, y: np.ndarray, max_lag: int) -> np.ndarray:
    """Return Σ reference(t) y(t + l) for l = −max_lag … max_lag, y beginning at −max_lag."""
    from scipy.fft import irfft, next_fast_len, rfft

    n_fft = next_fast_len(y.size, real=True)  # what wraps around lies beyond the lags asked for
    lags = irfft(rfft(reference, n_fft).conj() * rfft(y, n_fft), n_fft)
    found: np.ndarray = lags[: 2 * max_lag + 1]
    return found


def with_channels(x: Array, channels: int) -> tuple[Array, str]:
    """Return x (channels, samples) with as many channels as the truth, and what was done; empty for nothing."""
    if len(x) == channels:
        return x, ""
    if len(x) == 1:
        return np.repeat(x, channels, axis=0), f"its one channel was taken for all {channels}"
    if channels == 1:
        return x.mean(axis=0, keepdims=True), f"its {len(x)} channels were averaged"
    kept = min(len(x), channels)
    rest = np.zeros((channels - kept, x.shape[-1]), x.dtype)
    return np.concatenate(
        [x[:kept], rest]
    ), f"it has {len(x)} channels, the truth {channels}; the first {kept} were taken"


def shifted(x: Array, offset: int) -> Array:
    """Return x (channels, samples) moved ``offset`` samples earlier; a negative one puts zeros before it."""
    if offset >= 0:
        return x[:, offset:]
    return np.pad(x, ((0, 0), (-offset, 0)))


def with_length(x: Array, n_samples: int) -> Array:
    """Return the first ``n_samples`` of x (channels, samples), zeros where it is shorter."""
    return x[:, :n_samples] if x.shape[-1] >= n_samples else np.pad(x, ((0, 0), (0, n_samples - x.shape[-1])))


def aligned(
    truth: Mapping[str, Array], estimates: Mapping[str, Array], sample_rate: float, *, search: bool = True
) -> tuple[dict[str, Array], list[str]]:
    """Return estimates in the shape of the truth, and a line about each thing that was done to them.

    Parameters
    ----------
    truth, estimates : mapping of str to array (channels, samples)
        Of the same names and sample rate.
    sample_rate : float
        In Hz.
    search : bool
        Look for a delay of up to `MAX_SECONDS`, the same for all stems, and take it back where that raises the
        SI-SDR by `MIN_GAIN_DB`.
    """
    words: list[str] = []
    found: dict[str, Array] = {}
    for name, x in truth.items():
        found[name], word = with_channels(estimates[name], len(x))
        words += [f"{name}: {word}"] if word else []
    if search:
        offset = find_offset(truth, found, max_lag=round(MAX_SECONDS * sample_rate))
        if offset.samples and offset.gain_db >= MIN_GAIN_DB:
            found = {name: shifted(x, offset.samples) for name, x in found.items()}
            words.append(_said(offset, sample_rate))
    lengths = {name: x.shape[-1] - truth[name].shape[-1] for name, x in found.items()}
    for gap in sorted(set(lengths.values()) - {0}):
        names = ", ".join(name for name in lengths if lengths[name] == gap)
        done = "cut at the end" if gap > 0 else "of silence added at the end"
        words.append(
            f"{names}: {abs(gap)} samples ({abs(gap) / sample_rate:.4f} s) {done}, as long as the truth"
        )
    return {name: with_length(x, truth[name].shape[-1]) for name, x in found.items()}, words


def _said(offset: Offset, sample_rate: float) -> str:
    late = "late" if offset.samples > 0 else "early"
    n = abs(offset.samples)
    return (
        f"{n} samples ({1000 * n / sample_rate:.1f} ms) {late}: moved, which raises the SI-SDR by "
        f"{offset.gain_db:.1f} dB (--no-align leaves it)"
    )
