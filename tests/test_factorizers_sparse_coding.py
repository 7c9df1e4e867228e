"""`sparse_coding`: the codes are the minimum, learning never makes it worse, and known sounds are found again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import STFT, SparseCoding, Waveform, separate, synthesize
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.factorizers.convolutive import codes, shifts
from sigsep_classic.kernels.jit import enabled

RATE = 8000


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


def test_a_start_takes_this_methods_sparsity_along_the_regularisation_path():
    x, _, _ = drum_loop(n=4000)
    X = x[:, None]
    model, used = None, []
    for sparsity in (0.5, 0.2, 0.05):
        method = SparseCoding(n_components=2, n_lags=160, n_iter=3, n_sweeps=0, sparsity=sparsity)
        model = method.fit(X, start=model)
        Y = method.prepare(X).Y
        top = float(abs(shifts.correlate(model.atoms.reshape(2, 2, 160), Y)).max())
        assert_allclose(model.penalty, sparsity * top)
        used.append(np.count_nonzero(model.codes))
    assert used[0] < used[1] < used[2]


def test_a_start_with_another_number_of_atoms_is_refused():
    x, _, _ = drum_loop(n=4000)
    first = METHOD.fit(x[:, None])
    with pytest.raises(ShapeError, match="this signal needs"):
        SparseCoding(n_components=5, n_lags=160).fit(x[:, None], start=first)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_data_that_are_not_finite_are_refused_also_without_a_check_of_the_loss(wrong):
    x, _, _ = drum_loop(n=2000)
    x[0, 1000] = wrong
    for method in (SparseCoding(n_lags=20, tol=0), SparseCoding(n_lags=20)):
        with pytest.raises(NumericalError, match="finite"):
            next(method.iterate(x[:, None]))


def test_products_too_large_for_the_dtype_are_refused():
    with pytest.raises(NumericalError, match="scale X down"), np.errstate(all="ignore"):
        METHOD.fit(np.full((1, 1, 500), 2e38, np.float32))


@pytest.mark.skipif(not enabled(), reason="NUMBA_DISABLE_JIT is set: the NumPy line makes greedy moves alone")
def test_a_small_sparsity_uses_few_updates_a_code(monkeypatch):
    work, solve = [], codes.solve

    def counted(*args, **options):
        found = solve(*args, **options)
        work.append(found.work / found.Z.size)
        return found

    monkeypatch.setattr(codes, "solve", counted)
    x = np.random.default_rng(0).standard_normal((1, 1, 1000))
    model = SparseCoding(n_components=2, n_lags=40, n_iter=2, sparsity=1e-4).fit(x)
    assert max(work) < 10
    assert model.losses[-1][1] < 0.01 * model.losses[0][1]


@pytest.mark.parametrize("frontend", [Waveform(), STFT(n_fft=256)])
def test_a_model_codes_other_signals_of_any_length_with_its_atoms_and_penalty(frontend):
    x, _, _ = drum_loop(n=6000)
    X = frontend.analyze(x)
    method = SparseCoding(n_components=2, n_lags=9, n_iter=3, sparsity=0.1, precision=1e-4)
    model = method.fit(X)
    for other in (X[..., : X.shape[2] // 2], np.concatenate([X, X], axis=2), X[..., :1]):
        coded = model.apply(other)
        assert_array_equal(coded.atoms, model.atoms)
        assert coded.penalty == model.penalty
        assert coded.reconstruct().shape == (2, *other.shape)
        Y = method.prepare(other).Y
        best = codes.solve(
            model.atoms.reshape(2, -1, 9), Y, penalty=model.penalty, signed=model.signed, tol=1e-4
        )
        assert_array_equal(coded.codes, best.Z)
    with pytest.raises(ShapeError, match="the atoms are"):
        model.apply(X[:1])


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
