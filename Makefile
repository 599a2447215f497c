# Everything sets itself up in a local virtual environment; needed: Python >= 3.10, pip, make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

# The versions that CI uses, for the Pythons that they are known to have wheels for.
PINS := $(shell $(PYTHON) -c "import sys; print('-c .ci/constraints.txt' if (3, 10) <= sys.version_info < (3, 14) else '')")

# Percent of lines that the suite runs, at least.
FLOOR := 92

.PHONY: demo test slow mutants coverage lint format notebooks pair notebook-outputs figures \
	docs wheel dist clean

demo: $(VENV)/.installed ## Place a small fleet, with its certificate, and check the certificate.
	$(BIN)/kvpr-opt solve examples/small_fleet.yaml --certificate $(VENV)/demo-certificate.json
	$(BIN)/kvpr-opt verify examples/small_fleet.yaml $(VENV)/demo-certificate.json

test: $(VENV)/.installed-dev lint ## Format, lint, types, and the whole fast suite.
	$(BIN)/kvpr-opt warmup
	$(BIN)/python -m pytest -n auto

slow: $(VENV)/.installed-dev ## The long cross-checks; an hour.
	$(BIN)/kvpr-opt warmup
	$(BIN)/python -m pytest -n auto -m slow

mutants: $(VENV)/.installed-dev ## Delete or flip each condition of the checker: a test has to fail; half an hour.
	$(BIN)/python tests/mutate_checker.py

lint: $(VENV)/.installed-dev ## Format, lint, spelling, and the types of the package and of its tests.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini
	$(BIN)/codespell kvpr_opt formulations tests docs examples notebooks .ci *.md

coverage: $(VENV)/.installed-dev ## The suite with its coverage, which has a floor; a third slower than test.
	$(BIN)/kvpr-opt warmup
	$(BIN)/python -m pytest -n auto --cov --cov-report=term:skip-covered --cov-fail-under=$(FLOOR)

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

notebooks: $(VENV)/.installed-dev ## Execute the notebooks, keeping nothing; a minute or two.
	$(BIN)/kvpr-opt warmup
	$(BIN)/python -m pytest -m notebooks tests/test_notebooks.py

pair: $(VENV)/.installed-dev ## Write every notebook anew from its text.
	$(BIN)/python -m jupytext --quiet --update --to ipynb notebooks/*.py

notebook-outputs: pair ## Execute notebooks and keep their outputs: all, or NOTEBOOKS="notebooks/01*".
	$(BIN)/kvpr-opt warmup
	$(BIN)/python docs/site/run_notebooks.py $(filter %.ipynb,$(wildcard $(NOTEBOOKS)))

figures: $(VENV)/.installed-dev ## Make the figures of the pages anew; ten seconds.
	$(BIN)/python docs/site/figures.py

# Not --quiet: MkDocs does not count warnings that it does not show.
docs: $(VENV)/.installed-docs ## Build the site into build/site; a warning or a dead link fails.
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

wheel: $(VENV)/.installed-dev ## Build the wheel into dist/.
	$(BIN)/python -m build --wheel

dist: $(VENV)/.installed-dev ## Build what a release uploads into dist/, and check it.
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m pip install --quiet twine
	$(BIN)/python -m twine check --strict dist/*

clean:
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Some systems split the bundled pip off Python; then the pip at hand fills the environment.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || \
	  ($(PYTHON) -m venv --clear --without-pip $(VENV) && \
	   $(PYTHON) -m pip --python $(BIN)/python install pip)

$(VENV)/.installed: $(BIN)/python pyproject.toml .ci/constraints.txt
	$(BIN)/python -m pip install --quiet $(PINS) -e .
	touch $@

$(VENV)/.installed-docs: $(BIN)/python pyproject.toml .ci/constraints.txt
	$(BIN)/python -m pip install --quiet $(PINS) -e ".[docs]"
	touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml .ci/constraints.txt
	$(BIN)/python -m pip install --quiet $(PINS) -e ".[dev]"
	touch $@ $(VENV)/.installed
