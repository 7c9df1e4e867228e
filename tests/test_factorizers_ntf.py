"""NTF: theorems of the updates, what channels may and may not change, and panned sources with equal notes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import NMF, NTF, separate
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.lowrank.ntf import NTFModel
from sigsep_classic.metrics import si_sdr

BETAS = (-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)


def data(shape: tuple[int, int, int] = (2, 25, 40)) -> np.ndarray:
    rng = np.random.default_rng(0)
    Q, W, H = (
        rng.gamma(1.0, size=(shape[0], 3)),
        rng.gamma(1.0, size=(shape[1], 3)),
        rng.gamma(1.0, size=(3, shape[2])),
    )
    return np.einsum("ck,fk,kt->cft", Q, W, H) * rng.gamma(4.0, 0.25, size=shape) + 1e-3


@pytest.mark.parametrize("solver", ["me", "mu"])
@pytest.mark.parametrize("beta", BETAS)
def test_the_divergence_never_rises(beta: float, solver: str) -> None:
    V = data()
    ntf = NTF(n_components=4, beta=beta, solver=solver, n_iter=30)
    losses = [ntf.loss(ntf.prepare(V), model) for model in ntf.iterate(V)]
    assert (np.diff(losses) <= 1e-10 * np.abs(losses[:-1])).all()
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("beta", BETAS)
def test_one_step_is_the_equation_of_the_paper(beta: float) -> None:
    V = data((3, 5, 6))
    ntf = NTF(n_components=2, beta=beta, solver="mu", n_iter=1)
    start, last = ntf.iterate(V)
    Q, W, H = start.Q, start.W, start.H
    for name in "HQW":
        M = np.einsum("ck,fk,kt->cft", Q, W, H)
        N, P = V * M ** (beta - 2), M ** (beta - 1)
        equation = {"H": "cft,ck,fk->kt", "Q": "cft,fk,kt->ck", "W": "cft,ck,kt->fk"}[name]
        others = {"H": (Q, W), "Q": (W, H), "W": (Q, H)}[name]
        ratio = (np.einsum(equation, N, *others) / np.einsum(equation, P, *others)) ** ntf.exponent
        Q, W, H = (A * ratio if name == own else A for own, A in (("Q", Q), ("W", W), ("H", H)))
    assert_allclose(last.H, H, rtol=1e-9)
    assert_allclose(last.Q, Q, rtol=1e-9)
    assert_allclose(last.W, W, rtol=1e-9)


@pytest.mark.slow
def test_an_exact_factorization_is_found() -> None:
    rng = np.random.default_rng(3)
    V = np.einsum("ck,fk,kt->cft", rng.random((3, 2)), rng.random((20, 2)), rng.random((2, 30)))
    model = NTF(n_components=2, n_iter=3000, tol=0).fit(V)
    assert_allclose(model.reconstruct({"all": [0, 1]})[0], V, rtol=1e-2, atol=1e-2)


def test_with_one_channel_it_gets_as_far_as_nmf() -> None:
    V = data((1, 20, 30))
    ntf, nmf = NTF(n_components=3, n_iter=500, tol=0).fit(V), NMF(n_components=3, n_iter=500, tol=0).fit(V)
    assert_array_equal(ntf.Q, 1)
    assert_allclose(ntf.losses[-1][1], nmf.losses[-1][1], rtol=1e-2)


def test_permuting_channels_permutes_the_gains() -> None:
    V = data((3, 20, 30))
    ntf = NTF(n_components=4, n_iter=40, tol=0)
    assert_allclose(ntf.fit(V[[2, 0, 1]]).Q, ntf.fit(V).Q[[2, 0, 1]], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_the_level_does_not_matter(beta: float) -> None:
    ntf = NTF(n_components=3, beta=beta, n_iter=20, tol=0)
    plain, scaled = ntf.fit(data()), ntf.fit(300 * data())
    assert_allclose(scaled.Q, plain.Q, rtol=1e-6)
    assert_allclose(scaled.H, 300 * plain.H, rtol=1e-6)


def test_a_warm_start_goes_on_where_the_first_run_stopped() -> None:
    V = data()
    ntf = NTF(n_components=3, n_iter=5, tol=0)
    *_, five = ntf.iterate(V)
    *_, resumed = ntf.iterate(V, start=five)
    *_, ten = NTF(n_components=3, n_iter=10, tol=0).iterate(V)
    assert_array_equal(resumed.Q, ten.Q)
    assert_array_equal(resumed.H, ten.H)


@pytest.mark.slow
def test_the_same_notes_at_two_places_are_two_sources() -> None:
    rng, rate = np.random.default_rng(0), 8000
    t = np.arange(4 * rate) / rate
    sources = []
    for _ in range(2):  # the same three notes, in another order and rhythm
        x = np.zeros(len(t))
        for onset in np.sort(rng.uniform(0, 3.5, 7)):
            f0 = rng.choice([220.0, 277.2, 329.6])
            tone = sum(np.sin(2 * np.pi * n * f0 * t) / n for n in (1, 2, 3))
            x += tone * np.exp(-4 * np.maximum(t - onset, 0)) * (t >= onset)
        sources.append(0.1 * x)
    images = [np.outer(pan, x) for pan, x in zip(([1.0, 0.2], [0.2, 1.0]), sources, strict=True)]
    mixture = images[0] + images[1]
    sep = separate(
        mixture, rate, method=NTF(n_components=10), groups=lambda model: model.by_panning(2), mask="wiener"
    )
    stems = list(sep.values())
    for image in images:
        before = float(si_sdr(image[None], mixture[None])[0])
        assert max(float(si_sdr(image[None], stem[None])[0]) for stem in stems) > before + 6


@pytest.mark.parametrize(
    "wrong",
    [{"n_components": 0}, {"beta": np.nan}, {"power": 0}, {"solver": "hals"}, {"tol": -1}, {"n_iter": -1}],
)
def test_parameters_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(ParameterError):
        NTF(**wrong)
    with pytest.raises(ParameterError):
        NTF(n_components=2, n_iter=1).fit(data()).by_panning(3)


def test_a_start_that_does_not_fit_is_refused() -> None:
    V, ntf = data(), NTF(n_components=3, n_iter=2)
    Q, W, H = np.ones((2, 3)), np.ones((25, 3)), np.ones((3, 40))
    for wrong in ({"Q": Q[:1]}, {"W": W[:7]}, {"H": H[:, :9]}, {"H": H[:2]}):
        with pytest.raises(ShapeError, match="start has Q"):
            ntf.fit(V, start=NTFModel(**{"Q": Q, "W": W, "H": H, **wrong}))
    for refused in (NTFModel(Q=Q, W=W, H=-H), NTFModel(Q=Q, W=W, H=H, power=2.0), (Q, W, H)):
        with pytest.raises(ParameterError, match="start"):
            ntf.fit(V, start=refused)


def test_a_start_of_another_type_and_level_is_judged_on_these_data() -> None:
    V, ntf = data(), NTF(n_components=3, n_iter=10, tol=0)
    start = NTFModel(
        Q=np.ones((2, 3), np.float32), W=np.ones((25, 3), np.float32), H=np.ones((3, 40)), gain=2.0**90
    )
    model = ntf.fit(V, start=start)
    assert model.W.dtype == np.float64
    assert_allclose(
        model.losses[-1][1], ntf.fit(V, start=NTFModel(Q=start.Q, W=start.W, H=start.H)).losses[-1][1]
    )


def test_a_model_is_applied_to_other_frames() -> None:
    V = data()
    model = NTF(n_components=3, n_iter=200).fit(V[..., :30])
    other = model.apply(V[..., 30:])
    assert_array_equal(other.Q, model.Q)
    assert_array_equal(other.W, model.W)
    whole = NTF(n_components=3, n_iter=200).fit(V[..., 30:])
    assert other.losses[-1][1] < 1.5 * whole.losses[-1][1]
    assert_allclose(other.reconstruct({"all": [0, 1, 2]})[0].sum(), V[..., 30:].sum(), rtol=0.05)
    with pytest.raises(ParameterError, match="does not know its method"):
        NTFModel(Q=model.Q, W=model.W, H=model.H).apply(V)
