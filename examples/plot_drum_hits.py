# %% [markdown]
# # A drum loop, hit by hit
#
# Non-negative matrix factor deconvolution (NMFD) describes a spectrogram by short *templates*, a few frames long,
# and by when each is struck. That suits drums: a kick drum is the same little spectrogram wherever it falls.
# Here a loop of kick, snare and hi-hat is taken apart from nothing but one hit of each.
#
# **What to hear**: `kick.wav` is clean. `snare.wav` and `hat.wav` share bright noise, and where both strike at once
# the hat has a trace of the snare: a mask can give a point to both, but not tell two noises apart in it.

# %%
import numpy as np

import sigsep_classic as ssc
from sigsep_classic.metrics import si_sdr

rate = 44100
rng = np.random.default_rng(0)

# %% [markdown]
# Three drums, drawn with NumPy: a falling sine, a tone with noise, and bright noise.

# %%
t = np.arange(round(0.3 * rate)) / rate
noise = np.diff(rng.standard_normal((2, t.size + 2)), axis=1)
hits = {
    "kick": np.sin(2 * np.pi * (50 * t + 5 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.08),
    "snare": 0.4 * np.sin(2 * np.pi * 190 * t) * np.exp(-t / 0.05) + 0.25 * noise[0, 1:] * np.exp(-t / 0.07),
    "hat": 0.15 * np.diff(noise[1]) * np.exp(-t / 0.02),
}
beats = {"kick": [0, 1.5, 2], "snare": [1, 3], "hat": np.arange(0, 4, 0.5)}

stems = {name: np.zeros((1, round(6.9 * rate)), np.float32) for name in hits}
for name, hit in hits.items():
    for bar in range(4):
        for beat in beats[name]:
            start = round((4 * bar + beat) * 0.4 * rate)
            stems[name][0, start : start + t.size] += rng.uniform(0.6, 1) * hit
loop = sum(stems.values())

# %% [markdown]
# One hit of each is the example from which its template is cut. `n_components=0` says that nothing else sounds.

# %%
options = {
    "method": "nmfd",
    "frontend": ssc.STFT(n_fft=2048, hop=512),
    "n_components": 0,
    "template_seconds": 0.2,
}
sep = ssc.separate(loop, rate, examples=hits, **options)
for name, stem in stems.items():
    before, after = si_sdr(stem, loop)[0], si_sdr(stem, sep[name])[0]
    print(f"{name:6} SI-SDR {before:6.1f} dB in the loop, {after:6.1f} dB alone")

# %% [markdown]
# The activations say when each drum is struck: their largest entries, in beats, are the score again.

# %%
for name, activation in zip(stems, sep.model.H, strict=True):
    h = np.pad(activation, 1)
    struck = np.flatnonzero((h[1:-1] > 0.3 * h.max()) & (h[1:-1] > h[:-2]) & (h[1:-1] >= h[2:]))
    in_beats = struck * 512 / rate / 0.4
    print(f"{name:6} struck at beats", " ".join(f"{beat:.1f}" for beat in in_beats[:8]), "…")

# %%
sep.save("drum_hits", template="{stem}.{ext}")
sep.plot().savefig("drum_hits/templates.png")

# %% [markdown]
# **Try**: add `adapt_templates=True, hold_iter=20`: after twenty iterations the templates may change too, and
# the model fits the loop better. Do the drums sound better apart? (Look at the hat.)
