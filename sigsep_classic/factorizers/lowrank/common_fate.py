"""Common fate model: sources in unison are told apart by how they are modulated (Stöter et al. 2016)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_count
from sigsep_classic.errors import NumericalError, ParameterError
from sigsep_classic.factorizers.base import Iterative, coefficients, raised
from sigsep_classic.factorizers.lowrank.common_fate_transform import Patches
from sigsep_classic.factorizers.lowrank.ntf import NTF, NTFModel, stacked
from sigsep_classic.factorizers.lowrank.starts import beyond_range
from sigsep_classic.factorizers.models import Groups, check_groups, component_names
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.beta_divergence import divergence
from sigsep_classic.kernels.beta_nmf import multiply, statistics
from sigsep_classic.kernels.beta_sweep import tiny_of
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class Fates:
    """What the common fate model is fitted to: the transform, and its magnitudes as a tensor.

    Parameters
    ----------
    Y : array (channels, patch freq, patch bins, patch frames, patch times)
        The transform, complex.
    V : array (channels, textures, patch times)
        Its magnitudes to a power; textures are patch freq × patch bins × patch frames.
    patches : Patches
        How X was cut.
    real : bool
        X was real.
    """

    Y: Array
    V: Array
    patches: Patches
    real: bool


@dataclass(frozen=True, kw_only=True)
class CommonFateModel:
    """Components of the common fate transform; estimates are shares of it.

    Parameters
    ----------
    Q, W, H : array (channels, components), (textures, components), (components, patch times)
        Gains, modulation textures and activations, non-negative.
    gain : float
        Power of two nearest to 1 / mean of the magnitudes.
    data : Fates
        The mixture.
    power : float
        Of the magnitudes W H models.
    losses : tuple of (int, float)
        Iteration number and divergence.
    """

    Q: Array
    W: Array
    H: Array
    gain: float
    data: Fates
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()

    estimates: ClassVar[bool] = True

    @property
    def n_components(self) -> int:
        """Number of components."""
        return int(self.W.shape[1])

    @property
    def names(self) -> tuple[str, ...]:
        """``component1 …``."""
        return component_names(self.n_components)

    @property
    def stems(self) -> Groups | None:
        """None: nothing says which component belongs where."""
        return None

    @property
    def textures(self) -> Array:
        """W as (patch freq, patch bins, patch frames, components)."""
        return self.W.reshape(*self.data.Y.shape[1:4], self.n_components)

    @property
    def spectra(self) -> Array:
        """Root mean square of each texture by band, on the bins of X, (freq, components)."""
        xp = namespace(self.W)
        levels = xp.sqrt((self.textures ** (2 / self.power)).mean(axis=(1, 2)))
        return self.data.patches.spread(levels)

    @property
    def energies(self) -> Array:
        """Sum of each component over all entries, (components,)."""
        return self.Q.sum(axis=0) * self.W.sum(axis=0) * self.H.sum(axis=1)

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the estimate of each group, (groups, channels, freq, frames), in the dtype of X.

        The transform of the mixture is shared out in proportion to the models (Wiener filter for power 2).
        """
        xp, wanted = namespace(self.W), check_groups(groups, self.names)
        total = self._modelled(slice(None))
        silent = total == 0
        total = xp.where(silent, 1, total)
        found = []
        for members in wanted.values():
            share = self._modelled(members) / total
            share[silent] = len(members) / self.n_components
            X = self.data.patches.inverse(self.data.Y * share.reshape(self.data.Y.shape))
            found.append(X.real if self.data.real else X)
        return xp.stack(found)

    def _modelled(self, members: Any) -> Array:
        """Return the sum of components, (channels, textures, patch times)."""
        scaled = self.Q[:, None, members] * self.W[:, members]
        with single_threaded_blas():  # sums in one order, the same bits
            return scaled @ self.H[members]


@dataclass(frozen=True, kw_only=True)
class CommonFate(Iterative[CommonFateModel]):
    """Components with a modulation texture: minimise D_β(V | Σ_k q_ck w_abfk h_tk) over Q, W, H ≥ 0.

    The complex spectrogram is cut into overlapping patches; the 2-D Fourier transform of a patch tells how fast its
    partials move along time and frequency. V (channels, a, b, patch freq f, patch time t) are its magnitudes to the
    power ``power``. What is modulated alike, in a band f, is one texture; it is activated over time and has a gain in
    each channel. So sources that play the same note at once differ where one has vibrato and the other not.

    Parameters
    ----------
    n_components : int
        Number of components K, at least 1.
    patch_bins, patch_frames : int
        Size of a patch, even, at least 2; patches overlap by half along both axes. (Along an axis of length 1: 1.) On
        the default front-end 64 frames are 0.37 s, two periods of a vibrato; 32 told unisons made here not apart.
    beta : float
        β, any real number: 2 Euclidean, 1 Kullback-Leibler, 0 Itakura-Saito.
    power : float
        V is magnitude to this power, greater than 0.
    solver : {"me", "mu"}
        ``"mu"``: the exponent of majorisation-minimisation; ``"me"``: exponent 1 also for 0 <= β < 1.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when ten iterations lower the divergence by less than this share of it; 0 never stops early.
    seed : int
        Seed of the random textures and activations; all gains start equal.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    F.-R. Stöter, A. Liutkus, R. Badeau, B. Edler and P. Magron, "Common fate model for unison source separation",
    Proc. ICASSP, 2016: transform and model (equation numbers not checked).

    Notes
    -----
    When to use: Sources in unison, one of which has vibrato or tremolo: what no method that looks at single spectra
    tells apart.
    Complexity: An iteration is that of `ntf` on a transform with four times as many coefficients as X.
    Differences from the paper: For β = 1 gains and textures are updated from one look at the data.

    With (a, b, f) as one axis the model is that of `NTF`, and so are the updates but for β = 1, where one look at V
    serves gains and textures: see `step`. The transform has four times as many
    coefficients as X; memory is that of X some fifteen times. Patches lie on a Hamming window and are put together
    by least squares, so estimates add up to X.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1, 20, 30)) + 1j * rng.standard_normal((1, 20, 30))
    >>> model = CommonFate(n_components=2, patch_bins=4, patch_frames=8, n_iter=5).fit(X)
    >>> bool(abs(model.reconstruct().sum(axis=0) - X).max() < 1e-12)
    True
    """

    n_components: int = 8
    patch_bins: int = 4
    patch_frames: int = 64
    beta: float = 1.0
    power: float = 1.0
    solver: str = "me"
    n_iter: int = 100
    tol: float = 1e-5
    seed: int = 0

    name: ClassVar[str] = "common_fate"

    def __post_init__(self) -> None:
        for name in ("patch_bins", "patch_frames"):
            check_count(name, getattr(self, name), 2)
            if getattr(self, name) % 2:
                raise ParameterError(
                    f"{name} is {getattr(self, name)}; it must be even, patches overlap by half"
                )
        _ = self._tensor  # checks the rest

    @property
    def _tensor(self) -> NTF:
        return NTF(
            n_components=self.n_components,
            beta=self.beta,
            power=self.power,
            solver=self.solver,
            n_iter=self.n_iter,
            tol=self.tol,
            seed=self.seed,
        )

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of 23 ms or a little more, a power of two, with a quarter of it as hop."""
        n_fft = 16
        while n_fft < 0.023 * sample_rate:
            n_fft *= 2
        return STFT(n_fft=n_fft)

    def prepare(self, X: Array) -> Fates:
        """Return the transform of X (channels, freq, frames) and its magnitudes."""
        X = coefficients(X)
        patches = Patches.of(X.shape, bins=self.patch_bins, frames=self.patch_frames)
        Y, xp = patches.forward(X), namespace(X)
        V = raised(abs(Y), self.power).reshape(len(Y), -1, Y.shape[-1])
        return Fates(Y=Y, V=xp.ascontiguousarray(V), patches=patches, real=X.dtype.kind == "f")

    def init(self, X: Fates) -> CommonFateModel:
        """Return random W and H, and all gains equal; their product has the mean of V."""
        return self._of(X, self._tensor.init(X.V))

    def adopt(self, X: Fates, start: Any) -> CommonFateModel:
        """Return Q, W and H of ``start`` as a starting point, copied, in the dtype and on the device of V."""
        return self._of(X, self._tensor.adopt(X.V, start))

    def step(self, X: Fates, model: CommonFateModel) -> CommonFateModel:
        """Update H as in `NTF`, then W and Q.

        For β = 1 both at once: with the counts n_ckf = q_ck w_fk Σ_t h_tk V / V̂ the majoriser of the divergence is
        least where q_ck w_fk Σ_t h_tk = Σ_f n_ckf Σ_c n_ckf / Σ_cf n_ckf (the maximisation of EM for counts), so one
        pass over V serves two factors. For other β they are updated one after the other.
        """
        tensor, V, Ht = self._tensor, _rows(X), model.H.T
        options = {"beta": self.beta, "gain": model.gain}
        A = stacked(model.Q, model.W)
        above, below = statistics(V, Ht, A.T, factor="W", **options)
        multiply(Ht, above, below, tensor.exponent, tiny_of(V.dtype, "H", model.gain))
        if self.beta == 1:
            above, below = statistics(V, Ht, A.T, factor="H", **options)
            Q, W = _shared_out(above.T, below.T, A, model.Q)
            return replace(model, Q=Q, W=W)
        Q, W = model.Q, model.W
        for axis, factor in ((1, Q), (0, W)):
            sums = statistics(V, Ht, stacked(Q, W).T, factor="H", **options)
            others = W[None] if axis else Q[:, None]
            above, below = ((s.T.reshape(len(Q), *W.shape) * others).sum(axis=axis) for s in sums)
            multiply(factor, above, below, tensor.exponent)
        return replace(model)

    def loss(self, X: Fates, model: CommonFateModel) -> float:
        """Return D_β(V | Σ_k q_ck w_abfk h_tk)."""
        value = divergence(_rows(X), model.H.T, stacked(model.Q, model.W).T, beta=self.beta, gain=model.gain)
        if not math.isfinite(value):
            raise NumericalError(f"CommonFate: the divergence is {value}; {beyond_range(X.V, self.beta)}")
        return value * model.gain**-self.beta

    def finish(self, model: CommonFateModel) -> CommonFateModel:
        """Return gains and textures that sum to one, the strongest component first."""
        found = self._of(model.data, self._tensor.finish(_as_tensor(model)))
        return replace(found, losses=model.losses)

    def _of(self, X: Fates, tensor: NTFModel) -> CommonFateModel:
        return CommonFateModel(
            Q=tensor.Q,
            W=tensor.W,
            H=tensor.H,
            gain=tensor.gain,
            data=X,
            power=self.power,
            losses=tensor.losses,
        )


def _rows(X: Fates) -> Array:
    """Return V as a matrix (patch times, channels * textures), a view whose tiles fit in cache."""
    return X.V.reshape(-1, X.V.shape[2]).T


def _shared_out(above: Array, below: Array, A: Array, Q: Array) -> tuple[Array, Array]:
    """Return Q, whose columns sum to one, and W from the sums (channels * textures, components) of their product A."""
    xp = namespace(A)
    counts = (A * above).reshape(len(Q), -1, A.shape[1])
    by_channel, played = counts.sum(axis=1), below[0]
    total = by_channel.sum(axis=0)
    Q = xp.where(total > 0, by_channel / xp.where(total > 0, total, 1), Q)
    return Q, counts.sum(axis=0) / xp.where(played > 0, played, 1)


def _as_tensor(model: CommonFateModel) -> NTFModel:
    return NTFModel(Q=model.Q, W=model.W, H=model.H, power=model.power, gain=model.gain)
