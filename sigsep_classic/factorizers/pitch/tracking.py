"""The pitch of the leading voice in a mixture, frame by frame: salience, then the best path through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sigsep_classic.backend import to_host
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.pitch.axis import frequencies_of, pitch_candidates
from sigsep_classic.factorizers.pitch.paths import best_path
from sigsep_classic.factorizers.pitch.salience import harmonic_salience
from sigsep_classic.typing import Array, Grid

PER_SEMITONE = 5.0
SEMITONE_SECONDS, JUMP_SECONDS, TOGGLE_SECONDS = 0.0023, 0.023, 0.023
"""Costs in seconds of full salience: of moving by a semitone, of any jump at most, of beginning or ending a pause."""


@dataclass(frozen=True, kw_only=True)
class PitchTrack:
    """The pitch of one voice over time, on the host.

    Parameters
    ----------
    f0 : ndarray (frames,)
        In Hz, float64; NaN where the voice pauses.
    salience : ndarray (frames,)
        Of that pitch, 1 in frames where the leading voice is loud, 0 in pauses.
    """

    f0: np.ndarray
    salience: np.ndarray


def track_pitch(
    V: Array, grid: Grid, *, min_hz: float = 80.0, max_hz: float = 800.0, voicing: float = 0.65
) -> PitchTrack:
    """Return the pitch of the leading voice of a mixture.

    All pitches of a grid of 20 cents compete in each frame, by the sum of their harmonics; the track is the path of
    the largest sum of saliences less the costs of moves. A pause counts ``voicing`` a frame. The pitch is refined
    between the candidates by a parabola.

    Parameters
    ----------
    V : array (freq, frames)
        Magnitudes of the mixture, float32 or float64. The salience is computed where V is, the path on the host.
    grid : Grid
        Of the front-end.
    min_hz, max_hz : float
        Range of the pitch in Hz.
    voicing : float
        How salient a pitch must be, relative to loud frames, not to be a pause; 0 never pauses.

    References
    ----------
    J. Salamon and E. Gómez, "Melody extraction from polyphonic music signals using pitch contour characteristics",
    IEEE Trans. Audio, Speech, and Language Processing 20(6), 2012: harmonic summation. The kernel with negative
    gaps is after A. Camacho and J. G. Harris, "A sawtooth waveform inspired pitch estimator for speech and music",
    J. Acoust. Soc. Am. 124(3), 2008. The path is ours (equation numbers not checked).
    """
    hertz = frequencies_of(grid, V.shape[0])
    pitches = pitch_candidates(min_hz, max_hz, PER_SEMITONE, hertz)
    S = to_host(harmonic_salience(V, pitches, hertz)).astype(float)
    path = path_of(S, grid.frame_rate, PER_SEMITONE, voicing)
    return refined(path, S, pitches)


def path_of(S: np.ndarray, frame_rate: float, per_semitone: float, voicing: float) -> np.ndarray:
    """Return the best path through saliences S (candidates, frames) near 1, (frames,) int; -1 in pauses."""
    cost = {
        "step": SEMITONE_SECONDS * frame_rate / per_semitone,
        "jump": JUMP_SECONDS * frame_rate,
        "toggle": TOGGLE_SECONDS * frame_rate,
    }
    path = best_path(S, silent=voicing, **cost)
    if S.size:
        path[S.max(axis=0) <= 0] = -1  # nothing is heard there
    return path


def refined(path: np.ndarray, S: np.ndarray, pitches: np.ndarray) -> PitchTrack:
    """Return the pitches of a path, read off the parabola through each salience and its two neighbours."""
    n_frames = S.shape[1]
    if len(pitches) == 0:
        return PitchTrack(f0=np.full(n_frames, np.nan), salience=np.zeros(n_frames))
    at, frames = np.maximum(path, 0), np.arange(n_frames)
    left, here = S[np.maximum(at - 1, 0), frames], S[at, frames]
    right = S[np.minimum(at + 1, len(S) - 1), frames]
    bend = left - 2 * here + right
    inside = (at > 0) & (at < len(S) - 1) & (bend < 0)
    shift = np.where(inside, 0.5 * (left - right) / np.where(inside, bend, 1), 0).clip(-0.5, 0.5)
    ratio = pitches[1] / pitches[0] if len(pitches) > 1 else 1.0
    voiced = path >= 0
    return PitchTrack(
        f0=np.where(voiced, pitches[at] * ratio**shift, np.nan), salience=np.where(voiced, here, 0.0)
    )


def pyin_track(
    x: Array, sample_rate: float, grid: Grid, n_frames: int, *, min_hz: float = 80.0, max_hz: float = 800.0
) -> PitchTrack:
    """Return the pitch of a voice that is (nearly) alone, by librosa's probabilistic YIN.

    Parameters
    ----------
    x : array (samples,)
        One channel.
    sample_rate : float
        In Hz.
    grid : Grid
        Of the front-end; frames are centred on multiples of its hop.
    n_frames : int
        How many frames are wanted.
    min_hz, max_hz : float
        Range of the pitch in Hz.

    References
    ----------
    M. Mauch and S. Dixon, "pYIN: a fundamental frequency estimator using probabilistic threshold distributions",
    Proc. ICASSP, 2014.
    """
    import librosa

    hop = max(1, round(sample_rate / grid.frame_rate))
    length = 16
    while length < 4 * sample_rate / min_hz:
        length *= 2
    samples = np.pad(to_host(x).astype(float), (0, max(0, length - x.shape[0])))
    f0, voiced, sure = librosa.pyin(
        samples, fmin=min_hz, fmax=max_hz, sr=sample_rate, frame_length=length, hop_length=hop
    )
    f0 = np.where(voiced, f0, np.nan)[:n_frames]
    missing = (0, n_frames - len(f0))
    f0 = np.pad(f0, missing, constant_values=np.nan)
    sure = np.pad(sure[:n_frames], missing)
    return PitchTrack(f0=f0, salience=np.where(np.isnan(f0), 0.0, sure))


def known_track(f0: Any, n_frames: int) -> PitchTrack:
    """Return the track of pitches somebody knows, one a frame; 0 and NaN are pauses.

    Raises
    ------
    ShapeError
        There is not one for each frame.
    ParameterError
        One is negative or infinite.
    """
    given = to_host(f0).astype(float)
    if given.shape != (n_frames,):
        raise ShapeError(f"f0 has shape {given.shape}, X has {n_frames} frames; see pitch.tracking.at_frames")
    if (given < 0).any() or np.isinf(given).any():
        raise ParameterError(
            "f0 has negative or infinite values; give Hz, and NaN or 0 where there is no pitch"
        )
    voiced = np.nan_to_num(given) > 0
    return PitchTrack(f0=np.where(voiced, given, np.nan), salience=voiced.astype(float))


def at_frames(times: Any, f0: Any, grid: Grid, n_frames: int) -> np.ndarray:
    """Return the pitches of another tracker, or a score, at the frames of a front-end, (frames,); NaN in pauses.

    Parameters
    ----------
    times : array (points,)
        In seconds, rising.
    f0 : array (points,)
        In Hz; NaN, 0 and below are pauses (some trackers write what is no voice as a negative pitch).
    grid : Grid
        Of the front-end.
    n_frames : int
        How many frames it has.

    Examples
    --------
    >>> at_frames([0.0, 0.1], [200.0, 0.0], Grid(frame_rate=20, bin_hz=10), 3)
    array([200., 200.,  nan])
    """
    times, given = np.asarray(times, float), np.asarray(f0, float)
    if times.ndim != 1 or times.shape != given.shape or len(times) == 0:
        raise ShapeError(f"times has shape {times.shape}, f0 {given.shape}; give one pitch a time")
    wanted = np.arange(n_frames) / grid.frame_rate
    after = np.clip(np.searchsorted(times, wanted), 1, max(len(times) - 1, 1))
    after = np.minimum(after, len(times) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(wanted - times[before] <= times[after] - wanted, before, after)
    return np.where(np.nan_to_num(given[nearest]) > 0, given[nearest], np.nan)
