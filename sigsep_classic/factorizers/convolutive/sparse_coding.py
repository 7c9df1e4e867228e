"""Sparse shift-invariant coding: a few learnt sounds, each placed where it occurs (Blumensath & Davies 2006)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import NumericalError, ShapeError
from sigsep_classic.factorizers.base import Iterative, check_start, spectrogram
from sigsep_classic.factorizers.convolutive import atoms, codes, shifts
from sigsep_classic.factorizers.convolutive.coding_model import SparseCodingModel
from sigsep_classic.factorizers.convolutive.recentring import recentred
from sigsep_classic.typing import Array, Grid

UPDATES = 5
"""Most codes greedy descent sets in one iteration, in units of all there are; often it is a tenth of one."""


@dataclass(frozen=True)
class Signal:
    """What is coded: channels and bins as rows, with room for atoms that begin before it or end after it."""

    Y: Array
    shape: tuple[int, int, int]
    signed: bool


@dataclass(frozen=True, kw_only=True)
class SparseCoding(Iterative[SparseCodingModel]):
    """Atoms and where they sound: minimise ½‖X − Σ_k d_k * z_k‖² + λ Σ|Z| over Z and ‖d_k‖ = 1.

    On waveforms (`Waveform`), atoms are signed pieces of sound and the parts are estimates; what they leave over
    becomes the stem ``residual``. On spectrograms, X is the magnitude, atoms and codes are not negative, and the
    parts want a mask. Channels share the codes: each atom has its own shape in each channel, and so its place
    in the stereo image.

    Parameters
    ----------
    n_components : int
        Number of atoms, at least 1.
    seconds : float
        Length of an atom, more than 0; used where the frame rate is known (``grid``).
    n_lags : int or None
        Its length in frames, at least 1; overrides ``seconds``. Without a grid the default is 16.
    sparsity : float
        λ in units of the largest product of a first atom with the signal (of an atom of ``start``, where one is
        given): more than 0, at most 1 (all silent). It is fixed then, so that the objective stays one and the same.
    signed : bool
        On waveforms, codes may be negative.
    solver : {"lgcd", "fista"}
        Of the codes: locally greedy coordinate descent, or accelerated proximal gradients by FFT. Greedy descent
        was the faster one in all that was measured but nearly dense codes of noise-like atoms.
    precision : float
        Codes are improved until none would move by more than this share of λ.
    n_sweeps : int
        Improvements of each atom in one iteration; 0 keeps the atoms.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when five iterations lower the objective by less than this share of it; 0 never stops early.
    seed : int
        Seed of the first atoms, which are pieces of the signal.
    grid : Grid or None
        Frames per second; the pipeline fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    T. Blumensath and M. Davies, "Sparse and shift-invariant representations of music", IEEE Trans. Audio,
    Speech, and Language Processing 14(1), 2006: the model (there in a Bayesian form, with sampling).

    T. Moreau, L. Oudre and N. Vayatis, "DICOD: distributed convolutional coordinate descent for convolutional
    sparse coding", Proc. ICML, 2018: locally greedy coordinate descent.

    A. Beck and M. Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear inverse problems",
    SIAM J. Imaging Sciences 2(1), 2009: FISTA.

    Notes
    -----
    When to use: Short sounds that recur as they are, to the sample: clicks, drum machines, calls. To look at (`atom`,
    `firings`) as much as to separate.
    Complexity: Codes by coordinate descent take about atoms · lags operations an update, and a few updates for each
    code that is used.
    Differences from the paper: The paper samples a Bayesian model; here codes are the minimum of the penalised
    squared error, and atoms are improved in turn.

    With a ``sparsity`` of 1e-3 or less there are so many codes that those of overlapping atoms are told apart
    slowly. Greedy descent stops after five codes set for each there is; a hundred iterations of FISTA follow, and
    the next iteration goes on from there. The objective falls all the same, but codes are less precise than
    ``precision`` says.

    Learning atoms of a waveform takes a while: 5 s of stereo at 44.1 kHz with all defaults, about 25 s.

    Memory is about eight times the codes: components times frames. Results do not depend on the level of the
    input. An atom no code uses is replaced by the loudest piece of what is left, which leaves the objective as it is.

    Examples
    --------
    >>> import numpy as np
    >>> sound, x = np.random.default_rng(0).standard_normal(200), np.zeros((1, 1, 3000))
    >>> for t in (300, 1000, 2000):
    ...     x[0, 0, t : t + 200] = sound
    >>> model = SparseCoding(n_components=1, n_lags=200, sparsity=0.3).fit(x)
    >>> model.firings(0)[0]
    array([ 300, 1000, 2000])
    """

    n_components: int = 16
    seconds: float = 0.1
    n_lags: int | None = None
    sparsity: float = 0.02
    signed: bool = True
    solver: str = "lgcd"
    precision: float = 1e-2
    n_sweeps: int = 5
    n_iter: int = 40
    tol: float = 1e-3
    seed: int = 0
    grid: Grid | None = None

    name: ClassVar[str] = "sparse_coding"
    check_every: ClassVar[int] = 5

    def __post_init__(self) -> None:
        check_count("n_components", self.n_components)
        check_range("seconds", self.seconds, 0, above=True)
        if self.n_lags is not None:
            check_count("n_lags", self.n_lags)
        check_range("sparsity", self.sparsity, 0, 1, above=True)
        check_choice("solver", self.solver, codes.SOLVERS)
        check_range("precision", self.precision, 0, above=True)
        check_count("n_sweeps", self.n_sweeps, 0)
        check_count("n_iter", self.n_iter, 0)
        check_range("tol", self.tol, 0)
        check_count("seed", self.seed, 0)

    @property
    def length(self) -> int:
        """Length of an atom in frames."""
        if self.n_lags is not None:
            return self.n_lags
        return 16 if self.grid is None else max(1, round(self.seconds * self.grid.frame_rate))

    def prepare(self, X: Array) -> Signal:  # type: ignore[override]
        """Return a waveform as it is, or the magnitude of a spectrogram, with silence before and after.

        Raises
        ------
        NumericalError
            X is not finite.
        """
        V = spectrogram(X)
        signed = X.dtype.kind != "c" and X.shape[1] == 1
        V = X if signed else V
        if V.dtype.kind != "f":
            V = V.astype(float)
        if not math.isfinite(float(abs(V).max())):
            raise NumericalError("X has entries that are infinite or no numbers; give finite data")
        xp, edge = namespace(X), self.length - 1
        Y = xp.zeros((V.shape[0] * V.shape[1], V.shape[2] + 2 * edge), dtype=V.dtype)
        Y[:, edge : edge + V.shape[2]] = V.reshape(len(Y), -1)
        return Signal(Y=Y, shape=V.shape, signed=signed)

    def init(self, X: Signal) -> SparseCodingModel:
        """Return atoms cut out of the signal, codes zero, and λ from their largest product with it."""
        D = atoms.excerpts(X.Y, self.n_components, self.length, np.random.default_rng(self.seed))
        xp, beta = namespace(X.Y), shifts.correlate(D, X.Y)
        return self._model(X, D, xp.zeros_like(beta), penalty=self._penalty(X, beta), rest=X.Y.copy())

    def adopt(self, X: Signal, start: SparseCodingModel) -> SparseCodingModel:  # type: ignore[override]
        """Return atoms and codes of ``start`` as a starting point, copied, in the dtype and on the device of X.

        λ is ``sparsity`` in units of the largest product of these atoms with X, whatever it was in ``start``: fits
        of falling ``sparsity`` that start from one another follow the path of solutions.

        Raises
        ------
        ShapeError
            They do not fit X, or atoms have another number or length than this method's.
        """
        check_start(start, ("atoms", "codes"), "a model of sparse_coding, what `fit` returned")
        n_shifts = X.Y.shape[1] - self.length + 1
        wanted = (self.n_components, *X.shape[:2], self.length), (self.n_components, n_shifts)
        if (start.atoms.shape, start.codes.shape) != wanted or start.signed != X.signed:
            raise ShapeError(
                f"start has atoms {start.atoms.shape} and codes {start.codes.shape}; this signal needs "
                f"{wanted[0]} and {wanted[1]}"
            )
        xp = namespace(X.Y)
        D, Z = (xp.array(A, dtype=X.Y.dtype, copy=True) for A in (start.atoms, start.codes))
        D = D.reshape(len(D), -1, self.length)
        penalty = self._penalty(X, shifts.correlate(D, X.Y))
        return self._model(X, D, Z, penalty=penalty, rest=X.Y - shifts.render(D, Z))

    def step(self, X: Signal, model: SparseCodingModel) -> SparseCodingModel:
        """Renew the atoms no code uses, then find the codes of all atoms, then better atoms for these codes."""
        if model.penalty == 0:
            return model
        D, Z = model.atoms.reshape(model.n_components, -1, self.length), model.codes
        if bool(Z.any()) and self.n_sweeps:
            D = atoms.renewed(D, Z, model.rest, model.penalty, signed=X.signed)
        new = self._coded(X, D, model.penalty, start=Z, rest=model.rest)
        if self.n_sweeps:
            D = atoms.improved(D, new, X.Y, signed=X.signed, n_sweeps=self.n_sweeps)
        rest = X.Y - shifts.render(D, new)
        if self.n_sweeps:
            D, new, rest = recentred(D, new, rest, model.penalty, signed=X.signed)
        following = self._model(X, D, new, penalty=model.penalty, rest=rest)
        return following if following.value <= model.value else model  # type: ignore[operator]

    def loss(self, X: Signal, model: SparseCodingModel) -> float:
        """Return ½‖X − Σ_k d_k * z_k‖² + λ Σ|Z|."""
        assert model.value is not None
        return model.value

    def finish(self, model: SparseCodingModel) -> SparseCodingModel:
        """Return the model with its loudest atom first and nothing of the solver's."""
        return replace(model.canonical(turn=self.signed and model.signed), rest=None, value=None)

    def coded(self, X: Array, model: SparseCodingModel) -> SparseCodingModel:
        """Return the codes of X (channels, freq, frames) for the atoms and λ of ``model``; see its ``apply``."""
        method = replace(self, n_lags=model.atoms.shape[3])
        data = method.prepare(X)
        if data.shape[:2] != model.atoms.shape[1:3] or data.signed != model.signed:
            raise ShapeError(
                f"X has shape {X.shape}; the atoms are (components, *channels and freq*, lags) "
                f"{model.atoms.shape} of {'a waveform' if model.signed else 'a spectrogram'}"
            )
        xp = namespace(data.Y)
        D = xp.asarray(model.atoms, dtype=data.Y.dtype).reshape(model.n_components, -1, method.length)
        Z = xp.zeros((len(D), data.Y.shape[1] - method.length + 1), dtype=data.Y.dtype)
        if model.penalty > 0:
            Z = method._coded(data, D, model.penalty, start=Z, rest=data.Y)
        return replace(model, codes=Z, losses=())

    def _coded(self, X: Signal, D: Array, penalty: float, *, start: Array, rest: Array) -> Array:
        limit = UPDATES * start.size if self.solver == "lgcd" else None
        return codes.solve(
            D, X.Y, penalty=penalty, signed=self._negative(X), tol=self.precision, solver=self.solver,
            start=start, rest=rest, limit=limit,
        ).Z  # fmt: skip

    def _penalty(self, X: Signal, beta: Array) -> float:
        """Return λ from the products of the first atoms with the signal."""
        top = float(abs(beta).max() if self._negative(X) else beta.max())
        if not math.isfinite(top):
            raise NumericalError(
                f"the largest product of an atom with X is {top}; scale X down or use float64"
            )
        return self.sparsity * max(top, 0.0)

    def _negative(self, X: Signal) -> bool:
        return self.signed and X.signed

    def _model(self, X: Signal, D: Array, Z: Array, *, penalty: float, rest: Array) -> SparseCodingModel:
        return SparseCodingModel(
            atoms=D.reshape(len(D), *X.shape[:2], self.length),
            codes=Z,
            signed=X.signed,
            penalty=penalty,
            method=self,
            rest=rest,
            value=codes.value(rest, Z, penalty),
        )
