"""Templates that move find what is planted; templates from examples stay, name their stems, and may adapt."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.recordings import MissingRecordingError, musdb_excerpt
from sigsep_classic import NMF, NMF2D, NMFD, SIPLCA, separate
from sigsep_classic.datasets.synthetic import synthesize
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.models import Model
from sigsep_classic.grouping import by_reference
from sigsep_classic.kernels.convolutive_nmf import convolved
from sigsep_classic.metrics import si_sdr

# ---- what is planted is found


def chirps() -> tuple[np.ndarray, list[np.ndarray]]:
    """Return V of a rising and a falling chirp, struck at random frames, and the two parts."""
    rng, up = np.random.default_rng(5), np.eye(12)[:, :6]
    parts = [
        convolved(W[:, None], (rng.random((1, 90)) < 0.12) * rng.uniform(0.5, 1, (1, 90)), (12, 90))
        for W in (up, up[::-1])
    ]
    return sum(parts), parts


def nearest(model: Model, part: np.ndarray) -> float:
    errors = np.linalg.norm(model.reconstruct()[:, 0] - part, axis=(1, 2))
    return float(errors.min() / np.linalg.norm(part))


def test_nmfd_tells_a_rising_from_a_falling_chirp_where_nmf_can_not() -> None:
    V, parts = chirps()
    fits = [
        NMFD(n_components=2, n_lags=6, n_iter=300, tol=0, sparsity=0.05, seed=seed).fit(V[None])
        for seed in range(4)
    ]
    model = min(fits, key=lambda model: model.losses[-1][1])
    assert max(nearest(model, part) for part in parts) < 0.1
    flat = NMF(n_components=2, n_iter=300, tol=0).fit(V[None])
    assert min(nearest(flat, part) for part in parts) > 0.5


@pytest.mark.parametrize("kind", [NMF2D, SIPLCA])
def test_one_template_plays_every_pitch(kind: type) -> None:
    rng = np.random.default_rng(3)
    timbre = np.zeros(20)
    timbre[[0, 12, 19]] = [1.0, 0.6, 0.4]
    H = (rng.random((1, 12, 60)) < 0.06) * rng.uniform(0.5, 1, (1, 12, 60))
    W = np.concatenate([timbre, np.zeros(11)])[:, None, None]
    V = convolved(W, H, (31, 60))
    fits = [
        kind(n_components=1, n_shifts=12, n_lags=1, n_iter=300, tol=0, sparsity=0.1, seed=seed).fit(V[None])
        for seed in range(4)
    ]
    model = min(fits, key=lambda model: model.losses[-1][1])
    error = np.linalg.norm(model.reconstruct().sum(axis=0)[0] - V) / np.linalg.norm(V)
    assert error < 0.1
    assert_allclose(model.W[:20, 0, 0], timbre / timbre.sum(), atol=0.03)


# ---- examples as templates


def test_templates_stay_name_their_stems_and_leave_the_rest_to_others() -> None:
    V, parts = chirps()
    up = np.eye(12)[:, :6]
    model = NMFD(n_components=1, n_lags=6, templates={"up": up}, n_iter=200, tol=0).fit(V[None])
    assert model.stems == {"up": [0], "rest": [1]}
    assert_allclose(model.W[:, 0], up / up.sum())
    found = model.reconstruct(model.stems)[0, 0]
    assert np.linalg.norm(found - parts[0]) < 0.1 * np.linalg.norm(parts[0])


def test_adapted_templates_are_held_first_and_lower_the_loss_then() -> None:
    V, _ = chirps()
    start = {"up": np.eye(12)[:, :6] + 0.1}
    common = {"n_components": 1, "n_lags": 6, "templates": start, "n_iter": 20}
    fixed = [m.W[:, 0] for m in NMFD(**common).iterate(V[None])]
    held = [m.W[:, 0] for m in NMFD(**common, adapt_templates=True, hold_iter=5).iterate(V[None])]
    for W in fixed + held[:6]:
        assert_allclose(W, fixed[0])
    assert abs(held[6] - held[5]).max() > 0
    losses = [
        NMFD(**common, adapt_templates=adapt, tol=1e-12).fit(V[None]).losses[-1][1] for adapt in (False, True)
    ]
    assert losses[1] < losses[0]


def test_an_example_becomes_the_template_from_its_onset_on() -> None:
    hit = np.random.default_rng(0).random((5, 3)) + 0.5
    X = np.concatenate([np.zeros((5, 4)), hit, np.zeros((5, 2))], axis=1)[None]
    method = NMFD(n_components=0, n_lags=4).with_examples({"hit": 7 * X})
    expected = np.concatenate([np.zeros((5, 1)), hit, np.zeros((5, 2))], axis=1) / hit.sum()
    assert_allclose(method.templates["hit"][:, 0], expected)
    model = method.fit(X)
    assert_allclose(model.W[:, 0], expected[:, :4])
    assert_allclose(model.reconstruct()[0, 0], X[0], atol=1e-3)
    assert list(model.stems) == ["hit"]


def test_an_example_of_silence_is_refused_by_name() -> None:
    with pytest.raises(ParameterError, match="'snare' is silent"):
        NMFD().with_examples({"hit": np.ones((1, 5, 4)), "snare": np.zeros((1, 5, 4))})


@pytest.mark.parametrize(
    ("templates", "error"),
    [
        ({}, ParameterError),
        ([1.0], ParameterError),
        ({"rest": np.ones((5, 2))}, ParameterError),
        ({"a": -np.ones((5, 2))}, ParameterError),
        ({"a": np.full((5, 2), np.nan)}, ParameterError),
        ({"a": np.ones(5)}, ShapeError),
        ({"a": np.ones((5, 0))}, ShapeError),
    ],
)
def test_templates_that_are_none_are_refused(templates: object, error: type) -> None:
    with pytest.raises(error, match="templates"):
        NMFD(templates=templates)


def test_no_component_at_all_is_refused() -> None:
    for kind in (NMF2D, SIPLCA):
        with pytest.raises(ParameterError, match="n_components is 0"):
            kind(n_components=0)
    with pytest.raises(ParameterError, match="n_components is 0"):
        NMFD(n_components=0).fit(np.ones((1, 21, 40)))


def test_templates_of_another_front_end_are_refused() -> None:
    with pytest.raises(ShapeError, match="has 5 bins, X has 21"):
        NMFD(templates={"a": np.ones((5, 2))}).fit(np.ones((1, 21, 40)))


@pytest.mark.slow
def test_drums_of_a_song_are_found_with_one_hit_as_example() -> None:
    mix = synthesize("song", seconds=4.8)
    drums, first = mix.stems["drums"], slice(0, round(0.2 * mix.sample_rate))
    sep = separate(
        mix.mixture, mix.sample_rate, method="nmfd", examples={"drums": drums[:, first]}, n_iter=30
    )
    assert list(sep) == ["drums", "rest"]
    before, after = (np.sum((x - drums) ** 2) for x in (mix.mixture, sep["drums"]))
    assert after < 0.5 * before


@pytest.mark.slow
def test_components_know_the_drums_of_a_real_song_better_than_nothing() -> None:
    try:
        song = musdb_excerpt()
    except MissingRecordingError as missing:
        pytest.skip(f"recording not installed: {missing}")
    frontend = NMFD().default_frontend(song.sample_rate)
    truth = {"drums": song.stems["drums"], "rest": song.mixture - song.stems["drums"]}
    references = {name: frontend.analyze(stem) for name, stem in truth.items()}
    sep = separate(
        song.mixture, song.sample_rate, method="nmfd", groups=lambda model: by_reference(model, references)
    )
    for name, stem in truth.items():
        assert (si_sdr(stem, sep[name]) > si_sdr(stem, song.mixture) + 3).all()
