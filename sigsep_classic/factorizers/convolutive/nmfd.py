"""Non-negative matrix factor deconvolution: templates that last several frames (Smaragdis 2004)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from sigsep_classic.backend import to_host
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.base import check_example, usual_stft
from sigsep_classic.factorizers.convolutive.base import Convolutive
from sigsep_classic.factorizers.convolutive.model import ConvolutiveModel, ConvolutiveState
from sigsep_classic.factorizers.templates import checked, stems_of
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array, Grid

REST = "rest"
"""Stem of the components that no template stands for."""
ONSET = 0.25
"""An example starts a frame before its level first reaches this share of its largest."""


@dataclass(frozen=True, kw_only=True)
class NMFD(Convolutive):
    """Spectrograms of single hits, and when each is struck: minimise D_β(V | Σ_l W_l H→l) over W, H ≥ 0.

    V is the root mean square of the channels' magnitudes to the power ``power``, and H→l is H moved l frames to the
    right. Where NMF has one spectrum a component, NMFD has a short spectrogram: an attack, its decay, a chirp.
    With ``sparsity`` λ the loss has λ ε Σ log(1 + ‖W_k‖₁ h_kt / ε) more, ε being the mean of V that one of the
    activations stands for.

    Parameters
    ----------
    n_components : int
        Number of templates learnt from the mixture, at least 1; 0 where ``templates`` are enough.
    template_seconds : float
        How long a template lasts, in seconds, greater than 0.
    n_lags : int or None
        The same in frames, at least 1, in place of the above. Without this and without a grid with more than one
        frequency: 10. Never more than V has.
    beta : float
        β of the divergence, any real number: 2 Euclidean, 1 Kullback-Leibler, 0 Itakura-Saito.
    power : float
        V is magnitude to this power, greater than 0.
    solver : {"extrapolated", "mu", "me"}
        ``"mu"``: multiplicative updates with the exponent of majorisation-minimisation. ``"me"``: exponent 1
        also for 0 <= β < 1. ``"extrapolated"``: ``"me"`` from a point ahead of the iterate, taken back whenever
        the loss would rise.
    update_order : {"HW", "WH"}
        Which factor an iteration updates first.
    sparsity : float
        λ, at least 0: what a small activation costs, as a share of what it explains at β = 1. 0.1 is a little.
    templates : mapping of str to array (freq, lags) or (freq, components, lags), or None
        What named sources sound like. The model has these components first, and stems of those names and
        ``rest``. `with_examples` makes them, of the first sound in each recording.
    adapt_templates : bool
        Let ``templates`` change too: they are but a start.
    hold_iter : int
        With ``adapt_templates``, the number of first iterations in which they still stay, so that activations
        find their places first.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when ten iterations lower the loss by less than this share of it; 0 never stops early.
    seed : int
        Seed of the random start.
    grid : Grid or None
        Frames per second of X; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    P. Smaragdis, "Non-negative matrix factor deconvolution; extraction of multiple sound sources from
    monophonic inputs", Proc. ICA, 2004: model and updates for β = 1 (equation numbers not checked). Sums in the
    denominators are over the frames that V has.

    C. Févotte and J. Idier, "Algorithms for nonnegative matrix factorization with the β-divergence", Neural
    Computation 23(9), 2011: other β, exponents.

    L. T. K. Hien, V. Leplat and N. Gillis, "Block majorization minimization with extrapolation and application
    to β-NMF", arXiv:2401.06646, 2024: the extrapolation (with a safeguard of ours).

    C. Dittmar and M. Müller, "Reverse engineering the Amen break: score-informed separation and restoration
    applied to drum recordings", IEEE/ACM Trans. Audio, Speech, and Language Processing 24(9), 2016: templates of
    drums as a start, held at first and adapted later (there by a gradual blend).

    A. Lefèvre, F. Bach and C. Févotte, "Itakura-Saito nonnegative matrix factorization with group sparsity",
    Proc. ICASSP, 2011: a logarithmic penalty majorised by its tangent.

    Notes
    -----
    When to use: Sounds that repeat with the same course in time: drum loops, footsteps, machines; best with an
    example of each.
    Complexity: An iteration is 8 freq · frames · components · lags operations for β = 1, half as many more otherwise,
    and half as many more for the loss where the solver is extrapolated. Nothing of size freq × frames × lags is
    stored.
    Differences from the paper: Sums in the denominators are over the frames that V has. The default solver adds
    momentum; ``solver="mu"`` has none.

    Examples
    --------
    >>> import numpy as np
    >>> hit = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])     # a chirp of three frames
    >>> V = np.concatenate([hit, 0 * hit, 2 * hit], axis=1)[None]
    >>> model = NMFD(n_components=1, n_lags=3, n_iter=50).fit(V)
    >>> bool(np.abs(model.reconstruct() - V).max() < 0.01)
    True
    """

    template_seconds: float = 0.1
    n_lags: int | None = None
    beta: float = 1.0
    templates: Mapping[str, Array] | None = field(default=None, compare=False)
    adapt_templates: bool = False
    hold_iter: int = 0
    grid: Grid | None = None

    name: ClassVar[str] = "nmfd"
    shifted: ClassVar[bool] = False
    unscaled: ClassVar[int] = 10
    fewest: ClassVar[int] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("template_seconds", self.template_seconds, 0, above=True)
        check_count("hold_iter", self.hold_iter, 0)
        if self.n_lags is not None:
            check_count("n_lags", self.n_lags)
        if self.templates is not None:
            object.__setattr__(self, "templates", _checked(self.templates))

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop; shorter ones tell notes from drums less well."""
        return usual_stft(sample_rate)

    def sizes(self, n_freq: int, n_frames: int) -> tuple[int, int, int, int]:
        """Return bins and lags of templates, one shift, and frames of activations."""
        return n_freq, min(self.lags, n_frames), 1, n_frames

    def with_examples(self, examples: Mapping[str, Array]) -> Self:
        """Return the same method with one template of each source, cut from a recording of it alone.

        Parameters
        ----------
        examples : mapping of str to array (channels, freq, frames)
            Coefficients by the source's name, at any level. The template is the first sound in each, from the
            frame before its onset on; what comes after the length of a template is not used.

        Returns
        -------
        NMFD
            With ``templates`` of these names beside those it had.

        Raises
        ------
        ParameterError
            A recording is silent.
        """
        for name, X in examples.items():
            check_example(name, X)
        alone = replace(self, n_components=1)
        cut = {name: _from_onset(to_host(alone.prepare(X))) for name, X in examples.items()}
        return replace(self, templates={**(self.templates or {}), **cut})

    def finish(self, model: ConvolutiveState) -> ConvolutiveModel:  # type: ignore[override]
        """Return templates that sum to one, the strongest component first; with named sources in their order."""
        if not self.templates or model.fixed:
            return super().finish(model)
        return replace(self._plain(model), stems=stems_of(self._counts, self.n_components))

    @property
    def _counts(self) -> dict[str, int]:
        return {name: array.shape[1] for name, array in (self.templates or {}).items()}

    @property
    def _n_all(self) -> int:
        return sum(self._counts.values()) + self.n_components

    def _with_known(self, W: np.ndarray) -> np.ndarray:
        first = 0
        for name, array in (self.templates or {}).items():
            if len(array) != len(W):
                raise ShapeError(
                    f"templates[{name!r}] has {len(array)} bins, X has {len(W)}; make it through the same front-end"
                )
            members, length = slice(first, first + array.shape[1]), min(W.shape[2], array.shape[2])
            W[:, members] = 0
            W[:, members, :length] = array[:, :, :length]
            first = members.stop
        return W

    def _n_fixed(self, iteration: int) -> int:
        held = not self.adapt_templates or iteration < self.hold_iter
        return sum(self._counts.values()) if held else 0


def _from_onset(V: np.ndarray) -> np.ndarray:
    """Return V (freq, frames) from the frame before its level first reaches `ONSET` of its largest."""
    level = V.sum(axis=0)
    return V[:, max(0, int(np.argmax(level >= ONSET * level.max())) - 1) :]


def _checked(templates: Any) -> dict[str, np.ndarray]:
    """Return templates as read-only arrays (freq, components, lags) of sum one."""
    if not isinstance(templates, Mapping) or not templates:
        raise ParameterError(f"templates is {templates!r}; give names with arrays (freq, lags)")
    found = {}
    for name, value in templates.items():
        array = checked(name, value, expected="(freq, lags)", axes=(2, 3))
        array = array[:, None] if array.ndim == 2 else array
        sums = array.sum(axis=(0, 2))
        found[name] = array / np.where(sums > 0, sums, 1)[:, None]
        found[name].flags.writeable = False
    return found
