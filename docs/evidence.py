"""What the tests say of each method, read from their text: nothing is imported, nothing is run.

A test's name is a sentence. It counts for the methods whose classes or names it uses, itself or in what it calls in its
file, or that its docstring names in backquotes. A file is about the methods that its docstring names so; where it names
none, about those a fifth of its tests use. Packages are those a test imports, or asks for by ``pytest.importorskip``;
how closely it holds its results to theirs is the parameter ``within`` that its assertions use.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PEERS = {
    "alphacsc": "alphacsc", "fast_bss_eval": "fast_bss_eval", "librosa": "librosa", "mir_eval": "mir_eval",
    "museval": "museval", "nara_wpe": "nara_wpe", "norbert": "norbert", "pesq": "pesq", "picard": "python-picard",
    "pyroomacoustics": "pyroomacoustics", "pystoi": "pystoi", "scipy": "scipy", "sklearn": "scikit-learn",
    "sporco": "sporco", "ssspy": "ssspy", "torchnmf": "torchnmf",
}  # fmt: skip
"""Packages that results are compared with, by what is imported: the names under which they are installed."""
ALSO_TOOLS = {"scipy"}
"""Packages tests also use as tools: imported for the whole file they count where the test's name has theirs."""
OR_SKIP = {"librosa_or_skip": "librosa", "museval_or_skip": "museval"}
OWN = ("test_factorizers_", "test_recipes")
"""Beginnings of files that are about methods."""
EVERY_METHOD = ("test_recordings",)
"""Files whose tests count for whatever method they use."""
OWNED = 0.2
"""Share of a file's tests that has to use a method for the file to be about it."""
TOGETHER = 4
"""Up to so many methods that a file names, those of its tests that use none of them are about all of them."""


@dataclass(frozen=True)
class Evidence:
    """One test.

    Parameters
    ----------
    name, file : str
        The function, and the path below the root of the repository.
    methods : frozenset of str
        Methods of the file that it uses.
    peers : frozenset of str
        Packages it compares with.
    within : tuple of float
        How closely, one number a case; empty where the test says something else than "equal".
    references : frozenset of str
        Modules of ``tests/reference`` it compares with.
    recordings : frozenset of str
        What of ``benchmarks.recordings`` and ``benchmarks.stereo`` it uses.
    """

    name: str
    file: str
    methods: frozenset[str] = field(default_factory=frozenset)
    peers: frozenset[str] = field(default_factory=frozenset)
    within: tuple[float, ...] = ()
    references: frozenset[str] = field(default_factory=frozenset)
    recordings: frozenset[str] = field(default_factory=frozenset)

    @property
    def sentence(self) -> str:
        """The name as it is read."""
        return self.name.removeprefix("test_").replace("_", " ")

    @property
    def refuses(self) -> bool:
        """Whether it is about what is refused, or said, when a user errs."""
        words = self.sentence.split()
        return "refused" in words or "wrong" in words or words[-1] in {"named", "said"}


@lru_cache(maxsize=1)
def collected(methods: tuple[tuple[str, str], ...]) -> tuple[Evidence, ...]:
    """Return the tests of the repository; ``methods`` are pairs of a class's name and the method's."""
    files = [
        *sorted((ROOT / "tests").glob("test_*.py")),
        *sorted((ROOT / "tests" / "kernels").glob("test_*.py")),
    ]
    return tuple(found for file in files for found in _File(file, dict(methods)).tests())


class _Used(NamedTuple):
    """Names, what is imported inside, and methods by name."""

    words: frozenset[str]
    imports: frozenset[str]
    methods: frozenset[str]


class _File:
    """One file of tests."""

    def __init__(self, path: Path, methods: Mapping[str, str]) -> None:
        self.path, self.kinds = path, methods
        self.names = {*methods.values()}
        self.defined: dict[str, ast.AST] = {}
        self._walked: dict[str, list[ast.AST]] = {}
        self._looked_at: dict[str, _Used] = {}
        self.imported: dict[str, str] = {}
        tree = ast.parse(path.read_text(encoding="utf-8"))
        self.told = _told(tree, self.names)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                self.defined[node.name] = node
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                self.defined |= {t.id: node for t in targets if isinstance(t, ast.Name)}
            elif isinstance(node, ast.Import | ast.ImportFrom):
                self.imported |= dict(_imports(node))

    def tests(self) -> Iterator[Evidence]:
        """Yield its tests, methods that are but means to an end left out."""
        tests = [
            n for n in self.defined.values() if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")
        ]
        found = [self._evidence(n) for n in tests]
        own = self._own(found)
        for e in found:
            methods = e.methods if self.path.stem.startswith(EVERY_METHOD) else e.methods & own
            if not methods and (len(own) == 1 or (own == self.told and len(own) <= TOGETHER)):
                methods = frozenset(own)
            yield replace(e, methods=frozenset(methods))

    def _own(self, found: list[Evidence]) -> set[str]:
        """Return the methods the file is about."""
        if not self.path.stem.startswith(OWN):
            return set()
        used = [m for e in found for m in e.methods]
        return self.told or {m for m in used if used.count(m) >= OWNED * len(found)}

    def _evidence(self, test: ast.FunctionDef) -> Evidence:
        used = self._used(test.name)
        places = {self.imported[w] for w in used.words if w in self.imported}
        told = _told(test, self.names)
        packages = {place.partition(".")[0] for place in used.imports} & {*PEERS}
        above = {place.partition(".")[0] for place in places} & {*PEERS}
        places |= used.imports
        return Evidence(
            name=test.name,
            file=str(self.path.relative_to(ROOT)),
            methods=frozenset({self.kinds[w] for w in used.words if w in self.kinds} | used.methods | told),
            peers=frozenset(packages | {p for p in above if p not in ALSO_TOOLS or p in test.name}),
            within=tuple(_tolerances(test)) if packages | above else (),
            references=_below(places, "tests.reference."),
            recordings=_below(places, "benchmarks.recordings.") | _below(places, "benchmarks.stereo."),
        )

    def _used(self, test: str) -> _Used:
        """Return what a test uses, itself and in everything of its file that it uses."""
        seen: dict[str, _Used] = {}
        waiting = {test}
        while waiting:
            name = waiting.pop()
            seen[name] = self._own_use(name)
            waiting |= (seen[name].words & {*self.defined}) - {*seen}
        return _Used(*(frozenset().union(*parts) for parts in zip(*seen.values(), strict=True)))

    def _own_use(self, name: str) -> _Used:
        if name not in self._looked_at:
            nodes = self._nodes(name)
            words = {w for n in nodes for w in (getattr(n, "id", None), getattr(n, "arg", None)) if w}
            words |= {n.attr for n in nodes if isinstance(n, ast.Attribute)}
            imports = {place for n in nodes for place in _imported_inside(n)}
            imports |= {OR_SKIP[w] for w in words if w in OR_SKIP}
            found = (words, imports, self._named(nodes))
            self._looked_at[name] = _Used(*map(frozenset, found))
        return self._looked_at[name]

    def _nodes(self, name: str) -> list[ast.AST]:
        if name not in self._walked:
            self._walked[name] = list(ast.walk(self.defined[name]))
        return self._walked[name]

    def _named(self, nodes: list[ast.AST]) -> set[str]:
        """Return methods by name: in ``method=``, ``method()``, ``METHODS[]``, cases of ``method`` or ``name``."""
        places: list[ast.AST] = []
        for node in nodes:
            if isinstance(node, ast.keyword) and node.arg == "method":
                places.append(node.value)
            elif isinstance(node, ast.Subscript) and _last(node.value) == "METHODS":
                places.append(node.slice)
            elif isinstance(node, ast.Call) and _last(node.func) == "method" and node.args:
                places.append(node.args[0])
            else:
                places += [cases for name in ("method", "name") if (cases := _cases(node, name)) is not None]
        inner = [n for place in places for n in self._resolved(place)]
        if self.path.stem.startswith(EVERY_METHOD) and any(_last(n) == "METHODS" for n in inner):
            return {*self.names}
        return {n.value for n in inner if isinstance(n, ast.Constant)} & self.names

    def _resolved(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the nodes of an expression, and of what the names in it stand for."""
        for n in ast.walk(node):
            yield n
            if isinstance(n, ast.Name) and isinstance(self.defined.get(n.id), ast.Assign | ast.AnnAssign):
                yield from self._nodes(n.id)


def _last(node: ast.AST) -> str | None:
    """Return the last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def _told(node: ast.Module | ast.FunctionDef, known: set[str]) -> set[str]:
    """Return the methods that a docstring names in backquotes."""
    return {*re.findall(r"`(\w+)`", ast.get_docstring(node) or "")} & known


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Yield the names an import binds, and what they are."""
    for alias in node.names:
        whole = f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
        yield alias.asname or alias.name, whole


def _imported_inside(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from (place for _, place in _imports(node))
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "importorskip"
    ):
        yield f"{ast.literal_eval(node.args[0])}.all"


def _below(places: set[str], prefix: str) -> frozenset[str]:
    return frozenset(
        place.removeprefix(prefix).partition(".")[0] for place in places if place.startswith(prefix)
    )


def _cases(node: ast.AST, name: str) -> ast.AST | None:
    """Return the cases of a ``pytest.mark.parametrize`` of this name alone or among others."""
    if not (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "parametrize"
    ):
        return None
    return node.args[1] if name in _argument_names(node) else None


def _argument_names(call: ast.Call) -> list[str]:
    try:
        names = ast.literal_eval(call.args[0])
    except ValueError:
        return []
    return [n.strip() for n in names.split(",")] if isinstance(names, str) else [*names]


def _tolerances(test: ast.FunctionDef) -> Iterator[float]:
    for decorator in test.decorator_list:
        cases = _cases(decorator, "within")
        if isinstance(cases, ast.List | ast.Tuple):
            names = _argument_names(decorator)
            for case in cases.elts:
                case = case.args if isinstance(case, ast.Call) else getattr(case, "elts", [case])
                yield float(ast.literal_eval(case[names.index("within")] if len(names) > 1 else case[0]))
