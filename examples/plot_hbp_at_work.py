# %% [markdown]
# # Hungarian block permutation at work
#
# Three voices, cut into 513 frequencies, each with its three pieces in an order of its own, and no piece quite clean.
# `hbp` mends that in three moves: order what lies within a block of 250 Hz, *paint in* each block from its neighbours
# with NMF, and let the Hungarian algorithm say which piece fits which painting.
#
# **What to hear**: `shuffled1.wav`, a blur of all three, then `blocks1.wav`, where one band is still somebody else's,
# then `finer1.wav`.
#
# (`hbp` is built after the title of Li, Kameoka & Makino's paper, which we could not read: the paper's figures say
# nothing about this code, nor ours about the paper.)

# %%
import itertools

import numpy as np

import sigsep_classic as ssc
from sigsep_classic import permutation

rate, frontend = 8000, ssc.STFT(n_fft=1024)
first, second = (ssc.synthesize("speech2", seconds=5.0, sample_rate=rate, seed=seed) for seed in (0, 1))
voices = [first.stems["speaker1"], first.stems["speaker2"], second.stems["speaker2"]]
S = frontend.analyze(np.concatenate(voices))
n, n_freq, n_frames = S.shape
grid, hertz = frontend.grid(rate), np.arange(n_freq) * rate / 1024

# %% [markdown]
# What a separator that works frequency by frequency would leave: some of the other two in each piece, more at one
# frequency than at the next, and the order anybody's guess.

# %%
rng = np.random.default_rng(0)
leak = 0.6 * rng.uniform(size=(n_freq, n, n)) * (1 - np.eye(n)) + np.eye(n)
Y = np.einsum("fnm,mft->nft", leak, S)
drawn = np.array([rng.permutation(n) for _ in range(n_freq)])
pieces = permutation.apply(drawn, Y)


def report(title: str, order: np.ndarray) -> None:
    """Print where the pieces are not those of the voice that has most of them."""
    whose = np.take_along_axis(drawn, order, axis=1)
    names = max(itertools.permutations(range(n)), key=lambda way: (whose == way).sum())
    wrong = hertz[(whose != names).any(axis=1)]
    where = f", from {wrong.min():.0f} to {wrong.max():.0f} Hz" if len(wrong) else ""
    print(f"{title:<36} {len(wrong):3d} of {n_freq} frequencies out of order{where}")


report("as they are", np.tile(np.arange(n), (n_freq, 1)))

# %% [markdown]
# The three moves, with blocks of several widths. (`refine=False`: nothing is done to it afterwards.)

# %%
found = {}
for width in (62.5, 125.0, 250.0, 500.0, 1000.0):
    found[width] = permutation.solve(pieces, solver="hbp", grid=grid, block_hz=width, refine=False)
    report(f"hbp, blocks of {width:.1f} Hz", found[width])

# %% [markdown]
# Painting puts every block where it belongs. But what is wrong *inside* a block it can't mend, and it is `dyadic`,
# merging neighbours in pairs, that orders the inside. Is it to blame?

# %%
dyadic = permutation.solve(pieces, solver="dyadic", grid=grid)
report("dyadic alone", dyadic)
same = (dyadic == found[250.0]).all(axis=1).sum()
print(f"dyadic alone and hbp with blocks of 250 Hz agree at {same} of {n_freq} frequencies")

# %% [markdown]
# So small blocks are safer inside; large ones tell more when they are painted in. By default small moves follow, that
# raise how well each piece agrees with its voice at near frequencies. They mend it:

# %%
report("hbp, and small moves", permutation.solve(pieces, solver="hbp", grid=grid))

# %% [markdown]
# The others: `correlation` compares each frequency with the whole, `kernel`, the
# default of `permutation.solve`, weighs near frequencies most, at several scales.

# %%
for solver in ("correlation", "kernel"):
    report(solver, permutation.solve(pieces, solver=solver, grid=grid))

# %% [markdown]
# That is one made-up case. `python -m benchmarks.permutation` has rooms, and there the solvers part.

# %%
for name, Z in {
    "shuffled": pieces,
    "blocks": permutation.apply(found[250.0], pieces),
    "finer": permutation.apply(found[62.5], pieces),
}.items():
    for k, y in enumerate(frontend.synthesize(Z, voices[0].shape[1])):
        ssc.save(f"hbp_at_work/{name}{k + 1}.wav", y, rate)
fig = ssc.plot.permutation(pieces, found[250.0], sample_rate=rate, frontend=frontend, title="hbp at work")
fig.savefig("hbp_at_work/before_and_after.png")

# %% [markdown]
# **Try**: two seconds in place of five: as many frequencies, fewer frames to tell them apart. Which solver gives up
# first? And how much leakage (0.6 above) does each of them stand?
