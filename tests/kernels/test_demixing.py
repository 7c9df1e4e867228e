"""`sweep` in every twin takes the steps its rules are defined by, and each lowers the cost."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.backend import threads
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels import demixing
from sigsep_classic.kernels.demixing import RULES, powers, sweep, weighted_covariances
from sigsep_classic.kernels.demixing_pairs import pairs_of
from tests.reference import demixing as reference

TOLERANCE = {"float64": 1e-10, "float32": 2e-3}


def data(n_freq, dims, n_frames, real="float64", *, own=False, seed=0):
    """Return sources of changing level, a starting point, and weights."""
    rng = np.random.default_rng(seed)
    Z = (rng.gamma(0.5, size=n_frames) * rng.standard_normal((n_freq, dims, 2, n_frames))).astype(real)
    R = rng.standard_normal((n_freq, dims, dims)) + 1j * rng.standard_normal((n_freq, dims, dims))
    weights = rng.gamma(1.0, size=(dims, n_freq, n_frames) if own else (dims, n_frames))
    return Z, R, weights.astype(real)


def stepped(rule, Z, R, weights, load=None, pairs="sequential"):
    """Return what `sweep` should."""
    V = reference.weighted_covariances(Z, weights, load)
    chosen = pairs_of(pairs, R.shape[1])
    R = np.stack([reference.update(rule, r, v, chosen) for r, v in zip(R, V, strict=True)])
    power = reference.powers(Z, R, load)
    return R, power.sum(axis=1) if weights.ndim == 2 else power


def at_phase_of(R, wanted):
    """Return R with rows turned to the phase of those wanted, which means nothing."""
    inner = (R.conj() * wanted).sum(axis=2, keepdims=True)
    return R * inner / abs(inner)


def costs(R, V):
    return np.array([reference.cost(r, v) for r, v in zip(R, V, strict=True)])


@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("n_freq", "dims", "n_frames"), [(2, 1, 9), (3, 2, 65), (2, 3, 40), (1, 5, 50)])
def test_every_twin_takes_the_step_of_the_definition(twin, real, n_freq, dims, n_frames, rule, own):
    Z, R, weights = data(n_freq, dims, n_frames, real, own=own)
    load = np.array([0.0, 1e-2, 0.0])[:n_freq]
    got, power = twin(sweep, Z, R, weights, rule=rule, load=load)
    wanted, wanted_power = stepped(rule, Z, R, weights, load)
    assert (got.dtype, power.dtype) == (np.complex128, Z.dtype)
    within = TOLERANCE[np.dtype(real).name]
    assert_allclose(at_phase_of(got, wanted), wanted, rtol=within, atol=within * abs(wanted).max())
    assert_allclose(power, wanted_power, rtol=within, atol=within * wanted_power.max())


@pytest.mark.parametrize("n_sources", [1, 2, 4, 5, 9])
def test_covariances_and_powers_of_any_number_of_sources_are_the_naive_sums(twin, real, n_sources):
    rng = np.random.default_rng(1)
    Z, _, _ = data(2, 3, 30, real)
    weights = rng.random((n_sources, 30)).astype(real)
    R = rng.standard_normal((2, n_sources, 3)) + 1j * rng.standard_normal((2, n_sources, 3))
    load, within = np.array([0.0, 0.1]), 1e-12 if np.dtype(real) == float else 1e-5
    V = twin(weighted_covariances, Z, weights, load=load)
    wanted = reference.weighted_covariances(Z, weights, load)
    assert_allclose(V, wanted, rtol=0, atol=within * abs(wanted).max())
    power = twin(powers, Z, R, summed=False, load=load)
    wanted = reference.powers(Z, R, load)
    assert_allclose(power, wanted, rtol=within, atol=within * wanted.max())
    assert_allclose(twin(powers, Z, R, summed=True, load=load), wanted.sum(axis=1), rtol=within)


@pytest.mark.slow
def test_long_recordings_and_many_bins_are_covered_to_the_last_frame(twin):
    rng = np.random.default_rng(2)
    Z = rng.standard_normal((35, 4, 2, 1031))
    R = rng.standard_normal((35, 4, 4)) + 1j * rng.standard_normal((35, 4, 4))
    weights = rng.random((4, 1031))
    z = Z[:, :, 0] + 1j * Z[:, :, 1]
    V = np.einsum("nt,fit,fjt->fnij", weights, z, z.conj(), optimize=True) / 1031
    assert_allclose(twin(weighted_covariances, Z, weights), V, rtol=0, atol=1e-12)
    got, power = twin(sweep, Z, R, weights)
    assert_allclose(power, (abs(got @ z) ** 2).sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "dims", [2, 3, pytest.param(6, marks=pytest.mark.slow), pytest.param(12, marks=pytest.mark.slow)]
)
def test_no_rule_ever_raises_the_cost_and_all_end_where_it_is_stationary(dims, rule):
    Z, R, weights = data(3, dims, 60)
    V = weighted_covariances(Z, weights)
    before = costs(R, V)
    for _ in range(400 if dims < 12 else 20):
        R, _ = sweep(Z, R, weights, rule=rule)
        now = costs(R, V)
        assert (now <= before + 1e-12 * abs(before).max()).all()
        before = now
    if dims < 6:  # R V_n r_nᴴ = e_n
        stationary = np.einsum("fmi,fnij,fnj->fnm", R, V, R.conj())
        assert_allclose(stationary, np.broadcast_to(np.eye(dims), stationary.shape), rtol=0, atol=1e-3)


@pytest.mark.parametrize("rule", ["ip2", "iss2"])
def test_two_sources_at_once_are_generalized_eigenvectors_and_a_second_sweep_does_nothing(rule):
    Z, R, weights = data(4, 2, 50)
    V = weighted_covariances(Z, weights)
    first, _ = sweep(Z, R, weights, rule=rule)
    for r, v in zip(first, V, strict=True):
        for n in range(2):  # both are eigenvectors of (V_1, V_2), each of length one by its own
            assert_allclose(r @ v[n] @ r[n].conj(), np.eye(2)[n], rtol=0, atol=1e-10)
    again, _ = sweep(Z, first, weights, rule=rule)
    assert_allclose(costs(again, V), costs(first, V), rtol=0, atol=1e-10)


def test_source_steering_on_covariances_is_source_steering_on_signals():
    Z, R, weights = data(1, 3, 80)
    z = Z[0, :, 0] + 1j * Z[0, :, 1]
    y = R[0] @ z
    for n in range(3):
        v = (weights * y * y[n].conj()).mean(axis=1) / (weights * abs(y[n]) ** 2).mean(axis=1)
        v[n] = 1 - (weights[n] * abs(y[n]) ** 2).mean() ** -0.5
        y = y - np.outer(v, y[n])
    got, _ = sweep(Z, R, weights, rule="iss1")
    assert_allclose(got[0] @ z, y, rtol=1e-10)


@pytest.mark.parametrize("dims", [2, 3, 5])
def test_no_other_move_of_its_kind_is_better_than_that_of_ipa(dims):
    rng = np.random.default_rng(3)
    _, R, _ = data(1, dims, 5)
    G = rng.standard_normal((dims, dims, 7)) + 1j * rng.standard_normal((dims, dims, 7))
    V = G @ G.conj().swapaxes(1, 2)
    best = reference._ipa(R[0], V, 0, 0)
    least = reference.cost(best, V)
    for size in (1e-4, 1e-2, 1.0) * 30:
        other = best.copy()
        noise = rng.standard_normal((2, dims)) + 1j * rng.standard_normal((2, dims))
        other[0] += size * noise[0]
        other[1:] += size * np.outer(noise[1, 1:], R[0, 0])
        assert reference.cost(other, V) >= least - 1e-12


def test_ipa_leaves_a_saddle_where_all_directions_are_as_good():
    # Uncorrelated, but in the wrong order: only the length of the move matters, not its phase.
    V = np.stack([np.diag([4.0, 1.0]), np.diag([0.25, 9.0])]).astype(complex)[None]
    R = np.eye(2, dtype=complex)[None].copy()
    before = reference.cost(R[0], V[0])
    for _ in range(20):
        demixing.update("ipa", R, V, np.zeros((0, 2), np.int64))
        now = reference.cost(R[0], V[0])
        assert now <= before + 1e-12
        before = now
    assert_allclose(before, reference.cost(np.array([[0, 1], [2, 0]]), V[0]), atol=1e-10)


@pytest.mark.parametrize("rule", RULES)
def test_bins_without_sound_keep_their_matrix(twin, rule):
    Z, R, weights = data(3, 3, 20)
    Z[1] = 0
    got, power = twin(sweep, Z, R, weights, rule=rule, load=np.full(3, 1e-6))
    assert_array_equal(got[1], R[1])
    assert np.isfinite(got).all()
    assert np.isfinite(power).all()


@pytest.mark.parametrize("rule", RULES)
def test_rows_that_are_nearly_alike_stay_finite(twin, rule):
    Z, R, weights = data(3, 2, 1)
    R[:, 1] = R[:, 0] * (1 + 1e-7)
    R[:, 1, 1] *= 1 + 1e-7
    for _ in range(3):
        R, power = twin(sweep, Z, R, weights, rule=rule, load=np.full(3, 1e-6))
        assert np.isfinite(R).all()
        assert np.isfinite(power).all()


def test_nan_stays_nan(twin):
    Z, R, weights = data(2, 2, 20)
    weights[0, 3] = np.nan
    got, power = twin(sweep, Z, R, weights)
    assert np.isnan(got[:, 0]).all()
    assert np.isnan(power[0]).all()


def test_the_number_of_threads_changes_no_bit(real):
    Z, R, weights = data(70, 3, 100, real)
    results = []
    for n in (1, 2, 4):
        with threads(n):
            results.append(sweep(Z, R, weights))
    for other in results[1:]:
        assert_array_equal(other[0], results[0][0])
        assert_array_equal(other[1], results[0][1])


def test_pairs_are_neighbours_all_or_those_given():
    assert pairs_of("sequential", 4) == ((0, 1), (1, 2), (2, 3), (3, 0))
    assert pairs_of("sequential", 2) == ((0, 1),)
    assert pairs_of("all", 3) == ((0, 1), (0, 2), (1, 2))
    assert pairs_of([(2, 0)], 3) == ((2, 0),)
    assert pairs_of(lambda n: [(0, n - 1)], 5) == ((0, 4),)
    assert pairs_of("all", 1) == ()
    Z, R, weights = data(2, 4, 30)
    for pairs in ("all", [(3, 1)]):
        got, _ = sweep(Z, R, weights, rule="ip2", pairs=pairs)
        wanted, _ = stepped("ip2", Z, R, weights, pairs=pairs)
        assert_allclose(at_phase_of(got, wanted), wanted, rtol=1e-8)


@pytest.mark.parametrize("pairs", ["some", [], [(0, 0)], [(0, 3)], [(-1, 0)]])
def test_wrong_pairs_are_refused(pairs):
    with pytest.raises(ParameterError, match="pairs"):
        pairs_of(pairs, 3)


def test_wrong_rules_and_shapes_are_refused():
    Z, R, weights = data(2, 3, 20)
    with pytest.raises(ParameterError, match="rule is 'ip3'"):
        sweep(Z, R, weights, rule="ip3")
    for wrong in (
        (Z, R[:1], weights),
        (Z, R, weights[:2]),
        (Z, R, weights[:, 1:]),
        (Z, R[:, :2], weights[:2]),
    ):
        with pytest.raises(ShapeError, match="do not fit"):
            sweep(*wrong)
