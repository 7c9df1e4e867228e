"""Classical (non-neural) audio source separation: one contract for every method, on CPU and CUDA.

>>> import sigsep_classic as ssc
>>> mix = ssc.synthesize("song", seconds=3.0)
>>> sep = ssc.separate(mix.mixture, mix.sample_rate, method="hpss")
>>> list(sep)
['harmonic', 'percussive']
"""

from __future__ import annotations

from sigsep_classic._version import __version__

TYPE_CHECKING = False  # importing typing would cost as much as starting Python

_NAMES = {
    "separate": "api",
    "Separation": "separation",
    "STFT": "frontends",
    "ConstantQ": "frontends",
    "Waveform": "frontends",
    "METHODS": "factorizers",
    "NMF": "factorizers.lowrank.nmf",
    "ComplexNMF": "factorizers.lowrank.complex_nmf",
    "NMFD": "factorizers.convolutive.nmfd",
    "NMF2D": "factorizers.convolutive.nmf_2d",
    "SIPLCA": "factorizers.convolutive.siplca",
    "SparseCoding": "factorizers.convolutive.sparse_coding",
    "NTF": "factorizers.lowrank.ntf",
    "OnlineNMF": "factorizers.lowrank.nmf_online",
    "RPCA": "factorizers.lowrank.rpca",
    "HPSS": "factorizers.harmonic.hpss",
    "REPET": "factorizers.repetition.repet",
    "REPETSIM": "factorizers.repetition.repet_sim",
    "ICA": "factorizers.demixing.ica",
    "ISA": "factorizers.demixing.isa",
    "SCICA": "factorizers.demixing.scica",
    "AdaptiveREPET": "factorizers.repetition.repet_adaptive",
    "synthesize": "datasets.synthetic",
    "load": "audio",
    "save": "audio",
    "SigsepError": "errors",
}
_MODULES = (
    "audio",
    "datasets",
    "errors",
    "factorizers",
    "frontends",
    "grouping",
    "masking",
    "metrics",
    "oracle",
    "scaling",
)

__all__ = [
    "HPSS",
    "ICA",
    "ISA",
    "METHODS",
    "NMF",
    "NMF2D",
    "NMFD",
    "NTF",
    "REPET",
    "REPETSIM",
    "RPCA",
    "SCICA",
    "SIPLCA",
    "STFT",
    "AdaptiveREPET",
    "ComplexNMF",
    "ConstantQ",
    "OnlineNMF",
    "Separation",
    "SigsepError",
    "SparseCoding",
    "Waveform",
    "__version__",
    "audio",
    "datasets",
    "errors",
    "factorizers",
    "frontends",
    "grouping",
    "load",
    "masking",
    "metrics",
    "oracle",
    "save",
    "scaling",
    "separate",
    "synthesize",
]

if TYPE_CHECKING:
    from typing import Any

    from sigsep_classic import (
        audio,
        datasets,
        errors,
        factorizers,
        frontends,
        grouping,
        masking,
        metrics,
        oracle,
        scaling,
    )
    from sigsep_classic.api import separate
    from sigsep_classic.audio import load, save
    from sigsep_classic.datasets.synthetic import synthesize
    from sigsep_classic.errors import SigsepError
    from sigsep_classic.factorizers import METHODS
    from sigsep_classic.factorizers.convolutive.nmf_2d import NMF2D
    from sigsep_classic.factorizers.convolutive.nmfd import NMFD
    from sigsep_classic.factorizers.convolutive.siplca import SIPLCA
    from sigsep_classic.factorizers.convolutive.sparse_coding import SparseCoding
    from sigsep_classic.factorizers.demixing.ica import ICA
    from sigsep_classic.factorizers.demixing.isa import ISA
    from sigsep_classic.factorizers.demixing.scica import SCICA
    from sigsep_classic.factorizers.harmonic.hpss import HPSS
    from sigsep_classic.factorizers.lowrank.complex_nmf import ComplexNMF
    from sigsep_classic.factorizers.lowrank.nmf import NMF
    from sigsep_classic.factorizers.lowrank.nmf_online import OnlineNMF
    from sigsep_classic.factorizers.lowrank.ntf import NTF
    from sigsep_classic.factorizers.lowrank.rpca import RPCA
    from sigsep_classic.factorizers.repetition.repet import REPET
    from sigsep_classic.factorizers.repetition.repet_adaptive import AdaptiveREPET
    from sigsep_classic.factorizers.repetition.repet_sim import REPETSIM
    from sigsep_classic.frontends import STFT, ConstantQ, Waveform
    from sigsep_classic.separation import Separation


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _NAMES:
        value = getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
