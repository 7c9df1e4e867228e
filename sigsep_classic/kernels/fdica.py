"""Independent component analysis of each frequency bin on its own: all iterations of a bin in one go, in cache."""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.checks import check_choice
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.fdica_loops import iterate
from sigsep_classic.kernels.fdica_natural import TRIALS, iterate_naturally
from sigsep_classic.kernels.jit import enabled
from sigsep_classic.kernels.lanes import LANES
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

SOLVERS = ("auxiliary", "natural")
CUDA_CONSTANTS = ({"N": 2, "HELD": 2048}, {"N": 9, "HELD": 0})

_THREADS = 128
_SHARED_BYTES = 48 * 1024


def fdica(
    Z: Array,
    R: Array,
    *,
    n_iter: int = 1,
    solver: str = "auxiliary",
    beta: float = 1.0,
    floor: float = 1e-6,
    step_size: float = 0.5,
    load: Array | None = None,
) -> tuple[Array, Array]:
    """Return R after ``n_iter`` iterations of each bin, and the cost it reached there.

    With y = R z, u_n = |y_n|² + floor and beta the shape of the prior (1: Laplace), the cost of a bin is

        sum over n of mean over frames of (2 / beta) u_n^(beta / 2)  +  load |R|²  -  2 log |det R|.

    With weights phi_n = u_n^(beta / 2 - 1) and V_n = mean of phi_n z zᴴ + load I, ``"auxiliary"`` sets all
    weights, then each row to r_nᴴ = (R V_n)⁻¹ e_n, scaled so that r_n V_n r_nᴴ = 1; ``"natural"`` sets R to
    (I + mu G) R with rows g_n = e_n - r_n V_n Rᴴ, mu halved until the cost does not rise. Neither raises it.

    Parameters
    ----------
    Z : real array (freq, dims, 2, frames)
        Data, real and imaginary parts apart; C-contiguous, float32 or float64, NumPy or CuPy. At a level near 1
        where it is float32.
    R : complex128 array (freq, dims, dims)
        Demixing matrices, sources by dims, invertible; not written to.
    n_iter : int
        Number of iterations; 0 tells the cost of R.
    solver : {"auxiliary", "natural"}
        Which update.
    beta : float
        Exponent of the prior, between 0 and 2. 1 and 0.5 are quick, others need a logarithm a sample.
    floor : float
        Positive; what is added to |y|².
    step_size : float
        Largest mu, between 0 and 1; smaller where G is larger than the identity.
    load : float64 array (freq,), optional
        See above; default 0.

    Returns
    -------
    R : complex128 array (freq, dims, dims)
    cost : float64 array (freq,)

    Raises
    ------
    ParameterError
        The solver is unknown, or beta or the floor out of range.
    ShapeError
        Z, R and load do not fit together.

    Notes
    -----
    Samples are worked on in the precision of Z, sums over 512 frames of them are added, and matrices solved, in
    double precision. ``n_iter`` iterations and as many calls of one iteration give the same bits.
    """
    check_choice("solver", solver, SOLVERS)
    if not 0 < beta < 2 or not floor > 0:
        raise ParameterError(f"beta is {beta} and floor {floor}; expected 0 < beta < 2 and floor > 0")
    xp = namespace(Z)
    load = xp.zeros(len(R)) if load is None else load
    if Z.ndim != 4 or R.shape != (len(Z), Z.shape[1], Z.shape[1]) or load.shape != (len(Z),):
        raise ShapeError(
            f"Z {Z.shape}, R {R.shape} and load {load.shape} do not fit; expected (freq, dims, 2, frames), "
            "(freq, dims, dims) and (freq,)"
        )
    run = _gpu if is_cuda(Z) else _cpu if enabled() else _numpy
    R = xp.array(R, dtype=xp.complex128, order="C")
    return run(Z, R, load, n_iter, solver == "natural", beta / 2 - 1, floor, step_size)


def _cpu(
    Z: np.ndarray,
    R: np.ndarray,
    load: np.ndarray,
    n_iter: int,
    natural: bool,
    exponent: float,
    floor: float,
    step_size: float,
) -> tuple[np.ndarray, np.ndarray]:
    costs = np.empty(len(Z))
    parts = R.view(np.float64).reshape(*R.shape, 2)
    groups = -(-len(Z) // LANES)
    if natural:
        run_blocks(iterate_naturally, groups, Z, parts, load, n_iter, exponent, floor, step_size, costs)
    else:
        run_blocks(iterate, groups, Z, parts, load, n_iter, exponent, floor, costs)
    return R, costs


def _numpy(
    Z: np.ndarray,
    R: np.ndarray,
    load: np.ndarray,
    n_iter: int,
    natural: bool,
    exponent: float,
    floor: float,
    step_size: float,
) -> tuple[np.ndarray, np.ndarray]:
    z = Z[:, :, 0] + 1j * Z[:, :, 1].astype(float)
    eye = np.eye(R.shape[1])

    def look(R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u = abs(R @ z) ** 2 + floor
        contrast = (u ** (exponent + 1)).mean(axis=2).sum(axis=1) / (exponent + 1)
        size = (abs(R) ** 2).sum(axis=(1, 2))
        return u**exponent, contrast + load * size - 2 * np.linalg.slogdet(R)[1]

    for _ in range(n_iter):
        phi, cost = look(R)
        V = np.einsum("fnt,fit,fjt->nfij", phi, z, z.conj(), optimize=True) / z.shape[2]
        V += load[:, None, None] * eye
        if not natural:
            R = R.copy()
            for n, V_n in enumerate(V):
                w = np.linalg.solve(R @ V_n, np.broadcast_to(eye[:, n : n + 1], (len(R), len(eye), 1)))[
                    :, :, 0
                ]
                R[:, n] = (w / np.sqrt(np.einsum("fi,fij,fj->f", w.conj(), V_n, w).real)[:, None]).conj()
            continue
        G = eye - np.einsum("fni,nfij,fmj->fnm", R, V, R.conj(), optimize=True)
        mu = step_size / np.maximum(1, np.sqrt((abs(G) ** 2).sum(axis=(1, 2)) / len(eye)))
        waiting = np.ones(len(R), bool)
        for _ in range(TRIALS):
            trial = R + mu[:, None, None] * (G @ R)
            better = waiting & (look(trial)[1] <= cost)
            R = np.where(better[:, None, None], trial, R)
            waiting &= ~better
            mu = np.where(waiting, mu / 2, 0)
            if not waiting.any():
                break
    return R, look(R)[1]


def _gpu(
    Z: Array,
    R: Array,
    load: Array,
    n_iter: int,
    natural: bool,
    exponent: float,
    floor: float,
    step_size: float,
) -> tuple[Array, Array]:
    xp = namespace(Z)
    dims, frames = Z.shape[1], Z.shape[3]
    costs = xp.empty(len(Z))
    parts = R.view(xp.float64)
    cuda.launch(
        "fdica",
        "fdica",
        grid=(len(Z),),
        block=(_THREADS,),
        args=(
            xp.ascontiguousarray(Z),
            parts,
            load,
            costs,
            xp.empty((len(Z), frames), dtype=Z.dtype),
            frames,
            n_iter,
            int(natural),
            TRIALS,
            exponent,
            floor,
            xp.full(1, step_size),
        ),
        real=Z.dtype,
        N=dims,
        HELD=_held(2 * dims * frames, dims, Z.dtype.itemsize),
    )
    return R, costs


def _held(numbers: int, dims: int, itemsize: int) -> int:
    """Return how many numbers of shared memory a bin's data take, rounded up to few sizes; 0: too many."""
    size = 1 << max(8, (numbers - 1).bit_length())
    others = 2 * dims * (_THREADS * itemsize + 8 * (6 * dims + 18)) + 64
    return size if size * itemsize + others <= _SHARED_BYTES else 0
