"""SDR in frames and the chunk-level SDR (cSDR): what BSS Eval v4 prints as SDR, without its filters.

BSS Eval v4's SDR of a frame is ``10 log10(Σ s² / Σ (s − ŝ)²)``: its three error terms add up to
``ŝ − s`` by construction, so no filter has to be solved for.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_array, check_choice, check_count
from sigsep_classic.errors import ShapeError
from sigsep_classic.metrics._signals import BLOCK, Signals, decibel, pair, require_finite
from sigsep_classic.typing import Array

SILENCE = ("museval", "per_source", "energy")
"""What `framewise_sdr` may call a silent frame."""


def n_frames(n_samples: int, window: int, hop: int) -> int:
    """Return how many whole frames there are; a signal shorter than one is a frame too."""
    return max(1, (n_samples - window + hop) // hop)


def _frame_blocks(x: Array, window: int, hop: int) -> Iterator[Array]:
    """Yield float64 (channels, some frames, window) so that one yield is about BLOCK samples long."""
    window = min(window, x.shape[-1])
    view = namespace(x).lib.stride_tricks.sliding_window_view(x, window, axis=-1)[:, ::hop]
    step = max(1, BLOCK // window)
    for start in range(0, view.shape[1], step):
        yield view[:, start : start + step].astype("float64")


def frame_sums(ref: Array, est: Array, window: int, hop: int) -> Array:
    """Return (4, frames): Σs², Σ(s−ŝ)², and where the channels of s, of ŝ cancel at every sample."""
    xp = namespace(ref)
    rows = []
    for s, y in zip(_frame_blocks(ref, window, hop), _frame_blocks(est, window, hop), strict=True):
        cancels = [(z.sum(axis=0) == 0).all(axis=-1).astype("float64") for z in (s, y)]
        energies = [(z * z).sum(axis=(0, 2)) for z in (s, s - y)]
        rows.append(xp.stack(energies + cancels))
    return xp.concatenate(rows, axis=1)


def framewise_sdr(
    references: Signals,
    estimates: Signals,
    *,
    window: int = 44100,
    hop: int | None = None,
    silence: str = "museval",
) -> Array:
    """Return the SDR of each estimate in each frame, in dB: ``10 log10(Σ s² / Σ (s − ŝ)²)``.

    There are ``floor((samples − window + hop) / hop)`` frames; what is left after the last whole
    one is dropped. A signal shorter than a window is one frame.

    Parameters
    ----------
    references, estimates : array or sequence of array, real
        (sources, channels, samples), all with the same number of samples; (sources, samples) has
        one channel, (samples,) one source and one channel; a list or tuple holds one
        (channels, samples) array a source. NumPy, CuPy or PyTorch.
    window : int, >= 1
        Samples in a frame; BSS Eval v4 uses one second, here that of 44.1 kHz.
    hop : int, >= 1, or None
        Samples from one frame's start to the next; None is ``window``.
    silence : {"museval", "per_source", "energy"}
        Which values become NaN.

        * ``"museval"``, as published tables have it: the whole frame, if in any reference or any
          estimate the channels sum to 0 at every sample. So one silent stem hides all others, a
          silent *estimate* hides a frame from scoring, and L = −R counts as silent.
        * ``"per_source"``: the same test, but a source hides its own value only.
        * ``"energy"``: a source's value if its reference has no energy. L = −R is sound, and a
          silent estimate of a sounding reference has 0 dB.

    Returns
    -------
    array (sources, frames), float64, on the inputs' device
        dB; inf where the estimate is perfect, NaN as ``silence`` says.

    Raises
    ------
    ParameterError
        ``window``, ``hop`` or ``silence`` is out of range.
    ShapeError, ArrayTypeError
        References and estimates do not fit together, or are not real.
    NumericalError
        A sample within the frames is NaN or infinite.

    References
    ----------
    F.-R. Stöter, A. Liutkus, N. Ito, "The 2018 Signal Separation Evaluation Campaign",
    LVA/ICA 2018 (BSS Eval v4, package museval).
    """
    hop = window if hop is None else hop
    check_count("window", window)
    check_count("hop", hop)
    check_choice("silence", silence, SILENCE)
    refs, ests = pair(references, estimates)
    if len({ref.shape[-1] for ref in refs}) > 1:
        raise ShapeError("sources have different lengths; frames need one length, so cut or pad them")
    xp = namespace(refs[0])
    tables = [frame_sums(ref, est, window, hop) for ref, est in zip(refs, ests, strict=True)]
    table = xp.stack(tables, axis=1)  # (4, sources, frames)
    require_finite(table)
    assert table.shape[-1] == n_frames(refs[0].shape[-1], window, hop)
    return sdr_of_sums(table, silence)


def sdr_of_sums(table: Array, silence: str) -> Array:
    """Return SDR in dB (sources, frames) of what `frame_sums` gives for each source, (4, sources, frames)."""
    hidden = table[0] == 0 if silence == "energy" else (table[2] > 0) | (table[3] > 0)
    if silence == "museval":
        hidden = hidden.any(axis=0, keepdims=True)
    return namespace(table).where(hidden, float("nan"), decibel(table[0], table[1]))


def csdr(
    references: Signals,
    estimates: Signals,
    *,
    window: int = 44100,
    hop: int | None = None,
    silence: str = "museval",
) -> Array:
    """Return the chunk-level SDR of each estimate in dB: the median of `framewise_sdr` over frames.

    With the defaults and 44.1 kHz it is the SDR that tables for MUSDB18 print for one track (they
    then take the median over tracks).

    Parameters
    ----------
    references, estimates : array or sequence of array, real
        As `framewise_sdr` takes them.
    window, hop : int, >= 1
        Samples in a frame and from one to the next; ``hop=None`` is ``window``.
    silence : {"museval", "per_source", "energy"}
        Which frames are left out; see `framewise_sdr`.

    Returns
    -------
    array (sources,), float64, on the inputs' device
        dB; NaN for a source without a frame that counts.

    Raises
    ------
    ParameterError, ShapeError, ArrayTypeError, NumericalError
        As `framewise_sdr` does.

    References
    ----------
    F.-R. Stöter, A. Liutkus, N. Ito, "The 2018 Signal Separation Evaluation Campaign", LVA/ICA 2018.
    Y. Luo, J. Yu, "Music Source Separation with Band-Split RNN", IEEE/ACM Transactions on Audio,
    Speech, and Language Processing, vol. 31, 2023 (the name cSDR).
    """
    return median_of_frames(framewise_sdr(references, estimates, window=window, hop=hop, silence=silence))


def median_of_frames(frames: Array) -> Array:
    """Return the median of each row over the frames that are not NaN, (sources,); NaN where there is none.

    Parameters
    ----------
    frames : array (sources, frames), real
        dB. The middle two of an even count may be -inf and inf: then NaN.
    """
    check_array("frames", frames, 2, kinds="fd")
    return namespace(frames).asarray([_median(row) for row in to_host(frames)])


def _median(values: np.ndarray) -> float:
    values = values[~np.isnan(values)]
    if values.size == 0:
        return float("nan")
    with np.errstate(invalid="ignore"):
        return float(np.median(values))
