"""The methods. `METHODS` maps their names to their classes, imported when first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from sigsep_classic.checks import did_you_mean
from sigsep_classic.errors import ParameterError

_BUILT_IN = {
    "nmf": "sigsep_classic.factorizers.lowrank.nmf:NMF",
    "complex_nmf": "sigsep_classic.factorizers.lowrank.complex_nmf:ComplexNMF",
    "nmfd": "sigsep_classic.factorizers.convolutive.nmfd:NMFD",
    "nmf_2d": "sigsep_classic.factorizers.convolutive.nmf_2d:NMF2D",
    "siplca": "sigsep_classic.factorizers.convolutive.siplca:SIPLCA",
    "nmf_online": "sigsep_classic.factorizers.lowrank.nmf_online:OnlineNMF",
    "ntf": "sigsep_classic.factorizers.lowrank.ntf:NTF",
    "rpca": "sigsep_classic.factorizers.lowrank.rpca:RPCA",
    "sparse_coding": "sigsep_classic.factorizers.convolutive.sparse_coding:SparseCoding",
    "hpss": "sigsep_classic.factorizers.harmonic.hpss:HPSS",
    "hpss_diffusion": "sigsep_classic.factorizers.harmonic.hpss_diffusion:HPSSDiffusion",
    "hrps": "sigsep_classic.factorizers.harmonic.hrps:HRPS",
    "hpss_cascade": "sigsep_classic.recipes:HPSSCascade",
    "repet": "sigsep_classic.factorizers.repetition.repet:REPET",
    "repet_adaptive": "sigsep_classic.factorizers.repetition.repet_adaptive:AdaptiveREPET",
    "repet_sim": "sigsep_classic.factorizers.repetition.repet_sim:REPETSIM",
    "repet_extended": "sigsep_classic.factorizers.repetition.repet_extended:ExtendedREPET",
    "repet_sim_online": "sigsep_classic.factorizers.repetition.repet_sim_online:OnlineREPETSIM",
    "ft2d": "sigsep_classic.factorizers.repetition.ft2d:FT2D",
    "kam": "sigsep_classic.factorizers.repetition.kam:KAM",
    "common_fate": "sigsep_classic.factorizers.lowrank.common_fate:CommonFate",
    "mid_side": "sigsep_classic.factorizers.stereo.mid_side:MidSide",
    "centre": "sigsep_classic.factorizers.stereo.centre:Centre",
    "panned": "sigsep_classic.factorizers.stereo.panned:Panned",
    "adress": "sigsep_classic.factorizers.stereo.adress:ADRess",
    "duet": "sigsep_classic.factorizers.stereo.duet:DUET",
    "projet": "sigsep_classic.factorizers.stereo.projet:PROJET",
    "spatial_clustering": "sigsep_classic.factorizers.stereo.spatial_clustering:SpatialClustering",
    "ica": "sigsep_classic.factorizers.demixing.ica:ICA",
    "isa": "sigsep_classic.factorizers.demixing.isa:ISA",
    "scica": "sigsep_classic.factorizers.demixing.scica:SCICA",
    "auxiva": "sigsep_classic.factorizers.demixing.auxiva:AuxIVA",
    "fdica": "sigsep_classic.factorizers.demixing.fdica:FDICA",
    "overiva": "sigsep_classic.factorizers.demixing.overiva:OverIVA",
    "five": "sigsep_classic.factorizers.demixing.five:FIVE",
    "iva": "sigsep_classic.factorizers.demixing.iva:IVA",
    "exclusion": "sigsep_classic.factorizers.demixing.exclusion:WeakExclusionICA",
    "subband": "sigsep_classic.factorizers.demixing.subband:SubbandSplitting",
    "ilrma": "sigsep_classic.factorizers.demixing.ilrma:ILRMA",
    "bss": "sigsep_classic.recipes:BSS",
    "vocals": "sigsep_classic.recipes:Vocals",
    "drums": "sigsep_classic.recipes:Drums",
    "four_stems": "sigsep_classic.recipes:FourStems",
    "speech_music_effects": "sigsep_classic.recipes:SpeechMusicEffects",
    "ensemble": "sigsep_classic.recipes:Ensemble",
    "tiss": "sigsep_classic.factorizers.demixing.tiss:TISS",
    "denoise": "sigsep_classic.factorizers.denoising.denoise:Denoise",
    "dehum": "sigsep_classic.factorizers.denoising.dehum:Dehum",
    "wpe": "sigsep_classic.factorizers.dereverberation.wpe:WPE",
    "cacgmm": "sigsep_classic.factorizers.covariance.cacgmm:CACGMM",
    "cwmm": "sigsep_classic.factorizers.covariance.cwmm:CWMM",
    "fastmnmf": "sigsep_classic.factorizers.covariance.fastmnmf:FastMNMF",
    "fastmnmf2": "sigsep_classic.factorizers.covariance.fastmnmf2:FastMNMF2",
    "mnmf": "sigsep_classic.factorizers.covariance.mnmf:MNMF",
    "iva_online": "sigsep_classic.factorizers.demixing.online_iva:OnlineIVA",
    "pds": "sigsep_classic.factorizers.demixing.pds:PrimalDualBSS",
    "melody": "sigsep_classic.factorizers.pitch.melody:Melody",
    "simm": "sigsep_classic.factorizers.pitch.simm:SIMM",
    "sinusoidal": "sigsep_classic.factorizers.pitch.sinusoidal:Sinusoidal",
}
ENTRY_POINTS = "sigsep_classic.methods"


class Registry(Mapping[str, Any]):
    """Method names to classes; those of other packages come through entry points of `ENTRY_POINTS`."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)
        self._found: dict[str, Any] = {}

    @property
    def built_in(self) -> tuple[str, ...]:
        """Names of the methods of this package: those that need no look at what else is installed."""
        return tuple(self._places)

    def _external(self) -> dict[str, Any]:
        from importlib.metadata import entry_points

        return {point.name: point for point in entry_points(group=ENTRY_POINTS)}

    def __getitem__(self, name: str) -> Any:
        if name not in self._found:
            if name in self._places:
                module, _, attribute = self._places[name].partition(":")
                self._found[name] = getattr(import_module(module), attribute)
            else:
                external = self._external()
                if name not in external:
                    raise KeyError(name)
                self._found[name] = external[name].load()
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._places
        yield from sorted(set(self._external()) - set(self._places))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def find(self, name: str) -> Any:
        """Return the class of method ``name``, or say which names there are.

        Raises
        ------
        ParameterError
            There is no such method.
        """
        key = name.lower().replace("-", "_")
        try:
            return self[key]
        except KeyError:
            hint = did_you_mean(key, list(self), "methods")
            raise ParameterError(f"method {name!r} is unknown; {hint}") from None


METHODS = Registry(_BUILT_IN)
