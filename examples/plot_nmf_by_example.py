# %% [markdown]
# # A few seconds of the instrument you want
#
# NMF explains a spectrogram as templates (what may sound) times activations (when it sounds). Usually both are
# learnt from the mixture and somebody has to say afterwards which templates were the drums. If we have a few
# seconds of the drums alone, we can learn their templates first, hold them fast, and let NMF find further ones
# for everything else: supervised where we know something, unsupervised where we don't.
#
# **What to hear**: `drums.wav` and `rest.wav`. How the consonants of the voice leak into the drums: noise is noise,
# and a template has no time.

# %%
import numpy as np

import sigsep_classic as ssc
from sigsep_classic.metrics import si_sdr

song = ssc.synthesize("song", seconds=12.0, sample_rate=16000)
half = song.mixture.shape[1] // 2
mixture = song.mixture[:, half:]  # what we separate
truth = {name: stem[:, half:] for name, stem in song.stems.items()}
alone = {name: stem[:, :half] for name, stem in song.stems.items()}  # what we learn from: other bars


def score(name: str, stem: np.ndarray) -> str:
    before = si_sdr(truth[name][None], mixture[None])[0]
    after = si_sdr(truth[name][None], stem[None])[0]
    return f"{name:>7}: SI-SDR {before:5.1f} dB in the mixture, {after:5.1f} dB in the stem"


# %% [markdown]
# One example, and a `rest` that is learnt from the mixture. The example is six seconds from another part of the
# song; its level does not matter.

# %%
few_shot = ssc.separate(
    mixture, song.sample_rate, method="nmf", examples={"drums": alone["drums"]}, n_components=20
)
print("drums by example, the rest unknown")
print(score("drums", few_shot["drums"]))

# %% [markdown]
# Examples of everything: nothing is left to learn but when each template sounds. This problem is convex (for
# Kullback-Leibler), so no random start decides about the outcome.

# %%
everything = ssc.separate(
    mixture, song.sample_rate, method="nmf", examples=alone, n_components=0, n_templates=24
)
print("all four by example")
for name in truth:
    print(score(name, everything[name]))

# %% [markdown]
# For comparison: as many components without examples, grouped by the truth, which no listener could do. Where
# instruments play together throughout, templates learnt from the mixture are mixed themselves.

# %%
X_true = {name: few_shot.frontend.analyze(stem) for name, stem in truth.items()}
blind = ssc.separate(
    mixture,
    song.sample_rate,
    method="nmf",
    n_components=36,
    groups=lambda model: ssc.grouping.by_reference(model, X_true),
)
print("no examples, components grouped by the truth")
for name in truth:
    print(score(name, blind[name]))

# %%
few_shot.save("nmf_by_example", template="{stem}.{ext}")
few_shot.plot().savefig("nmf_by_example/components.png")

# %% [markdown]
# **Try**: `n_templates=4` for the drums. How few templates still hold the kit?
