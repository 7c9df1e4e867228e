"""Recipes: what takes several transforms or methods. `BSS` is the blind separation of a room by several microphones,
`Vocals`, `Drums` and `FourStems` part a song by fused cues.

A recipe is used like a factorizer. On coefficients somebody has made, `fit` works with what it is given; on samples,
`fit_samples` chooses the transform too.
"""

from sigsep_classic.recipes.bss import BSS
from sigsep_classic.recipes.ensemble import Ensemble
from sigsep_classic.recipes.fused import Drums, FourStems, SpeechMusicEffects, Vocals
from sigsep_classic.recipes.hpss_cascade import HPSSCascade

__all__ = ["BSS", "Drums", "Ensemble", "FourStems", "HPSSCascade", "SpeechMusicEffects", "Vocals"]
