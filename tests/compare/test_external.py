"""A model of anybody's is a row: a function in a file, or a command that reads a sound and writes a folder."""

from __future__ import annotations

import shlex
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sigsep_classic.compare.external import ModelError, external_model
from sigsep_classic.errors import ParameterError

RATE = 8000

FUNCTIONS = """
import numpy as np

def halves(mixture, sample_rate):
    return {"vocals": mixture / 2, "accompaniment": mixture[0] / 2}

def fails(mixture, sample_rate):
    raise RuntimeError("out of luck")

def nothing(mixture, sample_rate):
    return None

def by_rows(mixture, sample_rate):
    return {"vocals": mixture.T}

def diverges(mixture, sample_rate):
    return {"vocals": mixture * np.inf}

def words(mixture, sample_rate):
    return {"vocals": np.array(["la"])}
"""

COMMAND = """
import shutil, sys
from pathlib import Path

source, output = map(Path, sys.argv[1:3])
if len(sys.argv) > 3:
    sys.exit(sys.argv[3])
for stem in ("vocals", "drums"):
    target = output / "tool" / source.stem / f"{stem}.wav"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my models.py"
    path.write_text(FUNCTIONS)
    return path


@pytest.fixture
def mixture():
    return np.random.default_rng(0).uniform(-0.5, 0.5, (2, 4000)).astype(np.float32)


def command(tmp_path, *more):
    script = tmp_path / "tool.py"
    script.write_text(COMMAND)
    words = " ".join(shlex.quote(str(word)) for word in (sys.executable, script))
    return f"tool={words} {{input}} {{output}} {' '.join(more)}"


def test_a_function_gives_stems_by_name_with_channels(file, mixture):
    model = external_model(f"{file}:halves")
    found = model(mixture, RATE)
    assert model.name == "halves"
    assert {name: stem.shape for name, stem in found.items()} == {
        "vocals": (2, 4000),
        "accompaniment": (1, 4000),
    }
    assert_array_equal(found["vocals"], mixture / 2)


def test_a_command_is_given_the_mixture_and_its_folder_is_read(tmp_path, mixture):
    model = external_model(command(tmp_path))
    found = model(mixture, RATE)
    assert model.name == "tool"
    assert set(found) == {"vocals", "drums"}
    assert_array_equal(found["drums"], mixture)


def test_a_command_that_fails_is_one_line_with_what_it_said(tmp_path, mixture):
    with pytest.raises(ModelError, match="exit code 1: no weights"):
        external_model(command(tmp_path, "'no weights'"))(mixture, RATE)
    with pytest.raises(ModelError, match="no-such-tool can't be run"):
        external_model("no-such-tool {input} {output}")(mixture, RATE)
    with pytest.raises(ModelError, match="true wrote nothing"):
        external_model("true {input} {output}")(mixture, RATE)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("fails", "RuntimeError: out of luck"),
        ("nothing", "returned None"),
        ("words", "must be"),
        ("by_rows", r"\(4000, 2\); it must be .* transposed"),
        ("diverges", "'vocals' holds NaN or infinity"),
    ],
)
def test_a_function_that_fails_or_gives_no_stems_is_one_line(file, mixture, function, said):
    with pytest.raises(ModelError, match=said):
        external_model(f"{file}:{function}")(mixture, RATE)


def test_what_is_neither_function_nor_command_is_a_parameter_error(file):
    for text, said in (
        ("demucs", "give path.py:function"),
        (f"{file}:missing", "has no function missing"),
        ("nowhere.py:f", "there is no file"),
    ):
        with pytest.raises(ParameterError, match=said):
            external_model(text)
    file.write_text("raise OSError('broken')")
    with pytest.raises(ParameterError, match="importing it raised OSError"):
        external_model(f"{file}:halves")
