# Every command a newcomer, a developer or CI needs. `make help` lists them.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
BENCH  := .venv-bench
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.DEFAULT_GOAL := help
.PHONY: help install install-dev run test check format bench faults lock clean

help: ## List these commands
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Create .venv from the hashed lock; the command is .venv/bin/signpost

install-dev: $(VENV)/.installed-dev ## The same with the tools for tests and checks

run: install ## Start the whole system here with a sample district
	@$(BIN)/signpost run

test: install-dev check ## Check and test everything; uses RabbitMQ and PostgreSQL where they are to be had
	$(BIN)/pytest -q -n 2 --dist loadfile tests/unit tests/contracts tests/architecture
	$(BIN)/pytest -q tests/integration tests/flows tests/faults tests/e2e

check: install-dev ## Style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install-dev ## Put the code into its usual form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BENCH)/.installed ## Print every figure the README claims, measured here beside other frameworks
	$(BENCH)/bin/python -m benchmarks $(ARGS)

faults: install-dev ## Kill processes, broker and database during changes, and count what was lost (an hour)
	$(BIN)/pytest -q tests/faults --full

lock: ## Renew the hashed locks from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--extra dev pyproject.toml -o requirements-dev.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--extra bench --extra dev pyproject.toml -o requirements-bench.lock

clean: ## Remove the environment and what `make run` keeps
	rm -rf $(VENV) $(BENCH) .signpost

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; say where it is: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing into $(VENV) (about a minute the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

# Without the frameworks that Signpost is measured beside, it is measured alone, and `make bench` says so and fails.
$(BENCH)/.installed: requirements-bench.lock requirements-dev.lock pyproject.toml
	@echo "Installing what is measured into $(BENCH) (about a minute the first time)"
	@test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements-bench.lock || \
		$(BENCH)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements-dev.lock
	@$(BENCH)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
