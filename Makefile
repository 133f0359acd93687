# The two commands that do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
GO = $$($(CURDIR)/$(BIN)/python -c 'from harness.environment.tools import go_program; print(go_program())')
STAMP := .venv/.installed
COMPILE = $(BIN)/uv pip compile --generate-hashes --universal --python-version 3.11 \
  --no-header --no-emit-index-url --no-emit-find-links --quiet

.PHONY: help
help: ## What each target does
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Hash-pinned: what runs here today is what runs on every other machine.
$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 …" >&2; exit 4; }
	@echo "installing the Python packages into .venv …" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# Apache Spark is large, and only the audit's other engine needs it: not a price for `make demo`.
.venv/.spark: requirements/spark.txt $(STAMP)
	@echo "installing Apache Spark into .venv …" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/spark.txt
	@touch $@

.PHONY: install
install: $(STAMP) ## Python packages into .venv

.PHONY: setup
setup: $(STAMP) ## Broker jars, proxy, PostgreSQL and class archive into the cache (once)
	@$(BIN)/eos-chaos setup

.PHONY: demo
demo: setup ## One fault, two pipelines, three real brokers: where does exactly-once stop?
	@$(BIN)/eos-chaos run scenarios/fast/where-exactly-once-stops.chaos.yaml

.PHONY: test
test: setup ## Everything: unit, quality and integration tests on real brokers, and the proxy's own
	$(BIN)/pytest -n 2 --dist loadfile tests/integration tests/quality tests/unit
	$(MAKE) --no-print-directory test-proxy

.PHONY: nightly
nightly: setup .venv/.spark ## What takes hours: every scenario ten times, ten times the trials, a cluster over 500 repeats
	$(BIN)/eos-chaos run scenarios/fast/*.chaos.yaml --repeat 10 --jobs 3
	HYPOTHESIS_PROFILE=nightly QUALITY_TRIALS=20000 $(BIN)/pytest --timeout 1800 tests/quality tests/nightly
	$(BIN)/python benchmarks/endurance.py

.PHONY: mutants
mutants: $(STAMP) ## Conditions of the audit's SQL that no history needs
	$(BIN)/python -m tests.quality.audit.survivors

.PHONY: bench
bench: setup ## What hops, the reader and the audit cost, beside the alternatives
	$(BIN)/python benchmarks/proxy.py
	$(BIN)/python benchmarks/reader.py
	$(BIN)/python -m benchmarks.audit

.PHONY: test-unit
test-unit: $(STAMP) ## The tests that need nothing but Python, in seconds
	$(BIN)/pytest tests/unit

.PHONY: test-proxy
test-proxy: setup ## The proxy's tests, with the race detector where a C compiler is there
	cd compose/eosproxy && GO="$(GO)"; \
	if command -v cc >/dev/null; then "$$GO" test -race ./...; else "$$GO" test ./...; fi

.PHONY: lint
lint: setup ## ruff, mypy --strict, import-linter, gofmt, go vet
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd compose/eosproxy && GO="$(GO)"; \
	"$$GO" vet ./... && unformatted="$$("$$(dirname "$$GO")/gofmt" -l .)" && \
	if test -n "$$unformatted"; then echo "not formatted by gofmt: $$unformatted" >&2; exit 1; fi

.PHONY: lock
lock: $(STAMP) ## Pin every Python package again, by hash
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE) pyproject.toml --extra dev --output-file requirements/dev.txt
	echo 'pyspark>=4.1,<5' | $(COMPILE) - --constraints requirements/dev.txt --output-file requirements/spark.txt

.PHONY: clean
clean: ## Leftovers of runs that were killed, and the build's own files
	@test ! -x $(BIN)/eos-chaos || $(BIN)/eos-chaos clean
	@rm -rf dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
