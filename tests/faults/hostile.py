"""The command several times in one process, for conditions that only a process of its own can be in.

``python [-OO] -m tests.faults.hostile PLAN FOLDER``: PLAN is a JSON list of lists of words; what the n-th prints goes
to ``FOLDER/n.out`` and ``FOLDER/n.err``, in the encoding of standard output, and all exit codes to ``FOLDER/codes``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.faults.verbs import Ended, environment


def run_all(
    plan: dict[str, list[str]], *, cwd: Path, notes: Path, env: dict[str, str], flags: tuple[str, ...] = ()
) -> dict[str, Ended]:
    """Run the command once for each list of words, in one process, and return how each ended."""
    notes.mkdir()
    (notes / "plan").write_text(json.dumps(list(plan.values())))
    words = [sys.executable, *flags, "-m", "tests.faults.hostile", str(notes / "plan"), str(notes)]
    done = subprocess.run(
        words, cwd=cwd, env=environment(**env), capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
    codes = json.loads((notes / "codes").read_text())
    texts = [
        [(notes / f"{n}.{kind}").read_bytes().decode(errors="backslashreplace") for kind in ("out", "err")]
        for n in range(len(plan))
    ]
    return {verb: Ended(code, *text) for verb, code, text in zip(plan, codes, texts, strict=True)}


def _main(plan: str, folder: str) -> None:
    from sigsep_classic.cli.main import main

    real: tuple[Any, Any] = (sys.stdout, sys.stderr)
    codes = []
    with open(plan) as file:
        listed = json.load(file)
    for n, words in enumerate(listed):
        with ExitStack() as stack:
            sys.stdout, sys.stderr = (
                stack.enter_context(
                    Path(folder, f"{n}.{kind}").open("w", encoding=stream.encoding, errors=stream.errors)
                )
                for kind, stream in zip(("out", "err"), real, strict=True)
            )
            stack.callback(_restore, real)
            codes.append(main(words))
    with open(Path(folder, "codes"), "w") as file:
        json.dump(codes, file)


def _restore(real: tuple[Any, Any]) -> None:
    sys.stdout, sys.stderr = real


if __name__ == "__main__":
    _main(*sys.argv[1:])
