# %% [markdown]
# # Why permutation matters
#
# Separate every frequency by itself and you get pieces of each source, but nobody says which piece belongs to whom.
# Here we take two voices that are *perfectly* separated, shuffle the pieces, and put them back in order with the one
# thing we know: the pieces of a voice are loud at the same moments.
#
# **What to hear**: `shuffled1.wav` and `shuffled2.wav`: each piece is perfect, and both files are the same blurred
# mixture. Then `ordered1.wav`: the voice is back, and nothing but the order has changed.

# %%
import numpy as np

import sigsep_classic as ssc
from sigsep_classic import permutation
from sigsep_classic.metrics import si_sdr

mix = ssc.synthesize("convolutive", seconds=6.0, sample_rate=16000)
rate, frontend = mix.sample_rate, ssc.STFT(n_fft=2048)
truth = np.stack([stem[0] for stem in mix.stems.values()])  # what the first microphone hears of each
Y = frontend.analyze(truth)


def report(title: str, Y: np.ndarray) -> None:
    """Print the mean SI-SDR of the two voices; names are free, so the better way round counts."""
    found = frontend.synthesize(Y, truth.shape[1])
    scores = np.array([[float(si_sdr(s[None], y[None])[0]) for y in found] for s in truth])
    print(f"{title:<36} SI-SDR {max(np.trace(scores), np.trace(scores[:, ::-1])) / 2:6.1f} dB")


print(f"{Y.shape[1]} frequencies, two orders each: 2 to the power of {Y.shape[1] - 1} ways to go wrong")
report("in order", Y)

# %% [markdown]
# It does not take much. Swap the voices in one frequency of a hundred, of ten, of two:

# %%
rng = np.random.default_rng(0)
for share in (0.01, 0.1, 0.5):
    swapped = rng.random(Y.shape[1]) < share
    order = np.where(swapped[:, None], [1, 0], [0, 1])
    shuffled = permutation.apply(order, Y)
    report(f"{swapped.sum()} of {Y.shape[1]} frequencies swapped", shuffled)

# %% [markdown]
# To order them again, look at *when* each piece is loud. Within a voice even far frequencies agree a little, because
# a voice has pauses; between voices they do not.

# %%
level = np.log(abs(Y) + 1e-3 * abs(Y).max())
level -= level.mean(axis=2, keepdims=True)
level /= np.linalg.norm(level, axis=2, keepdims=True)
hertz = np.arange(Y.shape[1]) * rate / 2048
for a, b in ((500, 520), (500, 700), (500, 2000)):
    i, j = (int(abs(hertz - f).argmin()) for f in (a, b))
    same = (level[0, i] @ level[0, j] + level[1, i] @ level[1, j]) / 2
    other = (level[0, i] @ level[1, j] + level[1, i] @ level[0, j]) / 2
    print(f"{a} and {b:4d} Hz: correlation {same:5.2f} within a voice, {other:5.2f} between voices")

# %% [markdown]
# By hand: go up from the lowest frequency, and give each next one to the voices whose last ten pieces it fits better.

# %%
tidied = level[:, :1].copy()  # whatever the order is at the lowest frequency is the order
mine = [np.array([0, 1])]
mixed_up = np.take_along_axis(level, order.T[:, :, None], axis=0)
for f in range(1, Y.shape[1]):
    past = tidied[:, -10:].mean(axis=1)
    straight = (past * mixed_up[:, f]).sum()
    crossed = (past * mixed_up[::-1, f]).sum()
    mine.append(np.array([0, 1] if straight >= crossed else [1, 0]))
    tidied = np.concatenate([tidied, mixed_up[mine[-1], f][:, None]], axis=1)
report("ordered by hand", permutation.apply(np.array(mine), shuffled))

# %% [markdown]
# One wrong turn and everything above it is swapped: a chain is as strong as its weakest link. The solvers of this
# package look at all frequencies at once.

# %%
grid = frontend.grid(rate)
solved = permutation.solve(shuffled, grid=grid)
report("permutation.solve", permutation.apply(solved, shuffled))

# %%
sounds = {"shuffled": shuffled, "ordered": permutation.apply(solved, shuffled)}
for name, Z in sounds.items():
    for k, y in enumerate(frontend.synthesize(Z, truth.shape[1])):
        ssc.save(f"why_permutation_matters/{name}{k + 1}.wav", y, rate)
fig = ssc.plot.permutation(shuffled, solved, sample_rate=rate, frontend=frontend)
fig.savefig("why_permutation_matters/before_and_after.png")

# %% [markdown]
# **Try**: swap only frequencies above 2 kHz (`swapped &= hertz > 2000`). What does SI-SDR say, and what do your ears?
# And what would happen to our chain if one voice paused for as long as the other talks?
