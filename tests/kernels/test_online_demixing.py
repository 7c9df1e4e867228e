"""Separation of a stream: the twins are the textbook's loops, and what holds of every frame."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels.online_demixing import PRIORS, RULES, Demixing, Learning, demix_online
from tests.reference import online_demixing as reference


def beginning(n_freq, sources, channels):
    return Demixing(
        W=np.broadcast_to(np.eye(sources, channels, dtype=complex), (n_freq, sources, channels)).copy(),
        C=np.zeros((n_freq, channels, channels), complex),
        V=np.zeros((n_freq, sources, channels, channels), complex),
        told=np.zeros(2 + sources),
    )


def stream(frames=12, n_freq=5, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    levels = rng.gamma(0.5, size=(frames, 1, channels)) + 1e-3
    s = np.sqrt(levels) * (
        rng.standard_normal((frames, n_freq, channels)) + 1j * rng.standard_normal((frames, n_freq, channels))
    )
    A = rng.standard_normal((n_freq, channels, channels)) + 1j * rng.standard_normal(
        (n_freq, channels, channels)
    )
    return np.einsum("fcn,tfn->tfc", A, s)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("sources", "channels"), [(1, 1), (2, 2), (1, 2), (2, 4)])
def test_every_twin_is_the_naive_loop(twin, rule, prior, sources, channels):
    x, start = stream(channels=channels), beginning(5, sources, channels)
    x[6] = 0  # a frame that teaches nothing
    learning = Learning(forgetting=0.9, rule=rule, prior=prior, n_updates=2)
    images, after = twin(demix_online, x, start, learning)
    naive, naive_after = reference.demix_online(
        x, *vars(start).values(), forgetting=0.9, rule=rule, prior=prior
    )
    assert images.dtype == np.complex128
    assert_allclose(images, naive, atol=1e-7 * abs(x).max())
    for mine, its in zip(vars(after).values(), naive_after, strict=True):
        assert_allclose(mine, its, rtol=1e-6, atol=1e-7 * abs(its).max())
    assert all(not array.any() for array in (start.C, start.V, start.told))


def test_one_call_a_frame_is_one_call_for_all(twin):
    x, state, parts = stream(channels=3), beginning(5, 2, 3), []
    learning = Learning(forgetting=0.95)
    whole, after = twin(demix_online, x, state, learning)
    for t in range(len(x)):
        part, state = twin(demix_online, x[t : t + 1], state, learning)
        parts.append(part)
    assert_array_equal(np.concatenate(parts, axis=2), whole)
    for a, b in zip(vars(state).values(), vars(after).values(), strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("rule", RULES)
def test_images_of_as_many_sources_as_channels_add_up(twin, rule):
    x = stream(channels=3)
    images, _ = twin(demix_online, x, beginning(5, 3, 3), Learning(forgetting=0.95, rule=rule))
    assert_allclose(images.sum(axis=0).transpose(1, 2, 0), x, atol=1e-12 * abs(x).max())


def test_no_update_raises_the_cost_it_is_for():
    x, start = stream(frames=30, channels=2, seed=3), beginning(5, 2, 2)
    for rule in RULES:
        _, state = demix_online(x[:29], start, Learning(forgetting=0.9, rule=rule))
        _, after = demix_online(x[29:], state, Learning(forgetting=0.9, rule=rule, n_updates=1))
        for f in range(5):
            costs = []
            for W in (state.W[f], after.W[f]):
                forms = [(w @ V @ w.conj()).real for w, V in zip(W, after.V[f], strict=True)]
                costs.append(sum(forms) - 2 * np.linalg.slogdet(W)[1])
            assert costs[1] <= costs[0] + 1e-3  # of the loaded covariances


def test_a_still_frame_changes_nothing_and_not_a_number_stays_one(twin):
    x = stream(channels=2)
    _, state = twin(demix_online, x, beginning(5, 2, 2), Learning(forgetting=0.9))
    _, after = twin(demix_online, 1e-9 * x[:3], state, Learning(forgetting=0.9))
    for a, b in zip(vars(state).values(), vars(after).values(), strict=True):
        assert_array_equal(a, b)
    x = x.copy()
    x[4, 1, 0] = np.nan
    with np.errstate(invalid="ignore"):
        images, _ = twin(demix_online, x[:5], beginning(5, 2, 2), Learning(forgetting=0.9))
    assert np.isnan(images[:, :, 4, 1]).any()


def test_what_does_not_fit_is_refused():
    x, state = stream(channels=2), beginning(5, 2, 2)
    with pytest.raises(ParameterError, match="iss2"):
        Learning(forgetting=0.9, rule="iss2")
    for bad in (x[0], x[:, :3], stream(channels=3)):
        with pytest.raises(ShapeError, match="does not fit"):
            demix_online(bad, state, Learning(forgetting=0.9))
