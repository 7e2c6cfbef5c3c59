# Everything works from a fresh clone with only Python, make and git; later runs start immediately.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: trace page test prove check model clean

trace: $(VENV)/core  ## follow a trained GPT's arithmetic for "hello world"
	$(BIN)/python -m handcalc.trace "hello world"

page: $(VENV)/core  ## the same and a training step as a web page, to click and to change
	$(BIN)/python -m handcalc.trace "hello world" --update --format html --output docs/hello-world.html --open

test: $(VENV)/test  ## prove that the implementations compute the same function
	$(BIN)/python -m pytest parity_tests

prove: $(VENV)/test  ## the long tests that `make test` skips: whole runs, kills, jobs with several processes
	$(BIN)/python -m pytest parity_tests -m prove

check: $(VENV)/dev  ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

model: $(VENV)/core  ## retrain the shipped model from scratch
	$(BIN)/numpy_gpt rebuild --out_dir numpy_gpt/shared/runs/models/tiny

clean:
	rm -rf $(VENV)

# A marker file in the environment records each installation, which is repeated when pyproject.toml changes.
$(VENV)/core: extras := .
$(VENV)/test: extras := ".[torch,test,browser,notebooks,interop]"
$(VENV)/dev: extras := ".[dev]"
$(VENV)/core $(VENV)/test $(VENV)/dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable $(extras)
	touch $@
