"""Complex angular central Gaussian mixtures: sources told by the covariance of their directions (Ito et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_range
from sigsep_classic.factorizers.covariance.direction_mixture import DirectionMixture
from sigsep_classic.factorizers.covariance.directions import Directions
from sigsep_classic.factorizers.covariance.shapes import inverse_roots
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class CACGMM(DirectionMixture):
    """Sources told by where their sound comes from: as many as wanted, also more than there are microphones.

    At each point of the spectrogram the channels make a vector z; whitened and scaled to unit norm it is a
    direction. In each bin the directions come from a mixture of complex angular central Gaussian densities,

        p(z) = sum over n of a_n / (det B_n (zᴴ B_n⁻¹ z)^dims)

    whose parameters expectation-maximisation finds, so that

        L = -sum over f, t of log p(z)  -  sum over f, n of log a_n

    never rises. The posteriors tell which source dominates where; they are brought to one order of sources in all
    bins (`permutation.solve`), and make the images. On real X the densities are those of the real sphere (half
    the exponents).

    Parameters
    ----------
    n_sources : int or None
        How many, 1 … 16; None: as many as there are independent channels.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when the loss falls by less than this share of itself between two checks; 0 never stops early.
    noise_class : bool
        Add a source ``noise`` with B = I: all that comes from nowhere in particular.
    extraction : {"wiener", "mask"}
        ``"wiener"``: the multichannel Wiener filter of covariances weighted by the posteriors; ``"mask"``: posterior
        times mixture in each channel. Either way the images add up to the mixture.
    condition : float
        Largest ratio of two eigenvalues of B, at least 1: points that lie on one line, as in a mixture without echo,
        would make B singular.
    n_refine : int
        Rounds after the bins are ordered, 0 for none, in which the weights a are posteriors averaged around each
        point (15.6 Hz and one frame): neighbours help. They lower no loss that is told; measured on speech in rooms.
    seed : int
        Of the random posteriors it starts from.
    grid : Grid or None
        Filled in by `separate`: where bins lie in Hz.

    References
    ----------
    N. Ito, S. Araki and T. Nakatani, "Complex angular central Gaussian mixture model for directional statistics in
    mask-based microphone array signal processing", Proc. EUSIPCO, 2016.

    D. E. Tyler, "Statistical analysis for the angular central Gaussian distribution on the sphere", Biometrika
    74(3), 1987: real directions. (Equation numbers of both not checked.)

    Notes
    -----
    When to use: More talkers than microphones, or masks to steer a beamformer by (``mask="mvdr"``); talkers who take
    turns in the spectrogram.
    Complexity: An iteration is O(freq · frames · sources · channels²), then the permutation.
    Differences from the paper: Weights have a Dirichlet prior that counts one frame more for each source, and shapes
    are held to a condition number; directions are of whitened channels, which changes nothing.

    The density does not change with an invertible matrix on the channels, so whitening costs nothing and gives the
    arithmetic good numbers. det B is 1 throughout: its scale means nothing. The last sum of L, a Dirichlet prior
    that counts one frame more for each source, keeps weights above 0. Points of silence do not count.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> active = rng.random((3, 1, 600)) ** 8  # at most one source is loud at a time
    >>> S = active * (rng.standard_normal((3, 1, 600)) + 1j * rng.standard_normal((3, 1, 600)))
    >>> X = np.tensordot([[1.0, 0.7, 0.1], [0.1, 0.7j, 1.0]], S, axes=1)
    >>> CACGMM(n_sources=3).fit(X).reconstruct().shape
    (3, 2, 1, 600)
    """

    condition: float = 1e4

    name: ClassVar[str] = "cacgmm"
    density: ClassVar[str] = "angular"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("condition", self.condition, 1)

    def parameters(self, data: Directions, S: Array, counts: Array) -> Array:
        """Return K with Kᴴ K = B⁻¹, where B is the weighted sum S of z zᴴ / (zᴴ B⁻¹ z) but for its scale."""
        return inverse_roots(S, condition=self.condition)

    def log_constants(self, data: Directions, K: Array) -> Array:
        """Return zeros: det B is 1."""
        return namespace(K).zeros(K.shape[:2])

    def uniform(self, data: Directions) -> Array:
        """Return the identity."""
        return namespace(data.Z).eye(data.dims, dtype=complex)
