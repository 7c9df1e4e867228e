"""Independent component analysis: an instantaneous mixture on several channels, undone by one matrix."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.base import Callback, Iterative, check_start, coefficients
from sigsep_classic.factorizers.demixing.algebraic import deflation, jade, sobi
from sigsep_classic.factorizers.demixing.contrast import evaluate
from sigsep_classic.factorizers.demixing.optimize import LIKELIHOOD, ORTHOGONAL, Rule, Search, polar
from sigsep_classic.factorizers.demixing.whitening import Samples, samples
from sigsep_classic.factorizers.models import DemixingModel
from sigsep_classic.frontends import Waveform
from sigsep_classic.kernels.score_moments import CONTRASTS, MAX_ROWS
from sigsep_classic.scaling import minimal_distortion, projection_back
from sigsep_classic.typing import Array

logger = logging.getLogger("sigsep_classic")

SOLVERS = (*ORTHOGONAL, *LIKELIHOOD, "deflation", "jade", "sobi")


@dataclass(frozen=True, kw_only=True)
class ICAData(Samples):
    """The whitened samples, with the coefficients they are made of."""

    X: Array


@dataclass(frozen=True, kw_only=True)
class ICAModel(DemixingModel):
    """`DemixingModel` with where the search stands.

    Parameters
    ----------
    search : Search
        R on the whitened data, its score, and what the solver remembers.
    """

    search: Search


@dataclass(frozen=True, kw_only=True)
class ICA(Iterative[DemixingModel]):
    """One matrix W for which the rows of y = W x are as independent as can be.

    The samples are centred and whitened, z = V x, and W = R V. ``"picard_o"`` and ``"fastica"`` look among
    rotations R for the least ``-sum |E G(y_n) - E G(Gaussian)|``, so that sources may be more or less peaked than
    a Gaussian; ``"picard"``, ``"infomax"`` and ``"auxiliary"`` among all R for the least
    ``-log |det R| + sum E log cosh y_n``, the likelihood of peaked (super-Gaussian) sources, which speech and most
    music are; ``"picard"`` has another density for flat ones. At most one source may be Gaussian.

    On the default front-end, `Waveform`, this is independent vector analysis with one frequency. On an STFT the same
    real matrix serves all frequencies, and real and imaginary parts of the coefficients are its samples: the mixture
    is still taken to be instantaneous.

    Parameters
    ----------
    n_sources : int or None
        1 … channels, at most 64; None: as many as channels. With fewer, the data is first projected to its leading
        principal components, and what the sources leave of the mixture is the stem ``residual``.
    solver : str
        ``"picard_o"``: quasi-Newton on rotations. ``"fastica"``: symmetric fixed-point iteration. ``"deflation"``:
        the same, one source after the other. ``"picard"``: quasi-Newton on the likelihood, extended to flat
        (sub-Gaussian) sources: ``"picard_o"`` runs first, however short the data, and says which rows are flat.
        ``"infomax"``: natural gradient on the likelihood. ``"auxiliary"``: majorisation-minimisation on it, row by
        row. ``"jade"``: fourth-order cumulants jointly diagonalised. ``"sobi"``: delayed covariances jointly
        diagonalised, for sources with different spectra, Gaussian or not.
    contrast : {"logcosh", "exp", "cube"}
        G: log cosh y, -exp(-y² / 2), or y⁴ / 4. The likelihood solvers take ``"logcosh"`` alone; JADE and SOBI
        use it only to report.
    n_lags : int
        Number of delays in frames of ``"sobi"``; with 1 it is AMUSE.
    n_iter : int
        Largest number of iterations (a source, with ``"deflation"``). It bounds each stage: ``"picard"`` may take
        as many for ``"picard_o"`` before, and on long data up to three times ``n_iter`` in all.
    tol : float
        Stop when no entry of the relative gradient is larger; with 0, when rounding ends the search.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    P. Comon, "Independent component analysis, a new concept?", Signal Processing 36(3), 1994.

    A. Hyvärinen, "Fast and robust fixed-point algorithms for independent component analysis", IEEE Trans. Neural
    Networks 10(3), 1999: FastICA.

    P. Ablin, J.-F. Cardoso and A. Gramfort, "Faster independent component analysis by preconditioning with Hessian
    approximations", IEEE Trans. Signal Processing 66(15), 2018: Picard; "Faster ICA under orthogonal constraint",
    Proc. ICASSP, 2018: Picard-O.

    A. J. Bell and T. J. Sejnowski, "An information-maximization approach to blind separation and blind
    deconvolution", Neural Computation 7(6), 1995; S. Amari, A. Cichocki and H. H. Yang, "A new learning algorithm
    for blind signal separation", Proc. NIPS, 1996: infomax by the natural gradient.

    N. Ono and S. Miyabe, "Auxiliary-function-based independent component analysis for super-Gaussian sources",
    Proc. LVA/ICA, 2010.

    J.-F. Cardoso and A. Souloumiac, "Blind beamforming for non Gaussian signals", IEE Proceedings F 140(6), 1993: JADE.

    A. Belouchrani, K. Abed-Meraim, J.-F. Cardoso and E. Moulines, "A blind source separation technique using
    second-order statistics", IEEE Trans. Signal Processing 45(2), 1997: SOBI. (Equation numbers not checked.)

    Notes
    -----
    When to use: As many channels as sources, mixed without echo or delay: line mixes, electrodes, sensors. For rooms
    `bss` or `auxiva`.
    Complexity: An iteration is O(sources² · samples), in passes over the samples as they lie in memory.
    Differences from the paper: Channels are whitened symmetrically at equal level, and a saddle point is left by
    turning pairs of sources by 45°, so that the result does not depend on the order of channels.

    The result does not depend on the order of the channels nor on their level (``"auxiliary"``, which goes row after
    row: once it has converged): the search starts from the symmetric
    whitening of channels at equal level, and a saddle point is left by turning a pair of sources by 45°. Sources
    come in falling order of energy, each on the scale of its image at the channel that hears it best. Where
    channels depend on each other (one is silent, two are equal) there are fewer sources, and the last are silent.
    Statistics are summed in double precision over the samples as they lie in memory; ``"jade"``, ``"sobi"`` and
    ``"auxiliary"`` make a whitened copy of them in double precision. ``"picard_o"``, ``"fastica"`` and ``"picard"``
    start long data (four times 2¹⁵ samples and more) from the solution for an even selection of the samples.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> S = rng.laplace(size=(2, 1, 4000)) * [[[2.0]], [[1.0]]]
    >>> X = np.tensordot([[1.0, 0.5], [0.4, 1.0]], S, axes=1)
    >>> model = ICA().fit(X)
    >>> bool(abs(model.A[0] - [[1.0, 0.5], [0.4, 1.0]]).max() < 0.1)
    True
    """

    n_sources: int | None = None
    solver: str = "picard"
    contrast: str = "logcosh"
    n_lags: int = 100
    n_iter: int = 200
    tol: float = 1e-7

    name: ClassVar[str] = "ica"
    check_every: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.n_sources is not None:
            check_count("n_sources", self.n_sources)
        check_choice("solver", self.solver, SOLVERS)
        check_choice("contrast", self.contrast, CONTRASTS)
        check_count("n_lags", self.n_lags)
        check_count("n_iter", self.n_iter, 0)
        check_range("tol", self.tol, 0)
        if self.solver in LIKELIHOOD and self.contrast != "logcosh":
            raise ParameterError(
                f"contrast is {self.contrast!r}; solver {self.solver!r} has the likelihood of logcosh only, "
                "picard_o and fastica take any"
            )

    def default_frontend(self, sample_rate: float) -> Waveform:
        """Return the identity: instantaneous mixtures need no transform."""
        return Waveform()

    @property
    def rule(self) -> Rule:
        """The step this solver takes; that of ``"picard_o"`` measures the others."""
        return Rule(solver=self.solver, contrast=self.contrast, tol=self.tol)

    def prepare(self, X: Array) -> ICAData:
        """Return the samples of X (channels, freq, frames), with what whitens them."""
        X = coefficients(X)
        data = samples(X, self.n_sources)
        if data.rank > MAX_ROWS:
            raise ShapeError(
                f"{len(X)} channels would make {data.rank} sources; at most {MAX_ROWS} can be told apart, "
                f"give n_sources={MAX_ROWS} or fewer"
            )
        return ICAData(**vars(data), X=X)

    def init(self, X: ICAData) -> ICAModel:
        """Return R = I; the solvers that need no search are run here."""
        complete = True
        if X.rank == 0:  # silence, or constants
            R = np.eye(0)
        elif self.solver == "jade":
            R = jade(X)
        elif self.solver == "sobi":
            R = sobi(X, self.n_lags)
        elif self.solver == "deflation":
            R, complete = deflation(X, contrast=self.contrast, n_iter=self.n_iter, tol=self.tol)
        else:
            return self._model(X, self._start(X))
        return self._model(X, replace(self.rule.begin(X, R), settled=True, complete=complete))

    def _start(self, X: ICAData) -> Search:
        """Return where the search starts: R = I, or for long data what a sample of it gives.

        The likelihood that has a density for each kind of source starts from the best rotation, which tells the kinds.
        """
        few, R, signs = X.thinned(), np.eye(X.rank), None
        if self.solver in ("infomax", "auxiliary") or (self.solver != "picard" and few is X):
            return self.rule.begin(X, R)
        rule = replace(self.rule, tol=1e-3)
        for solver in dict.fromkeys(("fastica" if self.solver == "fastica" else "picard_o", self.solver)):
            if solver == "picard" and few is X:
                break
            found = replace(rule, solver=solver).run(few, R, self.n_iter, signs)
            R, signs = found.R, found.score.signs
        return replace(self.rule.begin(X, R, signs), examined=True)

    def adopt(self, X: ICAData, start: DemixingModel) -> ICAModel:  # type: ignore[override]
        """Return the demixing matrix of ``start`` as a starting point.

        Raises
        ------
        ParameterError
            It has no demixing matrix.
        ShapeError
            It is of another number of sources or channels, or one matrix a frequency.
        """
        check_start(start, ("W",), "a model with a demixing matrix W, such as what `fit` returned")
        wanted = (1, self.n_sources or len(X.mean), len(X.mean))
        if start.W.shape != wanted:
            raise ShapeError(f"start has W {start.W.shape}; this mixture needs {wanted}")
        R = to_host(start.W)[0, : X.rank] @ X.dewhitener
        lengths = np.sqrt((R * R).sum(axis=1, keepdims=True))
        R = R / np.where(lengths > 0, lengths, 1)
        turned, signs = polar(R), None
        if self.solver == "picard":  # which sources are flat: the best rotation tells, as in `_start`
            signs = evaluate(X, turned, contrast=self.contrast, orthogonal=True).signs
        return self._model(X, self.rule.begin(X, turned if self.rule.orthogonal else R, signs))

    def copy(self, model: ICAModel) -> ICAModel:  # type: ignore[override]
        """Return a model with arrays of its own, but for the mixture, which nothing writes to."""
        return replace(model, W=model.W.copy(), A=model.A.copy())

    def step(self, X: ICAData, model: ICAModel) -> ICAModel:  # type: ignore[override]
        """Return the model after one step of the solver, which never raises the loss; see `Rule`."""
        search = self.rule.advance(X, model.search)
        if search.R is model.search.R:
            return replace(model, search=search, converged=search.complete and search.settled)
        return self._model(X, search)

    def loss(self, X: ICAData, model: ICAModel) -> float:  # type: ignore[override]
        """Return the contrast, which the step has computed."""
        return model.search.score.value

    def fit(
        self, X: Array, *, start: DemixingModel | None = None, callback: Callback | None = None
    ) -> DemixingModel:
        """Return the demixing of X (channels, freq, frames); see `Iterative.fit`.

        A search that ``n_iter`` ended, and a mixture of one channel, are told in a line of the log.

        Raises
        ------
        ShapeError
            There are fewer channels than ``n_sources``, more than 64 sources, or X has not three axes.
        NumericalError
            X is not finite.
        """
        asked = False

        def stop(i: int, model: ICAModel) -> bool:
            nonlocal asked
            asked = bool(callback is not None and callback(i, model))
            return asked or model.search.settled

        model = super().fit(X, start=start, callback=stop)
        if len(X) == 1:
            logger.warning("ica: one channel: one source; isa and scica take one microphone apart")
        elif not (model.converged or asked):
            logger.warning("ica: not converged after %d iterations of %s", self.n_iter, self.solver)
        return model

    def finish(self, model: DemixingModel) -> DemixingModel:
        """Return the model without the state of the search."""
        fields = {name: value for name, value in vars(model).items() if name != "search"}
        return DemixingModel(**fields)

    def _settled(self, losses: list[tuple[int, float]]) -> bool:
        return False  # the gradient says it, in `fit`

    def _model(self, X: ICAData, search: Search) -> ICAModel:
        """Return W = R V with its mixing matrix, the strongest source first, silent ones last."""
        W = search.R @ X.whitener
        A = projection_back(W, X.covariance) if X.rank else np.zeros((len(X.mean), 0))
        energies = (A**2).sum(axis=0) * np.einsum("nc,cd,nd->n", W, X.covariance, W)
        order = np.argsort(-energies, kind="stable")
        W, A = W[order], A[:, order]
        if W.size:  # silence has no sources
            W, A = minimal_distortion(W, A)
        n_sources = self.n_sources or len(X.mean)
        missing = n_sources - len(W)
        xp = namespace(X.X)
        return ICAModel(
            W=xp.asarray(np.pad(W, ((0, missing), (0, 0))))[None],
            A=xp.asarray(np.pad(A, ((0, 0), (0, missing))))[None],
            mixture=X.X,
            n_active=max(1, len(W)),
            residual=X.reduced,
            converged=search.complete and (search.settled or search.score.size <= self.tol),
            search=search,
        )
