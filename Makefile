# Everything from a fresh clone with Python, make and git alone; second runs start at once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: trace test prove check model clean

trace: $(VENV)/core  ## follow a trained GPT's arithmetic for "hello world"
	$(BIN)/python -m handcalc.trace "hello world"

test: $(VENV)/test  ## prove that the implementations are the same
	$(BIN)/python -m pytest parity_tests

prove: $(VENV)/test  ## the long tests that `make test` leaves out: whole runs, kills, jobs of several processes
	$(BIN)/python -m pytest parity_tests -m prove

check: $(VENV)/dev  ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

model: $(VENV)/core  ## train the model that ships again, from nothing
	$(BIN)/numpy_gpt rebuild --out_dir numpy_gpt/shared/runs/models/tiny

clean:
	rm -rf $(VENV)

# A file in the environment says what has been installed into it; it is made again when pyproject.toml changes.
$(VENV)/core: extras := .
$(VENV)/test: extras := ".[torch,test]"
$(VENV)/dev: extras := ".[dev]"
$(VENV)/core $(VENV)/test $(VENV)/dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable $(extras)
	touch $@
