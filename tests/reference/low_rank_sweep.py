"""`low_rank_sweep`, step by step from its definition."""

from __future__ import annotations

import numpy as np

from tests.reference import demixing, variance_sums


def low_rank_sweep(Z, R, T, V, share, exponent, load, rule="ip1"):
    """Return R with rows of length one, T divided as the powers are, T after an update, and the sums over bins."""
    pairs = [(n, (n + 1) % len(T)) for n in range(len(T) if len(T) > 2 else len(T) - 1)]
    weights = share[:, None] / (T @ V + 1e-12)
    covariances = demixing.weighted_covariances(Z, weights, load)
    R = np.stack([demixing.update(rule, r, v, pairs) for r, v in zip(R, covariances, strict=True)])
    lengths = (abs(R) ** 2).sum(axis=2)
    R, T = R / np.sqrt(lengths)[:, :, None], T / lengths.T[:, :, None]
    P, ones = demixing.powers(Z, R, load), np.ones(T.shape[:2])
    above, below = variance_sums.variance_sums(P, ones, T, V, over="frames")
    updated = T * (above / below) ** exponent
    return R, T, updated, variance_sums.variance_sums(P, ones, updated, V, over="freq")
