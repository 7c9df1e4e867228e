"""Numbers that say how close estimates are to the true sources."""

from sigsep_classic.metrics.bss_eval import BSSEval, bss_eval_sources
from sigsep_classic.metrics.framewise import SILENCE, csdr, framewise_sdr
from sigsep_classic.metrics.snr import sa_sdr, sd_sdr, si_sdr, snr, usdr
from sigsep_classic.metrics.summary import METRICS, scores

__all__ = [
    "METRICS",
    "SILENCE",
    "BSSEval",
    "bss_eval_sources",
    "csdr",
    "framewise_sdr",
    "sa_sdr",
    "scores",
    "sd_sdr",
    "si_sdr",
    "snr",
    "usdr",
]
