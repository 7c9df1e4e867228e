"""Speech out of noise: a noise estimate, an a-priori SNR, and the gain that one of six rules makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_choice, check_flag, check_range
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.base import Callback, nearest_power_of_two, spectrogram
from sigsep_classic.factorizers.denoising import gains, profiles
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels import noise_tracking
from sigsep_classic.kernels.noise_tracking import track_noise
from sigsep_classic.kernels.spectral_gain import RULES, spectral_gain
from sigsep_classic.typing import Array, FrontEnd, Grid

GAINS = (*RULES, "om_lsa", "subtraction", "gate")
NOISES = (*noise_tracking.RULES, "quantile")

WINDOW_SECONDS = 0.032
FRAME_RATE = 125.0
"""Frames per second where no grid tells them: those of the default front-end at 16 kHz."""

_FIRST_SECONDS = 0.064
_LEAST_SHARE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Denoise:
    """Take stationary or slowly changing noise off speech.

    The noise power N at each frequency is learnt from a clip or an interval of noise alone, or followed blindly. With
    the a-posteriori SNR γ = |X|² / N and the decision-directed a-priori SNR ξ
    (`sigsep_classic.kernels.spectral_gain`), the gain of the stem ``speech`` is one of

    * ``wiener``: ξ / (1 + ξ);
    * ``log_mmse``, ``mmse_stsa``: the gains that make the expected error of log amplitudes, or of amplitudes, least;
    * ``om_lsa``: ``log_mmse`` where there is speech and ``floor_db`` where there is none, geometrically averaged by
      the probability of speech;
    * ``subtraction``: power spectral subtraction with over-subtraction;
    * ``gate``: 1 above a threshold over the noise, smoothed.

    The rest is the stem ``noise``.

    Parameters
    ----------
    gain : {"wiener", "log_mmse", "mmse_stsa", "om_lsa", "subtraction", "gate"}
        The rule, as above.
    noise : str
        How the noise is known where there is no ``profile``: ``"mmse"``, ``"imcra"`` or ``"minimum"`` follow it
        (`sigsep_classic.kernels.noise_tracking`), ``"quantile"`` takes it from the quiet frames of the whole recording
        as one that does not change, and an interval in seconds such as ``"0.0-0.5"`` from where it is alone.
    profile : array (channels, freq) or None
        Mean power of the noise alone, in the same transform and at the same level: the mean over frames of |noise|².
        Of other channels than those of X their mean counts.
    smoothing : float
        Share of the frame before in ξ, in [0, 1): nearer to 1 less musical noise, and duller onsets.
    least_snr_db : float
        Lower bound of ξ in dB.
    floor_db : float
        Lower bound of the gain in dB, at most 0: what is left of the noise masks what is wrong with the speech.
    over_subtraction : float
        For ``subtraction``: how many times the noise is taken off frames of 0 dB, at least 1.
    threshold_db : float
        For ``gate``: how far above the noise's mean power a point is let through, in dB.
    lowest_hz : float
        What lies in bins up to this frequency is noise, where a grid tells which these are: nobody hears it, and most
        of the power of wind, handling and pink noise is there. At least 0; 0 turns that off.
    causal : bool
        Use no frames that come later; the first 64 ms are taken for noise alone. By default the noise is followed in
        both directions, and the lower estimate counts; so is ξ, and the mean counts.
    linked : bool
        One gain for all channels, from their powers weighed by their noise, which leaves sounds where they are; else
        each channel by itself.
    level : float or None
        X is the recording divided by this, and ``profile`` at the level of the recording; `separate` fills it in.
    grid : Grid or None
        Frames per second and bin distance of X; `separate` fills it in. Without it, 125 frames a second.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    Y. Ephraim and D. Malah, "Speech enhancement using a minimum mean-square error short-time spectral amplitude
    estimator", IEEE Trans. Acoustics, Speech, and Signal Processing 32(6), 1984; "Speech enhancement using a minimum
    mean-square error log-spectral amplitude estimator", IEEE Trans. Acoustics, Speech, and Signal Processing 33(2),
    1985: the gains (equation numbers not checked).

    P. Scalart and J. Vieira Filho, "Speech enhancement based on a priori signal to noise estimation", Proc. ICASSP,
    1996: the Wiener gain.

    I. Cohen and B. Berdugo, "Speech enhancement for non-stationary noise environments", Signal Processing 81(11),
    2001: gains by presence of speech.

    M. Berouti, R. Schwartz and J. Makhoul, "Enhancement of speech corrupted by acoustic noise", Proc. ICASSP, 1979:
    subtraction.

    T. Gerkmann and R. C. Hendriks, "Unbiased MMSE-based noise power estimation with low complexity and low tracking
    delay", IEEE Trans. Audio, Speech, and Language Processing 20(4), 2012; I. Cohen, "Noise spectrum estimation in
    adverse environments: improved minima controlled recursive averaging", IEEE Trans. Speech and Audio Processing
    11(5), 2003; R. Martin, "Noise power spectral density estimation based on optimal smoothing and minimum
    statistics", IEEE Trans. Speech and Audio Processing 9(5), 2001: noise that is followed.

    Notes
    -----
    When to use: Speech in noise that is steady or changes slowly; a clip of the noise alone is worth several dB.
    Babble and music are no noise in this sense.
    Complexity: Linear in freq · frames.

    Differences from the paper: gains are at most one; by default recursions run in both directions.

    A recursion over
    frames has no finite ``context``: with ``causal`` a stream has to carry, for each bin, the noise, the last power of
    speech and the state of the tracker. ``subtraction`` with a profile needs no neighbours, ``gate`` 10 ms, and none
    with ``causal``.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1, 65, 200)) * 0.1
    >>> X[0, 20, 100:] += 3  # something begins
    >>> speech = Denoise().fit(X).gains()[0, 0]
    >>> bool(speech[20, 150] > 0.95), bool(speech[40].mean() < 0.2)
    (True, True)
    """

    gain: str = "wiener"
    noise: str = "mmse"
    profile: Array | None = None
    smoothing: float = 0.95
    least_snr_db: float = -25.0
    floor_db: float = -25.0
    over_subtraction: float = 4.0
    threshold_db: float = 6.0
    lowest_hz: float = 20.0
    causal: bool = False
    linked: bool = True
    level: float | None = None
    grid: Grid | None = None

    name: ClassVar[str] = "denoise"

    def __post_init__(self) -> None:
        check_choice("gain", self.gain, GAINS)
        if not isinstance(self.noise, str) or not names_noise(self.noise):
            check_choice("noise", self.noise, (*NOISES, "an interval in seconds such as 0.0-0.5"))
        check_flag("causal", self.causal)
        check_flag("linked", self.linked)
        if self.causal and self.noise == "quantile" and self.profile is None:
            raise ParameterError(
                "noise is 'quantile', which looks at the whole recording; causal needs another one"
            )
        check_range("smoothing", self.smoothing, 0, 1)
        if self.smoothing == 1:
            raise ParameterError("smoothing is 1; it must be less than 1, or nothing new would be heard")
        check_range("least_snr_db", self.least_snr_db, -200, 100)
        check_range("floor_db", self.floor_db, -math.inf, 0, infinite=True)
        check_range("lowest_hz", self.lowest_hz, 0)
        check_range("over_subtraction", self.over_subtraction, 1)
        check_range("threshold_db", self.threshold_db, -100, 100)
        if self.level is not None:
            check_range("level", self.level, 0, above=True)
        if self.profile is not None and getattr(self.profile, "ndim", 0) != 2:
            raise ParameterError("profile must be an array (channels, freq) of mean powers")

    @property
    def context(self) -> int | None:
        """Frames of neighbourhood that make block-wise work exact, where the noise is known and no recursion runs.

        Exact where no channel is digital silence for a whole block: ``linked`` channels without sound do not count.
        """
        if self.profile is None or self.gain not in ("subtraction", "gate"):
            return None
        if self.gain == "subtraction" or self.causal or self.grid is None:
            return 0
        return round(gains.GATE_SECONDS * self.grid.frame_rate) + 1

    @property
    def span(self) -> tuple[float, float] | None:
        """From when to when, in seconds of the recording, the noise is alone, where it is known so."""
        return profiles.interval(self.noise) if self.profile is None else None

    def known_from(self, clip: Array, frontend: FrontEnd) -> Denoise:
        """Return this method with the profile of what is in its `span`, samples (channels, samples)."""
        return replace(self, profile=profiles.profile_of(clip, frontend), noise="mmse")

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 32 ms with a quarter of it as hop."""
        return STFT(n_fft=nearest_power_of_two(WINDOW_SECONDS * sample_rate))

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gain of the speech in X (channels, freq, frames); ``extra["noise"]`` is the noise power."""
        V = spectrogram(X)
        peak = float(V.max())
        scale = 2.0 ** -math.frexp(peak)[1] if 0 < peak < math.inf else 1.0
        P = V * V.dtype.type(scale)
        P = P * P  # of numbers below one, so that no level of X is too high or too low for squares
        N = self._noise(P, scale)
        found = {"noise": N / scale**2}
        if self.linked and len(P) > 1:
            P, N = _linked(P, N, causal=self.causal)
        gain = self._gain(P, N)
        if self.grid is not None and self.lowest_hz > 0:
            gain[:, : self.grid.bins_up_to(self.lowest_hz, gain.shape[1])] = 0
        gain = namespace(P).maximum(gain, gain.dtype.type(10 ** (self.floor_db / 20)))
        return MaskModel(masks=gain[None], magnitude=V, names=("speech", "noise"), extra=found)

    def _noise(self, P: Array, scale: float) -> Array:
        """Return the noise power, (channels, freq, frames or 1), where X was multiplied by ``scale``."""
        xp = namespace(P)
        if self.profile is not None:
            known = xp.asarray(to_host(self.profile), dtype=xp.float64)
            if known.shape[1] != P.shape[1]:
                raise ShapeError(
                    f"profile has {known.shape[1]} frequencies, X {P.shape[1]}; use one transform"
                )
            if len(known) != len(P):
                known = known.mean(axis=0, keepdims=True)
            known = known * (scale / (self.level or 1.0)) ** 2
            return xp.ascontiguousarray(xp.broadcast_to(known.astype(P.dtype), P.shape[:2])[..., None])
        span = profiles.interval(self.noise)
        if span is not None:
            return profiles.marked(P, span, self.grid)[..., None]
        if self.noise == "quantile":
            return profiles.quiet_frames(P)[..., None]
        rate = FRAME_RATE if self.grid is None else self.grid.frame_rate
        if self.causal:
            start = profiles.first_frames(P, round(_FIRST_SECONDS * rate) + 1)
            return track_noise(P, start, rule=self.noise, frame_rate=rate)
        start = profiles.quiet_frames(P)
        there = track_noise(P, start, rule=self.noise, frame_rate=rate)
        back = track_noise(P[..., ::-1], start, rule=self.noise, frame_rate=rate)[..., ::-1]
        return xp.minimum(there, back)

    def _gain(self, P: Array, N: Array) -> Array:
        if self.gain == "subtraction":
            return gains.subtraction(P, N, over=self.over_subtraction, floor=10 ** (self.floor_db / 20))
        if self.gain == "gate":
            return gains.gate(P, N, threshold_db=self.threshold_db, grid=self.grid, causal=self.causal)
        gain, prior = spectral_gain(
            P,
            N,
            rule="log_mmse" if self.gain == "om_lsa" else self.gain,
            smoothing=self.smoothing,
            least=10 ** (self.least_snr_db / 10),
            causal=self.causal,
        )
        if self.gain == "om_lsa":
            p = gains.presence(prior, gains.posterior(P, N))
            gain = gain**p * 10 ** ((1 - p) * max(self.floor_db, -100) / 20)
        return gain.astype(P.dtype)


def names_noise(text: str) -> bool:
    """Whether a text says how the noise is known: one of `NOISES`, or an interval in seconds."""
    return text in NOISES or profiles.interval(text) is not None


def _linked(P: Array, N: Array, *, causal: bool) -> tuple[Array, Array]:
    """Return the powers of all channels as one, weighed so that all have the same noise; silent ones do not count.

    Where ``causal``, each frame has weights of its own, by its noise and what was heard up to it.
    """
    xp = namespace(P)
    axes: tuple[int, ...] = (1,) if causal else (1, 2)
    means, heard = N.mean(axis=axes, keepdims=True), P.max(axis=axes, keepdims=True)
    if causal:
        heard = xp.cumsum(heard, axis=2)
    loudest = means.max(axis=0, keepdims=True)
    # A channel without noise must not decide alone.
    shares = xp.where(loudest > 0, loudest, 1) / xp.where(
        loudest > 0, xp.maximum(means, _LEAST_SHARE * loudest), 1
    )
    weights = xp.where(heard > 0, shares, 0)
    weights = (weights / xp.maximum(weights.max(axis=0, keepdims=True), 1)).astype(P.dtype)
    return (weights * P).sum(axis=0, keepdims=True), (weights * N).sum(axis=0, keepdims=True)
