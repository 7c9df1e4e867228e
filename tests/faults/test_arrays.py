"""Every public function with wrong and unusual arrays: one line of ours, or the result of the plain array."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import sigsep_classic
from sigsep_classic import (
    METHODS,
    apply,
    denoise,
    fit_many,
    load_model,
    plot,
    remix,
    save_model,
    separate,
    separate_many,
)
from sigsep_classic.errors import SigsepError
from sigsep_classic.pipeline import told
from tests.conformance.quick import QUICK
from tests.faults.arrays import NARROW, NOT_FINITE, UNUSUAL, WRONG, WRONG_SOUND
from tests.faults.calls import (
    CALLS,
    FRONTEND,
    GRID,
    MODEL,
    NO_ARRAYS,
    RATE,
    RECORDINGS,
    TAKES,
    Call,
    X,
    public_functions,
    x,
)

FAST = (
    "separate",
    "audio.check_samples",
    "metrics.si_sdr",
    "masking.ratio",
    "oracle.apply",
    "permutation.solve",
)
"""Functions that stand for the others in the fast set, one of each family."""

FAMILIES = sorted({name.partition(".")[0] if "." in name else "" for name in CALLS})


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "sigsep_classic")


def is_ours(error: BaseException) -> bool:
    """Whether an error is one of ours, of the kind that tells a wrong value, and one line."""
    return (
        isinstance(error, SigsepError)
        and isinstance(error, ValueError | TypeError)
        and "\n" not in str(error)
    )


def numbers(found: Any) -> Iterator[np.ndarray]:
    """Yield all arrays of a result, in order."""
    if isinstance(found, dict):
        for value in found.values():
            yield from numbers(value)
    elif hasattr(found, "stems"):
        yield from numbers(found.stems)
    elif isinstance(found, tuple | list):
        for value in found:
            yield from numbers(value)
    elif dataclasses.is_dataclass(found):
        yield from numbers([getattr(found, part.name) for part in dataclasses.fields(found)])
    elif isinstance(found, np.ndarray | np.number | float) and np.asarray(found).dtype.kind in "fc":
        yield np.asarray(found)


def same(found: Any, expected: Any, within: float) -> None:
    """Check that two results hold the same numbers."""
    for a, b in zip(numbers(found), numbers(expected), strict=True):
        assert_allclose(a, b, rtol=within, atol=within * np.abs(b[np.isfinite(b)]).max(initial=0.0))


def check(name: str, call: Call, argument: str) -> list[str]:
    """Return what is not as promised for one array argument of a function."""
    good, takes, faults = call.given[argument], TAKES.get(name, ()), []
    wrong = {**WRONG, **({} if call.spectral else WRONG_SOUND), **(NOT_FINITE if name in RECORDINGS else {})}
    for kind, make in wrong.items():
        value = make(good)
        before = value.copy() if isinstance(value, np.ndarray) else None
        try:
            call(**{argument: value})
            faults += [] if kind in takes else [f"{name}({argument}): {kind} is taken"]
        except Exception as error:
            if not is_ours(error):
                faults.append(f"{name}({argument}): {kind}: {error!r:.150}")
        if before is not None and value.dtype.kind in "fciub":
            np.testing.assert_array_equal(value, before)
    plain = call()
    for kind, make in {**UNUSUAL, **NARROW}.items():
        value = make(good)
        try:
            found = call(**{argument: value})
        except Exception as error:
            if not (is_ours(error) and kind in NARROW):
                faults.append(f"{name}({argument}): {kind}: {error!r:.150}")
            continue
        if kind in UNUSUAL and not name.endswith("write_stream") and name != "save":
            same(found, plain, 1e-9)
    return faults


def test_every_public_function_is_in_the_table() -> None:
    names = set(public_functions())
    assert names - {*CALLS, *NO_ARRAYS} == set()
    assert set(NO_ARRAYS) - names == set()
    assert {
        name for name in CALLS if not name.startswith(("STFT.", "Waveform.", "ConstantQ."))
    } - names == set()


@pytest.mark.parametrize("name", FAST)
def test_a_wrong_array_is_one_line_and_an_unusual_one_is_read(name: str) -> None:
    call = CALLS[name]
    assert [fault for argument in call.arrays[:1] for fault in check(name, call, argument)] == []


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_so_it_is_for_all_functions_and_arguments(family: str) -> None:
    faults = []
    for name, call in CALLS.items():
        if (name.partition(".")[0] if "." in name else "") == family:
            faults += [fault for argument in call.arrays for fault in check(name, call, argument)]
    assert faults == []


@pytest.mark.parametrize(
    ("kind", "scale"),
    [("int8", 2**7), ("int16", 2**15), ("int32", 2**31), ("uint8", 2**7), ("uint16", 2**15)],
)
def test_whole_numbers_are_scaled_by_their_full_scale(kind: str, scale: int) -> None:
    dtype = np.dtype(kind)
    offset = scale if dtype.kind == "u" else 0
    whole = (np.round(x * scale * 0.9) + offset).astype(dtype)
    stems = separate(whole, RATE, method="mid_side").stems
    assert_allclose(sum(stems.values()), (whole.astype(float) - offset) / scale, atol=1e-6)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), "44100", True, None, [44100], 1j])
@pytest.mark.parametrize("name", ["separate", "denoise", "remix", "save", "metrics.scores", "metrics.stoi"])
def test_a_wrong_rate_is_one_line(name: str, rate: Any) -> None:
    call = CALLS[name]
    parameter = "rate" if name == "save" else "sample_rate"
    with pytest.raises((ValueError, TypeError)) as caught:
        call(**{parameter: rate})
    assert is_ours(caught.value), caught.value


NEITHER = (None, 3, b"x", [], {}, np.zeros(3), object(), "nothing", "a\0b")
"""What is no model, separation, method, list of recordings or change."""


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        (lambda value: save_model("m.npz", value), NEITHER),
        (lambda value: save_model(value, MODEL), (*NEITHER[:2], *NEITHER[3:7], "", "a\0b")),
        (load_model, NEITHER),
        (lambda value: apply(value, x, RATE), NEITHER),
        (plot.plot, NEITHER),
        (lambda value: fit_many(value, [X]), (*NEITHER[:3], *NEITHER[4:])),
        (lambda value: separate_many(value, RATE), (None, 3, b"x", np.zeros(3), object(), "nothing")),
        (lambda value: remix(x, value, RATE), NEITHER),
        (lambda value: separate(x, RATE, method=value), NEITHER),
        (lambda value: apply(MODEL, x, RATE, device=value), (3, b"x", object(), "nothing")),
        (lambda value: denoise(x, RATE, hum=value), (None, "yes", -50, float("nan"), 1e9, [50])),
    ],
)
def test_what_is_nothing_of_the_kind_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: Any, wrong: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for value in wrong:
        with pytest.raises((ValueError, TypeError)) as caught:
            function(value)
        assert is_ours(caught.value), f"{value!r}: {caught.value!r}"


@pytest.mark.parametrize("name", ["separate", "separate_many", "apply", "denoise", "remix"])
def test_a_wrong_memory_limit_and_a_method_misspelt_are_one_line(name: str) -> None:
    first = {"separate_many": ([x],), "apply": (MODEL, x), "remix": (x, "harmonic mute")}.get(name, (x,))
    function = getattr(sigsep_classic, name)
    for value in ("lots", 0, -1, float("nan"), True, [1], object()):
        with pytest.raises(ValueError, match="memory_limit is") as caught:
            function(*first, sample_rate=RATE, memory_limit=value)
        assert is_ours(caught.value)
    if name != "apply":
        meant, typed = ("wiener", "winer") if name == "denoise" else ("ilrma", "illrma")
        with pytest.raises(ValueError, match=f"{meant}") as caught:
            function(*first, sample_rate=RATE, method=typed)
        assert is_ours(caught.value)


WRONG_VALUES: tuple[Any, ...] = (
    None,
    "much",
    -1,
    float("nan"),
    True,
    [1],
    object(),
    1j,
    np.array([1, 2]),
    {},
)
"""Values of which at least one is wrong for any parameter."""


@pytest.mark.slow
@pytest.mark.parametrize("name", list(METHODS))
def test_a_parameter_of_a_wrong_type_is_one_line(name: str) -> None:
    kind, faults = METHODS[name], []
    for field in dataclasses.fields(kind):
        for value in WRONG_VALUES:
            try:
                kind(**{**QUICK.get(name, {}), field.name: value})
            except Exception as error:
                if not is_ours(error):
                    faults.append(f"{field.name}={value!r}: {error!r:.120}")
    assert faults == []
    with pytest.raises(ValueError, match="has no parameter 'n_itre'"):
        separate(x, RATE, method=name, n_itre=3)


CHEAP = ("hpss", "nmf", "repet", "ica", "duet", "rpca", "denoise", "ilrma", "cacgmm")
"""Methods whose `fit` is asked in all ways; the others share `factorizers.base.coefficients` with one of these."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in METHODS if not hasattr(METHODS[name], "fit_samples")])
def test_fit_refuses_what_is_no_spectrogram(name: str) -> None:
    method = told(METHODS[name](**QUICK.get(name, {})), grid=GRID, frontend=FRONTEND, level=1.0)
    faults = []
    for kind, make in {**WRONG, **NOT_FINITE}.items():
        try:
            method.fit(make(X))
            faults.append(f"{kind} is taken")
        except Exception as error:
            if not is_ours(error):
                faults.append(f"{kind}: {error!r:.150}")
    assert faults == []


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEAP)
def test_fit_reads_unusual_arrays_as_plain_ones(name: str) -> None:
    method = told(METHODS[name](**QUICK.get(name, {})), grid=GRID, frontend=FRONTEND, level=1.0)
    plain = method.fit(X).reconstruct()
    for make in (*UNUSUAL.values(), NARROW["big-endian"]):
        assert_allclose(method.fit(make(X)).reconstruct(), plain, rtol=1e-6, atol=1e-9 * np.abs(plain).max())
