PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Half of a test's time is waiting for daemons and clocks, so there is work for one process more than there are cores.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

.PHONY: test check coverage demo generate bench clean

# One virtual environment serves everything; it is made anew when what it holds changes.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Bough needs Python 3.11 or newer; name one: make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Bough and its tools into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,cpu,remote]'
	@touch $@

test: check
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal

check: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python proto/generate.py --check
	cd proto && ../$(BIN)/buf lint

# Branches, too, and in every process that a test starts. It takes longer than `make test`: PATHS=tests/merge for a part.
coverage: $(STAMP)
	rm -rf .coverage
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal --cov --cov-report=term --timeout=600 $(PATHS)

demo: $(STAMP)
	@$(BIN)/bough demo

generate: $(STAMP)
	$(BIN)/python proto/generate.py

clean:
	rm -rf $(VENV)
