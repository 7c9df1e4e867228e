"""What every oracle begins and ends with: mixture and true stems transformed, estimates as signals by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sigsep_classic import masking
from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_array
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array, FrontEnd

SISEC_STFT = STFT(n_fft=2048, hop=1024)
"""The transform of the SiSEC campaigns' oracles: 2048-point Hann, half overlapping."""

PEER = "sigsep-mus-oracle"
COMPATIBLE = (PEER,)


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """The mixture as coefficients, and the stems, which become coefficients or magnitudes where these are asked for.

    Parameters
    ----------
    X : complex array (channels, freq, frames)
        Mixture.
    stems : mapping of str to array (channels, samples)
        True stems.
    frontend : FrontEnd
        Made X.
    n_samples : int
        Of the mixture.
    """

    X: Array
    stems: Mapping[str, Array]
    frontend: FrontEnd
    n_samples: int

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the stems."""
        return tuple(self.stems)

    def coefficients(self) -> Array:
        """Return S (sources, channels, freq, frames) in the dtype of X."""
        return self._of_each(self.X, lambda S: S)

    def magnitudes(self) -> Array:
        """Return V (sources, channels, freq, frames), real; the coefficients of one stem at a time are in memory."""
        return self._of_each(abs(self.X[:, :1, :1]), abs)

    def _of_each(self, like: Array, function: Callable[[Array], Array]) -> Array:
        """Return the function of each stem's coefficients, frame after frame in memory as the transform has them."""
        channels, n_freq, n_frames = self.X.shape
        shape = (len(self.stems), channels, n_frames, n_freq)
        found = namespace(self.X).empty(shape, dtype=like.dtype).swapaxes(-1, -2)
        for n, stem in enumerate(self.stems.values()):
            found[n] = function(self.frontend.analyze(stem))
        return found

    def masked(self, gains: Array) -> dict[str, Array]:
        """Return what gains (sources, channels or 1, freq, frames) let through of the mixture, by name."""
        return self.synthesized(masking.apply(gain, self.X) for gain in gains)

    def synthesized(self, Y: Iterable[Array]) -> dict[str, Array]:
        """Return the signals of estimates (sources, channels, freq, frames) by name."""
        return {
            name: self.frontend.synthesize(part, self.n_samples)
            for name, part in zip(self.names, Y, strict=True)
        }


def analyzed(mixture: Array, stems: Mapping[str, Array], frontend: FrontEnd) -> Truth:
    """Return a mixture (channels, samples) and its stems, checked.

    Raises
    ------
    ParameterError
        There are no stems.
    ShapeError
        A stem has not the shape of the mixture.
    NumericalError
        A sample is NaN or infinite.
    """
    if not stems:
        raise ParameterError("stems is empty; an oracle needs the true stems")
    for name, stem in stems.items():
        check_array("the mixture", mixture, 2, kinds="fd")
        check_array(f"stem {name!r}", stem, 2, kinds="fd")
        if mixture.ndim != 2 or stem.shape != mixture.shape:
            raise ShapeError(
                f"stem {name!r} is {stem.shape}, the mixture {mixture.shape}; give (channels, samples) alike"
            )
    named = {"the mixture": mixture} | {f"stem {name!r}": stem for name, stem in stems.items()}
    for name, x in named.items():
        if not bool(namespace(x).isfinite(x).all()):
            raise NumericalError(f"{name} holds NaN or infinity; give finite samples")
    return Truth(
        X=frontend.analyze(mixture), stems=dict(stems), frontend=frontend, n_samples=mixture.shape[-1]
    )


def peer_scale(frontend: FrontEnd) -> float:
    """Return what our coefficients are divided by to be those of ``scipy.signal.stft``: the sum of the window.

    Its oracles add a fixed number to powers, which means something at this scale only.

    Raises
    ------
    ParameterError
        The front-end is no STFT.
    """
    if not isinstance(frontend, STFT):
        raise ParameterError(
            f"compat={PEER!r} is of an STFT, not of {type(frontend).__name__}; leave one of them out"
        )
    return float(frontend.taper.sum())
