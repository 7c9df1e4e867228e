"""Reading AAC and its containers (m4a, mp4, webm), which libsndfile doesn't know: PyAV, else ffmpeg."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from sigsep_classic.audio.codecs import EXTERNAL_DECODERS, external_decoder
from sigsep_classic.audio.headers import unsafe_codec
from sigsep_classic.audio.sources import Source, View
from sigsep_classic.errors import AudioError


class AvReader:
    """One opened file, read by PyAV; the same attributes and ``chunks`` as `SndfileReader`."""

    def __init__(self, source: Source, *, allow_any_codec: bool = False, stream: int = 0) -> None:
        import av

        self._source, self._errors = source, av.FFmpegError
        # A playlist or a concat script must not make it open other files or addresses.
        options = {"protocol_whitelist": "file,pipe"}
        try:
            self._container: Any = av.open(source.view, options=options)
        except av.FFmpegError as error:
            raise AudioError(
                f"{source.name}: can't be read as sound ({error.strerror}); get another copy"
            ) from None
        streams = self._container.streams.audio
        if not streams:
            self.close()
            raise AudioError(f"{source.name}: has no audio track; name a file that has sound")
        if stream >= len(streams):
            self.close()
            raise AudioError(
                f"{source.name}: stream={stream} is not among its {len(streams)} audio streams, "
                "which are counted from 0; check that it is the right file"
            )
        self._stream = streams[stream]
        context = self._stream.codec_context
        if context.name not in EXTERNAL_DECODERS.split(",") and not allow_any_codec:
            self.close()
            raise unsafe_codec(source.name, context.name)
        self.sample_rate: int = context.sample_rate
        self.channels: int = context.channels
        self.format: str = self._container.format.name.partition(",")[0].upper()
        self.subtype: str = context.name.upper()
        # The container's length leaves the padding of the last packet out, or is an estimate: no promise.
        self.frames: int | None = None
        self.warnings: list[str] = list(source.warnings)

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def chunks(self, n_samples: int, *, start: int = 0, dtype: str = "float32") -> Iterator[np.ndarray]:
        """Yield arrays (samples, channels) from sample ``start`` to the end; their length is the codec's."""
        done = 0
        try:
            for samples in self._decoded(dtype):
                if done + len(samples) > start:
                    yield samples[max(0, start - done) :]
                done += len(samples)
        except self._errors as error:
            if done == 0:
                raise AudioError(
                    f"{self._source.name}: is damaged ({error.strerror}); get another copy"
                ) from None
            self.warnings.append(f"ends early or is damaged: decoding stopped at sample {done}")

    def _decoded(self, dtype: str) -> Iterator[np.ndarray]:
        import av

        planar = "dblp" if dtype == "float64" else "fltp"
        convert = av.AudioResampler(format=planar)
        for frame in self._container.decode(self._stream):
            for piece in convert.resample(frame):
                # A stream may change its layout on the way; what was promised is kept.
                if piece.sample_rate != self.sample_rate or len(piece.layout.channels) != self.channels:
                    raise AudioError(
                        f"{self._source.name}: changes rate or channels midway; convert it to WAV"
                    )
                yield piece.to_ndarray().T


def open_external(source: Source, *, allow_any_codec: bool = False, stream: int = 0) -> Any:
    """Return a reader for one audio stream, counted from 0, of a file libsndfile doesn't know.

    Raises
    ------
    AudioError
        Nothing that decodes it is installed, it is damaged, or has no such stream.
    """
    decoder = external_decoder()
    if decoder == "PyAV":
        return AvReader(source, allow_any_codec=allow_any_codec, stream=stream)
    if decoder == "ffmpeg":
        return _through_ffmpeg(source, allow_any_codec=allow_any_codec, stream=stream)
    raise AudioError(
        f'{source.name}: reading this format needs PyAV or ffmpeg; pip install "sigsep-classic[av]"'
    )


def _through_ffmpeg(source: Source, *, allow_any_codec: bool, stream: int) -> Any:
    """Decode into a temporary WAV, whose header is right, unlike a pipe's, and read that."""
    from sigsep_classic.audio.sndfile import SndfileReader

    class DecodedReader(SndfileReader):
        def close(self) -> None:
            super().close()
            cleanup.close()

    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sigsep-"))
        decoded = os.path.join(folder, "decoded.wav")
        _run_ffmpeg(source, _as_file(source, folder), decoded, allow_any_codec, stream)
        view = View(stack.enter_context(open(decoded, "rb")))
        opened = Source(
            name=source.name, view=view, path=decoded, head=view.read(64), warnings=source.warnings
        )
        reader = DecodedReader(opened)
        cleanup = stack.pop_all()
    return reader


def _as_file(source: Source, folder: str) -> str:
    if source.path is not None:
        return os.path.abspath(source.path)
    copy = os.path.join(folder, "source")
    source.view.seek(0)
    with open(copy, "wb") as file:
        shutil.copyfileobj(source.view, file)
    return copy


def _run_ffmpeg(source: Source, path: str, decoded: str, allow_any_codec: bool, stream: int) -> None:
    safe = [] if allow_any_codec else ["-codec_whitelist", EXTERNAL_DECODERS]
    command = ["ffmpeg", "-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe", *safe]
    command += [
        "-i",
        f"file:{path}",
        "-map",
        f"0:a:{stream}",
        "-c:a",
        "pcm_f32le",
        "-rf64",
        "auto",
        f"file:{decoded}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    lines = [line for line in done.stderr.strip().splitlines() if "Last message repeated" not in line]
    if any("matches no streams" in line for line in lines):
        raise AudioError(
            f"{source.name}: stream={stream} is not among its audio streams, which are counted from 0; "
            "check that it is the right file"
        )
    if not os.path.exists(decoded) or os.path.getsize(decoded) < 64:
        reason = (lines or ["no reason given"])[-1]
        raise AudioError(f"{source.name}: ffmpeg can't decode it ({reason}); get another copy")
    # What is left out in spite of success is another stream: a cover picture, or chapters.
    heard = [line for line in lines if done.returncode or "not on whitelist" not in line]
    if done.returncode != 0 or heard:
        source.warnings.append("ends early or is damaged: ffmpeg reported errors; read what it decoded")
