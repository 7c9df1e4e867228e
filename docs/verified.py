"""The page "Verified how?": what the tests, the docstrings and docs/gpu.md say of each method, in one place."""

from __future__ import annotations

import ast
import math
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evidence import PEERS, ROOT, Evidence, collected

from sigsep_classic.factorizers import METHODS
from sigsep_classic.factorizers.documentation import note_of, references_of

RECORDINGS = {
    "musdb_excerpt": "a song (6 s of MUSDB18)",
    "music_on_hold": "finished music",
    "speech": "speech",
    "speech_over_music": "speech over music",
    "talkers": "three talkers",
}
"""What `benchmarks.recordings` and `benchmarks.stereo` load, in words."""
UNSAID = "not gone through yet"


def verified_page() -> str:
    """Return the page as Markdown."""
    tests = evidence()
    gpu = gpu_rows()
    parts = [_opening(), _table(tests, gpu)]
    parts += [_section(name, of(name, tests), gpu[name]) for name in METHODS.built_in]
    parts += [_promises(), _beside(tests), _kernels(tests)]
    return "\n\n".join(parts) + "\n"


def evidence() -> tuple[Evidence, ...]:
    """Return all tests, with the methods they are about."""
    return collected(tuple((METHODS[name].__name__, name) for name in METHODS.built_in))


def of(name: str, tests: tuple[Evidence, ...]) -> list[Evidence]:
    """Return the tests about one method."""
    return [e for e in tests if name in e.methods]


def gpu_rows() -> dict[str, tuple[str, list[str]]]:
    """Return where each method runs and the kernels it launches, as docs/gpu.md has them."""
    text = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
    cells = [
        [c.strip() for c in line.strip("| ").split("|")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]
    return {c[0]: (c[1], [] if c[2] == "–" else c[2].split(", ")) for c in cells if c[0] in METHODS.built_in}


def brief(name: str) -> str:
    """Return one sentence for the page of a method."""
    own = of(name, evidence())
    said = [e for e in own if not e.refuses]
    peers = _agreed(own)
    beside = f"; results are compared with {peers}" if peers else ""
    return f"{_count(len(said), 'test')} of its own, and the {len(promises())} promises every method keeps{beside}"


def _opening() -> str:
    return f"""\
# Verified how?

Written from the tests at each build of this site; nothing here is typed by hand. For each method:

- **Papers**, with the equations they were taken from, or a note that the numbers were not checked.
- **Tests of its own.** A test's name is a sentence that is true; here are the sentences. Theorems and invariants come
  first, then loops written out from the definition (`tests/reference`), then other packages, then real recordings.
- **Packages.** Results of public packages on the same data from the same start, and to how many digits they agree: the
  tolerance that the test's assertion uses, relative to the largest value unless the sentence says otherwise. Versions
  are those installed where this page was made. Where there are no digits the test says something else than "equal":
  that we end no higher, for instance. A test whose package is not installed is skipped.
- **Promises.** All {len(METHODS.built_in)} methods keep the {len(promises())} of the conformance suite, on an STFT and
  on bare samples: see [Promises](#promises).
- **CUDA.** Kernels are one text, compiled by NVRTC without warnings or spills, and as C++, to be run on the CPU, where
  they are compared with a loop written out and with the CPU's line; half of these runs watch for races and for
  accesses outside arrays. Whole methods run on a strict stand-in for CuPy and give what the CPU gives. That is not a
  GPU: `python -m benchmarks.gpu` checks and measures on one. What runs where: [What runs on a GPU](gpu.md).
- **Recordings.** Every method is run on finished music and on speech, and must not lose any of it; the table tells what
  else is heard.
- **Differences from the paper**, as the method's own docstring tells them."""


def _table(tests: tuple[Evidence, ...], gpu: dict[str, tuple[str, list[str]]]) -> str:
    lines = [
        "| method | own tests | agrees with | recordings | kernels | differs from the paper |",
        "|---|---|---|---|---|---|",
    ]
    for name in METHODS.built_in:
        own = of(name, tests)
        said = sum(not e.refuses for e in own)
        differs = note_of(METHODS[name], "Differences from the paper")
        mark = UNSAID if not differs else "none known" if differs.startswith("None known") else "yes"
        heard = "; ".join(_heard([e for e in own if len(e.methods) < len(METHODS.built_in)]))
        row = [f"[`{name}`](#verified-{name})", said, _agreed(own), heard, len(gpu[name][1]), mark]
        lines.append("| " + " | ".join(str(cell or "–") for cell in row) + " |")
    return "\n".join(lines)


def _section(name: str, own: list[Evidence], gpu: tuple[str, list[str]]) -> str:
    where, kernels = gpu
    launched = ", ".join(f"`{k}`" for k in kernels)
    on_gpu = (
        f"{where}; kernels {launched}"
        if kernels
        else f"{where}; no kernel of its own, all by the array library"
    )
    files = sorted({e.file for e in own})
    papers = "\n".join(f"  - {_plain(paper)}" for paper in references_of(METHODS[name]))
    parts = [f"(verified-{name})=", f"## {name}", f"[Its page](methods/{name}.rst)."]
    parts.append(f"- Papers:\n{papers}")
    parts.append(f"- Differences from the paper: {_differences(name)}")
    parts.append(f"- On a GPU: {on_gpu}")
    said = [e for e in own if not e.refuses]
    parts.append("\n".join([f"- {_count(len(said), 'test')}:", *(f"  - {_told(e)}" for e in said)]))
    refused = sum(e.refuses for e in own)
    if refused:
        parts.append(f"- {_count(refused, 'test')} more of what is refused, and how that is said")
    parts.append(f"- In {', '.join(f'`{file}`' for file in files)}")
    return "\n\n".join(parts[:3]) + "\n\n" + "\n".join(parts[3:])


def _differences(name: str) -> str:
    return _plain(note_of(METHODS[name], "Differences from the paper")) or f"{UNSAID}."


def _told(e: Evidence) -> str:
    """Return a test as a line: its sentence, and what stands behind it."""
    behind = [_with_digits(peer, e.within) for peer in sorted(e.peers)]
    behind += [f"written out in `tests/reference/{name}.py`" for name in sorted(e.references)]
    behind += _heard([e])
    return e.sentence + (f" ({'; '.join(behind)})" if behind else "")


def _agreed(own: list[Evidence]) -> str:
    """Return the packages with the digits of all tests that compare with them."""
    found: dict[str, list[float]] = {}
    for e in own:
        for peer in e.peers:
            found.setdefault(peer, []).extend(e.within)
    return ", ".join(_with_digits(peer, tuple(within)) for peer, within in sorted(found.items()))


def _with_digits(peer: str, within: tuple[float, ...]) -> str:
    package = f"{PEERS[peer]} {installed(PEERS[peer])}".strip()
    if not within:
        return package
    digits = sorted({round(-math.log10(w), 1) for w in within})
    low, high = (f"{d:g}" for d in (digits[0], digits[-1]))
    return f"{package}: {low if low == high else f'{low} to {high}'} digits"


def installed(package: str) -> str:
    """Return the version that is installed, or the one pinned for benchmarks; ``""`` if there is neither."""
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        pinned = re.search(rf'"{package}==([\d.a-z]+)"', (ROOT / "pyproject.toml").read_text())
        return pinned[1] if pinned else ""


def _heard(own: list[Evidence]) -> list[str]:
    """Return the recordings of some tests in words."""
    return [words for name, words in RECORDINGS.items() if any(name in e.recordings for e in own)]


def _beside(tests: tuple[Evidence, ...]) -> str:
    """Return the table of comparisons with packages that belong to no method: masks, metrics, transforms."""
    lines = [
        "## Beside the methods",
        "Masks, metrics, phases, transforms and groupings, against packages:",
        "| test | file | package |\n|---|---|---|",
    ]
    rows = [
        f"| {e.sentence} | `{e.file}` | {', '.join(_with_digits(p, e.within) for p in sorted(e.peers))} |"
        for e in tests
        if e.peers and not e.methods and "kernels" not in e.file and "rooms" not in e.file
    ]
    return "\n\n".join(lines) + "\n" + "\n".join(rows)


def _kernels(tests: tuple[Evidence, ...]) -> str:
    """Return the table of operations that have kernels."""
    texts = {path.stem for path in (ROOT / "sigsep_classic" / "kernels").glob("*.cu")}
    lines = ["| operation | tests | loop written out | packages | CUDA |", "|---|---|---|---|---|"]
    for path in sorted((ROOT / "tests" / "kernels").glob("test_*.py")):
        own = [e for e in tests if e.file == str(path.relative_to(ROOT))]
        name = path.stem.removeprefix("test_")
        references = {r for e in own for r in e.references}
        cuda = texts & {name, *re.findall(r"\w+", path.read_text(encoding="utf-8"))}
        loops, kernels = (", ".join(f"`{n}`" for n in sorted(names)) for names in (references, cuda))
        if loops or kernels:
            lines.append(
                f"| `{name}` | {len(own)} | {loops or '–'} | {_agreed(own) or '–'} | {kernels or '–'} |"
            )
    return "## Kernels\n\nOperations with compiled twins, each twin against the same loop:\n\n" + "\n".join(
        lines
    )


def _promises() -> str:
    kept = "\n".join(f"- {name.replace('_', ' ')}" for name in promises())
    return f"## Promises\n\nKept by every method; `sigsep_classic.testing.check_method` asks them of yours.\n\n{kept}"


def promises() -> list[str]:
    """Return the promises of `sigsep_classic.testing`, which is not imported: it needs what only tests have."""
    tree = ast.parse(Path(ROOT / "sigsep_classic" / "testing.py").read_text(encoding="utf-8"))
    table = next(
        n for n in ast.walk(tree) if isinstance(n, ast.AnnAssign | ast.Assign) and "PROMISES" in _targets(n)
    )
    return [n.id for n in ast.walk(table.value) if isinstance(n, ast.Name) and n.id.islower() and "_" in n.id]


def _targets(node: ast.AnnAssign | ast.Assign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {t.id for t in targets if isinstance(t, ast.Name)}


def _count(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")


def _plain(text: str) -> str:
    """Return text in which nothing outside of backquotes is Markdown by accident."""
    pieces = re.split(r"(`+[^`]+`+)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([*_|<\[\]$])", r"\\\1", p) for p in pieces)
