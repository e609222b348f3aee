PYTHON ?= python3
BIN := .venv/bin
LOCKED := $(BIN)/python -m pip install -q --disable-pip-version-check -c requirements/lock.txt

.PHONY: demo test lint types build bench clean

demo: .venv/.ok-demo  ## train on the embedded digits, print the results, write runs/demo/report.html
	$(BIN)/vaekit demo --overwrite

test: .venv/.ok-test  ## the whole suite, doctests included
	OMP_NUM_THREADS=1 MPLBACKEND=Agg $(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

lint: .venv/.ok-dev
	$(BIN)/ruff check .

types: .venv/.ok-dev
	$(BIN)/mypy

build: .venv/.ok-dev  ## a wheel in dist/
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation

bench: .venv-bench/.ok  ## speed beside peers, in an environment of its own; needs mnist.npz in $$VAEKIT_DATA; 20 minutes
	.venv-bench/bin/python benchmarks/speed/run.py $(ARGS)

clean:
	rm -rf .venv .venv-bench dist runs .mypy_cache .ruff_cache .pytest_cache

$(BIN)/python:
	$(PYTHON) -m venv .venv

# The locked environment: a stamp for each set of tools, so that the demo installs no more than it needs.
.venv/.ok-demo: pyproject.toml requirements/lock.txt | $(BIN)/python
	$(LOCKED) -e .
	touch $@

.venv/.ok-test: pyproject.toml requirements/lock.txt | $(BIN)/python
	$(LOCKED) -e '.[test]'
	touch $@ .venv/.ok-demo

.venv/.ok-dev: pyproject.toml requirements/lock.txt | $(BIN)/python
	$(LOCKED) -e '.[test,dev]'
	touch $@ .venv/.ok-test .venv/.ok-demo

.venv-bench/.ok: pyproject.toml requirements/lock.txt benchmarks/speed/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install -q --disable-pip-version-check -c requirements/lock.txt -e . -r benchmarks/speed/requirements.txt
	touch $@
