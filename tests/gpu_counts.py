"""What an iteration of a method asks of a GPU, counted on the strict stand-in for CuPy, as the table of a page.

python -m tests.gpu_counts  # writes docs/gpu_kernels.md anew
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

PAGE = Path(__file__).parents[1] / "docs" / "gpu_kernels.md"
METHODS: dict[str, dict[str, Any]] = {
    "auxiva": {},
    "ilrma": {},
    "fastmnmf2": {"n_components": 2, "initial": "diagonal"},
    "nmfd": {"n_components": 2, "n_lags": 4},
    "complex_nmf": {"n_components": 2},
}
"""What is counted, small: how many launches there are depends on the number of tiles alone, here one."""
_FEW, _MORE = 2, 4
_NO_LAUNCH = re.compile(r"empty|ndarray\.(reshape|transpose|swapaxes|view|copy)|broadcast_to|stride_tricks")


def counts(method: str) -> tuple[float, float, float]:
    """Return kernels of ours, array operations and transfers of one iteration."""
    from sigsep_classic import METHODS as ALL
    from sigsep_classic import STFT, synthesize
    from sigsep_classic.pipeline import separate_array
    from tests.emulation.strict import strict_cupy

    samples = synthesize("song", seconds=0.5, sample_rate=8000).mixture[:, :2400].astype(np.float32)
    found = []
    for n_iter in (_FEW, _MORE):
        with strict_cupy() as gpu:
            x = gpu.cupy.asarray(samples)
            gpu.record.clear()
            separate_array(
                x,
                8000,
                ALL[method](n_iter=n_iter, tol=0, **METHODS[method]),
                frontend=STFT(n_fft=128, hop=64),
            )
            calls: Counter[str] = gpu.record.calls
            launching = sum(n for name, n in calls.items() if not _NO_LAUNCH.search(name))
            found.append((len(gpu.record.launches), launching, len(gpu.record.transfers)))
    few, more = found
    return tuple((b - a) / (_MORE - _FEW) for a, b in zip(few, more, strict=True))  # type: ignore[return-value]


def table() -> str:
    """Return the counts of all methods in Markdown."""
    lines = [
        "| an iteration of | kernels of ours | array operations | transfers |",
        "|---|---|---|---|",
    ]
    for method in METHODS:
        cells = " | ".join(f"{number:g}" for number in counts(method))
        lines.append(f"| `{method}` | {cells} |")
    return "\n".join(lines)


def replaced(text: str, new: str) -> str:
    """Return the page with its table replaced."""
    return re.sub(
        r"(<!-- counts -->\n).*?(\n<!-- end -->)", lambda m: m[1] + new + m[2], text, flags=re.DOTALL
    )


if __name__ == "__main__":
    PAGE.write_text(replaced(PAGE.read_text(), table()))
