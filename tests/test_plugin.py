"""The package of the template is built, installed, found by its entry point, run and put through its own tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import spectrogram
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.testing import check_method

TEMPLATE = Path(__file__).parent.parent / "examples" / "plugin"


@pytest.mark.slow(first=True)
def test_the_template_is_a_package_whose_method_is_used_by_name(tmp_path):
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(TEMPLATE, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*pip, *offline, str(source)], check=True, timeout=120)
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    environment = {**os.environ, "PYTHONPATH": path}

    def run(*words: str) -> str:
        command = [sys.executable, "-m", *words]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    x = np.concatenate([0.5 * np.sin(0.3 * np.arange(8000)), 0.01 * np.sin(0.9 * np.arange(8000))])
    soundfile.write(tmp_path / "song.wav", x, 8000, subtype="FLOAT")
    assert "--share 0.1" in run("sigsep_classic", "methods", "gate")
    run("sigsep_classic", "separate", "song.wav", "-m", "gate", "--share", "0.3")
    loud, _ = soundfile.read(tmp_path / "separated" / "song" / "loud.wav")
    quiet, _ = soundfile.read(tmp_path / "separated" / "song" / "quiet.wav")
    np.testing.assert_allclose(loud + quiet, x, atol=1e-6)
    assert np.abs(loud[10000:]).max() < 1e-3
    assert "2 passed" in run("pytest", "-p", "no:cacheprovider", str(source / "test_sigsep_gate.py"))


class Shouting:
    """No dataclass, and it writes to its input."""

    name = "shouting"

    def fit(self, X, *, callback=None):
        X *= 2
        return


class Loose:
    """Keeps its promises, but is no dataclass."""

    name = "loose"

    def fit(self, X, *, callback=None):
        V = spectrogram(X)
        return MaskModel(masks=0 * V[None], magnitude=V, names=("nothing", "all"))


def test_the_promise_that_is_not_kept_is_named_with_what_was_asserted():
    with pytest.raises(AssertionError, match=r"stems_have_the_shape_and_kind_of_the_input.*, on stft: "):
        check_method(Shouting(), frontends=("stft",))
    with pytest.raises(AssertionError, match=r"(?s)a_frozen_value, on stft: assert .*is_dataclass"):
        check_method(Loose(), frontends=("stft",))


@pytest.mark.parametrize("slip", [Loose, "loose"])
def test_a_class_or_a_name_is_no_method_to_check(slip):
    with pytest.raises(ParameterError, match=r"takes a method with its parameters, such as HPSS\(\); got "):
        check_method(slip)
