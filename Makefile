# Two commands matter: `make run` and `make test`. Each does its own set-up and repeats in seconds.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Settings for commands that connect to no server.
NOWHERE := SECRET_KEY=not-a-secret-not-a-secret-not-a-secret REDIS_URL=redis://localhost:1 \
	DATABASE_URL=postgresql://localhost:1/none DB_POOL_TIMEOUT=1

.DEFAULT_GOAL := help
# Each process has a PostgreSQL and a Redis of its own, and runs whole files (slamonitor/tests/side_by_side.py).
SIDE_BY_SIDE := -n logical --dist loadfile --no-loadscope-reorder
.PHONY: help setup develop run demo test quick coverage lint migration bench soak faults clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F'\t' '{printf "make %-9s %s\n", $$1, $$2}'

setup: $(VENV)/runtime ## set up: virtual environment and pinned dependencies

develop: $(VENV)/dev ## set up: what tests and checks need as well

run: $(VENV)/runtime ## start everything and open a status page on http://localhost:8000/
	@SLAMONITOR_MAKE_GOAL=run exec $(BIN)/python manage.py up $(ARGS)

demo: $(VENV)/runtime ## the same with sample services, incidents and 90 days of sample data, in var/demo
	@SLAMONITOR_MAKE_GOAL=demo exec $(BIN)/python manage.py up --demo --state-dir var/demo $(ARGS)

test: $(VENV)/dev ## run the whole test suite (ARGS="monitoring -k recording": a part of it)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

quick: $(VENV)/dev ## run unit and database tests only, which take a minute or so
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not browser and not processes and not slow" \
	  --ignore=slamonitor/tests/browser --ignore=slamonitor/tests/test_openapi.py $(ARGS)  # which take long to read

coverage: $(VENV)/dev ## run the whole test suite and list the lines that it does not reach (without subprocesses)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --cov --cov-report=term:skip-covered --cov-report=html $(ARGS)

lint: $(VENV)/dev ## style, types, import contracts, English, migrations, what we ship
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python deploy/prose.py
	$(NOWHERE) $(BIN)/python -W ignore manage.py makemigrations --check --dry-run
	$(BIN)/hadolint Dockerfile || test ! -x $(BIN)/hadolint  # not available for some systems
	$(BIN)/python deploy/audit.py

migration: $(VENV)/runtime ## write a migration: APP=monitoring NAME=what_it_does
	$(NOWHERE) LOG_LEVEL=ERROR $(BIN)/python -W ignore manage.py makemigrations $(APP) --name $(NAME)

bench: $(VENV)/dev ## measure speed (bench/), on loopback only
	$(BIN)/python -m bench $(ARGS)

soak: $(VENV)/dev ## run the engine at 70 % of its capacity for 20 minutes and check that nothing grows
	$(BIN)/python -m bench soak $(ARGS)

faults: $(VENV)/dev ## break a running installation in every way that it must survive (ARGS=--small: fewer and shorter)
	$(BIN)/python -m bench.faults $(ARGS)

clean: ## remove the virtual environment and caches (the state directory var/ stays)
	rm -rf $(VENV) .venv-system .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage* htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Name another one: make $(or $(MAKECMDGOALS),run) PYTHON=python3.12"; exit 1; }
	@echo "Making a virtual environment in $(VENV) with $$($(PYTHON) --version)."
	@$(PYTHON) -m venv $(VENV) || { echo "Could not make a virtual environment. On Debian and Ubuntu: apt install python3-venv"; rm -rf $(VENV); exit 1; }

# A stamp file is written only after a complete install, so an interrupted one is repeated.
$(VENV)/runtime: requirements.lock | $(VENV)/bin/python
	@$(BIN)/python deploy/install.py requirements.lock
	@touch $@

$(VENV)/dev: requirements-dev.lock | $(VENV)/bin/python
	@$(BIN)/python deploy/install.py requirements-dev.lock
	@touch $@ $(VENV)/runtime
