# %% [markdown]
# # A voice over its accompaniment, by robust PCA
#
# An accompaniment repeats: few chords, few drum sounds, again and again. As a matrix its spectrogram has a low rank.
# A voice glides and never sounds the same twice; of all points of the spectrogram it is loud in few. Robust PCA
# (Huang et al. 2012) takes a matrix apart into just that: low rank plus sparse. It is told nothing else.
#
# **What to hear**: in `foreground.wav` the voice stands in front, with the attacks of the drums: they too are rare
# and loud. In `background.wav` the voice is left as a shimmer where it holds a note, because a held note has a low
# rank.

# %%
import numpy as np

import sigsep_classic as ssc
from sigsep_classic.metrics import scores

song = ssc.synthesize("song", seconds=9.0, sample_rate=32000)
truth = {"foreground": song.stems["vocals"], "background": song.mixture - song.stems["vocals"]}


def si_sdr(estimates):
    """Return the SI-SDR of each estimate in dB."""
    result = scores(truth, estimates, metrics=("si_sdr",), sample_rate=song.sample_rate)
    return {name: float(np.mean(values["si_sdr"])) for name, values in result.items()}


before = si_sdr(dict.fromkeys(truth, song.mixture))

# %% [markdown]
# ## Three masks from the same two matrices
#
# The paper gives each point of the spectrogram to whichever matrix is larger there: a binary mask. That is crisp, and
# rattles. A soft mask shares each point out; a semi-soft one does so only where it is in doubt.

# %%
ways = {
    "the paper: magnitudes, binary mask": ssc.RPCA(power=1, mask_kind="binary"),
    "the same, soft mask": ssc.RPCA(power=1, mask_kind="soft"),
    "compressed magnitudes, semi-soft mask": ssc.RPCA(mask_kind="semi_soft"),
    "compressed magnitudes, soft mask (default)": ssc.RPCA(),
}
print(f"SI-SDR in dB{'':34}voice   accompaniment")
print(f"{'the mixture itself':44}{before['foreground']:7.1f}{before['background']:11.1f}")
for label, method in ways.items():
    sep = ssc.separate(song.mixture, song.sample_rate, method=method)
    after = si_sdr({name: sep[name] for name in truth})
    print(f"{label:44}{after['foreground']:7.1f}{after['background']:11.1f}")

# %% [markdown]
# ## What it found
#
# The rank says how many spectra the background needed; the residual falls by about a third in every step.

# %%
model = sep.model
share = float(np.mean(model.gains()[1] > 0.5))
print(f"rank of the background: {int(model.extra['rank'])} of {min(model.magnitude.shape[1:])}")
print(f"steps: {len(model.losses)}, residual {model.losses[-1][1]:.1e}")
print(f"the foreground has the larger half of {100 * share:.0f} % of all points")
sep.save("rpca_voice", template="{stem}.{ext}")
sep.plot().savefig("rpca_voice/low_rank_and_sparse.png")

# %% [markdown]
# **Try**: `RPCA(sparsity=1.5)` leaves less to the foreground. Which of the two leaks it trades is worth hearing. And
# does taking the drums out first, with `method="hpss"`, help?
