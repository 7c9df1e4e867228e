"""Sums and divergence of β-NMF on the GPU: tiles of problems and frames, model and ratios in second-level cache.

Everything is written for a batch: W (problems, freq, components), H (problems, frames, components). A tile is
several whole problems, or some frames of one, so that its activations lie in one piece. Only W-sized sums, one
tile or two, and activations of a tile are extra memory. cuBLAS does the products, one launch what lies between.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from sigsep_classic.backend import namespace, real_like, to_host
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.betas import DATA_FLOOR, MODEL_FLOOR, joint_exponents, kind_of, snapped
from sigsep_classic.typing import Array

TILE_BYTES = 24 << 20
"""Of model and ratios together: half the second-level cache of an H100 (50 MB)."""
MOST_FRAMES = 512
"""Frames summed over in one product of a batch: more parts keep more of the device busy where K is small."""
THREADS, PER_BLOCK = 256, 1 << 13


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Data of several problems.

    Parameters
    ----------
    V : array (all frames, freq)
        C-contiguous; of one problem alone any order.
    bounds : int64 array (problems, 2)
        First frame and number of frames of each; problems may share frames.
    beta : float
        β.
    gain : float
        V and H are multiplied by it inside.
    weights : array (all frames, freq), optional
        Where 0, V is not looked at.
    """

    V: Array
    bounds: Array
    beta: float
    gain: float = 1.0
    weights: Array | None = None

    @property
    def lone(self) -> bool:
        """Whether denominators are sums of the other factor: Kullback-Leibler without weights."""
        return self.weights is None and kind_of(self.beta) == 1

    def take(self, problems: Array) -> Frames:
        """Return some of the problems, by an index array on the device."""
        return replace(self, bounds=namespace(self.bounds).ascontiguousarray(self.bounds[problems]))


def of_one(V: Array, beta: float, gain: float, weights: Array | None) -> Frames:
    """Return V (freq, frames) as the data of one problem."""
    xp, n = namespace(V), V.shape[1]
    bounds = xp.arange(0, 2 * n, n, dtype=np.int64)[None]  # 0, n without a transfer
    if weights is not None:
        weights = weights.T.astype(V.dtype, copy=False)
    return Frames(V=V.T, bounds=bounds, beta=beta, gain=gain, weights=weights)


class Tile(NamedTuple):
    """Some problems, some of their frames, and N and P there, (problems, frames, freq); P is None where it is 1."""

    problems: slice
    frames: slice
    N: Array
    P: Array | None


def tiles(data: Frames, W: Array, H: Array, *, ratios: bool = True) -> Iterator[Tile]:
    """Yield N = M V V̂^(β−2) and P = M V̂^(β−1) tile by tile, in buffers that are written over; or the model as N."""
    xp, (n_problems, n_frames, _), n_freq = namespace(W), H.shape, W.shape[1]
    Wt = xp.ascontiguousarray(W.swapaxes(1, 2))
    if data.gain != 1:
        Wt = Wt * real_like(W, data.gain)
    both = ratios and not data.lone
    rows = max(1, TILE_BYTES // (W.dtype.itemsize * n_freq * (1 + both)))
    many, rows = max(1, rows // n_frames), min(rows, n_frames)
    size = min(many, n_problems) * rows * n_freq
    held = [xp.empty(size, dtype=W.dtype) for _ in range(1 + both)]
    for b in range(0, n_problems, many):
        problems = slice(b, min(b + many, n_problems))
        for t in range(0, n_frames, rows):
            frames = slice(t, min(t + rows, n_frames))
            shape = (problems.stop - b, frames.stop - t, n_freq)
            N, *P = (buffer[: np.prod(shape)].reshape(shape) for buffer in held)
            product(H[problems, frames], Wt[problems], out=N)
            tile = Tile(problems, frames, N, P[0] if both else None)
            if ratios:
                _launch_ratios(data, tile)
            yield tile


def sums_of_W(data: Frames, W: Array, H: Array) -> tuple[Array, Array]:
    """Return N Hᵀ and P Hᵀ, (problems, freq, components); the latter (problems, components) for `lone` data."""
    above, below = _empty_sums(data, W)
    for tile in tiles(data, W, H):
        _add_sums(tile, H[tile.problems, tile.frames], H[tile.problems, tile.frames], above, below)
    return _turned_sums(data, above, below, H)


def sums_of_H(data: Frames, W: Array, H: Array) -> tuple[Array, Array]:
    """Return Wᵀ N and Wᵀ P, both (problems, frames, components)."""
    xp = namespace(W)
    above, below = xp.empty_like(H), xp.empty_like(H)
    for problems, frames, N, P in tiles(data, W, H):
        product(N, W[problems], out=above[problems, frames])
        if P is not None:
            product(P, W[problems], out=below[problems, frames])
    if data.lone:
        below[:] = W.sum(axis=1)[:, None]
    return above, below


def update_W(data: Frames, W: Array, H: Array, *, exponent: float, tiny: float) -> None:
    """Multiply W by (N Hᵀ / P Hᵀ)^γ in place."""
    above, below = sums_of_W(data, W, H)
    launch_multiply(W, above, below, exponent, tiny)


def update_H(data: Frames, W: Array, H: Array, *, exponent: float, tiny: float) -> None:
    """Multiply H by (Wᵀ N / Wᵀ P)^γ in place."""
    for _ in _updated_H(data, W, H, exponent, tiny, joint=False):
        pass


def update_both(data: Frames, W: Array, H: Array, *, exponent: float, tiny: tuple[float, float]) -> None:
    """Multiply W and H in place from one model, see `beta_nmf.joint_update`; tiny is that of W and of H."""
    above, below = _empty_sums(data, W)
    for tile, up, low in _updated_H(data, W, H, exponent, tiny[1], joint=True):
        _add_sums(tile, up, low, above, below)
    launch_multiply(W, *_turned_sums(data, above, below, H), exponent, tiny[0])


def divergences(data: Frames, W: Array, H: Array) -> np.ndarray:
    """Return the β-divergence of each problem, in units of gain V, on the host; V is read once."""
    xp, (n_problems, n_frames, _), n_freq = namespace(W), H.shape, W.shape[1]
    # the kernel wants β in double, whatever `real` is: near 0 and 1 the formula divides by its distance from them
    beta = np.float64(snapped(data.beta)).view(np.int64)
    options = (
        kind_of(data.beta),
        int(data.weights is not None),
        beta,
        float(data.gain),
        MODEL_FLOOR,
        DATA_FLOOR,
    )
    sums = xp.zeros((0, 0), dtype=np.float64)
    each = 0
    for tile in tiles(data, W, H, ratios=False):
        n, rows, _ = tile.N.shape
        blocks = cuda.blocks_for(rows * n_freq, PER_BLOCK)
        if not each:  # no tile is larger than the first
            per, each = rows, blocks
            sums = xp.zeros((n_problems, each * cuda.blocks_for(n_frames, per)), dtype=np.float64)
        number = tile.frames.start // per * each
        V, M, bounds, t0 = _placed(data, tile.frames)
        cuda.launch(
            "beta_divergence", "divergence", grid=(blocks, n), block=(THREADS,),
            args=(V, M, bounds, tile.N, sums, n_freq, rows, PER_BLOCK, tile.problems.start, cuda.long(t0),
                  sums.shape[1], number, *options),
            real=W.dtype,
        )  # fmt: skip
    return to_host(sums.sum(axis=1))


def product(A: Array, B: Array, *, out: Array) -> None:
    """Write A B, batches of matrices, to C-contiguous ``out``; one alone as a plain product, which copies nothing."""
    xp = namespace(out)
    if len(out) == 1:
        xp.matmul(A[0], B[0], out=out[0])
    else:
        xp.matmul(A, B, out=out)


def launch_multiply(
    A: Array,
    above: Array,
    below: Array,
    exponent: float,
    tiny: float,
    powers: tuple[float, float] | None = None,
) -> None:
    """Multiply A by (above / below)^exponent in place; ``powers`` turn above and below into joint activations."""
    up, low = powers or (0.0, 0.0)
    group = 0 if below.ndim == A.ndim else A[0].size
    cuda.launch(
        "beta_nmf", "multiply", grid=(cuda.blocks_for(A.size, THREADS),), block=(THREADS,),
        args=(A, above, below, cuda.long(A.size), A.shape[-1], cuda.long(group), int(powers is not None),
              float(exponent), float(max(tiny, np.finfo(A.dtype).tiny)), float(up), float(low)),
        real=A.dtype,
    )  # fmt: skip


def ahead(now: Array, before: Array, by: Array, *, least: float, largest: float) -> Array:
    """Return ``now * (1 + by * clip(now / before - 1, least, largest))``; ``by`` (problems,) along the first axis."""
    out = namespace(now).empty_like(now)
    cuda.launch(
        "beta_nmf", "ahead", grid=(cuda.blocks_for(now.size, THREADS),), block=(THREADS,),
        args=(now, before, by, out, cuda.long(now.size), cuda.long(now[0].size), float(least), float(largest)),
        real=now.dtype,
    )  # fmt: skip
    return out


def parts_of(n_frames: int) -> int:
    """Return into how many parts the frames of a batch are cut where they are summed over."""
    return -(-n_frames // MOST_FRAMES)


def padded_frames(n_frames: int) -> int:
    """Return the least number of frames, as many or more, that has `parts_of` equal parts."""
    return -(-n_frames // parts_of(n_frames)) * parts_of(n_frames)


def _launch_ratios(data: Frames, tile: Tile) -> None:
    V, M, bounds, t0 = _placed(data, tile.frames)
    N, P = tile.N, tile.N if tile.P is None else tile.P
    rows, n_freq = N.shape[1:]
    cuda.launch(
        "beta_nmf", "tile_ratios", grid=(cuda.blocks_for(N.size, THREADS),), block=(THREADS,),
        args=(V, M, bounds, N, P, N.size, n_freq, rows, tile.problems.start, cuda.long(t0), kind_of(data.beta),
              int(data.weights is not None), int(tile.P is not None), float(data.beta), float(data.gain),
              MODEL_FLOOR, DATA_FLOOR),
        real=N.dtype,
    )  # fmt: skip


def _placed(data: Frames, frames: slice) -> tuple[Array, Array, Array, int]:
    """Return V and weights as a kernel takes them, their bounds, and the tile's first frame there."""
    xp, V, M = namespace(data.V), data.V, data.V if data.weights is None else data.weights
    if V.flags.c_contiguous and M.flags.c_contiguous:
        return V, M, data.bounds, frames.start
    assert len(data.bounds) == 1, "data of several problems must be C-contiguous"
    V, M = (xp.ascontiguousarray(a[frames]) for a in (V, M))
    n = frames.stop - frames.start
    return V, M, xp.arange(0, 2 * n, n, dtype=np.int64)[None], 0


def _updated_H(
    data: Frames, W: Array, H: Array, exponent: float, tiny: float, *, joint: bool
) -> Iterator[tuple[Tile, Array, Array]]:
    """Update H tile by tile; yield with each the activations for N and for P of the joint majorisation."""
    xp, n_k = namespace(W), W.shape[2]
    columns = W.sum(axis=1) if data.lone else None
    held: list[Array] = []
    for tile in tiles(data, W, H):
        shape = (*tile.N.shape[:2], n_k)
        if not held:
            held = [xp.empty(np.prod(shape), dtype=W.dtype) for _ in range(1 if data.lone else 2)]
        above, *below = (buffer[: np.prod(shape)].reshape(shape) for buffer in held)
        product(tile.N, W[tile.problems], out=above)
        if tile.P is not None:
            product(tile.P, W[tile.problems], out=below[0])
        part = H[tile.problems, tile.frames]
        denominator = columns[tile.problems] if columns is not None else below[0]
        powers = joint_exponents(snapped(data.beta)) if joint else None
        launch_multiply(part, above, denominator, exponent, tiny, powers)
        yield tile, above, part if columns is not None else below[0]


def _empty_sums(data: Frames, W: Array) -> tuple[Array, Array | None]:
    xp, shape = namespace(W), (len(W), W.shape[2], W.shape[1])
    return xp.zeros(shape, dtype=W.dtype), None if data.lone else xp.zeros(shape, dtype=W.dtype)


def _add_sums(tile: Tile, up: Array, low: Array, above: Array, below: Array | None) -> None:
    """Add Hᵀ N, for all frames of a tile, to sums (problems, components, freq)."""
    above[tile.problems] += _over_frames(up, tile.N)
    if below is not None:
        below[tile.problems] += _over_frames(low, tile.P)


def _over_frames(H: Array, N: Array) -> Array:
    """Return the sum over frames of H (problems, frames, components) times N, (problems, components, freq)."""
    xp, (n, rows, n_k) = namespace(H), H.shape
    if n == 1:
        return xp.matmul(H[0].T, N[0])[None]
    parts = parts_of(rows)
    cut = rows // parts * parts
    sums = xp.matmul(
        H[:, :cut].reshape(n * parts, -1, n_k).swapaxes(1, 2), N[:, :cut].reshape(n * parts, -1, N.shape[2])
    )
    total = sums.reshape(n, parts, *sums.shape[1:]).sum(axis=1) if parts > 1 else sums
    if cut < rows:
        total += xp.matmul(H[:, cut:].swapaxes(1, 2), N[:, cut:])
    return total


def _turned_sums(data: Frames, above: Array, below: Array | None, H: Array) -> tuple[Array, Array]:
    xp = namespace(H)
    if below is None:
        return xp.ascontiguousarray(above.swapaxes(1, 2)), H.sum(axis=1)
    return tuple(xp.ascontiguousarray(a.swapaxes(1, 2)) for a in (above, below))  # type: ignore[return-value]
