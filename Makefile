# make demo      set up .venv, run the pipeline on a small simulated brain, say where the results are
# make test      set up .venv, run all tests, doctests and the examples of the README
# make check     style, types and all tests: what CI runs
# make soak      runs and stores whose processes are killed and whose files are damaged, new examples: an hour
# make peers     files of programs that want other packages, written and read: each in an environment of its own
# make pictures  draw the pictures of the docs from simulated data, with napari and Chromium (EXTRAS=dev,napari,web,browser)
# make test-lowest  run a part of the tests with the lowest versions that pyproject.toml allows
# make test-312  run the tests on another Python: make test-312 PYTHON312=/path/to/python3.12

PYTHON    ?= python3
PYTHON312 ?= python3.12
VENV      ?= .venv
EXTRAS    ?= dev
JOBS      ?= 2
PYTEST_ARGS ?=
PEERS     ?=
PICTURES  ?=
SOAK_RUNS ?= 200
SOAK_SEED ?= 0
SOAK_KILLS ?= 300
SOAK_FAULTS ?= 1000
SOAK_BUCKET ?= 300
SOAK_DAMAGES ?= 20
SOAK_INPUTS ?= 20000

bin   := $(VENV)/bin
comma := ,
# One stamp for each set of extras: a set-up runs again when pyproject.toml is newer, and at no other time
ready := $(VENV)/.ready-$(subst $(comma),-,$(EXTRAS))
core  := $(VENV)/.ready-core

# Tests of one file stay on one worker: they share fixtures, and some start processes of their own
# (the script, not `python -m`: that would make the folder of tests importable for workers).
# Which file goes to which worker, and what becomes of a worker that dies: tests/worker_files.py
# Results of tests lie in memory where there is room: they are small, and each is synced to its disk
in_memory := $(shell df -k --output=avail /dev/shm 2>/dev/null | \
  awk 'NR == 2 && $$1 > 4000000 { print "TMPDIR=/dev/shm" }')
pytest = $(in_memory) $(bin)/pytest -n $(JOBS) --dist loadfile $(PYTEST_ARGS)

# Tests start thousands of processes: where PYTHONDONTWRITEBYTECODE is set, as in containers, each
# would compile all of scutoid that it imports, which is half of what it takes
compiled = $(bin)/python -m compileall -q src examples tools

.PHONY: help setup demo check lint types test lowest test-lowest test-with test-312 import-cost soak peers pictures clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# //p' Makefile | head -8

setup: $(ready)

$(bin)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "scutoid needs Python 3.11 or newer; give one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(core): pyproject.toml | $(bin)/python
	$(bin)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(ready): pyproject.toml | $(bin)/python
	$(bin)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRAS)]"
	@touch $(core) $@

demo: $(core)
	$(bin)/scutoid demo

lint: $(ready)
	$(bin)/ruff check
	$(bin)/ruff format --check

types: $(ready)
	$(bin)/mypy

test: $(ready)
	@$(compiled)
	$(pytest)

# Tests come last, so that the closing line of pytest is the last line of all
check: lint types
	@$(MAKE) --no-print-directory test

# Some of the tests of each package that scutoid needs, within two minutes; PYTHON is best the oldest
# that is supported, for which all lowest versions have been built
LOWEST ?= $(addprefix tests/,store/formats store/keys/test_pinned_keys.py store/test_columns.py \
  store/test_golden.py arrays/test_channels.py arrays/test_microscopes.py arrays/test_pyramids.py \
  arrays/test_readers.py arrays/test_tiff_series.py arrays/test_writers.py kernels/test_components.py \
  ops/test_thresholds.py steps/handles/test_export_tables.py executors/test_executors.py \
  test_remote.py)
lowest := $(VENV)-lowest

$(lowest)/.ready: pyproject.toml
	$(PYTHON) -m venv $(lowest)
	$(lowest)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(lowest)/bin/uv pip install --quiet --python $(lowest)/bin/python --resolution lowest-direct \
	  --editable ".[test]"
	@touch $@

lowest: $(lowest)/.ready

test-lowest: $(lowest)/.ready
	@$(MAKE) --no-print-directory test-with bin=$(lowest)/bin PYTEST_ARGS="$(PYTEST_ARGS) $(LOWEST)"

test-with:
	@$(compiled)
	$(pytest)

test-312:
	@$(MAKE) --no-print-directory test PYTHON=$(PYTHON312) VENV=.venv-312

import-cost: $(core)
	$(bin)/python tools/import_cost.py

soak: $(ready)
	$(bin)/python tools/soak.py --runs $(SOAK_RUNS) --seed $(SOAK_SEED) --jobs $(JOBS)
	$(bin)/python tools/soak_store.py --kills $(SOAK_KILLS) --seed $(SOAK_SEED) --jobs $(JOBS)
	SCUTOID_SOAK=1 $(bin)/pytest -o faulthandler_timeout=7200 tests/cluster tests/steps/running/test_run_share.py
	$(bin)/python tools/soak_faults.py --kills $(SOAK_FAULTS) --seed $(SOAK_SEED) --jobs $(JOBS)
	$(bin)/python tools/soak_bucket.py --kills $(SOAK_BUCKET) --seed $(SOAK_SEED) --jobs $(JOBS)
	SCUTOID_DAMAGES=$(SOAK_DAMAGES) $(pytest) tests/steps/results/test_store_faults.py
	SCUTOID_NEW_EXAMPLES=1 $(pytest) -m hypothesis
	$(bin)/python tools/fuzz --inputs $(SOAK_INPUTS) --seed $(SOAK_SEED) --jobs $(JOBS)

peers: $(ready)
	$(bin)/python tools/peers.py --envs $(VENV)-peers $(PEERS)
	$(bin)/python tools/microscopes.py

pictures: $(ready)
	xvfb-run -a -s '-screen 0 1600x1200x24' $(bin)/python tools/pictures $(PICTURES)

clean:
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist scutoid-demo
