"""From a stretch of V and its model to what the multiplicative updates of any β-divergence contract."""

from __future__ import annotations

import math

from sigsep_classic.kernels.jit import jit


@jit
def ratio_row(v, n, p, kind, beta, gain, floor, least):  # type: ignore[no-untyped-def]
    """Turn the model in p into V̂^(β−1) there and V V̂^(β−2) in n; for β = 1 n is p and only the ratio is wanted.

    ``kind`` 0: Itakura-Saito, 1: Kullback-Leibler, 3: β = 1/2, 4: β = 3/2, 5: Euclidean, 2: any β.
    """
    one = gain / gain
    if kind == 1:
        for f in range(n.size):
            p[f] = v[f] * gain / max(p[f], floor)
    elif kind == 0:
        for f in range(n.size):
            inverse = one / max(p[f], floor)
            n[f] = max(v[f] * gain, least) * inverse * inverse
            p[f] = inverse
    elif kind == 3:
        for f in range(n.size):
            inverse = one / max(p[f], floor)
            power = math.sqrt(inverse)
            n[f] = v[f] * gain * inverse * power
            p[f] = power
    elif kind == 4:
        for f in range(n.size):
            power = math.sqrt(max(p[f], floor))
            n[f] = v[f] * gain / power
            p[f] = power
    elif kind == 5:
        for f in range(n.size):
            n[f] = v[f] * gain
    else:
        for f in range(n.size):
            model = max(p[f], floor)
            power = model ** (beta - one)
            value = v[f] * gain
            if beta < 0:
                value = max(value, least)
            n[f] = value * power / model
            p[f] = power
