"""Sound files in and out: the only place that touches libsndfile, soxr, PyAV and ffmpeg.

Reading never trusts a header: every file is read to its end, and what is cut off, damaged or not finite
is said. Writing is all or nothing, and never rescales on the quiet. Importing this is cheap: soundfile,
soxr and av are imported by the functions that need them.
"""

from sigsep_classic.audio.codecs import AUDIO_SUFFIXES, Codec, codecs, extensions
from sigsep_classic.audio.forward import ForwardWriter, forward_encoding
from sigsep_classic.audio.reading import Audio, AudioInfo, blocks, info, load
from sigsep_classic.audio.samples import check_samples
from sigsep_classic.audio.spooling import is_pipe, spooled
from sigsep_classic.audio.writing import SaveRecord, StemWriter, save, save_all, write_stream

__all__ = [
    "AUDIO_SUFFIXES",
    "Audio",
    "AudioInfo",
    "Codec",
    "ForwardWriter",
    "SaveRecord",
    "StemWriter",
    "blocks",
    "check_samples",
    "codecs",
    "extensions",
    "forward_encoding",
    "info",
    "is_pipe",
    "load",
    "save",
    "save_all",
    "spooled",
    "write_stream",
]
