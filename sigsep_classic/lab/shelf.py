"""Results in memory under addresses that cannot be guessed, until the tab they belong to is closed."""

from __future__ import annotations

import io
import secrets
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Item:
    """Something to be served.

    Parameters
    ----------
    data : bytes, or callable that returns them
        What is seldom asked for is made then.
    media_type : str
    download : str
        Name to save it under; empty for what is shown in the page.
    """

    data: bytes | Callable[[], bytes]
    media_type: str
    download: str = ""

    def read(self) -> bytes:
        """Return the bytes."""
        return self.data() if callable(self.data) else self.data


class Shelf:
    """What is served besides the page itself."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}

    def put(self, data: bytes | Callable[[], bytes], media_type: str, *, download: str = "") -> str:
        """Keep something and return its name."""
        name = secrets.token_urlsafe(24)
        self._items[name] = Item(data=data, media_type=media_type, download=download)
        return name

    def get(self, name: str) -> Item | None:
        """Return what has this name; None where nothing has."""
        return self._items.get(name)

    def drop(self, name: str) -> None:
        """Forget something."""
        self._items.pop(name, None)

    def __len__(self) -> int:
        return len(self._items)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return files in one archive, stored as they are: the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()
