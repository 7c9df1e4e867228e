"""Files that would not fit into the memory there may be are separated in pieces, by the same command."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose

import sigsep_classic as ssc
from sigsep_classic import audio
from sigsep_classic.audio import load, save, spooling
from sigsep_classic.cli.main import main
from sigsep_classic.errors import OutputError
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


class Binary:
    """Standard input or output of bytes."""

    def __init__(self, data=b""):
        self.buffer = io.BytesIO(data)
        self.buffer.name = "<stdin>"

    def write(self, text):
        return self.buffer.write(text.encode())

    def flush(self):
        """Do nothing."""

    def isatty(self):
        """Return that nobody looks at it."""
        return False


def test_standard_input_and_output_of_any_length(cli, mix, monkeypatch):
    (whole,) = records(cli("separate", "mix.wav", "--json"))
    harmonic = load(whole["outputs"]["harmonic"]).samples

    def piped(*words):
        out = Binary()
        with monkeypatch.context() as patch:
            patch.setattr(spooling, "IN_MEMORY", 1000)
            patch.setattr("sys.stdin", Binary(Path("mix.wav").read_bytes()))
            patch.setattr("sys.stdout", out)
            done = main(["separate", "-", "-o", "-", "--stem", "harmonic", "--memory-limit", "2M", *words])
        assert done == 0
        return out.buffer.getvalue()

    before = set(files_below("."))
    data = piped()
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    assert_allclose(load(io.BytesIO(data)).samples, harmonic, rtol=0, atol=10 ** (-90 / 20))
    clamped = piped("--subtype", "int16", "--clip-mode", "clamp")
    scaled = piped("--subtype", "int16")  # by a temporary file: it might have needed a gain
    assert np.array_equal(load(io.BytesIO(clamped)).samples, load(io.BytesIO(scaled)).samples)
    assert piped("--ext", "flac")[:4] == b"fLaC"
    assert set(files_below(".")) == before


def test_a_stream_goes_on_after_memory_ran_out_without_saying_anything_twice():
    file, x = io.BytesIO(), np.random.default_rng(0).uniform(-0.9, 0.9, (1, 101)).astype("float32")
    encoding = audio.forward_encoding(
        format="wav", subtype="int24", clip_mode="clamp", channels=1, sample_rate=RATE, n_samples=101
    )
    shape = {"sample_rate": RATE, "channels": 1, "n_samples": 101}
    sent = []
    first = audio.ForwardWriter(file, encoding, sent, **shape).__enter__()
    first.write({"a": x[:, :40]})  # and here memory runs out
    with audio.ForwardWriter(file, encoding, sent, **shape) as out:
        for at in range(0, 101, 30):
            out.write({"a": x[:, at : at + 30]})
    assert_allclose(load(io.BytesIO(file.getvalue())).samples, x, rtol=0, atol=2**-23)
    with (
        pytest.raises(OutputError, match="0 of 101 samples came"),
        audio.ForwardWriter(io.BytesIO(), encoding, [], **shape),
    ):
        pass


def test_remixes_in_blocks_are_those_of_the_whole(cli, mix):
    changes = "harmonic -6dB lowpass 2k; percussive pan left highpass 60"
    for limit in ("1G", "2M"):
        (record,) = records(
            cli("remix", "mix.wav", "--set", changes, "--json", "--memory-limit", limit, "-o", limit)
        )
    assert record["plan"] == "blocks"
    whole, long = (load(f"{limit}/mix.wav").samples for limit in ("1G", "2M"))
    assert_allclose(long, whole, rtol=0, atol=10 ** (-90 / 20))
    (record,) = records(
        cli("remix", "mix.wav", "--set", "harmonic dry", "--json", "--memory-limit", "4M", "-o", "c")
    )
    assert load("c/mix.wav").samples.shape == mix.shape
    done = cli("remix", "mix.wav", "--set", "voice mute", "-m", "hpss", "--memory-limit", "2M")
    assert (done.code, "no stem 'voice'" in done.err) == (2, True)


def test_hum_is_taken_off_in_blocks_as_it_is_off_the_whole(cli, mix):
    t = np.arange(8 * RATE) / RATE
    hum = sum(0.1 / k * np.sin(2 * np.pi * 50.13 * k * t + k) for k in (1, 2, 3))
    rng = np.random.default_rng(0)
    save("noise.wav", 0.01 * rng.standard_normal((1, RATE)), RATE)
    save(
        "talk.wav",
        hum + np.tile(mix[:1], 2)[:, : len(t)] * (t > 1) + 0.01 * rng.standard_normal((1, len(t))),
        RATE,
    )
    words = ["denoise", "talk.wav", "--hum", "-m", "gate", "--noise-clip", "noise.wav", "--json"]
    stems = [word for name in ("speech", "noise", "hum") for word in ("--stem", name)]
    (whole,) = records(cli(*words, *stems, "--memory-limit", "1G", "-o", "whole"))
    (long,) = records(cli(*words, *stems, "--memory-limit", "4M"))
    assert (whole["plan"], long["plan"]) == ("whole", "blocks")
    for name in ("speech", "noise", "hum"):
        expected = load(whole["outputs"][name]).samples
        assert_allclose(load(long["outputs"][name]).samples, expected, rtol=0, atol=10 ** (-90 / 20))


def test_models_are_saved_and_applied_in_pieces(cli, mix):
    method = ["-m", "auxiva", "--n-iter", "2", "--json"]
    (record,) = records(
        cli("separate", "mix.wav", *method, "--save-model", "long.npz", "--memory-limit", "4M")
    )
    assert record["plan"] == "sample"
    (whole,) = records(cli("separate", "mix.wav", "--apply-model", "long.npz", "--json", "-o", "whole"))
    words = ["separate", "mix.wav", "--apply-model", "long.npz", "--memory-limit", "2M", "-o", "applied"]
    (long,) = records(cli(*words, "--json"))
    assert (whole["plan"], long["plan"], list(long["outputs"])) == ("whole", "sample", list(whole["outputs"]))
    for name, path in long["outputs"].items():
        expected = load(whole["outputs"][name]).samples
        assert_allclose(load(path).samples, expected, rtol=0, atol=10 ** (-90 / 20))
    done = cli(*words, "--phase", "misi")
    assert (done.code, "misi needs the whole recording" in done.err) == (5, True)
    method = ["-m", "ica", "--mask", "mwf", "--save-model", "none.npz"]
    done = cli("separate", "mix.wav", *method, "--memory-limit", "2M")
    assert (done.code, "the model can't be saved" in done.err) == (2, True)
    assert not Path("none.npz").exists()
