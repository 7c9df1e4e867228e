# %% [markdown]
# # Ideal masks: how good can it get?
#
# If somebody told us the true stems, how well could a mask do? These *oracles* cheat on purpose. Methods that have to
# guess such masks stay below them, so they say how much there is left to gain, and how much of what one hears is the
# fault of masks as such.
#
# **What to hear**: `vocals_binary.wav` beside `vocals_soft.wav`. Both know everything; one of them chirps.

# %%
import numpy as np
from matplotlib.figure import Figure

import sigsep_classic as ssc
from sigsep_classic.metrics import si_sdr

song = ssc.synthesize("song", seconds=6.0, sample_rate=22050)
names = list(song.stems)


def scores(stems) -> dict[str, float]:
    """Return the SI-SDR of each stem in dB."""
    return {name: float(np.mean(si_sdr(song.stems[name], stems[name]))) for name in names}


def line(label: str, found: dict[str, float]) -> None:
    """Print one row."""
    print(f"{label:32}" + "".join(f"{value:9.1f}" for value in found.values()))


print(f"SI-SDR in dB{'':20}" + "".join(f"{name:>9}" for name in names))
line("the mixture", scores(dict.fromkeys(names, song.mixture)))

# %% [markdown]
# A **binary** mask gives each point to the stem that is loudest there. A **ratio** mask shares it out by magnitudes,
# the **Wiener** one by powers. All of them leave the phase as it is; the **phase-sensitive** one at least turns down
# points where the phase is wrong. A **complex** mask may turn phases too: there is nothing left that it can't do.

# %%
stft = ssc.STFT(n_fft=2048)
kinds = {
    "ibm": "binary",
    "irm1": "ratio of magnitudes",
    "irm2": "ratio of powers (Wiener)",
    "psm": "phase-sensitive",
    "crm": "complex",
}
kept = {}
for kind, label in kinds.items():
    kept[kind] = ssc.oracle.apply(kind, song.mixture, song.stems, frontend=stft)
    line(label, scores(kept[kind]))

# %% [markdown]
# A method that does not cheat stands here. (Its weights were fitted on made-up songs, so this one suits it.)

# %%
line("method='four_stems', no cheating", scores(ssc.separate(song.mixture, 22050, method="four_stems")))

# %% [markdown]
# How good a mask can be depends on the window, too. Short windows see when, long ones see which pitch: drums want
# shorter ones than the voice.

# %%
sizes = [256, 512, 1024, 2048, 4096, 8192]
curves = {name: [] for name in names}
for n_fft in sizes:
    found = scores(ssc.oracle.apply("irm2", song.mixture, song.stems, frontend=ssc.STFT(n_fft=n_fft)))
    line(f"Wiener, window of {1000 * n_fft / 22050:4.0f} ms", found)
    for name, value in found.items():
        curves[name].append(value)
for name, values in curves.items():
    print(f"{name}: best at {1000 * sizes[int(np.argmax(values))] / 22050:.0f} ms")

# %%
ssc.save("ideal_masks/song.wav", song.mixture, song.sample_rate)
ssc.save("ideal_masks/vocals_binary.wav", kept["ibm"]["vocals"], song.sample_rate)
ssc.save("ideal_masks/vocals_soft.wav", kept["irm2"]["vocals"], song.sample_rate)

fig = Figure(figsize=(9, 4.5), layout="constrained")
ax = fig.add_subplot()
for name, values in curves.items():
    ax.semilogx([1000 * n / 22050 for n in sizes], values, "o-", base=2, label=name)
ax.set(xlabel="Window (ms)", ylabel="SI-SDR (dB)", title="The best a Wiener mask can do")
ax.xaxis.set_major_formatter("{x:.0f}")
ax.legend()
ax.grid(alpha=0.3)
fig.savefig("ideal_masks/windows.png")

# %% [markdown]
# **Try**: the same with `ssc.synthesize("speech2")`, two talkers, and then with recordings of your own. These made-up
# voices have no consonants to speak of; which windows do real ones like?
