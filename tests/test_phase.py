"""Phase retrieval: what each paper says falls does fall, sums are kept, and librosa's iteration is ours."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import sigsep_classic as ssc
from sigsep_classic import phase
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.phase.rounds import Rounds

STFT = ssc.STFT(n_fft=256, hop=64)
N = 1600


def sounds(n_sources=3, channels=2, n_samples=N, seed=0):
    """Return images of decaying and of gliding sounds, (sources, channels, samples)."""
    rng, t = np.random.default_rng(seed), np.arange(n_samples)
    mono = [
        np.sin(0.1 * (k + 1.3) * t + 2e-5 * k * t**2) * np.exp(-((t * (k + 1)) % 700) / 300)
        for k in range(n_sources)
    ]
    return np.stack([np.outer(rng.uniform(0.3, 1, channels), s) for s in mono])


def problem(**options):
    images = sounds(**options)
    S = STFT.analyze(images)
    return images, S, STFT.analyze(images.sum(axis=0))


def two_sided(E):
    """Return the energy of spectra with their negative frequencies."""
    weights = np.full(E.shape[-2], 2.0)
    weights[[0, -1]] = 1
    return float((weights[:, None] * abs(E) ** 2).sum())


def falls(values):
    return all(b <= a * (1 + 1e-9) for a, b in itertools.pairwise(values))


# ---- rounds


@pytest.mark.parametrize("n_samples", [1, 63, 1000, 1600])
@pytest.mark.parametrize("ahead", [0.0, 0.4])
def test_rounds_in_blocks_are_transforms_there_and_back(n_samples, ahead):
    for stft in (STFT, ssc.STFT(n_fft=200, hop=60)):
        x = np.random.default_rng(0).standard_normal((2, 3, n_samples))
        V = np.random.default_rng(1).random(stft.analyze(x).shape)
        blocked, plain = Rounds(V, stft, n_samples), Rounds(V, stft, n_samples)
        plain.blocked = False
        a = b = x
        for _ in range(3):
            a, b = blocked(a, ahead=ahead), plain(b, ahead=ahead)
        assert_allclose(a, b, atol=1e-9)


# ---- Griffin and Lim


def test_the_inconsistency_of_griffin_and_lims_iteration_never_rises():
    V = abs(STFT.analyze(sounds()[0]))
    errors = [
        two_sided(abs(STFT.analyze(phase.griffin_lim(V, STFT, N, n_iter=k, momentum=0))) - V)
        for k in range(0, 16, 3)
    ]
    assert falls(errors)
    assert errors[-1] < 0.5 * errors[0]


def test_momentum_ends_lower():
    V = abs(STFT.analyze(sounds()[0]))
    ends = [
        two_sided(abs(STFT.analyze(phase.griffin_lim(V, STFT, N, n_iter=30, momentum=m))) - V)
        for m in (0, 0.99)
    ]
    assert ends[1] < ends[0]


@pytest.mark.parametrize("momentum", [0.0, 0.99])
@pytest.mark.parametrize("within", [1e-9])
def test_the_fast_iteration_is_librosas(momentum, within):
    librosa = pytest.importorskip("librosa")
    V = abs(STFT.analyze(sounds()[0]))
    theirs = librosa.griffinlim(
        V, n_iter=7, n_fft=256, hop_length=64, init=None, length=N, momentum=momentum, dtype=np.float64
    )
    assert_allclose(phase.griffin_lim(V, STFT, N, n_iter=7, momentum=momentum), theirs, rtol=0, atol=within)


def test_a_transform_is_a_fixed_point_of_all():
    _, S, X = problem()
    before = S.copy(), X.copy()
    for a in (S, X):
        a.flags.writeable = False
    V = abs(S)
    images = STFT.synthesize(S, N)
    assert_allclose(phase.griffin_lim(V, STFT, N, start=S, n_iter=5), images, atol=1e-9)
    assert_allclose(phase.misi(V, X, STFT, N, start=S, n_iter=5), images, atol=1e-9)
    for a, was in zip((S, X), before, strict=True):
        assert_array_equal(a, was)


# ---- MISI


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_misi_sums_to_the_mixture_and_its_error_never_rises(kind):
    _, S, X = problem()
    V, X = abs(S).astype(kind), X.astype(np.result_type(kind, np.complex64))
    errors = []
    for k in range(0, 12, 2):
        y = phase.misi(V, X, STFT, N, n_iter=k)
        assert y.dtype == kind
        assert_allclose(y.sum(axis=0), STFT.synthesize(X, N), atol=2e-6 if kind == "float32" else 1e-12)
        errors.append(two_sided(abs(STFT.analyze(y)) - V))
    assert falls(errors) if kind == "float64" else errors[-1] < errors[0]


def test_misi_with_true_magnitudes_beats_the_mixtures_phase():
    images, S, X = problem()
    error = [((phase.misi(abs(S), X, STFT, N, n_iter=k) - images) ** 2).sum() for k in (0, 30)]
    assert error[1] < 0.5 * error[0]


def test_one_source_is_the_mixture():
    _, _, X = problem()
    x = STFT.synthesize(X, N)
    for found in (
        phase.misi(abs(X)[None], X, STFT, N),
        phase.consistent_wiener(abs(X[None]) ** 2, X, STFT, N).y,
    ):
        assert_allclose(found[0], x, atol=1e-9)


# ---- consistent Wiener filtering


def test_without_a_price_on_inconsistency_the_consistent_wiener_filter_is_the_wiener_filter():
    _, S, X = problem()
    v = abs(S) ** 2 + 1e-3
    expected = STFT.synthesize(v / v.sum(axis=0) * X, N)
    assert_allclose(phase.consistent_wiener(v, X, STFT, N, consistency=0).y, expected, atol=1e-9)
    same = phase.consistent_wiener(v**0.5, X, STFT, N, power=1, consistency=0)
    assert_allclose(same.y, expected, atol=1e-9)


@pytest.mark.parametrize("consistency", [0.1, 10, 1e4])
def test_conjugate_gradients_lower_the_objective_in_each_step_and_keep_the_sum(consistency):
    _, S, X = problem()
    found = phase.consistent_wiener(abs(S) ** 2, X, STFT, N, consistency=consistency, n_iter=15)
    assert 5 < len(found.losses) <= 16  # they end where rounding is all that is left
    assert falls(found.losses)
    assert found.losses[-1] >= 0
    assert_allclose(found.y.sum(axis=0), STFT.synthesize(X, N), atol=1e-9)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_conjugate_gradients_stop_at_the_solution(kind):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        x = (0.1 * rng.standard_normal((2, 1))).astype(kind)
        X = STFT.analyze(x)
        V = rng.random((2, *X.shape)).astype(kind)
        y = phase.consistent_wiener(V, X, STFT, 1, power=1, n_iter=40).y
        assert_allclose(y.sum(axis=0), x, rtol=1e-4 if kind == "float32" else 1e-9)


def test_the_consistent_wiener_filter_solves_its_equations():
    """Small enough for a dense solver: sources of one channel, the quadratic written out over real numbers."""
    stft, n = ssc.STFT(n_fft=8, hop=4), 16
    rng = np.random.default_rng(0)
    X = stft.analyze(rng.standard_normal((1, n)))
    v = rng.uniform(0.5, 2, (2, *X.shape))
    gamma = 3.0 / (abs(X) ** 2).mean()
    weights = np.full(X.shape, 2.0)
    weights[:, [0, -1]] = 1
    weights = np.repeat(weights.ravel(), 2)
    mean = (v[0] / v.sum(axis=0) * X).ravel().view(float)

    def F(vector):
        S = vector.view(complex).reshape(X.shape)
        return (S - stft.analyze(stft.synthesize(S, n))).ravel().view(float)

    matrix = np.stack([F(e) for e in np.eye(len(mean))], axis=1)  # with S_2 = X - S_1, F(X) = 0
    A = (
        weights * np.repeat((1 / v[0] + 1 / v[1]).ravel(), 2) * np.eye(len(mean))
        + 2 * gamma * weights[:, None] * matrix
    )
    d = np.linalg.lstsq(A, -2 * gamma * weights * F(mean), rcond=None)[0]
    expected = stft.synthesize((mean + d).view(complex).reshape(X.shape), n)
    found = phase.consistent_wiener(v, X, stft, n, consistency=3.0, n_iter=60)
    assert_allclose(found.y[0], expected, atol=1e-6)


@pytest.mark.parametrize("level", [2.0**-20, 2.0**20])
def test_phases_do_not_depend_on_the_level(level):
    _, S, X = problem()
    V = abs(S)
    for call in (
        lambda V, X: phase.misi(V, X, STFT, N, n_iter=2),
        lambda V, X: phase.consistent_wiener(V, X, STFT, N, power=1, n_iter=3).y,
        lambda V, X: STFT.synthesize(phase.unwrapped(V, X, STFT), N),
    ):
        assert_allclose(call(V * level, X * level) / level, call(V, X), atol=1e-8)


# ---- unwrapped phases


def test_the_frequency_of_a_sinusoid_rules_all_bins():
    bins = 20.3
    x = np.cos(2 * math.pi * bins / 256 * np.arange(4 * N))[None]
    V = abs(STFT.analyze(x))
    inside = phase.frequencies(V)[0, 15:26, 10:-10]
    assert_allclose(inside, np.full(inside.shape, bins), atol=0.05)


def test_the_phase_of_a_sinusoid_goes_on_as_its_own():
    x = np.cos(2 * math.pi * 20.0 / 256 * np.arange(N))[None]
    S = STFT.analyze(x)
    Y = phase.unwrapped(abs(S)[None], S, STFT, n_iter=0)[0]
    assert_allclose(Y[:, :, 0], S[:, :, 0], atol=1e-9)
    turns = [(Z[:, 19:22, 6:-4] / Z[:, 19:22, 5:-5]) for Z in (Y, S)]
    assert_allclose(*turns, atol=1e-6)


def test_unwrapped_sources_have_their_magnitudes_and_come_near_the_mixture():
    _, S, X = problem()
    V = abs(S)
    missed = []
    for n_iter in (0, 20):
        Y = phase.unwrapped(V, X, STFT, n_iter=n_iter)
        assert_allclose(abs(Y), V, atol=1e-10)
        missed.append(two_sided(X - Y.sum(axis=0)))
    assert missed[1] < 0.1 * missed[0]


# ---- edges


@pytest.mark.parametrize("name", ["misi", "consistent_wiener", "unwrapped"])
def test_silence_and_one_frame_come_out_finite_and_what_does_not_fit_is_refused(name):
    def call(V, X, n):
        found = getattr(phase, name)(V, X, STFT, *(() if name == "unwrapped" else (n,)))
        return getattr(found, "y", found)

    assert_array_equal(call(np.zeros((2, 1, 129, 26)), np.zeros((1, 129, 26), complex), N).real.max(), 0)
    X = STFT.analyze(np.ones((1, 1)))
    assert np.isfinite(call(abs(X)[None].repeat(2, 0) / 2, X, 1)).all()
    with pytest.raises(ShapeError, match="V has shape"):
        call(np.ones((2, 1, 129, 25)), np.zeros((1, 129, 26), complex), N)


def test_wrong_numbers_and_front_ends_are_refused():
    _, S, X = problem()
    V = abs(S)
    with pytest.raises(ParameterError, match="works on an STFT, not Waveform"):
        phase.consistent_wiener(V, X, ssc.Waveform(), N)
    with pytest.raises(ParameterError, match="momentum"):
        phase.griffin_lim(V, STFT, N, momentum=2)
    with pytest.raises(ParameterError, match="onset"):
        phase.unwrapped(V, X, STFT, onset=0.5)
    with pytest.raises(ShapeError, match="start has shape"):
        phase.misi(V, X, STFT, N, start=X)


# ---- as a stage of separate


@pytest.mark.parametrize("name", phase.PHASES)
@pytest.mark.parametrize("mask", [None, "wiener"])
def test_stems_of_every_phase_add_up_but_griffin_and_lims(name, mask):
    x = sounds().sum(axis=0).astype(np.float32)
    sep = ssc.separate(x, 8000, method="hpss", frontend=STFT, phase=name, mask=mask)
    rest = np.abs(sep.residual).max()
    assert sep.phase == name
    assert sep["harmonic"].dtype == np.float32
    assert rest < 1e-6 if name != "griffin_lim" else rest > 1e-3
    if name == "mixture":
        plain = ssc.separate(x, 8000, method="hpss", frontend=STFT, mask=mask)
        assert_array_equal(sep["harmonic"], plain["harmonic"])


def test_phases_are_given_anew_with_other_groups():
    x = sounds().sum(axis=0)
    sep = ssc.separate(
        x, 8000, method=ssc.NMF(n_components=3, n_iter=5), frontend=STFT, groups={"a": [0], "b": [1, 2]}
    )
    again = sep.regroup({"a": [0, 1]}, phase="misi")
    assert list(again) == ["a"]
    assert again.phase == "misi"
    assert_allclose(sep.regroup(mask="multichannel_wiener", phase="misi").residual, 0 * x, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"phase": "misj"}, "did you mean 'misi'"),
        ({"phase": "misi", "mask": "mvdr"}, "phases of its own"),
        ({"phase": "misi", "frontend": ssc.Waveform()}, "not Waveform"),
        ({"phase": "misi", "method": "ica"}, "not Waveform"),
        ({"phase": "unwrapped", "mask": "multichannel_wiener"}, "misi and griffin_lim start from"),
    ],
)
def test_phases_that_make_no_sense_are_refused(options, said):
    with pytest.raises(ParameterError, match=said):
        ssc.separate(sounds().sum(axis=0), 8000, **options)
