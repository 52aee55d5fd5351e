# Two commands from a fresh clone: `make demo` and `make test`. `make` alone lists what there is.
#
# PYTHON     the Python (3.11 or newer) that .venv is made with; found by itself unless given
# PIP_ARGS   further arguments to every pip install, for example another index for torch
# OUT        where the demo writes
# OLD        what `make oldest` tests, all of tests/ unless given
# WORKERS    processes that the tests run in

# Names are not enough: a command called python3.11 may be a switch to a version that is not installed.
PYTHON ?= $(or $(shell for name in python3 python3.11 python3.12 python3.13; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done),none)
PIP_ARGS ?=
OUT ?= out/demo
OLD ?= tests
WORKERS ?= 2

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(PIP_ARGS)
INPUTS := pyproject.toml constraints.txt packages/embedded/pyproject.toml
# The trained models are a package of their own; named beside saccade, it is taken from here and not from an index.
HERE := -e ./packages/embedded -e

.DEFAULT_GOAL := help
.PHONY: help demo test check exact oldest lint format docs site clean

help: ## list the commands
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: .venv/.ok ## install into .venv and compare the embedded readers on the embedded exam
	@echo "==> comparing the embedded readers on the embedded exam; the report goes to $(OUT)"
	@$(BIN)/saccade compare --out $(OUT)

# A test keeps to one core, so that two run side by side. All tests of a file run in one process: what they share, such
# as a server or a trained model, is made once.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test: lint ## install into .venv and run every gate and every test
	@echo "==> tests: pytest, $(WORKERS) processes"
	@$(PYTEST)

check: .venv/.test ## the gates and tests that your changes touch; a minute for a change of one part
	@$(BIN)/python -m tools.check

exact: .venv/.test ## every size and every model of the planner against transformers and torch: minutes
	@echo "==> exactness: pytest tests/exact, all of it"
	@SACCADE_EXACT=1 $(BIN)/python -m pytest tests/exact --timeout 1800

# What constraints.txt pins to the newest is installed in the lowest version that pyproject.toml allows.
oldest: $(BIN)/python ## install the lowest transformers that is allowed into .venv-oldest and run the tests there
	@[ -x .venv-oldest/bin/python ] || $(BIN)/python -m venv .venv-oldest
	@lowest=$$($(BIN)/python -c "import runpy; print(runpy.run_path('src/saccade/compat/versions.py')['LOWEST'])"); \
	pins=$$(mktemp); grep -v '^transformers==' constraints.txt >$$pins; echo "transformers==$$lowest" >>$$pins; \
	echo "==> installing transformers $$lowest and the test tools into .venv-oldest"; \
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check -c $$pins $(PIP_ARGS) $(HERE) '.[run,test]'; \
	done=$$?; rm -f $$pins; exit $$done
	@echo "==> tests on the lowest version: pytest $(OLD)"
	@.venv-oldest/bin/python -m pytest $(OLD)

lint: .venv/.test ## the gates alone: style, format, types, direction of imports
	@echo "==> style: ruff check"
	@$(BIN)/ruff check .
	@echo "==> format: ruff format --check"
	@$(BIN)/ruff format --check .
	@echo "==> types: pyright"
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@echo "==> direction of imports: lint-imports"
	@$(BIN)/lint-imports

format: .venv/.test ## put the code into the house's format and repair what can be repaired
	@echo "==> ruff format and ruff check --fix"
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: .venv/.ok ## write the generated pages under docs/readers, and the diagram of folders
	@echo "==> one page a reader: docs/readers"
	@$(BIN)/saccade models --pages docs/readers --results docs/results.json
	@echo "==> diagram of folders: docs/architecture.svg"
	@$(BIN)/python docs/scripts/folder_diagram.py

site: .venv/.test ## build the documentation into out/site, where index.html opens without a network
	@echo "==> documentation: mkdocs build --strict"
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean: ## remove .venv, .venv-oldest, caches and what was written to out/
	@echo "==> removing .venv, caches and out/"
	@rm -rf .venv .venv-oldest .pytest_cache .ruff_cache .import_linter_cache out

$(BIN)/python:
	@if [ "$(PYTHON)" = none ]; then \
		echo "saccade needs Python 3.11 or newer and found none; name it: make PYTHON=/path/to/python3.11"; exit 1; fi
	@echo "==> making .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

# The package is linked, not copied: an edit is in force at once, and so is the next pull.
.venv/.ok: $(INPUTS) | $(BIN)/python
	@echo "==> installing saccade and what it runs on (torch, transformers, readers of PDFs and videos …) into .venv: some minutes the first time"
	@$(PIP) $(HERE) '.[run,media]'
	@touch $@

.venv/.test: .venv/.ok
	@echo "==> installing the test tools into .venv"
	@$(PIP) $(HERE) '.[run,test]'
	@touch $@
