"""Non-negative matrix factorization with any β-divergence (Févotte & Idier 2011) and what is known beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Self

from sigsep_classic.backend import namespace
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import (
    Iterative,
    ManyCallback,
    Problem,
    gain_and_level,
    level_of,
    magnitudes,
    usual_stft,
)
from sigsep_classic.factorizers.lowrank.batch_fit import best_start, fit_together
from sigsep_classic.factorizers.lowrank.fitted import FittedNMF, NMFModel
from sigsep_classic.factorizers.lowrank.objective import Objective
from sigsep_classic.factorizers.lowrank.options import check_options, rule_of, same_array
from sigsep_classic.factorizers.lowrank.penalties import Penalties, relevant
from sigsep_classic.factorizers.lowrank.score import Score, note_mask, note_supports, pitch_counts
from sigsep_classic.factorizers.lowrank.solvers import checked_step, pooled_start
from sigsep_classic.factorizers.lowrank.sparseness import project
from sigsep_classic.factorizers.lowrank.starts import (
    adopted,
    balanced,
    broadcast_weights,
    looked_at,
    random_start,
    scaled_to,
    svd_start,
)
from sigsep_classic.factorizers.models import LowRankModel
from sigsep_classic.factorizers.templates import Templates, stems_of, taught
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.beta_sweep import exponent_of
from sigsep_classic.kernels.betas import snapped
from sigsep_classic.typing import Array, Grid


@dataclass(frozen=True, kw_only=True)
class NMF(Iterative[NMFModel]):
    """Templates and activations: minimise D_β(V | W H) plus penalties over W, H ≥ 0.

    V is the root mean square of the channels' magnitudes to the power ``power``; D is the sum of
    d_β(v | m) = (v^β + (β−1) m^β − β v m^(β−1)) / (β (β−1)), with the limits v log(v/m) − v + m (β = 1,
    Kullback-Leibler) and v/m − log(v/m) − 1 (β = 0, Itakura-Saito); β = 2 is half the squared distance.
    With V scaled to a mean of one the objective is ::

        Σ_ft weights_ft d_β(V_ft | (W H)_ft)
        + sparsity √F Σ_k ‖w_k‖₂ ‖h_k‖₁
        + smoothness Σ_k ‖w_k‖₂² Σ_t (h_kt − h_k,t−1)²
        + ard (F + T + a + 1) Σ_k log(‖w_k‖₁ + ‖h_k‖₁ + b)

    Scaling w_k up and h_k down evades no penalty, and nothing depends on the level of the input.

    Parameters
    ----------
    n_components : int
        Number of templates K, at least 1; 0 where ``templates`` or ``notes`` say enough. Those of ``templates``
        and ``notes`` are not counted.
    beta : float
        β, any real number. Kullback-Leibler with magnitudes and Itakura-Saito with powers are usual for audio.
    power : float
        V is magnitude to this power, greater than 0.
    solver : {"extrapolated", "mu", "me", "joint", "hals"}
        ``"mu"``: multiplicative updates with the exponent of majorisation-minimisation. ``"me"``: exponent 1
        also for 0 <= β < 1, which is monotone there too and faster. ``"joint"``: both factors from one look
        at the data, at 3/4 of the cost. ``"hals"``: coordinate descent with momentum, for β = 2 without penalties.
        ``"extrapolated"``: the quickest that fits, with momentum: ``"hals"`` for β = 2, ``"joint"`` for β >= 1,
        ``"me"`` below and with penalties. With momentum the model follows every five steps, unless the loss
        would rise: then momentum is given up.
    update_order : {"WH", "HW"}
        Which factor an iteration updates first, where it does not update both at once.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when ten iterations lower the loss by less than this share of it; 0 never stops early.
    seed : int
        Seed of the random start.
    initial : {"pooled", "random", "nndsvd"}
        Start from seeded noise, from what a few quick iterations on every four frames' mean make of that (pooled;
        long inputs without further knowledge only), or from the singular vectors of V (NNDSVD, zeros filled).
    n_starts : int
        Number of random starts; after ten iterations each the best goes on.
    sparsity : float
        Cost of activations, relative to the mean of V; 0.01 is a little, 0.2 is much. Templates become broader
        and activations fewer.
    sparseness : float or None
        Hold every row of H at this sparseness, 0 (all frames alike) … 1 (one frame), by projected gradients;
        with solver "mu" or "me" and without penalties.
    smoothness : float
        Cost of changes of a component from frame to frame, at least 0.
    ard : float
        Cost of having a component, at least 0: about the divergence per entry that noise leaves. The model is
        without those that do not pay (automatic relevance determination).
    weights : array (freq, frames) or None
        Weight of each entry, at least 0, broadcast; 0 marks a missing entry, whatever V is there.
    templates : mapping of str to array (freq, components), or None
        What named sources sound like. The model has these components first, and stems of those names and
        ``rest``. `with_examples` learns them.
    n_templates : int
        Number of templates `with_examples` learns from each example.
    adapt_templates : bool
        Let ``templates`` change too: they are but a start.
    notes : mapping of str to sequence of (onset s, offset s, MIDI pitch), or None
        The score of named sources: a component for each pitch, 0 off its partials and away from its notes. With
        ``n_components=0`` entries that no note can explain have the weight 0.
    grid : Grid or None
        Frames per second and bin distance of X, for ``notes``; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range, or two do not go together.

    References
    ----------
    C. Févotte and J. Idier, "Algorithms for nonnegative matrix factorization with the β-divergence", Neural
    Computation 23(9), 2011: divergence, updates, exponents.

    D. D. Lee and H. S. Seung, "Algorithms for non-negative matrix factorization", Proc. NIPS, 2000: β = 1 and 2.

    L. T. K. Hien, V. Leplat and N. Gillis, "Block majorization minimization with extrapolation and application
    to β-NMF", arXiv:2401.06646, 2024: the extrapolation (with a safeguard of ours on the loss).

    A. Marmin, J. H. de M. Goulart and C. Févotte, "Joint majorization-minimization for nonnegative matrix
    factorization with the β-divergence", arXiv:2106.15214, 2021: ``"joint"``.

    A. M. S. Ang and N. Gillis, "Accelerating nonnegative matrix factorization algorithms using extrapolation",
    Neural Computation 31(2), 2019: ``"hals"`` (with the momentum of ``"extrapolated"``).

    C. Boutsidis and E. Gallopoulos, "SVD based initialization: a head start for nonnegative matrix
    factorization", Pattern Recognition 41(4), 2008: ``initial="nndsvd"``.

    J. Le Roux, F. Weninger and J. R. Hershey, "Sparse NMF - half-baked or well done?", MERL technical report,
    2015, and A. Marmin, J. H. de M. Goulart and C. Févotte, "Majorization-minimization for sparse nonnegative
    matrix factorization with the β-divergence", IEEE Trans. Signal Processing, 2023: sparsity without the scale
    of W (the bound of ‖w_k‖₂ is ours).

    P. O. Hoyer, "Non-negative matrix factorization with sparseness constraints", Journal of Machine Learning
    Research 5, 2004: ``sparseness``.

    T. Virtanen, "Monaural sound source separation by nonnegative matrix factorization with temporal continuity
    and sparseness criteria", IEEE Trans. Audio, Speech and Language Processing 15(3), 2007: smoothness; S. Essid
    and C. Févotte, "Smooth nonnegative matrix factorization for unsupervised audiovisual document structuring",
    IEEE Trans. Multimedia 15(2), 2013: its bound (equation numbers not checked).

    V. Y. F. Tan and C. Févotte, "Automatic relevance determination in nonnegative matrix factorization with the
    β-divergence", IEEE Trans. Pattern Analysis and Machine Intelligence 35(7), 2013: ``ard``, in ℓ1 form.

    S. Ewert and M. Müller, "Using score-informed constraints for NMF-based source separation", Proc. ICASSP,
    2012: ``notes``.

    Notes
    -----
    When to use: Notes or noises that recur with the same spectrum, and an example, a score or a grouping.
    Complexity: An iteration is 8 freq · frames · components operations for β = 1, up to half as many more otherwise.
    Differences from the paper: The safeguard of momentum and the bounds of scale-free penalties are ours.

    Extra memory of an iteration is two tiles of 2^18 numbers, up to 16 sums of the size of W and, with momentum,
    three more W and H. β within 1e-6 of 0 or 1 is so. Zeros of a start stay 0 (but by ``"hals"``): any support.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.outer([1.0, 2, 3], [1.0, 0, 2, 1])[None]
    >>> bool(np.allclose(NMF(n_components=1, n_iter=20).fit(V).reconstruct()[0], V))
    True
    """

    n_components: int = 30
    beta: float = 1.0
    power: float = 1.0
    solver: str = "extrapolated"
    update_order: str = "WH"
    n_iter: int = 200
    tol: float = 1e-4
    seed: int = 0
    initial: str = "pooled"
    n_starts: int = 1
    sparsity: float = 0.0
    sparseness: float | None = None
    smoothness: float = 0.0
    ard: float = 0.0
    weights: Array | None = field(default=None, compare=False)
    templates: Mapping[str, Array] | None = None
    n_templates: int = 16
    adapt_templates: bool = False
    notes: Mapping[str, Sequence[tuple[float, float, float]]] | None = None
    grid: Grid | None = field(default=None, compare=False)

    name: ClassVar[str] = "nmf"

    def __post_init__(self) -> None:
        check_options(self)
        if self.templates is not None and not isinstance(self.templates, Templates):
            object.__setattr__(self, "templates", Templates(self.templates))
        if self.notes is not None and not isinstance(self.notes, Score):
            object.__setattr__(self, "notes", Score(self.notes))

    def __eq__(self, other: object) -> bool:
        """Compare all but ``grid``, weights by their numbers."""
        if not isinstance(other, NMF):
            return NotImplemented
        same = all(getattr(self, f.name) == getattr(other, f.name) for f in fields(self) if f.compare)
        return same and same_array(self.weights, other.weights)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return usual_stft(sample_rate)

    def with_examples(self, examples: Mapping[str, Array]) -> Self:
        """Return the same method with ``n_templates`` templates of each source, learnt from recordings of it alone.

        Parameters
        ----------
        examples : mapping of str to array (channels, freq, frames)
            Coefficients by the source's name, at any level; a few seconds are enough.

        Returns
        -------
        NMF
            With ``templates`` of these names beside those it had.

        Raises
        ------
        ParameterError
            An example is silent.
        """
        learner = replace(
            self, n_components=self.n_templates, templates=None, notes=None, weights=None, ard=0.0
        )
        return replace(self, templates=taught(self.templates, learner, examples))

    @property
    def exponent(self) -> float:
        """γ of the update [A/B]^γ: Févotte & Idier 2011; 1 between 0 and 1 unless ``"mu"``."""
        return exponent_of(self.beta, fast=self.solver != "mu")

    def prepare(self, X: Array) -> Array:
        """Return V (freq, frames) of X (channels, freq, frames)."""
        if self.n_components + self._n_named == 0:
            raise ParameterError("n_components is 0; it must be at least 1 without templates or notes")
        V = magnitudes(X if self.weights is None else looked_at(X, self.weights), self.power)
        weights = self._weights(V)
        return V if weights is None else namespace(V).where(weights.T > 0, V.T, 0).T

    def init(self, X: Array) -> NMFModel:
        """Return the start ``initial`` names, or the best of ``n_starts`` after ten iterations each."""
        return self.begun(X, self.seed) if self.n_starts == 1 else best_start(self, X)

    @classmethod
    def fit_problems(cls, problems: Sequence[Problem], *, callback: ManyCallback | None = None) -> list[Any]:
        """Return the model of each (NMF, X), equal to `fit`, up to rounding on a GPU.

        On a CPU threads take one problem each. On a GPU those of one kind are a batch, whatever their seeds, ranks and
        numbers of frames, and share X in memory: all but coordinate descent ("hals", as "extrapolated" is for β = 2)
        and sparsity, sparseness, smoothness and ard, which go one after the other.
        """
        return fit_together(problems, callback=callback)

    def adopt(self, X: Array, start: LowRankModel) -> NMFModel:  # type: ignore[override]
        """Return W and H of ``start`` as a starting point, copied, in the dtype and on the device of V.

        Raises
        ------
        ShapeError
            W or H does not fit V and the number of components.
        ParameterError
            They have another power than ours, or entries that are negative or not finite.
        """
        K = self._n_named + self.n_components
        shapes = {"W": (X.shape[0], K), "H": (K, X.shape[1])}
        found = adopted(start, X, power=self.power, shapes=shapes, kind="LowRankModel(W=, H=)")
        W, Ht, weights = found["W"], found["H"].T, self._weights(X)
        zeros = not (float(W.min()) > 0 and float(Ht.min()) > 0)
        if self.sparseness is not None:
            Ht = namespace(X).ascontiguousarray(project(Ht.T, self.sparseness).T)
        return replace(self._model(W, Ht, level_of(X, weights), weights), zeros=zeros)

    def step(self, X: Array, model: NMFModel) -> NMFModel:
        """One update of each factor; see `multiplicative_update` and `penalties.ratio` for the equations."""
        objective = self.objective(model)
        if self.solver not in ("extrapolated", "hals"):
            stride = objective.update(X, model.W, model.H, stride=model.stride)
            return replace(model, stride=stride)
        W, H, run = checked_step(
            model.W,
            model.H,
            model.run,
            update=lambda W, H: objective.update(X, W, H),
            value=lambda W, H: objective.value(X, W, H),
            last=model.run.count + 1 >= self.n_iter,
        )
        return replace(model, W=W, H=H, run=run)

    def loss(self, X: Array, model: NMFModel) -> float:
        """Return the objective, in units of V^β, or its last value if the step has just computed it."""
        value = self.objective(model).value(X, model.W, model.H) if model.value is None else model.value
        return value * model.gain**-self.beta

    def finish(self, model: NMFModel) -> FittedNMF:  # type: ignore[override]
        """Return templates that sum to one, the strongest component first; with named sources in their order."""
        W, H, named = model.W, model.H, self._n_named
        if self.ard > 0:
            kept = relevant(W, H * model.gain, level=model.level, always=named)
            W, H = W[:, kept], H[kept]
        found = FittedNMF(W=W, H=H, power=model.power, losses=model.losses, method=self).normalized()
        if not named:
            return found.sorted()
        return replace(found, stems=stems_of(self._counts(), found.n_components - named))

    def seeded(self, X: Array, seed: int) -> NMFModel:
        """Return a start with everything in it that is known beforehand."""
        xp, named, weights = namespace(X), self._n_named, self._weights(X)
        mean = level_of(X, weights)
        W, Ht = random_start(X, named + self.n_components, seed=seed, mean=mean)
        if self.initial == "nndsvd" and self.n_components:
            W[:, named:], Ht[:, named:] = svd_start(X, self.n_components, seed=seed, mean=mean)
        if isinstance(self.templates, Templates):
            W[:, :named] = xp.asarray(self.templates.on(len(X)), dtype=X.dtype)
        elif self.notes is not None:
            known, sounding = note_supports(self.notes, self._grid(), *X.shape)
            W[:, :named] = xp.asarray(known, dtype=X.dtype)
            Ht[:, :named] *= xp.asarray(sounding.T, dtype=X.dtype)
        if named:
            Ht = scaled_to(mean, W, Ht)
        if self.sparseness is not None:
            Ht = xp.ascontiguousarray(project(Ht.T, self.sparseness).T)
        if self.ard > 0 and mean > 0:
            W, Ht = balanced(W, Ht, gain_and_level(mean)[0])
        return self._model(W, Ht, mean, weights)

    def pools(self, X: Array, model: NMFModel) -> bool:
        """Say whether a start goes on on pooled frames, if there are enough."""
        fits = self.initial == "pooled" and not self._n_named and model.W.shape[1] <= len(X)
        return fits and self.objective(model).plain

    def begun(self, X: Array, seed: int) -> NMFModel:
        """Return the start of one seed."""
        model = self.seeded(X, seed)
        if self.pools(X, model):
            o = self.objective(model)
            W, H = pooled_start(X, model.W, model.H, update=o.update, value=o.value)
            return replace(model, W=W, H=H)
        return model

    def _model(self, W: Array, Ht: Array, mean: float, weights: Array | None) -> NMFModel:
        gain, level = gain_and_level(mean)
        return NMFModel(W=W, H=Ht.T, power=self.power, gain=gain, level=level, weights=weights)

    def objective(self, model: NMFModel) -> Objective:
        """Return what is minimised, in the units of a model."""
        beta = snapped(self.beta)
        penalties = Penalties(
            sparsity=self.sparsity, smoothness=self.smoothness, ard=self.ard, beta=beta, level=model.level
        )
        return Objective(
            beta=beta,
            exponent=self.exponent,
            update_order=self.update_order,
            gain=model.gain,
            weights=model.weights,
            penalties=penalties,
            n_fixed=0 if self.templates is None or self.adapt_templates else self._n_named,
            sparseness=self.sparseness,
            rule=rule_of(
                self,
                alone=not (penalties or model.weights is not None or self.notes is not None or model.zeros),
            ),
        )

    def _weights(self, V: Array) -> Array | None:
        """Return the weights of the entries of V, frame after frame in memory; 0 where no component can sound."""
        weights = None if self.weights is None else broadcast_weights(self.weights, V)
        if self.notes is None or self.n_components:
            return weights
        heard = broadcast_weights(note_mask(self.notes, self._grid(), *V.shape), V)
        return heard if weights is None else (heard.T * weights.T).T

    def _grid(self) -> Grid:
        if self.grid is None or self.grid.bin_hz <= 0:
            raise ParameterError("notes are in seconds and semitones; give grid=STFT(...).grid(sample_rate)")
        return self.grid

    def _counts(self) -> dict[str, int]:
        """Components of each named source."""
        if self.templates is not None:
            return {name: array.shape[1] for name, array in self.templates.items()}
        return pitch_counts(self.notes) if self.notes is not None else {}

    @property
    def _n_named(self) -> int:
        return sum(self._counts().values())
