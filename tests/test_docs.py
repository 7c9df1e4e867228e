"""The pages of the documentation: what they show runs, and the site builds without a warning."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sigsep_classic import METHODS

DOCS = Path(__file__).parent.parent / "docs"
WRITTEN = {"_build", "methods", "lessons", "api"}
PAGES = sorted(path for path in DOCS.glob("**/*.md") if not WRITTEN & {*path.relative_to(DOCS).parts})
WITH_EXAMPLES = [path for path in PAGES if ">>>" in path.read_text()]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_print_what_it_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = page.read_text().replace("```", "")
    found = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    said: list[str] = []
    runner.run(found, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


def test_pages_link_to_files_that_exist():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            written = {"methods/index.md", "lessons/index.md", "citing.md", "verified.md"}
            written |= {f"methods/{name}.rst" for name in METHODS.built_in}
            assert (page.parent / target).exists() or target.removeprefix("../") in written, (
                f"{page}: {target}"
            )


@pytest.mark.slow(first=True)
def test_the_site_builds_without_a_warning(tmp_path):
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        "html",
        str(DOCS),
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "methods" / "nmf.html").read_text().count("fevotte2011") == 1
    assert "one step at a time" in (tmp_path / "lessons" / "nmf_step_by_step.html").read_text()
