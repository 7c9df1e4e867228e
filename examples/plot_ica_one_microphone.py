# %% [markdown]
# # Independent components of one microphone
#
# ICA takes as many sources apart as there are microphones. With one microphone one has to make up further channels.
# Two ways: the bins of a spectrogram (independent subspace analysis, Casey & Westner 2000), and delayed copies of the
# signal (single-channel ICA, Davies & James 2007).
#
# **What to hear**: `source1.wav` and `source2.wav`: the bass is clean, the voice has lost the bodies of its lowest
# notes at most.

# %%
import numpy as np

import sigsep_classic as ssc
from sigsep_classic.metrics import si_sdr

rate = 8000
song = ssc.synthesize("song", seconds=8.0, sample_rate=rate)
mono = {name: stem.mean(axis=0, keepdims=True) for name, stem in song.stems.items()}


def report(title: str, truth: dict[str, np.ndarray], sep: ssc.Separation) -> None:
    """Print SI-SDR of each part, in the mixture and in the stem that is nearest to it."""
    mixture = sum(truth.values())
    for name, part in truth.items():
        before = float(si_sdr(part, mixture).mean())
        after = max(float(np.mean(si_sdr(part, stem))) for stem in sep.values())
        print(f"{title:>5}, {name:>6}: SI-SDR {before:5.1f} dB in the mixture, {after:5.1f} dB in the stem")


# %% [markdown]
# Drums against everything else by ISA: twelve dimensions of the spectrogram, turned until their time courses are
# independent, then grouped by whether their shape is a vertical stroke or a horizontal line. Components have both
# signs, so a mask is made of their positive parts.

# %%
drums = {"drums": mono["drums"], "rest": mono["vocals"] + mono["bass"] + mono["other"]}
isa = ssc.separate(sum(drums.values()), rate, method="isa", groups="harmonic_percussive")
report("isa", drums, isa)

# %% [markdown]
# Bass and voice by single-channel ICA: vectors of 16 neighbouring samples go into ICA, each component is a filter,
# and filters whose outputs swell and fade together are one source. No spectrogram, no mask: two filters that add up
# to one.

# %%
pair = {"bass": mono["bass"], "vocals": mono["vocals"]}
scica = ssc.separate(sum(pair.values()), rate, method="scica")
report("scica", pair, scica)
for name, members in scica.model.stems.items():
    response = abs(np.fft.rfft(scica.model.filters[members].sum(axis=0), 1024))
    print(f"{name}: passes most at {np.argmax(response) * rate / 1024:.0f} Hz")

# %% [markdown]
# Filters stay the same over time, so what overlaps in frequency stays together.

# %%
scica.save("ica_one_microphone", template="{stem}.{ext}")
isa.save("ica_one_microphone", template="{stem}.{ext}")
scica.plot().savefig("ica_one_microphone/filters.png")
isa.plot().savefig("ica_one_microphone/components.png")

# %% [markdown]
# **Try**: `pair` of bass and drums. Both have their energy at the bottom; how much is left of the gain?
