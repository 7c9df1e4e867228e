"""Files, folders, patterns and ``-`` become jobs with names that don't collide."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigsep_classic.cli.inputs import Job, check_names, find_jobs
from sigsep_classic.errors import ParameterError


@pytest.fixture
def tree(folder: Path) -> Path:
    """An album in two folders, with files that are no sounds."""
    for name in (
        "b/2.wav",
        "b/1.FLAC",
        "a/1.wav",
        "top.ogg",
        "notes.txt",
        ".hidden.wav",
        ".git/x.wav",
        "a/._1.wav",
    ):
        path = folder / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def named(jobs: list[Job]) -> list[tuple[str, str]]:
    return [(job.source, job.track) for job in jobs]


def test_a_folder_is_searched_to_the_bottom_in_order_and_tracks_keep_their_folders(tree: Path) -> None:
    assert named(find_jobs(["album"], "separated")) == [
        ("album/top.ogg", "top"),
        ("album/a/1.wav", "a/1"),
        ("album/b/1.FLAC", "b/1"),
        ("album/b/2.wav", "b/2"),
    ]


def test_stems_of_the_last_run_are_not_separated_again(tree: Path) -> None:
    (tree / "album/separated/top").mkdir(parents=True)
    (tree / "album/separated/top/harmonic.wav").touch()
    assert len(find_jobs(["album"], "album/separated")) == 4


@pytest.mark.parametrize(
    ("name", "outdir"),
    [("album", "album"), ("album/", "./b/../album"), (".", "."), ("alb*", "album"), ("link", "album")],
)
def test_a_folder_that_is_its_own_output_is_refused(tree: Path, name: str, outdir: str) -> None:
    (tree / "b").mkdir()
    (tree / "link").symlink_to("album")
    with pytest.raises(ParameterError, match="is also the output folder"):
        find_jobs(["album/top.ogg", name], outdir)


def test_patterns_the_shell_left_alone_are_expanded_below_their_fixed_part(tree: Path) -> None:
    assert named(find_jobs(["album/*/1.*"], "out")) == [("album/a/1.wav", "a/1"), ("album/b/1.FLAC", "b/1")]
    assert [job.track for job in find_jobs(["album/**/*.wav"], "out")] == ["a/1", "b/2"]
    assert [job.track for job in find_jobs(["alb*"], "out")] == ["top", "a/1", "b/1", "b/2"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tree: Path) -> None:
    (tree / "take[1].wav").touch()
    assert named(find_jobs(["take[1].wav"], "out")) == [("take[1].wav", "take[1]")]


def test_a_file_named_twice_is_done_once(tree: Path) -> None:
    assert len(find_jobs(["album/top.ogg", "album", "./album/top.ogg"], "out")) == 4


def test_what_is_not_there_is_a_job_with_a_problem(tree: Path) -> None:
    (tree / "empty").mkdir()
    empty, pattern = find_jobs(["empty", "nix*"], "out")
    assert "has no sound files" in empty.problem
    assert "matches no file" in pattern.problem


def test_standard_input_stands_alone(tree: Path) -> None:
    assert named(find_jobs(["-"], "out")) == [("-", "stdin")]
    with pytest.raises(ParameterError, match="stands alone"):
        find_jobs(["-", "album"], "out")


@pytest.mark.parametrize(
    "names", [("a/x.wav", "b/x.wav"), ("x.wav", "x.flac"), ("x.wav", "X.wav"), ("é", "e\u0301")]
)
def test_two_inputs_that_would_write_the_same_files_are_refused(names: tuple[str, str]) -> None:
    jobs = [Job(source=name, track=Path(name).stem) for name in names]
    with pytest.raises(ParameterError, match="would write the same files"):
        check_names(jobs, "{track}/{stem}.{ext}", method="hpss", ext="wav", needs_stem=True)


def test_a_template_without_track_is_for_one_input() -> None:
    jobs = [Job(source=name, track=name) for name in "ab"]
    check_names(jobs[:1], "{stem}.{ext}", method="hpss", ext="wav", needs_stem=True)
    with pytest.raises(ParameterError, match=r"put \{track\} in --template"):
        check_names(jobs, "{stem}.{ext}", method="hpss", ext="wav", needs_stem=True)
