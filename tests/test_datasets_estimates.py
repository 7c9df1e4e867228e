"""What other tools write is read: which file is which stem of which track."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigsep_classic.datasets import ESTIMATE_LAYOUTS, Track, canonical, match_stems, open_estimates
from sigsep_classic.datasets.aliases import ALIASES
from sigsep_classic.errors import AudioError, ParameterError
from tests.folders import touch

STEMS = ("bass", "drums", "other", "vocals")


@pytest.mark.parametrize(
    ("layout", "names", "track", "stems"),
    [
        ("demucs", "htdemucs/A - B/{}.wav", "A - B", STEMS),
        ("demucs", "955717e8-8726e21a/A - B/{}.mp3", "A - B", ("no_vocals", "vocals")),
        ("openunmix", "A - B_umxhq/{}.wav", "A - B", (*STEMS, "residual")),
        ("ours", "A - B/{}.wav", "A - B", STEMS),
        ("spleeter", "A - B/{}.wav", "A - B", ("accompaniment", "vocals")),
        (
            "audio_separator",
            "A_(Live)_({})_UVR-MDX-NET-Inst_HQ_3.flac",
            "A_(Live)",
            ("Instrumental", "Vocals"),
        ),
        ("audio_separator", "A - B_({})_model_bs_roformer_ep_317_sdr_12.9755.wav", "A - B", ("Vocals",)),
        ("musdb", "test/A - B/{}.wav", "test/A - B", STEMS),
        ("ours", "album/cd 1/A - B/{}.flac", "album/cd 1/A - B", ("harmonic", "percussive")),
    ],
)
def test_a_layout_is_told_from_its_names(
    tmp_path: Path, layout: str, names: str, track: str, stems: tuple[str, ...]
) -> None:
    touch(tmp_path, *(names.format(stem) for stem in stems), ".DS_Store", "log.txt")
    for asked in (None, layout):
        found = open_estimates(tmp_path, layout=asked)
        assert (found.layout, list(found), set(found[track])) == (layout, [track], set(stems))
        assert all(path.is_file() for path in found[track].values())


def test_open_unmix_in_its_other_form_has_the_same_tracks(tmp_path: Path) -> None:
    touch(tmp_path, "a/song_umxl/vocals.wav", "b/song/vocals.wav")
    named, plain = (open_estimates(tmp_path / name, layout="openunmix") for name in "ab")
    assert list(named) == list(plain) == ["song"]
    assert (named.model, plain.model) == ("umxl", "")


def test_the_folder_of_one_model_is_as_good_as_the_one_above(tmp_path: Path) -> None:
    touch(tmp_path, "separated/htdemucs/A/vocals.wav")
    above, inside = (
        open_estimates(tmp_path / "separated"),
        open_estimates(tmp_path / "separated" / "htdemucs"),
    )
    assert above["A"] == inside["A"]
    assert above.layout == inside.layout == "demucs"


def test_one_of_several_models_has_to_be_chosen(tmp_path: Path) -> None:
    touch(tmp_path, "htdemucs/A/vocals.wav", "mdx_extra/A/vocals.wav", "mdx_extra/B/vocals.wav")
    with pytest.raises(ParameterError, match="holds the models htdemucs, mdx_extra; choose one"):
        open_estimates(tmp_path)
    assert list(open_estimates(tmp_path, model="mdx_extra")) == ["A", "B"]
    with pytest.raises(ParameterError, match=r"model='umx' is not in .*; there are: htdemucs, mdx_extra"):
        open_estimates(tmp_path, model="umx")


def test_own_names_are_read_by_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "A/hpss/harmonic.wav", "A/repet/foreground.wav", "A/hpss/mixture.wav")
    found = open_estimates(tmp_path, pattern="{track}/{model}/{stem}.wav", model="hpss")
    assert {track: list(stems) for track, stems in found.items()} == {"A": ["harmonic"]}


def test_scores_of_museval_are_read_in_place_of_sound(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "A - B.json").write_text('{"targets": [{"name": "vocals", "frames": []}]}')
    found = open_estimates(tmp_path)
    assert (found.layout, found.holds_scores) == ("museval_json", True)
    assert found["test/A - B"] == {"scores": tmp_path / "test" / "A - B.json"}


@pytest.mark.parametrize(
    "written",
    ["test/A - Bé", "A - Be\u0301", "a - bé", "A - Bé.stem", "test/A - Bé/mixture", "A - Bé.wav", "A - Bé. "],
)
def test_a_track_is_found_under_whatever_name_a_tool_gave_it(tmp_path: Path, written: str) -> None:
    touch(tmp_path, f"{written}/vocals.wav", "test/other/vocals.wav")
    found = open_estimates(tmp_path, layout="ours")
    track = Track(name="A - B\u00e9", subset="test")
    assert list(found.of(track)) == ["vocals"]
    assert found.of("nothing") == {}


def test_files_of_a_denoiser_are_the_speech_of_their_tracks(tmp_path: Path) -> None:
    touch(tmp_path, "clnsp1_snr15_fileid_1.wav", "b_enhanced.wav", "enhanced_fileid_02.wav")
    found = open_estimates(tmp_path)
    assert (found.layout, len(found)) == ("enhanced", 3)
    for name, file in (
        ("clnsp1_snr15_fileid_1", "clnsp1_snr15_fileid_1.wav"),
        ("b", "b_enhanced.wav"),
        ("clnsp9_snr3_fileid_2", "enhanced_fileid_02.wav"),
    ):
        assert found.of(Track(name=name, subset="no_reverb")) == {"speech": tmp_path / file}
    assert found.of("x_fileid_12") == {}


@pytest.mark.parametrize("stems", [("Vocals", "drums"), ("source1", "source2"), ("harmonic", "odd")])
def test_a_folder_of_stems_is_one_track(tmp_path: Path, stems: tuple[str, ...]) -> None:
    touch(tmp_path / "Song", *(f"{stem}.wav" for stem in stems))
    found = open_estimates(tmp_path / "Song")
    assert (found.layout, list(found), set(found["Song"])) == ("ours", ["Song"], set(stems))


def test_the_subset_decides_between_two_tracks_of_one_name(tmp_path: Path) -> None:
    touch(tmp_path, "train/A/vocals.wav", "test/A/vocals.wav")
    found = open_estimates(tmp_path)
    assert found.of(Track(name="A", subset="train"))["vocals"].parts[-3] == "train"
    with pytest.raises(ParameterError, match=r"2 tracks of .* fit \(test/A, train/A\)"):
        found.of("A")


def test_a_folder_without_estimates_says_so(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="holds no estimates in the layout ours"):
        open_estimates(tmp_path)
    with pytest.raises(ParameterError, match="use one of " + ", ".join(ESTIMATE_LAYOUTS)):
        open_estimates(tmp_path, layout="htdemucs")


@pytest.mark.parametrize(
    ("spelt", "name"),
    [
        ("Instrumental", "accompaniment"),
        ("no_vocals", "accompaniment"),
        ("minus_vocals", "accompaniment"),
        ("Lead Vocals", "vocals"),
        ("No Drums", "no_drums"),
        ("dialogue", "speech"),
        ("Strings (continued)", "strings_(continued)"),
    ],
)
def test_names_that_mean_the_same_are_one(spelt: str, name: str) -> None:
    assert canonical(spelt) == name
    assert canonical(name) == name


def test_no_alias_stands_for_two_stems() -> None:
    every = [alias for aliases in ALIASES.values() for alias in aliases]
    assert len(set(every)) == len(every)
    assert not set(every) & set(ALIASES)


def pairs(truth: str, estimated: str, **options: dict[str, str]) -> list[tuple[str, str, str]]:
    found = match_stems(truth.split(), estimated.split(), **options)
    return [(pair.name, "+".join(pair.references), "+".join(pair.estimates)) for pair in found.pairs]


def test_stems_of_one_name_are_compared_without_a_word() -> None:
    found = match_stems(STEMS, STEMS)
    assert [pair.name for pair in found.pairs] == list(STEMS)
    assert found.words == ()


def test_the_accompaniment_is_the_sum_of_the_rest_on_either_side() -> None:
    sums = [("vocals", "vocals", "Vocals"), ("accompaniment", "bass+drums+other", "Instrumental")]
    assert pairs(" ".join(STEMS), "Vocals Instrumental") == sums
    assert pairs("vocals accompaniment", "bass drums other vocals") == [
        ("vocals", "vocals", "vocals"),
        ("accompaniment", "accompaniment", "bass+drums+other"),
    ]
    assert pairs(" ".join(STEMS), "drums no_drums") == [
        ("drums", "drums", "drums"),
        ("no_drums", "bass+other+vocals", "no_drums"),
    ]
    assert match_stems(STEMS, ["vocals", "no_vocals"]).words == (
        "estimate no_vocals is compared with the sum of bass, drums, other",
    )


def test_what_a_finer_model_takes_out_of_other_is_put_back() -> None:
    found = match_stems(STEMS, (*STEMS, "guitar", "piano"))
    assert {pair.name: pair.estimates for pair in found.pairs}["other"] == ("other", "guitar", "piano")
    assert found.words == ("the sum of other, guitar, piano is taken for other",)
    assert ("piano", "piano", "piano") in pairs(
        "drums bass other vocals piano", "drums bass other vocals piano"
    )


def test_a_voice_is_speech_where_nobody_sings_and_a_choice_goes_first() -> None:
    assert pairs("speech noise", "vocals background_noise")[0] == ("speech", "speech", "vocals")
    chosen = {"foreground": "vocals", "background": "accompaniment"}
    assert pairs("vocals accompaniment", "foreground background", aliases=chosen) == [
        ("vocals", "vocals", "foreground"),
        ("accompaniment", "accompaniment", "background"),
    ]


def test_what_has_no_counterpart_is_said_and_two_of_one_meaning_are_refused() -> None:
    found = match_stems(["vocals", "drums"], ["vocals", "harmonic", "residual", "mixture"])
    assert len(found.pairs) == 1
    assert found.words == (
        "estimate residual is what no stem took; it is not scored",
        "estimate harmonic has no true stem; it is not scored",
        "true stem drums has no estimate",
    )
    with pytest.raises(ParameterError, match="Vocals and voice of the estimates are both vocals"):
        match_stems(["vocals"], ["Vocals", "voice"])
