"""The leading voice by its melody: what lies on the harmonics of one pitch, and everything else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import Callback, magnitudes, spectrogram, usual_stft
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.factorizers.pitch.comb import harmonic_comb, level_between
from sigsep_classic.factorizers.pitch.tracking import PitchTrack, known_track, pyin_track, track_pitch
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array, FrontEnd, Grid

NAMES = ("vocals", "accompaniment")
TRACKERS = ("salience", "pyin")


@dataclass(frozen=True, kw_only=True)
class Melody:
    """A leading voice, by a comb of gains on the harmonics of its pitch.

    The pitch f0 of the leading voice is followed through the mixture (`pitch.tracking.track_pitch`), or given. In
    a frame of pitch f0 the gain of the voice is c V / (V + B): c the comb that is 1 on the harmonics and 0 from
    ``width_hz + width_cents`` off them (`pitch.comb.harmonic_comb`), V the root mean square of the channels'
    magnitudes, and B their level halfway between the harmonics. The last factor is how sure it is that what lies on a
    harmonic is the voice's: in a noise it is 1/2, where the voice is alone it is 1. One gain serves all channels.

    Parameters
    ----------
    f0 : array (frames,) or None
        Pitch in Hz at each frame, 0 or NaN in pauses, in place of tracking: a score or another tracker's, brought to
        the frames by `pitch.tracking.at_frames`.
    tracker : {"salience", "pyin"}
        How f0 is found otherwise: by `track_pitch`, or by librosa's pYIN on the mean of the channels, for a voice
        that is nearly alone. pYIN wants the front-end, which `separate` fills in.
    min_hz, max_hz : float
        Range of the pitch in Hz.
    voicing : float
        How salient a pitch must be to be a voice, at least 0: 1 is what it is in loud frames; 0 never pauses.
    width_hz, width_cents : float
        Reach of a tooth of the comb to each side, the sum of both.
    highest_hz : float
        Above this frequency all is accompaniment, greater than 0.
    grid : Grid or None
        Frames per second and bins in Hz of X; `separate` fills it in.
    frontend : FrontEnd or None
        Of X; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range, or ``grid`` is missing in `fit`.
    ShapeError
        In `fit`: ``f0`` has not as many frames as X.

    References
    ----------
    J. Salamon and E. Gómez, "Melody extraction from polyphonic music signals using pitch contour characteristics",
    IEEE Trans. Audio, Speech, and Language Processing 20(6), 2012: the salience. The gains are ours.

    Notes
    -----
    When to use: A leading voice or instrument over accompaniment, above all where its pitch is known (``f0=``).
    Complexity: Linear in frames; the salience takes harmonics · pitches a frame.
    Differences from the paper: The salience is the paper's; contours and their selection are replaced by the best
    path through the salience, and the gains are ours.

    Consonants and breath are accompaniment. The model's ``extra["f0"]`` is the pitch of each frame in Hz, NaN in
    pauses, and ``extra["salience"]`` how salient it was.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.zeros((1, 100, 3))
    >>> V[0, 20::20] = 1                   # harmonics of 200 Hz
    >>> V[0, 33] = 1                       # and something else
    >>> model = Melody(f0=np.array([200.0, 200.0, 0.0]), grid=Grid(frame_rate=43, bin_hz=10)).fit(V)
    >>> np.round(model.gain([0])[0, [40, 33]])
    array([[1., 1., 0.],
           [0., 0., 0.]])
    """

    f0: Any = None
    tracker: str = "salience"
    min_hz: float = 80.0
    max_hz: float = 800.0
    voicing: float = 0.65
    width_hz: float = 30.0
    width_cents: float = 10.0
    highest_hz: float = 8000.0
    grid: Grid | None = None
    frontend: FrontEnd | None = field(default=None, repr=False)

    name: ClassVar[str] = "melody"

    def __post_init__(self) -> None:
        check_choice("tracker", self.tracker, TRACKERS)
        check_range("min_hz", self.min_hz, 0, above=True)
        check_range("max_hz", self.max_hz, self.min_hz, above=True)
        check_range("voicing", self.voicing, 0)
        check_range("width_hz", self.width_hz, 0, above=True)
        check_range("width_cents", self.width_cents, 0)
        check_range("highest_hz", self.highest_hz, 0, above=True)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return usual_stft(sample_rate)

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gains of the voice and of everything else in X (channels, freq, frames)."""
        if self.grid is None:
            raise ParameterError(
                "Melody has pitches in Hz; give grid=frontend.grid(sample_rate), or call separate()"
            )
        V = magnitudes(X)
        xp = namespace(V)
        track = self.track(X, V, self.grid)
        f0 = xp.asarray(track.f0, dtype=V.dtype)
        comb = harmonic_comb(
            f0,
            self.grid,
            len(V),
            width_hz=self.width_hz,
            width_cents=self.width_cents,
            max_hz=self.highest_hz,
        )
        above = V + level_between(V, f0, self.grid)
        gain = comb * xp.where(above > 0, V / xp.where(above > 0, above, 1), 0)
        extra = {"f0": f0, "salience": xp.asarray(track.salience, dtype=V.dtype)}
        return MaskModel(masks=gain[None, None], magnitude=spectrogram(X), names=NAMES, extra=extra)

    def track(self, X: Array, V: Array, grid: Grid) -> PitchTrack:
        """Return the pitch of the leading voice in X (channels, freq, frames), V (freq, frames) being its level."""
        if self.f0 is not None:
            return known_track(self.f0, V.shape[1])
        options = {"min_hz": self.min_hz, "max_hz": self.max_hz}
        if self.tracker == "salience":
            return track_pitch(V, grid, voicing=self.voicing, **options)
        if not isinstance(self.frontend, STFT) or X.dtype.kind != "c":
            raise ParameterError("tracker 'pyin' hears samples; give frontend=STFT(...), or call separate()")
        sample_rate = grid.bin_hz * self.frontend.n_fft
        n_samples = (X.shape[-1] - 1) * self.frontend.step
        if n_samples == 0:
            return known_track(np.zeros(X.shape[-1]), X.shape[-1])
        x = self.frontend.synthesize(X.mean(axis=0, keepdims=True), n_samples)[0]
        return pyin_track(x, sample_rate, grid, X.shape[-1], **options)
