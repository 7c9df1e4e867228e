# make demo   the main job on a mixture made on the spot: stems, scores, a page to look at and listen to
# make test   everything that is checked
# make check  the part of it to run before each commit (under two minutes)
# make docs   the documentation site, docs/_build/index.html (GALLERY=1: with what the lessons print and draw)
# make bench  the speed and quality figures, beside the packages they are compared with

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= auto
# Bytecode is written as modules are imported, most never are: a third of the time to install.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

.PHONY: demo test check docs bench clean

demo: $(VENV)/.demo
	$(BIN)/sigsep-classic demo -o demo

test: $(VENV)/.test lint
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not slow" tests/conformance \
		-k "(add_up or float32 or silence or loss) and stft and not emulated"
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

check: $(VENV)/.test lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow"

docs: $(VENV)/.test
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks

.PHONY: lint
lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e ".[report]"
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e ".[test]"
	touch $@

$(VENV)/.bench: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e ".[bench]"
	touch $@

clean:
	rm -rf $(VENV) demo docs/_build docs/api docs/methods docs/lessons docs/citing.md docs/verified.md build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
