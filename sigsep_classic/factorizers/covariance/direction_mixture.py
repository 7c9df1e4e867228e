"""Expectation-maximisation for mixtures of directions, one in each bin, whose sources are then ordered alike."""

from __future__ import annotations

import logging
from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from sigsep_classic import permutation
from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import ShapeError
from sigsep_classic.factorizers.base import Callback, Iterative, check_start
from sigsep_classic.factorizers.covariance.direction_model import EXTRACTIONS, DirectionModel, energies
from sigsep_classic.factorizers.covariance.directions import Directions, directions, directions_like
from sigsep_classic.factorizers.covariance.local_priors import local_priors
from sigsep_classic.factorizers.models import Groups, source_names
from sigsep_classic.kernels.directional_mixture import MAX_DIMS, MAX_SOURCES, directional_mixture
from sigsep_classic.typing import Array, Grid

logger = logging.getLogger("sigsep_classic")


@dataclass(frozen=True, kw_only=True)
class MixtureState:
    """Where expectation-maximisation stands; as good as a `DirectionModel`, whose sources no one has ordered yet.

    Parameters
    ----------
    data : Directions
        The observations.
    method : DirectionMixture
        Whose densities they are.
    K : complex128 array (freq, sources, rows, dims)
        Parameters of the densities.
    weights : float64 array (freq, sources)
        Mixture weights; they sum to one over sources.
    """

    data: Directions
    method: Any
    K: Array
    weights: Array
    losses: tuple[tuple[int, float], ...] = ()

    estimates: ClassVar[bool] = True
    power: ClassVar[float] = 1.0

    @cached_property
    def posterior(self) -> Array:
        """Probability that a source dominates a point, (sources, freq, frames)."""
        return self.method.expectation(self.data, self.K, self.weights)[0]

    @cached_property
    def model(self) -> DirectionModel:
        """The model with sources as they are."""
        return DirectionModel(
            posterior=self.posterior,
            K=self.K,
            weights=self.weights,
            data=self.data,
            names=self.names,
            extraction=self.method.extraction,
            losses=self.losses,
            method=self.method,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """``source1 …``, and ``noise`` where it was asked for."""
        names = source_names(self.data.n_sources)
        return (*names, "noise") if self.method.noise_class else names

    @property
    def n_components(self) -> int:
        """Number of sources, the noise among them."""
        return len(self.names)

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the image of each group, (groups, channels, freq, frames)."""
        return self.model.reconstruct(groups)


@dataclass(frozen=True, kw_only=True)
class DirectionMixture(Iterative[MixtureState]):
    """Base of `CACGMM` and `CWMM`, which say what a density is and how its parameters follow from moments."""

    n_sources: int | None = None
    n_iter: int = 50
    tol: float = 1e-4
    noise_class: bool = False
    extraction: str = "wiener"
    n_refine: int = 5
    seed: int = 0
    grid: Grid | None = None

    name: ClassVar[str]
    density: ClassVar[str]
    pseudo_count: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if self.n_sources is not None:
            check_count("n_sources", self.n_sources)
        check_count("n_iter", self.n_iter, 0)
        check_range("tol", self.tol, 0)
        check_choice("extraction", self.extraction, EXTRACTIONS)
        check_count("n_refine", self.n_refine, 0)
        check_count("seed", self.seed, 0)

    @abstractmethod
    def parameters(self, data: Directions, S: Array, counts: Array) -> Array:
        """Return the K that fit best, given the moments of the posteriors."""

    @abstractmethod
    def log_constants(self, data: Directions, K: Array) -> Array:
        """Return the logarithms of what the densities are divided by, (freq, sources)."""

    def prepare(self, X: Array) -> Directions:
        """Return the directions of X (channels, freq, frames).

        Raises
        ------
        ShapeError
            There are more than 16 independent channels or sources.
        """
        data = directions(X, self.n_sources)
        if data.dims == 1 and data.n_sources > 1:
            logger.warning(
                "%s: one independent channel has one direction; each of %d sources is a share of the mixture",
                self.name,
                data.n_sources,
            )
        if data.dims > MAX_DIMS or data.n_sources + self.noise_class > MAX_SOURCES:
            raise ShapeError(
                f"{data.dims} independent channels and {data.n_sources} sources; at most {MAX_DIMS} channels and "
                f"{MAX_SOURCES} sources can be told apart, noise included"
            )
        return data

    def init(self, X: Directions) -> MixtureState:
        """Return what fits posteriors drawn at random from the seed, on the host."""
        freq, frames = X.saliency.shape
        drawn = np.random.default_rng(self.seed).standard_exponential((X.n_sources, freq, frames))
        xp = namespace(X.Z)
        P = xp.asarray(drawn / drawn.sum(axis=0), dtype=X.Z.dtype)
        z = X.Z[:, :, 0] + 1j * X.Z[:, :, 1]
        counted = P * X.saliency
        S = xp.stack([(z * p[:, None]) @ z.conj().swapaxes(1, 2) for p in counted], axis=1)
        counts = counted.sum(axis=2, dtype=np.float64).T
        return self._maximization(X, S.astype(xp.complex128), self._with_noise(counts))

    def _with_noise(self, counts: Array) -> Array:
        """Return counts (freq, sources) with a share for the noise as large as the mean of the sources'."""
        xp = namespace(counts)
        if not self.noise_class:
            return counts
        return xp.concatenate([counts, counts.mean(axis=1, keepdims=True)], axis=1)

    def expectation(
        self,
        data: Directions,
        K: Array,
        weights: Array,
        *,
        prior: Array | None = None,
        loss_only: bool = False,
    ) -> tuple[Array, Array, Array, Array]:
        """Return posterior, moments, counts and log likelihoods; see `directional_mixture`."""
        xp = namespace(data.Z)
        log_weights = xp.log(weights) - self.log_constants(data, K)
        return directional_mixture(
            data.Z,
            K,
            log_weights,
            data.saliency,
            prior=prior,
            density=self.density,
            degree=data.dims / 2 if data.real else data.dims,
            loss_only=loss_only,
        )

    def step(self, X: Directions, model: MixtureState) -> MixtureState:
        """Return the state after one round: posteriors of the present parameters, then parameters of these."""
        _, S, counts, _ = self.expectation(X, model.K, model.weights)
        return replace(self._maximization(X, S, counts), losses=model.losses)

    def _maximization(self, X: Directions, S: Array, counts: Array) -> MixtureState:
        """Return the state that moments and counts (freq, sources) ask for; noise keeps its shape."""
        xp = namespace(counts)
        K = self.parameters(X, S[:, : X.n_sources], counts[:, : X.n_sources])
        if self.noise_class:
            K = xp.concatenate([K, xp.broadcast_to(self.uniform(X), (len(K), 1, *K.shape[2:]))], axis=1)
        shares = counts + self.pseudo_count
        return MixtureState(data=X, method=self, K=K, weights=shares / shares.sum(axis=1, keepdims=True))

    @abstractmethod
    def uniform(self, data: Directions) -> Array:
        """Return the parameters (rows, dims) of the density that is the same in all directions."""

    def loss(self, X: Directions, model: MixtureState) -> float:
        """Return the negative log posterior: of the directions, and of the weights' prior."""
        value = self.expectation(X, model.K, model.weights, loss_only=True)[3]
        prior = self.pseudo_count * namespace(value).log(model.weights).sum()
        return -float(value.sum() + prior)

    def copy(self, model: MixtureState) -> MixtureState:
        """Return a state with arrays of its own, but for the data, which nothing writes to."""
        return replace(model, K=model.K.copy(), weights=model.weights.copy())

    def adopt(self, X: Directions, start: Any) -> MixtureState:
        """Return the state with the parameters of a model or state of the same shape.

        Raises
        ------
        ParameterError
            It has no densities.
        ShapeError
            It is of another number of frequencies, sources or channels, or of another density.
        """
        rows = X.dims if self.density == "angular" else 1
        wanted = (len(X.Z), X.n_sources + self.noise_class, rows, X.dims)
        check_start(start, ("K", "weights"), f"a model of {self.name}, what `fit` returned")
        if start.K.shape != wanted:
            raise ShapeError(f"start has K {start.K.shape}; this mixture needs {wanted}")
        xp = namespace(X.Z)
        return MixtureState(data=X, method=self, K=xp.array(start.K), weights=xp.array(start.weights))

    def fit(self, X: Array, *, start: Any = None, callback: Callback | None = None) -> DirectionModel:  # type: ignore[override]
        """Return posteriors of X (channels, freq, frames), ordered alike in all bins; see `Iterative.fit`.

        A callback sees the sources of each bin in an order of its own.
        """
        model: Any = super().fit(X, start=start, callback=callback)
        return model

    def finish(self, model: MixtureState) -> DirectionModel:  # type: ignore[override]
        """Return the model whose bins agree on the order of sources, the strongest first, refined."""
        found, n = model.model, model.data.n_sources
        order = self._order(model.data, found.posterior[:n])
        xp = namespace(found.posterior)
        if self.noise_class:
            order = np.pad(order, ((0, 0), (0, 1)), constant_values=n)
        index = xp.asarray(order)
        ordered = replace(
            found,
            posterior=xp.take_along_axis(found.posterior, index.T[:, :, None], axis=0),
            K=xp.take_along_axis(found.K, index[:, :, None, None], axis=1),
            weights=xp.take_along_axis(found.weights, index, axis=1),
            converged=bool(model.losses) and self._settled(list(model.losses)),
        )
        return self._refined(ordered)

    def _refined(self, model: DirectionModel) -> DirectionModel:
        """Return the model after rounds in which a source is the likelier at a point the more it is around it."""
        data, K, posterior = model.data, model.K, model.posterior
        if len(data.Z) < 2 or len(posterior) < 2:
            return model
        equal = namespace(K).ones_like(model.weights)
        for _ in range(self.n_refine):
            prior = local_priors(posterior, self.grid)
            posterior, S, counts, _ = self.expectation(data, K, equal, prior=prior)
            K = self._maximization(data, S, counts).K
        return replace(model, posterior=posterior, K=K)

    def applied(self, model: DirectionModel, X: Array) -> DirectionModel:
        """Return a model of other frames X (channels, freq, frames): their posteriors by the densities of ``model``."""
        data = directions_like(X, model.data)
        posterior = self.expectation(data, model.K, model.weights)[0]
        if len(data.Z) > 1 and len(posterior) > 1:
            equal = namespace(model.K).ones_like(model.weights)
            for _ in range(self.n_refine):
                prior = local_priors(posterior, self.grid)
                posterior = self.expectation(data, model.K, equal, prior=prior)[0]
        return replace(model, data=data, posterior=posterior, shapes=model.shape_of(slice(None)), losses=())

    def _order(self, data: Directions, posterior: Array) -> np.ndarray:
        """Return which row of the posterior is source n in bin f, (freq, sources), on the host."""
        if posterior.shape[2] > 1:
            order = to_host(permutation.solve(posterior, grid=self.grid))
        else:  # one frame does not tell what is loud together
            order = np.tile(np.arange(len(posterior)), (posterior.shape[1], 1))
        aligned = permutation.apply(order, posterior)
        return order[:, np.argsort(-energies(data, aligned), kind="stable")]
