# %% [markdown]
# # What is a mask?
#
# A mask is a number between 0 and 1 for each point of a spectrogram: how much of it to let through. We make four
# masks by hand, from the dullest to one that takes the drums out of a song in three lines.
#
# **What to hear**: the last pair of files, `struck.wav` and `held.wav`. Together they are the song again, as near as
# single floats go.

# %%
import numpy as np
from scipy.ndimage import median_filter

import sigsep_classic as ssc
from sigsep_classic.metrics import si_sdr
from sigsep_classic.plot import spectrogram

song = ssc.synthesize("song", seconds=6.0, sample_rate=22050)
x = song.mixture.mean(axis=0, keepdims=True)  # one channel is enough here
truth = {name: stem.mean(axis=0, keepdims=True) for name, stem in song.stems.items()}
stft = ssc.STFT(n_fft=2048)
X = stft.analyze(x)
print(f"{x.shape[1]} samples became a table of {X.shape[1]} frequencies by {X.shape[2]} frames")


def through(mask: np.ndarray) -> np.ndarray:
    """Return the sound of the mixture through a mask."""
    return stft.synthesize(mask * X, x.shape[1])


def score(name: str, y: np.ndarray) -> float:
    """Return how near y is to a true stem, in dB."""
    return float(si_sdr(truth[name], y)[0])


# %% [markdown]
# **A mask of ones** lets everything through. Nothing is lost on the way to the spectrogram and back; that is why one
# may work there at all.

# %%
print(f"all ones: largest error of a sample {abs(through(np.ones(X.shape)) - x).max():.0e}")

# %% [markdown]
# **A mask that is the same at all times** is a filter. The bass is what lies below 200 Hz, or so we hope:

# %%
hertz = (np.arange(X.shape[1]) * song.sample_rate / 2048)[:, None]
low = np.where(hertz < 200, 1.0, 0.0) * np.ones(X.shape)
print(
    f"bass: SI-SDR {score('bass', x):5.1f} dB in the song, {score('bass', through(low)):5.1f} dB below 200 Hz"
)

# %% [markdown]
# The kick drum is down there too. **A mask that is the same at all frequencies** is a hand on the volume: here it is
# open only where the song gets suddenly louder. Alas, what sounds at the same moment comes along.

# %%
loudness = abs(X).sum(axis=1, keepdims=True)
sudden = loudness > 1.2 * np.roll(loudness, 3, axis=2)
gate = np.where(sudden, 1.0, 0.0) * np.ones(X.shape)
print(
    f"drums: SI-SDR {score('drums', x):5.1f} dB in the song, {score('drums', through(gate)):5.1f} dB through the gate"
)

# %% [markdown]
# **A mask of its own at each point** can do more. In a spectrogram a drum is an upright stroke and a note that is
# held lies flat. A median over frequencies keeps the strokes, a median over time keeps the flat lines, and each point
# is shared out by which of the two is larger there (Fitzgerald 2010).

# %%
upright = median_filter(abs(X), size=(1, 31, 1)) ** 2
flat = median_filter(abs(X), size=(1, 1, 31)) ** 2
drums = upright / (upright + flat + 1e-12)
struck, held = through(drums), through(1 - drums)
print(f"drums: SI-SDR {score('drums', struck):5.1f} dB through a mask of points")
print(
    f"the two masks add up to one, so the two sounds add up to the song: {abs(struck + held - x).max():.0e}"
)

# %% [markdown]
# Writing files: in `struck.wav` there is a whisper of the beginnings of all notes. A mask can't know whose they are.

# %%
for name, y in {"song": x, "struck": struck, "held": held}.items():
    ssc.save(f"what_is_a_mask/{name}.wav", y, song.sample_rate)

# %% [markdown]
# And now as a picture: the song, the gains (yellow: let through), and the song through them. `method="hpss"` is this
# mask, faster.

# %%
sep = ssc.separate(x, song.sample_rate, method="hpss", frontend=stft)
print(f"drums: SI-SDR {score('drums', sep['percussive']):5.1f} dB by method='hpss'")
sep.plot().savefig("what_is_a_mask/masks.png")
spectrogram(struck, song.sample_rate, title="the song through the mask").savefig("what_is_a_mask/struck.png")

# %% [markdown]
# **Try**: multiply by `drums > 0.5` in place of `drums`: a *binary* mask. Is it nearer to the drums, and does it
# sound better? Then think of a mask that takes the voice out: how would a voice look beside strokes and flat lines?
