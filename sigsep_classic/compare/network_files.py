"""Files of neural networks, ONNX or of PyTorch, opened by a line of text that says what they do not."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from sigsep_classic.backend import n_threads
from sigsep_classic.compare.networks import Network, Run
from sigsep_classic.errors import ParameterError, SigsepError

ONNX, TORCHSCRIPT, EXPORTED = ".onnx", ".pt", ".pt2"
OPTIONS = ("sample_rate", "stems", "channels", "seconds", "overlap")
METADATA = "metadata.json"
"""The extra file in a PyTorch model that holds `OPTIONS`; ONNX has metadata of its own."""

_TOLD = re.compile(
    r"(?P<path>.+(?:\.onnx|\.pt2|\.pt))(?::(?P<options>[a-z_]+=.*))?", re.IGNORECASE | re.DOTALL
)


def path_in(text: str) -> str | None:
    """Return the file in ``model.onnx:sample_rate=44100,stems=vocals+drums``; None where it names no network."""
    found = _TOLD.fullmatch(text)
    return found["path"] if found else None


def open_network(text: str) -> Network:
    """Return the network that a line of text names, opened once for each state of its file.

    Parameters
    ----------
    text : str
        A file that ends in ``.onnx`` (needs onnxruntime), or in ``.pt`` (TorchScript) or ``.pt2`` (``torch.export``;
        both need PyTorch), then, after a colon, what its metadata do not say or say otherwise: ``sample_rate`` in Hz,
        ``stems`` joined by +, ``channels``, ``seconds`` of a chunk and their ``overlap``. A file of PyTorch is a
        program: open what you trust.

    Raises
    ------
    ParameterError
        There is no such file, an option is unknown or missing, or the file is no such network.
    SigsepError
        onnxruntime or PyTorch is missing.
    """
    found = _TOLD.fullmatch(text)
    if found is None or not os.path.isfile(found["path"]):
        raise ParameterError(f"model {text!r}: there is no file {found['path'] if found else text}")
    own = _options(found["options"] or "", text)
    state = os.stat(found["path"])
    run, metadata, shape = _opened(found["path"], state.st_mtime_ns, state.st_size)
    told = {**{name: metadata[name] for name in OPTIONS if name in metadata}, **own}
    missing = [name for name in ("sample_rate", "stems") if name not in told]
    if missing:
        raise ParameterError(
            f"model {found['path']} does not say its {' and '.join(missing)}; write "
            f"{os.path.basename(found['path'])}:sample_rate=44100,stems=vocals+accompaniment"
        )
    channels, n_samples = shape
    values = {name: _value(name, told[name], text) for name in told}
    return Network(run=run, n_samples=n_samples, **{"channels": channels, **values})


def _options(text: str, told: str) -> dict[str, str]:
    found = {}
    for part in filter(None, text.split(",")):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name not in OPTIONS or not equals:
            raise ParameterError(f"model {told!r}: {part!r} is none of {', '.join(OPTIONS)}=VALUE")
        found[name] = value
    return found


def _value(name: str, value: Any, told: str) -> Any:
    try:
        if name == "stems":
            names = re.split(r"[+,]", value) if isinstance(value, str) else [str(each) for each in value]
            return tuple(each.strip() for each in names)
        return int(value) if name in ("sample_rate", "channels") else float(value)
    except (TypeError, ValueError):
        raise ParameterError(f"model {told!r}: {name} is {value!r}; it must be a number") from None


@lru_cache(maxsize=2)
def _opened(
    path: str, changed: int, n_bytes: int
) -> tuple[Run, Mapping[str, Any], tuple[int | None, int | None]]:
    """Return how a network is run, what it says of itself, and its channels and samples where they are fixed."""
    kind = os.path.splitext(path)[1].lower()
    package = "onnxruntime" if kind == ONNX else "torch"
    try:
        return _open_onnx(path) if kind == ONNX else _open_torch(path, exported=kind == EXPORTED)
    except ImportError:
        raise SigsepError(f"{path} needs {package}; pip install {package}") from None
    except Exception as error:  # each of them has errors of its own
        said = str(error).strip().splitlines() or [type(error).__name__]
        way = " (saved by torch.jit.save? weights alone are no network)" if kind == TORCHSCRIPT else ""
        raise ParameterError(f"model {path} can't be opened{way}: {said[0]}") from None


def _open_onnx(path: str) -> tuple[Run, Mapping[str, Any], tuple[int | None, int | None]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    first = session.get_inputs()[0]

    def run(x: np.ndarray) -> np.ndarray:
        found: np.ndarray = session.run([session.get_outputs()[0].name], {first.name: x})[0]
        return found

    sizes = [size if isinstance(size, int) else None for size in [*first.shape, None, None, None]]
    return run, session.get_modelmeta().custom_metadata_map, (sizes[1], sizes[2])


def _open_torch(path: str, *, exported: bool) -> tuple[Run, Mapping[str, Any], tuple[int | None, int | None]]:
    import json

    import torch

    extra = {METADATA: ""}
    if exported:
        module = torch.export.load(path, extra_files=extra).module()
    else:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # of torch.jit, which files are still made with
            module = torch.jit.load(path, map_location="cpu", _extra_files=extra).eval()

    def run(x: np.ndarray) -> np.ndarray:
        before = torch.get_num_threads()
        torch.set_num_threads(n_threads())
        try:
            with torch.no_grad():
                found: np.ndarray = module(torch.from_numpy(x)).numpy()
            return found
        finally:
            torch.set_num_threads(before)

    said = extra[METADATA]
    return run, json.loads(said) if said else {}, (None, None)
