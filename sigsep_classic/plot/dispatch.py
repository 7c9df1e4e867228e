"""Which picture a separation has: by its method, else by the kind of its model, else its stems."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sigsep_classic.checks import check_choice
from sigsep_classic.errors import ParameterError
from sigsep_classic.plot.scene import Scene
from sigsep_classic.separation import Separation

OF_METHOD = {
    "nmf": "components:low_rank",
    "complex_nmf": "components:low_rank",
    "nmfd": "convolutive:templates_in_time",
    "nmf_2d": "convolutive:templates_in_time",
    "siplca": "convolutive:templates_in_time",
    "nmf_online": "components:low_rank",
    "ntf": "components:low_rank",
    "rpca": "components:low_rank_and_sparse",
    "sparse_coding": "convolutive:atoms",
    "hpss": "common:masks",
    "hpss_diffusion": "common:masks",
    "hrps": "common:masks",
    "hpss_cascade": "common:stems",
    "repet": "repetition:beats",
    "repet_adaptive": "repetition:periods",
    "repet_sim": "repetition:similarity",
    "repet_extended": "repetition:periods",
    "repet_sim_online": "repetition:similarity",
    "ft2d": "repetition:picks",
    "kam": "repetition:beats",
    "common_fate": "components:fates",
    "mid_side": "stereo:azimuths",
    "centre": "stereo:azimuths",
    "panned": "stereo:azimuths",
    "adress": "stereo:azimuths",
    "duet": "stereo:attenuations_and_delays",
    "projet": "stereo:azimuths",
    "spatial_clustering": "stereo:differences",
    "ica": "demixing:one_matrix",
    "isa": "components:signed",
    "scica": "demixing:filters",
    "auxiva": "demixing:sources",
    "fdica": "demixing:sources",
    "overiva": "demixing:sources",
    "five": "demixing:sources",
    "iva": "demixing:sources",
    "exclusion": "demixing:sources",
    "subband": "demixing:sources",
    "ilrma": "demixing:sources",
    "bss": "demixing:sources",
    "vocals": "common:masks",
    "drums": "common:masks",
    "four_stems": "common:masks",
    "speech_music_effects": "common:masks",
    "ensemble": "common:masks",
    "tiss": "demixing:sources",
    "denoise": "denoising:noise",
    "dehum": "denoising:hum",
    "wpe": "demixing:reverberation",
    "cacgmm": "demixing:sources",
    "cwmm": "demixing:sources",
    "fastmnmf": "demixing:sources",
    "fastmnmf2": "demixing:sources",
    "mnmf": "demixing:sources",
    "iva_online": "demixing:sources",
    "pds": "demixing:sources",
    "melody": "pitch:melody",
    "simm": "pitch:melody",
    "sinusoidal": "pitch:partials",
}
"""Method names and the functions that draw what they found."""

OF_MODEL = {
    "factorizers.models:MaskModel": "common:masks",
    "factorizers.models:LowRankModel": "components:low_rank",
    "factorizers.models:DemixingModel": "demixing:sources",
    "factorizers.convolutive.model:ConvolutiveModel": "convolutive:templates_in_time",
    "factorizers.convolutive.coding_model:SparseCodingModel": "convolutive:atoms",
    "factorizers.lowrank.ntf:NTFModel": "components:low_rank",
    "factorizers.lowrank.complex_model:ComplexNMFModel": "components:low_rank",
    "factorizers.lowrank.common_fate:CommonFateModel": "components:fates",
    "factorizers.demixing.isa:ISAModel": "components:signed",
    "factorizers.demixing.ica:ICAModel": "demixing:one_matrix",
    "factorizers.demixing.scica:FilterModel": "demixing:filters",
    "factorizers.demixing.online_state:OnlineModel": "demixing:sources",
    "factorizers.dereverberation.wpe:WPEModel": "demixing:reverberation",
    "factorizers.covariance.model:FastMNMFModel": "demixing:sources",
    "factorizers.covariance.mnmf:MNMFModel": "demixing:sources",
    "factorizers.covariance.direction_model:DirectionModel": "demixing:sources",
    "factorizers.denoising.dehum:HumModel": "denoising:hum",
    "factorizers.stereo.mid_side:MidSideModel": "stereo:azimuths",
    "factorizers.stereo.projet:ProjetModel": "stereo:azimuths",
    "factorizers.pitch.voice_model:VoiceModel": "pitch:melody",
    "recipes.signals:SignalModel": "common:stems",
}
"""Kinds of models by where they are defined: for methods of other packages that use them."""

VIEWS = {
    "model": "",
    "stems": "common:stems",
    "waveforms": "common:waveforms",
    "masks": "common:masks",
    "loss": "common:loss",
    "permutation": "demixing:put_in_order",
    "directivity": "directivity:directivity",
}
"""What can be asked of `plot`; ``"model"`` is the method's own picture."""

_PACKAGE = "sigsep_classic"


def plot(sep: Separation, what: str = "model", **options: Any) -> Any:
    """Return a picture of a separation.

    Parameters
    ----------
    sep : Separation
        From `sigsep_classic.separate`. Its model is fitted if that is still to be done, which for a long recording may
        take as long as the separation; ``"stems"`` and ``"waveforms"`` need none.
    what : {"model", "stems", "waveforms", "masks", "loss", "permutation", "directivity"}
        What the method found (templates and activations, a beat spectrum, directions …), spectrograms or waveforms of
        the stems, gains of methods that mask, the loss over iterations, and of methods that demix: the order of the
        sources at each frequency before and after it was solved (fdica), and how loud each filter hears which
        direction.
    **options
        ``channel`` (default: the root mean square of all), ``scale`` of frequency axes (``"log"`` or ``"linear"``),
        ``range_db`` (default 80) and ``positions`` of the microphones in metres, (channels, 2 or 3).

    Returns
    -------
    matplotlib.figure.Figure
        Known to nobody else: it opens no window and needs no closing.

    Raises
    ------
    ParameterError
        An option is unknown or out of range, or the separation has no such picture.
    SigsepError
        matplotlib is not installed.
    """
    if not isinstance(sep, Separation):
        raise ParameterError(
            f"{type(sep).__name__} is no separation; give what sigsep_classic.separate returned"
        )
    check_choice("what", what, list(VIEWS))
    known = [name for name in Scene.__dataclass_fields__ if name != "sep"]
    for name in options:
        check_choice("option", name, known)
    scene = Scene(sep=sep, **options)
    return draw_function(VIEWS[what] or place_of(sep))(scene)


def place_of(sep: Separation) -> str:
    """Return where the picture of a separation's model is drawn, ``module:function``."""
    if sep.method is None and sep.model is None:
        return "common:stems"
    name = getattr(sep.method, "name", "")
    # The class too, so that another package's method of the same name does not get a picture it has no model for.
    if name in OF_METHOD and type(sep.method).__module__.startswith(f"{_PACKAGE}."):
        return OF_METHOD[name]
    for kind in type(sep.model).__mro__:
        known = f"{kind.__module__.removeprefix(_PACKAGE + '.')}:{kind.__qualname__}"
        if known in OF_MODEL:
            return OF_MODEL[known]
    return "common:stems"


def draw_function(place: str) -> Any:
    """Return the function at ``module:function`` of this package."""
    module, _, name = place.partition(":")
    return getattr(import_module(f"{__package__}.{module}"), name)
