"""One track scored: as the metrics say it, in the sets museval uses, whatever the estimates are called."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import audio, metrics
from sigsep_classic.compare.evaluating import Scoring, evaluate, scored_together
from sigsep_classic.compare.records import FRAMEWISE
from sigsep_classic.compare.reference_rows import reference
from sigsep_classic.datasets import LoadedTrack, match_stems
from sigsep_classic.errors import AudioError, NumericalError, ParameterError

RATE = 8000
STEMS = ("drums", "bass", "other", "vocals")
FAST = Scoring(frames=("csdr",))
SHORT = Scoring(filter_length=16)


@pytest.fixture(scope="module")
def track():
    rng = np.random.default_rng(0)
    stems = {name: rng.standard_normal((2, 3 * RATE)).astype(np.float32) for name in STEMS}
    stems["vocals"][:, :RATE] = 0  # a silent second, which museval leaves out for all
    return LoadedTrack(name="song", sample_rate=RATE, mixture=sum(stems.values()), stems=stems)


@pytest.fixture(scope="module")
def estimates(track):
    return {name: x + 0.2 * track.mixture for name, x in track.stems.items()}


def test_scores_are_those_of_the_metrics(track, estimates):
    found = evaluate(track, estimates, method="m", scoring=SHORT)
    refs, ests = list(track.stems.values()), [estimates[name] for name in STEMS]
    tables = metrics.bss_eval_v4(refs, ests, window=RATE, hop=RATE, filter_length=16)
    for metric, name in FRAMEWISE.items():
        for stem, row in zip(STEMS, getattr(tables, name.lower()), strict=True):
            assert_allclose(found.frames[stem][metric], row)
    totals = metrics.scores(track.stems, estimates, metrics=("usdr", "si_sdr"), sample_rate=RATE)
    assert found.totals == totals
    assert found.spread("drums", "csdr").n_nan == 1
    assert found.meta["words"] == []


def test_the_fast_way_has_the_same_sdr(track, estimates):
    fast, whole = (evaluate(track, estimates, method="m", scoring=s) for s in (FAST, SHORT))
    for stem in STEMS:
        assert_allclose(fast.frames[stem]["csdr"], whole.frames[stem]["csdr"], atol=1e-9)
    assert list(fast.frames["bass"]) == ["csdr"]


def test_vocals_and_accompaniment_are_a_pair_of_their_own_as_in_museval(track):
    rest = sum(track.stems[name] for name in STEMS[:3])
    given = {"vocals": track.stems["vocals"] + 0.1 * rest, "no_vocals": rest + 0.1 * track.stems["vocals"]}
    found = evaluate(track, given, method="m", scoring=SHORT)
    tables = metrics.bss_eval_v4(
        [track.stems["vocals"], rest], list(given.values()), window=RATE, hop=RATE, filter_length=16
    )
    assert_allclose(found.frames["vocals"]["sir"], tables.sir[0], atol=1e-4)
    assert_allclose(found.frames["accompaniment"]["csdr"], tables.sdr[1], atol=1e-4)
    assert found.stems == ("vocals", "accompaniment")
    assert found.meta["sets"] == [["vocals", "accompaniment"]]
    assert any("no_vocals is compared with the sum of drums, bass, other" in w for w in found.meta["words"])


def test_which_stems_are_scored_together():
    def sets(*names):
        return scored_together(match_stems(STEMS, names).pairs)

    assert sets(*STEMS) == (STEMS,)
    assert sets(*STEMS, "accompaniment") == (STEMS, ("vocals", "accompaniment"))
    assert sets("vocals", "instrumental") == (("vocals", "accompaniment"),)
    assert sets("vocals", "drums") == (("drums", "vocals"),)
    assert sets("drums", "no_drums") == (("drums", "no_drums"),)
    assert sets("bass") == (("bass",),)


def test_a_stem_alone_has_sdr_and_nothing_to_interfere(track, estimates):
    found = evaluate(track, {"bass": estimates["bass"]}, method="m")
    assert list(found.frames["bass"]) == ["csdr"]
    assert any("vocals has no estimate" in word for word in found.meta["words"])


def test_names_of_other_tools_are_told_apart_by_the_user(track, estimates):
    given = {"foreground": estimates["vocals"]}
    found = evaluate(track, given, method="m", scoring=FAST, aliases={"foreground": "vocals"})
    assert found.stems == ("vocals",)
    with pytest.raises(ParameterError, match="no estimate fits a stem; there are foreground"):
        evaluate(track, given, method="m")


def test_files_are_read_at_the_rate_of_the_truth_with_a_word(track, estimates, tmp_path):
    path = tmp_path / "bass.wav"
    audio.save(path, np.repeat(estimates["bass"], 2, axis=1), 2 * RATE)
    found = evaluate(track, {"bass": path}, method="m", scoring=FAST)
    assert "estimate bass: resampled from 16000 to 8000 Hz" in found.meta["words"]
    assert found.spread("bass", "csdr").n_frames == 3


def test_what_can_not_be_scored_is_an_error(track, tmp_path):
    bad = np.full_like(track.mixture, np.nan)
    with pytest.raises(NumericalError):
        evaluate(track, {"bass": bad}, method="m", scoring=Scoring(align=False))
    (tmp_path / "bass.wav").write_bytes(b"nothing")
    with pytest.raises(AudioError):
        evaluate(track, {"bass": tmp_path / "bass.wav"}, method="m")


def test_references_lie_below_and_above(track):
    sums = {"accompaniment": ["drums", "bass", "other"]}
    rows = [reference(track, oracle, sums=sums, scoring=FAST) for oracle in (None, "irm2", "ibm1")]
    assert [row.method for row in rows] == ["mixture/n", "oracle IRM2", "oracle IBM1"]
    assert all(row.kind == "reference" and row.meta["note"] for row in rows)
    low, high = rows[0], rows[1]
    assert set(low.stems) == {*STEMS, "accompaniment"}
    assert all(high.value(stem, "csdr") > low.value(stem, "csdr") for stem in STEMS)


def test_the_mixture_row_is_the_share_of_the_stems_asked_for(track):
    sums = {"accompaniment": ["drums", "bass", "other"]}
    low = reference(track, sums=sums, scoring=FAST)
    rest = sum(track.stems[name] for name in STEMS[:3])
    wanted = [
        metrics.usdr(track.stems["bass"][None], track.mixture[None] / 4)[0],
        metrics.usdr(rest[None], track.mixture[None] * 0.75)[0],
    ]
    assert_allclose([low.value(s, "usdr") for s in ("bass", "accompaniment")], wanted, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"frames": ("sdr",)},
        {"totals": ("csdr",)},
        {"silent": "no"},
        {"frames": (), "totals": ()},
        {"seconds": 0},
    ],
)
def test_scorings_that_make_no_sense_are_refused(options):
    with pytest.raises(ParameterError):
        Scoring(**options)
