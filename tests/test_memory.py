"""Sizes as people write them, and how much memory there is."""

from __future__ import annotations

import pytest

from sigsep_classic import memory
from sigsep_classic.errors import ParameterError
from sigsep_classic.memory import free_memory, parse_size, size


def test_sizes_are_bytes_with_units_of_1024():
    for text, wanted in {
        "2G": 2**31,
        "512m": 2**29,
        "1.5 GiB": 3 * 2**29,
        "7kb": 7168,
        "900": 900,
        12.0: 12,
    }.items():
        assert parse_size(text) == wanted
    assert size(2**31) == "2.0 GiB"
    assert size(1500) == "1 KiB"


@pytest.mark.parametrize("text", ["", "much", "-1G", "0", 0, True, float("nan"), None, "1e999", "2 G G"])
def test_other_sizes_are_refused_in_one_line(text):
    with pytest.raises(ParameterError, match="give bytes, such as 800M or 2G"):
        parse_size(text)


def test_some_memory_is_free():
    assert 2**20 < free_memory() < 2**50


def test_the_least_of_machine_and_control_groups_counts(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    4000 kB\n")
    assert memory._of_machine(str(tmp_path / "meminfo")) == 4000 * 1024
    group = tmp_path / "cgroup" / "user" / "job"
    group.mkdir(parents=True)
    (tmp_path / "self").write_text("0::/user/job\n")
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("700\n")
    roots = (str(tmp_path / "cgroup"), str(tmp_path / "none"))
    assert memory._of_group(roots, str(tmp_path / "self")) == memory._NO_LIMIT
    above = group.parent
    (above / "memory.max").write_text("1000\n")
    (above / "memory.current").write_text("900\n")
    (above / "memory.stat").write_text("anon 500\ninactive_file 300\n")
    assert memory._of_group(roots, str(tmp_path / "self")) == 1000 - (900 - 300)


def test_control_groups_of_version_1_count(tmp_path):
    group = tmp_path / "memory" / "job"
    group.mkdir(parents=True)
    (tmp_path / "self").write_text("5:cpu:/\n3:memory:/job\n")
    (group / "memory.limit_in_bytes").write_text("5000\n")
    (group / "memory.usage_in_bytes").write_text("1000\n")
    (group / "memory.stat").write_text("total_inactive_file 500\n")
    roots = (str(tmp_path), str(tmp_path / "memory"))
    assert memory._of_group(roots, str(tmp_path / "self")) == 4500
