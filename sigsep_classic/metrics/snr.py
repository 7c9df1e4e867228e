"""Ratios of energies over a whole signal: SNR, SI-SDR, SD-SDR, SA-SDR and the utterance-level SDR.

None of them solves for filters and none searches a permutation: estimate n is scored against
reference n. A source's channels are scored as one long signal.
"""

from __future__ import annotations

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_range
from sigsep_classic.metrics._signals import Signals, blocks, decibel, pair, require_finite
from sigsep_classic.typing import Array


def _sums(refs: list[Array], ests: list[Array]) -> Array:
    """Return Σs², Σ(s − ŝ)² and Σsŝ in one pass: (3, sources), float64."""
    xp = namespace(refs[0])
    columns = []
    for ref, est in zip(refs, ests, strict=True):
        column = xp.zeros(3)
        for s, y in blocks(ref, est):
            s, y = s.ravel(), y.ravel()
            e = s - y
            column += xp.stack([s @ s, e @ e, s @ y])
        columns.append(column)
    table = xp.stack(columns, axis=1)
    require_finite(table)
    return table


def _undefined_where_silent(value: Array, ref_energy: Array) -> Array:
    return namespace(value).where(ref_energy > 0, value, float("nan"))


def snr(references: Signals, estimates: Signals) -> Array:
    """Return the signal-to-noise ratio of each estimate in dB.

    ``SNR = 10 log10(Σ s² / Σ (s − ŝ)²)``, sums over channels and samples. This is also, exactly,
    the SDR of BSS Eval v4 over one frame as long as the signal, and of BSS Eval v3 for images: the
    filters of BSS Eval only split the error ``ŝ − s`` into parts.

    Parameters
    ----------
    references, estimates : array or sequence of array, real
        (sources, channels, samples); (sources, samples) has one channel, (samples,) one source and
        one channel; a list or tuple holds one (channels, samples) array a source. NumPy, CuPy or PyTorch.

    Returns
    -------
    array (sources,), float64, on the inputs' device
        dB, in [-inf, inf]. A perfect estimate has inf. A silent reference has NaN whatever the
        estimate is: there is no signal to measure against.

    Raises
    ------
    ShapeError, ArrayTypeError
        References and estimates do not fit together, or are not real.
    NumericalError
        A sample is NaN or infinite.
    """
    ref_energy, error_energy, _ = _sums(*pair(references, estimates))
    return _undefined_where_silent(decibel(ref_energy, error_energy), ref_energy)


def si_sdr(references: Signals, estimates: Signals) -> Array:
    """Return the scale-invariant signal-to-distortion ratio of each estimate in dB.

    ``SI-SDR = 10 log10(‖αs‖² / ‖αs − ŝ‖²)`` with ``α = ⟨ŝ, s⟩ / ‖s‖²``. One α serves all channels
    of a source, so the balance between channels counts. No mean is removed.

    Parameters
    ----------
    references, estimates : array or sequence of array, real
        (sources, channels, samples); (sources, samples) has one channel, (samples,) one source and
        one channel; a list or tuple holds one (channels, samples) array a source. NumPy, CuPy or PyTorch.

    Returns
    -------
    array (sources,), float64, on the inputs' device
        dB, in [-inf, inf]. An estimate equal to its reference has inf; one orthogonal to it, and so
        a silent one, has -inf; a silent reference has NaN.

    Raises
    ------
    ShapeError, ArrayTypeError
        References and estimates do not fit together, or are not real.
    NumericalError
        A sample is NaN or infinite.

    References
    ----------
    J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey, "SDR – half-baked or well done?", ICASSP 2019,
    pp. 626–630.
    """
    refs, ests = pair(references, estimates)
    ref_energy, _, product = _sums(refs, ests)
    xp = namespace(ref_energy)
    alpha = product / xp.where(ref_energy > 0, ref_energy, 1.0)
    residual = xp.zeros_like(alpha)
    # A second pass: ‖ŝ‖² − α²‖s‖² from the first would lose every estimate better than 150 dB.
    for n, (ref, est) in enumerate(zip(refs, ests, strict=True)):
        for s, y in blocks(ref, est):
            e = (alpha[n] * s - y).ravel()
            residual[n] += e @ e
    level = xp.where(alpha == 0, -xp.inf, decibel(alpha**2 * ref_energy, residual))
    return _undefined_where_silent(level, ref_energy)


def sd_sdr(references: Signals, estimates: Signals) -> Array:
    """Return the scale-dependent signal-to-distortion ratio of each estimate in dB.

    ``SD-SDR = 10 log10(‖αs‖² / ‖s − ŝ‖²)`` with ``α = ⟨ŝ, s⟩ / ‖s‖²``, which is
    ``SNR + 10 log10 α²``: a change of level costs, up as well as down.

    Parameters
    ----------
    references, estimates : array or sequence of array, real
        (sources, channels, samples); (sources, samples) has one channel, (samples,) one source and
        one channel; a list or tuple holds one (channels, samples) array a source. NumPy, CuPy or PyTorch.

    Returns
    -------
    array (sources,), float64, on the inputs' device
        dB, in [-inf, inf]. A perfect estimate has inf, one orthogonal to its reference -inf, a
        silent reference NaN.

    Raises
    ------
    ShapeError, ArrayTypeError
        References and estimates do not fit together, or are not real.
    NumericalError
        A sample is NaN or infinite.

    References
    ----------
    J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey, "SDR – half-baked or well done?", ICASSP 2019,
    pp. 626–630.
    """
    ref_energy, error_energy, product = _sums(*pair(references, estimates))
    xp = namespace(ref_energy)
    alpha = product / xp.where(ref_energy > 0, ref_energy, 1.0)
    return _undefined_where_silent(decibel(alpha**2 * ref_energy, error_energy), ref_energy)


def sa_sdr(references: Signals, estimates: Signals) -> float:
    """Return the source-aggregated SDR in dB: one number for all sources together.

    ``SA-SDR = 10 log10(Σ_n ‖s_n‖² / Σ_n ‖s_n − ŝ_n‖²)``. A source that is silent throughout is no
    trouble as long as another one sounds.

    Parameters
    ----------
    references, estimates : array or sequence of array, real
        (sources, channels, samples); (sources, samples) has one channel, (samples,) one source and
        one channel; a list or tuple holds one (channels, samples) array a source. NumPy, CuPy or PyTorch.

    Returns
    -------
    float
        dB, in [-inf, inf]. Perfect estimates have inf; NaN if every reference is silent.

    Raises
    ------
    ShapeError, ArrayTypeError
        References and estimates do not fit together, or are not real.
    NumericalError
        A sample is NaN or infinite.

    References
    ----------
    T. von Neumann, K. Kinoshita, C. Boeddeker, M. Delcroix, R. Haeb-Umbach, "SA-SDR: A novel loss
    function for separation of meeting style data", ICASSP 2022 (arXiv:2110.15581).
    """
    ref_energy, error_energy, _ = _sums(*pair(references, estimates))
    total = ref_energy.sum()
    return float(_undefined_where_silent(decibel(total, error_energy.sum()), total))


def usdr(references: Signals, estimates: Signals, *, eps: float = 1e-7) -> Array:
    """Return the utterance-level SDR of each estimate in dB, as the Music Demixing Challenge defines it.

    ``uSDR = 10 log10((Σ s² + eps) / (Σ (s − ŝ)² + eps))``, sums over channels and samples of the
    whole track. Tables print its mean over tracks, which is left to the caller.

    Parameters
    ----------
    references, estimates : array or sequence of array, real
        (sources, channels, samples); (sources, samples) has one channel, (samples,) one source and
        one channel; a list or tuple holds one (channels, samples) array a source. NumPy, CuPy or PyTorch.
    eps : float, > 0
        Energy added above and below, for full scale 1. The challenge's own value is 1e-7.

    Returns
    -------
    array (sources,), float64, on the inputs' device
        dB, always finite. A silent reference and a silent estimate together have 0.

    Raises
    ------
    ParameterError
        ``eps`` is not positive.
    ShapeError, ArrayTypeError
        References and estimates do not fit together, or are not real.
    NumericalError
        A sample is NaN or infinite.

    References
    ----------
    Y. Mitsufuji, G. Fabbro, S. Uhlich, F.-R. Stöter, A. Défossez, M. Kim, W. Choi, C.-Y. Yu,
    K.-W. Cheuk, "Music Demixing Challenge 2021", Frontiers in Signal Processing, vol. 1, 2022.
    """
    check_range("eps", eps, 0, above=True)
    ref_energy, error_energy, _ = _sums(*pair(references, estimates))
    return decibel(ref_energy + eps, error_energy + eps)
