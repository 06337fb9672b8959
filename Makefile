# Every target makes its own .venv and installs the extras it needs, once.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PYTEST_ARGS ?=
BIN := .venv/bin
STAMP := .venv/.installed-

LOWEST := .venv-lowest
LOWEST_TESTS := tests/estimators/test_compliance.py tests/estimators/test_pickling.py \
  tests/engine/test_equality.py tests/engine/test_scoring.py tests/test_private_names.py

.PHONY: help demo test test-lowest lint docs bench reproduce quality clean
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:
	@echo "make demo        compress, denoise and detect on real data; writes three pictures"
	@echo "make test        the test suite, on two processes"
	@echo "make test-lowest the engine and compliance tests, with the oldest releases allowed"
	@echo "make lint        ruff and mypy"
	@echo "make docs        the site, in docs/_build/html; warnings are errors"
	@echo "make bench       speed and memory beside raw Keras, SciKeras, scikit-learn and PyOD"
	@echo "make reproduce   the published figures, from the real data in SKAE_DATA"
	@echo "make quality     outlier detection on 22 public tables in SKAE_DATA, beside other detectors"
	@echo "make clean       remove what the other targets made, .venv included"

# A .venv from elsewhere, or one whose making was interrupted, may lack pip or a living python.
$(STAMP)%: pyproject.toml
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "Installing skae[$*] into .venv (once, some minutes)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable ".[$*]"
	@touch $@

demo: $(STAMP)plot
	@$(BIN)/python examples/demo.py

test: $(STAMP)test
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile $(PYTEST_ARGS)

# In an environment of its own, with the oldest releases that pyproject.toml allows.
$(LOWEST)/.installed: pyproject.toml tests/lowest.txt
	@$(PYTHON) -m venv --clear $(LOWEST)
	@echo "Installing the oldest releases into $(LOWEST) (once, some minutes)"
	@$(LOWEST)/bin/python -m pip install -qq --disable-pip-version-check \
	  --editable ".[test]" --constraint tests/lowest.txt
	@touch $@

test-lowest: $(LOWEST)/.installed
	@$(LOWEST)/bin/python -m pytest -q -n 2 --dist loadfile $(LOWEST_TESTS) $(PYTEST_ARGS)

lint: $(STAMP)lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

docs: $(STAMP)docs
	@$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: $(STAMP)bench
	@$(BIN)/python -m tests.benchmarks

reproduce: $(STAMP)plot
	@$(BIN)/python examples/reproduce.py

quality: $(STAMP)plot
	@$(BIN)/python examples/quality.py

clean:
	rm -rf .venv $(LOWEST) build dist demo-output docs/_build docs/auto_examples docs/generated \
	  docs/sg_execution_times.rst .pytest_cache .mypy_cache .ruff_cache
