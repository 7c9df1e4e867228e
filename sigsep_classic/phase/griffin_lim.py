"""A signal whose magnitudes come near given ones: Griffin and Lim's iterations, plain and fast."""

from __future__ import annotations

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_array, check_count, check_range
from sigsep_classic.errors import ShapeError
from sigsep_classic.phase.rounds import Rounds, with_phases
from sigsep_classic.typing import Array, FrontEnd


def griffin_lim(
    V: Array,
    frontend: FrontEnd,
    n_samples: int,
    *,
    start: Array | None = None,
    n_iter: int = 32,
    momentum: float = 0.99,
) -> Array:
    """Return signals whose magnitudes are near V.

    Each round transforms the signal, puts the magnitudes V in and transforms back; without momentum the
    inconsistency ``| |STFT(x)| - V |^2`` never rises. With it, phases are those of ``C + momentum (C - C_before)``,
    which ends lower in fewer rounds.

    Parameters
    ----------
    V : array (..., freq, frames)
        Magnitudes, float32 or float64, NumPy or CuPy; any leading axes, such as sources and channels.
    frontend : FrontEnd
        With the bins and frames of V.
    n_samples : int
        Length of the signals.
    start : complex array (..., freq, frames), optional
        Phases to begin with: the mixture's, or those `unwrapped`. Default: zero.
    n_iter : int
        Rounds, at least 0.
    momentum : float
        0 … 1, 0 for the plain iteration. (The paper's α is the momentum here.)

    Returns
    -------
    x : array (..., samples)
        In the dtype of V.

    Raises
    ------
    ParameterError
        A number is out of range.
    ShapeError
        V, the start and the front-end do not fit together.

    References
    ----------
    D. W. Griffin and J. S. Lim, "Signal estimation from modified short-time Fourier transform", IEEE Trans.
    Acoustics, Speech, and Signal Processing 32(2), 1984 (equation numbers not checked).

    N. Perraudin, P. Balazs and P. L. Søndergaard, "A fast Griffin-Lim algorithm", Proc. WASPAA, 2013 (equation
    numbers not checked).

    Examples
    --------
    >>> import numpy as np
    >>> from sigsep_classic import STFT
    >>> stft, x = STFT(n_fft=256, hop=64), np.sin(np.arange(1280.0) / 5)
    >>> V = abs(stft.analyze(x))
    >>> found = griffin_lim(V, stft, 1280, n_iter=60)
    >>> bool(np.abs(abs(stft.analyze(found)) - V).max() < 0.1 * V.max())
    True
    """
    check_array("V", V)
    check_count("n_iter", n_iter, 0)
    check_range("momentum", momentum, 0, 1)
    xp = namespace(V)
    if start is not None and start.shape != V.shape:
        raise ShapeError(f"start has shape {start.shape}; V has {V.shape}, and they must be alike")
    kind = xp.result_type(V.dtype, xp.complex64)
    Z = V.astype(kind) if start is None else with_phases(V, start.astype(kind, copy=False))
    x = frontend.synthesize(Z, n_samples)
    rounds, ahead = Rounds(V, frontend, n_samples), momentum / (1 + momentum)
    for _ in range(n_iter):
        x = rounds(x, ahead=ahead)
    return x
