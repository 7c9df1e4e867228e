"""`subband` splitting: its bands, and one order of sources over all of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import ILRMA, STFT, SubbandSplitting
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.demixing.auxiva import AuxIVA
from sigsep_classic.typing import Grid

GRID = Grid(frame_rate=100.0, bin_hz=10.0)


def mixture(freq=60, frames=300, seed=0):
    """Return mixing matrices and X of two sources whose bins rise and fall with their neighbours'."""
    rng = np.random.default_rng(seed)
    levels = rng.gamma(0.3, size=(2, 1, frames)) + 1e-3
    S = levels * (rng.standard_normal((2, freq, frames)) + 1j * rng.standard_normal((2, freq, frames)))
    A = rng.standard_normal((freq, 2, 2)) + 1j * rng.standard_normal((freq, 2, 2))
    return A, np.einsum("fcn,nft->cft", A, S)


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("n_freq", [1, 2, 59, 60, 61])
def test_bands_cover_all_bins_and_overlap_as_told(n_freq, overlap):
    bands = SubbandSplitting(width=200.0, overlap=overlap, grid=GRID).bands(n_freq)
    seen = np.zeros(n_freq, int)
    for band in bands:
        seen[band] += 1
    assert seen.min() == 1
    assert (bands[0].start, bands[-1].stop) == (0, n_freq)
    assert {band.stop - band.start for band in bands} == {min(n_freq, 20)}
    steps = {b.start - a.start for a, b in pairwise(bands)}
    assert all(0 < step <= 20 * (1 - overlap) + 1e-9 for step in steps)


@pytest.mark.parametrize("method", ["auxiva", "ilrma"])
def test_the_order_of_sources_is_inherited_from_band_to_band(method):
    A, X = mixture()
    model = SubbandSplitting(model=method, width=100.0, n_iter=40, grid=GRID).fit(X)
    P = abs(model.W @ A)
    assert (P.min(axis=2) < 0.2 * P.max(axis=2)).mean() > 0.95
    assert len({tuple(row) for row in P.argmax(axis=2)}) == 1


def test_one_band_is_the_method_itself():
    _, X = mixture(freq=20)
    for base in (AuxIVA(n_iter=8), ILRMA(n_iter=8)):
        model = SubbandSplitting(base=base, n_iter=8).fit(X)
        data = base.prepare(X)
        R = base.init(data).R
        state = base.begin(data, R / np.linalg.norm(R, axis=2, keepdims=True))
        for _ in range(8):
            state = base.step(data, state)
        assert_allclose(model.W, state.W, rtol=1e-6, atol=1e-9)


def test_the_callback_is_told_each_iteration_and_may_end_the_search():
    _, X = mixture()
    seen = []

    def callback(i, state):
        seen.append((i, state.R.shape))
        return i == 5

    method = SubbandSplitting(model="auxiva", width=200.0, n_iter=3, grid=GRID)
    model = method.fit(X, callback=callback)
    assert seen == [(i, (20, 2, 2)) for i in range(1, 6)]
    assert np.isfinite(model.W).all()


def test_iterations_over_all_bins_go_on_from_the_bands():
    _, X = mixture()
    few = SubbandSplitting(model="auxiva", width=100.0, n_iter=5, grid=GRID)
    more = SubbandSplitting(model="auxiva", width=100.0, n_iter=5, n_iter_all=10, grid=GRID)
    base = AuxIVA(n_iter=0)
    data = base.prepare(X)
    before, after = (base.loss(data, base.adopt(data, method.fit(X))) for method in (few, more))
    assert after < before


def test_it_is_the_same_twice():
    _, X = mixture()
    a, b = (SubbandSplitting(width=100.0, n_iter=3, grid=GRID).fit(X).W for _ in range(2))
    assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": "ica"}, "model is 'ica'"),
        ({"overlap": 1.0}, "overlap is 1"),
        ({"width": 0}, "width is 0"),
        ({"base": STFT()}, "give an AuxIVA or an ILRMA"),
        ({"base": ILRMA(consistency=True)}, "need all bins at once"),
        ({"seed": -1}, "seed is -1"),
        ({"n_components": 0}, "n_components is 0"),
        ({"base": ILRMA(), "n_sources": 1}, "n_sources is 1 beside a base"),
        ({"base": ILRMA(), "seed": 1}, "seed is 1 beside a base"),
    ],
)
def test_parameters_out_of_range_are_refused(wrong, message):
    with pytest.raises(ParameterError, match=message):
        SubbandSplitting(**wrong)
