"""Complex Watson mixtures: sources told by the axis their directions gather around (Tran Vu & Haeb-Umbach 2010)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.factorizers.covariance.direction_mixture import DirectionMixture
from sigsep_classic.factorizers.covariance.directions import Directions
from sigsep_classic.factorizers.covariance.watson import concentration_of, log_normalizer
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class CWMM(DirectionMixture):
    """Sources told by the axis their directions gather around: as many as wanted, also more than microphones.

    As `CACGMM`, with complex Watson densities in the place of the angular central Gaussian ones,

        p(z) = sum over n of a_n exp(κ_n |w_nᴴ z|²) / M(1, dims, κ_n)

    with M Kummer's function: a source is an axis w and how narrowly, κ, directions lie around it. That is
    fewer parameters, and one width in all directions. Expectation-maximisation never lets

        L = -sum over f, t of log p(z)  -  sum over f, n of log a_n

    rise.

    Parameters
    ----------
    n_sources : int or None
        How many, 1 … 16; None: as many as there are independent channels.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when the loss falls by less than this share of itself between two checks; 0 never stops early.
    noise_class : bool
        Add a source ``noise`` with κ = 0: all that comes from nowhere in particular.
    extraction : {"wiener", "mask"}
        ``"wiener"``: the multichannel Wiener filter of covariances weighted by the posteriors; ``"mask"``: posterior
        times mixture in each channel. Either way the images add up to the mixture.
    n_refine : int
        Rounds after the bins are ordered, 0 for none, in which the weights a are posteriors averaged around each
        point (15.6 Hz and one frame): neighbours help. They lower no loss that is told; measured on speech in rooms.
    seed : int
        Of the random posteriors it starts from.
    grid : Grid or None
        Filled in by `separate`: where bins lie in Hz.

    References
    ----------
    D. H. Tran Vu and R. Haeb-Umbach, "Blind speech separation employing directional statistics in an expectation
    maximization framework", Proc. ICASSP, 2010.

    H. Sawada, S. Araki and S. Makino, "Underdetermined convolutive blind source separation via frequency bin-wise
    clustering and permutation alignment", IEEE Trans. Audio, Speech, and Language Processing 19(3), 2011: whitened
    directions, aligned over frequency. (Equation numbers of both not checked.)

    Notes
    -----
    When to use: As `cacgmm`, with fewer parameters: an axis and one width for each source and bin.
    Complexity: An iteration is O(freq · frames · sources · channels²), then the permutation.
    Differences from the paper: κ is at most 500 and found by the inverse of the mean projection, not by an
    approximation; weights have the prior of `cacgmm`.

    κ is at most 500. Unlike `CACGMM`'s, the result depends on the whitening. On real X the densities are those of
    the real sphere.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> active = rng.random((3, 1, 600)) ** 8  # at most one source is loud at a time
    >>> S = active * (rng.standard_normal((3, 1, 600)) + 1j * rng.standard_normal((3, 1, 600)))
    >>> X = np.tensordot([[1.0, 0.7, 0.1], [0.1, 0.7j, 1.0]], S, axes=1)
    >>> CWMM(n_sources=3).fit(X).reconstruct().shape
    (3, 2, 1, 600)
    """

    name: ClassVar[str] = "cwmm"
    density: ClassVar[str] = "watson"

    def parameters(self, data: Directions, S: Array, counts: Array) -> Array:
        """Return √κ wᴴ: w the leading eigenvector of S, κ by `concentration_of` its eigenvalue over the count."""
        xp = namespace(S)
        values, E = xp.linalg.eigh(S)
        projection = to_host(values[..., -1] / xp.where(counts > 0, counts, 1))
        kappa = xp.asarray(concentration_of(projection, data.dims, real=data.real))
        return xp.sqrt(kappa)[:, :, None, None] * E[..., -1].conj()[:, :, None, :]

    def log_constants(self, data: Directions, K: Array) -> Array:
        """Return the logarithms of Kummer's function."""
        kappa = to_host((abs(K) ** 2).sum(axis=(2, 3)))
        return namespace(K).asarray(log_normalizer(kappa, data.dims, real=data.real))

    def uniform(self, data: Directions) -> Array:
        """Return zeros: concentration 0."""
        return namespace(data.Z).zeros((1, data.dims), dtype=complex)
