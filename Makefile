# make up     run everything here; Ctrl-C stops it
# make test   lint, types and all tests, with whatever they need
# make bench  the figures beside their floors

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
SOURCES := activities api assistant bench bridge channels domain holdfast store tests workers workflows
RUN := .venv/bin
INSTALL = $(RUN)/python -m pip install --quiet --constraint constraints.txt --editable

.DEFAULT_GOAL := up
.PHONY: up test test-needs lint format bench clean

up: .venv/installed
	@exec $(RUN)/holdfast up

# Three at a time, and then those that need the machine for themselves.
test: test-needs lint
	$(RUN)/pytest -m "not alone" --numprocesses 3 --dist loadfile
	$(RUN)/pytest -m alone

lint: .venv/installed-dev
	$(RUN)/ruff check $(SOURCES)
	$(RUN)/ruff format --check $(SOURCES)
	$(RUN)/mypy
	$(RUN)/lint-imports --no-logo

format: .venv/installed-dev
	$(RUN)/ruff check --fix $(SOURCES)
	$(RUN)/ruff format $(SOURCES)

bench: .venv/installed-dev
	@exec $(RUN)/python -m bench

# What the tests need besides Python packages; it installs nothing that is there already.
test-needs: .venv/installed-dev
	@tests/install

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

# The stamps are older than these files whenever a dependency may have changed.
.venv/installed: pyproject.toml constraints.txt | .venv/bin/pip
	@echo "Installing Holdfast into .venv …"
	@$(INSTALL) .
	@touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/pip
	@echo "Installing Holdfast and its tools into .venv …"
	@$(INSTALL) '.[dev]'
	@touch $@ .venv/installed

# pip comes last into a new environment, so one that was interrupted is made again.
.venv/bin/pip:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Holdfast needs Python 3.11 or newer; here is $$(python3 --version 2>&1)." \
			"Install it, or say where it is: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv
