"""What headers get wrong: sizes a crashed recorder left empty, lengths that are estimates, cut-off ends."""

from __future__ import annotations

import re
import struct

from sigsep_classic.audio.codecs import SAFE_WAV_TAGS
from sigsep_classic.audio.sources import Source
from sigsep_classic.errors import AudioError

UNKNOWN_SIZE = 0xFFFFFFFF

# Lines of libsndfile's log for a size that goes beyond the end of the file.
_BEYOND = re.compile(
    r"^\s*(?:data|SSND|Data [sS]ize|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE
)
_NO_OGG_END = "Last page lacks an end-of-stream bit"

# An estimate from the first frame's bit rate (320 kbit/s at most) is too short by up to 40.
_ESTIMATE_MARGIN = 64


def inspect_wav(source: Source, *, allow_any_codec: bool) -> None:
    """Refuse an unsafe codec before libsndfile sees it, and patch a data size that was never filled in.

    Raises
    ------
    AudioError
        The codec is not on the list and ``allow_any_codec`` is False.
    """
    magic = source.head[:4]
    if magic not in (b"RIFF", b"RIFX", b"RF64"):
        return
    order = ">" if magic == b"RIFX" else "<"
    view, at = source.view, 12
    while at + 8 <= view.size:
        view.seek(at)
        name, size = struct.unpack(f"{order}4sI", view.read(8))
        if name == b"fmt ":
            (tag,) = struct.unpack(f"{order}H", view.read(2).ljust(2, b"\0"))
            if tag not in SAFE_WAV_TAGS and not allow_any_codec:
                raise unsafe_codec(source.name, f"WAV format 0x{tag:04x}")
        if name == b"data":
            if magic != b"RF64":
                _repair_data_size(source, at, size)
            break
        at += 8 + size + size % 2
    view.seek(0)


def unsafe_codec(name: str, codec: str) -> AudioError:
    """Return the error for a codec that is not on the list."""
    return AudioError(
        f"{name}: codec {codec} is not on the list of safe ones; convert it to WAV, or pass "
        "allow_any_codec=True (--allow-any-codec) if you trust the file"
    )


def _repair_data_size(source: Source, at: int, size: int) -> None:
    there = source.view.size - at - 8
    if size == UNKNOWN_SIZE:
        source.warnings.append("the header doesn't say how long it is; read to the end of the file")
    elif size == 0 and there > 0 and not _is_chunk_chain(source, at + 8):
        source.view.patches[at + 4] = struct.pack("<I", UNKNOWN_SIZE)
        source.must_patch = True
        source.warnings.append(
            f"the header says 0 bytes of sound and {there} are there (a recording that was cut off?); "
            "read to the end of the file"
        )


def _is_chunk_chain(source: Source, at: int) -> bool:
    """Say whether well-formed chunks fill the file from here to its end: then the sound is truly empty."""
    view = source.view
    while at + 8 <= view.size:
        view.seek(at)
        name, size = struct.unpack("<4sI", view.read(8))
        if not all(32 <= byte < 127 for byte in name):
            return False
        at += 8 + size + size % 2
    return view.size <= at <= view.size + 1


def inspect_mp3(source: Source) -> bool:
    """Say whether the header holds the exact length; if it doesn't, make libsndfile read on to the end.

    Without a Xing, Info or VBRI frame the length is a guess from the first frame's bit rate, and libsndfile
    stops there: a file that begins with music and ends in silence would lose most of its frames.
    """
    view, head = source.view, source.head
    at = 0
    if head[:3] == b"ID3":
        at = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    view.seek(at)
    first = view.read(2048)
    view.seek(0)
    if any(mark in first for mark in (b"Xing", b"Info", b"VBRI")):
        return True
    view.length = view.size * _ESTIMATE_MARGIN
    source.must_patch = True
    return False


def ogg_ends_early(source: Source) -> bool:
    """Say whether the last Ogg page is cut off or does not say that it is the last; libsndfile drops half a page."""
    view = source.view
    view.seek(max(0, view.size - 2**17))  # a page has at most 65 307 bytes
    tail = view.read(2**17)
    view.seek(0)
    at = tail.rfind(b"OggS")
    head = tail[at : at + 27]
    if at < 0 or len(head) < 27:
        return True
    sizes = tail[at + 27 : at + 27 + head[26]]
    whole = len(sizes) == head[26] and at + 27 + head[26] + sum(sizes) <= len(tail)
    return not (whole and head[5] & 4)


def is_mp3(source: Source) -> bool:
    """Say whether the first bytes are an ID3 tag or an MPEG audio frame."""
    head = source.head
    frame = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0
    return head[:3] == b"ID3" or frame


def warnings_in_log(log: str) -> list[str]:
    """Return what libsndfile noticed about the end of the file, one line each."""
    found = []
    for claimed, there in _BEYOND.findall(log):
        # Writers that can't seek back leave the largest number; that is no claim.
        if int(claimed) > int(there) and int(claimed) < 0xFFFFFF00 and int(claimed) != 0x7FFFFFFF:
            found.append(
                f"ends early: the header says {claimed} bytes and {there} are there; read what it has"
            )
    if _NO_OGG_END in log:
        found.append("ends early: the last Ogg page is missing; read what it has")
    return found[:1]
