"""How methods are made quick; needs no pytest, so that ``benchmarks.gpu`` can use it."""

from __future__ import annotations

from typing import Any

from sigsep_classic.recipes.fusion import fitted

QUICK: dict[str, dict[str, Any]] = {
    "nmf": {"n_components": 4, "n_iter": 8, "tol": 0},
    "complex_nmf": {"n_components": 4, "n_iter": 4, "tol": 0},
    "nmfd": {"n_components": 4, "n_iter": 6, "tol": 0, "n_lags": 3},
    "nmf_2d": {"n_components": 4, "n_iter": 6, "tol": 0, "n_lags": 2, "n_shifts": 3},
    "siplca": {"n_components": 4, "n_iter": 6, "tol": 0, "n_shifts": 5},
    "ntf": {"n_components": 4, "n_iter": 8, "tol": 0},
    "nmf_online": {"n_components": 4, "n_iter": 2, "block_frames": 100},
    "rpca": {"n_iter": 12},
    "sparse_coding": {"n_components": 3, "n_lags": 9, "n_iter": 4, "tol": 0, "sparsity": 0.2, "n_sweeps": 2},
    "hpss": {"harmonic_frames": 17, "percussive_bins": 17},
    "projet": {"n_sources": 3, "n_iter": 4},
    "repet": {"min_period": 0.02, "max_period": 0.1},
    "repet_adaptive": {"segment_length": 0.1, "segment_step": 0.1, "min_period": 0.01, "max_period": 0.1},
    "repet_sim": {"distance": 0.02, "n_similar": 9},
    "repet_extended": {"segment_length": 0.2, "segment_step": 0.1, "min_period": 0.01, "max_period": 0.1},
    "repet_sim_online": {"buffer": 0.1, "distance": 0.02, "n_similar": 9},
    "ft2d": {"neighborhood_rates": 9},
    "kam": {"min_period": 0.02, "max_period": 0.1, "n_iter": 2},
    "common_fate": {"n_components": 4, "n_iter": 4, "tol": 0, "patch_frames": 8},
    "ica": {"n_iter": 30},
    "isa": {"n_components": 4, "n_iter": 20},
    "auxiva": {"n_iter": 4},
    "fdica": {"n_iter": 5, "reestimate": 2},
    "overiva": {"n_sources": 1, "n_iter": 4},
    "five": {"n_iter": 4},
    "iva": {"n_iter": 6, "prior": "laplace"},
    "exclusion": {"n_iter": 10},
    "ilrma": {"n_iter": 6},
    "subband": {"n_iter": 2},
    "cacgmm": {"n_iter": 3, "tol": 0},
    "cwmm": {"n_iter": 3, "tol": 0},
    "pds": {"n_iter": 4},
    "iva_online": {},
    "bss": {"fast": True},
    "vocals": {"weights": fitted("vocals_fast")},
    "ensemble": {"cues": ("unrepeated", "struck", "centred")},
    "tiss": {"n_taps": 2, "n_iter": 3},
    "wpe": {"n_taps": 2, "delay": 2, "n_iter": 2},
    "scica": {"n_delays": 3, "max_samples": 500, "n_iter": 10},
    "fastmnmf": {"n_components": 2, "n_iter": 4},
    "fastmnmf2": {"n_components": 2, "n_iter": 4},
    "mnmf": {"n_components": 2, "n_iter": 2},
    "melody": {},
    "simm": {"n_iter": 5, "n_components": 6, "n_bumps": 10, "per_semitone": 3},
}
"""Parameters that make methods quick on the short signals of the suite; the defaults do for others."""
