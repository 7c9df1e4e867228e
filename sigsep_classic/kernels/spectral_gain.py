"""Gains of speech in noise: a decision-directed a-priori SNR and what Wiener, log-MMSE or MMSE-STSA make of it."""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.checks import check_choice
from sigsep_classic.errors import ShapeError
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.special import bessel_i0e, bessel_i1e, exponential_integral
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

RULES = ("wiener", "log_mmse", "mmse_stsa")

LARGEST = 1e8
"""Largest ratio of powers that is told from infinity."""

LANES = 64
_LEAST_SEEN = 1e-8
_THREADS = 64


def spectral_gain(
    P: Array, N: Array, *, rule: str, smoothing: float, least: float, causal: bool
) -> tuple[Array, Array]:
    """Return the gain of speech and its a-priori SNR at each point of a power spectrogram.

    With γ = P / N the a-posteriori SNR and G the gain at the frame before,

        ξ(t) = max(a G²(t-1) P(t-1) / N(t) + (1 - a) max(γ(t) - 1, 0), least),   v = γ ξ / (1 + ξ),

    begun as if speech had been as strong as the noise. The gains are ξ / (1 + ξ) (``wiener``), the same times
    exp(E1(v) / 2) (``log_mmse``), and Γ(1.5) √v / γ e^(-v/2) ((1 + v) I0(v / 2) + v I1(v / 2)) (``mmse_stsa``), cut off
    at one, which noise-only points far below the noise's mean would exceed. Where ``causal`` is False the recursion
    also runs from the end to the beginning, and gains are those of the mean of both ξ.

    Parameters
    ----------
    P : array (channels, freq, frames)
        Power of the mixture, float32 or float64, NumPy or CuPy.
    N : array (channels, freq, frames or 1)
        Power of the noise, same dtype. Where it is 0, the gain is that of an infinite SNR.
    rule : {"wiener", "log_mmse", "mmse_stsa"}
        As above.
    smoothing : float
        a, in [0, 1).
    least : float
        Lower bound of ξ, greater than 0.
    causal : bool
        Use no frames that come later.

    Returns
    -------
    gain, prior : array (channels, freq, frames)
        Frame after frame in memory.

    Raises
    ------
    ParameterError
        ``rule`` is none of these.
    ShapeError
        P and N do not fit.

    References
    ----------
    Y. Ephraim and D. Malah, "Speech enhancement using a minimum mean-square error short-time spectral amplitude
    estimator", IEEE Trans. Acoustics, Speech, and Signal Processing 32(6), 1984, and "Speech enhancement using a
    minimum mean-square error log-spectral amplitude estimator", ibid. 33(2), 1985 (equation numbers not checked).

    P. Scalart and J. Vieira Filho, "Speech enhancement based on a priori signal to noise estimation", Proc. ICASSP,
    1996 (equation numbers not checked).
    """
    check_choice("gain rule", rule, RULES)
    if P.ndim != 3 or N.shape not in (P.shape, (*P.shape[:2], 1)):
        raise ShapeError(
            f"P {P.shape} and N {N.shape} do not fit; expected (channels, freq, frames), or 1 frame of N"
        )
    xp = namespace(P)
    P_ctf, N_ctf = (xp.ascontiguousarray(A.swapaxes(1, 2)) for A in (P, N))
    gain, prior = xp.empty_like(P_ctf), xp.empty_like(P_ctf)
    run = _gpu if is_cuda(P) else _cpu if enabled() else _numpy
    run(P_ctf, N_ctf, gain, prior, RULES.index(rule), float(smoothing), float(least), bool(causal))
    return gain.swapaxes(1, 2), prior.swapaxes(1, 2)


def _numpy(
    P: np.ndarray,
    N: np.ndarray,
    gain: np.ndarray,
    prior: np.ndarray,
    rule: int,
    smoothing: float,
    least: float,
    causal: bool,
) -> None:
    N = np.broadcast_to(N, P.shape)
    posterior = _ratios(P, N)
    for backwards in (False,) if causal else (True, False):
        frames = range(P.shape[1])
        found = np.empty_like(prior)
        before = N[:, -1 if backwards else 0]
        for t in reversed(frames) if backwards else frames:
            own = smoothing * _ratios(before, N[:, t]) + (1 - smoothing) * np.maximum(posterior[:, t] - 1, 0)
            found[:, t] = np.maximum(own, least)
            before = gains_of(rule, found[:, t], posterior[:, t]) ** 2 * P[:, t]
        prior[:] = found if causal or backwards else (prior + found) / 2
    gain[:] = gains_of(rule, prior, posterior)


def _ratios(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    shares = A / np.where(B > 0, B, 1)
    return np.minimum(np.where(B > 0, shares, np.where(A > 0, LARGEST, 0)), LARGEST).astype(A.dtype)


def gains_of(rule: int, prior: np.ndarray, posterior: np.ndarray) -> np.ndarray:
    """Return the gain of a rule, by its place in `RULES`, on the host; for tests, and where nothing is compiled."""
    from scipy.special import exp1, i0e, i1e

    w, seen = prior / (1 + prior), np.maximum(posterior, _LEAST_SEEN)
    v = w * seen
    if rule == 0:
        return w
    if rule == 1:
        return np.minimum(w * np.exp(exp1(v) / 2), 1)
    return np.minimum(np.sqrt(np.pi * w / seen) / 2 * ((1 + v) * i0e(v / 2) + v * i1e(v / 2)), 1)


def _cpu(
    P: np.ndarray,
    N: np.ndarray,
    gain: np.ndarray,
    prior: np.ndarray,
    rule: int,
    smoothing: float,
    least: float,
    causal: bool,
) -> None:
    per_channel = -(-P.shape[2] // LANES)
    run_blocks(_lanes, len(P) * per_channel, P, N, gain, prior, rule, smoothing, least, causal, per_channel)


@jit
def _ratio(power, noise):  # type: ignore[no-untyped-def]
    if noise > 0:
        return min(power / noise, LARGEST)
    return LARGEST if power > 0 else 0.0


@jit
def log_mmse(prior, posterior):  # type: ignore[no-untyped-def]
    """Return the gain of log-MMSE at one point, at most one."""
    w = prior / (1.0 + prior)
    return min(w * np.exp(0.5 * exponential_integral(w * max(posterior, _LEAST_SEEN))), 1.0)


@jit
def _gain_at(rule, prior, posterior):  # type: ignore[no-untyped-def]
    w = prior / (1.0 + prior)
    if rule == 0:
        return w
    if rule == 1:
        return log_mmse(prior, posterior)
    seen = max(posterior, _LEAST_SEEN)
    v = w * seen
    found = (1.0 + v) * bessel_i0e(0.5 * v) + v * bessel_i1e(0.5 * v)
    return min(0.886226925452758 * np.sqrt(w / seen) * found, 1.0)


@jit
def _lanes(first, stop, P, N, gain, prior, rule, smoothing, least, causal, per_channel):  # type: ignore[no-untyped-def]
    """Run blocks of up to 64 bins of one channel; arrays (channels, frames, freq)."""
    frames, bins = P.shape[1], P.shape[2]
    before = np.empty(LANES)
    for block in range(first, stop):
        c, lane0 = block // per_channel, (block % per_channel) * LANES
        width = min(LANES, bins - lane0)
        for turn in range(1 if causal else 2):
            backwards = turn == 0 and not causal
            for j in range(width):
                before[j] = N[c, N.shape[1] - 1 if backwards else 0, lane0 + j]
            for i in range(frames):
                t = frames - 1 - i if backwards else i
                for j in range(width):
                    f = lane0 + j
                    power, noise = np.float64(P[c, t, f]), np.float64(N[c, t if N.shape[1] > 1 else 0, f])
                    posterior = _ratio(power, noise)
                    own = smoothing * _ratio(before[j], noise) + (1.0 - smoothing) * max(posterior - 1.0, 0.0)
                    own = max(own, least)
                    g = _gain_at(rule, own, posterior)
                    before[j] = g * g * power
                    if not causal and not backwards:
                        own = 0.5 * (own + prior[c, t, f])
                        g = _gain_at(rule, own, posterior)
                    prior[c, t, f] = own
                    gain[c, t, f] = g


def _gpu(
    P: Array, N: Array, gain: Array, prior: Array, rule: int, smoothing: float, least: float, causal: bool
) -> None:
    cuda.launch(
        "spectral_gain",
        "spectral_gain",
        grid=(cuda.blocks_for(P.shape[2], _THREADS), len(P)),
        block=(_THREADS,),
        args=(
            P,
            N,
            gain,
            prior,
            P.shape[1],
            P.shape[2],
            N.shape[1],
            rule,
            smoothing,
            least,
            LARGEST,
            int(causal),
        ),
        real=P.dtype,
    )
