"""Sounds to separate whose true stems are known: made on the spot, or read from data sets on the disk."""

from sigsep_classic.datasets.aliases import StemMatch, StemPair, canonical, match_stems
from sigsep_classic.datasets.dataset import Dataset
from sigsep_classic.datasets.estimates import ESTIMATE_LAYOUTS, Estimates, open_estimates
from sigsep_classic.datasets.guests import from_musdb
from sigsep_classic.datasets.layouts import LAYOUTS, open_dataset
from sigsep_classic.datasets.synthetic import VARIANTS, Mixture, synthesize
from sigsep_classic.datasets.tracks import LoadedTrack, StemFile, Track

__all__ = [
    "ESTIMATE_LAYOUTS",
    "LAYOUTS",
    "VARIANTS",
    "Dataset",
    "Estimates",
    "LoadedTrack",
    "Mixture",
    "StemFile",
    "StemMatch",
    "StemPair",
    "Track",
    "canonical",
    "from_musdb",
    "match_stems",
    "open_dataset",
    "open_estimates",
    "synthesize",
]
