# %% [markdown]
# # Denoising a lecture
#
# A voice speaks over the hiss of a bad microphone, as in a recorded lecture. In each cell of the spectrogram there is
# some of both. If the noise power N at each frequency is known, γ = |X|² / N says how far a cell is above the noise,
# and a gain between 0 and 1 turns down what is not. Everything else is about two questions: what is N, and how to
# keep the gain from flickering.
#
# **What to hear**: `guess.wav`, where the noise has turned into chirping birds, and `denoised.wav`, where it is a
# soft rush.

# %%
import numpy as np

import sigsep_classic as ssc
from sigsep_classic.metrics import si_sdr

rate = 16000
voices = ssc.synthesize("speech2", seconds=4.0, sample_rate=rate)
speech = next(iter(voices.stems.values()))[0]
rng = np.random.default_rng(0)
hiss = rng.standard_normal(len(speech) + rate)
hiss *= speech.std() / hiss.std() * 10 ** (-5 / 20)
clip, noisy = hiss[:rate], speech + hiss[rate:]  # a second of hiss alone, and the recording


def report(title: str, y: np.ndarray) -> None:
    """Print how far y is from the speech."""
    print(f"{title:<46} SI-SDR {float(si_sdr(speech[None], y[None])[0]):5.1f} dB")


report("the recording", noisy)

# %% [markdown]
# First by hand. N is the mean power of the clip in each bin. The Wiener gain wants the a-priori SNR ξ, power of
# speech over power of noise, which nobody knows; γ - 1 is a guess, and a poor one: even in noise alone γ is often
# above 2. These cells pop in and out and sound like chirping birds: musical noise.

# %%
stft = ssc.STFT(n_fft=512)
X = stft.analyze(noisy)
N = (abs(stft.analyze(clip)) ** 2).mean(axis=-1, keepdims=True)
seen = abs(X) ** 2 / N
guess = np.maximum(seen - 1, 0)
birds = stft.synthesize(guess / (1 + guess) * X, len(noisy))
report("Wiener gain of the guess", birds)
alone = abs(stft.analyze(clip)) ** 2 / N
print(f"in noise alone {100 * (alone > 2).mean():.0f} % of the cells pass more than half")

# %% [markdown]
# Ephraim and Malah's decision-directed estimate takes most of ξ from what was found in the frame before. Speech lasts
# longer than a frame; noise peaks do not.

# %%
prior = np.empty_like(guess)
before = np.ones(len(guess))
for t in range(guess.shape[1]):
    prior[:, t] = np.maximum(0.95 * before + 0.05 * guess[:, t], 0.003)
    before = (prior[:, t] / (1 + prior[:, t])) ** 2 * seen[:, t]
report("decision-directed, by hand", stft.synthesize(prior / (1 + prior) * X, len(noisy)))

# %% [markdown]
# `denoise` does this, also from the end to the beginning, and leaves a little of the noise, which hides what is wrong
# with the rest.

# %%
report("denoise, the same clip", ssc.denoise(noisy, rate, noise=clip)["speech"])
for gain in ("log_mmse", "om_lsa", "subtraction", "gate"):
    report(f"denoise, {gain}", ssc.denoise(noisy, rate, noise=clip, method=gain)["speech"])

# %% [markdown]
# Without a clip the noise is followed: where a cell is probably speech, N stays; where not, N moves towards it.

# %%
for noise in ("mmse", "imcra", "minimum", "quantile"):
    report(f"denoise, blind, {noise}", ssc.denoise(noisy, rate, noise=noise)["speech"])

# %% [markdown]
# Mains hum is another matter: a few lines at multiples of 50 or 60 Hz that hardly change. They are found by looking
# for the frequency whose multiples stand out, and subtracted.

# %%
seconds = np.arange(len(noisy)) / rate
hum = np.sum([0.05 / k * np.sin(2 * np.pi * 50.08 * k * seconds) for k in (1, 2, 3, 5)], axis=0)
report("with hum", noisy + hum)
found = ssc.denoise(noisy + hum, rate, noise=clip, hum=True)
print(f"hum heard at {found.info['hum_hz']:.2f} Hz")
report("denoise, hum=True", found["speech"])

# %%
sep = ssc.separate(noisy, rate, method="denoise")
for name, y in {"recording": noisy, "guess": birds, "denoised": sep["speech"]}.items():
    ssc.save(f"denoise_a_lecture/{name}.wav", y, rate)
sep.plot().savefig("denoise_a_lecture/noise.png")

# %% [markdown]
# **Try**: a hiss that gets louder (`hiss *= np.linspace(0.5, 2, len(hiss))`). Which ways of following the noise keep
# up, and which of the ways that were given a clip go wrong, and how does *that* sound?
