"""Wrong parameters are refused by name and value, before anything is computed."""

from __future__ import annotations

import math

import numpy as np
import pytest

import sigsep_classic as ssc
from sigsep_classic.checks import check_choice, check_count, check_number, check_range
from sigsep_classic.errors import ArrayTypeError, ParameterError, ShapeError, SigsepError
from sigsep_classic.factorizers.models import LowRankModel, check_groups
from sigsep_classic.oracle import ideal_ratio_mask

X = np.random.default_rng(0).standard_normal((2, 4000)).astype(np.float32) * 0.1


@pytest.mark.parametrize("value", ["3", None, math.nan, True, 1j, [1]])
def test_only_numbers_are_numbers(value: object) -> None:
    with pytest.raises(ParameterError, match=r"x is .*must be a number"):
        check_number("x", value)


@pytest.mark.parametrize("value", [1.0, 2.5, "2", None, True, math.inf])
def test_only_integers_count(value: object) -> None:
    with pytest.raises(ParameterError, match="whole number"):
        check_count("x", value)


def test_ranges_say_what_they_hold() -> None:
    check_range("x", 0, 0)
    check_range("x", math.inf, 0, infinite=True)
    check_count("x", np.int64(3))
    check_choice("x", "a", ("a", "b"))
    for value, hint in (("generalised", "did you mean 'generalized'\\? "), ("z", ""), (3, "")):
        with pytest.raises(ParameterError, match=f"x is {value!r}; {hint}use one of laplace, generalized"):
            check_choice("x", value, ("laplace", "generalized"))
    for wrong, text in (
        ((0, 0, None, True), "more than 0"),
        ((2, 0, 1, False), "at most 1"),
        ((math.inf, 0, None, False), "finite"),
    ):
        value, low, high, above = wrong
        with pytest.raises(ParameterError, match=text):
            check_range("x", value, low, high, above=above)


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        ("nmf", {"n_components": 4.5}),
        ("nmf", {"n_iter": True}),
        ("nmf", {"seed": -1}),
        ("nmf", {"beta": "kl"}),
        ("hpss", {"harmonic_frames": 3.5}),
        ("hpss", {"mask_power": 0}),
        ("repet", {"cutoff": math.inf}),
        ("repet", {"period": math.inf}),
        ("repet_adaptive", {"n_periods": 3.5}),
        ("repet_sim", {"n_similar": True}),
        ("repet_sim", {"distance": "1"}),
    ],
)
def test_a_method_refuses_a_wrong_parameter_in_one_line(method: str, wrong: dict) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))) as caught:
        ssc.separate(X, 8000, method=method, **wrong)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "limitless",
    [{"method": "repet", "max_period": math.inf}, {"method": "repet_adaptive", "segment_length": math.inf}],
)
def test_no_limit_may_be_written_as_infinity(limitless: dict) -> None:
    assert len(ssc.separate(X, 8000, **limitless, min_period=0.05)) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_fft": 512.0},
        {"n_fft": "512"},
        {"n_fft": 0},
        {"hop": 3.0},
        {"hop": 4096},
        {"window": ["kaiser", 8]},
        {"window": "nope"},
    ],
)
def test_an_stft_refuses_wrong_parameters(wrong: dict) -> None:
    with pytest.raises(ParameterError):
        ssc.STFT(**wrong)


def test_an_stft_refuses_what_is_not_floating() -> None:
    with pytest.raises(ArrayTypeError, match="int16"):
        ssc.STFT().analyze((X * 3000).astype(np.int16))


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": ssc.NMF},
        {"frontend": ssc.STFT},
        {"frontend": "stft"},
        {"callback": 3},
        {"method": "nmf", "n_sources": 0},
        {"method": "nmf", "n_sources": 2.5},
        {"method": "nmf", "groups": lambda model: None, "n_iter": 1},
        {"mask": "soft"},
    ],
)
def test_separate_refuses_wrong_arguments(wrong: dict) -> None:
    with pytest.raises(ParameterError):
        ssc.separate(X, 8000, **wrong)


@pytest.mark.parametrize("rate", ["8000", [8000], True, math.nan, math.inf, 0, -8000])
def test_separate_refuses_a_wrong_sample_rate(rate: object) -> None:
    with pytest.raises(ParameterError, match="sample_rate"):
        ssc.separate(X, rate)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"a": [0.7]},
        {"a": [True]},
        {"a": "01"},
        {"a": 0},
        {"a": None},
        {"a": ["x"]},
        [[0], [1]],
        {"": [0]},
        {"..": [0]},
        {"a/b": [0]},
        {"A": [0], "a": [1]},
        {"a": [2]},
        {"a": [0], "b": [0]},
    ],
)
def test_groups_that_make_no_sense_are_refused(wrong: object) -> None:
    with pytest.raises(ParameterError):
        check_groups(wrong, ("harmonic", "percussive"))


def test_stems_may_be_grouped_by_name() -> None:
    assert check_groups({"all": ["harmonic", 1]}, ("harmonic", "percussive")) == {"all": [0, 1]}


def test_a_start_from_other_data_is_judged_on_these() -> None:
    rng = np.random.default_rng(0)
    V = rng.random((1, 20, 50))
    *_, elsewhere = ssc.NMF(n_components=3, n_iter=20).iterate(0.01 * rng.random((1, 20, 50)))
    by_model = ssc.NMF(n_components=3, n_iter=20, tol=0).fit(V, start=elsewhere)
    by_factors = ssc.NMF(n_components=3, n_iter=20, tol=0).fit(
        V, start=LowRankModel(W=elsewhere.W, H=elsewhere.H)
    )
    np.testing.assert_array_equal(by_model.W, by_factors.W)
    assert by_model.losses == by_factors.losses


@pytest.mark.parametrize(
    "start",
    [
        LowRankModel(W=np.ones((20, 2)), H=np.ones((2, 50))),
        LowRankModel(W=-np.ones((20, 3)), H=np.ones((3, 50))),
        LowRankModel(W=np.ones((20, 3)), H=np.full((3, 50), np.nan)),
        LowRankModel(W=np.ones((20, 3)), H=np.ones((3, 50)), power=2.0),
    ],
)
def test_a_start_that_does_not_suit_is_refused(start: LowRankModel) -> None:
    with pytest.raises((ParameterError, ShapeError), match="start"):
        ssc.NMF(n_components=3).fit(np.ones((1, 20, 50)), start=start)


def test_an_oracle_refuses_stems_that_are_not_the_mixtures() -> None:
    for stem in (X[:, :-1], X[:1], X[0]):
        with pytest.raises(SigsepError):
            ideal_ratio_mask(X, {"a": stem})


def test_what_cannot_repeat_is_said(caplog: pytest.LogCaptureFixture) -> None:
    for method in ("repet", "repet_adaptive", ssc.REPETSIM(distance=1.0)):
        caplog.clear()
        ssc.separate(X, 8000, method=method)
        assert "nothing can repeat within" in caplog.text


def test_a_separation_equals_itself_alone() -> None:
    one, other = ssc.separate(X, 8000), ssc.separate(X, 8000)
    assert one == one
    assert one != other
    assert len({one, other}) == 2


def test_multichannel_wiener_works_on_waveforms() -> None:
    sep = ssc.separate(
        X, 8000, method=ssc.HPSS(harmonic_frames=17), mask="multichannel_wiener", frontend=ssc.Waveform()
    )
    np.testing.assert_allclose(sum(sep.values()), X, atol=1e-6)
