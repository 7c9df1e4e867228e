"""Sets of tracks: results that are complete or absent, nothing done twice, nothing that fails hidden."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import sigsep_classic as ssc
from sigsep_classic import sets
from sigsep_classic.backend import n_threads
from sigsep_classic.errors import AudioError, DeviceError, OutputError, ParameterError
from sigsep_classic.sets import Manifest, Unit, engines, read_manifest, results, run, work, write_manifest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two songs below ``in``."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for seed in range(2):
        mix = ssc.synthesize("song", seconds=0.5, seed=seed, sample_rate=8000)
        ssc.save(f"in/{seed}.wav", mix.mixture, 8000, subtype="int16")
    return tmp_path


def units(*methods: str, **more: Any) -> list[Unit]:
    return [
        Unit(file=f"in/{seed}.wav", method=m, **more) for seed in range(2) for m in methods or ["mid_side"]
    ]


def again(manifest: Any, *, skipped: int, done: int, **options: Any) -> None:
    summary = run(manifest, "out", **options)
    assert (summary.skipped, summary.done, summary.failed) == (skipped, done, [])


def complete(root: str = "out") -> list[Path]:
    """Folders of results, each checked to have all its record names, and nothing to be beside them."""
    found = []
    for path in Path(root).rglob(results.RECORD):
        if results._PARTS in path.parts:
            continue
        record = json.loads(path.read_text())
        assert {p.name for p in path.parent.iterdir()} == {results.RECORD, *record["outputs"].values()}
        found.append(path.parent)
    return sorted(found)


# ---- manifests


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    written = [
        Unit(file="a.wav"),
        Unit(file="ü/b\udcff.wav", method="nmf", parameters={"n_components": 3}, name="small"),
        Unit(file="/x/c.wav", model="m.npz", options={"mask": "binary", "groups": {"a": [0]}}, track="c2"),
    ]
    write_manifest(path, written)
    path.write_text("# a remark\n\n" + path.read_text())
    manifest = read_manifest(path)
    assert list(manifest.units) == written
    assert [unit.line for unit in manifest.units] == [3, 4, 5]
    assert [unit.place for unit in manifest.units] == ["a/hpss", "ü/b\udcff/small", "c2/m"]
    assert manifest.path("a.wav") == str(tmp_path / "a.wav")


def test_tracks_are_named_by_their_paths_below_the_manifest() -> None:
    names = {"a/b.wav": "a/b", "./a/../b.wav": "b", "../a/b.wav": "b", "/x/y/z.tar.wav": "z.tar", "b": "b"}
    for file, track in names.items():
        assert Unit(file=file, method="nmf").place == f"{track}/nmf"


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("{", "set.jsonl:2: is no JSON"),
        ("[1]", "is no JSON object"),
        ('{"fil": "a.wav"}', "did you mean 'file'"),
        ('{"method": "hpss"}', 'has no "file"'),
        ('{"file": 3}', "must be text"),
        ('{"file": "b.wav", "parameters": [1]}', '"parameters" is'),
        ('{"file": "b.wav", "model": "m.npz", "method": "nmf"}', "applied as it is"),
        ('{"file": "b.wav", "model": "m.npz", "order": "energy"}', 'leave "order" out'),
        ('{"file": "A.wav", "method": "HPSS"}', "would write to A/HPSS"),
        ('{"file": "b.wav", "track": "a", "name": "hpss"}', "would write to a/hpss"),
        ('{"file": "b.wav", "track": "a/hpss"}', "would write into a/hpss"),
        ('{"file": "b.wav", "track": "../x"}', "can't be a folder"),
        ('{"file": "b.wav", "name": ".x"}', "can't be a folder"),
        ('{"file": "b.wav", "name": "\\u0000"}', "can't be a folder"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, match: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text('{"file": "a.wav"}\n' + line + "\n")
    with pytest.raises(ParameterError, match=match) as told:
        read_manifest(path)
    assert "\n" not in str(told.value)


def test_files_that_are_no_manifests_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    with pytest.raises(AudioError, match="No such file"):
        read_manifest(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AudioError, match="no UTF-8"):
        read_manifest(path)
    path.write_text("\n# nothing\n")
    with pytest.raises(ParameterError, match="is empty"):
        read_manifest(path)


def test_unknown_methods_and_parameters_are_found_before_anything_is_done(folder: Path) -> None:
    for unit, match in (
        (Unit(file="in/0.wav", method="hps", line=2), "manifest:2: method 'hps' is unknown"),
        (Unit(file="in/0.wav", method="nmf", parameters={"components": 3}), "has no parameter 'components'"),
        (Unit(file="in/0.wav", method="nmf", parameters={"n_components": "x"}), "n_components"),
    ):
        with pytest.raises(ParameterError, match=match):
            run(Manifest(units=[*units(), unit]), "out")
    assert complete() == []


# ---- runs


def test_what_is_done_is_not_done_again_until_something_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = Manifest(units=units())
    again(manifest, skipped=0, done=2)
    assert complete() == [Path("out/in/0/mid_side"), Path("out/in/1/mid_side")]
    again(manifest, skipped=2, done=0)
    os.utime("in/0.wav", (1, 1))
    again(manifest, skipped=1, done=1)
    Path("out/in/1/mid_side/mid.wav").unlink()
    again(manifest, skipped=1, done=1)
    again(manifest, skipped=0, done=2, ext="flac")
    again(Manifest(units=units(options={"groups": {"all": [0, 1]}})), skipped=0, done=2, ext="flac")
    assert complete()[0].joinpath("all.flac").exists()
    again(Manifest(units=units(options={"groups": {"all": [0, 1]}})), skipped=2, done=0, ext="flac")
    monkeypatch.setattr(results, "__version__", "99")
    again(manifest, skipped=0, done=2)
    assert sorted(p.name for p in Path("out").iterdir()) == [".lock", "in"]


def test_told_by_their_content_files_may_be_touched_and_moved(folder: Path) -> None:
    manifest = Manifest(units=units())
    again(manifest, skipped=0, done=2, identity_by="content")
    shutil.copytree("in", "elsewhere/in", copy_function=shutil.copyfile)
    again(Manifest(units=units(), folder="elsewhere"), skipped=2, done=0, identity_by="content")
    again(Manifest(units=units(), folder="elsewhere"), skipped=0, done=2)


def test_results_are_those_of_separate_with_a_record_that_says_how(folder: Path) -> None:
    unit = Unit(
        file="in/0.wav", method="nmf", parameters={"n_components": 3, "n_iter": 4}, options={"mask": "binary"}
    )
    run(Manifest(units=[unit]), "out", residual=True)
    sep = ssc.separate("in/0.wav", method="nmf", n_components=3, n_iter=4, mask="binary")
    record = json.loads(Path("out/in/0/nmf/record.json").read_text())
    assert list(record["outputs"]) == [*sep, "residual"]
    for stem in sep:
        assert (ssc.load(f"out/in/0/nmf/{stem}.wav").samples == sep[stem].astype("float32")).all()
    assert record["parameters"] == {"n_components": 3, "n_iter": 4}
    assert (record["mask"], record["sample_rate"], record["channels"], record["duration"]) == (
        "binary",
        8000,
        2,
        0.5,
    )
    assert {"device", "machine", "versions", "seconds", "peak", "gain", "clipped", "warnings"} <= set(record)


@pytest.mark.parametrize("model", ["", "hpss.npz"])
def test_a_file_beyond_the_memory_limit_goes_in_pieces(
    folder: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    song = ssc.synthesize("song", seconds=0.5, seed=3, sample_rate=8000).mixture
    if model:
        filters = ssc.separate(song, 8000, method="auxiva", n_iter=2)
        filters.save_model(model, frames=False)
    ssc.save("in/0.wav", np.tile(song, 200), 8000, subtype="float32")
    manifest = Manifest(units=[Unit(file="in/0.wav", method="hpss", model=model)])
    run(manifest, "whole", residual=True)
    monkeypatch.setattr(work, "_whole", None)
    run(manifest, "out", memory_limit=30_000_000, residual=True)
    pieces, whole = (
        json.loads(Path(f"{root}/in/0/hpss/record.json").read_text()) for root in ("out", "whole")
    )
    for record in (pieces, whole):
        del record["seconds"], record["peak"]
    assert pieces == whole
    for name in pieces["outputs"].values():
        a, b = (ssc.load(f"{root}/in/0/hpss/{name}").samples for root in ("out", "whole"))
        assert_allclose(a, b, rtol=0, atol=10 ** (-90 / 20))
    complete()


def test_a_saved_model_is_applied_to_all_files(folder: Path) -> None:
    sep = ssc.separate("in/0.wav", method="nmf", n_components=3, n_iter=4)
    sep.save_model("m.npz", frames=False)
    manifest = Manifest(units=[Unit(file="in/1.wav", model="m.npz")])
    again(manifest, skipped=0, done=1)
    assert [p.name for p in complete()] == ["m"]
    again(manifest, skipped=1, done=0)
    ssc.separate("in/0.wav", method="nmf", n_components=2, n_iter=4).save_model("m.npz", frames=False)
    again(manifest, skipped=0, done=1)


def test_failures_are_collected_and_the_rest_is_done(folder: Path) -> None:
    Path("in/2.wav").write_text("no sound")
    more = [
        Unit(file="in/2.wav"),
        Unit(file="in/nothing.wav"),
        Unit(file="in/0.wav", model="nothing.npz"),
        Unit(file="a\0b", track="x"),
    ]
    seen: list[tuple[str, int]] = []
    summary = run(
        Manifest(units=[*more, *units()]), "out", watch=lambda r, s: seen.append((r["status"], s.left))
    )
    assert (summary.done, len(summary.failed), summary.left) == (2, 4, 0)
    assert [left for _, left in seen] == [5, 4, 3, 2, 1, 0]
    assert {r["file"]: r["exit_code"] for r in summary.failed} == dict.fromkeys([u.file for u in more], 3)
    for record in summary.failed:
        assert "\n" not in record["error"]
    lines = Path("out", results.FAILURES).read_text().splitlines()
    assert [json.loads(line) for line in lines] == summary.failed
    again(Manifest(units=units()), skipped=2, done=0)
    assert not Path("out", results.FAILURES).exists()


def test_nothing_of_others_is_replaced(folder: Path) -> None:
    Path("out/in/0/mid_side").mkdir(parents=True)
    Path("out/in/0/mid_side/mine.txt").write_text("mine")
    Path("out/in/1").mkdir()
    Path("out/in/1/mid_side").write_text("mine too")
    summary = run(Manifest(units=units()), "out")
    assert [record["kind"] for record in summary.failed] == ["OutputError"] * 2
    assert Path("out/in/0/mid_side/mine.txt").read_text() == "mine"
    assert Path("out/in/1/mid_side").read_text() == "mine too"


def test_one_run_at_a_time_works_in_a_folder(folder: Path) -> None:
    with results.claimed("out"), pytest.raises(OutputError, match="another run writes there"):
        run(Manifest(units=units()), "out")
    again(Manifest(units=units()), skipped=0, done=2)


def test_what_a_killed_run_has_left_is_cleared_away(folder: Path) -> None:
    Path("out/.parts/abc").mkdir(parents=True)
    Path("out/.parts/abc/mid.wav").write_text("half")
    Path("out/in/0/mid_side").mkdir(parents=True)  # killed between two names
    again(Manifest(units=units()), skipped=0, done=2)
    assert not Path("out/.parts").exists()


def test_a_record_of_rubbish_is_no_result(folder: Path) -> None:
    manifest = Manifest(units=units())
    for text in ("", "{", "[]", "null", '{"unit": 3}', '{"outputs": 3}', "\xff"):
        again(manifest, skipped=0, done=2) if not Path("out").exists() else None
        Path("out/in/0/mid_side/record.json").write_text(text, encoding="latin-1")
        again(manifest, skipped=1, done=1)


# ---- engines


@dataclass(frozen=True)
class Order:
    """What a worker of these tests is to do."""

    number: int
    kills: str = ""
    marker: str = ""


def obey(order: Order) -> dict[str, Any]:
    """Count threads, or die: each time, or the first time."""
    if order.kills == "always" or (order.kills and not os.path.exists(order.marker)):
        if order.marker:
            Path(order.marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"number": order.number, "threads": n_threads(), "pid": os.getpid()}


def numbers(pairs: Any) -> tuple[list[int], list[int]]:
    done, lost = [], []
    for order, record in pairs:
        (done if record else lost).append(order.number)
        assert record is None or record["number"] == order.number
    return sorted(done), lost


@pytest.mark.slow
def test_a_worker_that_dies_costs_no_other_task(tmp_path: Path) -> None:
    orders = [Order(i) for i in range(40)]
    orders[3] = Order(3, kills="always")
    orders[20] = Order(20, kills="once", marker=str(tmp_path / "died"))
    done, lost = numbers(engines.in_pool(orders, obey, engines.processes(2)))
    assert lost == [3]
    assert done == [i for i in range(40) if i != 3]


@pytest.mark.slow
def test_workers_share_out_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGSEP_NUM_THREADS", "6")
    pairs = list(engines.in_pool([Order(i) for i in range(9)], obey, engines.processes(2)))
    assert {record["threads"] for _, record in pairs if record} == {3}
    assert os.environ["SIGSEP_NUM_THREADS"] == "6"


@pytest.mark.slow
def test_two_processes_give_the_bytes_of_one(folder: Path) -> None:
    manifest = Manifest(units=units("hpss", "nmf", parameters={}))
    run(manifest, "one")
    run(manifest, "two", jobs=2)
    assert len(complete("one")) == 4
    for one in Path("one").rglob("*.wav"):
        assert one.read_bytes() == Path("two", one.relative_to("one")).read_bytes()


@pytest.mark.slow(first=True)
def test_on_a_cluster_a_killed_worker_costs_nothing(folder: Path) -> None:
    pytest.importorskip("distributed")
    with engines.cluster("local:2") as (pool, threads):
        assert threads == max(1, n_threads() // 2)
        orders = [Order(i) for i in range(12)]
        orders[5] = Order(5, kills="once", marker=str(folder / "died"))
        done, lost = numbers(engines.in_pool(orders, obey, pool))
    assert Path("died").exists()
    assert (done, lost) == ([*range(12)], [])
    manifest = Manifest(units=units("hpss"))
    run(manifest, "one")
    summary = run(manifest, "two", cluster="local:2")
    assert (summary.done, summary.failed) == (2, [])
    for one in Path("one").rglob("*.wav"):
        assert one.read_bytes() == Path("two", one.relative_to("one")).read_bytes()


@pytest.mark.slow
def test_joblib_drives_units_with_any_of_its_backends(folder: Path) -> None:
    joblib, distributed = pytest.importorskip("joblib"), pytest.importorskip("distributed")
    manifest = Manifest(units=units())
    tasks = sets.tasks(manifest, "out")
    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=":0") as local,
        distributed.Client(local),
        joblib.parallel_config("dask"),
    ):
        found = joblib.Parallel()(joblib.delayed(sets.process)(task) for task in tasks)
    assert [record["status"] for record in found] == ["ok", "ok"]
    again(manifest, skipped=2, done=0)


@pytest.mark.parametrize(
    ("address", "match"), [("local:", "write local:4"), ("local:0", "local:4"), ("head", "write tcp")]
)
def test_addresses_of_no_cluster_are_refused(folder: Path, address: str, match: str) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(ParameterError, match=match):
        run(Manifest(units=units()), "out", cluster=address)


@pytest.mark.slow
def test_where_no_scheduler_answers_that_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(engines, "CONNECT_SECONDS", 1)
    with pytest.raises(DeviceError, match="no scheduler answers"):
        run(Manifest(units=units()), "out", cluster="tcp://127.0.0.1:9")
