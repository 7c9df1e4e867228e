"""Power of the noise under speech, bin by bin, by recursions over frames: MMSE, IMCRA and minimum statistics.

All are computed in double precision: they choose by comparing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.checks import check_choice, check_range
from sigsep_classic.errors import ShapeError
from sigsep_classic.kernels import cuda, noise_tracking_frames, noise_tracking_loops
from sigsep_classic.kernels.jit import enabled
from sigsep_classic.kernels.noise_tracking_loops import LANES, SUBWINDOWS
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

RULES = ("mmse", "imcra", "minimum")

SPEECH_SNR = 10**1.5
"""``mmse``: the SNR taken for granted where speech is present, 15 dB."""

LIMITS = (1.66, 4.6, 1.67, 3.0, 1.47, 10**-2.5)
"""``imcra``: Bmin, γ0, ζ0, γ1, β and the least a-priori SNR."""

SUBWINDOW_SECONDS = {"imcra": 0.12, "minimum": 0.192}
"""Length of each of the eight parts of the window in which a minimum is looked for."""

# Table 5 of Martin (2006): M(D), the mean of the minimum of D correlated estimates.
_TABLE_D = (1, 2, 5, 8, 10, 15, 20, 30, 40, 60, 80, 120, 140, 160, 180, 220, 260, 300)
_TABLE_M = (
    *(0.0, 0.26, 0.48, 0.58, 0.61, 0.668, 0.705, 0.762, 0.8),
    *(0.841, 0.865, 0.89, 0.9, 0.91, 0.92, 0.93, 0.935, 0.94),
)
_LEAST_START = 1e-20
_THREADS = {"mmse": 64, "imcra": 64, "minimum": 256}
_MINIMUM_ROWS = 9 + SUBWINDOWS


def track_noise(P: Array, start: Array, *, rule: str, frame_rate: float) -> Array:
    """Return the noise power at each point of a power spectrogram, from the frames up to it.

    * ``mmse``: the expected noise power given the point, N ← 0.8 N + 0.2 ((1 - p) P + p N), where the probability p
      of speech takes an SNR of 15 dB for granted where there is speech. It follows within a second.
    * ``imcra``: averages over what is near the minimum of the smoothed power, found in two rounds, the second of
      which leaves out strong speech.
    * ``minimum``: the minimum of optimally smoothed power over 1.5 s, times what minima are too low by.

    Points without any power (digital silence) change nothing.

    Parameters
    ----------
    P : array (channels, freq, frames)
        Power of the mixture, float32 or float64, NumPy or CuPy; not negative.
    start : array (channels, freq)
        Power of the noise before the first frame.
    rule : {"mmse", "imcra", "minimum"}
        As above.
    frame_rate : float
        Frames per second, by which the papers' constants are turned into seconds.

    Returns
    -------
    array (channels, freq, frames)
        In the dtype of P, frame after frame in memory.

    Raises
    ------
    ParameterError
        ``rule`` is none of these, or ``frame_rate`` is not positive.
    ShapeError
        The arrays do not fit.

    References
    ----------
    T. Gerkmann and R. C. Hendriks, "Unbiased MMSE-based noise power estimation with low complexity and low tracking
    delay", IEEE Trans. Audio, Speech, and Language Processing 20(4), 2012, pp. 1383-1393: (8), (18), (22)-(24).

    I. Cohen, "Noise spectrum estimation in adverse environments: improved minima controlled recursive averaging",
    IEEE Trans. Speech and Audio Processing 11(5), 2003, pp. 466-475: (7), (10)-(12), (14)-(15), (18), (21), (26)-(29).

    R. Martin, "Noise power spectral density estimation based on optimal smoothing and minimum statistics", IEEE
    Trans. Speech and Audio Processing 9(5), 2001, pp. 504-512: (3), (9)-(12), (17), (20)-(23); and "Bias compensation
    methods for minimum statistics noise power spectral density estimation", Signal Processing 86, 2006: table 5.
    """
    check_choice("noise rule", rule, RULES)
    check_range("frame_rate", frame_rate, 0, above=True)
    if P.ndim != 3 or start.shape != P.shape[:2]:
        raise ShapeError(f"P {P.shape} and start {start.shape} do not fit; expected (channels, freq, frames)")
    xp = namespace(P)
    P_ctf = xp.ascontiguousarray(P.swapaxes(1, 2), dtype=xp.float64)
    least = max(_LEAST_START * float(P_ctf.max()), 1e-290)
    begun = xp.maximum(xp.ascontiguousarray(start, dtype=xp.float64), least)
    if rule == "minimum":  # its spreads are differences, which are rounding where a bin dies away for good
        heard = P_ctf.max(axis=2, keepdims=True) > 0
        P_ctf = xp.where(heard, xp.maximum(P_ctf, least), 0)
    N = xp.empty_like(P_ctf)
    run = _gpu if is_cuda(P) else _cpu if enabled() else _numpy
    run(P_ctf, begun, N, rule, float(frame_rate))
    return N.astype(P.dtype, copy=False).swapaxes(1, 2)


def subwindow(rule: str, frame_rate: float) -> int:
    """Return the frames of one of the eight parts of the window of minima, at least four."""
    return max(4, round(SUBWINDOW_SECONDS[rule] * frame_rate))


def constants(rule: str, frame_rate: float) -> np.ndarray:
    """Return what a rule's averages keep from frame to frame; the papers have frames 16 ms apart, IMCRA's 8 ms.

    The last but one of ``minimum`` is the exponent of (12).
    """
    if rule == "imcra":
        return np.array([0.9, 0.85, 0.92]) ** (125 / frame_rate)
    if rule == "mmse":
        return np.array([0.8, 0.9]) ** (62.5 / frame_rate)
    kept = np.array([0.7, 0.96, 0.3, 1.0, 0.8]) ** (62.5 / frame_rate)
    kept[3] = -1 / (0.064 * frame_rate)
    return kept


def mean_of_minimum(D: int) -> float:
    """Return M(D) of minimum statistics, its table interpolated over the square root of D."""
    return float(np.interp(math.sqrt(D), np.sqrt(_TABLE_D), _TABLE_M))


def _floors(length: int) -> np.ndarray:
    return np.array([mean_of_minimum(length * SUBWINDOWS), mean_of_minimum(length)])


def _numpy(P: np.ndarray, start: np.ndarray, N: np.ndarray, rule: str, frame_rate: float) -> None:
    keeps = constants(rule, frame_rate)
    if rule == "mmse":
        noise_tracking_frames.mmse(P, start, N, SPEECH_SNR, keeps)
    elif rule == "imcra":
        noise_tracking_frames.imcra(P, start, N, subwindow(rule, frame_rate), keeps, LIMITS)
    else:
        length = subwindow(rule, frame_rate)
        noise_tracking_frames.minimum(P, start, N, length, keeps, _floors(length))


def _cpu(P: np.ndarray, start: np.ndarray, N: np.ndarray, rule: str, frame_rate: float) -> None:
    keeps, loops = constants(rule, frame_rate), noise_tracking_loops
    if rule == "mmse":
        per_channel = -(-P.shape[2] // LANES)
        more = (SPEECH_SNR, keeps[0], keeps[1], per_channel)
        run_blocks(loops.mmse_lanes, len(P) * per_channel, P, start, N, *more)
        return
    length = subwindow(rule, frame_rate)
    if rule == "imcra":
        calm, rows, limits = np.empty(P.shape, np.bool_), P.shape[0] * P.shape[2], np.array(LIMITS)
        run_blocks(loops.imcra_calm, rows, P, start, calm, length, keeps[0], limits)
        run_blocks(loops.imcra_rows, rows, P, start, calm, N, length, keeps, limits)
    else:
        run_blocks(loops.minimum_channels, len(P), P, start, N, length, keeps, _floors(length))


def _gpu(P: Array, start: Array, N: Array, rule: str, frame_rate: float) -> None:
    xp = namespace(P)
    channels, frames, bins = P.shape
    threads = _THREADS[rule]
    keeps = [float(value) for value in constants(rule, frame_rate)]

    def launch(name: str, *args: Any, grid: tuple[int, ...]) -> None:
        cuda.launch("noise_tracking", name, grid=grid, block=(threads,), args=args, real=P.dtype)

    over_bins = (cuda.blocks_for(bins, threads), channels)
    if rule == "mmse":
        launch("noise_mmse", P, start, N, frames, bins, SPEECH_SNR, *keeps, grid=over_bins)
        return
    length = subwindow(rule, frame_rate)
    if rule == "imcra":
        calm = xp.empty_like(P)
        bias, peak, rise, edge, beta, least_prior = LIMITS
        launch("noise_calm", P, start, calm, frames, bins, length, keeps[0], bias, peak, rise, grid=over_bins)
        more = (*keeps, bias, rise, edge, beta, least_prior)
        launch("noise_imcra", P, start, calm, N, frames, bins, length, *more, grid=over_bins)
    else:
        state = xp.empty((channels, _MINIMUM_ROWS, bins), dtype=P.dtype)
        more = (*keeps, *map(float, _floors(length)))
        launch("noise_minimum", P, start, N, state, frames, bins, length, *more, grid=(channels,))
