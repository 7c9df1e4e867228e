"""Sums over shifts: atoms with a signal, atoms with codes, codes with codes.

Axes: atoms D (components, rows, lags), signal Y (rows, frames), codes Z (components, shifts) with as many shifts as
place a whole atom inside the signal, frames - lags + 1. Few rows (a waveform's channels) go through FFTs of blocks
several atoms long; many rows (a spectrogram's bins) through matrix products, one a lag.
"""

from __future__ import annotations

from sigsep_classic.backend import fft_namespace, fft_options, namespace
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

_FEW_ROWS = 8
_TILE = 1024


def correlate(D: Array, Y: Array) -> Array:
    """Return ``sum over p, l of D[k, p, l] Y[p, t + l]``, (components, shifts)."""
    n_lags = D.shape[2]
    n_shifts = Y.shape[1] - n_lags + 1
    if _many_rows(D):
        return _correlate_rows(D, Y, n_shifts)
    n, hop = _block(n_lags, Y.shape[1])
    D_f = rfft(D, n).conj()
    Y_f = rfft(_frames(Y, 0, hop, n), n)
    beta = irfft(sum(D_f[:, p, None] * Y_f[p] for p in range(D.shape[1])), n)[..., :hop]
    return namespace(Y).ascontiguousarray(beta.reshape(len(D), -1)[:, :n_shifts])


def render(D: Array, Z: Array) -> Array:
    """Return the signal ``sum over k, l of D[k, p, l] Z[k, t - l]``, (rows, frames)."""
    n_lags = D.shape[2]
    n_frames = Z.shape[1] + n_lags - 1
    if _many_rows(D):
        return _render_rows(D, Z, n_frames)
    n, hop = _block(n_lags, n_frames)
    D_f = rfft(D, n)
    Z_f = rfft(_frames(Z, n_lags - 1, hop, n, n_frames), n)
    Y_f = sum(D_f[k, :, None] * Z_f[k] for k in range(len(D)))
    return irfft(Y_f, n)[..., n_lags - 1 :].reshape(D.shape[1], -1)[:, :n_frames]


def gram(D: Array) -> Array:
    """Return the products of atom k with atom j moved by s, (components, components, 2 lags - 1), 0 in the middle."""
    xp, n_lags = namespace(D), D.shape[2]
    n = fast_length(2 * n_lags - 1)
    D_f = xp.ascontiguousarray(rfft(D, n).transpose(2, 0, 1))
    with single_threaded_blas():
        G = irfft((D_f @ D_f.conj().transpose(0, 2, 1)).transpose(1, 2, 0), n)
    return xp.concatenate([G[..., n - n_lags + 1 :], G[..., :n_lags]], axis=-1)


def code_gram(Z: Array, n_lags: int) -> Array:
    """Return ``sum over t of Z[k, t] Z[j, t + s]``, (components, components, 2 lags - 1), s = 0 in the middle."""
    xp = namespace(Z)
    later = _code_products(Z, Z, n_lags)
    return xp.concatenate([later[:, :, :0:-1].swapaxes(0, 1), later], axis=-1)


def code_signal(Z: Array, Y: Array, n_lags: int) -> Array:
    """Return ``sum over t of Z[k, t] Y[p, t + l]``, (components, rows, lags)."""
    if len(Y) <= _FEW_ROWS:
        return _code_products(Z, Y, n_lags)
    n_shifts = Z.shape[1]
    with single_threaded_blas():
        return namespace(Y).stack([Z @ Y[:, l : l + n_shifts].T for l in range(n_lags)], axis=-1)


def _code_products(Z: Array, Y: Array, n_lags: int) -> Array:
    """Blocks of Z against the longer blocks of Y they can reach, summed before the inverse FFT."""
    xp = namespace(Z)
    n, hop = _block(n_lags, Z.shape[1] + n_lags - 1)
    Z_f = rfft(_frames(Z, 0, hop, hop), n)
    Y_f = rfft(_frames(Y, 0, hop, n, Z.shape[1]), n)
    with single_threaded_blas():
        products = xp.ascontiguousarray(Z_f.conj().transpose(2, 0, 1)) @ xp.ascontiguousarray(
            Y_f.transpose(2, 1, 0)
        )
    return irfft(products.transpose(1, 2, 0), n)[..., :n_lags]


def _many_rows(D: Array) -> bool:
    return D.shape[1] > _FEW_ROWS


def _correlate_rows(D: Array, Y: Array, n_shifts: int) -> Array:
    xp, (n_k, _, n_lags) = namespace(Y), D.shape
    beta = xp.zeros((n_k, n_shifts), dtype=Y.dtype)
    with single_threaded_blas():
        for k in range(n_k):
            products = D[k].T @ Y
            for l in range(n_lags):
                beta[k] += products[l, l : l + n_shifts]
    return beta


def _render_rows(D: Array, Z: Array, n_frames: int) -> Array:
    xp, (n_k, n_rows, n_lags) = namespace(Z), D.shape
    Y = xp.empty((n_rows, n_frames), dtype=Z.dtype)
    flat = xp.ascontiguousarray(D.transpose(1, 0, 2)[..., ::-1].reshape(n_rows, -1))
    padded = xp.zeros((n_k, n_frames + n_lags - 1), dtype=Z.dtype)
    padded[:, n_lags - 1 : n_lags - 1 + Z.shape[1]] = Z
    windows = xp.lib.stride_tricks.sliding_window_view(padded, n_lags, axis=1)
    with single_threaded_blas():
        for t in range(0, n_frames, _TILE):
            stacked = windows[:, t : t + _TILE].transpose(0, 2, 1).reshape(n_k * n_lags, -1)
            Y[:, t : t + _TILE] = flat @ stacked
    return Y


def _block(n_lags: int, n_frames: int) -> tuple[int, int]:
    """Return FFT length and hop of blocks: about eight atoms, or the whole of a short signal."""
    n = min(fast_length(max(8 * n_lags, 256)), fast_length(n_frames + n_lags - 1))
    return n, n - n_lags + 1


def _frames(Y: Array, left: int, hop: int, width: int, n_used: int | None = None) -> Array:
    """Return Y (rows, frames) after ``left`` zeros as blocks (rows, blocks, width) that start every ``hop``."""
    xp = namespace(Y)
    n_blocks = max(1, -(-(n_used or Y.shape[1]) // hop))
    padded = xp.zeros((len(Y), (n_blocks - 1) * hop + max(width, hop)), dtype=Y.dtype)
    padded[:, left : left + Y.shape[1]] = Y[:, : padded.shape[1] - left]
    row, step = padded.strides
    return xp.lib.stride_tricks.as_strided(padded, (len(Y), n_blocks, width), (row, hop * step, step))


def spectra(C: Array, n: int) -> Array:
    """Return the spectra, n long, of correlations (…, 2 lags - 1) with shift 0 in the middle."""
    xp, middle = namespace(C), C.shape[2] // 2
    rolled = xp.zeros((*C.shape[:2], n), dtype=C.dtype)
    rolled[..., : middle + 1] = C[..., middle:]
    rolled[..., n - middle :] = C[..., :middle]
    return rfft(rolled, n)


def fast_length(n: int) -> int:
    """Return the next length FFTs are quick at."""
    from scipy.fft import next_fast_len

    return int(next_fast_len(n, real=True))


def rfft(x: Array, n: int) -> Array:
    """Return the spectrum of real x along its last axis, zeros added up to ``n``."""
    return fft_namespace(x).rfft(x, n, axis=-1, **fft_options(x))


def irfft(x: Array, n: int) -> Array:
    """Return the real signal of length ``n``."""
    return fft_namespace(x).irfft(x, n, axis=-1, **fft_options(x))
