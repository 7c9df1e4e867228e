"""``sigsep-classic evaluate``: any tool's estimates, what was done to them, records that resume, and failures."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sigsep_classic import audio, datasets
from sigsep_classic.cli import evaluate
from sigsep_classic.cli.scoring import record_path
from sigsep_classic.compare import records
from sigsep_classic.metrics import SILENCE
from tests.cli.conftest import files_below

Cli = Callable[..., Any]

RATE = 8000
STEMS = ("bass", "drums", "other", "vocals")
QUICK = ("--sdr-only", "-o", "out")


def write(folder: str, stems: dict[str, np.ndarray]) -> None:
    for name, x in stems.items():
        audio.save(Path(folder) / f"{name}.wav", x, RATE)


@pytest.fixture
def truth(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Two tracks of MUSDB18-HQ, and estimates of two tools."""
    rng = np.random.default_rng(0)
    tracks = {}
    for n, track in enumerate(("A - One", "B - Two")):
        stems = {s: 0.1 * rng.standard_normal((2, 3 * RATE)).astype(np.float32) for s in STEMS}
        mixture = sum(stems.values())
        write(f"truth/test/{track}", {**stems, "mixture": mixture})
        write(f"separated/htdemucs/{track}", {s: x + 0.1 * mixture for s, x in stems.items()})
        rest = mixture - stems["vocals"]
        late = [np.pad(x, ((0, 0), (100, 0))) for x in (stems["vocals"] + 0.3 * rest, rest)]
        write(f"spleeter/{track}", dict(zip(("vocals", "accompaniment"), late, strict=True)))
        tracks[track] = stems
        assert n < 2
    return tracks


def test_every_tool_and_both_bounds_are_scored(cli: Cli, truth: Any) -> None:
    done = cli("evaluate", "truth", "separated/htdemucs", "spleeter", *QUICK)
    assert done.code == 0, done.err
    for name in ("htdemucs", "spleeter", "oracle IRM2", "mixture/n", "accompaniment"):
        assert name in done.out
    methods = ("htdemucs", "spleeter", "mixture_n", "oracle IRM2")
    tracks = [f"test/{track}.json" for track in truth]
    assert files_below("out") == sorted(
        ["scores.csv", *(f"{k}/{m}/{t}" for k in ("records", "museval") for m in methods for t in tracks)]
    )


def test_what_is_done_to_estimates_is_said_once_and_kept_in_every_record(cli: Cli, truth: Any) -> None:
    done = cli("evaluate", "truth", "spleeter", *QUICK)
    assert done.err.count("100 samples (12.5 ms) late: moved") == 1
    assert done.err.count("accompaniment is compared with the sum of drums, bass, other") == 1
    for track in truth:
        words = records.read(record_path("out", "spleeter", "test", track)).meta["words"]
        assert any("100 samples" in word for word in words)
    still = cli("evaluate", "truth", "spleeter", "--no-align", "--sdr-only", "-o", "still")
    assert "moved" not in still.err
    scores = [records.read(record_path(o, "spleeter", "test", "A - One")) for o in ("out", "still")]
    assert scores[0].value("vocals", "csdr") > scores[1].value("vocals", "csdr") + 5


@pytest.mark.slow
def test_records_are_kept_until_a_file_or_a_setting_changes(cli: Cli, truth: Any) -> None:
    words = ("evaluate", "truth", "separated/htdemucs", *QUICK, "--json")

    def done() -> list[dict[str, str]]:
        return [json.loads(line)["done"] for line in cli(*words).out.splitlines()]

    first = done()
    assert all(set(what.values()) == {"scored"} for what in first)
    assert all(set(what.values()) == {"kept"} for what in done())
    path = Path("separated/htdemucs/A - One/bass.wav")
    os.utime(path, ns=(1, 1))
    one, two = done()
    assert one == {"htdemucs": "scored", "mixture/n": "kept", "oracle IRM2": "kept"}
    assert set(two.values()) == {"kept"}
    os.utime("truth/test/B - Two/bass.wav", ns=(1, 1))
    assert set(done()[1].values()) == {"scored"}
    record_path("out", "htdemucs", "test", "A - One").write_text("{")  # cut off by a crash
    assert done()[0]["htdemucs"] == "scored"
    words += ("--silent", "energy")
    assert all(set(what.values()) == {"scored"} for what in done())
    words += ("--no-resume",)
    assert all(set(what.values()) == {"scored"} for what in done())


def test_a_broken_estimate_is_told_and_the_others_go_on(cli: Cli, truth: Any) -> None:
    Path("separated/htdemucs/A - One/bass.wav").write_bytes(b"nothing")
    done = cli("evaluate", "truth", "separated/htdemucs", "spleeter", *QUICK)
    assert done.code == 1
    assert "error: test/A - One: htdemucs: separated/htdemucs/A - One/bass.wav: can't be read" in done.err
    assert "1 of 2 tracks failed for some method" in done.err
    assert "htdemucs: 1 of 2 tracks failed" in done.out
    assert records.read(record_path("out", "htdemucs", "test", "A - One")).error
    assert not record_path("out", "htdemucs", "test", "A - One", "museval").exists()
    assert not records.read(record_path("out", "spleeter", "test", "A - One")).error


def test_a_broken_truth_is_told_and_other_tracks_go_on(cli: Cli, truth: Any) -> None:
    Path("truth/test/A - One/bass.wav").write_bytes(b"nothing")
    done = cli("evaluate", "truth", "spleeter", *QUICK)
    assert done.code == 1
    assert "A - One/bass.wav: can't be read" in done.err
    assert not records.read(record_path("out", "spleeter", "test", "B - Two")).error


def test_everything_unreadable_is_exit_code_3(cli: Cli, truth: Any) -> None:
    for track in truth:
        Path(f"truth/test/{track}/bass.wav").write_bytes(b"nothing")
    assert cli("evaluate", "truth", "spleeter", *QUICK).code == 3


def test_a_mended_estimate_is_scored_in_the_next_run(cli: Cli, truth: Any) -> None:
    path = Path("spleeter/A - One/vocals.wav")
    whole = path.read_bytes()
    path.write_bytes(b"nothing")
    assert cli("evaluate", "truth", "spleeter", *QUICK).code == 1
    path.write_bytes(whole)
    done = cli("evaluate", "truth", "spleeter", *QUICK)
    assert (done.code, "failed" in done.out) == (0, False)


def test_museval_json_is_taken_in_place_of_sound(cli: Cli, truth: Any) -> None:
    cli("evaluate", "truth", "separated/htdemucs", *QUICK)
    done = cli("evaluate", "truth", "theirs=out/museval/htdemucs", "--sdr-only", "-o", "again")
    assert done.code == 0, done.err
    ours, theirs = (
        records.read(record_path(o, m, "test", "A - One"))
        for o, m in (("out", "htdemucs"), ("again", "theirs"))
    )
    assert theirs.value("vocals", "csdr") == pytest.approx(ours.value("vocals", "csdr"), abs=1e-5)


def test_one_track_folder_is_scored_whatever_the_estimates_folder_is_called(cli: Cli, truth: Any) -> None:
    done = cli("evaluate", "truth/test/A - One", "mine=spleeter/B - Two", *QUICK)
    assert done.code == 0, done.err
    assert "mine" in done.out
    assert "frames of one track" in done.out
    assert "mine: the estimates of B - Two are taken for A - One" in done.err


def test_stems_are_renamed_as_told(cli: Cli, truth: Any) -> None:
    for track in truth:
        Path(f"spleeter/{track}/vocals.wav").rename(f"spleeter/{track}/foreground.wav")
    done = cli("evaluate", "truth", "spleeter", "--rename", "foreground=vocals", *QUICK)
    assert "estimate foreground is taken for vocals" in done.err
    assert "vocals" in done.out


def test_the_truth_alone_gives_its_bounds(cli: Cli, truth: Any) -> None:
    done = cli("evaluate", "truth", "--oracle", "ibm1", "--oracle", "irm2", *QUICK)
    assert done.code == 0
    for name in ("mixture/n", "oracle IBM1", "oracle IRM2"):
        assert name in done.out
    alone = cli("evaluate", "truth", "--oracle", "none", "--sdr-only", "-o", "alone")
    assert "oracle" not in alone.out


@pytest.mark.slow
def test_full_scores_have_isr_sir_and_sar(cli: Cli, truth: Any) -> None:
    assert (
        cli("evaluate", "truth/test/A - One", "mine=separated/htdemucs/A - One", "-o", "out", "-q").code == 0
    )
    found = records.read(record_path("out", "mine", "", "A - One"))
    assert set(found.frames["vocals"]) == {"csdr", "isr", "sir", "sar"}
    told = json.loads(record_path("out", "mine", "", "A - One", "museval").read_text())
    frame = told["targets"][0]["frames"][0]
    assert frame["metrics"]["SIR"] == pytest.approx(found.frames["bass"]["sir"][0], abs=1e-5)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "TRUTH is missing"),
        (["nowhere"], 3, "nowhere"),
        (["truth", "nowhere"], 3, "nowhere"),
        (["truth", "spleeter", "spleeter"], 2, "both called spleeter"),
        (["truth", "truth2"], 2, "none of its tracks"),
        (["truth", "--oracle", "irm"], 2, "irm"),
        (["truth", "--seconds", "0"], 2, "no number above 0"),
        (["truth", "--silent", "x"], 2, "invalid choice"),
        (["truth", "--rename", "x"], 2, "NAME="),
        (["truth", "--subset", "valid"], 2, "valid"),
    ],
)
def test_mistakes_are_one_line_and_the_right_code(
    cli: Cli, truth: Any, words: list[str], code: int, said: str
) -> None:
    write("truth2/X - Other", {"vocals": np.ones((1, 100), np.float32)})
    write("truth2/Y - Other", {"vocals": np.ones((1, 100), np.float32)})
    done = cli("evaluate", *words)
    assert (done.code, done.out) == (code, ""), done.err
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_one_model_of_a_folder_of_several_is_named_after_an_at(cli: Cli, truth: Any) -> None:
    for track, stems in truth.items():
        write(f"separated/mdx/{track}", stems)
    refused = cli("evaluate", "truth", "separated", *QUICK)
    assert (refused.code, "separated@MODEL" in refused.err) == (2, True)
    done = cli("evaluate", "truth", "separated@mdx", "separated@htdemucs", *QUICK)
    assert done.code == 0, done.err
    assert "mdx" in done.out
    assert "htdemucs" in done.out


def test_missing_estimates_are_counted(cli: Cli, truth: Any) -> None:
    for path in Path("spleeter/A - One").iterdir():
        path.unlink()
    done = cli("evaluate", "truth", "spleeter", *QUICK)
    assert "spleeter has no estimates of 1 of 2 tracks: test/A - One" in done.err
    assert done.code == 0


def test_estimates_that_are_not_scored_are_counted(cli: Cli, truth: Any) -> None:
    write("spleeter/C - Three", truth["A - One"])
    done = cli("evaluate", "truth", "spleeter", *QUICK)
    assert "spleeter has estimates of 1 track that is not scored: C - Three" in done.err


def test_estimates_are_of_one_track_though_two_subsets_have_its_name(cli: Cli, truth: Any) -> None:
    stems = truth["B - Two"]
    write("truth/train/A - One", {**stems, "mixture": sum(stems.values())})
    refused = cli("evaluate", "truth", "spleeter", *QUICK)
    assert refused.code == 2
    assert "the same estimates fit test/A - One and train/A - One; choose one with --subset" in refused.err
    write("mine/train/A - One", truth["B - Two"])
    done = cli("evaluate", "truth", "mine", *QUICK)
    assert "mine has no estimates of 2 of 3 tracks: test/A - One, test/B - Two" in done.err
    assert records.read(record_path("out", "mine", "train", "A - One")).value("vocals", "csdr") > 80


def test_shared_rows_keep_the_stems_of_earlier_runs(cli: Cli, truth: Any) -> None:
    for tool in ("spleeter", "separated/htdemucs"):
        assert cli("evaluate", "truth", tool, *QUICK).code == 0
    for row in ("mixture/n", "oracle IRM2"):
        assert "accompaniment" in records.read(record_path("out", row, "test", "A - One")).stems


def test_a_failure_takes_back_the_museval_file_of_an_earlier_run(cli: Cli, truth: Any) -> None:
    told = record_path("out", "htdemucs", "test", "A - One", "museval")
    cli("evaluate", "truth", "separated/htdemucs", *QUICK)
    assert told.exists()
    Path("separated/htdemucs/A - One/bass.wav").write_bytes(b"broken")
    cli("evaluate", "truth", "separated/htdemucs", *QUICK)
    assert not told.exists()


@pytest.mark.slow  # each worker imports NumPy
def test_workers_write_the_same_records(cli: Cli, truth: Any) -> None:
    for out, jobs in (("one", "1"), ("two", "2")):
        assert cli("evaluate", "truth", "spleeter", "--sdr-only", "-j", jobs, "-o", out).code == 0
    assert files_below("one") == files_below("two")
    for name in files_below("one"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()


def test_choices_written_down_are_those_of_the_library() -> None:
    assert evaluate.SILENT == SILENCE
    assert set(evaluate.LAYOUTS) == set(datasets.LAYOUTS)
    assert set(evaluate.ESTIMATE_LAYOUTS) == set(datasets.ESTIMATE_LAYOUTS)


class Halver:
    """A candidate as `benchmark` makes them: something to run on the mixture first."""

    name = "halver"
    model = ""
    files = ()

    def as_dict(self) -> dict[str, str]:
        """What it is made of."""
        return {"method": self.name}

    def estimates(self, track: Any) -> tuple[dict[str, np.ndarray], str]:
        """Half of the mixture as each of two."""
        return {"vocals": track.mixture / 2, "accompaniment": track.mixture / 2}, "a phrase"


def test_a_candidate_is_run_on_the_mixture_and_bounded_in_all_it_gives(truth: Any) -> None:
    from sigsep_classic.cli.scoring import ScoringJob, ScoringSettings, score_track
    from sigsep_classic.compare.evaluating import Scoring

    (track, *_) = datasets.open_dataset("truth")
    job = ScoringJob(source="truth", track=track.label, truth=track, candidates=(Halver(),))  # type: ignore[arg-type]
    settings = ScoringSettings(scoring=Scoring(frames=("csdr",)), outdir="out")
    assert score_track(job, settings)["done"] == dict.fromkeys(
        ("halver", "mixture/n", "oracle IRM2"), "scored"
    )
    found = records.read(record_path("out", "halver", "test", track.name))
    assert found.meta["note"] == "a phrase"
    assert found.meta["seconds"] >= 0
    for bound in ("mixture/n", "oracle IRM2"):
        assert "accompaniment" in records.read(record_path("out", bound, "test", track.name)).stems
    assert set(score_track(job, settings)["done"].values()) == {"kept"}
