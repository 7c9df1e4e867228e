"""Every command that README and the pages of the documentation show is run, on files made for it."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sigsep_classic import synthesize
from sigsep_classic.backend import cuda_status
from sigsep_classic.cli.main import main

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "howto").glob("*.md")),
]
WRITTEN = {"citing.md"}  # by docs/generate.py
NOT_RUN = {
    "demo": "a minute each, and tested by themselves",
    "MUSDB18 ": "needs FFmpeg's MP4 of STEMS",
    "song.stem.mp4": "the same",
    "--methods all": "minutes",
    "my_model.py": "the user's own",
    "cluster": "tested with a cluster of its own",
}
"""What stands in commands that are not run, and why."""


def commands(page: Path) -> list[str]:
    """Return the calls of the command line in the fenced blocks of a page, in order, without prompts and comments."""
    blocks = re.findall(r"^```(?:console|)\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    found = [re.split(r"\s{2,}#|\s#\s", line)[0].strip() for line in lines]
    return [line for line in found if line.startswith("sigsep-classic ")]


def expanded(pattern: str) -> list[str]:
    """Return what a shell makes of a word."""
    return sorted(str(path) for path in Path().glob(pattern)) if "*" in pattern else [pattern]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the files that pages speak of."""
    folder = tmp_path_factory.mktemp("given")
    song, room = synthesize("song", seconds=3.0), synthesize("stereo2x2", seconds=3.0)
    rate = song.sample_rate
    wide = np.concatenate([room.mixture, room.mixture[:, ::-1]])
    sounds = {
        "song": song.mixture, "loop": song.stems["drums"], "talk": song.stems["vocals"][:1], "mono": song.mixture[:1],
        "drums": song.stems["drums"], "ten_seconds_of_drums": song.stems["drums"], "two_channels": song.mixture,
    }  # fmt: skip
    for name, x in sounds.items():
        soundfile.write(folder / f"{name}.wav", x.T, rate)
    soundfile.write(folder / "song.flac", song.mixture.T, rate)
    soundfile.write(folder / "room.wav", room.mixture.T, room.sample_rate)
    soundfile.write(folder / "four.wav", wide.T, room.sample_rate)
    for track in ("a", "b"):
        for tree in ("tracks", "MUSDB18-HQ/test"):
            place = folder / tree / track
            place.mkdir(parents=True)
            soundfile.write(place / "mixture.wav", song.mixture.T, rate)
            for name, stem in song.stems.items():
                soundfile.write(place / f"{name}.wav", stem.T, rate)
        for tree in ("separated/htdemucs", "stems"):
            shutil.copytree(folder / "tracks" / track, folder / tree / track)
            (folder / tree / track / "mixture.wav").unlink()
    (folder / "album").mkdir()
    shutil.copy(folder / "song.wav", folder / "album")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [p for p in PAGES if p.name not in WRITTEN and commands(p)], ids=lambda p: p.stem
)
def test_the_commands_of_a_page_run(page, given, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "work"
    shutil.copytree(given, folder)
    monkeypatch.chdir(folder)
    for command in commands(page):
        if any(part in command for part in NOT_RUN):
            continue
        words = [word for pattern in shlex.split(command)[1:] for word in expanded(pattern)]
        code = main(words)
        said = capsys.readouterr()
        wanted = 5 if "cuda" in command and not cuda_status()[0] else 0
        assert code == wanted, f"{command}: exit code {code}\n{said.err}"
