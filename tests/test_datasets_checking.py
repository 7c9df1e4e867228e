"""The check of a data set: every fault that is put in is found, and nothing else."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic.datasets import open_dataset
from sigsep_classic.datasets.checking import KINDS, TrackReport, check_tracks, dataset_findings
from sigsep_classic.datasets.scanning import FileScan, SumScan
from tests.folders import RATE, music, noise, stem_mp4, tone, touch, write, write_track

SONG = "test/Song"


def check(root: Path, **options: Any) -> dict[str, TrackReport]:
    reports = check_tracks(open_dataset(root), **options)
    return {report.label: report for report in reports}


def found(report: TrackReport) -> list[tuple[str, str, str]]:
    assert all(finding.kind in KINDS for finding in report.findings)
    return [(finding.severity, finding.kind, finding.stem) for finding in report.findings]


def texts(report: TrackReport) -> str:
    return "\n".join(finding.text for finding in report.findings)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """The folder of a track without faults."""
    write_track(tmp_path / "test" / "Song", music())
    return tmp_path / "test" / "Song"


def test_a_sound_data_set_has_no_findings(tmp_path: Path, song: Path) -> None:
    write_track(tmp_path / "test" / "Two", music(1), suffix=".flac")
    reports = check(tmp_path)
    assert [found(report) for report in reports.values()] == [[], []]
    one = reports[SONG]
    assert (one.sample_rate, one.channels, one.n_samples, one.sum_db) == (RATE, 2, 800, math.inf)
    assert one.files["bass"]["peak_db"] == pytest.approx(20 * np.log10(np.abs(music()["bass"]).max()))
    assert dataset_findings(open_dataset(tmp_path)) == ()


def test_threads_give_the_same_reports_in_the_same_order(tmp_path: Path) -> None:
    for i in range(7):
        write_track(tmp_path / "test" / f"{i}", music(i % 3))
    assert list(check(tmp_path, jobs=3).items()) == list(check(tmp_path).items())


@pytest.mark.parametrize(
    ("kind", "x", "rate", "said"),
    [
        ("length", noise(1, n_samples=799), RATE, "bass has 799 samples and the mixture 800"),
        ("rate", noise(1), 2 * RATE, f"bass has {2 * RATE} Hz and the mixture {RATE}"),
        ("channels", noise(1, channels=1), RATE, "bass has 1 channels and the mixture 2"),
    ],
)
def test_a_file_that_does_not_fit_is_named(
    tmp_path: Path, song: Path, kind: str, x: np.ndarray, rate: int, said: str
) -> None:
    write(song / "bass.wav", x, rate)
    report = check(tmp_path)[SONG]
    assert ("error", kind, "bass") in found(report)
    assert said in texts(report)
    quick = check(tmp_path, quick=True)[SONG]
    assert found(quick) == [("error", kind, "bass")]


def test_a_mixture_that_is_the_odd_one_out_is_the_one_that_is_named(tmp_path: Path, song: Path) -> None:
    write(song / "mixture.wav", noise(1, n_samples=700))
    findings = check(tmp_path, quick=True)[SONG].findings
    assert [finding.text for finding in findings] == ["mixture has 700 samples and most 800"]


def test_a_mixture_that_is_not_the_sum_is_told_with_its_distance(tmp_path: Path, song: Path) -> None:
    stems = music()
    total, extra = sum(stems.values()), noise(99) / 32
    write(song / "mixture.wav", total + extra)
    report = check(tmp_path)[SONG]
    snr = 10 * np.log10(np.sum((total + extra) ** 2) / np.sum(extra**2))
    assert report.sum_db == pytest.approx(snr, abs=1e-4)
    assert found(report) == [("error", "sum", "mixture")]
    assert f"SNR of the difference {snr:.1f} dB" in texts(report)
    assert found(check(tmp_path, least_sum_db=20.0)[SONG]) == []


def test_a_mixture_at_another_level_is_told_with_its_gain(tmp_path: Path, song: Path) -> None:
    write(song / "mixture.wav", 0.5 * sum(music().values()))
    report = check(tmp_path)[SONG]
    assert "it is 0.5 times their sum" in texts(report)
    assert report.sum_db == pytest.approx(0.0, abs=1e-4)


def test_what_is_missing_unreadable_or_no_number_is_told(tmp_path: Path, song: Path) -> None:
    (song / "bass.wav").unlink()
    (song / "drums.wav").write_bytes(b"RIFF is no sound")
    x = music()["other"].copy()
    x[1, 5] = np.nan
    write(song / "other.wav", x)
    (song / "vocals.wav").write_bytes(b"")
    report = check(tmp_path)[SONG]
    assert found(report) == [
        ("error", "missing", "bass"),
        ("error", "unreadable", "drums"),
        ("error", "unreadable", "vocals"),
        ("error", "not_finite", "other"),
    ]
    assert "1 samples are NaN or infinite, the first in channel 1 at sample 5" in texts(report)
    assert report.sum_db is None


def test_a_file_that_ends_early_is_damaged_and_short(tmp_path: Path, song: Path) -> None:
    data = (song / "bass.wav").read_bytes()
    (song / "bass.wav").write_bytes(data[:-400])
    kinds = {kind for _, kind, stem in found(check(tmp_path)[SONG]) if stem == "bass"}
    assert {"damaged", "length"} <= kinds


def test_silence_clipping_and_copies_are_told(tmp_path: Path, song: Path) -> None:
    stems = music()
    stems["bass"] = np.zeros_like(stems["bass"])
    stems["drums"] = np.clip(40 * stems["drums"], -1, 1)
    stems["other"] = stems["vocals"]
    write_track(song, stems)
    report = check(tmp_path)[SONG]
    assert ("warning", "silent", "bass") in found(report)
    assert ("warning", "clipped", "drums") in found(report)
    assert ("note", "beyond", "mixture") in found(report)
    assert ("error", "duplicate", "vocals") in found(report)
    assert "vocals is the same sound as other" in texts(report)


def test_a_track_that_is_there_twice_is_told(tmp_path: Path, song: Path) -> None:
    write_track(tmp_path / "train" / "Again", music())
    reports = check(tmp_path)
    assert found(reports[SONG]) == []
    assert "mixture is the same sound as mixture of test/Song" in texts(reports["train/Again"])
    assert {severity for severity, _, _ in found(reports["train/Again"])} == {"warning"}


def test_names_that_differ_in_case_alone_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "x/One/a.wav", "x/ONE/a.wav")
    if len(list((tmp_path / "x").iterdir())) < 2:
        pytest.skip("this file system takes them for one")
    (finding,) = dataset_findings(open_dataset(tmp_path))
    assert (finding.kind, finding.track) == ("duplicate", "x/One")


def test_a_file_the_layout_has_no_place_for_is_noted_and_not_summed(tmp_path: Path, song: Path) -> None:
    write(song / "accompaniment.wav", noise(50))
    assert found(check(tmp_path)[SONG]) == [("note", "extra", "")]


def test_an_empty_track_and_one_without_metadata_are_told(tmp_path: Path, song: Path) -> None:
    (tmp_path / "test" / "Void").mkdir()
    report = check(tmp_path)["test/Void"]
    assert {stem for _, kind, stem in found(report) if kind == "missing"} == {*music(), "mixture"}
    pytest.importorskip("yaml")
    slakh = tmp_path / "slakh"
    write(slakh / "Track1" / "mix.wav", noise(1))
    write(slakh / "Track1" / "stems" / "S00.wav", noise(1))
    report = check(slakh)["Track1"]
    assert found(report) == [("error", "unreadable", "")]
    assert "metadata.yaml: no such file" in texts(report)


def test_a_stem_of_several_files_is_summed_from_all_of_them(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    folder = tmp_path / "Track1"
    write(folder / "mix.wav", noise(1) + noise(2) + noise(3))
    for i in range(3):
        write(folder / "stems" / f"S0{i}.wav", noise(i + 1))
    (folder / "metadata.yaml").write_text(
        "stems:\n  S00: {inst_class: Bass}\n  S01: {inst_class: Bass}\n  S02: {}\n"
    )
    report = check(tmp_path)["Track1"]
    assert (found(report), report.sum_db) == ([], math.inf)
    assert list(report.files) == ["mixture", "bass (S00.wav)", "bass (S01.wav)", "s02"]


def test_own_folders_are_held_to_what_most_of_them_have(tmp_path: Path) -> None:
    for i in range(3):
        write_track(tmp_path / f"{i}", {"speech": noise(2 * i), "noise": noise(2 * i + 1)})
    (tmp_path / "2" / "noise.wav").unlink()
    assert found(check(tmp_path)["2"]) == [("error", "missing", "noise")]


def test_noise_that_was_made_by_difference_says_nothing_about_the_sum(tmp_path: Path) -> None:
    write(tmp_path / "noisy" / "a_fileid_1.wav", noise(1))
    write(tmp_path / "clean" / "clean_fileid_1.wav", noise(2))
    report = check(tmp_path)["a_fileid_1"]
    assert (found(report), report.sum_db) == ([], None)


def test_musdb18_is_said_to_be_lossy_and_held_to_less(tmp_path: Path) -> None:
    stems = [0.5 * tone(hz) for hz in (500.0, 800.0, 1300.0, 2100.0)]
    stem_mp4(tmp_path / "test" / "A - B.stem.mp4", [sum(stems), *stems])
    stem_mp4(tmp_path / "test" / "C - D.stem.mp4", [sum(stems), *stems[:2]])
    assert [finding.kind for finding in dataset_findings(open_dataset(tmp_path))] == ["lossy"]
    reports = check(tmp_path)
    assert found(reports["test/A - B"]) == []
    assert reports["test/A - B"].sum_db is not None
    assert 10 < reports["test/A - B"].sum_db < 80
    broken = [(kind, stem) for severity, kind, stem in found(reports["test/C - D"]) if severity == "error"]
    assert broken == [("unreadable", "other"), ("unreadable", "vocals")]
    broken_all = tmp_path / "test" / "E - F.stem.mp4"
    broken_all.write_bytes(broken_all.with_name("A - B.stem.mp4").read_bytes()[:2000])
    assert found(check(tmp_path)["test/E - F"]) == [("error", "unreadable", "")]


@pytest.mark.parametrize("length", [1, 7, 100])
def test_numbers_of_a_file_do_not_depend_on_its_blocks(length: int) -> None:
    x = np.clip(30 * noise(3, n_samples=500), -1, 1)
    x[0, 40:60], x[1, 99:103], x[1, 200:203] = 1.0, -1.0, 1.0
    scan = FileScan()
    for start in range(0, 500, length):
        scan.see(np.ascontiguousarray(x[:, start : start + length]))
    runs = 0
    for row in x:
        edges = np.flatnonzero(np.diff(row) != 0) + 1
        for part in np.split(row, edges):
            runs += len(part) if abs(part[0]) == 1 and len(part) >= 4 else 0
    assert runs >= 24
    assert scan.clipped == runs
    assert (scan.n_samples, scan.peak, scan.beyond) == (500, 1.0, 0)
    assert_allclose(scan.rms_db, 10 * np.log10(np.mean(x**2)), rtol=1e-6)


def test_the_best_gain_of_a_sum_is_that_of_least_squares() -> None:
    scan = SumScan()
    mixture, stems = noise(1).astype(float), noise(1) + 0.5 * noise(2).astype(float)
    scan.see(mixture, stems)
    gain = np.vdot(mixture, stems) / np.vdot(stems, stems)
    assert scan.gain == pytest.approx(gain)
    left = np.sum((mixture - gain * stems) ** 2)
    assert scan.snr_with_gain_db == pytest.approx(10 * np.log10(np.sum(mixture**2) / left))


@pytest.mark.slow
def test_an_hour_of_stems_is_checked_in_constant_memory(tmp_path: Path) -> None:
    import tracemalloc

    peaks = []
    for minutes in (1, 8):
        root = tmp_path / f"{minutes}"
        n_samples = minutes * 60 * RATE
        write_track(
            root / "test" / "Song", {name: noise(i, n_samples=n_samples) for i, name in enumerate(music())}
        )
        tracemalloc.start()
        (report,) = check(root).values()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert report.sum_db == math.inf
    assert peaks[1] < 1.2 * peaks[0] + 2**20
