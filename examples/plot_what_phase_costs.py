# %% [markdown]
# # What phase costs
#
# Masks give every stem the phase of the mixture. Where one source is alone that is right, where two meet it is wrong.
# How much is lost? We take magnitudes from the true stems, which no method has, and change the phases only; then we
# do the same with magnitudes that a method has found.
#
# **What to hear**: `drums_mixture_phase.wav` and `drums_misi.wav`: the magnitudes are the same, and true; the blur is
# phase.

# %%
import numpy as np
from matplotlib.figure import Figure

import sigsep_classic as ssc
from sigsep_classic import masking, phase
from sigsep_classic.metrics import si_sdr

song = ssc.synthesize("song", seconds=5.0, sample_rate=16000)
names = list(song.stems)
truth = np.stack([song.stems[name] for name in names])
stft = ssc.STFT(n_fft=1024, hop=256)
X, S = stft.analyze(song.mixture), stft.analyze(truth)
n_samples = song.mixture.shape[1]


def show(label, stems):
    """Print the SI-SDR of each stem in dB."""
    values = [si_sdr(t[None], s[None])[0] for t, s in zip(truth, stems, strict=True)]
    print(f"{label:44}{''.join(f'{v:9.1f}' for v in values)}{np.mean(values):9.1f}")
    return float(np.mean(values))


print(f"SI-SDR in dB{'':32}{''.join(f'{name:>9}' for name in names)}     mean")

# %% [markdown]
# ## True magnitudes
#
# The Wiener filter, which knows the true powers, is what masks usually aim at. MISI knows two things more: the
# sources add up to the mixture, and each is the transform of a signal. Consistent Wiener filtering weighs these by
# how sure each point is. Phases can also be told in advance: those of a sinusoid go on by its frequency.

# %%
V = abs(S)
borrowed = stft.synthesize(V * X / np.maximum(abs(X), 1e-12), n_samples)
misi = phase.misi(V, X, stft, n_samples)
bars = {"mixture's phase": show("mixture's phase", borrowed)}
wiener = bars["Wiener"] = show("Wiener filter", stft.synthesize(masking.wiener(V) * X, n_samples))
best = bars["MISI"] = show("MISI, 10 rounds", misi)
show("consistent Wiener filter", phase.consistent_wiener(V, X, stft, n_samples, power=1).y)
Y = phase.unwrapped(V, X, stft)
show("phases of sinusoids", stft.synthesize(Y, n_samples))
show("the same, then MISI", phase.misi(V, X, stft, n_samples, start=Y))
print(f"with true magnitudes, phase is worth {best - wiener:.1f} dB")

# %% [markdown]
# ## Magnitudes that a method found
#
# NMF learns templates from the first half of the song and separates all of it. Its magnitudes are wrong by more than
# the phases were: signals that keep to them are no nearer to the truth. The price of phase falls due only when the
# magnitudes are nearly right, so the mixture's phase is the default of `separate`.

# %%
examples = {name: song.stems[name][:, : n_samples // 2] for name in names}
sep = ssc.separate(
    song.mixture, song.sample_rate, method="nmf", examples=examples, mask="wiener", frontend=stft
)
before = show("NMF, Wiener filter", [sep[name] for name in names])
after = [
    show(f"NMF, {name}", [sep.regroup(phase=name)[n] for n in names])
    for name in ("misi", "consistent_wiener")
]
print(f"with estimated magnitudes, phase is worth {max(after) - before:.1f} dB at best")

# %%
d = names.index("drums")
for name, stems in {"mixture_phase": borrowed, "misi": misi}.items():
    ssc.save(f"what_phase_costs/drums_{name}.wav", stems[d], song.sample_rate)
bars |= {"NMF, Wiener": before, "NMF, MISI": after[0]}
fig = Figure(figsize=(7, 3.5), layout="constrained")
ax = fig.add_subplot()
drawn = ax.bar(list(bars), list(bars.values()), color=["C0"] * 3 + ["C1"] * 2)
ax.bar_label(drawn, fmt="%.1f")
ax.set(ylabel="Mean SI-SDR (dB)", title="True magnitudes (blue), magnitudes of NMF (orange)")
fig.savefig("what_phase_costs/phases.png")

# %% [markdown]
# **Try**: longer windows, `ssc.STFT(n_fft=4096, hop=1024)`. Do phases then cost more or less, and why are sinusoids
# easier to foretell? And somewhere between true magnitudes and those of NMF there must be a point from which phases
# pay: find it by mixing the two.
