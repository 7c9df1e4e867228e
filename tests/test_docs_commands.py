"""Every command that README and the pages of the documentation show is run, on files made for it.

What a ``console`` block shows below a command is what it prints, standard output and then errors. ``...`` stands for
what varies, as in doctests: times, versions, or lines left out. A command without lines below it may print anything.
Names of sound files that a comment begins with are files that the command writes.
"""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile

import sigsep_classic
from sigsep_classic import synthesize
from sigsep_classic.backend import cuda_status
from sigsep_classic.cli.main import main
from tests.peers import librosa_or_skip

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "howto").glob("*.md")),
]
WRITTEN = {"citing.md", "verified.md"}  # by docs/generate.py
NOT_RUN = {
    "demo": "a minute each, and tested by themselves",
    "MUSDB18 ": "needs FFmpeg's MP4 of STEMS",
    "song.stem.mp4": "the same",
    "--methods all": "minutes",
    "my_model.py": "the user's own",
    "model.onnx": "the user's own",
    "cluster": "tested with a cluster of its own",
    "compare scores benchmark": "what a benchmark that is not run writes",
    "sigsep-classic lab": "serves until it is told to end, and is tested by itself",
}
"""What stands in commands that are not run, and why."""
NOT_RUN_IN_PYTHON = {
    "joblib.": "tested with a cluster of its own",
    "musdb": "needs musdb and its data",
    "tensor": "needs a GPU, or seconds to import PyTorch; see test_api.py",
}
"""What stands in blocks of Python that are not run, and why; those with ``>>>`` are run by ``test_docs.py``."""


class Shown(NamedTuple):
    """A call of the command line on a page, the comment behind it, and the output below it."""

    command: str
    comment: str
    output: str


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the fenced blocks of a page: their languages, and what is in them."""
    return re.findall(r"^```([\w{}]*)\n(.*?)^```$", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[Shown]:
    """Return the calls of the command line in the fenced blocks of a page, in order, without prompts."""
    found = []
    for kind, block in blocks(page):
        marks = (
            re.split(r"^\$ " if kind else r"^", block, flags=re.MULTILINE) if kind in ("console", "") else []
        )
        for line, _, output in (part.partition("\n") for part in marks):
            command, *comment = re.split(r"\s{2,}#|\s#\s", line, maxsplit=1)
            if command.startswith("sigsep-classic "):
                found.append(Shown(command.strip(), "".join(comment).strip(), output if kind else ""))
    return found


def python(page: Path) -> list[str]:
    """Return the blocks of Python of a page that are scripts."""
    found = [block for kind, block in blocks(page) if kind == "python" and ">>>" not in block]
    return [block for block in found if not any(part in block for part in NOT_RUN_IN_PYTHON)]


def files_named(comment: str) -> list[str]:
    """Return the names of sound files a comment begins with."""
    named = re.match(r"(?:[\w/]+\.wav(?:, |:| |$))*", comment)
    return [Path(name).name for name in re.findall(r"[\w/]+\.wav", named[0])] if named else []


def expanded(pattern: str) -> list[str]:
    """Return what a shell makes of a word."""
    return sorted(str(path) for path in Path().glob(pattern)) if "*" in pattern else [pattern]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the files that pages speak of."""
    folder = tmp_path_factory.mktemp("given")
    song = synthesize("song", seconds=3.0, sample_rate=16000)  # seconds at low rates: the commands are many
    other = synthesize("song", seconds=3.0, sample_rate=16000, seed=1)
    room = synthesize("stereo2x2", seconds=3.0, sample_rate=8000)
    rate = song.sample_rate
    wide = np.concatenate([room.mixture, room.mixture[:, ::-1]])
    sounds = {
        "song": song.mixture, "loop": song.stems["drums"], "talk": song.stems["vocals"][:1], "mono": song.mixture[:1],
        "drums": song.stems["drums"], "ten_seconds_of_drums": song.stems["drums"], "two_channels": song.mixture,
        "kick": song.stems["drums"][:, :4000], "snare": song.stems["drums"][:, 4000:12000], "duet": song.mixture,
        "a": song.mixture, "b": other.mixture, "hour": song.mixture,
    }  # fmt: skip
    for name, x in sounds.items():
        soundfile.write(folder / f"{name}.wav", x.T, rate)
    soundfile.write(folder / "song.flac", song.mixture.T, rate)
    for name in ("room", "meeting", "next_meeting"):
        soundfile.write(folder / f"{name}.wav", room.mixture.T, room.sample_rate)
    soundfile.write(folder / "four.wav", wide.T, room.sample_rate)
    for track, mix in (("a", song), ("b", other)):
        for tree in ("tracks", "MUSDB18-HQ/test"):
            place = folder / tree / track
            place.mkdir(parents=True)
            soundfile.write(place / "mixture.wav", mix.mixture.T, rate)
            for name, stem in mix.stems.items():
                soundfile.write(place / f"{name}.wav", stem.T, rate)
        for tree in ("separated/htdemucs", "stems"):
            shutil.copytree(folder / "tracks" / track, folder / tree / track)
            (folder / tree / track / "mixture.wav").unlink()
    (folder / "album").mkdir()
    shutil.copy(folder / "song.wav", folder / "album")
    return folder


@pytest.fixture
def work(page: Path, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with these files."""
    folder = tmp_path / "work"
    shutil.copytree(given, folder)
    if page.name == "README.md":  # whose room has four microphones
        shutil.copy(folder / "four.wav", folder / "room.wav")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.slow(first=True)
@pytest.mark.parametrize(
    "page", [p for p in PAGES if p.name not in WRITTEN and commands(p)], ids=lambda p: p.stem
)
def test_the_commands_of_a_page_run(page, work, capsys):
    for command, comment, output in commands(page):
        if any(part in command for part in NOT_RUN):
            continue
        words = [word for pattern in shlex.split(command)[1:] for word in expanded(pattern)]
        code = main(words)
        said = capsys.readouterr()
        wanted = 5 if "cuda" in command and not cuda_status()[0] else 0
        assert code == wanted, f"{command}: exit code {code}\n{said.err}"
        printed = said.out + said.err
        if output and code == 0:
            same = doctest.OutputChecker().check_output(output, printed, doctest.ELLIPSIS)
            assert same, f"{command}\nprints\n{printed}\nthe page shows\n{output}"
        written = {Path(line).name for line in said.out.splitlines()}
        assert {*files_named(comment)} <= written, f"{command} writes {written}"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what other packages import
@pytest.mark.parametrize(
    "page", [p for p in PAGES if p.name not in WRITTEN and python(p)], ids=lambda p: p.stem
)
def test_the_python_of_a_page_runs(page, work):
    song = synthesize("song", seconds=1.0, sample_rate=16000)
    truth = np.stack(list(song.stems.values()))
    names = {"ssc": sigsep_classic, "mixture": song.mixture, "stems": song.stems, "references": truth}
    names |= {"estimates": truth + 0.1, "flute_notes": [(0.0, 1.0, 72)], "cello_notes": [(0.5, 1.5, 48)]}
    names |= {"files": ["a.wav", "b.wav"], "librosa": librosa_or_skip(), "soundfile": soundfile}
    for i, block in enumerate(python(page), 1):
        exec(compile(block, f"{page.name}, block {i}", "exec"), names)
