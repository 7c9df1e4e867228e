"""The README's GPU figures are those of the records, and nothing else."""

from __future__ import annotations

import json

import pytest

from benchmarks import gpu_table


def record(device: str = "GPU A", date: str = "2030-01-02T00:00:00", **changes: object) -> dict[str, object]:
    speed = [
        {"name": "NMF", "seconds": 0.002, "floor_seconds": 0.001, "torch_seconds": 0.004, "target": "2.2 ms"},
        {"name": "HPSS", "seconds": 0.5, "cpu_seconds": 20.0, "target": ""},
        {"name": "ILRMA", "left_out": "3 s left, 60 s needed", "target": "50 x the CPU"},
    ]
    parity = [
        {"name": "hals", "passed": True},
        {"name": "ica", "passed": False},
        {"name": "wpe", "passed": None},
    ]
    return {
        "device": device, "date": date, "driver": "1", "runtime": "2", "cupy": "3", "commit": "abc",
        "speed": speed, "parity": parity, **changes,
    }  # fmt: skip


def test_the_readme_shows_the_records_that_are_here():
    text = gpu_table.README.read_text()
    assert gpu_table.replaced(text, gpu_table.table_of(gpu_table.newest(gpu_table.RESULTS))) == text


def test_without_a_record_nothing_is_claimed(tmp_path):
    assert gpu_table.newest(tmp_path) == []
    assert "not yet measured" in gpu_table.table_of([])


def test_of_each_device_the_newest_record_counts(tmp_path):
    for name, found in {
        "gpu-a-1.json": record(date="2030-01-02T00:00:00"),
        "gpu-a-0.json": record(date="2030-01-03T00:00:00", commit="new"),
        "gpu-b.json": record("GPU B"),
    }.items():
        (tmp_path / name).write_text(json.dumps(found))
    assert [(found["device"], found["commit"]) for found in gpu_table.newest(tmp_path)] == [
        ("GPU A", "new"),
        ("GPU B", "abc"),
    ]


def test_a_table_says_times_ratios_and_what_was_left_out_or_differs():
    table = gpu_table.table_of([record()])
    assert "1 of 3 kernel problems and methods agree with the CPU; differ: ica; left out: wpe." in table
    assert "| NMF | 2.00 ms | 1.00 ms | 4.00 ms |  | 2.2 ms |" in table
    assert "| HPSS | 500.00 ms (40 x the CPU) |" in table
    assert "| ILRMA | 3 s left, 60 s needed |" in table


def test_a_text_without_the_marks_is_refused():
    with pytest.raises(ValueError, match="expected"):
        gpu_table.replaced("no marks", "table")
