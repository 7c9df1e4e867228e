"""FastMNMF2: sources of low rank in time and frequency, each with weights of directions that all bins share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sigsep_classic.factorizers.covariance.joint import JointCovariances


@dataclass(frozen=True, kw_only=True)
class FastMNMF2(JointCovariances):
    """Sources of low rank and any directions, by full-rank spatial covariances that share their eigenvectors.

    Minimises Σ_ftm [|q_fm x_ft|² / y_ftm + log y_ftm] - 2 T Σ_f log |det Q_f| with y_ftm = Σ_n λ_nft g_nm.

    x_ft is Gaussian with covariance Q_f⁻¹ diag(y_ft) Q_f⁻ᴴ: source n has the variance λ_nft = Σ_k w_nfk h_nkt and
    comes from directions (columns of Q_f⁻¹) with weights g_nm ≥ 0, the same at all frequencies, which ties the
    frequencies of a source together. There may be more sources than microphones. Estimates are those of the
    multichannel Wiener filter and add up to the mixture.

    Parameters
    ----------
    n_sources : int or None
        Any number, more than there are channels too; None: as many as there are independent channels.
    n_components : int
        Templates K of each source, at least 1.
    initial : {"demixing", "diagonal"}
        ``"demixing"``: directions are first the outputs of a short independent component analysis of each bin, put in
        order by `sigsep_classic.permutation`; ``"diagonal"``: the microphones. The result depends on it more than on
        any other parameter.
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
    K. Sekiguchi, Y. Bando, A. A. Nugraha, K. Yoshii and T. Kawahara, "Fast multichannel nonnegative matrix
    factorization with directivity-aware jointly-diagonalizable spatial covariance matrices for blind source
    separation", IEEE/ACM Trans. Audio, Speech, and Language Processing 28, 2020 (equation numbers not checked).

    N. Ono, "Stable and fast update rules for independent vector analysis based on auxiliary function technique",
    Proc. WASPAA, 2011: the update of Q.

    Notes
    -----
    When to use: A reverberant room, as many sources as microphones or more, and patience; steady positions. Quicker
    and less general: `ilrma`.
    Complexity: An iteration is O(freq · frames · (channels³ + sources · (components + channels))).

    Differences from the paper: the data are taken to hold a little white noise (63 dB below their mean power in each
    bin, after whitening), so that silence, a dead channel or one frame leave the likelihood bounded. The loss
    contains it, and is that of whitened data: a constant away from the one above.

    Memory: the data, their powers and the variances, 4 real numbers a channel, bin and frame; no spatial
    covariance is kept for a frame.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((2, 5, 40)) + 1j * rng.standard_normal((2, 5, 40))
    >>> Y = FastMNMF2(n_sources=3, n_components=2, n_iter=5).fit(X).reconstruct()
    >>> Y.shape, bool(np.allclose(Y.sum(axis=0), X))
    ((3, 2, 5, 40), True)
    """

    name: ClassVar[str] = "fastmnmf2"
