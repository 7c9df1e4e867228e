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
    memory,
    nmf,
    nmf_options,
    nmfd,
    online_iva,
    permutation,
    pitch,
    real,
    recipes,
    repet,
    repet_sim,
    rooms,
    rpca,
    simm,
    sparse_coding,
    startup,
    stereo,
    stft,
)

MODULES = (
    startup,
    stft,
    constant_q,
    hpss,
    repet,
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
    pitch,
    simm,
    stereo,
    memory,
    recipes,
)

if __name__ == "__main__":
    for module in MODULES:
        module.main()
