# %% [markdown]
# # Comparing with a neural model
#
# A fair comparison puts every model on the same tracks and under the same scores, beside two rows that keep everybody
# honest: the mixture itself (doing nothing) and an oracle mask (knowing everything). We do it with a network that we
# train on the spot: two layers, some ten thousand weights, eight made-up songs. It is a *stand-in* for your Demucs,
# so that this lesson needs no download. Its scores say nothing about neural networks; how they are got is how you
# would get yours.
#
# **What to hear**: `network.wav` beside `vocals_recipe.wav`. Which is cleaner, and which sounds more like a voice?

# %%
import warnings
from pathlib import Path

import numpy as np
from librosa.filters import mel
from sklearn.neural_network import MLPRegressor

import sigsep_classic as ssc
from sigsep_classic.cli.main import main
from sigsep_classic.compare.external import external_model

rate, folder = 16000, Path("compare_with_a_neural_model")
stft = ssc.STFT(n_fft=1024, hop=512)
bands = mel(sr=rate, n_fft=1024, n_mels=40, norm=None)

# %% [markdown]
# The network looks at 40 bands of three frames, and says how much of each band of the middle one is voice.

# %%
model_file = '''
"""A very small network that tells voices from bands; written by a lesson."""
import numpy as np
import sigsep_classic as ssc

def seen(V, bands):
    level = np.log(bands @ V + 1e-3 * V.mean())
    level = (level - level.mean()) / level.std()
    return np.concatenate([np.roll(level, 1, axis=1), level, np.roll(level, -1, axis=1)]).T

def separate(mixture, sample_rate):
    stft = ssc.STFT(n_fft=1024, hop=512)
    X = stft.analyze(mixture)
    with np.load("NETWORK") as net:
        bands = net["bands"]
        y = np.maximum(seen(abs(X).mean(axis=0), bands) @ net["W1"] + net["b1"], 0)
        y = np.clip(y @ net["W2"] + net["b2"], 0, 1)
    gain = bands.T @ y.T / (bands.sum(axis=0)[:, None] + 1e-6)
    voice = stft.synthesize(np.minimum(gain, 1) * X, mixture.shape[1])
    return {"vocals": voice, "accompaniment": mixture - voice}
'''
folder.mkdir(exist_ok=True)
source = folder / "network.py"
source.write_text(model_file.replace("NETWORK", str((folder / "network.npz").resolve())))
namespace: dict = {}
exec(model_file, namespace)  # the same `seen` as in the file

inputs, targets = [], []
for seed in range(8):
    song = ssc.synthesize("song", seconds=4.0, sample_rate=rate, seed=seed)
    sounds = song.mixture, song.stems["vocals"], song.mixture - song.stems["vocals"]
    V, voice, rest = (abs(stft.analyze(x)).mean(axis=0) for x in sounds)
    inputs.append(namespace["seen"](V, bands))
    targets.append((bands @ voice**2 / (bands @ (voice**2 + rest**2) + 1e-9)).T)
x, y = np.concatenate(inputs), np.concatenate(targets)
network = MLPRegressor(
    hidden_layer_sizes=(64,), max_iter=60, n_iter_no_change=200, batch_size=64, random_state=0
)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it has not converged yet, and need not
    network.fit(x, y)
(W1, W2), (b1, b2) = network.coefs_, network.intercepts_
np.savez(folder / "network.npz", bands=bands, W1=W1, b1=b1, W2=W2, b2=b2)
print(f"trained on {len(x)} frames: {sum(a.size for a in (W1, W2, b1, b2))} weights")

# %% [markdown]
# Test songs: other seeds, so other keys, tunes and patterns, but the same instruments. (Real data would be harder on
# it, and on the recipe `vocals`, whose few weights were fitted on made-up songs as well.)

# %%
for seed in (100, 101):
    song = ssc.synthesize("song", seconds=4.0, sample_rate=rate, seed=seed)
    for name, stem in {"mixture": song.mixture, **song.stems}.items():
        ssc.save(folder / f"songs/song{seed}/{name}.wav", stem, rate)

# %% [markdown]
# `benchmark` runs and scores. `--model` takes `file.py:function`, where the function takes samples and their rate and
# returns stems by name; a network's file, `model.onnx:sample_rate=44100,stems=vocals+accompaniment` (also `.pt`); or a
# command with `{input}` and `{output}` in it. What was separated elsewhere goes in by
# `sigsep-classic evaluate songs demucs=folder`.

# %%
told = f"network={source}:separate"
scored = ["benchmark", "--dataset", f"{folder}/songs", "--methods", "vocals", "--model", told]
assert main([*scored, "--sdr-only", "-o", f"{folder}/scores", "-q"]) == 0

# %% [markdown]
# `compare` makes the table: medians, and a row for doing nothing. (`-o report` adds a page, LaTeX and CSV; with more
# than these two tracks also tests of whether differences are more than luck.)

# %%
assert main(["compare", f"{folder}/scores", "--metric", "si_sdr", "--stem", "vocals"]) == 0

# %% [markdown]
# The same network as a Python function, checked as `benchmark` does, and the picture: what each leaves of a song.

# %%
sep = ssc.separate(song.mixture, rate, method="vocals")
by_network = external_model(told)(song.mixture, rate)
ssc.save(folder / "network.wav", by_network["vocals"], rate)
ssc.save(folder / "vocals_recipe.wav", sep["vocals"], rate)
stems = {"true": song.stems["vocals"], "network": by_network["vocals"], "recipe": sep["vocals"]}
side_by_side = ssc.Separation(stems=stems, mixture=song.mixture, sample_rate=rate, frontend=stft)
side_by_side.plot("stems").savefig(folder / "side_by_side.png")

# %% [markdown]
# **Try**: test on a song of the training set (`seed=0`). How much does the network gain, and how much does the
# recipe? That difference is why published tables come with a test set. Then put a model of yours in the place of
# ours.
