"""Independent vector analysis of a stream: every frame updates the demixing of all bins, then is demixed by it."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.checks import check_choice
from sigsep_classic.errors import ShapeError
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled
from sigsep_classic.kernels.online_demixing_loops import (
    DEEPEST,
    GATE,
    LEAST,
    LOAD,
    QUIETEST,
    demix_frames,
    scratch_of,
)
from sigsep_classic.typing import Array

RULES = ("iss", "ip")
PRIORS = ("laplace", "gauss")

_THREADS = 128


@dataclass(frozen=True, kw_only=True)
class Demixing:
    """Where a stream's demixing stands; complex128 and float64 arrays of one device.

    Parameters
    ----------
    W : array (freq, sources, channels)
        Demixing matrices.
    C : array (freq, channels, channels)
        Recursive mean of x xᴴ.
    V : array (freq, sources, channels, channels)
        Recursive mean of φ_n x xᴴ.
    told : array (2 + sources,)
        Number of frames learnt from, recursive mean of their power, and of the power of each output.
    """

    W: Array
    C: Array
    V: Array
    told: Array

    def copy(self) -> Demixing:
        """Return the same with arrays of its own, C-contiguous."""
        return replace(self, **{name: value.copy(order="C") for name, value in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How it goes on.

    Parameters
    ----------
    forgetting : float
        α in (0, 1]: what is left of a frame in the recursive means when the next comes.
    n_updates : int
        Updates a frame.
    prior : {"laplace", "gauss"}
        φ = u^(-1/2) or 1 / u of the mean power u of an output over all bins.
    rule : {"iss", "ip"}
        How rows are updated.
    """

    forgetting: float
    n_updates: int = 1
    prior: str = "laplace"
    rule: str = "iss"

    def __post_init__(self) -> None:
        check_choice("prior", self.prior, PRIORS)
        check_choice("rule", self.rule, RULES)


def demix_online(x: Array, start: Demixing, learning: Learning) -> tuple[Array, Demixing]:
    """Return the images of all sources in each frame, and the demixing after the last.

    A frame is learnt from unless it is 100 dB below the recursive mean power of those before. With b = 1 - α, or one
    over the number of frames learnt from where that is more:

        C ← (1 - b) C + b x xᴴ

    then ``n_updates`` times, from the V that the frame before left,

        u_n = mean over bins of |w_n x|²,   V_n ← (1 - b) V_n + b φ(u_n) x xᴴ,   rows by the rule.

    φ is that of a power no lower than 60 dB below the recursive mean of u_n. ``"ip"`` sets w_nᴴ = V_n⁻¹ a_n to length
    one by V_n; ``"iss"`` subtracts from all rows the multiple of w_n, for each n, and then of each row of the
    background, that lowers w V wᴴ - log |det|² most. Here A = C Wᴴ (W C Wᴴ)⁻¹ are the mixing matrices, W⁻¹ where W is
    square, and the background the rows e_c - (A W)_c of the channels beyond the number of sources: what of them is
    uncorrelated with all sources. The image of source n is A[:, n] w_n x with the newest matrices.

    Covariances are loaded for rules and A: entries of the diagonal are multiplied by 1 + 1e-8 (and 1 + 1 / i² in rule
    updates of the frame learnt from as number i), and 1e-20 of the trace is added. In the A of the images only the
    inverse has a loaded C, so that channels that are copies have images that are copies. With as many sources as
    channels what A W leaves of a frame is shared evenly, so that images always add up to x.

    Parameters
    ----------
    x : complex128 array (frames, freq, channels)
        C-contiguous, NumPy or CuPy.
    start : Demixing
        Not written to.
    learning : Learning
        The options.

    Returns
    -------
    images : complex128 array (sources, channels, frames, freq)
    demixing : Demixing
        New arrays.

    Raises
    ------
    ShapeError
        The arrays do not fit together.
    """
    sources = start.W.shape[1]
    n_freq, channels = x.shape[1:] if x.ndim == 3 else (0, 0)
    wanted = [
        (n_freq, sources, channels),
        (n_freq, channels, channels),
        (n_freq, sources, channels, channels),
        (2 + sources,),
    ]
    found = [array.shape for array in astuple(start)]
    if found != wanted or sources > channels:
        raise ShapeError(f"x {x.shape} does not fit W, C, V and told of shapes {found}; expected {wanted}")
    xp = namespace(x)
    run = _gpu if is_cuda(x) else _cpu if enabled() else _numpy
    after = start.copy()
    images = xp.empty((sources, channels, *x.shape[:2]), dtype=xp.complex128)
    if images.size:
        run(xp.ascontiguousarray(x), after, learning, images)
    return images, after


def _cpu(x: np.ndarray, state: Demixing, learning: Learning, images: np.ndarray) -> None:
    sources, channels = images.shape[:2]
    gauss, iss = learning.prior == "gauss", learning.rule == "iss"
    scratch = scratch_of(sources, channels)
    demix_frames(
        x,
        state.W,
        state.C,
        state.V,
        state.told,
        learning.forgetting,
        learning.n_updates,
        gauss,
        iss,
        images,
        *scratch,
    )


def _gpu(x: Array, state: Demixing, learning: Learning, images: Array) -> None:
    xp = namespace(x)
    sources, channels, frames, n_freq = images.shape
    room = (sources + 2) * channels * channels + (3 * sources + 3) * channels + sources * sources
    scratch = xp.empty((_THREADS, 2 * room), dtype=xp.float64)
    cuda.launch(
        "online_demixing",
        "demix",
        grid=(1,),
        block=(_THREADS,),
        args=(
            x.view(xp.float64),
            state.W.view(xp.float64),
            state.C.view(xp.float64),
            state.V.view(xp.float64),
            state.told,
            images.view(xp.float64),
            scratch,
            room,
            frames,
            n_freq,
            sources,
            channels,
            learning.forgetting,
            learning.n_updates,
            int(learning.prior == "gauss"),
            int(learning.rule == "iss"),
        ),
        real=np.dtype("float64"),
    )


def _numpy(x: np.ndarray, state: Demixing, learning: Learning, images: np.ndarray) -> None:
    W, C, V, told = state.W, state.C, state.V, state.told
    sources, channels = images.shape[:2]
    for t, frame in enumerate(x):
        power = float((abs(frame) ** 2).mean())
        if power > GATE * told[1]:
            told[0] += 1
            share = max(1 - learning.forgetting, 1 / told[0])
            told[1] += share * (power - told[1])
            outer = frame[:, :, None] * frame[:, None].conj()
            C += share * (outer - C)
            spread = LOAD + 1 / told[0] ** 2
            before = V.copy()
            for i in range(learning.n_updates):
                u = (abs(W @ frame[:, :, None]) ** 2).mean(axis=(0, 2))
                if i == 0:
                    told[2:] += share * (u - told[2:])
                phi = _weights(u, told[2:], learning.prior)
                V[:] = before + share * (phi[:, None, None] * outer[:, None] - before)
                _updated(W, _loaded(V, spread), _loaded(C, spread), learning.rule)
        A = _mixing(W, C, _loaded(C, LOAD))
        y = (W @ frame[:, :, None])[:, :, 0]
        parts = A * y[:, None]
        if sources == channels:
            parts += ((frame - parts.sum(axis=2)) / sources)[:, :, None]
        images[:, :, t] = parts.transpose(2, 1, 0)


def _weights(u: np.ndarray, mean: np.ndarray, prior: str) -> np.ndarray:
    u = np.maximum(u, QUIETEST * mean)
    safe = np.where(u > DEEPEST, u, 1)
    return np.where(u > DEEPEST, 1 / safe if prior == "gauss" else 1 / np.sqrt(safe), 0)


def _loaded(C: np.ndarray, spread: float) -> np.ndarray:
    diagonal = np.einsum("...ii->...i", C).real
    load = spread * diagonal + LEAST * diagonal.sum(axis=-1, keepdims=True)
    return C + load[..., None] * np.eye(C.shape[-1])


def _mixing(W: np.ndarray, C: np.ndarray, loaded: np.ndarray) -> np.ndarray:
    """Return A = C Wᴴ (W C Wᴴ)⁻¹, C loaded in the inverse; 0 where there has been no sound."""
    crossed = C @ W.conj().swapaxes(1, 2)
    inside = W @ loaded @ W.conj().swapaxes(1, 2)
    silent = np.einsum("fnn->fn", inside).real == 0
    inside += silent[:, :, None] * np.eye(W.shape[1])
    return np.linalg.solve(inside, crossed.conj().swapaxes(1, 2)).conj().swapaxes(1, 2)


def _updated(W: np.ndarray, V: np.ndarray, C: np.ndarray, rule: str) -> None:
    """Update the rows of W (freq, sources, channels) in place."""
    sources, channels = W.shape[1:]
    if rule == "ip":
        for n in range(sources):
            a = _mixing(W, C, C)[:, :, n : n + 1]
            silent = np.einsum("fii->f", V[:, n]).real == 0
            w = np.linalg.solve(V[:, n] + silent[:, None, None] * np.eye(channels), a)
            size = (a.conj() * w).sum(axis=(1, 2)).real
            good = ~silent & (size > 0)
            W[good, n] = w[good, :, 0].conj() / np.sqrt(size[good])[:, None]
        return
    for n in range(sources):
        row = W[:, n].copy()
        for m in range(sources):
            own, size = _along(W[:, m], row, V[:, m])
            good = size > 0
            safe = np.where(good, size, 1)
            u = 1 - 1 / np.sqrt(safe) if m == n else own / safe
            W[:, m] -= np.where(good, u, 0)[:, None] * row
    for c in range(sources, channels):
        row = np.eye(channels)[c] - (_mixing(W, C, C)[:, c : c + 1] @ W)[:, 0]
        for m in range(sources):
            own, size = _along(W[:, m], row, V[:, m])
            good = size > 0
            W[:, m] -= np.where(good, own / np.where(good, size, 1), 0)[:, None] * row


def _along(w: np.ndarray, row: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return w V rowᴴ and row V rowᴴ of each bin."""
    through = (V @ row.conj()[:, :, None])[:, :, 0]
    return (w * through).sum(axis=1), (row * through).sum(axis=1).real
