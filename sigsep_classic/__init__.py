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
    "separate_many": "api",
    "Separation": "separation",
    "STFT": "frontends",
    "ConstantQ": "frontends",
    "Waveform": "frontends",
    "METHODS": "factorizers",
    "fit_many": "factorizers.many",
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
    "ILRMA": "factorizers.demixing.ilrma",
    "SubbandSplitting": "factorizers.demixing.subband",
    "CACGMM": "factorizers.covariance.cacgmm",
    "PrimalDualBSS": "factorizers.demixing.pds",
    "CWMM": "factorizers.covariance.cwmm",
    "FastMNMF": "factorizers.covariance.fastmnmf",
    "FastMNMF2": "factorizers.covariance.fastmnmf2",
    "MNMF": "factorizers.covariance.mnmf",
    "ISA": "factorizers.demixing.isa",
    "SCICA": "factorizers.demixing.scica",
    "FDICA": "factorizers.demixing.fdica",
    "AuxIVA": "factorizers.demixing.auxiva",
    "OverIVA": "factorizers.demixing.overiva",
    "OnlineIVA": "factorizers.demixing.online_iva",
    "OnlineSeparator": "factorizers.demixing.online_stream",
    "FIVE": "factorizers.demixing.five",
    "IVA": "factorizers.demixing.iva",
    "WeakExclusionICA": "factorizers.demixing.exclusion",
    "WPE": "factorizers.dereverberation.wpe",
    "TISS": "factorizers.demixing.tiss",
    "BSS": "recipes",
    "AdaptiveREPET": "factorizers.repetition.repet_adaptive",
    "ADRess": "factorizers.stereo.adress",
    "Centre": "factorizers.stereo.centre",
    "DUET": "factorizers.stereo.duet",
    "MidSide": "factorizers.stereo.mid_side",
    "PROJET": "factorizers.stereo.projet",
    "Panned": "factorizers.stereo.panned",
    "SpatialClustering": "factorizers.stereo.spatial_clustering",
    "CommonFate": "factorizers.lowrank.common_fate",
    "ExtendedREPET": "factorizers.repetition.repet_extended",
    "FT2D": "factorizers.repetition.ft2d",
    "KAM": "factorizers.repetition.kam",
    "OnlineREPETSIM": "factorizers.repetition.repet_sim_online",
    "HPSSCascade": "recipes",
    "HPSSDiffusion": "factorizers.harmonic.hpss_diffusion",
    "HRPS": "factorizers.harmonic.hrps",
    "Melody": "factorizers.pitch.melody",
    "SIMM": "factorizers.pitch.simm",
    "Sinusoidal": "factorizers.pitch.sinusoidal",
    "Vocals": "recipes",
    "Drums": "recipes",
    "FourStems": "recipes",
    "SpeechMusicEffects": "recipes",
    "Ensemble": "recipes",
    "Denoise": "factorizers.denoising.denoise",
    "Dehum": "factorizers.denoising.dehum",
    "denoise": "api",
    "remix": "api",
    "apply": "api",
    "save_model": "storage",
    "load_model": "storage",
    "report": "compare.separation_page",
    "synthesize": "datasets.synthetic",
    "load": "audio",
    "save": "audio",
    "SigsepError": "errors",
}
_MODULES = (
    "audio",
    "beamforming",
    "datasets",
    "errors",
    "factorizers",
    "frontends",
    "geometry",
    "grouping",
    "masking",
    "metrics",
    "oracle",
    "permutation",
    "phase",
    "plot",
    "recipes",
    "remixing",
    "scaling",
    "sets",
    "storage",
    "streaming",
)

__all__ = [
    "BSS",
    "CACGMM",
    "CWMM",
    "DUET",
    "FDICA",
    "FIVE",
    "FT2D",
    "HPSS",
    "HRPS",
    "ICA",
    "ILRMA",
    "ISA",
    "IVA",
    "KAM",
    "METHODS",
    "MNMF",
    "NMF",
    "NMF2D",
    "NMFD",
    "NTF",
    "PROJET",
    "REPET",
    "REPETSIM",
    "RPCA",
    "SCICA",
    "SIMM",
    "SIPLCA",
    "STFT",
    "TISS",
    "WPE",
    "ADRess",
    "AdaptiveREPET",
    "AuxIVA",
    "Centre",
    "CommonFate",
    "ComplexNMF",
    "ConstantQ",
    "Dehum",
    "Denoise",
    "Drums",
    "Ensemble",
    "ExtendedREPET",
    "FastMNMF",
    "FastMNMF2",
    "FourStems",
    "HPSSCascade",
    "HPSSDiffusion",
    "Melody",
    "MidSide",
    "OnlineIVA",
    "OnlineNMF",
    "OnlineREPETSIM",
    "OnlineSeparator",
    "OverIVA",
    "Panned",
    "PrimalDualBSS",
    "Separation",
    "SigsepError",
    "Sinusoidal",
    "SparseCoding",
    "SpatialClustering",
    "SpeechMusicEffects",
    "SubbandSplitting",
    "Vocals",
    "Waveform",
    "WeakExclusionICA",
    "__version__",
    "apply",
    "audio",
    "beamforming",
    "datasets",
    "denoise",
    "errors",
    "factorizers",
    "fit_many",
    "frontends",
    "geometry",
    "grouping",
    "load",
    "load_model",
    "masking",
    "metrics",
    "oracle",
    "permutation",
    "phase",
    "plot",
    "recipes",
    "remix",
    "remixing",
    "report",
    "save",
    "save_model",
    "scaling",
    "separate",
    "separate_many",
    "sets",
    "storage",
    "streaming",
    "synthesize",
]

if TYPE_CHECKING:
    from typing import Any

    from sigsep_classic import (
        audio,
        beamforming,
        datasets,
        errors,
        factorizers,
        frontends,
        geometry,
        grouping,
        masking,
        metrics,
        oracle,
        permutation,
        phase,
        plot,
        recipes,
        remixing,
        scaling,
        sets,
        storage,
        streaming,
    )
    from sigsep_classic.api import apply, denoise, remix, separate, separate_many
    from sigsep_classic.audio import load, save
    from sigsep_classic.compare.separation_page import report
    from sigsep_classic.datasets.synthetic import synthesize
    from sigsep_classic.errors import SigsepError
    from sigsep_classic.factorizers import METHODS
    from sigsep_classic.factorizers.convolutive.nmf_2d import NMF2D
    from sigsep_classic.factorizers.convolutive.nmfd import NMFD
    from sigsep_classic.factorizers.convolutive.siplca import SIPLCA
    from sigsep_classic.factorizers.convolutive.sparse_coding import SparseCoding
    from sigsep_classic.factorizers.covariance.cacgmm import CACGMM
    from sigsep_classic.factorizers.covariance.cwmm import CWMM
    from sigsep_classic.factorizers.covariance.fastmnmf import FastMNMF
    from sigsep_classic.factorizers.covariance.fastmnmf2 import FastMNMF2
    from sigsep_classic.factorizers.covariance.mnmf import MNMF
    from sigsep_classic.factorizers.demixing.auxiva import AuxIVA
    from sigsep_classic.factorizers.demixing.exclusion import WeakExclusionICA
    from sigsep_classic.factorizers.demixing.fdica import FDICA
    from sigsep_classic.factorizers.demixing.five import FIVE
    from sigsep_classic.factorizers.demixing.ica import ICA
    from sigsep_classic.factorizers.demixing.ilrma import ILRMA
    from sigsep_classic.factorizers.demixing.isa import ISA
    from sigsep_classic.factorizers.demixing.iva import IVA
    from sigsep_classic.factorizers.demixing.online_iva import OnlineIVA
    from sigsep_classic.factorizers.demixing.online_stream import OnlineSeparator
    from sigsep_classic.factorizers.demixing.overiva import OverIVA
    from sigsep_classic.factorizers.demixing.pds import PrimalDualBSS
    from sigsep_classic.factorizers.demixing.scica import SCICA
    from sigsep_classic.factorizers.demixing.subband import SubbandSplitting
    from sigsep_classic.factorizers.demixing.tiss import TISS
    from sigsep_classic.factorizers.denoising.dehum import Dehum
    from sigsep_classic.factorizers.denoising.denoise import Denoise
    from sigsep_classic.factorizers.dereverberation.wpe import WPE
    from sigsep_classic.factorizers.harmonic.hpss import HPSS
    from sigsep_classic.factorizers.harmonic.hpss_diffusion import HPSSDiffusion
    from sigsep_classic.factorizers.harmonic.hrps import HRPS
    from sigsep_classic.factorizers.lowrank.common_fate import CommonFate
    from sigsep_classic.factorizers.lowrank.complex_nmf import ComplexNMF
    from sigsep_classic.factorizers.lowrank.nmf import NMF
    from sigsep_classic.factorizers.lowrank.nmf_online import OnlineNMF
    from sigsep_classic.factorizers.lowrank.ntf import NTF
    from sigsep_classic.factorizers.lowrank.rpca import RPCA
    from sigsep_classic.factorizers.many import fit_many
    from sigsep_classic.factorizers.pitch.melody import Melody
    from sigsep_classic.factorizers.pitch.simm import SIMM
    from sigsep_classic.factorizers.pitch.sinusoidal import Sinusoidal
    from sigsep_classic.factorizers.repetition.ft2d import FT2D
    from sigsep_classic.factorizers.repetition.kam import KAM
    from sigsep_classic.factorizers.repetition.repet import REPET
    from sigsep_classic.factorizers.repetition.repet_adaptive import AdaptiveREPET
    from sigsep_classic.factorizers.repetition.repet_extended import ExtendedREPET
    from sigsep_classic.factorizers.repetition.repet_sim import REPETSIM
    from sigsep_classic.factorizers.repetition.repet_sim_online import OnlineREPETSIM
    from sigsep_classic.factorizers.stereo.adress import ADRess
    from sigsep_classic.factorizers.stereo.centre import Centre
    from sigsep_classic.factorizers.stereo.duet import DUET
    from sigsep_classic.factorizers.stereo.mid_side import MidSide
    from sigsep_classic.factorizers.stereo.panned import Panned
    from sigsep_classic.factorizers.stereo.projet import PROJET
    from sigsep_classic.factorizers.stereo.spatial_clustering import SpatialClustering
    from sigsep_classic.frontends import STFT, ConstantQ, Waveform
    from sigsep_classic.recipes import (
        BSS,
        Drums,
        Ensemble,
        FourStems,
        HPSSCascade,
        SpeechMusicEffects,
        Vocals,
    )
    from sigsep_classic.separation import Separation
    from sigsep_classic.storage import load_model, save_model


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
