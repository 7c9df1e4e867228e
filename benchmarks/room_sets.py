"""Convolutive mixtures of real speech in simulated rooms: a set to develop on, and one held apart for the last table.

Speech comes from Debian's asterisk-core-sounds-{en,es,fr,it,ru}-g722 (16 kHz, CC-BY-SA / CC-BY 3.0).

* Development: the voices Allison (en_US and es_MX are the same speaker) and June (fr_CA); seeds from 1000.
* Held apart: the voices Carlo (it_IT) and Ivrvoice (ru_RU), heard nowhere in development; seeds from 2000.

So rooms, places, utterances and voices of the two differ. Every utterance is 9 s of prompts one after the other, all at
the same level, and no prompt is in two utterances of a set. With three sources two are different utterances of one
voice. Recordings that several languages share (beeps, music) are left out.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from benchmarks.recordings import DEBIAN, MissingRecordingError, _decoded
from sigsep_classic.datasets.rooms import RoomMixture, rooms
from sigsep_classic.metrics.bss_eval import bss_eval_sources

DEVELOPMENT = {"Allison": ("en_US_f_Allison", "es_MX_f_Allison"), "June": ("fr_CA_f_June",)}
HELD_APART = {"Carlo": ("it_IT_m_Carlo",), "Ivrvoice": ("ru_RU_f_IvrvoiceRU",)}
FOLDERS = tuple(
    folder for voices in (DEVELOPMENT, HELD_APART) for parts in voices.values() for folder in parts
)

RATE, SECONDS = 16_000, 9.0
TIMES = (0.15, 0.3, 0.5)
"""Reverberation times in seconds, in turn."""

SETS: dict[str, tuple[dict[str, Any], int, int]] = {
    "2x2": ({"n_sources": 2}, 6, 9),
    "3x3": ({"n_sources": 3}, 6, 9),
    "over": ({"n_sources": 2, "n_mics": 4}, 6, 6),
    "under": ({"n_sources": 3, "n_mics": 2}, 6, 6),
    "noisy": ({"n_sources": 2, "snr": 20.0}, 6, 6),
}
"""Name to (options of `rooms`, mixtures in development, mixtures held apart)."""

KINDS = {"determined": ("2x2", "3x3"), **{name: (name,) for name in SETS}}


def development(kind: str = "determined") -> list[RoomMixture]:
    """Return the mixtures to tune on: kind is determined (2x2 and 3x3), 2x2, 3x3, over, under or noisy.

    Their names tell the set, the reverberation time in ms and a number: ``3x3_rt500_1``.
    """
    return [mixture for name in KINDS[kind] for mixture in _mixtures(name, held=False)]


def held_apart(kind: str = "determined") -> list[RoomMixture]:
    """Return the mixtures for the last table: of other voices, rooms and utterances. Never tune on them."""
    return [mixture for name in KINDS[kind] for mixture in _mixtures(name, held=True)]


def gain(mixture: RoomMixture, estimates: np.ndarray) -> np.ndarray:
    """Return dSDR of each source in dB, (sources,): how much nearer its estimate is than the mixture, at microphone 1.

    SDR is that of BSS Eval v3 with 512 taps, estimates given to sources so that the mean SIR is largest; a silent
    estimate counts as -30 dB.

    Parameters
    ----------
    mixture : RoomMixture
        The truth.
    estimates : array (estimates, samples)
        Estimated images at the first microphone, at least as many as sources; cut or padded to the truth's length.
    """
    truth = mixture.images[:, 0]
    estimates = np.asarray(estimates)[:, : truth.shape[1]]
    estimates = np.pad(estimates, ((0, 0), (0, truth.shape[1] - estimates.shape[1])))
    unprocessed = np.broadcast_to(mixture.mixture[0], truth.shape)
    before = bss_eval_sources(truth, unprocessed, permute=False).sdr
    after = bss_eval_sources(truth, estimates).sdr
    return np.clip(np.nan_to_num(after, nan=-30.0), -30.0, 100.0) - before


@lru_cache(maxsize=16)
def _mixtures(name: str, *, held: bool) -> tuple[RoomMixture, ...]:
    options, *counts = SETS[name]
    number = list(SETS).index(name)
    seed = (2000 if held else 1000) + number
    count = counts[held]
    facts = [name, held, seed, count, RATE, SECONDS, TIMES, options, version("pyroomacoustics"), 1]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
    path = cache_folder() / f"rooms-{'held' if held else 'dev'}-{name}-{key}.npz"
    if not path.exists():
        made = rooms(
            _recordings(held, number),
            count,
            rt60=TIMES,
            seconds=SECONDS,
            sample_rate=RATE,
            seed=seed,
            **options,
        )
        _store(path, made)
    return tuple(_stored(path, name))


def cache_folder() -> Path:
    """Return the folder that simulated mixtures and scores of peers are kept in."""
    folder = user_cache_path("sigsep-classic-benchmarks")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _recordings(held: bool, number: int) -> dict[str, list[np.ndarray]]:
    """Return the prompts of each voice that set ``number`` may use: every fifth."""
    voices = HELD_APART if held else DEVELOPMENT
    pools = {voice: [x for part in parts for x in _prompts(part)] for voice, parts in voices.items()}
    return {voice: prompts[number :: len(SETS)] for voice, prompts in pools.items()}


@lru_cache(maxsize=8)
def _prompts(folder: str) -> Sequence[np.ndarray]:
    """Return the prompts of 1 s and more of a voice at RMS 0.1, those left out that another folder has too."""
    counts = _digests()
    prompts = []
    for path in _files(folder):
        if counts[_digest(path)] == 1:
            samples = _decoded(path, container="g722")[0][0]
            if samples.size >= RATE:
                prompts.append(samples * (0.1 / samples.std()))
    return prompts


@lru_cache(maxsize=1)
def _digests() -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for folder in FOLDERS:
        for path in _files(folder):
            counts[_digest(path)] = counts.get(_digest(path), 0) + 1
    return counts


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _files(folder: str) -> list[Path]:
    # A prompt of 1 s has 8000 bytes; some files are empty.
    files = sorted(
        path for path in (DEBIAN / "sounds" / folder).glob("*.g722") if path.stat().st_size >= 8000
    )
    if not files:
        raise MissingRecordingError(f"apt-get install asterisk-core-sounds-{folder[:2]}-g722")
    return files


def _store(path: Path, mixtures: list[RoomMixture]) -> None:
    arrays: dict[str, np.ndarray] = {}
    for n, mixture in enumerate(mixtures):
        meta = {key: x.tolist() if isinstance(x, np.ndarray) else x for key, x in mixture.meta.items()}
        arrays[f"{n} meta"] = np.array(json.dumps(meta))
        arrays.update({f"{n} {name}": stem for name, stem in mixture.stems.items()})
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(partial, **arrays)
    partial.replace(path)


def _stored(path: Path, name: str) -> list[RoomMixture]:
    mixtures: list[RoomMixture] = []
    with np.load(path) as arrays:
        stems: list[dict[str, np.ndarray]] = []
        metas: list[dict[str, Any]] = []
        for key in arrays.files:
            part = key.partition(" ")[2]
            if part == "meta":
                metas.append(json.loads(str(arrays[key])))
                stems.append({})
            else:
                stems[-1][part] = arrays[key]
    for n, (parts, meta) in enumerate(zip(stems, metas, strict=True)):
        meta = {key: np.asarray(x) if key.endswith(("_m", "_degrees")) else x for key, x in meta.items()}
        label = f"{name}_rt{1000 * meta['rt60_seconds']:.0f}_{n // len(TIMES)}"
        total = np.stack(list(parts.values())).sum(axis=0)
        mixtures.append(RoomMixture(mixture=total, stems=parts, sample_rate=RATE, name=label, meta=meta))
    return mixtures
