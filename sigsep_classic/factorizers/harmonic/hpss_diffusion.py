"""Harmonic/percussive separation by complementary diffusion on the spectrogram (Ono et al. 2008)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sigsep_classic.backend import namespace, real_like, to_host
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.factorizers.base import (
    Iterative,
    brought_to,
    check_start,
    raised,
    spectrogram,
    usual_stft,
)
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.soft_mask import soft_mask
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class Diffusion:
    """W = H + P while it is being cut in two: what `HPSSDiffusion.iterate` yields.

    Parameters
    ----------
    H, P : array (channels, freq, frames)
        Non-negative: smooth along time, and smooth along frequency.
    losses : tuple of (int, float)
        Iteration number and objective.
    """

    H: Array
    P: Array
    losses: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class HPSSDiffusion(Iterative[Any]):
    """Harmonic and percussive parts that diffuse into one another until each is smooth its own way.

    W = |X|^(2γ) is cut in two, W = H + P with H, P ≥ 0, to minimise

        J(H) = 1/(2 σ_H²) Σ (H(f, t-1) - H(f, t))² + 1/(2 σ_P²) Σ (P(f-1, t) - P(f, t))².

    With a = σ_P² / (σ_H² + σ_P²) all that counts of the two widths is ``balance`` a; `loss` is J times
    2 σ_H² σ_P² / (σ_H² + σ_P²). The harmonic gain is H^p / (H^p + P^p); the paper's is binary, p = inf.

    Parameters
    ----------
    balance : float
        a, in [0, 1]: how much more smoothness along time counts than smoothness along frequency. More makes the
        harmonic part smoother and smaller.
    compression : float
        γ, in (0, 1]: W is magnitude to 2γ. Less makes quiet parts count more.
    mask_power : float
        p, greater than 0.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when the loss falls by less than this share of itself between two checks; 0 never stops early.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    N. Ono, K. Miyamoto, J. Le Roux, H. Kameoka and S. Sagayama, "Separation of a monaural audio signal into
    harmonic/percussive components by complementary diffusion on spectrogram", Proc. EUSIPCO, 2008 (equation
    numbers not checked).

    Notes
    -----
    When to use: To teach what HPSS is after; to separate, `hpss` is quicker.
    Complexity: A few operations a coefficient and iteration.
    Differences from the paper: The default mask is soft, p = 2; the paper's is binary, p = inf.

    The defaults did best on two songs with known drums; p = 2 was 1 to 3 dB above p = 1.

    For teaching: the same idea as `HPSS` as an objective and its descent, where that takes medians at once. Each
    channel is diffused by itself. An iteration reaches one frame further, so `n_iter` is also a width.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.zeros((1, 64, 64), np.complex64)
    >>> X[0, 20, :] = 1          # a tone
    >>> X[0, :, 40] = 1          # a click
    >>> harmonic, percussive = HPSSDiffusion().fit(X).gains()
    >>> bool(harmonic[0, 20, 10] > 0.9), bool(percussive[0, 10, 40] > 0.9)
    (True, True)
    """

    balance: float = 0.5
    compression: float = 0.5
    mask_power: float = 2.0
    n_iter: int = 50
    tol: float = 0.0

    name: ClassVar[str] = "hpss_diffusion"

    def __post_init__(self) -> None:
        check_range("balance", self.balance, 0, 1)
        check_range("compression", self.compression, 0, 1, above=True)
        check_range("mask_power", self.mask_power, 0, above=True, infinite=True)
        check_count("n_iter", self.n_iter, 0)
        check_range("tol", self.tol, 0)

    @property
    def context(self) -> int | None:
        """Frames of neighbourhood that make block-wise work exact: one an iteration, where their number is set."""
        return self.n_iter + 1 if self.tol == 0 else None

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return usual_stft(sample_rate)

    def prepare(self, X: Array) -> Array:
        """Return W = |X|^(2γ)."""
        return raised(spectrogram(X), 2 * self.compression)

    def init(self, X: Array) -> Diffusion:
        """Return halves of W."""
        half = X * real_like(X, 0.5)
        return Diffusion(H=half, P=X - half)

    def adopt(self, X: Array, start: Diffusion) -> Diffusion:
        """Return a start, with both halves brought into W; one that `iterate` gave, the model of `fit` is gains."""
        check_start(start, ("H", "P"), "what iterate(X) yields")
        H = namespace(X).minimum(brought_to(X, start.H), X)
        return Diffusion(H=H, P=X - H)

    def finish(self, model: Diffusion) -> MaskModel:
        """Return the gains of both parts."""
        gain = soft_mask(model.H, model.P, power=self.mask_power)
        magnitude = raised(model.H + model.P, 0.5 / self.compression)
        names = ("harmonic", "percussive")
        return MaskModel(masks=gain[None], magnitude=magnitude, names=names, losses=model.losses)

    def step(self, X: Array, model: Diffusion) -> Diffusion:
        """Return the minimum of an upper bound of J whose terms are apart, one for each coefficient.

        Δ = a (H(f,t-1) - 2 H(f,t) + H(f,t+1)) / 4 - (1-a) (P(f-1,t) - 2 P(f,t) + P(f+1,t)) / 4, then
        H ← min(max(H + Δ, 0), W) and P ← W - H: as (u - v)² ≤ 2 (u - c)² + 2 (v - c)² for the mean c of their old
        values, J does not rise.
        """
        xp = namespace(X)
        H = _laplacian(model.H, -1)
        H *= real_like(X, self.balance / 4)
        H -= _laplacian(model.P, -2) * real_like(X, (1 - self.balance) / 4)
        H += model.H
        H = xp.minimum(xp.maximum(H, 0), X)
        return Diffusion(H=H, P=X - H)

    def loss(self, X: Array, model: Diffusion) -> float:
        """Return a Σ (differences of H along time)² + (1-a) Σ (differences of P along frequency)²."""
        return self.balance * _roughness(model.H, -1) + (1 - self.balance) * _roughness(model.P, -2)


def _laplacian(V: Array, axis: int) -> Array:
    """Return the second differences of V along one of its last two axes; what is beyond an edge equals the edge."""
    out = namespace(V).zeros_like(V)
    last, v = (V, out) if axis == -1 else (V.swapaxes(-1, -2), out.swapaxes(-1, -2))
    slope = last[..., 1:] - last[..., :-1]
    v[..., :-1] += slope
    v[..., 1:] -= slope
    return out


def _roughness(V: Array, axis: int) -> float:
    slope = namespace(V).diff(V, axis=axis)
    return float(to_host((slope * slope).sum(dtype=np.float64)))
