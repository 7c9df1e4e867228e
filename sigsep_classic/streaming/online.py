"""Methods that go frame by frame with a state: samples in, stems out, in memory for the state and a block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sigsep_classic.backend import device_of, namespace, to_device
from sigsep_classic.frontends import STFT
from sigsep_classic.streaming.neighbourhood import returned
from sigsep_classic.streaming.windows import Window, windows
from sigsep_classic.synthesis import RESIDUAL
from sigsep_classic.typing import Array


def frame_by_frame(
    pieces: Iterable[Array],
    method: Any,
    *,
    frontend: STFT,
    block: int,
    device: str | None = None,
) -> Iterator[dict[str, Array]]:
    """Yield the stems of consecutive blocks; joined they are those of the method's ``fit`` of the whole.

    Parameters
    ----------
    pieces : iterable of array (channels, samples)
        A recording in pieces of any length.
    method : Factorizer
        With ``start``, ``process`` and ``stream_names``, and its grid.
    frontend : STFT
        Its transform.
    block : int
        Samples of a block, a multiple of the hop.
    device : str, optional
        As for `in_blocks`.
    """
    hop = frontend.step
    reach = -(-frontend.n_fft // hop)  # frames that overlap with one, on either side, at most
    state, kept, done = None, None, 0  # frames are processed up to `done`; `kept` ends there
    for window in windows(pieces, block=block, margin=reach * hop):
        buffer = window.buffer if device is None else to_device(window.buffer, device)
        with device_of(buffer):
            if state is None:
                state = method.start(len(buffer), frontend.n_bins)
            X = frontend.analyze(buffer)
            first = window.start // hop
            stop = first + X.shape[-1] if window.last else (window.stop + frontend.n_fft // 2) // hop + 1
            new, state = method.process(X[:, :, done - first : stop - first], state)
            Y = new if kept is None else namespace(new).concatenate([kept, new], axis=-1)
            begin, done = stop - Y.shape[-1], stop
            yield _stems(Y, begin, buffer, window, method, frontend, device)
            kept = Y[..., max(0, window.stop // hop - reach - begin) :]


def _stems(
    Y: Array, begin: int, buffer: Array, window: Window, method: Any, frontend: STFT, device: str | None
) -> dict[str, Array]:
    """Return the block's stems of coefficients Y (stems, channels, freq, frames), the first of them frame ``begin``."""
    hop = frontend.step
    at = begin * hop
    n_samples = window.start + buffer.shape[1] - at if window.last else (Y.shape[-1] - 1) * hop
    y = frontend.synthesize(Y, n_samples)[..., window.begin - at : window.stop - at].copy()
    names, leaves_residual = method.stream_names(len(buffer))
    rest = window.own(buffer) - y.sum(axis=0)
    stems = dict(zip(names, y, strict=True))
    if leaves_residual:
        stems[RESIDUAL] = rest
    else:
        stems[names[-1]] = stems[names[-1]] + rest
    return {name: returned(stem, device) for name, stem in stems.items()}
