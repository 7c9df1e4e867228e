"""Layouts of data sets: each is told from its folders, and its tracks have the stems that lie there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from numpy.testing import assert_array_equal

from sigsep_classic import audio
from sigsep_classic.datasets import LAYOUTS, open_dataset
from sigsep_classic.datasets.patterns import Pattern
from sigsep_classic.errors import AudioError, ParameterError
from tests.folders import noise, touch, write, write_track

MUSDB = ("mixture", "drums", "bass", "other", "vocals")

SLAKH = """\
UUID: 1a81ae092884234f3264e2f45927f00a
stems:
  S00: {audio_rendered: true, inst_class: Guitar, is_drum: false}
  S01: {audio_rendered: true, inst_class: Drums, is_drum: true}
  S02: {audio_rendered: false, inst_class: Piano, is_drum: false}
  S03: {audio_rendered: true, inst_class: Guitar, is_drum: false}
  S04: {audio_rendered: true, inst_class: Strings (continued), is_drum: false}
"""


def hq(root: Path, *tracks: str) -> None:
    touch(root, *(f"{track}/{stem}.wav" for track in tracks for stem in MUSDB))


def slakh(root: Path) -> Path:
    folder = root / "train" / "Track00001"
    touch(folder, "mix.flac", *(f"stems/S0{i}.flac" for i in (0, 1, 3, 4)), "MIDI/S00.mid", "all_src.mid")
    (folder / "metadata.yaml").write_text(SLAKH)
    return folder


def test_musdb18_hq_is_folders_of_five_files(tmp_path: Path) -> None:
    hq(tmp_path, "train/A - One", "test/C - Three", "test/B - Two")
    found = open_dataset(tmp_path)
    assert (found.layout, found.subsets) == ("musdb18_hq", ("test", "train"))
    assert found.labels == ("test/B - Two", "test/C - Three", "train/A - One")
    assert list(found[0].stems) == ["drums", "bass", "other", "vocals"]
    assert found[0].mixture is not None
    assert found[0].mixture.path == tmp_path / "test" / "B - Two" / "mixture.wav"
    assert [track.label for track in open_dataset(tmp_path, subset="train")] == ["train/A - One"]
    assert open_dataset(tmp_path / "test").labels == ("B - Two", "C - Three")
    with pytest.raises(ParameterError, match=r"subset='valid' is not in .*; there are: test, train"):
        open_dataset(tmp_path, subset=["train", "valid"])


def test_a_subset_whose_tracks_all_lack_their_mixture_is_not_passed_over(tmp_path: Path) -> None:
    hq(tmp_path, "test/B - Two")
    touch(tmp_path, *(f"train/A - One/{stem}.wav" for stem in MUSDB[1:]), "figures/last/x.wav")
    found = open_dataset(tmp_path)
    assert found.labels == ("test/B - Two", "train/A - One")
    assert (found[1].mixture, len(found[1].stems)) == (None, 4)


def test_musdb18_is_one_container_a_track(tmp_path: Path) -> None:
    touch(tmp_path, "test/A.B - C.stem.mp4", "test/._A.B - C.stem.mp4", "train/Zoë.stem.mp4", "train/x.mp4")
    found = open_dataset(tmp_path)
    assert (found.layout, found.labels) == ("musdb18", ("test/A.B - C", "train/Zoë"))
    assert [stem.stream for stem in found[0].stems.values()] == [1, 2, 3, 4]


def test_divide_and_remaster_is_three_stems_and_a_mix(tmp_path: Path) -> None:
    names = ("mix.wav", "music.wav", "speech.wav", "sfx.wav", "annots.csv")
    touch(tmp_path, *(f"{subset}/{i}/{name}" for subset in ("tr", "cv") for i in (7, 1002) for name in names))
    found = open_dataset(tmp_path)
    assert (found.layout, len(found), list(found[0].stems)) == ("dnr", 4, ["speech", "music", "sfx"])


def test_slakh_groups_its_files_by_instrument_class(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    folder = slakh(tmp_path)
    (track,) = found = open_dataset(tmp_path)
    assert (found.layout, track.label) == ("slakh", "train/Track00001")
    assert list(track.stems) == ["drums", "guitar", "strings_continued"]
    assert [part.path.name for part in track.stems["guitar"].parts] == ["S00.flac", "S03.flac"]
    assert list(open_dataset(tmp_path, group_by="file")[0].stems) == ["S00", "S01", "S03", "S04"]
    (folder / "metadata.yaml").write_text("stems: [")
    with pytest.raises(AudioError, match=r"has no list of stems in YAML; use group_by=\"file\""):
        found[0]
    with pytest.raises(ParameterError, match="group_by='family' is unknown"):
        open_dataset(tmp_path, group_by="family")


def test_slakh_without_pyyaml_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slakh(tmp_path)
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ParameterError, match=r'pip install "sigsep-classic\[datasets\]"'):
        open_dataset(tmp_path)[0]


def test_pairs_of_noisy_and_clean_meet_by_number(tmp_path: Path) -> None:
    noisy = [f"noisy/clnsp{i}_train_69005_1_snr15_tl-21_fileid_{i}.wav" for i in (2, 10)]
    touch(tmp_path, *noisy, *(f"clean/clean_fileid_{i}.wav" for i in (10, 2, 3)), "noise/noise_fileid_2.wav")
    found = open_dataset(tmp_path)
    assert (found.layout, len(found)) == ("dns", 2)
    by_number = {track.name.rpartition("_")[2]: track for track in found}
    assert by_number["2"].stems["noise"].path.name == "noise_fileid_2.wav"
    assert by_number["10"].stems["speech"].path.name == "clean_fileid_10.wav"
    assert [part.gain for part in by_number["10"].stems["noise"].parts] == [1.0, -1.0]
    assert "fileid_10.wav has no file in" in found.notes[0]
    assert "clean_fileid_3.wav has no noisy file" in found.notes[1]


def test_noise_without_a_file_is_what_is_not_clean(tmp_path: Path) -> None:
    write(tmp_path / "no_reverb" / "noisy" / "a_fileid_0.wav", noise(1) + noise(2))
    write(tmp_path / "no_reverb" / "clean" / "clean_fileid_0.wav", noise(1))
    (track,) = open_dataset(tmp_path)
    assert track.subset == "no_reverb"
    assert_array_equal(track.load().stems["noise"], noise(2))


def test_pairs_of_one_name_in_folders_with_a_tag_meet(tmp_path: Path) -> None:
    for kind in ("noisy", "clean"):
        touch(tmp_path, f"{kind}_testset_wav/p232_001.wav", f"{kind}_trainset_28spk_wav/p226_001.wav")
    found = open_dataset(tmp_path)
    assert found.labels == ("testset/p232_001", "trainset_28spk/p226_001")
    assert all(set(track.stems) == {"speech", "noise"} for track in found)


def test_fuss_is_told_beside_its_sources_and_above_them(tmp_path: Path) -> None:
    sources = ("background0_sound.wav", "foreground0_sound.wav")
    touch(tmp_path / "a", "train/example1.wav", *(f"train/example1_sources/{name}" for name in sources))
    touch(tmp_path / "b", "train/example1/mix.wav", *(f"train/example1/{name}" for name in sources))
    for root in (tmp_path / "a", tmp_path / "b"):
        (track,) = found = open_dataset(root)
        assert (found.layout, track.label) == ("fuss", "train/example1")
        assert list(track.stems) == ["background0", "foreground0"]
        assert track.mixture is not None


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("{subset}/{track}/{stem}.wav", ["x/a_b/s1.wav", "x/a_b/mix.wav"]),
        ("{subset}/{stem}/{track}.flac", ["x/s1/a_b.flac", "x/mix/a_b.flac"]),
        ("{subset}/{track}_{stem}", ["x/a_b_s1.wav", "x/a_b_mix.wav"]),
        ("{subset}/*/{track}/{track} - {stem}.*", ["x/y/a_b/a_b - s1.wav", "x/y/a_b/a_b - mix.mp3"]),
    ],
)
def test_own_files_are_found_by_pattern(tmp_path: Path, pattern: str, names: list[str]) -> None:
    touch(tmp_path, *names, "x/notes.txt", "deeper/than/all/of/them.wav")
    (track,) = found = open_dataset(tmp_path, pattern=pattern, subset="x")
    assert (found.layout, track.label, list(track.stems)) == ("pattern", "x/a_b", ["s1"])
    assert track.mixture is not None


def test_own_folders_need_no_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "p/One/kick.wav", "p/One/snare.wav", "p/One/snare.mp3", "q/Two/kick.wav")
    found = open_dataset(tmp_path)
    assert (found.layout, found.labels) == ("pattern", ("p/One", "q/Two"))
    assert (list(found[0].stems), found[0].mixture) == (["kick", "snare"], None)
    assert "snare" in found.notes[0]
    assert open_dataset(tmp_path / "p").labels == ("One",)
    (alone,) = open_dataset(tmp_path / "p" / "One")
    assert (alone.name, sorted(alone.stems)) == ("One", ["kick", "snare"])


def test_a_pattern_takes_the_stems_and_the_mixture_that_are_named(tmp_path: Path) -> None:
    touch(tmp_path, *(f"test/{part}/1.wav" for part in ("mix_both", "mix_clean", "s1", "s2", "noise")))
    options = {"mixture": "mix_both", "stems": ["s1", "s2", "noise"]}
    (track,) = open_dataset(tmp_path, pattern="{subset}/{stem}/{track}.wav", **options)
    assert list(track.stems) == ["noise", "s1", "s2"]
    assert track.mixture is not None
    assert track.mixture.path.parent.name == "mix_both"
    with pytest.raises(ParameterError, match="mixture='mx': no file of"):
        open_dataset(tmp_path, pattern="{subset}/{stem}/{track}.wav", mixture="mx")


def test_a_field_that_is_there_twice_is_the_same_text_and_text_is_no_code() -> None:
    pattern = Pattern("({track})/[{track}] {stem}.wav")
    assert pattern.fields("(a.b)/[a.b] s+.wav") == {"track": "a.b", "stem": "s+"}
    assert pattern.fields("(a.b)/[a-b] s.wav") is None


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{track}/x.wav", "has no {stem}"),
        ("{song}/{stem}.wav", "has the field {song}"),
        ("../{stem}.wav", "leaves the folder"),
        ("/data/{stem}.wav", "leaves the folder"),
    ],
)
def test_a_wrong_pattern_is_refused(tmp_path: Path, pattern: str, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        open_dataset(tmp_path, pattern=pattern)


def test_odd_names_are_tracks_and_what_file_managers_leave_is_not(tmp_path: Path) -> None:
    odd = ["..dots..", "[br]ack{et}s", "a  b", "naı̈ve – ☃", "日本語", "-dash", "100%"]
    hq(tmp_path, *(f"test/{name}" for name in odd if not name.startswith(".")))
    hq(tmp_path, "test/.hidden", "__MACOSX/test/A")
    touch(tmp_path, "test/[br]ack{et}s/._vocals.wav", ".DS_Store", "test/Thumbs.db")
    found = open_dataset(tmp_path)
    assert sorted(track.name for track in found) == sorted(
        track for track in ("[br]ack{et}s", "a  b", "naı̈ve – ☃", "日本語", "-dash", "100%")
    )
    assert all(len(track.stems) == 4 for track in found)
    by_pattern = open_dataset(tmp_path, pattern="{subset}/{track}/{stem}.wav")
    assert by_pattern.labels == found.labels


def test_an_accent_in_two_spellings_is_one_name_and_order_is_that_of_names(tmp_path: Path) -> None:
    hq(tmp_path, "test/Zoe\u0308", "test/Zof", "test/Zod")
    assert open_dataset(tmp_path).labels == ("test/Zod", "test/Zof", "test/Zo\u00eb")


def test_links_back_up_and_links_to_themselves_end(tmp_path: Path) -> None:
    hq(tmp_path, "test/A")
    try:
        (tmp_path / "test" / "up").symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / "test" / "self").symlink_to("self")
        (tmp_path / "test" / "B").symlink_to("A", target_is_directory=True)
        (tmp_path / "test" / "A" / "here").symlink_to(".", target_is_directory=True)
    except OSError:
        pytest.skip("links can't be made here")
    assert open_dataset(tmp_path).labels == ("test/A", "test/B")
    assert len(open_dataset(tmp_path, pattern="{subset}/{track}/{stem}")) == 2


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_not_utf8_is_a_track(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    try:
        hq(tmp_path, f"test/{name}")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert open_dataset(tmp_path)[0].name == name


def test_listing_opens_no_sound_and_looks_into_a_track_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hq(tmp_path, *(f"train/{i:05d}" for i in range(200)))
    looked: list[str] = []
    monkeypatch.setattr(audio, "info", lambda *a, **k: pytest.fail("a file was opened"))
    monkeypatch.setattr(
        os, "scandir", lambda path, scan=os.scandir: (looked.append(str(path)), scan(path))[1]
    )
    found = open_dataset(tmp_path)
    listed = len(looked)
    assert (len(found), found[150].name) == (200, "00150")
    assert listed < 100
    assert len(looked) == listed + 1


def test_an_empty_track_is_there_and_files_read_first_are_lossless(tmp_path: Path) -> None:
    hq(tmp_path, "test/A")
    (tmp_path / "test" / "B").mkdir()
    touch(tmp_path, "test/A/vocals.mp3")
    found = open_dataset(tmp_path)
    assert [len(track.stems) for track in found] == [4, 0]
    assert found[0].stems["vocals"].path.suffix == ".wav"


def test_flac_stems_and_names_in_capitals_are_musdb18_hq_too(tmp_path: Path) -> None:
    write_track(
        tmp_path / "Song", {name.upper(): noise(i) for i, name in enumerate(MUSDB[1:])}, suffix=".flac"
    )
    (track,) = found = open_dataset(tmp_path)
    assert (found.layout, len(track.stems)) == ("musdb18_hq", 4)
    assert_array_equal(track.load().stems["bass"], noise(1))


def test_what_fits_nothing_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"fits none of the layouts musdb18, .*; name the folder above"):
        open_dataset(tmp_path)
    with pytest.raises(AudioError, match="no such folder; name the folder"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(AudioError, match=r"has no tracks in the layout slakh"):
        open_dataset(tmp_path, layout="slakh")
    with pytest.raises(ParameterError, match=r"layout='musdb' is unknown; use one of " + ", ".join(LAYOUTS)):
        open_dataset(tmp_path, layout="musdb")
    with pytest.raises(ParameterError, match="leave layout out to use pattern="):
        open_dataset(tmp_path, layout="dns", pattern="{stem}.wav")
