"""All benchmarks, one after the other: ``python -m benchmarks``."""

from __future__ import annotations

from benchmarks import (
    complex_nmf,
    constant_q,
    hpss,
    ica,
    nmf,
    nmf_options,
    nmfd,
    real,
    repet_sim,
    rpca,
    sparse_coding,
    startup,
    stft,
)

MODULES = (
    startup,
    stft,
    constant_q,
    hpss,
    repet_sim,
    nmf,
    nmf_options,
    complex_nmf,
    nmfd,
    sparse_coding,
    ica,
    rpca,
    real,
)

if __name__ == "__main__":
    for module in MODULES:
        module.main()
