"""The fuzz target for a while: whatever bytes a file holds, the reader ends in samples or in one of our errors."""

from __future__ import annotations

import pytest

from tests.faults import fuzz_reader
from tests.quiet import only_errors


def _run(seed: int, n_cases: int) -> dict[str, int]:
    counts: dict[str, int] = {}
    for number, data in fuzz_reader.cases(seed, n_cases=n_cases):
        try:
            with only_errors():
                found = fuzz_reader.check(data)
        except Exception as error:
            raise AssertionError(
                f"python -m tests.faults.fuzz_reader --seed {seed} --case {number}"
            ) from error
        counts[found] = counts.get(found, 0) + 1
    return counts


def test_some_files_with_changed_bytes_are_read_or_refused() -> None:
    assert set(_run(0, 42)) == {"samples", "AudioError"}


@pytest.mark.slow
def test_many_files_with_changed_bytes_are_read_or_refused() -> None:
    counts = _run(1, 700)
    assert counts["samples"] > 100
    assert counts["AudioError"] > 100
