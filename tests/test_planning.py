"""What is done with a recording is decided by numbers alone: method, size, and the memory there is."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sigsep_classic import METHODS, STFT, ConstantQ
from sigsep_classic.planning import (
    KINDS,
    LEAST_SECONDS,
    Footprint,
    Scene,
    footprint_of,
    halved,
    length_of,
    memory_estimate,
    plan,
)

GIB = 2**30
RATE = 44100
HOUR = Scene(channels=2, n_samples=3600 * RATE, sample_rate=RATE)
TUNE = Scene(channels=2, n_samples=10 * RATE, sample_rate=RATE)


def made(name, **parameters):
    return METHODS[name](**parameters)


def test_every_method_says_how_it_handles_length():
    kinds = {name: length_of(METHODS[name]()).kind for name in METHODS.built_in}
    assert set(kinds.values()) == set(KINDS)
    assert {kinds[name] for name in ("hpss", "hrps", "centre", "panned", "mid_side")} == {"blocks"}
    assert {kinds[name] for name in ("repet_sim_online", "iva_online")} == {"stream"}
    assert {kinds[name] for name in ("nmf", "ntf", "nmfd", "auxiva", "ilrma", "ica", "wpe")} == {"sample"}
    assert {kinds[name] for name in ("repet", "melody", "rpca", "mnmf")} == {"whole"}


def test_parameters_decide_too():
    assert length_of(made("repet_sim_online", compat="repet-python")).kind == "whole"
    assert length_of(made("iva_online", n_passes=2)).kind == "whole"
    assert length_of(made("adress")).kind == "sample"
    assert length_of(made("adress", azimuths=(-30.0, 30.0))).kind == "blocks"
    assert length_of(made("dehum")).kind == "sample"
    assert length_of(made("dehum", frequency=50.0)).kind == "blocks"


def test_every_method_has_a_measured_formula():
    assert [name for name in METHODS.built_in if footprint_of(name) == footprint_of("no such method")] == []


def test_what_fits_is_done_as_a_whole():
    for name in ("hpss", "nmf", "auxiva", "repet", "iva_online"):
        found = plan(made(name), TUNE, limit=8 * GIB)
        assert (found.kind, found.piece) == ("whole", TUNE.n_samples)
        assert found.estimate <= found.limit


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("hpss", "blocks"),
        ("iva_online", "stream"),
        ("nmf", "sample"),
        ("auxiva", "sample"),
        ("repet", "chunks"),
    ],
)
def test_what_does_not_fit_is_done_as_the_method_allows(name, kind):
    found = plan(made(name), HOUR, limit=GIB)
    assert found.kind == kind
    assert found.estimate <= GIB
    assert LEAST_SECONDS * RATE <= found.piece < HOUR.n_samples


def test_exact_blocks_are_taken_for_long_recordings_even_where_all_would_fit():
    assert plan(made("hpss"), HOUR, limit=10**15).kind == "blocks"
    assert plan(made("nmf"), HOUR, limit=10**15).kind == "whole"


def test_more_memory_never_means_shorter_pieces():
    for name in ("hpss", "nmf", "repet", "iva_online"):
        found = [plan(made(name), HOUR, limit=limit * 2**20).piece for limit in (60, 200, 800, 3000)]
        assert found == sorted(found)


def test_masks_and_phases_that_look_at_everything_go_in_chunks():
    for changed in ({"mask": "mwf"}, {"phase": "misi", "plain": False}):
        scene = dataclasses.replace(HOUR, **changed)
        for name in ("hpss", "nmf", "iva_online"):
            assert plan(made(name), scene, limit=GIB).kind == "chunks"
    local = dataclasses.replace(HOUR, mask="wiener")
    assert plan(made("nmf"), local, limit=GIB).kind == "sample"
    assert plan(made("hpss"), HOUR, limit=GIB, frontend=ConstantQ(sample_rate=RATE)).kind == "chunks"


def test_pieces_are_whole_frames_and_chunks_are_of_one_length():
    frontend = STFT(n_fft=1000, hop=300)
    found = plan(made("hpss"), HOUR, limit=GIB, frontend=frontend)
    assert (found.piece % 300, found.margin % 300) == (0, 0)
    found = plan(made("repet"), HOUR, limit=GIB)
    count = (HOUR.n_samples - found.margin) / (found.piece - found.margin)
    assert count == pytest.approx(round(count), abs=1e-3)


def test_halving_ends():
    for name in ("hpss", "nmf", "repet", "iva_online"):
        tried, lengths = plan(made(name), TUNE, limit=GIB), []
        while (longest := halved(tried)) is not None:
            tried = plan(made(name), TUNE, limit=GIB, longest=longest)
            lengths.append(tried.largest)
            assert tried.kind != "whole"
        assert lengths == sorted(lengths, reverse=True)
        assert 1 <= len(lengths) < 12


def test_the_estimate_grows_with_everything_it_depends_on():
    size = {"channels": 2, "n_samples": 60 * RATE, "sample_rate": RATE}
    method = made("auxiva")
    base = memory_estimate(method, **size)
    assert memory_estimate(method, **{**size, "n_samples": 120 * RATE}) > 1.5 * base
    assert memory_estimate(method, **{**size, "channels": 4}) > base
    assert memory_estimate(method, **size, itemsize=8) > 1.5 * base
    assert memory_estimate(made("auxiva"), **size, frontend=STFT(n_fft=1024, hop=128)) > 1.5 * base


def test_the_formula_is_what_it_says():
    footprint = Footprint(fixed=10, cell=1, channel=2, image=3, activation=4)
    assert footprint.bytes(itemsize=4, cell=100, channel=200, image=400, activation=50) == 10 + 4 * (
        100 + 400 + 1200 + 200
    )


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
@pytest.mark.parametrize("name", ["hpss", "nmf", "auxiva", "repet_sim"])
def test_the_formula_tells_the_peak_of_a_process_at_other_sizes(name):
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
    command = [sys.executable, "-m", "benchmarks.memory_formulas", "--one", name, "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    for row in json.loads(done.stdout.splitlines()[-1]):
        sizes = {term: row[term] for term in ("cell", "channel", "image", "activation")}
        estimate = footprint_of(name).bytes(itemsize=4, **sizes)
        assert 1 / 1.5 < row["bytes"] / estimate < 1.5, row
