# make demo   the main job, on the sandbox            make test   the tests
# make lint   linters and type checkers               make bench  the benchmarks
# make docs   the documentation site, in build/docs
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench docs clean

demo: $(VENV)/.has-cli
	@$(BIN)/timezest demo

# More workers than the two cores that one counts on: some tests wait for time to pass.
test: $(VENV)/.has-test
	$(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

lint: $(VENV)/.has-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pyright --verifytypes timezest_async --ignoreexternal --outputjson | \
	$(BIN)/python -c "import json, sys; \
	score = json.load(sys.stdin)['typeCompleteness']['completenessScore']; \
	print(f'{score:.1%} of the public types are written down'); sys.exit(score < 0.99)"

bench: $(VENV)/.has-bench
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/.has-docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "build/docs/index.html"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# One stamp per extra, so that the demo need not wait for what only the tests need.
$(VENV)/.has-%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

clean:
	rm -rf $(VENV) build dist
