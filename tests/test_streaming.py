"""Block by block gives what the whole recording gives, for methods that look at a neighbourhood."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import METHODS, STFT, audio, planning, separate, synthesize
from sigsep_classic.errors import OutputError, ParameterError
from sigsep_classic.pipeline import separate_array
from sigsep_classic.planning import length_of
from sigsep_classic.streaming import (
    arrays,
    neighbourhood,
    running,
    separate_blocks,
    separate_file,
    separate_long,
)

RATE = 8000
MINUS_90_DB = 10 ** (-90 / 20)


@pytest.fixture(scope="module")
def song():
    return synthesize("song", seconds=4.0, sample_rate=RATE).mixture


def cut(x, *lengths):
    edges = np.cumsum([0, *lengths])
    return [x[:, a:b] for a, b in zip(edges, [*edges[1:], x.shape[1]], strict=True)]


LOCAL = {
    **{name: {} for name in METHODS.built_in if length_of(METHODS[name]()).kind == "blocks"},
    "adress": {"azimuths": (-30.0, 0.0, 30.0)},
    "dehum": {"frequency": 50.0, "seconds": 0.5},
    "denoise": {"gain": "gate", "profile": np.full((1, 129), 1e-3)},
}
"""Methods that go block by block, with the parameters that make them."""


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("name", LOCAL)
def test_blocks_give_the_stems_of_the_whole(song, name, real):
    x, method = song.astype(real), METHODS[name](**LOCAL[name])
    assert length_of(method).kind == "blocks"
    whole = separate_array(x, RATE, method)
    parts = list(separate_blocks(cut(x, 5000, 1, 12000), RATE, method, block_seconds=0.7))
    assert len(parts) > 3
    for stem in whole:
        joined = np.concatenate([part[stem] for part in parts], axis=1)
        assert joined.dtype == x.dtype
        assert_allclose(joined, whole[stem], rtol=0, atol=MINUS_90_DB * abs(x).max())


@pytest.mark.parametrize(
    ("n_fft", "hop", "seconds"), [(256, 100, 0.05), (1024, 1024 // 3, 0.3), (64, 64, 9.0)]
)
def test_any_hop_and_block_will_do(song, n_fft, hop, seconds):
    frontend = STFT(n_fft=n_fft, hop=hop, window="boxcar" if hop == n_fft else "hann")
    method = METHODS["hpss"](harmonic_frames=7, percussive_bins=5)
    x = song[:, :6001].astype(float)
    whole = separate_array(x, RATE, method, frontend=frontend)
    found = separate_long(x, RATE, method, frontend=frontend, block_seconds=seconds)
    for stem in whole:
        assert_allclose(found[stem], whole[stem], rtol=0, atol=1e-9)


def test_a_long_recording_goes_block_by_block_and_has_its_model_when_asked(song, monkeypatch):
    monkeypatch.setattr(running, "plan", partial(planning.plan, long_seconds=2.0))
    fits = []

    def counted(x, *args, **options):
        fits.append(x)
        return separate_array(x, *args, **options)

    monkeypatch.setattr(arrays, "separate_array", counted)
    monkeypatch.setattr(neighbourhood, "separate_array", counted)
    x = song.astype(float)
    sep, whole = separate(x, RATE, method="hpss"), separate_array(x, RATE, METHODS["hpss"]())
    n_blocks = len(fits)
    for stem in whole:
        assert_allclose(sep[stem], whole[stem], rtol=0, atol=1e-9)
    assert sep.replace(track="other").track == "other"
    assert len(fits) == n_blocks
    assert type(sep.model) is type(whole.model)
    assert len(fits) == n_blocks + 1
    assert sep.model is sep.model
    assert len(fits) == n_blocks + 1
    again = sep.regroup(mask="binary")
    assert_allclose(sum(again.values()), x, rtol=0, atol=1e-9)


def test_the_input_is_not_written_to(song):
    x = song.copy()
    x.flags.writeable = False
    separate_long(x, RATE, METHODS["hpss"](), block_seconds=0.5)


def test_a_file_becomes_files(song, tmp_path):
    audio.save(tmp_path / "mix.wav", song, RATE)
    record = separate_file(tmp_path / "mix.wav", tmp_path / "out", METHODS["hpss"](), block_seconds=0.5)
    assert [path.rpartition("/")[2] for path in record.paths] == ["harmonic.wav", "percussive.wav"]
    whole = separate_array(song, RATE, METHODS["hpss"]())
    for path, stem in zip(record.paths, whole.values(), strict=True):
        assert_allclose(audio.load(path).samples, stem, rtol=0, atol=MINUS_90_DB * abs(song).max())


def test_a_file_is_never_replaced_by_its_own_stem(song, tmp_path):
    audio.save(tmp_path / "harmonic.wav", song, RATE)
    with pytest.raises(OutputError, match="is an input"):
        separate_file(tmp_path / "harmonic.wav", tmp_path, METHODS["hpss"](), template="{stem}.{ext}")


def test_methods_that_need_the_whole_recording_say_so(song):
    with pytest.raises(ParameterError, match="nmf needs the whole recording; hpss"):
        next(separate_blocks([song], RATE, METHODS["nmf"]()))
    from sigsep_classic import ConstantQ

    with pytest.raises(ParameterError, match="must be an STFT"):
        next(separate_blocks([song], RATE, METHODS["hpss"](), frontend=ConstantQ(sample_rate=RATE)))


def test_nothing_in_gives_nothing_out():
    assert list(separate_blocks([], RATE, METHODS["hpss"]())) == []


def test_context_is_what_a_frame_depends_on():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1, 30, 80)) + 1j * rng.standard_normal((1, 30, 80))
    for name in ("hpss", "hrps"):
        method = METHODS[name](harmonic_frames=9, percussive_bins=5)
        far = X.copy()
        far[..., 40 + method.context + 1 :] *= 7
        far[..., : 40 - method.context] *= 3
        near = dataclasses.replace(method).fit(far).gains()
        assert np.array_equal(method.fit(X).gains()[..., 40], near[..., 40])
