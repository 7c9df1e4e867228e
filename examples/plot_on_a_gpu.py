# %% [markdown]
# # On a GPU
#
# `device="auto"` uses an NVIDIA GPU where there is one and the CPU where there is none: the same lines, the same
# stems to within rounding. This lesson says what it finds on your machine, and runs on any.
#
# **What to hear**: nothing new. `cpu.wav` and `auto.wav` should be alike; the figure printed below says how much.

# %%
import time

import numpy as np
from matplotlib.figure import Figure

import sigsep_classic as ssc
from sigsep_classic.backend import cuda_status, resolve_device

available, found = cuda_status()
print("a GPU can be used:" if available else "no GPU is used:", found)
print('device="auto" is', resolve_device("auto"))

# %% [markdown]
# A job with arithmetic in it: NMF of an hour of music would be one; eight seconds do here. The first run on a GPU
# compiles kernels, so it is not timed.

# %%
song = ssc.synthesize("song", seconds=8.0, sample_rate=22050)
method = ssc.NMF(n_components=12, n_iter=60)


def timed(device: str) -> tuple[ssc.Separation, float]:
    """Return a separation and the seconds it took."""
    begun = time.perf_counter()
    sep = ssc.separate(song.mixture, song.sample_rate, method=method, device=device)
    return sep, time.perf_counter() - begun


timed("auto")
runs = {device: timed(device) for device in ("cpu", "auto")}
for device, (sep, seconds) in runs.items():
    print(f"device={device!r:7} ran on {sep.info['device']:4} in {seconds:5.2f} s")
first, second = (runs[device][0] for device in ("cpu", "auto"))
difference = max(abs(first[name] - second[name]).max() for name in first)
print(f"largest difference of a sample: {difference:.0e}")

# %% [markdown]
# Asking for a GPU by name is a promise that there is one. If there is not, you get told, and nothing is done quietly
# on the CPU.

# %%
try:
    ssc.separate(song.mixture, song.sample_rate, method="hpss", device="cuda")
    print('device="cuda" works here')
except ssc.SigsepError as error:
    print("error:", error)

# %% [markdown]
# Arrays decide for themselves: CuPy arrays and CUDA tensors of PyTorch are worked on where they are, and stems come
# back as the same kind. What takes long on a GPU is the way there and back, so stay there between steps.

# %%
sep = second
if available:
    import cupy

    stems = ssc.separate(cupy.asarray(song.mixture), song.sample_rate, method=method)
    print("stems of a CuPy array are", type(next(iter(stems.values()))).__module__)
else:
    print("stems of a NumPy array are", type(next(iter(sep.values()))).__module__)

# %%
for device, (sep, _) in runs.items():
    ssc.save(f"on_a_gpu/{device}.wav", next(iter(sep.values())), song.sample_rate)
fig = Figure(figsize=(7, 2.5), layout="constrained")
ax = fig.add_subplot()
labels = [f'device="{device}"\n({sep.info["device"]})' for device, (sep, _) in runs.items()]
bars = ax.barh(labels, np.array([seconds for _, seconds in runs.values()]))
ax.bar_label(bars, fmt="%.2f s", padding=3)
ax.set(xlabel="Seconds", title="NMF, 12 components, 60 iterations, 8 s of stereo")
ax.margins(x=0.15)
fig.savefig("on_a_gpu/seconds.png")

# %% [markdown]
# **Try**: on a machine with a GPU, make the song longer and shorter. From which length on is the GPU quicker, and
# which of the two curves is a straight line? Without one: `SIGSEP_NUM_THREADS=1` before the command, and the same
# question.
