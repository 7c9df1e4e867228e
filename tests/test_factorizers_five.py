"""`five`, one source out of many: its loss is that of OverIVA, its steps are longer."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import FIVE, STFT, OverIVA, separate
from sigsep_classic.errors import ParameterError
from tests.frequencywise import bin_mixture, interference, stressed
from tests.test_factorizers_overiva import directions


def test_one_step_is_the_naive_one():
    X, _ = bin_mixture(2, 3, n_freq=4, n_frames=40, noise=0.1)
    method = FIVE(prior="laplace")
    data = method.prepare(X)
    state = method.init(data)
    z = data.white
    ahead = method.step(data, state)
    y = np.array([[state.R[f, 0] @ z[f, :, t] for t in range(40)] for f in range(4)])
    weights = [0.5 / np.sqrt(sum(abs(y[f, t]) ** 2 for f in range(4))) for t in range(40)]
    for f in range(4):
        V = sum(weights[t] * np.outer(z[f, :, t], z[f, :, t].conj()) for t in range(40)) / 40
        row = ahead.R[f, 0]
        values = np.linalg.eigvalsh(V)
        assert_allclose(V @ row.conj(), values[0] * row.conj(), atol=1e-10 * abs(row).max())
        assert_allclose((row @ V @ row.conj()).real, 1, rtol=1e-10)


@pytest.mark.parametrize("prior", ["laplace", "gauss"])
@pytest.mark.parametrize("within", [1e-6])
def test_the_end_is_where_pyroomacoustics_gets_with_one_source(prior, within):
    bss = pytest.importorskip("pyroomacoustics").bss
    X, _ = bin_mixture(1, 3, noise=0.5)
    _, wanted = bss.auxiva(
        X.transpose(2, 1, 0).copy(), n_src=1, n_iter=200, proj_back=False, model=prior, return_filters=True
    )
    W = FIVE(prior=prior, n_iter=60).fit(X).W
    assert_allclose(directions(W), directions(wanted), rtol=0, atol=within)


@pytest.mark.parametrize("prior", ["laplace", "gauss"])
def test_a_step_is_never_worse_than_one_of_overiva(prior):
    X, _ = bin_mixture(2, 4, noise=0.2)
    method, other = FIVE(prior=prior), OverIVA(n_sources=1, prior=prior)
    data = method.prepare(X)
    state = method.init(data)
    for _ in range(10):
        reached = other.loss(data, other.step(data, state))
        state = method.step(data, state)
        assert method.loss(data, state) <= reached + 1e-9


def test_the_source_that_changes_is_found_in_steady_noise():
    X, A = bin_mixture(1, 4, noise=1.0, n_frames=800)
    model = FIVE().fit(X)
    mixed = (abs(A) ** 2).sum() / (len(A) * 4)
    gained = (abs(model.W @ A) ** 2).sum() / (abs(model.W) ** 2).sum()
    assert gained > 3 * mixed  # of a bound of 4, all microphones in phase


def test_one_voice_leaves_a_mixture_of_two():
    X, A = bin_mixture(2, 2)
    model = FIVE(n_iter=40).fit(X)
    assert (interference(model.W, A) < -15).all()


def test_stems_are_the_source_and_the_rest():
    x = stressed("one second")
    sep = separate(x, 8000, method=FIVE(n_iter=3), frontend=STFT(n_fft=256))
    assert list(sep) == ["source1", "residual"]
    assert_allclose(sep["source1"] + sep["residual"], x, atol=1e-12)


def test_more_sources_are_refused():
    with pytest.raises(ParameterError, match="overiva"):
        FIVE(n_sources=2)
