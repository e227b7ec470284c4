PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PYTEST_FLAGS ?=
TORCH ?= torch==2.13.0+cpu
TRITON ?= triton==3.9.0

.DEFAULT_GOAL := help
.PHONY: help setup setup-gpu setup-browser study test test-quick check docs floors format fuzz enumerate bench clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with fusemax and everything a developer needs

$(STAMP): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

setup-gpu: setup ## Add torch's CPU build and Triton, which try the GPU harness where there is no GPU
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '$(TORCH)' '$(TRITON)'

setup-browser: ## Install Chromium, which the tests open reports in (Debian and the like, as root)
	command -v chromium >/dev/null || (apt-get update -qq && apt-get install -y -qq chromium >/dev/null)

study: setup ## Run the FuseMax MICRO 2024 study from YAML to its tables, figures and report
	$(BIN)/fusemax run micro24

test: setup ## Run every test, the slow ones too
	$(BIN)/pytest -n 2 $(PYTEST_FLAGS)

test-quick: setup ## Run the tests, all but the slow ones
	$(BIN)/pytest -n 2 -m "not slow" $(PYTEST_FLAGS)

docs: setup ## Build the documentation site into site/: broken links and warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

check: docs ## Check format, lint, types, the direction of imports, and that the documentation builds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-cache

floors: ## Run the quick tests with the lowest version of every dependency that pyproject.toml allows
	$(PYTHON) -m venv .venv-floors
	$(PYTHON) benchmarks/floors.py > .venv-floors/floors.txt
	.venv-floors/bin/python -m pip install --quiet --disable-pip-version-check --constraint .venv-floors/floors.txt \
	  --editable . pytest pytest-xdist hypothesis pint
	.venv-floors/bin/pytest -n 2 -m "not slow" -o filterwarnings=default $(PYTEST_FLAGS) \
	  --deselect tests/test_gallery.py::test_pictures_are_as_they_were_looked_at  # pictures are those of matplotlib 3.11

format: setup ## Format the code and mend what the linter can mend
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

fuzz: setup ## Compare the walk, the cost model and the simulator on fresh random designs (SECONDS=60 SEED=...)
	$(BIN)/python -m tests.walk.fuzz --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED))

enumerate: setup ## Compare the mapper with full enumeration of random small designs (DESIGNS=500 FIRST=0)
	$(BIN)/python -m tests.search.fuzz --designs $(or $(DESIGNS),500) --first $(or $(FIRST),0) --most 300

bench: setup ## Print times and peak memory of start-up, of the study and of sweeps
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/speeds.py

clean: ## Remove the environment, the results and every cache
	rm -rf .venv .venv-floors results site dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
