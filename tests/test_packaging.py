"""What is built and published: wheel, source archive, versions, extras, sizes, the container's recipe."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import soundfile

from benchmarks.installed import LIMIT_MB, needed, weigh
from sigsep_classic import __version__
from tests.folders import noise

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGE = ROOT / "sigsep_classic"
NOT_IN_CORE = {
    "av",
    "cupy",
    "cupyx",
    "dask",
    "distributed",
    "jinja2",
    "matplotlib",
    "pesq",
    "pyroomacoustics",
}
NOT_IN_CORE |= {"shtab", "yaml", "nicegui", "fastapi", "uvicorn"}


def build(root: Path, folder: Path, kind: str, *, umask: int = -1) -> Path:
    """Return the wheel or the sdist that the build backend makes of the tree ``root``."""
    code = f"import sys, hatchling.build as b; b.build_{kind}(sys.argv[1])"
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    around = {
        **os.environ,
        "COLUMNS": str(100 + umask),
    }  # the manual page is not to show how wide a terminal was
    command = [sys.executable, "-c", code, str(folder)]
    subprocess.run(command, cwd=root, env=around, check=True, umask=umask, timeout=120)
    (made,) = set(folder.iterdir()) - before
    return made


def files(*folders: str) -> set[str]:
    """Return what lies in folders of the tree, without what Python and pytest leave there."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in found if "cache__" not in str(path)}


@pytest.mark.slow
def test_the_source_archive_is_complete_and_builds_the_same_bytes_elsewhere(tmp_path):
    wheel, archive = (build(ROOT, tmp_path / "here", kind) for kind in ("wheel", "sdist"))
    with tarfile.open(archive) as opened:
        inside = {name.partition("/")[2] for name in opened.getnames()}
        opened.extractall(tmp_path / "elsewhere", filter="data")
    assert files("sigsep_classic", "tests", "benchmarks", "examples") <= inside
    assert {
        "pyproject.toml",
        "Makefile",
        "Containerfile",
        "docs/index.md",
        "docs/howto/own_method.md",
        "hatch_build.py",
    } <= inside
    assert not [
        name for name in inside if re.search(r"cache__|docs/(_build|api|methods|lessons)/|\.wav$", name)
    ]
    (elsewhere,) = (tmp_path / "elsewhere").iterdir()
    for path in elsewhere.rglob("*"):  # another clone: other times, other permissions
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (1e9, 1e9))
    for first, kind in ((wheel, "wheel"), (archive, "sdist")):
        again = build(elsewhere, tmp_path / "again", kind, umask=0o077)
        assert (again.name, again.read_bytes()) == (first.name, first.read_bytes())


@pytest.mark.slow
def test_the_wheel_has_the_package_whole_and_nothing_else_and_works_from_anywhere(tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(build(ROOT, tmp_path, "wheel")) as wheel:
        info = f"sigsep_classic-{__version__}.dist-info"
        about = {
            f"{info}/{name}"
            for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
        }
        page = f"sigsep_classic-{__version__}.data/data/share/man/man1/sigsep-classic.1"
        assert set(wheel.namelist()) == files("sigsep_classic") | about | {page}
        assert "License-Expression: MIT\nLicense-File: LICENSE\n" in wheel.read(f"{info}/METADATA").decode()
        wheel.extractall(site)
    soundfile.write(tmp_path / "song.wav", noise(n_samples=8000).T, 8000)
    code = """
from importlib.metadata import entry_points
(script,) = entry_points(group="console_scripts", name="sigsep-classic")
main = script.load()
for line in ("separate song.wav -m mid_side --report", "compare --published all", "info"):
    assert not main(line.split())
import sigsep_classic
print(sigsep_classic.__file__)
"""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.endswith(f"{site / 'sigsep_classic' / '__init__.py'}\n")
    assert (tmp_path / "separated" / "song" / "mid.wav").exists()


def test_the_version_is_the_same_everywhere_and_the_changelog_is_in_order():
    text = (ROOT / "CHANGELOG.md").read_text()
    unreleased, *released = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert unreleased == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", head) for head in released)
    versions = [_numbers(head.partition("]")[0]) for head in released]
    assert versions == sorted(set(versions), reverse=True)
    assert all(version <= _numbers(__version__) for version in versions)
    sections = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def test_every_extra_that_a_message_or_a_page_names_exists():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("**/*.md"), *(ROOT / "examples").glob("*.py")]
    texts = [path.read_text() for path in [*PACKAGE.glob("**/*.py"), *pages]]
    named = set(re.findall(r'(?:sigsep-classic|install (?:-e )?"\.)\[([a-z0-9,]+)\]', "\n".join(texts)))
    extras = {*PROJECT["optional-dependencies"]}
    assert {extra for names in named for extra in names.split(",")} <= extras
    assert {
        "plot",
        "report",
        "lab",
        "av",
        "bench",
        "eval",
        "cuda12",
        "cuda13",
        "cluster",
        "docs",
        "test",
    } <= extras


def test_packages_of_extras_are_imported_only_where_they_are_used():
    found = {
        (str(path.relative_to(PACKAGE)), name)
        for path in PACKAGE.glob("**/*.py")
        for name in re.findall(r"^(?:import|from) (\w+)", path.read_text(), re.MULTILINE)
    }
    shown = {(f"lab/{file}.py", "nicegui") for file in ("page", "settings", "results")}
    wanted = {("plot/figure.py", "matplotlib"), *shown}
    assert {(path, name) for path, name in found if name in NOT_IN_CORE} == wanted


def test_an_installation_without_extras_is_within_its_size():
    assert sum(weigh(package).files for package in needed()) < LIMIT_MB * 1e6


def test_the_container_is_built_of_what_is_let_through_and_does_not_run_as_root():
    lines = (ROOT / "Containerfile").read_text().replace("\\\n", "").splitlines()
    steps = [tuple(line.split(" ", 1)) for line in lines if re.match("[A-Z]", line)]
    assert ("USER", "1000") in steps
    assert ("ENTRYPOINT", '["sigsep-classic"]') in steps
    tags = {value.partition(":")[2].partition("-")[0] for word, value in steps if word == "FROM"}
    assert {f"Programming Language :: Python :: {tag}" for tag in tags} <= {*PROJECT["classifiers"]}
    let_through = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    copied = {
        name
        for word, value in steps
        if word == "COPY" and "--from" not in value
        for name in value.split()[:-1]
    }
    assert copied == let_through
    assert all((ROOT / name).exists() for name in copied)
    arguments = dict(value.split("=") for word, value in steps if word == "ARG")
    assert {*arguments["EXTRAS"].split(",")} <= {*PROJECT["optional-dependencies"]}
