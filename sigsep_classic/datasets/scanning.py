"""What a sound file is like, from one pass over it in blocks: level, clipping, silence, and a mark to know it by."""

from __future__ import annotations

import hashlib
import math

import numpy as np

SILENT_DB = -80.0
"""A sound whose largest sample is below this, in dB of full scale, is silent; lossy coders leave a little."""

# Full scale of 16 bits; integer samples end one step before 1.
_FULL_SCALE = 1 - 2.0**-15
# So many equal samples at full scale were cut off; fewer may be a peak.
_RUN = 4


class FileScan:
    """Numbers about one sound file, gathered block by block.

    Attributes
    ----------
    n_samples : int
        Per channel.
    peak : float
        Largest absolute sample; 1 is full scale.
    energy : float
        Sum of squares over all channels.
    beyond : int
        Samples above full scale.
    """

    def __init__(self) -> None:
        self.n_samples = self.beyond = self._clipped = 0
        self.peak = self.energy = 0.0
        self._size = 0
        self._digest = hashlib.blake2b(digest_size=16)
        self._open: dict[int, tuple[float, int]] = {}

    @property
    def peak_db(self) -> float:
        """The peak in dB of full scale; -inf for digital silence."""
        return 20 * math.log10(self.peak) if self.peak else -math.inf

    @property
    def rms_db(self) -> float:
        """The root mean square over all channels in dB of full scale; -inf for digital silence."""
        return 10 * math.log10(self.energy / self._size) if self.energy else -math.inf

    @property
    def silent(self) -> bool:
        """Whether it is silent but for what a lossy coder leaves."""
        return self.peak_db < SILENT_DB

    @property
    def clipped(self) -> int:
        """Samples that were cut off: four or more in a row at full scale."""
        return self._clipped + sum(length for _, length in self._open.values() if length >= _RUN)

    @property
    def mark(self) -> str:
        """The same for two sounds that are the same, seen in blocks of the same length."""
        return self._digest.hexdigest()

    def see(self, block: np.ndarray) -> None:
        """Take in the next block (channels, samples), contiguous."""
        self.n_samples += block.shape[1]
        self._size += block.size
        peak = float(max(-block.min(), block.max()))
        self.peak = max(self.peak, peak)
        self.energy += float(np.vdot(block, block))
        self._digest.update(block.data)
        if peak > 1:
            self.beyond += int(np.count_nonzero(np.abs(block) > 1))
        for channel, x in enumerate(block):
            self._count_runs(channel, x, loud=peak >= _FULL_SCALE)

    def _count_runs(self, channel: int, x: np.ndarray, *, loud: bool) -> None:
        """Count samples in runs of one value at full scale; the last run may go on in the next block."""
        at = np.flatnonzero(np.abs(x) >= _FULL_SCALE) if loud else np.empty(0, int)
        value, carried = self._open.pop(channel, (0.0, 0))
        if not at.size:
            self._clipped += carried if carried >= _RUN else 0
            return
        starts = np.flatnonzero(np.r_[True, (np.diff(at) > 1) | (np.diff(x[at]) != 0)])
        lengths = np.diff(np.r_[starts, at.size])
        if at[0] == 0 and x[0] == value:
            lengths[0] += carried
        else:
            self._clipped += carried if carried >= _RUN else 0
        if at[-1] == len(x) - 1:
            self._open[channel] = float(x[-1]), int(lengths[-1])
            lengths = lengths[:-1]
        self._clipped += int(lengths[lengths >= _RUN].sum())


class SumScan:
    """How far a mixture is from the sum of its stems, block by block.

    The sums of squares are those of the mixture, of the stems' sum, of their product, and of their difference.
    """

    def __init__(self) -> None:
        self._mixture = self._stems = self._product = self._difference = 0.0

    def see(self, mixture: np.ndarray, stems: np.ndarray) -> None:
        """Take in a block of each, (channels, samples), float64."""
        self._mixture += float(np.vdot(mixture, mixture))
        self._stems += float(np.vdot(stems, stems))
        self._product += float(np.vdot(mixture, stems))
        difference = mixture - stems
        self._difference += float(np.vdot(difference, difference))

    @property
    def snr_db(self) -> float:
        """The mixture's energy over the difference's in dB; inf where they are equal."""
        return _ratio_db(self._mixture, self._difference)

    @property
    def gain(self) -> float:
        """The factor of the stems' sum that comes nearest to the mixture."""
        return self._product / self._stems if self._stems else 1.0

    @property
    def snr_with_gain_db(self) -> float:
        """The same as ``snr_db`` after the stems' sum was multiplied by ``gain``."""
        # Energies are subtracted here, which leaves nothing true below their rounding.
        left = self._mixture - self.gain * self._product
        return _ratio_db(self._mixture, max(left, 1e-12 * self._mixture))


def _ratio_db(signal: float, error: float) -> float:
    if not error:
        return math.inf
    return 10 * math.log10(signal / error) if signal else -math.inf
