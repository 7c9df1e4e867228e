"""All benchmarks, one after the other: ``python -m benchmarks``."""

from __future__ import annotations

from benchmarks import (
    complex_nmf,
    constant_q,
    hpss,
    ica,
    nmf,
    nmf_options,
    real,
    repet_sim,
    rpca,
    startup,
    stft,
)

for module in (startup, stft, hpss, repet_sim, ica, nmf, nmf_options, complex_nmf, rpca, constant_q, real):
    module.main()
