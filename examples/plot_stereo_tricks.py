# %% [markdown]
# # Stereo tricks
#
# In a studio mix each instrument is *panned*: the same sound in both channels, at two levels. That alone tells
# sources apart, without a word about how they sound. From a subtraction one can do in one's head to methods that look
# at every point of the spectrogram.
#
# **What to hear**: `karaoke.wav`, left minus right: the singer is gone. Then `centre.wav`, where the singer should be
# alone: why is that so much harder?

# %%
import numpy as np

import sigsep_classic as ssc
from sigsep_classic.metrics import si_sdr

song = ssc.synthesize("song", seconds=6.0, sample_rate=22050)
degrees = {"vocals": 0.0, "other": -30.0, "bass": 0.0, "drums": 25.0}


def panned(y: np.ndarray, azimuth: float) -> np.ndarray:
    """Return a mono sound at an azimuth from -45 (left) to 45 degrees (right), at constant power."""
    angle = np.radians(azimuth + 45)
    return np.stack([np.cos(angle) * y, np.sin(angle) * y])


truth = {name: panned(song.stems[name].mean(axis=0), azimuth) for name, azimuth in degrees.items()}
del truth["bass"]  # one voice in the middle is enough
mixture = sum(truth.values())
rate = song.sample_rate


def report(title: str, name: str, y: np.ndarray) -> None:
    """Print how near a stem is to the truth, in dB, at the louder of the two channels."""
    channel = int(abs(truth[name][1]).sum() > abs(truth[name][0]).sum())
    before = si_sdr(truth[name][channel][None], mixture[channel][None])[0]
    after = si_sdr(truth[name][channel][None], y[channel][None])[0]
    print(f"{title:>26}, {name:>6}: SI-SDR {before:5.1f} dB in the mixture, {after:5.1f} dB after")


# %% [markdown]
# **Left minus right** cancels what is alike in both: whatever is in the middle. It is exact, and the simplest karaoke
# machine there is.

# %%
karaoke = mixture[0] - mixture[1]
left = truth["vocals"][0] - truth["vocals"][1]
print(f"voice left in left - right: {abs(left).max():.1e} of {abs(mixture).max():.2f}")

# %% [markdown]
# **Left plus right** makes the middle louder, but takes nothing away. `mid_side` gives the two in stereo, and turned
# to any angle: what is cancelled may sit anywhere.

# %%
for azimuth, name in ((0.0, "vocals"), (-30.0, "other"), (25.0, "drums")):
    sep = ssc.separate(mixture, rate, method=ssc.MidSide(azimuth=azimuth))
    report("mid_side, mid", name, sep["mid"])
    left = ssc.separate(truth[name], rate, method=ssc.MidSide(azimuth=azimuth))["side"]
    print(f"{'and its side has':>26}  {'':>6}  {abs(left).max():.0e} of it left")

# %% [markdown]
# A matrix can make a hole in one place, and with two channels only one. With **masks** each point of the spectrogram
# has an angle of its own; `panned` keeps the points near one azimuth.

# %%
for name, azimuth in degrees.items():
    if name in truth:
        report("panned", name, ssc.separate(mixture, rate, method="panned", azimuth=azimuth)["source"])
centre = ssc.separate(mixture, rate, method="centre")
report("centre", "vocals", centre["centre"])

# %% [markdown]
# Where the sources are can be found too: `adress` moves the hole over the whole stage and looks where the sound
# drops.

# %%
sep = ssc.separate(mixture, rate, method="adress", n_sources=3)
print("azimuths found:", np.round(np.asarray(sep.model.extra["source_azimuths"]), 1))
for name in truth:
    best = max(sep, key=lambda stem: float(np.mean(si_sdr(truth[name], sep[stem]))))
    report(f"adress, {best}", name, sep[best])

# %%
ssc.save("stereo_tricks/mixture.wav", mixture, rate)
ssc.save("stereo_tricks/karaoke.wav", karaoke[None], rate)
ssc.save("stereo_tricks/centre.wav", centre["centre"], rate)
sep.plot().savefig("stereo_tricks/azimuths.png")

# %% [markdown]
# **Try**: leave the bass in (delete the `del`). It sits in the middle as it does on most records. What does *karaoke*
# do to it, and which of the methods above can tell it from the voice? Then add an echo that differs between the
# channels: which of the tricks breaks first?
