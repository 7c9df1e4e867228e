"""Arrays at the public edge: what becomes audio, and what is refused."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic.audio import check_samples
from sigsep_classic.errors import ArrayTypeError, AudioError, ShapeError


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (np.int8, [-128, 64], [-1, 0.5]),
        (np.int16, [-32768, 16384], [-1, 0.5]),
        (np.int32, [-(2**31), 2**30], [-1, 0.5]),
        (np.uint8, [0, 128, 192], [-1, 0, 0.5]),
        (np.uint16, [0, 32768, 49152], [-1, 0, 0.5]),
        (np.float16, [-1, 0.5], [-1, 0.5]),
    ],
)
def test_integers_are_divided_by_full_scale(dtype, values, expected):
    out = check_samples(np.array(values, dtype))
    assert out.dtype == np.float32
    assert_allclose(out, [expected])


def test_good_arrays_come_back_as_they_are():
    for dtype in (np.float32, np.float64):
        x = np.zeros((2, 10), dtype)
        assert check_samples(x) is x


def test_longdouble_and_big_endian_become_native_floats():
    assert check_samples(np.ones((1, 4), np.longdouble)).dtype == np.float64
    out = check_samples(np.array([0.5, -0.25], ">f4"))
    assert out.dtype == np.dtype("=f4")
    assert out.dtype.isnative
    assert_allclose(out, [[0.5, -0.25]])


def test_strided_and_read_only_arrays_give_a_contiguous_copy_and_stay_unchanged():
    x = np.arange(40, dtype=np.float64).reshape(20, 2)
    x.setflags(write=False)
    out = check_samples(x.T)
    assert out.flags.c_contiguous
    assert_allclose(out, x.T)
    assert_allclose(check_samples(x[::-1, 0]), x[::-1, 0][np.newaxis])


def test_lists_of_floats_are_taken():
    assert check_samples([0.0, 0.5]).shape == (1, 2)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((1, 4), bool),
        np.zeros((1, 4), complex),
        np.zeros((1, 4), np.int64),
        np.zeros((1, 4), np.uint32),
        np.array([["a", "b"]]),
        np.array([[None, 1.0]], dtype=object),
        np.ma.masked_array([1.0, 2.0], [True, False]),
        None,
        "song.wav",
    ],
    ids=str,
)
def test_what_is_no_sound_is_a_type_error(x):
    with pytest.raises(ArrayTypeError, match="mix: "):
        check_samples(x, name="mix")


@pytest.mark.parametrize("shape", [(), (1, 2, 3), (0,), (2, 0), (0, 5)])
def test_wrong_axes_are_a_shape_error(shape):
    with pytest.raises(ShapeError, match="shape"):
        check_samples(np.zeros(shape))


def test_rows_of_different_length_are_a_shape_error():
    with pytest.raises(ShapeError, match="differ in length"):
        check_samples([[0.0, 1.0], [0.0]])


@pytest.mark.parametrize("shape", [(44100, 2), (44100, 1), (40, 2), (1000, 64)])
def test_transposed_audio_is_refused_with_the_way_out(shape):
    with pytest.raises(ShapeError, match=r"pass x\.T"):
        check_samples(np.zeros(shape))


@pytest.mark.parametrize("shape", [(2, 1), (1, 1), (8, 2), (32, 1), (64, 64), (64, 1000)])
def test_short_and_many_channel_audio_is_valid(shape):
    assert check_samples(np.zeros(shape)).shape == shape


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_samples_are_counted_and_the_first_is_named(bad):
    x = np.zeros((2, 100), np.float32)
    x[1, 7] = x[0, 9] = x[1, 50] = bad
    with pytest.raises(
        AudioError, match="3 samples are NaN or infinite, the first in channel 1 at sample 7;"
    ):
        check_samples(x)
