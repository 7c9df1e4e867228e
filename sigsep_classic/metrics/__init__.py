"""Numbers that say how close estimates are to the true sources."""

from sigsep_classic.metrics.bss_eval import BSSEval, BSSEvalImages, bss_eval_images, bss_eval_sources
from sigsep_classic.metrics.bss_eval_v4 import BSSEvalFrames, bss_eval_v4
from sigsep_classic.metrics.framewise import SILENCE, csdr, framewise_sdr, median_of_frames
from sigsep_classic.metrics.perceptual import estoi, pesq_nb, pesq_wb, stoi
from sigsep_classic.metrics.snr import sa_sdr, sd_sdr, si_sdr, snr, usdr
from sigsep_classic.metrics.streamed import STREAMED, streamed_scores
from sigsep_classic.metrics.summary import METRICS, scores

__all__ = [
    "METRICS",
    "SILENCE",
    "STREAMED",
    "BSSEval",
    "BSSEvalFrames",
    "BSSEvalImages",
    "bss_eval_images",
    "bss_eval_sources",
    "bss_eval_v4",
    "csdr",
    "estoi",
    "framewise_sdr",
    "median_of_frames",
    "pesq_nb",
    "pesq_wb",
    "sa_sdr",
    "scores",
    "sd_sdr",
    "si_sdr",
    "snr",
    "stoi",
    "streamed_scores",
    "usdr",
]
