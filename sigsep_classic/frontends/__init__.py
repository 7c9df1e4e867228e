"""Samples to coefficients and back: the short-time Fourier transform, constant-Q, and the identity.

A front-end turns x (channels, samples) into X (channels, freq, frames) and back. `STFT` has frequencies a fixed
number of Hz apart, `ConstantQ` a fixed number to the octave; `Waveform` has one frequency and one frame a sample,
so that time-domain methods need no API of their own.
"""

from sigsep_classic.frontends.constant_q import ConstantQ
from sigsep_classic.frontends.stft import STFT
from sigsep_classic.frontends.waveform import Waveform

__all__ = ["STFT", "ConstantQ", "Waveform"]
