"""Ideal masks: gains made from the true stems, each channel by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from sigsep_classic import masking
from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice, check_range
from sigsep_classic.oracle._truth import COMPATIBLE, SISEC_STFT, analyzed, peer_scale
from sigsep_classic.typing import Array, FrontEnd

EPS = float(np.finfo(float).eps)


def ideal_ratio_mask(
    mixture: Array,
    stems: Mapping[str, Array],
    *,
    power: float = 2.0,
    compat: str | None = None,
    frontend: FrontEnd = SISEC_STFT,
) -> dict[str, Array]:
    """Return the stems a ratio mask made from the true stems takes out of the mixture.

    The gain of stem n is ``|S_n|^power / sum over m of |S_m|^power``.

    Parameters
    ----------
    mixture : array (channels, samples)
        float32 or float64.
    stems : mapping of str to array (channels, samples)
        The true stems.
    power : float
        Exponent on magnitudes, more than 0: 1 and 2 are "IRM1" and "IRM2" of the SiSEC campaigns.
    compat : {"sigsep-mus-oracle"}, optional
        Add that package's fixed number to the sum: what is very quiet in all stems then gets less than all of the
        mixture, and what is silent in all of them nothing, where otherwise it is shared out evenly.
    frontend : FrontEnd
        Default: 2048-point Hann, half overlapping, as in SiSEC 2018.

    Returns
    -------
    dict of str to array (channels, samples)
        Estimates, which sum to the mixture (not with ``compat``); each channel is masked by itself.

    Raises
    ------
    ParameterError
        There are no stems, or ``power`` or ``compat`` is none.
    ShapeError
        A stem has not the shape of the mixture.
    NumericalError
        A sample is NaN or infinite.

    References
    ----------
    F.-R. Stöter, A. Liutkus and N. Ito, "The 2018 signal separation evaluation campaign", Proc. LVA/ICA, 2018,
    oracle methods IRM1 and IRM2.

    Notes
    -----
    A bound for masks on this transform only: other transforms, or methods that estimate phase, may exceed it.
    """
    check_range("power", power, 0, above=True)
    truth = analyzed(mixture, stems, frontend)
    if compat is None:
        return truth.masked(masking.ratio(truth.magnitudes(), exponent=power))
    check_choice("compat", compat, COMPATIBLE)
    V = truth.magnitudes()
    P = (V / V.dtype.type(peer_scale(frontend))) ** V.dtype.type(power)
    return truth.masked(P / (P.sum(axis=0) + V.dtype.type(EPS)))


def ideal_binary_mask(
    mixture: Array,
    stems: Mapping[str, Array],
    *,
    power: float = 1.0,
    threshold: float | None = 0.5,
    compat: str | None = None,
    frontend: FrontEnd = SISEC_STFT,
) -> dict[str, Array]:
    """Return the stems that ideal binary masks take out of the mixture.

    With a threshold θ, a point of the mixture goes to every stem with ``|S_n|^power >= θ |X|^power``: to several
    where they cancel each other, to none where no stem is large enough. Without, it goes to the largest stem.

    Parameters
    ----------
    mixture : array (channels, samples)
        float32 or float64.
    stems : mapping of str to array (channels, samples)
        The true stems.
    power : float
        Exponent on magnitudes, more than 0: 1 and 2 are "IBM1" and "IBM2" of the SiSEC campaigns.
    threshold : float or None
        θ, at least 0; 0.5 in those campaigns. None: the largest stem wins, and estimates sum to the mixture.
    compat : {"sigsep-mus-oracle"}, optional
        Add that package's fixed number to ``|X|^power``, so that no stem gets what is very quiet.
    frontend : FrontEnd
        Default: as in SiSEC 2018.

    Returns
    -------
    dict of str to array (channels, samples)
        Estimates; with a threshold they do not sum to the mixture.

    Raises
    ------
    ParameterError
        There are no stems, or an option is out of range.
    ShapeError
        A stem has not the shape of the mixture.
    NumericalError
        A sample is NaN or infinite.

    References
    ----------
    D. Wang, "On ideal binary mask as the computational goal of auditory scene analysis", in "Speech Separation by
    Humans and Machines", Kluwer, 2005.

    F.-R. Stöter, A. Liutkus and N. Ito, "The 2018 signal separation evaluation campaign", Proc. LVA/ICA, 2018,
    oracle methods IBM1 and IBM2.
    """
    check_range("power", power, 0, above=True)
    truth = analyzed(mixture, stems, frontend)
    V = truth.magnitudes()
    if threshold is None:
        return truth.masked(masking.binary(V))
    check_range("threshold", threshold, 0)
    if compat is None:
        return truth.masked((threshold ** (1 / power) * abs(truth.X) <= V).astype(V.dtype))
    check_choice("compat", compat, COMPATIBLE)
    scale = V.dtype.type(peer_scale(frontend))
    share = (V / scale) ** power / (EPS + (abs(truth.X) / scale) ** power)
    return truth.masked((share >= threshold).astype(V.dtype))


def ideal_amplitude_mask(
    mixture: Array, stems: Mapping[str, Array], *, top: float = math.inf, frontend: FrontEnd = SISEC_STFT
) -> dict[str, Array]:
    """Return stems with their true magnitudes and the phase of the mixture: gains ``|S_n| / |X|``, cut off.

    Parameters
    ----------
    mixture : array (channels, samples)
        float32 or float64.
    stems : mapping of str to array (channels, samples)
        The true stems.
    top : float
        Largest gain, more than 0; often 1 or 2 where the mask is to be learnt.
    frontend : FrontEnd
        Default: as in SiSEC 2018.

    Returns
    -------
    dict of str to array (channels, samples)
        Estimates; they do not sum to the mixture.

    Raises
    ------
    ParameterError
        There are no stems, or ``top`` is not positive.
    ShapeError
        A stem has not the shape of the mixture.
    NumericalError
        A sample is NaN or infinite.

    References
    ----------
    H. Erdogan, J. R. Hershey, S. Watanabe and J. Le Roux, "Phase-sensitive and recognition-boosted speech separation
    using deep recurrent neural networks", Proc. ICASSP, 2015 (equation numbers not checked).
    """
    check_range("top", top, 0, above=True, infinite=True)
    truth = analyzed(mixture, stems, frontend)
    xp, size = namespace(truth.X), abs(truth.X)
    gains = truth.magnitudes()
    gains /= xp.where(size > 0, size, 1)
    return truth.masked(xp.minimum(gains, gains.dtype.type(top)))


def phase_sensitive_mask(
    mixture: Array, stems: Mapping[str, Array], *, top: float = 1.0, frontend: FrontEnd = SISEC_STFT
) -> dict[str, Array]:
    """Return the stems of the best real gains: ``Re(S_n / X)``, cut off below 0 and above ``top``.

    No gains from 0 to ``top`` have a smaller squared error in the coefficients, so with ``top=1`` no mask of
    gains in [0, 1] has one.

    Parameters
    ----------
    mixture : array (channels, samples)
        float32 or float64.
    stems : mapping of str to array (channels, samples)
        The true stems.
    top : float
        Largest gain, more than 0; ``math.inf`` for none.
    frontend : FrontEnd
        Default: as in SiSEC 2018.

    Returns
    -------
    dict of str to array (channels, samples)
        Estimates; what is cut off keeps them from summing to the mixture.

    Raises
    ------
    ParameterError
        There are no stems, or ``top`` is not positive.
    ShapeError
        A stem has not the shape of the mixture.
    NumericalError
        A sample is NaN or infinite.

    References
    ----------
    Those of `masking.phase_sensitive`.
    """
    truth = analyzed(mixture, stems, frontend)
    return truth.masked(masking.phase_sensitive(truth.coefficients(), truth.X, top=top))


def complex_ratio_mask(
    mixture: Array, stems: Mapping[str, Array], *, top: float = math.inf, frontend: FrontEnd = SISEC_STFT
) -> dict[str, Array]:
    """Return the stems of complex gains ``S_n / X``, their size cut off at ``top``.

    Without a limit they are the true stems, but where the mixture is zero and stems are not.

    Parameters
    ----------
    mixture : array (channels, samples)
        float32 or float64.
    stems : mapping of str to array (channels, samples)
        The true stems.
    top : float
        Largest absolute value of a gain, more than 0. A complex gain of at most 1 is what a mask that turns the
        phase but never amplifies can do.
    frontend : FrontEnd
        Default: as in SiSEC 2018.

    Returns
    -------
    dict of str to array (channels, samples)
        Estimates; without a limit they sum to what the stems sum to.

    Raises
    ------
    ParameterError
        There are no stems, or ``top`` is not positive.
    ShapeError
        A stem has not the shape of the mixture.
    NumericalError
        A sample is NaN or infinite.

    References
    ----------
    D. S. Williamson, Y. Wang and D. Wang, "Complex ratio masking for monaural speech separation", IEEE/ACM Trans.
    Audio, Speech, and Language Processing 24(3), 2016 (equation numbers not checked; the compression of the mask
    for learning is left out).
    """
    check_range("top", top, 0, above=True, infinite=True)
    truth = analyzed(mixture, stems, frontend)
    S, xp, size = truth.coefficients(), namespace(truth.X), abs(truth.X)
    level = abs(S)
    limit = level if math.isinf(top) else size * size.dtype.type(top)
    kept = xp.where(size > 0, xp.minimum(level, limit), 0)  # of S / X times X, where the gain is at its limit
    return truth.synthesized(S * (kept / xp.where(level > 0, level, 1)))
