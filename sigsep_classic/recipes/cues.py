"""Cues: what tells a voice, or drums, from the rest of a song, each one a soft mask on a common grid.

A cue is a plain function of a `Song` that returns a mask (freq, frames) in [0, 1], one for all channels: high where it
takes the target to be. Alone each is a weak separator; `sigsep_classic.recipes.fusion` adds several up.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from sigsep_classic import masking
from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice
from sigsep_classic.factorizers.base import magnitudes, nearest_power_of_two
from sigsep_classic.factorizers.lowrank.rpca import RPCA
from sigsep_classic.factorizers.pitch.simm import SIMM
from sigsep_classic.factorizers.repetition.repet import REPET
from sigsep_classic.factorizers.repetition.repet_sim import REPETSIM
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.sliding_median import odd_length, sliding_median
from sigsep_classic.kernels.soft_mask import soft_mask
from sigsep_classic.recipes.fusion import log_odds
from sigsep_classic.typing import Array, FrontEnd, Grid

BANDS = (0.0, 150.0, 320.0, 1300.0, 4300.0)
"""Lower edges in Hz of the bands whose onsets `struck_bands` tells apart."""

AROUND = "_around"
"""What is put after the name of a cue for its mean nearby (`around`): a point belongs to what its neighbours do."""

_ATTACK_SECONDS = (0.046, 0.186)
_CENTRE_BOX, _AROUND_BOX = 3, 5


@dataclass(frozen=True, kw_only=True)
class Song:
    """A mixture on the grid its cues share.

    Parameters
    ----------
    x : array (channels, samples)
        float32 or float64.
    sample_rate : float
        In Hz.
    frontend : FrontEnd
        The transform of the masks.
    """

    x: Array
    sample_rate: float
    frontend: FrontEnd

    @cached_property
    def X(self) -> Array:
        """Coefficients (channels, freq, frames)."""
        return self.frontend.analyze(self.x)

    @cached_property
    def S(self) -> Array:
        """Root mean square over channels of |X|, (freq, frames)."""
        return magnitudes(self.X)

    @cached_property
    def grid(self) -> Grid:
        """Frames per second and bin distance."""
        return self.frontend.grid(self.sample_rate)

    @property
    def frequencies(self) -> np.ndarray:
        """Centres of the bins in Hz, (freq,)."""
        if self.grid.frequencies is not None:
            return np.asarray(self.grid.frequencies)
        return np.arange(self.X.shape[1]) * self.grid.bin_hz

    @cached_property
    def found(self) -> dict[str, Array]:
        """Cues that have been asked for, by name."""
        return {}

    def cue(self, name: str) -> Array:
        """Return the mask of a cue in `CUES`, found once; with `AROUND` after its name, its mean nearby.

        Raises
        ------
        ParameterError
            There is no such cue.
        """
        if name not in self.found:
            base = name.removesuffix(AROUND)
            check_choice("cue", base, list(CUES))
            self.found[name] = CUES[base](self) if base == name else around(self.cue(base), self.S)
        return self.found[name]

    def share(self, stem: Array) -> Array:
        """Return the share of a signal (channels, samples) in the power of it and of what it leaves of x."""
        E = self.frontend.analyze(stem)
        inside, outside = _power(E), _power(self.X - E)
        return _ratio(inside, inside + outside)


Cue = Callable[[Song], Array]


def steady(song: Song) -> Array:
    """Return where sound is not of long notes: the percussive part of medians in windows of 370 ms.

    In so long a window a voice, which never holds its pitch, is as spread over frequency as drums are.
    """
    return song.share(percussive(song, window=0.3715, seconds=0.9, hz=100.0))


def pitched(song: Song) -> Array:
    """Return where sound is not of strokes: the harmonic part of medians in windows of 23 ms."""
    return song.share(song.x - percussive(song, window=0.0232, seconds=0.1, hz=2000.0))


def centred(song: Song) -> Array:
    """Return where both channels are alike; 1/2, which says nothing, for any other number of channels.

    With M and D the powers of their sum and of their difference, each the mean of 3 x 3 cells, it is
    ``max(M - D, 0) / (M + D)``, its log-odds less their mean over the song, weighted by magnitude: where all is in the
    middle, being there says nothing.
    """
    xp = namespace(song.X)
    if len(song.X) != 2:
        return xp.full_like(song.S, 0.5)
    left, right = song.X
    level = _box((_power(left[None]) + _power(right[None])) / 2, _CENTRE_BOX)
    cross = _box((left * right.conj()).real, _CENTRE_BOX)
    odds = log_odds(xp.maximum(_ratio(cross, level), 0))
    total = float(song.S.sum())
    mean = float((odds * song.S).sum()) / total if total > 0 else 0.0
    return 1 / (1 + xp.exp(mean - odds))


def unrepeated(song: Song) -> Array:
    """Return what does not come again with the strongest period of the song (`REPET`)."""
    return 1 - REPET(cutoff=0.0, grid=song.grid).fit(song.S[None]).gain([0])[0]


def dissimilar(song: Song) -> Array:
    """Return what the frames most like each frame have not (`REPETSIM`)."""
    return 1 - REPETSIM(cutoff=0.0, distance=1.0, grid=song.grid).fit(song.S[None]).gain([0])[0]


def sparse(song: Song) -> Array:
    """Return what no few spectra add up to: the sparse part of robust principal components (`RPCA`)."""
    method = RPCA(power=1.0, cutoff=0.0, mask_power=2.0, n_iter=25, grid=song.grid)
    return method.fit(song.S[None]).gain([1])[0]


def sung(song: Song) -> Array:
    """Return the share of a voice of one pitch, of a source and of smooth filters, over what else there is (`SIMM`)."""
    voice, rest = SIMM(grid=song.grid).fit(song.X).reconstruct()[:, 0]
    return _ratio(voice, voice + rest).astype(song.S.dtype)


def struck(song: Song) -> Array:
    """Return the percussive gain of medians of 0.4 s and 300 Hz on the song's own grid."""
    return _struck(song.S, song.grid, 0.4, 300.0)


def struck_long(song: Song) -> Array:
    """Return the percussive part of medians of 0.6 s and 200 Hz in windows of 186 ms."""
    return song.share(percussive(song, window=0.1858, seconds=0.6, hz=200.0))


def struck_bands(song: Song) -> Array:
    """Return how much of a whole band is `struck` in each frame: what is in time with a stroke belongs to it."""
    xp = namespace(song.S)
    gain, power = struck(song), song.S**2
    edges = [int(np.searchsorted(song.frequencies, hz)) for hz in BANDS] + [len(gain)]
    result = xp.zeros_like(gain)
    for low, high in itertools.pairwise(edges):
        if high > low:
            total = power[low:high].sum(axis=0)
            result[low:high] = _ratio((power[low:high] * gain[low:high]).sum(axis=0), total)
    return result


def struck_repeated(song: Song) -> Array:
    """Return the part of the magnitude that is struck and comes again with the period of what is struck."""
    part = song.S * struck(song)
    again = REPET(cutoff=0.0, grid=song.grid).fit(part[None]).gain([0])[0]
    return _ratio(part * again, song.S)


def attack(song: Song) -> Array:
    """Return how far the magnitude is above its least in the 50 … 190 ms before, relative to itself."""
    xp, S = namespace(song.S), song.S
    first, last = (max(1, round(s * song.grid.frame_rate)) for s in _ATTACK_SECONDS)
    least = xp.zeros_like(S)
    if S.shape[1] > last:
        least[:, last:] = xp.stack([S[:, last - d : S.shape[1] - d] for d in range(first, last + 1)]).min(
            axis=0
        )
    return _ratio(xp.maximum(S - least, 0), S)


def percussive(song: Song, *, window: float, seconds: float, hz: float) -> Array:
    """Return the percussive part of a song (channels, samples) by medians in another window; one gain for all channels.

    Parameters
    ----------
    song : Song
        The mixture.
    window : float
        Length of the window in seconds; a power of two of samples is taken.
    seconds, hz : float
        Lengths of the medians along time and along frequency.
    """
    frontend = STFT(n_fft=nearest_power_of_two(window * song.sample_rate))
    X = frontend.analyze(song.x)
    gain = _struck(magnitudes(X), frontend.grid(song.sample_rate), seconds, hz)
    return frontend.synthesize(masking.apply(gain[None], X), song.x.shape[-1])


def _struck(S: Array, grid: Grid, seconds: float, hz: float) -> Array:
    held = sliding_median(S[None], max(3, odd_length(seconds * grid.frame_rate)), axis=-1)
    hit = sliding_median(S[None], max(3, odd_length(grid.span(hz) or 1)), axis=-2)
    return soft_mask(hit, held, power=2.0)[0]


def _power(X: Array) -> Array:
    """Return the sum over channels of |X|², (freq, frames)."""
    return (X.real**2 + X.imag**2).sum(axis=0)


def _ratio(a: Array, b: Array) -> Array:
    """Return a / b, 0 where b is 0."""
    xp = namespace(a)
    return xp.where(b > 0, a / xp.where(b > 0, b, 1), 0)


def around(mask: Array, S: Array) -> Array:
    """Return the mean of a mask over 5 x 5 cells, weighted by the power of the magnitudes S, both (freq, frames)."""
    power = S**2
    return _ratio(_box(mask * power, _AROUND_BOX), _box(power, _AROUND_BOX)).clip(0, 1)


def _box(A: Array, size: int) -> Array:
    """Return means over ``size`` x ``size`` cells, those over the edge being 0."""
    xp, reach = namespace(A), size // 2
    padded = xp.pad(A, reach)
    rows = sum(padded[i : i + A.shape[0]] for i in range(size))
    return sum(rows[:, i : i + A.shape[1]] for i in range(size)) / size**2


CUES: Mapping[str, Cue] = MappingProxyType(
    {
        cue.__name__: cue
        for cue in (
            steady,
            pitched,
            centred,
            unrepeated,
            dissimilar,
            sparse,
            sung,
            struck,
            struck_long,
            struck_bands,
            struck_repeated,
            attack,
        )
    }
)
"""Cues by name."""
