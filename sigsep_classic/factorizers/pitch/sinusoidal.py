"""Sustained harmonic sounds by sinusoidal modelling: partials, grouped by how they move and by harmony."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import Callback, magnitudes, spectrogram, usual_stft
from sigsep_classic.factorizers.models import MaskModel, source_names
from sigsep_classic.factorizers.pitch.axis import LOBE, frequencies_of, spacing_of
from sigsep_classic.factorizers.pitch.concordance import Sound, group
from sigsep_classic.factorizers.pitch.glottal import hann_lobe
from sigsep_classic.factorizers.pitch.partials import Partial, peaks, trajectories
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array, Grid

STEP_HZ = 4.0
"""What a partial may move from frame to frame besides ``step_cents``: the uncertainty of a peak."""
SHARED_HZ = 12.0
"""A partial nearer than this to a harmonic of another sound is one peak of both: no window here parts them."""


@dataclass(frozen=True, kw_only=True)
class Sinusoidal:
    """Two or three sustained harmonic sounds, and what is no partial of theirs.

    Peaks of the spectra are joined to trajectories. How much two of them have in common is measured by their
    movements in frequency and in amplitude, and by how near the ratio of their frequencies is to one of small whole
    numbers; what has most in common is one sound (`pitch.concordance`). A partial that two sounds claim has in each the
    amplitude their neighbouring harmonics suggest. Each sound's gain is the share of its partials' main lobes,
    squared, in those of all sounds and what they leave of V; one gain serves all channels.

    Parameters
    ----------
    n_sources : int
        How many sounds, at least 1. Where fewer are found the last are silent.
    min_seconds : float
        Length of the shortest partial that counts, more than 0.
    step_cents : float
        How far a partial may move from frame to frame, more than 0: vibrato.
    highest_hz : float
        Above this frequency all is residual.
    grid : Grid or None
        Frames per second and bins in Hz of X; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range, or ``grid`` is missing in `fit`.

    References
    ----------
    T. Virtanen and A. Klapuri, "Separation of harmonic sound sources using sinusoidal modeling", Proc. ICASSP, 2000
    (equation numbers not checked).

    Notes
    -----
    When to use: Two or three sustained notes at once, such as two woodwinds; not for voices over a band.
    Complexity: O(frames · peaks), and the distances of all pairs of trajectories.
    Differences from the paper: The paper synthesises sinusoids; here they are gains on the mixture, which keep its
    phases.

    For notes that last: what two sounds that follow one another have in common is not asked. Sources are in
    the order of their pitches (``extra["f0"]``, in Hz, 0 where none was found); the last stem is ``residual``.
    Peaks are picked from the root mean square of the channels, on the host.
    """

    n_sources: int = 2
    min_seconds: float = 0.15
    step_cents: float = 50.0
    highest_hz: float = 10000.0
    grid: Grid | None = None

    name: ClassVar[str] = "sinusoidal"

    def __post_init__(self) -> None:
        check_count("n_sources", self.n_sources)
        check_range("min_seconds", self.min_seconds, 0, above=True)
        check_range("step_cents", self.step_cents, 0, above=True)
        check_range("highest_hz", self.highest_hz, 0, above=True)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return usual_stft(sample_rate)

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gains of the sounds and of the residual in X (channels, freq, frames)."""
        if self.grid is None:
            raise ParameterError(
                "Sinusoidal has times in seconds; give grid=frontend.grid(sample_rate), or call separate()"
            )
        V = to_host(magnitudes(X)).astype(float)
        top = V.max()
        partials, sounds = self.sounds(V / top if top > 0 else V, self.grid)
        S = np.zeros((self.n_sources, *V.shape))
        hertz = frequencies_of(self.grid, len(V))
        for n in range(len(sounds)):
            for partial in claimed(partials, sounds, n):
                _paint(S[n], partial, hertz)
        S *= top
        rest = np.maximum(V - S.sum(axis=0), 0)
        total = (S**2).sum(axis=0) + rest**2
        masks = S**2 / np.where(total > 0, total, 1)
        xp, magnitude = namespace(X), spectrogram(X)
        f0 = np.array([sound.f0 for sound in sounds] + [0.0] * (self.n_sources - len(sounds)))
        return MaskModel(
            masks=xp.asarray(masks[:, None], dtype=magnitude.dtype),
            magnitude=magnitude,
            names=(*source_names(self.n_sources), "residual"),
            extra={"f0": xp.asarray(f0, dtype=magnitude.dtype)},
        )

    def sounds(self, V: np.ndarray, grid: Grid) -> tuple[list[Partial], list[Sound]]:
        """Return the partials of V (freq, frames), at most 1, and the sounds they make, the lowest first."""
        hertz = frequencies_of(grid, len(V))
        if len(hertz) < 3:
            return [], []
        within = int((hertz <= self.highest_hz).sum())
        partials = trajectories(
            peaks(V[:within], hertz[:within]),
            step_cents=self.step_cents,
            step_hz=STEP_HZ,
            min_frames=max(2, round(self.min_seconds * grid.frame_rate)),
        )
        return partials, group(partials, self.n_sources)


def claimed(partials: list[Partial], sounds: list[Sound], n: int) -> list[Partial]:
    """Return the partials of sound n; those that another sound claims too with the level its harmonics suggest.

    The level of a harmonic two sounds share is, for each, drawn in a straight line over the logarithms of those of
    its nearest harmonics that it has for itself, and the two are brought to the level that is heard.
    """
    alone = [_alone(partials, sounds, sound) for sound in sounds]
    return [
        _with_share(partials, sounds, alone, n, k)
        for other in sounds
        for k in _harmonics_in(partials, other, sounds[n])
    ]


def _harmonics_in(partials: list[Partial], owner: Sound, sound: Sound) -> list[int]:
    """Return the owner's partials that are harmonics of a sound."""
    return [k for k in owner.members if owner is sound or _near(partials[k].mean_hertz, sound, 1)]


def _near(f: float, sound: Sound, least: int) -> bool:
    """Say whether a frequency is that of a harmonic of a sound, from one of its orders on."""
    order = round(f / sound.f0)
    return order >= least and abs(f - max(order, 1) * sound.f0) < SHARED_HZ


def _with_share(
    partials: list[Partial], sounds: list[Sound], alone: list[dict[int, Partial]], n: int, k: int
) -> Partial:
    partial = partials[k]
    wishes = []
    for sound, harmonics in zip(sounds, alone, strict=True):
        if not (_near(partial.mean_hertz, sound, 1) or k in sound.members):
            continue
        order = max(round(partial.mean_hertz / sound.f0), 1)
        wishes.append((sound is sounds[n], _suggested(harmonics, partial, order)))
    if len(wishes) < 2:
        return partial
    total = np.sqrt(sum(level**2 for _, level in wishes))
    own = next(level for mine, level in wishes if mine)
    share = own / np.where(total > 0, total, 1)
    return Partial(start=partial.start, hertz=partial.hertz, level=partial.level * share)


def _alone(partials: list[Partial], sounds: list[Sound], sound: Sound) -> dict[int, Partial]:
    """Return the harmonics of a sound, by their orders, that no other sound shares."""
    others = [other for other in sounds if other is not sound]
    return {
        order: partials[k]
        for k, order in zip(sound.members, sound.orders, strict=True)
        if not any(_near(partials[k].mean_hertz, other, 0) for other in others)
    }


def _suggested(alone: dict[int, Partial], partial: Partial, order: int) -> np.ndarray:
    """Return the level of a harmonic that the sound's own neighbouring ones suggest, in the frames of a partial."""
    length = len(partial.hertz)
    below = [h for h in alone if h < order]
    above = [h for h in alone if h > order]
    near = ([max(below)] if below else []) + ([min(above)] if above else [])
    if not near:
        return np.full(length, 1e-3 * partial.level.max())
    logs = [np.log(np.maximum(_level_at(alone[h], partial.start, length), 1e-12)) for h in near]
    if len(near) == 1:
        return np.exp(logs[0])
    weight = (order - near[0]) / (near[1] - near[0])
    return np.exp((1 - weight) * logs[0] + weight * logs[1])


def _level_at(partial: Partial, start: int, length: int) -> np.ndarray:
    frames = np.arange(start, start + length) - partial.start
    inside = (frames >= 0) & (frames < len(partial.level))
    return np.where(inside, partial.level[np.clip(frames, 0, len(partial.level) - 1)], 0.0)


def _paint(S: np.ndarray, partial: Partial, hertz: np.ndarray) -> None:
    """Add the main lobe of a partial to magnitudes S (freq, frames), in place."""
    spacing = spacing_of(hertz)
    frames = np.arange(partial.start, partial.stop)
    centre = np.searchsorted(hertz, partial.hertz)
    for offset in range(-3, 4):
        at = centre + offset
        inside = (at >= 0) & (at < len(hertz))
        f = np.clip(at, 0, len(hertz) - 1)
        away = (hertz[f] - partial.hertz) / spacing[f]
        heard = inside & (abs(away) < LOBE)
        lobe = np.sqrt(hann_lobe(away[heard])) * partial.level[heard]
        np.add.at(S, (f[heard], frames[heard]), lobe)
