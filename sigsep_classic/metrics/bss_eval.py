"""BSS Eval v3: what of an estimate is the source through a short filter, other sources, or neither."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sigsep_classic.backend import from_foreign, namespace
from sigsep_classic.checks import check_count
from sigsep_classic.errors import ArrayTypeError, ShapeError
from sigsep_classic.metrics._energies import assignment
from sigsep_classic.metrics._signals import Signals, decibel, pair, require_alike
from sigsep_classic.metrics._whole import whole
from sigsep_classic.typing import Array


class BSSEval(NamedTuple):
    """Scores in dB, each (sources,) float64, and (sources,) int ``permutation``: the estimate each source was given."""

    sdr: Array
    sir: Array
    sar: Array
    permutation: Array


class BSSEvalImages(NamedTuple):
    """Scores in dB, each (sources,) float64, and (sources,) int ``permutation``: the estimate each source was given."""

    sdr: Array
    isr: Array
    sir: Array
    sar: Array
    permutation: Array


def bss_eval_sources(
    references: Array, estimates: Array, *, filter_length: int = 512, permute: bool = True
) -> BSSEval:
    """Return SDR, SIR and SAR of BSS Eval v3 for sources, and which estimate belongs to which source.

    With ``P_j`` the projection on source j at delays 0 … filter_length − 1, and ``P`` that on all sources,
    ``SDR = 10 log10(‖P_j ŝ‖² / ‖ŝ − P_j ŝ‖²)``, ``SIR = 10 log10(‖P_j ŝ‖² / ‖P ŝ − P_j ŝ‖²)`` and
    ``SAR = 10 log10(‖P ŝ‖² / ‖ŝ − P ŝ‖²)``. Norms come from correlations, not from projected signals.

    Parameters
    ----------
    references : array (sources, samples), real
        True sources, or their images at one microphone. NumPy, CuPy or PyTorch.
    estimates : array (estimates, samples), real
        At least as many as references; those left over are given to no source.
    filter_length : int, >= 1
        Taps of the filter that a source may pass without harm.
    permute : bool
        Give estimates to sources so that the mean SIR is largest; False: in the order given.

    Returns
    -------
    BSSEval
        On the inputs' device. A silent reference and a silent estimate have NaN. Above about 100 dB rounding
        is what is measured.

    Raises
    ------
    ParameterError
        ``filter_length`` is not a whole number from 1.
    ShapeError, ArrayTypeError
        References and estimates do not fit together, or are not real.
    NumericalError
        A sample is NaN or infinite.

    References
    ----------
    E. Vincent, R. Gribonval, C. Févotte, "Performance measurement in blind audio source separation", IEEE
    Transactions on Audio, Speech, and Language Processing, vol. 14, no. 4, 2006.
    R. Scheibler, "SDR — Medium rare with fast computations", ICASSP 2022 (norms of projections by correlations).
    """
    check_count("filter_length", filter_length)
    references, estimates = _paired(references, estimates)
    n, m = len(references), len(estimates)
    pairs = [(j, e) for j in range(n) for e in range(m) if permute or j == e]
    energies = whole(list(references[:, None]), list(estimates[:, None]), filter_length, 0.0, pairs)
    _, _, sir, sar = energies.ratios()
    # The two errors are orthogonal, and their sum loses no digits that ‖ŝ‖² − ‖P_j ŝ‖² would.
    sdr = decibel(energies.own, energies.interference + energies.artefact)
    xp = namespace(references)
    table = _defined(xp.stack([sdr, sir, sar]), energies.reference, energies.joint + energies.artefact)
    columns = assignment(table[1]) if permute else np.arange(n)
    columns = xp.asarray(columns)
    table = table[:, xp.arange(n), columns]
    return BSSEval(table[0], table[1], table[2], columns)


def bss_eval_images(
    references: Signals, estimates: Signals, *, filter_length: int = 512, permute: bool = True
) -> BSSEvalImages:
    """Return SDR, ISR, SIR and SAR of BSS Eval v3 for spatial images, and which estimate belongs to which source.

    With ``P_j`` the projection on the channels of source j at delays 0 … filter_length − 1, and ``P`` that on
    those of all sources: ``SDR = ‖s‖² / ‖ŝ − s‖²``, ``ISR = ‖s‖² / ‖P_j ŝ − s‖²``,
    ``SIR = ‖P_j ŝ‖² / ‖P ŝ − P_j ŝ‖²``, ``SAR = ‖P ŝ‖² / ‖ŝ − P ŝ‖²``, in dB. All norms but the first two come
    from correlations; no signal is filtered.

    Parameters
    ----------
    references, estimates : array or sequence of array, real
        (sources, channels, samples); (sources, samples) has one channel, (samples,) one source and
        one channel; a list or tuple holds one (channels, samples) array a source. NumPy, CuPy or PyTorch.
    filter_length : int, >= 1
        Taps of the filters from each reference channel to each estimated one. Where taps times all references'
        channels exceed the samples, any estimate can be put together: SIR and SAR then mean nothing.
    permute : bool
        Give estimates to sources so that the mean SIR is largest, in the time of n³; False: in the order given.

    Returns
    -------
    BSSEvalImages
        On the inputs' device. A silent reference and a silent estimate have NaN; of one source the SIR is inf.

    Raises
    ------
    ParameterError
        ``filter_length`` is not a whole number from 1.
    ShapeError, ArrayTypeError
        References and estimates do not fit together, sources differ in shape, or numbers are not real.
    NumericalError
        A sample is NaN or infinite.

    References
    ----------
    E. Vincent, S. Araki et al., "The Signal Separation Evaluation Campaign (2007–2010): Achievements and remaining
    challenges", Signal Processing, vol. 92, 2012.
    """
    check_count("filter_length", filter_length)
    refs, ests = pair(references, estimates)
    require_alike(refs)
    n = len(refs)
    pairs = [(j, e) for j in range(n) for e in range(n) if permute or j == e]
    energies = whole(refs, ests, filter_length, 0.0, pairs)
    table = _defined(energies.ratios(), energies.reference, energies.joint + energies.artefact)
    columns = assignment(table[2]) if permute else np.arange(n)
    columns = namespace(table).asarray(columns)
    sdr, isr, sir, sar = table[:, namespace(table).arange(n), columns]
    return BSSEvalImages(sdr, isr, sir, sar, columns)


def _defined(table: Array, references: Array, estimates: Array) -> Array:
    """Return the table with NaN where a reference or an estimate has no energy."""
    undefined = (references[:, None] == 0) | (estimates[None] == 0)
    return namespace(table).where(undefined, float("nan"), table)


def _paired(references: Array, estimates: Array) -> tuple[Array, Array]:
    references, estimates = from_foreign(references), from_foreign(estimates)
    for role, x in (("references", references), ("estimates", estimates)):
        if not hasattr(x, "dtype") or not hasattr(x, "ndim") or hasattr(x, "mask"):
            raise ArrayTypeError(f"{role} are a {type(x).__name__}; give an array (sources, samples)")
    xp = namespace(references)
    if namespace(estimates).__name__ != xp.__name__:
        raise ArrayTypeError("references and estimates are on different devices; move them to one")
    for role, x in (("references", references), ("estimates", estimates)):
        if x.ndim != 2 or 0 in x.shape:
            raise ShapeError(f"{role} have shape {x.shape}; give (sources, samples), none of them 0")
        if x.dtype.kind not in "fiu":
            raise ArrayTypeError(f"{role} have dtype {x.dtype}; metrics need real numbers")
    if references.shape[1] != estimates.shape[1] or len(estimates) < len(references):
        raise ShapeError(
            f"references have shape {references.shape} but estimates {estimates.shape}; "
            "give an estimate a source, all of one length"
        )
    return references, estimates
