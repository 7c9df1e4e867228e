"""Models on disk: the same bits back, of use on other recordings, and no file that does harm."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import sigsep_classic as ssc
from sigsep_classic import METHODS, NMF, STFT, apply, load_model, save_model
from sigsep_classic.errors import AudioError, OutputError, ParameterError, ShapeError
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.pipeline import separate_array
from sigsep_classic.storage import values
from sigsep_classic.testing import FRONTENDS, SAMPLE_RATE, Case
from tests.conformance.quick import QUICK

COMPOSED = {"vocals", "drums", "four_stems", "speech_music_effects", "ensemble"}
FRONTEND = STFT(n_fft=256, hop=64)


def separated(name: str, real: str = "float32", frontend: str = "stft", **more: Any) -> ssc.Separation:
    case = Case(METHODS[name](**{**QUICK.get(name, {}), **more}), frontend=frontend)
    return separate_array(case.signal(real), SAMPLE_RATE, case.method, frontend=FRONTENDS[frontend][0])


def other(channels: int = 2, n_samples: int = 3000) -> np.ndarray:
    mix = ssc.synthesize("song", seconds=1.0, sample_rate=SAMPLE_RATE, seed=1)
    return mix.mixture[:channels, 2000 : 2000 + n_samples].astype("float32")


def header_of(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("header.json"))


def rewritten(path: Path, **changes: Any) -> Path:
    """Write the file again with another header, checksums in order."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = {**json.loads(members["header.json"]), **changes}
    members["header.json"] = json.dumps(header).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("frontend", FRONTENDS)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in COMPOSED else ()) for name in METHODS]
)
def test_a_saved_model_gives_the_same_bits_and_does_the_same_elsewhere(
    tmp_path: Path, name: str, frontend: str
) -> None:
    sep = separated(name, frontend=frontend)
    path = tmp_path / "model.npz"
    sep.save_model(path)
    saved = load_model(path)
    assert_array_equal(saved.model.reconstruct(), sep.model.reconstruct())
    assert (saved.method, saved.frontend, saved.groups) == (sep.method, sep.frontend, sep.groups)
    assert (saved.sample_rate, saved.method_name, saved.whole) == (SAMPLE_RATE, name, True)
    told = header_of(path)
    assert (told["kind"], told["method"], told["stems"]) == (type(sep.model).__name__, name, list(sep.groups))
    first = path.read_bytes()
    save_model(path, saved)
    assert path.read_bytes() == first
    if not hasattr(sep.model, "apply"):
        with pytest.raises(ParameterError, match="own recording only"):
            save_model(path, sep, frames=False)
        assert path.read_bytes() == first
        return
    small = tmp_path / "small.npz"
    save_model(small, sep, frames=False)
    assert small.stat().st_size < path.stat().st_size
    X = FRONTENDS[frontend][0].analyze(other(n_samples=600))
    expected = sep.model.apply(X).reconstruct()
    assert np.isfinite(expected).all()
    assert_array_equal(saved.model.apply(X).reconstruct(), expected)
    assert_array_equal(load_model(small).model.apply(X).reconstruct(), expected)


def test_every_kind_has_a_class_of_its_name() -> None:
    from sigsep_classic.storage import kinds

    for name in kinds._PLACES:
        assert kinds.class_named(name).__name__ == name


@pytest.mark.parametrize("name", ["nmf", "auxiva", "wpe"])
def test_a_model_applied_to_its_own_recording_gives_its_own_stems(tmp_path: Path, name: str) -> None:
    sep = separated(name, tol=0, n_iter=300) if name == "nmf" else separated(name)
    again = apply(sep.save_model(tmp_path / "m.npz", frames=False), sep.mixture, SAMPLE_RATE)
    assert list(again) == list(sep)
    for stem in sep:
        within = 0.05 if name == "nmf" else 0  # activations are found anew, filters are what they were
        assert abs(again[stem] - sep[stem]).max() <= within * abs(sep.mixture).max()


def test_templates_find_what_they_stand_for_in_another_recording() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    low, high = np.sin(2 * np.pi * 440 * t), np.sin(2 * np.pi * 2500 * t)
    gates = (rng.random((4, 20)) < 0.5).repeat(len(t) // 20, axis=1)  # now one, now the other, now both
    learnt = ssc.separate(gates[0] * low + gates[1] * high, SAMPLE_RATE, method=NMF(n_components=2))
    found = apply(learnt, gates[2] * low + gates[3] * high, SAMPLE_RATE)
    assert list(found) == list(learnt)
    errors = [
        min(np.std(stem - true) / np.std(true) for true in (gates[2] * low, gates[3] * high))
        for stem in found.values()
    ]
    assert max(errors) < 0.1


def test_stems_have_the_length_kind_and_dtype_of_the_other_recording() -> None:
    sep = separated("nmf", "float64")
    for x in (other(), other(1)[0], other().astype("float64"), other(n_samples=257)):
        found = apply(sep, x, SAMPLE_RATE)
        for stem in found.values():
            assert (stem.shape, stem.dtype) == (x.shape, x.dtype)
        assert abs(sum(found.values()) - x).max() <= 1e-6 * abs(x).max()
        assert list(found.regroup({"all": [0, 1]})) == ["all"]


@pytest.mark.parametrize("name", ["auxiva", "wpe", "ntf", "sparse_coding"])
def test_another_number_of_channels_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(ShapeError, match="channel") as told:
        apply(separated(name), other(1), SAMPLE_RATE)
    assert "\n" not in str(told.value)


def test_another_rate_is_refused_and_a_file_resampled_where_that_is_said(tmp_path: Path) -> None:
    sep = separated("nmf")
    with pytest.raises(ParameterError, match="16000 Hz and the model is of 8000 Hz"):
        apply(sep, other(), 16000)
    path = tmp_path / "x.wav"
    ssc.save(path, other(), 16000)
    with pytest.raises(ParameterError, match="sample_rate=8000"):
        apply(sep, path)
    assert apply(sep, path, 8000).sample_rate == 8000


def test_what_holds_for_its_own_recording_only_says_so() -> None:
    with pytest.raises(ParameterError, match="repet finds holds for its own recording only"):
        apply(separated("repet"), other(), SAMPLE_RATE)
    with pytest.raises(ParameterError, match="no model"):
        apply(np.ones(3), other(), SAMPLE_RATE)


def test_a_bare_model_needs_its_front_end_and_then_is_as_good() -> None:
    model = NMF(n_components=2, n_iter=4).fit(FRONTEND.analyze(other()))
    with pytest.raises(ParameterError, match="front-end"):
        apply(model, other(), SAMPLE_RATE)
    assert len(apply(model, other(), SAMPLE_RATE, frontend=FRONTEND, groups={"all": [0, 1]})) == 1


def test_a_method_of_somebody_else_is_left_out_and_a_function_in_a_model_refused(tmp_path: Path) -> None:
    sep = separated("auxiva")
    odd = sep.replace(method=SimpleNamespace(name="mine", fit=print))
    saved = load_model(odd.save_model(tmp_path / "m.npz"))
    assert (saved.method, saved.method_name) == (None, "mine")
    model = MaskModel(
        masks=np.ones((0, 1, 2, 2)), magnitude=np.ones((1, 2, 2)), names=("a",), extra={"f": print}
    )
    with pytest.raises(ParameterError, match="print can't be saved"):
        save_model(tmp_path / "n.npz", model)
    assert not (tmp_path / "n.npz").exists()


@pytest.mark.parametrize(
    "value",
    [
        None, True, -3, 0.1, float("inf"), float("nan"), "ü", (1, (2.5, "x")), [1, None], {"a": {"$": 1}}, slice(2, 5),
        np.float32(0.1), np.array(7), np.arange(6).reshape(2, 3).T, np.zeros((3, 0, 2)), np.ones((2, 1, 4))[:, :, ::2],
        np.array([1 + 2j], "complex64"), np.broadcast_to(np.float32(3), (2, 3)), np.array(["a", "bc"]),
    ],
    ids=repr,
)  # fmt: skip
def test_values_come_back_as_they_were(value: Any) -> None:
    arrays: dict[str, np.ndarray] = {}
    told = json.loads(json.dumps(values.encoded(value, arrays), allow_nan=False))
    back = values.decoded(told, arrays)
    assert type(back) is type(value)
    assert_array_equal(back, value) if values.is_array(value) else None
    assert values.is_array(value) or repr(back) == repr(value)
    assert getattr(back, "dtype", None) == getattr(value, "dtype", None)


def test_one_array_in_two_places_is_stored_once() -> None:
    x, arrays = np.ones((3, 4)), dict[str, np.ndarray]()
    values.encoded({"a": x, "b": x, "c": x.T, "d": x[:2]}, arrays)
    assert [array.shape for array in arrays.values()] == [(3, 4), (2, 4)]  # the transpose is the same memory


def test_numpy_opens_the_file_without_pickle_and_it_is_small(tmp_path: Path) -> None:
    path = separated("nmf").save_model(tmp_path / "m.npz")
    with np.load(path, allow_pickle=False) as arrays:
        assert arrays["a0"].dtype == np.float32
        assert json.loads(arrays["header.json"])["parameters"]["n_components"] == 4


# ---- files that are none


def test_newer_formats_other_files_and_pickles_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    sep = separated("nmf")

    def refused(match: str) -> None:
        with pytest.raises(AudioError, match=match) as told:
            load_model(path)
        assert str(told.value).startswith(str(path))
        assert "\n" not in str(told.value)

    refused("No such file")
    path.write_bytes(b"")
    refused("damaged or no saved model")
    np.savez(path, W=np.ones(3))
    refused("no saved model, it has no header.json")
    sep.save_model(path)
    rewritten(path, format_version=2, package_version="9.9")
    refused("has format 2, written by sigsep-classic 9.9")
    for changes in ({"format": "x"}, {"format_version": "1"}, {"kind": "MaskModel"}, {"model": None}, {"model": 3},
                    {"sample_rate": -1}, {"groups": {"a": [9]}}, {"groups": [1]}, {"whole": 3}, {"mask": 3},
                    {"frontend": "stft"}, {"model": {"$": "object", "name": "Popen", "fields": {}}},
                    {"model": {"$": "object", "name": "os.system", "fields": {"a": 1}}},
                    {"model": {"$": "method", "name": "nmf", "fields": {"n_components": -1}}},
                    {"model": {"$": "array", "name": "a0", "axes": [7]}}, {"model": {"$": "code"}}):  # fmt: skip
        sep.save_model(path)
        rewritten(path, **changes)
        refused("damaged|no saved model")
    evil = {"header.json": path.read_bytes(), "a0": np.array([print], dtype=object)}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.json", "{}")
        with archive.open("a0.npy", "w") as member:
            np.lib.format.write_array(member, evil["a0"], allow_pickle=True)
    refused("pickled objects")
    path.write_bytes(pickle.dumps(sep.model.W))
    refused("damaged or no saved model")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", "0" * 10**6)
    refused("compressed")
    np.savez(path, **{"header.json": np.ones(1)})
    refused("no saved model|damaged")


def loaded_or_refused(path: Path) -> Any:
    """Return the model, or None if the file was refused in one line."""
    try:
        return load_model(path)
    except AudioError as error:
        if "\n" in str(error):
            raise AssertionError from error
        return None


def test_no_damaged_file_is_taken_or_ends_in_anything_but_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    sep = separated("auxiva")
    sep.save_model(path, frames=False)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    taken = 0
    for i in range(300):
        data = bytearray(whole)
        if i % 3 == 0:
            del data[int(rng.integers(len(data))) :]
        else:
            for place in rng.integers(len(data), size=1 + i % 5):
                data[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        found = loaded_or_refused(path)
        if found is not None:  # what no checksum covers: dates and flags in the zip's directory
            taken += 1
            assert_array_equal(found.model.W, sep.model.W)
    assert taken < 60


@pytest.mark.parametrize("seed", range(3))
def test_headers_with_anything_in_them_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "m.npz"
    sep = separated("nmf")
    sep.save_model(path)
    header, rng = header_of(path), np.random.default_rng(seed)
    wild = [
        None,
        True,
        -1,
        1e308,
        "x",
        [],
        {},
        {"$": "array"},
        {"$": "tuple", "items": 3},
        [[[]]],
        {"$": "slice"},
    ]
    places = _places(header)
    for _ in range(60):
        changed = json.loads(json.dumps(header))
        inside, key = changed, None
        for key in (*places[int(rng.integers(len(places)))],):
            inside, parent = inside[key], inside
        parent[key] = wild[int(rng.integers(len(wild)))]
        rewritten(path, **changed)
        loaded_or_refused(path)


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All ways to the values inside a JSON value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in [(*at, key), *_places(value[key], (*at, key))]]


def test_a_file_that_cant_be_written_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    sep = separated("nmf")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="can't be written"):
        sep.save_model(tmp_path / "file" / "m.npz")
    with pytest.raises(ParameterError, match="path is"):
        sep.save_model("")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
