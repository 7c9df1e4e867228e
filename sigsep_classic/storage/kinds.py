"""Names by which classes are known in saved files: they stay when a class moves to another module."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers import METHODS

_FACTORIZERS = "sigsep_classic.factorizers"
_PLACES = {
    "Bins": f"{_FACTORIZERS}.bins",
    "CommonFateModel": f"{_FACTORIZERS}.lowrank.common_fate",
    "ComplexNMFModel": f"{_FACTORIZERS}.lowrank.complex_model",
    "ConstantQ": "sigsep_classic.frontends",
    "ConvolutiveModel": f"{_FACTORIZERS}.convolutive.model",
    "Demixing": "sigsep_classic.kernels.online_demixing",
    "DemixingModel": f"{_FACTORIZERS}.models",
    "DirectionModel": f"{_FACTORIZERS}.covariance.direction_model",
    "Directions": f"{_FACTORIZERS}.covariance.directions",
    "DryDemixingModel": f"{_FACTORIZERS}.demixing.dry_model",
    "FastMNMFModel": f"{_FACTORIZERS}.covariance.model",
    "Fates": f"{_FACTORIZERS}.lowrank.common_fate",
    "FilterModel": f"{_FACTORIZERS}.demixing.scica",
    "FittedNMF": f"{_FACTORIZERS}.lowrank.fitted",
    "Grid": "sigsep_classic.typing",
    "HumModel": f"{_FACTORIZERS}.denoising.dehum",
    "ICAModel": f"{_FACTORIZERS}.demixing.ica",
    "ISAModel": f"{_FACTORIZERS}.demixing.isa",
    "LowRankDemixing": f"{_FACTORIZERS}.demixing.ilrma",
    "LowRankModel": f"{_FACTORIZERS}.models",
    "MNMFModel": f"{_FACTORIZERS}.covariance.mnmf",
    "MaskModel": f"{_FACTORIZERS}.models",
    "MidSideModel": f"{_FACTORIZERS}.stereo.mid_side",
    "NTFModel": f"{_FACTORIZERS}.lowrank.ntf",
    "Observed": f"{_FACTORIZERS}.pitch.voice_updates",
    "OnlineModel": f"{_FACTORIZERS}.demixing.online_state",
    "OnlineState": f"{_FACTORIZERS}.demixing.online_state",
    "Patches": f"{_FACTORIZERS}.lowrank.common_fate_transform",
    "ProjetModel": f"{_FACTORIZERS}.stereo.projet",
    "STFT": "sigsep_classic.frontends",
    "ShiftInvariantModel": f"{_FACTORIZERS}.convolutive.siplca",
    "SignalModel": "sigsep_classic.recipes.signals",
    "SparseCodingModel": f"{_FACTORIZERS}.convolutive.coding_model",
    "VoiceModel": f"{_FACTORIZERS}.pitch.voice_model",
    "WPEModel": f"{_FACTORIZERS}.dereverberation.wpe",
    "Waveform": "sigsep_classic.frontends",
    "Weights": "sigsep_classic.recipes.fusion",
}


def kind_of(value: Any) -> tuple[str, str] | None:
    """Return how a value's class is told in a file: ``("method", "nmf")`` or ``("object", "FittedNMF")``, or None."""
    kind = type(value)
    name = getattr(kind, "name", None)
    if isinstance(name, str) and name in METHODS and METHODS[name] is kind:
        return "method", name
    if kind.__name__ in _PLACES and class_named(kind.__name__) is kind:
        return "object", kind.__name__
    return None


@cache
def class_named(name: str) -> Any:
    """Return the class of a kind of object.

    Raises
    ------
    ParameterError
        No such kind is known here.
    """
    if name not in _PLACES:
        raise ParameterError(f"holds a {name!r:.60}, which this version does not know")
    return getattr(import_module(_PLACES[name]), name)
