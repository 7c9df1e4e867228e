"""Outputs of a demixing on the scale of their images, and as the transforms of signals (Kitamura & Yatabe 2020)."""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.bins import Bins
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array, FrontEnd


def image_gains(data: Bins, R: Array) -> Array:
    """Return what takes each output to its image at the channel that hears it best, complex128 (freq, sources).

    That channel is one for all bins (projection back).
    """
    A = data.D @ namespace(R).linalg.inv(R)
    heard = to_host((abs(A) ** 2 * (abs(R) ** 2).sum(axis=2)[:, None]).sum(axis=0))
    return A[:, heard.argmax(axis=0), np.arange(R.shape[1])]


def consistent_powers(data: Bins, R: Array, stft: STFT) -> Array:
    """Return the powers of R z made consistent, (sources, freq, frames): inverse transform, then transform.

    They are synthesised on the scale of their images, where bins fit together, and brought back to that of R.
    """
    xp = namespace(R)
    gains = image_gains(data, R)
    Y = (gains[:, :, None] * R).astype(data.white.dtype) @ data.white
    signals = stft.synthesize(Y.swapaxes(0, 1), (Y.shape[2] - 1) * stft.step)
    Y = stft.analyze(signals)
    size = (abs(gains) ** 2).T
    back = xp.where(size > 0, 1 / xp.where(size > 0, size, 1), 0).astype(Y.real.dtype)
    return xp.ascontiguousarray((Y.real**2 + Y.imag**2) * back[:, :, None])


def stft_of(frontend: FrontEnd | None, n_freq: int, n_frames: int) -> STFT | None:
    """Return the STFT that makes so many bins; None on waveforms and for one frame, where all is consistent.

    Raises
    ------
    ParameterError
        The front-end is none that this is known for, or makes other arrays.
    """
    if n_frames == 1 or (n_freq == 1 and not isinstance(frontend, STFT)):
        return None
    if not isinstance(frontend, STFT) or frontend.n_bins != n_freq:
        raise ParameterError(
            f"consistency needs the STFT that X was made with, of {n_freq} bins; frontend is {frontend!r}"
        )
    return frontend
