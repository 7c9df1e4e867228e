# %% [markdown]
# # REPET's period
#
# A band plays a loop and somebody sings over it. REPET (Rafii & Pardo 2013) finds the length of the loop, takes the
# median over its repeats, and calls the median the band: what happens only once can't be in a median.
#
# **What to hear**: `foreground.wav` with the right period, and `wrong_period.wav` with one that is 10 % too long: the
# band comes back into the voice.

# %%
import numpy as np
from matplotlib.figure import Figure

import sigsep_classic as ssc
from sigsep_classic.metrics import si_sdr

song = ssc.synthesize("repeat", seconds=10.0, sample_rate=22050)
true_period = song.meta["period_samples"] / song.sample_rate


def quality(sep: ssc.Separation) -> float:
    """Return the SI-SDR of the voice in dB."""
    return float(np.mean(si_sdr(song.stems["foreground"], sep["foreground"])))


print(f"voice in the mixture: SI-SDR {np.mean(si_sdr(song.stems['foreground'], song.mixture)):5.1f} dB")

# %% [markdown]
# First by hand: where does the spectrogram look like itself, shifted? The *beat spectrum* is the autocorrelation of
# the power at each frequency, averaged over the frequencies. A loop shows up as a row of peaks.

# %%
stft = ssc.STFT(n_fft=1024, hop=512)
P = abs(stft.analyze(song.mixture.mean(axis=0, keepdims=True))[0]) ** 2
n = P.shape[1]
spectrum = abs(np.fft.rfft(P, 2 * n, axis=1)) ** 2
beats = np.fft.irfft(spectrum, axis=1)[:, :n].mean(axis=0)
beats /= np.arange(n, 0, -1)  # fewer frames overlap at long lags
beats /= beats[0]
frame_rate = stft.grid(song.sample_rate).frame_rate
for seconds in (0.4, 0.8, 1.0, 1.2, 1.6, 2.0, 2.4, 3.2):
    value = beats[round(seconds * frame_rate)]
    print(f"shifted by {seconds:.1f} s: {value:5.2f}  " + "#" * round(50 * value))

# %% [markdown]
# The method does the same, and adds up peaks at multiples, since a period that is true has true multiples.

# %%
sep = ssc.separate(song.mixture, song.sample_rate, method="repet")
found = int(sep.model.extra["period"]) / sep.frontend.grid(song.sample_rate).frame_rate
print(f"period found: {found:.3f} s, the truth is {true_period:.3f} s")
print(f"voice by REPET: SI-SDR {quality(sep):5.1f} dB")

# %% [markdown]
# How much hangs on it? We try periods on purpose.

# %%
ratios = np.array([0.5, 0.75, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25, 1.5, 2.0])
values = []
for ratio in ratios:
    wrong = ssc.separate(song.mixture, song.sample_rate, method=ssc.REPET(period=ratio * true_period))
    values.append(quality(wrong))
    print(f"{ratio:4.2f} times the true period: SI-SDR {values[-1]:5.1f} dB")
    if ratio == 1.1:
        ssc.save("repet_period/wrong_period.wav", wrong["foreground"], song.sample_rate)
sep.save("repet_period", template="{stem}.{ext}")

# %%
sep.plot().savefig("repet_period/beat_spectrum.png")
fig = Figure(figsize=(9, 4), layout="constrained")
ax = fig.add_subplot()
ax.plot(ratios * true_period, values, "o-")
ax.axvline(true_period, linestyle="--", color="grey", label="true period")
ax.set(xlabel="Period (s)", ylabel="SI-SDR of the voice (dB)", title="What a wrong period costs")
ax.legend()
ax.grid(alpha=0.3)
fig.savefig("repet_period/wrong_periods.png")

# %% [markdown]
# **Try**: `ssc.synthesize("song", ...)`, whose loop is as exact. Then play along with a drummer who slows down:
# `np.interp` the mixture so that it ends 5 % slower, and compare `method="repet"` with `"repet_adaptive"` and
# `"repet_sim"`. Which of the three needs a period at all?
