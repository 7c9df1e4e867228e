"""Multichannel Wiener filters by expectation-maximisation against norbert: time, and how far the results differ.

python -m benchmarks.wiener
"""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.timing import compare, header


def main() -> None:
    """Print times at 0, 1 and 2 iterations on 20 s of stereo and four sources, and differences in double precision."""
    import norbert

    import sigsep_classic as ssc
    from sigsep_classic import masking

    mix = ssc.synthesize("song", seconds=20.0)
    frontend = ssc.STFT(n_fft=2048, hop=1024)
    X = frontend.analyze(mix.mixture.astype(np.float32))
    V = np.stack([abs(frontend.analyze(stem.astype(np.float32))) ** 2 for stem in mix.stems.values()])
    V = np.ascontiguousarray(V.swapaxes(-1, -2)).swapaxes(-1, -2)  # each gets the order in memory it works in
    v_tfcj, x_tfc = np.ascontiguousarray(V.transpose(3, 2, 1, 0)), np.ascontiguousarray(X.transpose(2, 1, 0))
    shape = f"{X.shape[2]} frames, {X.shape[1]} bins, {X.shape[0]} channels, {len(V)} sources"
    for n_iter in (0, 1, 2):
        header(f"Wiener EM, {n_iter} iterations, complex64, {shape}", "norbert")
        compare(
            {
                "ours": partial(masking.multichannel_wiener, V, X, power=2, n_iter=n_iter),
                "norbert.wiener": partial(norbert.wiener, v_tfcj, x_tfc.copy(), n_iter),
            },
            rounds=7,
        )
        print(f"  floor (read V and X, write Y once at 10 GB/s): {(V.nbytes + X.nbytes * 5) / 1e7:.1f} ms")
    differences(V.astype(float)[..., :200], X.astype(complex)[..., :200])


def differences(V: np.ndarray, X: np.ndarray) -> None:
    """Print the largest differences in complex128, relative to the largest value."""
    import norbert

    from sigsep_classic import masking

    print("\nLargest difference in complex128, relative (with norbert's eps), also from extended precision")
    for softmask, start in ((True, "softmask"), (False, "mixture_phase")):
        models = V if softmask else np.sqrt(V)
        for n_iter in (0, 1, 2):
            theirs = norbert.wiener(
                models.transpose(3, 2, 1, 0).copy(),
                X.transpose(2, 1, 0).copy(),
                n_iter,
                use_softmask=softmask,
            ).transpose(3, 2, 1, 0)
            ours = masking.multichannel_wiener(
                models, X, power=2 if softmask else 1, n_iter=n_iter, start=start, eps=np.finfo(float).eps
            )
            truth = extended(models, X, n_iter, softmask=softmask)
            top = abs(theirs).max()
            print(
                f"  {start:<14} {n_iter} iterations: ours from norbert {abs(ours - theirs).max() / top:.1e}, "
                f"ours from truth {float(abs(ours - truth).max() / top):.1e}, "
                f"norbert from truth {float(abs(theirs - truth).max() / top):.1e}"
            )


def extended(V: np.ndarray, X: np.ndarray, n_iter: int, *, softmask: bool) -> np.ndarray:
    """Return norbert's result for two channels in extended precision."""
    eps = np.longdouble(np.finfo(float).eps)
    V, X = V.astype(np.longdouble), X.astype(np.clongdouble)
    size = abs(X)
    Y = (
        V / (eps + V.sum(axis=0)) * X
        if softmask
        else V * np.where(size > 0, X / np.where(size > 0, size, 1), 1)
    )
    scale = max(np.longdouble(1), size.max() / 10) if n_iter else np.longdouble(1)
    X, Y = X / scale, Y / scale
    for _ in range(n_iter):
        v = (Y.real**2 + Y.imag**2).mean(axis=1)
        R = np.einsum("ncft,ndft->ncdf", Y, Y.conj()) / (eps + v.sum(axis=-1))[:, None, None]
        (a, b), (_, d) = np.einsum("nft,ncdf->cdft", v, R)
        a, d = a + np.sqrt(eps), d + np.sqrt(eps)
        det = a * d - b * b.conj()
        z = np.stack([d * X[0] - b * X[1], a * X[1] - b.conj() * X[0]]) / det
        Y = v[:, None] * np.einsum("ncdf,dft->ncft", R, z)
    return Y * scale


if __name__ == "__main__":
    main()
