"""FastMNMF (FastMNMF1): sources of low rank in time and frequency, with weights of directions bin by bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sigsep_classic.factorizers.covariance.joint import JointCovariances


@dataclass(frozen=True, kw_only=True)
class FastMNMF(JointCovariances):
    """Sources of low rank and any directions, with weights of the directions for each frequency on its own.

    Minimises Σ_ftm [|q_fm x_ft|² / y_ftm + log y_ftm] - 2 T Σ_f log |det Q_f| with y_ftm = Σ_n λ_nft g_nfm: as
    `FastMNMF2`, but each bin has weights g_nfm of its own: more freedom, and only the activations tie the
    frequencies of a source together.

    Parameters
    ----------
    n_sources : int or None
        Any number, more than there are channels too; None: as many as there are independent channels.
    n_components : int
        Templates K of each source, at least 1.
    initial : {"demixing", "diagonal"}
        As in `FastMNMF2`.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when ten iterations lower the loss by less than this share of it; 0 never stops early.
    seed : int
        Seed of the random templates and activations.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    N. Ito and T. Nakatani, "FastMNMF: joint diagonalization based accelerated algorithms for multichannel
    nonnegative matrix factorization", Proc. ICASSP, 2019.

    K. Sekiguchi, A. A. Nugraha, Y. Bando and K. Yoshii, "Fast multichannel source separation based on jointly
    diagonalizable spatial covariance matrices", Proc. EUSIPCO, 2019. (Equation numbers not checked.)

    Notes
    -----
    When to use: As `fastmnmf2`, when each frequency should have weights of its own; starts matter more.
    Complexity: An iteration is O(freq · frames · (channels³ + sources · (components + channels))).
    Differences from the paper: As `FastMNMF2`: data are whitened and hold a little white noise.

    The notes on noise and memory of `FastMNMF2` hold here too.
    """

    name: ClassVar[str] = "fastmnmf"
    local: ClassVar[bool] = True
