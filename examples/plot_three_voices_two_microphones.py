# %% [markdown]
# # Three voices, two microphones
#
# With as many microphones as voices a matrix takes each voice off the others. With fewer there is no such matrix: two
# equations, three unknowns. What helps is that voices are sparse: at most points of a spectrogram one of them is much
# louder than the others. There the two microphones hear one voice, and what they hear points in its direction.
#
# **What to hear**: `source1.wav` has one voice in front and the others as a murmur; some syllables sound thin where
# another voice was louder. `louder.wav` is the mixture with that voice turned up: the murmur hides in it.

# %%
from dataclasses import replace

import numpy as np

import sigsep_classic as ssc
from sigsep_classic.metrics import si_sdr

rate, seconds = 8000, 5.0
talkers = [ssc.synthesize("speech2", seconds=seconds, sample_rate=rate, seed=seed) for seed in (0, 1)]
voices = [talkers[0].stems["speaker1"], talkers[0].stems["speaker2"], talkers[1].stems["speaker2"]]

# %% [markdown]
# A small room: from each voice to each microphone goes a direct path, with a delay of its own, and a tail of echoes
# that falls by 60 dB in 150 ms.

# %%
rng = np.random.default_rng(0)
tail = 10 ** (-3 * np.arange(int(0.15 * rate)) / (0.15 * rate))
images = []
for voice, delays in zip(voices, [(20, 26), (23, 23), (26, 20)], strict=True):
    heard = []
    for delay in delays:
        response = 0.02 * rng.standard_normal(tail.size) * tail
        response[:delay] = 0
        response[delay] = 1.0
        heard.append(np.convolve(voice[0] / voice.std(), response)[: voice.shape[1]])
    images.append(0.05 * np.array(heard))
x = sum(images).astype(np.float32)

# %% [markdown]
# `cacgmm` looks at the directions in each frequency bin as a cloud of points and finds three clusters in it. That
# tells, bin by bin, which cluster is loud when; clusters of different bins are one voice if they are loud together.


# %%
def report(title: str, stems: list[np.ndarray]) -> None:
    """Print SI-SDR of each voice at the first microphone, in the mixture and in the stem that is nearest to it."""
    for n, image in enumerate(images):
        before = float(si_sdr(image[:1], x[:1])[0])
        after = max(float(si_sdr(image[:1], stem[:1])[0]) for stem in stems)
        print(
            f"{title:>16}, voice {n + 1}: SI-SDR {before:5.1f} dB in the mixture, {after:5.1f} dB in the stem"
        )


stft = ssc.STFT(n_fft=1024, hop=256)
sep = ssc.separate(x, rate, method=ssc.CACGMM(n_sources=3), frontend=stft)
report("multichannel", list(sep.values()))

# %% [markdown]
# The posteriors are a picture worth looking at: who speaks where. Used as a mask they sound more watery than the
# multichannel Wiener filter that is the default, which also takes what the direction can give.

# %%
masked = replace(sep.model, extraction="mask").reconstruct()
report("mask", [stft.synthesize(Y, x.shape[1]) for Y in masked])
sharp = float((sep.model.posterior.max(axis=0) > 0.9).mean())
print(f"at {100 * sharp:.0f} % of all points one voice has more than 90 % of the posterior")

# %%
sep.save("three_voices_two_microphones", template="{stem}.{ext}")
ssc.save("three_voices_two_microphones/louder.wav", sep.remix(source1=2.0), rate)
sep.plot().savefig("three_voices_two_microphones/directions.png")

# %% [markdown]
# **Try**: `ssc.STFT(n_fft=512)` or `n_fft=8192`. In which is a point more often one voice's alone, and in which does
# a bin still see the whole room in one window?
