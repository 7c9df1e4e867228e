"""``python -m sigsep_classic`` and the installed command ``sigsep-classic``."""

from __future__ import annotations

import sys

from sigsep_classic.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
