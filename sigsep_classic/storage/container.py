"""The file itself: a zip of ``header.json`` and arrays in NumPy's format, which `numpy.load` opens too.

The same content is the same bytes: nothing is compressed and no clock is read.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from typing import Any

import numpy as np

from sigsep_classic.audio.publish import FileSet
from sigsep_classic.errors import AudioError, OutputError, ParameterError

HEADER = "header.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LONGEST_HEADER = 1 << 26


def write(path: str, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write header and arrays, all or nothing.

    Raises
    ------
    OutputError
        The file can't be written.
    """
    with FileSet([path]) as files:
        try:
            _pack(files.temporary(path), header, arrays)
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(
                f"{path}: can't be written ({reason}); check its folder and free space"
            ) from None


def _pack(path: str, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps(header, indent=1, allow_nan=False, ensure_ascii=True)
        archive.writestr(zipfile.ZipInfo(HEADER, _EPOCH), text)
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)


def read(path: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return header and arrays; every byte is checked against its checksum.

    Raises
    ------
    AudioError
        There is no such file, or it is none of ours, damaged, or holds pickled objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            if HEADER not in members:
                raise AudioError(f"{path}: is no saved model, it has no {HEADER}; give what save_model wrote")
            if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
                raise AudioError(
                    f"{path}: is compressed, which saved models are not; give what save_model wrote"
                )
            if members[HEADER].file_size > _LONGEST_HEADER:
                raise AudioError(f"{path}: has a header of {members[HEADER].file_size} bytes; it is damaged")
            header = json.loads(archive.read(HEADER))
            names = [name for name in members if name != HEADER]
            arrays = {name.removesuffix(".npy"): _array(archive.read(name)) for name in names}
    except AudioError:
        raise
    except OSError as error:
        raise AudioError(f"{path}: can't be read ({error.strerror or error}); check the name") from None
    except MemoryError:
        raise AudioError(f"{path}: holds arrays larger than there is memory, or is damaged") from None
    except Exception as error:  # zipfile, json and numpy raise a dozen kinds on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise AudioError(f"{path}: is damaged or no saved model ({reason:.120}); save it again") from None
    if not isinstance(header, dict):
        raise AudioError(f"{path}: has a header that is no JSON object; it is damaged")
    return header, arrays


def _array(data: bytes) -> np.ndarray:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"array format {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects")
    flat = np.frombuffer(data, dtype, offset=stream.tell()).copy()
    return flat.reshape(shape, order="F" if fortran else "C")


def checked_path(path: Any) -> str:
    """Return a path as text.

    Raises
    ------
    ParameterError
        It is none.
    """
    if not isinstance(path, (str, os.PathLike)) or not str(path) or "\0" in str(path):
        raise ParameterError(f"path is {path!r:.60}; give the name of a file such as 'model.npz'")
    return os.fspath(path) if isinstance(os.fspath(path), str) else os.fsdecode(path)
