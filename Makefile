# Two commands: `make pocket` makes a model, `make test` checks everything. Each sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: pocket test lint types imports tests clean help

help:
	@echo "make pocket   install into .venv and run the pocket recipe: raw text to a model in minutes"
	@echo "make test     lint, types, import contract and all tests"
	@echo "make clean    remove .venv and caches (runs/ stays)"

pocket: $(VENV)/.installed
	$(BIN)/hornbook run pocket $(ARGS)

test: lint types imports tests

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks

types: $(VENV)/.installed-dev
	$(BIN)/mypy

imports: $(VENV)/.installed-dev
	$(BIN)/lint-imports

tests: $(VENV)/.installed-dev
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); ok or sys.exit(f"Hornbook needs Python 3.11 to 3.13; {sys.executable} is {sys.version.split()[0]}. Name another one: make PYTHON=python3.12 pocket")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.python pyproject.toml
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build src/*.egg-info
