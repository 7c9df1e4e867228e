"""Voice and accompaniment as the sparse and the low-rank part of a spectrogram (Huang et al. 2012)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import NumericalError
from sigsep_classic.factorizers.base import Callback, magnitudes, nearest_power_of_two, spectrogram
from sigsep_classic.factorizers.lowrank.principal_pursuit import Parts, principal_component_pursuit
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.soft_mask import soft_mask
from sigsep_classic.typing import Array, Grid

MASKS = ("soft", "binary", "semi_soft")


@dataclass(frozen=True, kw_only=True)
class RPCA:
    """A background that repeats, of low rank, and the sparse foreground over it.

    V, the root mean square of the channels' magnitudes to the power ``power``, is taken apart into L + S = V
    with the least ‖L‖_* + λ ‖S‖_1, λ = ``sparsity`` / √max(freq, frames): the nuclear norm makes L a sum of few
    spectra with their activations, the l1 norm leaves to S what is rare and loud. What is masked is the mixture: with
    s = |S|^p / (|S|^p + (g |L|)^p), p the ``mask_power`` and g the ``mask_gain``, the foreground's gain is

    * ``"soft"``: s;
    * ``"binary"``: 1 where |S| > g |L|, else 0 (the paper's);
    * ``"semi_soft"``: 0 for s up to ``mask_edge``, 1 from 1 - ``mask_edge``, and a straight line between.

    One gain serves all channels. The background has the rest.

    Parameters
    ----------
    sparsity : float
        Factor on λ, greater than 0: the larger, the less is foreground.
    mask_kind : {"soft", "binary", "semi_soft"}
        The kind of gain.
    mask_gain : float
        g, greater than 0: the larger, the less is foreground.
    mask_power : float
        p of the soft and the semi-soft gain, greater than 0.
    mask_edge : float
        Of the semi-soft gain, 0 (soft) … 0.5 (binary).
    power : float
        V to this power is taken apart, greater than 0; less than 1 compresses the range of levels. The paper has
        1; this default and that of ``mask_power`` measured better on a song, a synthetic one and a talk.
    cutoff : float
        Everything at or below this frequency in Hz is background, at least 0; bin 0 always is. Without a grid
        nothing is known of frequencies, and there is no cutoff.
    tol : float
        Stop when the norm of V - L - S is less than this share of that of V, greater than 0. On the same
        three SI-SDR did not change by 0.01 dB from 1e-3 to 1e-5.
    n_iter : int
        Most iterations.
    seed : int
        Seed of the subspace the singular vectors are sought in.
    grid : Grid or None
        Where the bins of X lie; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    P.-S. Huang, S. D. Chen, P. Smaragdis and M. Hasegawa-Johnson, "Singing-voice separation from monaural
    recordings using robust principal component analysis", Proc. ICASSP, 2012: the model, λ and the binary mask.

    I.-Y. Jeong and K. Lee, "Vocal separation using extended robust principal component analysis with Schatten
    p/lp-norm and scale compression", Proc. MLSP, 2014: ``power`` (its norms are not used here).

    Notes
    -----
    When to use: A voice over music that repeats, with nothing known; a baseline for singing voice separation.
    `vocals` uses it and does better.
    Complexity: An iteration is a few products of freq · frames · rank operations.
    Differences from the paper: Gains are soft by default; the paper's mask is ``mask_kind="binary"``. ``power`` and
    ``mask_power`` are 1 in the paper. A subspace follows the leading singular vectors where the textbook takes a full
    decomposition in every step.

    The semi-soft gain is ours, named after semi-soft (firm) shrinkage, which it is to soft and hard gains what
    that is to soft and hard thresholds. Memory is six matrices of the size of V. Results do not depend on the
    level of the input.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.outer(np.hanning(30), np.ones(40))[None]
    >>> V[0, 20, 15] += 500
    >>> model = RPCA().fit(V)
    >>> [round(float(gain[0, 20, 15]), 2) for gain in model.gains()]
    [0.02, 0.98]
    """

    sparsity: float = 1.0
    mask_kind: str = "soft"
    mask_gain: float = 1.0
    mask_power: float = 1.0
    mask_edge: float = 0.25
    power: float = 0.6
    cutoff: float = 100.0
    tol: float = 1e-4
    n_iter: int = 100
    seed: int = 0
    grid: Grid | None = None

    name: ClassVar[str] = "rpca"

    def __post_init__(self) -> None:
        for name in ("sparsity", "mask_gain", "mask_power", "power", "tol"):
            check_range(name, getattr(self, name), 0, above=True)
        check_choice("mask_kind", self.mask_kind, MASKS)
        check_range("mask_edge", self.mask_edge, 0, 0.5)
        check_range("cutoff", self.cutoff, 0)
        check_count("n_iter", self.n_iter)
        check_count("seed", self.seed, 0)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 64 ms with a quarter of it as hop, as in the paper."""
        return STFT(n_fft=nearest_power_of_two(0.064 * sample_rate))

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gains of background and foreground in X (channels, freq, frames).

        Parameters
        ----------
        X : array (channels, freq, frames)
            Complex coefficients, or a non-negative spectrogram.
        callback : callable, optional
            Called as ``callback(i, residual)`` after each iteration with the relative residual, for there is no
            model before the end; returning True stops.

        Returns
        -------
        MaskModel
            With the relative residuals as ``losses``, and the rank of the background as ``extra["rank"]``.

        Raises
        ------
        NumericalError
            X is not finite.
        ArrayTypeError
            X is neither float32, float64 nor complex numbers of these.
        """
        V = spectrogram(X)
        xp = namespace(V)
        parts = self.decompose(V, callback=callback)
        if parts is None:
            masks = xp.ones((1, 1, *V.shape[1:]), dtype=V.dtype)
            return MaskModel(masks=masks, magnitude=V, names=("background", "foreground"))
        gain = 1 - self._foreground(parts)
        if self.grid is not None:
            gain[: self.grid.bins_up_to(self.cutoff, len(gain))] = 1
        return MaskModel(
            masks=gain[None, None],
            magnitude=V,
            names=("background", "foreground"),
            extra={"rank": xp.asarray(parts.rank)},
            losses=parts.residuals,
        )

    def decompose(self, V: Array, *, callback: Callback | None = None) -> Parts | None:
        """Return what ``power`` of the channels' magnitudes V (channels, freq, frames) is the sum of.

        Returns
        -------
        Parts or None
            Low-rank and sparse matrix (freq, frames), scaled so that their sum is at most 1; None of silence.
        """
        mean = magnitudes(V)
        top = float(mean.max())
        if not math.isfinite(top):
            raise NumericalError(f"RPCA: the largest magnitude is {top}; give finite data")
        if top == 0:
            return None
        D = (mean / top) ** self.power
        weight = self.sparsity / math.sqrt(max(D.shape))
        options: dict[str, Any] = {"tol": self.tol, "n_iter": self.n_iter, "seed": self.seed}
        parts = principal_component_pursuit(D.T, weight=weight, callback=callback, **options)
        return Parts(
            low_rank=parts.low_rank.T, sparse=parts.sparse.T, rank=parts.rank, residuals=parts.residuals
        )

    def _foreground(self, parts: Parts) -> Array:
        """Return the gain of the sparse part, (freq, frames)."""
        power = math.inf if self.mask_kind == "binary" else self.mask_power
        share = soft_mask(abs(parts.sparse), abs(parts.low_rank), power=power, margin=self.mask_gain)
        if self.mask_kind != "semi_soft":
            return share
        if self.mask_edge == 0.5:
            return (share > 0.5).astype(share.dtype)
        return namespace(share).clip((share - self.mask_edge) / (1 - 2 * self.mask_edge), 0, 1)
