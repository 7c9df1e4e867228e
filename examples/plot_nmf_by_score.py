# %% [markdown]
# # Two hands of a piano, told apart by the score
#
# If we know which notes are played when, most of NMF's freedom can be taken away before it starts: the template
# of a note is zero off its partials, its activation is zero while the note is silent. Multiplicative updates
# never leave a zero, so what is impossible stays impossible, and the updates find out how loud every partial is
# and how it decays (Ewert & Müller 2012).
#
# **What to hear**: `left.wav` and `right.wav`, a hand each.

# %%
import numpy as np

import sigsep_classic as ssc
from sigsep_classic.metrics import si_sdr

rate = 22050
beat = 0.4


def hand(pitches: list[int], every: float, length: float) -> list[tuple[float, float, float]]:
    """Return notes as (onset s, offset s, MIDI pitch)."""
    return [(0.2 + i * every, 0.2 + i * every + length, pitch) for i, pitch in enumerate(pitches)]


score = {
    "left": hand([48, 55, 52, 55] * 4, beat, beat * 0.95),
    "right": hand([72, 76, 79, 77, 76, 74, 72, 71], 2 * beat, 2 * beat * 0.9),
}


def play(notes: list[tuple[float, float, float]], seconds: float = 7.0) -> np.ndarray:
    t = np.arange(int(seconds * rate)) / rate
    x = np.zeros_like(t)
    for onset, offset, pitch in notes:
        since = np.maximum(t - onset, 0)
        tone = sum(
            np.sin(2 * np.pi * n * 440 * 2 ** ((pitch - 69) / 12) * since) * np.exp(-since * (1.5 + n)) / n
            for n in range(1, 9)
        )
        x += tone * (t >= onset) * np.clip((offset - t) / 0.05, 0, 1)
    return 0.1 * x[None]


hands = {name: play(notes) for name, notes in score.items()}
mixture = sum(hands.values())

# %% [markdown]
# `notes` gives the names of the stems, and `n_components=0` says that there is nothing but these notes.

# %%
frontend = ssc.STFT(n_fft=4096)  # long windows: the hands share many partials
informed = ssc.separate(mixture, rate, method="nmf", notes=score, n_components=0, frontend=frontend)
blind = ssc.separate(
    mixture,
    rate,
    method="nmf",
    n_components=informed.model.n_components,
    frontend=frontend,
    groups=lambda model: ssc.grouping.by_reference(
        model, {name: frontend.analyze(x) for name, x in hands.items()}
    ),
)
for name, x in hands.items():
    before, by_score, by_truth = (si_sdr(x[None], y[None])[0] for y in (mixture, informed[name], blind[name]))
    print(f"{name:>5}: {before:5.1f} dB in the mixture, {by_score:5.1f} dB by the score,", end=" ")
    print(f"{by_truth:5.1f} dB without it, components grouped by the truth")

# %% [markdown]
# The picture has the score in it: in the activations each note is dark but where it is written, and in the templates
# but at its partials.

# %%
informed.save("nmf_by_score", template="{stem}.{ext}")
informed.plot().savefig("nmf_by_score/notes.png")

# %% [markdown]
# **Try** to shift every onset of the score by a third of a second. How late may a score be?
