# %% [markdown]
# # Two sources in a room, while they sound
#
# Most methods hear the whole recording before they say anything. A hearing aid or a live stream can't wait. Here
# blocks of 32 ms come in, and stems go out at most 80 ms later: each frame is heard once, moves the demixing matrices
# a little, and is separated by them at once.
#
# **What to hear**: the first three seconds of `source1.wav` and then the last: the other source fades as the matrices
# settle.

# %%
import itertools
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import sigsep_classic as ssc
from sigsep_classic.metrics import si_sdr

RATE = 8000
mix = ssc.synthesize("convolutive", seconds=12.0, sample_rate=RATE)
truth = np.stack(list(mix.stems.values()))[:, 0]
separator = ssc.OnlineSeparator(ssc.OnlineIVA(), n_channels=len(mix.mixture), sample_rate=RATE)
print(f"latency: at most {1000 * separator.latency / RATE:.0f} ms")

# %% [markdown]
# `push` takes any number of samples and returns those of all stems that are complete. What is still on its way at the
# end comes with `flush`.

# %%
block = 256
blocks = [separator.push(mix.mixture[:, t : t + block]) for t in range(0, mix.mixture.shape[1], block)]
stems = heard = np.concatenate([*blocks, separator.flush()], axis=-1)[:, 0]
print(f"the stems add up to the mixture: {np.allclose(stems.sum(axis=0), mix.mixture[0])}")


def separation(found, part) -> float:
    """Return the mean SI-SDR in dB at the first microphone in a part of the recording, in the better order."""
    orders = itertools.permutations(range(len(truth)))
    return max(
        np.mean([si_sdr(s[part], found[n][part]) for s, n in zip(truth, o, strict=True)]) for o in orders
    )


mixture = [mix.mixture[0]] * len(truth)
gains = []
for first in range(0, 12, 3):
    part = slice(first * RATE, (first + 3) * RATE)
    before, after = separation(mixture, part), separation(stems, part)
    print(f"seconds {first:2d} to {first + 3:2d}: SI-SDR before {before:5.1f} dB, after {after:5.1f} dB")
    gains.append(after - before)

# %% [markdown]
# What was learnt can be kept. A second stream of the same room that begins with it has no bad start.

# %%
with tempfile.TemporaryDirectory() as folder:
    separator.state.save(Path(folder) / "room.npz")
    method, separator.state = ssc.OnlineIVA.load(Path(folder) / "room.npz")
stems = np.concatenate([separator.push(mix.mixture), separator.flush()], axis=-1)[:, 0]
print(f"seconds  0 to  3 with what was learnt: {separation(stems, slice(0, 3 * RATE)):5.1f} dB")

# %%
for k, y in enumerate(heard):
    ssc.save(f"online_room/source{k + 1}.wav", y, RATE)
again = separation(stems, slice(0, 3 * RATE)) - separation(mixture, slice(0, 3 * RATE))
fig = Figure(figsize=(7, 3.5), layout="constrained")
ax = fig.add_subplot()
ax.bar([f"{first} to {first + 3} s" for first in range(0, 12, 3)], gains, label="from nothing")
ax.bar(["0 to 3 s again"], [again], label="with what was learnt")
ax.set(ylabel="Gain in SI-SDR (dB)", title="A separator that learns while it listens")
ax.axhline(0, color="black", linewidth=0.8)
ax.legend()
fig.savefig("online_room/learning.png")

# %% [markdown]
# **Try**: `ssc.OnlineIVA(forgetting=0.3)`. It would follow a source that walks about. Why does it separate sources
# that stand still worse, and what do you hear of it?
