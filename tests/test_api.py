"""`separate` takes what people have and gives it back in stems of the same kind."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import (
    HPSS,
    METHODS,
    NMF,
    STFT,
    Waveform,
    backend,
    errors,
    save,
    separate,
    separate_many,
    synthesize,
)
from sigsep_classic.api import make_method
from sigsep_classic.pipeline import separate_array
from sigsep_classic.synthesis import level

RATE = 8000
QUICK = {"n_components": 3, "n_iter": 5, "tol": 0}


@pytest.fixture(scope="module")
def song():
    x = synthesize("song", seconds=0.5, sample_rate=RATE).mixture
    x.flags.writeable = False
    return x


def assert_null(sep, x, atol=1e-6):
    assert_allclose(
        sum(np.asarray(stem, float) for stem in sep.values()), np.asarray(x, float), rtol=0, atol=atol
    )


# ---- what comes in


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("axes", [1, 2])
def test_arrays_give_stems_of_their_shape_and_dtype(song, real, axes):
    x = (song if axes == 2 else song[0]).astype(real)
    sep = separate(x, RATE)
    assert list(sep) == ["harmonic", "percussive"]
    for stem in (*sep.values(), sep.mixture, sep.residual, sep.remix(harmonic=2)):
        assert (stem.shape, stem.dtype) == (x.shape, x.dtype)
    assert_null(sep, x)
    assert sep.info["device"] == "cpu"


def test_sixteen_bit_integers_become_float32_of_full_scale_one(song):
    x = np.round(song * 32767).astype(np.int16)
    sep = separate(x, RATE)
    assert sep["harmonic"].dtype == np.float32
    assert_array_equal(sep.mixture, (x / np.float32(32768)).astype(np.float32))
    assert_null(sep, x / 32768)


@pytest.mark.parametrize("kind", [np.float16, ">f4", np.longdouble])
def test_other_floats_become_the_nearest_of_two(song, kind):
    sep = separate(song[:, :1000].astype(kind), RATE)
    assert sep["harmonic"].dtype in (np.float32, np.float64)
    assert_null(sep, sep.mixture)


def test_lists_of_samples_are_arrays(song):
    x = song[0, :600].tolist()
    assert_null(separate([x, x], RATE), [x, x])


@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_memory_order_does_not_matter_and_the_input_stays(song, order):
    x = (
        np.asfortranarray(song)
        if order == "F"
        else np.repeat(song, 2, axis=1)[:, ::2]
        if order == "strided"
        else song
    )
    before = x.copy()
    sep = separate(x, RATE)
    assert_array_equal(sep["harmonic"], separate(song, RATE)["harmonic"])
    assert_array_equal(x, before)


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("real", ["float32", "float64"])
def test_tensors_of_pytorch_give_tensors(song, real, axes):
    torch = pytest.importorskip("torch")
    array = (song if axes == 2 else song[0]).astype(real)
    x = torch.from_numpy(array.copy())
    sep = separate(x, RATE)
    for stem in (*sep.values(), sep.mixture, sep.residual, sep.remix(harmonic=0)):
        assert isinstance(stem, torch.Tensor)
        assert (tuple(stem.shape), stem.dtype) == (array.shape, x.dtype)
    assert torch.equal(sep.remix(), x)
    assert_allclose(sep["harmonic"].numpy(), separate(array, RATE)["harmonic"], atol=1e-6)
    assert torch.equal(x, torch.from_numpy(array))


def test_stems_of_tensors_can_be_saved(song, tmp_path):
    torch = pytest.importorskip("torch")
    separate(torch.from_numpy(song.copy()), RATE).save(tmp_path)
    assert len(list(tmp_path.rglob("*.wav"))) == 2


def test_a_file_its_name_and_its_bytes_give_the_same(song, tmp_path):
    path = tmp_path / "my song.wav"
    save(path, song, RATE)
    by_path, by_name = separate(path), separate(str(path))
    by_bytes = separate(io.BytesIO(path.read_bytes()))
    assert by_path.track == "my song"
    assert by_path.sample_rate == RATE
    for sep in (by_name, by_bytes):
        assert_array_equal(sep["harmonic"], by_path["harmonic"])
    assert_null(by_path, by_path.mixture)
    assert by_path.info["warnings"] == []


def test_a_sample_rate_given_with_a_file_resamples_it(song, tmp_path):
    save(tmp_path / "a.wav", song, RATE)
    sep = separate(tmp_path / "a.wav", 16000)
    assert sep.sample_rate == 16000
    assert sep["harmonic"].shape == (2, 2 * song.shape[1])


# ---- what is asked for


def test_a_method_is_a_name_or_an_instance(song):
    by_name = separate(song, RATE, method="nmf", **QUICK)
    by_instance = separate(song, RATE, method=NMF(**QUICK))
    assert by_name.method == by_instance.method == NMF(**QUICK)
    for name in by_name:
        assert_array_equal(by_name[name], by_instance[name])


@pytest.mark.parametrize("spelling", ["repet_sim", "REPET-SIM", "repet-sim"])
def test_names_of_methods_are_read_leniently(spelling):
    assert type(make_method(spelling)).name == "repet_sim"


@pytest.mark.slow
def test_every_method_can_be_made_by_name_and_run_with_its_defaults(song):
    for name in METHODS:
        parameters = {"n_iter": 3} if name == "nmf" else {}
        assert_null(separate(song, RATE, method=name, **parameters), song)


@pytest.mark.parametrize("mask", ["ratio", "wiener", "binary", "multichannel_wiener"])
@pytest.mark.parametrize("method", [HPSS(), NMF(**QUICK)])
def test_every_mask_adds_up_to_the_mixture(song, method, mask):
    sep = separate(song.astype(float), RATE, method=method, mask=mask)
    assert_null(sep, song, atol=1e-9)


def test_a_front_end_can_be_chosen(song):
    for frontend in (STFT(n_fft=200, hop=50), Waveform()):
        sep = separate(song, RATE, method=HPSS(harmonic_frames=3, percussive_bins=3), frontend=frontend)
        assert sep.frontend is frontend
        assert_null(sep, song)


def test_components_are_grouped_by_hand_by_name_or_by_a_function(song):
    method = NMF(**QUICK)
    by_hand = separate(song, RATE, method=method, groups={"a": [0, 2], "b": [1]})
    by_function = separate(song, RATE, method=method, groups=lambda model: {"a": [0, 2], "b": [1]})
    assert list(by_hand) == list(by_function) == ["a", "b"]
    assert_array_equal(by_hand["a"], by_function["a"])
    assert list(separate(song, RATE, method=method, groups="harmonic_percussive")) == [
        "harmonic",
        "percussive",
    ]
    assert list(separate(song, RATE, method=method, n_sources=2)) == ["source1", "source2"]
    assert_null(by_hand, song)


def test_stems_of_some_components_leave_the_rest_as_residual(song):
    method, x = NMF(**QUICK), song.astype(float)
    some = separate(x, RATE, method=method, groups={"a": [0]})
    both = separate(x, RATE, method=method, groups={"a": [0], "others": [1, 2]})
    assert list(some) == ["a"]
    assert_allclose(some["a"], both["a"], atol=1e-12)
    assert_allclose(some.residual, both["others"], atol=1e-9)


def test_a_callback_sees_every_iteration_and_may_stop(song):
    seen = []

    def callback(i, model):
        seen.append(i)
        return i == 3

    separate(song, RATE, method="nmf", callback=callback, **QUICK)
    assert seen == [1, 2, 3]


def test_a_remix_of_real_stems_without_changes_is_the_mixture_to_the_bit(song):
    sep = separate(song, RATE)
    assert_array_equal(sep.remix(), song)
    assert_allclose(sep.remix(harmonic=0), sep["percussive"], atol=1e-6)
    assert abs(sep.residual).max() < 1e-6


@pytest.mark.parametrize("factor", [1e-30, 1e-6, 1e6, 1e30, 3.3e38])
def test_the_level_of_float32_may_be_anything(song, factor):
    x = song / abs(song).max() * np.float32(factor)
    sep = separate(x, RATE)
    reference = separate(song.astype(float), RATE)
    got = sep["harmonic"].astype(float) / factor * float(abs(song).max())
    assert_allclose(got, reference["harmonic"], atol=1e-5)


def test_the_largest_and_smallest_floats_have_a_level():
    for real in (np.float32, np.float64):
        info = np.finfo(real)
        for top in (info.max, info.tiny, info.smallest_subnormal):
            scale = level(np.array([[top, -top / 2]], real))
            assert np.isfinite(real(scale))
            assert 0 < top / scale < 2


# ---- what is refused


def refuse(kind, said, *args, **options):
    with pytest.raises(kind, match=said) as caught:
        separate(*args, **options)
    assert isinstance(caught.value, errors.SigsepError)
    assert "\n" not in str(caught.value)


def test_an_unknown_method_says_what_was_meant(song):
    refuse(errors.ParameterError, "'hpsss' is unknown; did you mean 'hpss'", song, RATE, method="hpsss")
    refuse(errors.ParameterError, "'deep' is unknown; methods: nmf, ", song, RATE, method="deep")


def test_an_unknown_parameter_says_what_was_meant(song):
    said = "hpss has no parameter 'mask_pwoer'; did you mean 'mask_power'"
    refuse(errors.ParameterError, said, song, RATE, mask_pwoer=1)
    refuse(
        errors.ParameterError,
        "nmf has no parameter 'q'; it has: .*n_components",
        song,
        RATE,
        method="nmf",
        q=1,
    )
    refuse(errors.ParameterError, "no parameter 'grid'", song, RATE, method="repet", grid=None)


def test_parameters_beside_an_instance_are_refused(song):
    said = r"'mask_power' goes into the method: HPSS\(mask_power=...\)"
    refuse(errors.ParameterError, said, song, RATE, method=HPSS(), mask_power=1)


def test_what_is_no_method_is_refused(song):
    refuse(errors.ParameterError, "method is 3; give a name", song, RATE, method=3)


@pytest.mark.parametrize("method", ["hpss", "nmf"])
def test_unknown_masks_and_groupings_name_those_there_are(song, method):
    quick = QUICK if method == "nmf" else {}
    refuse(errors.ParameterError, "mask 'soft' is unknown", song, RATE, method=method, mask="soft", **quick)
    refuse(errors.ParameterError, "grouping 'x' is unknown", song, RATE, method=method, groups="x", **quick)


def test_groups_that_make_no_sense_are_refused(song):
    refuse(errors.ParameterError, "is for components", song, RATE, groups="timbre")
    refuse(errors.ParameterError, "n_sources needs a grouping", song, RATE, n_sources=2)
    refuse(errors.ParameterError, "component 3", song, RATE, method="nmf", groups={"a": [3]}, **QUICK)


def test_samples_without_a_rate_are_refused(song):
    refuse(errors.ParameterError, "sample_rate is missing", song)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_senseless_rate_is_refused(song, rate):
    refuse(errors.ParameterError, "sample_rate is", song, rate)


def test_transposed_arrays_are_refused_with_the_way_out(song):
    refuse(errors.ShapeError, "(?i)transpose|channels", song.T, RATE)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(song, value):
    x = song.copy()
    x[1, 7] = value
    refuse(errors.AudioError, "(?i)nan|inf", x, RATE)


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 5), (1, 2, 100), ()])
def test_arrays_of_no_signal_are_refused(shape):
    refuse(errors.ShapeError, ".", np.zeros(shape), RATE)


@pytest.mark.parametrize("kind", [bool, np.int64, complex, object, "U3"])
def test_dtypes_that_are_no_audio_are_refused(kind):
    refuse(errors.ArrayTypeError, "is no audio|object", np.zeros((1, 100)).astype(kind), RATE)


def test_a_gpu_that_is_not_there_is_refused_with_the_install_line(song, monkeypatch):
    usable, _ = backend.cuda_status()
    if usable:
        pytest.skip("there is a GPU")
    refuse(errors.DeviceError, "device 'cuda' asked for, but", song, RATE, device="cuda")
    monkeypatch.setattr(backend, "cuda_status", lambda: (False, f"no CuPy; {backend.INSTALL_CUPY}"))
    refuse(errors.DeviceError, r"pip install .sigsep-classic\[cuda12\]", song, RATE, device="cuda")


def test_a_missing_file_is_refused_by_name(tmp_path):
    refuse(errors.AudioError, "gone.wav", tmp_path / "gone.wav")


# ---- inside


def test_complex_estimates_are_synthesized_without_a_mask(song):
    class Halves:
        name = "halves"

        def fit(self, X, *, callback=None):
            class Model:
                n_components, names, power, losses = 2, ("one", "other"), 1.0, ()

                def reconstruct(self, groups=None):
                    return np.stack([0.25 * X, 0.5 * X])

            return Model()

    x = song.astype(float)
    sep = separate_array(x, RATE, Halves())
    assert list(sep) == ["one", "other"]
    assert_allclose(sep["one"], 0.25 * x, atol=1e-12)
    assert_allclose(sep.residual, 0.25 * x, atol=1e-12)


def test_a_number_of_sources_is_the_methods_where_it_has_one():
    x = synthesize("stereo2x2", seconds=0.5).mixture
    one = separate(x, 44100, method="ica", n_sources=1)
    assert list(one) == ["source1", "residual"]
    assert one.method.n_sources == 1


# ---- progress


def test_progress_is_a_bar_of_iterations_or_of_recordings_and_changes_nothing(song, capsys):
    seen = []
    options = {"method": "nmf", **QUICK}
    quiet = separate(song, RATE, **options, callback=lambda i, model: seen.append(i))
    assert capsys.readouterr().err == ""
    shown = separate(song, RATE, **options, callback=lambda i, model: seen.append(i), progress=True)
    assert "nmf: " in capsys.readouterr().err
    assert seen == 2 * seen[: len(seen) // 2]
    for name in quiet:
        assert_array_equal(shown[name], quiet[name])
    found = list(separate_many([song, song], RATE, progress=True))
    assert len(found) == 2
    assert "2/2" in capsys.readouterr().err
    with pytest.raises(errors.ParameterError, match="progress is 'yes'"):
        separate(song, RATE, progress="yes")
