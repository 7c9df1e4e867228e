"""Upper bounds: what masks made from the true stems achieve."""

from __future__ import annotations

from collections.abc import Mapping

from sigsep_classic import masking
from sigsep_classic.backend import namespace
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array, FrontEnd

SISEC_STFT = STFT(n_fft=2048, hop=1024)


def ideal_ratio_mask(
    mixture: Array, stems: Mapping[str, Array], *, power: float = 2.0, frontend: FrontEnd = SISEC_STFT
) -> dict[str, Array]:
    """Return the stems a ratio mask made from the true stems takes out of the mixture.

    Parameters
    ----------
    mixture : array (channels, samples)
        float32 or float64.
    stems : mapping of str to array (channels, samples)
        The true stems.
    power : float
        Exponent on magnitudes: 1 and 2 are "IRM1" and "IRM2" of the SiSEC campaigns.
    frontend : FrontEnd
        Default: 2048-point Hann, half overlapping, as in SiSEC 2018.

    Returns
    -------
    dict of str to array (channels, samples)
        Estimates; each channel is masked by itself.

    Raises
    ------
    ParameterError
        There are no stems.
    ShapeError
        A stem has not the shape of the mixture.

    References
    ----------
    F.-R. Stöter, A. Liutkus and N. Ito, "The 2018 signal separation evaluation campaign", Proc. LVA/ICA, 2018,
    oracle methods IRM1 and IRM2.

    Notes
    -----
    A bound for masks on this transform only: other transforms, or methods that estimate phase, may exceed it.
    """
    if not stems:
        raise ParameterError("stems is empty; an oracle needs the true stems")
    for name, stem in stems.items():
        if mixture.ndim != 2 or stem.shape != mixture.shape:
            raise ShapeError(
                f"stem {name!r} is {stem.shape}, the mixture {mixture.shape}; give (channels, samples) alike"
            )
    xp, n_samples = namespace(mixture), mixture.shape[-1]
    X = frontend.analyze(mixture)
    V = xp.stack([abs(frontend.analyze(stem)) for stem in stems.values()])
    gains = masking.ratio(V, exponent=power)
    return {
        name: frontend.synthesize(masking.apply(gain, X), n_samples)
        for name, gain in zip(stems, gains, strict=True)
    }
