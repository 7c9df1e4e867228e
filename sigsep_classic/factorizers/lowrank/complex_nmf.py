"""Complex NMF: templates, activations and phases, so that components add up as complex numbers (Kameoka 2009)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.factorizers.base import Iterative, coefficients, nearest_power_of_two
from sigsep_classic.factorizers.lowrank.complex_model import ComplexNMFModel
from sigsep_classic.factorizers.lowrank.complex_start import Mixture, adopted, drawn_factors, drawn_phases
from sigsep_classic.factorizers.lowrank.complex_updates import consistent_half, inconsistency, learned
from sigsep_classic.factorizers.lowrank.consistency import Consistency, consistency_of
from sigsep_classic.factorizers.templates import Templates, stems_of, taught
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.complex_nmf import complex_nmf, squared_error
from sigsep_classic.typing import Array, FrontEnd


@dataclass(frozen=True, kw_only=True)
class ComplexNMF(Iterative[ComplexNMFModel]):
    """Components that add up with phases of their own: minimise the squared distance of Y and F.

    F_cft = Σ_k g_ck w_fk h_kt u_jcft with |u| = 1, where component k belongs to the source j whose phases it has:
    every component is a source (Kameoka et al.), or a few sources of several components are (King & Atlas).
    Channels share w and h, have gains g (frequency by frequency the same), and phases of their own. With Y scaled
    to a mean square of one the objective is ::

        ½ Σ |Y − F|² + λ Σ_kt (h_kt Σ_cf g_ck w_fk)^p + consistency/2 Σ_j ‖F_j − STFT(ISTFT(F_j))‖²

    where λ makes the second term ``sparsity`` times the energy ½ Σ |Y|² if one component plays at the mean level
    all the time. Scaling w up and h down evades nothing, and nothing depends on the level of the input.

    Parameters
    ----------
    n_components : int
        Number of components learnt from the mixture, at least 1; 0 where ``templates`` say enough.
    n_phases : int or None
        Number of sources J with phases of their own, 1 … components, over which the components are spread in order,
        evenly. None: every component is one; with ``templates``, every name is.
    sparsity : float
        Weight of the activations' cost, at least 0. Without it free phases explain anything with any templates,
        two components to a coefficient, and separate worse than masks do.
    exponent : float
        p, more than 0 and at most 2; small ones favour few active components.
    consistency : float
        Weight of the distance of each source from the nearest transform of a signal, at least 0; needs ``frontend``.
        Each iteration then takes 4 transforms for each source.
    phase_spread : float
        0 … 1: the starting phases are those of the mixture, turned by seeded angles of up to ± this times 180°, the
        same in all channels. 0 is Euclidean NMF of |Y|: see Notes.
    templates : mapping of str to array (freq, components), or None
        What named sources sound like; kept as they are. The model has these components first, and stems of those
        names and ``rest``. `with_examples` learns them.
    n_templates : int
        Number of templates `with_examples` learns from each example.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when ten iterations lower the loss by less than this share of it; 0 never stops early.
    seed : int
        Seed of the start: templates, activations and phases.
    frontend : FrontEnd or None
        What X was made with, for ``consistency``; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range, or two do not go together.

    References
    ----------
    H. Kameoka, N. Ono, K. Kashino and S. Sagayama, "Complex NMF: a new sparse representation for acoustic
    signals", Proc. ICASSP, 2009: model and auxiliary function (equation numbers not checked).

    B. King and L. Atlas, "Single-channel source separation using complex matrix factorization", IEEE Trans. Audio,
    Speech, and Language Processing 19(8), 2011: phases of sources (equation numbers not checked).

    J. Le Roux, H. Kameoka, E. Vincent, N. Ono, K. Kashino and S. Sagayama, "Complex NMF under spectrogram
    consistency constraints", Proc. Acoustical Society of Japan Autumn Meeting, 2009: the penalty (we bound it with
    the whole projection, applied afresh in every half step).

    Notes
    -----
    When to use: Sources that overlap in time and frequency, where masks on the mixture's phase are not good enough,
    and there is time: it gains over NMF mostly where templates are known (`with_examples`).
    Complexity: An iteration is a few passes over components · channels · freq · frames complex numbers, or sources in
    place of components with ``n_phases``.
    Differences from the paper: Phases start from seeded angles, not from the mixture's, which is a fixed point (see
    below); the consistency penalty is majorised by the whole projection.

    From the mixture's phases u = Y / |Y| every z = u + E is parallel to u, so no phase ever moves, and what is left
    is Euclidean NMF of |Y| by multiplicative updates. That is an unstable point: where the model is larger than the
    mixture, differences between the phases of components grow by X / |Y| in a step. Our updates treat equal phases
    alike to the bit, and stay there; written with β and Ȳ as in the paper, rounding has decided nearly half of the
    phases after ten iterations, in each precision otherwise. Hence the seeded angles, which decide them alike
    everywhere.

    Memory is that of the phases, 8 bytes (float32) times sources, channels, bins and frames: 30 s of stereo at 1025
    bins are 42 MB for each source. Phases of sources cost less of it, and less time.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1, 9, 20)) + 1j * rng.standard_normal((1, 9, 20))
    >>> model = ComplexNMF(n_components=4, n_iter=20).fit(X)
    >>> Y = model.reconstruct({"a": [0, 1], "b": [2, 3]})
    >>> bool(np.allclose(Y.sum(axis=0), X))
    True
    """

    n_components: int = 16
    n_phases: int | None = None
    sparsity: float = 0.2
    exponent: float = 1.0
    consistency: float = 0.0
    phase_spread: float = 0.1
    templates: Mapping[str, Array] | None = None
    n_templates: int = 16
    n_iter: int = 100
    tol: float = 1e-4
    seed: int = 0
    frontend: FrontEnd | None = field(default=None, repr=False)

    name: ClassVar[str] = "complex_nmf"

    def __post_init__(self) -> None:
        check_count("n_components", self.n_components, 0)
        check_count("n_iter", self.n_iter, 0)
        check_count("seed", self.seed, 0)
        check_count("n_templates", self.n_templates)
        for name in ("tol", "sparsity", "consistency"):
            check_range(name, getattr(self, name), 0)
        check_range("exponent", self.exponent, 0, 2, above=True)
        check_range("phase_spread", self.phase_spread, 0, 1)
        if self.templates is not None and not isinstance(self.templates, Templates):
            object.__setattr__(self, "templates", Templates(self.templates))
        if self.n_phases is not None:
            check_count("n_phases", self.n_phases)
            if self.templates is not None:
                raise ParameterError("n_phases is for components without names; templates have a source each")
            if self.n_phases > self.n_components:
                raise ParameterError(
                    f"n_phases is {self.n_phases}; {self.n_components} components make at most as many sources"
                )

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 46 ms with a quarter of it as hop."""
        return STFT(n_fft=nearest_power_of_two(0.0464 * sample_rate))

    def with_examples(self, examples: Mapping[str, Array]) -> Self:
        """Return the same method with ``n_templates`` templates of each source, learnt from recordings of it alone.

        An example is one source, whose phases are its own: without ``sparsity`` what is left is Euclidean NMF of its
        magnitudes, with it the same with that cost on the activations.

        Parameters
        ----------
        examples : mapping of str to array (channels, freq, frames)
            Coefficients by the source's name, at any level; a few seconds are enough.

        Returns
        -------
        ComplexNMF
            With ``templates`` of these names beside those it had.

        Raises
        ------
        ParameterError
            An example is silent, or has other axes.
        """
        learner = replace(
            self, n_components=self.n_templates, n_phases=1, phase_spread=0.0, consistency=0.0, templates=None
        )
        return replace(self, templates=taught(self.templates, learner, examples))

    @property
    def sources(self) -> dict[str, list[int]] | None:
        """Components of each source, or None where every component is one."""
        if self.templates is not None:
            counts = {name: array.shape[1] for name, array in self.templates.items()}
            return stems_of(counts, self.n_components)
        if self.n_phases is None:
            return None
        edges = [self.n_components * j // self.n_phases for j in range(self.n_phases + 1)]
        return {f"source{j + 1}": list(range(edges[j], edges[j + 1])) for j in range(self.n_phases)}

    @property
    def n_fixed(self) -> int:
        """Number of components whose templates are given."""
        return 0 if self.templates is None else sum(array.shape[1] for array in self.templates.values())

    def prepare(self, X: Array) -> Mixture:
        """Return Y (channels, frames, freq) of X (channels, freq, frames), and its level."""
        if self.n_components + self.n_fixed == 0:
            raise ParameterError("n_components is 0; it must be at least 1 where there are no templates")
        return Mixture.of(coefficients(X))

    def init(self, X: Mixture) -> ComplexNMFModel:
        """Return a start: mean spectrum, levels and gains of the mixture, times seeded noise; seeded phases.

        What is silent in the mixture, a bin, a frame or a channel, is so in the start and remains so.
        """
        xp, real = namespace(X.Y), X.Y.real.dtype
        rng = np.random.default_rng(self.seed)
        given = None if self.templates is None else self.templates.on(X.Y.shape[2])  # type: ignore[attr-defined]
        W, H, gains = drawn_factors(X, self.n_components, given=given, rng=rng)
        W, H, gains = (xp.asarray(A, dtype=real, order="C") for A in (W, H, gains))
        planes = drawn_phases(X, len(self._starts()) - 1, spread=self.phase_spread, rng=rng)
        return ComplexNMFModel(
            W=W,
            H=H.T,
            gains=gains,
            planes=planes,
            starts=self._starts(),
            mixture=X.Y,
            level=X.level,
            unit=X.level,
            named=self.sources,
            samples=X.samples,
        )

    def adopt(self, X: Mixture, start: Any) -> ComplexNMFModel:
        """Return a start from any low-rank model of magnitudes: W and H, and gains and phases where it has them.

        Raises
        ------
        ShapeError
            W or H does not fit X and ``n_components``.
        ParameterError
            The start has no W or H, one of them is negative or not finite, or it is of another power than 1.
        """
        model = self.init(X)
        if not all(hasattr(getattr(start, factor, None), "shape") for factor in "WH"):
            raise ParameterError(
                f"start is a {type(start).__name__}; give a model with W (freq, components) and H (components, "
                "frames), such as NMF's"
            )
        if start.W.shape != model.W.shape or start.H.shape != model.H.shape:
            raise ShapeError(
                f"start has W {start.W.shape} and H {start.H.shape}; this needs {model.W.shape} and {model.H.shape}"
            )
        if getattr(start, "power", 1) != 1:
            raise ParameterError(
                f"start is of magnitude to the power {start.power}; complex NMF needs power 1"
            )
        model.W[:] = adopted("W", start.W, like=model.W)
        scale = X.level / getattr(start, "level", 1.0)
        model.H[:] = adopted("H", start.H, like=model.H) * np.dtype(model.H.dtype).type(scale)
        for name in ("gains", "planes"):
            given = getattr(start, name, None)
            if given is not None and given.shape == getattr(model, name).shape:
                getattr(model, name)[:] = adopted(name, given, like=model.W, signed=name == "planes")
        return model

    def step(self, X: Mixture, model: ComplexNMFModel) -> ComplexNMFModel:
        """Update H and phases, then W, gains and phases, each half with auxiliary variables of its own.

        With E = (Y − F) / X and z = u + E: u ← z / |z| and h ← h Σ g w X |z| / (Σ g w X + λ p s^p h^(p−1)), where
        s = Σ g w; then likewise for w, with λ p s^(p−1) Σ_t h^p below, and for g.
        """
        model = _at_level(X, model)
        rows = model.rows
        learn = self.n_components > 0 or len(model.gains) > 1
        consistency = self._consistency(X)
        sums = rows.sum(axis=1)
        weight = self._sparsity(X)
        options: dict[str, Any] = {"penalty": weight * sums ** self._power(X, 0), "exponent": self.exponent}
        if consistency is None:
            Y, Ht = X.Y, model.H.T
            above, below = complex_nmf(
                Y, rows, Ht, model.planes, model.starts, gain=X.level, learn=learn, **options
            )
        else:
            arguments = (X, rows, model.H.T, model.planes, model.starts, consistency, self.consistency)
            consistent_half(*arguments, half="H", **options)
            if learn:
                above, below = consistent_half(*arguments, half="W", **options)
        if not learn:
            return model
        if weight > 0:
            cost = (model.H ** self._power(X, 0)).sum(axis=1)
            safe = namespace(sums).where(sums > 0, sums, 1)
            below = below + (weight * self.exponent * safe ** self._power(X, -1) * cost)[:, None]
        return learned(model, above, below, n_given=self.n_fixed)

    def loss(self, X: Mixture, model: ComplexNMFModel) -> float:
        """Return the objective, in the scale of the input."""
        model = _at_level(X, model)
        rows, Ht = model.rows, model.H.T
        value = squared_error(X.Y, rows, Ht, model.planes, model.starts, gain=X.level) / 2
        if self.sparsity > 0:
            sized = Ht.astype(float) * rows.sum(axis=1, dtype=float)
            value += self._sparsity(X) * float((sized**self.exponent).sum())
        consistency = self._consistency(X)
        if consistency is not None:
            value += (
                self.consistency / 2 * inconsistency(X, rows, Ht, model.planes, model.starts, consistency)
            )
        if not math.isfinite(value):
            raise NumericalError(f"ComplexNMF: the loss is {value}; give finite coefficients")
        return value / X.level**2

    def finish(self, model: ComplexNMFModel) -> ComplexNMFModel:
        """Return templates that sum to one, and activations in the scale of the input."""
        return model.finished()

    def _starts(self) -> tuple[int, ...]:
        if self.sources is None:
            return tuple(range(self.n_components + 1))
        return (0, *(members[-1] + 1 for members in self.sources.values()))

    def _consistency(self, X: Mixture) -> Consistency | None:
        if self.consistency == 0:
            return None
        return consistency_of(self.frontend, X.Y.shape[1], X.Y.shape[2])

    def _sparsity(self, X: Mixture) -> float:
        """λ for the level one."""
        if self.sparsity == 0 or X.mean_sum == 0:
            return 0.0
        return self.sparsity * X.energy / (2 * X.Y.shape[1] * X.mean_sum**self.exponent)

    def _power(self, X: Mixture, less: int) -> np.floating:
        return X.Y.real.dtype.type(self.exponent + less)


def _at_level(X: Mixture, model: ComplexNMFModel) -> ComplexNMFModel:
    """Return the model with activations for the level that X is brought to; itself while it is being fitted."""
    if model.level == X.level:
        return model
    H = (model.H.T * model.H.dtype.type(X.level / model.level)).T
    return replace(model, H=H, level=X.level, unit=X.level)
