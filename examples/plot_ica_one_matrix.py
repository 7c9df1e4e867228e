# %% [markdown]
# # ICA: a cocktail party with one matrix
#
# Two people talk at once and two microphones hear both, each a little more of one than of the other. No echo: each
# microphone is a weighted sum, x = A s. If the voices do not depend on each other, one can look for the matrix W
# that makes the rows of y = W x as independent as can be, knowing neither A nor the voices: independent component
# analysis. It works because a sum of two voices is nearer to a Gaussian than either alone.
#
# **What to hear**: `mixture.wav`, then `source1.wav`: of the other voice nothing is left that one could hear.

# %%
import numpy as np

import sigsep_classic as ssc
from sigsep_classic.metrics import si_sdr

mix = ssc.synthesize("stereo2x2", seconds=4.0, sample_rate=16000)
x = mix.mixture


def kurtosis(rows: np.ndarray) -> np.ndarray:
    """Return the excess kurtosis of each row: 0 for a Gaussian."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    return (rows**4).mean(axis=1) / (rows**2).mean(axis=1) ** 2 - 3


print("excess kurtosis of the voices:     ", kurtosis(mix.meta["sources"]).round(2))
print("excess kurtosis of the microphones:", kurtosis(x).round(2))

# %% [markdown]
# A common mask can't do this well: where both talk in the same cell of the spectrogram, each gets a share of a sum.
# One matrix can take the other voice off exactly.


# %%
def report(title: str, sep: ssc.Separation) -> None:
    """Print SI-SDR of each voice, in the mixture and in the stem that is nearest to it."""
    for name, voice in mix.stems.items():
        before = float(si_sdr(voice, x).mean())
        after = max(float(np.mean(si_sdr(voice, stem))) for stem in sep.values())
        print(f"{title:>24}, {name}: SI-SDR {before:5.1f} dB in the mixture, {after:5.1f} dB in the stem")


report("ica on samples", ssc.separate(x, mix.sample_rate, method="ica"))
report("ica on STFT coefficients", ssc.separate(x, mix.sample_rate, method="ica", frontend=ssc.STFT()))

# %% [markdown]
# The STFT spreads a voice over cells most of which are nearly silent: further from a Gaussian, so easier to tell apart.
#
# What the method found is a matrix. Its inverse is the mixing matrix, up to the order of the voices and their scale.

# %%
model = ssc.separate(x, mix.sample_rate, method="ica").model
truth = mix.meta["mixing"] / abs(mix.meta["mixing"]).max(axis=0)
print("mixing, found:", model.A[0].round(3).tolist())
print("mixing, true: ", truth.round(3).tolist())

# %% [markdown]
# Found and true columns may change places: names are free. It took a handful of steps; each is a model one can look
# into. `iterate` gives them one by one.

# %%
X = ssc.Waveform().analyze(x)
for i, step in enumerate(ssc.ICA(solver="infomax", n_iter=12).iterate(X)):
    if i % 3 == 0:
        print(f"infomax after {i:2d} steps: mixing matrix {step.A[0].round(3).tolist()}")

# %% [markdown]
# The picture shows the matrix and a cloud: each dot is a sample as the two microphones heard it. Two voices are two
# directions in it.

# %%
sep = ssc.separate(x, mix.sample_rate, method="ica")
ssc.save("ica_one_matrix/mixture.wav", x, mix.sample_rate)
sep.save("ica_one_matrix", template="{stem}.{ext}")
sep.plot().savefig("ica_one_matrix/matrix.png")

# %% [markdown]
# **Try**: `ssc.synthesize("convolutive")` is the same party in a room. Why does one matrix no longer do?
