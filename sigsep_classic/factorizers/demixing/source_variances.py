"""Variances of sources as products of templates and activations, and what is known of each cell of the mixture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.errors import NumericalError, ParameterError
from sigsep_classic.factorizers.bins import Bins
from sigsep_classic.kernels.low_rank_sweep import low_rank_sweep, raised
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.kernels.variance_sums import variance_sums
from sigsep_classic.kernels.variance_weights import (
    DENSITIES,
    contrasts,
    powers_in,
    slopes,
    variance_weights,
    variances,
)
from sigsep_classic.typing import Array

NOISE = 1e-12
"""Noise taken to be in every source, relative to what the mixture has in that cell: no power is 0."""

_SILENT = 1e-12
_LEAST = 1e-15
_BLOCK = 64


@dataclass(frozen=True, kw_only=True)
class ObservedBins(Bins):
    """`Bins` whose silent cells are told, with ``load`` of at least `NOISE`.

    Parameters
    ----------
    silent : bool array (freq, frames) or None
        Cells 120 dB below the mean of their bin, which are left out; None where there are none.
    share : array (freq,)
        Number of frames divided by the number of those that are not silent, in the dtype of Z.
    """

    silent: Array | None
    share: Array


def observed(data: Bins) -> ObservedBins:
    """Return bins with their silent cells."""
    xp, Z = namespace(data.Z), data.Z
    power = sum(Z[:, d, i] ** 2 for d in range(data.dims) for i in (0, 1))
    silent = power <= _SILENT * power.mean(axis=1, keepdims=True)
    share = (Z.shape[3] / xp.maximum((~silent).sum(axis=1), 1)).astype(Z.dtype)
    kept = {field.name: getattr(data, field.name) for field in fields(Bins)}
    kept["load"] = xp.maximum(data.load, NOISE)
    return ObservedBins(**kept, silent=silent if bool(silent.any()) else None, share=share)


@dataclass(frozen=True, kw_only=True)
class Density:
    """How a source is distributed given its variance r: ``-log p(y) = G(|y|² / r) + log r``.

    Parameters
    ----------
    name : {"gauss", "student", "generalized"}
        See `variance_weights`.
    shape : float
        nu, or the exponent.
    """

    name: str
    shape: float

    def contrast(self, x: Array) -> Array:
        """Return G(x)."""
        return contrasts(x, DENSITIES.index(self.name), self.shape)

    def slope(self, x: Array) -> Array:
        """Return G'(x)."""
        return slopes(x, DENSITIES.index(self.name), self.shape)


@dataclass(frozen=True, kw_only=True)
class Factors:
    """r = sum over k of z_nk t_fk v_kt, or of t_nfk v_nkt.

    Parameters
    ----------
    templates : array (sources or 1, freq, components)
        t, non-negative; one set each or, with ``latent``, one for all sources.
    activations : array (sources or 1, components, frames)
        v, non-negative.
    latent : array (sources, components) or None
        z, which sums to one over sources.
    """

    templates: Array
    activations: Array
    latent: Array | None = None

    @property
    def T(self) -> Array:
        """Templates of each source, (sources, freq, components)."""
        if self.latent is None:
            return self.templates
        return self.templates * self.latent[:, None]

    def balanced(self) -> Factors:
        """Return the same variances with templates of mean one, no entry below 1e-15, which the floor of r hides.

        So neither factor leaves the range of its type, and none is 0 for good.
        """
        xp, T = namespace(self.templates), self.templates
        means = T.mean(axis=1, keepdims=True)
        means = xp.where(means > 0, means, 1)
        V = self.activations * means.swapaxes(1, 2)
        least = T.dtype.type(_LEAST)
        return replace(self, templates=xp.maximum(T / means, least), activations=xp.maximum(V, least))

    def copy(self) -> Factors:
        """Return factors with arrays of their own."""
        latent = None if self.latent is None else self.latent.copy()
        return Factors(templates=self.templates.copy(), activations=self.activations.copy(), latent=latent)


@dataclass(frozen=True, kw_only=True)
class Powers:
    """The powers p = scales P of sources.

    Parameters
    ----------
    P : array (sources, freq, frames)
        Powers of the outputs before their rows of R were scaled; negative in silent cells.
    scales : array (sources, freq)
        What they are multiplied by.
    data : ObservedBins
        The data.
    """

    P: Array
    scales: Array
    data: ObservedBins

    def of(self, n: int, bins: slice) -> Array:
        """Return p of source n in some bins, (bins, frames); 0 in silent cells."""
        return powers_in(self.P, self.scales, n, bins)


@dataclass(frozen=True, kw_only=True)
class LowRank:
    """Updates of `Factors`, which never raise ``sum of G(p / r) + log r``.

    An entry is multiplied by a power of

        (sum of G'(x) x / r times the other factor) / (sum of 1 / r times the other factor),  x = p / r

    over the cells it has a share in. With the exponent 1/2 that minimises an auxiliary function (MM); at 1 the
    function has the value it began with (ME, quicker), and between both it is lower.
    """

    n_components: int
    partitioned: bool
    density: Density
    exponent: float
    seed: int

    def begin(self, like: Array) -> Factors:
        """Return seeded random factors with products of one on average, for powers like ``like``."""
        xp, (n, freq, frames) = namespace(like), like.shape
        rng, K = np.random.default_rng(self.seed), self.n_components
        sets = 1 if self.partitioned else n
        t, v = rng.uniform(0.1, 1, (sets, freq, K)), rng.uniform(0.1, 1, (sets, K, frames))
        z = rng.uniform(0.1, 1, (n, K)) if self.partitioned else None
        t *= (n if self.partitioned else 1) / (0.55**2 * K)
        latent = None if z is None else xp.asarray(z / z.sum(axis=0), dtype=like.dtype)
        return Factors(
            templates=xp.asarray(t, dtype=like.dtype),
            activations=xp.asarray(v, dtype=like.dtype),
            latent=latent,
        )

    def update(self, powers: Powers, factors: Factors) -> Factors:
        """Return factors after one update of z, of t and of v."""
        if factors.latent is not None:
            factors = self._shares(powers, factors, factors.latent)
        sums = self._sums(powers, factors, over="frames")
        if factors.latent is not None:
            sums = (sums * factors.latent[:, None]).sum(axis=1, keepdims=True)
        factors = replace(factors, templates=self._raised(factors.templates, sums))
        sums = self._sums(powers, factors, over="freq")
        if factors.latent is not None:
            sums = sums.sum(axis=1, keepdims=True)
        return replace(factors, activations=self._raised(factors.activations, sums)).balanced()

    def swept(
        self, data: Bins, R: Array, factors: Factors, rule: str
    ) -> tuple[Array, Factors, tuple[Array, Array]]:
        """Return R after a sweep, the factors on its scale, and what `followed` makes of them the next ones.

        For Gaussian sources, each with its own factors, and no silent cells.
        """
        assert isinstance(data, ObservedBins)
        R, T, *ahead = low_rank_sweep(
            data.Z,
            R,
            factors.templates,
            factors.activations,
            data.share,
            exponent=self.exponent,
            rule=rule,
            load=data.load,
        )
        return R, replace(factors, templates=T), (ahead[0], ahead[1])

    def followed(self, factors: Factors, ahead: tuple[Array, Array]) -> Factors:
        """Return what `update` would, from what `swept` has made ready."""
        templates, sums = ahead
        activations = self._raised(factors.activations, sums)
        return replace(factors, templates=templates, activations=activations).balanced()

    def weights(self, powers: Powers, factors: Factors) -> Array:
        """Return share G'(p / r) / r, (sources, freq, frames); 0 in silent cells."""
        data, T, V = powers.data, factors.T, factors.activations
        name, shape = self.density.name, self.density.shape
        weights = variance_weights(powers.P, powers.scales, T, V, data.share, density=name, shape=shape)
        if data.silent is not None:
            namespace(weights).copyto(weights, 0, where=data.silent)
        return weights

    def variance(self, factors: Factors, n: int, bins: slice) -> Array:
        """Return r of source n in some bins, (bins, frames)."""
        return variances(factors.T, factors.activations, n, bins)

    def _shares(self, powers: Powers, factors: Factors, latent: Array) -> Factors:
        """Return factors after an update of z, its sums moved to t."""
        sums = (self._sums(powers, factors, over="frames") * factors.templates).sum(axis=2)
        latent = self._raised(latent, sums)
        total = latent.sum(axis=0)
        return replace(factors, latent=latent / total, templates=factors.templates * total)

    def _sums(self, powers: Powers, factors: Factors, *, over: str) -> Array:
        name, shape, T, V = self.density.name, self.density.shape, factors.T, factors.activations
        return variance_sums(powers.P, powers.scales, T, V, over=over, density=name, shape=shape)

    def _raised(self, factor: Array, sums: Array) -> Array:
        """Return a factor times (sums[0] / sums[1]) to the exponent; unchanged where all cells are silent."""
        return raised(factor, sums, self.exponent)


def cost(powers: Powers, R: Array, density: Density, variance: Callable[[int, slice], Array]) -> float:
    """Return the mean over frames of ``sum of G(p / r) + log r``, silent cells left out, minus ``log |det R|²``.

    Parameters
    ----------
    powers : Powers
    R : complex128 array (freq, dims, dims)
        With the scale of the powers.
    density : Density
    variance : callable
        Returns r of a source in a slice of bins, (bins, frames).
    """
    xp, data = namespace(R), powers.data
    total, frames = 0.0, powers.P.shape[2]
    with single_threaded_blas():
        for n in range(len(powers.P)):
            for start in range(0, len(R), _BLOCK):
                bins = slice(start, start + _BLOCK)
                r = variance(n, bins).astype(float)
                terms = density.contrast(powers.of(n, bins) / r) + xp.log(r)
                total += float(
                    (terms if data.silent is None else xp.where(data.silent[bins], 0, terms)).sum()
                )
    determinants = xp.linalg.slogdet(R)[1]
    if data.silent is not None:
        determinants = determinants * (~data.silent).mean(axis=1)
    return total / frames - 2 * float(determinants.sum())


def checked_variances(found: Array, P: Array) -> Array:
    """Return what a user's function gave for powers P, refusing what cannot be variances.

    Raises
    ------
    ParameterError
        It has another shape, or is not real.
    NumericalError
        It is negative or not finite, or all zero though there is sound.
    """
    kind = getattr(getattr(found, "dtype", None), "kind", "")
    if getattr(found, "shape", None) != P.shape or kind not in "fiu":
        got = f"{found.shape} of {found.dtype}" if kind else type(found).__name__
        raise ParameterError(
            f"variance returned {got}; expected real numbers (sources, freq, frames) {P.shape}"
        )
    low, high = float(to_host(found.min())), float(to_host(found.max()))
    if not (low >= 0 and np.isfinite(high)):
        raise NumericalError(
            f"variance returned values from {low} to {high}; they must be finite and at least 0"
        )
    if high == 0 and bool((P > 0).any()):
        raise NumericalError("variance returned 0 everywhere; where there is sound it must be above 0")
    return found
