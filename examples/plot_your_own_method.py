# %% [markdown]
# # Your own method
#
# A method is a frozen dataclass with a `fit` that looks at a spectrogram and returns a model. We write one in a dozen
# lines, use it like any other, and let `check_method` ask of it what is asked of all methods here. Then we make a
# mistake on purpose.
#
# **What to hear**: `steady.wav` has the mains hum and hardly any of the talk, `changing.wav` the reverse, a bit
# hollow.

# %%
from dataclasses import dataclass
from typing import Any, ClassVar

import sigsep_classic as ssc
from sigsep_classic.backend import namespace
from sigsep_classic.factorizers.base import spectrogram
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.metrics import si_sdr
from sigsep_classic.testing import check_method

# %% [markdown]
# The idea: a hum goes on, talk comes and goes. At each frequency the median over time is what goes on; whatever is
# above it changes. `X` is (channels, freq, frames), complex, of NumPy or CuPy: `namespace` says which.


# %%
@dataclass(frozen=True, kw_only=True)
class Steady:
    """Part what goes on from what changes: gain = min(1, factor * median / V)."""

    factor: float = 1.5
    name: ClassVar[str] = "steady"

    def fit(self, X: Any, *, callback: Any = None) -> MaskModel:
        """Return the gains of ``steady``; ``changing`` has the rest."""
        xp = namespace(X)
        V = spectrogram(X)
        level = self.factor * xp.median(V, axis=-1, keepdims=True)
        gain = level / xp.maximum(xp.maximum(V, level), xp.finfo(V.dtype).tiny)
        return MaskModel(masks=gain[None], magnitude=V, names=("steady", "changing"))


# %% [markdown]
# That is all. Stems, files, scores, pictures and the GPU come with it.

# %%
mix = ssc.synthesize("hum", seconds=5.0, sample_rate=16000)
sep = ssc.separate(mix.mixture, mix.sample_rate, method=Steady(), frontend=ssc.STFT(n_fft=2048))
for name, stem in {"speech": "changing", "hum": "steady"}.items():
    before, after = (si_sdr(mix.stems[name], y)[0] for y in (mix.mixture, sep[stem]))
    print(f"{name:>6}: SI-SDR {before:5.1f} dB in the mixture, {after:5.1f} dB in {stem!r}")
print("factor", end=" ")
for factor in (0.5, 1.0, 2.0, 4.0):
    other = ssc.separate(mix.mixture, 16000, method=Steady(factor=factor), frontend=ssc.STFT(n_fft=2048))
    print(f"{factor} gives {si_sdr(mix.stems['speech'], other['changing'])[0]:.1f} dB", end="; ")
print("of speech")

# %% [markdown]
# Does it keep what every method here promises? Stems add up, silence stays silent, the input is not written to, a
# mixture twice as loud gives stems twice as loud, threads do not matter, and a dozen more.

# %%
check_method(Steady())
print("check_method: every promise is kept")

# %% [markdown]
# Now a mistake that is easily made: a threshold in absolute numbers. It works on the recording it was written for.


# %%
@dataclass(frozen=True, kw_only=True)
class Loud(Steady):
    """Part what is above a fixed level from what is below."""

    level: float = 0.5
    name: ClassVar[str] = "loud"

    def fit(self, X: Any, *, callback: Any = None) -> MaskModel:
        """Return the gains of ``loud``; ``soft`` has the rest."""
        V = spectrogram(X)
        return MaskModel(masks=(self.level < V)[None].astype(V.dtype), magnitude=V, names=("loud", "soft"))


try:
    check_method(Loud(), frontends=("stft",))
except AssertionError as broken:
    print("check_method:", " ".join(str(broken).split())[:150], "…")

# %%
sep.save("your_own_method", template="{stem}.{ext}")
sep.plot().savefig("your_own_method/masks.png")

# %% [markdown]
# `examples/plugin` is a package with a method, found by name once it is installed: `sigsep-classic separate -m gate`.
#
# **Try**: music that goes on for longer than it rests breaks our idea: what does `Steady` take for hum in a song?
# Use the tenth percentile in place of the median (`xp.percentile`). Better, worse, or both?
