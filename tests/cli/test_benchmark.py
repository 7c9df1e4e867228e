"""``sigsep-classic benchmark``: methods and models on every track, in records that resume."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sigsep_classic import audio, synthesize
from sigsep_classic.cli.scoring import record_path
from sigsep_classic.compare import records

Cli = Callable[..., Any]

RATE = 8000
MODEL = """
def halves(mixture, sample_rate):
    return {"vocals": mixture / 2, "accompaniment": mixture / 2}

def fails(mixture, sample_rate):
    raise RuntimeError("out of luck")
"""


@pytest.fixture
def data(folder: Path) -> Path:
    """Two tracks and a file with models."""
    for seed in (0, 1):
        mix = synthesize("song", seconds=2.0, sample_rate=RATE, seed=seed)
        for name, x in {**mix.stems, "mixture": mix.mixture}.items():
            audio.save(folder / f"data/test/Track {seed}/{name}.wav", x, RATE)
    (folder / "models.py").write_text(MODEL)
    return folder


@pytest.mark.slow
def test_methods_models_and_bounds_are_scored_on_every_track(cli: Cli, data: Path) -> None:
    words = ("--methods", "hpss,repet_sim", "--model", "models.py:halves", "--sdr-only", "-o", "out")
    done = cli("benchmark", "--dataset", "data", *words)
    assert done.code == 0, done.err
    for name in ("hpss", "repet_sim", "halves", "oracle IRM2", "mixture/n", "no_drums", "accompaniment"):
        assert name in done.out
    for track in ("Track 0", "Track 1"):
        found = records.read(record_path("out", "hpss", "test", track))
        assert set(found.stems) == {"drums", "no_drums"}
        assert found.meta["seconds"] >= 0
        assert found.meta["made_of"]["candidate"]["method"] == "hpss"
    again = cli("benchmark", "--dataset", "data", *words, "--json")
    done_now = [json.loads(line)["done"] for line in again.out.splitlines()]
    assert [set(each.values()) for each in done_now] == [{"kept"}] * 2


@pytest.mark.slow
def test_a_model_that_fails_is_told_and_counted_and_the_rest_goes_on(cli: Cli, data: Path) -> None:
    words = ("--methods", "hpss", "--model", "models.py:fails", "--sdr-only", "--oracle", "none", "-o", "out")
    done = cli("benchmark", "--dataset", "data", *words)
    assert done.code == 1
    assert done.err.count("/Track 0: fails: RuntimeError: out of luck") == 1
    assert done.err.count("/Track 1: fails: RuntimeError: out of luck") == 1
    assert records.read(record_path("out", "fails", "test", "Track 1")).error
    assert records.read(record_path("out", "hpss", "test", "Track 1")).value("drums", "csdr") > -20


@pytest.mark.slow
def test_a_model_is_run_again_when_its_file_has_changed_and_what_is_done_to_it_is_said(
    cli: Cli, data: Path
) -> None:
    words = ("--methods", "hpss", "--model", "models.py:halves", "--sdr-only", "--oracle", "none", "--json")
    cli("benchmark", "--dataset", "data", *words)
    (data / "models.py").write_text("def halves(x, rate):\n    return {'Vocals': x[:, :-100] / 3}\n")
    done = cli("benchmark", "--dataset", "data", *words)
    told = [json.loads(line)["done"] for line in done.out.splitlines()]
    assert [(each["hpss"], each["halves"]) for each in told] == [("kept", "scored")] * 2
    assert done.err.count("halves: vocals: 100 samples (0.0125 s) of silence added at the end") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--dataset is missing"),
        (["--dataset", "nowhere"], "nowhere"),
        (["--dataset", "data", "--methods", "hpsss"], "did you mean 'hpss'"),
        (["--dataset", "data", "--model", "models.py:none"], "has no function none"),
    ],
)
def test_mistakes_are_one_line(cli: Cli, data: Path, words: list[str], said: str) -> None:
    done = cli("benchmark", *words)
    assert done.code in (2, 3)
    assert said in done.err
    assert done.err.count("\n") == 1
