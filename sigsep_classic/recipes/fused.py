"""`vocals`, `drums` and `four_stems`: what a fusion of cues makes of a song."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import Callback, coefficients, spectrogram, usual_stft
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.frontends import STFT
from sigsep_classic.recipes.cues import Song
from sigsep_classic.recipes.fusion import Weights, fitted, fuse
from sigsep_classic.typing import Array, FrontEnd, Grid

FITTED = "fitted"
"""The weights kept with the package."""


@dataclass(frozen=True, kw_only=True)
class Fusion:
    """Base of the recipes that add up the log-odds of cues: from samples, or coefficients of their own, to gains."""

    grid: Grid | None = None
    frontend: FrontEnd | None = None

    name: ClassVar[str]
    stems: ClassVar[tuple[str, ...]]

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return usual_stft(sample_rate)

    def gains(self, song: Song) -> Array:
        """Return the gains of all stems but the last, (stems - 1, freq, frames)."""
        raise NotImplementedError

    def fit_samples(
        self,
        x: Array,
        sample_rate: float,
        *,
        frontend: FrontEnd | None = None,
        callback: Callback | None = None,
    ) -> tuple[FrontEnd, MaskModel]:
        """Return the transform and the gains of the stems in x (channels, samples)."""
        frontend = self.default_frontend(sample_rate) if frontend is None else frontend
        song = Song(x=x, sample_rate=sample_rate, frontend=frontend)
        return frontend, MaskModel(
            masks=self.gains(song)[:, None], magnitude=spectrogram(song.X), names=self.stems
        )

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gains of the stems in X (channels, freq, frames), of whose signal other transforms are taken.

        Raises
        ------
        ParameterError
            ``frontend`` or ``grid`` is missing.
        """
        X = coefficients(X)
        if self.frontend is None or self.grid is None:
            raise ParameterError(
                f"{self.name} takes several transforms: give frontend= and grid=frontend.grid(sample_rate), or call "
                "separate()"
            )
        xp, frames = namespace(X), X.shape[-1]
        counted = getattr(self.frontend, "n_frames", int)  # a waveform has a frame a sample
        least = max(counted(1), frames)
        if least > frames:  # fewer than any signal has
            X = xp.concatenate([X, xp.zeros_like(X[..., :1]).repeat(least - frames, axis=-1)], axis=-1)
        samples = bisect_right(range(least * getattr(self.frontend, "step", 1) + 1), least, key=counted) - 1
        rate = self.grid.frame_rate * getattr(self.frontend, "step", 1)
        _, model = self.fit_samples(self.frontend.synthesize(X, samples), rate, frontend=self.frontend)
        return replace(model, masks=model.masks[..., :frames], magnitude=model.magnitude[..., :frames])


@dataclass(frozen=True, kw_only=True)
class OneStem(Fusion):
    """A `Fusion` of a stem and the rest."""

    weights: str | Weights | None = FITTED

    unfitted: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        if not (self.weights is None or isinstance(self.weights, str | Weights)) or (
            isinstance(self.weights, str) and self.weights != FITTED
        ):
            raise ParameterError(f"weights is {self.weights!r:.60}; give {FITTED!r}, None or a Weights")

    def chosen(self) -> Weights | None:
        """Return the weights in use; None for the mean of the cues."""
        return fitted(self.name) if isinstance(self.weights, str) else self.weights

    def cues(self, song: Song) -> Mapping[str, Array]:
        """Return the masks (freq, frames) that are added up, by name."""
        weights = self.chosen()
        return {name: song.cue(name) for name in (self.unfitted if weights is None else weights.cues)}

    def gains(self, song: Song) -> Array:
        """Return the gain of the stem, (1, freq, frames)."""
        return fuse(self.cues(song), self.chosen(), song.frequencies)[None]


@dataclass(frozen=True, kw_only=True)
class Vocals(OneStem):
    """The voice of a song and its accompaniment, by the best measured fusion of blind cues.

    A mask for all channels: ``sigmoid(b + sum over cues of a_i(f) log-odds(m_i) + p(f))``, with cues of
    `sigsep_classic.recipes.cues` and a prior of frequency p. Stems ``vocals`` and ``accompaniment``.

    Parameters
    ----------
    weights : "fitted", Weights or None
        The numbers kept with the package (`fitted`), one's own, or none: the arithmetic mean of three cues, for which
        nothing was fitted to anything. ``fitted("vocals_fast")`` leaves out the dearest cue, the voice of `SIMM`.
    grid : Grid or None
        Frames per second and bin distance of X; `separate` fills it in.
    frontend : FrontEnd or None
        The transform of X, for `fit`; `separate` fills it in.

    Raises
    ------
    ParameterError
        ``weights`` is none of these.

    References
    ----------
    The cues are those of D. Fitzgerald, "Vocal separation using nearest neighbours and median filtering", Proc. ISSC,
    2012 (medians in a long and in a short window); Z. Rafii and B. Pardo, "REpeating Pattern Extraction Technique
    (REPET): a simple method for music/voice separation", IEEE Trans. Audio, Speech, and Language Processing 21(1),
    2013; P.-S. Huang, S. D. Chen, P. Smaragdis and M. Hasegawa-Johnson, "Singing-voice separation from monaural
    recordings using robust principal component analysis", Proc. ICASSP, 2012. Adding them as log-odds with a prior is
    this project's; how each was chosen is in ``fitted("vocals").provenance``.

    Notes
    -----
    When to use: A finished song, in mono or stereo: the voice, or karaoke.
    Complexity: That of its cues: medians, similar frames, robust PCA and, the dearest by far, the voice of `simm`.
    Differences from the paper: The cues are their papers', the fusion by weighted log-odds with a prior is ours.

    A frequency prior alone, with no signal analysis, already gains: `benchmarks.recipes` prints its row beside the
    others. The numbers were fitted to songs made for it, with no record among them that has a singer: real speech of
    all frequencies that a vocoder sings, alone, doubled or in parts, compressed and with reverberation, 6 dB below to
    3 dB above music of MIDI and finished recordings (``benchmarks/songs.py``). The penalty on weights, the knots of the
    prior and the cues were chosen by songs left out of the fit, of which there are more of the kind; a real singer may
    be parted less well. Each channel of stereo counts; of mono the cue of the centre says nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from sigsep_classic import separate, synthesize
    >>> song = synthesize("song", seconds=4.0)
    >>> sep = separate(song.mixture, song.sample_rate, method="vocals")
    >>> list(sep)
    ['vocals', 'accompaniment']
    """

    name: ClassVar[str] = "vocals"
    stems: ClassVar[tuple[str, str]] = ("vocals", "accompaniment")
    unfitted: ClassVar[tuple[str, ...]] = ("steady", "unrepeated", "sparse")


@dataclass(frozen=True, kw_only=True)
class Drums(OneStem):
    """The drums of a song and the rest, by the best measured fusion of blind cues; see `Vocals` for how.

    Stems ``drums`` and ``rest``.

    Parameters
    ----------
    weights : "fitted", Weights or None
        As `Vocals` has it.
    grid : Grid or None
        Frames per second and bin distance of X; `separate` fills it in.
    frontend : FrontEnd or None
        The transform of X, for `fit`; `separate` fills it in.

    Raises
    ------
    ParameterError
        ``weights`` is none of these.

    References
    ----------
    D. Fitzgerald, "Harmonic/percussive separation using median filtering", Proc. DAFx, 2010: the cues of strokes. The
    others, and adding them as log-odds with a prior, are this project's; ``fitted("drums").provenance`` says to what
    the numbers were fitted.

    Notes
    -----
    When to use: A finished song: the drums, or the song without them.
    Complexity: That of its cues, as of `vocals`.
    Differences from the paper: The cues are their papers', the fusion is ours.

    Examples
    --------
    >>> from sigsep_classic import separate, synthesize
    >>> song = synthesize("song", seconds=4.0)
    >>> list(separate(song.mixture, song.sample_rate, method="drums"))
    ['drums', 'rest']
    """

    name: ClassVar[str] = "drums"
    stems: ClassVar[tuple[str, str]] = ("drums", "rest")
    unfitted: ClassVar[tuple[str, ...]] = ("struck", "struck_long", "struck_bands", "struck_repeated")


@dataclass(frozen=True, kw_only=True)
class Shares(Fusion):
    """A `Fusion` of several stems, each with weights of its own: a stem's share is its mask over the sum of all."""

    kept: ClassVar[tuple[str, ...]]

    def gains(self, song: Song) -> Array:
        """Return the gains of all stems but the last, (stems - 1, freq, frames)."""
        weights = [fitted(name) for name in self.kept]
        wanted = dict.fromkeys(name for each in weights for name in each.cues)
        cues = {name: song.cue(name) for name in wanted}
        masks = [fuse(cues, each, song.frequencies) for each in weights]
        total = sum(masks)
        return namespace(total).stack([mask / total for mask in masks[:-1]])


@dataclass(frozen=True, kw_only=True)
class FourStems(Shares):
    """Vocals, drums, bass and the other instruments of a song, by one fusion of blind cues a stem.

    Each stem has weights of its own, as `Vocals` has them; its share is its mask over the sum of the four.

    Parameters
    ----------
    grid : Grid or None
        Frames per second and bin distance of X; `separate` fills it in.
    frontend : FrontEnd or None
        The transform of X, for `fit`; `separate` fills it in.

    References
    ----------
    D. Fitzgerald, "Harmonic/percussive separation using median filtering", Proc. DAFx, 2010, and the papers of
    `Vocals`: the cues. ``fitted("bass").provenance`` says to what the numbers were fitted.

    Notes
    -----
    When to use: A song into the four stems of MUSDB18, where no neural model may be used; expect the most of vocals
    and drums.
    Complexity: That of its cues, as of `vocals`.
    Differences from the paper: The cues are their papers', the fusion is ours.

    Bass and other have no cue of their own, and live from the prior of frequency and from what the voice and the drums
    are not.

    Examples
    --------
    >>> from sigsep_classic import separate, synthesize
    >>> song = synthesize("song", seconds=4.0)
    >>> list(separate(song.mixture, song.sample_rate, method="four_stems"))
    ['vocals', 'drums', 'bass', 'other']
    """

    name: ClassVar[str] = "four_stems"
    stems: ClassVar[tuple[str, ...]] = ("vocals", "drums", "bass", "other")
    kept: ClassVar[tuple[str, ...]] = ("vocals_fast", "drums", "bass", "other")


@dataclass(frozen=True, kw_only=True)
class SpeechMusicEffects(Shares):
    """Speech, music and sound effects of a film's or a broadcast's mix, by one fusion of blind cues a stem.

    Parameters
    ----------
    grid : Grid or None
        Frames per second and bin distance of X; `separate` fills it in.
    frontend : FrontEnd or None
        The transform of X, for `fit`; `separate` fills it in.

    References
    ----------
    D. Petermann, G. Wichern, Z.-Q. Wang and J. Le Roux, "The cocktail fork problem: three-stem audio separation for
    real-world soundtracks", Proc. ICASSP, 2022: the task. The method is this project's, see `Vocals`.

    Notes
    -----
    When to use: The soundtrack of a film or a broadcast: dialogue up, music down.
    Complexity: That of its cues, as of `vocals`.
    Differences from the paper: The task is the paper's, which has neural models; the method is ours.

    Examples
    --------
    >>> from sigsep_classic import separate, synthesize
    >>> mix = synthesize("song", seconds=4.0)
    >>> list(separate(mix.mixture, mix.sample_rate, method="speech_music_effects"))
    ['speech', 'music', 'effects']
    """

    name: ClassVar[str] = "speech_music_effects"
    stems: ClassVar[tuple[str, ...]] = ("speech", "music", "effects")
    kept: ClassVar[tuple[str, ...]] = ("speech", "music", "effects")
