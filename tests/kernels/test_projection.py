"""`projection` in every twin puts magnitudes on phases."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ShapeError
from sigsep_classic.kernels.layout import frames_first
from sigsep_classic.kernels.projection import RUN, projection
from tests.kernels.conftest import in_order

TOLERANCE = {"float32": 1e-6, "float64": 1e-14}


def case(real, shape=(2, 7, 9), seed=0):
    rng = np.random.default_rng(seed)
    C, B = rng.standard_normal((2, 2, *shape))
    V = rng.random(shape)
    kind = np.result_type(real, np.complex64)
    return V.astype(real), (C[0] + 1j * C[1]).astype(kind), (B[0] + 1j * B[1]).astype(kind)


def test_every_twin_is_the_formula(twin, real, order):
    V, C, B = case(real)
    got = twin(projection, in_order(V, order), in_order(C, order))
    assert got.dtype == C.dtype
    assert frames_first(got) == (order == "frames")
    assert_allclose(got, V * C / abs(C), atol=TOLERANCE[real.name])
    D = C - 0.3 * B
    got = twin(projection, V, C, before=B, ahead=0.3)
    assert_allclose(got, V * D / abs(D), atol=10 * TOLERANCE[real.name])


def test_where_there_is_no_phase_it_is_zero(twin, real):
    V, C, _ = case(real)
    C[:, 3], V[0, 2] = 0, 0
    got = twin(projection, V, C)
    assert_array_equal(got[:, 3], V[:, 3])
    assert_array_equal(got[0, 2], np.zeros(9))


@pytest.mark.parametrize("level", [1e-30, 1e-10, 1e15])
def test_the_level_of_the_phases_does_not_matter(twin, level):
    V, C, _ = case(np.float32)
    got = twin(projection, V, (C * level).astype(C.dtype))
    assert_allclose(got, V * C / abs(C), atol=2e-6)


def test_threads_and_the_callers_own_give_the_same_bits(use_threads, real):
    V, C, B = case(real, shape=(1, 1, 2 * RUN + 3))
    use_threads(1)
    one = projection(V, C, before=B, ahead=0.5)
    use_threads(4)
    assert_array_equal(projection(V, C, before=B, ahead=0.5), one)
    assert_array_equal(projection(V, C, before=B, ahead=0.5, threads=False), one)


def test_arrays_of_different_shapes_are_refused():
    V, C, _ = case(np.float64)
    with pytest.raises(ShapeError, match="must be alike"):
        projection(V[:1], C)
