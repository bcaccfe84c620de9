PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CORES := $(shell getconf _NPROCESSORS_ONLN)
# Half of a test's time is waiting for daemons and clocks, so there is work for one process more than there are cores.
WORKERS := $(shell expr $(CORES) + 1)
# Tests make and remove some hundred thousand small files: in memory, where there is a folder for that with 4 GB of room.
MEMORY := $(shell test -w /dev/shm && test $$(df -Pk /dev/shm | awk 'END {print $$4}') -gt 4000000 && echo /dev/shm)
PYTEST := $(if $(MEMORY),TMPDIR=$(MEMORY)) $(BIN)/python -m pytest
# mypy takes as long as all other checks: they run side by side, and what each says stays together.
QUICK := style imports generated
CHECKS := types $(QUICK)
BESIDE := $(MAKE) --no-print-directory --jobs=$(CORES) $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

.PHONY: test tested check $(CHECKS) collected coverage demo generate clean

# One virtual environment serves everything; it is made again when what it holds changes.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Bough needs Python 3.11 or newer; name one: make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Bough and its tools into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,cpu,remote]'
	@touch $@

# mypy keeps one core busy while the tests are collected on another, and goes on beside them; what it says comes last.
test: $(STAMP)
	@$(BESIDE) $(QUICK)
	@said=$$(mktemp); $(MAKE) --no-print-directory types >"$$said" 2>&1 & types=$$!; \
	$(MAKE) --no-print-directory collected tested; tests=$$?; \
	wait $$types; types=$$?; cat "$$said"; rm -f "$$said"; exit $$((tests | types))

tested:
	$(PYTEST) --numprocesses=$(WORKERS) --dist=worksteal

check: $(STAMP)
	@$(BESIDE) $(CHECKS)

types:
	$(BIN)/mypy

style:
	$(BIN)/ruff check
	$(BIN)/ruff format --check

imports:
	$(BIN)/lint-imports

generated:
	$(BIN)/python proto/generate.py --check
	cd proto && ../$(BIN)/buf lint

# Compiled once, the tests are not compiled by each of the processes that run them.
collected:
	@said=$$($(PYTEST) --collect-only -qq 2>&1) || { echo "$$said"; exit 1; }

# Branches, too, and in every process that a test starts. It takes longer than `make test`: PATHS=tests/merge for a part.
coverage: $(STAMP)
	rm -rf .coverage
	$(PYTEST) --numprocesses=$(WORKERS) --dist=worksteal --cov --cov-report=term --timeout=600 $(PATHS)

demo: $(STAMP)
	@$(BIN)/bough demo

generate: $(STAMP)
	$(BIN)/python proto/generate.py

clean:
	rm -rf $(VENV)
