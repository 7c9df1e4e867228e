import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import butter, sosfilt

from sigsep_classic.errors import ArrayTypeError, NumericalError, ParameterError, ShapeError
from sigsep_classic.metrics import bss_eval_sources, snr


def _sources(n=3, samples=6000, seed=0):
    """Coloured noise whose level changes, as speech has."""
    rng = np.random.default_rng(seed)
    levels = np.repeat(rng.gamma(1.0, size=(n, samples // 200 + 1)), 200, axis=1)[:, :samples]
    white = rng.laplace(size=(n, samples)) * levels
    return np.stack([np.convolve(x, rng.standard_normal(6))[:samples] for x in white])


def _estimates(references, seed=1):
    rng = np.random.default_rng(seed)
    mixing = np.eye(len(references)) + 0.2 * rng.standard_normal((len(references),) * 2)
    return mixing @ references + 0.1 * rng.standard_normal(references.shape)


@pytest.mark.parametrize("n", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("within", [1e-9])
def test_scores_are_those_of_mir_eval(n, within):
    separation = pytest.importorskip("mir_eval.separation")
    references = _sources(n)
    estimates = _estimates(references)[::-1]
    ours = bss_eval_sources(references, estimates)
    with pytest.warns(FutureWarning):
        theirs = separation.bss_eval_sources(references, estimates)
    assert_allclose(ours.sdr, theirs[0], rtol=0, atol=within)
    assert_allclose(ours.sar, theirs[2], rtol=0, atol=within)
    assert ours.permutation.tolist() == theirs[3].tolist()
    if n > 1:  # one source has no interference: infinite, or what rounding leaves
        assert_allclose(ours.sir, theirs[1], rtol=0, atol=within)


def _by_qr(references, estimate, taps):
    """Energies of an estimate on the first source, on all, and its own, by orthogonal bases of delayed sources."""
    n, samples = references.shape
    delayed = np.zeros((n, taps, samples + taps - 1))
    for k in range(taps):
        delayed[:, k, k : k + samples] = references
    padded = np.pad(estimate, (0, taps - 1))
    own, joint = (np.linalg.qr(x.reshape(-1, x.shape[-1]).T)[0].T @ padded for x in (delayed[:1], delayed))
    return own @ own, joint @ joint, padded @ padded


@pytest.mark.parametrize(("cutoff", "tolerance"), [(0.9, 1e-6), (0.5, 0.05)])
def test_energies_are_those_of_projections_on_delayed_sources(cutoff, tolerance):
    # Of band-limited sources, delays depend on each other; QR meets the root of their correlations' condition.
    sos = butter(6, cutoff, output="sos")
    references = sosfilt(sos, _sources(2, 3000))
    estimate = references[0] + 0.1 * _sources(1, 3000, seed=2)[0]
    own, joint, energy = _by_qr(references, estimate, 64)
    found = bss_eval_sources(references, np.stack([estimate, references[1]]), filter_length=64)
    assert_allclose(found.sdr[0], 10 * np.log10(own / (energy - own)), atol=1e-6)
    assert_allclose(found.sir[0], 10 * np.log10(own / (joint - own)), atol=tolerance)
    assert_allclose(found.sar[0], 10 * np.log10(joint / (energy - joint)), atol=tolerance)


def test_a_filter_of_the_allowed_length_does_no_harm_and_a_longer_one_does():
    references = _sources(2)
    short, long = (
        np.stack([np.convolve(x, taps)[:6000] for x in references])
        for taps in ([1, 0.5], [1] + [0] * 40 + [1])
    )
    assert (bss_eval_sources(references, short, filter_length=32).sdr > 40).all()
    assert (bss_eval_sources(references, long, filter_length=32).sdr < 10).all()


def test_one_tap_and_one_source_is_si_sdr():
    reference, noise = _sources(2)
    estimate = 0.3 * reference + noise
    alpha = reference @ estimate / (reference @ reference)
    expected = snr(alpha * reference, estimate)
    assert_allclose(bss_eval_sources(reference[None], estimate[None], filter_length=1).sdr, expected)


def test_scores_do_not_depend_on_the_levels_of_references_and_estimates():
    references = _sources(2)
    estimates = _estimates(references)
    expected = bss_eval_sources(references, estimates, filter_length=64)
    scaled = bss_eval_sources(
        references * np.array([[1e-6], [32768.0]]), estimates * np.array([[1e5], [1e-7]]), filter_length=64
    )
    for one, other in zip(expected, scaled, strict=True):
        assert_allclose(one, other, atol=1e-8)


def test_more_estimates_than_sources_leave_some_over():
    references = _sources(2)
    estimates = np.stack([_sources(1, seed=9)[0], references[1] + 0.1 * references[0], references[0]])
    found = bss_eval_sources(references, estimates, filter_length=16)
    assert found.permutation.tolist() == [2, 1]
    assert found.sdr.shape == (2,)


def test_without_permuting_estimates_stay_in_their_order():
    references = _sources(2)
    found = bss_eval_sources(references, references[::-1], filter_length=16, permute=False)
    assert found.permutation.tolist() == [0, 1]
    assert (found.sdr < 0).all()


def test_a_silent_reference_is_undefined_and_changes_no_other_score():
    references = _sources(3)
    estimates = _estimates(references)
    alone = bss_eval_sources(references[:2], estimates[:2], filter_length=32)
    references[2] = 0
    found = bss_eval_sources(references, estimates, filter_length=32, permute=False)
    assert np.isnan([found.sdr[2], found.sir[2], found.sar[2]]).all()
    assert_allclose(found.sdr[:2], alone.sdr)
    assert_allclose(found.sir[:2], alone.sir)


def test_a_silent_estimate_is_undefined():
    references = _sources(2)
    estimates = np.stack([np.zeros(6000), references[0]])
    found = bss_eval_sources(references, estimates, filter_length=32)
    assert found.permutation.tolist() == [1, 0]
    assert np.isnan(found.sdr[1])
    assert np.isnan(bss_eval_sources(references, 0 * references, filter_length=4).sdr).all()


def test_a_silent_estimate_to_spare_is_given_to_no_source():
    references = _sources(2)
    estimates = np.stack([np.zeros(6000), *_estimates(references)])
    assert bss_eval_sources(references, estimates, filter_length=8).permutation.tolist() == [1, 2]


def test_references_that_depend_on_each_other_give_finite_sdr():
    reference = _sources(1)
    references = np.concatenate([reference, 2 * reference])
    estimates = _estimates(references)
    found = bss_eval_sources(references, estimates, filter_length=32)
    assert np.isfinite(found.sdr).all()
    tones = np.sin(np.arange(6000) * np.array([[0.1], [0.2]]))
    assert np.isfinite(bss_eval_sources(tones, _estimates(tones), filter_length=64).sdr).all()


def test_inputs_are_not_written_to():
    references = _sources(2)
    estimates = _estimates(references)
    copies = references.copy(), estimates.copy()
    bss_eval_sources(references, estimates, filter_length=8)
    assert (references == copies[0]).all()
    assert (estimates == copies[1]).all()


def test_float32_and_integers_are_taken():
    references = np.round(1000 * _sources(2))
    estimates = np.round(_estimates(references))
    expected = bss_eval_sources(references, estimates, filter_length=8).sdr
    assert_allclose(
        bss_eval_sources(references.astype(np.float32), estimates.astype(np.int32), filter_length=8).sdr,
        expected,
    )


def test_what_does_not_fit_is_refused():
    x = _sources(2)
    with pytest.raises(ShapeError, match="one length"):
        bss_eval_sources(x, x[:, 1:])
    with pytest.raises(ShapeError, match="an estimate a source"):
        bss_eval_sources(x, x[:1])
    with pytest.raises(ShapeError, match="sources, samples"):
        bss_eval_sources(x[0], x[0])
    with pytest.raises(ArrayTypeError, match="real"):
        bss_eval_sources(x, x * 1j)
    for pair in ((list(x), x), (x, list(x)), (x, None)):
        with pytest.raises(ArrayTypeError, match=r"give an array \(sources, samples\)"):
            bss_eval_sources(*pair)
    with pytest.raises(ParameterError, match="filter_length"):
        bss_eval_sources(x, x, filter_length=0)
    bad = x.copy()
    bad[0, 3] = np.nan
    for pair in ((bad, x), (x, bad)):
        with pytest.raises(NumericalError, match="NaN"):
            bss_eval_sources(*pair)
