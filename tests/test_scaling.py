"""Images of sources: projected back they add up, and the loudest channel hears each source as it is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ShapeError
from sigsep_classic.scaling import minimal_distortion, projection_back


def matrices(bins=3, sources=4, channels=4, seed=0):
    rng = np.random.default_rng(seed)
    shapes = ((bins, sources, channels), (bins, channels, 50))
    return (rng.standard_normal(s) + 1j * rng.standard_normal(s) for s in shapes)


def test_a_square_demixing_matrix_is_projected_back_by_its_inverse():
    W, x = matrices()
    A = projection_back(W, x @ x.conj().swapaxes(1, 2))
    assert_allclose(A @ W, np.broadcast_to(np.eye(4), W.shape), atol=1e-10)


def test_fewer_sources_are_projected_back_with_least_error():
    W, x = matrices(sources=2)
    A = projection_back(W, x @ x.conj().swapaxes(1, 2))
    for f in range(len(W)):
        expected = np.linalg.lstsq((W[f] @ x[f]).T, x[f].T, rcond=None)[0].T
        assert_allclose(A[f], expected, atol=1e-10)


def test_rescaling_sources_changes_no_image_and_makes_the_loudest_gain_one():
    W, x = matrices()
    A = projection_back(W, x @ x.conj().swapaxes(1, 2))
    scaled = [minimal_distortion(factor * W, A / factor) for factor in (1.0, 7.0 - 2.0j)]
    for W_n, A_n in scaled:
        assert_allclose(abs(A_n).max(axis=1), 1, atol=1e-12)
        assert_allclose(A_n[:, :, :1] @ W_n[:, :1], A[:, :, :1] @ W[:, :1], atol=1e-10)
    assert_allclose(scaled[0][0], scaled[1][0], atol=1e-10)


def test_a_source_no_channel_hears_stays_as_it_is():
    W, A = minimal_distortion(np.eye(2), np.array([[2.0, 0.0], [1.0, 0.0]]))
    assert_array_equal(W, [[2, 0], [0, 1]])
    assert_array_equal(A, [[1, 0], [0.5, 0]])


def test_a_covariance_of_other_channels_is_refused():
    with pytest.raises(ShapeError, match=r"needs \(\.\.\., 4, 4\)"):
        projection_back(np.eye(4), np.eye(3))
