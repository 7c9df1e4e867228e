"""All benchmarks, one after the other: ``python -m benchmarks``."""

from __future__ import annotations

from benchmarks import (
    auxiva,
    cacgmm,
    complex_nmf,
    constant_q,
    fastmnmf,
    fdica,
    hpss,
    ica,
    ilrma,
    nmf,
    nmf_options,
    nmfd,
    online_iva,
    permutation,
    real,
    repet_sim,
    rooms,
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
    auxiva,
    ilrma,
    fastmnmf,
    fdica,
    online_iva,
    permutation,
    rpca,
    real,
    rooms,
    cacgmm,
)

if __name__ == "__main__":
    for module in MODULES:
        module.main()
