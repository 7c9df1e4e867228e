"""Codes and atoms of `sparse_coding`: sums over shifts, the minimum of the codes, better atoms for given codes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.factorizers.convolutive import atoms, codes, recentring, shifts
from sigsep_classic.kernels.jit import enabled
from tests.reference import shifts as reference


def dictionary(n_k, n_rows, n_lags, *, seed=0, signed=True):
    rng = np.random.default_rng(seed)
    D = rng.standard_normal((n_k, n_rows, n_lags))
    D = D if signed else abs(D)
    return D / np.sqrt((D**2).sum(axis=(1, 2), keepdims=True))


def events(D, n_frames, n_events, *, seed=1, signed=True, noise=0.02):
    """Return a signal (rows, frames) of randomly placed atoms in noise, and its codes."""
    rng = np.random.default_rng(seed)
    Z = np.zeros((len(D), n_frames - D.shape[2] + 1))
    Z.flat[rng.choice(Z.size, n_events, replace=False)] = rng.uniform(0.5, 1.5, n_events)
    if signed:
        Z *= rng.choice([-1, 1], Z.shape)
    Y = reference.render(D, Z)
    extra = noise * rng.standard_normal(Y.shape)
    return Y + (extra if signed else abs(extra)), Z


# ---- sums over shifts


@pytest.mark.parametrize(
    ("n_k", "n_rows", "n_lags", "n_frames"),
    [
        (3, 1, 5, 40),
        (2, 2, 7, 1000),
        (3, 20, 4, 50),
        (2, 1, 1, 30),
        (2, 12, 1, 9),
        (1, 1, 30, 30),
        (2, 9, 6, 1500),
    ],
)
def test_sums_over_shifts_are_the_naive_ones(n_k, n_rows, n_lags, n_frames):
    rng = np.random.default_rng(0)
    D, Y = rng.standard_normal((n_k, n_rows, n_lags)), rng.standard_normal((n_rows, n_frames))
    Z = rng.standard_normal((n_k, n_frames - n_lags + 1))
    for got, expected in (
        (shifts.correlate(D, Y), reference.correlate(D, Y)),
        (shifts.render(D, Z), reference.render(D, Z)),
        (shifts.gram(D), reference.gram(D)),
        (shifts.code_gram(Z, n_lags), reference.code_gram(Z, n_lags)),
        (shifts.code_signal(Z, Y, n_lags), reference.code_signal(Z, Y, n_lags)),
    ):
        assert_allclose(got, expected, rtol=0, atol=1e-11 * n_frames)


# ---- codes


@pytest.mark.parametrize("solver", codes.SOLVERS)
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("n_rows", [1, 2, 20])
def test_codes_fulfil_the_optimality_conditions(n_rows, signed, solver):
    D = dictionary(3, n_rows, 12, signed=signed)
    Y, _ = events(D, 200, 12, signed=signed)
    penalty = 0.1 * float(abs(shifts.correlate(D, Y)).max())
    found = codes.solve(D, Y, penalty=penalty, signed=signed, tol=1e-5, solver=solver)
    beta = reference.correlate(D, Y - reference.render(D, found.Z))
    used = found.Z != 0
    assert 0 < used.sum() < 100
    assert_allclose(beta[used], penalty * np.sign(found.Z[used]), rtol=1e-4)
    assert beta[~used].max() <= penalty * (1 + 1e-4)
    assert found.Z.min() >= 0 or (signed and beta[~used].min() >= -penalty * (1 + 1e-4))
    assert found.move <= 1e-5


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("within", [1e-6])
def test_codes_are_the_lasso_of_all_moved_atoms(signed, within):
    from sklearn.linear_model import Lasso

    D = dictionary(2, 2, 10)
    Y, _ = events(D, 90, 8, signed=signed)
    penalty = 0.1 * float(shifts.correlate(D, Y).max())
    A = reference.matrix(D, 90)
    lasso = Lasso(penalty / len(A), fit_intercept=False, positive=not signed, tol=1e-12, max_iter=10**5)
    expected = lasso.fit(A, Y.ravel()).coef_.reshape(2, -1)
    found = codes.solve(D, Y, penalty=penalty, signed=signed, tol=1e-8)
    assert_allclose(found.Z, expected, rtol=0, atol=within)


@pytest.mark.parametrize("ratio", [0.3, 0.1, 0.02])
@pytest.mark.parametrize("n_rows", [1, 15])
def test_both_solvers_reach_the_same_minimum_sparse_and_dense(n_rows, ratio):
    D = dictionary(3, n_rows, 15)
    Y, _ = events(D, 400, 30)
    penalty = ratio * float(abs(shifts.correlate(D, Y)).max())
    greedy = codes.solve(D, Y, penalty=penalty, tol=1e-6)
    fista = codes.solve(D, Y, penalty=penalty, tol=1e-6, solver="fista")
    values = [codes.objective(D, Y, found.Z, penalty) for found in (greedy, fista)]
    assert_allclose(*values, rtol=1e-7)
    assert_allclose(greedy.Z, fista.Z, rtol=0, atol=1e-3 * float(abs(greedy.Z).max()))


def test_the_duality_gap_bounds_the_distance_to_the_minimum():
    D = dictionary(3, 1, 15)
    Y, _ = events(D, 400, 30)
    penalty = 0.1 * float(abs(shifts.correlate(D, Y)).max())
    best = codes.objective(D, Y, codes.solve(D, Y, penalty=penalty, tol=1e-9).Z, penalty)
    for tol in (0.5, 0.1, 1e-3):
        Z = codes.solve(D, Y, penalty=penalty, tol=tol).Z
        above = codes.objective(D, Y, Z, penalty) - best
        assert -1e-9 * best <= above <= codes.duality_gap(D, Y, Z, penalty) + 1e-9 * best


def test_a_warm_start_ends_where_a_cold_one_does():
    D = dictionary(3, 1, 15)
    Y, Z = events(D, 400, 30)
    penalty = 0.1 * float(abs(shifts.correlate(D, Y)).max())
    cold = codes.solve(D, Y, penalty=penalty, tol=1e-8)
    warm = codes.solve(D, Y, penalty=penalty, tol=1e-8, start=Z)
    assert_allclose(warm.Z, cold.Z, rtol=0, atol=1e-6)


@pytest.mark.parametrize("within", [1e-4])
def test_codes_are_those_of_sporco(within):
    pytest.importorskip("sporco")
    import warnings

    D = dictionary(3, 1, 16)
    Y, _ = events(D, 300, 12)
    Y = np.pad(Y, ((0, 0), (0, 15)))  # sporco's signals wrap around
    penalty = 0.1 * float(abs(shifts.correlate(D, Y)).max())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sporco.pgm.cbpdn import ConvBPDN

        bound = float((abs(np.fft.rfft(D[:, 0], Y.shape[1])) ** 2).sum(axis=0).max())
        options = ConvBPDN.Options({"Verbose": False, "MaxMainIter": 2000, "RelStopTol": 1e-9, "L": bound})
        theirs = ConvBPDN(D[:, 0].T, Y[0], penalty, options, dimK=0, dimN=1).solve().squeeze().T
    ours = codes.solve(D, Y, penalty=penalty, tol=1e-8).Z
    value = codes.objective(D, Y, ours, penalty)
    assert_allclose(codes.objective(D, Y, theirs[:, : ours.shape[1]], penalty), value, rtol=within)
    assert value <= codes.objective(D, Y, theirs[:, : ours.shape[1]], penalty) * (1 + 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("within", [1e-5])
def test_codes_are_those_of_alphacsc(within):
    pytest.importorskip("alphacsc")
    if not enabled():
        pytest.skip("NUMBA_DISABLE_JIT is set")
    import warnings

    D = dictionary(3, 2, 16)
    Y, _ = events(D, 300, 12)
    penalty = 0.1 * float(shifts.correlate(D, Y).max())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from alphacsc.update_z_multi import update_z_multi

        options = {"tol": 1e-7 * penalty, "max_iter": 10**6}
        theirs = update_z_multi(Y[None], D, penalty, solver="lgcd", solver_kwargs=options)[0][0]
    ours = codes.solve(D, Y, penalty=penalty, signed=False, tol=1e-7).Z
    assert_allclose(ours, theirs, rtol=0, atol=within)


# ---- atoms


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(("n_rows", "n_lags"), [(1, 20), (2, 9), (30, 6)])
def test_improving_atoms_never_raises_the_distance_and_keeps_the_norm(n_rows, n_lags, signed):
    true = dictionary(3, n_rows, n_lags, signed=signed)
    Y, Z = events(true, 300, 25, signed=signed)
    D = dictionary(3, n_rows, n_lags, seed=5, signed=signed)
    before = codes.objective(D, Y, Z, 0.0)
    first = before
    for _ in range(20):
        D = atoms.improved(D, Z, Y, signed=signed, n_sweeps=1)
        after = codes.objective(D, Y, Z, 0.0)
        assert after <= before * (1 + 1e-12)
        before = after
    assert after < 0.2 * first
    assert_allclose((D**2).sum(axis=(1, 2)), 1, rtol=1e-12)
    assert signed or D.min() >= 0


def test_an_atom_without_codes_is_renewed_from_the_loudest_piece_left():
    D = dictionary(2, 1, 10)
    Y, Z = events(D, 200, 10, noise=0)
    Z[1] = 0
    rest = Y - shifts.render(D, Z)
    new = atoms.renewed(D, Z, rest, 0.01, signed=True)
    t = int(atoms.window_energy(rest, 10).argmax())
    assert_array_equal(new[0], D[0])
    assert_allclose(new[1], rest[:, t : t + 10] / np.linalg.norm(rest[:, t : t + 10]), rtol=1e-12)
    assert codes.objective(new, Y, Z, 0.01) == codes.objective(D, Y, Z, 0.01)
    assert_array_equal(atoms.renewed(D, Z, rest, 1e3, signed=True), D)  # nothing left that would pay


def test_an_atom_that_caught_half_a_sound_is_moved_to_the_whole():
    sound = np.random.default_rng(0).standard_normal(200)
    Y = np.zeros((1, 3000))
    for t in (300, 1000, 1700, 2400):
        Y[0, t : t + 200] += sound
    half = np.zeros((1, 1, 200))
    half[0, 0, :100] = sound[100:]
    half /= np.linalg.norm(half)
    penalty = 0.5 * float(abs(shifts.correlate(half, Y)).max())
    Z = codes.solve(half, Y, penalty=penalty).Z
    rest = Y - shifts.render(half, Z)
    D, moved, less = recentring.recentred(half, Z, rest, penalty, signed=True)
    assert_array_equal(np.flatnonzero(moved), [300, 1000, 1700, 2400])
    assert codes.value(less, moved, penalty) < codes.value(rest, Z, penalty)
    assert_allclose(less, Y - shifts.render(D, moved), atol=1e-12)
    assert abs(np.correlate(D[0, 0], sound / np.linalg.norm(sound))[0]) > 0.99


# ---- a budget


def hard():
    """Return nearly dense codes' problem: noise, smooth atoms and a small penalty."""
    t = np.arange(40)
    D = (np.hanning(42)[1:-1] * np.cos(0.1 * np.array([[1], [2]]) * t))[:, None]
    D /= np.linalg.norm(D, axis=2, keepdims=True)
    Y = np.random.default_rng(0).standard_normal((1, 600))
    return D, Y, 1e-4 * float(abs(shifts.correlate(D, Y)).max())


def test_greedy_descent_out_of_updates_goes_on_with_fista_and_the_objective_falls():
    D, Y, penalty = hard()
    n = 2 * (600 - 39)
    values = []
    for following in (0, codes.FOLLOWING):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(codes, "FOLLOWING", following or 1)
            found = codes.solve(D, Y, penalty=penalty, tol=1e-2, limit=n)
        assert n <= found.work < 100 * n
        values.append(codes.objective(D, Y, found.Z, penalty))
    assert values[1] < values[0] < codes.objective(D, Y, 0 * found.Z, penalty)
