"""All benchmarks, one after the other: ``python -m benchmarks``."""

from __future__ import annotations

from benchmarks import hpss, nmf, real, repet_sim, startup, stft

for module in (startup, stft, hpss, repet_sim, nmf, real):
    module.main()
