"""Non-negative tensor factorization: templates shared by all channels, a gain of each component in each channel."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import NumericalError, ParameterError
from sigsep_classic.factorizers.base import Iterative, gain_for, level_of, raised, spectrogram, usual_stft
from sigsep_classic.factorizers.lowrank.fitted import with_templates
from sigsep_classic.factorizers.lowrank.nmf import NMF
from sigsep_classic.factorizers.lowrank.starts import (
    adopted,
    beyond_range,
    random_start,
)
from sigsep_classic.factorizers.models import Groups, OfTemplates, check_groups
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.beta_divergence import divergence
from sigsep_classic.kernels.beta_nmf import multiplicative_update, multiply, statistics
from sigsep_classic.kernels.beta_sweep import exponent_of
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class NTFModel(OfTemplates):
    """V_cft ≈ Σ_k q_ck w_fk h_kt.

    Parameters
    ----------
    Q : array (channels, components)
        Non-negative gains.
    W : array (freq, components)
        Non-negative templates.
    H : array (components, frames)
        Non-negative activations.
    power : float
        V is magnitude to this power.
    gain : float
        Power of two nearest to 1 / mean(V).
    losses : tuple of (int, float)
        Iteration number and divergence.
    method : NTF or None
        What fitted it; None for a start.
    """

    Q: Array
    W: Array
    H: Array
    power: float = 1.0
    gain: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()
    method: Any = None

    @property
    def energies(self) -> Array:
        """Sum of each component over all entries, (components,)."""
        return self.Q.sum(axis=0) * self.W.sum(axis=0) * self.H.sum(axis=1)

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the sum of the components of each group, (groups, channels, freq, frames), in the domain of V."""
        xp = namespace(self.W)
        wanted = check_groups(groups, self.names)
        shape = (len(self.Q), len(self.W), self.H.shape[1])
        return xp.stack(
            [
                (stacked(self.Q[:, members], self.W[:, members]) @ self.H[members]).reshape(shape)
                for members in wanted.values()
            ]
        )

    def apply(self, X: Array) -> NTFModel:
        """Return a model of other frames with the same gains and templates: only the activations are learnt.

        Parameters
        ----------
        X : array (channels, freq, frames)
            Of the same front-end, as many channels.

        Raises
        ------
        ParameterError
            This model is a start, not what `NTF.fit` has returned.
        """
        if self.method is None:
            raise ParameterError("this model does not know its method; apply what NTF.fit has returned")
        fitted = self.method
        nmf = NMF(beta=fitted.beta, power=self.power, n_iter=fitted.n_iter, tol=fitted.tol, seed=fitted.seed)
        V = spectrogram(X)
        found = with_templates(nmf, stacked(self.Q, self.W)).fit(V.reshape(1, -1, V.shape[2]))
        sums = stacked(self.Q, self.W).sum(axis=0)  # 1, or 0 of a component that is not there
        H = found.H / namespace(V).where(sums > 0, sums, 1)[:, None]
        return replace(self, H=H, losses=found.losses)

    def by_panning(self, n_groups: int = 2, *, seed: int = 0) -> dict[str, list[int]]:
        """Return components clustered by their gains in the channels: ``groups=lambda model: model.by_panning(3)``.

        Parameters
        ----------
        n_groups : int
            1 … components.
        seed : int
            Seed of the clustering (k-means, weighted by energy).

        Returns
        -------
        dict of str to list of int
            ``source1 …``, the group with most energy first.

        Raises
        ------
        ParameterError
            ``n_groups`` is out of range.
        """
        from sklearn.cluster import KMeans

        check_count("n_groups", n_groups)
        check_range("n_groups", n_groups, 1, self.n_components)
        gains, energies = to_host(self.Q).T, to_host(self.energies)
        found = KMeans(n_groups, n_init=10, random_state=seed)
        labels = found.fit_predict(gains, sample_weight=energies + 1e-12 * energies.max() + 1e-30)
        members = [[k for k in range(len(gains)) if labels[k] == g] for g in range(n_groups)]
        members.sort(key=lambda ks: -energies[ks].sum())
        return {f"source{i + 1}": ks for i, ks in enumerate(members)}


@dataclass(frozen=True, kw_only=True)
class NTF(Iterative[NTFModel]):
    """NMF of all channels at once, told apart by panning: minimise D_β(V | Σ_k q_ck w_fk h_kt) over Q, W, H ≥ 0.

    V holds the magnitudes of every channel to the power ``power``; D is the divergence of `NMF`. A component is
    heard in each channel at its own gain, so two sources that play the same notes at different places are
    different components. Masks are real, one for each channel.

    Parameters
    ----------
    n_components : int
        Number of templates K, at least 1.
    beta : float
        β, any real number. The Itakura-Saito divergence of powers fits sources whose channels are independent
        Gaussian images; Kullback-Leibler with magnitudes is the usual one.
    power : float
        V is magnitude to this power, greater than 0.
    solver : {"me", "mu"}
        ``"mu"``: the exponent of majorisation-minimisation; ``"me"``: exponent 1 also for 0 <= β < 1.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when ten iterations lower the divergence by less than this share of it; 0 never stops early.
    seed : int
        Seed of the random templates and activations; all gains start equal, so channels are alike.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    D. FitzGerald, M. Cranitch and E. Coyle, "Non-negative tensor factorisation for sound source separation",
    Proc. Irish Signals and Systems Conference, 2005: the model.

    D. FitzGerald, M. Cranitch and E. Coyle, "Extended nonnegative tensor factorisation models for musical sound
    source separation", Computational Intelligence and Neuroscience, 2008.

    C. Févotte and A. Ozerov, "Notes on nonnegative tensor factorization of the spectrogram for audio source
    separation: statistical insights and towards self-clustering of the spatial cues", Proc. CMMR, 2010: updates
    for any β, and what the model says about panned sources (equation numbers not checked).

    Notes
    -----
    When to use: Stereo music mixed by panning, where two sources that play the same notes sit at different places.
    Complexity: An iteration is that of `nmf` with channels · freq rows, in three passes over the data.
    Differences from the paper: None known (equation numbers not checked).

    With (c, f) as one axis the tensor is a matrix and Q ⊙ W (every column q_k ⊗ w_k) its templates: the kernels
    of NMF give all sums, in three passes over the data an iteration.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.einsum("c,f,t->cft", [1.0, 3], [1.0, 2, 4], [1.0, 0, 2])
    >>> model = NTF(n_components=1, n_iter=5).fit(V)
    >>> model.Q.round(3).tolist()
    [[0.25], [0.75]]
    """

    n_components: int = 30
    beta: float = 1.0
    power: float = 1.0
    solver: str = "me"
    n_iter: int = 200
    tol: float = 1e-4
    seed: int = 0

    name: ClassVar[str] = "ntf"

    def __post_init__(self) -> None:
        check_count("n_components", self.n_components)
        check_count("n_iter", self.n_iter, 0)
        check_count("seed", self.seed, 0)
        check_range("tol", self.tol, 0)
        check_range("beta", self.beta, -math.inf)
        check_range("power", self.power, 0, above=True)
        check_choice("solver", self.solver, ("me", "mu"))

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return usual_stft(sample_rate)

    @property
    def exponent(self) -> float:
        """γ of the update [A/B]^γ, as in NMF."""
        return exponent_of(self.beta, fast=self.solver == "me")

    def prepare(self, X: Array) -> Array:
        """Return V (channels, freq, frames), each frame of all channels in one piece of memory."""
        xp = namespace(X)
        V = raised(spectrogram(X), self.power)
        return xp.ascontiguousarray(V.transpose(2, 0, 1)).transpose(1, 2, 0)

    def init(self, X: Array) -> NTFModel:
        """Return random W and H, and all gains equal; their product has the mean of V."""
        xp = namespace(X)
        V = _matrix(X)
        mean = level_of(V)
        W, Ht = random_start(X[0], self.n_components, seed=self.seed, mean=mean)
        Q = xp.full((len(X), self.n_components), 1 / len(X), X.dtype)
        return NTFModel(Q=Q, W=W, H=(Ht * len(X)).T, power=self.power, gain=gain_for(mean))

    def adopt(self, X: Array, start: NTFModel) -> NTFModel:
        """Return Q, W and H of ``start`` as a starting point, copied, in the dtype and on the device of V.

        Raises
        ------
        ShapeError
            A factor does not fit V and the number of components.
        ParameterError
            They have another power than ours, or entries that are negative or not finite.
        """
        (n_channels, n_freq, n_frames), K = X.shape, self.n_components
        shapes = {"Q": (n_channels, K), "W": (n_freq, K), "H": (K, n_frames)}
        found = adopted(start, X, power=self.power, shapes=shapes, kind="NTFModel(Q=, W=, H=)")
        return NTFModel(**found, power=self.power, gain=gain_for(level_of(_matrix(X))))

    def step(self, X: Array, model: NTFModel) -> NTFModel:
        """One update each of H, W and Q: multiply by [Σ A V V̂^(β−2) / Σ A V̂^(β−1)]^γ, A the other two."""
        V, W, Q, gain = _matrix(X), model.W, model.Q, model.gain
        multiplicative_update(
            V, stacked(Q, W), model.H, factor="H", beta=self.beta, exponent=self.exponent, gain=gain
        )
        for axis, A in ((1, Q), (0, W)):
            sums = statistics(V, stacked(Q, W), model.H, factor="W", beta=self.beta, gain=gain)
            others = W[None] if axis else Q[:, None]
            above, below = ((s.reshape(len(Q), *W.shape) * others).sum(axis=axis) for s in sums)
            multiply(A, above, below, self.exponent)
        return replace(model)

    def loss(self, X: Array, model: NTFModel) -> float:
        """Return D_β(V | Σ_k q_ck w_fk h_kt)."""
        value = divergence(_matrix(X), stacked(model.Q, model.W), model.H, beta=self.beta, gain=model.gain)
        if not math.isfinite(value):
            raise NumericalError(f"NTF: the divergence is {value}; {beyond_range(X, self.beta)}")
        return value * model.gain**-self.beta

    def finish(self, model: NTFModel) -> NTFModel:
        """Return gains and templates that sum to one, the strongest component first."""
        xp, sums = namespace(model.W), []
        for A in (model.Q, model.W):
            total = A.sum(axis=0)
            sums.append(xp.where(total > 0, total, 1))
        order = xp.argsort(-model.energies, kind="stable")
        Q, W = (A[:, order] / total[order] for A, total in zip((model.Q, model.W), sums, strict=True))
        return replace(model, method=self, Q=Q, W=W, H=(model.H * (sums[0] * sums[1])[:, None])[order])


def stacked(Q: Array, W: Array) -> Array:
    """Return every q_k ⊗ w_k, (channels * freq, components)."""
    return (Q[:, None] * W[None]).reshape(len(Q) * len(W), W.shape[1])


def _matrix(V: Array) -> Array:
    """Return V (channels, freq, frames) as a matrix (channels * freq, frames), a view of what `prepare` gave."""
    return V.transpose(2, 0, 1).reshape(V.shape[2], -1).T
