# Picasso's everyday commands. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# More words for pip, e.g. PIP_ARGS="--index-url ..." where Torch without CUDA has an index of its own.
PIP_ARGS ?=
# More words for pytest, e.g. PYTEST_ARGS="-k occlusion".
PYTEST_ARGS ?=
# Processes that run tests at the same time.
JOBS ?= 2

PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --no-input --quiet $(PIP_ARGS) -c constraints.txt

# A stamp is as new as the last install: nothing is installed again until these files change.
DEMO_STAMP := $(VENV)/.installed-demo
DEV_STAMP := $(VENV)/.installed-dev
AXE := node_modules/axe-core/axe.min.js

ORACLES := .venv-oracles
.PHONY: help demo test coverage check types format docs screenshots bench bench-audit oracles constraints clean

help: ## List these commands.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(DEMO_STAMP) ## Install what the demo needs, start it and open the browser.
	$(BIN)/picasso demo

# Hundreds of processes are started by the tests: what one has compiled the others only load. And memory that an array
# leaves is kept for the next one, instead of being given back to the system and asked for again (glibc; bytes).
test: export PYTHONDONTWRITEBYTECODE :=
test: export MALLOC_TRIM_THRESHOLD_ := 268435456
test: export MALLOC_MMAP_THRESHOLD_ := 268435456
test: check $(AXE) ## Check, then run every test.
	scripts/install_browser.sh
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal --durations 25 $(PYTEST_ARGS) < /dev/null

coverage: PYTEST_ARGS += --cov --cov-report term
coverage: test ## The same with coverage, which takes a quarter longer.

check: $(DEV_STAMP) ## Format, lint, types, imports between rooms, listed skips, docs.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@# Each of the two takes a minute on one core.
	@$(MAKE) --no-print-directory --jobs=2 types docs

types: $(DEV_STAMP) ## Types, imports between rooms, listed skips.
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_skips.py

format: $(DEV_STAMP) ## Format the code and mend what can be mended.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(DEV_STAMP) ## Build the documentation; a warning is an error.
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -b html docs docs/_build/html
	@echo "Documentation: docs/_build/html/index.html"

screenshots: $(DEV_STAMP) ## Draw the pictures of the documentation anew.
	scripts/install_browser.sh
	$(BIN)/python scripts/screenshots.py

bench: $(DEV_STAMP) ## Run every benchmark; write docs/performance.md.
	$(BIN)/python benchmarks/bench_occlusion.py --write
	$(BIN)/python benchmarks/bench_attributions.py --write
	$(BIN)/python benchmarks/bench_folders.py --write
	$(BIN)/python benchmarks/bench_import.py
	$(BIN)/python benchmarks/bench_page.py

bench-audit: $(DEV_STAMP) ## Train 300 models, audit them (hours; goes on where it stopped), write the docs.
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.tank_test --write

oracles: ## Let other libraries explain the tests' networks, in an environment of their own; write tests/oracle/arrays.
	$(PYTHON) -m venv $(ORACLES)
	$(ORACLES)/bin/python -m pip install --disable-pip-version-check --no-input --quiet $(PIP_ARGS) -r tests/oracle/requirements.txt
	for script in tests/oracle/make_*.py; do $(ORACLES)/bin/python -m $$(echo $${script%.py} | tr / .) || exit 1; done

constraints: ## Pin the newest versions that fit, in constraints.txt.
	PYTHON=$(PYTHON) scripts/freeze_constraints.sh

clean: ## Remove everything that was installed or built here.
	rm -rf $(VENV) $(ORACLES) node_modules build dist docs/_build docs/_generated
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
	find src tests benchmarks scripts -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(DEMO_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) -e '.[torch]'
	@touch $@

# What the tests need holds what the demo needs.
$(DEV_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) -e '.[all,dev]'
	@touch $@ $(DEMO_STAMP)

$(AXE): package-lock.json
	scripts/install_axe.sh
	@touch $@
