"""Realistic songs with true stems from public packages: a set to fit on, and one held apart for the last tables.

The music is Freedoom's (Debian ``freedoom``, MIDI inside its WADs, BSD), played by a General MIDI font or by sampled
acoustic kits (``hydrogen-drumkits``), some of it distorted, doubled or compressed, and finished recordings without a
voice (`benchmarks.song_records`). The voice is real speech of all frequencies, on the song's own lead or on a melody in
its key (`benchmarks.song_voice`), alone, doubled or with a second part, compressed, with reverberation and echoes, from
-6 to 3 dB beside the rest; six songs in ten lack what a lossy codec leaves out (`benchmarks.song_mix`). All 20 s,
44.1 kHz, stereo: vocals, drums, bass, other; of the recordings, vocals and accompaniment.

* Development: freedoom1's songs, the font TimGM6mb, the kits Millo MultiLayered 2 and Forzee Stereo, recordings of
  nexuiz-music, hedgewars' voices whose language is English.
* Held apart: freedoom2's songs, the font FluidR3, the kit Colombo Acoustic, recordings and voices of hedgewars in other
  languages.

No song, font, kit, voice or seed of one is in the other. Limits: no voice is a trained singer's, most are men's; fonts
have few players' ways; both sets come from one studio, this project's. The excerpt of `benchmarks.recordings` is in
neither set.

    apt-get install freedoom fluidsynth timgm6mb-soundfont fluid-soundfont-gm hydrogen-drumkits \\
        hedgewars-data nexuiz-music
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from benchmarks import song_mix as studio
from benchmarks.recordings import MissingRecordingError
from benchmarks.room_sets import cache_folder
from benchmarks.song_parts import kit_of
from benchmarks.song_records import melody, record
from benchmarks.song_voice import Note, singer, spoken, sung
from sigsep_classic.datasets.synthetic import Mixture

RATE, SECONDS = 44_100, 20.0
VERSION = 2
"""Of what this file makes; songs made by another version are made again."""

WADS = Path("/usr/share/games/doom")
FONTS = {
    "TimGM6mb": Path("/usr/share/sounds/sf2/TimGM6mb.sf2"),
    "FluidR3": Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
}
BASSES, GUITARS, DRUMS = range(32, 40), range(24, 32), 9


@dataclass(frozen=True, kw_only=True)
class SongSet:
    """Where the songs of a set come from."""

    wad: str
    titles: tuple[str, ...]
    font: str
    kits: tuple[str, ...]
    package: str
    records: tuple[str, ...]
    voices: tuple[str, ...]
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        """Of all songs, those of the WAD first."""
        return self.titles + self.records


_FIRST = "D_E1M1 D_E1M2 D_E1M4 D_E1M7 D_E1M8 D_E1M9 D_E2M2 D_E2M3 D_E2M7 D_E3M1 D_E3M3 D_E3M4 D_E3M6 D_E3M7"
_SECOND = (
    "D_RUNNIN D_STALKS D_BETWEE D_THE_DA D_SHAWN D_DDTBLU D_IN_CIT D_THEDA2 D_ROMERO D_MESSG2 D_TENSE "
    "D_ULTIMA"
)
_NEXUIZ = "beast-of-insanity breakdown-easy brokenlight calling-bogus digital-pursuit infight ninesix thru-the-mirror"
DEVELOPMENT = SongSet(
    wad="freedoom1",
    titles=tuple(_FIRST.split()),
    font="TimGM6mb",
    kits=("Millo_MultiLayered2", "ForzeeStereo"),
    package="nexuiz",
    records=tuple(_NEXUIZ.split()),
    voices=("British", "Singer", "Mobster", "Classic", "Surfer", "Default", "HillBilly", "Pirate", "Russian"),
    seed=1000,
)
HELD_APART = SongSet(
    wad="freedoom2",
    titles=tuple(_SECOND.split()),
    font="FluidR3",
    kits=("ColomboAcousticDrumkit",),
    package="hedgewars",
    records=("Rock", "City", "Jungle", "EarthRise"),
    voices=("Default_es", "Default_ru", "Default_uk", "Russian_pl", "Default_pl"),
    seed=2000,
)
LEADS = ("sung", "sung", "sung", "spoken", "sung", "sung")
"""What has the lead, song after song: mostly a voice on the song's melody; speech as it is."""


def development() -> list[Mixture]:
    """Return the songs to fit on."""
    return [song(DEVELOPMENT, n) for n in range(len(DEVELOPMENT.names))]


def held_apart() -> list[Mixture]:
    """Return the songs for the last tables; never fit on them."""
    return [song(HELD_APART, n) for n in range(len(HELD_APART.names))]


def song(kind: SongSet, number: int) -> Mixture:
    """Return a song of a set, made when it is first asked for and kept on disk."""
    title = kind.names[number]
    key = hashlib.sha256(json.dumps([VERSION, kind.wad, title, kind.font, kind.seed]).encode()).hexdigest()
    path = cache_folder() / f"song-{kind.wad}-{title}-{key[:12]}.npz"
    if not path.exists():
        stems = _made(kind, number)
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, **{name: np.round(x * 32767).astype(np.int16) for name, x in stems.items()})
        partial.replace(path)
    with np.load(path) as arrays:
        stems = {name: arrays[name].astype(np.float32) / np.float32(32768) for name in arrays.files}
    total = np.stack(list(stems.values())).sum(axis=0)
    source = kind.wad if number < len(kind.titles) else kind.package
    return Mixture(mixture=total, stems=stems, sample_rate=RATE, name=f"{source}/{title}")


def _made(kind: SongSet, number: int) -> dict[str, np.ndarray]:
    """Return the stems of a song, the peak of their sum at 0.9."""
    rng = np.random.default_rng(kind.seed + number)
    if number < len(kind.titles):
        stems, notes = _played_song(kind, number, rng)
    else:
        x = record(kind.package, kind.names[number], SECONDS)
        stems, notes = {"accompaniment": studio.narrower(x, rng.uniform(0.5, 1.0))}, melody(x, rng)
    voice = _voice(kind, number, notes if LEADS[number % len(LEADS)] == "sung" else None, rng)
    rest, sounding = sum(stems.values()), np.abs(voice).max(axis=0) > 0.02 * np.abs(voice).max()
    level = 10 ** (rng.uniform(-6, 3) / 20) * np.sqrt(np.mean(rest**2) / np.mean(voice[:, sounding] ** 2))
    return studio.mastered({"vocals": voice * level, **stems}, rng)


def _played_song(
    kind: SongSet, number: int, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], list[Note]]:
    """Return drums, bass and other of a song of MIDI, balanced, and the notes of its lead."""
    events = _events(_scores(kind.wad)[kind.names[number]])
    start = _busiest(events)
    parts = _channels(events, start)
    lead, spread, n = _lead(parts), rng.uniform(0.1, 0.8), int(RATE * SECONDS)
    stems = {name: np.zeros((2, n)) for name in ("drums", "bass", "other")}
    for channel, part in parts.items():
        if channel == lead:
            continue
        name = "drums" if channel == DRUMS else "bass" if part.program in BASSES else "other"
        if name == "drums" and number % 3:
            kit = kind.kits[number % len(kind.kits)]
            stems[name] += studio.narrower(kit_of(kit, part.notes, n, RATE), rng.uniform(0.3, 1.0))
            continue
        pan = 0.0 if name in ("drums", "bass") else rng.uniform(-spread, spread)
        played = studio.toned(_played(kind.font, events, channel, start, pan), rng)
        if part.program in GUITARS and rng.random() < 0.6:
            played = studio.driven(played, rng.uniform(1.0, 4.0))
        if name == "other" and rng.random() < 0.3:
            played = studio.widened(played, rng)
        stems[name] += played
    levels = {"other": 0.0, "bass": rng.uniform(-5, 2), "drums": rng.uniform(-4, 4)}
    for name, stem in stems.items():
        if name != "other" and rng.random() < 0.5:
            stem = stem * studio.compression(stem, rng.uniform(1.5, 4.0), 1.0)
        size = np.sqrt(np.mean(stem**2))
        stems[name] = stem * (10 ** (levels[name] / 20) / size) if size > 1e-6 else stem * 0
    stems["bass"] = studio.narrower(stems["bass"], 0.2)
    return stems, parts[lead].notes


def _voice(kind: SongSet, number: int, notes: list[Note] | None, rng: np.random.Generator) -> np.ndarray:
    """Return the voices of a song with what a studio adds, (2, samples); without notes it is spoken."""
    name, n = kind.voices[number % len(kind.voices)], int(RATE * SECONDS)
    who = singer(rng)

    def take(shift: int = 0) -> np.ndarray:
        if notes is None:
            dry = spoken(name, n, rng)
        else:
            moved = [(start, stop, key + shift, velocity) for start, stop, key, velocity in notes]
            dry = sung(name, moved, n, who, rng)
        dry = studio.toned(dry, rng, 2.0, cut=90.0)
        return dry * studio.compression(dry, rng.uniform(2.0, 6.0), 0.7)

    lead = take()
    voice = studio.panned(lead, rng.uniform(-0.12, 0.12))
    if notes is not None and rng.random() < 0.4:
        for place in (-1, 1):
            shift = int(rng.choice([0, 0, 4, 7, -5, 12]))
            voice += 10 ** (rng.uniform(-14, -5) / 20) * studio.panned(
                take(shift), place * rng.uniform(0.3, 0.9)
            )
    voice += studio.reverberated(lead, rng.uniform(0.4, 2.2), rng.uniform(-22, -9), rng)
    if rng.random() < 0.35:
        voice += studio.echoed(lead, rng.uniform(0.2, 0.5), rng.uniform(-18, -10))
    return voice


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one MIDI channel plays in the excerpt: its program, and notes as (start, stop, key, velocity) in seconds."""

    program: int
    notes: list[tuple[float, float, int, int]]


def lumps(wad: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and contents of what is in a WAD of Freedoom's.

    Raises
    ------
    MissingRecordingError
        It is not installed.
    """
    path = WADS / f"{wad}.wad"
    if not path.exists():
        raise MissingRecordingError("apt-get install freedoom")
    data = path.read_bytes()
    count, table = struct.unpack("<ii", data[4:12])
    for i in range(count):
        at, size, name = struct.unpack("<ii8s", data[table + 16 * i : table + 16 * i + 16])
        yield name.rstrip(b"\0").decode("latin1"), data[at : at + size]


@lru_cache(maxsize=2)
def _scores(wad: str) -> Mapping[str, bytes]:
    """Return the MIDI files in a WAD by name."""
    return {name: data for name, data in lumps(wad) if data.startswith(b"MThd")}


def _events(midi: bytes) -> list[tuple[float, Any]]:
    """Return messages with their seconds."""
    try:
        import mido
    except ImportError:
        raise MissingRecordingError("pip install mido") from None
    now, events = 0.0, []
    for message in mido.MidiFile(file=io.BytesIO(midi)):
        now += message.time
        if not message.is_meta and hasattr(message, "channel"):
            events.append((now, message))
    return events


def _busiest(events: Sequence[tuple[float, Any]]) -> float:
    """Return the second at which the excerpt starts: where most channels and notes are."""
    notes = [(t, m.channel) for t, m in events if m.type == "note_on" and m.velocity]
    last = max(t for t, _ in notes)
    starts = np.arange(0.0, max(last - SECONDS, 0.1), 2.0)
    busy = []
    for start in starts:
        inside = [c for t, c in notes if start <= t < start + SECONDS]
        counts = [inside.count(c) for c in set(inside)]
        busy.append(sum(min(k, 40) for k in counts) + 40 * (DRUMS in inside))
    return float(starts[int(np.argmax(busy))])


def _channels(events: Sequence[tuple[float, Any]], start: float) -> dict[int, Part]:
    """Return the parts that play in the excerpt, by channel."""
    programs: dict[int, int] = {}
    sounding: dict[tuple[int, int], tuple[float, int]] = {}
    notes: dict[int, list[tuple[float, float, int, int]]] = {}
    for t, m in events:
        t -= start
        if m.type == "program_change" and t < SECONDS:
            programs[m.channel] = m.program
        elif m.type == "note_on" and m.velocity:
            sounding[m.channel, m.note] = (t, m.velocity)
        elif m.type in ("note_on", "note_off") and (m.channel, m.note) in sounding:
            begin, velocity = sounding.pop((m.channel, m.note))
            if 0 <= begin < SECONDS:
                notes.setdefault(m.channel, []).append((begin, min(t, SECONDS), m.note, velocity))
    return {c: Part(program=programs.get(c, 0), notes=sorted(found)) for c, found in notes.items()}


def _lead(parts: Mapping[int, Part]) -> int:
    """Return the channel most like a melody: one note at a time, for much of the excerpt, neither low nor drums."""

    def worth(channel: int) -> float:
        part = parts[channel]
        if channel == DRUMS or part.program in BASSES or len(part.notes) < 8:
            return -1.0 + 0.001 * len(part.notes) * (channel != DRUMS)
        spans = np.zeros(int(100 * SECONDS))
        for begin, stop, _, _ in part.notes:
            spans[int(100 * begin) : max(int(100 * stop), int(100 * begin) + 1)] += 1
        return float((spans == 1).mean() - (spans > 1).mean() + 0.2 * (part.program >= 40))

    return max(parts, key=worth)


def _played(
    font: str,
    events: Sequence[tuple[float, Any]],
    channel: int,
    start: float,
    pan: float,
    *,
    program: int | None = None,
) -> np.ndarray:
    """Return what FluidSynth makes of one channel, (2, samples); pan is -1 … 1."""
    import mido

    track = mido.MidiTrack()
    state: dict[Any, Any] = {}
    later = []
    for t, m in events:
        if m.channel != channel or t >= start + SECONDS:
            continue
        if m.type == "program_change" and program is not None:
            continue
        if m.type == "control_change" and m.control == 10:
            continue
        if t < start and m.type != "note_on":
            state[m.type, getattr(m, "control", None)] = m
        elif t >= start:
            later.append((t - start, m))
    first = [m for key, m in state.items() if key[0] != "note_off"]
    if program is not None:
        first.append(mido.Message("program_change", channel=channel, program=program))
    first.append(mido.Message("control_change", channel=channel, control=10, value=round(64 + 63 * pan)))
    track.append(mido.MetaMessage("set_tempo", tempo=1_000_000))
    track.extend(m.copy(time=0) for m in first)
    now = 0
    for t, m in later:
        at = round(1000 * t)
        track.append(m.copy(time=at - now))
        now = at
    # FluidSynth goes on for as long as a note sounds.
    off = mido.Message("control_change", channel=channel, control=120, value=0)
    track.append(off.copy(time=max(round(1000 * SECONDS) - now, 0)))
    track.extend(mido.Message("note_off", channel=channel, note=key) for key in range(128))
    track.append(mido.MetaMessage("end_of_track", time=0))
    file = mido.MidiFile(ticks_per_beat=1000)
    file.tracks.append(track)
    return _rendered(font, file)


def _rendered(font: str, midi: Any) -> np.ndarray:
    if not FONTS[font].exists():
        raise MissingRecordingError("apt-get install fluidsynth timgm6mb-soundfont fluid-soundfont-gm")
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "part.mid", Path(folder) / "part.wav"
        midi.save(score)
        command = ["fluidsynth", "-ni", "-q", "-g", "0.5", "-r", str(RATE), "-O", "float", "-T", "wav"]
        try:
            subprocess.run(
                [*command, "-F", str(sound), str(FONTS[font]), str(score)],
                check=True,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=300,
            )
        except FileNotFoundError:
            raise MissingRecordingError("apt-get install fluidsynth") from None
        samples, rate = soundfile.read(sound, always_2d=True)
    samples = samples.T if rate == RATE else soxr.resample(samples, rate, RATE).T
    n = int(RATE * SECONDS)
    return np.pad(samples[:, :n], ((0, 0), (0, max(0, n - samples.shape[1]))))
