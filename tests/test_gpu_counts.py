"""The page on kernels says what an iteration asks of a GPU, and nothing else."""

from __future__ import annotations

import pytest

from tests import gpu_counts


@pytest.mark.slow
def test_the_page_has_the_counts_of_today():
    pytest.importorskip("tests.emulation.strict", reason="the strict stand-in for CuPy is not there")
    text = gpu_counts.PAGE.read_text()
    assert gpu_counts.replaced(text, gpu_counts.table()) == text
