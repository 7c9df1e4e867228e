"""One round of every phase retrieval: signals to spectrograms, given magnitudes put in, and back to signals."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigsep_classic.backend import fft_namespace, namespace
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.frontends import STFT
from sigsep_classic.frontends.framing import added, blocks, cut, steps, weights
from sigsep_classic.kernels.projection import projection
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array, FrontEnd


class Rounds:
    """Signals x become those of the magnitudes V with the phases of x.

    Parameters
    ----------
    V : array (..., freq, frames)
        Magnitudes, float32 or float64; not written to.
    frontend : FrontEnd
        An STFT on the CPU goes through blocks of frames that stay in cache, from samples to samples; no spectrogram
        is made but the one phases run ahead of.
    n_samples : int
        Length of the signals.
    """

    def __init__(self, V: Array, frontend: FrontEnd, n_samples: int) -> None:
        self.V, self.frontend, self.n_samples = V, frontend, n_samples
        self.before: Array | None = None
        self.blocked = isinstance(frontend, STFT) and namespace(V) is np
        if self.blocked:
            self.V_tf = np.ascontiguousarray(V.swapaxes(-1, -2))

    def __call__(self, x: Array, *, ahead: float = 0.0) -> Array:
        """Return the signals (..., samples) of V with the phases of x, less ``ahead`` times those of the last round."""
        if self.blocked:
            return self._in_blocks(x, ahead)
        C = self.frontend.analyze(x)
        Z = projection(self.V, C, before=self.before, ahead=ahead)
        self.before = C if ahead else None
        return self.frontend.synthesize(Z, self.n_samples)

    def _in_blocks(self, x: np.ndarray, ahead: float) -> np.ndarray:
        """Go through blocks of frames; each adds up what is its own, and what overlaps the next is added last."""
        stft: Any = self.frontend
        n_fft, step, real = stft.n_fft, stft.step, x.dtype.type
        n_frames, overlap = self.V_tf.shape[-2], -(-n_fft // step)
        window = stft.taper.astype(x.dtype)
        lead, fft = x.shape[:-1], fft_namespace(x)
        parts = blocks(lead, n_frames, n_fft=n_fft, least=4 * overlap, whole=False)
        y = np.zeros((*lead, n_frames + overlap - 1, step), x.dtype)
        tails: list[Any] = [None] * len(parts)
        first_round = self.before is None
        if ahead and first_round:
            self.before = np.empty((*lead, n_frames, stft.n_bins), np.result_type(x, np.complex64))
        held = self.before

        def go(first: int, last: int) -> None:
            for k in range(first, last):
                at, start, stop = parts[k]
                frames = cut(x[at], start, stop - start, n_fft=n_fft, step=step) * window
                C = fft.rfft(frames, axis=-1, overwrite_x=True)
                last_C = None if held is None or first_round else held[at][start:stop]
                Z = projection(self.V_tf[at][start:stop], C, before=last_C, ahead=ahead, threads=False)
                if held is not None:
                    held[at][start:stop] = C
                frames = fft.irfft(Z, n=n_fft, axis=-1, overwrite_x=True)
                frames *= window
                total = added(frames, 0, stop - start + overlap - 1, step=step)
                y[at][start:stop] = total[: stop - start]
                tails[k] = total[stop - start :]

        run_blocks(go, len(parts))
        for (at, _, stop), tail in zip(parts, tails, strict=True):
            y[at][stop : stop + overlap - 1] += tail
        rows = steps(np.arange(n_frames + overlap - 1), n_fft, n_frames, step=step)
        sums = weights(stft.taper, n_frames, step=step)[rows].reshape(-1)
        kept = slice(n_fft // 2, n_fft // 2 + self.n_samples)
        found = y.reshape(*lead, -1)[..., kept]
        found *= (real(1) / sums[kept]).astype(x.dtype)
        return found


def check_models(V: Array, X: Array) -> None:
    """Raise `ShapeError` unless V (sources, channels or 1, freq, frames) fits X (channels, freq, frames)."""
    if V.ndim != 4 or X.ndim != 3 or V.shape[1] not in (1, len(X)) or V.shape[2:] != X.shape[1:]:
        raise ShapeError(f"V has shape {V.shape}; X {X.shape} needs (sources, {len(X)} or 1, freq, frames)")


def check_stft(frontend: Any, whose: str) -> None:
    """Raise `ParameterError` unless the front-end is an STFT."""
    if not isinstance(frontend, STFT):
        raise ParameterError(
            f"{whose} works on an STFT, not {type(frontend).__name__}; take frontend=STFT(...)"
        )


def spread(V: Array, X: Array) -> Array:
    """Return V for all channels of X, in its precision."""
    check_models(V, X)
    xp = namespace(X)
    return xp.broadcast_to(V.astype(X.real.dtype, copy=False), (len(V), *X.shape))


def with_phases(V: Array, phases: Array) -> Array:
    """Return the magnitudes V with the phases of a complex array, channels and sources of which may be one for all."""
    xp = namespace(V)
    return projection(V, xp.ascontiguousarray(xp.broadcast_to(phases, V.shape)))
