"""All metrics without filters in one pass over blocks of samples: memory does not depend on the length.

Sums of squares are kept for the whole signal, and for frames those of the stretches whose length divides window
and hop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import gcd

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
    sums, frames = None, _Frames(window, hop)
    for references, estimates in pairs:
        refs, ests = pair(references, estimates)
        require_alike(refs)
        block = _sums(refs, ests)
        if sums is not None and block.shape != sums.shape:
            raise ShapeError(f"a block has {len(refs)} sources, those before it {sums.shape[1]}")
        sums = block if sums is None else sums + block
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
    """Return Σs², Σ(s − ŝ)² and Σs(ŝ − s): (3, sources), float64."""
    xp = namespace(refs[0])
    table = xp.zeros((3, len(refs)))
    for n, (ref, est) in enumerate(zip(refs, ests, strict=True)):
        for s, y in blocks(ref, est):
            s, e = s.ravel(), (y - s).ravel()
            table[:, n] += xp.stack([s @ s, e @ e, s @ e])
    return table


def _ratios(sums: Array, eps: float) -> dict[str, Array]:
    reference, error, product = sums
    xp = namespace(sums)
    sounds = reference > 0
    share = product / xp.where(sounds, reference, 1.0)  # α − 1
    alpha = 1 + share
    # ‖αs − ŝ‖² from the error, not from the estimate: good estimates lose no digits.
    residual = xp.maximum(error - share * product, 0)
    alpha = xp.where(abs(alpha) < 1e-15, 0.0, alpha)
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
        self.window, self.hop, self.stretch = window, hop, gcd(window, hop)
        self._rest: list[tuple[Array, Array]] = []
        self._tables: list[Array] = []  # (4, sources, stretches): Σs², Σ(s − ŝ)², and whether s, ŝ are silent

    def add(self, refs: list[Array], ests: list[Array]) -> None:
        """Sum what fills stretches and keep what is left over, copied: the block may be written over."""
        xp = namespace(refs[0])
        if self._rest:
            refs = [
                xp.concatenate([old, new], axis=-1) for (old, _), new in zip(self._rest, refs, strict=True)
            ]
            ests = [
                xp.concatenate([old, new], axis=-1) for (_, old), new in zip(self._rest, ests, strict=True)
            ]
        full = refs[0].shape[-1] // self.stretch * self.stretch
        self._rest = [(s[:, full:].copy(), y[:, full:].copy()) for s, y in zip(refs, ests, strict=True)]
        if full:
            self._append([s[:, :full] for s in refs], [y[:, :full] for y in ests])

    def _append(self, refs: list[Array], ests: list[Array]) -> None:
        size = min(self.stretch, refs[0].shape[-1])
        tables = [frame_sums(s, y, size, size) for s, y in zip(refs, ests, strict=True)]
        self._tables.append(namespace(refs[0]).stack(tables, axis=1))

    def sdr(self, silence: str) -> Array:
        """Return the SDR of each frame in dB (sources, frames); what does not fill the last is left out."""
        rest = self._rest[0][0].shape[-1]
        samples = sum(table.shape[-1] for table in self._tables) * self.stretch + rest
        if rest and samples < self.window:  # one short frame
            self._append([s for s, _ in self._rest], [y for _, y in self._rest])
        xp = namespace(self._rest[0][0])
        table = xp.concatenate(self._tables, axis=-1)
        frames = []
        for t in range(n_frames(samples, self.window, self.hop)):
            first = t * self.hop // self.stretch
            part = table[..., first : first + self.window // self.stretch]
            frames.append(xp.concatenate([part[:2].sum(axis=-1), part[2:].min(axis=-1)]))
        return sdr_of_sums(xp.stack(frames, axis=-1), silence)
