"""The figure that all pictures are drawn on: matplotlib's, without its global state."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A figure nobody else knows of: no window, no list of open figures, nothing to close.

    A notebook shows it by itself; elsewhere there is ``picture.savefig("name.png")``.
    """

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=90)
        return buffer.getvalue()
