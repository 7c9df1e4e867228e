"""Non-negative matrix factor 2-D deconvolution: one template for all pitches (Schmidt & Mørup 2006)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sigsep_classic.checks import check_count, check_range
from sigsep_classic.factorizers.convolutive.pitched import Pitched


@dataclass(frozen=True, kw_only=True)
class NMF2D(Pitched):
    """Short spectrograms that move in time and in pitch: minimise D_β(V | Σ_φ Σ_l W_l↓φ H_φ→l) over W, H ≥ 0.

    On a logarithmic frequency axis the partials of a note keep their distances when its pitch changes. So one
    template W[f, k, l] stands for an instrument, and H[k, φ, t] says when it sounds φ bins above its lowest note.
    V is the root mean square of the channels' magnitudes to the power ``power``; bins that a shift moves over the
    upper end of the axis are left out. With ``sparsity`` λ the loss has λ ε Σ log(1 + ‖W_k‖₁ h / ε) more, ε being
    the mean of V that one of the activations stands for.

    Parameters
    ----------
    n_components : int
        Number of templates: instruments, at least 1.
    n_shifts : int
        Number of pitches, in bins of the front-end, at least 1; never more than V has bins.
    template_seconds : float
        How long a template lasts, in seconds, greater than 0.
    n_lags : int or None
        The same in frames, at least 1, in place of the above. Without this and without a grid with more than one
        frequency: 4. Never more than V has.
    beta : float
        β of the divergence, any real number: 2 Euclidean, 1 Kullback-Leibler, 0 Itakura-Saito.
    power : float
        V is magnitude to this power, greater than 0.
    solver : {"extrapolated", "mu", "me"}
        As in `NMFD`.
    update_order : {"HW", "WH"}
        Which factor an iteration updates first.
    sparsity : float
        λ, at least 0: what a small activation costs, as a share of what it explains at β = 1. A little of it
        keeps templates from being single partials that every pitch is built of.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when ten iterations lower the loss by less than this share of it; 0 never stops early.
    seed : int
        Seed of the random start.
    grid : Grid or None
        Frames per second and frequencies of X; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    M. N. Schmidt and M. Mørup, "Nonnegative matrix factor 2-D deconvolution for blind single channel source
    separation", Proc. ICA, 2006: model and updates for β = 1 and 2 (equation numbers not checked).

    C. Févotte and J. Idier, "Algorithms for nonnegative matrix factorization with the β-divergence", Neural
    Computation 23(9), 2011: other β, exponents.

    Notes
    -----
    When to use: An instrument that plays many pitches with one timbre, on a logarithmic axis: a lesson, and duets of
    pitched instruments.
    Complexity: An iteration is 8 freq · frames · components · lags · shifts operations for β = 1.
    Differences from the paper: Bins that a shift moves over the upper end are left out; the sparsity is a logarithmic
    one that scale cannot evade; the default solver adds momentum.

    The default front-end is a `ConstantQ` with a semitone a bin from 65 Hz to 4 kHz. Only its rows in between are
    evenly spaced in octaves, so only these are factorised. Each component has one spectrum of the other rows besides,
    which does not move and sounds as loud as the component does between 65 Hz and 4 kHz. On an `STFT` a shift moves
    all partials by as many Hz, which fits hardly any instrument.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.zeros((1, 9, 8))
    >>> for t, low in enumerate([0, 2, 4, 1, 3, 0, 4, 2]):     # two partials, 4 bins apart, at any pitch
    ...     V[0, [low, low + 4], t] = [2, 1]
    >>> model = NMF2D(n_components=1, n_shifts=5, n_lags=1, n_iter=200, seed=1).fit(V)
    >>> bool(np.abs(model.reconstruct() - V).max() < 0.1)
    True
    """

    n_components: int = 4
    n_shifts: int = 24
    template_seconds: float = 0.01
    n_lags: int | None = None
    beta: float = 1.0

    name: ClassVar[str] = "nmf_2d"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("n_shifts", self.n_shifts)
        check_range("template_seconds", self.template_seconds, 0, above=True)
        if self.n_lags is not None:
            check_count("n_lags", self.n_lags)

    def sizes(self, n_freq: int, n_frames: int) -> tuple[int, int, int, int]:
        """Return bins and lags of templates, shifts and frames of activations."""
        return n_freq, min(self.lags, n_frames), min(self.n_shifts, n_freq), n_frames
