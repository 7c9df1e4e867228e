"""Strict JSON, one-line messages, and a progress line for terminals alone."""

from __future__ import annotations

import io
import json
import os
from typing import Any

import numpy as np
import pytest

from sigsep_classic.cli.output import Progress, one_line, to_json


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_json_has_no_nan_and_takes_any_value() -> None:
    value = {
        "a": float("nan"),
        "b": [float("-inf"), np.float32(0.5)],
        "c": np.arange(2),
        "d": (None, True),
        5: object,
    }
    text = to_json(value)
    back = json.loads(text, parse_constant=lambda word: pytest.fail(word))
    assert back["a"] == "nan"
    assert back["b"] == ["-inf", 0.5]
    assert back["c"] == [0, 1]
    assert back["d"] == [None, True]
    assert text.isascii()


def test_json_takes_file_names_that_are_not_utf8() -> None:
    assert json.loads(to_json(os.fsdecode(b"a\xff"))) == "a\\udcff"


def test_a_message_is_one_line_without_control_characters() -> None:
    assert one_line("a\nb\x1b[2Jc\r é 日") == "a b\\x1b[2Jc\\r é 日"


def test_progress_is_written_over_on_a_terminal_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    progress = Progress(enabled=True, stream=stream)
    progress.show("one")
    progress.show("one")
    progress.show("日本日本日本日本日本日本")
    progress.clear()
    progress.clear()
    assert (
        stream.getvalue() == "\rone\x1b[K\r日本日本日本日本日…\x1b[K\r\x1b[K"
        or stream.getvalue().count("\r") == 3
    )
    assert "\n" not in stream.getvalue()


@pytest.mark.parametrize(("enabled", "stream"), [(True, io.StringIO()), (False, Terminal())])
def test_progress_is_silent_without_a_terminal_or_when_not_wanted(enabled: bool, stream: Any) -> None:
    progress = Progress(enabled=enabled, stream=stream)
    progress.show("one")
    progress.clear()
    assert stream.getvalue() == ""


def test_steps_are_shown_ten_times_a_second_at_most() -> None:
    stream = Terminal()
    progress = Progress(enabled=True, stream=stream)
    for step in range(1000):
        progress.show(f"step {step}", every=60)
    assert stream.getvalue().count("step") == 1
