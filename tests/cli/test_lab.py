"""``lab`` as far as it is said before anything is served; the page is driven in ``tests/lab``."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest

Cli = Callable[..., Any]


@pytest.mark.parametrize("name", ["nicegui", "jinja2"])
def test_without_the_extra_one_line_says_how_to_get_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    done = cli("lab", "--no-browser")
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert name in done.err
    assert done.err.endswith('pip install "sigsep-classic[lab]"\n')


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "70000"], "'70000' is no port"),
        (["--port", "x"], "'x' is no port"),
        (["--upload-limit", "big"], "--upload-limit is 'big'"),
        (["song.wav"], "'song.wav' is one word too many"),
    ],
)
def test_options_that_are_wrong_are_told(cli: Cli, words: list[str], said: str) -> None:
    pytest.importorskip("nicegui")
    done = cli("lab", "--no-browser", *words)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_port_that_is_taken_is_told(cli: Cli) -> None:
    pytest.importorskip("nicegui")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = cli("lab", "--no-browser", "--port", str(port))
    assert done.code == 2
    assert f"--port {port} can't be had" in done.err
