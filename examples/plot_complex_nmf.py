# %% [markdown]
# # ComplexNMF versus NMF: two instruments on the same partial
#
# When a low A and the E above it sound together, every third partial of the one falls on every second of the
# other. In such a bin the mixture is not the sum of two magnitudes: the two add up as arrows, sometimes to nothing.
# A mask can only pass a share of what is there, with the phase of the mixture. Complex NMF gives each source a
# magnitude *and* a phase in every bin, and asks that the arrows add up (Kameoka et al. 2009; King & Atlas 2011).
#
# **What to hear**: `low_by_mask.wav` beside `low_by_phases.wav`, at the notes where both instruments have the partial
# E: how much of the other's notes, and of the flutter where they meet, is left in each?

# %%
import numpy as np

import sigsep_classic as ssc
from sigsep_classic.metrics import si_sdr

rate = 16000


def play(pitches: list[int], step: float, *, start: float, decay: float, seed: int) -> np.ndarray:
    """Return notes of ``step`` seconds, twelve partials each, with random phases."""
    rng = np.random.default_rng(seed)
    t = np.arange(6 * rate) / rate
    x = np.zeros_like(t)
    for i, pitch in enumerate(pitches):
        since = t - start - i * step
        sounding = (since >= 0) & (since < 0.98 * step)
        envelope = np.exp(-decay * np.where(sounding, since, 0)) * np.clip(since / 0.01, 0, 1) * sounding
        f = 440 * 2 ** ((pitch - 69) / 12)
        for n in range(1, 13):
            x += envelope * np.sin(2 * np.pi * f * n * t + rng.uniform(0, 2 * np.pi)) / n
    return x[None]


truth = {
    "low": play([57, 60, 64, 60, 57, 64, 60, 57, 64, 57, 60, 57], 0.5, start=0.0, decay=1.0, seed=0),
    "high": play([64, 67, 69, 72, 64, 69, 67, 64], 0.75, start=0.1, decay=0.5, seed=1),
}
alone = {  # the same notes in another order, from another day: what each instrument sounds like
    "low": play([57, 64, 60, 57, 60, 64], 0.8, start=0.0, decay=1.0, seed=2),
    "high": play([72, 64, 67, 69, 64], 1.1, start=0.0, decay=0.5, seed=3),
}
mixture = truth["low"] + truth["high"]


def report(title: str, stems: ssc.Separation) -> None:
    scores = [f"{name} {si_sdr(truth[name], stems[name])[0]:5.2f} dB" for name in truth]
    print(f"{title:<42} SI-SDR of " + ", ".join(scores))


before = [f"{name} {si_sdr(truth[name], mixture)[0]:5.2f} dB" for name in truth]
print(f"{'the mixture itself':<42} SI-SDR of " + ", ".join(before))

# %% [markdown]
# First with masks. The templates are learnt from the examples; only when each note sounds is to be found.

# %%
known = {"examples": alone, "n_components": 0, "n_templates": 6}
masked = ssc.separate(mixture, rate, method="nmf", **known)
report("NMF, Kullback-Leibler, masks", masked)
report("NMF, Euclidean, masks", ssc.separate(mixture, rate, method="nmf", beta=2.0, solver="me", **known))

# %% [markdown]
# Then with phases, one set for each instrument. The templates are exact here, so nothing has to keep activations
# few, and `sparsity=0` lets the phases do all they can.

# %%
phased = ssc.separate(mixture, rate, method="complex_nmf", sparsity=0.0, **known)
report("complex NMF", phased)

# %%
for way, stems in {"mask": masked, "phases": phased}.items():
    for name in truth:
        ssc.save(f"complex_nmf/{name}_by_{way}.wav", stems[name], rate)
phased.plot().savefig("complex_nmf/components.png")

# %% [markdown]
# Freedom has its price. Free phases explain any coefficient with any two templates that are loud enough: with
# templates that are learnt from the mixture, or that are only roughly right, it is sparsity that keeps complex NMF
# from using it, and masks are often better (`python -m benchmarks.complex_nmf` says by how much).
#
# **Try**: which starting phases does it take? `phase_spread=0.0` starts every phase where the mixture's is, and none
# will ever move: show that z = u + (Y − F) / X is then parallel to u, and that what is left is Euclidean NMF. What is
# the smallest spread that is enough here, and why is more not better?
