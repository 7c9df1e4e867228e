"""ICA finds the mixing matrix, whatever solver looks for it, and finds what scikit-learn and Picard find."""

from __future__ import annotations

import tracemalloc
import warnings
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from benchmarks.ica import amari
from benchmarks.recordings import MissingRecordingError, music_on_hold, speech
from sigsep_classic import ICA, STFT, Waveform, synthesize
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.factorizers.demixing.algebraic import joint_diagonalization
from sigsep_classic.factorizers.demixing.ica import SOLVERS
from sigsep_classic.kernels.jit import enabled
from sigsep_classic.kernels.score_moments import CONTRASTS
from sigsep_classic.metrics import si_sdr
from sigsep_classic.pipeline import separate_array
from sigsep_classic.testing import check_method

# How far (Amari) from the truth with 20000 samples: JADE and a single row at a time are noisier.
TRUTH = {"jade": 0.05, "deflation": 0.08, "sobi": 0.05}


def laplacian(n=3, samples=20_000, seed=0, *, uniform=0):
    """Return a mixing matrix and X (n, 1, samples): Laplacian sources, the last ``uniform`` of them uniform."""
    rng = np.random.default_rng(seed)
    S = rng.laplace(size=(n, samples))
    S[n - uniform :] = rng.uniform(-1.7, 1.7, (uniform, samples))
    A = rng.standard_normal((n, n)) + np.eye(n)
    return A, (A @ S)[:, None]


def coloured(n=3, samples=20_000, seed=0):
    """Return a mixing matrix and Gaussian sources with different spectra, mixed."""
    rng = np.random.default_rng(seed)
    S = rng.standard_normal((n, samples))
    for row, pole in zip(S, (0.95, -0.9, 0.2, 0.6), strict=False):
        for t in range(1, samples):
            row[t] += pole * row[t - 1]
    A = rng.standard_normal((n, n)) + np.eye(n)
    return A, (A @ S)[:, None]


@pytest.mark.parametrize("solver", [s for s in SOLVERS if s != "sobi"])
def test_every_solver_finds_the_mixing_matrix_of_independent_sources(solver):
    A, X = laplacian()
    assert amari(ICA(solver=solver).fit(X).W[0], A) < TRUTH.get(solver, 0.03)


@pytest.mark.parametrize("n_lags", [1, 20])
def test_second_order_statistics_do_for_gaussian_sources_of_different_colours(n_lags):
    A, X = coloured()
    assert amari(ICA(solver="sobi", n_lags=n_lags).fit(X).W[0], A) < TRUTH["sobi"]
    assert amari(ICA(solver="picard_o").fit(X).W[0], A) > 0.1


@pytest.mark.parametrize("solver", ["picard", "picard_o", "fastica", "jade"])
def test_flat_and_peaked_sources_are_found_together(solver):
    A, X = laplacian(4, uniform=2)
    model = ICA(solver=solver).fit(X)
    assert amari(model.W[0], A) < TRUTH.get(solver, 0.03)


def test_a_saddle_point_is_left():
    # Middle and side: the symmetric whitening of equally distributed sources is turned by exactly 45 degrees.
    half = np.random.default_rng(1).laplace(size=(2, 4000))
    S = np.concatenate([half, half[::-1], half * [[1], [-1]], half[::-1] * [[1], [-1]]], axis=1)
    S[1] *= 0.3
    A = np.array([[1.0, 1.0], [1.0, -1.0]])
    for solver in ("picard", "picard_o", "fastica", "infomax", "auxiliary"):
        method = ICA(solver=solver)
        gradient = next(method.iterate((A @ S)[:, None])).search.score.gradient
        if solver != "picard":  # which starts from a rotation found by picard_o
            assert abs(gradient - np.diag(np.diag(gradient))).max() < 1e-5
        assert amari(method.fit((A @ S)[:, None]).W[0], A) < 0.01


def test_fastica_and_picard_o_have_the_same_optimum():
    _, X = laplacian(4, uniform=1)
    found = [ICA(solver=s, tol=1e-10).fit(X).W[0] for s in ("fastica", "picard_o")]
    assert_allclose(found[0], found[1], atol=1e-7)


def test_picard_infomax_and_auxiliary_have_the_same_optimum():
    _, X = laplacian(3)
    found = [ICA(solver=s, tol=1e-9, n_iter=1000).fit(X).W[0] for s in ("picard", "infomax", "auxiliary")]
    assert_allclose(found[1], found[0], atol=1e-6)
    assert_allclose(found[2], found[0], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize("within", [1e-5])
def test_it_finds_the_unmixing_that_scikit_learn_finds(contrast, within):
    decomposition = pytest.importorskip("sklearn.decomposition")
    for n, uniform in ((2, 0), (5, 2)):
        _, X = laplacian(n, uniform=uniform, seed=n)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = decomposition.FastICA(
                whiten="unit-variance", fun=contrast, max_iter=2000, tol=1e-10, random_state=0
            ).fit(X[:, 0].T)
        for solver in ("fastica", "picard_o"):
            ours = ICA(solver=solver, contrast=contrast, tol=1e-9, n_iter=2000).fit(X)
            assert amari(ours.W[0], np.linalg.inv(theirs.components_)) < within


@pytest.mark.parametrize(("solver", "ortho"), [("picard", False), ("picard_o", True)])
@pytest.mark.parametrize("within", [1e-6])
def test_it_finds_the_unmixing_that_picard_finds(solver, ortho, within):
    picard = pytest.importorskip("picard")
    A, X = laplacian(5, seed=3)
    K, W, _ = picard.picard(X[:, 0], ortho=ortho, extended=ortho, tol=1e-10, max_iter=1000, random_state=0)
    ours = ICA(solver=solver, tol=1e-9).fit(X)
    assert amari(ours.W[0], np.linalg.inv(W @ K)) < within
    assert amari(ours.W[0], A) < 0.03


def test_jade_diagonalises_matrices_that_have_common_eigenvectors():
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    R = joint_diagonalization(np.stack([Q * rng.standard_normal(5) @ Q.T for _ in range(4)]))
    assert_allclose(abs(R @ Q).max(axis=1), 1, atol=1e-12)
    assert_allclose(R @ R.T, np.eye(5), atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("frontend", ["stft", "waveform"])
def test_every_solver_keeps_the_promises(solver, frontend):
    # Row after row, "auxiliary" depends on the order of the channels until it has converged.
    check_method(ICA(solver=solver, n_iter=400 if solver == "auxiliary" else 60), frontends=(frontend,))


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"n_sources": 1}, {"solver": "fastica", "contrast": "exp"}])
def test_the_options_keep_the_promises(options):
    check_method(ICA(n_iter=60, **options))


# ---- images, order, scale


def test_images_add_up_and_are_ordered_by_energy():
    _, X = laplacian(4)
    model = ICA().fit(X)
    Y = model.reconstruct()
    assert_allclose(Y.sum(axis=0), X, atol=1e-10)
    assert all(a >= b for a, b in pairwise((Y**2).sum(axis=(1, 2, 3))))


def test_a_source_is_its_image_at_the_channel_that_hears_it_best():
    _, X = laplacian(3)
    model = ICA().fit(X)
    Y, y = model.reconstruct(), model.sources
    for n in range(3):
        c = int(abs(Y[n]).max(axis=(1, 2)).argmax())
        assert model.A[0, c, n] == 1
        assert_allclose(y[n], Y[n, c], atol=1e-10)


def test_fewer_sources_than_channels_leave_a_residual():
    A, _ = laplacian(4)
    rng = np.random.default_rng(1)
    S = rng.laplace(size=(2, 5000))
    x = A[:, :2] @ S + 0.01 * rng.standard_normal((4, 5000))
    sep = separate_array(x, 8000, ICA(n_sources=2), frontend=Waveform())
    assert list(sep) == ["source1", "source2", "residual"]
    assert np.sqrt((sep["residual"] ** 2).mean()) < 0.02
    truth = [A[:, [n]] @ S[n : n + 1] for n in range(2)]
    truth.sort(key=lambda image: -float((image**2).sum()))
    for image, name in zip(truth, ("source1", "source2"), strict=True):
        assert (si_sdr(image, sep[name]) > 25).all()


def test_channels_that_depend_on_each_other_leave_the_last_sources_silent():
    A, X = laplacian(2)
    X = np.concatenate([X, X[:1] - 2 * X[1:], 0 * X[:1]])
    model = ICA().fit(X)
    Y = model.reconstruct()
    assert model.names == ("source1", "source2", "source3", "source4")
    assert_array_equal(Y[2:], 0 * Y[2:])
    assert amari(model.W[0, :2, :3], np.vstack([A, A[0] - 2 * A[1]])) < 0.03


def test_a_channel_100_db_down_is_a_channel_all_the_same():
    _, X = laplacian(3)
    quiet = np.array([1, 1e-5, 1])
    Y = ICA().fit(X * quiet[:, None, None]).reconstruct() / quiet[:, None, None]
    assert_allclose(Y, _as_ordered(ICA().fit(X), quiet), atol=1e-6)


def _as_ordered(model, quiet):
    """Return images in the order of their energy where channels have gains ``quiet``."""
    Y = model.reconstruct()
    return Y[np.argsort(-((Y * quiet[:, None, None]) ** 2).sum(axis=(1, 2, 3)))]


def test_an_stft_has_one_real_matrix_for_all_frequencies():
    mix = synthesize("stereo2x2", seconds=3.0, sample_rate=16000)
    X = STFT(n_fft=512).analyze(mix.mixture)
    model = ICA().fit(X)
    assert model.W.shape == (1, 2, 2)
    assert model.W.dtype.kind == "f"
    assert model.reconstruct().dtype == X.dtype
    assert amari(model.W[0], mix.meta["mixing"]) < 0.02


def test_a_model_applies_to_other_frames_of_the_scene():
    _A, X = laplacian(3)
    model = ICA().fit(X[:, :, :15_000])
    Y = model.apply(X).reconstruct()
    assert_array_equal(Y[..., :15_000], model.reconstruct())
    assert_allclose(Y.sum(axis=0), X, atol=1e-10)


def test_a_matrix_for_each_frequency_is_applied_frequency_by_frequency():
    from sigsep_classic.factorizers.models import DemixingModel

    rng = np.random.default_rng(0)
    X = rng.standard_normal((2, 5, 7)) + 1j * rng.standard_normal((2, 5, 7))
    W = rng.standard_normal((5, 2, 2)) + 1j * rng.standard_normal((5, 2, 2))
    model = DemixingModel(W=W, A=np.linalg.inv(W), mixture=X, n_active=2)
    y = np.einsum("fnc,cft->nft", W, X)
    assert_allclose(model.sources, y, atol=1e-12)
    assert_allclose(model.reconstruct(), np.einsum("fcn,nft->ncft", model.A, y), atol=1e-10)


def test_a_fit_goes_on_from_a_model():
    _, X = laplacian(3)
    for solver in ("picard_o", "picard"):
        whole = ICA(solver=solver).fit(X)
        again = ICA(solver=solver).fit(X, start=whole)
        assert solver == "picard" or len(again.losses) < len(whole.losses)  # scales are found anew
        assert_allclose(again.W, whole.W, atol=1e-6)
    with pytest.raises(ShapeError, match="this mixture needs"):
        ICA().fit(X[:2], start=whole)


@pytest.mark.parametrize("flat", [1, 3])
def test_a_fit_that_goes_on_from_a_model_keeps_flat_sources(flat):
    A, X = laplacian(3, uniform=flat)
    whole = ICA().fit(X)
    again = ICA().fit(X, start=whole)
    assert amari(whole.W[0], A) < 0.03
    assert amari(again.W[0], np.linalg.inv(whole.W[0])) < 1e-4


def test_silence_goes_on_from_silence():
    whole = ICA().fit(np.zeros((2, 1, 50)))
    assert_array_equal(ICA().fit(np.zeros((2, 1, 50)), start=whole).W, whole.W)


def test_whole_numbers_are_taken_as_they_stand():
    X = np.random.default_rng(0).integers(-1000, 1000, (2, 1, 3000))
    model = ICA().fit(X)
    assert_allclose(model.reconstruct().sum(axis=0), X, atol=1e-9)
    assert_array_equal(model.W, ICA().fit(X.astype(float)).W)


@pytest.mark.parametrize("solver", ["picard", "infomax", "deflation", "jade"])
def test_a_search_that_did_not_end_is_told(solver, caplog):
    _, X = laplacian(3, 2000)
    assert ICA(solver=solver, n_iter=2000).fit(X).converged
    assert not caplog.records
    model = ICA(solver=solver, n_iter=1).fit(X)
    assert model.converged is (solver == "jade")
    assert sum("not converged after 1 iterations" in line for line in caplog.messages) == (solver != "jade")


def test_a_search_that_was_stopped_is_not_complained_of(caplog):
    _, X = laplacian(3, 2000)
    assert not ICA(solver="infomax").fit(X, callback=lambda i, _: i == 2).converged
    assert not caplog.records


def test_one_channel_is_one_source_and_says_so_once(caplog):
    ICA().fit(np.random.default_rng(0).laplace(size=(1, 1, 500)))
    assert caplog.messages == ["ica: one channel: one source; isa and scica take one microphone apart"]


def test_more_than_64_channels_need_fewer_sources():
    X = np.random.default_rng(0).laplace(size=(65, 1, 300))
    with pytest.raises(ShapeError, match="at most 64 can be told apart, give n_sources=64"):
        ICA().fit(X)
    assert ICA(n_sources=2).fit(X).n_components == 2


@pytest.mark.skipif(not enabled(), reason="NUMBA_DISABLE_JIT is set: the NumPy line makes Y")
@pytest.mark.parametrize("solver", ["infomax", "picard_o"])
def test_samples_are_not_copied(solver):
    _, X = laplacian(4, 100_000)
    method = ICA(solver=solver)
    assert method.fit(X).converged
    tracemalloc.start()
    try:
        method.fit(X)
        assert tracemalloc.get_traced_memory()[1] < 0.7 * X.nbytes
    finally:
        tracemalloc.stop()


def test_a_callback_sees_every_step_and_can_stop():
    _, X = laplacian(3)
    seen = []
    ICA(solver="infomax").fit(X, callback=lambda i, model: seen.append(model.W.shape) or i == 3)
    assert seen == [(1, 3, 3)] * 3


def test_wrong_values_are_refused_in_one_line():
    _, X = laplacian(2, 100)
    with pytest.raises(ShapeError, match="n_sources is 3, but there are 2 channels"):
        ICA(n_sources=3).fit(X)
    with pytest.raises(ShapeError, match="expected"):
        ICA().fit(X[0])
    with pytest.raises(NumericalError, match="not finite"):
        ICA().fit(X * np.nan)
    for options in ({"solver": "amuse"}, {"contrast": "tanh"}, {"n_sources": 0}, {"tol": -1}, {"n_lags": 0}):
        with pytest.raises(ParameterError, match=next(iter(options))):
            ICA(**options)
    with pytest.raises(ParameterError, match="logcosh only"):
        ICA(solver="infomax", contrast="cube")


# ---- sound


def test_two_synthetic_talkers_come_apart():
    mix = synthesize("stereo2x2", seconds=3.0)
    sep = separate_array(mix.mixture, mix.sample_rate, ICA(), frontend=Waveform())
    assert _best(list(mix.stems.values()), list(sep.values())) > 30


@pytest.mark.slow
def test_real_speech_and_music_mixed_by_a_matrix_come_apart():
    try:
        talk, rate = speech(8.0)
        other, _ = speech(16.0)
        music, _ = music_on_hold(seconds=16.0)
    except MissingRecordingError as missing:
        pytest.skip(f"recording not installed: {missing}")
    n = 8 * rate
    S = np.stack([talk[0, :n], other[0, -n:], music.mean(axis=0)[:n]])
    S = S / S.std(axis=1, keepdims=True)
    A = np.array([[1.0, 0.6, 0.4], [0.5, 1.0, -0.6], [0.3, 0.7, 1.0]])
    images = [A[:, [k]] * S[k] for k in range(3)]
    x = np.float32(sum(images))
    for frontend in (Waveform(), STFT()):
        sep = separate_array(x, rate, ICA(), frontend=frontend)
        assert _best(images, list(sep.values())) > 20


def _best(images, estimates):
    """Return the least SI-SDR over sources, each with the estimate that fits it best."""
    return min(max(float(si_sdr(image, y.astype(float)).min()) for y in estimates) for image in images)
