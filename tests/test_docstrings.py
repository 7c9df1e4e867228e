"""Every public name is documented in numpydoc, parameters complete; every method names its paper."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil

import pytest
from numpydoc.docscrape import FunctionDoc, NumpyDocString
from numpydoc.validate import validate

import sigsep_classic
from sigsep_classic import METHODS

# GL03 blank lines, PR01/PR02 undocumented or unknown parameters, PR07 parameter without text, RT03 return
# without text, SS03 and SS05: a summary is a sentence. Summaries may take two lines.
CHECKED = {"GL08", "PR01", "PR02", "PR07", "RT03", "SS02", "SS04"}
PRIVATE = ("_version", "__main__")


def modules() -> list[str]:
    walked = pkgutil.walk_packages(sigsep_classic.__path__, "sigsep_classic.")
    return [m.name for m in walked if m.name.rpartition(".")[2] not in PRIVATE]


@pytest.mark.parametrize("name", modules())
def test_a_module_says_what_it_is_for_and_so_does_each_of_its_public_names(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    own = {k: v for k, v in vars(module).items() if getattr(v, "__module__", None) == name and callable(v)}
    assert [k for k, value in own.items() if not k.startswith("_") and not inspect.getdoc(value)] == []


@pytest.mark.parametrize("name", sorted(set(sigsep_classic.__all__) - {"METHODS", "__version__"}))
def test_what_documents_parameters_documents_them_all(name: str) -> None:
    value = getattr(sigsep_classic, name)
    if inspect.ismodule(value):
        members = [getattr(value, member) for member in getattr(value, "__all__", [])]
    else:
        members = [value]
    for member in members:
        if not inspect.isfunction(member):
            continue
        documented = FunctionDoc(member)["Parameters"]
        names = {n.strip().lstrip("*") for p in documented for n in p.name.split(",")}
        signature = {p for p in inspect.signature(member).parameters if not p.startswith("_")}
        assert signature <= names, member
        errors = [code for code, _ in validate(f"{member.__module__}.{member.__qualname__}")["errors"]]
        assert not set(errors) & (CHECKED - {"PR01", "PR02"}), member


@pytest.mark.parametrize("key", METHODS)
def test_a_method_documents_every_field_and_names_its_paper(key: str) -> None:
    kind = METHODS[key]
    doc = NumpyDocString(inspect.getdoc(kind) or "")
    documented = {name.strip() for p in doc["Parameters"] for name in p.name.split(",")}
    assert {f.name for f in dataclasses.fields(kind) if f.init} <= documented
    assert any(character.isdigit() for character in " ".join(doc["References"]))
    assert kind.name == key
