"""NMF2D and SIPLCA: shifts on constant-Q rows only; models of other recordings with the same templates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import NMF2D, NMFD, SIPLCA, ConstantQ, separate
from sigsep_classic.backend import emulated_cuda
from sigsep_classic.errors import ShapeError
from sigsep_classic.factorizers.convolutive.pitched import even_rows, log_frequency
from sigsep_classic.kernels.convolutive_nmf import convolved, divergence
from sigsep_classic.typing import Grid

PITCHED = {
    "nmf_2d": NMF2D(n_components=2, n_lags=2, n_shifts=5, n_iter=20),
    "siplca": SIPLCA(n_components=2, n_lags=2, n_shifts=5, n_iter=20),
}
RATE = 8000


def grid_of(n_before: int, n_inside: int, n_after: int) -> Grid:
    inside = 100 * 2 ** (np.arange(n_inside) / 12)
    after = inside[-1] + 7 * np.arange(1, n_after + 1)
    before = np.linspace(0, 50, n_before) if n_before > 1 else np.zeros(n_before)
    return Grid(frame_rate=100.0, bin_hz=0.0, frequencies=tuple(np.concatenate([before, inside, after])))


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_rows_evenly_spaced_are_the_constant_q_ones(rate: int) -> None:
    for transform in (
        log_frequency(rate),
        ConstantQ(sample_rate=rate),
        ConstantQ(sample_rate=rate, f_max=2000),
    ):
        found, rows = even_rows(transform.grid(rate).frequencies), transform.constant_q_rows
        assert found.start == rows.start
        assert found.stop in (rows.stop, rows.stop + 1)  # the next centre is a step higher too


@pytest.mark.parametrize("kind", PITCHED)
def test_only_rows_evenly_spaced_in_octaves_are_shifted_and_the_others_follow(kind: str) -> None:
    rng = np.random.default_rng(0)
    inside = convolved(rng.gamma(0.5, size=(16, 2, 2)), rng.gamma(0.2, size=(2, 5, 40)), (20, 40)) + 1e-3
    V = np.concatenate([rng.random((1, 40)), inside, rng.random((6, 40))])
    method = replace(PITCHED[kind], grid=grid_of(1, 20, 6))
    model, alone = method.fit(V[None]), PITCHED[kind].fit(inside[None])
    assert_array_equal(model.W, alone.W)
    assert_array_equal(model.H, alone.H)
    assert model.losses == alone.losses
    parts = model.reconstruct()
    assert parts.shape == (2, 1, *V.shape)
    assert_array_equal(parts[:, :, 1:21], alone.reconstruct())
    assert model.spectra.shape == (27, 2)
    gains = alone.reconstruct()[:, 0].sum(axis=1)
    for row in (0, *range(21, 27)):
        assert_allclose(parts[:, 0, row], model.beside[max(0, row - 20)][:, None] * gains)
    flat = V[21:].sum(axis=1, keepdims=True) / gains.sum() * gains.sum(axis=0)
    assert divergence(V[21:], model.beside[1:, :, None], gains, beta=1.0) < np.sum(
        V[21:] * np.log(V[21:] / flat) - V[21:] + flat
    )


def test_order_of_components_holds_for_all_rows() -> None:
    V = np.random.default_rng(0).random((27, 40))
    model = replace(PITCHED["nmf_2d"], grid=grid_of(1, 20, 6)).fit(V[None])
    turned = replace(
        model, W=model.W[:, ::-1], H=model.H[::-1], beside=model.beside[:, ::-1], gains=model.gains[::-1]
    )
    assert_allclose(turned.sorted().reconstruct(), model.reconstruct())


@pytest.mark.parametrize("kind", PITCHED)
def test_stems_of_two_notes_above_the_constant_q_rows_go_with_their_source(kind: str) -> None:
    t = np.arange(2 * RATE) / RATE
    low = np.sin(2 * np.pi * 300 * t) * (t < 1)
    high = (np.sin(2 * np.pi * 1000 * t) + 0.5 * np.sin(2 * np.pi * 3700 * t)) * (t >= 1)
    x = (low + high)[None]
    frontend = ConstantQ(sample_rate=RATE, f_min=65.4, f_max=2000, bins_per_octave=12)
    stems = separate(
        x, RATE, method=kind, frontend=frontend, n_components=2, n_shifts=2, n_iter=60, n_sources=2
    )
    assert_allclose(sum(stems.values()), x, atol=1e-9)
    errors = [
        [np.sum((stem[0] - source) ** 2) / np.sum(source**2) for source in (low, high)]
        for stem in stems.values()
    ]
    assert min(np.trace(errors), np.trace(errors[::-1])) < 0.1


@pytest.mark.parametrize("method", [*PITCHED.values(), NMFD(n_components=2, n_lags=2, n_iter=20)])
@pytest.mark.parametrize("outside", [0, 7])
def test_a_model_explains_other_frames_with_its_templates(method: object, outside: int) -> None:
    V = np.random.default_rng(0).gamma(0.3, size=(20 + outside, 40)) + 1e-3
    if outside:
        method = replace(method, grid=grid_of(1, 20, 6))
    model = method.fit(V[None])
    for n in (2, 13, 90):
        other = np.random.default_rng(n).gamma(0.3, size=(20 + outside, n)) + 1e-3
        applied = model.apply(other[None])
        assert_allclose(applied.W, model.W, rtol=1e-12)
        assert applied.reconstruct().shape == (2, 1, *other.shape)
        assert applied.losses[-1][1] < applied.losses[0][1]
        if outside and not isinstance(method, NMFD):
            assert_array_equal(applied.beside, model.beside)
    with pytest.raises(ShapeError, match="these templates are of"):
        model.apply(V[None, :9])


def test_named_stems_stay_when_a_model_is_applied() -> None:
    hit = np.random.default_rng(0).random((9, 3))
    V = np.random.default_rng(1).random((9, 40))
    model = NMFD(n_components=2, n_lags=3, templates={"hit": hit}, n_iter=5).fit(V[None])
    applied = model.apply(V[None, :, :20])
    assert applied.stems == model.stems == {"hit": [0], "rest": [1, 2]}
    assert_allclose(applied.W, model.W, rtol=1e-12)


@pytest.mark.parametrize("kind", PITCHED)
def test_the_emulated_gpu_gives_what_the_cpu_gives(kind: str, emulated_gpu: object) -> None:
    x = np.random.default_rng(0).standard_normal((2, 2000))
    frontend = ConstantQ(sample_rate=RATE, f_max=500, bins_per_octave=3)

    def found() -> np.ndarray:
        options = {"n_components": 2, "n_shifts": 3, "n_iter": 3, "n_sources": 2}
        return np.stack(list(separate(x, RATE, method=kind, frontend=frontend, **options).values()))

    on_gpu = found()
    with emulated_cuda(None):
        assert_allclose(on_gpu, found(), rtol=0, atol=1e-9)
