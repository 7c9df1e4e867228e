"""The stereo family finds sources where they were panned, and is what its papers say.

These are `mid_side`, `centre`, `panned`, `adress`, `duet`, `projet` and `spatial_clustering`.
"""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import sigsep_classic as ssc
from sigsep_classic import STFT
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers import METHODS
from sigsep_classic.factorizers.stereo.adress import notches
from sigsep_classic.factorizers.stereo.delays import assigned, mixing_parameters
from sigsep_classic.factorizers.stereo.panning import gains_at, mean_of_neighbours
from sigsep_classic.factorizers.stereo.projections import bounded, filters
from sigsep_classic.metrics import si_sdr
from sigsep_classic.typing import Grid
from tests.reference import stereo as reference

RATE = 8000
GRID = Grid(frame_rate=RATE / 128, bin_hz=RATE / 512)
FAMILY = ("mid_side", "centre", "panned", "adress", "duet", "projet", "spatial_clustering")
OF_SOURCES = ("adress", "duet", "projet", "spatial_clustering")


def method(name, **parameters):
    fields = METHODS[name].__dataclass_fields__
    if "grid" in fields:
        parameters["grid"] = GRID
    if "n_sources" not in fields:
        parameters.pop("n_sources", None)
    return METHODS[name](**parameters)


def sparse_sources(n, shape=(257, 60), seed=0):
    """Return coefficients (sources, freq, frames), each point of which one source has almost alone."""
    rng = np.random.default_rng(seed)
    owner = rng.integers(0, n, shape)
    alone = np.where(np.arange(n)[:, None, None] == owner, 1.0, 1e-3)
    return alone * (rng.standard_normal((n, *shape)) + 1j * rng.standard_normal((n, *shape)))


def panned(sources, azimuths, delays=None):
    """Return images (sources, 2, freq, frames); delays in seconds of the right channel."""
    gains = np.array([gains_at(azimuth) for azimuth in azimuths])
    omega = 2 * np.pi * GRID.bin_hz * np.arange(sources.shape[1])
    turns = np.exp(-1j * omega * np.array(delays or [0.0] * len(sources))[:, None])[:, :, None]
    return np.stack([gains[:, 0, None, None] * sources, gains[:, 1, None, None] * sources * turns], axis=1)


def noise(shape=(2, 33, 20), seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


# ---- the law


def test_the_law_is_of_constant_power_and_the_tangent_law_for_loudspeakers_at_45_degrees():
    for azimuth in np.linspace(-45, 45, 19):
        left, right = gains_at(azimuth)
        assert_allclose(left**2 + right**2, 1, atol=1e-15)
        assert_allclose((right - left) / (right + left), math.tan(math.radians(azimuth)), atol=1e-12)
    assert_allclose([gains_at(-45), gains_at(45)], [[1, 0], [0, 1]], atol=1e-15)


# ---- mid and side


def test_mid_and_side_are_sum_and_difference_and_add_up_exactly():
    X = noise()
    mid, side = method("mid_side").fit(X).reconstruct()
    assert_allclose(mid, np.stack([X.mean(axis=0)] * 2), atol=1e-15)
    assert_array_equal(side, X - mid)
    assert_allclose(side[0], -side[1], atol=1e-15)


def test_what_is_in_the_middle_has_no_side():
    same = np.stack([noise((33, 20))] * 2)
    assert_array_equal(method("mid_side").fit(same).reconstruct()[1], 0 * same)


def test_a_source_at_the_azimuth_of_the_middle_has_no_side_and_one_across_has_no_mid():
    s = noise((1, 9, 7))
    X = panned(s, [-30.0])[0]
    mid, side = method("mid_side", azimuth=-30.0).fit(X).reconstruct()
    assert_allclose(mid, X, atol=1e-12)
    assert_allclose(side, 0 * X, atol=1e-12)
    left, right = gains_at(-30.0)
    across = np.stack([right * s[0], -left * s[0]])
    assert_allclose(method("mid_side", azimuth=-30.0).fit(across).reconstruct()[0], 0 * X, atol=1e-12)


# ---- centre and panned


@pytest.mark.parametrize("similarity", ["in_phase", "any_phase"])
def test_the_centre_is_the_similarity_of_the_paper(similarity):
    X = noise()
    gain = method("centre", similarity=similarity).fit(X).gains()[0, 0]

    def mean(A):
        padded = np.pad(A, 1, mode="edge")
        return sum(padded[i : i + 33, j : j + 20] for i in range(3) for j in range(3)) / 9

    A, B, C = mean(abs(X[0]) ** 2), mean(abs(X[1]) ** 2), mean(X[0] * X[1].conj())
    product = np.maximum(C.real, 0) if similarity == "in_phase" else abs(C)
    assert_allclose(gain, 2 * product / (A + B), atol=1e-12)


def test_means_of_neighbours_keep_constants_and_orders_in_memory():
    A = np.ones((7, 9), np.float32).T
    assert_allclose(mean_of_neighbours(A, 5), A, atol=1e-6)
    assert mean_of_neighbours(A, 5).flags.f_contiguous


def test_opposite_phases_are_sides_or_centre_as_asked():
    s = noise((1, 33, 20))
    X = np.concatenate([s, -s])
    assert_array_equal(method("centre").fit(X).gains()[0], np.zeros((1, 33, 20)))
    assert_allclose(
        method("centre", similarity="any_phase").fit(X).gains()[0], np.ones((1, 33, 20)), atol=1e-12
    )


@pytest.mark.parametrize("azimuth", [-45.0, -30.0, 0.0, 12.5, 45.0])
def test_a_lone_source_is_passed_at_its_azimuth_and_halved_at_half_the_width(azimuth):
    for offset, gain in ((0.0, 1.0), (10.0, 0.5), (-10.0, 0.5), (40.0, 0.0)):
        X = panned(noise((1, 9, 7)), [azimuth + offset])[0]
        model = method("panned", azimuth=azimuth, width=20.0).fit(X)
        assert_allclose(model.gains()[0], np.full((1, 9, 7), gain), atol=1e-9)


def test_the_source_at_minus_30_degrees_is_one_call_away():
    rng = np.random.default_rng(0)
    t = np.arange(2 * RATE) / RATE
    tones = np.array([np.sin(2 * np.pi * f * t) for f in (440.0, 1000.0, 2200.0)])
    tones *= 0.2 + rng.random((3, 1))
    images = np.stack(
        [np.outer(gains_at(azimuth), tone) for azimuth, tone in zip((-30, 0, 25), tones, strict=True)]
    )
    sep = ssc.separate(images.sum(axis=0), RATE, method="panned", azimuth=-30)
    assert list(sep) == ["source", "rest"]
    assert si_sdr(images[:1], sep["source"][None])[0] > 25
    histogram = sep.model.extra["histogram"]
    assert histogram[sep.model.extra["azimuths"] == -30][0] > 0.3 * histogram.max()


# ---- ADRess


def test_the_closed_form_is_the_limit_of_the_grid_of_gains():
    X = noise((2, 40, 30))
    azimuths, depth, _ = notches(*X)
    gain, grid_depth, left = reference.adress_planes(*X, 2000)
    assert_allclose(azimuths, np.where(left, -1, 1) * (45 - np.degrees(np.arctan(gain))), atol=0.03)
    assert_allclose(depth, grid_depth, atol=1e-3)


def test_a_lone_source_cancels_wholly_at_its_azimuth():
    for azimuth in (-45, -20, 0, 33, 45):
        found, depth, _ = notches(*panned(noise((1, 9, 7)), [azimuth])[0])
        assert_allclose(found, np.full((9, 7), azimuth), atol=1e-6)
        assert_allclose(depth, np.ones((9, 7)), atol=1e-6)


def test_given_azimuths_a_source_takes_what_lies_within_the_width_and_the_rest_is_rest():
    images = panned(sparse_sources(3), [-40.0, -5.0, 30.0])
    model = method("adress", azimuths=(-5.0,), width=20.0).fit(images.sum(axis=0))
    assert model.names == ("source1", "rest")
    source, rest = model.gains() * images.sum(axis=0)
    assert si_sdr(flat(images[1]), flat(source))[0] > 30
    assert si_sdr(flat(images[0] + images[2]), flat(rest))[0] > 30


def flat(Y):
    """Return coefficients (channels, freq, frames) as real rows, one source."""
    return np.stack([Y.real, Y.imag]).reshape(1, -1)


# ---- all that find sources


@pytest.mark.parametrize("name", OF_SOURCES)
def test_sources_are_found_from_left_to_right(name):
    azimuths = [-35.0, -5.0, 25.0]
    images = panned(sparse_sources(3), azimuths)
    X = images[[2, 0, 1]].sum(axis=0)
    model = method(name, n_sources=3).fit(X)
    Y = model.reconstruct() if name == "projet" else model.gains() * X
    for image, estimate in zip(images, Y, strict=False):
        assert si_sdr(flat(image), flat(estimate))[0] > 20
    if "source_azimuths" in model.extra:
        assert_allclose(model.extra["source_azimuths"], azimuths, atol=1.5)


@pytest.mark.parametrize("name", ["adress", "duet", "projet"])
@pytest.mark.parametrize("azimuths", [[-30.0, 20.0], [-40.0, -10.0, 5.0, 40.0]])
def test_their_number_is_found_where_it_is_not_given(name, azimuths):
    X = panned(sparse_sources(len(azimuths)), azimuths).sum(axis=0)
    names = method(name).fit(X).names
    assert sum(stem.startswith("source") for stem in names) == len(azimuths)


@pytest.mark.parametrize("name", OF_SOURCES)
def test_memory_order_changes_no_estimate(name):
    X = panned(sparse_sources(2, (65, 30)), [-30.0, 20.0]).sum(axis=0)
    turned = np.ascontiguousarray(X.swapaxes(1, 2)).swapaxes(1, 2)
    one, other = (method(name, n_sources=2).fit(Z).reconstruct() for Z in (X, turned))
    assert_allclose(one, other, atol=1e-6 * abs(X).max())


@pytest.mark.parametrize("name", FAMILY)
def test_more_than_two_channels_are_refused_in_one_line(name):
    with pytest.raises(ShapeError, match=r"is for two channels, X has 3; give a stereo pair"):
        method(name, n_sources=2).fit(noise((3, 9, 7)))


@pytest.mark.parametrize("name", FAMILY)
def test_one_channel_is_the_middle_and_most_methods_say_so(name, caplog):
    X = noise((1, 33, 20))
    with caplog.at_level(logging.WARNING, logger="sigsep_classic"):
        model = method(name, n_sources=1).fit(X)
    assert_allclose(model.reconstruct()[0], X if name in ("mid_side", "projet") else abs(X), atol=1e-9)
    assert name == "mid_side" or "one channel tells no directions" in caplog.text


# ---- DUET


def test_attenuations_and_delays_are_those_of_the_mixture():
    delays = [1.5e-4, -0.5e-4, -1.5e-4]
    azimuths = [-12.0, 3.0, 10.0]
    X = panned(sparse_sources(3), azimuths, delays).sum(axis=0)
    for n_refine, within in ((0, 0.08), (3, 0.02)):
        extra = method("duet", n_sources=3, n_refine=n_refine).fit(X).extra
        assert_allclose(np.degrees(np.arctan(extra["attenuations"])) - 45, azimuths, atol=60 * within)
        assert_allclose(extra["delays"], delays, atol=within * 2.5e-4)


def test_each_point_goes_to_the_source_that_explains_it_best():
    L, R = noise((2, 20, 15))
    omega = np.linspace(0, 3e4, 20)
    a, delta = mixing_parameters(np.array([-2.0, 0.0, 1.0])), np.array([1e-4, 0.0, -2e-4])
    assert_array_equal(assigned(L, R, omega, a, delta), reference.likeliest(L, R, omega[:, None], a, delta))


def test_symmetric_attenuation_is_undone():
    a = np.array([0.01, 0.5, 1.0, 3.0])
    assert_allclose(mixing_parameters(a - 1 / a), a, rtol=1e-12)


def test_duet_finds_what_the_published_algorithm_finds():
    delays = [1.5e-4, -1.5e-4]
    X = panned(sparse_sources(2), [-10.0, 12.0], delays).sum(axis=0)
    model = method("duet", n_sources=2, n_refine=0, phase_error=0).fit(X)
    a, delta, owner = reference.duet(X[0], X[1], GRID.bin_hz, 2)
    order = np.argsort(a)
    assert_allclose(model.extra["attenuations"], a[order], atol=0.1)
    assert_allclose(model.extra["delays"], delta[order], atol=1e-5)
    assert (model.gains()[1, 0] == (owner == order[1])).mean() > 0.99


def test_low_frequencies_that_tell_no_delay_are_not_taken_for_sources_of_many_delays():
    rng = np.random.default_rng(3)
    S = sparse_sources(3)
    S[2, 20:] *= 1e-3  # a loud bass below 300 Hz
    S[2, :20] *= 15
    images = panned(S, [-25.0, 0.0, 20.0])
    images[2, 1] *= np.exp(0.4j * rng.standard_normal(S.shape[1:]))
    found = method("duet", n_sources=3).fit(images.sum(axis=0)).extra
    assert_allclose(np.degrees(np.arctan(found["attenuations"])) - 45, [-25, 0, 20], atol=3)
    assert_allclose(found["delays"], 0, atol=6e-5)


@pytest.mark.parametrize("name", ["duet", "projet"])
def test_where_one_direction_is_all_that_is_found_the_mixture_does_not_come_back_in_silence(name, caplog):
    X = panned(noise((1, 33, 20)), [5.0])[0]
    with caplog.at_level(logging.WARNING, logger="sigsep_classic"):
        assert method(name).fit(X).names == ("source1",)
    assert "source1 is the mixture; give n_sources" in caplog.text
    caplog.clear()
    method(name, n_sources=1).fit(X)
    assert not caplog.text


# ---- PROJET


def test_every_step_is_the_published_one_damped_where_it_rises():
    X = noise((2, 12, 9))
    projet = method("projet", n_sources=2, n_projections=5, n_azimuths=7)
    data = projet.prepare(X)
    model = projet.init(data)
    theta = math.radians(45) + math.pi * np.arange(5) / 5
    S = np.stack([np.cos(theta) ** 2, np.sin(theta) ** 2, np.sin(2 * theta)], axis=1)
    V = np.sqrt(S @ data.moments + data.floor)
    P, _ = reference.projet_step(V, model.K, model.P, model.Q)
    P = model.P * bounded(P / model.P)
    sigma = model.K @ model.Q @ P
    falling, rising = (1 / sigma) @ P.T, (3 * sigma / (sigma**2 + V**2)) @ P.T
    Q = model.Q * bounded((model.K.T @ falling) / (model.K.T @ rising))
    after = projet.step(data, projet.copy(model))
    assert_allclose(after.P, P, rtol=1e-9)
    assert_allclose(after.Q, Q, rtol=1e-9)


def test_the_factor_of_an_update_never_raises_what_majorises_the_loss():
    rho = np.geomspace(1e-9, 1e9, 20001)
    r = bounded(rho)
    assert (-rho * np.log(r) + (r**2 - 1) / 2 <= 1e-12 * (1 + rho)).all()
    assert_array_equal(r[rho <= 1], rho[rho <= 1])
    assert (np.sign(r - 1) == np.sign(rho - 1)).all()


def test_the_loss_is_zero_where_the_model_is_the_scale_of_what_is_heard_and_never_negative():
    projet = method("projet", n_sources=1, n_projections=4, n_azimuths=3)
    data = projet.prepare(panned(noise((1, 12, 9)), [0.0])[0])
    losses = [projet.loss(data, model) for model in projet.iterate(data.X)]
    assert min(losses) > 0
    assert (np.diff(losses) <= 1e-12).all()


def test_the_filters_of_all_sources_together_change_nothing():
    model = method("projet", n_sources=3, n_iter=2).fit(noise((2, 12, 9)))
    G = filters(model.P, model.Q, model.K, [0, 1, 2])
    assert_allclose(G, np.array([[1.0], [1.0], [0.0]]) * np.ones(12 * 9), atol=1e-12)


def test_a_projet_of_two_overlapping_sources_is_better_than_any_mask_of_the_point():
    S = noise((2, 129, 60))  # both everywhere
    S *= np.random.default_rng(1).random(S.shape) ** 2
    images = panned(S, [-30.0, 30.0])
    X = images.sum(axis=0)
    Y = method("projet", n_sources=2, n_iter=20).fit(X).reconstruct()
    masks = method("duet", n_sources=2).fit(X).gains() * X

    def mean(estimates):
        return np.mean(
            [
                si_sdr(flat(image), flat(estimate))[0]
                for image, estimate in zip(images, estimates, strict=True)
            ]
        )

    assert mean(Y) > mean(masks) + 1


def test_a_warm_start_goes_on_where_it_ended():
    X = panned(sparse_sources(2, (65, 30)), [-30.0, 20.0]).sum(axis=0)
    short = method("projet", n_sources=2, n_iter=3, tol=0)
    once = short.fit(X)
    assert short.fit(X, start=once).losses[-1][1] < once.losses[-1][1]
    with pytest.raises(ParameterError, match="points"):
        short.fit(X[:, 1:], start=once)


# ---- clustering


@pytest.mark.parametrize("clustering", ["kmeans", "gmm"])
def test_clusters_lie_at_the_level_and_phase_differences_of_the_sources(clustering):
    sources = sparse_sources(2)
    X = panned(sources, [-20.0, 20.0])
    X[1, 1] *= np.exp(-0.5j)
    extra = method("spatial_clustering", n_sources=2, clustering=clustering).fit(X.sum(axis=0)).extra
    expected = 20 * math.log10(math.tan(math.radians(65)))
    assert_allclose(extra["level_differences"], [-expected, expected], atol=0.2)
    assert_allclose(extra["phase_differences"], [0, 0.5], atol=0.02)


def test_binary_gains_are_zero_or_one():
    X = noise()
    gains = method("spatial_clustering", n_sources=3, binary=True).fit(X).gains()
    assert set(np.unique(gains)) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("panned", {"azimuth": 60}, "azimuth is 60"),
        ("panned", {"smoothing": 4}, "smoothing is 4; it must be odd"),
        ("centre", {"similarity": "loud"}, "similarity is 'loud'"),
        ("adress", {"azimuths": (10.0,), "n_sources": 2}, "give one of both"),
        ("adress", {"azimuths": ()}, "give degrees as"),
        ("duet", {"max_delay": 0}, "max_delay is 0"),
        ("projet", {"n_projections": 2}, "n_projections is 2"),
        ("spatial_clustering", {"clustering": "birch"}, "clustering is 'birch'"),
    ],
)
def test_wrong_parameters_are_told(name, parameters, said):
    with pytest.raises(ParameterError, match=said):
        METHODS[name](**parameters)


def test_duet_needs_a_grid_for_its_seconds():
    with pytest.raises(ParameterError, match="grid"):
        METHODS["duet"]().fit(noise())


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_SOURCES)
def test_real_talkers_are_separated(name):
    from benchmarks.recordings import MissingRecordingError
    from benchmarks.stereo import PLACES, RATE, mixture, panned, talkers

    try:
        mix = mixture("talkers", panned(talkers("development", 3), PLACES[3]), RATE)
    except MissingRecordingError as missing:
        pytest.skip(str(missing))
    sep = ssc.separate(mix.mixture, RATE, method=name, n_sources=3, frontend=STFT(n_fft=2048), device="cpu")
    estimates = [sep[stem] for stem in mix.stems]
    gained = si_sdr(list(mix.stems.values()), estimates) - si_sdr(list(mix.stems.values()), [mix.mixture] * 3)
    assert gained.mean() > 10
