"""Priors of sources whose frequencies rise and fall together, floored so that silence has a finite weight."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from sigsep_classic.backend import namespace
from sigsep_classic.factorizers.bins import Bins
from sigsep_classic.kernels.demixing import weighted_covariances
from sigsep_classic.typing import Array

PRIORS = ("laplace", "gauss")

_SILENT = 1e-5
_ROUNDING = 1e4


@dataclass(frozen=True)
class Spherical:
    """G(p) of the power p of a source in a frame, summed over frequencies.

    ``"laplace"``: √p. ``"gauss"``: F log p, a Gaussian whose variance p / F is that of the frame. Where p is below
    1e-5 F (50 dB under the level of whitened data) both go on as their tangent: G is concave, and frames next to
    silence have weights that single precision can sum.

    Parameters
    ----------
    prior : {"laplace", "gauss"}
        Which.
    n_freq : int
        F.
    """

    prior: str
    n_freq: int

    @property
    def typical(self) -> float:
        """The derivative of G where rows r with E[G' |y|²] = 1 in each bin bring it, for steady sources."""
        return 0.25 / self.n_freq if self.prior == "laplace" else 1.0

    def value(self, power: Array) -> float:
        """Return the sum over sources of the mean over frames of G, of powers (sources, frames)."""
        xp = namespace(power)
        power = power.astype(float)
        p = xp.maximum(power, _SILENT * self.n_freq)
        G = xp.sqrt(p) if self.prior == "laplace" else self.n_freq * xp.log(p)
        return float((G + self.slope(power) * (power - p)).mean(axis=1).sum())

    def slope(self, power: Array) -> Array:
        """Return the derivative of G in the shape and dtype of ``power``: the weights of the covariances."""
        p = namespace(power).maximum(power, _SILENT * self.n_freq)
        return 0.5 / namespace(power).sqrt(p) if self.prior == "laplace" else self.n_freq / p

    def bend(self, power: Array) -> Array:
        """Return the second derivative of G, of p above the floor: never above 0."""
        p = namespace(power).maximum(power, _SILENT * self.n_freq)
        return -self.slope(p) / (2 * p if self.prior == "laplace" else p)


@dataclass(frozen=True, kw_only=True)
class FilledBins(Bins):
    """Bins with a noise where they have no sound.

    Parameters
    ----------
    noise : complex128 array (freq, dims, dims)
        Covariance of what is added to z, steady at the typical weight: what C of nearly singular bins lacks to the
        identity, and the rounding of X. It keeps rows finite in bins without sound, and away from directions in which
        nothing but rounding is heard.
    """

    noise: Array


def filled(data: Bins) -> FilledBins:
    """Return bins with the noise that fills them."""
    xp = namespace(data.Z)
    # A rounding error of a transform is as large in all bins of a channel.
    loudest = (abs(data.D) ** 2).sum(axis=2).max(axis=0)
    noise = (
        _ROUNDING * float(xp.finfo(data.Z.dtype).eps) ** 2 * (data.T * loudest) @ data.T.conj().swapaxes(1, 2)
    )
    weak = data.load > 0
    if bool(weak.any()):
        ones = xp.ones((1, data.Z.shape[3]), dtype=data.Z.dtype)
        missing = xp.eye(data.dims) - weighted_covariances(data.Z, ones)[:, 0]
        noise = noise + xp.where(weak[:, None, None], missing, 0)
    kept = {field.name: getattr(data, field.name) for field in fields(Bins)}
    return FilledBins(**kept, noise=noise)


def covariances_of(data: FilledBins, prior: Spherical, power: Array) -> Array:
    """Return V_n = E[G'(p_n) z zᴴ] (freq, sources, dims, dims), with the noise."""
    xp = namespace(power)
    V = weighted_covariances(data.Z, prior.slope(power))
    # What rounding may take from the least eigenvalue is given back.
    rounding = float(xp.finfo(data.Z.dtype).eps) * xp.einsum("fnii->fn", V).real
    return V + rounding[:, :, None, None] * xp.eye(data.dims) + prior.typical * data.noise[:, None]


def loss_of(data: FilledBins, prior: Spherical, power: Array, R: Array) -> float:
    """Return the sum over n of E[G(p_n)], with the noise, less that over bins of log det(R Rᴴ)."""
    xp = namespace(R)
    heard = prior.value(power) + prior.typical * float((R @ data.noise * R.conj()).real.sum())
    gram = R @ R.conj().swapaxes(1, 2)
    return heard - float(xp.linalg.slogdet(gram)[1].sum())


def sources_of(data: FilledBins, n: int) -> FilledBins:
    """Return bins of which n dimensions are sources, and the others nobody's."""
    return replace(data, n_sources=n, reduced=data.reduced or n < data.dims)
