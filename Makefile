# The two commands that a newcomer needs: `make demo` and `make test`. Both do all their own set-up.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
# The first Python of 3.11 to 3.13 that works; say PYTHON=... to choose another.
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
UV_VERSION := 0.13.9
ARGS ?=
# Quiet, reproducible children: no telemetry, one thread for small models.
export TF_CPP_MIN_LOG_LEVEL := 3
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint check bench bench-peers evaluate train faults servers clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "python: found none of 3.11 to 3.13; install one, or say: make PYTHON=/path/to/python3.11 demo"; exit 2; }
	@echo "== making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "python: cannot make a virtual environment; on Debian: apt-get install python3-venv"; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) || echo "== uv is not to be had; pip installs instead (slower)"

# install FILE: the pinned packages of one requirements file, and this checkout as editable.
define install
	@echo "== installing requirements/$(1).txt"
	@if [ -x $(BIN)/uv ] && $(BIN)/uv pip install --python $(BIN)/python -r requirements/$(1).txt; then :; \
	else $(BIN)/python -m pip install --disable-pip-version-check -r requirements/$(1).txt; fi
	@if [ -x $(BIN)/uv ] && $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .; then :; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .; fi
endef

$(VENV)/.demo: requirements/demo.txt pyproject.toml | $(BIN)/python
	$(call install,demo)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	$(call install,dev)
	@touch $(VENV)/.demo $@

# tflite-runtime needs numpy 1 and Python 3.11: an environment of its own, only to compare scores. Elsewhere its tests say so.
.venv-tflite/.done: requirements/tflite.txt | $(VENV)/.dev
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then \
		echo "== installing requirements/tflite.txt"; \
		$(BIN)/python -m venv .venv-tflite && .venv-tflite/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/tflite.txt; \
	else mkdir -p .venv-tflite; fi
	@touch $@

setup: $(VENV)/.dev .venv-tflite/.done ## Make .venv with the command `plenum` and all that demo, tests and evaluations need

demo: $(VENV)/.demo ## Watch the whole system work; Ctrl-C ends it (ARGS="--seconds 180 --check" runs unattended)
	@$(BIN)/plenum demo $(ARGS)

test: setup ## Run the tests; those whose server is missing are skipped and listed (CI=true: they fail)
	@$(BIN)/python -m pytest $(ARGS)

lint: setup ## Format, lint, types and import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint test ## What must pass before a commit: lint, then test

bench: setup ## The benchmarks: RESULT lines, also in bench.json (needs Mosquitto and `make servers`)
	@$(BIN)/plenum bench --json bench.json $(ARGS)

# What `plenum bench stream` compares with: their versions of packages are not ours, so they have an environment of their own.
.venv-bench/.done: requirements/bench.txt | $(BIN)/python
	@echo "== installing requirements/bench.txt"
	@$(BIN)/python -m venv .venv-bench && .venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/bench.txt
	@touch $@

bench-peers: .venv-bench/.done ## Quix Streams, Bytewax and Kafka Streams for `plenum bench stream` (needs Maven and a JDK of 17 or later)
	@mvn -q -B -f tests/bench/kafka_streams/pom.xml compile dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/.servers/kafka_streams/libs

# Where the public data sets are, if anywhere.
DATA ?= $(wildcard ../shared/data/hvac)

evaluate: setup ## Score rules, models and what they save: RESULT lines and docs/scorecard.md (DATA=folder of the public data sets)
	@rm -f evaluate.json
	@$(BIN)/plenum report hvac --json evaluate.json
	@$(BIN)/plenum evaluate hvac $(if $(DATA),--data $(DATA)) --scorecard docs/scorecard.md --json evaluate.json $(ARGS)

train: setup ## Rebuild the shipped models from simulated plants
	@$(BIN)/plenum train hvac $(ARGS)

faults: setup ## The fault loops in full: hours, not minutes
	@$(BIN)/python -m pytest -m long --timeout 14400 $(ARGS)

servers: ## Fetch the jars of Apache Kafka for the tests and Spark's Kafka connector (needs Maven and Java 17)
	@mvn -q -B -f tests/kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/.servers/kafka/libs
	@mvn -q -B -f stream/spark/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/.servers/spark/jars

clean: ## Remove what these targets made
	rm -rf $(VENV) .venv-tflite .venv-bench .servers artefacts bench.json evaluate.json .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
