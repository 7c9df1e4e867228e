"""`shrinkage` in every twin is the step computed element by element."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels.shrinkage import EACH, RUN, THREADS, shrinkage
from tests.reference import shrinkage as reference

TOLERANCE = {"float32": 1e-6, "float64": 1e-14}


def matrices(shape, real, seed=0):
    """Return D, A, M, B, as large as each other."""
    return np.random.default_rng(seed).standard_normal((4, *shape)).astype(real)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 10.0])
@pytest.mark.parametrize("growth", [1.0, 1.5])
def test_every_twin_is_the_naive_loop(twin, real, growth, threshold):
    given = matrices((7, 31), real)
    got = twin(shrinkage, *given, growth=growth, threshold=threshold)
    expected = reference.shrinkage(*given, growth=growth, threshold=threshold)
    for array, other in zip(got[:2], expected[:2], strict=True):
        assert array.dtype == real
        assert_allclose(array, other, atol=10 * TOLERANCE[real.name])
    assert_allclose(got[2], expected[2], rtol=10 * TOLERANCE[real.name])


@pytest.mark.parametrize("shape", [(1, 1), (1, THREADS * EACH + 1), (RUN + 1, 1), (255, 3)])
def test_odd_sizes_are_covered_to_the_last_element(twin, shape):
    given = matrices(shape, np.float64)
    got = twin(shrinkage, *given, growth=1.5, threshold=0.3)
    expected = reference.shrinkage(*given, growth=1.5, threshold=0.3)
    for array, other in zip(got, expected, strict=True):
        assert_allclose(array, other, rtol=1e-12, atol=1e-14)


def test_results_may_be_written_over_what_they_come_from(twin, real):
    D, A, M, B = matrices((20, 30), real)
    fresh = twin(shrinkage, D, A, M, B, growth=1.5, threshold=0.3)
    over = M.copy(), B.copy()
    M_out, B_out, residual = shrinkage(D, A, *over, growth=1.5, threshold=0.3, out=over)
    assert M_out is over[0]
    assert B_out is over[1]
    assert_allclose(M_out, fresh[0], atol=TOLERANCE[real.name])
    assert_allclose(B_out, fresh[1], atol=TOLERANCE[real.name])
    assert_allclose(residual, fresh[2], rtol=1e-5)


def test_a_threshold_of_zero_leaves_all_to_the_sparse_matrix(twin, real):
    D, A, M, B = matrices((5, 6), real)
    assert_array_equal(twin(shrinkage, D, A, M, B, growth=1.0, threshold=0.0)[0], A)


def test_one_and_four_threads_give_the_same_bits(use_threads, real):
    given = matrices((300, 333), real)
    results = []
    for n in (1, 4):
        use_threads(n)
        results.append(shrinkage(*given, growth=1.5, threshold=0.3))
    for one, four in zip(*results, strict=True):
        assert_array_equal(one, four)


def test_wrong_parameters_are_refused():
    given = matrices((2, 2), np.float64)
    for options in ({"growth": 0, "threshold": 1}, {"growth": 1, "threshold": -1}):
        with pytest.raises(ParameterError, match="growth is"):
            shrinkage(*given, **options)
    with pytest.raises(ShapeError, match="shapes"):
        shrinkage(given[0], given[1][:1], *given[2:], growth=1, threshold=1)
