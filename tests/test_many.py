"""Many recordings give what each gives by itself, in their order, read no further ahead than is said."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sigsep_classic import HPSS, NMF, errors, save, separate, separate_many
from sigsep_classic.api import overlap
from sigsep_classic.api.ahead import ahead
from sigsep_classic.planning import memory_estimate

RATE = 8000


def clips(*lengths, seed=0, real="float32"):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((2, n)).astype(real) for n in lengths]


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name in expected:
        assert type(found[name]) is type(expected[name])
        assert_array_equal(found[name], expected[name])
    assert (found.sample_rate, found.track) == (expected.sample_rate, expected.track)
    changes = {"memory_limit"}  # a share of what is free
    said, known = ({k: v for k, v in sep.info.items() if k not in changes} for sep in (found, expected))
    assert said == known
    assert_array_equal(found.mixture, expected.mixture)


def threads():
    return [each.name for each in threading.enumerate() if each.name == "sigsep-ahead"]


# ---- what comes out


def test_arrays_files_and_tensors_give_bit_by_bit_what_each_gives_by_itself(tmp_path):
    torch = pytest.importorskip("torch")
    stereo, short, mono = clips(4000, 300, 5000)
    save(tmp_path / "a song.wav", stereo, RATE)
    sources = [
        stereo,
        tmp_path / "a song.wav",
        mono[0].astype(float),
        torch.from_numpy(short),
        stereo.tolist(),
    ]
    for source, found in zip(sources, separate_many(sources, RATE), strict=True):
        assert_same(found, separate(source, RATE))


def test_options_are_those_of_separate():
    sources = clips(3000, 3100)
    options = {"method": NMF(n_components=3, n_iter=4), "groups": {"a": [0, 2]}, "mask": "wiener"}
    for x, found in zip(sources, separate_many(sources, RATE, **options), strict=True):
        assert_same(found, separate(x, RATE, **options))


def test_examples_are_learnt_once_and_their_warnings_are_in_every_separation(tmp_path, monkeypatch):
    learnt = []
    real = NMF.with_examples
    monkeypatch.setattr(NMF, "with_examples", lambda self, found: learnt.append(1) or real(self, found))
    low, high = (np.sin(f * np.arange(4000)) for f in (0.1, 1.0))
    options = {"method": NMF(n_components=2, n_iter=3), "examples": {"low": low, "high": high}}
    found = list(separate_many([low + high, low - high], RATE, **options))
    assert len(learnt) == 1
    assert all({"low", "high"} <= set(sep) for sep in found)


def test_separations_can_be_regrouped_and_remixed():
    (x,) = clips(3000)
    (sep,) = separate_many([x], RATE, method="nmf", n_components=3, n_iter=4, groups={"a": [0, 1, 2]})
    alone = separate(x, RATE, method="nmf", n_components=3, n_iter=4, groups={"a": [0], "b": [1, 2]})
    assert_array_equal(sep.regroup({"a": [0], "b": [1, 2]})["a"], alone["a"])
    assert_array_equal(sep.remix(), x)


def test_of_no_recordings_there_are_no_separations():
    assert list(separate_many([])) == []


# ---- what goes wrong


def test_an_error_ends_the_iteration_where_it_belongs():
    good, bad = clips(2000)[0], np.full((1, 9), np.nan)
    found = separate_many([good, bad, good], RATE)
    assert_same(next(found), separate(good, RATE))
    with pytest.raises(errors.NotFiniteError):
        next(found)
    assert not threads()


def test_errors_can_come_in_place_of_separations(tmp_path):
    good = clips(2000)[0]
    sources = [tmp_path / "gone.wav", good, "also gone.wav", good.T, good]
    found = list(separate_many(sources, RATE, on_error="yield"))
    assert [type(each) for each in found[::2]][:2] == [errors.AudioError] * 2
    assert isinstance(found[3], errors.ShapeError)
    for n in (1, 4):
        assert_same(found[n], separate(good, RATE))


def test_what_no_recording_can_make_right_is_refused_at_once():
    for options, said in (
        ({"method": "hpsss"}, "did you mean 'hpss'"),
        ({"mask_pwoer": 1}, "did you mean 'mask_power'"),
        ({"on_error": "ignore"}, "use one of raise, yield"),
        ({"batch": 0}, "batch is 0"),
        ({"frontend": 3}, "frontend is 3"),
        ({"device": "tpu"}, "device 'tpu' is unknown"),
    ):
        with pytest.raises(errors.ParameterError, match=said):
            separate_many([], RATE, **options)


@pytest.mark.parametrize("one", ["song.wav", np.zeros((2, 9)), b"bytes"], ids=["name", "array", "bytes"])
def test_one_recording_in_place_of_several_is_refused(one):
    with pytest.raises(errors.ParameterError, match="give a list of recordings"):
        separate_many(one, RATE)


def test_what_the_iterable_itself_raises_is_raised():
    def sources():
        yield clips(2000)[0]
        raise KeyError("mine")

    found = separate_many(sources(), RATE, on_error="yield")
    next(found)
    with pytest.raises(KeyError, match="mine"):
        next(found)


# ---- how far ahead


def test_nothing_is_read_before_the_first_is_asked_for_and_then_only_a_few():
    taken = []

    def sources():
        for n in range(50):
            taken.append(n)
            yield np.ones((1, 1000))

    found = separate_many(sources(), RATE)
    assert taken == []
    next(found)
    time.sleep(0.1)
    assert len(taken) <= 2 + overlap.READ_AHEAD
    found.close()
    assert not threads()


def test_a_thread_is_ahead_by_no_more_than_it_may_and_stops():
    made, closed = [], threading.Event()

    def items():
        try:
            for n in range(100):
                made.append(n)
                yield n
        finally:
            closed.set()

    found = ahead(items(), 3)
    assert [next(found), next(found)] == [0, 1]
    time.sleep(0.05)
    assert len(made) <= 5
    found.close()
    assert closed.is_set()
    assert not threads()


def test_an_error_ahead_comes_after_what_was_made_before_it():
    def items():
        yield 1
        raise ValueError("second")

    found = ahead(items(), 5)
    assert next(found) == 1
    with pytest.raises(ValueError, match="second"):
        next(found)


# ---- batches


@dataclass(frozen=True, kw_only=True)
class Together(HPSS):
    """HPSS that is told of several spectrograms at once, and notes of how many."""

    name: ClassVar[str] = "together"
    batches: ClassVar[list[int]] = []

    @classmethod
    def fit_problems(cls, problems, *, callback=None):
        """Fit each."""
        cls.batches.append(len(problems))
        if any(len(X) == 1 for _, X in problems):
            raise errors.NumericalError("mono")
        return [method.fit(X) for method, X in problems]


@pytest.fixture
def sizes():
    Together.batches.clear()
    return Together.batches


def test_alike_clips_are_fitted_together_whatever_lies_between_them(sizes):
    long, short = clips(6000, 6100, 5900, 6050), clips(900, 910)
    sources = [long[0], short[0], long[1], long[2].astype(float), short[1], long[3]]
    found = list(separate_many(sources, RATE, method=Together(), batch=6))
    assert sorted(sizes) == [2, 3]
    for x, sep in zip(sources, found, strict=True):
        for name, stem in separate(x, RATE).items():
            assert_array_equal(sep[name], stem)


def test_on_the_cpu_and_with_a_callback_clips_are_fitted_one_by_one(sizes):
    list(separate_many(clips(900, 900), RATE, method=Together()))
    list(separate_many(clips(900, 900), RATE, method=Together(), batch=2, callback=lambda i, model: None))
    assert sizes == []


def test_a_batch_that_fails_is_taken_apart_until_the_one_at_fault_is_found(sizes):
    sources = [*clips(900, 901), np.ones((1, 900), np.float32)]
    assert all(len(each) == 2 for each in separate_many(sources, RATE, method=Together(), batch=3))
    quiet = [*clips(900, 901), np.full((2, 900), np.nan)]
    found = list(separate_many(quiet, RATE, method=Together(), batch=3, on_error="yield"))
    assert isinstance(found[2], errors.NotFiniteError)
    assert sizes == [2, 2]


def test_batches_stay_below_a_number_of_samples(sizes, monkeypatch):
    monkeypatch.setattr(overlap, "BATCH_SAMPLES", 4000)
    list(separate_many(clips(900, 900, 900, 900, 900), RATE, method=Together(), batch=5))
    assert sizes == [2, 2]


def test_a_memory_limit_means_what_it_means_for_separate(sizes):
    sources = clips(30_000, 2000)
    for method in (NMF(n_components=2, n_iter=3), HPSS()):
        found = list(separate_many(sources, RATE, method=method, memory_limit="1M"))
        for x, sep in zip(sources, found, strict=True):
            alone = separate(x, RATE, method=method, memory_limit="1M")
            assert_same(sep, alone)
            assert (sep.info["plan"], sep.info["memory_limit"]) == (alone.info["plan"], 2**20)
    least = 2 * memory_estimate(Together(), channels=2, n_samples=900, sample_rate=RATE)
    list(separate_many(clips(900, 900, 900), RATE, method=Together(), batch=3, memory_limit=least))
    assert sizes == [2]
    with pytest.raises(errors.ParameterError, match="memory_limit is 'lots'"):
        separate_many(sources, RATE, memory_limit="lots")


# ---- on a GPU, as far as a stand-in is one


def test_on_a_gpu_samples_go_up_once_and_stems_come_down_once():
    strict = pytest.importorskip("tests.emulation.strict")
    sources = [*clips(4000, 3000), clips(2000)[0][0]]
    expected = [separate(x, RATE, device="cpu") for x in sources]
    with strict.strict_cupy() as gpu:
        found = list(separate_many(sources, RATE, device="cuda"))
        down = gpu.record.n_bytes("down")
    for sep, known in zip(found, expected, strict=True):
        assert sep.info["device"] == "cuda"
        assert type(sep["harmonic"]) is np.ndarray
        for name, stem in known.items():
            np.testing.assert_allclose(sep[name], stem, atol=1e-5)
    stems = sum(stem.nbytes for sep in found for stem in sep.values())
    assert stems <= down < stems + 1000
    assert not threads()
