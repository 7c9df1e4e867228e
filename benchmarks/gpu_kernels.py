"""Small problems for each operation that has a CUDA twin: ``CASES["op: what"](put)`` returns what it gives.

``put`` brings a NumPy array to where the operation is to run. Sizes are like those of ``tests/kernels``, odd, and large
enough for several blocks of threads. All is in single precision where the operation knows it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

Put = Callable[[np.ndarray], Any]
REAL = np.float32


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _complex(*shape: int, kind: Any = np.complex64) -> np.ndarray:
    rng = _rng()
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(kind)


def _bins(n_freq: int, dims: int, n_frames: int, *, near: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Return whitened-like Z (freq, dims, 2, frames) and a start near the identity, as methods give them."""
    rng = _rng()
    Z = rng.gamma(0.5, size=n_frames) * rng.standard_normal((n_freq, dims, 2, n_frames))
    return Z.astype(REAL), np.eye(dims) + near * _complex(n_freq, dims, dims, kind=complex)


def _factors(n_freq: int, n_frames: int, n_components: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return V of mean about one, W and the transpose of H."""
    rng = _rng()
    W, Ht = rng.random((n_freq, n_components)) + 0.1, rng.random((n_frames, n_components)) + 0.1
    M = W @ Ht.T
    V = M * rng.gamma(2, 0.5, M.shape) / M.mean() + 1e-3
    return V.astype(REAL), W.astype(REAL), Ht.astype(REAL)


def beta_nmf(put: Put, *, beta: float, factor: str) -> Any:
    """Return the factor that was updated."""
    from sigsep_classic.kernels.beta_nmf import multiplicative_update

    V, W, Ht = (put(a) for a in _factors(257, 259, 5))
    multiplicative_update(V, W, Ht.T, factor=factor, beta=beta, exponent=1.0)
    return W if factor == "W" else Ht


def beta_joint(put: Put, *, beta: float) -> Any:
    """Return both factors after a joint update."""
    from sigsep_classic.kernels.beta_nmf import joint_update

    V, W, Ht = (put(a) for a in _factors(257, 259, 5))
    joint_update(V, W, Ht.T, beta=beta)
    return W, Ht


def beta_batch(put: Put, *, solver: str, beta: float) -> Any:
    """Return the factors of problems of several lengths and ranks after six iterations in one batch."""
    from sigsep_classic import NMF, fit_many

    Xs = [put(_factors(65, n, 3)[0][None]) for n in (259, 230, 220)]
    methods = [NMF(n_components=k, solver=solver, beta=beta, n_iter=6, tol=0) for k in (5, 3, 4)]
    return [(model.W, model.H) for model in fit_many(methods, Xs)]


def beta_divergence(put: Put, *, beta: float, weighted: bool = False) -> Any:
    """Return the divergence."""
    from sigsep_classic.kernels.beta_divergence import divergence

    V, W, Ht = (put(a) for a in _factors(257, 259, 5))
    weights = put(_rng().random((259, 257)).astype(REAL)).T if weighted else None
    return np.array(divergence(V, W, Ht.T, beta=beta, weights=weights))


def convolutive(put: Put, *, factor: str, beta: float) -> Any:
    """Return the sums of a convolutive model."""
    from sigsep_classic.kernels.convolutive_nmf import statistics

    rng = _rng()
    V, W = rng.gamma(2, 0.5, (40, 61)).astype(REAL), (rng.random((40, 3, 4)) + 0.1).astype(REAL)
    rows = (rng.random((61, 3, 2)) + 0.1).astype(REAL)
    return statistics(put(V), put(W), put(rows).transpose(1, 2, 0), factor=factor, beta=beta)


def convolutive_update(put: Put) -> Any:
    """Return W and H after an update of each, with a penalty, the model and its divergence."""
    from sigsep_classic.kernels import convolutive_nmf as module

    rng = _rng()
    V, W = rng.gamma(2, 0.5, (300, 611)).astype(REAL), (rng.random((300, 3, 40)) + 0.1).astype(REAL)
    V, W, rows = put(V), put(W), put((rng.random((611, 3, 1)) + 0.1).astype(REAL) / REAL(70))
    H = rows.transpose(1, 2, 0)
    for factor in "HW":
        module.multiplicative_update(V, W, H, factor=factor, beta=1.0, exponent=0.5, penalty=REAL(0.1))
    return W, rows, module.convolved(W, H, V.shape), np.float64(module.divergence(V, W, H, beta=1.3))


def complex_nmf(put: Put, *, starts: tuple[int, ...]) -> Any:
    """Return the activations, both sums and the phases of an iteration."""
    from sigsep_classic.kernels.complex_nmf import complex_nmf as op

    rng, (rows, frames), K, J = _rng(), (260, 37), starts[-1], len(starts) - 1
    B, Ht = (rng.random(size).astype(REAL) + REAL(0.1) for size in ((K, rows), (frames, K)))
    phases = rng.uniform(0, 2 * np.pi, (frames, J, rows))
    U = np.stack([np.cos(phases), np.sin(phases)], axis=2).astype(REAL)
    B, Ht, U = put(B), put(Ht / REAL(K)), put(U)
    return Ht, op(put(_complex(2, frames, 130)), B, Ht, U, starts), U


def sweep(put: Put, *, rule: str, own: bool = False) -> Any:
    """Return the covariances' determinants of demixing and the powers: what does not depend on phases."""
    from sigsep_classic.kernels.demixing import sweep as op

    Z, R = _bins(7, 3, 300)
    weights = _rng().uniform(0.5, 2, (3, 7, 300) if own else (3, 300)).astype(REAL)
    R, power = op(put(Z), put(R), put(weights), rule=rule)
    return abs(R), power


def covariances(put: Put) -> Any:
    """Return weighted covariances."""
    from sigsep_classic.kernels.demixing import weighted_covariances

    weights = _rng().uniform(0.5, 2, (5, 300)).astype(REAL)
    return weighted_covariances(put(_bins(7, 3, 300)[0]), put(weights))


def channels(put: Put, *, dims: int) -> Any:
    """Return covariances and powers of a number of channels, over several stretches of frames."""
    from sigsep_classic.kernels.demixing import powers, weighted_covariances

    Z, R = _bins(5, dims, 8500)
    V = weighted_covariances(put(Z), put(_rng().uniform(0.5, 2, (dims, 8500)).astype(REAL)))
    return V, powers(put(Z), put(R), summed=True)


def low_rank(put: Put) -> Any:
    """Return all that a sweep of ILRMA gives."""
    from sigsep_classic.kernels.low_rank_sweep import low_rank_sweep

    (Z, R), rng = _bins(7, 3, 300), _rng()
    T, V = (rng.uniform(0.1, 1, s).astype(REAL) for s in ((3, 7, 2), (3, 2, 300)))
    share = rng.uniform(1, 2, 7).astype(REAL)
    R, *rest = low_rank_sweep(put(Z), put(R), put(T), put(V), put(share), exponent=0.5)
    return abs(R), rest


def fdica(put: Put, *, solver: str) -> Any:
    """Return the filters and the cost of each bin after two iterations."""
    from sigsep_classic.kernels.fdica import fdica as op

    Z, R = _bins(19, 3, 300)
    return op(put(Z), put(R), n_iter=2, solver=solver)


def mixture(put: Put, *, density: str) -> Any:
    """Return what the E step of a directional mixture gives."""
    from sigsep_classic.kernels.directional_mixture import directional_mixture

    rng, rows = _rng(), 3 if density == "angular" else 1
    Z = rng.standard_normal((5, 3, 2, 300))
    Z /= np.sqrt((Z**2).sum(axis=(1, 2), keepdims=True))
    K = _complex(5, 2, rows, 3, kind=complex)
    K = np.tril(K) + 2 * np.eye(3) if density == "angular" else K
    log_weights, saliency = np.log(rng.dirichlet(np.ones(2), 5)), rng.random((5, 300)).astype(REAL)
    given = (put(Z.astype(REAL)), put(K), put(log_weights), put(saliency))
    return directional_mixture(*given, density=density, degree=3)


def _spectra(put: Put) -> list[Any]:
    rng = _rng()
    shapes = ((3, 33, 103), (3, 33), (2, 33, 4), (2, 4, 100), (1, 2, 3))
    P, ridge, *rest = (np.asarray(rng.uniform(0.2, 2, shape), REAL) for shape in shapes)
    return [put(P**4), put(ridge / 10), *(put(a) for a in rest)]


def fast_mnmf(put: Put, *, what: str) -> Any:
    """Return spectra or gains of FastMNMF after an update, or its precisions."""
    from sigsep_classic.kernels import fast_mnmf as module

    P, ridge, W, H, G = _spectra(put)
    if what == "gains":
        return module.update_gains(P, ridge, W, H, G)
    U = module.precisions(W, H, G, pad=len(P), level=1.25)
    if what == "precisions":
        return U
    return module.update_spectra(P, ridge, U, W, H, G, level=1.25)


def greedy_descent(put: Put) -> Any:
    """Return codes and slopes of a sparse signal."""
    from sigsep_classic.kernels.greedy_descent import greedy_descent as op

    rng, n = _rng(), 400
    D = rng.standard_normal((3, 30))
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    Z = np.zeros((3, n))
    Z.flat[rng.choice(Z.size, 20, replace=False)] = rng.standard_normal(20)
    y = sum(np.convolve(z, d) for z, d in zip(Z, D, strict=True)) + 0.02 * rng.standard_normal(n + 29)
    beta = np.array([np.correlate(y, d, "valid") for d in D]).astype(REAL)
    G = np.array([[np.correlate(a, b, "full") for b in D] for a in D]).astype(REAL)
    given, penalty = (put(a) for a in (np.zeros_like(beta), beta, G)), 0.1 * float(abs(beta).max())
    return op(*given, penalty=penalty, signed=True, tol=1e-5, max_updates=10**6)[:2]


def hals(put: Put) -> Any:
    """Return a factor after three sweeps."""
    from sigsep_classic.kernels.hals import hals_update

    rng = _rng()
    A, B, data = (rng.random(size).astype(REAL) for size in ((530, 7), (11, 7), (530, 11)))
    A = put(A)
    hals_update(A, put(B.T @ B), put((data - REAL(0.2)) @ B), n_sweeps=3, l1=0.1)
    return A


def median_of_frames(put: Put) -> Any:
    """Return medians over lists of frames."""
    from sigsep_classic.kernels.median_of_frames import median_of_frames as op

    rng = _rng()
    V, frames = rng.random((2, 130, 50)).astype(REAL), rng.integers(0, 50, (40, 33)).astype(np.int32)
    return op(put(V), put(frames), put(rng.integers(1, 34, 40).astype(np.int32)))


def sliding_median(put: Put, *, axis: int) -> Any:
    """Return sliding medians of 17."""
    from sigsep_classic.kernels.sliding_median import sliding_median as op

    return op(put(_rng().random((1, 300, 140)).astype(REAL)), 17, axis=axis)


def similar_frames(put: Put) -> Any:
    """Return lists of similar frames of a spectrogram whose similarities have no rounding."""
    from sigsep_classic.kernels.similar_frames import similar_frames as op

    rng, V = _rng(), np.zeros((16, 137), REAL)
    for t in range(V.shape[1]):
        V[rng.choice(16, 4, replace=False), t] = 1
    return op(put(V), number=5, distance=3, threshold=0.25)


def noise_tracking(put: Put, *, rule: str) -> Any:
    """Return the noise that a tracker finds."""
    from sigsep_classic.kernels.noise_tracking import track_noise

    rng = _rng()
    P = rng.exponential(size=(2, 70, 160)) * (1 + 100 * (rng.random((1, 1, 160)) > 0.8))
    return track_noise(put(P.astype(REAL)), put(np.full((2, 70), 0.8, REAL)), rule=rule, frame_rate=40.0)


def spectral_gain(put: Put, *, rule: str, causal: bool) -> Any:
    """Return gains and priors."""
    from sigsep_classic.kernels.spectral_gain import spectral_gain as op

    rng, shape = _rng(), (2, 70, 160)
    P = (rng.exponential(size=shape) * rng.gamma(0.2, 50, size=(1, 1, 160))).astype(REAL)
    N = rng.gamma(4.0, size=shape).astype(REAL)
    return op(put(P), put(N), rule=rule, smoothing=0.9, least=0.003, causal=causal)


def demix_online(put: Put, *, rule: str) -> Any:
    """Return the images of a short stream."""
    from sigsep_classic.kernels.online_demixing import Demixing, Learning
    from sigsep_classic.kernels.online_demixing import demix_online as op

    freq, n = 9, 3
    eye = np.broadcast_to(np.eye(n, dtype=complex), (freq, n, n)).copy()
    state = (eye, np.zeros((freq, n, n), complex), np.zeros((freq, n, n, n), complex), np.zeros(2 + n))
    start = Demixing(**dict(zip(("W", "C", "V", "told"), (put(a) for a in state), strict=True)))
    return op(put(_complex(12, freq, n, kind=complex)), start, Learning(forgetting=0.9, rule=rule))[0]


def predict_recursively(put: Put) -> Any:
    """Return a stream without its late reverberation."""
    from sigsep_classic.kernels.online_prediction import predict_recursively as op

    freq, n, rows = 5, 2, 6
    eye = np.broadcast_to(np.eye(rows, dtype=complex), (freq, rows, rows)).copy()
    x = _complex(44, freq, n, kind=complex)
    return op(put(x), put(np.zeros((freq, rows, n), complex)), put(eye), delay=2, forgetting=0.98)


def permutation_sweep(put: Put) -> Any:
    """Return orders and their values."""
    from sigsep_classic.kernels.permutation_sweep import permutation_sweep as op

    rng, (freq, n, dims) = _rng(), (33, 4, 20)
    own = rng.standard_normal((n, dims))
    orders = np.array([[rng.permutation(n) for _ in range(freq)] for _ in range(4)])
    Z = own[orders[0]] + 0.2 * rng.standard_normal((freq, n, dims))
    decays = np.array([np.ones(freq - 1), *rng.uniform(0.3, 0.95, (2, freq - 1))])
    return op(put(Z.astype(REAL)), put(orders[1:]), put(decays), put(np.array([0.1, 0.5, 1.0])))


def projection(put: Put) -> Any:
    """Return magnitudes on phases, run ahead."""
    from sigsep_classic.kernels.projection import projection as op

    C, B = _complex(2, 2, 70, 90)
    V = _rng().random(C.shape).astype(REAL)
    return op(put(V), put(C), before=put(B), ahead=0.3)


def score_moments(put: Put, *, contrast: str) -> Any:
    """Return averages over samples; matrices stay on the host."""
    from sigsep_classic.kernels.score_moments import score_moments as op

    rng = _rng()
    X = rng.laplace(size=(3, 4100)).astype(REAL)
    return op(put(X), rng.standard_normal((3, 3)), 0.3 * rng.standard_normal(3), contrast=contrast)


def shrinkage(put: Put) -> Any:
    """Return a step of RPCA."""
    from sigsep_classic.kernels.shrinkage import shrinkage as op

    return op(*(put(a) for a in _rng().standard_normal((4, 70, 310)).astype(REAL)), growth=1.5, threshold=0.3)


def soft_mask(put: Put, *, power: float) -> Any:
    """Return a share of two powers."""
    from sigsep_classic.kernels.soft_mask import soft_mask as op

    A, B = (10 ** _rng().uniform(-2, 1, (2, 2, 70, 90))).astype(REAL)
    return op(put(A), put(B), power=power, margin=1.0)


def _variances(put: Put) -> list[Any]:
    rng = _rng()
    shapes = ((3, 33, 200), (3, 33), (3, 33, 2), (3, 2, 200), (33,))
    return [put(rng.uniform(0.3, 2, shape).astype(REAL)) for shape in shapes]


def variance_weights(put: Put, *, density: str) -> Any:
    """Return weights of a low-rank source model."""
    from sigsep_classic.kernels.variance_weights import variance_weights as op

    return op(*_variances(put), density=density, shape=1.4)


def variance_sums(put: Put, *, over: str) -> Any:
    """Return sums for the update of a low-rank source model."""
    from sigsep_classic.kernels.variance_sums import variance_sums as op

    return op(*_variances(put)[:-1], over=over, density="generalized", shape=1.4)


def wiener(put: Put) -> Any:
    """Return images by the multichannel Wiener filter after two iterations."""
    from sigsep_classic.kernels.wiener import wiener as op

    V = (_rng().random((3, 2, 40, 60)) + 0.05).astype(REAL)
    return op(put(_complex(2, 40, 60)), V=put(V), n_iter=2, squared=True)


CASES: dict[str, Callable[[Put], Any]] = {
    **{
        f"beta_nmf: beta {beta:g}, {factor}": partial(beta_nmf, beta=beta, factor=factor)
        for beta in (0.0, 1.0, 1.5)
        for factor in "WH"
    },
    "beta_nmf: joint": partial(beta_joint, beta=1.0),
    "beta_nmf: batch, mu, beta 0": partial(beta_batch, solver="mu", beta=0.0),
    "beta_nmf: batch, momentum": partial(beta_batch, solver="extrapolated", beta=1.0),
    **{
        f"beta_divergence: beta {beta:g}": partial(beta_divergence, beta=beta)
        for beta in (0.0, 0.5, 1.0, 1.5, 2.0)
    },
    "beta_divergence: weighted": partial(beta_divergence, beta=1.0, weighted=True),
    **{
        f"convolutive_stacks: beta {beta:g}, {factor}": partial(convolutive, factor=factor, beta=beta)
        for beta in (0.0, 1.0, 1.3)
        for factor in "WH"
    },
    "convolutive_stacks: update and divergence": convolutive_update,
    "complex_nmf: phases of components": partial(complex_nmf, starts=(0, 1, 2, 3, 4)),
    "complex_nmf: phases of sources": partial(complex_nmf, starts=(0, 3, 4)),
    **{
        f"{op}: {rule}": partial(sweep, rule=rule)
        for op, rules in {"demixing": ("ip1", "iss1"), "demixing_rules": ("ip2", "iss2")}.items()
        for rule in rules
    },
    "demixing_ipa: ipa": partial(sweep, rule="ipa"),
    "demixing: weights of each bin": partial(sweep, rule="ip1", own=True),
    "demixing: covariances": covariances,
    "low_rank_sweep: ilrma": low_rank,
    **{f"demixing: {dims} channels": partial(channels, dims=dims) for dims in (2, 4, 6, 9)},
    "fdica: auxiliary": partial(fdica, solver="auxiliary"),
    "fdica: natural": partial(fdica, solver="natural"),
    "directional_mixture: angular": partial(mixture, density="angular"),
    "directional_mixture: watson": partial(mixture, density="watson"),
    "fast_mnmf: spectra": partial(fast_mnmf, what="spectra"),
    "fast_mnmf: gains": partial(fast_mnmf, what="gains"),
    "fast_mnmf: precisions": partial(fast_mnmf, what="precisions"),
    "greedy_descent: signed": greedy_descent,
    "hals: three sweeps": hals,
    "median_of_frames: lists": median_of_frames,
    "sliding_median: time": partial(sliding_median, axis=-1),
    "sliding_median: frequency": partial(sliding_median, axis=-2),
    "similar_frames: whole quarters": similar_frames,
    **{
        f"noise_tracking: {rule}": partial(noise_tracking, rule=rule) for rule in ("mmse", "imcra", "minimum")
    },
    "spectral_gain: log_mmse": partial(spectral_gain, rule="log_mmse", causal=False),
    "spectral_gain: wiener": partial(spectral_gain, rule="wiener", causal=True),
    "online_demixing: iss": partial(demix_online, rule="iss"),
    "online_demixing: ip": partial(demix_online, rule="ip"),
    "online_prediction: recursion": predict_recursively,
    "permutation_sweep: four starts": permutation_sweep,
    "projection: ahead": projection,
    **{f"score_moments: {c}": partial(score_moments, contrast=c) for c in ("logcosh", "exp", "cube")},
    "shrinkage: a step": shrinkage,
    "soft_mask: square": partial(soft_mask, power=2.0),
    "soft_mask: binary": partial(soft_mask, power=math.inf),
    "variance_weights: generalized": partial(variance_weights, density="generalized"),
    "variance_weights: student": partial(variance_weights, density="student"),
    "variance_sums: freq": partial(variance_sums, over="freq"),
    "variance_sums: frames": partial(variance_sums, over="frames"),
    "wiener: two iterations": wiener,
}
"""Problems by operation, as its ``.cu`` file is called, and what is asked of it."""
