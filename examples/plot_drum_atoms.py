# %% [markdown]
# # Shift-invariant atoms: a drum loop taken apart into its samples
#
# A drum machine plays the same few sounds again and again. Sparse shift-invariant coding (Blumensath & Davies
# 2006) looks for just that: a few short sounds, the *atoms*, and a short list of moments and loudnesses, the
# *codes*, whose sum is the recording. Nothing is told beforehand: neither the sounds nor when they are played.
#
# It works on the waveform itself, so that what comes out are samples one can play, not masked spectrograms.
#
# **What to hear**: `hat.wav` where it falls together with the kick: no mask could give all of the click back, an atom
# does. Then `residual.wav`: it should be hiss without a beat.

# %%
import numpy as np

import sigsep_classic as ssc
from sigsep_classic.grouping import by_reference
from sigsep_classic.metrics import si_sdr

rate = 8000
rng = np.random.default_rng(7)


def drum(seconds: float, decay: float, pitch: float, noise: float) -> np.ndarray:
    """Return a hit: a falling tone and noise, both dying away."""
    t = np.arange(int(seconds * rate)) / rate
    tone = np.sin(2 * np.pi * pitch * (t + 0.01 * np.exp(-t / 0.02)))
    hiss = np.diff(rng.standard_normal(len(t) + 1))
    return ((1 - noise) * tone + noise * hiss) * np.exp(-t / decay)


samples = {
    "kick": drum(0.12, 0.030, 60, 0.0),
    "snare": drum(0.10, 0.025, 190, 0.5),
    "hat": drum(0.04, 0.008, 0, 1.0),
}

# %% [markdown]
# Eight seconds of a loop, played by hand: no hit falls exactly on the beat, and no two are equally loud. The kick
# is in the middle, the snare a little to the left, the hat to the right.

# %%
panning = {"kick": (1.0, 1.0), "snare": (1.0, 0.6), "hat": (0.5, 1.0)}
patterns = {"kick": (0.0, 1.0, 1.25), "snare": (0.5, 1.5), "hat": np.arange(0, 2, 0.25)}
n = 8 * rate
truth, played = {}, {}
for name, sound in samples.items():
    track, onsets = np.zeros(n + rate), []
    for bar in range(4):
        for beat in patterns[name]:
            onset = int((2 * bar + beat + 0.05 + 0.02 * rng.random()) * rate)
            track[onset : onset + len(sound)] += rng.uniform(0.5, 1.0) * sound
            onsets.append(onset)
    truth[name] = np.outer(panning[name], track[:n])
    played[name] = np.array(onsets)
mixture = sum(truth.values()) + 0.003 * rng.standard_normal((2, n))

# %% [markdown]
# Three atoms of 0.12 s. `by_reference` looks at the truth once, to tell which atom is to be called what.

# %%
references = {name: stem[:, None] for name, stem in truth.items()}
sep = ssc.separate(
    mixture,
    rate,
    method=ssc.SparseCoding(n_components=3, seconds=0.12, sparsity=0.02),
    frontend=ssc.Waveform(),
    groups=lambda model: by_reference(model, references),
)
for name, stem in truth.items():
    before, after = (si_sdr(stem[None], x[None])[0] for x in (mixture, sep[name]))
    print(f"{name:>6}: SI-SDR {before:5.1f} dB in the mixture, {after:5.1f} dB in the stem")
print(
    f"what no atom explains has {100 * (sep['residual'] ** 2).sum() / (mixture**2).sum():.1f} % of the energy"
)

# %% [markdown]
# The model is a list of events, a transcription. Where the hits of an atom are, up to one common delay:

# %%
groups = by_reference(sep.model, references)
for name, members in groups.items():
    for k in members:
        frames, amplitudes = sep.model.firings(k)
        strong = frames[abs(amplitudes) > 0.3 * abs(amplitudes).max()]
        delay = np.median([f - played[name][abs(played[name] - f).argmin()] for f in strong])
        found = sum(abs(strong - delay - onset).min() <= 0.002 * rate for onset in played[name])
        left, right = np.linalg.norm(sep.model.atom(k), axis=-1)
        print(
            f"{name:>6} is atom {k}: {found} of {len(played[name])} hits within 2 ms, "
            f"{len(strong)} events, left / right = {left / right:.2f}"
        )

# %% [markdown]
# The picture is that transcription, with the sounds that it is of.

# %%
sep.save("drum_atoms", template="{stem}.{ext}")
sep.plot().savefig("drum_atoms/atoms.png")

# %% [markdown]
# **Try**: raise `sparsity` to 0.5. Which hits go first, and why do those that stay get softer? (The answer is in
# the word *soft* of soft thresholding.)
