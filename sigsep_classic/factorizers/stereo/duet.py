"""More talkers than microphones, by attenuation and delay of each point (DUET, Yılmaz & Rickard 2004)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import Callback, spectrogram, usual_stft
from sigsep_classic.factorizers.models import MaskModel, source_names
from sigsep_classic.factorizers.stereo.delays import (
    assigned,
    frequencies,
    mixing_parameters,
    peaks_of,
    plane_histogram,
    voted_histogram,
)
from sigsep_classic.factorizers.stereo.panning import (
    empty_stems,
    left_and_right,
    partition,
    warn_one_direction,
)
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array, Grid


@dataclass(frozen=True, kw_only=True)
class DUET:
    """Degenerate unmixing estimation technique: one source a point, told by how much weaker and later it is.

    If one source is alone at a point, R / L = a exp(-i ω δ): it is a times as loud and δ seconds later on the right.
    Points are counted on the plane of the symmetric attenuation α = a - 1/a and of δ, weighted by |L R|^p ω^q; the
    peaks are the sources. Each point then goes to the source that explains it best,

        argmin over j of |a_j exp(-i ω δ_j) L - R|² / (1 + a_j²)

    Parameters
    ----------
    n_sources : int or None
        How many peaks are sources; there may be more than channels. None: all above ``threshold``.
    max_delay : float
        Largest |δ| looked for in seconds, greater than 0: the distance of the microphones over 340 m/s. Frequencies
        above 1 / (2 max_delay), where phases are ambiguous, are not counted but masked as all others.
    max_attenuation : float
        Largest |α|, greater than 0; what is beyond it is counted at the edge. 3 is ±10 dB.
    p, q : float
        Exponents of the weights, at least 0. (1, 0) weighs attenuations right, (1, 2) delays.
    phase_error : float
        Deviation of the phase differences φ in radians, at least 0: in the histogram a point counts at every delay as
        much as its phase fits there, exp((cos(φ - ω δ) - 1) / phase_error²), so that low frequencies, which tell no
        delay, are not scattered over all of them. 0 is the paper: each point counts at φ / ω alone.
    n_refine : int
        How often the parameters are estimated again from the points a source was given, at least 0; 0 is the paper.
    threshold : float
        Least height of a peak as a share of the highest, 0 … 1, where their number is not given.
    grid : Grid or None
        Frequencies of X; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range, or ``grid`` is missing in `fit`.
    ShapeError
        X has more than two channels. One channel is all at attenuation 1 and delay 0.

    Notes
    -----
    When to use: Two microphones some centimetres apart, any number of talkers who take turns in the spectrogram.
    Complexity: Linear in freq · frames · delays for the histogram, and in freq · frames · sources for the masks.
    Differences from the paper: Points are counted at every delay that fits their phase (``phase_error=0`` is the
    paper), and parameters are estimated again from the points of each source (``n_refine=0``).

    Stems are from left to right: by attenuation, then by delay. The model's ``extra`` has ``attenuations`` a,
    ``delays`` δ in seconds, the ``histogram`` (attenuations, delays) and its axes ``alpha_axis`` and ``delay_axis``.
    Without phases (`Waveform`) all delays are 0.

    References
    ----------
    Ö. Yılmaz and S. Rickard, "Blind separation of speech mixtures via time-frequency masking", IEEE Trans. Signal
    Processing 52(7), 2004, sections on the weighted histogram and on the maximum likelihood estimators (equation
    numbers not checked).
    """

    n_sources: int | None = None
    max_delay: float = 2.5e-4
    max_attenuation: float = 3.0
    p: float = 1.0
    q: float = 0.0
    phase_error: float = 0.2
    n_refine: int = 3
    threshold: float = 0.2
    grid: Grid | None = None

    name: ClassVar[str] = "duet"
    max_channels: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if self.n_sources is not None:
            check_count("n_sources", self.n_sources)
        for name in ("max_delay", "max_attenuation"):
            check_range(name, getattr(self, name), 0, above=True)
        for name in ("p", "q", "phase_error"):
            check_range(name, getattr(self, name), 0)
        check_count("n_refine", self.n_refine, 0)
        check_range("threshold", self.threshold, 0, 1)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return usual_stft(sample_rate)

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gains of the sources, 0 or 1, in X (1 or 2 channels, freq, frames)."""
        if self.grid is None:
            raise ParameterError("DUET has delays in seconds; give grid=frontend.grid(sample_rate)")
        L, R = left_and_right(X, self.name)
        omega = 2 * math.pi * frequencies(self.grid, L.shape[0], complex_=L.dtype.kind == "c")
        histogram, alphas, delays = self._histogram(L, R, omega)
        places = peaks_of(histogram, self.n_sources, threshold=self.threshold)
        warn_one_direction(self.name, self.n_sources, len(places), X)
        a, delta = mixing_parameters(alphas[places[:, 0]]), delays[places[:, 1]]
        owner = assigned(L, R, omega, a, delta)
        for _ in range(self.n_refine):
            a, delta = self._estimated(L, R, omega, owner, a, delta)
            owner = assigned(L, R, omega, a, delta)
        order = np.lexsort((-delta, a))
        gains = empty_stems(len(a) - 1, L.real)
        for k, source in enumerate(order[:-1]):
            gains[k] = owner == int(source)
        return partition(
            gains,
            spectrogram(X),
            source_names(len(a)),
            attenuations=a[order],
            delays=delta[order],
            histogram=histogram,
            alpha_axis=alphas,
            delay_axis=delays,
        )

    def _histogram(self, L: Array, R: Array, omega: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the smoothed histogram and the attenuations and delays of its bins."""
        xp = namespace(L)
        used = to_host(omega) * self.max_delay <= math.pi
        n = max(1, int(used.sum()))
        left, right = abs(L[:n]), abs(R[:n])
        tiny = xp.finfo(left.dtype).tiny
        a = right / xp.maximum(left, tiny)
        alpha = xp.where(a > 0, a - 1 / xp.maximum(a, tiny), -self.max_attenuation)
        w = xp.asarray(omega[:n], dtype=left.dtype)[:, None]
        weight = (left * right) ** self.p
        if self.q > 0:
            weight = weight * (w / max(float(omega[n - 1]), 1e-30)) ** self.q
        limits = (self.max_attenuation, self.max_delay)
        phase = xp.angle(L[:n] * R[:n].conj())
        if self.phase_error > 0 and omega[-1] > 0:
            return voted_histogram(alpha, phase, weight, limits, omega[:n], self.phase_error)
        delta = phase * (w / xp.where(w > 0, w * w, 1))  # 0 where there is no phase to turn
        return plane_histogram(alpha, delta, weight, limits)

    def _estimated(
        self, L: Array, R: Array, omega: np.ndarray, owner: Array, a: np.ndarray, delta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the parameters that fit best the points each source has; those of sources without any stay."""
        a, delta = a.copy(), delta.copy()
        grid = np.linspace(-self.max_delay, self.max_delay, 257)
        turns = np.exp(-1j * np.outer(grid, omega))
        left, right, product = L.real**2 + L.imag**2, R.real**2 + R.imag**2, L * R.conj()
        for j in range(len(a)):
            mine = owner == j
            A, B = (float(to_host((P * mine).sum(dtype=np.float64))) for P in (left, right))
            c = to_host((product * mine).sum(axis=1)).astype(complex)
            if A + B <= 0:
                continue
            score = (turns @ c).real
            best = int(score.argmax())
            delta[j] = grid[best] if omega[-1] > 0 else 0.0
            # The main axis of [[A, C], [C, B]]: least squares of what lies across (cos θ, sin θ), a = tan θ.
            theta = 0.5 * math.atan2(2 * max(float(score[best]), 0.0), A - B)
            a[j] = math.tan(min(max(theta, 1e-6), math.pi / 2 - 1e-6))
        return a, delta
