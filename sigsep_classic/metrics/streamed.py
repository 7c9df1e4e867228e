"""All metrics without filters in one pass over blocks of samples: memory does not depend on the length.

Sums of squares are kept for the whole signal, and for frames those of the stretches between any frame's start or
end and the next: at most two a hop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.metrics._signals import Signals, blocks, decibel, pair, require_alike, require_finite
from sigsep_classic.metrics.framewise import SILENCE, frame_sums, median_of_frames, n_frames, sdr_of_sums
from sigsep_classic.typing import Array

STREAMED = ("snr", "si_sdr", "sd_sdr", "sa_sdr", "usdr", "csdr")
"""Metrics `streamed_scores` knows."""


def streamed_scores(
    pairs: Iterable[tuple[Signals, Signals]],
    *,
    metrics: Sequence[str] = STREAMED,
    window: int = 44100,
    hop: int | None = None,
    silence: str = "museval",
    eps: float = 1e-7,
) -> dict[str, Array]:
    """Return metrics of signals that come block by block, all in one pass and in constant memory.

    Parameters
    ----------
    pairs : iterable of (references, estimates)
        Successive blocks of samples of any lengths, each block as `snr` takes whole signals: references and
        estimates (sources, channels, samples), or lists of (channels, samples). NumPy, CuPy or PyTorch.
    metrics : sequence of str
        Names from `STREAMED`.
    window, hop : int, >= 1
        Samples in a frame of ``csdr`` and from one to the next; ``hop=None`` is ``window``.
    silence : {"museval", "per_source", "energy"}
        Which frames ``csdr`` leaves out; see `framewise_sdr`.
    eps : float, > 0
        As `usdr` has it.

    Returns
    -------
    dict of str to array (sources,), float64
        dB, as the functions of these names return; ``sa_sdr`` is one number, an array (). ``si_sdr`` of an
        estimate that is a scaled reference is rounding from about 150 dB.

    Raises
    ------
    ParameterError
        An unknown metric, a parameter out of range, or no sample.
    ShapeError
        References and estimates do not fit together, or blocks differ in sources or channels.
    ArrayTypeError, NumericalError
        Samples are not real, or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from sigsep_classic.metrics import streamed_scores
    >>> stems = np.random.default_rng(0).standard_normal((2, 1, 9000))
    >>> blocks = ((stems[..., t : t + 1000], 0.9 * stems[..., t : t + 1000]) for t in range(0, 9000, 1000))
    >>> streamed_scores(blocks, metrics=("snr", "csdr"), window=2000)["csdr"].round(6).tolist()
    [20.0, 20.0]
    """
    for name in metrics:
        check_choice("metric", name, STREAMED)
    hop = window if hop is None else hop
    check_count("window", window)
    check_count("hop", hop)
    check_choice("silence", silence, SILENCE)
    check_range("eps", eps, 0, above=True)
    sums, first, frames = None, (0, 0), _Frames(window, hop)
    for references, estimates in pairs:
        refs, ests = pair(references, estimates)
        require_alike(refs)
        block, kind = _sums(refs, ests), (len(refs), len(refs[0]))
        if sums is not None and kind != first:
            raise ShapeError(
                "a block has {} sources of {} channel(s), those before it {} of {}".format(*kind, *first)
            )
        sums, first = block if sums is None else sums + block, kind
        if "csdr" in metrics:
            frames.add(refs, ests)
    if sums is None:
        raise ParameterError("there is no block of samples; give at least one pair")
    require_finite(sums)
    ratios = _ratios(sums, eps)
    if "csdr" in metrics:
        ratios["csdr"] = median_of_frames(frames.sdr(silence))
    return {name: ratios[name] for name in metrics}


def _sums(refs: list[Array], ests: list[Array]) -> Array:
    """Return Σs², Σ(s − ŝ)², Σsŝ and Σŝ²: (4, sources), float64."""
    xp = namespace(refs[0])
    table = xp.zeros((4, len(refs)))
    for n, (ref, est) in enumerate(zip(refs, ests, strict=True)):
        for s, y in blocks(ref, est):
            s, y = s.ravel(), y.ravel()
            e = s - y
            table[:, n] += xp.stack([s @ s, e @ e, s @ y, y @ y])
    return table


def _ratios(sums: Array, eps: float) -> dict[str, Array]:
    reference, error, product, estimate = sums
    xp = namespace(sums)
    sounds = reference > 0
    alpha = product / xp.where(sounds, reference, 1.0)
    # ‖αs − ŝ‖²: good estimates lose no digits if it comes from the error, quiet ones if from the estimate.
    of_error, of_estimate = error - (alpha - 1) * (product - reference), estimate - alpha * product
    residual = xp.maximum(xp.where(abs(alpha) < 0.5, of_estimate, of_error), 0)
    si_sdr = xp.where(alpha == 0, -xp.inf, decibel(alpha**2 * reference, residual))
    per_source = {
        "snr": decibel(reference, error),
        "si_sdr": si_sdr,
        "sd_sdr": decibel(alpha**2 * reference, error),
    }
    ratios = {name: xp.where(sounds, value, float("nan")) for name, value in per_source.items()}
    ratios["sa_sdr"] = xp.where(sounds.any(), decibel(reference.sum(), error.sum()), float("nan"))
    ratios["usdr"] = decibel(reference + eps, error + eps)
    return ratios


class _Frames:
    """Sums over stretches, of which frames are made at the end."""

    def __init__(self, window: int, hop: int) -> None:
        self.window, self.hop = window, hop
        self._tail = window % hop  # frames end so far behind the start of another
        self._edges = (0, self._tail, hop) if self._tail else (0, hop)
        self._rest: list[tuple[Array, Array]] = []  # less than a hop
        self._tables: list[Array] = []  # (4, sources, stretches): Σs², Σ(s − ŝ)², and whether s, ŝ are silent
        self._hops = 0

    def add(self, refs: list[Array], ests: list[Array]) -> None:
        """Sum what fills hops and keep what is left over, copied: the block may be written over."""
        xp = namespace(refs[0])
        if self._rest:
            refs = [
                xp.concatenate([old, new], axis=-1) for (old, _), new in zip(self._rest, refs, strict=True)
            ]
            ests = [
                xp.concatenate([old, new], axis=-1) for (_, old), new in zip(self._rest, ests, strict=True)
            ]
        hops = refs[0].shape[-1] // self.hop
        full = hops * self.hop
        self._rest = [(s[:, full:].copy(), y[:, full:].copy()) for s, y in zip(refs, ests, strict=True)]
        if hops:
            self._hops += hops
            parts = []
            for start, stop in pairwise(self._edges):
                span = slice(start, full - self.hop + stop)
                images = [s[:, span] for s in refs], [y[:, span] for y in ests]
                parts.append(self._table(*images, stop - start))
            self._tables.append(xp.stack(parts, axis=-1).reshape(4, len(refs), -1))

    def _table(self, refs: list[Array], ests: list[Array], size: int) -> Array:
        """Return the sums over size samples of each hop, (4, sources, hops)."""
        tables = [frame_sums(s, y, size, self.hop) for s, y in zip(refs, ests, strict=True)]
        return namespace(refs[0]).stack(tables, axis=1)

    def sdr(self, silence: str) -> Array:
        """Return the SDR of each frame in dB (sources, frames); what does not fill the last is left out."""
        rest = self._rest[0][0].shape[-1]
        samples = self._hops * self.hop + rest
        left = rest if samples < self.window else self._tail  # a signal shorter than a frame is one
        if 0 < left <= rest:
            refs, ests = zip(*self._rest, strict=True)
            last = self._table([s[:, :left] for s in refs], [y[:, :left] for y in ests], left)
            self._tables.append(last[..., :1])
        xp = namespace(self._rest[0][0])
        table = xp.concatenate(self._tables, axis=-1)
        each = len(self._edges) - 1
        size = each * (self.window // self.hop) + (self._tail > 0)
        frames = []
        for t in range(n_frames(samples, self.window, self.hop)):
            part = table[..., each * t : each * t + size]
            frames.append(xp.concatenate([part[:2].sum(axis=-1), part[2:].min(axis=-1)]))
        return sdr_of_sums(xp.stack(frames, axis=-1), silence)
