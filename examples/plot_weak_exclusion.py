# %% [markdown]
# # Sources that exclude each other
#
# Look at the spectrogram of a conversation: in nearly every cell one voice is much louder than the other. Masks are
# built on that. Here the same fact finds a *matrix*: of all y = W x take the one whose outputs are least often strong
# in the same cell. It is the idea of "Blind source separation via a weak exclusion principle" (ICASSP 2022) as we
# read its title, not the paper's algorithm.
#
# **What to hear**: the other voice in `source1.wav`. It is far down, and nothing has been cut out of the voice that
# stays, as a mask would.

# %%
import numpy as np
from matplotlib.figure import Figure

import sigsep_classic as ssc
from sigsep_classic.metrics import si_sdr

mix = ssc.synthesize("stereo2x2", seconds=4.0, sample_rate=16000)
X = ssc.STFT(n_fft=1024).analyze(mix.mixture)

# %% [markdown]
# After whitening only a rotation is left to find, and for two microphones a rotation is one angle. So the whole
# search fits into one table: turn the whitened mixture by each angle and measure how much both outputs are active
# at once, the mean of φ(y₁) φ(y₂) with φ(u) = log(1 + |u|² / s²).

# %%
method = ssc.WeakExclusionICA(scale=0.3)
data = method.prepare(X)


def turned(degrees: float) -> np.ndarray:
    """Return a rotation by an angle."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[[c, s], [-s, c]]], dtype=complex)


angles = np.arange(0, 90, 7.5)
losses = [method.at(data, turned(angle), 1.0).value for angle in angles]
for angle, loss in zip(angles, losses, strict=True):
    print(f"{angle:5.1f}°  {loss:.4f}  " + "#" * round(60 * loss))

# %% [markdown]
# One valley, and one angle that is worst. (At 90° the outputs are those of 0°, swapped, so the table goes round.) The
# method walks down into the valley; the loss of every step is there to see.

# %%
for i, state in enumerate(ssc.WeakExclusionICA(n_iter=12).iterate(X)):
    if i % 3 == 0:
        angle = np.degrees(np.arctan2(state.R[0, 0, 1].real, state.R[0, 0, 0].real))
        print(f"step {i:2d}: loss {state.value:.5f} at {angle % 90:5.1f}°")

# %%
for name in ("ica", "exclusion"):
    sep = ssc.separate(mix.mixture, mix.sample_rate, method=name)
    for voice, truth in mix.stems.items():
        before = float(si_sdr(truth, mix.mixture).mean())
        after = max(float(np.mean(si_sdr(truth, stem))) for stem in sep.values())
        print(f"{name:>9}, {voice}: SI-SDR {before:5.1f} dB in the mixture, {after:5.1f} dB in the stem")

# %%
sep.save("weak_exclusion", template="{stem}.{ext}")
fig = Figure(figsize=(7, 3.5), layout="constrained")
ax = fig.add_subplot()
ax.plot(angles, losses, "o-")
ax.axvline(angle % 90, linestyle="--", color="grey", label="where the method ends")
ax.set(xlabel="Angle (degrees)", ylabel="Loss", title="How often both are loud, by rotation")
ax.legend()
fig.savefig("weak_exclusion/angles.png")

# %% [markdown]
# ICA gets much further for the first voice, and not quite as far for the second. A rotation is one number for two
# voices and keeps its outputs uncorrelated, which voices of a few seconds never quite are: it has to settle for
# something between them. ICA may turn each output by itself.
#
# **Try**: `scale=0.01` counts every whisper as activity, `scale=10` only shouts (then the loss is the product of
# energies). Which of the two voices gets cleaner, and why not both?
