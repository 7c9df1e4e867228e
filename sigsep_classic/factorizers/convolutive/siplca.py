"""Shift-invariant probabilistic latent component analysis (Smaragdis, Raj & Shashanka 2008)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_count
from sigsep_classic.factorizers.convolutive.model import ConvolutiveModel, ConvolutiveState
from sigsep_classic.factorizers.convolutive.pitched import Pitched
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class ShiftInvariantModel(ConvolutiveModel):
    """`ConvolutiveModel` read as a mixture of distributions over frequency and time."""

    @property
    def priors(self) -> Array:
        """P(z): how probable each component is, (components,)."""
        energies = self.energies
        return energies / namespace(energies).maximum(
            energies.sum(), namespace(energies).finfo(energies.dtype).tiny
        )

    @property
    def kernels(self) -> Array:
        """P(φ', l | z): each component's template, of sum one, (components, bins, lags)."""
        return self.normalized().W.transpose(1, 0, 2)

    @property
    def impulses(self) -> Array:
        """P(φ, t | z): where each component's template is put, of sum one, (components, shifts, frames)."""
        xp, sums = namespace(self.H), self.masses[1]
        return self.H / xp.where(sums > 0, sums, 1)[:, None, None]


@dataclass(frozen=True, kw_only=True)
class SIPLCA(Pitched):
    """A spectrogram as a distribution: P(f, t) = Σ_z P(z) Σ_φ Σ_l P(f−φ, l | z) P(φ, t−l | z), by maximum likelihood.

    Each component z is a kernel distribution, the shape of a sound, moved in frequency and time by an impulse
    distribution, the notes it plays. Maximising the likelihood of V / ΣV is minimising the Kullback-Leibler
    divergence of V from W ∗ H, where W_z ∝ P(· | z) sums to one and H_z = ΣV P(z) P(φ, t | z). Shifts that move any
    bin of a kernel off the axes are excluded, so that the distributions stay ones. With ``sparsity`` λ > 0 the
    impulses pay λ ε Σ log(1 + h / ε), ε being what each had if all were alike.

    Parameters
    ----------
    n_components : int
        Number of components z, at least 1.
    n_shifts : int
        Number of positions along frequency, in bins of the front-end, at least 1. A kernel spans the other bins:
        V's less this plus one. Never more than V has.
    n_lags : int
        Frames of a kernel; 1: kernels are spectra. Never more than V has.
    power : float
        V is magnitude to this power, greater than 0.
    solver : {"extrapolated", "mu", "me"}
        ``"mu"`` and ``"me"``: expectation-maximisation in two halves, kernels and impulses in turn, each after an
        expectation of its own. ``"extrapolated"``: the same from a point ahead of the iterate, taken back whenever
        the likelihood would fall.
    update_order : {"HW", "WH"}
        Which half comes first: impulses (H) or kernels (W).
    sparsity : float
        λ, at least 0: how much impulses that explain little are pressed to 0.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when ten iterations lower the loss by less than this share of it; 0 never stops early.
    seed : int
        Seed of the random start.
    grid : Grid or None
        Frequencies of X; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    P. Smaragdis, B. Raj and M. Shashanka, "Sparse and shift-invariant feature extraction from non-negative
    data", Proc. ICASSP, 2008: model and expectation-maximisation (equation numbers not checked). There all
    parameters share one expectation and sparsity is an entropic prior; here it is a logarithmic one.

    X.-L. Meng and D. B. Rubin, "Maximum likelihood estimation via the ECM algorithm: a general framework",
    Biometrika 80(2), 1993: maximisation of one block of parameters after the other.

    Notes
    -----
    When to use: As `nmf_2d`, where a model in probabilities is wanted; each note keeps its kernel's shape.
    Complexity: An iteration is 8 freq · frames · components · lags · shifts operations.
    Differences from the paper: Blocks of parameters are maximised one after the other (ECM) where the paper has one
    expectation for all, and sparsity is a logarithmic prior in the place of an entropic one.

    The default front-end is a `ConstantQ` with a semitone a bin from 65 Hz to 4 kHz. Only its rows in between are
    evenly spaced in octaves, so only these are factorised. Each component has one spectrum of the other rows besides,
    which does not move and sounds as loud as the component does between 65 Hz and 4 kHz.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.zeros((1, 9, 8))
    >>> for t, low in enumerate([0, 2, 4, 1, 3, 0, 4, 2]):     # two partials, 4 bins apart, at any pitch
    ...     V[0, [low, low + 4], t] = [2, 1]
    >>> model = SIPLCA(n_components=1, n_shifts=5, n_iter=200).fit(V)
    >>> model.kernels.shape, model.impulses.shape
    ((1, 5, 1), (1, 5, 8))
    >>> bool(np.abs(model.reconstruct() - V).max() < 0.1)
    True
    """

    n_components: int = 4
    n_shifts: int = 36
    n_lags: int = 1

    name: ClassVar[str] = "siplca"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("n_shifts", self.n_shifts)
        check_count("n_lags", self.n_lags)

    def sizes(self, n_freq: int, n_frames: int) -> tuple[int, int, int, int]:
        """Return bins and lags of kernels, shifts and frames of impulses: all that fit into V."""
        shifts, lags = min(self.n_shifts, n_freq), min(self.lags, n_frames)
        return n_freq - shifts + 1, lags, shifts, n_frames - lags + 1

    def _plain(self, model: ConvolutiveState) -> ShiftInvariantModel:
        return ShiftInvariantModel(
            W=model.W, H=model.H, shape=model.shape, power=model.power, losses=model.losses, method=self
        ).normalized()
