# %% [markdown]
# # What a better model of the sources is worth
#
# Independent low-rank matrix analysis finds one demixing matrix a frequency, given how strong each source is in each
# cell of its spectrogram: the variances. It models them as a few templates times activations, but any function may
# tell them: that is the form of independent deeply learned matrix analysis, whose function is a trained network.
# Here are three: the usual low rank, the smoothed powers of the estimates themselves, and the truth. The last is the
# upper bound of what any network could reach with one matrix a frequency.
#
# **What to hear**: `lowrank_source1.wav`, then `truth_source1.wav`: what is still left of the drums in the voice is
# what the variances cost. What is left in both is the room.

# %%
import numpy as np
from scipy.ndimage import uniform_filter

import sigsep_classic as ssc

# %% [markdown]
# A singing voice and drums reach two microphones along echoing paths: random decaying responses of 50 ms.

# %%
song = ssc.synthesize("song", seconds=8.0, sample_rate=16000, seed=1)
names = ["vocals", "drums"]
rng = np.random.default_rng(0)
dry = np.stack([song.stems[name][0] for name in names])
dry /= dry.std(axis=1, keepdims=True)
decay = np.exp(-np.arange(800) / 150)
paths = rng.standard_normal((2, 2, 800)) * decay
paths[:, :, 0] += 6
images = np.stack([[np.convolve(dry[n], paths[c, n])[: dry.shape[1]] for c in range(2)] for n in range(2)])
x = images.sum(axis=0)

stft = ssc.STFT(n_fft=2048, hop=512)
truth = abs(stft.analyze(images[:, 0])) ** 2


# %%
def smoothed(powers):
    """Return powers averaged over 3 bins and 7 frames."""
    return uniform_filter(powers, size=(1, 3, 7)) + 1e-12


def oracle(powers):
    """Return the true powers: row n of the demixing becomes source n."""
    return truth * (powers.sum() / truth.sum()) + 1e-9 * powers.mean()


# %% [markdown]
# SI-SDR at the first microphone, before and after; stems are matched to the truth by score.


# %%
def scores(stems):
    """Return SI-SDR of each true image in its best stem."""
    return [max(ssc.metrics.si_sdr(images[n, :1], stem[:1]).item() for stem in stems) for n in range(2)]


def line(label, values):
    """Print one row."""
    print(f"{label:<28}" + "".join(f"{value:9.1f} dB" for value in values))


print(" " * 28 + "".join(f"{name:>12}" for name in names))
line("mixture", scores([x]))
kept = {}
for label, method in {
    "low rank (10 templates)": ssc.ILRMA(n_components=10, n_iter=60),
    "smoothed powers": ssc.ILRMA(variance=smoothed, n_iter=60),
    "true variances": ssc.ILRMA(variance=oracle, n_iter=60),
}.items():
    kept[label] = ssc.separate(x, 16000, method=method, frontend=stft)
    line(label, scores(kept[label].values()))

# %%
lowrank, _, best = kept.values()
lowrank.save("ilrma_variances", template="lowrank_{stem}.{ext}")
best.save("ilrma_variances", template="truth_{stem}.{ext}")
lowrank.plot().savefig("ilrma_variances/sources.png")

# %% [markdown]
# Drums are few spectra, repeated, and a voice is another kind of few: the low rank finds the variances well enough
# for most of what there is to gain, and stays some 4 dB below the truth. Smoothed powers know less of the sources,
# and end behind it. That even the truth leaves some echo has another reason: the paths are longer than what one
# matrix a frequency can undo.
#
# It is not always so. A model that does not fit misleads: with `names = ["drums", "bass"]` the low rank ends *below*
# the mixture, while the smoothed powers still gain. What holds back this method is the variances, not the demixing.
#
# **Try**: how far may the true variances be blurred (`uniform_filter` with larger sizes) before the
# low-rank model is the better one?
