"""A leading voice as a source through filters, over an accompaniment of few spectra (Durrieu et al. 2010, 2011)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.base import (
    Callback,
    Iterative,
    check_start,
    coefficients,
    level_of,
    magnitudes,
    usual_stft,
)
from sigsep_classic.factorizers.pitch import voice_updates
from sigsep_classic.factorizers.pitch.axis import frequencies_of, pitch_candidates
from sigsep_classic.factorizers.pitch.glottal import glottal_spectra, smooth_bumps
from sigsep_classic.factorizers.pitch.salience import harmonic_salience
from sigsep_classic.factorizers.pitch.tracking import PitchTrack, known_track, path_of, refined
from sigsep_classic.factorizers.pitch.voice_model import VoiceModel, source_salience
from sigsep_classic.factorizers.pitch.voice_updates import FLOOR, Factors, Observed
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array, Grid

MELODY_HZ = 5000.0
"""Bins up to here take part in the search for the melody."""
HARMONIC_SUMS = 2.0
"""How many times the harmonic sums count beside the activations of the source in that search."""


@dataclass(frozen=True, kw_only=True)
class SIMM(Iterative[VoiceModel]):
    """Smoothed instantaneous mixture model: a voice that is a source through filters, over what is like an NMF.

    The power spectrogram V, the mean over channels, is V̂ = (W_F0 H_F0) ⊙ (W_Γ H_Γ H_Φ) + W_M H_M: the first factor
    is the glottal source, spectra W_F0 of all pitches (KLGLOTT88) with activations H_F0; the second the filters,
    smooth because they are sums H_Γ of broad bumps W_Γ, with activations H_Φ; the last the accompaniment. What falls
    is the Itakura-Saito divergence D(V + ε | V̂ + ε), ε 80 dB below the mean of V.

    `fit` does it twice, as the papers do. First without knowing the melody, on the bins up to 5 kHz; the melody is the
    best path through the activations of the source, with `pitch.salience` for a second opinion. Then from a new start
    on all bins, with sources that sound only next to the melody. The gains are Wiener's, the same for all channels.
    `iterate`, or `fit` with ``f0`` given, does it once.

    Parameters
    ----------
    n_iter : int
        Iterations of each time.
    tol : float
        Stop the second time when the loss falls by less than this share of itself in ten iterations.
    n_filters : int
        Number of filters (of vowels, so to speak).
    n_components : int
        Number of spectra of the accompaniment.
    n_bumps : int
        Number of bumps filters are made of.
    min_hz, max_hz : float
        Range of the pitch in Hz.
    per_semitone : int
        Sources a semitone.
    open_quotient : float
        Share of the period in which the glottis is open, more than 0 and at most 1.
    voicing : float
        How salient a pitch must be to be a voice, at least 0; 1 is what it is in loud frames, 0 never pauses.
    width_semitones : float
        How far from the melody a source may sound, more than 0.
    f0 : array (frames,) or None
        The melody in Hz at each frame, if known; 0 or NaN in pauses. See `pitch.tracking.at_frames`.
    seed : int
        Seed of the start.
    grid : Grid or None
        Frames per second and bins in Hz of X; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range, or ``grid`` is missing in `fit`.
    ShapeError
        In `fit`: ``f0`` has not as many frames as X.

    References
    ----------
    J.-L. Durrieu, G. Richard, B. David and C. Févotte, "Source/filter model for unsupervised main melody extraction
    from polyphonic audio signals", IEEE Trans. Audio, Speech, and Language Processing 18(3), 2010.

    J.-L. Durrieu, B. David and G. Richard, "A musically motivated mid-level representation for pitch estimation and
    musical audio source separation", IEEE J. Selected Topics in Signal Processing 5(6), 2011 (equation numbers not
    checked).

    Notes
    -----
    When to use: A singer over accompaniment, with patience: the best single model of a voice on the one real excerpt
    measured here.
    Complexity: An iteration is O(freq · frames · (pitches + filters + components)).

    Differences from the paper: bumps are spaced in equivalent rectangular bandwidths, not in Hz, which resolves
    formants (measured several decibels better); the melody also has harmonic sums to go by; H_Φ and H_M, and H_Γ
    and W_M, are updated from one look at the data. The accompaniment of the papers has gains for each of two channels;
    here it is the mean over channels. The papers' third run, with a flat source for consonants, is left out: it took
    drums for consonants (measured five decibels worse); they are accompaniment.

    Memory is that of four spectrograms and of frames × sources.
    """

    n_iter: int = 80
    n_filters: int = 10
    n_components: int = 40
    n_bumps: int = 40
    min_hz: float = 80.0
    max_hz: float = 800.0
    per_semitone: int = 8
    open_quotient: float = 0.25
    voicing: float = 0.5
    width_semitones: float = 0.5
    f0: Any = None
    seed: int = 0
    grid: Grid | None = None

    name: ClassVar[str] = "simm"

    def __post_init__(self) -> None:
        for name in ("n_iter", "n_filters", "n_components", "n_bumps", "per_semitone"):
            check_count(name, getattr(self, name))
        check_count("seed", self.seed, 0)
        check_range("tol", self.tol, 0)
        check_range("min_hz", self.min_hz, 0, above=True)
        check_range("max_hz", self.max_hz, self.min_hz, above=True)
        check_range("open_quotient", self.open_quotient, 0, 1, above=True)
        check_range("voicing", self.voicing, 0)
        check_range("width_semitones", self.width_semitones, 0, above=True)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return usual_stft(sample_rate)

    def fit(
        self, X: Array, *, start: VoiceModel | None = None, callback: Callback | None = None
    ) -> VoiceModel:
        """Return the model of X (channels, freq, frames), with its melody; see `Iterative.fit`.

        ``callback`` and ``losses`` are of the second time, after the melody.
        """
        if self.f0 is not None or start is not None:
            return super().fit(X, start=start, callback=callback)
        track = self.melody(coefficients(X))
        return replace(self, f0=track.f0).fit(X, callback=callback)

    def melody(self, X: Array) -> PitchTrack:
        """Return the pitch of the leading voice in X (channels, freq, frames)."""
        grid = self._grid()
        n_freq = grid.bins_up_to(MELODY_HZ, X.shape[1])
        hertz = frequencies_of(grid, X.shape[1])
        low = grid if grid.frequencies is None else replace(grid, frequencies=grid.frequencies[:n_freq])
        first = replace(self, grid=low, f0=None)
        data = first.prepare(X[:, : max(n_freq, 1)])
        if len(data.pitches) == 0:
            return known_track(np.zeros(X.shape[2]), X.shape[2])
        model = first.init(data)
        for _ in range(self.n_iter):
            model = first.step(data, model)
        sung = source_salience(model, self.per_semitone)
        heard = to_host(harmonic_salience(magnitudes(X), data.pitches, hertz)).astype(float)
        S = (sung + HARMONIC_SUMS * heard) / (1 + HARMONIC_SUMS)
        S /= max(float(np.percentile(S.max(axis=0), 95)), 1e-9)
        return refined(path_of(S, grid.frame_rate, self.per_semitone, self.voicing), S, data.pitches)

    def prepare(self, X: Array) -> Observed:
        """Return the powers of X (channels, freq, frames), of mean one, and the dictionaries."""
        V = magnitudes(X)
        xp, hertz = namespace(V), frequencies_of(self._grid(), len(V))
        pitches = pitch_candidates(self.min_hz, self.max_hz, self.per_semitone, hertz)
        W_F0 = glottal_spectra(pitches, hertz, open_quotient=self.open_quotient)
        W_F0 = W_F0 if len(W_F0) else np.zeros((len(V), 0))
        top = float(V.max())
        V = (V / top) ** 2 if top > 0 else V
        mean = level_of(V)
        powers = xp.ascontiguousarray(V.T) / V.dtype.type(mean if mean > 0 else 1)
        powers += V.dtype.type(FLOOR)
        W_F0, W_G = (xp.asarray(W, dtype=V.dtype) for W in (W_F0, smooth_bumps(hertz, self.n_bumps)))
        return Observed(V=powers, W_F0=W_F0, W_G=W_G, pitches=pitches, level=mean * top * top)

    def init(self, X: Observed) -> VoiceModel:
        """Return a random start, its sources next to the melody where that is known."""
        xp, rng, like = namespace(X.V), np.random.default_rng(self.seed), X.V.dtype
        n_frames, n_freq = X.V.shape

        def draw(*shape: int) -> Array:
            return xp.asarray(rng.random(shape) + 0.1, dtype=like)

        H_F0 = draw(n_frames, X.W_F0.shape[1])
        f0 = None
        if self.f0 is not None:
            f0 = known_track(self.f0, n_frames).f0
            H_F0 *= xp.asarray(self._near(f0, X.pitches), dtype=like)
        mean = like.type(float(X.V.mean())) if float(X.V.max()) > 2 * FLOOR else 0.0
        start = VoiceModel(
            dictionary=replace(X, V=X.V[:0]),
            H_F0=H_F0 * like.type(mean / max(X.W_F0.shape[1], 1) ** 0.5),
            H_P=draw(n_frames, self.n_filters),
            H_M=draw(n_frames, self.n_components) * like.type(mean / self.n_components),
            H_G=draw(X.W_G.shape[1], self.n_filters),
            W_M=draw(n_freq, self.n_components),
            S=X.V,
            level=X.level,
            f0=f0,
        )
        S = voice_updates.source(X, start.H_F0)
        return self._with(start, voice_updates.balanced(replace(start.factors, S=S)))

    def step(self, X: Observed, model: VoiceModel) -> VoiceModel:
        """Return the model after a multiplicative update of each factor, of the form A ← A [∇⁻ / ∇⁺]."""
        return self._with(model, voice_updates.updated(X, model.factors))

    def loss(self, X: Observed, model: VoiceModel) -> float:
        """Return the Itakura-Saito divergence of the powers from the model."""
        return voice_updates.divergence(X, model.factors)

    def adopt(self, X: Observed, start: VoiceModel) -> VoiceModel:
        """Return a copy of a model of as many frames and bins."""
        check_start(start, ("H_F0", "H_P", "H_M", "H_G", "W_M", "S"), "a model SIMM found")
        if start.S.shape != X.V.shape or start.H_F0.shape[1] != X.W_F0.shape[1]:
            raise ShapeError(
                f"start has {start.S.shape[1]} bins, {start.S.shape[0]} frames and {start.H_F0.shape[1]} sources, "
                f"X {X.V.shape[1]}, {X.V.shape[0]} and {X.W_F0.shape[1]}; give a model of the same kind"
            )
        return self.copy(start)

    @staticmethod
    def _with(model: VoiceModel, factors: Factors) -> VoiceModel:
        return replace(model, **vars(factors))

    def _near(self, f0: np.ndarray, pitches: np.ndarray) -> np.ndarray:
        """Return which sources may sound in each frame, (frames, candidates)."""
        away = 12 * np.log2(pitches / np.where(np.isnan(f0), 1, f0)[:, None])
        return (abs(away) <= self.width_semitones) & ~np.isnan(f0)[:, None]

    def _grid(self) -> Grid:
        if self.grid is None:
            raise ParameterError(
                "SIMM has pitches in Hz; give grid=frontend.grid(sample_rate), or call separate()"
            )
        return self.grid
