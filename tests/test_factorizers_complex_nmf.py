"""Complex NMF is the algorithm of its papers, never goes uphill, and gives estimates that add up to the mixture."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from benchmarks.complex_nmf import textbook
from sigsep_classic import NMF, STFT, ComplexNMF, synthesize
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.factorizers import base
from sigsep_classic.factorizers.lowrank import complex_start
from sigsep_classic.factorizers.lowrank.consistency import Consistency
from sigsep_classic.kernels.beta_nmf import multiplicative_update
from sigsep_classic.kernels.complex_nmf import complex_nmf
from sigsep_classic.kernels.jit import enabled
from sigsep_classic.pipeline import separate_array
from tests.reference import complex_nmf as reference

FRONTEND = STFT(n_fft=128, hop=32)


def coefficients(real="float64", *, n_samples=2000, variant="stereo2x2"):
    x = synthesize(variant, seconds=1.0, sample_rate=8000).mixture[:, 1600 : 1600 + n_samples]
    return FRONTEND.analyze(x.astype(real))


def templates(n_freq=65):
    rng = np.random.default_rng(1)
    return {"low": rng.random((n_freq, 3)), "high": rng.random((n_freq, 2))}


KINDS = {
    "components": {"sparsity": 0.0},
    "sources": {"n_phases": 2, "sparsity": 0.0, "phase_spread": 1.0},
    "sparse": {"sparsity": 0.3, "exponent": 0.7},
    "sparse sources": {"sparsity": 0.3, "exponent": 1.4, "n_phases": 2},
    "power": {"sparsity": 0.1, "exponent": 2.0},
    "consistent": {"consistency": 0.5, "n_phases": 2},
    "consistent and sparse": {"consistency": 2.0, "sparsity": 0.2, "phase_spread": 0.3},
    "half known": {"templates": templates()},
    "known": {"templates": templates(), "n_components": 0, "phase_spread": 0.2},
}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def kind(request):
    """Each kind of method, as parameters."""
    return {"n_components": 5, "n_iter": 15, "tol": 0, "frontend": FRONTEND, **request.param}


# ---- the algorithm


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("n_phases", [None, 2, 1])
def test_it_is_the_textbook_with_every_auxiliary_variable(n_phases, channels):
    """With two channels the textbook has templates of both; then only the first H and phases are the same."""
    X = coefficients(n_samples=400)[:channels, 1:12]
    method = ComplexNMF(n_components=3, n_phases=n_phases, n_iter=4, sparsity=0.0)
    data = method.prepare(X)
    model = method.init(data)
    owners = np.repeat(np.arange(len(model.starts) - 1), np.diff(model.starts))
    y = (data.Y * data.level).transpose(0, 2, 1).reshape(-1, X.shape[-1])
    u = (model.planes[:, :, 0] + 1j * model.planes[:, :, 1]).transpose(1, 2, 0)
    W, H = model.rows.T, np.array(model.H)
    for _ in range(method.n_iter if channels == 1 else 1):
        model = method.step(data, model)
        W, H, u = reference.iteration(y, W, H, u, owners)
        assert_allclose(model.H, H, rtol=1e-9)
        if channels == 1:
            assert_allclose(model.W, W, rtol=1e-9)
    turned = model.planes[:, :, 0] + 1j * model.planes[:, :, 1]
    assert_allclose(turned.transpose(1, 2, 0), u, atol=1e-7)


def test_from_the_phases_of_the_mixture_it_is_euclidean_nmf_of_the_magnitudes():
    rng = np.random.default_rng(0)  # no small magnitude, which would let rounding grow: see the next test
    X = rng.uniform(0.5, 1.5, (1, 30, 40)) * np.exp(1j * rng.uniform(0, 2 * np.pi, (1, 30, 40)))
    method = ComplexNMF(n_components=3, phase_spread=0.0, sparsity=0.0)
    data = method.prepare(X)
    model = method.init(data)
    V = abs(X[0]) * data.level
    W, H = model.W.copy(), model.H.T.copy().T
    for _ in range(5):
        model = method.step(data, model)
        for factor in "HW":
            multiplicative_update(V, W, H, factor=factor, beta=2.0, exponent=1.0)
        assert_allclose(model.W, W, rtol=1e-10)
        assert_allclose(model.H, H, rtol=1e-10)
    for source in range(3):
        assert_allclose(model.phases(source) * abs(X), X, rtol=1e-8)


def test_an_error_in_the_phases_of_the_mixture_grows_where_the_model_is_too_large():
    """Turned by δ, one of several aligned phases is next turned by δ (1 − w h / X) X / |Y|."""
    Y, parts, delta = 0.25, np.array([1.0, 0.5, 0.5]), 1e-6
    angles = np.array([delta, 0.0, 0.0])
    U = np.stack([np.cos(angles), np.sin(angles)], axis=1)[None, :, :, None]
    complex_nmf(
        np.full((1, 1, 1), Y + 0j), parts[:, None].copy(), np.ones((1, 3)), U, (0, 1, 2, 3), learn=False
    )
    X = parts.sum()
    assert_allclose(U[0, 0, 1, 0], delta * (1 - parts[0] / X) * X / Y, rtol=1e-5)


@pytest.mark.parametrize("real", ["float32", "float64"])
def test_rounding_moves_phases_of_the_textbook_but_none_of_ours(real):
    """Equal phases remain equal to the bit here; with Ȳ of each component they differ, and differences grow."""
    X = coefficients(real, variant="song")[:1, :, 4:-4]
    method = ComplexNMF(n_components=5, phase_spread=0.0, sparsity=0.0, n_iter=20, tol=0)
    data = method.prepare(X)
    start = method.init(data)
    u = np.stack([start.phases(j)[0] for j in range(5)])
    W, H = start.W.copy(), np.array(start.H)
    for _ in range(20):
        W, H, u = textbook(X[0] * X.real.dtype.type(data.level), W, H, u)

    def moved(u):
        return ((u * X.conj()).real < np.cos(0.1) * abs(X)).mean()

    model = method.fit(X)
    assert moved(u) > 0.2
    assert moved(np.stack([model.phases(j)[0] for j in range(5)])) == 0


@pytest.mark.parametrize("real", ["float32", "float64"])
def test_the_loss_never_rises(kind, real):
    method = ComplexNMF(**kind)
    X = coefficients(real)
    data = method.prepare(X)
    losses = [method.loss(data, model) for model in method.iterate(X)]
    assert losses[-1] < 0.6 * losses[0]
    slack = (1e-12 if real == "float64" else 1e-6) * losses[0]
    assert all(after <= before + slack for before, after in pairwise(losses))


def test_examples_are_learnt_as_by_euclidean_nmf():
    """One source has the phases of the mixture after one update, whatever it had before."""
    X = coefficients()[:1]
    method = ComplexNMF(n_components=3, n_phases=1, sparsity=0.0, n_iter=8, tol=0)
    W = [ComplexNMF(**{**vars(method), "phase_spread": spread}).fit(X).W for spread in (0.0, 1e-6)]
    assert_allclose(W[0], W[1], rtol=1e-3)
    taught = ComplexNMF(n_components=1, n_templates=3, sparsity=0.0, n_iter=8, tol=0).with_examples({"it": X})
    assert_allclose(taught.templates["it"], W[0], rtol=1e-9)
    assert taught.fit(X).stems == {"it": [0, 1, 2], "rest": [3]}


def test_the_loss_is_the_objective_written_out(kind):
    method = ComplexNMF(**{**kind, "n_iter": 2})
    X = coefficients()
    data = method.prepare(X)
    *_, model = method.iterate(X)
    parts = model.model_of(model.stems)
    expected = 0.5 * (abs(X - parts.sum(axis=0)) ** 2).sum()
    sums = model.gains.sum(axis=0) * model.W.sum(axis=0)
    p, scale = method.exponent, abs(X).sum() / X.shape[2]
    weight = method.sparsity * (abs(X) ** 2).sum() / (2 * X.shape[2] * scale**p)
    expected += weight * ((model.H.T / model.level * sums) ** p).sum()
    if method.consistency:
        distance = Consistency(stft=FRONTEND, n_frames=X.shape[2])
        expected += method.consistency / 2 * sum(distance.distance(S.swapaxes(-1, -2)) for S in parts)
    assert_allclose(method.loss(data, model), expected, rtol=1e-9)


def test_sparsity_leaves_fewer_activations():
    def active(**options):
        H = ComplexNMF(n_components=6, n_phases=2, n_iter=60, tol=0, **options).fit(coefficients()).H
        return (0.01 * H.max() < H).mean()

    assert active(sparsity=0.5, exponent=0.5) < 0.7 * active(sparsity=0.0)


# ---- consistency


def test_synthesis_then_analysis_is_the_orthogonal_projection_on_transforms():
    rng = np.random.default_rng(0)
    for stft in (FRONTEND, STFT(n_fft=63, hop=20)):
        distance = Consistency(stft=stft, n_frames=12)
        S = rng.standard_normal((12, stft.n_bins)) + 1j * rng.standard_normal((12, stft.n_bins))
        G = distance.project(S)
        assert_allclose(distance.project(G), G, atol=1e-12)
        other = stft.analyze(rng.standard_normal(distance.n_samples)).swapaxes(-1, -2)
        assert_allclose((distance.weights * ((S - G) * other.conj()).real).sum(), 0, atol=1e-9)
        assert_allclose(distance.distance(G), 0, atol=1e-20)


def test_the_penalty_brings_sources_nearer_to_transforms_of_signals():
    def distance(weight):
        X = coefficients()
        method = ComplexNMF(
            n_components=4, n_phases=2, n_iter=30, tol=0, consistency=weight, frontend=FRONTEND
        )
        model = method.fit(X)
        parts = model.model_of(model.stems).swapaxes(-1, -2)
        return sum(Consistency(stft=FRONTEND, n_frames=X.shape[2]).distance(S) for S in parts)

    assert distance(1.0) < 0.5 * distance(0.0)


def test_separate_tells_it_the_front_end():
    x = synthesize("song", seconds=0.5, sample_rate=8000).mixture
    method = ComplexNMF(n_components=2, n_phases=2, n_iter=2, consistency=1.0)
    sep = separate_array(x, 8000, method, frontend=FRONTEND)
    assert list(sep) == ["source1", "source2"]
    with pytest.raises(ParameterError, match="frontend is None"):
        method.fit(FRONTEND.analyze(x))
    with pytest.raises(ParameterError, match="65 bins, X has 60"):
        ComplexNMF(consistency=1.0, frontend=FRONTEND).fit(FRONTEND.analyze(x)[:, :60])


# ---- the model


def test_estimates_add_up_to_the_mixture_also_where_the_model_is_zero(kind):
    X = coefficients()
    X[:, :, 3], X[0, 7], X[:, 10, 5] = 0, 0, 0
    model = ComplexNMF(**kind).fit(X)
    model.H[:, 9] = 0
    Y = model.reconstruct({"a": [0, 2], "b": [1], "c": range(3, model.n_components)})
    assert_allclose(Y.sum(axis=0), X, atol=1e-12 * abs(X).max())
    assert_allclose(Y[..., 3], 0, atol=1e-12)


def test_an_estimate_is_the_auxiliary_variable_of_the_paper():
    X = coefficients(n_samples=200)[:1, 1:6]
    model = ComplexNMF(n_components=3, n_iter=5, tol=0).fit(X)
    u = np.stack([model.phases(j)[0] for j in range(3)])
    _, bar = reference.auxiliaries(X[0], model.rows.T, model.H, u, np.arange(3))
    assert_allclose(model.reconstruct()[:, 0], bar, rtol=1e-9)


def test_the_plain_model_leaves_the_rest_of_the_mixture_out():
    X = coefficients()
    method = ComplexNMF(n_components=4, n_iter=5, tol=0, sparsity=0.0)
    model = method.fit(X)
    rest = X - model.model_of().sum(axis=0)
    assert_allclose(0.5 * (abs(rest) ** 2).sum(), method.loss(method.prepare(X), model), rtol=1e-9)


def test_scales_are_where_the_model_says():
    model = ComplexNMF(n_components=4, n_iter=5, tol=0).fit(coefficients())
    assert_allclose(model.W.sum(axis=0), 1)
    assert_allclose((model.gains**2).mean(axis=0), 1)
    assert_array_equal(model.spectra, model.W)
    assert_allclose(model.energies.sum(), abs(model.rows.T @ model.H).sum())


def test_phases_are_numbers_of_size_one(kind):
    model = ComplexNMF(**kind).fit(coefficients("float32"))
    for j in range(len(model.starts) - 1):
        assert_allclose(abs(model.phases(j)), 1, rtol=1e-6)


def test_the_level_changes_nothing_but_the_level(kind):
    X = coefficients("float32")
    model, quiet = (ComplexNMF(**kind).fit(X * np.float32(scale)) for scale in (1, 2.0**-30))
    assert_array_equal(quiet.W, model.W)
    assert_array_equal(quiet.planes, model.planes)
    assert_array_equal(quiet.H, model.H * np.float32(2.0**-30))


@pytest.mark.parametrize("real", ["float32", "float64"])
def test_any_number_of_threads_gives_the_same_bits(kind, real, monkeypatch):
    results = []
    for threads in (1, 2, 4):
        monkeypatch.setenv("SIGSEP_NUM_THREADS", str(threads))
        model = ComplexNMF(**{**kind, "n_iter": 5}).fit(coefficients(real))
        results.append((model.W, model.H, model.gains, model.planes, model.reconstruct()))
    for other in results[1:]:
        for one, many in zip(results[0], other, strict=True):
            assert_array_equal(one, many)


def test_a_real_signal_has_signs_for_phases():
    x = synthesize("song", seconds=0.1, sample_rate=8000).mixture[:, None, :]
    model = ComplexNMF(n_components=3, n_iter=5, tol=0).fit(x)
    assert_allclose(abs(model.planes[:, :, 0]), 1, rtol=1e-6)
    assert_array_equal(model.planes[:, :, 1], 0)
    assert model.reconstruct().dtype == x.dtype


@pytest.mark.parametrize("scale", [2.0**-45, 2.0**-10])
@pytest.mark.parametrize("options", [{}, {"n_phases": 2, "sparsity": 0.0}])
def test_estimates_of_a_quiet_recording_are_the_quiet_estimates(options, scale):
    """Bins spread over 120 dB: one floor for all levels would take the softest, or all, for silence."""
    rng = np.random.default_rng(0)
    X = coefficients("float32") * (10 ** -(rng.uniform(0, 6, (2, 65, 1)))).astype(np.float32)
    method = ComplexNMF(n_components=4, n_iter=10, tol=0, **options)
    loud, quiet = (method.fit(X * np.float32(s)) for s in (1, scale))
    groups = {"a": [0, 3], "b": [1, 2]}
    for Y, Z in ((m.reconstruct(groups), m.model_of(groups)) for m in (loud,)):
        assert_allclose(quiet.reconstruct(groups) / np.float32(scale), Y, rtol=1e-5)
        assert_allclose(quiet.model_of(groups) / np.float32(scale), Z, rtol=1e-5)


def test_where_the_model_is_zero_silent_components_have_no_share():
    X = coefficients()
    model = ComplexNMF(n_components=4, n_iter=5, tol=0).fit(X)
    model.H[2] = 0  # silent throughout
    model.W[20] = 0  # a bin the model leaves alone
    model.H[3, 5] = 0  # silent in this frame
    model.H[:, 9] = 0  # a frame the model leaves alone
    Y = model.reconstruct()
    assert_allclose(Y.sum(axis=0), X, atol=1e-12 * abs(X).max())
    assert_array_equal(Y[2], 0)
    assert_array_equal(Y[3, ..., 5], 0)
    sized = model.energies
    assert_allclose(Y[:, :, :, 9], (sized / sized.sum())[:, None, None] * X[..., 9], rtol=1e-9)


@pytest.mark.parametrize("real", ["float32", "float64"])
def test_a_single_component_is_enough_for_two_channels(real):
    X = coefficients(real)
    model = ComplexNMF(n_components=1, n_iter=5).fit(X)
    assert_allclose(model.reconstruct()[0], X, atol=1e-6 * abs(X).max())
    taught = ComplexNMF(n_components=1, n_templates=1, n_iter=5).with_examples({"it": X})
    assert taught.templates["it"].shape == (65, 1)


def test_silence_is_taken_and_given():
    model = ComplexNMF(n_components=3).fit(np.zeros((2, 9, 12), np.complex64))
    assert_array_equal(model.reconstruct(), 0)


# ---- memory


@pytest.mark.skipif(not enabled(), reason="NUMBA_DISABLE_JIT is set: the NumPy line has larger tiles")
@pytest.mark.parametrize("n_phases", [None, 4])
def test_beside_the_phases_an_iteration_takes_next_to_nothing(n_phases, monkeypatch):
    monkeypatch.setenv("SIGSEP_NUM_THREADS", "1")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1, 257, 1200)).astype(np.float32) * np.complex64(1j)
    method = ComplexNMF(n_components=16, n_phases=n_phases, n_iter=2, tol=0)
    method.fit(X[:, :, :20])
    data = method.prepare(X)
    model = method.init(data)
    tracemalloc.start()
    method.step(data, model)
    method.loss(data, model)
    extra = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert extra < 0.1 * model.planes.nbytes


# ---- what is known beforehand


def test_given_templates_are_kept_and_name_the_stems():
    known = templates()
    model = ComplexNMF(n_components=2, n_iter=5, templates=known).fit(coefficients())
    given = np.concatenate(list(known.values()), axis=1)
    assert_allclose(model.W[:, :5], given / given.sum(axis=0), rtol=1e-12)
    assert model.stems == {"low": [0, 1, 2], "high": [3, 4], "rest": [5, 6]}
    assert model.planes.shape[1] == 3


def test_with_templates_alone_only_activations_gains_and_phases_are_found():
    known = templates()
    for channels in (1, 2):
        model = ComplexNMF(n_components=0, n_iter=5, templates=known).fit(coefficients()[:channels])
        given = np.concatenate(list(known.values()), axis=1)
        assert_allclose(model.W, given / given.sum(axis=0), rtol=1e-12)


def test_it_begins_where_nmf_ended():
    X = coefficients()
    nmf = NMF(n_components=4, n_iter=30).fit(X)
    method = ComplexNMF(n_components=4, n_iter=0)
    model = method.fit(X, start=nmf)
    assert_allclose(model.W, nmf.W)
    assert_allclose(model.H, nmf.H)
    again = ComplexNMF(n_components=4, n_iter=3, tol=0)
    part = again.fit(X)
    assert_allclose(
        again.fit(X, start=part).W, ComplexNMF(n_components=4, n_iter=6, tol=0).fit(X).W, rtol=1e-6
    )


def test_a_start_that_does_not_fit_is_refused():
    X = coefficients()
    method = ComplexNMF(n_components=4)
    with pytest.raises(ParameterError, match=r"start is a dict; give a model with W \(freq, components\)"):
        method.fit(X, start={"W": 1})
    for factor, entry in (("W", -1.0), ("H", np.nan), ("gains", np.inf), ("planes", np.nan)):
        start = ComplexNMF(n_components=4, n_iter=1).fit(X)
        getattr(start, factor).flat[0] = entry
        with pytest.raises(ParameterError, match=f"start: {factor} has entries"):
            method.fit(X, start=start)
    with pytest.raises(ShapeError, match="start has W"):
        ComplexNMF(n_components=3).fit(X, start=NMF(n_components=4, n_iter=1).fit(X))
    with pytest.raises(ParameterError, match="power 2"):
        ComplexNMF(n_components=4).fit(X, start=NMF(n_components=4, n_iter=1, power=2).fit(X))


def test_an_array_of_the_host_is_brought_to_the_device_of_the_data(monkeypatch):
    """CuPy takes no NumPy array into a slice, nor gives one away unasked."""
    X = coefficients()
    start = NMF(n_components=4, n_iter=1).fit(X)
    brought = []

    class Other:
        """NumPy under another name."""

        def __getattr__(self, name):
            return getattr(np, name)

        def asarray(self, array, **options):
            brought.append(type(array))
            return np.asarray(array, **options)

    monkeypatch.setattr(base, "namespace", lambda x: Other())
    got = complex_start.adopted("W", start.W, like=start.W.astype(np.float32))
    assert brought == [np.ndarray]
    assert got.dtype == np.float32


def test_silent_examples_and_those_of_other_axes_are_refused():
    method = ComplexNMF(n_components=1, n_templates=2, n_iter=1)
    with pytest.raises(ParameterError, match="'drums' is silent"):
        method.with_examples({"drums": np.zeros((1, 65, 9), np.complex64)})
    with pytest.raises(ParameterError, match=r"'drums' has shape \(65, 9\)"):
        method.with_examples({"drums": np.ones((65, 9))})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_components": -1}, "n_components is -1"),
        ({"n_components": 2, "n_phases": 3}, "n_phases is 3"),
        ({"n_phases": 0}, "n_phases is 0"),
        ({"n_phases": 2, "templates": templates()}, "n_phases is for components without names"),
        ({"exponent": 0.0}, "exponent is 0"),
        ({"exponent": 2.5}, "exponent is 2.5"),
        ({"sparsity": -1}, "sparsity is -1"),
        ({"consistency": -1}, "consistency is -1"),
        ({"phase_spread": 1.1}, "phase_spread is 1.1"),
    ],
)
def test_a_wrong_parameter_is_named(options, said):
    with pytest.raises(ParameterError, match=said):
        ComplexNMF(**options)


def test_no_component_at_all_is_refused():
    with pytest.raises(ParameterError, match="n_components is 0"):
        ComplexNMF(n_components=0).fit(coefficients())


def test_coefficients_that_are_no_numbers_are_refused():
    with pytest.raises(NumericalError, match="X is not finite: 12 of its coefficients"):
        ComplexNMF().fit(np.full((1, 3, 4), np.nan + 0j))
    with pytest.raises(ShapeError, match="expected"):
        ComplexNMF().fit(np.zeros((1, 0, 4), complex))
    with pytest.raises(ShapeError, match="expected"):
        ComplexNMF().fit(np.zeros((3, 4), complex))
