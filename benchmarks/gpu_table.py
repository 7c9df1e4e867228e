"""The README's table of GPU figures, made from the records of ``python -m benchmarks.gpu``.

python -m benchmarks.gpu_table           # print it
python -m benchmarks.gpu_table --write   # put it into the README
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"
BEGIN, END = "<!-- gpu table: begin (python -m benchmarks.gpu_table --write) -->", "<!-- gpu table: end -->"
NOT_YET = "On a GPU: not yet measured. `python -m benchmarks.gpu` measures, and writes the figures that belong here."

Record = Mapping[str, Any]


def main(argv: Sequence[str] = ()) -> int:
    """Print the table, or write it into the README; return the exit code."""
    table = table_of(newest(RESULTS))
    if "--write" in argv:
        README.write_text(replaced(README.read_text(), table))
    else:
        print(table)
    return 0


def newest(folder: Path) -> list[Record]:
    """Return the newest record of each device in a folder, in the order of the devices' names."""
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("gpu-*.json"))]
    by_device: dict[str, Record] = {}
    for record in sorted(records, key=lambda record: record["date"]):
        by_device[record["device"]] = record
    return [by_device[device] for device in sorted(by_device)]


def table_of(records: Sequence[Record]) -> str:
    """Return Markdown: for each record what it ran on, how much agreed, and a line for each thing timed."""
    return "\n\n".join(map(_section, records)) if records else NOT_YET


def replaced(text: str, table: str) -> str:
    """Return a text with what stands between the two marks exchanged for a table.

    Raises
    ------
    ValueError
        The marks are not there, once each and in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"expected {BEGIN!r} and, below it, {END!r}, once each")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}"


def _section(record: Record) -> str:
    said = ", ".join(f"{name} {record[name]}" for name in ("driver", "runtime", "cupy", "commit"))
    lines = [f"**{record['device']}**, {record['date'][:10]} ({said}). {_agreement(record['parity'])}"]
    if record["speed"]:
        head = ["", "GPU", "floor", "PyTorch", "2 CPU threads", "wanted"]
        lines += ["", _row(head), _row(["---", *["---:"] * 4, "---"])]
        lines += [_row(_cells(row)) for row in record["speed"]]
    return "\n".join(lines)


def _agreement(parity: Sequence[Record]) -> str:
    if not parity:
        return "Agreement with the CPU: not measured."
    agreed = sum(row["passed"] is True for row in parity)
    differ = [row["name"] for row in parity if row["passed"] is False]
    left = [row["name"] for row in parity if row["passed"] is None]
    text = f"{agreed} of {len(parity)} kernel problems and methods agree with the CPU"
    text += f"; differ: {', '.join(differ)}" if differ else ""
    return text + (f"; left out: {', '.join(left)}." if left else ".")


def _cells(row: Record) -> list[str]:
    if not row.get("seconds"):
        return [row["name"], row.get("left_out") or f"failed: {row['failed']}", "", "", "", row["target"]]
    gpu = time_of(row["seconds"])
    gpu += f" ({row['cpu_seconds'] / row['seconds']:.0f} x the CPU)" if row.get("cpu_seconds") else ""
    times = [time_of(row.get(name)) for name in ("floor_seconds", "torch_seconds", "cpu_seconds")]
    return [row["name"], gpu, *times, row["target"]]


def time_of(seconds: float | None) -> str:
    """Return seconds for people, in s or ms; nothing for None."""
    if seconds is None:
        return ""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.2f} ms"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
