"""Files that would not fit into the memory there may be are separated in pieces, by the same command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose

import sigsep_classic as ssc
from sigsep_classic.audio import load, save
from tests.cli.conftest import files_below

RATE = 8000


@pytest.fixture
def mix(folder):
    x = ssc.synthesize("song", seconds=6.0, sample_rate=RATE).mixture
    save("mix.wav", x, RATE)
    return x


def records(done):
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def test_exact_methods_write_what_they_would_as_a_whole(cli, mix):
    (whole,) = records(cli("separate", "mix.wav", "--json", "--template", "whole/{stem}.wav"))
    (long,) = records(cli("separate", "mix.wav", "--json", "--memory-limit", "2M"))
    assert (whole["plan"], long["plan"]) == ("whole", "blocks")
    assert long["memory_limit"] == 2 * 2**20
    assert long["fell_back"] == []
    assert set(long) - set(whole) == {"block_seconds", "context_seconds"}
    assert (long["duration"], long["channels"]) == (whole["duration"], whole["channels"])
    total = 0
    for name, path in long["outputs"].items():
        stem = load(path).samples
        assert stem.shape == mix.shape
        assert_allclose(stem, load(whole["outputs"][name]).samples, rtol=0, atol=10 ** (-90 / 20))
        total = total + stem
    assert_allclose(total, mix, rtol=0, atol=1e-6)


def test_samples_and_chunks_add_up_and_are_as_long(cli, mix):
    for method, plan in (("nmf", "sample"), ("repet", "chunks")):
        options = ["--n-iter", "10", "--n-components", "4"] if method == "nmf" else []
        (record,) = records(
            cli("separate", "mix.wav", "-m", method, "--memory-limit", "3M", "--json", *options)
        )
        assert record["plan"] == plan
        assert_allclose(
            sum(load(path).samples for path in record["outputs"].values()), mix, rtol=0, atol=1e-6
        )


def test_whole_numbers_miss_the_mixture_by_one_step_at_most(cli, mix):
    save("short.wav", mix, RATE, subtype="int16")
    (record,) = records(cli("separate", "short.wav", "--memory-limit", "2M", "--json", "--subtype", "int16"))
    stems = [soundfile.read(path, dtype="int16")[0].astype(int) for path in record["outputs"].values()]
    mixture = soundfile.read("short.wav", dtype="int16")[0].astype(int)
    assert abs(sum(stems) - mixture).max() <= 1


def test_one_gain_for_all_is_found_in_a_first_pass(cli, mix):
    save("loud.wav", 2.5 * mix / abs(mix).max(), RATE)
    options = ["--memory-limit", "2M", "--json", "--subtype", "int16"]
    (record,) = records(cli("separate", "loud.wav", *options))
    assert record["plan"] == "blocks"
    assert record["peak"] * record["gain"] == pytest.approx(1)
    assert record["clipped"] == 0
    stems = [load(path).samples for path in record["outputs"].values()]
    assert max(abs(stem).max() for stem in stems) == pytest.approx(1, abs=1e-4)
    done = cli("separate", "loud.wav", *options, "--clip-mode", "none", "-o", "other")
    assert done.code == 4
    assert "beyond full scale" in done.err
    assert not Path("other").exists() or files_below("other") == []
    (record,) = records(cli("separate", "loud.wav", *options, "--clip-mode", "clamp", "-o", "other"))
    assert record["gain"] == 1
    assert record["clipped"] > 0


def test_one_stem_and_the_residual_can_be_asked_for(cli, mix):
    options = ["--memory-limit", "2M", "--json", "--harmonic-margin", "2"]
    (record,) = records(cli("separate", "mix.wav", "--stem", "percussive", *options))
    assert list(record["outputs"]) == ["percussive"]
    (record,) = records(cli("separate", "mix.wav", "-m", "centre", "--residual", *options[:3], "-o", "b"))
    assert list(record["outputs"]) == ["centre", "sides", "residual"]
    assert abs(load(record["outputs"]["residual"]).samples).max() < 1e-6
    done = cli("separate", "mix.wav", "--stem", "voice", *options)
    assert done.code == 2
    assert "harmonic, percussive" in done.err


def test_an_mp3_that_does_not_say_its_length_is_as_long_as_it_is(cli, mix):
    save("mix.mp3", mix, RATE)
    (record,) = records(cli("separate", "mix.mp3", "--memory-limit", "2M", "--json"))
    stems = [load(path).samples for path in record["outputs"].values()]
    assert stems[0].shape == load("mix.mp3").samples.shape
    assert record["duration"] == stems[0].shape[1] / RATE


def test_the_environment_says_the_limit_too(cli, mix, monkeypatch):
    monkeypatch.setenv("SIGSEP_MEMORY_LIMIT", "2M")
    (record,) = records(cli("separate", "mix.wav", "--json"))
    assert record["plan"] == "blocks"
    monkeypatch.setenv("SIGSEP_MEMORY_LIMIT", "lots")
    done = cli("separate", "mix.wav")
    assert done.code == 2
    assert "SIGSEP_MEMORY_LIMIT is 'lots'; give bytes" in done.err


def test_a_file_that_is_shorter_than_it_says_is_separated_as_far_as_it_goes(cli, mix):
    whole = Path("mix.wav").read_bytes()
    Path("cut.wav").write_bytes(whole[: len(whole) // 2])
    (record,) = records(cli("separate", "cut.wav", "--memory-limit", "1M", "--json"))
    assert record["warnings"] != []
    n = load("cut.wav").samples.shape[1]
    assert {load(path).samples.shape[1] for path in record["outputs"].values()} == {n}
    assert np.isfinite(record["peak"])
