"""NMF as a transformer of scikit-learn, for pipelines and searches over parameters.

Rows are samples there: X (samples, features) ≈ activations (samples, components) times ``components_`` (components,
features), which is the transpose of V ≈ W H.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, check_non_negative

from sigsep_classic.checks import check_choice
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.lowrank.fitted import with_templates
from sigsep_classic.factorizers.lowrank.nmf import NMF
from sigsep_classic.factorizers.models import LowRankModel
from sigsep_classic.kernels.beta_divergence import divergence

try:
    from sklearn.utils.validation import validate_data
except ImportError:
    raise ImportError(
        "sigsep_classic.sklearn needs scikit-learn 1.6 or later; pip install -U scikit-learn"
    ) from None

LOSSES = {"frobenius": 2.0, "kullback-leibler": 1.0, "itakura-saito": 0.0}
"""β by the name that scikit-learn has for its divergence."""

AUTO = 30
"""Components where nobody says how many."""

INITS = ("pooled", "random", "nndsvd", "custom")


class NMFTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Non-negative matrix factorization with the solvers of `sigsep_classic.NMF` and the manners of scikit-learn.

    It finds what `sklearn.decomposition.NMF` finds, sooner; from the same start ``solver="mu"`` takes the same steps.
    Components sum to one, the strongest comes first.

    Parameters
    ----------
    n_components : int or "auto"
        Number of components K, at least 1; ``"auto"``: 30, or as many as there are features where those are fewer.
    beta_loss : {"kullback-leibler", "frobenius", "itakura-saito"} or float
        Divergence that is minimised; a number is β. Itakura-Saito wants data above 0.
    solver : {"extrapolated", "mu", "me", "joint", "hals"}
        As for `NMF`.
    init : {"pooled", "random", "nndsvd", "custom"}
        As ``initial`` of `NMF`; ``"custom"`` begins at the ``W`` and ``H`` given to `fit_transform`.
    max_iter : int
        Largest number of iterations of `fit`, and the number of those of `transform`.
    tol : float
        Stop when ten iterations lower the loss by less than this share of it; 0 never stops early.
    random_state : int, RandomState or None
        Seed of the start; None draws another one each time.

    Attributes
    ----------
    components_ : ndarray (components, features)
        Non-negative, each summing to one, the one with most energy first.
    n_components_ : int
        K.
    reconstruction_err_ : float
        √(2 D) with D the divergence of X and its model: of ``"frobenius"`` the norm of the difference.
    n_iter_ : int
        Iterations done.
    n_features_in_, feature_names_in_
        As scikit-learn has them.

    References
    ----------
    C. Févotte and J. Idier, "Algorithms for nonnegative matrix factorization with the β-divergence", Neural
    Computation 23(9), 2011: the updates.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.outer([1.0, 2, 0, 3], [0.5, 0.25, 0.25])
    >>> nmf = NMFTransformer(n_components=1).fit(X)
    >>> bool(np.allclose(nmf.inverse_transform(nmf.transform(X)), X))
    True
    """

    def __init__(
        self,
        n_components: int | str = "auto",
        *,
        beta_loss: str | float = "kullback-leibler",
        solver: str = "extrapolated",
        init: str = "pooled",
        max_iter: int = 200,
        tol: float = 1e-4,
        random_state: Any = 0,
    ) -> None:
        self.n_components = n_components
        self.beta_loss = beta_loss
        self.solver = solver
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None, *, W: Any = None, H: Any = None) -> Self:
        """Learn the components of X.

        Parameters
        ----------
        X : array (samples, features)
            Dense, real, at least 0; float32 stays float32.
        y
            Not used.
        W, H : array (samples, components) and (components, features), optional
            Where to begin, with ``init="custom"``.

        Returns
        -------
        NMFTransformer
            This one.

        Raises
        ------
        ParameterError, ValueError, TypeError
            A parameter is out of range; X is negative, sparse or not finite. One line each.
        """
        self.fit_transform(X, W=W, H=H)
        return self

    def fit_transform(self, X: ArrayLike, y: Any = None, *, W: Any = None, H: Any = None) -> np.ndarray:
        """Learn the components of X and return its activations (samples, components); for parameters see `fit`.

        Activations are those that were learnt with the components. `transform` finds them anew, each sample for itself,
        so that theirs differ as far as the fit has not settled.
        """
        V = self._checked(X, reset=True)
        method, start = self._method(len(V)), self._start(V, W, H)
        model = method.fit(V[None], start=start)  # type: ignore[arg-type]
        self.components_ = np.ascontiguousarray(model.W.T)
        self.n_components_ = len(self.components_)
        self.n_iter_ = model.losses[-1][0]
        error = divergence(V, model.W, np.ascontiguousarray(model.H.T).T, beta=method.beta)
        self.reconstruction_err_ = math.sqrt(2 * max(error, 0.0))
        return np.ascontiguousarray(model.H.T)

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Return the activations (samples, components) of X, ``max_iter`` updates with the components as they are.

        Each sample's depend on that sample alone, not on those it comes with.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Nothing was learnt yet.
        ValueError, TypeError
            As `fit`; or X has other features.
        """
        check_is_fitted(self)
        V = self._checked(X, reset=False)
        W = self.components_.T.astype(V.dtype)
        # One solver, since momentum would look at all samples; as many steps for all, for the same reason.
        method = NMF(beta=self._beta(), solver="me", n_iter=self.max_iter, tol=0.0)
        # Components sum to one: these have the sums of the samples.
        H = np.repeat(V.sum(axis=0)[None] / V.dtype.type(W.shape[1]), W.shape[1], axis=0)
        found = with_templates(method, W).fit(V[None], start=LowRankModel(W=W, H=H))
        return np.ascontiguousarray(found.H.T)

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Return the model (samples, features) of activations X (samples, components)."""
        check_is_fitted(self)
        A = np.asarray(X)
        if A.ndim != 2 or A.shape[1] != self.n_components_:
            raise ParameterError(f"X has shape {A.shape}; give activations (samples, {self.n_components_})")
        return A @ self.components_

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def _checked(self, X: Any, *, reset: bool) -> np.ndarray:
        """Return V (features, samples), sample after sample in memory."""
        rows: np.ndarray = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32], order="C")
        check_non_negative(rows, "NMFTransformer")
        return rows.T

    def _method(self, n_features: int) -> NMF:
        seed = self.random_state
        if not isinstance(seed, int):
            seed = int(check_random_state(seed).randint(2**31 - 1))
        check_choice("init", self.init, INITS)
        wanted: Any = self.n_components
        return NMF(
            n_components=min(AUTO, n_features) if wanted == "auto" else wanted,
            beta=self._beta(),
            solver=self.solver,
            update_order="HW",  # activations first, as scikit-learn
            initial="random" if self.init == "custom" else self.init,
            n_iter=self.max_iter,
            tol=self.tol,
            seed=seed,
        )

    def _beta(self) -> float:
        if isinstance(self.beta_loss, str):
            check_choice("beta_loss", self.beta_loss, tuple(LOSSES))
            return LOSSES[self.beta_loss]
        return self.beta_loss

    def _start(self, V: np.ndarray, W: Any, H: Any) -> LowRankModel | None:
        if (self.init == "custom") != (W is not None and H is not None):
            raise ParameterError(
                f"init is {self.init!r}; W and H are given with init='custom', and only there"
            )
        if W is None:
            return None
        activations, components = (np.asarray(A, dtype=V.dtype) for A in (W, H))
        return LowRankModel(W=components.T, H=activations.T)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
