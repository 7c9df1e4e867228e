"""Ideal filters over channels: what the true covariances of the stems make of the mixture."""

from __future__ import annotations

from collections.abc import Mapping

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice
from sigsep_classic.factorizers.covariance.shapes import solve_hermitian
from sigsep_classic.oracle._truth import COMPATIBLE, SISEC_STFT, analyzed, peer_scale
from sigsep_classic.oracle.compat import peer_wiener
from sigsep_classic.typing import Array, FrontEnd

LOAD = 1e-6
"""Share of the mean eigenvalue that is added to covariances before they are inverted."""

_CELLS = 1 << 18


def multichannel_wiener(
    mixture: Array,
    stems: Mapping[str, Array],
    *,
    joint: bool = True,
    compat: str | None = None,
    frontend: FrontEnd = SISEC_STFT,
) -> dict[str, Array]:
    """Return the stems of the ideal multichannel Wiener filter.

    Stem n is modelled with a power P_n(f, t) and a spatial covariance R_n(f) that does not change over time, both
    from the truth: R_n is the mean over frames of ``s sᴴ`` normalised to its trace, ``P_n = sᴴ R_n⁻¹ s / channels``.
    The estimate is ``P_n R_n (sum over m of P_m R_m)⁻¹ x``.

    Parameters
    ----------
    mixture : array (channels, samples)
        float32 or float64.
    stems : mapping of str to array (channels, samples)
        The true stems.
    joint : bool
        Filter all channels together. False: each by itself, which is `ideal_ratio_mask` with ``power=2``.
    compat : {"sigsep-mus-oracle"}, optional
        The numbers of that package, for two channels filtered together: it normalises all R_n by the first two
        frequencies, adds fixed numbers to determinants, and does not give back what that takes.
    frontend : FrontEnd
        Default: as in SiSEC 2018.

    Returns
    -------
    dict of str to array (channels, samples)
        Estimates, which sum to the mixture (not with ``compat``).

    Raises
    ------
    ParameterError
        There are no stems, or ``compat`` is unknown.
    ShapeError
        A stem has not the shape of the mixture, or ``compat`` is given for other than two channels.
    NumericalError
        A sample is NaN or infinite.

    References
    ----------
    N. Q. K. Duong, E. Vincent and R. Gribonval, "Under-determined reverberant audio source separation using a
    full-rank spatial covariance model", IEEE Trans. Audio, Speech, and Language Processing 18(7), 2010: the model
    and its filter (equation numbers not checked).

    F.-R. Stöter, A. Liutkus and N. Ito, "The 2018 signal separation evaluation campaign", Proc. LVA/ICA, 2018,
    oracle method MWF.
    """
    truth = analyzed(mixture, stems, frontend)
    X, S = truth.X, truth.coefficients()
    if compat is not None:
        check_choice("compat", compat, COMPATIBLE)
        return truth.synthesized(peer_wiener(X, S, scale=peer_scale(frontend)))
    groups = [slice(None)] if joint else [slice(c, c + 1) for c in range(len(X))]
    size = max(1, _CELLS // (len(X) * X.shape[2]))
    for f in range(0, X.shape[1], size):
        block = slice(f, f + size)
        for at in groups:
            S[:, at, block] = _like(X, _filtered(X[at, block], S[:, at, block]))  # in place: no second S
    return truth.synthesized(S)


def _filtered(X: Array, S: Array) -> Array:
    """Return the estimates (sources, channels, freq, frames) of a block of bins."""
    xp, dims, n = namespace(X), len(X), len(S)
    x = xp.ascontiguousarray(X.swapaxes(0, 1)).astype(complex)
    s = xp.ascontiguousarray(S.swapaxes(1, 2)).astype(complex)  # (sources, freq, channels, frames)
    P, R = _models(s)
    lower = [[(P * R[:, :, i, j, None]).sum(axis=0) for j in range(i + 1)] for i in range(dims)]
    trace = sum(lower[i][i].real for i in range(dims))
    load = xp.where(trace > 0, LOAD * trace / dims, 1)
    for i in range(dims):
        lower[i][i] = lower[i][i] + load
    z = solve_hermitian(lower, x)
    Y = (R @ z) * P[:, :, None] + (load / n)[:, None] * z  # with what the load took, they sum to x
    return Y.swapaxes(1, 2)


def _models(s: Array) -> tuple[Array, Array]:
    """Return powers (sources, freq, frames) and spatial covariances (sources, freq, channels, channels)."""
    xp, dims = namespace(s), s.shape[2]
    mean = (s.real**2 + s.imag**2).mean(axis=2)
    sounding = mean > 0
    back = s.conj().swapaxes(2, 3)
    R = (s * (sounding / xp.where(sounding, mean, 1))[:, :, None]) @ back
    count = sounding.sum(axis=2)[:, :, None, None]
    R = xp.where(count > 0, R / xp.maximum(count, 1), xp.eye(dims))
    through = xp.linalg.inv(R + LOAD * xp.eye(dims)) @ s
    return (s.conj() * through).real.sum(axis=2) / dims, R


def ideal_demixing(
    mixture: Array, stems: Mapping[str, Array], *, frontend: FrontEnd = SISEC_STFT
) -> dict[str, Array]:
    """Return the stems of the best filters over channels that do not change over time.

    At each frequency the linear map of the channels that comes nearest to the stem: ``S Xᴴ (X Xᴴ)⁻¹ X``. A bound in
    squared error for whatever demixes with one matrix a frequency (ICA, IVA, ILRMA, beamformers) on this transform.

    Parameters
    ----------
    mixture : array (channels, samples)
        float32 or float64.
    stems : mapping of str to array (channels, samples)
        The true stems.
    frontend : FrontEnd
        Default: as in SiSEC 2018; in rooms longer windows demix better.

    Returns
    -------
    dict of str to array (channels, samples)
        Estimates; they sum to the mixture, but for a millionth, if the stems do.

    Raises
    ------
    ParameterError
        There are no stems.
    ShapeError
        A stem has not the shape of the mixture.
    NumericalError
        A sample is NaN or infinite.

    References
    ----------
    E. Vincent, R. Gribonval and M. D. Plumbley, "Oracle estimators for the benchmarking of source separation
    algorithms", Signal Processing 87(8), 2007: time-invariant filtering (equation numbers not checked).
    """
    truth = analyzed(mixture, stems, frontend)
    xp, dims = namespace(truth.X), len(truth.X)
    x = xp.ascontiguousarray(truth.X.swapaxes(0, 1)).astype(complex)
    back = x.conj().swapaxes(1, 2)
    C = x @ back
    trace = xp.einsum("fcc->f", C).real
    C = C + xp.where(trace > 0, LOAD * trace / dims, 1)[:, None, None] * xp.eye(dims)
    whitened = xp.linalg.solve(C, x)
    Y = truth.coefficients()
    for y in Y:
        y[:] = _like(y, ((y.swapaxes(0, 1) @ back) @ whitened).swapaxes(0, 1))
    return truth.synthesized(Y)


def _like(X: Array, Y: Array) -> Array:
    """Return estimates in the dtype of the mixture, which is real for a `Waveform`."""
    return (Y if X.dtype.kind == "c" else Y.real).astype(X.dtype)
