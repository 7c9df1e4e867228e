"""ICA of one microphone: delayed copies stand for channels, and each source is a filter (Davies & James 2007)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from sigsep_classic.backend import fft_namespace, namespace, to_host
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import Callback, coefficients
from sigsep_classic.factorizers.demixing.clustering import by_envelope
from sigsep_classic.factorizers.demixing.optimize import Rule, Search
from sigsep_classic.factorizers.demixing.whitening import Samples, samples
from sigsep_classic.factorizers.models import Groups, check_groups, component_names
from sigsep_classic.frontends import Waveform
from sigsep_classic.kernels.score_moments import CONTRASTS, MAX_ROWS
from sigsep_classic.typing import Array

_RANK = 1e-8
_SEGMENT = 1024


@dataclass(frozen=True, kw_only=True)
class FilterModel:
    """Components that are the mixture through filters along time, the same for every channel and frequency.

    Parameters
    ----------
    filters : float64 array (components, 2 * n_delays - 1)
        Impulse responses from lag ``1 - n_delays`` to ``n_delays - 1`` frames; together they are a unit impulse,
        unless there is a ``residual``.
    mixture : array (channels, freq, frames)
        The coefficients X; kept, not copied.
    psd : float64 array (freq, bins)
        Power of X over all channels along the frequency of the filters, from 0 to the frame rate.
    residual : bool
        Whether the filters leave something over, which becomes a stem.
    stems : dict of str to list of int, or None
        Components that sound at the same times.
    losses : tuple of (int, float)
        Iteration number and contrast.
    """

    filters: Array
    mixture: Array
    psd: Array
    residual: bool = False
    stems: dict[str, list[int]] | None = None
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()

    estimates: ClassVar[bool] = True

    @property
    def n_components(self) -> int:
        """Number of filters."""
        return len(self.filters)

    @property
    def names(self) -> tuple[str, ...]:
        """``component1 …``."""
        return component_names(self.n_components)

    @property
    def responses(self) -> Array:
        """Magnitude of each filter at the frequencies of ``psd``, (components, bins)."""
        return abs(namespace(self.filters).fft.fft(self.filters, self.psd.shape[1]))

    @property
    def spectra(self) -> Array:
        """Magnitude spectrum of each component, (freq, components); of a waveform from 0 Hz to half its rate."""
        xp = namespace(self.psd)
        if len(self.psd) > 1:
            return xp.sqrt(self.psd @ (self.responses**2).T)
        half = self.psd.shape[1] // 2 + 1
        return (self.responses * xp.sqrt(self.psd))[:, :half].T

    @property
    def energies(self) -> Array:
        """Sum of each component's spectrum, (components,)."""
        return self.spectra.sum(axis=0)

    @property
    def context(self) -> int:
        """Frames on either side that `apply` looks at."""
        return int(self.filters.shape[1] // 2)

    def apply(self, X: Array) -> FilterModel:
        """Return the same filters on other coefficients X (channels, freq, frames)."""
        return replace(self, mixture=X)

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return X through the filters of each group, (groups, channels, freq, frames), in the dtype of X."""
        wanted = check_groups(groups, self.names)
        return namespace(self.mixture).stack(list(self.parts(wanted)))

    def parts(self, groups: Groups) -> Iterator[Array]:
        """Yield X through the filters of each group, (channels, freq, frames), one after the other."""
        X = self.mixture
        xp, fft = namespace(X), fft_namespace(X)
        frames, reach = X.shape[-1], self.filters.shape[1] // 2
        real, is_real = xp.finfo(X.dtype).dtype, X.dtype.kind != "c"
        there, back = (fft.rfft, fft.irfft) if is_real else (fft.fft, fft.ifft)
        size = frames + 2 * reach
        size = fft.next_fast_len(size, real=is_real) if xp is np else size + size % 2
        spectrum = there(X, size, axis=-1)
        for members in groups.values():
            response = there(self.filters[list(members)].sum(axis=0).astype(real), size)
            yield back(spectrum * response, size, axis=-1)[..., reach : reach + frames]


@dataclass(frozen=True, kw_only=True)
class SCICA:
    """Single-channel ICA: the vectors of ``n_delays`` neighbouring samples are taken apart by ICA.

    A component of the vectors is carried back to the signal by averaging its delayed copies, so that it is the
    mixture through one filter, and all components add up to the mixture. What ICA finds are filters whose outputs
    are far from Gaussian; sources can be told apart where they lie in different frequency ranges, whatever their
    waveform. Components whose envelopes rise and fall together are one source (our choice; the paper groups by
    spectrum). Channels share the filters, and each keeps its own image.

    On the default front-end, `Waveform`, filters act on samples. On an STFT they act on the frames of each
    frequency, the same filters for all: slow and fast changes are told apart, not pitches.

    Parameters
    ----------
    n_delays : int
        Length of the vectors in samples, 1 … 64.
    n_components : int or None
        Keep so many leading principal components of the vectors; None: all. What is left out is the stem
        ``residual``.
    n_sources : int
        Number of groups of components, 1 … ``n_components`` (``n_delays`` without).
    contrast : {"logcosh", "exp", "cube"}
        G of the contrast; see `ICA`.
    max_samples : int
        Learn from at most so many vectors, evenly spaced.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when no entry of the relative gradient is larger.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    M. E. Davies and C. J. James, "Source separation using single channel ICA", Signal Processing 87(8), 2007
    (equation numbers not checked). The search is Picard-O of Ablin, Cardoso & Gramfort, Proc. ICASSP, 2018.

    Notes
    -----
    When to use: One channel, sources in different frequency ranges: hum from heartbeats, say; a lesson in what ICA
    sees.
    Complexity: ICA of n_delays channels: O(n_delays² · samples) an iteration.
    Differences from the paper: Components are grouped by their envelopes where the paper groups by spectrum; the
    search is Picard-O.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(4000)
    >>> rng = np.random.default_rng(0)
    >>> X = (np.sin(0.1 * t) + 0.3 * rng.laplace(size=4000))[None, None]
    >>> model = SCICA(n_delays=8).fit(X)
    >>> bool(abs(model.reconstruct().sum(axis=0) - X).max() < 1e-9)
    True
    """

    n_delays: int = 16
    n_components: int | None = None
    n_sources: int = 2
    contrast: str = "logcosh"
    max_samples: int = 20_000
    n_iter: int = 200
    tol: float = 1e-4

    name: ClassVar[str] = "scica"

    def __post_init__(self) -> None:
        for field in ("n_delays", "n_sources", "max_samples"):
            check_count(field, getattr(self, field))
        if self.n_components is not None:
            check_count("n_components", self.n_components)
        if max(self.n_delays, self.n_components or 1) > MAX_ROWS:
            raise ParameterError(f"n_delays is {self.n_delays}; it and n_components are at most {MAX_ROWS}")
        if (self.n_components or 1) > self.n_delays:
            raise ParameterError(
                f"n_components is {self.n_components}; vectors of n_delays={self.n_delays} have no more"
            )
        if self.n_sources > (self.n_components or self.n_delays):
            kept = "n_components" if self.n_components else "n_delays"
            raise ParameterError(
                f"n_sources is {self.n_sources}; {kept}={getattr(self, kept)} make no more groups"
            )
        check_choice("contrast", self.contrast, CONTRASTS)
        check_count("n_iter", self.n_iter, 0)
        check_range("tol", self.tol, 0)

    def default_frontend(self, sample_rate: float) -> Waveform:
        """Return the identity."""
        return Waveform()

    def fit(self, X: Array, *, callback: Callback | None = None) -> FilterModel:
        """Return the filters found in X (channels, freq, frames), the strongest component first.

        ``callback(i, model)`` is called after each step of the search, with a model that has no ``stems`` yet;
        returning True stops.

        Raises
        ------
        ShapeError
            X has not three axes, or one of them is empty.
        NumericalError
            X is not finite.
        """
        X = coefficients(X)
        n_delays = min(self.n_delays, X.shape[-1])
        n_components = min(self.n_components or n_delays, n_delays)
        data = samples(self._embedded(X, n_delays), n_components, rank=_RANK)
        psd = _power(X, self.n_delays)

        def after(i: int, search: Search) -> bool:
            return bool(callback is not None and callback(i, self._model(X, psd, data, search)))

        rule = Rule(solver="picard_o", contrast=self.contrast, tol=self.tol)
        search = rule.run(data, np.eye(data.rank), self.n_iter, after=after if callback else None)
        model = self._model(X, psd, data, search)
        return replace(model, stems=by_envelope(self._envelopes(model), self.n_sources))

    def _model(self, X: Array, psd: Array, data: Samples, search: Search) -> FilterModel:
        """Return the filters that a rotation of the vectors stands for, the strongest component first."""
        n_delays = len(data.mean)
        filters = np.zeros((self.n_components or self.n_delays, 2 * self.n_delays - 1))
        found = _averaged(data.dewhitener @ search.R.T, search.R @ data.whitener)
        rest = np.eye(1, found.shape[1], found.shape[1] // 2)[0] - found.sum(axis=0)
        if not data.reduced:  # rounding, or all of silence: shared
            found = found + rest / len(found) if len(found) else rest[None]
        middle = slice(self.n_delays - n_delays, self.n_delays + n_delays - 1)
        filters[: len(found), middle] = found
        xp = namespace(X)
        model = FilterModel(
            filters=xp.asarray(filters),
            mixture=X,
            psd=psd,
            residual=data.reduced,
            losses=((0, search.score.value),),
        )
        order = np.argsort(-to_host(model.energies), kind="stable")
        return replace(model, filters=xp.asarray(filters[order]))

    def _envelopes(self, model: FilterModel) -> np.ndarray:
        """Return the root mean square of each component in windows of 8 vectors, (components, windows)."""
        frames = model.mixture.shape[-1]
        size = min(8 * self.n_delays, frames)
        end = frames // size * size
        found = []
        for part in model.parts({name: [k] for k, name in enumerate(model.names)}):
            power = (abs(part[..., :end]).astype(float) ** 2).sum(axis=(0, 1)).reshape(-1, size).mean(axis=1)
            found.append(to_host(power))
        return np.sqrt(np.stack(found))

    def _embedded(self, X: Array, n_delays: int) -> Array:
        """Return vectors of successive frames as columns, (n_delays, 1, vectors)."""
        xp = namespace(X)
        parts = xp.stack([X.real, X.imag]) if X.dtype.kind == "c" else X[None]
        n_starts = X.shape[-1] - n_delays + 1
        step = -(-n_starts * parts[..., 0].size // self.max_samples)
        starts = xp.arange(0, n_starts, step)
        rows = [parts[..., starts + d].reshape(1, -1) for d in range(n_delays)]
        return xp.stack(rows).astype(float)


def _averaged(A: np.ndarray, W: np.ndarray) -> np.ndarray:
    """Return, for each component, the mean over delays of what it gives a sample: the filter a * w reversed.

    Vectors run forward in time: entry d of the vector at t is x(t + d), of which the component is
    A[d, k] W[k] x(t …). The sample x(u) is in the vectors at u - d; the mean of its parts has the coefficient
    A[d, k] W[k, l] / L at x(u - d + l).
    """
    n_delays = len(A)
    filters = np.zeros((len(W), 2 * n_delays - 1))
    for d in range(n_delays):
        for l in range(n_delays):
            filters[:, n_delays - 1 + d - l] += A[d] * W[:, l] / n_delays
    return filters


def _power(X: Array, n_delays: int) -> Array:
    """Return the power of X in segments along its frames, summed over channels and segments, (freq, bins)."""
    xp, fft = namespace(X), fft_namespace(X)
    size = _SEGMENT if X.shape[1] == 1 else 2
    while size < 2 * n_delays:
        size *= 2
    segments = -(-X.shape[-1] // size)
    padded = xp.zeros((*X.shape[:-1], segments * size), dtype=X.dtype)
    padded[..., : X.shape[-1]] = X
    spectra = fft.fft(padded.reshape(*X.shape[:-1], segments, size), axis=-1)
    return (abs(spectra).astype(float) ** 2).sum(axis=(0, 2))
