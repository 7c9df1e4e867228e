"""Momentum never makes what is returned worse, keeps its arguments, and needs fewer updates than plain ones.

It is that of `nmf`, `nmfd`, `nmf_2d` and `siplca`.
"""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.factorizers.lowrank.solvers import (
    CHECK_EVERY,
    LEAST_POOLED,
    Run,
    checked_step,
    pooled,
    pooled_start,
)
from sigsep_classic.kernels.beta_divergence import divergence
from sigsep_classic.kernels.beta_nmf import joint_update


def problem(n_freq=30, n_frames=40, n_components=3, seed=0):
    rng = np.random.default_rng(seed)
    V = (rng.random((n_freq, n_components)) ** 3) @ (rng.random((n_components, n_frames)) ** 3) + 1e-3
    W, Ht = rng.random((n_freq, n_components)) + 0.1, rng.random((n_frames, n_components)) + 0.1
    return V, W, Ht.T


def value(V):
    return lambda W, H: divergence(V, W, H, beta=1)


def update(V):
    return lambda W, H: joint_update(V, W, H, beta=1)


def test_what_is_returned_never_gets_worse_and_beats_plain_updates():
    V, W, H = problem()
    plain_W, plain_H = W.copy(), H.copy(order="K")
    run, before = Run(), value(V)(W, H)
    for i in range(1, 61):
        W, H, run = checked_step(W, H, run, update=update(V), value=value(V))
        joint_update(V, plain_W, plain_H, beta=1)
        now = value(V)(W, H)
        assert now <= before
        assert_allclose(run.value, now, rtol=1e-12)
        assert now < before or i % CHECK_EVERY
        before = now
    assert before < 0.5 * value(V)(plain_W, plain_H)


def test_a_step_writes_to_nothing_it_is_given():
    V, W, H = problem()
    run = Run()
    for _ in range(2 * CHECK_EVERY + 1):
        held = [A for A in (W, H, run.W, run.H, run.W_before, run.H_before) if A is not None]
        copies = [A.copy() for A in held]
        W, H, run = checked_step(W, H, run, update=update(V), value=value(V))
        for A, copy in zip(held, copies, strict=True):
            assert_array_equal(A, copy)


def test_the_last_step_is_looked_at():
    V, W, H = problem()
    new_W, _, run = checked_step(W, H, Run(), update=update(V), value=value(V), last=True)
    assert (new_W != W).any()
    assert run.value < value(V)(W, H)


def test_an_update_that_only_harms_leaves_the_factors():
    V, W, H = problem()

    def harm(W, H):
        W *= 3.0

    run, start = Run(), (W, H)
    for _ in range(2 * CHECK_EVERY):
        W, H, run = checked_step(W, H, run, update=harm, value=value(V))
    assert_array_equal(W, start[0])
    assert_array_equal(H, start[1])


def test_pooled_is_the_mean_of_runs_of_frames():
    A = np.arange(22.0).reshape(2, 11)
    expected = [[row[i : i + 4].mean() for i in (0, 4, 8)] for row in A]
    assert_allclose(pooled(A, 4), expected)
    assert pooled(A, 4).T.flags.c_contiguous


def test_a_pooled_start_is_nearer_and_keeps_its_arguments():
    V, W, H = problem(n_frames=4 * LEAST_POOLED * 3 + 2)
    copies = W.copy(), H.copy()
    new_W, new_H = pooled_start(
        V,
        W,
        H,
        update=lambda V, W, H: joint_update(V, W, H, beta=1),
        value=lambda V, W, H: divergence(V, W, H, beta=1),
    )
    assert_array_equal(W, copies[0])
    assert_array_equal(H, copies[1])
    assert new_H.shape == H.shape
    assert new_H.T.flags.c_contiguous
    assert value(V)(new_W, new_H) < 0.7 * value(V)(W, H)


def test_short_inputs_are_not_pooled():
    V, W, H = problem(n_frames=4 * LEAST_POOLED * 3 - 1)
    same_W, same_H = pooled_start(V, W, H, update=None, value=None)
    assert same_W is W
    assert same_H is H
