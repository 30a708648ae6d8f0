# All commands of this project; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install demo test bench faults mutate check schemas requirements clean

help: ## list these commands
	@$(PYTHON) -c 'import re; [print("make %-14s %s" % m) for m in re.findall(r"^([a-z]+):[^#\n]*## (.*)$$", open("Makefile").read(), re.M)]'

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Mandaat needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Set PYTHON=/path/to/python3.11")'
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo "installing the services and the local stack"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	@echo "installing the tools for tests and checks"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.txt
	@touch $@

install: $(VENV)/.run ## install only the command .venv/bin/mandaat: write, check and test a policy, or run the local stack
	@echo "installed $(BIN)/mandaat"

demo: STARTED := $(shell date +%s)
demo: $(VENV)/.run ## run the whole system here: 1,166 retail cases through a real Kafka and Redis
	@$(BIN)/mandaat demo --started-at $(STARTED)

test: $(VENV)/.dev ## run every test: unit, component, contract, integration, end to end, and the quick faults
	@$(BIN)/python -m pytest --numprocesses 2 --no-loadscope-reorder

$(VENV)/quix/.made: requirements-quix.txt $(VENV)/.dev
	@echo "installing Quix Streams for the comparison, in a separate environment"
	@$(PYTHON) -m venv $(VENV)/quix
	@$(VENV)/quix/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-quix.txt
	@touch $@

bench: $(VENV)/.dev $(VENV)/quix/.made ## measure what a decision costs; ONLY="copy latency" for some parts (docs/speed.md)
	@$(BIN)/python -m tests.benchmarks $(ONLY) $(OPTIONS)

faults: $(VENV)/.dev ## test what happens when a part stops, stalls or loses its data, over 20,000 requests (docs/faults.md)
	@MANDAAT_FAULTS_REQUESTS=20000 $(BIN)/python -m pytest tests/faults --durations=0

mutate: $(VENV)/.dev ## change the engine in one place at a time, and list what no test notices; OPTIONS="--seed 2" for another sample
	@$(BIN)/python -m tests.mutation $(OPTIONS)

check: $(VENV)/.dev ## check the code: ruff, format, mypy --strict, import-linter, deptry
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/deptry .

schemas: $(VENV)/.dev ## write the JSON Schema and AsyncAPI files from the models
	@$(BIN)/python -m schemas.export
	@$(BIN)/mandaat policy schema > schemas/json/policy.schema.json
	@$(BIN)/mandaat policy schema --tests > schemas/json/policy_test.schema.json

requirements: ## pin the dependencies of pyproject.toml again, with hashes (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make requirements" --extra local --group build pyproject.toml -o requirements.txt
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make requirements" --constraint requirements.txt --extra local --group build --group dev pyproject.toml -o requirements-dev.txt
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make requirements" --extra local --group quix pyproject.toml -o requirements-quix.txt

clean: ## remove the environment and the caches; the local stack's data stays in .mandaat
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
