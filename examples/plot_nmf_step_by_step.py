# %% [markdown]
# # NMF, one step at a time
#
# Non-negative matrix factorisation explains a spectrogram V by a few spectra, the columns of W, and by when each of
# them sounds, the rows of H: V ≈ W H. We watch it start from noise and find three notes that nobody told it about.
#
# **What to hear**: `note1.wav` to `note3.wav`, one for each component: single notes, cut out of chords.

# %%
import numpy as np
from matplotlib.figure import Figure

import sigsep_classic as ssc
from sigsep_classic.metrics import si_sdr

rate = 16000
t = np.arange(4 * rate) / rate


def note(hertz: float, starts: list[float]) -> np.ndarray:
    """Return a plucked string, struck at some moments."""
    y = np.zeros_like(t)
    for start in starts:
        since = np.maximum(t - start, 0)
        tone = sum(np.sin(2 * np.pi * hertz * n * since) / n for n in range(1, 9))
        y += (t >= start) * tone * np.exp(-6 * since)
    return 0.1 * y[None]


truth = {
    "C": note(261.6, [0.1, 2.0, 3.0]),
    "E": note(329.6, [0.6, 2.5, 3.0]),
    "G": note(392.0, [1.1, 1.6, 2.5]),
}
mixture = sum(truth.values())

# %% [markdown]
# `iterate` hands out a model after each step. Each is finished as far as it goes: it has W and H, and can make
# sounds. The loss says how far W H is from V; each step is made so that it can't rise.

# %%
stft = ssc.STFT(n_fft=2048)
X = stft.analyze(mixture)
method = ssc.NMF(n_components=3, n_iter=100, solver="mu", initial="random")
data = method.prepare(X)
print(f"V has {X.shape[1]} x {X.shape[2]} numbers; W and H have {3 * (X.shape[1] + X.shape[2])} together")
kept = {}
for i, model in enumerate(method.iterate(X)):
    if i in (0, 1, 5, 100):
        kept[i] = model.W
    if i in (0, 1, 2, 5, 10, 20, 50, 100):
        hertz = model.W.argmax(axis=0) * rate / 2048
        peaks = ", ".join(f"{f:4.0f}" for f in sorted(hertz))
        print(
            f"step {i:3d}: loss {method.loss(data, model):9.2f}, loudest frequencies of the three {peaks} Hz"
        )

# %% [markdown]
# 262, 330 and 392 Hz it should be, and the bins are 8 Hz wide. Where did the notes come from? From the multiplication
# alone: an entry of W that explains too much is multiplied by less than one, one that explains too little by more.
# Nothing is ever subtracted, so nothing turns negative, and a template that is zero at a frequency stays zero.

# %% [markdown]
# To make sounds, each component gets its share of each point: (W H)_k / W H is a mask.

# %%
sep = ssc.separate(
    mixture, rate, method=method, frontend=stft, groups={f"note{k + 1}": [k] for k in range(3)}
)
for name, y in truth.items():
    before = si_sdr(y, mixture)[0]
    best = max(sep, key=lambda stem: float(si_sdr(y, sep[stem])[0]))
    print(f"{name}: SI-SDR {before:5.1f} dB in the mixture, {si_sdr(y, sep[best])[0]:5.1f} dB in {best}")
sep.save("nmf_step_by_step", template="{stem}.{ext}")

# %% [markdown]
# The pictures: W as it came out of the noise, then W, H, and what each component has of the spectrogram.

# %%
sep.plot().savefig("nmf_step_by_step/components.png")
fig = Figure(figsize=(10, 4), layout="constrained")
for ax, (i, W) in zip(fig.subplots(1, 4, sharey=True), kept.items(), strict=True):
    ax.imshow(
        W[:200] ** 0.3,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(0.5, 3.5, 0, 200 * rate / 2048),
    )
    ax.set(title=f"W after {i} steps", xlabel="Component", xticks=(1, 2, 3))
fig.axes[0].set_ylabel("Frequency (Hz)")
fig.savefig("nmf_step_by_step/out_of_noise.png")

# %% [markdown]
# **Try**: `n_components=2`: which two notes end up together, and why those? And with 4, what is left for the fourth
# to explain? (Look at the attacks.)
