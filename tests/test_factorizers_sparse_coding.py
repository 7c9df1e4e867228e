"""Sparse coding: the codes are the minimum, learning never makes it worse, and known sounds are found again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import STFT, SparseCoding, Waveform, separate, synthesize
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.convolutive import atoms, codes, recentring, shifts
from sigsep_classic.kernels.jit import enabled
from tests.reference import shifts as reference

RATE = 8000


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
def test_codes_are_the_lasso_of_all_moved_atoms(signed):
    from sklearn.linear_model import Lasso

    D = dictionary(2, 2, 10)
    Y, _ = events(D, 90, 8, signed=signed)
    penalty = 0.1 * float(shifts.correlate(D, Y).max())
    A = reference.matrix(D, 90)
    lasso = Lasso(penalty / len(A), fit_intercept=False, positive=not signed, tol=1e-12, max_iter=10**5)
    expected = lasso.fit(A, Y.ravel()).coef_.reshape(2, -1)
    found = codes.solve(D, Y, penalty=penalty, signed=signed, tol=1e-8)
    assert_allclose(found.Z, expected, rtol=0, atol=1e-6)


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


def test_codes_are_those_of_sporco():
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
    assert_allclose(codes.objective(D, Y, theirs[:, : ours.shape[1]], penalty), value, rtol=1e-4)
    assert value <= codes.objective(D, Y, theirs[:, : ours.shape[1]], penalty) * (1 + 1e-9)


@pytest.mark.slow
def test_codes_are_those_of_alphacsc():
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
    assert_allclose(ours, theirs, rtol=0, atol=1e-5)


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


# ---- the method


def drum_loop(real=np.float64, n=3 * RATE):
    """Return a stereo loop of two sounds at irregular times, the sounds, and their stems."""
    rng = np.random.default_rng(3)
    t = np.arange(160) / RATE
    sounds = {
        "low": np.outer([1.0, 1.0], np.sin(2 * np.pi * 150 * t) * np.exp(-t / 0.006)),
        "high": np.outer([0.3, 1.0], rng.standard_normal(160) * np.exp(-t / 0.002)),
    }
    stems = {}
    for name, sound in sounds.items():
        stems[name] = np.zeros((2, n))
        for start in np.sort(rng.choice(n - 200, 25, replace=False)):
            stems[name][:, start : start + 160] += rng.uniform(0.4, 1.0) * sound
    x = sum(stems.values()) + 0.002 * rng.standard_normal((2, n))
    return x.astype(real), sounds, stems


METHOD = SparseCoding(n_components=2, n_lags=160, sparsity=0.05, n_iter=15)


def test_known_sounds_are_found_again_up_to_sign_and_shift():
    x, sounds, _ = drum_loop()
    model = METHOD.fit(x[:, None])
    for sound in sounds.values():
        best = 0.0
        for k in range(2):
            atom = model.atom(k)
            product = sum(np.correlate(a, s, "full") for a, s in zip(atom, sound, strict=True))
            best = max(best, float(abs(product).max()) / np.linalg.norm(sound))
        assert best > 0.98


def test_stems_of_a_waveform_are_the_sounds_with_their_panning_and_a_residual():
    from sigsep_classic.grouping import by_reference
    from sigsep_classic.metrics import si_sdr

    x, _, stems = drum_loop()
    references = {name: stem[:, None] for name, stem in stems.items()}
    sep = separate(
        x, RATE, method=METHOD, frontend=Waveform(), groups=lambda model: by_reference(model, references)
    )
    assert list(sep) == ["low", "high", "residual"]
    for name, stem in stems.items():
        assert si_sdr(stem[None], sep[name][None])[0] > 15
    assert_allclose(sum(sep.values()), x, atol=1e-12)
    assert (sep["residual"] ** 2).sum() < 0.02 * (x**2).sum()
    left, right = np.linalg.norm(sep["high"], axis=1)
    assert_allclose(left / right, 0.3, atol=0.02)


def test_firings_are_what_the_codes_hold_also_before_the_first_frame():
    x, _, _ = drum_loop()
    sound = x[:, :160].copy() * 0
    sound[:] = np.hanning(160) * np.sin(np.arange(160))
    y = np.zeros((2, 2000))
    for start in (-60, 500, 1000, 1900):  # one begins before the recording, one ends after it
        part = slice(max(0, start), min(2000, start + 160))
        y[:, part] += sound[:, part.start - start : part.stop - start]
    model = SparseCoding(n_components=1, n_lags=160, sparsity=0.2, n_iter=15).fit(y[:, None])
    frames, amplitudes = model.firings(0)
    assert len(frames) >= 4
    assert frames.min() < 0
    assert frames.max() > 1840
    assert (np.diff(frames) > 0).all()
    assert_allclose(abs(amplitudes).sum(), abs(model.codes).sum())
    with pytest.raises(ParameterError, match="no atom 1"):
        model.firings(1)


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("frontend", [Waveform(), STFT(n_fft=256)])
@pytest.mark.parametrize("solver", codes.SOLVERS)
def test_the_objective_never_rises_and_is_the_one_of_the_model(solver, frontend, real):
    x, _, _ = drum_loop(real, n=4000)
    X = frontend.analyze(x)
    method = SparseCoding(n_components=3, n_lags=20, n_iter=6, tol=0, solver=solver, sparsity=0.05)
    data = method.prepare(X)
    values = []
    for model in method.iterate(X):
        values.append(method.loss(data, model))
        D = model.atoms.reshape(3, -1, 20)
        assert_allclose(values[-1], codes.objective(D, data.Y, model.codes, model.penalty), rtol=1e-4)
    assert all(b <= a for a, b in itertools.pairwise(values))
    assert values[-1] < 0.9 * values[0]
    assert model.atoms.dtype == model.codes.dtype == real


def test_a_spectrogram_is_coded_without_signs_and_wants_a_mask():
    x, _, _ = drum_loop()
    model = SparseCoding(n_components=2, n_lags=4, n_iter=5).fit(STFT(n_fft=256).analyze(x))
    assert model.atoms.min() >= 0
    assert model.codes.min() >= 0
    assert not model.estimates
    assert model.atom(0).shape == (2, 129, 4)
    assert model.spectra.shape == (129, 2)
    sep = separate(x, RATE, method=METHOD, frontend=STFT(n_fft=256), n_sources=2)
    assert "residual" not in sep


def test_codes_of_a_waveform_are_not_negative_on_request():
    x, _, _ = drum_loop()
    for signed in (True, False):
        model = SparseCoding(n_components=2, n_lags=40, n_iter=3, signed=signed).fit(x[:, None])
        assert (float(model.codes.min()) < 0) == signed
        assert float(model.atoms.min()) < 0


def test_the_level_of_the_input_does_not_matter():
    x, _, _ = drum_loop(n=4000)
    quiet = METHOD.fit(x[:, None] * 2.0**-20)
    loud = METHOD.fit(x[:, None])
    assert_array_equal(quiet.codes * 2.0**20, loud.codes)
    assert_array_equal(quiet.atoms, loud.atoms)


def test_threads_change_no_bit(monkeypatch):
    x, _, _ = drum_loop()
    found = []
    for n in ("1", "2", "4"):
        monkeypatch.setenv("SIGSEP_NUM_THREADS", n)
        found.append(METHOD.fit(x[:, None]))
    for model in found[1:]:
        assert_array_equal(model.codes, found[0].codes)
        assert_array_equal(model.atoms, found[0].atoms)


def test_the_first_atom_is_the_loudest_and_the_largest_sample_is_positive():
    x, _, _ = drum_loop()
    model = METHOD.fit(x[:, None])
    assert (np.diff(model.energies) <= 0).all()
    flat = model.atoms.reshape(2, -1)
    assert (flat.max(axis=1) >= -flat.min(axis=1)).all()


def test_silence_has_no_codes():
    model = METHOD.fit(np.zeros((1, 1, 500)))
    assert_array_equal(model.codes, np.zeros((2, 500 + 159)))
    assert_array_equal(model.reconstruct(), np.zeros((2, 1, 1, 500)))


def test_the_length_of_atoms_follows_the_frame_rate():
    assert SparseCoding(seconds=0.05, grid=Waveform().grid(RATE)).length == 400
    assert SparseCoding(seconds=0.05, grid=STFT(n_fft=256, hop=64).grid(RATE)).length == 6
    assert SparseCoding(n_lags=7, grid=Waveform().grid(RATE)).length == 7
    assert SparseCoding().length == 16


def test_a_start_is_taken_up_and_one_that_does_not_fit_is_refused():
    x, _, _ = drum_loop(n=4000)
    first = METHOD.fit(x[:, None])
    again = SparseCoding(n_components=2, n_lags=160, n_iter=2, tol=1e-9).fit(x[:, None], start=first)
    assert again.losses[0][1] <= first.losses[-1][1] * (1 + 1e-9)
    with pytest.raises(ShapeError, match="this signal needs"):
        METHOD.fit(x[:, None, :3000], start=first)


def test_given_atoms_stay_with_no_sweeps():
    x, _, _ = drum_loop(n=4000)
    first = METHOD.fit(x[:, None])
    coder = SparseCoding(n_components=2, n_lags=160, n_iter=2, n_sweeps=0)
    coded = coder.fit(x[:, None], start=first)
    assert_array_equal(np.sort(coded.atoms, axis=0), np.sort(first.atoms, axis=0))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_atoms_of_a_song_explain_more_the_more_there_are(seed):
    song = synthesize("song", seconds=3.0, sample_rate=RATE)
    X = STFT(n_fft=512).analyze(song.mixture)
    left = []
    for n_components in (2, 8, 32):
        method = SparseCoding(n_components=n_components, n_lags=6, n_iter=10, sparsity=0.01, seed=seed)
        V = abs(X)
        whole = method.fit(X).reconstruct({"all": range(n_components)})[0]
        left.append(float(((V - whole) ** 2).sum() / (V**2).sum()))
    assert left[0] > left[1] > left[2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_components": 0}, "n_components is 0"),
        ({"seconds": 0}, "seconds is 0"),
        ({"n_lags": 0}, "n_lags is 0"),
        ({"sparsity": 0}, "sparsity is 0"),
        ({"sparsity": 1.5}, "sparsity is 1.5"),
        ({"solver": "ista"}, "solver is 'ista'"),
        ({"precision": 0}, "precision is 0"),
        ({"n_sweeps": -1}, "n_sweeps is -1"),
    ],
)
def test_wrong_parameters_are_named(options, said):
    with pytest.raises(ParameterError, match=said):
        SparseCoding(**options)
