"""The page of ``separate --report``, beside the stems of each file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sigsep_classic.separation import Separation

if TYPE_CHECKING:
    from sigsep_classic.cli.work import Settings

STEM, EXT = "report", "html"


def pages(found: Separation, settings: Settings) -> dict[str, str]:
    """Return the text of the page under its path, which is that of a stem called ``report``; {} if none is wanted."""
    if not settings.report:
        return {}
    from sigsep_classic.compare.separation_page import render

    fields = {"track": found.track, "stem": STEM, "method": settings.method_name, "ext": EXT}
    # A template may spell a suffix out, or name one stem only.
    path = Path(settings.outdir, settings.template.format(**fields)).with_suffix(f".{EXT}")
    return {str(path): render(found)}
