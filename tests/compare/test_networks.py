"""Networks in files as models: the contract, chunks, and what a file says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.compare.external import external_model, files_of
from sigsep_classic.compare.network_files import open_network, path_in
from sigsep_classic.compare.networks import Network, in_chunks
from sigsep_classic.errors import ParameterError, ShapeError

RATE = 8000
SHARES = (0.75, 0.25)


def shares(x: np.ndarray) -> np.ndarray:
    return np.stack([share * x for share in SHARES], axis=1)


@pytest.fixture
def mixture() -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (2, 5000)).astype(np.float32)


# ---- chunks


@pytest.mark.parametrize(("size", "overlap"), [(64, 0.25), (999, 0.5), (5000, 0.25), (8192, 0.5), (7, 0.0)])
def test_chunks_of_what_looks_at_one_sample_are_the_whole(
    mixture: np.ndarray, size: int, overlap: float
) -> None:
    sizes = set()

    def run(x: np.ndarray) -> np.ndarray:
        sizes.add(x.shape)
        assert x.dtype == np.float32
        return shares(x)

    found = in_chunks(run, mixture[None], size=size, overlap=overlap)
    assert_allclose(found[0], shares(mixture[None])[0], atol=1e-6)
    assert sizes == {(1, 2, size)}


def test_chunks_fade_into_one_another() -> None:
    steps = iter(range(100))
    found = in_chunks(
        lambda x: np.full_like(x, next(steps))[:, None], np.ones((1, 1, 100), np.float32), size=40
    )
    jumps = np.abs(np.diff(found[0, 0, 0]))
    assert jumps.max() <= 0.2  # a tenth of a chunk is 10 samples, each a step of at most so much
    assert found[0, 0, 0, 0] == 0


@pytest.mark.parametrize(
    "wrong", [lambda x: x, lambda x: shares(x)[..., :-1], lambda x: shares(x).astype(complex), lambda x: None]
)
def test_what_breaks_the_contract_is_told_with_the_shape_it_has(mixture: np.ndarray, wrong: Any) -> None:
    with pytest.raises(ShapeError, match=r"the network returned .* it must be real, \(1, stems, 2, 100\)"):
        in_chunks(wrong, mixture[None], size=100)


def test_channels_are_brought_to_those_of_the_network_and_back(mixture: np.ndarray) -> None:
    options: dict[str, Any] = {"run": shares, "sample_rate": RATE, "stems": ("a", "b"), "seconds": 0.1}
    assert_allclose(Network(**options)(mixture, RATE)["a"], 0.75 * mixture, atol=1e-6)
    mono = Network(channels=1, **options)(mixture, RATE)
    assert_allclose(mono["b"], 0.25 * mixture, atol=1e-6)
    repeated = Network(channels=2, **options)(mixture[:1], RATE)
    assert_allclose(repeated["b"], 0.25 * mixture[:1], atol=1e-6)
    with pytest.raises(ShapeError, match="has 2 channels and the network takes 4"):
        Network(channels=4, **options)(mixture, RATE)
    with pytest.raises(ShapeError, match="returned 2 stems, and 1 names"):
        Network(**{**options, "stems": ("a",)})(mixture, RATE)


@pytest.mark.slow  # importing librosa is
def test_stems_come_back_at_the_rate_of_the_mixture() -> None:
    options: dict[str, Any] = {"run": shares, "sample_rate": RATE, "stems": ("a", "b"), "seconds": 0.1}
    low = np.sin(0.05 * np.arange(4000))[None].astype(np.float32)
    other = Network(**options)(low, 4000)["a"]
    assert other.shape == low.shape
    assert_allclose(other[0, 500:-500], 0.75 * low[0, 500:-500], atol=2e-3)


# ---- files


def test_a_line_names_a_file_and_what_it_does_not_say(tmp_path: Path) -> None:
    assert path_in("a/model.onnx:sample_rate=8000,stems=a+b") == "a/model.onnx"
    assert path_in("C:\\nets\\model.PT") == "C:\\nets\\model.PT"
    assert path_in("model.py:separate") is None
    with pytest.raises(ParameterError, match=r"there is no file .*none\.onnx"):
        external_model(f"net={tmp_path}/none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    for options, said in (
        (":stem=a", "is none of"),
        (":seconds", "no file"),
        ("", "can't be opened|needs onnxruntime"),
    ):
        with pytest.raises(Exception, match=said) as failure:
            open_network(f"{tmp_path}/bad.onnx{options}")
        assert "\n" not in str(failure.value)


def field(number: int, value: int | bytes | str) -> bytes:
    """Return one field of a protocol buffer, which is what ONNX files are."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value: int) -> bytes:
    return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])


def onnx_file(**metadata: str) -> bytes:
    """Return a network that gives `SHARES` of stereo of any length: x times a constant (1, 2, 1, 1)."""
    sizes = {"x": ["batch", 2, "samples"], "y": ["batch", 2, 2, "samples"]}
    shapes = {
        name: b"".join(field(1, field(1, n) if isinstance(n, int) else field(2, n)) for n in axes)
        for name, axes in sizes.items()
    }
    infos = {
        name: field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))
        for name, shape in shapes.items()
    }
    axis = field(1, 1) + field(2, 7) + field(9, np.int64(1).tobytes()) + field(8, "axis")
    factors = b"".join(field(1, n) for n in (1, 2, 1, 1)) + field(2, 1)
    factors += field(9, np.float32(SHARES).tobytes()) + field(8, "shares")
    nodes = [("x", "axis", "wide", "Unsqueeze"), ("wide", "shares", "y", "Mul")]
    graph = b"".join(
        field(1, field(1, a) + field(1, b) + field(2, out) + field(4, kind)) for a, b, out, kind in nodes
    )
    graph += (
        field(2, "g") + field(5, axis) + field(5, factors) + field(11, infos["x"]) + field(12, infos["y"])
    )
    said = b"".join(field(14, field(1, key) + field(2, value)) for key, value in metadata.items())
    return field(1, 8) + field(7, graph) + field(8, field(2, 13)) + said


def test_an_onnx_file_is_a_model_that_says_its_rate_and_stems(tmp_path: Path, mixture: np.ndarray) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "my net.onnx"
    path.write_bytes(onnx_file(sample_rate=str(RATE), stems="vocals,rest"))
    model = external_model(f"net={path}:seconds=0.2")
    assert model.name == "net"
    assert files_of(f"net={path}:seconds=0.2") == (path,)
    found = model(mixture, RATE)
    assert list(found) == ["vocals", "rest"]
    assert_allclose(found["vocals"], 0.75 * mixture, atol=1e-6)
    assert_array_equal(model(mixture, RATE)["rest"], found["rest"])

    path.write_bytes(onnx_file())
    with pytest.raises(
        ParameterError, match=r"does not say its sample_rate and stems; write my net\.onnx:sample"
    ):
        open_network(str(path))
    told = open_network(f"{path}:sample_rate={RATE},stems=a+b")
    assert (told.stems, told.channels) == (("a", "b"), 2)


@pytest.mark.slow  # importing torch is
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("suffix", [".pt", ".pt2"])
def test_a_file_of_pytorch_is_a_model_too(tmp_path: Path, mixture: np.ndarray, suffix: str) -> None:
    torch = pytest.importorskip("torch")

    class Shares(torch.nn.Module):  # type: ignore[name-defined, misc]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return torch.stack([0.75 * x, 0.25 * x], 1)

    path = tmp_path / f"net{suffix}"
    extra = {"metadata.json": json.dumps({"sample_rate": RATE, "stems": ["vocals", "rest"], "seconds": 0.25})}
    example = torch.zeros(1, 2, 2000)
    if suffix == ".pt":
        torch.jit.save(torch.jit.trace(Shares(), example), path, _extra_files=extra)
    else:
        torch.export.save(torch.export.export(Shares(), (example,)), path, extra_files=extra)
    model = external_model(str(path))
    assert model.name == "net"
    assert_allclose(model(mixture, RATE)["rest"], 0.25 * mixture, atol=1e-6)
