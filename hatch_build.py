"""Builds the manual page into the wheel: ``share/man/man1/sigsep-classic.1``, where ``man`` looks."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = "sigsep-classic.1"


class ManualPage(BuildHookInterface):
    """Writes the page and tells hatchling where it goes."""

    folder: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the page; a build without isolation may lack argparse-manpage, and does without a page then."""
        if self.target_name != "wheel":
            return
        try:
            import argparse_manpage  # noqa: F401
        except ImportError:
            self.app.display_warning("argparse-manpage is not installed: the wheel has no manual page")
            return
        sys.path.insert(0, self.root)
        try:
            from sigsep_classic.cli.manual import page
        finally:
            sys.path.remove(self.root)
        self.folder = tempfile.TemporaryDirectory(prefix="sigsep-manual-")
        target = Path(self.folder.name, PAGE)
        target.write_text(page(), encoding="utf-8")
        build_data["shared_data"][str(target)] = f"share/man/man1/{PAGE}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Take the page away, which is in the wheel by now."""
        if self.folder is not None:
            self.folder.cleanup()
