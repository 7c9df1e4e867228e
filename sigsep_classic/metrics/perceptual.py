"""How speech is heard: intelligibility (STOI, ESTOI) by our own code, quality (PESQ) by the package ``pesq``.

They are measures of one microphone signal. Each channel is scored by itself, and a source has the mean of its
channels; those in which the reference is silent, or too short for the measure, are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from sigsep_classic.backend import to_host
from sigsep_classic.checks import check_count
from sigsep_classic.errors import NumericalError, ParameterError
from sigsep_classic.metrics import _intelligibility as envelope
from sigsep_classic.metrics._resampling import resampled
from sigsep_classic.metrics._signals import Signals, pair

WIDE_HZ = 16000
NARROW_HZ = 8000
LONGEST = 20
"""Seconds PESQ takes at once: the ITU's code has room for 50 utterances, 0.4 s each, and crashes at more."""


def stoi(references: Signals, estimates: Signals, *, sample_rate: int) -> np.ndarray:
    """Return the short-time objective intelligibility of each estimate.

    The mean correlation of the envelopes of clean and processed speech in third octaves over 384 ms; at most 1, for
    intelligible speech above about 0.8. Frames in which the reference is 40 dB below its loudest do not count.

    Parameters
    ----------
    references, estimates : array or sequence of array, real
        (sources, channels, samples); (sources, samples) has one channel, (samples,) one source and
        one channel; a list or tuple holds one (channels, samples) array a source. NumPy or CuPy; computed on the host.
    sample_rate : int
        In Hz; other rates than 10 kHz are resampled as in the authors' code.

    Returns
    -------
    ndarray (sources,), float64
        In [-1, 1], the mean over channels; NaN where the reference is silent in all of them or has fewer than 31
        frames (0.4 s) of speech.

    Raises
    ------
    ParameterError
        ``sample_rate`` is no whole number from 1 on.
    ShapeError, ArrayTypeError
        References and estimates do not fit together, or are not real.
    NumericalError
        A sample is NaN or infinite.

    References
    ----------
    C. H. Taal, R. C. Hendriks, R. Heusdens and J. Jensen, "An algorithm for intelligibility prediction of
    time-frequency weighted noisy speech", IEEE Trans. Audio, Speech, and Language Processing 19(7), 2011.

    Notes
    -----
    The numbers are those of the package ``pystoi``, which gives 1e-5 where this gives NaN.
    """
    return _scored(
        references,
        estimates,
        sample_rate,
        lambda x, y: _of_envelopes(x, y, sample_rate, envelope.correlation),
    )


def estoi(references: Signals, estimates: Signals, *, sample_rate: int) -> np.ndarray:
    """Return the extended short-time objective intelligibility of each estimate.

    Like `stoi`, but spectra of 384 ms are compared as a whole, which also tells what noise that comes and goes does.

    Parameters
    ----------
    references, estimates : array or sequence of array, real
        As for `stoi`.
    sample_rate : int
        In Hz; other rates than 10 kHz are resampled as in the authors' code.

    Returns
    -------
    ndarray (sources,), float64
        In [-1, 1]; NaN as for `stoi`.

    Raises
    ------
    ParameterError, ShapeError, ArrayTypeError, NumericalError
        As for `stoi`.

    References
    ----------
    J. Jensen and C. H. Taal, "An algorithm for predicting the intelligibility of speech masked by modulated noise
    maskers", IEEE/ACM Trans. Audio, Speech, and Language Processing 24(11), 2016.

    Notes
    -----
    The numbers are those of ``pystoi`` with ``extended=True``, but that adds noise of the size of rounding errors,
    which makes up what is constant in a band; here such a band counts as not correlated.
    """
    return _scored(
        references,
        estimates,
        sample_rate,
        lambda x, y: _of_envelopes(x, y, sample_rate, envelope.spectral_correlation),
    )


def pesq_wb(references: Signals, estimates: Signals, *, sample_rate: int) -> np.ndarray:
    """Return the wide-band perceptual evaluation of speech quality (MOS-LQO) of each estimate.

    Parameters
    ----------
    references, estimates : array or sequence of array, real
        As for `stoi`.
    sample_rate : int
        In Hz; the measure is of 16 kHz, to which all else is resampled.

    Returns
    -------
    ndarray (sources,), float64
        About 1.0 … 4.64, the mean over channels; NaN where no speech is found in the reference of any, or the
        estimate is silent. Signals of more than 20 s are cut into equal pieces of at most that, as the measure is
        one of short clips; the mean of those that are not NaN counts.

    Raises
    ------
    ParameterError
        The package ``pesq`` is not installed, a signal is shorter than a quarter of a second, or ``sample_rate`` is
        no whole number from 1 on.
    ShapeError, ArrayTypeError, NumericalError
        As for `stoi`.

    References
    ----------
    ITU-T Recommendation P.862.2, "Wideband extension to Recommendation P.862 for the assessment of wideband
    telephone networks and speech codecs", 2007.
    """
    return _pesq(references, estimates, sample_rate, "wb", WIDE_HZ)


def pesq_nb(references: Signals, estimates: Signals, *, sample_rate: int) -> np.ndarray:
    """Return the narrow-band perceptual evaluation of speech quality (MOS-LQO) of each estimate.

    Parameters
    ----------
    references, estimates : array or sequence of array, real
        As for `stoi`.
    sample_rate : int
        In Hz; the measure takes 8 and 16 kHz as they are, all else is resampled to 8 kHz.

    Returns
    -------
    ndarray (sources,), float64
        About 1.0 … 4.55; NaN as for `pesq_wb`.

    Raises
    ------
    ParameterError, ShapeError, ArrayTypeError, NumericalError
        As for `pesq_wb`.

    References
    ----------
    ITU-T Recommendation P.862, "Perceptual evaluation of speech quality (PESQ)", 2001, and P.862.1, "Mapping
    function for transforming P.862 raw result scores to MOS-LQO", 2003.
    """
    return _pesq(
        references, estimates, sample_rate, "nb", sample_rate if sample_rate == WIDE_HZ else NARROW_HZ
    )


def _scored(
    references: Signals,
    estimates: Signals,
    sample_rate: int,
    score: Callable[[np.ndarray, np.ndarray], float],
) -> np.ndarray:
    """Return the mean over channels of the score of each source; NaN does not count."""
    check_count("sample_rate", sample_rate)
    values = []
    for reference, estimate in zip(*pair(references, estimates), strict=True):
        x, y = (to_host(signal).astype(float) for signal in (reference, estimate))
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise NumericalError("references or estimates hold NaN or infinity; metrics need finite samples")
        found = [score(a, b) for a, b in zip(x, y, strict=True) if a.any()]
        values.append(_mean(found))
    return np.array(values)


def _mean(found: list[float]) -> float:
    """Return the mean of what is not NaN; NaN if there is nothing."""
    told = [value for value in found if not math.isnan(value)]
    return sum(told) / len(told) if told else math.nan


def _of_envelopes(
    x: np.ndarray, y: np.ndarray, sample_rate: int, compare: Callable[[np.ndarray, np.ndarray], float]
) -> float:
    """Return a measure of the envelopes of a channel where it speaks."""
    both = resampled(np.stack([x, y]), sample_rate, envelope.RATE)
    clean, other = envelope.envelopes(envelope.without_silence(*both))
    return compare(clean, other) if clean.shape[1] >= envelope.SEGMENT else math.nan


def _pesq(references: Signals, estimates: Signals, sample_rate: int, mode: str, rate: int) -> np.ndarray:
    package = _package()

    def score(x: np.ndarray, y: np.ndarray) -> float:
        both = resampled(np.stack([x, y]), sample_rate, rate)
        pieces = np.array_split(both, math.ceil(both.shape[1] / (LONGEST * rate)), axis=1)
        return _mean([of_piece(*piece) for piece in pieces])

    def of_piece(x: np.ndarray, y: np.ndarray) -> float:
        if not (x.any() and y.any()):
            return math.nan
        try:
            return float(package.pesq(rate, x, y, mode))
        except package.NoUtterancesError:
            return math.nan
        except package.BufferTooShortError:
            raise ParameterError(
                f"signals have {len(x) / rate:.3f} s; PESQ needs at least a quarter of a second"
            ) from None

    return _scored(references, estimates, sample_rate, score)


def _package() -> Any:
    try:
        import pesq
    except ImportError:
        raise ParameterError('PESQ needs the package pesq; pip install "sigsep-classic[metrics]"') from None
    return pesq
