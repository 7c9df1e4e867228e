"""Streams, samples and chunks: what is done piece by piece is what the whole would be, or joins without a seam."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sigsep_classic import METHODS, STFT, Waveform, synthesize
from sigsep_classic.pipeline import separate_array
from sigsep_classic.planning import plan, with_piece
from sigsep_classic.streaming.arrays import separate_in_pieces
from sigsep_classic.streaming.chunks import in_chunks, matched, overlapping
from sigsep_classic.streaming.running import Request
from sigsep_classic.streaming.sampled import spread
from sigsep_classic.streaming.windows import windows

RATE = 8000
MINUS_90_DB = 10 ** (-90 / 20)
FRONTEND = STFT(n_fft=256, hop=64)


@pytest.fixture(scope="module")
def song():
    return synthesize("song", seconds=3.0, sample_rate=RATE).mixture


@pytest.fixture(scope="module")
def scene():
    return synthesize("stereo2x2", seconds=3.0, sample_rate=RATE).mixture


def in_pieces(x, method, kind, *, piece, sample=0, frontend=None, margin=0, **options):
    """Return the stems of a plan that is forced."""
    request = Request(method=method, frontend=frontend, **options)
    scene = request.scene(channels=len(x), n_samples=x.shape[1], sample_rate=RATE)
    found = plan(method, scene, limit=10**12, frontend=frontend)
    forced = with_piece(found, kind=kind, piece=piece, sample=sample, margin=margin)
    return separate_in_pieces(x, request, forced)


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "parameters", "n_fft", "hop"),
    [
        ("repet_sim_online", {"buffer": 1.0}, 256, 64),
        ("repet_sim_online", {"buffer": 0.5}, 200, 70),
        ("iva_online", {}, 256, 64),
        ("iva_online", {"wpe_taps": 2}, 256, 128),
        ("iva_online", {"n_sources": 1}, 255, 60),
    ],
)
def test_a_stream_gives_the_stems_of_the_whole(scene, name, parameters, n_fft, hop, real):
    x, method, frontend = (
        scene.astype(real)[:, :17003],
        METHODS[name](**parameters),
        STFT(n_fft=n_fft, hop=hop),
    )
    whole = separate_array(x, RATE, method, frontend=frontend)
    found = in_pieces(x, method, "stream", piece=hop * 37, frontend=frontend)
    assert list(found) == list(whole)
    for stem in whole:
        assert found[stem].dtype == x.dtype
        assert_allclose(found[stem], whole[stem], rtol=0, atol=MINUS_90_DB * abs(x).max())
    assert_allclose(sum(found.values()), x, rtol=0, atol=1e-6)


@pytest.mark.parametrize("length", [1, 63, 64, 65, 255, 256, 300, 2368, 2369, 4736])
def test_streams_of_any_length_end_where_the_recording_ends(scene, length):
    x, method = scene[:, :length], METHODS["repet_sim_online"](buffer=0.2)
    whole = separate_array(x, RATE, method, frontend=FRONTEND)
    found = in_pieces(x, method, "stream", piece=64 * 5, frontend=FRONTEND)
    for stem in whole:
        assert_allclose(found[stem], whole[stem], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "parameters", "frontend"),
    [
        ("auxiva", {"n_iter": 5}, FRONTEND),
        ("overiva", {"n_iter": 3, "n_sources": 1}, FRONTEND),
        ("tiss", {"n_iter": 3}, FRONTEND),
        ("wpe", {}, FRONTEND),
        ("ica", {}, None),
        pytest.param("scica", {"n_delays": 4}, None, marks=pytest.mark.slow),
    ],
)
def test_filters_learnt_from_a_sample_are_exact_on_blocks(scene, name, parameters, frontend):
    method, scene = METHODS[name](**parameters), scene[:, :9001]
    whole = separate_array(scene, RATE, method, frontend=frontend)
    found = in_pieces(scene, method, "sample", piece=64 * 30, sample=9001, frontend=frontend)
    assert list(found) == list(whole)
    for stem in whole:
        assert_allclose(found[stem], whole[stem], rtol=0, atol=MINUS_90_DB * abs(scene).max())


def test_templates_learnt_from_a_sample_separate_all_of_it(song):
    method = METHODS["nmf"](n_components=6, n_iter=30)
    half = song.shape[1] // 2
    found = in_pieces(song, method, "sample", piece=64 * 64, sample=half, frontend=FRONTEND)
    assert_allclose(sum(found.values()), song, rtol=0, atol=1e-6)
    assert found.groups is not None
    assert set(found.groups) == set(found)
    # One dictionary for all: the same blocks, cut otherwise, give nearly the same stems.
    other = in_pieces(song, method, "sample", piece=64 * 100, sample=half, frontend=FRONTEND)
    for stem in found:
        error = ((found[stem] - other[stem]) ** 2).sum()
        assert error < 0.01 * (song**2).sum()


def test_settled_methods_go_on_in_blocks(song):
    n = song.shape[1]
    for name, piece in (("adress", 256 * 12), ("dehum", 5000)):
        method = METHODS[name]() if name == "adress" else METHODS[name](seconds=0.2)
        x = song + (0.05 * np.sin(2 * np.pi * 50 * np.arange(n) / RATE)).astype("float32")
        whole = separate_array(x, RATE, method)
        found = in_pieces(x, method, "sample", piece=piece, sample=n)
        for stem in whole:
            assert_allclose(found[stem], whole[stem], rtol=0, atol=MINUS_90_DB)


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 300),
    piece=st.integers(1, 90),
    chunk=st.integers(1, 120),
    share=st.floats(0, 0.5),
)
def test_chunks_and_windows_cover_everything_once(n, piece, chunk, share):
    x, overlap = np.arange(1, n + 1)[None], int(chunk * share)
    pieces = [x[:, at : at + piece] for at in range(0, n, piece)]
    end, lengths = 0, []
    for part, shared in overlapping(pieces, chunk, overlap):
        assert shared >= overlap or end == 0
        assert part[0, shared] == end + 1
        assert part[0, 0] == end + 1 - shared
        end = part[0, -1]
        lengths.append(part.shape[1])
    assert end == n
    assert set(lengths) == {min(n, chunk)}
    blocks = list(windows(pieces, block=chunk, margin=overlap))
    assert np.array_equal(np.concatenate([w.own(w.buffer) for w in blocks], axis=1), x)
    if overlap:
        assert [w.last for w in blocks] == [False] * (len(blocks) - 1) + [True]


def test_stems_keep_their_names_from_chunk_to_chunk():
    rng = np.random.default_rng(0)
    a, b, c = rng.standard_normal((3, 1, 100))
    tail = {"source1": a[:, :40], "source2": b[:, :40], "noise": c[:, :40]}
    found = matched(tail, {"source1": b, "source2": a, "noise": c})
    assert all(np.array_equal(found[name], x) for name, x in (("source1", a), ("source2", b), ("noise", c)))
    found = matched(tail, {"source1": b, "noise": c})
    assert not found["source1"].any()
    assert np.array_equal(found["source2"], b)
    found = matched(tail, {"source1": b, "source2": a, "source3": 0.1 * a + c, "noise": c})
    assert list(found) == ["source1", "source2", "noise"]
    assert_allclose(sum(found.values()), 1.1 * a + b + 2 * c)


def panned_scene(seconds):
    """Return three sources at their places, the third silent now and then."""
    rng = np.random.default_rng(1)
    t = np.arange(round(seconds * RATE)) / RATE
    tones = [
        np.sin(2 * np.pi * f * t) * (1 + np.sin(2 * np.pi * r * t))
        for f, r in ((330, 3), (610, 5), (1100, 2))
    ]
    sources = np.stack(tones) + 0.01 * rng.standard_normal((3, len(t)))
    gains = np.array([[1.0, 0.7, 0.2], [0.2, 0.7, 1.0]])
    images = (gains[:, :, None] * sources).swapaxes(0, 1)
    return images.sum(axis=0).astype("float32") / 8


def test_chunks_are_joined_without_seams():
    x, method = panned_scene(8.0), METHODS["spatial_clustering"](n_sources=3)
    whole = separate_array(x, RATE, method)
    chunk, overlap = 2 * RATE, RATE // 4
    found = in_pieces(x, method, "chunks", piece=chunk, margin=overlap)
    assert list(found) == list(whole)
    assert_allclose(sum(found.values()), x, rtol=0, atol=1e-6)
    at_seams = np.zeros(x.shape[1], bool)
    for k in range(1, 5):
        at_seams[k * (chunk - overlap) : k * (chunk - overlap) + overlap] = True
    for name in whole:
        error = (found[name] - whole[name]) ** 2
        assert error.sum() < 0.01 * (whole[name] ** 2).sum()
        assert error[:, at_seams].mean() < 4 * error[:, ~at_seams].mean() + 1e-7
        steps = np.abs(np.diff(found[name]))
        assert steps[:, at_seams[1:]].max() < 1.5 * steps.max()


def test_a_swap_of_sources_between_chunks_is_undone(song):
    class Swapping:
        """Gives low and high, under names that depend on the chunk."""

        name = "swapping"

        def __init__(self):
            self.calls = 0

        def fit(self, X, *, callback=None):
            from sigsep_classic.factorizers.models import MaskModel

            self.calls += 1
            low = np.zeros((1, *X.shape), X.real.dtype)
            low[:, :, :20] = 1
            masks = low if self.calls % 2 else 1 - low
            return MaskModel(masks=masks, magnitude=abs(X), names=("source1", "source2"))

    x = song[:1]
    blocks = in_chunks([x], RATE, Swapping(), frontend=FRONTEND, chunk=RATE, overlap=RATE // 4)
    joined = np.concatenate([block["source1"] for block in blocks], axis=1)
    whole = separate_array(x, RATE, Swapping(), frontend=FRONTEND)["source1"]
    assert ((joined - whole) ** 2).sum() < 1e-3 * (whole**2).sum()


class Restless:
    """ICA with its sources in another order each time it is asked."""

    name = "restless"

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def default_frontend(self, sample_rate):
        return Waveform()

    def fit(self, X, *, callback=None):
        model = METHODS["ica"](n_iter=20).fit(X)
        return model.reordered(self.rng.permutation(model.n_components).tolist())


def test_five_minutes_of_a_method_that_swaps_keep_their_order_and_have_no_seams():
    rng, rate, seconds = np.random.default_rng(3), 1000, 300
    t = np.arange(seconds * rate) / rate
    loudness = 1.2 + np.sin(2 * np.pi * t / np.array([[7.0], [11.0], [13.0]]))
    sources = rng.laplace(size=(3, len(t))) * loudness
    A = rng.standard_normal((3, 3)) + np.eye(3)
    x = A @ sources
    chunk, overlap = 30 * rate, 2 * rate
    blocks = list(in_chunks([x], rate, Restless(), frontend=None, chunk=chunk, overlap=overlap))
    found = np.stack([np.concatenate([block[f"source{k}"] for block in blocks], axis=1) for k in (1, 2, 3)])
    assert_allclose(found.sum(axis=0), x, rtol=0, atol=1e-6 * abs(x).max())
    images = A.T[:, :, None] * sources[:, None]
    energy = np.einsum("nct,nct->n", images, images)
    likeness = np.einsum("nct,mct->nm", found, images) / energy
    images = images[np.argmax(likeness, axis=1)]
    error = ((found - images) ** 2).sum(axis=1)  # (sources, samples)
    level = (images**2).sum(axis=1)
    by_second = error.reshape(3, seconds, rate).sum(axis=2) / level.reshape(3, seconds, rate).sum(axis=2)
    assert by_second.max() < 0.2  # a swap would be more than 1
    starts = np.arange(chunk - overlap, len(t) - chunk, chunk - overlap)
    at_seams = np.isin(np.arange(len(t)), (starts[:, None] + np.arange(overlap)).ravel())
    assert error[:, at_seams].mean() < 1.5 * error[:, ~at_seams].mean()


def test_samples_are_spread_over_the_recording():
    assert spread(1000, 2000, 100) == [(0, 1000)]
    found = spread(10_000, 1000, 100)
    assert len(found) == 10
    assert (found[0][0], found[-1][1]) == (0, 10_000)
    assert sum(stop - start for start, stop in found) == 1000
    assert spread(1000, 90, 100) == [(455, 545)]


def test_noise_that_is_marked_in_time_is_heard_there_in_every_piece():
    rng = np.random.default_rng(0)
    x = 0.01 * rng.standard_normal((1, 3 * RATE))
    x[0, RATE:] += 0.3 * np.sin(2 * np.pi * 500 * np.arange(2 * RATE) / RATE)
    method = METHODS["denoise"](noise="0.0-0.9")
    found = in_pieces(x, method, "chunks", piece=RATE, margin=RATE // 8)
    whole = separate_array(x, RATE, method)
    assert ((found["speech"] - whole["speech"]) ** 2).sum() < 0.01 * (whole["speech"] ** 2).sum()


def test_directions_learnt_from_a_sample_tell_sources_apart_elsewhere(scene):
    method = METHODS["cacgmm"](n_iter=20)
    whole = separate_array(scene, RATE, method, frontend=FRONTEND)
    found = in_pieces(scene, method, "sample", piece=64 * 100, sample=scene.shape[1] // 2, frontend=FRONTEND)
    assert_allclose(sum(found.values()), scene, rtol=0, atol=1e-6)
    for name in whole:
        assert ((found[name] - whole[name]) ** 2).sum() < 0.1 * (whole[name] ** 2).sum()


@pytest.fixture(scope="module")
def record():
    """Return six seconds of a real song, stereo at 44.1 kHz."""
    recordings = pytest.importorskip("benchmarks.recordings")
    try:
        return recordings.musdb_excerpt()
    except recordings.MissingRecordingError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"), [("hpss", "blocks"), ("mid_side", "blocks"), ("repet_sim_online", "stream")]
)
def test_a_real_song_in_pieces_is_the_song_as_a_whole(record, name, kind):
    x, rate, method = record.mixture, record.sample_rate, METHODS[name]()
    whole = separate_array(x, rate, method)
    request = Request(method=method)
    scene = request.scene(channels=len(x), n_samples=x.shape[1], sample_rate=rate)
    found = plan(method, scene, limit=1, long_seconds=0)
    assert found.kind == kind
    sep = separate_in_pieces(x, request, found)
    for stem in whole:
        assert_allclose(sep[stem], whole[stem], rtol=0, atol=MINUS_90_DB * abs(x).max())


@pytest.mark.slow
def test_seams_of_a_real_song_are_no_louder_than_the_rest(record):
    x, rate, method = record.mixture, record.sample_rate, METHODS["repet_sim"]()
    whole = separate_array(x, rate, method)
    chunk, overlap = 3 * rate, rate // 2
    blocks = list(in_chunks([x], rate, method, frontend=None, chunk=chunk, overlap=overlap))
    joined = {name: np.concatenate([block[name] for block in blocks], axis=1) for name in whole}
    assert_allclose(sum(joined.values()), x, rtol=0, atol=1e-6)
    seams = np.cumsum([block["background"].shape[1] for block in blocks[:-1]])
    near = np.zeros(x.shape[1], bool)
    for at in seams:
        near[at : at + overlap] = True
    difference = (joined["background"] - whole["background"]) ** 2
    assert difference[:, near].mean() < 2 * difference[:, ~near].mean()
    clicks = np.abs(np.diff(joined["background"], 2))
    at_joints = np.concatenate([clicks[:, at - 2 : at + 1] for at in seams[:-1]], axis=1)
    assert at_joints.max() < clicks.max()
