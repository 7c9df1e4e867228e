"""One step of expectation-maximisation for mixtures of directions: posteriors, and the covariances they weight.

Each z is a direction, a vector of unit norm. Source n has the density (up to a constant)

    angular   |K_n z|^(-2 degree)     complex or real angular central Gaussian, K_nᴴ K_n = B_n⁻¹, det K_n = 1
    watson    exp |K_n z|²            K_n one row: square root of the concentration times the axis

times a weight of its own in each bin, and a prior of its own at each point where one is given.
"""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.directional_loops import mixture_bins
from sigsep_classic.kernels.jit import enabled
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

DENSITIES = ("angular", "watson")
MAX_DIMS = 16
MAX_SOURCES = 16
CUDA_CONSTANTS = ({"N": 2, "M": 2, "TILE": 64}, {"N": 3, "M": 4, "TILE": 64}, {"N": 16, "M": 16, "TILE": 32})


def directional_mixture(
    Z: Array,
    K: Array,
    log_weights: Array,
    saliency: Array,
    *,
    prior: Array | None = None,
    density: str = "angular",
    degree: float = 1.0,
    loss_only: bool = False,
) -> tuple[Array, Array, Array, Array]:
    """Return the posteriors of a mixture of directions, the moments they make, and the log likelihood of each bin.

    Parameters
    ----------
    Z : real array (freq, dims, 2, frames)
        Unit vectors, real and imaginary parts apart; C-contiguous, float32 or float64, NumPy or CuPy; 1 … 16 dims.
    K : complex128 array (freq, sources, rows, dims)
        Lower triangular with as many rows as dims (``"angular"``), or one row (``"watson"``); 1 … 16 sources.
    log_weights : float64 array (freq, sources)
        Logarithms of the weights.
    saliency : array (freq, frames)
        How much each observation counts, non-negative, in the dtype of Z.
    prior : array (sources, freq, frames), optional
        Positive, in the dtype of Z.
    density : {"angular", "watson"}
    degree : float
        A multiple of a half, for ``"angular"``.
    loss_only : bool
        Leave posterior (an empty array) and moments (zeros) out.

    Returns
    -------
    posterior : array (sources, freq, frames)
        In the dtype of Z; sums to one over sources.
    S : complex128 array (freq, sources, dims, dims)
        Sum over frames of saliency · posterior · z zᴴ, for ``"angular"`` divided by |K z|².
    counts : float64 array (freq, sources)
        Sum over frames of saliency · posterior.
    value : float64 array (freq,)
        Sum over frames of saliency · log of the mixture's density; without ``loss_only`` zeros, which is faster.

    Raises
    ------
    ParameterError
        The density is unknown, or the degree is no positive multiple of a half.
    ShapeError
        The arrays do not fit together.
    """
    if density not in DENSITIES:
        raise ParameterError(f"density is {density!r}; use one of {', '.join(DENSITIES)}")
    if degree <= 0 or degree * 2 % 1:
        raise ParameterError(f"degree is {degree}; it must be a positive multiple of a half")
    freq, dims, _, frames = Z.shape
    sources = K.shape[1]
    rows = dims if density == "angular" else 1
    fits = K.shape == (freq, sources, rows, dims) and log_weights.shape == (freq, sources)
    fits = fits and (prior is None or prior.shape == (sources, freq, frames))
    if (
        not (fits and saliency.shape == (freq, frames))
        or not 1 <= dims <= MAX_DIMS
        or not 1 <= sources <= MAX_SOURCES
    ):
        raise ShapeError(
            f"Z {Z.shape}, K {K.shape}, log_weights {log_weights.shape} and saliency {saliency.shape} do not fit, "
            f"or there are more than {MAX_DIMS} dims or {MAX_SOURCES} sources"
        )
    xp = namespace(Z)
    K = xp.stack([K.real, K.imag], axis=-1).astype(Z.dtype)
    power = int(2 * degree) if density == "angular" else 0
    run = _gpu if is_cuda(Z) else _cpu if enabled() else _numpy
    top = log_weights.max(axis=1)
    weights = log_weights - top[:, None]
    weights = (xp.exp(weights) if power else weights).astype(Z.dtype)
    prior = xp.empty((0, freq, frames), dtype=Z.dtype) if prior is None else xp.ascontiguousarray(prior)
    posterior, moments, value = run(Z, K, weights, prior, saliency, power, loss_only)
    if loss_only:
        value += top * saliency.sum(axis=1, dtype=xp.float64)
    S = xp.empty((freq, sources, dims, dims), dtype=xp.complex128)
    entry = 0
    for i in range(dims):
        S[:, :, i, i] = moments[:, :, entry]
        entry += 1
        for j in range(i):
            S[:, :, i, j] = moments[:, :, entry] + 1j * moments[:, :, entry + 1]
            S[:, :, j, i] = S[:, :, i, j].conj()
            entry += 2
    return posterior, S, moments[:, :, -1], value


def _empty(Z: Array, sources: int, loss_only: bool) -> tuple[Array, Array, Array]:
    """Return what the twins write to: posterior, moments (freq, sources, dims² + 1) and value."""
    xp = namespace(Z)
    freq, dims, _, frames = Z.shape
    shape = (0, freq, frames) if loss_only else (sources, freq, frames)
    return xp.empty(shape, dtype=Z.dtype), xp.zeros((freq, sources, dims * dims + 1)), xp.zeros(freq)


def _numpy(
    Z: np.ndarray,
    K: np.ndarray,
    weights: np.ndarray,
    prior: np.ndarray,
    saliency: np.ndarray,
    power: int,
    loss_only: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    posterior, moments, value = _empty(Z, K.shape[1], loss_only)
    freq, dims = Z.shape[:2]
    for f in range(freq):
        z = Z[f, :, 0] + 1j * Z[f, :, 1]
        y = (K[f, ..., 0] + 1j * K[f, ..., 1]) @ z
        q = (y.real**2 + y.imag**2).sum(axis=1)
        if power:
            best = q.min(axis=0)
            p = (best / q) ** (0.5 * power)
            offset = -0.5 * power * np.log(best)
            p *= weights[f, :, None]
        else:
            q = q + weights[f, :, None]
            offset = q.max(axis=0)
            p = np.exp(q - offset)
        if len(prior):
            p = p * prior[:, f]
        total = p.sum(axis=0)
        if loss_only:
            value[f] = (saliency[f] * (offset + np.log(total))).sum()
            continue
        posterior[:, f] = p / total
        counted = posterior[:, f] * saliency[f]
        moments[f, :, -1] = counted.sum(axis=1)
        if power:
            counted = counted / q
        entry = 0
        for i in range(dims):
            for j in [i, *range(i)]:
                product = z[i] * z[j].conj()
                moments[f, :, entry] = (counted * product.real).sum(axis=1)
                entry += 1
                if j != i:
                    moments[f, :, entry] = (counted * product.imag).sum(axis=1)
                    entry += 1
    return posterior, moments, value


def _cpu(
    Z: np.ndarray,
    K: np.ndarray,
    weights: np.ndarray,
    prior: np.ndarray,
    saliency: np.ndarray,
    power: int,
    loss_only: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    posterior, moments, value = _empty(Z, K.shape[1], loss_only)
    run_blocks(
        mixture_bins,
        len(Z),
        Z,
        K,
        weights,
        prior,
        np.ascontiguousarray(saliency),
        power,
        loss_only,
        posterior,
        moments,
        value,
    )
    return posterior, moments, value


def _gpu(
    Z: Array, K: Array, weights: Array, prior: Array, saliency: Array, power: int, loss_only: bool
) -> tuple[Array, Array, Array]:
    xp = namespace(Z)
    posterior, moments, value = _empty(Z, K.shape[1], loss_only)
    freq, dims, _, frames = Z.shape
    sums, values = moments.astype(Z.dtype), value.astype(Z.dtype)
    tile = 64 if max(dims, K.shape[1]) <= 8 else 32
    cuda.launch(
        "directional_mixture",
        "directional_mixture",
        grid=(freq,),
        block=(tile,),
        args=(
            xp.ascontiguousarray(Z),
            xp.ascontiguousarray(K),
            xp.ascontiguousarray(weights),
            prior if len(prior) else weights,  # without one nothing reads it
            xp.ascontiguousarray(saliency),
            posterior,
            sums,
            values,
            frames,
            K.shape[2],
            power,
            int(len(prior) > 0),
            int(loss_only),
        ),
        real=Z.dtype,
        N=K.shape[1],
        M=dims,
        TILE=tile,
    )
    return posterior, sums.astype(float), values.astype(float)
